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

L = TypeVar("L")
"""A lane's value: frozen, the flow's own type."""

Headers: TypeAlias = tuple[tuple[str, bytes], ...]


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """The moment of a step, handed in by the runner or by a simulation."""

    mono_s: float  # pace, back-off, deadlines, lease
    wall_us: int  # trust, schedules, stamps


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A partition for as long as one assignment lasts; what is keyed by it dies with the assignment."""

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
    """One record to be produced. ``partition`` None = murmur2 of the key, as a Java producer would choose."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


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
    since_us: int  # the oldest undone event behind it: ageing and the retry budget hang on it
    body: Any
    exclusive: tuple[str, ...] = ()
    once: bool = False  # may not be repeated: announced in the lane's record before it leaves (``Stored.announced``)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Word from another lane of the partition (or from the control topic); both turns fall into one checkpoint."""

    lane: str
    message: Any


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Turn(Generic[L]):
    """What one transition of a lane says; ``wants`` and ``wake_at_us`` replace what the lane said before."""

    lane: L
    wants: tuple[Want, ...] = ()
    outputs: tuple[Output, ...] = ()
    tells: tuple[Told, ...] = ()
    wake_at_us: int | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A lane as its state topic keeps it; ``value`` None is a tombstone (the lane is as new).

    ``value`` and what stands down to ``announced`` is what its record says: all but ``value`` as headers, so that cold
    lanes stay undecoded after a restore. The flow fills ``value``, ``undone``, ``open_since_us`` and ``reader``; the
    engine adds the rest.

    A ``once`` want whose turn to leave has come is announced first, and leaves when that record is durable. The slot
    goes from the record with the turn that hears what became of the call; before that when nothing left after all: the
    account closed, the partition drains, or the reply proves that nothing was done.
    """

    value: bytes | None
    undone: bool = False
    open_since_us: int | None = None  # something in the world stands open since: counted by topic, with the oldest age
    due_us: int | None = None
    waits: tuple["Waits", ...] = ()
    announced: tuple[str, ...] = ()  # slots of ``once`` wants that may leave, or have left, since this record
    reader: int = field(default=0, compare=False)  # the lowest state version that loses nothing of it; 0 = any
    offset: int = field(default=-1, compare=False)  # of its record, where it was restored from one
    fault: str = field(default="", compare=False)  # why the record's headers cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """What a sleeping lane waits for at ``account``: the most urgent priority and oldest age of its wants."""

    account: str
    priority: int
    since_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRecord:
    """A record that cannot be read: it becomes a dead letter. ``error`` names the exception's class, if any."""

    code: str
    text: str
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """A record that cannot be read before ``need`` was fetched (a writer schema): intake of its partition waits."""

    need: Any
    text: str


# ---- what a flow is given -------------------------------------------------------------------------------------------


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """An event for a lane. The event keeps its position: order and identity of results hang on it."""

    lane: str
    event: Any


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Final for this item, yes or no; ``answer`` is the edge's own type."""

    answer: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Sent (or perhaps sent), answer unknown. The engine keeps slot and exclusive keys until deadline + grace."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GaveUp:
    """The retry budget of the oldest pending event is used up."""

    reason: str


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What became of a want that left."""

    want: Want
    reply: Settled | Lost | GaveUp
    call_id: str
    attempts: int  # of this want, this one included
    sent_us: int
    answered_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Woken:
    """Its timer has come, or a token is near: say again what is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """First turn of an undone lane by a new owner.

    ``announced``: slots whose ``once`` want may have left and was never answered here. What became of it is unknown;
    the flow must not want it again.
    """

    announced: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draining:
    """Before hand-over, to a lane of which something was announced and has not left: the engine has taken that back."""


Cause: TypeAlias = Arrived | Answered | Woken | Restored | Draining | Told


class Unreadable(ValueError):
    """A lane's record that cannot be read; its words are for a person, with the remedy."""


class Flow(Protocol[L]):
    """What an application implements. Pure; the engine never looks inside a lane, an event or a body.

    Called from the engine thread only. Any other exception than ``Unreadable`` from ``load`` is a bug: the process
    stops and commits nothing.
    """

    @property
    def topic(self) -> str:
        """The input topic."""
        ...

    @property
    def state_topic(self) -> str:
        """The compacted topic of the lanes: as many partitions as ``topic``."""
        ...

    def read(self, record: Record, now: Now) -> Arrived | BadRecord | NotYet:
        """Decode one record. Never raises for what a record may contain."""
        ...

    @property
    def state_version(self) -> int:
        """The newest version of lanes that it carries on without loss (``Stored.reader``)."""
        ...

    def standing(self, partition: int) -> Iterable[str]:
        """Lanes that live without input; woken once when their partition opens."""
        ...

    def glance(self, key: str, stored: bytes) -> BadRecord | NotYet | None:
        """Whether ``load`` has what it needs, without loading; None = it has. Asked of every lane of a new partition,
        so that no lane ever has to wait for a schema in the middle of a turn."""
        ...

    def load(self, key: str, stored: bytes | None) -> L:
        """The lane as stored; None = a lane that was never stored. Raises Unreadable: its partition is refused."""
        ...

    def turn(self, lane: L, cause: Cause, now: Now) -> Turn[L]:
        """The one transition."""
        ...

    def store(self, lane: L) -> Stored:
        """All of the lane that is undone must be in it: the log below the position is never read again."""
        ...

    def kind_limit(self, kind: str) -> int:
        """How many wants of this kind one call may carry, at least 1."""
        ...

    def group(self, kind: str) -> str | None:
        """The group of endpoints that calls of this kind belong to, which may have a pace of its own; None = none."""
        ...


# ---- between engine and edge ----------------------------------------------------------------------------------------


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One want as it travels in a call."""

    body: Any
    attempt: int  # 1 for the first
    since_us: int = 0  # the want's: when the oldest undone event behind it arrived; 0 = nobody says


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to the outside, made once, by a worker."""

    id: str
    account: str
    kind: str
    items: tuple[Item, ...]
    send_by_s: float  # the lease: checked by the worker right before the call leaves; later = NotSent
    give_up_at_s: float  # the total deadline, kept on every read and write of the socket
    tokens_left: int = 0  # calls the account could still have made in this second; for the call log


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Not now; ends in the engine. ``counts`` False = the fault is not this item's (429, outage, 401).

    A ``once`` want is tried again only when ``refused`` says that nothing of it was carried out, as 429 and 401 do;
    its flow hears any other retry as ``Lost``.
    """

    reason: str
    after_s: float | None = None
    alone: bool = False  # not in company: one of the call's items spoils it
    counts: bool = True
    refused: bool = False  # before anything was done: it can be repeated whatever it is


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """``send_by_s`` had passed, or the connection was never made: nothing left."""

    reason: str = "lease"


Reply: TypeAlias = Settled | Lost | Retry | NotSent


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of a call: one reply per item, in the items' order, and what the account's rate limiter must know."""

    call: Call
    replies: tuple[Reply, ...]
    log: tuple[Output, ...] = ()
    sent_s: float | None = None  # None = never left
    answered_s: float | None = None
    sent_us: int = 0
    answered_us: int | None = None
    slow_down: bool = False  # 429: halve the pace
    close_account_s: float | None = None  # nothing but a probe for that long (Retry-After, 401)
    closed_because: str = ""
    reserve_until_s: float | None = None  # monotonic; until then the rest of the quota is kept for priority 0
    failed: bool = False  # for reasons that are not the items' own: counts toward an outage
    stop: str | None = None  # the process must stop, and why


class Caller(Protocol):
    """In a worker thread: map, sign, send once, read the answer by the verdict table. Never retries, never raises."""

    def call(self, call: Call) -> Answer: ...


BACKGROUND = 16
"""Priorities from here on are background work: whatever its age, it leaves when nothing else is ready, and otherwise
gets ``Policy.background_share`` of an account's calls, so that neither starves the other."""
