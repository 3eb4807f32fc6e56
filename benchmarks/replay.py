"""Freshness of live events without and beside a replay, and how fast the replay is.

The history is price changes that were all accepted, so the replay makes no call: what is measured is how much reading
it costs the live events.
"""

import json
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.pace import paced
from benchmarks.report import ReportSection, Row, at_most
from benchmarks.stand import PARTITIONS, Stand, until
from devstack.audit import percentile

RATE = 300
PROCESSES = 2
GOAL = 1.2


def measure(stand: Stand, history: int, seconds: float, timeout_s: float) -> ReportSection:
    """Measures ``seconds`` of live events without a replay, and as long beside one of ``history`` records."""
    start = stand.input_ends()
    with stand.connectors(PROCESSES):
        _settle(stand, history, timeout_s)
        alone = paced(stand, RATE, seconds).fresh_s
        begin_s = time.monotonic()
        replay_id = _run(stand, start)
        beside = paced(stand, RATE, seconds).fresh_s
        still_runs = not _is_done(stand, replay_id)
        until("the end of the replay", lambda: _is_done(stand, replay_id), timeout_s)
        took_s = time.monotonic() - begin_s
    records = sum(row["delivered"] for row in _rows(stand, replay_id))
    slower = percentile(beside, 0.99) / percentile(alone, 0.99)
    return ReportSection(
        title=f"Live events beside a replay, {RATE}/s for {seconds:.0f} s",
        head=("what", "p50", "p99"),
        rows=[_row("without a replay", alone), _row("beside a replay", beside)],
        notes=[
            f"{PROCESSES} processes; the replay read {records:,} records in {took_s:.0f} s, {records / took_s:,.0f}/s, "
            f"and {'was still running' if still_runs else 'had ended before the end of the measurement'}",
            "times include the 3 s for which the marketplace is watched after the last event",
        ],
        goals=[at_most("p99 beside a replay, as a multiple of that without", slower, GOAL)],
    )


def _row(what: str, fresh_s: Sequence[float]) -> Row:
    return what, f"{percentile(fresh_s, 0.5):.2f} s", f"{percentile(fresh_s, 0.99):.2f} s"


def _settle(stand: Stand, history: int, timeout_s: float) -> None:
    """Produces the history and waits until each event has its result."""
    before = len(stand.result_times_s())
    stand.send(stand.events.paced(history, 1.0))
    until(f"{history} results", lambda: len(stand.result_times_s()) >= before + history, timeout_s)


def _run(stand: Stand, start: dict[int, int]) -> str:
    """Replays everything from these offsets on, and returns the replay's id."""
    selected = [word for number, offset in start.items() for word in ("--offsets", f"{number}:{offset}-")]
    config = str(stand.deployment.config("operator"))
    printed = stand.deployment.command(
        "replay", "run", *selected, "--reason", "a measurement", "--json", "--config", config
    )
    return str(json.loads(printed)["replay_id"])


def _rows(stand: Stand, replay_id: str) -> list[Any]:
    rows = stand.deployment.newest("replays").values()
    return [row for row in rows if row["replay_id"] == replay_id]


def _is_done(stand: Stand, replay_id: str) -> bool:
    rows = _rows(stand, replay_id)
    return len(rows) == PARTITIONS and all(row["state"] == "DONE" for row in rows)
