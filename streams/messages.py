"""The messages between source, engine and sink: an ``Input`` is fed to the engine, an ``Effect`` is returned by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from streams.control import ControlRead, RulesChanged
from streams.flow import Answer, Assignment, Call, Output, Record, Stored
from streams.quota import SpentCalls
from streams.side_input import SidePosition


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A partition's committed position and the metadata that is committed with it."""

    position: int  # next offset to read
    read_ahead: int  # the owner may have read this many offsets beyond ``position``
    drained: bool  # the owner handed over: none of its calls is in flight any more
    serial: int  # of the checkpoint that wrote it
    state_topic_id: str
    input_topic_id: str = ""  # empty = written by a version that did not record it
    side: Mapping[str, SidePosition] = field(default_factory=dict, hash=False)  # positions of side inputs by name
    side_known: bool = True  # False = the positions are lost, or a version without side inputs wrote the mark
    spent: Mapping[str, SpentCalls] = field(default_factory=dict, hash=False)  # of quotas, by account


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedPartition:
    """A newly assigned partition with its state, ready to be read."""

    mark: Mark | None  # None = there is no committed position, or this connector did not commit it
    start: int  # position to read from: the committed one, or the configured start
    end: int  # last stable offset, read at or after the assignment
    state_topic_id: str
    partitions: int  # of the input topic now
    input_topic_id: str = ""
    state: dict[str, Stored] = field(default_factory=dict)  # stored lanes by key; the engine owns and empties it
    committed: bool = False  # the group has a committed position, with a mark or without (set by Kafka's own tools)
    skips: bool = False  # the group has no position, and the configured start skips existing records
    assigned_at_s: float | None = None  # monotonic clock; restoring took the time since then. None = it took none


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """Newly assigned partitions whose state has been read; they stay paused until ``Intake`` resumes them."""

    parts: Mapping[Assignment, OwnedPartition]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """Partitions taken away from this process.

    ``lost`` False: drain them and hand them over within ``budget_s``. True: another process may own them already.
    """

    parts: tuple[Assignment, ...]
    lost: bool
    budget_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Records and positions from one poll; the records of a partition are in order of offset."""

    records: Sequence[Record] = ()
    positions: Mapping[Assignment, int] = field(default_factory=dict)  # also past control records and aborted data
    ends: Mapping[Assignment, int] = field(default_factory=dict)  # last stable offsets, where known; for lag
    log_ends: Mapping[Assignment, int] = field(default_factory=dict)  # log end offsets, open transactions included
    leaderless: Mapping[Assignment, str] = field(default_factory=dict)  # no end known: the broker's error message


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic's id and number of partitions. A topic that is deleted and created again gets another id."""

    id: str
    partitions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicsSeen:
    """Input and state topics by name, as described by the broker every few seconds.

    A topic that the broker did not describe is left out.
    """

    topics: Mapping[str, Topic]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A partition that cannot continue (offset out of range, lane too large); the engine stops it with ``reason``."""

    at: Assignment
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The result of a ``Fetch``. ``problem`` None: it succeeded. Otherwise it failed, and is requested again later."""

    need: Any
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A checkpoint is durable, except for the parts of assignments that ended meanwhile."""

    serial: int
    marks: Mapping[Assignment, Mark]
    sent_at_s: float  # when the successful commit was sent; the lease starts here


@dataclass(frozen=True, slots=True, kw_only=True)
class Delayed:
    """An attempt to make a checkpoint durable failed; it is retried."""

    serial: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SideFetch:
    """To the side reader: read a side input from ``position`` on; answered by one ``SideRecords``.

    At most one is expected to be answered for each assignment and name: one that is unanswered for too long is made
    again, and an answer to the earlier one is ignored. One for an assignment that has ended need not be answered.
    """

    at: Assignment
    name: str
    topic: str
    partition: int
    position: int
    number: int = 0  # counts the requests of the side input in the assignment


@dataclass(frozen=True, slots=True, kw_only=True)
class SideRecords:
    """The answer to a ``SideFetch``: records of a side input in order of offset; none = there was nothing to read.

    ``log``: the first offset and the end of the log, if ``fetch.position`` is outside of it; nothing was read then.
    ``problem``: why nothing could be read; the engine asks again later.
    """

    fetch: SideFetch
    position: int  # next offset, also past control records and aborted data
    records: Sequence[Record] = ()
    end: int | None = None  # last stable offset, if known; for lag
    topic_id: str = ""  # of the topic that was read; empty = unknown
    log: tuple[int, int] | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Lets the engine act on the time that has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Shut the process down within ``budget_s``: stop intake, wait for calls in flight, make everything durable."""

    budget_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A consistent snapshot to be made durable atomically: outputs (changed lanes included) and marks by assignment."""

    serial: int
    outputs: Mapping[Assignment, tuple[Output, ...]]
    marks: Mapping[Assignment, Mark]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """To the source: pause or resume reading these partitions; the others stay as they are."""

    pause: frozenset[Assignment] = frozenset()
    resume: frozenset[Assignment] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reread:
    """To the source: seek these partitions to their current position, because they have lag and no records arrive."""

    parts: frozenset[Assignment]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """To the sink: these assignments have ended; discard what is not yet written for them."""

    parts: frozenset[Assignment]


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """These revoked partitions are drained and durable, or their budget is used up: the revoke callback may return."""

    parts: frozenset[Assignment]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """To a worker: fetch the ``need`` of a ``NotYet``; answered by ``Fetched``."""

    need: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A line for the log. ``event`` and the names in ``fields`` are listed in ``telemetry.EVENTS``."""

    event: str
    level: str = "info"
    fields: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """End the process. ``failed`` False: it was drained as requested. True: commit nothing further, exit non-zero."""

    reason: str
    failed: bool = True


Input: TypeAlias = (
    Assigned
    | Revoked
    | Arrivals
    | TopicsSeen
    | Answer
    | Written
    | Broken
    | Fetched
    | ControlRead
    | RulesChanged
    | SideRecords
    | Tick
    | Drain
    | Delayed
)


Effect: TypeAlias = Call | Checkpoint | Intake | Reread | Drop | Released | Fetch | SideFetch | Notice | Stop
