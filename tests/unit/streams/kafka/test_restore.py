"""Restoring with an order of answers that a real broker cannot be made to give."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, TopicPartition

from streams.flow import Assignment, Stored
from streams.kafka.admin_client import RenewingClient
from streams.kafka.restore import Restorer
from streams.kafka.settings import KafkaConnection, SourceSettings
from streams.messages import Assigned, Notice

STATE_END = 5
SETTINGS = SourceSettings(
    connection=KafkaConnection(bootstrap_servers="nowhere:1", client_id="c"),
    group="g",
    topics={"in": "states"},
    start="earliest",
)


def answered(answer: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(answer)
    return future


class FakeOffsetsAdmin:
    """Answers at once."""

    def __init__(self) -> None:
        self._asked_for_offsets = 0

    def describe_topics(self, *_: Any, **__: Any) -> dict[str, Future[Any]]:
        described = [SimpleNamespace(name=name, topic_id=name, partitions=[0]) for name in ("in", "states")]
        return {one.name: answered(one) for one in described}

    def list_offsets(self, asked: Mapping[TopicPartition, Any], **_: Any) -> dict[TopicPartition, Future[Any]]:
        self._asked_for_offsets += 1  # begins, then ends
        offset = STATE_END if self._asked_for_offsets % 2 == 0 else 0
        return {part: answered(SimpleNamespace(offset=offset)) for part in asked}


class StaleAdmin(FakeOffsetsAdmin):
    """Keeps asking an outdated leader."""

    def list_offsets(self, asked: Mapping[TopicPartition, Any], **_: Any) -> dict[TopicPartition, Future[Any]]:
        refused: Future[Any] = Future()
        refused.set_exception(KafkaException(KafkaError(KafkaError.FENCED_LEADER_EPOCH)))
        return dict.fromkeys(asked, refused)


class OneAwayAdmin(FakeOffsetsAdmin):
    """Partition 0 of the state topic has no leader; ``instead`` is the answer for it."""

    instead: KafkaException | int | None = KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE))

    def describe_topics(self, *_: Any, **__: Any) -> dict[str, Future[Any]]:
        described = [SimpleNamespace(name=name, topic_id=name, partitions=[0, 1]) for name in ("in", "states")]
        return {one.name: answered(one) for one in described}

    def list_offsets(self, asked: Mapping[TopicPartition, Any], **_: Any) -> dict[TopicPartition, Future[Any]]:
        return {part: self._of(part) for part in asked}

    def _of(self, part: TopicPartition) -> Future[Any]:
        if (part.topic, part.partition) != ("states", 0) or self.instead is None:
            return answered(SimpleNamespace(offset=0))
        if isinstance(self.instead, int):
            return answered(SimpleNamespace(offset=self.instead))
        refused: Future[Any] = Future()
        refused.set_exception(self.instead)
        return refused


class FakeCommittedOffsets:
    """Answers when the test does."""

    def __init__(self) -> None:
        self.asked: list[Future[Any]] = []

    def request(self, *_: Any) -> Future[Any]:
        self.asked.append(Future())
        return self.asked[-1]


class NothingCommitted:
    def request(self, *_: Any) -> Future[Any]:
        return answered([])


def restorer_over(
    *admins: FakeOffsetsAdmin, committed: Any = None, clock: Callable[[], float] = lambda: 0.0
) -> Restorer:
    """Uses the given clients in turn, as they are replaced."""
    left = iter(admins)
    admin: Any = RenewingClient(lambda: 0.0, lambda: next(left))
    offsets: Any = RenewingClient(lambda: 0.0, lambda: committed or NothingCommitted())
    return Restorer(SETTINGS, admin, offsets, clock)


class FakeReader:
    """A consumer that rejects partitions that are assigned already, like the client."""

    def __init__(self) -> None:
        self.held: set[tuple[str, int]] = set()
        self.messages: list[Any] = []
        self.began_at: dict[tuple[str, int], int] = {}
        self.reached = 0

    def incremental_assign(self, parts: Sequence[TopicPartition]) -> None:
        for part in parts:
            self.began_at[part.topic, part.partition] = part.offset
            assert (part.topic, part.partition) not in self.held, "assigned twice"
            self.held.add((part.topic, part.partition))

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(*part) for part in self.held]

    def incremental_unassign(self, parts: Sequence[TopicPartition]) -> None:
        self.held -= {(part.topic, part.partition) for part in parts}

    def consume(self, *_: Any) -> list[Any]:
        return self.messages

    def position(self, parts: Sequence[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition(part.topic, part.partition, self.reached) for part in parts]

    def close(self) -> None:
        self.held.clear()


def test_a_request_of_a_lost_assignment_does_not_affect_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    committed, reader = FakeCommittedOffsets(), FakeReader()
    monkeypatch.setattr("streams.kafka.restore.TrackedConsumer", lambda _: reader)
    restorer = restorer_over(FakeOffsetsAdmin(), committed=committed)
    gone, here = (Assignment(topic="in", partition=0, epoch=epoch) for epoch in (1, 2))
    restorer.begin([gone])
    restorer.step()
    restorer.forget([gone])
    restorer.begin([here])
    restorer.step()

    committed.asked[1].set_result([])
    restorer.step()
    assert reader.held == {("states", 0)}
    committed.asked[0].set_result([])
    heard = restorer.step()

    assert not [one for one in heard if isinstance(one, Assigned)]
    assert reader.held == {("states", 0)}


def test_a_restore_continues_with_a_new_admin_client_after_an_outdated_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    stale, fresh, reader = StaleAdmin(), FakeOffsetsAdmin(), FakeReader()
    monkeypatch.setattr("streams.kafka.restore.TrackedConsumer", lambda _: reader)
    times = count()
    restorer = restorer_over(stale, fresh, clock=lambda: float(next(times)))
    restorer.begin([Assignment(topic="in", partition=0, epoch=1)])
    for _ in range(10):
        restorer.step()

    assert reader.held == {("states", 0)}


def test_a_stalled_state_reader_is_replaced_and_continues_at_its_position(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readers, now_s = [FakeReader(), FakeReader()], [0.0]
    left = iter(readers)
    monkeypatch.setattr("streams.kafka.restore.TrackedConsumer", lambda _: next(left))
    restorer = restorer_over(FakeOffsetsAdmin(), clock=lambda: now_s[0])
    restorer.begin([Assignment(topic="in", partition=0, epoch=1)])
    restorer.step()
    readers[0].reached = 3
    for _ in range(2):
        restorer.step()
        assert readers[1].began_at == {}
        now_s[0] += 9.0

    now_s[0] += 2.0
    restorer.step()

    assert readers[0].held == set()
    assert readers[1].began_at == {("states", 0): 3}


class StateReader(FakeReader):
    """Has the first records of the state topic only."""

    def __init__(self, *records: tuple[int, bytes | None, list[tuple[str, bytes | None]]]) -> None:
        super().__init__()
        self.messages = [self._message(*record) for record in records]

    def _message(self, offset: int, value: bytes | None, headers: list[tuple[str, bytes | None]]) -> Any:
        said = {"topic": "states", "partition": 0, "offset": offset, "key": b"k", "value": value, "headers": headers}
        return SimpleNamespace(error=lambda: None, **{name: lambda it=it: it for name, it in said.items()})


def restored_from(monkeypatch: pytest.MonkeyPatch, reader: StateReader) -> dict[str, Stored]:
    monkeypatch.setattr("streams.kafka.restore.TrackedConsumer", lambda _: reader)
    restorer = restorer_over(FakeOffsetsAdmin())
    restorer.begin([Assignment(topic="in", partition=0, epoch=1)])
    restorer.step()
    restorer.step()
    [reading] = restorer._reading.values()
    return reading.lanes


def test_a_state_record_with_headers_that_are_not_ours_is_kept_with_its_place_and_its_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lanes = restored_from(monkeypatch, StateReader((3, b"v", [("due", b"soon")])))

    assert (lanes["k"].offset, "'soon'" in lanes["k"].fault) == (3, True)


def test_a_state_record_with_a_header_without_a_value_is_kept_with_its_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    assert restored_from(monkeypatch, StateReader((3, b"v", [("due", None)])))["k"].fault


def test_a_tombstone_ends_a_state_record_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert restored_from(monkeypatch, StateReader((3, b"v", [("due", b"soon")]), (4, None, []))) == {}


BOTH = [Assignment(topic="in", partition=number, epoch=1) for number in (0, 1)]


def restored_parts(heard: Sequence[Assigned | Notice]) -> list[Assignment]:
    return [at for one in heard if isinstance(one, Assigned) for at in one.parts]


@pytest.mark.parametrize("answer", [KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE)), OFFSET_INVALID])
def test_a_partition_without_a_leader_delays_no_other_and_is_restored_once_it_has_one(
    answer: KafkaException | int,
) -> None:
    admin, times = OneAwayAdmin(), count()
    admin.instead = answer
    restorer = restorer_over(admin, clock=lambda: float(next(times)))
    restorer.begin(BOTH)
    heard = [said for _ in range(20) for said in restorer.step()]
    assert restored_parts(heard) == [BOTH[1]]

    admin.instead = None
    heard = [said for _ in range(20) for said in restorer.step()]
    assert restored_parts(heard) == [BOTH[0]]
    assert not restorer.busy


def test_a_restore_that_waits_names_the_partition_that_has_no_answer() -> None:
    times = count()
    restorer = restorer_over(OneAwayAdmin(), clock=lambda: float(next(times)))
    restorer.begin(BOTH)
    heard = [said for _ in range(20) for said in restorer.step()]

    waits = {said.fields["for"] for said in heard if isinstance(said, Notice) and said.event == "restore_waits"}
    assert waits == {"offsets of states partition 0"}
