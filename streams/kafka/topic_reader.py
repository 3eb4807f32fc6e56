"""Reads a topic once, from its beginning to its current end: for commands that inspect what a group has written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.errors import SourceFailed
from streams.kafka.authorization import not_permitted, reader_access
from streams.kafka.client_messages import ClientErrors
from streams.kafka.settings import KafkaConnection
from streams.kafka.watermarks import watermark_offsets

_BATCH: Final = 1_000
_PATIENCE_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRecord:
    """A record with its partition and offset."""

    partition: int
    offset: int
    key: bytes
    value: bytes | None


def read_key_values(
    connection: KafkaConnection, topic: str, *, reader: str, timeout_s: float = 10.0
) -> Iterator[tuple[bytes, bytes | None]]:
    """Yields key and value of every record. See ``read_records``."""
    return ((one.key, one.value) for one in read_records(connection, topic, reader=reader, timeout_s=timeout_s))


def read_records(
    connection: KafkaConnection, topic: str, *, reader: str, timeout_s: float = 10.0
) -> Iterator[TopicRecord]:
    """Yields every committed record, in order within a partition; a value of None is a tombstone.

    Reads up to the last stable offsets at the time of the call, without joining a group; ``reader`` is the group id
    that the broker sees. Raises BrokerDown, NotPermitted if this principal may not read the topic, and SourceFailed if
    reading fails otherwise or no record arrives for ``timeout_s``.
    """
    errors = ClientErrors(connection.bootstrap_servers)
    configuration = connection.consumer(
        group_id=reader, enable_auto_commit=False, isolation_level="read_committed", auto_offset_reset="error"
    )
    consumer = Consumer({**errors.quiet_config, **configuration})
    try:
        yield from _read(consumer, topic, _ranges(consumer, errors, topic, timeout_s), timeout_s)
    except KafkaException as error:
        consumer.poll(0)  # delivers the errors that the client has reported meanwhile
        raise not_permitted(error.args[0], *reader_access(topic, reader)) or errors.failure(error, topic) from error
    finally:
        consumer.close()


def _ranges(consumer: Consumer, errors: ClientErrors, topic: str, timeout_s: float) -> dict[int, tuple[int, int]]:
    """Returns first offset and last stable offset of each partition that is not empty."""
    described = errors.retry(consumer, lambda for_s: consumer.list_topics(topic, for_s).topics[topic], timeout_s)
    if described.error is not None:
        raise KafkaException(described.error)
    ranges = {
        number: watermark_offsets(consumer, TopicPartition(topic, number), timeout_s) for number in described.partitions
    }
    return {number: (first, end) for number, (first, end) in ranges.items() if first < end}


def _read(
    consumer: Consumer, topic: str, ranges: Mapping[int, tuple[int, int]], timeout_s: float
) -> Iterator[TopicRecord]:
    left = {number: end for number, (_, end) in ranges.items()}
    consumer.assign([TopicPartition(topic, number, first) for number, (first, _) in ranges.items()])
    silent_s = 0.0
    while left:
        messages = consumer.consume(_BATCH, _PATIENCE_S)
        silent_s = 0.0 if messages else silent_s + _PATIENCE_S
        if silent_s > timeout_s:
            raise SourceFailed(f"{topic} cannot be read: no record arrived for {timeout_s:g} s")
        for message in messages:
            if message.error() is not None:
                raise KafkaException(message.error())
            partition, offset = message.partition() or 0, message.offset() or 0
            if offset < left.get(partition, 0):
                yield TopicRecord(partition=partition, offset=offset, key=message.key() or b"", value=message.value())
        # by position, not by record offset: positions move past control records and aborted data at the end
        for place in consumer.position(_places(topic, left)):
            if place.offset >= left[place.partition]:
                del left[place.partition]


def _places(topic: str, numbers: Mapping[int, Any]) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in numbers]
