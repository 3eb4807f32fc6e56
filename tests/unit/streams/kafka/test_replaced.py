"""A replaced consumer's late callbacks do not reach its successor."""

import json
from collections.abc import Callable, Iterable, Sequence
from threading import Event
from typing import Any

import pytest
from confluent_kafka import KafkaError, TopicPartition

from streams.flow import Assignment
from streams.kafka.settings import KafkaConnection, SourceSettings
from streams.kafka.source import KafkaSource
from streams.messages import Assigned, Mark, Notice, OwnedPartition, Revoked, Written
from streams.ports import Again, SourceEvent

SETTINGS = SourceSettings(
    connection=KafkaConnection(bootstrap_servers="nowhere:1", client_id="c"),
    group="g",
    topics={"in": "states"},
    start="earliest",
)
SEVERED = json.dumps({"brokers": {"GroupCoordinator": {"source": "logical", "state": "INIT"}}})
HEALTHY = json.dumps(
    {
        "cgrp": {"join_state": "steady"},
        "brokers": {
            "GroupCoordinator": {"source": "logical", "state": "UP", "rxidle": 1_000},
            "b:1/1": {"source": "learned", "state": "UP"},
        },
    }
)
MARK = Mark(position=1, read_ahead=1, drained=False, serial=1, state_topic_id="s", input_topic_id="i")


class FakeConsumer:
    """Calls the callbacks of its configuration in ``poll`` and ``close``, with what the test provides."""

    built: list["FakeConsumer"]

    def __init__(self, configuration: dict[str, Any]) -> None:
        self.configuration = configuration
        self.member = "member"
        self.says: list[Callable[[], None]] = []  # in the next poll
        self.says_closing: list[Callable[[], None]] = []
        self.sent: list[Sequence[TopicPartition]] = []
        self.closed = Event()
        self.failed_closing: BaseException | None = None
        FakeConsumer.built.append(self)

    def statistics(self, text: str) -> Callable[[], None]:
        return lambda: self.configuration["stats_cb"](text)

    def error(self, error: KafkaError) -> Callable[[], None]:
        return lambda: self.configuration["error_cb"](error)

    def assigned(self, *partitions: int) -> Callable[[], None]:
        return lambda: self._on_assign(self, [TopicPartition("in", partition) for partition in partitions])

    def subscribe(self, _topics: Sequence[str], on_assign: Callable[..., None], **_more: Any) -> None:
        self._on_assign = on_assign

    def poll(self, _timeout_s: float) -> None:
        said, self.says = self.says, []
        for say in said:
            say()

    def close(self) -> None:
        try:
            for say in self.says_closing:
                say()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test looks at it
            self.failed_closing = error
        finally:
            self.closed.set()

    def commit(self, offsets: Sequence[TopicPartition], **_more: Any) -> None:
        self.sent.append(offsets)

    def position(self, parts: Sequence[TopicPartition]) -> list[TopicPartition]:
        return list(parts)

    def memberid(self) -> str | None:
        return self.member

    def consume(self, *_: Any) -> list[Any]:
        return []

    def incremental_assign(self, _parts: Sequence[TopicPartition]) -> None: ...

    def pause(self, _parts: Sequence[TopicPartition]) -> None: ...

    def seek(self, _part: TopicPartition) -> None: ...


class FakeRestorer:
    """Restores every partition at once."""

    def __init__(self, *_: Any) -> None:
        self._wanted: list[Assignment] = []

    @property
    def busy(self) -> bool:
        return bool(self._wanted)

    def begin(self, parts: Iterable[Assignment]) -> None:
        self._wanted.extend(parts)

    def forget(self, parts: Iterable[Assignment]) -> None:
        self._wanted = [at for at in self._wanted if at not in set(parts)]

    def step(self) -> list[SourceEvent]:
        owned = OwnedPartition(
            mark=None, committed=False, skips=False, start=0, end=0, state_topic_id="s", input_topic_id="i",
            partitions=1, state={},
        )  # fmt: skip
        wanted, self._wanted = self._wanted, []
        return [Assigned(parts=dict.fromkeys(wanted, owned))] if wanted else []

    def close(self) -> None: ...


class NoRequests:
    """Makes no requests."""

    def __init__(self, *_: Any) -> None:
        self.admin = None

    def of(self, _parts: Iterable[Assignment]) -> None: ...

    def seen(self, *, ask: bool) -> None: ...


class SourceFixture:
    """A source over fake clients, and everything it has reported."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.heard: list[SourceEvent] = []
        self.source = KafkaSource(SETTINGS, clock=lambda: self.now_s)

    def poll(self, *says: Callable[[], None]) -> Sequence[SourceEvent]:
        """Polls while the client calls back with this; returns what the source reports."""
        self.client.says.extend(says)
        heard = self.source.poll(0.0, lambda _revoked: None)
        self.heard.extend(heard)
        return heard

    @property
    def client(self) -> FakeConsumer:
        return FakeConsumer.built[-1]

    @property
    def replaced(self) -> int:
        return sum(isinstance(one, Notice) and one.event == "consumer_replaced" for one in self.heard)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> SourceFixture:
    FakeConsumer.built = []
    monkeypatch.setattr("streams.kafka.source.TrackedConsumer", FakeConsumer)
    monkeypatch.setattr("streams.kafka.source.Restorer", FakeRestorer)
    monkeypatch.setattr("streams.kafka.source._Ends", NoRequests)
    monkeypatch.setattr("streams.kafka.source._Topics", NoRequests)
    return SourceFixture()


def given_up(reading: SourceFixture, *says_closing: str | KafkaError) -> FakeConsumer:
    """Replaces the first client, which calls back with these while it is closed; returns it."""
    old = reading.client
    for say in says_closing:
        old.says_closing.append(old.error(say) if isinstance(say, KafkaError) else old.statistics(say))
    reading.poll(old.statistics(SEVERED))
    assert old.closed.wait(10.0)
    return old


def test_callbacks_of_a_consumer_that_is_closing_do_not_affect_its_successor(
    reading: SourceFixture,
) -> None:
    given_up(reading, SEVERED, SEVERED)
    for _ in range(3):
        reading.now_s += 1000.0
        reading.poll()

    assert (reading.replaced, len(FakeConsumer.built)) == (1, 2)


def test_statistics_of_a_replaced_consumer_are_ignored(reading: SourceFixture) -> None:
    given_up(reading, HEALTHY)
    reading.poll()

    assert not reading.source.membership.joined


def test_a_fatal_error_of_a_replaced_consumer_is_not_raised(reading: SourceFixture) -> None:
    """A static member that joins again fences its predecessor."""
    fenced = KafkaError(KafkaError.FENCED_INSTANCE_ID, "as the test says", fatal=True)
    old = given_up(reading, fenced)

    assert old.failed_closing is None
    assert not [one for one in reading.poll() if isinstance(one, Notice) and one.event == "broker_error"]


def test_the_commit_answer_of_a_replaced_consumer_is_ignored(reading: SourceFixture) -> None:
    old = given_up(reading)
    reading.poll(reading.client.assigned(0))
    [at] = reading.source._current.values()
    assert reading.source.commit({at: MARK}, 1) is None

    old.configuration["on_commit"](KafkaError(KafkaError.ILLEGAL_GENERATION), [])

    assert not isinstance(reading.source.commit({at: MARK}, 1), Again | Written)
    assert len(reading.client.sent) == 1


def test_partitions_restored_in_the_poll_that_replaces_the_consumer_are_not_assigned(reading: SourceFixture) -> None:
    """Otherwise its mark would be written at once, with the metadata of a consumer that is not yet in the group."""
    old = reading.client
    heard = reading.poll(old.assigned(0), old.statistics(SEVERED))

    assert reading.replaced == 1
    assert not [one for one in heard if isinstance(one, Assigned | Revoked)]


def test_partitions_of_a_replaced_consumer_are_reported_as_lost(reading: SourceFixture) -> None:
    old = reading.client
    assigned = next(one for one in reading.poll(old.assigned(0)) if isinstance(one, Assigned))

    heard = reading.poll(old.statistics(SEVERED))

    assert [one for one in heard if isinstance(one, Assigned | Revoked)] == [
        Revoked(parts=tuple(assigned.parts), lost=True)
    ]


def test_a_consumer_that_has_a_broker_and_no_coordinator_is_replaced_after_three_sessions(
    reading: SourceFixture,
) -> None:
    alone = json.dumps({"brokers": {"b:1/1": {"source": "learned", "state": "UP"}}})
    reading.poll(reading.client.statistics(alone))
    assert reading.replaced == 0

    reading.now_s += 3 * SETTINGS.session_s
    reading.poll(reading.client.statistics(alone))

    assert reading.replaced == 1
