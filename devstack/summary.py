"""The summary at the end of the demo, with checks that everything adds up. Pure.

Every figure comes from the output topics or from the simulator's journal, none from the connector's own counters.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from devstack.audit import differences, out_of_order, percentile
from devstack.expectation import Produced, UnitThere
from devstack.listings import ListingsSeen
from devstack.order_audit import OrdersSeen, differing, posted_twice, sent_twice

STATUSES = (
    "APPLIED",
    "PARTIAL",
    "UNCHANGED",
    "SUPERSEDED",
    "NOT_FOUND",
    "AMBIGUOUS",
    "CONFLICT",
    "REJECTED",
    "HELD",
    "SUPPRESSED",
    "DRY_RUN",
    "FAILED",
    "UNMANAGED",
    "CREATED",
    "DELETED",
)

CALLS: Final[Mapping[str, str]] = {
    "bulk": "bulk updates",
    "list": "look-ups",
    "create": "creations",
    "delete": "deletions",
}
ORDER_CALLS: Final[Mapping[str, str]] = {
    "send": "confirmations",
    "shipment": "further parcels",
    "order_units": "pages of changes",
    "order": "whole orders",
    "order_unit": "order units",
    "carriers": "table of carriers",
}
"""The simulator's names of endpoints, and the words that the summary uses."""

SENT_STATUSES = frozenset({"CONFIRMED", "CONFIRMED_TRACKING_UNVERIFIED", "PARCEL_ADDED", "OUTCOME_UNKNOWN"})
"""How order units of the shop's events may end. CONFIRMED_TRACKING_UNVERIFIED and OUTCOME_UNKNOWN result from lost
responses, the others are the usual outcomes."""

EXAMPLES = 3

Row = Mapping[str, Any]
Position = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What was read after the run had settled; times in the rows are microseconds since the epoch."""

    produced: Sequence[Produced]
    results: Sequence[Row]
    dead: Sequence[Position]
    not_found: Sequence[Row]
    before: Sequence[UnitThere]
    after: Mapping[int, Mapping[str, object]]
    storefronts: Mapping[str, tuple[str, str]]
    writes: Sequence[Any]
    calls_by_kind: Mapping[str, int]
    calls_by_status: Mapping[int, int]
    worst_second: int
    created: int
    deleted: int
    limit: int
    once: bool  # exactly once: the broker has transactions
    orders: OrdersSeen
    listed: ListingsSeen | None = None  # None: nothing may be created or deleted
    others: Mapping[Position, str] = field(default_factory=dict)  # position -> key of events that the demo did not send

    def of_the_demo(self) -> "Observed":
        """Returns a copy without the events of others and without the offers that these concern."""
        if not self.others:
            return self
        theirs = self._units_of_others()
        return replace(
            self,
            results=[row for row in self.results if _at(row) not in self.others],
            dead=[position for position in self.dead if position not in self.others],
            before=[unit for unit in self.before if unit.unit_id not in theirs],
            writes=[write for write in self.writes if write.unit_id not in theirs],
        )

    def _units_of_others(self) -> set[int]:
        eans = {row["ean"] for row in self.results if _at(row) in self.others}.union(self.others.values())
        named = [unit for unit in self.before if unit.ean in eans]
        linked = {unit.offer_id for unit in named} - {None}
        return {unit.unit_id for unit in self.before if unit.ean in eans or unit.offer_id in linked}


@dataclass(slots=True)
class Summary:
    """The printed lines; ``good`` False = at least one check failed."""

    lines: list[str] = field(default_factory=list)
    good: bool = True

    def say(self, text: str = "") -> None:
        self.lines.append(text)

    def hold(self, text: str, holds: bool) -> None:
        """Adds a line with the outcome of a check: a tick or a cross."""
        self.good &= holds
        self.lines.append(f"{text} {'✓' if holds else '✗'}")


def summarise(all_seen: Observed) -> Summary:
    """Returns the summary of a run."""
    summary, seen = Summary(), all_seen.of_the_demo()
    _events(summary, seen)
    _orders(summary, seen.orders)
    _promises(summary, seen)
    _of_others(summary, all_seen)
    _pace(summary, seen)
    _example(summary, seen.not_found)
    return summary


def _of_others(summary: Summary, seen: Observed) -> None:
    """Lists the events that others sent; they are not part of the sums."""
    rows = [row for row in seen.results if _at(row) in seen.others]
    dead = sum(position in seen.others for position in seen.dead)
    if seen.others:
        left_out = len(seen.before) - len(seen.of_the_demo().before)
        summary.say()
        summary.say("Sent by others, not by the demo; left out of the sums above")
        summary.say(f"  {'events':<24}{len(seen.others):>9,}: {len(rows):,} results, {dead:,} dead letters")
        summary.say(f"  {'offers they are about':<24}{left_out:>9,}")
    if seen.orders.of_others or seen.orders.bought_by_others:
        summary.say()
        summary.say("Orders and parcels of others; left out of the sums above")
        summary.say(f"  {'orders':<24}{len(seen.orders.bought_by_others):>9,}")
        summary.say(f"  {'results of parcels':<24}{len(seen.orders.of_others):>9,}")


def _at(row: Row) -> Position:
    return row["input_partition"], row["input_offset"]


def final_rows(results: Iterable[Row]) -> dict[Position, Row]:
    """Returns the final row of each input position: the newest one that is not a REPLAY, or the REPLAY's if the offer
    was not found before."""
    rows: dict[Position, Row] = {}
    for row in sorted(results, key=lambda row: row["decided_at"]):
        place = row["input_partition"], row["input_offset"]
        if row["origin"] != "REPLAY" or (place in rows and rows[place]["status"] == "NOT_FOUND"):
            rows[place] = row
    return rows


def _events(summary: Summary, seen: Observed) -> None:
    rows = final_rows(seen.results)
    counts = Counter(row["status"] for row in rows.values())
    dead = set(seen.dead)
    places = {(one.partition, one.offset) for one in seen.produced}
    summary.say("What became of every event")
    for status in STATUSES:
        if counts[status]:
            summary.say(f"  {status:<24}{counts[status]:>9,}")
    summary.say(f"  {'dead letters':<24}{len(dead):>9,}")
    total = sum(counts.values()) + len(dead)
    exact = rows.keys() | dead == places and not rows.keys() & dead and total == len(places)
    summary.hold(f"  {'events in = sum':<24}{len(places):>9,} = {total:,}", exact)
    if seen.once:
        live = Counter((r["input_partition"], r["input_offset"]) for r in seen.results if r["origin"] == "LIVE")
        summary.hold("  delivery: exactly once for a read-committed reader", max(live.values(), default=1) == 1)
    else:
        summary.say("  delivery: at least once, this broker has no transactions; exactly once: ARGS=--real-kafka")


def _orders(summary: Summary, seen: OrdersSeen) -> None:
    newest, wrong = seen.newest(), differing(seen.there, seen.newest())
    outcomes, deeds = seen.outcomes(), Counter(row.deed for row in seen.deeds)
    ended = Counter(outcomes.values())
    by_all = ended + Counter(row["status"] for row in seen.of_others)  # the journal does not record who sent a parcel
    settled = _confirmed(ended) + ended["PARCEL_ADDED"] + ended["OUTCOME_UNKNOWN"]
    dispatched = {(event_id, unit) for event_id, units in seen.dispatched.items() for unit in units}
    twice, again = sent_twice(seen.deeds), posted_twice(seen.deeds)
    summary.say()
    summary.say("Orders in, parcels out")
    summary.hold(
        f"  {'orders created':<24}{len(seen.there):>9,} = {len(newest):,} in the topic, each as the marketplace has it",
        not wrong,
    )
    summary.hold(
        f"  {'order units sent':<24}{deeds['send']:>9,} = {_confirmed(by_all):,} confirmed",
        deeds["send"] == _confirmed(by_all),
    )
    summary.hold(
        f"  {'parcels that followed':<24}{deeds['parcel']:>9,} = {by_all['PARCEL_ADDED']:,} added",
        by_all["PARCEL_ADDED"] <= deeds["parcel"] <= by_all["PARCEL_ADDED"] + by_all["OUTCOME_UNKNOWN"],
    )
    summary.hold(
        f"  {'shipment events':<24}{len(seen.dispatched):>9,}, for {len(dispatched):,} order units: "
        f"{len(outcomes):,} results",
        dispatched == outcomes.keys() and settled == len(dispatched),
    )
    summary.hold(f"  order units sent twice {twice}, parcels posted twice {again}", twice == again == 0)
    for status in sorted(ended.keys() - SENT_STATUSES):
        summary.say(f"    {status:<22}{ended[status]:>9,}")
    for line in wrong[:EXAMPLES]:
        summary.say(f"    {line}")
    _still_open(summary, seen)


def _confirmed(ended: Counter[str]) -> int:
    return ended["CONFIRMED"] + ended["CONFIRMED_TRACKING_UNVERIFIED"]


def _still_open(summary: Summary, seen: OrdersSeen) -> None:
    """Lists incomplete orders by id, so that the missing pieces can be looked for."""
    theirs = seen.units_of_others()
    waiting = [row for row in seen.still_open() if not theirs.issuperset(row["units_open"])]
    units = {unit for row in waiting for unit in row["units_open"]} - theirs
    summary.hold(
        f"  {'orders still incomplete':<24}{len(waiting):>9,}, with {len(units):,} units that the shop left behind",
        units == seen.behind - theirs,
    )
    for row in waiting[:EXAMPLES]:
        pieces = " ".join(map(str, row["units_open"]))
        age_s = (seen.at_us - row["open_since"]) // 1_000_000
        pay_out = "; its pay-out waits" if row["payout_waits"] else ""
        count = f"{len(row['units_open'])} of {len(row['units'])} units still to be sent"
        summary.say(f"    order {row['order_id']}: {count}, {pieces}, open for {age_s:,} s{pay_out}")


def _promises(summary: Summary, seen: Observed) -> None:
    older = out_of_order(seen.before, seen.writes, seen.storefronts, seen.produced)
    compared, different = differences(seen.before, seen.after, seen.storefronts, seen.produced)
    summary.say()
    summary.say("Promises, by the marketplace's own log")
    _listings(summary, seen)
    summary.hold(f"  older value over a newer one: {len(older)}", not older)
    summary.hold(f"  marketplace equals the computed state: {compared:,} values", not different)
    for wrong in [*older[:3], *different[:3]]:
        summary.say(f"    {wrong}")


def _listings(summary: Summary, seen: Observed) -> None:
    """Adds what was created and deleted: nothing, or with ``--all`` each unit that an event asks for, once."""
    if (listed := seen.listed) is None:
        summary.hold(f"  created {seen.created}, deleted {seen.deleted}", seen.created == seen.deleted == 0)
        return
    summary.hold(
        f"  created {len(listed.created)} for {listed.wanted} events, deleted {len(listed.deleted)} of them, "
        f"{len(listed.there)} more units there",
        listed.good and len(listed.deleted) == seen.deleted,
    )


def _pace(summary: Summary, seen: Observed) -> None:
    refused = seen.calls_by_status.get(429, 0)
    of_orders = {kind: count for kind, count in seen.calls_by_kind.items() if kind in ORDER_CALLS}
    of_offers = {kind: count for kind, count in seen.calls_by_kind.items() if kind not in ORDER_CALLS}
    per_event = 1000 * sum(of_offers.values()) / max(1, len(seen.produced))
    delays = sorted(
        (row["sent"]["answered_at"] - row["occurred_at"]) / 1e6
        for row in seen.results
        if row["status"] in ("APPLIED", "PARTIAL")
        and row["origin"] == "LIVE"
        and row["sent"]
        and row["sent"]["answered_at"]
    )
    summary.say()
    summary.say("Pace")
    summary.say(f"  calls for offers {_counted(of_offers, CALLS)}: {per_event:.0f} per 1,000 events")
    summary.say(f"  calls for orders and parcels {_counted(of_orders, ORDER_CALLS)}")
    summary.hold(f"  answers 429: {refused}", refused == 0)
    summary.hold(f"  worst second {seen.worst_second} of {seen.limit} calls", seen.worst_second <= seen.limit)
    summary.say(f"  freshness, event to accepted: {_percentiles(delays)}")
    summary.say(
        f"  freshness, order created to in the topic: {_percentiles(seen.orders.delays_s())}; "
        f"asked every {seen.orders.interval_s:g} s"
    )


def _counted(calls: Mapping[str, int], words: Mapping[str, str]) -> str:
    """Returns the sum and its parts, in the order of ``words``."""
    names = [*(kind for kind in words if calls.get(kind)), *sorted(calls.keys() - words.keys())]
    parts = ", ".join(f"{calls[kind]:,} {words.get(kind, kind)}" for kind in names if calls[kind])
    return f"{sum(calls.values()):,} ({parts})" if parts else "0"


def _percentiles(delays_s: Sequence[float]) -> str:
    return f"p50 {percentile(delays_s, 0.5):.2f} s, p99 {percentile(delays_s, 0.99):.2f} s"


def _example(summary: Summary, not_found: Sequence[Row]) -> None:
    miss = next((row for row in not_found if row["code"] == "OFFER_NOT_FOUND"), None)
    if miss is None:
        return
    pending = ", ".join(f"{held['field']} {held['value'].normalize():f}" for held in miss["pending"])
    summary.say()
    summary.say("One of the offers not found, as the operator reads it")
    summary.say(f"  {miss['message']}: EAN {miss['ean']}, {miss['condition']}, target {miss['target_id']}")
    summary.say(f"  seen {miss['times_seen']} times, waiting: {pending or 'nothing'}")
    summary.say(f"  {miss['advice']}")
