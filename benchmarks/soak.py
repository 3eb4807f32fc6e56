"""Hours under load with faults: whether memory and lag stay flat, and whether an event is lost or answered twice.

Two processes share the input. One runs throughout, and its memory is what is watched; the other is killed and restarted
by turns. Between these, the marketplace throttles, fails, loses answers and is slow. Every fault ends, and is followed
by a pause in which the backlog must be gone again.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from threading import Event, Thread
from typing import Any, Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.report import ReportSection, at_most
from benchmarks.stand import Stand, until
from devstack.processes import ModuleProcess

RATE: Final = 50
LONGEST_AGE_S: Final = 10.0
"""The oldest event that waits at the end of a pause may be as old."""
GROWTH: Final = 1.1
"""The memory in the last quarter, in relation to the second: the first fills caches."""
_FAULT_S: Final = 15.0
_PAUSE_S: Final = 30.0
_EVERY_S: Final = 5.0
_CHUNK_S: Final = 60.0
_PATIENCE_S: Final = 300.0

MARKETPLACE: Final[Mapping[str, Mapping[str, Any]]] = {
    "429 to every call": {"kind": "respond", "status": 429},
    "503 to every call": {"kind": "respond", "status": 503},
    "answers are lost": {"kind": "lose_answer"},
    "connections are reset": {"kind": "reset"},
    "answers take 2 s": {"kind": "slow", "wait_s": 2.0},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakSample:
    """What the process that runs throughout says of itself."""

    at_s: float  # since the beginning
    memory: float  # resident, in bytes
    oldest_s: float
    lag: float  # records
    during: str  # a fault, or "" in a pause after its first half


@dataclass(slots=True)
class Watch:
    """Takes samples of a process until it is told to stop. ``during`` is set by the thread that makes the faults."""

    process: ModuleProcess
    began_s: float = field(default_factory=time.monotonic)
    during: str = "start"
    samples: list[SoakSample] = field(default_factory=list)

    def run(self, over: Event) -> None:
        with self.process.health() as health:
            while not over.wait(_EVERY_S):
                self.samples.append(self._sample(health))

    def _sample(self, health: httpx.Client) -> SoakSample:
        page: dict[str, list[float]] = {}
        for family in text_string_to_metric_families(health.get("/metrics").text):
            for sample in family.samples:
                page.setdefault(sample.name, []).append(sample.value)
        return SoakSample(
            at_s=time.monotonic() - self.began_s,
            memory=sum(page["process_resident_memory_bytes"]),
            oldest_s=max(page.get("stream_oldest_undone_age_seconds", [0.0])),
            lag=sum(page.get("stream_partition_lag", [0.0])),
            during=self.during,
        )


def measure(stand: Stand, hours: float) -> ReportSection:
    """Sends events for so many hours, with one fault after the other."""
    over, sent, faults = Event(), dict[str, tuple[int, int]](), Counter[str]()
    with stand.connectors(2) as running:
        began = len(stand.deployment.read("offer-results"))
        watch = Watch(running[0])
        threads = [
            Thread(target=partial(_load, stand, over, sent), name="load", daemon=True),
            Thread(target=partial(watch.run, over), name="watch", daemon=True),
        ]
        for thread in threads:
            thread.start()
        ends_s = time.monotonic() + hours * 3600
        for fault, made in cycle(_faults(stand, running)):
            if time.monotonic() >= ends_s:
                break
            faults[fault] += 1
            watch.during = fault
            with made():
                time.sleep(_FAULT_S)
            time.sleep(_PAUSE_S / 2)
            watch.during = ""
            time.sleep(_PAUSE_S / 2)
            if not all(thread.is_alive() for thread in threads):
                raise RuntimeError(f"load or watch ended; {running[0].name}:\n{running[0].text()[-3000:]}")
        over.set()
        for thread in threads:
            thread.join()
        until("a result of each event", lambda: _answered(stand, began).keys() >= sent.keys(), _PATIENCE_S)
        stand.deployment.quiet(for_s=1.0)
    return _section(hours, watch.samples, faults, sent, _answered(stand, began), _wrong(stand, sent))


def _load(stand: Stand, over: Event, sent: dict[str, tuple[int, int]]) -> None:
    """Sends events at an even rate until it is told to stop, and notes each with its unit and price."""
    while not over.is_set():
        events = stand.events.paced(RATE, _CHUNK_S)
        sent.update((event.event_id, (event.offer.unit_id, event.price_cents)) for event in events)
        stand.send(events)


# ---- faults ---------------------------------------------------------------------------------------------------------


def _faults(stand: Stand, running: list[ModuleProcess]) -> Sequence[tuple[str, Callable[[], Any]]]:
    of_marketplace = [(name, partial(_broken, stand, do)) for name, do in MARKETPLACE.items()]
    return [
        *of_marketplace,
        ("the other process is killed", partial(_ended, stand, running, ModuleProcess.kill9)),
        ("the other process is restarted", partial(_ended, stand, running, ModuleProcess.stop)),
    ]


@contextmanager
def _broken(stand: Stand, do: Mapping[str, Any]) -> Iterator[None]:
    stand.deployment.marketplace.fault("soak", do)
    try:
        yield
    finally:
        stand.deployment.marketplace.heal("soak")


@contextmanager
def _ended(stand: Stand, running: list[ModuleProcess], end: Callable[[ModuleProcess], object]) -> Iterator[None]:
    end(running[1])
    try:
        yield
    finally:
        running[1] = stand.connector(1)


# ---- figures --------------------------------------------------------------------------------------------------------


def _answered(stand: Stand, began: int) -> Mapping[str, int]:
    return Counter(row["event_id"] for row in stand.deployment.results()[began:])


def _wrong(stand: Stand, sent: Mapping[str, tuple[int, int]]) -> int:
    """Counts the units whose price is not that of the newest event."""
    newest = dict(sent.values())  # in the order of the events
    units = stand.deployment.marketplace.units()
    return sum(units[unit_id]["listing_price"] != cents for unit_id, cents in newest.items())


def quarters(samples: Sequence[SoakSample]) -> Sequence[Sequence[SoakSample]]:
    """Returns the samples of each quarter of the time."""
    whole_s = max(sample.at_s for sample in samples)
    return [
        [sample for sample in samples if number <= 4 * sample.at_s / whole_s < number + 1 + (number == 3)]
        for number in range(4)
    ]


def _section(
    hours: float,
    samples: Sequence[SoakSample],
    faults: Mapping[str, int],
    sent: Mapping[str, object],
    answered: Mapping[str, int],
    wrong: int,
) -> ReportSection:
    parts = quarters(samples)
    rested = [max((sample.oldest_s for sample in part if not sample.during), default=0.0) for part in parts]
    memory = [max((sample.memory for sample in part), default=0.0) for part in parts]
    rows = [
        (
            f"quarter {number + 1}",
            f"{memory[number] / 2**20:,.1f} MiB",
            f"{max((sample.oldest_s for sample in part), default=0.0):.1f} s",
            f"{rested[number]:.1f} s",
            f"{max((sample.lag for sample in part), default=0.0):,.0f}",
        )
        for number, part in enumerate(parts)
    ]
    return ReportSection(
        title=f"{hours:g} hours of {RATE} events/s with faults",
        head=("when", "memory", "oldest event", "in the pauses", "lag"),
        rows=rows,
        notes=[
            f"{len(sent):,} events; {sum(faults.values())} faults of {_FAULT_S:.0f} s: "
            + ", ".join(f"{name} {count}" for name, count in faults.items()),
            "memory, oldest event that waits and lag: the largest value of the process that runs throughout",
        ],
        goals=[
            at_most("memory of the last quarter by that of the second", memory[3] / memory[1], GROWTH),
            at_most("oldest event in the pauses of the last quarter (s)", rested[3], LONGEST_AGE_S),
            at_most("events lost", len(sent.keys() - answered.keys()), 0),
            at_most("events answered twice", sum(count > 1 for count in answered.values()), 0),
            at_most("units without the newest price", wrong, 0),
        ],
    )
