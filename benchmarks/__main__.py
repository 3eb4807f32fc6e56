"""``make bench``: every measured claim, in one run, on a real Apache Kafka. Nothing here fails because it was slow.

``--quick`` shows in about a minute that everything runs, with figures that wobble; without it, about seven minutes.
``--only NAME ...`` runs some of the measurements. ``--output FILE`` also writes the report, as Markdown. ``--against
REV`` instead compares the working tree with another commit, in process and without a broker. ``--soak HOURS`` instead
keeps a load with faults up for hours.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from benchmarks import (
    against,
    bodies,
    calls,
    cold,
    latency,
    memory,
    mix,
    pace,
    peers,
    rebuild,
    replay,
    rolling,
    scale,
    soak,
    stages,
    threads,
    throughput,
    why,
)
from benchmarks.report import ReportSection
from benchmarks.stand import Stand, stand
from devstack.stack import NoKafka, Stack, find


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The size of each measurement."""

    offers: int  # on the stand
    throughput: int  # offers per pass
    passes: int  # rounds of the throughput measurement
    seconds: float  # duration of a pace measurement
    mixed: tuple[int, int, int]  # offers, changes of these, and orders that share one limit
    stages: int  # events
    units: int  # known units for the memory measurement
    scales: Sequence[int]  # numbers of known units
    rounds: int  # of the measurement of request bodies
    counted: int  # offers whose events' function calls are counted
    pairs: int  # of processes, when two commits are compared
    history: int  # results in the topics
    alone: int  # events whose latency is measured one by one
    replayed: int  # records of a replay
    rebuilt: tuple[int, int]  # offers and events of a rebuild
    cold: tuple[int, int]  # units, and EANs of them that are not known
    latencies_s: Sequence[float]  # of the marketplace's responses
    lingers: Sequence[str]  # values of the connector's setting
    processes: Sequence[int]  # group sizes


FULL = Size(
    offers=20_000,
    throughput=10_000,
    passes=3,
    seconds=15.0,
    mixed=(3_000, 50_000, 100),
    stages=10_000,
    units=200_000,
    scales=(10_000, 100_000, 1_000_000),
    rounds=300,
    counted=1_000,
    pairs=8,
    history=1_000_000,
    alone=300,
    replayed=200_000,
    rebuilt=(10_000, 100_000),
    cold=(100_000, 20_000),
    latencies_s=(0.0, 0.15),
    lingers=("0s", "500ms"),
    processes=(1, 2),
)
QUICK = Size(
    offers=3_000,
    throughput=2_000,
    passes=1,
    seconds=3.0,
    mixed=(500, 5_000, 20),
    stages=1_000,
    units=50_000,
    scales=(2_000, 20_000),
    rounds=100,
    counted=200,
    pairs=3,
    history=20_000,
    alone=50,
    replayed=10_000,
    rebuilt=(1_000, 5_000),
    cold=(2_000, 400),
    latencies_s=(0.15,),
    lingers=("0s",),
    processes=(1,),
)

MEASUREMENTS: Final = (
    "used",
    "freshness",
    "mix",
    "throughput",
    "threads",
    "peers",
    "latency",
    "replay",
    "rolling",
    "rebuild",
    "memory",
    "scale",
    "bodies",
    "calls",
    "stages",
    "cold",
    "why",
)
"""The names of all measurements, in the order in which they run."""


class Run:
    """The measurements by name. Broker and stand are started when a measurement first needs them.

    ``note`` gets a line for each step of starting the broker.
    """

    def __init__(self, size: Size, opened: ExitStack, note: Callable[[str], None]) -> None:
        self._size = size
        self._opened = opened
        self._note = note

    @cached_property
    def _kafka(self) -> Stack:
        return self._opened.enter_context(find(self._note))

    @cached_property
    def _stand(self) -> Stand:
        return self._opened.enter_context(stand(self._kafka, self._size.offers))

    def soak(self, hours: float) -> ReportSection:
        return soak.measure(self._stand, hours)

    @property
    def measurements(self) -> Mapping[str, Callable[[], ReportSection]]:
        size = self._size
        return {
            "used": lambda: pace.used_share(self._stand, size.seconds, size.latencies_s),
            "freshness": lambda: pace.freshness(self._stand, size.seconds, size.lingers),
            "mix": lambda: mix.shared(self._kafka, *size.mixed),
            "throughput": lambda: throughput.measure(
                self._stand, size.throughput, size.processes, timeout_s=120, rounds=size.passes
            ),
            "threads": lambda: threads.measure(self._stand, size.offers, timeout_s=120),
            "peers": lambda: peers.measure(self._stand, size.throughput, timeout_s=120),
            "latency": lambda: latency.measure(self._stand, size.alone, timeout_s=60),
            "replay": lambda: replay.measure(self._stand, size.replayed, size.seconds, timeout_s=900),
            "rolling": lambda: rolling.measure(self._stand, longest_s=600.0),
            "rebuild": lambda: rebuild.measure(self._kafka, *size.rebuilt),
            "memory": lambda: memory.measure(size.units),
            "scale": lambda: scale.measure(size.scales),
            "bodies": lambda: bodies.measure(size.rounds),
            "calls": lambda: calls.measure(size.counted),
            "stages": lambda: stages.measure(self._kafka, size.stages),
            "cold": lambda: cold.measure(*size.cold, rates=(1.0, 10.0, 60.0)),
            "why": lambda: why.measure(self._kafka, size.history),
        }


def main() -> None:
    options = _options()
    size = QUICK if options.quick else FULL
    report = Report()
    try:
        with ExitStack() as opened:
            run = Run(size, opened, report.note)
            measurements, names = run.measurements, options.only or MEASUREMENTS
            if options.against is not None:
                measurements, names = {"against": lambda: against.compare(options.against, size.pairs)}, ("against",)
            if options.soak is not None:
                measurements, names = {"soak": lambda: run.soak(options.soak)}, ("soak",)
            report.lines(_heading(sys.argv[1:]))
            for name in names:
                before = os.getloadavg()[0]
                report.lines(["", *measurements[name]().lines(), _load(before)])
    except (NoKafka, against.NoSuchCommit) as problem:
        sys.exit(str(problem))
    if options.output is not None:
        options.output.write_text(report.text, "utf-8")


class Report:
    """Prints lines immediately and keeps them for the report file."""

    def __init__(self) -> None:
        self.text = ""

    def lines(self, lines: Iterator[str] | Sequence[str]) -> None:
        for line in lines:
            print(line, flush=True)
            self.text += line + "\n"

    def note(self, line: str) -> None:
        """Prints progress to standard error; not part of the report."""
        print(line, file=sys.stderr, flush=True)


def _heading(arguments: Sequence[str]) -> Sequence[str]:
    command = " ".join(["python -m benchmarks", *arguments])
    return (
        "# Benchmarks",
        "",
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}; {os.cpu_count()} cores for everything, the broker included; "
        f"Python {platform.python_version()}, {platform.machine()}",
    )


def _load(before: float) -> str:
    """Returns the machine's load as a line of the report: other load falsifies the figures."""
    return f"- load of the machine, one-minute average: {before:.1f} before, {os.getloadavg()[0]:.1f} after"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    some = parser.add_mutually_exclusive_group()
    some.add_argument("--only", nargs="+", choices=MEASUREMENTS)
    some.add_argument("--against", metavar="REV")
    some.add_argument("--soak", metavar="HOURS", type=float)
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
