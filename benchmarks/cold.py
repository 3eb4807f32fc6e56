"""A cold start: calls and minutes with a sweep, beside look-ups alone, in virtual time.

Both flows run on one engine, in process, against a marketplace that answers after ``LATENCY_S``. A run begins without
state and ends when every event has its result; every other event changes the price. Time is that of the engine's own
clock, so the machine does not matter; its rate limiter, retries and the pace of side inputs are those of a process.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.report import ReportSection, at_most
from tests.harness.cold_shop import cold_start

LATENCY_S: Final = 0.1
GOAL_SHARE: Final = 0.1
"""Calls with a sweep, as a part of those with look-ups alone."""


def measure(units: int, unknown: int, rates: Sequence[float]) -> ReportSection:
    """Measures a cold start with ``units`` units and ``unknown`` EANs, at each rate in calls per second."""
    runs = list(_runs(units, unknown, rates))
    swept, looked_up = (sum(calls for sweeps, calls, _ in runs if sweeps is way) for way in (True, False))
    return ReportSection(
        title="cold start",
        head=("way", "calls/s", "pages", "look-ups", "updates", "calls", "min"),
        rows=[row for _, _, row in runs],
        notes=[f"{units:,} units, {unknown:,} unknown EANs with an event each; answers after {LATENCY_S:g} s"],
        goals=[at_most("calls with a sweep, as a part of those without", swept / looked_up, GOAL_SHARE)],
    )


def _runs(units: int, unknown: int, rates: Sequence[float]) -> Iterator[tuple[bool, int, tuple[str, ...]]]:
    for rate in rates:
        for sweeps in (True, False):
            run = cold_start(units, unknown, per_second=rate, latency_s=LATENCY_S, sweeps=sweeps)
            kinds = [run.calls.get(kind, 0) for kind in ("unit-page", "lookup", "update")]
            shown = (f"{count:,}" for count in (*kinds, sum(kinds)))
            way = "sweep" if sweeps else "look-ups alone"
            yield sweeps, sum(kinds), (way, f"{rate:g}", *shown, f"{run.seconds / 60:,.1f}")
