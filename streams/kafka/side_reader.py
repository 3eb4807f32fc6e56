"""Reads side inputs: topics that the owner of a partition reads beside it, from positions that the engine keeps.

One consumer, outside any group, in a thread of its own. It reads all partitions at once that are asked for; several
requests for the same partition take turns. A partition is assigned for the duration of a request, so nothing is read
that was not asked for. Whatever fails becomes the answer of the request, and the engine asks again later.

To begin a request blocks, for seconds where the partition's leader does not answer. So partitions that failed last wait
for all others, and after each one that fails, what is being read goes on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.clock import uptime_s
from streams.errors import StreamError
from streams.flow import Record
from streams.kafka.authorization import not_permitted, reader_access
from streams.kafka.client_messages import ClientErrors
from streams.kafka.live_clients import TrackedConsumer
from streams.kafka.message_headers import headers_of
from streams.kafka.reader_errors import MISSING_TOPIC
from streams.kafka.settings import KafkaConnection
from streams.kafka.topic_ids import TopicIds
from streams.kafka.watermarks import watermark_offsets
from streams.messages import SideFetch, SideRecords
from streams.ports import SideReport, SideRequests, Stopping

_BATCH: Final = 1_000
_POLL_S: Final = 0.02  # while requests are read: how long a new one may wait
_IDLE_S: Final = 0.5
_AT_END_S: Final = 1.0  # how long a request waits for new records at the end of the log
_SILENT_S: Final = 10.0  # without records although there are some: the client is replaced
_ASK_S: Final = 2.0
_EOF: Final = KafkaError._PARTITION_EOF  # noqa: SLF001 - the client's spelling
_OUT_OF_RANGE: Final = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})  # noqa: SLF001
_DENIED: Final = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED})

_Part: TypeAlias = tuple[str, int]


@dataclass(slots=True, kw_only=True)
class _Reading:
    """A request that is being read."""

    fetch: SideFetch
    since_s: float
    log: tuple[int, int]  # first offset and last stable offset when it was assigned
    topic_id: str
    position: int
    at_end: bool = False
    error: KafkaError | None = None
    records: list[Record] = field(default_factory=list)


class KafkaSideReader:
    """A ``ports.SideReader``. ``reader`` is the group id that the broker sees; nothing is committed to it.

    ``topic_ids`` False: the broker does not support DescribeTopics (the embedded broker).
    """

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        reader: str,
        topic_ids: bool = True,
        clock: Callable[[], float] = uptime_s,
    ) -> None:
        self._connection = connection
        self._reader = reader
        self._describes = topic_ids
        self._ids = TopicIds(connection.admin(), clock)
        self._clock = clock
        self._consumer: Consumer | None = None
        self._errors = ClientErrors(connection.bootstrap_servers)
        self._waiting: list[SideFetch] = []
        self._unanswered: set[_Part] = set()  # the last request could not be begun
        self._reading: dict[_Part, _Reading] = {}

    def serve(self, requests: SideRequests, report: SideReport, stopping: Stopping) -> None:
        """See ``ports.SideReader``."""
        try:
            while not stopping.is_set():
                self._waiting.extend(requests(0.0 if self._reading or self._waiting else _IDLE_S))
                self._begin(report)
                self._read()
                self._answer(report)
        finally:
            self._close()

    # ---- requests ---------------------------------------------------------------------------------------------------

    def _begin(self, report: SideReport) -> None:
        """Assigns the partitions of new requests, up to the first that fails.

        A request waits while its partition is read for another.
        """
        waiting = sorted(self._waiting, key=lambda fetch: (fetch.topic, fetch.partition) in self._unanswered)
        self._waiting = []
        while waiting:
            fetch = waiting.pop(0)
            part = fetch.topic, fetch.partition
            if part in self._reading:
                self._waiting.append(fetch)
                continue
            try:
                answer = self._assign(part, fetch)
            except KafkaException as error:
                self._unanswered.add(part)
                self._waiting += waiting
                report(_failed(fetch, self._reason(fetch, error)))
                return
            self._unanswered.discard(part)
            if answer is not None:
                report(answer)

    def _assign(self, part: _Part, fetch: SideFetch) -> SideRecords | None:
        """Starts to read; returns the answer if it is known already. Raises KafkaException.

        The request for the watermarks also wakes the client's broker thread, which sleeps for up to a second while it
        has nothing to fetch.
        """
        consumer = self._opened()
        place = TopicPartition(*part)
        log = self._errors.retry(consumer, lambda for_s: watermark_offsets(consumer, place, for_s), _ASK_S)
        topic_id = self._ids.of(fetch.topic) if self._describes else ""
        if fetch.position < log[0]:
            return SideRecords(fetch=fetch, position=fetch.position, end=log[1], topic_id=topic_id, log=log)
        consumer.incremental_assign([TopicPartition(*part, fetch.position)])
        self._reading[part] = _Reading(
            fetch=fetch, since_s=self._clock(), log=log, topic_id=topic_id, position=fetch.position
        )
        return None

    # ---- reading ----------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Takes the messages that are there, as soon as there is one."""
        if not self._reading or self._consumer is None:
            return
        first = self._consumer.poll(_POLL_S)
        for message in () if first is None else (first, *self._consumer.consume(_BATCH - 1, 0)):
            reading = self._reading.get((message.topic() or "", message.partition() or 0))
            if reading is not None:
                _take(reading, message)

    def _answer(self, report: SideReport) -> None:
        self._pass_what_is_not_delivered()
        done = [(part, answer) for part, one in self._reading.items() if (answer := self._answer_of(one)) is not None]
        silent = any(self._is_silent(self._reading[part]) for part, _ in done)
        for part, answer in done:
            del self._reading[part]
            report(answer)
        if silent:
            self._give_up()
        elif self._consumer is not None and done:
            self._unassign(self._consumer, [part for part, _ in done])

    def _pass_what_is_not_delivered(self) -> None:
        """Takes the consumer's position where no record arrives: it also passes aborted data and control records."""
        quiet = [part for part, one in self._reading.items() if not one.records and self._waited_s(one) >= _AT_END_S]
        if self._consumer is None or not quiet:
            return
        for place in self._consumer.position([TopicPartition(*part) for part in quiet]):
            reading = self._reading[place.topic, place.partition]
            reading.position = max(reading.position, place.offset)

    def _waited_s(self, reading: _Reading) -> float:
        return self._clock() - reading.since_s

    def _answer_of(self, reading: _Reading) -> SideRecords | None:
        """Returns the answer, if there is one yet."""
        fetch = reading.fetch
        if reading.error is not None and not reading.records:
            return self._answer_of_error(reading, reading.error)
        waited_s = self._waited_s(reading)
        moved = reading.at_end or reading.position >= reading.log[1] or reading.position > fetch.position
        if reading.records or (moved and waited_s >= _AT_END_S):
            return SideRecords(
                fetch=fetch,
                position=reading.position,
                records=tuple(reading.records),
                end=max(reading.log[1], reading.position),
                topic_id=reading.topic_id,
            )
        if self._is_silent(reading):
            said = f": {self._errors.text}" if self._errors.text else ""
            return _failed(fetch, f"{fetch.topic}/{fetch.partition}: no record arrived for {waited_s:.0f} s{said}")
        return None

    def _answer_of_error(self, reading: _Reading, error: KafkaError) -> SideRecords:
        fetch = reading.fetch
        if error.code() not in _OUT_OF_RANGE:
            return _failed(fetch, self._reason(fetch, KafkaException(error)))
        return SideRecords(
            fetch=fetch, position=fetch.position, end=reading.log[1], topic_id=reading.topic_id, log=reading.log
        )

    def _is_silent(self, reading: _Reading) -> bool:
        nothing = not reading.records and not reading.at_end and reading.error is None
        still = reading.fetch.position == reading.position < reading.log[1]
        return nothing and still and self._waited_s(reading) >= _SILENT_S

    def _reason(self, fetch: SideFetch, error: KafkaException) -> str:
        problem = self._denied(fetch.topic) if error.args[0].code() in MISSING_TOPIC else error.args[0]
        if problem is None:
            return f"{fetch.topic}/{fetch.partition} does not exist; it is read once it is created"
        if self._consumer is not None:
            self._consumer.poll(0)  # delivers the errors that the client has reported meanwhile
        why: StreamError = not_permitted(problem, *reader_access(fetch.topic, self._reader)) or self._errors.failure(
            error, f"{fetch.topic}/{fetch.partition}"
        )
        return str(why)

    def _denied(self, topic: str) -> KafkaError | None:
        """Returns the broker's error if a topic that seems to be missing may not be described."""
        try:
            error = self._opened().list_topics(topic, _ASK_S).topics[topic].error
        except KafkaException:
            return None
        return error if error is not None and error.code() in _DENIED else None

    # ---- the client -------------------------------------------------------------------------------------------------

    def _opened(self) -> Consumer:
        if self._consumer is None:
            self._errors = ClientErrors(self._connection.bootstrap_servers)
            configuration = self._connection.consumer(
                group_id=self._reader,
                enable_auto_commit=False,
                enable_partition_eof=True,
                isolation_level="read_committed",
                auto_offset_reset="error",
                allow_auto_create_topics=False,
                # what was fetched and not asked for is discarded at the end of a request, so little is fetched ahead
                fetch_wait_max_ms=50,
                fetch_message_max_bytes=262_144,
                queued_min_messages=_BATCH,
                fetch_queue_backoff_ms=10,
            )
            self._consumer = TrackedConsumer({**self._errors.quiet_config, **configuration})
        return self._consumer

    def _unassign(self, consumer: Consumer, parts: Sequence[_Part]) -> None:
        try:
            consumer.incremental_unassign([TopicPartition(*part) for part in parts])
        except KafkaException:
            self._give_up()

    def _give_up(self) -> None:
        """Replaces the client, which may have outdated metadata; what it was reading is asked for again."""
        for reading in self._reading.values():
            self._waiting.append(reading.fetch)
        self._close()

    def _close(self) -> None:
        self._reading.clear()
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None


def _take(reading: _Reading, message: Message) -> None:
    """Adds a message to the request that it answers."""
    error, offset = message.error(), message.offset() or 0
    if error is None:
        if offset >= reading.position:
            reading.records.append(_record(reading.fetch, message))
            reading.position = offset + 1
    elif error.code() == _EOF:
        # in an emptied log no position moves; the end is where the consumer reports it
        reading.at_end, reading.position = True, max(reading.position, offset)
    elif error.code() in _OUT_OF_RANGE | MISSING_TOPIC | _DENIED or error.fatal():
        reading.error = error


def _failed(fetch: SideFetch, problem: str) -> SideRecords:
    return SideRecords(fetch=fetch, position=fetch.position, problem=problem)


def _record(fetch: SideFetch, message: Message) -> Record:
    return Record(
        at=fetch.at,
        offset=message.offset() or 0,
        key=message.key(),
        value=message.value(),
        time_us=message.timestamp()[1] * 1000,
        headers=headers_of(message),
    )
