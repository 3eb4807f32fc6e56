"""Freshness of live events without and beside a replay, how fast the replay is, and whether it does what its plan says.

The history is price changes that were all accepted, so the replay makes no call: what is measured is how much reading
it costs the live events. Live events go to the same offers, so some outcomes differ from the plan.
"""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.pace import paced
from benchmarks.report import ReportSection, Row, at_most
from benchmarks.stand import PARTITIONS, Stand, until
from devstack.audit import percentile
from devstack.processes import wait_for

RATE = 300
PROCESSES = 2
GOAL = 1.2
PLANNED_GOAL = 0.1


def measure(stand: Stand, history: int, seconds: float, timeout_s: float) -> ReportSection:
    """Measures ``seconds`` of live events without a replay, and as long beside one of ``history`` records."""
    start = stand.input_ends()
    with stand.connectors(PROCESSES):
        _settle(stand, history, timeout_s)
        alone = paced(stand, RATE, seconds).fresh_s
        planned_s = time.monotonic()
        plan, planned = _plan(stand, start, timeout_s)
        begin_s = time.monotonic()
        replay_id = _run(stand, plan)
        beside = paced(stand, RATE, seconds).fresh_s
        still_runs = not _is_done(stand, replay_id)
        until("the end of the replay", lambda: _is_done(stand, replay_id), timeout_s)
        took_s = time.monotonic() - begin_s
    records = sum(row["delivered"] for row in _rows(stand, replay_id))
    rows = [row for row in stand.deployment.results() if row["command_id"] == replay_id]
    actual = Counter(row["status"] for row in rows)
    off = max(abs(planned[status] - actual[status]) for status in planned | actual) / records
    missing = records - len({(row["input_partition"], row["input_offset"]) for row in rows})
    slower = percentile(beside, 0.99) / percentile(alone, 0.99)
    return ReportSection(
        title=f"Live events beside a replay, {RATE}/s for {seconds:.0f} s",
        head=("what", "p50", "p99"),
        rows=[_row("without a replay", alone), _row("beside a replay", beside)],
        notes=[
            f"{PROCESSES} processes; the replay read {records:,} records in {took_s:.0f} s, {records / took_s:,.0f}/s, "
            f"and {'was still running' if still_runs else 'had ended before the end of the measurement'}",
            f"the plan took {begin_s - planned_s:.0f} s: {_text(planned)}; what became of it: {_text(actual)}",
            "times include the 3 s for which the marketplace is watched after the last event",
        ],
        goals=[
            at_most("p99 beside a replay, as a multiple of that without", slower, GOAL),
            at_most("largest difference of an outcome from the plan, as a part of all records", off, PLANNED_GOAL),
            at_most("writes of the replay", _written(rows), 0),
            at_most("records without a row REPLAY, or with several", missing + len(rows) - (records - missing), 0),
        ],
    )


def _written(rows: Sequence[Mapping[str, Any]]) -> int:
    """Returns how many rows have a value that was sent and accepted, whatever became of their other fields."""
    return sum(any(field["status"] == "APPLIED" for field in row["fields"]) for row in rows)


def _row(what: str, fresh_s: Sequence[float]) -> Row:
    return what, f"{percentile(fresh_s, 0.5):.2f} s", f"{percentile(fresh_s, 0.99):.2f} s"


def _settle(stand: Stand, history: int, timeout_s: float) -> None:
    """Produces the history and waits until each event has its result."""
    before = len(stand.result_times_s())
    stand.send(stand.events.paced(history, 1.0))
    wait_for(
        f"{history} results",
        lambda: len(stand.result_times_s()) >= before + history,
        still_s=timeout_s,
        every_s=10.0,  # reading them all takes seconds of the processors that work on them
    )


def _plan(stand: Stand, start: dict[int, int], timeout_s: float) -> tuple[Path, Counter[str]]:
    """Plans a replay of everything from these offsets on; returns the plan's file and how many events end how."""
    selected = [word for number, offset in start.items() for word in ("--offsets", f"{number}:{offset}-")]
    file = stand.deployment.folder / "plan.json"
    config = str(stand.deployment.config("operator"))
    stand.deployment.command("replay", "plan", *selected, "--out", str(file), "--config", config, timeout_s=timeout_s)
    return file, Counter(json.loads(file.read_text())["forecast"]["outcomes"])


def _run(stand: Stand, plan: Path) -> str:
    """Runs a plan, and returns the replay's id."""
    config = str(stand.deployment.config("operator"))
    printed = stand.deployment.command(
        "replay", "run", str(plan), "--reason", "a measurement", "--json", "--config", config
    )
    return str(json.loads(printed)["replay_id"])


def _text(outcomes: Counter[str]) -> str:
    return ", ".join(f"{count:,} {status}" for status, count in outcomes.most_common())


def _rows(stand: Stand, replay_id: str) -> list[Any]:
    rows = stand.deployment.newest("replays").values()
    return [row for row in rows if row["replay_id"] == replay_id]


def _is_done(stand: Stand, replay_id: str) -> bool:
    rows = _rows(stand, replay_id)
    return len(rows) == PARTITIONS and all(row["state"] == "DONE" for row in rows)
