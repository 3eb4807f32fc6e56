"""A small table kept in a compacted topic: the newest value of each key, for what a whole group must remember.

All of it stands in the first partition, however many the topic has: it is read whole, by whoever starts, and rarely
written. It is no place for anything that changes while events flow.
"""

from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from streams.errors import SinkFailed, SourceFailed
from streams.kafka.settings import Connection

_PARTITION: Final = 0


class CompactedTable:
    """Opens a client for each question and closes it. ``reader`` is the group id that the broker sees."""

    def __init__(self, connection: Connection, topic: str, *, reader: str, timeout_s: float = 10.0) -> None:
        self._connection = connection
        self._topic = topic
        self._reader = reader
        self._timeout_s = timeout_s

    def read(self) -> dict[str, bytes]:
        """Everything that was written before the call. Raises SourceFailed where the broker does not answer."""
        consumer = Consumer(
            self._connection.client(
                group_id=self._reader,
                enable_auto_commit=False,
                enable_partition_eof=True,
                isolation_level="read_committed",
                auto_offset_reset="earliest",
            )
        )
        try:
            return self._read(consumer)
        except KafkaException as error:
            raise SourceFailed(f"{self._topic} cannot be read: {error}") from error
        finally:
            consumer.close()

    def put(self, key: str, value: bytes) -> None:
        """Durable when it returns. Raises SinkFailed where the broker did not take it."""
        refused: list[KafkaError] = []
        producer = Producer(self._connection.client(acks="all", enable_idempotence=True))
        producer.produce(
            self._topic,
            value,
            key.encode(),
            partition=_PARTITION,
            on_delivery=lambda error, _: refused.append(error) if error is not None else None,
        )
        if producer.flush(self._timeout_s) or refused:
            raise SinkFailed(f"{self._topic} cannot be written: {refused[0] if refused else 'no answer in time'}")

    def _read(self, consumer: Consumer) -> dict[str, bytes]:
        place = TopicPartition(self._topic, _PARTITION)
        begin, end = consumer.get_watermark_offsets(place, timeout=self._timeout_s)
        rows: dict[str, bytes] = {}
        if end <= begin:
            return rows
        consumer.assign([TopicPartition(self._topic, _PARTITION, begin)])
        while (message := consumer.poll(self._timeout_s)) is not None:
            error = message.error()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public spelling
                return rows
            if error is not None:
                raise SourceFailed(f"{self._topic} cannot be read: {error}")
            key, value = (message.key() or b"").decode(errors="replace"), message.value()
            if value is not None:
                rows[key] = value
            else:
                rows.pop(key, None)
        raise SourceFailed(f"{self._topic} cannot be read: no answer in time")
