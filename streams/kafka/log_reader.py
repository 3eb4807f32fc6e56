"""Reads several topics from kept positions to their current ends, with one consumer: for projections of topics."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaException, Message, TopicPartition

from streams.errors import SourceFailed
from streams.kafka.client_messages import ClientErrors
from streams.kafka.reader_errors import partition_numbers, read_failure
from streams.kafka.settings import KafkaConnection
from streams.kafka.watermarks import watermark_offsets

_BATCH: Final = 10_000
_CONSUME_TIMEOUT_S: Final = 0.05
"""The client waits as long for a full batch, so it also bounds the time that the last, smaller batch takes."""

PartitionId = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """The committed records of a partition: the first offset that exists, and the end (exclusive)."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A committed record of one of several topics; a value of None is a tombstone."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    time_us: int  # the record's timestamp; 0 if it has none


@dataclass(frozen=True, slots=True)
class LogBatch:
    """Records in the order of each partition, and the position after them of every partition that moved."""

    records: Sequence[LogRecord]
    positions: Mapping[PartitionId, int]


class LogReader:
    """A consumer that joins no group; a context manager.

    Every method raises BrokerDown, NotPermitted if this principal may not read a topic, and SourceFailed if a topic
    does not exist, reading fails otherwise, or no record arrives for ``timeout_s``.
    """

    def __init__(self, connection: KafkaConnection, *, reader: str, timeout_s: float = 10.0) -> None:
        """``reader``: the group id that the broker sees."""
        self._errors = ClientErrors(connection.bootstrap_servers)
        configuration = connection.consumer(
            group_id=reader, enable_auto_commit=False, isolation_level="read_committed", auto_offset_reset="error"
        )
        self._consumer = Consumer({**self._errors.quiet_config, **configuration})
        self._reader = reader
        self._timeout_s = timeout_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def ranges(self, topics: Sequence[str]) -> dict[PartitionId, OffsetRange]:
        """Returns the range of every partition of these topics; the ends are the last stable offsets."""
        found = {}
        for topic in topics:
            try:
                for number in partition_numbers(self._consumer, self._errors, topic, self._timeout_s):
                    place = TopicPartition(topic, number)
                    found[topic, number] = OffsetRange(*watermark_offsets(self._consumer, place, self._timeout_s))
            except KafkaException as error:
                raise self._failure(error, topic) from error
        return found

    def read(self, wanted: Mapping[PartitionId, OffsetRange]) -> Iterator[LogBatch]:
        """Yields the records of these ranges in batches; each partition's last position is the end of its range."""
        left = {place: part.end for place, part in wanted.items() if part.first < part.end}
        topics = sorted({topic for topic, _ in left})
        try:
            self._consumer.assign([TopicPartition(*place, wanted[place].first) for place in left])
            yield from self._batches(left)
        except KafkaException as error:
            raise self._failure(error, ", ".join(topics)) from error

    def _batches(self, left: dict[PartitionId, int]) -> Iterator[LogBatch]:
        reached: dict[PartitionId, int] = {}
        silent_s = 0.0
        while left:
            messages = self._consumer.consume(_BATCH, _CONSUME_TIMEOUT_S)
            for message in messages:
                if (problem := message.error()) is not None:
                    raise KafkaException(problem)
            moved = {place: at for place, at in self._positions(left).items() if at != reached.get(place)}
            if moved:
                records = map(_record, messages)
                yield LogBatch([one for one in records if one.offset < left.get((one.topic, one.partition), 0)], moved)
            reached |= moved
            for place in [place for place, at in moved.items() if at >= left[place]]:
                del left[place]
            silent_s = 0.0 if moved else silent_s + _CONSUME_TIMEOUT_S
            if silent_s > self._timeout_s:
                names = ", ".join(sorted({topic for topic, _ in left}))
                raise SourceFailed(f"{names} cannot be read: no record arrived for {self._timeout_s:g} s")

    def _positions(self, left: Mapping[PartitionId, int]) -> dict[PartitionId, int]:
        """Returns the consumer's positions, at most the ends: they move past control records and aborted data."""
        places = self._consumer.position([TopicPartition(*place) for place in left])
        known = (place for place in places if place.offset >= 0)
        return {(one.topic, one.partition): min(one.offset, left[one.topic, one.partition]) for one in known}

    def _failure(self, error: KafkaException, topic: str) -> Exception:
        return read_failure(self._consumer, self._errors, error, topic, self._reader)


def _record(message: Message) -> LogRecord:
    kind, time_ms = message.timestamp()
    return LogRecord(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        message.key(),
        message.value(),
        0 if kind == TIMESTAMP_NOT_AVAILABLE else time_ms * 1000,
    )
