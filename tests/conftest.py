"""Fixtures for all tests."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from devstack import stack
from devstack.jvm_stack import JvmStack, StackUnavailable
from tests.harness.effort import examples
from tests.harness.secured_broker import SecuredBroker, secured_broker
from tests.harness.shared_kafka import SharedKafka, ask

# Properties do not test speed, so a busy machine must not fail them.
settings.register_profile(
    "tests", deadline=None, max_examples=examples(100), suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")


SHARE_WHAT_IS_SLOW_TO_START = frozenset(
    {"tests/faults/test_three_brokers.py", "tests/faults/test_18_permissions.py", "tests/test_image.py"}
)
"""Files whose tests run in one process, one after the other: they share a cluster, a build or data written by the first
test."""


class _OneByOne(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist ships no types
    """Assigns tests to idle processes one by one, except for files whose tests stay together."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file in SHARE_WHAT_IS_SLOW_TO_START else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """Returns the scheduler for ``--dist loadscope``. (``xdist_group`` has no effect with pytest 9.2 and xdist 3.8.)"""
    return _OneByOne(config, log) if config.getvalue("dist") == "loadscope" else None


SHARED_KAFKA = pytest.StashKey[SharedKafka]()
KAFKA_FOLDER = "kafka_folder"
"""The key under which the controller tells its test processes the folder to ask for the shared Kafka."""


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells a test process where to ask for Kafka; called in the controller, for each process before it starts."""
    config = node.config
    if (shared := config.stash.get(SHARED_KAFKA, None)) is None:
        folder = Path(tempfile.mkdtemp(prefix="shared-kafka-"))
        shared = config.stash[SHARED_KAFKA] = SharedKafka(folder, _printer(config))
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        config.add_cleanup(shared.close)
    node.workerinput[KAFKA_FOLDER] = str(shared.folder)


STARTS_KAFKA = {"kafka", "own_kafka", "secured"}
"""The fixtures that start a real broker: a test that uses one gets the marker ``kafka`` and is not a unit test."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sets the marker ``kafka`` (before ``-m`` selects) and runs the longest tests first, so that none starts last."""
    for item in items:
        if _starts_kafka(item):
            item.add_marker("kafka")
    items.sort(key=_length)


def _starts_kafka(item: pytest.Item) -> bool:
    asks = isinstance(item, pytest.Function) and STARTS_KAFKA.intersection(item.fixturenames)
    return bool(asks) or _is_about_faults(item)


def _is_about_faults(item: pytest.Item) -> bool:
    """Whether a test is in ``tests/faults``, where all tests run whole deployments on a real broker."""
    return "faults" in item.path.parts


def _length(item: pytest.Item) -> int:
    """Returns the sort key: whole deployments, then other tests with a broker, then other slow ones, then the rest."""
    ranks = (_is_about_faults(item), item.get_closest_marker("kafka"), item.get_closest_marker("slow"), True)
    return next(rank for rank, holds in enumerate(ranks) if holds)


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Returns a function that prints a line in spite of pytest's capturing, to show which Kafka a run uses."""
    return _printer(request.config)


def _printer(config: pytest.Config) -> Callable[[str], None]:
    capture = config.pluginmanager.get_plugin("capturemanager")

    def line(text: str) -> None:
        # standard error: xdist's worker processes use their standard output to communicate
        with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
            print(f"\n{text}", file=sys.stderr, flush=True)

    return line


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, say: Callable[[str], None]) -> Iterator[stack.Stack]:
    """A real Apache Kafka and schema registry, one for all tests of a run."""
    told = getattr(request.config, "workerinput", {})
    try:
        if KAFKA_FOLDER in told:
            yield ask(Path(told[KAFKA_FOLDER]))
        else:
            with stack.find(say) as found:
                yield found
    except stack.NoKafka as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def own_kafka() -> Iterator[JvmStack]:
    """A real broker for one test, which may kill, restart and freeze it (``broker.kill``, ``broker.restart``)."""
    try:
        with stack.own_broker() as started:
            yield started
    except stack.NoKafka as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def secured() -> Iterator[SecuredBroker]:
    """A broker with TLS, SCRAM and ACLs, one for all tests of a process; each test creates its own users."""
    try:
        with secured_broker(stack.CACHE) as started:
            yield started
    except StackUnavailable as error:
        pytest.fail(str(error), pytrace=False)
