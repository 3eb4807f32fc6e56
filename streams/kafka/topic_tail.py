"""Follows a topic from its present end, outside any group: for commands that wait for what a process will write."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.kafka.client_messages import ClientErrors
from streams.kafka.reader_errors import partition_numbers, read_failure
from streams.kafka.settings import KafkaConnection
from streams.kafka.topic_reader import TopicRecord, record_of
from streams.kafka.watermarks import watermark_offsets

_BATCH: Final = 1_000


class TopicTail:
    """The records of a topic from a moment on. Made by ``open_tail``; used in one thread."""

    def __init__(self, consumer: Consumer, errors: ClientErrors, topic: str, reader: str) -> None:
        self._consumer = consumer
        self._errors = errors
        self._topic = topic
        self._reader = reader

    def poll(self, timeout_s: float) -> list[TopicRecord]:
        """Returns the committed records that have arrived; waits at most ``timeout_s`` for the first.

        Raises BrokerDown, NotPermitted and SourceFailed as ``read_records``.
        """
        with self._translated():
            records = []
            for message in self._consumer.consume(_BATCH, timeout_s):
                if message.error() is not None:
                    raise KafkaException(message.error())
                records.append(record_of(message))
            return records

    def start(self, timeout_s: float) -> None:
        """Begins at the present end of every partition."""
        with self._translated():
            numbers = partition_numbers(self._consumer, self._errors, self._topic, timeout_s)
            places = [TopicPartition(self._topic, number) for number in numbers]
            ends = [watermark_offsets(self._consumer, place, timeout_s)[1] for place in places]
            self._consumer.assign(
                [TopicPartition(self._topic, place.partition, end) for place, end in zip(places, ends, strict=True)]
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            raise read_failure(self._consumer, self._errors, error, self._topic, self._reader) from error


@contextmanager
def open_tail(connection: KafkaConnection, topic: str, *, reader: str, timeout_s: float = 10.0) -> Iterator[TopicTail]:
    """Opens the tail of a topic at its present end; ``reader`` is the group id that the broker sees.

    Raises BrokerDown, NotPermitted and SourceFailed as ``read_records``.
    """
    errors = ClientErrors(connection.bootstrap_servers)
    configuration = connection.consumer(
        group_id=reader, enable_auto_commit=False, isolation_level="read_committed", auto_offset_reset="error"
    )
    consumer = Consumer({**errors.quiet_config, **configuration})
    try:
        tail = TopicTail(consumer, errors, topic, reader)
        tail.start(timeout_s)
        yield tail
    finally:
        consumer.close()
