"""A shop that is swept while its offers are not known yet: both flows on one engine, in virtual time."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from io import BytesIO
from random import Random
from typing import Any

import fastavro

import schemas
from connector.contracts.codec import SchemaIds
from connector.contracts.headers import Stamp
from connector.contracts.topics import ALL_FEATURES, named
from connector.marketplace.offers import Accepted, Field, Found, LookUp, ReadUnitPage, Unit, UnitPage
from connector.offers.call_bodies import OfferUpdate
from connector.offers.codec import OfferCodecs
from connector.offers.cold_start import ColdStart, ColdStartPolicy, ColdStarts
from connector.offers.gtin import check_digit, normal_form
from connector.offers.policy import OfferPolicy
from connector.offers.producer_kit import ProducerKit
from connector.offers.swept_units import SweptUnits
from connector.orders.codec import OrderCodecs
from connector.orders.flow import OrderFlow
from connector.orders.policy import OrderPolicy
from connector.reconciliation.codec import UnitRows, unit_reader
from connector.reconciliation.policy import SweepPolicy
from connector.reconciliation.sweep_lane import SweepTerms
from streams.flow import Assignment, Call, Headers, Item, Now, Record, Settled
from streams.messages import Checkpoint, Effect, SideFetch, SideRecords
from streams.policy import Pace, Policy
from tests.harness.engine_driver import EngineDriver
from tests.harness.offer_harness import DE, REFERENCE, START_US, flow_of, unit
from tests.harness.toy_side_inputs import SideLog

TOPICS = named("shop", ALL_FEATURES)
IDS = SchemaIds(values={name: number for number, name in enumerate(sorted(schemas.NAMES), 1)})
CHANGED_ID = 1_000
CODECS = OfferCodecs(IDS, {CHANGED_ID: schemas.text("offer_changed", schemas.newest("offer_changed"))}.get)
KIT = ProducerKit(CHANGED_ID)
STAMP = Stamp(source="/s", instance_id="i", config_digest="0")


@dataclass(slots=True)
class UnitsLog(SideLog):
    """The partition of the units topic, with the headers of its records."""

    records: list[tuple[bytes | None, Headers]] = field(default_factory=list)

    def answer(self, fetch: SideFetch, at_most: int = 1_000) -> SideRecords | None:
        shown = self.records[fetch.position : fetch.position + at_most]
        if not shown:
            return None
        records = tuple(
            Record(at=fetch.at, offset=fetch.position + n, key=b"k", value=value, time_us=0, headers=headers)
            for n, (value, headers) in enumerate(shown)
        )
        end = fetch.position + len(shown)
        return SideRecords(fetch=fetch, position=end, records=records, end=len(self.records), topic_id="units-1")


@dataclass(slots=True)
class ColdShop:
    """The marketplace's units by id, in the order of its list, what it was asked, and what it was told to write."""

    units: dict[int, Unit]
    calls: dict[str, int] = field(default_factory=dict)  # by kind
    writes: list[tuple[int, Field, int]] = field(default_factory=list)
    by_ean: dict[str, list[int]] = field(default_factory=dict)
    between_pages: Callable[["ColdShop", int], None] = lambda _shop, _offset: None

    def __post_init__(self) -> None:
        for unit_id, one in self.units.items():
            for ean in one.eans:
                self.by_ean.setdefault(ean, []).append(unit_id)

    def delete(self, unit_id: int) -> None:
        self.units.pop(unit_id, None)

    def answer(self, item: Item) -> Any:
        match item.body:
            case ReadUnitPage() as page:
                return self._page(page)
            case LookUp() as look_up:
                found = [self.units[one] for one in self.by_ean.get(look_up.ean, ()) if one in self.units]
                return Found(units=tuple(found))
            case OfferUpdate() as update:
                unit = self.units[update.unit_id]
                self.units[update.unit_id] = unit = replace(unit, values={**unit.values, **update.values})
                self.writes += [(update.unit_id, name, value) for name, value in update.values.items()]
                return Accepted(unit=unit, http_status=200)
            case other:
                raise TypeError(other)

    def _page(self, page: ReadUnitPage) -> UnitPage:
        self.between_pages(self, page.offset)
        listed = [] if page.by_marketplace else list(self.units)
        shown = [self.units[one] for one in listed[page.offset : page.offset + 100]]
        is_last = page.offset + 100 >= len(listed)
        return UnitPage(units=tuple(shown), rows=len(shown), is_last=is_last, total=len(listed))

    def count(self, kind: str) -> None:
        self.calls[kind] = self.calls.get(kind, 0) + 1


class ColdEngine(EngineDriver):
    """One process with both flows. Its calls take ``latency_s``. ``log``: the units topic, which outlives it."""

    def __init__(
        self, shop: ColdShop, log: UnitsLog, *, per_second: float, latency_s: float = 0.0, sweeps: bool = True
    ) -> None:
        self.shop, self.latency_s = shop, latency_s
        self.reports: list[ColdStart] = []
        policy = ColdStartPolicy(enabled=sweeps, rates={"main": per_second})
        self.cold = ColdStarts(policy, 1, self.reports.append)
        units = SweptUnits(TOPICS.units, unit_reader(IDS, lambda _: None), self.cold)
        offers = flow_of(DE, codecs=CODECS, cold=self.cold, policy=OfferPolicy())
        super().__init__(
            flows={TOPICS.offer_changes: offers, TOPICS.scheduler: _sweeping(sweeps)},
            paces={"main": Pace(per_second=per_second, reserve=0.0)},
            policy=Policy(),
            sides={TOPICS.offer_changes: units},
        )
        self.now = Now(mono_s=100.0, wall_us=START_US)
        self.side_logs[TOPICS.units, 0] = log
        self.under_way: deque[tuple[float, Call, int]] = deque()  # when it is answered, and when it was sent

    def write(self, checkpoint: Checkpoint | None = None, *, without: tuple[Assignment, ...] = ()) -> list[Effect]:
        checkpoint = checkpoint or self.checkpoints[-1]
        log = self.side_logs[TOPICS.units, 0]
        assert isinstance(log, UnitsLog)
        log.records += [
            (output.value, output.headers)
            for outputs in checkpoint.outputs.values()
            for output in outputs
            if output.topic == TOPICS.units
        ]
        return super().write(checkpoint, without=without)

    def serve(self, done: Callable[[], bool], *, within_s: float) -> float:
        """Answers calls until ``done``, and returns how long that took in seconds of virtual time."""
        began_s = self.now.mono_s
        until_s = began_s + within_s
        while not done():
            assert self.now.mono_s < until_s, (self.shop.calls, self.cold.choices(), self.engine.snapshot(self.now))
            self.turn()
        return self.now.mono_s - began_s

    def turn(self) -> None:
        """Advances to whatever is next."""
        for call in self.calls:
            self.under_way.append((self.now.mono_s + self.latency_s, call, self.now.wall_us))
        self.calls.clear()
        while self.under_way and self.under_way[0][0] <= self.now.mono_s:
            _, call, sent_us = self.under_way.popleft()
            replies = [Settled(answer=self.shop.answer(item)) for item in call.items]
            self.shop.count(str(call.kind).partition(":")[0])
            self.answer(call, *replies, sent_us=sent_us)
        self.serve_side_inputs()
        at_s = min(self.engine.wake_at_s(), self.under_way[0][0] if self.under_way else self.now.mono_s + 60.0)
        if not self.calls:
            self.step(max(at_s - self.now.mono_s, 0.0005))

    @property
    def unwritten(self) -> list[Checkpoint]:
        """The checkpoint that is under way, if any."""
        return [one for one in self.checkpoints[-1:] if one not in self.written]

    def turn_sometimes_durable(self, rng: Random) -> None:
        """Advances; what is under way becomes durable every third time."""
        self.turn()
        if rng.random() < 0.35:
            for checkpoint in self.unwritten:
                self.write(checkpoint)


def _sweeping(tells_owners: bool) -> OrderFlow:
    """Returns an order flow that sweeps, and polls nothing; without sweeps, one that does nothing."""
    places = frozenset({("main", "de")}) if tells_owners else frozenset()
    return OrderFlow(
        policy=OrderPolicy(accounts=frozenset()),
        currencies={},
        codecs=OrderCodecs(IDS, lambda _: None),
        topics=TOPICS,
        stamp=STAMP,
        sweeps=SweepTerms(
            policy=SweepPolicy(places=places, tells_owners=tells_owners),
            storefronts=REFERENCE.storefronts,
            normal_form=normal_form,
        ),
        units=UnitRows(IDS, topic=TOPICS.units, partitions=1, stamp=STAMP),
    )


def change(at: Assignment, ean: str, offset: int, now_us: int, **said: Any) -> Record:
    """Returns an event for an offer. ``price`` in EUR as text, ``stock``, ``condition``, ``offer_id``."""
    payload: dict[str, Any] = {"event_id": f"e{offset}", "occurred_at_us": now_us, "ean": ean, "target_id": DE.id}
    if "price" in said:
        said["price"] = (Decimal(said["price"]), "EUR")
    key, value = KIT.message({**payload, "condition": "NEW", **said})
    return Record(at=at, offset=offset, key=key, value=value, time_us=now_us)


def arrive(engine: ColdEngine, events: Sequence[Record], batch: int = 1_000) -> None:
    """Delivers events in pieces, as a consumer would."""
    for first in range(0, len(events), batch):
        engine.arrive(*events[first : first + batch])
        engine.step(0.01)


# ---- a whole cold start ----------------------------------------------------------------------------------------------

_RESULT: Any = fastavro.parse_schema(schemas.load("offer_result", schemas.newest("offer_result")))


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredColdStart:
    """What a cold start took: calls by kind, seconds until every event had its result, and the results by status."""

    calls: dict[str, int]
    seconds: float
    statuses: dict[str, int]
    shop: ColdShop
    engine: ColdEngine


def _shop_of(catalogue: Sequence[str]) -> ColdShop:
    return ColdShop({number: _unit(number, ean) for number, ean in enumerate(catalogue, 1)})


def _unit(number: int, ean: str) -> Unit:
    return unit(number, offer_id=f"sku-{number}", price=1000, stock=3, eans=(ean,))


def results(engine: ColdEngine, first: int = 0) -> list[Any]:
    """Returns the durable results from a number on, decoded."""
    rows = engine.topics.get(TOPICS.offer_results, [])[first:]
    return [fastavro.schemaless_reader(BytesIO(value[5:]), _RESULT, None) for _, value in rows]


def cold_start(units: int, unknown: int, *, per_second: float, latency_s: float, sweeps: bool) -> MeasuredColdStart:
    """Runs a process without any state: an event for each of the first ``unknown`` units, every other with a change."""
    catalogue = [body + check_digit(body) for body in (f"4{number:011d}" for number in range(units))]
    shop = _shop_of(catalogue)
    engine = ColdEngine(shop, UnitsLog(), per_second=per_second, latency_s=latency_s, sweeps=sweeps)
    at = engine.opened(topic=TOPICS.offer_changes)
    engine.assign(topic=TOPICS.scheduler)
    events = [
        change(at, catalogue[n], n, engine.now.wall_us, price="10.00" if n % 2 else "12.00") for n in range(unknown)
    ]
    arrive(engine, events)
    seconds = engine.serve(lambda: len(engine.topics.get(TOPICS.offer_results, ())) >= unknown, within_s=1e6)
    return MeasuredColdStart(
        calls=shop.calls,
        seconds=seconds,
        statuses=dict(Counter(row["status"] for row in results(engine))),
        shop=shop,
        engine=engine,
    )
