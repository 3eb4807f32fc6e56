"""A partition's phases for one assignment (catching up, open, refused, draining, gone), its gate, backlog and marks.

Only this module tests the phase; other modules use ``reads``, ``sends`` and so on. The gate exists because of crashes:
a newer value that the previous owner sent may have been accepted without this being durable here, and no older value
may be sent after it. So no call leaves before (a) all records that the previous owner may have read are read, (b) no
call of the previous owner can be in flight any more, and (c) a mark of this owner that is not ``drained`` is durable.
Nor does one before (d) the commands in force are known, where there is a control topic.
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
    """The phase of a partition; the values are shown to people."""

    CATCHING_UP = "catching up"
    OPEN = "open"
    REFUSED = "refused: nothing is read, sent or committed"
    DRAINING = "draining"
    GONE = "gone"


class Trigger(Enum):
    """What moves a partition from one phase to another."""

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
    """The state of one assigned partition. A position is the next offset."""

    def __init__(self, at: Assignment, owned: OwnedPartition, policy: Policy, now_s: float) -> None:
        self.at = at
        self.state_topic_id = owned.state_topic_id  # ``owned`` itself is not kept: its state would stay in memory
        self.input_topic_id = owned.input_topic_id
        self.position = owned.start  # everything below has had its turn
        self.seen = owned.start  # everything below has arrived
        self.durable = owned.start  # the committed position
        self.end = owned.end  # last stable offset, as far as known
        self.leaderless = ""  # the broker's error while the partition has no leader; empty = it has one
        self.held_back = 0  # offsets behind an open transaction of a producer
        self.held_since_s = inf  # when these were first seen
        self._held_at = -1  # the last stable offset then
        self.backlog: deque[Record] = deque()  # arrived, waiting for their turn
        self.needs: NotYet | None = None  # must be fetched before the next lane or record can be read
        self.to_restore = 0  # lanes; nothing is read before all are restored
        self.resumed = False  # whether the source was last told to read
        self.moved_at_s = now_s  # when it last made progress
        self.deadline_s = inf  # of the hand-over
        self.broken = ""  # why the partition was stopped
        self.awaits_control = False  # the control topic was not read to its end yet
        self._phase = Phase.CATCHING_UP
        self._policy = policy
        self._sent_from_here = False  # the gate was opened
        self._marked = False  # a mark of this assignment that is not ``drained`` is durable
        self._mark_asked = False  # a checkpoint with a mark of this assignment was started
        self._final: int | None = None  # serial of the checkpoint whose mark hands the partition over
        self._final_durable = False
        found = owned.mark
        # A position without a mark was set by a tool, perhaps right after an owner was killed. Only where nothing was
        # ever committed is it certain that nothing was sent, because an owner sends only after its mark is durable.
        self._predecessor_drained = found.drained if found is not None else not owned.committed
        self._reach = owned.end if found is None else found.position + found.read_ahead
        self._target = min(owned.end, self._reach)
        undrained_s = policy.lease_s + policy.call_deadline_s + policy.grace_s
        # The group assigns a partition when its previous owner has released it, or was removed: no lease that a commit
        # of that owner began is younger. So the time for which the state was restored counts as waiting.
        since_s = now_s if owned.assigned_at_s is None else min(owned.assigned_at_s, now_s)
        self._waits_until_s = since_s + (policy.drained_wait_s if self._predecessor_drained else undrained_s)

    # ---- phase ------------------------------------------------------------------------------------------------------

    def step(self, step: Trigger) -> None:
        """Enters the next phase. Raises KeyError for a trigger that does not exist in the current one."""
        self._phase = TRANSITIONS[self._phase, step]

    @property
    def phase(self) -> str:
        """The phase in words, for people."""
        return self._phase.value

    @property
    def reads(self) -> bool:
        """Whether its records are read."""
        return self._phase in READS

    @property
    def sends(self) -> bool:
        """Whether calls may be made for it."""
        return self._phase in SENDS

    @property
    def writes(self) -> bool:
        """Whether its outputs, lanes and marks go into checkpoints."""
        return self._phase in WRITES

    @property
    def is_draining(self) -> bool:
        return self._phase is Phase.DRAINING

    @property
    def is_clean(self) -> bool:
        """Whether there was no previous owner, or it left nothing that is unanswered or not durable."""
        return self._predecessor_drained

    @property
    def is_changing(self) -> bool:
        """Whether it is between being assigned and opened, or between being revoked and released."""
        return self._phase in CHANGES

    # ---- reading ----------------------------------------------------------------------------------------------------

    @property
    def limit(self) -> int:
        """The offset from which on no record may reach a lane until more is durable."""
        return self.durable + self._policy.read_ahead

    @property
    def lag(self) -> int:
        """How many offsets are between its position and the last stable offset."""
        return max(0, self.end - self.position)

    @property
    def is_restoring(self) -> bool:
        return self.to_restore > 0 and self.reads

    @property
    def may_take(self) -> bool:
        """Whether the first record of the backlog may be given to its lane now."""
        is_held_up = self.needs is not None or self.to_restore
        return bool(self.backlog) and not is_held_up and self.backlog[0].offset < self.limit

    @property
    def wants_more(self) -> bool:
        """Whether the source should go on reading it."""
        return self.reads and not self.backlog and not self.to_restore and self.seen < self.limit

    def restored(self, left: int, now_s: float) -> None:
        """Records how many lanes are left to restore."""
        if left != self.to_restore:
            self.moved_at_s = now_s
        self.to_restore = left

    def flow(self, *, on: bool, now_s: float) -> None:
        """Records that the source resumes or pauses reading. The time paused does not count as a stall."""
        self.resumed = on
        self.moved_at_s = now_s

    def arrived(self, record: Record) -> None:
        """Adds a record to the backlog; ignores one that arrives a second time."""
        if record.offset >= self.seen:
            self.backlog.append(record)
            self.seen = record.offset + 1

    def passed(self, position: int, now_s: float) -> None:
        """Applies the source's position, which also passes control records and aborted data."""
        self.seen = max(self.seen, position)
        self.moved(now_s)

    def moved(self, now_s: float) -> None:
        """Advances the position to the first record of the backlog, or past all that has arrived."""
        position = self.backlog[0].offset if self.backlog else self.seen
        if position > self.position:
            self.position = position
            self.moved_at_s = now_s

    def ends(self, end: int, now_s: float) -> None:
        """Applies the last stable offset, which shows that the partition has a leader."""
        self.leaderless = ""
        if not self.lag:
            self.moved_at_s = now_s
        self.end = end

    def log_ends(self, log_end: int, now_s: float) -> None:
        """Applies the log end offset, requested together with the last stable offset.

        The records in between cannot be read yet. They count as held back from when the last stable offset was first
        seen at its present value: while it moves, no transaction holds it back.
        """
        self.held_back = max(0, log_end - self.end)
        if not self.held_back:
            self.held_since_s = inf
        elif self._held_at != self.end or self.held_since_s == inf:
            self._held_at, self.held_since_s = self.end, now_s

    def held_age_s(self, now_s: float) -> float:
        """Returns for how long an open transaction has held records back; 0 = none does."""
        return max(0.0, now_s - self.held_since_s)

    def close_intake(self) -> None:
        """Discards the backlog; the next owner reads it again."""
        self.backlog.clear()
        self.needs = None
        self.seen = self.position

    # ---- the gate ---------------------------------------------------------------------------------------------------

    def gate(self, now_s: float) -> tuple[str, ...]:
        """Returns why nothing may be sent yet; empty = nothing keeps the gate closed."""
        if self._phase is not Phase.CATCHING_UP:
            return ()
        reasons = []
        if self.to_restore:
            reasons.append(f"{self.to_restore} lanes are still to be restored")
        if self.position < self._target:
            reasons.append(f"read up to {self.position} of {self._target}")
        if now_s < self._waits_until_s:
            reasons.append(
                f"calls of the previous owner may still be in flight for {self._waits_until_s - now_s:.1f} s"
            )
        if self.awaits_control:
            reasons.append("the control topic has not been read to its end yet")
        if not self._marked:
            reasons.append("this process has not committed a position of its own yet")
        return tuple(reasons)

    def may_open(self, now_s: float) -> bool:
        """Whether nothing keeps the gate closed any more; the reasons are those of ``gate``."""
        return (
            self._phase is Phase.CATCHING_UP
            and not self.to_restore
            and not self.awaits_control
            and self._marked
            and now_s >= self._waits_until_s
            and self.position >= self._target
        )

    def open(self) -> None:
        """Opens the gate."""
        self.step(Trigger.OPENED)
        self._sent_from_here = True

    def gate_at_s(self) -> float:
        """Returns when the gate can open if it waits for nothing but time; otherwise ``inf``."""
        waits = (
            self._phase is Phase.CATCHING_UP
            and self._marked
            and not self.awaits_control
            and self.position >= self._target
        )
        return self._waits_until_s if waits else inf

    # ---- marks ------------------------------------------------------------------------------------------------------

    def mark_is_urgent(self, held: int) -> bool:
        """Whether the gate or the next owner needs a mark. ``held``: items that may still have an effect outside."""
        if self._phase is Phase.DRAINING:
            return held == 0 and not self._final_durable and self._final is None
        return self.writes and not self._mark_asked

    def mark(self, serial: int, held: int) -> Mark:
        """Returns the mark for a checkpoint. ``held``: items that may still have an effect outside.

        While the gate has not opened, the mark passes on what the previous owner left: how far it may have read, and,
        at the hand-over, whether it had drained.
        """
        final = self._phase is Phase.DRAINING and held == 0
        self._final = serial if final else None
        self._mark_asked = True
        drained = final and (self._sent_from_here or self._predecessor_drained)
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
        """Applies a mark of this partition that was committed."""
        if mark.position > self.durable:
            self.moved_at_s = now_s
        self.durable = max(self.durable, mark.position)
        self._marked = self._marked or not mark.drained
        self._final_durable = self._final == mark.serial

    def is_handed_over(self, now_s: float) -> bool:
        """Whether it may be released: drained and durable, its budget is used up, or there is nothing to hand over."""
        drained = self._phase is Phase.DRAINING and (self._final_durable or now_s >= self.deadline_s)
        return drained or self._phase is Phase.GONE


def mismatch(owned: OwnedPartition, partitions: int, at: Assignment, state_topic: str) -> str | None:
    """Returns why the process must stop rather than read a newly assigned partition, with the remedy; None = it need
    not."""
    if owned.partitions != partitions:
        return _resized(at.topic, owned.partitions, partitions)
    if owned.mark is not None and owned.mark.state_topic_id != owned.state_topic_id:
        return _other_state(at, state_topic, owned.mark.state_topic_id, owned.state_topic_id)
    return None


def unfit(owned: OwnedPartition, at: Assignment, state_topic: str) -> str | None:
    """Returns why a newly assigned partition must be stopped until an operator repairs it, with the remedy; None = it
    need not."""
    mark = owned.mark
    if mark is not None and mark.input_topic_id and mark.input_topic_id != owned.input_topic_id:
        return _other_input(at, state_topic, mark.input_topic_id, owned.input_topic_id)
    return _unread(owned, at, state_topic)


def grown_topic(at: Assignment, topic: Topic, partitions: int) -> str | None:
    """Returns why the process must stop because an input topic got more partitions; None = it did not."""
    return _resized(at.topic, topic.partitions, partitions) if topic.partitions > partitions else None


def replaced_state(partition: Partition, topic: Topic, state_topic: str) -> str | None:
    """Returns why the process must stop because a state topic was replaced while it ran; None = it was not."""
    if partition.state_topic_id in ("", topic.id):
        return None
    return _other_state(partition.at, state_topic, partition.state_topic_id, topic.id)


def replaced_input(partition: Partition, topic: Topic, state_topic: str) -> str | None:
    """Returns why a partition must be stopped because its topic was replaced while it was read; None = it was not."""
    if partition.input_topic_id in ("", topic.id):
        return None
    return _other_input(partition.at, state_topic, partition.input_topic_id, topic.id)


def out_of_range(at: Assignment, offset: int | None, state_topic: str, error: str = "") -> str:
    """Returns why a partition whose next offset is not in its log is stopped, with the remedy.

    ``error``: the client's error message.
    """
    detail = f" ({error})" if error else ""
    return (
        f"offset {offset} of {at.topic}/{at.partition} is not in the log{detail}: it was kept too short a time, or "
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
    """Returns why a partition with stored lanes but without a committed position is stopped; None = it is not.

    The group's offsets have expired or were deleted, so it is not known how far the partition was read. Starting
    anywhere but at the first record could skip events silently.
    """
    if not owned.skips or not owned.state:
        return None
    return (
        f"{state_topic} has {len(owned.state)} lanes of {at.topic} partition {at.partition}, and the group has no "
        f"position there (expired, or deleted): to start at {owned.start} could skip events unread. Remedy: set the "
        f"group's offset of this partition to where reading shall go on (the earliest repeats and skips nothing), or, "
        f"for a new start, recreate {state_topic} with all processes stopped"
    )
