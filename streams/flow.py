"""The contract between an application and the engine: implement ``Flow`` and ``Caller``; the engine does the rest.

An input record is decoded by ``Flow.read`` and routed to a *lane*: the state of one key, a frozen value that only the
flow understands. ``Flow.turn`` is a lane's only transition. It takes a *cause* (an event arrived, a call was answered,
a timer fired) and returns a *turn*: the new lane, the records to produce, when to be woken, and the lane's *wants*,
which are the calls it would make now. The engine decides when a want leaves, by priority, age and rate limit. It
bundles wants of one kind into a *call*, which a ``Caller`` makes exactly once in a worker thread. The *answer* to a
call holds one *reply* for each item; retries are the engine's alone. Lanes are stored in a compacted topic, in the
same checkpoint as outputs and offsets.

Pure: nothing here reads a clock, the network or the environment. Units are part of the names: ``_s`` is seconds (a
moment that ends in ``_s`` is on the monotonic clock), ``_us`` is microseconds since the Unix epoch, UTC.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from streams.frozen import quick
from streams.span import Span

L = TypeVar("L")
"""A lane's value: frozen, the flow's own type."""

Headers: TypeAlias = tuple[tuple[str, bytes], ...]


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """The time of a step, passed in by the runner or a simulation."""

    mono_s: float  # monotonic: for rates, back-off, deadlines, the lease
    wall_us: int  # wall clock: for trust, schedules, timestamps


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A partition for the duration of one assignment; what is keyed by it is dropped when the assignment ends."""

    topic: str
    partition: int
    epoch: int  # counts the assignments of this process, never reused


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One input record with its position and its original bytes."""

    at: Assignment
    offset: int
    key: bytes | None
    value: bytes | None
    time_us: int  # the record's own timestamp
    headers: Headers = ()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One record to be produced. ``partition`` None: chosen by murmur2 of the key, as by Kafka's Java producer."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None
    span: Span | None = field(default=None, compare=False)  # of the step that made it: reported when it is durable


# ---- what a flow returns --------------------------------------------------------------------------------------------


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """A call that the lane would make now. Each turn replaces the lane's wants; at most one per slot is in flight.

    Wants of one ``(account, kind)`` share a call, up to the flow's limit for the kind. Each ``exclusive`` key is held
    by at most one item in flight, over all lanes of the process and within a call.
    """

    slot: str
    account: str
    kind: str
    priority: int  # 0 is the most urgent; from ``BACKGROUND`` on it comes after everything else
    since_us: int  # when its oldest undone event arrived: for its age; another one gets a new retry budget
    body: Any
    exclusive: tuple[str, ...] = ()
    once: bool = False  # must not be repeated: announced in the lane's record before it leaves (``Stored.announced``)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A message from another lane of the partition (both turns are in one checkpoint) or from the control topic."""

    lane: str
    message: Any


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Turn(Generic[L]):
    """The result of one transition of a lane. ``wants`` and ``wake_at_us`` replace those of the turn before."""

    lane: L
    wants: tuple[Want, ...] = ()
    outputs: tuple[Output, ...] = ()
    tells: tuple[Told, ...] = ()
    wake_at_us: int | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A lane as stored in its state topic; ``value`` None is a tombstone (the lane is as new).

    The fields from ``value`` to ``announced`` are the contents of its record, all but ``value`` as headers, so that
    idle lanes need not be decoded after a restore. The flow sets ``value``, ``undone``, ``open_since_us`` and
    ``reader``; the engine adds the rest.

    A ``once`` want that is next to leave is announced first, and leaves when that record is durable. The slot is
    removed from the record by the turn that gets the call's outcome; earlier if nothing was sent after all (the account
    closed, or the partition drains), or if the reply proves that nothing was done.
    """

    value: bytes | None
    undone: bool = False  # not finished: a new owner must continue with it
    open_since_us: int | None = None  # since when something is open in the outside world; counted by topic, with age
    due_us: int | None = None  # when to wake it
    waits: tuple["Waits", ...] = ()
    announced: tuple[str, ...] = ()  # slots of ``once`` wants that may leave, or have left, since this record
    reader: int = field(default=0, compare=False)  # the lowest state version that loses nothing of it; 0 = any
    offset: int = field(default=-1, compare=False)  # of the record that it was restored from; -1 = none
    fault: str = field(default="", compare=False)  # why the record's headers cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """A sleeping lane's wants of one account: their most urgent priority and oldest age."""

    account: str
    priority: int
    since_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRecord:
    """A record that cannot be read; it becomes a dead letter. ``error``: the name of the exception's class, if any."""

    code: str
    text: str
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """A record that cannot be read before ``need`` (a writer schema) was fetched; its partition waits for that."""

    need: Any
    text: str


# ---- what a flow is given -------------------------------------------------------------------------------------------


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """An event for a lane. The event includes its position, on which the order and the ids of results depend."""

    lane: str
    event: Any


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A final outcome of this item, accepted or refused; ``answer`` is of the caller's own type."""

    answer: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Sent, or perhaps sent, with an unknown answer. Slot and exclusive keys are held until deadline + grace period."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GaveUp:
    """The retry budget of the oldest pending event is used up."""

    reason: str


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The outcome of a want that was sent."""

    want: Want
    reply: Settled | Lost | GaveUp
    call_id: str
    attempts: int  # of this want, this one included
    sent_us: int
    answered_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Woken:
    """Its timer is due, or its wants are near the front of their queues: the turn returns them again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The first turn of an undone lane at a new owner.

    ``announced``: slots whose ``once`` want the previous owner may have sent, with unknown outcome; the flow must not
    want them again.
    """

    announced: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draining:
    """Before a hand-over, to a lane with announced wants that have not left: the engine withdrew the announcements."""


Cause: TypeAlias = Arrived | Answered | Woken | Restored | Draining | Told


class Unreadable(ValueError):
    """A lane's record cannot be read; the message is for people and contains the remedy."""


class Flow(Protocol[L]):
    """Implemented by the application. Pure; the engine never looks inside a lane, an event or a body.

    Called from the engine thread only. Any exception other than ``Unreadable`` from ``load`` is a bug: the process
    stops and commits nothing further.
    """

    @property
    def topic(self) -> str:
        """The input topic."""
        ...

    @property
    def state_topic(self) -> str:
        """The compacted topic of the lanes, with as many partitions as ``topic``."""
        ...

    def read(self, record: Record, now: Now) -> Arrived | BadRecord | NotYet:
        """Decodes one record. Never raises, whatever the record contains."""
        ...

    @property
    def state_version(self) -> int:
        """The newest version of stored lanes that this flow reads without loss (``Stored.reader``)."""
        ...

    def assigned(self, partition: int, lanes: int) -> None:
        """Tells that a partition was assigned, and how many lanes are stored for it. Called before they are restored.

        A partition that is taken away is not reported.
        """
        ...

    def standing(self, partition: int) -> Iterable[str]:
        """Returns the lanes of a partition that exist without input; they are woken once when the partition opens."""
        ...

    def glance(self, key: str, stored: bytes) -> BadRecord | NotYet | None:
        """Checks whether ``load`` could read a stored lane, without loading it; None = it could.

        Called for every lane of a new partition, so that no lane has to wait for a schema later, in a turn.
        """
        ...

    def load(self, key: str, stored: bytes | None) -> L:
        """Returns a lane; ``stored`` None = it was never stored. Raises Unreadable, which stops its partition."""
        ...

    def turn(self, lane: L, cause: Cause, now: Now) -> Turn[L]:
        """Applies a cause to a lane: its only transition."""
        ...

    def store(self, lane: L) -> Stored:
        """Encodes a lane. Must contain all that is undone, because records below the position are not read again."""
        ...

    def kind_limit(self, kind: str) -> int:
        """Returns how many wants of this kind one call may carry, at least 1."""
        ...

    def group(self, kind: str) -> str | None:
        """Returns the group of endpoints of this kind, which may have a pace of its own; None = it has no group."""
        ...


# ---- between engine and edge ----------------------------------------------------------------------------------------


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One want in a call."""

    body: Any
    attempt: int  # 1 for the first
    since_us: int = 0  # ``Want.since_us``; 0 = unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to the outside, made once, by a worker."""

    id: str
    account: str
    kind: str
    items: tuple[Item, ...]
    send_by_s: float  # the lease's end, checked by the worker right before sending; later = NotSent
    give_up_at_s: float  # the total deadline, applied to every read and write of the socket
    # ---- for the call log
    tokens_left: int = 0  # calls that the account could still have made in this second
    limit_per_s: float | None = None  # calls per second that might leave; None = not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """To be sent again later by the engine; the flow is not told.

    A ``once`` want is sent again only if ``refused`` is set, as for 429 and 401; its flow gets any other retry as
    ``Lost``.
    """

    reason: str
    after_s: float | None = None  # None = by the back-off
    alone: bool = False  # in a call of its own, because one of the call's items may have spoiled it
    counts: bool = True  # against the retry budget; False = not the item's fault (429, outage, 401)
    refused: bool = False  # rejected before anything was done, so that it is safe to repeat


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """Nothing was sent: ``send_by_s`` had passed, or the connection was not established."""

    reason: str = "lease"


Reply: TypeAlias = Settled | Lost | Retry | NotSent


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of a call: one reply per item, in the items' order, and what the account's rate limiter must know."""

    call: Call
    replies: tuple[Reply, ...]
    log: tuple[Output, ...] = ()  # records for the call log
    sent_s: float | None = None  # None = never sent
    answered_s: float | None = None
    sent_us: int = 0
    answered_us: int | None = None
    slow_down: bool = False  # 429: halve the rate
    close_account_s: float | None = None  # send nothing for this long, then a probe (Retry-After, 401)
    closed_because: str = ""
    reserve_until_s: float | None = None  # monotonic; until then the rest of the quota is reserved for priority 0
    failed: bool = False  # for reasons unrelated to its items: counts toward an outage
    status: int | None = None  # of the response, such as 200 or 429; None = none came. Only counted
    stop: str | None = None  # the process must stop, and why


class Caller(Protocol):
    """Makes calls, each in a worker thread: encodes and signs it, sends it once, and classifies the answer.

    Never retries, never raises.
    """

    def call(self, call: Call) -> Answer:
        """Makes one call and returns its answer, at its deadline at the latest."""
        ...


BACKGROUND = 16
"""The first priority of background work. Whatever its age, background work leaves when nothing else is ready, and
otherwise gets ``Policy.background_share`` of an account's calls, so that neither starves the other."""
