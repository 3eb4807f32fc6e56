"""A partition's life, for one assignment: catching up, open, refused, draining, gone; its gate, backlog and marks.

Only this file asks for the phase. The gate exists because, after a crash, a newer value may have been accepted by the
outside that is not yet durable here: an older one must not be sent first. So nothing leaves before (a) all that the
predecessor can have read is read, (b) nothing of the predecessor can still be under way, (c) our own mark, not
drained, is durable.
"""

from collections import deque
from collections.abc import Mapping
from enum import Enum, auto
from math import inf
from typing import Final

from streams.flow import Assignment, NotYet, Record
from streams.messages import Mark, OwnedPartition, Topic
from streams.policy import Policy


class Phase(Enum):
    """In words, for a person."""

    CATCHING_UP = "catching up"
    OPEN = "open"
    REFUSED = "refused: nothing is read, sent or committed"
    DRAINING = "draining"
    GONE = "gone"


class Trigger(Enum):
    OPENED = auto()
    WAS_REFUSED = auto()
    REVOKED = auto()
    ENDED = auto()


TRANSITIONS: Final[Mapping[tuple[Phase, Trigger], Phase]] = {
    (Phase.CATCHING_UP, Trigger.OPENED): Phase.OPEN,
    (Phase.CATCHING_UP, Trigger.REVOKED): Phase.DRAINING,
    (Phase.OPEN, Trigger.REVOKED): Phase.DRAINING,
    (Phase.REFUSED, Trigger.REVOKED): Phase.GONE,
    (Phase.DRAINING, Trigger.REVOKED): Phase.DRAINING,
    **{(phase, Trigger.WAS_REFUSED): Phase.REFUSED for phase in Phase if phase not in (Phase.DRAINING, Phase.GONE)},
    (Phase.DRAINING, Trigger.WAS_REFUSED): Phase.GONE,
    **{(phase, Trigger.ENDED): Phase.GONE for phase in Phase},
}

READS = frozenset({Phase.CATCHING_UP, Phase.OPEN})
SENDS = frozenset({Phase.OPEN})
CHANGES = frozenset({Phase.CATCHING_UP, Phase.DRAINING, Phase.GONE})
WRITES = frozenset(set(Phase) - {Phase.REFUSED, Phase.GONE})


class Partition:
    """What is ours for one assignment. Positions are next offsets."""

    def __init__(self, at: Assignment, owned: OwnedPartition, policy: Policy, now_s: float) -> None:
        self.at = at
        self.state_topic_id = owned.state_topic_id  # not all of ``owned``: its state is the lanes' to keep
        self.input_topic_id = owned.input_topic_id
        self.position = owned.start  # everything below has had its turn
        self.seen = owned.start  # everything below has arrived
        self.durable = owned.start
        self.end = owned.end
        self.leaderless = ""  # what a broker said of its leader that is away; empty = nothing
        self.held_back = 0  # offsets behind an open transaction of a producer
        self.held_since_s = inf
        self._held_at = -1
        self.backlog: deque[Record] = deque()
        self.needs: NotYet | None = None  # what the next lane, or the first of the backlog, cannot be read without
        self.to_restore = 0  # lanes; nothing is read before there is none
        self.flowing = False  # what the source was last told
        self.moved_at_s = now_s
        self.deadline_s = inf  # of the hand-over
        self.broken = ""
        self._phase = Phase.CATCHING_UP
        self._policy = policy
        self._sent_from_here = False
        self._marked = False  # our own mark is durable
        self._mark_asked = False
        self._final: int | None = None  # serial of the mark that hands over
        self._final_durable = False
        found = owned.mark
        # a position without a mark was set by a tool, perhaps right after an owner was killed: only where nothing was
        # ever committed did nobody send, for our own mark is durable before that
        self._found_drained = found.drained if found is not None else not owned.committed
        self._reach = owned.end if found is None else found.position + found.read_ahead
        self._target = min(owned.end, self._reach)
        undrained_s = policy.lease_s + policy.call_deadline_s + policy.grace_s
        self._waits_until_s = now_s + (policy.drained_wait_s if self._found_drained else undrained_s)

    # ---- phase ------------------------------------------------------------------------------------------------------

    def step(self, step: Trigger) -> None:
        """Raises KeyError for a step that the phase does not know."""
        self._phase = TRANSITIONS[self._phase, step]

    @property
    def phase(self) -> str:
        return self._phase.value

    @property
    def reads(self) -> bool:
        return self._phase in READS

    @property
    def sends(self) -> bool:
        return self._phase in SENDS

    @property
    def writes(self) -> bool:
        return self._phase in WRITES

    @property
    def is_draining(self) -> bool:
        return self._phase is Phase.DRAINING

    @property
    def is_changing(self) -> bool:
        """On its way into or out of work."""
        return self._phase in CHANGES

    # ---- reading ----------------------------------------------------------------------------------------------------

    @property
    def limit(self) -> int:
        """Nothing at or beyond it may come into a lane before more is durable."""
        return self.durable + self._policy.read_ahead

    @property
    def lag(self) -> int:
        return max(0, self.end - self.position)

    @property
    def is_restoring(self) -> bool:
        return self.to_restore > 0 and self.reads

    @property
    def may_take(self) -> bool:
        is_held_up = self.needs is not None or self.to_restore
        return bool(self.backlog) and not is_held_up and self.backlog[0].offset < self.limit

    @property
    def wants_more(self) -> bool:
        """Whether the source should go on reading it."""
        return self.reads and not self.backlog and not self.to_restore and self.seen < self.limit

    def restored(self, left: int, now_s: float) -> None:
        """Some lanes were; so many are left."""
        if left != self.to_restore:
            self.moved_at_s = now_s
        self.to_restore = left

    def flow(self, *, on: bool, now_s: float) -> None:
        """Reading goes on, or is held up. Lag that grew old while it was held up is no stall."""
        self.flowing = on
        self.moved_at_s = now_s

    def arrived(self, record: Record) -> None:
        if record.offset >= self.seen:
            self.backlog.append(record)
            self.seen = record.offset + 1

    def passed(self, position: int, now_s: float) -> None:
        """The source's own position: it passes control records and aborted data too."""
        self.seen = max(self.seen, position)
        self.moved(now_s)

    def moved(self, now_s: float) -> None:
        position = self.backlog[0].offset if self.backlog else self.seen
        if position > self.position:
            self.position = position
            self.moved_at_s = now_s

    def ends(self, end: int, now_s: float) -> None:
        """The last stable offset as the source knows it: its leader has answered."""
        self.leaderless = ""
        if not self.lag:
            self.moved_at_s = now_s
        self.end = end

    def log_ends(self, log_end: int, now_s: float) -> None:
        """The end of all that is written, asked for with the last stable offset. What is between cannot be read yet.

        Its age counts from when the stable offset was first seen to stand there: one that moves is held up by nobody.
        """
        self.held_back = max(0, log_end - self.end)
        if not self.held_back:
            self.held_since_s = inf
        elif self._held_at != self.end or self.held_since_s == inf:
            self._held_at, self.held_since_s = self.end, now_s

    def held_age_s(self, now_s: float) -> float:
        return max(0.0, now_s - self.held_since_s)

    def close_intake(self) -> None:
        """What has arrived and not had its turn is read again by whoever comes next."""
        self.backlog.clear()
        self.needs = None
        self.seen = self.position

    # ---- the gate ---------------------------------------------------------------------------------------------------

    def gate(self, now_s: float) -> tuple[str, ...]:
        """Why nothing may be sent yet; empty = the gate may open."""
        if self._phase is not Phase.CATCHING_UP:
            return ()
        reasons = []
        if self.to_restore:
            reasons.append(f"{self.to_restore} lanes are still to be restored")
        if self.position < self._target:
            reasons.append(f"read up to {self.position} of {self._target}")
        if now_s < self._waits_until_s:
            reasons.append(f"calls of the owner before may be under way for {self._waits_until_s - now_s:.1f} s")
        if not self._marked:
            reasons.append("our own mark is not durable")
        return tuple(reasons)

    def may_open(self, now_s: float) -> bool:
        return (
            self._phase is Phase.CATCHING_UP
            and not self.to_restore
            and self._marked
            and now_s >= self._waits_until_s
            and self.position >= self._target
        )

    def open(self) -> None:
        self.step(Trigger.OPENED)
        self._sent_from_here = True

    def gate_at_s(self) -> float:
        """When time alone may open it."""
        waits = self._phase is Phase.CATCHING_UP and self._marked and self.position >= self._target
        return self._waits_until_s if waits else inf

    # ---- marks ------------------------------------------------------------------------------------------------------

    def mark_is_urgent(self, held: int) -> bool:
        """Someone waits for it: our own gate, or the next owner."""
        if self._phase is Phase.DRAINING:
            return held == 0 and not self._final_durable and self._final is None
        return self.writes and not self._mark_asked

    def mark(self, serial: int, held: int) -> Mark:
        """The mark that goes with a checkpoint. ``held``: items that may still have an effect outside.

        A partition whose gate has not opened leaves what it found: how far the owner before may have read, and, when
        it hands over, whether that one had drained.
        """
        final = self._phase is Phase.DRAINING and held == 0
        self._final = serial if final else None
        self._mark_asked = True
        drained = final and (self._sent_from_here or self._found_drained)
        read_ahead = self._policy.read_ahead
        if not self._sent_from_here:
            read_ahead = max(read_ahead, self._reach - self.position)
        return Mark(
            position=self.position,
            read_ahead=read_ahead,
            drained=drained,
            serial=serial,
            state_topic_id=self.state_topic_id,
            input_topic_id=self.input_topic_id,
        )

    def became_durable(self, mark: Mark, now_s: float) -> None:
        if mark.position > self.durable:
            self.moved_at_s = now_s
        self.durable = max(self.durable, mark.position)
        self._marked = self._marked or not mark.drained
        self._final_durable = self._final == mark.serial

    def is_handed_over(self, now_s: float) -> bool:
        """Drained and durable, or its budget is over, or there is nothing that it could hand over."""
        drained = self._phase is Phase.DRAINING and (self._final_durable or now_s >= self.deadline_s)
        return drained or self._phase is Phase.GONE


def misfit(owned: OwnedPartition, partitions: int, at: Assignment, state_topic: str) -> str | None:
    """Why the process must not go on with what it was given, with the remedy; None = all is well."""
    if owned.partitions != partitions:
        return _resized(at.topic, owned.partitions, partitions)
    if owned.mark is not None and owned.mark.state_topic_id != owned.state_topic_id:
        return _other_state(at, state_topic, owned.mark.state_topic_id, owned.state_topic_id)
    return None


def unfit(owned: OwnedPartition, at: Assignment, state_topic: str) -> str | None:
    """Why one partition must stand until a person has mended it, with the remedy; None = all is well."""
    mark = owned.mark
    if mark is not None and mark.input_topic_id and mark.input_topic_id != owned.input_topic_id:
        return _other_input(at, state_topic, mark.input_topic_id, owned.input_topic_id)
    return _unread(owned, at, state_topic)


def outgrown(at: Assignment, topic: Topic, partitions: int) -> str | None:
    """Why the process must end: its input has more partitions than it had. None = it has not."""
    return _resized(at.topic, topic.partitions, partitions) if topic.partitions > partitions else None


def replaced_state(partition: Partition, topic: Topic, state_topic: str) -> str | None:
    """Why the process must end: a state topic was replaced while it ran. None = it was not."""
    if partition.state_topic_id in ("", topic.id):
        return None
    return _other_state(partition.at, state_topic, partition.state_topic_id, topic.id)


def replaced_input(partition: Partition, topic: Topic, state_topic: str) -> str | None:
    """Why a partition must stand: its topic was replaced while it was read. None = it was not."""
    if partition.input_topic_id in ("", topic.id):
        return None
    return _other_input(partition.at, state_topic, partition.input_topic_id, topic.id)


def out_of_range(at: Assignment, offset: int | None, state_topic: str, said: str = "") -> str:
    """Why a partition stands whose next offset is not in its log, with the remedy. ``said``: the client's words."""
    words = f" ({said})" if said else ""
    return (
        f"offset {offset} of {at.topic}/{at.partition} is not in the log{words}: it was kept too short a time, or "
        f"{at.topic} was deleted and created again. Nothing of this partition is read, sent or committed. Remedy: with "
        f"all processes stopped, reset the group's offset of this partition (--to-earliest skips nothing that is "
        f"there); if {at.topic} was created again, recreate {state_topic} as well and reset the offsets of all its "
        "partitions"
    )


def _resized(topic: str, found: int, expected: int) -> str:
    return (
        f"{topic} has {found} partitions, expected {expected}: "
        "a changed number of partitions needs a migration, because keys have moved between partitions"
    )


def _other_state(at: Assignment, state_topic: str, before: str, now: str) -> str:
    return (
        f"the committed position of {at.topic} partition {at.partition} belongs to another {state_topic} "
        f"({before}) than is there now ({now}): state and offsets are one "
        f"snapshot. Remedy: reset both; with all processes stopped, recreate {state_topic} and set the group's "
        f"offsets of {at.topic} to where the rebuild shall begin"
    )


def _other_input(at: Assignment, state_topic: str, before: str, now: str) -> str:
    return (
        f"the position of {at.topic} partition {at.partition} belongs to another {at.topic} ({before}) than is there "
        f"now ({now}): the topic was deleted and created again, and its offsets count anew. Nothing of this partition "
        f"is read, sent or committed. Remedy: with all processes stopped, recreate {state_topic} and reset the group's "
        f"offsets of {at.topic} (--to-earliest skips nothing). Result ids repeat those of the old topic: see "
        "docs/operations.md"
    )


def _unread(owned: OwnedPartition, at: Assignment, state_topic: str) -> str | None:
    """Lanes without a position: the group's offsets have expired, or were deleted. Where it had read to is not known:
    to begin anywhere but at the first record could skip events, and nobody would notice.
    """
    if not owned.skips or not owned.state:
        return None
    return (
        f"{state_topic} has {len(owned.state)} lanes of {at.topic} partition {at.partition}, and the group has no "
        f"position there (expired, or deleted): to start at {owned.start} could skip events unread. Remedy: set the "
        f"group's offset of this partition to where reading shall go on (the earliest repeats and skips nothing), or, "
        f"for a new start, recreate {state_topic} with all processes stopped"
    )
