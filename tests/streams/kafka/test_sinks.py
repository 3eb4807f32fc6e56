"""What the transactional sink does step by step, where a broker cannot be made to fail on cue."""

from collections.abc import Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams.flow import Assignment, Checkpoint, Mark, Output
from streams.kafka import marks
from streams.kafka.settings import Connection, SinkSettings
from streams.kafka.sinks import TransactionalSink
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
    """Takes everything; ``script`` holds what calls raise, first come first."""

    def __init__(self, script: dict[str, list[KafkaException]], calls: list[str]) -> None:
        self._script = script
        self._calls = calls

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*_: Any, **__: Any) -> int:
            self._calls.append(name)
            if self._script.get(name):
                raise self._script[name].pop(0)
            return 0

        return call


class Bench:
    """A sink whose clients are fakes; ``committed`` is what the group coordinator says, or how it fails first."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.script: dict[str, list[KafkaException]] = {}
        self.calls: list[str] = []
        self.committed: list[dict[int, Mark] | KafkaException] = []
        self.now_s = 100.0
        monkeypatch.setattr("streams.kafka.sinks.Producer", lambda _: FakeProducer(self.script, self.calls))
        monkeypatch.setattr("streams.kafka.sinks.AdminClient", lambda _: self)
        settings = SinkSettings(
            connection=Connection(bootstrap_servers="nowhere:1", client_id="c"), instance_id="i", group="g"
        )
        self.sink = TransactionalSink(settings, clock=lambda: self.now_s)
        self.sink.open()

    def list_consumer_group_offsets(self, *_: Any, **__: Any) -> dict[str, Future[Any]]:
        said = self.committed.pop(0)
        answer: Future[Any] = Future()
        if isinstance(said, KafkaException):
            answer.set_exception(said)
        else:
            found = [TopicPartition("in", n, m.position, metadata=marks.encode(m)) for n, m in said.items()]
            answer.set_result(SimpleNamespace(topic_partitions=found))
        return {"g": answer}

    def write(self) -> Done | Again:
        return self.sink.write(CHECKPOINT, "group")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_one_mark_of_it_tells_that_a_transaction_landed_though_a_successor_has_overwritten_another(
    bench: Bench,
) -> None:
    bench.script["commit_transaction"] = [error(KafkaError._FENCED, fatal=True)]
    assert isinstance(bench.write(), Again)
    bench.committed = [{0: mark(4), 1: mark(12, serial=99)}]

    done = bench.write()

    assert isinstance(done, Done)
    assert bench.calls.count("produce") == 2, "what landed is not produced again"


def test_what_no_mark_tells_of_is_written_again(bench: Bench) -> None:
    bench.script["commit_transaction"] = [error(KafkaError._FENCED, fatal=True)]
    bench.write()
    bench.committed = [{0: mark(1, serial=3), 1: mark(2, serial=3)}]

    assert isinstance(bench.write(), Done)
    assert bench.calls.count("commit_transaction") == 2


def test_a_question_for_the_marks_that_fails_is_asked_again_and_costs_no_producer(bench: Bench) -> None:
    bench.script["commit_transaction"] = [error(KafkaError._FENCED, fatal=True)]
    bench.write()
    bench.committed = [error(KafkaError.UNSTABLE_OFFSET_COMMIT), error(KafkaError.UNKNOWN), {0: mark(4)}]

    assert [type(bench.write()) for _ in range(3)] == [Again, Again, Done]
    assert bench.calls.count("produce") == 2


def test_a_producer_replaced_twice_in_a_commit_still_asks_whether_it_landed(bench: Bench) -> None:
    bench.script["commit_transaction"] = [error(KafkaError._FENCED, fatal=True)]
    bench.script["init_transactions"] = [error(KafkaError._FATAL, fatal=True)]
    bench.write()
    bench.now_s += 60
    assert isinstance(bench.write(), Again)
    bench.committed = [{0: mark(4), 1: mark(9)}]

    assert isinstance(bench.write(), Done)
    assert bench.calls.count("produce") == 2


def test_the_lease_runs_from_the_first_time_that_the_marks_were_sent(bench: Bench) -> None:
    bench.script["send_offsets_to_transaction"] = [error(KafkaError._TIMED_OUT, retriable=True)]
    assert isinstance(bench.write(), Again)
    bench.now_s += 2.0

    done = bench.write()

    assert isinstance(done, Done)
    assert done.written.sent_at_s == 100.0


def test_what_dies_before_the_commit_is_not_in_it(bench: Bench) -> None:
    bench.script["send_offsets_to_transaction"] = [error(KafkaError._TIMED_OUT, retriable=True)]
    bench.write()

    bench.sink.drop(frozenset({GONE}))
    done = bench.write()

    assert isinstance(done, Done)
    assert done.written.marks == {OURS: mark(4)}
    assert bench.calls[-4:] == ["begin_transaction", "produce", "send_offsets_to_transaction", "commit_transaction"]
    assert "abort_transaction" in bench.calls
