"""Processor time per event of each thread of one connector process that works on a backlog.

All events are produced at once. Times are those of the operating system for each thread, which depend little on other
load; what the process does whatever happens, such as timers and statistics, is in them. Linux only (``/proc``).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.load import LoadEvent
from benchmarks.report import ReportSection
from benchmarks.stand import API_LIMIT, UNLIMITED, Stand, until
from devstack.processes import ModuleProcess

ENGINE: Final = "engine: poll, decide, encode"
_GROUPS: Final = {
    "sink": "sink: produce and commit",
    "worker-": "workers: HTTP calls",
    "side-reader": "side reader",
    "follower": "followers",
    "rdk:broker": "librdkafka: brokers' threads, of all clients",
    "rdk:main": "librdkafka: main threads, of all clients",
}
_OTHERS: Final = "others: web server, console"


def measure(stand: Stand, count: int, timeout_s: float) -> ReportSection:
    """Measures ``count`` events that repeat current values, and ``count`` events that are applied."""
    stand.limit(UNLIMITED)
    with stand.connectors(module="benchmarks.named_threads", requests_per_second=UNLIMITED) as [process]:
        _spent_us(stand, process, stand.events.each_once(count), timeout_s)  # sets the current values
        repeated = _spent_us(stand, process, stand.events.again(), timeout_s)
        applied = _spent_us(stand, process, stand.events.each_once(count), timeout_s)
    stand.limit(API_LIMIT)
    names = sorted(repeated | applied, key=lambda name: -applied[name])
    rows = [(name, f"{repeated[name]:,.1f}", f"{applied[name]:,.1f}") for name in names]
    return ReportSection(
        title="processor µs per event by thread",
        head=("thread", "repeats what is true", "applied"),
        rows=[*rows, ("all", f"{repeated.total():,.1f}", f"{applied.total():,.1f}")],
        notes=[f"{count:,} events of each kind, produced at once, in one process"],
    )


def _spent_us(stand: Stand, process: ModuleProcess, events: Sequence[LoadEvent], timeout_s: float) -> Counter[str]:
    """Returns what each group of threads spent on an event."""
    results = len(stand.result_times_s())
    before = spent_s(process.pid)
    stand.send(events)
    until(f"{len(events)} results", lambda: len(stand.result_times_s()) >= results + len(events), timeout_s)
    after = spent_s(process.pid)
    by_group: Counter[str] = Counter()
    for (thread, name), seconds in after.items():
        used_s = seconds - before.get((thread, name), 0.0)
        by_group[_group(thread, name, process.pid)] += used_s * 1e6 / len(events)  # type: ignore[assignment]
    return by_group


def spent_s(pid: int) -> Mapping[tuple[int, str], float]:
    """Returns (id, name) -> processor time of each thread of a process."""
    threads: dict[tuple[int, str], float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            name = (task / "comm").read_text("ascii").strip()
            threads[int(task.name), name] = int((task / "schedstat").read_text("ascii").split()[0]) / 1e9
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    return threads


def _group(thread: int, name: str, pid: int) -> str:
    if thread == pid:
        return ENGINE
    return next((group for prefix, group in _GROUPS.items() if name.startswith(prefix)), _OTHERS)
