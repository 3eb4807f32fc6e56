"""The two sinks over Kafka: what makes a checkpoint durable, and what is done when that fails.

``TransactionalSink`` is ``exactly_once_v2``: outputs, changed lanes and marks in one transaction. ``PlainSink`` is
``at_least_once``: everything produced and acknowledged, then the engine thread commits the marks.

A checkpoint stays in the sink until it is durable; nothing outside is ever done again for it. What failed decides:

=========== ===========================================================================================================
retriable   the same call again, on the same producer
abortable   abort, drop what is no longer ours, write again with fresh group metadata
too large   replaced, or its partition left out (``emission.py``), and written again
fenced      a new producer with the same id; the committed marks tell whether the last transaction landed
fenced soon after: a second process uses the id; stop
hangs       its thread is given up, and a successor with the same id begins like one that was fenced
=========== ===========================================================================================================

When can the transaction of a call that hangs still become durable? Only by the request that commits it, which leaves in
one step alone (``_Step.COMMIT``). A sink that was given up begins no further step, so at most the call it is in goes
on. Whatever that does, it is over once the successor's ``init_transactions`` has returned: the coordinator completes a
commit that had begun and aborts everything else before it answers, and refuses the older producer from then on. Only
then the successor asks for the committed marks. Their serial is that of the checkpoint exactly if it landed, for a
serial is given out once.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from math import inf
from threading import Lock
from typing import Any, Final, ParamSpec, TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.clock import uptime_s
from streams.errors import SinkFailed
from streams.flow import Assignment, Output
from streams.kafka import offset_metadata as metadata
from streams.kafka.authorization import TRANSACTIONAL_ID, Need, not_permitted
from streams.kafka.checkpoint_batch import Emission, Refused
from streams.kafka.checkpoint_failures import AGAIN_S, Trouble
from streams.kafka.errors import Kind, kind_of
from streams.kafka.settings import SinkSettings
from streams.messages import Checkpoint, Mark, Notice, Written
from streams.ports import Again, Done

P = ParamSpec("P")
R = TypeVar("R")

_QUARREL_S: Final = 30.0  # a process that was frozen twice in so short a time is rarer than a second one with its id

_STUCK_S: Final = 20.0  # retriable errors for so long: a new producer looks for its brokers anew

_NO_MEMBER: Final = "the consumer is not in its group, and the broker would not check whose marks it is given"


class _Step(Enum):
    """How far a checkpoint has come."""

    RENEW = "a new producer must be initialised"
    ABORT = "the transaction must be aborted"
    PRODUCE = "nothing is in a transaction"
    OFFSETS = "all is produced; the marks go in"
    COMMIT = "all is in; it may be durable already"
    LANDED = "a new producer; did the last transaction land?"


class _Dropped:
    """Assignments that died: written by the runner's thread, read by the sink's."""

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
    """Another sink has taken this one's place: nothing further may be done here."""


class _Watched:
    """Makes calls to the broker in the sink's thread; any thread may ask since when one is under way."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self.since_s: float | None = None
        self.given_up = False

    def give_up(self) -> None:
        """From any thread: nothing further is done once this has returned, but the call that is under way."""
        with self._lock:
            self.given_up = True

    def at_once(self, call: Callable[[], None]) -> None:
        """Makes a call that does not wait. Raises GivenUp instead, as for one that does."""
        with self._lock:
            if self.given_up:
                raise GivenUp
            call()

    def __call__(self, call: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """Raises GivenUp instead of making a call that nobody waits for any more."""
        if self.given_up:
            raise GivenUp
        self.since_s = self._clock()
        try:
            return call(*arguments, **named)
        finally:
            self.since_s = None


class _Stuck:
    """Since when a producer has got nowhere. One that was cut off from all brokers does not find them again."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since_s = inf

    def works(self) -> None:
        self._since_s = inf

    def failed(self) -> bool:
        """Whether that has lasted too long; then it counts anew."""
        now_s = self._clock()
        self._since_s = min(now_s, self._since_s)
        if now_s - self._since_s < _STUCK_S:
            return False
        self._since_s = inf
        return True


class TransactionalSink:
    """One transaction a checkpoint. A ``ports.Sink``."""

    def __init__(self, settings: SinkSettings, clock: Callable[[], float] = uptime_s) -> None:
        self._settings = settings
        self._clock = clock
        self._watched = _Watched(clock)
        self._dropped = _Dropped()
        self._trouble = Trouble(settings, clock)
        self._producer: Producer | None = None
        self._admin: AdminClient | None = None
        self._renewed_s: float | None = None
        self._stuck = _Stuck(clock)
        self._in_hand: Emission | None = None  # the last one, also once it is durable: a successor must know it
        self._step = _Step.PRODUCE
        self._sent_at_s = 0.0
        self._marks: dict[Assignment, Mark] = {}  # of the transaction that is under way, or was the last
        self._handed: frozenset[Assignment] = frozenset()  # partitions with anything in it

    def open(self) -> None:
        """See ``ports.Sink``: also ends what a predecessor with our id left open.

        Raises NotPermitted where this principal may not use our id, and SinkFailed when it cannot begin otherwise.
        """
        deadline_s = self._clock() + self._settings.open_timeout_s
        self._new_producer()
        if self._step is _Step.RENEW:
            return  # a successor begins with that anyway, and patiently
        while True:
            try:
                self._watched(self._live().init_transactions, self._settings.call_timeout_s)
            except KafkaException as error:
                problem: KafkaError = error.args[0]
                if (denied := not_permitted(problem, self._begins())) is not None:
                    raise denied from error
                if kind_of(problem) is not Kind.RETRIABLE or self._clock() > deadline_s:
                    raise SinkFailed(f"the producer cannot begin: {problem.str()}") from error
            else:
                return

    def _begins(self) -> Need:
        return Need("Write", TRANSACTIONAL_ID, self._settings.instance_id)

    def write(self, checkpoint: Checkpoint, group: Any) -> Done | Again:
        """See ``ports.Sink``."""
        if self._in_hand is None or self._in_hand.checkpoint is not checkpoint:
            self._in_hand = Emission(checkpoint, self._settings.replaceable)
        if self._step is _Step.OFFSETS and self._handed & self._dropped.parts:
            self._step = _Step.ABORT
        try:
            return self._go_on(self._in_hand, group)
        except Refused:
            self._step = _Step.ABORT
            return self._again(self._in_hand, "a record is too large", "warning", 0.0)
        except KafkaException as error:
            return self._failed(self._in_hand, error.args[0])

    def drop(self, parts: frozenset[Assignment]) -> None:
        """See ``ports.Sink``."""
        self._dropped.add(parts)

    @property
    def calling_since_s(self) -> float | None:
        """See ``ports.Sink``."""
        return self._watched.since_s

    def successor(self) -> "TransactionalSink":
        """See ``ports.Sink``, and above."""
        self._watched.give_up()
        heir = TransactionalSink(self._settings, self._clock)
        heir._dropped = self._dropped
        heir._in_hand = self._in_hand.afresh() if self._in_hand is not None else None
        heir._marks, heir._handed, heir._sent_at_s = self._marks, self._handed, self._sent_at_s
        heir._step = _Step.RENEW
        return heir

    def close(self) -> None:
        """Leave no transaction open where that is quick: a successor would have to wait for its end."""
        if self._producer is None:
            return
        producer, self._producer = self._producer, None
        if self._step in (_Step.ABORT, _Step.OFFSETS) and not self._watched.given_up:
            try:
                producer.abort_transaction(self._settings.call_timeout_s)
            except KafkaException:
                producer.purge()
        self._admin = None

    # ---- one step after the other -----------------------------------------------------------------------------------

    def _go_on(self, emission: Emission, group: Any) -> Done | Again:
        producer, timeout_s = self._live(), self._settings.call_timeout_s
        producer.poll(0)  # hands over what the client has logged: not every call does
        if self._step is _Step.RENEW:
            self._watched(producer.init_transactions, timeout_s)
            self._step = _Step.LANDED if self._marks else _Step.PRODUCE
        if self._step is _Step.LANDED:
            if self._landed():
                return self._done(emission)
            self._step = _Step.PRODUCE
        if self._step is _Step.ABORT:
            self._watched(producer.abort_transaction, timeout_s)
            self._step = _Step.PRODUCE
        if group is None and self._needs_group(emission):
            self._step = _Step.ABORT if self._step is _Step.OFFSETS else self._step
            return self._again(emission, _NO_MEMBER, "debug", AGAIN_S)
        if self._step is _Step.PRODUCE:
            self._produce(emission, producer)
        if self._step is _Step.OFFSETS:
            self._send_marks(producer, group)
        if self._step is _Step.COMMIT:
            self._watched(producer.commit_transaction, timeout_s)
        return self._done(emission)

    def _needs_group(self, emission: Emission) -> bool:
        """Whether marks are still to go into the transaction."""
        marks = emission.marks(self._dropped.parts) if self._step is _Step.PRODUCE else self._marks
        return bool(marks) and self._step in (_Step.PRODUCE, _Step.OFFSETS)

    def _produce(self, emission: Emission, producer: Producer) -> None:
        dropped = self._dropped.parts
        self._marks = emission.marks(dropped)
        self._handed = frozenset((*self._marks, *emission.outputs(dropped)))
        if not self._handed:
            return
        self._watched(producer.begin_transaction)
        self._step = _Step.ABORT  # whatever interrupts the producing: half of it must not be committed
        emission.produce(producer, dropped, self._settings.call_timeout_s, calls=self._watched)
        self._step = _Step.OFFSETS
        # the lease runs from here, also when the next request is made again: the first may be the one that arrived
        self._sent_at_s = self._clock()

    def _send_marks(self, producer: Producer, group: Any) -> None:
        """In this request the broker looks at our membership."""
        if self._marks:
            timeout_s = self._settings.call_timeout_s
            self._watched(producer.send_offsets_to_transaction, _offsets(self._marks), group, timeout_s)
        self._step = _Step.COMMIT

    def _landed(self) -> bool:
        """Whether the committed marks are those of the transaction whose end the old producer did not see.

        It landed whole or not at all, so one mark tells; another may have been overwritten by a successor since.
        """
        if self._admin is None:
            self._admin = AdminClient(self._settings.connection.admin())
        asked = ConsumerGroupTopicPartitions(
            self._settings.group, [TopicPartition(at.topic, at.partition) for at in self._marks]
        )
        asking = self._admin.list_consumer_group_offsets(
            [asked], require_stable=True, request_timeout=self._settings.call_timeout_s
        )
        answer = self._watched(asking[self._settings.group].result)
        committed = {}
        for one in answer.topic_partitions:
            if one.error is not None:
                raise KafkaException(one.error)
            committed[one.topic, one.partition] = metadata.decode(one.offset, one.metadata)
        return any(committed.get((at.topic, at.partition)) == mark for at, mark in self._marks.items())

    def _done(self, emission: Emission) -> Done:
        done = Done(
            written=Written(serial=emission.checkpoint.serial, marks=self._marks, sent_at_s=self._sent_at_s),
            committed=True,
            broken=emission.broken(),
            notices=emission.take_notices(),
        )
        self._step = _Step.PRODUCE
        self._stuck.works()
        self._trouble.over()
        return done

    # ---- failures ---------------------------------------------------------------------------------------------------

    def _failed(self, emission: Emission, problem: KafkaError) -> Again:
        # that the question for the marks has no answer says nothing of the producer
        match Kind.RETRIABLE if self._step is _Step.LANDED else kind_of(problem):
            case Kind.RETRIABLE:
                self._give_up_on_a_stuck_producer()
                said = self._trouble.heard(problem, emission.topics, emission.inputs, "warning")
            case Kind.ABORTABLE | Kind.TOO_LARGE:
                self._step = _Step.ABORT
                if KafkaError._MSG_TIMED_OUT in (problem.code(), self._delivery_failed_with(emission)):  # noqa: SLF001 - the client's name
                    self._give_up_on_a_stuck_producer()
                said = self._trouble.heard(problem, emission.topics, emission.inputs, "warning")
            case Kind.FATAL if self._step is _Step.ABORT and problem.code() == KafkaError.INVALID_TXN_STATE:
                # the broker knows of no transaction: it refused the first partition of it, so none had begun
                self._replace()
                return self._again(emission, _text(problem), "debug", 0.0)
            case Kind.FENCED | Kind.FATAL as kind:
                self._renew(kind, problem)
                return self._again(emission, _text(problem), "error", 0.0)
        return self._again(emission, said.reason, said.level, said.after_s)

    def _delivery_failed_with(self, emission: Emission) -> int | None:
        """The commit's error says that deliveries failed; the reports say which, and what follows for the next try.

        A code, where a report has one that is not about the size of records.
        """
        try:
            emission.settle()
        except Refused:
            return None
        except KafkaException as error:
            return int(error.args[0].code())
        return None

    def _give_up_on_a_stuck_producer(self) -> None:
        if self._stuck.failed():
            self._replace()

    def _renew(self, kind: Kind, problem: KafkaError) -> None:
        if (denied := not_permitted(problem, self._begins())) is not None:
            raise denied  # a new producer is denied the same
        now_s = self._clock()
        if self._renewed_s is not None and now_s - self._renewed_s < _QUARREL_S:
            why = (
                f"a second process uses the instance id {self._settings.instance_id!r}: give each its own"
                if kind is Kind.FENCED
                else "the producer failed again right after it was replaced"
            )
            raise SinkFailed(f"{why} ({_text(problem)})")
        self._renewed_s = now_s
        self._replace()

    def _replace(self) -> None:
        if self._step not in (_Step.COMMIT, _Step.RENEW, _Step.LANDED):
            self._marks = {}  # it cannot have landed
        self._step = _Step.RENEW
        self._admin = None  # it may have forgotten the same brokers
        self._new_producer()

    def _again(self, emission: Emission, reason: str, level: str, after_s: float) -> Again:
        notice = Notice(
            event="checkpoint_failed",
            level=level,
            fields={"serial": emission.checkpoint.serial, "reason": reason, "next": self._step.value},
        )
        return Again(reason=reason, after_s=after_s, notices=(*emission.take_notices(), notice))

    def _new_producer(self) -> None:
        self._producer = Producer(
            _producing(
                self._settings,
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
    """Produces a checkpoint and waits for every acknowledgement; others commit the marks. A ``ports.Sink``.

    Lanes go last, once all else is there: a process that dies in between leaves what was said without the lane that
    remembers it, which then says it again; the other way round it would be said by nobody.
    """

    def __init__(self, settings: SinkSettings, clock: Callable[[], float] = uptime_s) -> None:
        self._settings = settings
        self._clock = clock
        self._watched = _Watched(clock)
        self._stuck = _Stuck(clock)
        self._dropped = _Dropped()
        self._trouble = Trouble(settings, clock)
        self._producer: Producer | None = None
        self._in_hand: Emission | None = None

    def open(self) -> None:
        """See ``ports.Sink``. Nothing is waited for."""
        self._producer = self._new_producer()

    def write(self, checkpoint: Checkpoint, group: Any) -> Done | Again:  # noqa: ARG002 - the contract's signature
        """See ``ports.Sink``. What is not acknowledged within the lease is produced again, all of it."""
        if self._producer is None:
            raise SinkFailed("the sink is not open")
        if self._in_hand is None or self._in_hand.checkpoint is not checkpoint:
            self._in_hand = Emission(checkpoint, self._settings.replaceable)
        emission, dropped, sent_at_s = self._in_hand, self._dropped.parts, self._clock()
        try:
            left = self._produce(self._producer, emission, dropped, self._is_said)
            if not left:
                left = self._produce(self._producer, emission, dropped, self._is_kept)
        except Refused:
            return self._again(emission, "a record is too large", "warning", 0.0)
        except KafkaException as error:
            return self._failed(emission, error.args[0])
        if left or self._clock() - sent_at_s > self._settings.lease_s:
            if self._stuck.failed():
                self._replace()
            return self._again(emission, "the acknowledgements came after the lease", "warning", AGAIN_S)
        self._in_hand = None
        self._stuck.works()
        self._trouble.over()
        written = Written(serial=checkpoint.serial, marks=emission.marks(self._dropped.parts), sent_at_s=sent_at_s)
        return Done(written=written, committed=False, broken=emission.broken(), notices=emission.take_notices())

    def _produce(
        self,
        producer: Producer,
        emission: Emission,
        dropped: frozenset[Assignment],
        which: Callable[[Output], bool],
    ) -> int:
        """How many are not acknowledged within the lease. Raises like ``Emission.produce``."""
        emission.produce(producer, dropped, self._settings.lease_s, which, self._watched)
        left = self._watched(producer.flush, self._settings.lease_s)
        emission.settle()
        return left

    def _is_kept(self, output: Output) -> bool:
        return output.topic in self._settings.states

    def _is_said(self, output: Output) -> bool:
        return not self._is_kept(output)

    def drop(self, parts: frozenset[Assignment]) -> None:
        """See ``ports.Sink``."""
        self._dropped.add(parts)

    @property
    def calling_since_s(self) -> float | None:
        """See ``ports.Sink``."""
        return self._watched.since_s

    def successor(self) -> "PlainSink":
        """See ``ports.Sink``. All is produced again; what the old producer still holds is thrown away."""
        self._watched.give_up()
        heir = PlainSink(self._settings, self._clock)
        heir._dropped = self._dropped
        heir._in_hand = self._in_hand.afresh() if self._in_hand is not None else None
        if self._producer is not None:
            self._producer.purge(blocking=False)
        return heir

    def close(self) -> None:
        """See ``ports.Sink``. What was not acknowledged is given up: its marks were not committed."""
        if self._producer is not None:
            self._producer.purge()
            self._producer = None

    def _failed(self, emission: Emission, problem: KafkaError) -> Again:
        is_dead = kind_of(problem) in (Kind.FENCED, Kind.FATAL)
        if is_dead or self._stuck.failed():
            self._replace()
        said = self._trouble.heard(problem, emission.topics, (), "error" if is_dead else "warning")
        return self._again(emission, said.reason, said.level, said.after_s)

    def _replace(self) -> None:
        if self._producer is not None:
            self._producer.purge(blocking=False)
        self._producer = self._new_producer()

    def _again(self, emission: Emission, reason: str, level: str, after_s: float) -> Again:
        notice = Notice(
            event="checkpoint_failed",
            level=level,
            fields={"serial": emission.checkpoint.serial, "reason": reason, "next": "all is produced again"},
        )
        return Again(reason=reason, after_s=after_s, notices=(*emission.take_notices(), notice))

    def _new_producer(self) -> Producer:
        return Producer(_producing(self._settings, message_timeout_ms=int(self._settings.lease_s * 1000)))


def _producing(settings: SinkSettings, **ours: Any) -> dict[str, Any]:
    return settings.connection.producer(
        enable_idempotence=True,
        acks="all",
        compression_type="lz4",
        # a flush does not linger, and every checkpoint ends in one: this only lets batches fill until then
        linger_ms=20,
        # as a Java producer chooses: lanes, results and their readers agree on the partition of a key
        partitioner="murmur2_random",
        # with the default of 100 ms back-to-back transactions take 103 ms each, with 5 ms six to eight
        retry_backoff_ms=5,
        **{"delivery.report.only.error": True},
        **ours,
    )


def _offsets(marks: Mapping[Assignment, Mark]) -> list[TopicPartition]:
    return [
        TopicPartition(at.topic, at.partition, mark.position, metadata=metadata.encode(mark))
        for at, mark in marks.items()
    ]


def _text(problem: KafkaError) -> str:
    return f"{problem.name()}: {problem.str()}"
