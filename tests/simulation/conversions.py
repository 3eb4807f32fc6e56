"""Seeded histories of offers whose prices are converted while the rates change, with the real engine and flow.

As in ``listings.py``, the process is killed and restarted, and its group's offsets are reset. In place of edits in the
portal, the rates change; two pairs of price and rate give the same converted price. Of the invariants, **N** and **O**
are those of ``listings.py``, and:

- **E**: at the end, every listed offer holds what the last result of its newest event says that it has.
- **R**: once a durable result says how an event's price was converted and accepted, no call carries another price for
  that event, however the rates change and however often it is read again.
"""

import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal

from connector.contracts.capabilities import Capability
from connector.mappings.in_use import MappingsInUse
from connector.mappings.rates import Rate, Rates
from connector.marketplace.offers import Field, LookUp
from connector.offers.call_bodies import OfferUpdate
from connector.offers.conversion import ConversionRule
from connector.offers.events import FieldResult, FieldStatus, OfferResult, Price
from connector.offers.flow import OfferFlow
from connector.offers.policy import OfferPolicy
from connector.routing.table import Routing
from streams.flow import Reply
from tests.harness.offer_harness import DE, REFERENCE, START_US, TOPICS
from tests.simulation.checker import Violation
from tests.simulation.listings import EVENTS_END_S, ListingHistory, result_id_of

ON = replace(DE, capabilities=frozenset({Capability.PRICES_CONVERT}))
AS_WANTED = (FieldStatus.APPLIED, FieldStatus.UNCHANGED)


class ConversionHistory(ListingHistory):
    """One seeded history. A ``MappingSource``: the rates outlive the processes."""

    def __init__(self, seed: int, flow: Callable[..., OfferFlow] | None = None) -> None:
        self._put("0.25", START_US)
        super().__init__(seed, *([flow] if flow is not None else []))

    def _put(self, rate: str, at_us: int) -> None:
        rates = Rates({("PLN", "EUR"): Rate(value=Decimal(rate), at_us=at_us, source="seeded")})
        self.in_use = MappingsInUse(routing=Routing.of((ON,)), reference=REFERENCE, rates=rates)

    def _new_flow(self) -> OfferFlow:
        jump_pct = Decimal(20 if self.seed % 3 == 0 else 1000)
        policy = OfferPolicy(
            recheck_s=900.0, conversions={"shop-de": ConversionRule(max_age_s=10_000.0, jump_pct=jump_pct)}
        )
        return self._flow(ON, policy=policy, mappings=self)

    def _happenings(self) -> Iterator[tuple[float, Callable[[], None]]]:
        yield from ((at_s, happen) for at_s, happen in super()._happenings() if happen != self._edit)
        for _ in range(self.rng.randint(3, 12)):
            yield self.rng.uniform(0, EVENTS_END_S), self._reload

    def _reload(self) -> None:
        self.seen["reload"] += 1
        self._put(self.rng.choice(["0.25", "0.333333333"]), self.driver.now.wall_us)

    def _price(self) -> Price:
        return Price(amount=Decimal(self.rng.choice([36, 48])), currency="PLN")

    def _reply(self, body: LookUp | OfferUpdate) -> Reply:
        if not isinstance(body, LookUp):
            known = {result.result_id: field for result, field in self._prices() if field.status in AS_WANTED}
            for carried in body.carried:
                said = known.get(carried.result_id)
                if carried.field is Field.PRICE and said is not None and said.requested != carried.value / Decimal(100):
                    text = f"{carried.event_id} is sent as {carried.value}, its result says {said.requested}"
                    self._complain("R", text)
        return super()._reply(body)

    def _prices(self) -> Iterator[tuple[OfferResult, FieldResult]]:
        """Yields the durable results that have a price, in their order."""
        for _, value in self.driver.topics.get(TOPICS.offer_results, []):
            result: OfferResult = pickle.loads(value)
            for field in result.fields:
                if field.field == Field.PRICE:
                    yield result, field

    def _ends(self) -> Iterator[Violation]:
        last = {result.result_id: field for result, field in self._prices()}
        for ean, listing in self.listings.items():
            newest = self._newest(ean, Field.PRICE)
            said = last.get(result_id_of(newest.event)) if newest is not None else None
            if said is None or said.conversion is None:
                continue
            self.seen[f"price {said.status}"] += 1
            held = Decimal(listing.held[Field.PRICE]) / 100
            if said.status in AS_WANTED and held != said.requested:
                text = f"{ean} has {held}, the last result of its newest event says {said.requested}"
                yield Violation(invariant="E", text=text)
