"""The two sinks: how a checkpoint becomes durable, and what is done when that fails.

``TransactionalSink`` is ``exactly_once_v2``: outputs, changed lanes and offsets in one transaction. ``PlainSink`` is
``at_least_once``: all records are produced and acknowledged, then the engine thread commits the offsets.

A checkpoint stays in the sink until it is durable; no call to the marketplace is ever repeated for it. The kind of
error decides what is done (``errors.py``):

=========== ===========================================================================================================
retriable   repeat the same call on the same producer
abortable   abort, leave out assignments that were lost, and write again with fresh group metadata
too large   replace the record, or leave its partition out (``checkpoint_batch.py``), and write again
fenced      a new producer with the same id; the committed offsets tell whether the last transaction was committed
fenced again within 30 s: another process uses the same id; stop
call hangs  abandon its thread; a successor with the same id starts as after being fenced
=========== ===========================================================================================================

Can the transaction of a hanging call still be committed? Only by the request that commits it, which is sent in one step
alone (``_TransactionStep.COMMIT``). An abandoned sink starts no further step, so at most its current call goes on, and
the outcome of that call is final once the successor's ``init_transactions`` has returned: before it answers, the
coordinator completes a commit that has begun and aborts everything else, and from then on it refuses the older
producer. Only then does the successor look up the committed offsets. The serial in their metadata is that of the
checkpoint exactly if its transaction was committed, because a serial is used once.
"""

import json
from collections.abc import Callable, Mapping
from enum import Enum
from math import inf
from threading import Lock
from typing import Any, Final, ParamSpec, TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from streams.client_statistics import PRODUCER, ClientReadings, reading
from streams.clock import uptime_s
from streams.errors import SinkFailed
from streams.flow import Assignment, Output
from streams.kafka import offset_metadata
from streams.kafka.authorization import TRANSACTIONAL_ID, RequiredAccess, not_permitted
from streams.kafka.checkpoint_batch import CheckpointBatch, RecordTooLarge
from streams.kafka.checkpoint_failures import AGAIN_S, CheckpointFailures
from streams.kafka.committed_offsets import CommittedOffsets
from streams.kafka.errors import ProducerErrorKind, producer_error_kind
from streams.kafka.live_clients import TrackedProducer
from streams.kafka.settings import SinkSettings
from streams.messages import Checkpoint, Mark, Notice, Written
from streams.ports import Again, Done

P = ParamSpec("P")
R = TypeVar("R")

_ID_CONFLICT_S: Final = 30.0
"""Fenced twice within this time: more likely a second process with the same id than one that was frozen twice."""

_STUCK_S: Final = 20.0  # retriable errors for this long: replace the producer, which then looks up its brokers again

_STATISTICS_EVERY_S: Final = 5.0

_NO_MEMBER: Final = "the consumer is not a member of its group, so the broker could not check the offsets' owner"


class _TransactionStep(Enum):
    """The next step of a checkpoint's transaction."""

    RENEW = "initialize the new producer"
    ABORT = "abort the transaction"
    PRODUCE = "begin a transaction and produce"
    OFFSETS = "send the offsets to the transaction"
    COMMIT = "commit the transaction, which may be durable already"
    CHECK_COMMITTED = "look up whether the last transaction was committed"


class _DroppedAssignments:
    """Assignments that were lost. Written by the runner's thread, read by the sink's."""

    def __init__(self) -> None:
        self._parts: frozenset[Assignment] = frozenset()
        self._lock = Lock()

    @property
    def parts(self) -> frozenset[Assignment]:
        return self._parts

    def add(self, parts: frozenset[Assignment]) -> None:
        with self._lock:
            self._parts |= parts


class GivenUp(Exception):
    """This sink has been replaced by a successor and must not do anything more."""


class _WatchedCalls:
    """Makes calls to the broker in the sink's thread; any thread may ask since when one is running."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self.since_s: float | None = None
        self.given_up = False

    def give_up(self) -> None:
        """Refuses all further calls. From any thread; a call that is running continues."""
        with self._lock:
            self.given_up = True

    def at_once(self, call: Callable[[], None]) -> None:
        """Makes a call that does not wait. Raises GivenUp after ``give_up``."""
        with self._lock:
            if self.given_up:
                raise GivenUp
            call()

    def __call__(self, call: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """Makes a call that waits for the broker. Raises GivenUp after ``give_up``."""
        if self.given_up:
            raise GivenUp
        self.since_s = self._clock()
        try:
            return call(*arguments, **named)
        finally:
            self.since_s = None


class _StuckProducer:
    """Detects a producer without progress: one that was cut off from all brokers may never reconnect."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since_s = inf

    def succeeded(self) -> None:
        self._since_s = inf

    def failed(self) -> bool:
        """Records a failure; returns whether there was no success for too long, and then starts over."""
        now_s = self._clock()
        self._since_s = min(now_s, self._since_s)
        if now_s - self._since_s < _STUCK_S:
            return False
        self._since_s = inf
        return True


class TransactionalSink:
    """Writes each checkpoint in one transaction. A ``ports.Sink``."""

    def __init__(
        self, settings: SinkSettings, clock: Callable[[], float] = uptime_s, clients: ClientReadings | None = None
    ) -> None:
        """``clients``: takes the producer's statistics."""
        self._settings = settings
        self._clock = clock
        self._readings = clients
        self._calls = _WatchedCalls(clock)
        self._dropped = _DroppedAssignments()
        self._failures = CheckpointFailures(settings, clock)
        self._producer: Producer | None = None
        self._offsets: CommittedOffsets | None = None
        self._renewed_s: float | None = None
        self._stuck = _StuckProducer(clock)
        self._batch: CheckpointBatch | None = None  # kept when it is durable, too: a successor must know it
        self._step = _TransactionStep.PRODUCE
        self._sent_at_s = 0.0
        self._marks: dict[Assignment, Mark] = {}  # of the current or last transaction
        self._handed: frozenset[Assignment] = frozenset()  # partitions that take part in it

    def open(self) -> None:
        """See ``ports.Sink``. Also ends a transaction that a predecessor with our id left open.

        Raises NotPermitted if this principal may not use our transactional id, and SinkFailed for other errors.
        """
        deadline_s = self._clock() + self._settings.open_timeout_s
        self._new_producer()
        if self._step is _TransactionStep.RENEW:
            return  # a successor initializes in its first step, with retries
        while True:
            try:
                self._calls(self._live().init_transactions, self._settings.call_timeout_s)
            except KafkaException as error:
                problem: KafkaError = error.args[0]
                if (denied := not_permitted(problem, self._init_access())) is not None:
                    raise denied from error
                if producer_error_kind(problem) is not ProducerErrorKind.RETRIABLE or self._clock() > deadline_s:
                    raise SinkFailed(f"the producer cannot be initialized: {problem.str()}") from error
            else:
                return

    def _init_access(self) -> RequiredAccess:
        return RequiredAccess("Write", TRANSACTIONAL_ID, self._settings.instance_id)

    def write(self, checkpoint: Checkpoint, group: Any) -> Done | Again:
        """See ``ports.Sink``."""
        if self._batch is None or self._batch.checkpoint is not checkpoint:
            self._batch = CheckpointBatch(checkpoint, self._settings.replaceable)
        if self._step is _TransactionStep.OFFSETS and self._handed & self._dropped.parts:
            self._step = _TransactionStep.ABORT
        try:
            return self._advance(self._batch, group)
        except RecordTooLarge:
            self._step = _TransactionStep.ABORT
            return self._again(self._batch, "a record is too large", "warning", 0.0)
        except KafkaException as error:
            return self._failed(self._batch, error.args[0])

    def idle(self) -> None:
        """See ``ports.Sink``."""
        if self._producer is not None:
            self._producer.poll(0)

    def drop(self, parts: frozenset[Assignment]) -> None:
        """See ``ports.Sink``."""
        self._dropped.add(parts)

    @property
    def calling_since_s(self) -> float | None:
        """See ``ports.Sink``."""
        return self._calls.since_s

    def successor(self) -> "TransactionalSink":
        """See ``ports.Sink`` and the module's description."""
        self._calls.give_up()
        successor = TransactionalSink(self._settings, self._clock, self._readings)
        successor._dropped = self._dropped
        successor._batch = self._batch.for_new_producer() if self._batch is not None else None
        successor._marks, successor._handed, successor._sent_at_s = self._marks, self._handed, self._sent_at_s
        successor._step = _TransactionStep.RENEW
        return successor

    def close(self) -> None:
        """See ``ports.Sink``. Aborts an open transaction if that is quick: a successor would wait for its timeout."""
        if self._producer is None:
            return
        producer, self._producer = self._producer, None
        if self._step in (_TransactionStep.ABORT, _TransactionStep.OFFSETS) and not self._calls.given_up:
            try:
                producer.abort_transaction(self._settings.call_timeout_s)
            except KafkaException:
                producer.purge()
        self._offsets = None

    # ---- steps of a transaction -------------------------------------------------------------------------------------

    def _advance(self, batch: CheckpointBatch, group: Any) -> Done | Again:
        producer, timeout_s = self._live(), self._settings.call_timeout_s
        producer.poll(0)  # delivers the client's log messages: not every call does
        if self._step is _TransactionStep.RENEW:
            self._calls(producer.init_transactions, timeout_s)
            self._step = _TransactionStep.CHECK_COMMITTED if self._marks else _TransactionStep.PRODUCE
        if self._step is _TransactionStep.CHECK_COMMITTED:
            if self._is_committed():
                return self._done(batch)
            self._step = _TransactionStep.PRODUCE
        if self._step is _TransactionStep.ABORT:
            self._calls(producer.abort_transaction, timeout_s)
            self._step = _TransactionStep.PRODUCE
        if group is None and self._needs_group(batch):
            self._step = _TransactionStep.ABORT if self._step is _TransactionStep.OFFSETS else self._step
            return self._again(batch, _NO_MEMBER, "debug", AGAIN_S)
        if self._step is _TransactionStep.PRODUCE:
            self._produce(batch, producer)
        if self._step is _TransactionStep.OFFSETS:
            self._send_marks(producer, group)
        if self._step is _TransactionStep.COMMIT:
            self._calls(producer.commit_transaction, timeout_s)
        return self._done(batch)

    def _needs_group(self, batch: CheckpointBatch) -> bool:
        """Whether offsets are still to be sent to the transaction."""
        marks = batch.marks(self._dropped.parts) if self._step is _TransactionStep.PRODUCE else self._marks
        return bool(marks) and self._step in (_TransactionStep.PRODUCE, _TransactionStep.OFFSETS)

    def _produce(self, batch: CheckpointBatch, producer: Producer) -> None:
        dropped = self._dropped.parts
        self._marks = batch.marks(dropped)
        self._handed = frozenset((*self._marks, *batch.outputs(dropped)))
        if not self._handed:
            return
        self._calls(producer.begin_transaction)
        self._step = _TransactionStep.ABORT  # if producing is interrupted, the incomplete transaction must be aborted
        batch.produce(producer, dropped, self._settings.call_timeout_s, calls=self._calls)
        self._step = _TransactionStep.OFFSETS
        # the lease starts here, also if the next request is repeated: the first one may have arrived
        self._sent_at_s = self._clock()

    def _send_marks(self, producer: Producer, group: Any) -> None:
        """Sends the offsets; with this request, the broker checks our membership."""
        if self._marks:
            timeout_s = self._settings.call_timeout_s
            self._calls(
                producer.send_offsets_to_transaction, _offsets(self._marks, self._settings.version), group, timeout_s
            )
        self._step = _TransactionStep.COMMIT

    def _is_committed(self) -> bool:
        """Whether the transaction was committed whose end the old producer did not see.

        A transaction is committed as a whole, so one matching mark is enough; others may have been overwritten by a
        new owner of their partition since.
        """
        if self._offsets is None:
            self._offsets = CommittedOffsets(self._settings.connection, self._settings.group)
        asked = [TopicPartition(at.topic, at.partition) for at in self._marks]
        found = self._calls(self._offsets.fetch, asked, self._settings.call_timeout_s)
        committed = {(one.topic, one.partition): offset_metadata.decode(one.offset, one.metadata) for one in found}
        return any(committed.get((at.topic, at.partition)) == mark for at, mark in self._marks.items())

    def _done(self, batch: CheckpointBatch) -> Done:
        done = Done(
            written=Written(serial=batch.checkpoint.serial, marks=self._marks, sent_at_s=self._sent_at_s),
            committed=True,
            broken=batch.broken(),
            notices=batch.take_notices(),
        )
        self._step = _TransactionStep.PRODUCE
        self._stuck.succeeded()
        self._failures.succeeded()
        return done

    # ---- failures ---------------------------------------------------------------------------------------------------

    def _failed(self, batch: CheckpointBatch, problem: KafkaError) -> Again:
        # a failed look-up of the committed offsets says nothing about the producer
        looks_up = self._step is _TransactionStep.CHECK_COMMITTED
        match ProducerErrorKind.RETRIABLE if looks_up else producer_error_kind(problem):
            case ProducerErrorKind.RETRIABLE:
                self._give_up_on_a_stuck_producer()
                report = self._failures.failed(problem, batch.topics, batch.inputs, "warning")
            case ProducerErrorKind.ABORTABLE | ProducerErrorKind.TOO_LARGE:
                self._step = _TransactionStep.ABORT
                if KafkaError._MSG_TIMED_OUT in (problem.code(), self._delivery_failed_with(batch)):  # noqa: SLF001 - the client's spelling
                    self._give_up_on_a_stuck_producer()
                report = self._failures.failed(problem, batch.topics, batch.inputs, "warning")
            case ProducerErrorKind.FATAL if (
                self._step is _TransactionStep.ABORT and problem.code() == KafkaError.INVALID_TXN_STATE
            ):
                # the broker has no such transaction: it rejected the first partition, so none was started
                self._replace()
                return self._again(batch, _text(problem), "debug", 0.0)
            case ProducerErrorKind.FENCED | ProducerErrorKind.FATAL as kind:
                self._renew(kind, problem)
                return self._again(batch, _text(problem), "error", 0.0)
        return self._again(batch, report.reason, report.level, report.after_s)

    def _delivery_failed_with(self, batch: CheckpointBatch) -> int | None:
        """Checks the delivery reports behind a failed commit; returns a failed delivery's code, if any.

        Returns None if records were too large, which ``settle`` has dealt with.
        """
        try:
            batch.settle()
        except RecordTooLarge:
            return None
        except KafkaException as error:
            return int(error.args[0].code())
        return None

    def _give_up_on_a_stuck_producer(self) -> None:
        if self._stuck.failed():
            self._replace()

    def _renew(self, kind: ProducerErrorKind, problem: KafkaError) -> None:
        if (denied := not_permitted(problem, self._init_access())) is not None:
            raise denied  # a new producer would be denied, too
        now_s = self._clock()
        if self._renewed_s is not None and now_s - self._renewed_s < _ID_CONFLICT_S:
            why = (
                f"a second process uses the instance id {self._settings.instance_id!r}: give each process its own"
                if kind is ProducerErrorKind.FENCED
                else "the producer failed again within 30 s of being replaced"
            )
            raise SinkFailed(f"{why} ({_text(problem)})")
        self._renewed_s = now_s
        self._replace()

    def _replace(self) -> None:
        if self._step not in (_TransactionStep.COMMIT, _TransactionStep.RENEW, _TransactionStep.CHECK_COMMITTED):
            self._marks = {}  # it cannot have been committed
        self._step = _TransactionStep.RENEW
        self._offsets = None  # it may have lost the same brokers
        self._new_producer()

    def _again(self, batch: CheckpointBatch, reason: str, level: str, after_s: float) -> Again:
        notice = Notice(
            event="checkpoint_failed",
            level=level,
            fields={"serial": batch.checkpoint.serial, "reason": reason, "next": self._step.value},
        )
        return Again(reason=reason, after_s=after_s, notices=(*batch.take_notices(), notice))

    def _new_producer(self) -> None:
        self._producer = TrackedProducer(
            _producer_config(
                self._settings,
                self._readings,
                transactional_id=self._settings.instance_id,
                transaction_timeout_ms=int(self._settings.transaction_timeout_s * 1000),
                message_timeout_ms=int(self._settings.transaction_timeout_s * 1000),
            )
        )

    def _live(self) -> Producer:
        if self._producer is None:
            raise SinkFailed("the sink is not open")
        return self._producer


class PlainSink:
    """Produces a checkpoint and waits for all acknowledgements; the source commits the marks. A ``ports.Sink``.

    Lanes are produced last, after everything else is acknowledged. If the process dies in between, outputs exist
    without the lane that remembers them, and are produced again. In the other order they could be lost.
    """

    def __init__(
        self, settings: SinkSettings, clock: Callable[[], float] = uptime_s, clients: ClientReadings | None = None
    ) -> None:
        """``clients``: takes the producer's statistics."""
        self._settings = settings
        self._clock = clock
        self._readings = clients
        self._calls = _WatchedCalls(clock)
        self._stuck = _StuckProducer(clock)
        self._dropped = _DroppedAssignments()
        self._failures = CheckpointFailures(settings, clock)
        self._producer: Producer | None = None
        self._batch: CheckpointBatch | None = None

    def open(self) -> None:
        """See ``ports.Sink``. Does not wait for the broker."""
        self._producer = self._new_producer()

    def write(self, checkpoint: Checkpoint, group: Any) -> Done | Again:  # noqa: ARG002 - the contract's signature
        """See ``ports.Sink``. If not all of it is acknowledged within the lease, all of it is produced again."""
        if self._producer is None:
            raise SinkFailed("the sink is not open")
        if self._batch is None or self._batch.checkpoint is not checkpoint:
            self._batch = CheckpointBatch(checkpoint, self._settings.replaceable)
        batch, dropped, sent_at_s = self._batch, self._dropped.parts, self._clock()
        try:
            left = self._produce(self._producer, batch, dropped, self._is_output)
            if not left:
                left = self._produce(self._producer, batch, dropped, self._is_lane)
        except RecordTooLarge:
            return self._again(batch, "a record is too large", "warning", 0.0)
        except KafkaException as error:
            return self._failed(batch, error.args[0])
        if left or self._clock() - sent_at_s > self._settings.lease_s:
            if self._stuck.failed():
                self._replace()
            return self._again(batch, "the acknowledgements did not arrive within the lease", "warning", AGAIN_S)
        self._batch = None
        self._stuck.succeeded()
        self._failures.succeeded()
        written = Written(serial=checkpoint.serial, marks=batch.marks(self._dropped.parts), sent_at_s=sent_at_s)
        return Done(written=written, committed=False, broken=batch.broken(), notices=batch.take_notices())

    def _produce(
        self,
        producer: Producer,
        batch: CheckpointBatch,
        dropped: frozenset[Assignment],
        which: Callable[[Output], bool],
    ) -> int:
        """Returns how many records were not acknowledged within the lease. Raises like ``CheckpointBatch.produce``."""
        batch.produce(producer, dropped, self._settings.lease_s, which, self._calls)
        left = self._calls(producer.flush, self._settings.lease_s)
        batch.settle()
        return left

    def _is_lane(self, output: Output) -> bool:
        return output.topic in self._settings.states

    def _is_output(self, output: Output) -> bool:
        return not self._is_lane(output)

    def idle(self) -> None:
        """See ``ports.Sink``."""
        if self._producer is not None:
            self._producer.poll(0)

    def drop(self, parts: frozenset[Assignment]) -> None:
        """See ``ports.Sink``."""
        self._dropped.add(parts)

    @property
    def calling_since_s(self) -> float | None:
        """See ``ports.Sink``."""
        return self._calls.since_s

    def successor(self) -> "PlainSink":
        """See ``ports.Sink``. The successor produces everything again; the old producer's queue is purged."""
        self._calls.give_up()
        successor = PlainSink(self._settings, self._clock, self._readings)
        successor._dropped = self._dropped
        successor._batch = self._batch.for_new_producer() if self._batch is not None else None
        if self._producer is not None:
            self._producer.purge(blocking=False)
        return successor

    def close(self) -> None:
        """See ``ports.Sink``. Drops unacknowledged records, whose marks were not committed."""
        if self._producer is not None:
            self._producer.purge()
            self._producer = None

    def _failed(self, batch: CheckpointBatch, problem: KafkaError) -> Again:
        is_dead = producer_error_kind(problem) in (ProducerErrorKind.FENCED, ProducerErrorKind.FATAL)
        if is_dead or self._stuck.failed():
            self._replace()
        report = self._failures.failed(problem, batch.topics, (), "error" if is_dead else "warning")
        return self._again(batch, report.reason, report.level, report.after_s)

    def _replace(self) -> None:
        if self._producer is not None:
            self._producer.purge(blocking=False)
        self._producer = self._new_producer()

    def _again(self, batch: CheckpointBatch, reason: str, level: str, after_s: float) -> Again:
        notice = Notice(
            event="checkpoint_failed",
            level=level,
            fields={"serial": batch.checkpoint.serial, "reason": reason, "next": "produce all records again"},
        )
        return Again(reason=reason, after_s=after_s, notices=(*batch.take_notices(), notice))

    def _new_producer(self) -> Producer:
        lease_ms = int(self._settings.lease_s * 1000)
        return TrackedProducer(_producer_config(self._settings, self._readings, message_timeout_ms=lease_ms))


def _producer_config(settings: SinkSettings, readings: ClientReadings | None, **ours: Any) -> dict[str, Any]:
    made = settings.connection.producer(
        enable_idempotence=True,
        acks="all",
        compression_type="lz4",
        # every checkpoint ends in a flush, which does not linger: until then, this lets batches fill
        linger_ms=20,
        # the Java client's default, so that all producers and consumers agree on the partition of a key
        partitioner="murmur2_random",
        # with the default of 100 ms, back-to-back transactions take 103 ms each; with 5 ms, 6 to 8 ms
        retry_backoff_ms=5,
        statistics_interval_ms=0 if readings is None else int(_STATISTICS_EVERY_S * 1000),
        **{"delivery.report.only.error": True},
        **ours,
    )
    if readings is None:
        return made
    return {**made, "stats_cb": lambda text: readings.put(PRODUCER, reading(json.loads(text)))}


def _offsets(marks: Mapping[Assignment, Mark], version: str) -> list[TopicPartition]:
    return [
        TopicPartition(at.topic, at.partition, mark.position, metadata=offset_metadata.encode(mark, version))
        for at, mark in marks.items()
    ]


def _text(problem: KafkaError) -> str:
    return f"{problem.name()}: {problem.str()}"
