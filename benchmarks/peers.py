"""Another stream processor for Python on the same broker and the same records: a stateful update for each key, with a
result for each event, exactly once. It decides nothing and calls nothing.

It is installed into an environment of its own below ``.stack``, and never in the project's. Where that fails, the
report says so.
"""

import subprocess
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import schemas
from benchmarks.report import Goal, ReportSection, at_most
from benchmarks.stand import API_LIMIT, PARTITIONS, UNLIMITED, Stand, until
from benchmarks.throughput import APPLIED, UNCHANGED, Pass, connector_passes, run
from devstack.processes import ModuleProcess
from devstack.stack import CACHE

QUIX: Final = "quixstreams==3.28.1"
_HEAD: Final = ("what", "processor µs an event")
_WARM_UP: Final = 100
_REPEATS, _CHANGES = "Quix Streams, repeats what is true", "Quix Streams, changes the value"


class NotInstalled(Exception):
    """The peer could not be installed."""


def measure(stand: Stand, count: int, timeout_s: float) -> ReportSection:
    """Measures ``count`` events that change a value and ``count`` that repeat it, in Quix Streams and the connector."""
    title = "A stateful update for each key beside Quix Streams, exactly once"
    try:
        python = _installed()
    except NotInstalled as problem:
        return ReportSection(title=title, head=_HEAD, rows=[], notes=[f"not measured: {problem}"])
    stand.limit(UNLIMITED)
    passes = [*_quix_passes(stand, count, timeout_s, python), *connector_passes(stand, count, 1, timeout_s)]
    stand.limit(API_LIMIT)
    return ReportSection(
        title=title,
        head=_HEAD,
        rows=[(what, f"{one.processor_us:,.0f}") for what, one in passes],
        notes=[
            f"{count:,} different offers in each pass, one process each, {QUIX}; the connector also merges, checks and "
            "calls the marketplace, and its results and states are Avro",
            "no rates: the peer gives each result the time of its event",
        ],
        goals=_goals(dict(passes)),
    )


def _goals(passes: Mapping[str, Pass]) -> list[Goal]:
    pairs = {_CHANGES: APPLIED, _REPEATS: UNCHANGED}
    return [
        at_most(
            f"processor time of the connector, {ours}, as a multiple of the peer's",
            passes[ours].processor_us / passes[theirs].processor_us,
            1.0,
        )
        for theirs, ours in pairs.items()
    ]


def _installed() -> str:
    """Returns an interpreter that has Quix Streams. Raises NotInstalled."""
    folder = CACHE / "peers"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    asked = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", QUIX]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalled(f"{QUIX} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
    return str(python)


def _quix_passes(stand: Stand, count: int, timeout_s: float, python: str) -> Iterator[tuple[str, Pass]]:
    with _quix(stand, python, timeout_s) as (process, topic):
        run(stand, stand.events.each_once(count), [process], timeout_s, topic=topic)  # sets the current values
        yield _REPEATS, run(stand, stand.events.again(), [process], timeout_s, topic=topic)
        changed = stand.events.each_once(count)
        yield _CHANGES, run(stand, changed, [process], timeout_s, topic=topic)


@contextmanager
def _quix(stand: Stand, python: str, timeout_s: float) -> Iterator[tuple[ModuleProcess, str]]:
    """Runs the peer within the context; enters it when the peer has given results. Also yields their topic."""
    deployment = stand.deployment
    topic = f"{deployment.prefix}.quix.results"
    deployment.kafka.create_topic(topic, PARTITIONS, exact=True)
    schema = deployment.folder / "offer_changed.avsc"
    schema.write_text(schemas.text("offer_changed", schemas.newest("offer_changed")), "utf-8")
    options = {
        "--python": python,
        "--brokers": deployment.kafka.bootstrap_servers,
        "--input": stand.input,
        "--results": topic,
        "--schema": str(schema),
        "--state": str(deployment.folder / "quix-state"),
    }
    arguments = [part for option in options.items() for part in option]
    process = stand.process("quix", ["benchmarks.quix_peer", *arguments])
    try:
        until("results of the peer", lambda: _gives_results(stand, process, topic), timeout_s)
        yield process, topic
    finally:
        process.stop()


def _gives_results(stand: Stand, process: ModuleProcess, topic: str) -> bool:
    """Sends a few events; whether each of them has a result, and none of earlier ones is still to come.

    The peer does not tell when it has its partitions, and starts at the ends that they have then.
    """
    if not process.running:
        raise RuntimeError(f"{process.name} ended:\n{process.text()[-3000:]}")
    before = len(stand.result_times_s(topic))
    stand.send(stand.events.each_once(_WARM_UP))
    return _settled(stand, topic) == before + _WARM_UP


def _settled(stand: Stand, topic: str) -> int:
    """Returns the number of results once it stays the same."""
    counts = [-1]

    def is_still() -> bool:
        counts.append(len(stand.result_times_s(topic)))
        return len(counts) > 12 and len(set(counts[-12:])) == 1

    until("no further result", is_still, 120)
    return counts[-1]
