"""One asynchronous offset commit of a group member, for at_least_once.

A synchronous commit blocks the polling thread, and with it everything, until a coordinator answers (8 to 140 s were
measured). So the commit is sent asynchronously, and a later ``poll`` delivers the answer. The next commit is sent only
after the answer: of two concurrent commits, the older one might arrive last and move the position back.

While partitions are being revoked, no answer is delivered, because the thread is inside the rebalance callback. The
committed offsets are fetched instead: this request is sent after the commit, on the same connection.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.flow import Assignment
from streams.kafka import offset_metadata
from streams.messages import Mark

_FETCH_TIMEOUT_S: Final = 0.2
_ABSENT: Final = KafkaError(KafkaError._FAIL, "the group has other committed offsets")  # noqa: SLF001 - the client's spelling


class OffsetCommit:
    """Used by the thread that polls."""

    def __init__(self, *, serial: int, marks: Mapping[Assignment, Mark], sent_at_s: float, version: str = "") -> None:
        self._version = version
        self.serial = serial
        self.marks = marks
        self.sent_at_s = sent_at_s
        self.is_durable = False
        self.problem: KafkaError | None = None  # the commit failed for good

    def send(self, consumer: Consumer) -> None:
        """Sends the commit without waiting for the answer."""
        try:
            consumer.commit(offsets=_parts(self.marks, self._version), asynchronous=True)
        except KafkaException as error:
            self.problem = error.args[0]

    def answered(self, error: KafkaError | None, parts: Sequence[TopicPartition]) -> None:
        """Takes the answer from the ``on_commit`` callback; ignores the answer to another commit."""
        if error is None and not _holds(parts, self.marks):
            return
        self.problem = error or next((one.error for one in parts if one.error is not None), None)
        self.is_durable = self.problem is None

    def look(self, consumer: Consumer) -> None:
        """Fetches the committed offsets and compares them. Waits 0.2 s at most; without an answer nothing changes."""
        try:
            parts = consumer.committed(
                [TopicPartition(at.topic, at.partition) for at in self.marks], timeout=_FETCH_TIMEOUT_S
            )
        except KafkaException:
            return
        if any(one.error is not None for one in parts):
            return
        self.is_durable = _holds(parts, self.marks)
        self.problem = None if self.is_durable else _ABSENT


def _parts(marks: Mapping[Assignment, Mark], version: str) -> list[TopicPartition]:
    return [
        TopicPartition(at.topic, at.partition, mark.position, metadata=offset_metadata.encode(mark, version))
        for at, mark in marks.items()
    ]


def _holds(parts: Sequence[TopicPartition], marks: Mapping[Assignment, Mark]) -> bool:
    found = {(one.topic, one.partition): offset_metadata.decode(one.offset, one.metadata) for one in parts}
    return all(found.get((at.topic, at.partition)) == mark for at, mark in marks.items())
