"""What the demo says at its end. Pure: figures in, lines and a verdict out.

Every figure comes from the output topics or from the simulator's log, none from the connector's own counters.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.demo.audit import differences, out_of_order, percentile
from connector.demo.expectation import Produced, UnitThere

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
)

CALLS = {"bulk": "bulk updates", "list": "look-ups"}
"""The simulator's words for calls, in ours."""

Row = Mapping[str, Any]
Position = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What was read after the run came to rest; times in the rows are microseconds since the epoch."""

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
    once: bool  # read from a broker with transactions


@dataclass(slots=True)
class Summary:
    """Lines as they are printed; ``good`` False = a sum or a promise did not hold."""

    lines: list[str] = field(default_factory=list)
    good: bool = True

    def say(self, text: str = "") -> None:
        self.lines.append(text)

    def hold(self, text: str, holds: bool) -> None:
        """A line that ends in a tick or a cross."""
        self.good &= holds
        self.lines.append(f"{text} {'✓' if holds else '✗'}")


def summarise(seen: Observed) -> Summary:
    summary = Summary()
    _events(summary, seen)
    _promises(summary, seen)
    _pace(summary, seen)
    _example(summary, seen.not_found)
    return summary


def final_rows(results: Iterable[Row]) -> dict[Position, Row]:
    """The row of each input position that counts: the newest that is no REPLAY."""
    rows: dict[Position, Row] = {}
    for row in sorted(results, key=lambda row: row["decided_at"]):
        if row["origin"] != "REPLAY":
            rows[row["input_partition"], row["input_offset"]] = row
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


def _promises(summary: Summary, seen: Observed) -> None:
    older = out_of_order(seen.before, seen.writes, seen.storefronts, seen.produced)
    compared, different = differences(seen.before, seen.after, seen.storefronts, seen.produced)
    summary.say()
    summary.say("Promises, by the marketplace's own log")
    summary.hold(f"  created {seen.created}, deleted {seen.deleted}", seen.created == seen.deleted == 0)
    summary.hold(f"  older value over a newer one: {len(older)}", not older)
    summary.hold(f"  marketplace equals the computed state: {compared:,} values", not different)
    for wrong in [*older[:3], *different[:3]]:
        summary.say(f"    {wrong}")


def _pace(summary: Summary, seen: Observed) -> None:
    calls = sum(seen.calls_by_kind.values())
    refused = seen.calls_by_status.get(429, 0)
    kinds = ", ".join(
        f"{count:,} {CALLS.get(kind, kind)}" for kind, count in sorted(seen.calls_by_kind.items()) if count
    )
    delays = sorted(
        (row["sent"]["answered_at"] - row["occurred_at"]) / 1e6
        for row in seen.results
        if row["status"] == "APPLIED" and row["origin"] == "LIVE" and row["sent"] and row["sent"]["answered_at"]
    )
    summary.say()
    summary.say("Pace")
    summary.say(f"  calls {calls:,} ({kinds}): {1000 * calls / max(1, len(seen.produced)):.0f} per 1,000 events")
    summary.hold(f"  answers 429: {refused}", refused == 0)
    summary.hold(f"  worst second {seen.worst_second} of {seen.limit} calls", seen.worst_second <= seen.limit)
    summary.say(
        f"  freshness, event to accepted: p50 {percentile(delays, 0.5):.2f} s, p99 {percentile(delays, 0.99):.2f} s"
    )


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
