"""The contract of the reader of side inputs: in memory, embedded broker and Kafka."""

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented there
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from devstack import waiting
from devstack.jvm_stack import JvmStack
from devstack.stack import Stack, create_topics
from streams.flow import Assignment, Output
from streams.kafka.side_reader import KafkaSideReader
from streams.messages import SideFetch, SideRecords
from streams.ports import SideReader
from tests.contracts.brokers import BrokerAdapter, KafkaAdapter
from tests.harness.secured_broker import ScramUser, SecuredBroker

AT = Assignment(topic="main", partition=0, epoch=1)


@dataclass(kw_only=True)
class Asking:
    """Asks a side reader, as the engine does, and keeps its answers."""

    answers: list[SideRecords] = field(default_factory=list)
    _requests: SimpleQueue[SideFetch] = field(default_factory=SimpleQueue)

    def requests(self, timeout_s: float) -> Sequence[SideFetch]:
        """The reader's thread: the requests since the last call."""
        found: list[SideFetch] = []
        try:
            found.append(self._requests.get(timeout=timeout_s) if timeout_s else self._requests.get_nowait())
            while True:
                found.append(self._requests.get_nowait())
        except Empty:
            return found

    def ask(self, topic: str, position: int, *, name: str = "one", partition: int = 0) -> SideFetch:
        fetch = SideFetch(at=AT, name=name, topic=topic, partition=partition, position=position)
        self._requests.put(fetch)
        return fetch

    def answer(self, fetch: SideFetch) -> SideRecords:
        """Waits for the answer to a request, and takes it."""

        def answered() -> bool:
            return any(answer.fetch is fetch for answer in self.answers)

        waiting.until(f"an answer to {fetch}", answered, progress=lambda: len(self.answers), still_s=120)
        [answer] = [answer for answer in self.answers if answer.fetch is fetch]
        self.answers.remove(answer)
        return answer

    def read(self, topic: str, position: int, *, name: str = "one", partition: int = 0) -> SideRecords:
        return self.answer(self.ask(topic, position, name=name, partition=partition))

    def read_until(self, topic: str, position: int, end: int) -> list[bytes | None]:
        """Reads a range as the engine does, answer by answer; returns its values."""
        values: list[bytes | None] = []

        def reached() -> bool:
            nonlocal position
            answer = self.read(topic, position)
            assert answer.problem == ""
            assert [record.offset for record in answer.records] == sorted(record.offset for record in answer.records)
            values.extend(record.value for record in answer.records if record.offset < end)
            position = answer.position
            return position >= end

        waiting.until(f"{end} of {topic}", reached, progress=lambda: position, still_s=120)
        return values


@contextmanager
def asking(reader: SideReader) -> Iterator[Asking]:
    """Serves requests until the end of the block."""
    asked, stopping = Asking(), threading.Event()
    failed: list[BaseException] = []

    def serve() -> None:
        try:
            reader.serve(asked.requests, asked.answers.append, stopping)
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        stopping.set()
        thread.join(60)
    assert failed == []
    assert not thread.is_alive(), "the reader did not stop"


def numbered(topic: str, count: int, *, first: int = 0, partition: int = 0) -> list[Output]:
    return [
        Output(topic=topic, key=b"k", value=str(n).encode(), headers=(("n", b"%d" % n),), partition=partition)
        for n in range(first, first + count)
    ]


def values(first: int, end: int) -> list[bytes]:
    return [str(n).encode() for n in range(first, end)]


# ---- what can be read -----------------------------------------------------------------------------------------------


def test_a_request_is_answered_with_records_from_its_position_on(broker: BrokerAdapter) -> None:
    topic = broker.create_topic("side", 2)
    broker.append([*numbered(topic, 10), *numbered(topic, 3, first=90, partition=1)])
    with asking(broker.side_reader()) as side:
        answer = side.read(topic, 4)
        while answer.position < 10:
            more = side.read(topic, answer.position)
            answer = SideRecords(fetch=answer.fetch, position=more.position, records=(*answer.records, *more.records))

        assert [record.value for record in answer.records] == values(4, 10)
        assert [record.offset for record in answer.records] == list(range(4, 10))
        assert {record.at for record in answer.records} == {AT}
        assert answer.records[0].key == b"k"
        assert answer.records[0].headers == (("n", b"4"),)
        assert answer.records[0].time_us > 1_600_000_000_000_000
        assert next(record.value for record in side.read(topic, 1, partition=1).records) == b"91"


def test_a_long_topic_is_read_as_a_whole_and_each_record_once(broker: BrokerAdapter) -> None:
    topic = broker.create_topic("side", 1)
    broker.append(numbered(topic, 5_000))
    with asking(broker.side_reader()) as side:
        assert side.read_until(topic, 0, 5_000) == values(0, 5_000)


def test_at_the_end_a_request_waits_for_new_records_and_is_answered_without_any_after_a_while(
    broker: BrokerAdapter,
) -> None:
    topic = broker.create_topic("side", 1)
    broker.append(numbered(topic, 3))
    with asking(broker.side_reader()) as side:
        empty = side.read(topic, 3)
        assert (empty.records, empty.position, empty.end, empty.problem) == ((), 3, 3, "")

        fetch = side.ask(topic, 3)
        broker.append(numbered(topic, 1, first=3))
        answer = side.answer(fetch)
        while not answer.records:  # the record may have come after the wait
            answer = side.read(topic, answer.position)
        assert [record.value for record in answer.records] == [b"3"]
        assert answer.position == 4


def test_an_empty_topic_is_answered_without_records(broker: BrokerAdapter) -> None:
    topic = broker.create_topic("side", 1)
    with asking(broker.side_reader()) as side:
        answer = side.read(topic, 0)

        assert (answer.records, answer.position, answer.problem, answer.log) == ((), 0, "", None)


def test_requests_for_the_same_partition_at_different_offsets_are_all_answered(broker: BrokerAdapter) -> None:
    topic = broker.create_topic("side", 1)
    broker.append(numbered(topic, 100))
    with asking(broker.side_reader()) as side:
        fetches = [side.ask(topic, position, name=f"n{position}") for position in (0, 50, 20, 99, 100, 50)]
        answers = [side.answer(fetch) for fetch in fetches]

        assert [answer.records[0].offset for answer in answers if answer.records] == [0, 50, 20, 99, 50]
        assert answers[4].position == 100


def test_requests_at_the_end_do_not_delay_others(broker: BrokerAdapter) -> None:
    quiet, busy = broker.create_topic("quiet", 4), broker.create_topic("busy", 1)
    broker.append(numbered(busy, 2_000))
    with asking(broker.side_reader()) as side:
        waits = [side.ask(quiet, 0, partition=n) for n in range(4)]
        assert side.read_until(busy, 0, 2_000) == values(0, 2_000)
        for fetch in waits:
            assert side.answer(fetch).problem == ""


# ---- what cannot be read --------------------------------------------------------------------------------------------


@pytest.mark.needs("topic-administration")
def test_a_missing_topic_is_said_and_read_once_it_exists(broker: BrokerAdapter) -> None:
    with asking(broker.side_reader()) as side:
        missing = f"missing-{uuid.uuid4().hex[:8]}"
        answer = side.read(missing, 0)
        assert "does not exist" in answer.problem
        assert missing in answer.problem
        assert answer.records == ()

        topic = broker.create_topic("side", 1)
        assert "does not exist" in side.read(topic, 0, partition=7).problem
        broker.append(numbered(topic, 3))
        assert side.read_until(topic, 0, 3) == values(0, 3)


@pytest.mark.needs("topic-administration")
def test_a_position_before_the_log_names_where_the_log_begins(broker: BrokerAdapter) -> None:
    topic = broker.create_topic("side", 1)
    broker.append(numbered(topic, 10))
    broker.delete_before(topic, 0, 6)
    with asking(broker.side_reader()) as side:
        answer = side.read(topic, 2)
        assert (answer.log, answer.records, answer.problem) == ((6, 10), (), "")
        assert side.read_until(topic, 6, 10) == values(6, 10)


def test_a_position_behind_the_log_names_where_the_log_ends(broker: BrokerAdapter) -> None:
    topic = broker.create_topic("side", 1)
    broker.append(numbered(topic, 3))
    with asking(broker.side_reader()) as side:
        answer = side.read(topic, 30)

        assert (answer.log, answer.records, answer.problem) == ((0, 3), (), "")


@pytest.mark.needs("topic-administration")
def test_a_topic_that_is_created_again_has_another_id(broker: BrokerAdapter) -> None:
    topic = broker.create_topic("side", 1)
    broker.append(numbered(topic, 3))
    with asking(broker.side_reader()) as side:
        first = side.read(topic, 0)
        assert first.topic_id
        broker.recreate_topic(topic, 1)
        broker.append(numbered(topic, 5))

        waiting.until("the new id", lambda: side.read(topic, 0).topic_id not in ("", first.topic_id), still_s=120)
        assert side.read_until(topic, 0, 5) == values(0, 5)


@pytest.mark.needs("read-committed", "open-transactions")
def test_aborted_and_open_records_are_not_read_and_the_position_passes_what_is_aborted(broker: KafkaAdapter) -> None:
    topic = broker.create_topic("side", 1)
    writer = Producer(broker._client(**{"transactional.id": uuid.uuid4().hex}))
    writer.init_transactions(30)
    writer.begin_transaction()
    writer.produce(topic, b"aborted", partition=0)
    assert writer.flush(30) == 0
    writer.abort_transaction(30)
    broker.append(numbered(topic, 1))
    writer.begin_transaction()
    writer.produce(topic, b"open", partition=0)
    assert writer.flush(30) == 0
    with asking(broker.side_reader()) as side:
        assert side.read_until(topic, 0, 3) == [b"0"]
        empty = side.read(topic, 3)
        assert (empty.records, empty.problem, empty.log) == ((), "", None)

        writer.commit_transaction(30)
        assert side.read_until(topic, 3, 5) == [b"open"]


# ---- brokers that fail ----------------------------------------------------------------------------------------------


def test_a_broker_that_is_away_is_named_and_reading_goes_on_when_it_is_back(own_kafka: JvmStack) -> None:
    own = KafkaAdapter(Stack(origin="its own", bootstrap_servers=own_kafka.bootstrap_servers, registry_url=""))
    topic = own.create_topic("side", 1)
    own.append(numbered(topic, 3))
    with asking(own.side_reader()) as side:
        assert side.read_until(topic, 0, 3) == values(0, 3)
        own_kafka.broker.stop()

        def answer() -> SideRecords:
            return side.read(topic, 3)

        waiting.until("the problem", lambda: own_kafka.bootstrap_servers in answer().problem, still_s=120)
        own_kafka.broker.restart()
        waiting.until("an answer", lambda: not answer().problem, still_s=120)
        own.append(numbered(topic, 2, first=3))
        assert side.read_until(topic, 3, 5) == values(3, 5)


def test_a_denied_topic_is_named_with_the_permission_that_is_missing_and_others_are_read(
    secured: SecuredBroker,
) -> None:
    user = secured.add_user()
    allowed, denied, hidden = (f"{name}-{user.name}" for name in ("allowed", "denied", "hidden"))
    create_topics(secured.admin, *(NewTopic(name, 1, 1) for name in (allowed, denied, hidden)))
    secured.allow([access(user, allowed, AclOperation.READ), access(user, denied, AclOperation.DESCRIBE)])
    with asking(KafkaSideReader(secured.connection(user), reader="side")) as side:
        assert f"Read on topic {denied}" in side.read(denied, 0).problem
        assert f"Read on topic {hidden}" in side.read(hidden, 0).problem
        assert side.read(allowed, 0).problem == ""

        secured.allow([access(user, denied, AclOperation.READ)])
        waiting.until("the new permission", lambda: not side.read(denied, 0).problem, still_s=120)


def access(user: ScramUser, topic: str, operation: AclOperation) -> AclBinding:
    literal, allow = ResourcePatternType.LITERAL, AclPermissionType.ALLOW
    return AclBinding(ResourceType.TOPIC, topic, literal, user.principal, "*", operation, allow)
