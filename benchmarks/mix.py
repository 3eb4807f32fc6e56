"""Waiting times by priority while offers, parcels and orders share one account's limit, measured at the marketplace.

A change waits from its intended time until the marketplace accepted its value or a newer one of the same unit; a parcel
until its order unit was marked as sent; a poll from the end of its interval until its first page was requested. Each
unit gets changes of one kind only, so that its priority is that of the kind.
"""

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from random import Random

from benchmarks.load import BASE_CENTS, LoadEvent, Offer, produce
from benchmarks.report import Goal, ReportSection, Row, at_most
from benchmarks.stand import API_LIMIT, Stand, stand, until
from connector.offers.producer_kit import ProducerKit
from devstack.audit import percentile
from devstack.stack import Stack
from simulator.exchange import Endpoint
from simulator.journal import Journal

RATE = 100.0
INTERVAL_S = 5.0
UNITS_OF_AN_ORDER = 2
_PATIENCE_S = 300.0
_SCENARIO = f"[orders]\nconfirm_delay_s = 0.0\nunits_min = {UNITS_OF_AN_ORDER}\nunits_max = {UNITS_OF_AN_ORDER}\n"


@dataclass(frozen=True, slots=True)
class ChangeMix:
    """A kind of change: its share of the units, the field, and how each value follows from the one before."""

    name: str
    share: float
    field: str  # the marketplace's name
    step: int  # added to the value; 0 = set to zero


WAYS = (
    ChangeMix("stock to zero", 0.05, "amount", 0),
    ChangeMix("stock down", 0.20, "amount", -1),
    ChangeMix("price", 0.50, "listing_price", 1),
    ChangeMix("stock up", 0.25, "amount", 1),
)
PARCELS, POLLS = "shipments", "order poll"
ORDER = ("stock to zero", "stock down", PARCELS, "price", "stock up", POLLS)
"""The kinds by priority, the most urgent first."""


@dataclass(frozen=True, slots=True)
class MeasuredChange:
    """One event of the burst and the value that it sets."""

    way: ChangeMix
    event: LoadEvent
    value: int


def shared(kafka: Stack, eans: int, changes: int, orders: int) -> ReportSection:
    """Measures the waiting times with ``changes`` changes and ``orders`` orders."""
    parts = {"scenario": _SCENARIO, "shipments": {"require_units": False}, "orders": {"interval": f"{INTERVAL_S:.0f}s"}}
    with stand(kafka, eans, **parts) as ready, ready.connectors(requests_per_second=RATE, single=True):
        until("the first poll", lambda: bool(ready.deployment.marketplace.journal().polls), _PATIENCE_S)
        burst = list(_burst(ready, changes))
        begin_s = time.monotonic()
        _sell(ready, orders)
        produce(ready.deployment.kafka.bootstrap_servers, ready.input, [change.event for change in burst])
        until("a result of each", lambda: len(ready.result_times_s()) >= changes, _PATIENCE_S)
        until("every parcel", lambda: _sent(ready) >= orders * UNITS_OF_AN_ORDER, _PATIENCE_S)
        end_s = time.monotonic()
        journal = ready.deployment.marketplace.journal()
    waits_s = _waits_s(burst, journal, begin_s, end_s)
    return _section(waits_s, journal, eans, changes, orders, end_s - begin_s)


# ---- load -----------------------------------------------------------------------------------------------------------


def _burst(ready: Stand, changes: int) -> Iterator[MeasuredChange]:
    chance = Random(1)
    kit = ProducerKit(ready.deployment.registry.id_of(ready.input))
    offers = [offer for offer in ready.offers if offer.values["amount"] > 1]  # whose stock can be lowered
    ways = chance.choices(WAYS, [way.share for way in WAYS], k=len(offers))
    values = [_first(way, offer) for way, offer in zip(ways, offers, strict=True)]
    begin_s = time.monotonic()
    for number in range(changes):
        index = chance.randrange(len(offers))
        way, offer = ways[index], offers[index]
        values[index] = max(1, values[index] + way.step) if way.step else 0
        yield MeasuredChange(way, _event(kit, number, offer, way, values[index], begin_s), values[index])


def _first(way: ChangeMix, offer: Offer) -> int:
    return BASE_CENTS if way.field == "listing_price" else offer.values["amount"]


def _event(kit: ProducerKit, number: int, offer: Offer, way: ChangeMix, value: int, begin_s: float) -> LoadEvent:
    event_id, is_price = f"mix-{number}", way.field == "listing_price"
    key, message = kit.message(
        {
            "event_id": event_id,
            "occurred_at_us": time.time_ns() // 1000,
            "source": "benchmark",
            "target_id": offer.target_id,
            "ean": offer.ean,
            "unit_id": offer.unit_id,
            **({"price": (Decimal(value).scaleb(-2), offer.currency)} if is_price else {"stock": value}),
        }
    )
    cents = value if is_price else 0
    return LoadEvent(event_id=event_id, offer=offer, price_cents=cents, intended_s=begin_s, key=key, value=message)


def _sell(ready: Stand, count: int) -> None:
    """Places ``count`` orders and dispatches a parcel for each immediately."""
    market = ready.deployment.marketplace
    market.buy(count)
    ready.deployment.dispatch(
        {
            "event_id": f"parcel-{order['id_order']}",
            "occurred_at_us": time.time_ns() // 1000,
            "order_id": order["id_order"],
            "parcels": [{"carrier": "DHL", "tracking_number": f"T{order['number']}"}],
        }
        for order in market.orders()
    )


def _sent(ready: Stand) -> int:
    sent: int = ready.deployment.marketplace.summary()["order_units"].get("send", 0)
    return sent


# ---- results --------------------------------------------------------------------------------------------------------


def _waits_s(burst: Sequence[MeasuredChange], journal: Journal, begin_s: float, end_s: float) -> dict[str, list[float]]:
    """Returns the waiting times of each kind, sorted. A change that was never accepted counts until ``end_s``."""
    taken: defaultdict[tuple[int, str], list[tuple[int, float]]] = defaultdict(list)
    for write in journal.writes:
        if write.mono_us >= begin_s * 1e6:
            taken[write.unit_id, write.field].append((write.new, write.mono_us / 1e6))
    waits: defaultdict[str, list[float]] = defaultdict(list)
    for change in burst:
        writes = taken[change.event.offer.unit_id, change.way.field]
        sign = change.way.step or 1
        place = bisect_left(writes, sign * change.value, key=lambda write: sign * write[0])
        waits[change.way.name].append((writes[place][1] if place < len(writes) else end_s) - begin_s)
    sends = [row.mono_us / 1e6 for row in journal.order_rows if row.deed == "send"]
    waits[PARCELS] = [at_s - begin_s for at_s in sends]
    polls = [
        call.mono_us / 1e6 for call in journal.polls if call.kind is Endpoint.ORDER_UNITS and "offset=0" in call.target
    ]
    waits[POLLS] = [max(0.0, after - before - INTERVAL_S) for before, after in pairwise(polls) if after > begin_s]
    return {name: sorted(found) for name, found in waits.items()}


def _section(
    waits_s: dict[str, list[float]], journal: Journal, eans: int, changes: int, orders: int, lasted_s: float
) -> ReportSection:
    rows: list[Row] = [
        (name, f"{len(found):,}", f"{percentile(found, 0.5):.2f} s", f"{percentile(found, 0.99):.2f} s")
        for name in ORDER
        for found in [waits_s.get(name, [])]
    ]
    return ReportSection(
        title="One limit for all: how long each priority waits in a burst",
        head=("priority", "how many", "p50", "p99"),
        rows=rows,
        notes=[
            f"{changes:,} changes of {eans:,} offers at once, with {orders} orders and their parcels; worked off in "
            f"{lasted_s:.0f} s at {RATE:.0f} calls/s, mode single, so that calls are what is short",
            "every wait holds the time until the event was read: the burst is one log, read in its order",
            f"a poll is due {INTERVAL_S:.0f} s after the last, give or take a tenth; a rank is gained in 10 s of age",
        ],
        goals=list(_goals(waits_s, journal)),
    )


def _goals(waits_s: dict[str, list[float]], journal: Journal) -> Iterator[Goal]:
    yield at_most("most calls in 1 s", journal.worst_second("main"), API_LIMIT)
    yield at_most("calls answered with 429", journal.by_status.get(429, 0), 0)
    most = percentile(waits_s["price"], 0.99)
    yield at_most("p99 of stock to zero, beside that of prices", percentile(waits_s["stock to zero"], 0.99), most)
    yield at_most("p99 of shipments, beside that of prices", percentile(waits_s[PARCELS], 0.99), most)
