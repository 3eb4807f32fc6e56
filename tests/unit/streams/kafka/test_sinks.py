"""The sinks step by step, with failures that a real broker cannot be made to produce."""

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams.errors import BrokerDown
from streams.flow import Assignment, Output
from streams.kafka import offset_metadata
from streams.kafka.settings import KafkaConnection, SinkSettings
from streams.kafka.sinks import GivenUp, PlainSink, TransactionalSink
from streams.messages import Checkpoint, Mark
from streams.ports import Again, Done

OURS = Assignment(topic="in", partition=0, epoch=1)
GONE = Assignment(topic="in", partition=1, epoch=1)


def mark(position: int, serial: int = 7) -> Mark:
    return Mark(position=position, read_ahead=10, drained=False, serial=serial, state_topic_id="s")


CHECKPOINT = Checkpoint(
    serial=7,
    outputs={at: (Output(topic="out", key=b"k", value=b"v"),) for at in (OURS, GONE)},
    marks={OURS: mark(4), GONE: mark(9)},
)


def error(code: int, *, fatal: bool = False, retriable: bool = False) -> KafkaException:
    return KafkaException(KafkaError(code, "as the test says", fatal, retriable))


class FakeProducer:
    """Accepts everything; ``script`` holds the errors that calls raise, in order."""

    def __init__(self, bench: "SinkFixture") -> None:
        self._bench = bench
        self._script = bench.script

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*_: Any, **said: Any) -> int:
            self._bench.calls.append(name)
            if name == "produce" and self._bench.delivered is not None:
                said["on_delivery"](self._bench.delivered, None)
            if self._script.get(name):
                raise self._script[name].pop(0)
            return 0

        return call


def nobody(*_: object) -> None:
    """Stands in for the admin client that is asked what this principal may do."""
    raise BrokerDown("as the test says")


class SinkFixture:
    """A sink over fake clients; ``committed``: the group coordinator's answers, or its errors."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.script: dict[str, list[KafkaException]] = {}
        self.calls: list[str] = []
        self.committed: list[dict[int, Mark] | KafkaException] = []
        self.delivered: KafkaError | None = None  # what delivery reports say
        self.producers = 0
        self.now_s = 100.0
        monkeypatch.setattr("streams.kafka.sinks.TrackedProducer", self._producer)
        monkeypatch.setattr("streams.kafka.sinks.CommittedOffsets", lambda *_: self)
        monkeypatch.setattr("streams.kafka.checkpoint_failures.ClusterAdmin", nobody)
        settings = SinkSettings(
            connection=KafkaConnection(bootstrap_servers="nowhere:1", client_id="c"), instance_id="i", group="g"
        )
        self.sink = TransactionalSink(settings, clock=lambda: self.now_s)
        self.sink.open()

    def _producer(self, _: dict[str, Any]) -> FakeProducer:
        self.producers += 1
        return FakeProducer(self)

    def fetch(self, *_: Any) -> list[TopicPartition]:
        said = self.committed.pop(0)
        if isinstance(said, KafkaException):
            raise said
        return [TopicPartition("in", n, m.position, metadata=offset_metadata.encode(m)) for n, m in said.items()]

    def write(self) -> Done | Again:
        return self.sink.write(CHECKPOINT, "group")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> SinkFixture:
    return SinkFixture(monkeypatch)


def test_one_of_its_marks_shows_that_a_transaction_committed_although_another_was_overwritten(
    bench: SinkFixture,
) -> None:
    bench.script["commit_transaction"] = [error(KafkaError._FENCED, fatal=True)]
    assert isinstance(bench.write(), Again)
    bench.committed = [{0: mark(4), 1: mark(12, serial=99)}]

    done = bench.write()

    assert isinstance(done, Done)
    assert bench.calls.count("produce") == 2, "what landed is not produced again"


def test_a_checkpoint_without_a_committed_mark_is_written_again(bench: SinkFixture) -> None:
    bench.script["commit_transaction"] = [error(KafkaError._FENCED, fatal=True)]
    bench.write()
    bench.committed = [{0: mark(1, serial=3), 1: mark(2, serial=3)}]

    assert isinstance(bench.write(), Done)
    assert bench.calls.count("commit_transaction") == 2


def test_a_failed_request_for_marks_is_repeated_with_the_same_producer(bench: SinkFixture) -> None:
    bench.script["commit_transaction"] = [error(KafkaError._FENCED, fatal=True)]
    bench.write()
    bench.committed = [error(KafkaError.UNSTABLE_OFFSET_COMMIT), error(KafkaError.UNKNOWN), {0: mark(4)}]

    assert [type(bench.write()) for _ in range(3)] == [Again, Again, Done]
    assert bench.calls.count("produce") == 2


def test_a_producer_replaced_twice_during_a_commit_still_checks_whether_it_succeeded(bench: SinkFixture) -> None:
    bench.script["commit_transaction"] = [error(KafkaError._FENCED, fatal=True)]
    bench.script["init_transactions"] = [error(KafkaError._FATAL, fatal=True)]
    bench.write()
    bench.now_s += 60
    assert isinstance(bench.write(), Again)
    bench.committed = [{0: mark(4), 1: mark(9)}]

    assert isinstance(bench.write(), Done)
    assert bench.calls.count("produce") == 2


def test_the_lease_runs_from_the_first_time_that_the_marks_were_sent(bench: SinkFixture) -> None:
    bench.script["send_offsets_to_transaction"] = [error(KafkaError._TIMED_OUT, retriable=True)]
    assert isinstance(bench.write(), Again)
    bench.now_s += 2.0

    done = bench.write()

    assert isinstance(done, Done)
    assert done.written.sent_at_s == 100.0


def test_assignments_lost_before_the_commit_are_left_out(bench: SinkFixture) -> None:
    bench.script["send_offsets_to_transaction"] = [error(KafkaError._TIMED_OUT, retriable=True)]
    bench.write()

    bench.sink.drop(frozenset({GONE}))
    done = bench.write()

    assert isinstance(done, Done)
    assert done.written.marks == {OURS: mark(4)}
    assert bench.calls[-4:] == ["begin_transaction", "produce", "send_offsets_to_transaction", "commit_transaction"]
    assert "abort_transaction" in bench.calls


def test_nothing_is_written_while_the_consumer_is_in_no_group(bench: SinkFixture) -> None:
    """Kafka does not check membership if a transaction's offsets come without any."""
    refused = bench.sink.write(CHECKPOINT, None)

    assert isinstance(refused, Again)
    assert "begin_transaction" not in bench.calls
    assert isinstance(bench.write(), Done)


def test_a_transaction_whose_consumer_left_the_group_is_aborted_and_written_again(
    bench: SinkFixture,
) -> None:
    bench.script["send_offsets_to_transaction"] = [error(KafkaError._TIMED_OUT, retriable=True)]
    bench.write()

    assert isinstance(bench.sink.write(CHECKPOINT, None), Again)
    assert isinstance(bench.sink.write(CHECKPOINT, None), Again)
    assert isinstance(bench.write(), Done)
    assert bench.calls.count("send_offsets_to_transaction") == 2
    assert bench.calls.count("abort_transaction") == 1
    assert bench.calls.count("begin_transaction") == 2


def test_a_checkpoint_of_lost_assignments_only_needs_no_group(bench: SinkFixture) -> None:
    bench.sink.drop(frozenset({OURS, GONE}))

    assert isinstance(bench.sink.write(CHECKPOINT, None), Done)


# ---- at_least_once --------------------------------------------------------------------------------------------------

LANE = Output(topic="states", key=b"k", value=b"lane", partition=0)
RESULT = Output(topic="out", key=b"k", value=b"v")


class RecordedCalls:
    """A producer that records its calls; ``on`` runs in the middle of a call."""

    def __init__(self) -> None:
        self.topics: list[str] = []
        self.on: dict[str, Callable[[], None]] = {}
        self.full = 0

    def produce(self, topic: str, **_: Any) -> None:
        if self.full:
            self.full -= 1
            raise BufferError
        self.topics.append(topic)

    def flush(self, _timeout_s: float) -> int:
        return self._happens("flush")

    def poll(self, _timeout_s: float) -> int:
        return self._happens("poll")

    def purge(self, **_: Any) -> None:
        """Has no queue."""

    def _happens(self, name: str) -> int:
        self.on.pop(name, lambda: None)()
        return 0


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> RecordedCalls:
    producer = RecordedCalls()
    monkeypatch.setattr("streams.kafka.sinks.TrackedProducer", lambda _: producer)
    return producer


@pytest.fixture
def plain(handed: RecordedCalls) -> PlainSink:
    assert not handed.topics
    sink = PlainSink(
        SinkSettings(
            connection=KafkaConnection(bootstrap_servers="nowhere:1", client_id="c"),
            instance_id="i",
            group="g",
            states=frozenset({"states"}),
        ),
        clock=lambda: 100.0,
    )
    sink.open()
    return sink


def plain_checkpoint() -> Checkpoint:
    return Checkpoint(serial=7, outputs={OURS: (RESULT, LANE)}, marks={OURS: mark(4)})


def test_a_plain_sink_replaced_while_it_flushed_produces_no_lanes(handed: RecordedCalls, plain: PlainSink) -> None:
    handed.on["flush"] = lambda: void(plain.successor())

    with pytest.raises(GivenUp):
        plain.write(plain_checkpoint(), "group")

    assert handed.topics == ["out"], "its successor may have written a newer lane already"


def test_a_plain_sink_replaced_while_its_queue_was_full_produces_nothing(
    handed: RecordedCalls, plain: PlainSink
) -> None:
    handed.full = 1
    handed.on["poll"] = lambda: void(plain.successor())

    with pytest.raises(GivenUp):
        plain.write(plain_checkpoint(), "group")

    assert handed.topics == []


def void(_: object) -> None:
    """The result of a call that is not used."""


# ---- a producer that gets nowhere -----------------------------------------------------------------------------------


def abortable(code: int) -> KafkaException:
    return KafkaException(KafkaError(code, "as the test says", False, False, True))


@pytest.mark.parametrize("step", ["commit_transaction", "send_offsets_to_transaction"])
def test_a_producer_whose_transactions_only_ever_time_out_is_replaced(bench: SinkFixture, step: str) -> None:
    bench.script[step] = [abortable(KafkaError._MSG_TIMED_OUT), abortable(KafkaError._MSG_TIMED_OUT)]
    bench.write()
    bench.now_s += 30.0
    assert isinstance(bench.write(), Again)

    assert isinstance(bench.write(), Done)
    assert bench.producers == 2


def test_a_producer_whose_deliveries_only_ever_time_out_is_replaced(bench: SinkFixture) -> None:
    bench.delivered = KafkaError(KafkaError._MSG_TIMED_OUT)
    bench.script["commit_transaction"] = [abortable(KafkaError._INCONSISTENT), abortable(KafkaError._INCONSISTENT)]
    bench.write()
    bench.now_s += 30.0
    bench.write()

    assert bench.producers == 2


@pytest.mark.parametrize("code", [KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.ILLEGAL_GENERATION])
def test_errors_that_a_new_producer_would_get_too_replace_none(bench: SinkFixture, code: int) -> None:
    bench.script["send_offsets_to_transaction"] = [abortable(code), abortable(code)]
    bench.write()
    bench.now_s += 30.0
    bench.write()

    assert bench.producers == 1
