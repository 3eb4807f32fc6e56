"""A small key-value table in a compacted topic: the newest value of each key, shared by a consumer group.

All records are in the first partition, however many the topic has. The table is read as a whole at start and rarely
written; do not use it for values that change while events are processed.
"""

from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.kafka.client_messages import ClientErrors
from streams.kafka.produce_once import produce_record
from streams.kafka.reader_errors import partition_numbers, read_failure
from streams.kafka.settings import KafkaConnection
from streams.kafka.watermarks import watermark_offsets

_PARTITION: Final = 0


class CompactedTable:
    """Opens a client for each request. ``reader`` is the group id that the broker sees."""

    def __init__(self, connection: KafkaConnection, topic: str, *, reader: str, timeout_s: float = 10.0) -> None:
        self._connection = connection
        self._topic = topic
        self._reader = reader
        self._timeout_s = timeout_s

    def read(self) -> dict[bytes, bytes]:
        """Returns the table, with everything that was written before the call.

        Raises BrokerDown, NotPermitted if this principal may not read the topic, and SourceFailed if reading fails
        otherwise.
        """
        errors = ClientErrors(self._connection.bootstrap_servers)
        configuration = self._connection.consumer(
            group_id=self._reader,
            enable_auto_commit=False,
            enable_partition_eof=True,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
        )
        consumer = Consumer({**errors.quiet_config, **configuration})
        try:
            return self._read(consumer, errors)
        except KafkaException as error:
            raise read_failure(consumer, errors, error, self._topic, self._reader) from error
        finally:
            consumer.close()

    def put(self, key: bytes, value: bytes | None) -> None:
        """Writes a value, or removes it with None; it is durable on return.

        Raises NotPermitted, and SinkFailed if it was not acknowledged.
        """
        produce_record(self._connection, self._topic, key, value, partition=_PARTITION, timeout_s=self._timeout_s)

    def _read(self, consumer: Consumer, errors: ClientErrors) -> dict[bytes, bytes]:
        partition_numbers(consumer, errors, self._topic, self._timeout_s)  # raises if the topic does not exist
        begin, end = watermark_offsets(consumer, TopicPartition(self._topic, _PARTITION), self._timeout_s)
        rows: dict[bytes, bytes] = {}
        if end <= begin:
            return rows
        consumer.assign([TopicPartition(self._topic, _PARTITION, begin)])
        while (message := consumer.poll(self._timeout_s)) is not None:
            error = message.error()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's spelling
                return rows
            if error is not None:
                raise KafkaException(error)
            key, value = message.key() or b"", message.value()
            if value is not None:
                rows[key] = value
            else:
                rows.pop(key, None)
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "no answer in time"))  # noqa: SLF001
