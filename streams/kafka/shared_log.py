"""A single-partition topic that every process reads from the beginning, then follows, and occasionally writes to.

Like ``KafkaBasedLog`` of Kafka Connect: its records have one order, on which all processes agree.
"""

from collections.abc import Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.clock import uptime_s
from streams.errors import SourceFailed
from streams.kafka.produce_once import produce_records
from streams.kafka.settings import KafkaConnection
from streams.kafka.watermarks import watermark_offsets

_PARTITION: Final = 0
_BATCH: Final = 10_000
_CONSUME_TIMEOUT_S: Final = 0.2


class SharedLog:
    """Opens a client for each request. Not thread-safe.

    Reads uncommitted: no record of the topic may be written in a transaction. ``reader`` is the group id that the
    broker sees; nothing is committed to it. ``topic_ids``: False for a broker without DescribeTopics; a topic that was
    deleted and created again is then recognized only while it is shorter than the old one was.
    """

    def __init__(self, connection: KafkaConnection, topic: str, *, reader: str, topic_ids: bool = True) -> None:
        self._connection = connection
        self._topic = topic
        self._reader = reader
        self._topic_ids = topic_ids
        self._id = ""
        self._next = 0

    def read(self, timeout_s: float) -> tuple[bool, list[tuple[int, bytes, bytes | None]]]:
        """Returns the records up to the end that were not read before: offset, key, value.

        The flag is True if the topic was created again, so that the records are those of a new log. Raises
        SourceFailed if the broker does not answer in time.
        """
        consumer = Consumer(
            self._connection.consumer(
                group_id=self._reader,
                enable_auto_commit=False,
                isolation_level="read_uncommitted",
                auto_offset_reset="earliest",
            )
        )
        try:
            return self._read_consistently(consumer, uptime_s() + timeout_s)
        except KafkaException as error:
            raise SourceFailed(f"{self._topic} cannot be read: {error}") from error
        finally:
            consumer.close()

    def _read_consistently(
        self, consumer: Consumer, until_s: float
    ) -> tuple[bool, list[tuple[int, bytes, bytes | None]]]:
        """Reads, then compares the topic id with the one before: if it is the same, all records are of one topic.

        The position advances only then: after a failure, the records are read again.
        """
        before = self._id or self._current_id(until_s)
        anew, end, found = self._read(consumer, self._next, until_s)
        while (current := self._current_id(until_s)) != before:
            before = current
            _, end, found = self._read(consumer, 0, until_s)
            anew = True
        self._id, self._next = current, end
        return anew, found

    def _current_id(self, until_s: float) -> str:
        """Returns the topic id, which changes when a topic is created again; empty if the broker has no topic ids."""
        if not self._topic_ids:
            return ""
        timeout_s = max(0.1, until_s - uptime_s())
        client = AdminClient({"log_level": 2, **self._connection.admin()})
        asked = client.describe_topics(TopicCollection([self._topic]), request_timeout=timeout_s)
        return str(asked[self._topic].result().topic_id)

    def _read(
        self, consumer: Consumer, start: int, until_s: float
    ) -> tuple[bool, int, list[tuple[int, bytes, bytes | None]]]:
        """Returns whether the topic ends before ``start`` (then it is a new topic), its end, and the records read."""
        place = TopicPartition(self._topic, _PARTITION)
        first, end = watermark_offsets(consumer, place, max(0.1, until_s - uptime_s()))
        anew = end < start
        position = first if anew else max(first, start)
        found: list[tuple[int, bytes, bytes | None]] = []
        if position < end:
            consumer.assign([TopicPartition(self._topic, _PARTITION, position)])
        while position < end:
            if uptime_s() > until_s:
                raise SourceFailed(f"{self._topic} cannot be read: timed out at offset {position} of {end}")
            for message in consumer.consume(_BATCH, _CONSUME_TIMEOUT_S):
                if message.error() is not None:
                    raise KafkaException(message.error())
                offset = message.offset()
                if offset is not None and offset < end:
                    found.append((offset, message.key() or b"", message.value()))
            [reached] = consumer.position([place])  # moves past offsets that compaction has removed
            position = max(position, reached.offset)
        return anew, end, found

    def write(self, rows: Sequence[tuple[bytes, bytes]], timeout_s: float) -> None:
        """Writes keys and values in order; they are durable on return. Raises like ``produce_records``.

        Nothing is sent after the timeout: a record that arrives late might be ordered after another process's.
        """
        produce_records(
            self._connection,
            self._topic,
            rows,
            partition=_PARTITION,
            timeout_s=timeout_s,
            message_timeout_ms=max(1, int(timeout_s * 1000)),
        )
