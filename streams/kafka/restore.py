"""Restores the state of newly assigned partitions, step by step and without blocking the partitions being read.

The order of the steps matters:

1. Fetch the committed marks. The broker answers once the predecessor's transaction has ended, so nothing of it can
   arrive later.
2. Fetch the end offset of the state topic, *read uncommitted*: the read-committed end is the last stable offset, which
   any other open transaction may hold far below what is committed.
3. Read the state records, read committed, until the consumer's position reaches that end. A position moves past control
   records and aborted data, so it gets there.

No request blocks; ``step`` checks for their answers. The state is read by a second consumer, which is
assigned manually and does not join the group.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar, cast

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined] # documented there

from streams.clock import uptime_s
from streams.errors import SourceFailed
from streams.flow import Assignment, Stored
from streams.kafka import offset_metadata
from streams.kafka.admin_client import (
    EARLIEST,
    LATEST,
    REPLACE_AFTER_S,
    RenewingAdminClient,
    RenewingClient,
    error_of,
)
from streams.kafka.authorization import GROUP, TOPIC, RequiredAccess, not_permitted, reader_access
from streams.kafka.committed_offsets import CommittedOffsets
from streams.kafka.errors import ConsumerErrorKind, consumer_error_kind
from streams.kafka.live_clients import TrackedConsumer
from streams.kafka.settings import SourceSettings
from streams.lanes.record_headers import lane_key, restored
from streams.messages import Assigned, Mark, Notice, OwnedPartition, Topic

C = TypeVar("C")
R = TypeVar("R")
Part: TypeAlias = tuple[str, int]
_Steps: TypeAlias = Generator[Notice | None, None, R]


_REQUEST_TIMEOUT_S: Final = 5.0
_RETRY_S: Final = 0.05
_LOG_EVERY_S: Final = 1.0
_BATCH: Final = 5_000  # state records in one step
_NO_OFFSET: Final = -1
_US: Final = 1_000_000


@dataclass(slots=True, kw_only=True)
class _RestoringPartition:
    """A partition whose state records are being read."""

    at: Assignment
    assigned_at_s: float
    mark: Mark | None
    committed: bool
    skips: bool
    start: int
    end: int
    state_topic_id: str
    input_topic_id: str
    partitions: int
    state_position: int
    state_end: int
    lanes: dict[str, Stored] = field(default_factory=dict)
    records: int = 0

    @property
    def complete(self) -> bool:
        return self.state_position >= self.state_end

    def take(self, key: bytes, stored: Stored) -> None:
        self.records += 1
        lane = lane_key(key)
        if stored.value is None:
            self.lanes.pop(lane, None)
        else:
            self.lanes[lane] = stored

    def owned(self) -> OwnedPartition:
        return OwnedPartition(
            mark=self.mark,
            assigned_at_s=self.assigned_at_s,
            committed=self.committed,
            skips=self.skips,
            start=self.start,
            end=self.end,
            state_topic_id=self.state_topic_id,
            input_topic_id=self.input_topic_id,
            partitions=self.partitions,
            state=self.lanes,
        )


class Restorer:
    """Restores partitions for the source. Used by the engine thread."""

    def __init__(
        self,
        settings: SourceSettings,
        admin: RenewingAdminClient,
        committed: RenewingClient[CommittedOffsets],
        clock: Callable[[], float] = uptime_s,
    ) -> None:
        self._settings = settings
        self._admin = admin
        self._committed_offsets = committed
        self._clock = clock
        self._requests: list[_Steps[None]] = []
        self._wanted: dict[Assignment, float] = {}  # with the time of the assignment
        self._reading: dict[Part, _RestoringPartition] = {}  # by the partition of the state topic
        self._reader: Consumer | None = None
        self._logged_s = 0.0
        self._read_to: tuple[int, ...] = ()
        self._moved_s = 0.0

    @property
    def busy(self) -> bool:
        return bool(self._wanted)

    def begin(self, parts: Iterable[Assignment]) -> None:
        """Starts to restore partitions, without waiting."""
        fresh = tuple(parts)
        self._wanted.update(dict.fromkeys(fresh, self._clock()))
        self._requests.append(self._request_for(fresh))

    def forget(self, parts: Iterable[Assignment]) -> None:
        """Stops restoring revoked assignments and drops their state."""
        gone = set(parts)
        for at in gone:
            self._wanted.pop(at, None)
        state_parts = [part for part, reading in self._reading.items() if reading.at in gone]
        self._stop_reading(state_parts)

    def step(self) -> list[Assigned | Notice]:
        """Makes whatever progress is possible without waiting. Raises SourceFailed if only an operator can help."""
        events: list[Assigned | Notice] = []
        for steps in tuple(self._requests):
            try:
                if (notice := next(steps)) is not None:
                    events.append(notice)
            except StopIteration:
                self._requests.remove(steps)
        if self._reading:
            self._read_batch()
            events.extend(self._progress())
        if ready := self._ready():
            events.append(Assigned(parts=ready))
        return events

    def close(self) -> None:
        self._requests.clear()
        self._wanted.clear()
        self._reading.clear()
        self._close_reader()

    # ---- requests ---------------------------------------------------------------------------------------------------

    def _request_for(self, parts: Sequence[Assignment]) -> _Steps[None]:
        committed = yield from self._committed(parts)
        topics = yield from self._topics({name for at in parts for name in (at.topic, self._settings.topics[at.topic])})
        self._check_sizes(topics, map(self._state_part, parts))
        begins = yield from self._offsets(parts, self._state_part, EARLIEST, IsolationLevel.READ_UNCOMMITTED)
        log_ends = yield from self._offsets(begins, self._state_part, LATEST, IsolationLevel.READ_UNCOMMITTED)
        ends = yield from self._offsets(log_ends, _input_part, LATEST, IsolationLevel.READ_COMMITTED)
        fresh = [at for at in ends if _input_part(at) not in committed]
        starts = yield from self._starts(fresh, ends)
        first_offsets = yield from self._first_offsets(starts)
        wanted = [at for at in ends if at in self._wanted and (at in first_offsets or _input_part(at) in committed)]
        for at in wanted:
            position, metadata = committed.get(_input_part(at), (starts.get(at, 0), None))
            self._reading[self._state_part(at)] = _RestoringPartition(
                at=at,
                assigned_at_s=self._wanted[at],
                mark=offset_metadata.decode(position, metadata),
                committed=_input_part(at) in committed,
                skips=at in first_offsets and position > first_offsets[at],
                start=position,
                end=ends[at],
                state_topic_id=topics[self._settings.topics[at.topic]].id,
                input_topic_id=topics[at.topic].id,
                partitions=topics[at.topic].partitions,
                state_position=begins[at],
                state_end=log_ends[at],
            )
        self._start_reading([self._state_part(at) for at in wanted])

    def _state_part(self, at: Assignment) -> Part:
        return self._settings.topics[at.topic], at.partition

    def _committed(self, parts: Sequence[Assignment]) -> _Steps[dict[Part, tuple[int, str | None]]]:
        asked = [TopicPartition(at.topic, at.partition) for at in parts]
        found = yield from self._answer_of(
            self._committed_offsets,
            "the committed offsets",
            lambda client: (client.request(asked, _REQUEST_TIMEOUT_S),),
            lambda answers: answers[0].result(),
            (
                RequiredAccess("Read", GROUP, self._settings.group),
                *(RequiredAccess("Read", TOPIC, at.topic) for at in parts),
            ),
        )
        return {(one.topic, one.partition): (one.offset, one.metadata) for one in found if one.offset >= 0}

    def _topics(self, names: set[str]) -> _Steps[dict[str, Topic]]:
        """Returns id and partition count of each topic. Without DescribeTopics, the id is made from the name."""
        if not self._settings.topic_ids:
            listed = {
                name: self._admin.client.list_topics(name, timeout=_REQUEST_TIMEOUT_S).topics[name] for name in names
            }
            return {name: Topic(id=f"name:{name}", partitions=len(one.partitions)) for name, one in listed.items()}
        ordered = sorted(names)
        described = yield from self._answer_of(
            self._admin,
            f"the topics {', '.join(ordered)}",
            lambda client: client.describe_topics(
                TopicCollection(ordered), request_timeout=_REQUEST_TIMEOUT_S
            ).values(),
            lambda answers: [answer.result() for answer in answers],
            (RequiredAccess("Describe", TOPIC, name) for name in ordered),
        )
        return {one.name: Topic(id=str(one.topic_id), partitions=len(one.partitions)) for one in described}

    def _check_sizes(self, topics: Mapping[str, Topic], state_parts: Iterable[Part]) -> None:
        for name, partition in state_parts:
            if partition >= topics[name].partitions:
                raise SourceFailed(
                    f"the state topic {name} has {topics[name].partitions} partitions and its input topic has more. A "
                    "lane is stored in the partition number that it was read from: give both topics the same number"
                )

    def _starts(self, parts: Sequence[Assignment], ends: Mapping[Assignment, int]) -> _Steps[dict[Assignment, int]]:
        """Returns where partitions without a committed offset start."""
        start = self._settings.start
        if start == "latest":
            return {at: ends[at] for at in parts}
        if start == "earliest":
            return (yield from self._offsets(parts, _input_part, EARLIEST, IsolationLevel.READ_COMMITTED))
        at_ms = OffsetSpec.for_timestamp(int(start.timestamp() * 1000))
        found = yield from self._offsets(parts, _input_part, at_ms, IsolationLevel.READ_COMMITTED)
        # no record that new: start at the end
        return {at: ends[at] if offset == _NO_OFFSET else offset for at, offset in found.items()}

    def _first_offsets(self, starts: Mapping[Assignment, int]) -> _Steps[Mapping[Assignment, int]]:
        """Returns the first available offset of partitions without a committed offset."""
        if self._settings.start == "earliest":
            return starts
        return (yield from self._offsets(starts, _input_part, EARLIEST, IsolationLevel.READ_COMMITTED))

    def _offsets(
        self,
        parts: Iterable[Assignment],
        where: Callable[[Assignment], Part],
        which: OffsetSpec,
        isolation: IsolationLevel,
    ) -> _Steps[dict[Assignment, int]]:
        """Returns the offsets that were answered. The others start over, each by itself."""
        asked = {at: TopicPartition(*where(at)) for at in parts}
        if not asked:
            return {}
        topics = sorted({part.topic for part in asked.values()})
        found = yield from self._answer_of(
            self._admin,
            f"offsets of {_named(asked.values())}",
            lambda client: client.list_offsets(
                dict.fromkeys(asked.values(), which), isolation_level=isolation, request_timeout=_REQUEST_TIMEOUT_S
            ).values(),
            lambda futures: dict(zip(asked, _known(futures), strict=True)),
            (RequiredAccess("Describe", TOPIC, topic) for topic in topics),
        )
        self._requests.extend(self._request_for([at]) for at, offset in found.items() if offset is None)
        return {at: offset for at, offset in found.items() if offset is not None}

    def _answer_of(
        self,
        clients: RenewingClient[C],
        what: str,
        ask: Callable[[C], Iterable[Future[Any]]],
        read: Callable[[Sequence[Future[Any]]], R],
        needs: Iterable[RequiredAccess],
    ) -> _Steps[R]:
        """Repeats a request until it is answered, and reports why it takes long.

        Raises NotPermitted or SourceFailed if only an operator can help.
        """
        logged_s = self._clock()
        while True:
            client = clients.client  # referenced until it has answered: destroying it ends its requests
            futures = tuple(ask(client))
            while not all(future.done() for future in futures):
                yield None
            try:
                answer = read(futures)
            except KafkaException as error:
                problem: KafkaError = error.args[0]
                clients.report((error,))
            else:
                clients.report(map(error_of, futures))
                return answer
            if consumer_error_kind(problem) is ConsumerErrorKind.FATAL:
                raise not_permitted(problem, *needs) or SourceFailed(f"cannot fetch {what}: {problem.str()}") from None
            if self._clock() - logged_s >= _LOG_EVERY_S:
                logged_s = self._clock()
                yield Notice(event="restore_waits", fields={"for": what, "reason": problem.str()})
            again_s = self._clock() + _RETRY_S
            while self._clock() < again_s:
                yield None

    # ---- reading ----------------------------------------------------------------------------------------------------

    def _start_reading(self, state_parts: Sequence[Part]) -> None:
        waiting = [part for part in state_parts if not self._reading[part].complete]
        if not waiting:
            return
        self._read_to = ()
        if self._reader is None:
            self._reader = TrackedConsumer(
                self._settings.connection.consumer(
                    group_id=self._settings.group,  # for authorization only; the consumer joins no group
                    enable_auto_commit=False,
                    isolation_level="read_committed",
                    # the state topic is compacted: its first offset may have moved since it was requested
                    auto_offset_reset="earliest",
                    enable_partition_eof=True,
                    fetch_queue_backoff_ms=10,
                    allow_auto_create_topics=False,
                )
            )
        self._reader.incremental_assign(
            [TopicPartition(topic, number, self._reading[topic, number].state_position) for topic, number in waiting]
        )

    def _read_batch(self) -> None:
        if self._reader is None:
            return
        for message in self._reader.consume(_BATCH, 0):
            self._take(message)
        unread = [part for part, reading in self._reading.items() if not reading.complete]
        for one in self._reader.position([TopicPartition(topic, number) for topic, number in unread]):
            reading = self._reading[one.topic, one.partition]
            reading.state_position = max(reading.state_position, one.offset)
        self._replace_stalled_reader()

    def _replace_stalled_reader(self) -> None:
        """Continues with a new client after ten seconds without progress: the old one may have outdated metadata."""
        positions = tuple(reading.state_position for reading in self._reading.values())
        if positions != self._read_to:
            self._read_to, self._moved_s = positions, self._clock()
        elif self._clock() - self._moved_s >= REPLACE_AFTER_S:
            self._moved_s = self._clock()
            self._close_reader()
            self._start_reading(tuple(self._reading))

    def _take(self, message: Message) -> None:
        error = message.error()
        reading = self._reading.get((message.topic() or "", message.partition() or 0))
        if error is None:
            key = message.key()
            if reading is not None and key is not None:
                reading.take(key, _stored(message))
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's spelling
            # in an emptied log no position moves; the end is where the consumer reports it
            if reading is not None:
                reading.state_position = max(reading.state_position, message.offset() or 0)
        elif consumer_error_kind(error) is ConsumerErrorKind.FATAL:
            needs = reader_access(message.topic() or "", self._settings.group)
            raise not_permitted(error, *needs) or SourceFailed(f"cannot restore the state: {error.str()}")

    def _ready(self) -> dict[Assignment, OwnedPartition]:
        done = [part for part, reading in self._reading.items() if reading.complete]
        ready = {reading.at: reading.owned() for reading in map(self._reading.__getitem__, done)}
        self._stop_reading(done)
        for at in ready:
            self._wanted.pop(at, None)
        return ready

    def _stop_reading(self, state_parts: Iterable[Part]) -> None:
        gone = tuple(state_parts)
        for part in gone:
            del self._reading[part]
        if not self._reading:
            self._close_reader()
        elif self._reader is not None:
            held = {(one.topic, one.partition) for one in self._reader.assignment()}
            self._reader.incremental_unassign([TopicPartition(*part) for part in gone if part in held])

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _progress(self) -> Iterable[Notice]:
        if self._clock() - self._logged_s < _LOG_EVERY_S:
            return
        self._logged_s = self._clock()
        for reading in self._reading.values():
            if not reading.complete:
                yield Notice(
                    event="restore_progress",
                    fields={
                        "topic": reading.at.topic,
                        "partition": reading.at.partition,
                        "records": reading.records,
                        "lanes": len(reading.lanes),
                        "left": reading.state_end - reading.state_position,
                    },
                )


def _input_part(at: Assignment) -> Part:
    return at.topic, at.partition


def _named(parts: Iterable[TopicPartition]) -> str:
    return ", ".join(f"{part.topic} partition {part.partition}" for part in parts)


def _known(futures: Sequence[Future[Any]]) -> list[int | None]:
    """Returns the answered offsets. Raises KafkaException if there is none, or if only an operator can help."""
    problems = [problem for future in futures if (problem := error_of(future)) is not None]
    for problem in problems:
        if not isinstance(problem, KafkaException) or consumer_error_kind(problem.args[0]) is ConsumerErrorKind.FATAL:
            raise problem
    if len(problems) == len(futures):
        raise problems[0]
    return [None if error_of(future) is not None else future.result().offset for future in futures]


def _stored(message: Message) -> Stored:
    try:
        headers = message.headers() or ()
    except UnicodeDecodeError as error:
        return Stored(
            value=message.value(),
            offset=message.offset() or 0,
            fault=f"its headers were not written by this connector: {error}",
        )
    pairs = cast("Iterable[tuple[str, bytes | None]]", headers)
    return restored(message.value(), tuple((name, text or b"") for name, text in pairs), message.offset() or 0)
