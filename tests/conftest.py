"""Fixtures for all tests."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

from connector.demo import stack
from streams.kafka.jvm import JvmStack

# A property says nothing about speed, and a busy machine must not fail it.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Prints a line past pytest's capturing, so that a run shows which Kafka it used."""
    plugins = request.config.pluginmanager
    reporter, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")

    def line(text: str) -> None:
        if reporter is not None and capture is not None:
            with capture.global_and_fixture_disabled():
                reporter.ensure_newline()
                reporter.write_line(text)

    return line


@pytest.fixture(scope="session")
def kafka(say: Callable[[str], None]) -> Iterator[stack.Stack]:
    """A real Apache Kafka and schema registry, one for the whole run."""
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
