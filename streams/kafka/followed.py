"""A topic of one partition that a process reads whole once and then follows, and writes to now and then."""

from collections.abc import Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from streams.clock import uptime_s
from streams.errors import SinkFailed, SourceFailed
from streams.kafka.bounds import bounds
from streams.kafka.settings import Connection

_PARTITION: Final = 0
_BATCH: Final = 10_000
_PATIENCE_S: Final = 0.2


class FollowedTopic:
    """Opens a client for each question and closes it. Not for two threads at once.

    Reads uncommitted: nothing in the topic may be written in a transaction. ``reader`` is the group id that the broker
    sees; nothing is committed to it.
    """

    def __init__(self, connection: Connection, topic: str, *, reader: str) -> None:
        self._connection = connection
        self._topic = topic
        self._reader = reader
        self._next = 0

    def read(self, timeout_s: float) -> tuple[bool, list[tuple[int, bytes, bytes | None]]]:
        """Every record up to the end that was not read before: offset, key, value. True: the topic begins anew.

        Raises SourceFailed where the broker does not answer in time.
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
            return self._read(consumer, uptime_s() + timeout_s)
        except KafkaException as error:
            raise SourceFailed(f"{self._topic} cannot be read: {error}") from error
        finally:
            consumer.close()

    def _read(self, consumer: Consumer, until_s: float) -> tuple[bool, list[tuple[int, bytes, bytes | None]]]:
        place = TopicPartition(self._topic, _PARTITION)
        first, end = bounds(consumer, place, max(0.1, until_s - uptime_s()))
        anew = end < self._next
        position = first if anew else max(first, self._next)
        found: list[tuple[int, bytes, bytes | None]] = []
        if position < end:
            consumer.assign([TopicPartition(self._topic, _PARTITION, position)])
        while position < end:
            if uptime_s() > until_s:
                raise SourceFailed(f"{self._topic} cannot be read: at offset {position} of {end} when the time was up")
            for message in consumer.consume(_BATCH, _PATIENCE_S):
                if message.error() is not None:
                    raise KafkaException(message.error())
                offset = message.offset()
                if offset is not None and offset < end:
                    found.append((offset, message.key() or b"", message.value()))
            [reached] = consumer.position([place])  # it passes what compaction took away
            position = max(position, reached.offset)
        self._next = end
        return anew, found

    def write(self, rows: Sequence[tuple[bytes, bytes]], timeout_s: float) -> None:
        """Keys and values, in this order; durable when it returns.

        Raises SinkFailed where the broker did not take all of them in time; some may be there.
        """
        refused: list[KafkaError] = []
        timeout_ms = max(1, int(timeout_s * 1000))
        producer = Producer(
            self._connection.producer(acks="all", enable_idempotence=True, message_timeout_ms=timeout_ms)
        )
        for key, value in rows:
            producer.produce(
                self._topic,
                value,
                key,
                partition=_PARTITION,
                on_delivery=lambda error, _: refused.append(error) if error is not None else None,
            )
        if producer.flush(timeout_s) or refused:
            raise SinkFailed(f"{self._topic} cannot be written: {refused[0] if refused else 'no answer in time'}")
