"""One commit of marks by a group member, on its way: at_least_once.

A synchronous commit holds the thread that polls for as long as no coordinator answers (8 to 140 s seen), and with it
everything. So it is sent, and its answer is called back from a later ``poll``. It is sent again only once it is
answered: of two on their way the older one might arrive last, and take the position back.

While partitions are being revoked nothing is called back, for the thread is inside the callback that revokes them.
There the committed marks are looked at instead: this question goes the same way as the commit, behind it.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.flow import Assignment
from streams.kafka import offset_metadata
from streams.messages import Mark

_LOOK_S: Final = 0.2
_ABSENT: Final = KafkaError(KafkaError._FAIL, "the group has kept other positions")  # noqa: SLF001 - the client's name


class OffsetCommit:
    """Used by the thread that polls."""

    def __init__(self, *, serial: int, marks: Mapping[Assignment, Mark], sent_at_s: float) -> None:
        self.serial = serial
        self.marks = marks
        self.sent_at_s = sent_at_s
        self.is_durable = False
        self.problem: KafkaError | None = None  # it is not, and will not be

    def send(self, consumer: Consumer) -> None:
        """Nothing is waited for."""
        try:
            consumer.commit(offsets=_parts(self.marks), asynchronous=True)
        except KafkaException as error:
            self.problem = error.args[0]

    def answered(self, error: KafkaError | None, parts: Sequence[TopicPartition]) -> None:
        """What the client was told. The answer to another commit is not this one's."""
        if error is None and not _holds(parts, self.marks):
            return
        self.problem = error or next((one.error for one in parts if one.error is not None), None)
        self.is_durable = self.problem is None

    def look(self, consumer: Consumer) -> None:
        """Whether the group has kept the marks. Waits a moment at most; without an answer all stays as it is."""
        try:
            parts = consumer.committed([TopicPartition(at.topic, at.partition) for at in self.marks], timeout=_LOOK_S)
        except KafkaException:
            return
        if any(one.error is not None for one in parts):
            return
        self.is_durable = _holds(parts, self.marks)
        self.problem = None if self.is_durable else _ABSENT


def _parts(marks: Mapping[Assignment, Mark]) -> list[TopicPartition]:
    return [
        TopicPartition(at.topic, at.partition, mark.position, metadata=offset_metadata.encode(mark))
        for at, mark in marks.items()
    ]


def _holds(parts: Sequence[TopicPartition], marks: Mapping[Assignment, Mark]) -> bool:
    found = {(one.topic, one.partition): offset_metadata.decode(one.offset, one.metadata) for one in parts}
    return all(found.get((at.topic, at.partition)) == mark for at, mark in marks.items())
