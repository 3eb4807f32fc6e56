"""Runs every contract test against each implementation that can do what the test needs."""

from collections.abc import Iterator, Mapping, Sequence

import pytest

from devstack.embedded_broker import EmbeddedBroker
from tests.contracts import brokers

MARKS: Mapping[str, Sequence[pytest.MarkDecorator]] = {
    "memory": (),
    "embedded": (pytest.mark.slow,),  # rebalances take seconds, as with a real broker
    "real": (pytest.mark.kafka,),
    "real-at-least-once": (pytest.mark.kafka,),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "broker" not in metafunc.fixturenames:
        return
    needs = {what for marker in metafunc.definition.iter_markers("needs") for what in marker.args}
    known = {what for cannot in brokers.CANNOT.values() for what in cannot}
    assert needs <= known, f"nobody says that it cannot do {sorted(needs - known)}"
    able = [name for name, cannot in brokers.CANNOT.items() if not needs & cannot.keys()]
    metafunc.parametrize("broker", [pytest.param(name, marks=MARKS[name]) for name in able], indirect=True)


@pytest.fixture
def broker(request: pytest.FixtureRequest) -> Iterator[brokers.BrokerAdapter]:
    if request.param == "memory":
        yield brokers.MemoryAdapter()
    elif request.param == "embedded":
        with EmbeddedBroker() as holder:
            yield brokers.EmbeddedAdapter(holder)
    else:
        kind = brokers.KafkaAdapter if request.param == "real" else brokers.KafkaAtLeastOnceAdapter
        yield kind(request.getfixturevalue("kafka"))
