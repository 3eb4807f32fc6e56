"""Fixtures for all tests."""

import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from devstack import stack
from devstack.jvm_stack import JvmStack, StackUnavailable
from tests.harness.effort import examples
from tests.harness.secured_broker import SecuredBroker, secured_broker

# A property says nothing about speed, and a busy machine must not fail it.
settings.register_profile(
    "tests", deadline=None, max_examples=examples(100), suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")


SHARE_WHAT_IS_SLOW_TO_START = frozenset({"tests/faults/test_three_brokers.py", "tests/faults/test_18_permissions.py"})
"""Files whose tests stay in one process, one after the other: they share a cluster, or what the first has filled."""


class _OneByOne(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist ships no types
    """Each process takes the next test when it is done with one; the tests of some files are taken together."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file in SHARE_WHAT_IS_SLOW_TO_START else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """Of ``--dist loadscope``. The marker ``xdist_group`` has no effect with pytest 9.2 and pytest-xdist 3.8."""
    return _OneByOne(config, log) if config.getvalue("dist") == "loadscope" else None


STARTS_KAFKA = {"kafka", "own_kafka", "secured"}
"""The fixtures that start a real broker: a test that asks for one has the marker ``kafka``, and is no unit test."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before the choice by ``-m``. The longest go first: none may begin when the other processes are about to end."""
    for item in items:
        if _starts_kafka(item):
            item.add_marker("kafka")
    items.sort(key=_length)


def _starts_kafka(item: pytest.Item) -> bool:
    asks = isinstance(item, pytest.Function) and STARTS_KAFKA.intersection(item.fixturenames)
    return bool(asks) or _is_about_faults(item)


def _is_about_faults(item: pytest.Item) -> bool:
    """Everything there is about whole deployments on a real broker."""
    return "faults" in item.path.parts


def _length(item: pytest.Item) -> int:
    """Whole deployments, then what else starts a broker, then what else is slow, then the rest."""
    ranks = (_is_about_faults(item), item.get_closest_marker("kafka"), item.get_closest_marker("slow"), True)
    return next(rank for rank, holds in enumerate(ranks) if holds)


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Prints a line past pytest's capturing, so that a run shows which Kafka it used."""
    capture = request.config.pluginmanager.get_plugin("capturemanager")

    def line(text: str) -> None:
        # standard error: of several test processes, the standard output is their way to the first
        with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
            print(f"\n{text}", file=sys.stderr, flush=True)

    return line


@pytest.fixture(scope="session")
def kafka(say: Callable[[str], None]) -> Iterator[stack.Stack]:
    """A real Apache Kafka and schema registry, one for all tests of a process."""
    try:
        with stack.find(say) as found:
            yield found
    except stack.NoKafka as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def own_kafka() -> Iterator[JvmStack]:
    """A real broker of this test's own, which it may kill (``broker.kill``, ``broker.restart``) or freeze."""
    try:
        with stack.own_broker() as started:
            yield started
    except stack.NoKafka as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def secured() -> Iterator[SecuredBroker]:
    """A broker with TLS, SCRAM and ACLs, one for all tests of a process: each makes users of its own."""
    try:
        with secured_broker(stack.CACHE) as started:
            yield started
    except StackUnavailable as error:
        pytest.fail(str(error), pytrace=False)
