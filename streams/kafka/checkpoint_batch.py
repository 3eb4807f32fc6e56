"""The records of one checkpoint: which of them are produced, replaced, or left out.

A record that is too large must not stop the others. The client rejects such a record by itself; the broker rejects a
whole producer batch, whose records are then produced one by one in the next attempt to find the one that is too large.
In a replaceable topic (dead letters, the call log) it is replaced by its digest and position. In any other topic its
partition is left out of the checkpoint as a whole: a lane is never replaced.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from hashlib import sha256
from typing import Final, Protocol, TypeAlias

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.clock import uptime_s
from streams.flow import Assignment, Output
from streams.kafka.errors import ProducerErrorKind, producer_error_kind
from streams.messages import Broken, Checkpoint, Mark, Notice

Place: TypeAlias = tuple[Assignment, int]
"""Identifies an output of the checkpoint: its assignment and its index there."""

_BY_KEY: Final = -1
_ROOM_S: Final = 0.05
_SHORT: Final = 1_000  # bytes of key, and of headers, that a replacement may keep


class RecordTooLarge(Exception):
    """Records of this checkpoint were too large and have been dealt with: write the checkpoint again."""


class ProducerCalls(Protocol):
    """Makes the calls to the producer. An implementation may refuse a call by raising."""

    def __call__(self, flush: Callable[[float], int], within_s: float, /) -> int:
        """Makes a call that waits for the broker."""
        ...

    def at_once(self, produce: Callable[[], None], /) -> None:
        """Makes a call that does not wait."""
        ...


class DirectCalls:
    """``ProducerCalls`` without supervision."""

    def __call__(self, flush: Callable[[float], int], within_s: float, /) -> int:
        return flush(within_s)

    def at_once(self, produce: Callable[[], None], /) -> None:
        produce()


class CheckpointBatch:
    """A checkpoint that the sink is writing, over all attempts. Used by the sink thread."""

    def __init__(self, checkpoint: Checkpoint, replaceable: frozenset[str]) -> None:
        self.checkpoint = checkpoint
        self._replaceable = replaceable
        self._left_out: dict[Assignment, str] = {}
        self._replaced: set[Place] = set()
        self._suspects: set[Place] = set()
        self._refused: list[Place] = []
        self._failure: KafkaError | None = None
        self._notices: list[Notice] = []

    def for_new_producer(self) -> "CheckpointBatch":
        """Returns a copy for another producer: with the same oversized records, without late reports of this one."""
        other = CheckpointBatch(self.checkpoint, self._replaceable)
        other._left_out, other._replaced = dict(self._left_out), set(self._replaced)
        other._suspects = set(self._suspects)
        return other

    @property
    def topics(self) -> frozenset[str]:
        """Topics that it writes."""
        return frozenset(output.topic for outputs in self.checkpoint.outputs.values() for output in outputs)

    @property
    def inputs(self) -> frozenset[str]:
        """Input topics whose positions it commits."""
        return frozenset(at.topic for at in self.checkpoint.marks)

    def marks(self, dropped: frozenset[Assignment]) -> dict[Assignment, Mark]:
        """Marks that are still to be written."""
        return {at: mark for at, mark in self.checkpoint.marks.items() if self._goes(at, dropped)}

    def outputs(self, dropped: frozenset[Assignment]) -> dict[Assignment, tuple[Output, ...]]:
        """Outputs that are still to be written."""
        return {at: outputs for at, outputs in self.checkpoint.outputs.items() if self._goes(at, dropped) and outputs}

    def produce(
        self,
        producer: Producer,
        dropped: frozenset[Assignment],
        flush_s: float,
        which: Callable[[Output], bool] = lambda _: True,
        calls: ProducerCalls | None = None,
    ) -> None:
        """Hands the outputs that are still to be written, and that ``which`` selects, to the producer.

        ``calls`` makes the calls to the producer. Raises RecordTooLarge for records that are too large, and
        KafkaException for any other failure.
        """
        self._refused.clear()
        self._failure = None
        calls = calls if calls is not None else DirectCalls()
        for at, outputs in self.outputs(dropped).items():
            for index, output in enumerate(outputs):
                if not which(output):
                    continue
                place = (at, index)
                alone = place in self._suspects
                if alone:
                    calls(producer.flush, flush_s)
                self._produce(producer, calls, place, output, flush_s)
                if alone:
                    calls(producer.flush, flush_s)
                    self.settle()

    def settle(self) -> None:
        """Checks the delivery reports after a flush or a failed commit.

        Raises RecordTooLarge if the broker found records too large, and KafkaException for any other failed delivery.
        """
        if self._refused:
            self._settle_refused()
            raise RecordTooLarge
        if self._failure is not None:
            raise KafkaException(self._failure)

    def broken(self) -> tuple[Broken, ...]:
        return tuple(Broken(at=at, reason=reason) for at, reason in self._left_out.items())

    def take_notices(self) -> tuple[Notice, ...]:
        notices, self._notices = tuple(self._notices), []
        return notices

    def _goes(self, at: Assignment, dropped: frozenset[Assignment]) -> bool:
        return at not in dropped and at not in self._left_out

    def _produce(
        self, producer: Producer, calls: ProducerCalls, place: Place, output: Output, timeout_s: float
    ) -> None:
        shown = self._replacement(place, output) if place in self._replaced else output
        try:
            _enqueue(producer, calls, shown, partial(self._reported, place), timeout_s)
        except KafkaException as error:
            if producer_error_kind(error.args[0]) is not ProducerErrorKind.TOO_LARGE:
                raise
            self._refuse(place)
            if place not in self._replaced or shown is not output:
                raise RecordTooLarge from error
            self._produce(producer, calls, place, output, timeout_s)

    def _reported(self, place: Place, error: KafkaError | None, message: Message) -> None:  # noqa: ARG002 - the client's signature
        """Takes a delivery report. The producer is configured to report failures only."""
        if error is None:
            return
        if producer_error_kind(error) is ProducerErrorKind.TOO_LARGE:
            self._refused.append(place)
        elif self._failure is None:
            self._failure = error

    def _settle_refused(self) -> None:
        """A record that was sent alone is too large by itself; of several in a batch, any may be."""
        alone = [place for place in self._refused if place in self._suspects]
        if alone or len(self._refused) == 1:
            self._refuse((alone or self._refused)[0])
        else:
            self._suspects.update(self._refused)
        self._refused.clear()

    def _refuse(self, place: Place) -> None:
        at, index = place
        output = self.checkpoint.outputs[at][index]
        size = len(output.value or b"")
        if output.topic in self._replaceable and place not in self._replaced:
            self._replaced.add(place)
            self._notice("record_replaced", at, output.topic, size)
            return
        self._left_out[at] = (
            f"a record of {size} bytes is too large for {output.topic}: raise max.message.bytes of the topic and "
            "message.max.bytes of the client, then restart; until then this partition stays stopped"
        )
        self._notice("partition_left_out", at, output.topic, size)

    def _notice(self, event: str, at: Assignment, topic: str, size: int) -> None:
        fields: Mapping[str, str | int] = {
            "topic": topic,
            "input": at.topic,
            "partition": at.partition,
            "size_bytes": size,
        }
        self._notices.append(Notice(event=event, level="error", fields=fields))

    def _replacement(self, place: Place, output: Output) -> Output:
        at = place[0]
        mark = self.checkpoint.marks.get(at)
        return digest_record(output, f"{at.topic}/{at.partition} before {mark.position if mark else '?'}")


def digest_record(output: Output, position: str) -> Output:
    """Returns the replacement of a record that is too large: its headers if they are short, its digest and position.

    The replacement has no value, so the topic must not be compacted.
    """
    value = output.value or b""
    kept = output.headers if _size(output.headers) <= _SHORT else ()
    return Output(
        topic=output.topic,
        key=output.key if len(output.key or b"") <= _SHORT else None,
        value=None,
        headers=(
            *kept,
            ("value.length", str(len(value)).encode()),
            ("value.sha256", sha256(value).hexdigest().encode()),
            ("key.length", str(len(output.key or b"")).encode()),
            ("position", position.encode()),
        ),
        partition=output.partition,
    )


def _enqueue(
    producer: Producer, calls: ProducerCalls, output: Output, reported: "partial[None]", timeout_s: float
) -> None:
    """Produces one record; waits while the client's queue is full."""
    deadline_s = uptime_s() + timeout_s
    produce = partial(
        producer.produce,
        output.topic,
        value=output.value,
        key=output.key,
        partition=_BY_KEY if output.partition is None else output.partition,
        headers=list(output.headers),
        on_delivery=reported,
    )
    while True:
        try:
            calls.at_once(produce)
        except BufferError:
            if uptime_s() > deadline_s:
                raise KafkaException(KafkaError(KafkaError._QUEUE_FULL)) from None  # noqa: SLF001 - the client's spelling
            producer.poll(_ROOM_S)
        else:
            return


def _size(headers: Iterable[tuple[str, bytes]]) -> int:
    return sum(len(name) + len(text) for name, text in headers)
