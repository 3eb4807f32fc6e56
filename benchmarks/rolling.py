"""A rolling restart under load: how long each partition stands still, and whether an event is lost or answered twice.

A partition's stall is the longest time between two results of it that were handed to a producer one after the other.
Events come in evenly over the partitions, so without a restart it is a fraction of a second. Which partitions moved is
read from the processes' logs.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import pairwise, takewhile
from threading import Event, Thread

import orjson

from benchmarks.load import LoadEvent
from benchmarks.report import ReportSection, Row, at_most
from benchmarks.stand import PARTITIONS, Stand, until
from devstack.audit import percentile
from devstack.processes import ModuleProcess

RATE = 300
PROCESSES = 3
GOAL_S = 3.0
_SETTLED_S = 4.0  # watched after a change, longer than a stall is expected to last
_PATIENCE_S = 300.0
_MOVES = ("partition_opened", "partition_released")

Results = Mapping[int, Sequence[float]]
"""By partition: when its results were handed to a producer (s since the epoch), increasing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingPhase:
    """A part of the restart (s since the epoch), and the partitions that moved in it."""

    name: str
    begin_s: float
    end_s: float
    moved: frozenset[int]


def measure(stand: Stand, longest_s: float) -> ReportSection:
    """Restarts three processes one after the other under 300 events a second, which takes ``longest_s`` at most."""
    with stand.connectors(PROCESSES) as running:
        load = _Load(stand, longest_s)
        began = len(stand.deployment.read("offer-results"))
        load.start()
        until("the first results", lambda: len(stand.deployment.read("offer-results")) > began, _PATIENCE_S)
        phases = list(_restart_each(stand, running))
        sent = load.stop()
        until("a result of each event", lambda: _answered(stand, began) >= sent, _PATIENCE_S)
        stand.deployment.quiet(for_s=1.0)
    counted = Counter(row["event_id"] for row in stand.deployment.results()[began:])
    return _section(phases, _results(stand, began), sent, counted)


class _Load:
    """Sends events at an even rate, from a thread of its own, until it is told to stop."""

    def __init__(self, stand: Stand, longest_s: float) -> None:
        self._stand = stand
        self._events = stand.events.paced(RATE, longest_s)
        self._sent: set[str] = set()
        self._over = Event()
        self._thread = Thread(target=lambda: stand.send(self._until_over()), name="load", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> set[str]:
        """Ends the load and returns the ids of its events."""
        if not self._thread.is_alive():
            raise RuntimeError("the load ended before the restart did")
        self._over.set()
        self._thread.join()
        return self._sent

    def _until_over(self) -> Iterator[LoadEvent]:
        for event in takewhile(lambda _: not self._over.is_set(), self._events):
            self._sent.add(event.event_id)
            yield event


# ---- the restart ----------------------------------------------------------------------------------------------------


def _restart_each(stand: Stand, running: list[ModuleProcess]) -> Iterator[RollingPhase]:
    """Restarts each process, and yields how it was before, and the leaving and joining of each."""
    yield _phase("no restart", running, lambda: None)
    for number, leaving in enumerate(running):
        yield _phase(f"process {number + 1} leaves", running, partial(_leave, leaving, running))
        running[number] = stand.connector(number)
        yield _phase(f"process {number + 1} joins", running, partial(_has_its_share, running[number]))


def _leave(leaving: ModuleProcess, running: Sequence[ModuleProcess]) -> None:
    """Stops a process and waits until the others have opened its partitions."""
    others = [process for process in running if process is not leaving]
    had, before = _owned(leaving), _opened(others)
    if leaving.stop() != 0:
        raise RuntimeError(f"{leaving.name} did not drain:\n{leaving.text()[-3000:]}")
    until("its partitions elsewhere", lambda: _opened(others) >= before + had, _PATIENCE_S)


def _has_its_share(joining: ModuleProcess) -> None:
    until("its share of the partitions", lambda: _owned(joining) >= PARTITIONS // PROCESSES, _PATIENCE_S)


def _phase(name: str, running: Sequence[ModuleProcess], change: Callable[[], None]) -> RollingPhase:
    """Makes a change, and watches for a while after it."""
    seen = list(running)
    begin_s = time.time()
    change()
    time.sleep(_SETTLED_S)
    end_s = time.time()
    moved = (move for process in seen for move in _moves(process))
    return RollingPhase(
        name=name,
        begin_s=begin_s,
        end_s=end_s,
        moved=frozenset(partition for at_s, partition, _ in moved if begin_s <= at_s <= end_s),
    )


def _moves(process: ModuleProcess) -> Sequence[tuple[float, int, str]]:
    """Returns time (s since the epoch), partition and event of each partition that it opened or released."""
    lines = [orjson.loads(line) for line in process.text().splitlines() if any(f'"{move}"' in line for move in _MOVES)]
    return [(datetime.fromisoformat(line["timestamp"]).timestamp(), line["partition"], line["event"]) for line in lines]


def _opened(running: Sequence[ModuleProcess]) -> int:
    return sum(event == "partition_opened" for process in running for _, _, event in _moves(process))


def _owned(process: ModuleProcess) -> int:
    events = Counter(event for _, _, event in _moves(process))
    return events["partition_opened"] - events["partition_released"]


# ---- figures --------------------------------------------------------------------------------------------------------


def _answered(stand: Stand, began: int) -> set[str]:
    return {row["event_id"] for row in stand.deployment.results()[began:]}


def _results(stand: Stand, began: int) -> Results:
    times: defaultdict[int, list[float]] = defaultdict(list)
    records = stand.deployment.read("offer-results")[began:]
    for record, row in zip(records, stand.deployment.results()[began:], strict=True):
        times[row["input_partition"]].append(record.timestamp()[1] / 1000)
    return {partition: sorted(found) for partition, found in times.items()}


def stall_s(times_s: Sequence[float], begin_s: float, end_s: float) -> float:
    """Returns the longest time between two results that lies within these times, at least in part."""
    gaps = [after - before for before, after in pairwise(times_s) if after > begin_s and before < end_s]
    return max(gaps, default=end_s - begin_s)


def _section(
    phases: Sequence[RollingPhase], results: Results, sent: set[str], answered: Mapping[str, int]
) -> ReportSection:
    rows: list[Row] = []
    moved: list[float] = []
    stayed: list[float] = []
    for phase in phases:
        stalls = {partition: stall_s(times, phase.begin_s, phase.end_s) for partition, times in results.items()}
        went = [stall for partition, stall in stalls.items() if partition in phase.moved]
        kept = [stall for partition, stall in stalls.items() if partition not in phase.moved]
        rows.append((phase.name, *_figures(went), *_figures(kept)))
        if phase is not phases[0]:
            moved += went
            stayed += kept
    rows.append(("all restarts", *_figures(moved), *_figures(stayed)))
    lost, twice = len(sent - answered.keys()), sum(count > 1 for count in answered.values())
    return ReportSection(
        title=f"Rolling restart of {PROCESSES} processes under {RATE} events/s",
        head=("what", "moved", "stall p50", "worst", "stayed", "stall p50", "worst"),
        rows=rows,
        notes=[
            f"{len(sent):,} events in {PARTITIONS} partitions, {phases[-1].end_s - phases[0].begin_s:.0f} s; each "
            "process drained before it ended",
            "a stall is the longest time between two results of a partition, also of one that stayed",
        ],
        goals=[
            at_most("worst stall of a partition that moved (s)", max(moved, default=0.0), GOAL_S),
            at_most("events lost", lost, 0),
            at_most("events answered twice", twice, 0),
        ],
    )


def _figures(stalls_s: Sequence[float]) -> tuple[str, str, str]:
    if not stalls_s:
        return "0", "", ""
    return str(len(stalls_s)), f"{percentile(sorted(stalls_s), 0.5):.2f} s", f"{max(stalls_s):.2f} s"
