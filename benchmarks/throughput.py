"""Offers per second without a rate limit: absolute and as a share of the bare loop, by number of connectors.

All events are produced at once into a running group; the rate is their number divided by the time from the first event
to the last result handed to a producer. Broker, simulator and connectors share the machine.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from benchmarks import bare_loop
from benchmarks.inprocess import profiled
from benchmarks.load import LoadEvent
from benchmarks.report import Goal, ReportSection, at_least
from benchmarks.stand import API_LIMIT, PARTITIONS, UNLIMITED, Stand, all_owned, until
from devstack.processes import ModuleProcess

GOAL_SHARE = 0.5
ONE_ACCOUNT = 111 * 150


def measure(stand: Stand, count: int, group_sizes: Sequence[int], timeout_s: float) -> ReportSection:
    """Measures each group size, with ``count`` different offers in each run."""
    stand.limit(UNLIMITED)
    rows, goals = [], []
    for processes in group_sizes:
        bare = _bare(stand, count, processes, timeout_s)
        repeated, applied = _connector(stand, count, processes, timeout_s)
        rows += [
            (f"bare loop, {processes} process(es)", f"{bare:,.0f}", "1.00", _of_account(bare)),
            (f"repeats what is true, {processes}", f"{repeated:,.0f}", f"{repeated / bare:.2f}", _of_account(repeated)),
            (f"applied, {processes}", f"{applied:,.0f}", f"{applied / bare:.2f}", _of_account(applied)),
        ]
        goals += _goals(processes, repeated / bare, applied / bare)
        if processes == 1:
            replayed = _replayed(stand, count, timeout_s)
            rows.append(("replayed from reset offsets, 1", f"{replayed:,.0f}", f"{replayed / bare:.2f}", ""))
    profile = "" if all(goal.met for goal in goals) else profiled(count)
    stand.limit(API_LIMIT)
    return ReportSection(
        title="Offers a second with the limit lifted",
        head=("what", "offers/s", "of the bare loop", f"of {ONE_ACCOUNT:,}/s"),
        rows=rows,
        notes=[f"{count:,} different offers a run, {PARTITIONS} partitions; {ONE_ACCOUNT:,}/s is one account's most"],
        goals=goals,
        profile=profile,
    )


def _of_account(rate: float) -> str:
    return f"{rate / ONE_ACCOUNT:.0%}"


def _goals(processes: int, repeated: float, applied: float) -> list[Goal]:
    return [
        at_least(f"share of the bare loop, repeated, {processes} process(es)", repeated, GOAL_SHARE),
        at_least(f"share of the bare loop, applied, {processes} process(es)", applied, GOAL_SHARE),
    ]


# ---- runs -----------------------------------------------------------------------------------------------------------


def _connector(stand: Stand, count: int, processes: int, timeout_s: float) -> tuple[float, float]:
    """Returns the rates (offers/s) of events that repeat current values and of events that are applied."""
    with stand.connectors(processes, requests_per_second=UNLIMITED):
        _run(stand, stand.events.each_once(count), timeout_s)  # sets the current values
        repeated = _run(stand, stand.events.again(), timeout_s, status="UNCHANGED")
        applied = _run(stand, stand.events.each_once(count), timeout_s, status="APPLIED")
    return repeated, applied


def _replayed(stand: Stand, count: int, timeout_s: float) -> float:
    """Returns the rate (offers/s) of applied events that are read again after an offset reset.

    Measured from the first tenth of the results on.
    """
    start = stand.input_ends()
    with stand.connectors(requests_per_second=UNLIMITED):
        _run(stand, stand.events.each_once(count), timeout_s, status="APPLIED")
    before = len(stand.result_times_s())
    with stand.connectors(start=start, requests_per_second=UNLIMITED):
        times = _results(stand, None, before, count, timeout_s)
    tenth = count // 10
    return (count - tenth) / (times[-1] - times[tenth])


def _bare(stand: Stand, count: int, processes: int, timeout_s: float) -> float:
    with _bare_loops(stand, processes):
        topic = f"{stand.deployment.prefix}.{bare_loop.RESULTS}"
        _run(stand, stand.events.each_once(count // 4), timeout_s, topic=topic)  # warm-up
        return _run(stand, stand.events.each_once(count), timeout_s, topic=topic)


@contextmanager
def _bare_loops(stand: Stand, processes: int) -> Iterator[None]:
    deployment = stand.deployment
    known = deployment.kafka.admin().list_topics(timeout=10).topics
    for dataset in (bare_loop.RESULTS, bare_loop.STATE):
        if deployment.prefix + "." + dataset not in known:
            deployment.kafka.create_topic(f"{deployment.prefix}.{dataset}", PARTITIONS, exact=True)
    config = str(deployment.config("bare"))
    running: list[ModuleProcess] = []
    try:
        for number in range(processes):
            arguments = ["benchmarks.bare_loop", "--config", config, "--number", str(number)]
            running.append(stand.process(f"bare-{number}", arguments))
        until("the bare loops' partitions", lambda: all_owned(running), 60)
        yield
    finally:
        for process in running:
            process.stop()


def _run(
    stand: Stand, events: Sequence[LoadEvent], timeout_s: float, *, topic: str | None = None, status: str | None = None
) -> float:
    """Produces the events and returns offers per second. ``status``: the status that every result must have."""
    before = len(stand.result_times_s(topic))
    begin_s = time.time()
    stand.send(events)
    times = _results(stand, topic, before, len(events), timeout_s)
    if status is not None:
        assert stand.statuses(since=before) == {status: len(events)}, stand.statuses(since=before)
    return len(events) / (times[-1] - begin_s)


def _results(stand: Stand, topic: str | None, before: int, count: int, timeout_s: float) -> list[float]:
    done: Callable[[], bool] = lambda: len(stand.result_times_s(topic)) >= before + count  # noqa: E731
    until(f"{count} results", done, timeout_s)
    return stand.result_times_s(topic)[before:]
