"""Events per second without a rate limit: absolute and as a share of the bare loop, by number of processes.

All events are produced at once into a running group; the rate is their number divided by the time from the first event
to the last result handed to a producer. Broker, simulator and the processes share the machine, so each figure is the
median of several rounds, and a round runs everything that is compared once. Processor time is that of the measured
processes with all their threads; unlike the rate, it hardly depends on other load.
"""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import bare_loop
from benchmarks.bare_loop import BOUND, DECODE, PLAIN
from benchmarks.inprocess import profiled
from benchmarks.load import LoadEvent
from benchmarks.report import Goal, ReportSection, Row, at_least
from benchmarks.stand import API_LIMIT, PARTITIONS, UNLIMITED, Stand, all_owned, until
from devstack.processes import ModuleProcess

GOALS = {"applied": 0.5, "unchanged": 0.8}
"""The least share of the bare loop's rate."""
ONE_ACCOUNT = 111 * 150
_CONSUMED, _BARE, _PLAIN = "consume and decode", "bare loop", "plain loop, waits for its commits"
UNCHANGED, APPLIED, _REPLAYED = "repeats what is true", "applied", "replayed from reset offsets"
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass over the events took."""

    per_second: float
    processor_us: float  # per event, of all measured processes


def measure(
    stand: Stand, count: int, group_sizes: Sequence[int], timeout_s: float, *, rounds: int = 1
) -> ReportSection:
    """Measures each group size in ``rounds`` rounds, with ``count`` different offers in each pass."""
    stand.limit(UNLIMITED)
    rows: list[Row] = []
    goals: list[Goal] = []
    for processes in group_sizes:
        passes: defaultdict[str, list[Pass]] = defaultdict(list)
        for _ in range(rounds):
            for what, one in _round(stand, count, processes, timeout_s):
                passes[what].append(one)
        bare = _median(passes[_BARE])
        rows += [_row(what, processes, _median(found), bare) for what, found in passes.items()]
        goals += _goals(processes, bare, _median(passes[UNCHANGED]), _median(passes[APPLIED]))
    profile = "" if all(goal.met for goal in goals) else profiled(count)
    stand.limit(API_LIMIT)
    return ReportSection(
        title="Events a second with the limit lifted",
        head=("what", "processes", "events/s", "of the bare loop", "processor µs an event", "of the bare loop's"),
        rows=rows,
        notes=[
            f"{count:,} different offers in each pass, {PARTITIONS} partitions, median of {rounds} round(s); one "
            f"account's most is {ONE_ACCOUNT:,} events/s",
            "measured to the last result: the replay from its first record read, everything else from the first event",
        ],
        goals=goals,
        profile=profile,
    )


def _median(passes: Sequence[Pass]) -> Pass:
    return Pass(median(one.per_second for one in passes), median(one.processor_us for one in passes))


def _row(what: str, processes: int, found: Pass, bare: Pass) -> Row:
    return (
        what,
        str(processes),
        f"{found.per_second:,.0f}",
        f"{found.per_second / bare.per_second:.2f}",
        f"{found.processor_us:,.0f}",
        f"{found.processor_us / bare.processor_us:.2f}",
    )


def _goals(processes: int, bare: Pass, unchanged: Pass, applied: Pass) -> list[Goal]:
    shares = {"applied": applied.per_second / bare.per_second, "unchanged": unchanged.per_second / bare.per_second}
    return [
        at_least(f"share of the bare loop, {name}, {processes} process(es)", share, GOALS[name])
        for name, share in shares.items()
    ]


# ---- passes ---------------------------------------------------------------------------------------------------------


def _round(stand: Stand, count: int, processes: int, timeout_s: float) -> Iterator[tuple[str, Pass]]:
    """Runs everything that is compared once."""
    if processes == 1:
        yield _CONSUMED, _decoded(stand, count, timeout_s)
        yield _PLAIN, _bare(stand, count, processes, timeout_s, PLAIN)
    yield _BARE, _bare(stand, count, processes, timeout_s, BOUND)
    yield from connector_passes(stand, count, processes, timeout_s)
    if processes == 1:
        yield _REPLAYED, _replayed(stand, count, timeout_s)


def connector_passes(stand: Stand, count: int, processes: int, timeout_s: float) -> Iterator[tuple[str, Pass]]:
    """Measures events that repeat current values, and events that are applied."""
    with stand.connectors(processes, requests_per_second=UNLIMITED) as running:
        run(stand, stand.events.each_once(count), running, timeout_s)  # sets the current values
        yield UNCHANGED, run(stand, stand.events.again(), running, timeout_s, status="UNCHANGED")
        yield APPLIED, run(stand, stand.events.each_once(count), running, timeout_s, status="APPLIED")


def _replayed(stand: Stand, count: int, timeout_s: float) -> Pass:
    """Measures applied events that are read again after an offset reset.

    From the time at which the connector read the first of them, by its own clock, to the last result handed to the
    producer. The times at which results were produced do not tell it: they come in one burst for each checkpoint, and
    thousands of events fit into one.
    """
    start = stand.input_ends()
    with stand.connectors(requests_per_second=UNLIMITED) as running:
        run(stand, stand.events.each_once(count), running, timeout_s, status="APPLIED")
    before = len(stand.result_times_s())
    with stand.connectors(start=start, requests_per_second=UNLIMITED) as running:
        times = _results(stand, None, before, count, timeout_s)
        spent_s = sum(map(processor_s, running))  # all that it has used, its start included
    begin_s = min(row["received_at"] for row in stand.deployment.results()[before:]) / 1e6
    return Pass(count / (times[-1] - begin_s), spent_s * 1e6 / count)


def _bare(stand: Stand, count: int, processes: int, timeout_s: float, kind: str) -> Pass:
    with _bare_loops(stand, processes, kind) as running:
        topic = f"{stand.deployment.prefix}.{bare_loop.RESULTS}"
        run(stand, stand.events.each_once(count // 4), running, timeout_s, topic=topic)  # warm-up
        return run(stand, stand.events.each_once(count), running, timeout_s, topic=topic)


def _decoded(stand: Stand, count: int, timeout_s: float) -> Pass:
    """Measures the loop that writes nothing, by what it prints."""
    with _bare_loops(stand, 1, DECODE) as running:
        [process] = running
        warm_up = count // 4
        stand.send(stand.events.each_once(warm_up))
        until("the first records", lambda: _count(process)[0] >= warm_up, timeout_s)
        before_s, events = processor_s(process), stand.events.each_once(count)
        begin_s = time.time()
        stand.send(events)
        until(f"{count} records", lambda: _count(process)[0] >= warm_up + count, timeout_s)
        return Pass(count / (_count(process)[1] - begin_s), (processor_s(process) - before_s) * 1e6 / count)


def _count(process: ModuleProcess) -> tuple[int, float]:
    """Returns how many records the loop has decoded, and when it said so."""
    lines = [line.split() for line in process.text().splitlines() if line.startswith("decoded ")]
    return (int(lines[-1][1]), float(lines[-1][2])) if lines else (0, 0.0)


@contextmanager
def _bare_loops(stand: Stand, processes: int, kind: str) -> Iterator[list[ModuleProcess]]:
    deployment = stand.deployment
    known = deployment.kafka.admin().list_topics(timeout=10).topics
    for dataset in (bare_loop.RESULTS, bare_loop.STATE):
        if deployment.prefix + "." + dataset not in known:
            deployment.kafka.create_topic(f"{deployment.prefix}.{dataset}", PARTITIONS, exact=True)
    config = str(deployment.config("bare"))
    running: list[ModuleProcess] = []
    try:
        for number in range(processes):
            arguments = ["benchmarks.bare_loop", "--config", config, "--number", str(number), "--as", kind]
            running.append(stand.process(f"bare-{number}", arguments))
        until("the bare loops' partitions", lambda: all_owned(running), 60)
        yield running
    finally:
        for process in running:
            process.stop()


def run(
    stand: Stand,
    events: Sequence[LoadEvent],
    running: Sequence[ModuleProcess],
    timeout_s: float,
    *,
    topic: str | None = None,
    status: str | None = None,
) -> Pass:
    """Produces the events and measures until the last result. ``status``: the status that every result must have."""
    before, before_s = len(stand.result_times_s(topic)), sum(map(processor_s, running))
    begin_s = time.time()
    stand.send(events)
    times = _results(stand, topic, before, len(events), timeout_s)
    spent_s = sum(map(processor_s, running)) - before_s
    if status is not None:
        assert stand.statuses(since=before) == {status: len(events)}, stand.statuses(since=before)
    return Pass(len(events) / (times[-1] - begin_s), spent_s * 1e6 / len(events))


def _results(stand: Stand, topic: str | None, before: int, count: int, timeout_s: float) -> list[float]:
    done: Callable[[], bool] = lambda: len(stand.result_times_s(topic)) >= before + count  # noqa: E731
    until(f"{count} results", done, timeout_s)
    return stand.result_times_s(topic)[before:]


def processor_s(process: ModuleProcess) -> float:
    """Returns the processor time that a process has used. Linux only (``/proc``)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S
