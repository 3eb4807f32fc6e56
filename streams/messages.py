"""What travels between source, engine and sink: ``Input`` is what the engine is told, ``Effect`` what it asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from streams.flow import Answer, Assignment, Call, Output, Record, Stored, Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """All that the commit metadata of a partition says beside the position."""

    position: int  # next offset to read
    read_ahead: int
    drained: bool
    serial: int  # of the checkpoint that wrote it
    state_topic_id: str
    input_topic_id: str = ""  # empty = written by a version that did not say it


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedPartition:
    """A newly assigned partition with its restored state, ready to be read."""

    mark: Mark | None  # None = the position, if there is one, was not committed by us
    start: int  # position to read from: the committed one, or where the configuration says
    end: int  # last stable offset, read at or after the assignment
    state_topic_id: str
    partitions: int  # of the input topic, as seen now
    input_topic_id: str = ""
    state: dict[str, Stored] = field(default_factory=dict)  # the engine takes it over, and empties it
    committed: bool = False  # the group had a position here, with a mark or without (set by Kafka's own tools)
    skips: bool = False  # it had none, and the configured start passes over records that are there


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """Partitions that were given to us and are restored; intake stands until the engine resumes it."""

    parts: Mapping[Assignment, OwnedPartition]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """``lost`` False: drain and hand over within ``budget_s``. True: they belong to another already."""

    parts: tuple[Assignment, ...]
    lost: bool
    budget_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Records in order of offset per partition; ``positions`` also pass control records and aborted data."""

    records: Sequence[Record] = ()
    positions: Mapping[Assignment, int] = field(default_factory=dict)
    ends: Mapping[Assignment, int] = field(default_factory=dict)  # last stable offsets, as far as known; for lag
    log_ends: Mapping[Assignment, int] = field(default_factory=dict)  # of all that is written, open transactions too
    leaderless: Mapping[Assignment, str] = field(default_factory=dict)  # instead of an end: what a broker said of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What a topic is now. A topic that was deleted and created again has the name of the old one and another id."""

    id: str
    partitions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicsSeen:
    """Input and state topics by name, as the broker describes them every few seconds; one without an answer is left
    out."""

    topics: Mapping[str, Topic]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A partition that cannot go on (offset out of range, lane too large): it is refused, and says why."""

    at: Assignment
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a flow needed to read a record was fetched (or could not be: ``problem``; it is asked for again later)."""

    need: Any
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A checkpoint is durable, less what died with its assignment."""

    serial: int
    marks: Mapping[Assignment, Mark]
    sent_at_s: float  # the lease runs from the send time of the successful commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Delayed:
    """A checkpoint could not be made durable yet; it is tried again."""

    serial: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """The process shall end: intake closes, calls in flight end, everything is made durable, within ``budget_s``."""

    budget_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A consistent snapshot: outputs (changed lanes among them) and marks, to be made durable as one."""

    serial: int
    outputs: Mapping[Assignment, tuple[Output, ...]]
    marks: Mapping[Assignment, Mark]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Pause or resume reading; partitions not named stay as they are."""

    pause: frozenset[Assignment] = frozenset()
    resume: frozenset[Assignment] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reread:
    """To the source: seek these to where they stand; there is more to read, and nothing comes."""

    parts: frozenset[Assignment]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """To the sink: these assignments are no longer ours; drop what is kept for them."""

    parts: frozenset[Assignment]


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """These revoked partitions are drained and durable (or their budget is over): the revoke may return."""

    parts: frozenset[Assignment]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """Get what ``NotYet`` named, in a worker; answered by ``Fetched``."""

    need: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something a person should read in the log: ``event`` and ``fields`` are of the closed list in telemetry."""

    event: str
    level: str = "info"
    fields: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The process ends. ``failed`` False: drained on request. True: commit nothing further, exit non-zero."""

    reason: str
    failed: bool = True


Input: TypeAlias = (
    Assigned | Revoked | Arrivals | TopicsSeen | Answer | Written | Broken | Fetched | Told | Tick | Drain | Delayed
)


Effect: TypeAlias = Call | Checkpoint | Intake | Reread | Drop | Released | Fetch | Notice | Stop
