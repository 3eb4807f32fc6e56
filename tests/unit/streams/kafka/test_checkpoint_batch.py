"""A record that is too large is replaced if its topic allows it; else its partition alone is left out."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from streams.flow import Assignment, Output
from streams.kafka.checkpoint_batch import CheckpointBatch, RecordTooLarge, digest_record
from streams.messages import Checkpoint, Mark

LIMIT = 100
NOBODY: frozenset[Assignment] = frozenset()
A, B = (Assignment(topic="in", partition=number, epoch=1) for number in (0, 1))


class LimitedProducer:
    """A fake producer: rejects a record at once, as the client would, or at the flush, as the broker would.

    As a broker does, it refuses a whole batch: all that was produced between two flushes to one topic.
    """

    def __init__(self, *, broker_limit: int = 10**9, client_limit: int = 10**9, room: int = 10**9) -> None:
        self.kept: list[Output] = []
        self._batch: list[tuple[Output, Callable[..., None]]] = []
        self._broker_limit = broker_limit
        self._client_limit = client_limit
        self._room = room
        self.polls = 0

    def produce(self, topic: str, **said: Any) -> None:
        value = said["value"]
        if len(value or b"") > self._client_limit:
            raise KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
        if len(self._batch) >= self._room:
            raise BufferError
        output = Output(topic=topic, key=said["key"], value=value, headers=tuple(said["headers"]))
        self._batch.append((output, said["on_delivery"]))

    def poll(self, _timeout_s: float) -> None:
        self.polls += 1
        self.flush(0)

    def flush(self, _timeout_s: float) -> None:
        batch, self._batch = self._batch, []
        bad = {output.topic for output, _ in batch if len(output.value or b"") > self._broker_limit}
        for output, report in batch:
            if output.topic in bad:
                report(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), None)
            else:
                self.kept.append(output)


def out(topic: str, size: int) -> Output:
    return Output(topic=topic, key=b"k", value=b"x" * size)


def batch(a: tuple[Output, ...], b: tuple[Output, ...]) -> CheckpointBatch:
    mark = Mark(position=9, read_ahead=1, drained=False, serial=1, state_topic_id="s")
    return CheckpointBatch(Checkpoint(serial=1, outputs={A: a, B: b}, marks={A: mark, B: mark}), frozenset({"calls"}))


def attempts(batch: CheckpointBatch, **limits: int) -> tuple[list[Output], int]:
    """Returns what is written in the end, and the number of failed attempts: each is a transaction of its own."""
    for thrown_away in range(10):
        producer = LimitedProducer(**limits)
        try:
            batch.produce(cast(Producer, producer), NOBODY, 1.0)
            producer.flush(1.0)
            batch.settle()
        except RecordTooLarge:
            continue
        return producer.kept, thrown_away
    raise AssertionError("never done")


def test_a_checkpoint_that_fits_is_written_completely() -> None:
    a, b = (out("states", 1), out("results", 2)), (out("results", 3),)

    assert attempts(batch(a, b)) == ([*a, *b], 0)


@pytest.mark.parametrize("limits", [{"client_limit": LIMIT}, {"broker_limit": LIMIT}], ids=["client", "broker"])
def test_a_lane_record_that_is_too_large_leaves_out_its_partition_only(limits: dict[str, int]) -> None:
    writing = batch((out("results", 1), out("states", LIMIT + 1)), (out("states", 5), out("results", 2)))

    kept, _ = attempts(writing, **limits)

    assert kept == [out("states", 5), out("results", 2)]
    assert [broken.at for broken in writing.broken()] == [A]
    assert "too large for states" in writing.broken()[0].reason
    assert set(writing.marks(NOBODY)) == {B}
    assert [notice.event for notice in writing.take_notices()] == ["partition_left_out"]


@pytest.mark.parametrize("limits", [{"client_limit": LIMIT}, {"broker_limit": LIMIT}], ids=["client", "broker"])
def test_a_replaceable_record_that_is_too_large_is_written_as_digest_and_position(limits: dict[str, int]) -> None:
    writing = batch((out("states", 1), out("calls", LIMIT + 1)), (out("calls", 5),))

    kept, _ = attempts(writing, **limits)

    assert sorted(o.topic for o in kept) == ["calls", "calls", "states"]
    shown = next(o for o in kept if o.topic == "calls" and o.value is None)
    assert dict(shown.headers)["value.length"] == str(LIMIT + 1).encode()
    assert dict(shown.headers)["position"] == b"in/0 before 9"
    assert writing.broken() == ()
    assert [notice.event for notice in writing.take_notices()] == ["record_replaced"]


def test_only_the_record_that_is_too_large_is_left_out_of_a_refused_batch() -> None:
    innocent = tuple(out("results", size) for size in (1, 2, 3))

    writing = batch((*innocent, out("results", LIMIT + 1)), innocent)
    kept, thrown_away = attempts(writing, broker_limit=LIMIT)

    assert kept == list(innocent)
    assert [broken.at for broken in writing.broken()] == [A]
    assert thrown_away == 2, "once for the batch, once for the culprit alone"


def test_replacements_are_kept_for_the_next_attempt() -> None:
    writing = batch((out("states", LIMIT + 1),), (out("states", 1),))
    attempts(writing, client_limit=LIMIT)

    assert attempts(writing, client_limit=LIMIT) == ([out("states", 1)], 0)


def test_another_failed_delivery_is_raised() -> None:
    writing = batch((out("states", 1),), ())
    producer = LimitedProducer()
    writing.produce(cast(Producer, producer), NOBODY, 1.0)
    producer._batch[0][1](KafkaError(KafkaError._MSG_TIMED_OUT), None)

    with pytest.raises(KafkaException, match="_MSG_TIMED_OUT"):
        writing.settle()


def test_a_full_queue_is_waited_for() -> None:
    outputs = tuple(out("states", size) for size in range(5))
    writing, producer = batch(outputs, ()), LimitedProducer(room=2)

    writing.produce(cast(Producer, producer), NOBODY, 1.0)
    producer.flush(1.0)

    assert producer.kept == list(outputs)
    assert producer.polls == 2


def test_a_queue_that_stays_full_is_an_error() -> None:
    writing, producer = batch((out("states", 1),), ()), LimitedProducer(room=0)

    with pytest.raises(KafkaException, match="_QUEUE_FULL"):
        writing.produce(cast(Producer, producer), NOBODY, 0.0)


def test_dropped_assignments_are_not_written() -> None:
    writing, producer = batch((out("states", 1),), (out("states", 2),)), LimitedProducer()

    writing.produce(cast(Producer, producer), frozenset({A}), 1.0)
    producer.flush(1.0)

    assert producer.kept == [out("states", 2)]
    assert set(writing.marks(frozenset({A}))) == {B}


def test_a_stand_in_keeps_short_headers_and_keys_and_drops_long_ones() -> None:
    short = digest_record(Output(topic="t", key=b"k", value=b"v", headers=(("a", b"1"),), partition=3), "p")
    long = digest_record(Output(topic="t", key=b"k" * 2_000, value=None, headers=(("a", b"1" * 2_000),)), "p")

    assert (short.key, short.headers[0], short.partition) == (b"k", ("a", b"1"), 3)
    assert long.key is None
    assert [name for name, _ in long.headers] == ["value.length", "value.sha256", "key.length", "position"]
