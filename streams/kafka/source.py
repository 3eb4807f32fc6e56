"""The source over Kafka: a group member that restores the state of its partitions before it reads them.

It owns the consumer and runs in the engine thread: in this client, calls from other threads block while one thread
polls. Rebalance callbacks take no decisions: an assigned partition is paused and recorded, a revoked one is handed to
the runner's ordinary step. Every record carries the assignment it was read under, so that late ones are recognized.

The group protocol is ``classic`` with cooperative rebalancing: under the newer protocol, a member that was frozen is
not told that it has lost its partitions.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from threading import Thread
from types import MappingProxyType
from typing import Any, Final, ParamSpec

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)

from streams.client_statistics import CONSUMER, ClientReadings, reading
from streams.clock import uptime_s
from streams.engine.partition import out_of_range
from streams.errors import SourceFailed
from streams.flow import Assignment, Record
from streams.kafka.admin_client import LATEST, RenewingAdminClient, RenewingClient, error_of, renewing_admin
from streams.kafka.authorization import member_access, not_permitted
from streams.kafka.commits import OffsetCommit
from streams.kafka.committed_offsets import CommittedOffsets
from streams.kafka.errors import ConsumerErrorKind, consumer_error_kind
from streams.kafka.group_metadata import identifies_member
from streams.kafka.live_clients import TrackedConsumer
from streams.kafka.message_headers import headers_of
from streams.kafka.restore import Part, Restorer
from streams.kafka.settings import SourceSettings
from streams.membership import Membership, Replacement, is_connected, observed
from streams.messages import (
    Arrivals,
    Assigned,
    Broken,
    Mark,
    Notice,
    OwnedPartition,
    Revoked,
    Topic,
    TopicsSeen,
    Written,
)
from streams.ports import Again, OnRevoke, SourceEvent

P = ParamSpec("P")

_BATCH: Final = 100  # cost per record is flat from 100 to 1,000; calls leave between batches, every few milliseconds
_RESTORE_STEP_S: Final = 0.005
_POSITIONS_EVERY_S: Final = 0.02
_ENDS_EVERY_S: Final = 1.0
_TOPICS_EVERY_S: Final = 2.0
_LOG_EVERY_S: Final = 5.0
_REQUEST_TIMEOUT_S: Final = 5.0
_WAKE_S: Final = 0.001
_COMMIT_AGAIN_S: Final = 0.1
_STATISTICS_EVERY_S: Final = 1.0
_SEEK_AGAIN_S: Final = 0.1
_NO_POSITION: Final = 0
"""The offset of a paused partition until the seek. Any would do that is not a special one, as -1 is."""
_LEADERLESS: Final = frozenset({KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION})
FETCHING: Final[Mapping[str, int]] = MappingProxyType(
    {
        # only one fetch is in flight at a time, so a resumed partition waits for the end of an empty one: 455 ms with
        # the default of 500
        "fetch.wait.max.ms": 50,
        # a short queue discards little on a pause or seek, and with a short back-off it costs no throughput; small
        # fetches let a record of a quiet partition in before the backlog of the others (1 MB of each would be 10,000
        # records)
        "fetch.message.max.bytes": 65_536,
        "queued.min.messages": 2_000,
        "queued.max.messages.kbytes": 16_384,
        "fetch.queue.backoff.ms": 10,
    }
)
"""How the consumer fetches, as properties of librdkafka."""


class KafkaSource:
    """A ``ports.Source``. Opens its clients on construction; ``close`` leaves the group."""

    def __init__(
        self, settings: SourceSettings, clock: Callable[[], float] = uptime_s, clients: ClientReadings | None = None
    ) -> None:
        """``clients``: takes the consumer's statistics."""
        self._settings = settings
        self._clock = clock
        self._readings = clients
        self._events: list[SourceEvent] = []
        self._on_revoke: OnRevoke = _closed
        self._current: dict[Part, Assignment] = {}
        self._next: dict[Assignment, int] = {}  # restored partitions: the next offset to deliver
        self._unpositioned: dict[Assignment, OwnedPartition] = {}  # restored, but not yet positioned
        self._unseekable: set[Assignment] = set()  # not restored, and without a position in the client
        self._seek_again_s = 0.0
        self._epoch = 0
        self._positions_s = 0.0
        self._ends = _Ends(settings, clock)
        self._topics = _Topics(settings, self._ends.admin, clock)
        self._logged_s: dict[str, float] = {}
        self._statistics: str | None = None  # the newest, until processed
        self._connected = True  # to any broker, by the newest statistics
        self.membership = Membership()  # read by any thread
        self._replacement = Replacement(settings.session_s, settings.poll_interval_s)
        committed = RenewingClient(clock, lambda: CommittedOffsets(settings.connection, settings.group))
        self._restorer = Restorer(settings, self._ends.admin, committed, clock)
        self._commit: OffsetCommit | None = None  # in flight
        self._revoking = False  # inside the revoke callback: no other callback runs meanwhile
        self._clients = 0  # opened so far; the number of the current one
        self._consumer = self._subscribed()
        self._open = True

    def poll(self, timeout_s: float, on_revoke: OnRevoke) -> Sequence[SourceEvent]:
        """See ``ports.Source``."""
        self._on_revoke = on_revoke
        messages = self._fetched(min(timeout_s, _RESTORE_STEP_S) if self._is_restoring else timeout_s)
        if self._is_restoring:
            self._restore()
        self._check_membership()
        arrivals = self._arrivals(messages)
        if arrivals is not None:
            self._events.append(arrivals)
        if (seen := self._topics.seen(ask=self._connected)) is not None:
            self._events.append(seen)
        events, self._events = self._events, []
        return events

    @property
    def _is_restoring(self) -> bool:
        return self._restorer.busy or bool(self._unpositioned)

    def pause(self, parts: frozenset[Assignment]) -> None:
        """Pauses current assignments; ignores others."""
        self._consumer.pause(self._current_partitions(parts))

    def resume(self, parts: frozenset[Assignment]) -> None:
        """Resumes current, restored assignments; ignores others."""
        current = self._current_partitions(parts)
        self._consumer.resume(current)
        if current:
            self._wake(current)

    def reread(self, parts: frozenset[Assignment]) -> None:
        """Seeks current, restored assignments back to the next undelivered offset; skips those that cannot seek now."""
        for at in parts & self._next.keys():
            try:
                self._consumer.seek(TopicPartition(at.topic, at.partition, self._next[at]))
            except KafkaException as error:
                self._notice_error("broker_error", error.args[0], _cannot_seek(at))

    def group(self) -> Any:
        """Returns the group metadata (member and generation); None if the broker could not check it."""
        metadata = self._consumer.consumer_group_metadata()
        return metadata if identifies_member(metadata) else None

    def commit(self, marks: Mapping[Assignment, Mark], serial: int) -> Written | Again | None:
        """See ``ports.Source``. Marks of lost assignments are left out."""
        alive = {at: mark for at, mark in marks.items() if self._is_current(at)}
        if not alive:
            return Written(serial=serial, marks={}, sent_at_s=self._clock())
        if self._commit is None or self._commit.serial != serial:
            self._commit = OffsetCommit(
                serial=serial, marks=alive, sent_at_s=self._clock(), version=self._settings.version
            )
            self._commit.send(self._consumer)
        elif self._revoking:
            self._commit.look(self._consumer)
        commit = self._commit
        if commit.problem is not None:
            self._commit = None
            self._notice_error("commit_refused", commit.problem)
            return Again(reason=commit.problem.str(), after_s=_COMMIT_AGAIN_S)
        if not commit.is_durable:
            return None
        self._commit = None
        durable = {at: mark for at, mark in commit.marks.items() if at in alive}
        return Written(serial=serial, marks=durable, sent_at_s=commit.sent_at_s)

    def close(self) -> None:
        """See ``ports.Source``. Does not drain: the caller has done so."""
        if not self._open:
            return
        self._open = False
        self._on_revoke = _closed
        self._restorer.close()
        self._consumer.close()

    # ---- membership -------------------------------------------------------------------------------------------------

    def _subscribed(self) -> Consumer:
        self._clients += 1
        consumer = TrackedConsumer({**self._configuration(), **self._callbacks(self._clients)})
        consumer.subscribe(
            list(self._settings.topics), on_assign=self._on_assigned, on_revoke=self._on_revoked, on_lost=self._on_lost
        )
        return consumer

    def _rejoin(self, reason: str) -> None:
        """Joins with a new client. The group has removed the old one, or will, as it reaches no broker."""
        replaced, self._consumer, self._commit, self._statistics = self._consumer, self._subscribed(), None, None
        self._lose(tuple(self._current.values()))
        self._events.append(Notice(event="consumer_replaced", level="warning", fields={"reason": reason}))
        # in a separate thread: closing blocks on whatever the client still waits for
        Thread(target=_close, args=(replaced,), name="closing", daemon=True).start()

    def _callbacks(self, number: int) -> dict[str, Callable[..., None]]:
        """Returns the callbacks of one client, which are ignored once it has been replaced.

        A replaced client still calls back, in the thread that closes it: with statistics, answers to its commits, and
        errors, such as being fenced by its successor as a static member (librdkafka 2.16.0).
        """

        def while_current(callback: Callable[P, None]) -> Callable[P, None]:
            def called(*args: P.args, **named: P.kwargs) -> None:
                if number == self._clients:
                    callback(*args, **named)

            return called

        return {
            "error_cb": while_current(self._on_error),
            "stats_cb": while_current(self._note_statistics),
            "on_commit": while_current(self._committed),
        }

    # ---- rebalance callbacks, inside poll ---------------------------------------------------------------------------

    def _on_assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Pauses and records new partitions. Reading starts with a seek, once the state is restored.

        The pause comes first, so that nothing is fetched from the position until then, which means nothing. It is an
        offset, not the end of the log: the client asks for the end's offset, and asks again half a second after an
        error, also after a seek, which the late answer then undoes. The records in between would never be delivered
        (seen with librdkafka 2.16.0).
        """
        if consumer is not self._consumer:
            return
        self._epoch += 1
        fresh = [Assignment(topic=one.topic, partition=one.partition, epoch=self._epoch) for one in partitions]
        places = [TopicPartition(at.topic, at.partition, _NO_POSITION) for at in fresh]
        consumer.pause(places)
        consumer.incremental_assign(places)
        consumer.pause(places)  # has an effect for partitions that the client did not know before
        self._current.update({(at.topic, at.partition): at for at in fresh})
        if fresh:
            self._restorer.begin(fresh)
            self._events.append(Notice(event="partitions_assigned", fields={"count": len(fresh), "epoch": self._epoch}))

    def _on_revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if consumer is not self._consumer:
            return
        parts = self._known(partitions)
        reading = tuple(at for at in parts if at in self._next)
        self._restorer.forget(at for at in parts if at not in self._next)
        self._revoking = True
        try:
            if reading:
                self._on_revoke(Revoked(parts=reading, lost=False, budget_s=self._settings.revoke_budget_s))
        finally:
            self._revoking = False
            self._drop(parts)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if consumer is self._consumer:
            self._lose(self._known(partitions))

    def _lose(self, parts: Sequence[Assignment]) -> None:
        self.membership = replace(self.membership, joined_as="", settled=False)
        if not parts:
            return
        self._withdraw(frozenset(parts))
        reading = tuple(at for at in parts if at in self._next)
        self._restorer.forget(parts)
        self._drop(parts)
        self._events.append(Notice(event="partitions_lost", level="warning", fields={"count": len(parts)}))
        if reading:
            self._events.append(Revoked(parts=reading, lost=True))

    def _withdraw(self, parts: frozenset[Assignment]) -> None:
        """Removes partitions lost in the same poll that restored them: else their marks would be written at once."""
        for assigned in [event for event in self._events if isinstance(event, Assigned)]:
            self._events.remove(assigned)
            if kept := {at: owned for at, owned in assigned.parts.items() if at not in parts}:
                self._events.append(Assigned(parts=kept))
            for at in assigned.parts.keys() & parts:
                del self._next[at]

    def _known(self, partitions: Iterable[TopicPartition]) -> list[Assignment]:
        return [
            self._current[one.topic, one.partition] for one in partitions if (one.topic, one.partition) in self._current
        ]

    def _drop(self, parts: Iterable[Assignment]) -> None:
        for at in parts:
            self._current.pop((at.topic, at.partition), None)
            self._next.pop(at, None)
            self._unpositioned.pop(at, None)
            self._unseekable.discard(at)

    def _committed(self, error: KafkaError | None, parts: list[TopicPartition]) -> None:
        """Takes the answer to a commit, inside ``poll``."""
        if self._commit is not None:
            self._commit.answered(error, parts)

    def _note_statistics(self, statistics: str) -> None:
        self._statistics = statistics

    def _check_membership(self) -> None:
        statistics, self._statistics = self._statistics, None
        if statistics is not None:
            seen = json.loads(statistics)
            self._connected = is_connected(seen)
            if self._readings is not None:
                self._readings.put(CONSUMER, reading(seen))
            self.membership = observed(self.membership, seen, self._consumer.memberid(), self._clock())
            if (cause := self._replacement.cause(seen, self.membership, self._clock())) is not None:
                self._rejoin(cause.value)
        if self.membership.assigned != len(self._current):
            self.membership = replace(self.membership, assigned=len(self._current))

    # ---- restored ---------------------------------------------------------------------------------------------------

    def _restore(self) -> None:
        for event in self._restorer.step():
            if isinstance(event, Assigned):
                self._unpositioned.update(event.parts)
            else:
                self._events.append(event)
        if self._clock() < self._seek_again_s:
            return
        begun = {at: owned for at, owned in self._unpositioned.items() if self._seek(at, owned.start)}
        if begun:
            self._unpositioned = {at: owned for at, owned in self._unpositioned.items() if at not in begun}
            self._events.append(Assigned(parts=begun))

    def _seek(self, at: Assignment, start: int) -> bool:
        """Positions a paused partition. Without a known leader that fails, and is tried again 0.1 s later."""
        place = TopicPartition(at.topic, at.partition, start)
        try:
            if at in self._unseekable:
                self._consumer.incremental_unassign([place])
                self._consumer.incremental_assign([place])
                self._consumer.pause([place])
                self._unseekable.remove(at)
            else:
                self._consumer.seek(place)
        except KafkaException as error:
            self._seek_again_s = self._clock() + _SEEK_AGAIN_S
            self._notice_error("broker_error", error.args[0], _cannot_seek(at))
            return False
        self._next[at] = start
        return True

    def _wake(self, parts: Sequence[TopicPartition]) -> None:
        """Makes the client fetch at once.

        While there is nothing to fetch from a broker, the client's broker thread sleeps for up to a second, and a
        resume does not wake it (measured: 980 ms to the first record). A request does (5 ms); its answer is ignored.
        """
        with suppress(KafkaException):
            self._consumer.offsets_for_times([TopicPartition(one.topic, one.partition, 0) for one in parts], _WAKE_S)

    # ---- records ----------------------------------------------------------------------------------------------------

    def _fetched(self, timeout_s: float) -> list[Message]:
        """Waits for one message and takes whatever else has arrived: waiting for a full batch would add latency."""
        first = self._consumer.poll(timeout_s)
        return [] if first is None else [first, *self._consumer.consume(_BATCH - 1, 0)]

    def _arrivals(self, messages: Sequence[Message]) -> Arrivals | None:
        records = [record for message in messages if (record := self._record(message)) is not None]
        positions = self._passed() if records or self._clock() - self._positions_s >= _POSITIONS_EVERY_S else {}
        ends = self._ends.of(self._next)
        if not records and not positions and ends is None:
            return None
        return replace(ends or Arrivals(), records=records, positions=positions)

    def _record(self, message: Message) -> Record | None:
        """Returns None for errors, and for records of partitions that are not ours."""
        error = message.error()
        if error is not None:
            self._handle_error(message, error)
            return None
        at = self._current.get((message.topic() or "", message.partition() or 0))
        offset = message.offset() or 0
        if at is None or offset < self._next.get(at, offset + 1):
            return None
        self._next[at] = offset + 1
        return Record(
            at=at,
            offset=offset,
            key=message.key(),
            value=message.value(),
            time_us=message.timestamp()[1] * 1000,
            headers=headers_of(message),
        )

    def _passed(self) -> dict[Assignment, int]:
        """Returns the positions, which also move past control records and aborted data."""
        self._positions_s = self._clock()
        if not self._next:
            return {}
        passed: dict[Assignment, int] = {}
        for one in self._consumer.position([TopicPartition(at.topic, at.partition) for at in self._next]):
            at = self._current[one.topic, one.partition]
            # after a seek, the client has no position until the first record or control record
            self._next[at] = max(self._next[at], one.offset)
            passed[at] = self._next[at]
        return passed

    def _handle_error(self, message: Message, error: KafkaError) -> None:
        meaning = consumer_error_kind(error)
        at = self._current.get((message.topic() or "", message.partition() or 0))
        if meaning is ConsumerErrorKind.FATAL:
            needs = member_access(message.topic() or ", ".join(self._settings.topics), self._settings.group)
            raise not_permitted(error, *needs) or SourceFailed(error.str())
        if meaning is not ConsumerErrorKind.OUT_OF_RANGE or at is None:
            self._notice_error("broker_error", error)
        elif at in self._next:
            reason = out_of_range(at, message.offset(), self._settings.topics[at.topic], error.str())
            self._events.append(Broken(at=at, reason=reason))
        else:
            self._unseekable.add(at)  # a fetch of ``_NO_POSITION`` was sent before the pause

    # ---- helpers ----------------------------------------------------------------------------------------------------

    def _is_current(self, at: Assignment) -> bool:
        return self._current.get((at.topic, at.partition)) == at

    def _current_partitions(self, parts: Iterable[Assignment]) -> list[TopicPartition]:
        return [TopicPartition(at.topic, at.partition) for at in parts if at in self._next]

    def _notice_error(self, event: str, error: KafkaError, what: str = "") -> None:
        """Adds a notice about ``what``, unless the same was added within the last five seconds."""
        reason = f"{what}: {error.str()}" if what else f"{error.name()}: {error.str()}"
        now_s = self._clock()
        same = event + error.name() + what
        if now_s - self._logged_s.get(same, -_LOG_EVERY_S) >= _LOG_EVERY_S:
            self._logged_s[same] = now_s
            self._events.append(Notice(event=event, level="warning", fields={"reason": reason}))

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            raise SourceFailed(error.str())
        self._notice_error("broker_error", error)

    def _configuration(self) -> dict[str, Any]:
        settings = self._settings
        static = {"group_instance_id": settings.static_member} if settings.static_member is not None else {}
        return settings.connection.consumer(
            group_id=settings.group,
            group_protocol="classic",
            partition_assignment_strategy="cooperative-sticky",
            session_timeout_ms=int(settings.session_s * 1000),
            heartbeat_interval_ms=int(settings.heartbeat_s * 1000),
            max_poll_interval_ms=int(settings.poll_interval_s * 1000),
            statistics_interval_ms=int(_STATISTICS_EVERY_S * 1000),
            enable_auto_commit=False,
            enable_auto_offset_store=False,
            auto_offset_reset="error",
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            **{name.replace(".", "_"): value for name, value in FETCHING.items()},
            **static,
        )


class _Ends:
    """Fetches last stable offsets and log end offsets about once a second, without waiting.

    The client itself caches only the log end offset, which lies above what can be read while a producer's transaction
    is open. The difference of the two is what that transaction holds back.
    """

    def __init__(self, settings: SourceSettings, clock: Callable[[], float]) -> None:
        self.admin = renewing_admin(settings.connection.admin(), clock)
        self._clock = clock
        self._client = self.admin.client  # of the last request
        self._asked_s = 0.0
        self._asked: list[tuple[Assignment, Future[Any], Future[Any]]] = []

    def of(self, parts: Iterable[Assignment]) -> Arrivals | None:
        """Returns the offsets that have arrived since the last call; mostly None."""
        if self._asked:
            return self._answered()
        if self._clock() - self._asked_s >= _ENDS_EVERY_S:
            self._request(tuple(parts))
        return None

    def _request(self, parts: Sequence[Assignment]) -> None:
        self._asked_s = self._clock()
        if parts:
            self._client = self.admin.client
            # log ends first: a record written between the two requests must not look like one of an open transaction
            logs, stable = (
                self._latest(parts, isolation)
                for isolation in (IsolationLevel.READ_UNCOMMITTED, IsolationLevel.READ_COMMITTED)
            )
            self._asked = list(zip(parts, stable, logs, strict=True))

    def _latest(self, parts: Sequence[Assignment], isolation: IsolationLevel) -> list[Future[Any]]:
        asked = {TopicPartition(at.topic, at.partition): LATEST for at in parts}
        return list(
            self._client.list_offsets(asked, isolation_level=isolation, request_timeout=_REQUEST_TIMEOUT_S).values()
        )

    def _answered(self) -> Arrivals | None:
        if not all(future.done() for _, *futures in self._asked for future in futures):
            return None
        answered, self._asked = self._asked, []
        self.admin.report(error_of(future) for _, *futures in answered for future in futures)
        return Arrivals(
            ends={at: stable.result().offset for at, stable, _ in answered if error_of(stable) is None},
            log_ends={at: log.result().offset for at, _, log in answered if error_of(log) is None},
            leaderless={at: why for at, stable, _ in answered if (why := _leaderless(stable))},
        )


def _leaderless(question: Future[Any]) -> str:
    """Returns the error of a partition without a leader, or with a changing one; empty if it has one."""
    problem = error_of(question)
    is_away = isinstance(problem, KafkaException) and problem.args[0].code() in _LEADERLESS
    return problem.args[0].str() if problem is not None and is_away else ""


class _Topics:
    """Describes input and state topics every two seconds, without waiting.

    The client itself refreshes its metadata every five minutes and identifies topics by name, so it does not notice a
    topic that was deleted and created again. Makes no requests to a broker without DescribeTopics, and none while no
    broker is connected: a request that waits for the controller then keeps the client's threads busy, with 90 % of a
    core (measured with librdkafka 2.16.0).
    """

    def __init__(self, settings: SourceSettings, admin: RenewingAdminClient, clock: Callable[[], float]) -> None:
        self._names = sorted({*settings.topics, *settings.topics.values()}) if settings.topic_ids else []
        self._admin = admin
        self._client = admin.client  # of the last request
        self._clock = clock
        self._asked_s = clock()
        self._asked: Mapping[str, Future[Any]] = {}

    def seen(self, *, ask: bool) -> TopicsSeen | None:
        """Returns the descriptions that have arrived since the last call; mostly None. ``ask``: may make a request."""
        if self._asked:
            return self._answered()
        if ask and self._names and self._clock() - self._asked_s >= _TOPICS_EVERY_S:
            self._asked_s = self._clock()
            self._client = self._admin.client
            self._asked = self._client.describe_topics(TopicCollection(self._names), request_timeout=_REQUEST_TIMEOUT_S)
        return None

    def _answered(self) -> TopicsSeen | None:
        if not all(future.done() for future in self._asked.values()):
            return None
        answered, self._asked = self._asked, {}
        found = {name: future.result() for name, future in answered.items() if future.exception() is None}
        topics = {name: Topic(id=str(one.topic_id), partitions=len(one.partitions)) for name, one in found.items()}
        return TopicsSeen(topics=topics) if topics else None


def _close(consumer: Consumer) -> None:
    """Closes a replaced client and ignores its errors."""
    with suppress(KafkaException, RuntimeError):
        consumer.close()


def _closed(_revoked: Revoked) -> None:
    """The revoke handler before the first poll and during ``close``: does nothing."""


def _cannot_seek(at: Assignment) -> str:
    return f"{at.topic} partition {at.partition} cannot be read yet (no leader?); retrying"
