"""The reader of side inputs answers whatever the client does, and loses no request."""

from collections.abc import Sequence

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams.flow import Assignment
from streams.kafka import side_reader
from streams.kafka.client_messages import ClientErrors
from streams.kafka.settings import KafkaConnection
from streams.kafka.side_reader import KafkaSideReader
from streams.messages import SideFetch, SideRecords

AT = Assignment(topic="main", partition=0, epoch=1)


class SilentConsumer:
    """A client that gets no message. ``passed``: its position, which passes what is not delivered."""

    def __init__(self) -> None:
        self.passed = -1001
        self.fails = False
        self.assigned: list[str] = []
        self.is_closed = False

    def incremental_assign(self, places: Sequence[TopicPartition]) -> None:
        self.assigned.extend(place.topic for place in places)

    def incremental_unassign(self, places: Sequence[TopicPartition]) -> None:
        if self.fails:
            raise KafkaException(KafkaError(KafkaError._STATE))

    def position(self, places: Sequence[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition(place.topic, place.partition, self.passed) for place in places]

    def poll(self, timeout_s: float) -> None:
        return None

    def consume(self, at_most: int, timeout_s: float) -> list[object]:
        return []

    def close(self) -> None:
        self.is_closed = True


class SilentSideReader(KafkaSideReader):
    """Reads with ``SilentConsumer``s, by a clock that the test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.consumers: list[SilentConsumer] = []
        self.answers: list[SideRecords] = []
        connection = KafkaConnection(bootstrap_servers="127.0.0.1:1", client_id="test")
        super().__init__(connection, reader="reader", topic_ids=False, clock=lambda: self.now_s)

    def _opened(self) -> SilentConsumer:  # type: ignore[override] # as far as the reader uses it
        if self._consumer is None:
            self.consumers.append(SilentConsumer())
            self._consumer = self.consumers[-1]  # type: ignore[assignment]
        return self.consumers[-1]

    def round(self, *fetches: SideFetch) -> None:
        """Serves once, with these new requests."""
        self._waiting.extend(fetches)
        self._begin(self.answers.append)
        self._read()
        self._answer(self.answers.append)


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> SilentSideReader:
    reader = SilentSideReader()

    def watermarks(_consumer: object, place: TopicPartition, for_s: float) -> tuple[int, int]:
        if place.topic == AWAY:
            reader.now_s += for_s
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return LOGS[place.topic]

    monkeypatch.setattr(side_reader, "watermark_offsets", watermarks)
    monkeypatch.setattr(ClientErrors, "retry", lambda _self, _client, ask, for_s: ask(for_s))
    return reader


AWAY = "away"
"""The topic whose leaders do not answer."""
LOGS = {"full": (0, 100), "read": (0, 5), "other": (0, 100)}


def fetch(topic: str, position: int = 5, partition: int = 0) -> SideFetch:
    return SideFetch(at=AT, name="one", topic=topic, partition=partition, position=position)


def away() -> list[SideFetch]:
    return [fetch(AWAY, partition=partition) for partition in range(4)]


def test_reading_goes_on_after_each_request_whose_leader_does_not_answer(reader: SilentSideReader) -> None:
    reader.round(fetch("full"), *away())
    for answered in range(1, 5):
        assert [answer.fetch.topic for answer in reader.answers] == [AWAY] * answered
        assert reader.now_s == answered * side_reader._ASK_S
        reader.round()
    assert reader.consumers[0].assigned == ["full"]


def test_a_request_waits_for_none_whose_leader_did_not_answer_before(reader: SilentSideReader) -> None:
    reader.round(*away())
    for _ in range(3):
        reader.round()
    began_s = reader.now_s
    reader.answers.clear()

    reader.round(*away(), fetch("full"), fetch("other"))

    assert reader.consumers[0].assigned == ["full", "other"]
    assert reader.now_s == began_s + side_reader._ASK_S


def test_a_request_that_is_being_read_survives_a_client_that_must_be_replaced(reader: SilentSideReader) -> None:
    reader.round(fetch("read"))
    reader.now_s = 0.9
    reader.round(fetch("other"))
    reader.consumers[0].fails = True
    reader.now_s = 1.0
    reader.round()
    assert [answer.fetch.topic for answer in reader.answers] == ["read"]
    assert reader.consumers[0].is_closed

    reader.round()
    assert reader.consumers[1].assigned == ["other"]


def test_aborted_data_that_takes_long_is_progress_and_answered_with_the_position_reached(
    reader: SilentSideReader,
) -> None:
    reader.round(fetch("full"))
    reader.consumers[0].passed = 40
    reader.now_s = 10.0
    reader.round()

    [answer] = reader.answers
    assert (answer.position, answer.problem, answer.records) == (40, "", ())
    assert not reader.consumers[0].is_closed


def test_a_client_that_reads_nothing_is_replaced_and_the_request_is_answered_with_the_problem(
    reader: SilentSideReader,
) -> None:
    reader.round(fetch("full"))
    reader.now_s = 10.0
    reader.round()

    [answer] = reader.answers
    assert "no record arrived for 10 s" in answer.problem
    assert reader.consumers[0].is_closed
