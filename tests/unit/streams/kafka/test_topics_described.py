"""Topics are described every two seconds while a broker is connected, and not at all while none is."""

import json
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

import pytest

from streams.kafka.source import KafkaSource
from tests.unit.streams.kafka.test_replaced import HEALTHY, SETTINGS, FakeConsumer, FakeRestorer, NoRequests

NO_BROKER = json.dumps({"brokers": {"b:1/1": {"source": "learned", "state": "CONNECT"}}})


class RecordingAdmin:
    """Fails every request at once."""

    requests: list[str]

    def __init__(self, _configuration: dict[str, Any]) -> None: ...

    def describe_topics(self, _topics: Any, **_more: Any) -> dict[str, Future[Any]]:
        RecordingAdmin.requests.append("describe_topics")
        failed: Future[Any] = Future()
        failed.set_exception(TimeoutError())
        return {"in": failed}


class OwnEnds(NoRequests):
    """Has an admin client for the descriptions, and makes no requests itself."""

    def __init__(self, *_: Any) -> None:
        self.admin: Any = self
        self.client = RecordingAdmin({})

    def report(self, _problems: Iterable[BaseException | None]) -> None: ...


class SteppedClock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SteppedClock:
    FakeConsumer.built, RecordingAdmin.requests = [], []
    monkeypatch.setattr("streams.kafka.source.TrackedConsumer", FakeConsumer)
    monkeypatch.setattr("streams.kafka.source.Restorer", FakeRestorer)
    monkeypatch.setattr("streams.kafka.source._Ends", OwnEnds)
    return SteppedClock()


def polled(source: KafkaSource, clock: SteppedClock, statistics: str, seconds: int) -> int:
    """Polls twice a second while the client reports these statistics; returns the number of descriptions requested."""
    before = len(RecordingAdmin.requests)
    for _ in range(2 * seconds):
        clock.now_s += 0.5
        FakeConsumer.built[-1].says.append(FakeConsumer.built[-1].statistics(statistics))
        source.poll(0.0, lambda _revoked: None)
    return len(RecordingAdmin.requests) - before


def test_topics_are_described_only_while_a_broker_is_connected(clock: SteppedClock) -> None:
    source = KafkaSource(SETTINGS, clock=clock)

    assert polled(source, clock, HEALTHY, 10) >= 3
    assert polled(source, clock, NO_BROKER, 10) == 0, "such a request keeps the client's threads busy"
    assert polled(source, clock, HEALTHY, 10) >= 3
