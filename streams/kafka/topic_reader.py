"""Reads a topic, or a part of it, once and up to its current end: for commands that inspect topics."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from streams.errors import SourceFailed
from streams.flow import Headers
from streams.kafka.client_messages import ClientErrors
from streams.kafka.message_headers import headers_of
from streams.kafka.reader_errors import partition_numbers, read_failure
from streams.kafka.settings import KafkaConnection
from streams.kafka.watermarks import watermark_offsets
from streams.topics import WHOLE_TOPIC, TopicRange

_BATCH: Final = 1_000
_CONSUME_TIMEOUT_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRecord:
    """A record with its partition and offset."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    time_us: int  # the record's timestamp; 0 if it has none
    headers: Headers = ()


def read_key_values(
    connection: KafkaConnection, topic: str, *, reader: str, timeout_s: float = 10.0
) -> Iterator[tuple[bytes, bytes | None]]:
    """Yields key and value of every record; a record without a key has an empty one. See ``read_records``."""
    return ((one.key or b"", one.value) for one in read_records(connection, topic, reader=reader, timeout_s=timeout_s))


def read_records(
    connection: KafkaConnection, topic: str, *, reader: str, part: TopicRange = WHOLE_TOPIC, timeout_s: float = 10.0
) -> Iterator[TopicRecord]:
    """Yields every committed record of ``part``, in order within a partition; a value of None is a tombstone.

    Reads up to the last stable offsets at the time of the call, without joining a group; ``reader`` is the group id
    that the broker sees. Raises BrokerDown, NotPermitted if this principal may not read the topic, and SourceFailed if
    ``part`` names a partition that the topic does not have, reading fails otherwise, or no record arrives for
    ``timeout_s``.
    """
    errors = ClientErrors(connection.bootstrap_servers)
    configuration = connection.consumer(
        group_id=reader, enable_auto_commit=False, isolation_level="read_committed", auto_offset_reset="error"
    )
    consumer = Consumer({**errors.quiet_config, **configuration})
    try:
        yield from _read(consumer, topic, _ranges(consumer, errors, topic, part, timeout_s), timeout_s)
    except KafkaException as error:
        raise read_failure(consumer, errors, error, topic, reader) from error
    finally:
        consumer.close()


def passed_ranges(
    connection: KafkaConnection, topic: str, *, group: str, part: TopicRange = WHOLE_TOPIC, timeout_s: float = 10.0
) -> dict[int, tuple[int, int]]:
    """Returns the offsets of ``part`` that a consumer group has passed: first and end (exclusive) by partition.

    The end of a partition is at most the committed position of the group; partitions without a record in between are
    left out. Raises as ``read_records``.
    """
    errors = ClientErrors(connection.bootstrap_servers)
    consumer = Consumer({**errors.quiet_config, **connection.consumer(group_id=group, enable_auto_commit=False)})
    try:
        ranges = _ranges(consumer, errors, topic, part, timeout_s)
        committed = _committed(connection, errors, group, _places(topic, ranges), timeout_s) if ranges else {}
    except KafkaException as error:
        raise read_failure(consumer, errors, error, topic, group) from error
    finally:
        consumer.close()
    ends = {number: min(committed.get(number, 0), end) for number, (_, end) in ranges.items()}
    return {number: (first, ends[number]) for number, (first, _) in ranges.items() if first < ends[number]}


def _committed(
    connection: KafkaConnection, errors: ClientErrors, group: str, places: list[TopicPartition], timeout_s: float
) -> dict[int, int]:
    """Returns the committed position of each partition that has one.

    Asks as an administrator: a consumer that may not describe its group is not told so, but waits.
    """
    client = AdminClient({**errors.quiet_config, **connection.admin()})
    asked = ConsumerGroupTopicPartitions(group, places)
    answer: Any = client.list_consumer_group_offsets([asked], request_timeout=timeout_s)
    found = answer[group].result().topic_partitions
    for place in found:
        if place.error is not None:
            raise KafkaException(place.error)
    return {place.partition: place.offset for place in found if place.offset >= 0}


def _ranges(
    consumer: Consumer, errors: ClientErrors, topic: str, part: TopicRange, timeout_s: float
) -> dict[int, tuple[int, int]]:
    """Returns the first offset and the end of each partition that has something to read."""
    numbers = partition_numbers(consumer, errors, topic, timeout_s)
    if part.offsets is not None:
        missing = sorted(part.offsets.keys() - set(numbers))
        if missing:
            raise SourceFailed(f"{topic} has {len(numbers)} partitions and no partition {missing[0]}")
        numbers = sorted(part.offsets)
    begin = _at_time(consumer, topic, numbers, part.from_us, timeout_s)
    stop = _at_time(consumer, topic, numbers, part.to_us, timeout_s)
    ranges = {}
    for number in numbers:
        first, end = watermark_offsets(consumer, TopicPartition(topic, number), timeout_s)
        asked, before = part.offsets[number] if part.offsets is not None else (first, None)
        first = max(first, asked, begin.get(number, end) if part.from_us is not None else first)
        end = min(end, end if before is None else before, stop.get(number, end))
        if first < end:
            ranges[number] = (first, end)
    return ranges


def _at_time(
    consumer: Consumer, topic: str, numbers: list[int], time_us: int | None, timeout_s: float
) -> dict[int, int]:
    """Returns the offset of the first record at or after a time, for each partition that has such a record."""
    if time_us is None:
        return {}
    milliseconds = -(-time_us // 1000)
    places = [TopicPartition(topic, number, milliseconds) for number in numbers]
    found = consumer.offsets_for_times(places, timeout_s)
    for place in found:
        if place.error is not None:
            raise KafkaException(place.error)
    return {place.partition: place.offset for place in found if place.offset >= 0}


def _read(
    consumer: Consumer, topic: str, ranges: Mapping[int, tuple[int, int]], timeout_s: float
) -> Iterator[TopicRecord]:
    left = {number: end for number, (_, end) in ranges.items()}
    consumer.assign([TopicPartition(topic, number, first) for number, (first, _) in ranges.items()])
    silent_s = 0.0
    while left:
        messages = consumer.consume(_BATCH, _CONSUME_TIMEOUT_S)
        silent_s = 0.0 if messages else silent_s + _CONSUME_TIMEOUT_S
        if silent_s > timeout_s:
            raise SourceFailed(f"{topic} cannot be read: no record arrived for {timeout_s:g} s")
        for message in messages:
            if message.error() is not None:
                raise KafkaException(message.error())
            if (message.offset() or 0) < left.get(message.partition() or 0, 0):
                yield record_of(message)
        # by position, not by record offset: positions move past control records and aborted data at the end
        for place in consumer.position(_places(topic, left)):
            if place.offset >= left[place.partition]:
                del left[place.partition]


def record_of(message: Message) -> TopicRecord:
    """Returns a consumed message as a record."""
    kind, time_ms = message.timestamp()
    return TopicRecord(
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=message.key(),
        value=message.value(),
        time_us=0 if kind == TIMESTAMP_NOT_AVAILABLE else time_ms * 1000,
        headers=headers_of(message),
    )


def _places(topic: str, numbers: Mapping[int, Any]) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in numbers]
