"""Seeded histories of offers that are listed late or edited by others, with the real engine and the real offer flow.

One process owns one partition. It is killed and restarted, and its group's offsets are reset, while a merchant lists
offers and edits them in the portal. Time is virtual. The invariants (letters as in ``checker.py``):

- **N**: shortly after the last event, and at the end, each event has one LIVE result, one REPLAY result for each time
  that it was read again after it was done or announced, and at most one closing result.
- **E**: shortly after the last event, no offer sells stock if its newest event, read after it was listed, says that
  none is left. At the end, every listed offer holds what its newest event says, or what was edited after that event
  was read.
- **O**: the accepted values of a field never go back in the order of the events.
"""

import pickle
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from connector.contracts.result_ids import result_id
from connector.marketplace.offers import Accepted, Field, Found, LookUp, Unit
from connector.offers.call_bodies import OfferUpdate
from connector.offers.events import Announced, OfferChanged, OfferResult, Price
from connector.offers.flow import OfferFlow
from connector.offers.policy import OfferPolicy
from streams.flow import Call, Lost, Now, Record, Reply, Settled
from streams.policy import Pace, Policy
from tests.harness.engine_driver import EngineDriver
from tests.harness.offer_harness import CLUSTER, SECOND, START_US, TOPICS, flow_of, unit
from tests.simulation.checker import Violation

EANS = ("4006381333931", "4006381333948", "4006381333955", "4006381333962")
EVENTS_END_S = 600.0
SOON_S = 100.0
THE_END_S = EVENTS_END_S + 3_600.0
RULES = OfferPolicy(
    trust_s={Field.STOCK: 0.0, Field.PRICE: 0.0, Field.HANDLING_TIME: 0.0},  # the portal edits values, so always write
    recheck_s=900.0,
)
PATIENT = Policy(lease_s=30.0, session_s=60.0)
"""An idle process commits less often, for speed."""


@dataclass(slots=True)
class ListedOffer:
    """An offer at the marketplace, from the moment it is listed."""

    unit_id: int
    listed_at_s: float
    held: dict[Field, int]
    edited_at_s: dict[Field, float] = field(default_factory=dict)


@dataclass(slots=True)
class Read:
    """An event, and when it was first read."""

    event: OfferChanged
    at_s: float
    replays: int = 0

    @property
    def order(self) -> tuple[int, int]:
        return (self.event.occurred_at_us, self.event.offset)

    def value(self, of: Field) -> int | None:
        if of is Field.STOCK:
            return self.event.stock
        return int(self.event.price.amount * 100) if of is Field.PRICE and self.event.price is not None else None


@dataclass(slots=True)
class PendingCall:
    call: Call
    due_s: float


class ListingHistory:
    """One seeded history."""

    def __init__(self, seed: int, flow: Callable[..., OfferFlow] = flow_of) -> None:
        self.rng = rng = Random(seed)
        self.seed = seed
        self._flow = flow
        self.reads: list[Read] = []
        self.seen: Counter[str] = Counter()
        self.violations: list[Violation] = []
        listed = [0.0, rng.uniform(5, EVENTS_END_S), rng.uniform(5, EVENTS_END_S), EVENTS_END_S + 300.0]
        self.listings = {
            ean: ListedOffer(n + 1, at_s, {Field.PRICE: 1000, Field.STOCK: 5, Field.HANDLING_TIME: 2})
            for n, (ean, at_s) in enumerate(zip(EANS, listed, strict=True))
        }
        self._accepted: dict[tuple[int, Field], tuple[int, int]] = {}
        self._under_way: list[PendingCall] = []
        self._start_s = 100.0
        self.driver = self._process(Now(mono_s=self._start_s, wall_us=START_US))
        self.at = self.driver.assign(topic=TOPICS.offer_changes)

    # ---- time -------------------------------------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        """Seconds since the start of the history."""
        return self.driver.now.mono_s - self._start_s

    def run(self) -> "ListingHistory":
        """Runs the history to its end and collects the violations."""
        for at_s, happen in sorted(self._happenings(), key=lambda each: each[0]):
            self._until(at_s)
            happen()
        self.driver.auto = True
        self._until(EVENTS_END_S + SOON_S)
        self.violations += self._oversold()
        self.violations += self._rows()
        self._until(THE_END_S)
        self.violations += self._rows()
        self.violations += self._ends()
        return self

    def _happenings(self) -> Iterator[tuple[float, Callable[[], None]]]:
        """Yields events, edits, kills and offset resets with their times, in no order."""
        rng = self.rng
        for _ in range(rng.randint(6, 20)):
            yield rng.uniform(0, EVENTS_END_S), self._event
        for _ in range(rng.randint(0, 3)):
            yield rng.uniform(0, EVENTS_END_S), self._edit
        for _ in range(rng.choice([0, 0, 1, 2])):
            at_s = rng.uniform(0, EVENTS_END_S - 60)
            yield at_s - rng.uniform(0.05, 2.0), self._not_durable
            yield at_s, self._killed
        for _ in range(rng.choice([0, 1, 1, 2])):
            yield rng.uniform(60, EVENTS_END_S - 60), self._set_back

    def _until(self, at_s: float) -> None:
        driver, until_s = self.driver, self._start_s + at_s
        while True:
            for call in driver.calls:
                self._under_way.append(PendingCall(call, driver.now.mono_s + self.rng.uniform(0.02, 0.5)))
            driver.calls.clear()
            due = min(self._under_way, key=lambda each: each.due_s, default=None)
            if due is not None and due.due_s <= driver.now.mono_s:
                self._under_way.remove(due)
                driver.answer(due.call, *self._replies(due.call))
                continue
            if driver.now.mono_s >= until_s:
                return
            next_s = min(until_s, driver.engine.wake_at_s(), due.due_s if due is not None else until_s)
            driver.step(max(next_s - driver.now.mono_s, 0.0005))

    # ---- the process ------------------------------------------------------------------------------------------------

    def _process(self, now: Now) -> EngineDriver:
        driver = EngineDriver(
            flow=self._new_flow(),
            paces={"main": Pace(per_second=50.0, reserve=0)},
            policy=PATIENT,
            boot_us=now.wall_us,
        )
        driver.now = now
        return driver

    def _new_flow(self) -> OfferFlow:
        return self._flow(policy=RULES)

    def _not_durable(self) -> None:
        """From now on, nothing becomes durable before the kill."""
        self.driver.auto = False

    def _killed(self) -> None:
        self.seen["killed"] += 1
        self._start_again(self._durable())

    def _set_back(self) -> None:
        """Resets the offset like Kafka's tools, while no process is running."""
        durable = self._durable()
        to = self.rng.randint(0, durable)
        under_way = {entry for entry, _ in self._undone() if entry >= to}
        for read in self.reads[to:durable]:
            if read.event.offset not in under_way:
                read.replays += 1
                self.seen["replay"] += 1
            else:
                self.seen["read again while it was under way"] += 1
        self._start_again(to)

    def _durable(self) -> int:
        mark = self.driver.marks.get(self.at)
        return mark.position if mark is not None else 0

    def _undone(self) -> Iterator[tuple[int, str]]:
        """Yields offset and result id of events that are pending in the durable state."""
        for stored in self.driver.state.values():
            if stored.value is not None:
                for undone in pickle.loads(stored.value).undone:
                    if undone.announced is Announced.NONE or undone.asked_again:
                        yield undone.input_offset, undone.result_id

    def _start_again(self, position: int) -> None:
        """Starts a new process. Some calls in flight were executed, but their answers are lost."""
        for each in self._under_way:
            if self.rng.random() < 0.5:
                self._replies(each.call)
        self._under_way.clear()
        before, mark = self.driver, self.driver.marks.get(self.at)
        self.driver = driver = self._process(before.now)
        driver.topics, driver.state, driver.epochs = before.topics, before.state, before.epochs
        kept = mark if mark is not None and mark.position == position else None
        self.at = driver.assign(
            topic=TOPICS.offer_changes, mark=kept, committed=position, end=len(self.reads), state=dict(driver.state)
        )
        records = [self._record(read.event) for read in self.reads[position:]]
        driver.next_offset = len(self.reads)
        if records:
            driver.arrive(*records, end=len(self.reads))

    # ---- the sources ------------------------------------------------------------------------------------------------

    def _event(self) -> None:
        """Appends a random event of a random offer."""
        rng, offset = self.rng, len(self.reads)
        now_us = self.driver.now.wall_us
        late_us = rng.randint(0, 120) * SECOND if rng.random() < 0.2 else 0
        ean, stock = rng.choice(EANS), rng.choice([0, 0, 1, 7, None])
        priced = stock is None or rng.random() < 0.4
        event = OfferChanged(
            event_id=f"e{offset}",
            occurred_at_us=now_us - late_us,
            source="seeded",
            ean=ean,
            target_id="shop-de",
            condition="NEW",
            stock=stock,
            price=self._price() if priced else None,
            key=ean,
            input_topic=TOPICS.offer_changes,
            partition=0,
            offset=offset,
            record_time_us=now_us,
        )
        self.reads.append(Read(event, self.now_s))
        self.driver.next_offset = offset + 1
        self.driver.arrive(self._record(event))

    def _price(self) -> Price:
        return Price(amount=Decimal(self.rng.choice([9, 12])), currency="EUR")

    def _record(self, event: OfferChanged) -> Record:
        return Record(
            at=self.at,
            offset=event.offset,
            key=event.key.encode(),
            value=pickle.dumps(event),
            time_us=event.record_time_us,
        )

    def _edit(self) -> None:
        """The merchant edits a value in the portal."""
        listing = self.listings[self.rng.choice(EANS)]
        if listing.listed_at_s <= self.now_s:
            self.seen["edit"] += 1
            of = self.rng.choice([Field.STOCK, Field.PRICE])
            listing.held[of] = self.rng.choice([3, 4]) * (100 if of is Field.PRICE else 1)
            listing.edited_at_s[of] = self.now_s

    # ---- the marketplace --------------------------------------------------------------------------------------------

    def _replies(self, call: Call) -> list[Reply]:
        replies = [self._reply(item.body) for item in call.items]
        if self.rng.random() < 0.05:
            self.seen["lost answer"] += 1
            return [Lost(reason="lost") for _ in replies]
        return replies

    def _reply(self, body: LookUp | OfferUpdate) -> Reply:
        """Answers a look-up, or accepts an update and checks that no field goes back (**O**)."""
        if isinstance(body, LookUp):
            listing = self.listings[body.ean]
            there = (self._shown(listing),) if listing.listed_at_s <= self.now_s else ()
            self.seen["found" if there else "not there"] += 1
            return Settled(answer=Found(units=there))
        listing = next(each for each in self.listings.values() if each.unit_id == body.unit_id)
        for carried in body.carried:
            [read] = [r for r in self.reads if result_id_of(r.event) == carried.result_id]
            place = (listing.unit_id, carried.field)
            if read.order < self._accepted.get(place, read.order):
                self._complain("O", f"{place} takes {read.order} after {self._accepted[place]}")
            self._accepted[place] = read.order
            listing.held[carried.field] = carried.value
            listing.edited_at_s.pop(carried.field, None)
        return Settled(answer=Accepted(unit=self._shown(listing), http_status=200))

    def _shown(self, listing: ListedOffer) -> Unit:
        held = listing.held
        return unit(listing.unit_id, price=held[Field.PRICE], stock=held[Field.STOCK], days=held[Field.HANDLING_TIME])

    # ---- invariants -------------------------------------------------------------------------------------------------

    def _complain(self, invariant: str, text: str) -> None:
        self.violations.append(Violation(invariant=invariant, text=text))

    def _newest(self, ean: str, of: Field) -> Read | None:
        meant = [read for read in self.reads if read.event.ean == ean and read.value(of) is not None]
        return max(meant, key=lambda read: read.order, default=None)

    def _oversold(self) -> Iterator[Violation]:
        """Checks that no offer sells stock against its newest event (**E**, shortly after the last event)."""
        for ean, listing in self.listings.items():
            newest = self._newest(ean, Field.STOCK)
            if newest is None or newest.value(Field.STOCK) != 0 or newest.at_s <= listing.listed_at_s:
                continue
            edited = listing.edited_at_s.get(Field.STOCK, -1.0) >= newest.at_s
            if listing.held[Field.STOCK] != 0 and not edited:
                text = f"{ean}, listed at {listing.listed_at_s:.0f} s, sells {listing.held[Field.STOCK]} although"
                yield Violation(invariant="E", text=f"{text} {newest.event.event_id} of {newest.at_s:.0f} s says none")

    def _ends(self) -> Iterator[Violation]:
        """Checks that every offer holds its newest or last edited values (**E**, at the end)."""
        for ean, listing in self.listings.items():
            for of in (Field.STOCK, Field.PRICE):
                newest = self._newest(ean, of)
                if newest is None or listing.edited_at_s.get(of, -1.0) >= newest.at_s:
                    continue
                if listing.held[of] != newest.value(of):
                    text = f"{ean} holds {of} {listing.held[of]}, its newest event {newest.event.event_id} says"
                    yield Violation(invariant="E", text=f"{text} {newest.value(of)}")

    def _rows(self) -> Iterator[Violation]:
        """Checks the number of results of each event (**N**)."""
        rows: dict[str, Counter[str]] = {}
        results: list[OfferResult] = [pickle.loads(v) for _, v in self.driver.topics.get(TOPICS.offer_results, [])]
        for result in results:
            self.seen[f"{result.origin} {result.status}"] += 1
            rows.setdefault(result.result_id, Counter())[result.origin] += 1
        for read in self.reads:
            found = rows.get(result_id_of(read.event), Counter())
            if (found["LIVE"], found["REPLAY"]) != (1, read.replays) or found["RECHECK"] > 1:
                text = f"{read.event.event_id} was read again {read.replays} times, and has the rows {dict(found)}"
                yield Violation(invariant="N", text=text)

    def report(self) -> str:
        return "\n".join([f"seed {self.seed}:", *(f"  {violation}" for violation in self.violations)])


def result_id_of(event: OfferChanged) -> str:
    return result_id(CLUSTER, TOPICS.offer_changes, event.partition, event.offset)
