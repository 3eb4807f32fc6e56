"""A partition and its lanes for the duration of one assignment: applies each input to both."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from streams.dead_letter import DeadLetters
from streams.dispatch.in_flight import SentItem
from streams.dispatch.wants import Wants
from streams.engine.checkpoint import CheckpointPart, Outbox
from streams.engine.control_effects import PendingReview
from streams.engine.open_side_input import OpenSideInput
from streams.engine.partition import Partition, Trigger
from streams.engine.side_reading import SideReading
from streams.flow import Answered, Arrived, Assignment, BadRecord, Draining, Flow, NotYet, Now, Output, Woken
from streams.lanes.lane import Lane
from streams.lanes.lanes import Lanes
from streams.messages import Mark, OwnedPartition
from streams.policy import Policy
from streams.quota import NOTHING_SPENT, SpentCalls
from streams.side_input import Opening, SideInputs, SidePosition

WOKEN = Woken()
DRAINING = Draining()


class AssignedPartition:
    """A partition's position and phase (``partition``), its lanes (``lanes``) and what they produced (``outbox``)."""

    def __init__(
        self,
        at: Assignment,
        owned: OwnedPartition,
        *,
        flow: Flow[Any],
        policy: Policy,
        wants: Wants,
        outbox: Outbox,
        dead_letters: DeadLetters,
        sides: SideInputs | None,
        now: Now,
    ) -> None:
        self.at = at
        self.partition = Partition(at, owned, policy, now.mono_s)
        self.lanes = Lanes(flow, at, wants, outbox, kept_decoded=policy.kept_decoded)
        flow.assigned(at.partition, len(owned.state))
        self.lanes.take_over(owned.state)
        self.partition.to_restore = self.lanes.to_restore
        self.outbox = outbox
        self.review = PendingReview()
        self.side = SideReading(at, sides, _positions(owned))
        self._flow = flow
        self._wants = wants
        self._dead_letters = dead_letters

    # ---- restoring --------------------------------------------------------------------------------------------------

    def restore(self, at_most: int, now: Now) -> None:
        """Restores at most this many lanes. A schema that one of them needs is fetched first, as for a record."""
        partition = self.partition
        if partition.needs is None and not self.lanes.fault:
            partition.needs = self.lanes.restore(at_most, now.mono_s)
            partition.restored(self.lanes.to_restore, now.mono_s)

    # ---- records ----------------------------------------------------------------------------------------------------

    def read(self, now: Now, room_outputs: int, room_awake: int) -> None:
        """Gives lanes turns for the records that have arrived, as far as read-ahead and the given room allow."""
        partition, part, awake = self.partition, self.outbox, self.lanes.awake
        outputs_at_most, awake_at_most = len(part) + room_outputs, len(awake) + room_awake
        while (
            partition.may_take and not self.lanes.fault and len(part) < outputs_at_most and len(awake) < awake_at_most
        ):
            record = partition.backlog[0]
            decoded = self._flow.read(record, now)
            match decoded:
                case Arrived():
                    self.lanes.turn(decoded.lane, decoded, now)
                case BadRecord():
                    part.outputs.append(self._dead_letters.letter(record, decoded, now.wall_us))
                case NotYet():
                    partition.needs = decoded
                    break
            partition.backlog.popleft()
        partition.moved(now.mono_s)

    def needs(self) -> Iterator[NotYet]:
        """Yields what must be fetched before lanes, records or records of side inputs can be read."""
        if self.partition.needs is not None:
            yield self.partition.needs
        yield from self.side.needs()

    def fetched(self, need: Any) -> None:
        """Lets reading go on where it waited for ``need``."""
        if self.partition.needs is not None and self.partition.needs.need == need:
            self.partition.needs = None
        self.side.fetched(need)

    # ---- lanes ------------------------------------------------------------------------------------------------------

    def open(self, now: Now, *, knows_all: bool) -> None:
        """Opens the gate: wants may leave, sleeping lanes may be woken, side inputs are read. Wakes standing lanes.

        ``knows_all``: see ``SideReading.ask``.
        """
        self.partition.open()
        restored = self.lanes.waiting_asleep()
        self.side.opened(Opening(partition=self.at.partition, is_clean=self.partition.is_clean, restored=restored), now)
        self.side.ask(knows_all=knows_all)
        self._wants.admit(self.at, now.mono_s)
        for key in self._flow.standing(self.at.partition):
            self.lanes.turn(key, WOKEN, now)

    def wake_due(self, now: Now, at_most: int) -> int:
        """Gives lanes whose timers are due a turn and returns how many there were.

        None before the gate is open, because nothing could be sent for them.
        """
        due = self.lanes.due(now.wall_us, at_most) if self.partition.sends else []
        for key in due:
            self.lanes.turn(key, WOKEN, now)
        return len(due)

    def answered(self, sent: SentItem, cause: Answered | None, now: Now) -> None:
        """Applies the answer to one item of a call. ``cause`` None: it stays a want, and is no longer announced."""
        lane = sent.pending.lane
        if cause is not None:
            self.lanes.turn(lane.key, cause, now)
        elif sent.want.once and self.partition.is_draining:
            self.lanes.turn(lane.key, DRAINING, now)
        elif sent.want.once:
            self.changed(lane)
        self.lanes.settle(lane, now.mono_s)

    def changed(self, lane: Lane) -> None:
        """Marks a lane's record to be written again although the lane had no turn."""
        self.outbox.add(lane, (), tells=False)

    @property
    def ready_beside(self) -> list[OpenSideInput]:
        """The side inputs whose records may be applied now: none while live input or a review waits for its turn."""
        may_read = self.partition.sends and not self.partition.backlog and not self.review and not self.lanes.fault
        return self.side.ready if may_read else []

    @property
    def has_review(self) -> bool:
        """Whether lanes are to take a turn because of a control command."""
        return bool(self.review) and self.partition.sends

    # ---- checkpoints ------------------------------------------------------------------------------------------------

    def contents(self, now: Now) -> tuple[tuple[Output, ...], tuple[tuple[Lane, int], ...]]:
        """Returns the outputs since the last checkpoint, with one record per changed lane, and those lanes with their
        versions."""
        self.outbox.outputs.extend(self.side.progress(now))
        outputs, changed = self.outbox.take()
        for lane in changed:
            record = self.lanes.record(lane)
            if record is not None:
                outputs.append(record)
        return tuple(outputs), tuple([(lane, lane.version) for lane in changed])

    def mark(self, serial: int, held: int, spent: Mapping[str, SpentCalls] = NOTHING_SPENT) -> Mark:
        """Returns the mark for a checkpoint (see ``Partition.mark``), with the positions of the side inputs and the
        calls that are ``spent`` of quotas."""
        mark = self.partition.mark(serial, held)
        return replace(mark, side=self.side.positions(), side_known=not self.side.are_lost, spent=spent)

    def became_durable(self, mark: Mark, written: CheckpointPart, now_s: float) -> None:
        """Applies a durable checkpoint: its lanes may sleep, and wants that it announced may leave."""
        self.partition.became_durable(mark, now_s)
        for lane, turned in written.lanes:
            lane.durable_version = turned
            self._wants.durable(self.at, lane, now_s)
            self.lanes.settle(lane, now_s)

    # ---- the end ----------------------------------------------------------------------------------------------------

    def drain(self, deadline_s: float, now: Now) -> None:
        """Starts the hand-over: no reading, no new calls; announcements of calls that have not left are withdrawn."""
        self.partition.step(Trigger.REVOKED)
        self.partition.deadline_s = min(self.partition.deadline_s, deadline_s)
        self._shut()
        for lane in self.lanes.withdraw(now.mono_s):
            self.lanes.turn(lane.key, DRAINING, now)

    def refuse(self, reason: str) -> None:
        """Stops the partition: nothing more is read, sent or committed."""
        self.partition.step(Trigger.WAS_REFUSED)
        self.partition.broken = reason
        self._shut()

    def end(self) -> None:
        """Ends the assignment: only slots and exclusive keys of calls in flight are kept."""
        self.partition.step(Trigger.ENDED)
        self._wants.forget(self.at, self.lanes.awake.values())

    def _shut(self) -> None:
        self.partition.close_intake()
        self._wants.block(self.at)


AssignedPartitions = Mapping[Assignment, AssignedPartition]


def _positions(owned: OwnedPartition) -> Mapping[str, SidePosition] | None:
    """Returns the positions of the side inputs; None if there was an owner before, but nobody knows its positions."""
    if owned.mark is not None:
        return owned.mark.side if owned.mark.side_known else None
    return None if owned.committed else {}
