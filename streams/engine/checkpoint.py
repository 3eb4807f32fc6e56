"""Collects outputs, changed lanes and marks by assignment, and decides when they are written as a checkpoint.

One checkpoint is in progress at a time. Outboxes are keyed by assignment, so that an assignment that ends is dropped as
a whole. The lease starts when the last durable checkpoint was sent.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

from streams.flow import Assignment, Output
from streams.lanes.lane import Lane
from streams.messages import Checkpoint, Delayed, Mark, Written
from streams.policy import Policy

PACE = 4  # checkpoints start at least this many times the duration of the last one apart: spares a slow broker
OF_LEASE = 3  # but all marks are written at least this many times per lease


class Outbox:
    """One assignment's outputs and changed lanes that are not yet part of a checkpoint."""

    __slots__ = ("_senders", "changed", "outputs")

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self.changed: dict[str, Lane] = {}
        self._senders: set[str] = set()

    def __len__(self) -> int:
        return len(self.outputs) + len(self.changed)

    def add(self, lane: Lane, outputs: Iterable[Output], *, tells: bool) -> None:
        """Adds a turn's outputs and its changed lane. ``tells``: the turn sent messages to other lanes."""
        self.changed[lane.key] = lane
        if outputs:
            self.outputs.extend(outputs)
        if tells:
            self._senders.add(lane.key)

    def take(self) -> tuple[list[Output], list[Lane]]:
        """Empties the outbox and returns its outputs and changed lanes.

        Lanes that sent messages to other lanes come last. Without transactions a crash may cut a checkpoint off
        anywhere, and must not leave the record of such a lane (a cursor, for example) without those of the lanes that
        got its messages.
        """
        outputs, self.outputs = self.outputs, []
        changed, self.changed = list(self.changed.values()), {}
        if self._senders:
            changed.sort(key=lambda lane: lane.key in self._senders)
            self._senders.clear()
        return outputs, changed


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointPart:
    """One assignment's part of the checkpoint in progress."""

    lanes: tuple[tuple[Lane, int], ...]  # with the version of each that is written
    size: int  # records


class Checkpoints:
    """The outboxes of all assignments, the checkpoint in progress, and the lease."""

    def __init__(self, policy: Policy, boot_us: int) -> None:
        self.outboxes: dict[Assignment, Outbox] = {}
        self.lease_until_s = -inf
        self.durable_at_s = -inf
        self._policy = policy
        self._serial = boot_us  # so that no serial repeats one of an earlier start of this process
        self._in_progress: dict[Assignment, CheckpointPart] | None = None
        self._started_s = -inf
        self._reported_s = -inf
        self._why = ""  # why the one in progress is not durable yet
        self._took_s = 0.0

    @property
    def in_progress(self) -> bool:
        """Whether a checkpoint is in progress."""
        return self._in_progress is not None

    def delayed(self, report: Delayed, now_s: float) -> None:
        """Records the sink's report that the checkpoint in progress is not durable yet, and why."""
        if report.serial == self._serial:
            self._reported_s, self._why = now_s, report.reason

    def explain_delay(self, now_s: float) -> str:
        """Returns, for people, why nothing becomes durable just now; empty when there is no explanation.

        A checkpoint that the sink has not reported on for ``Policy.stall_s`` explains nothing: the sink may hang.
        """
        if self._in_progress is None or now_s - max(self._started_s, self._reported_s) > self._policy.stall_s:
            return ""
        why = f", last refused with {self._why}" if self._why else ""
        return f"a checkpoint is on its way for {now_s - self._started_s:.0f} s{why}"

    @property
    def size(self) -> int:
        """How many outputs and changed lanes are not durable."""
        size = 0
        for part in (self._in_progress or {}).values():
            size += part.size
        for outbox in self.outboxes.values():
            size += len(outbox.outputs) + len(outbox.changed)
        return size

    def outbox(self, at: Assignment) -> Outbox:
        """Returns the outbox of an assignment, created on first use."""
        return self.outboxes.setdefault(at, Outbox())

    def drop(self, at: Assignment) -> None:
        """Discards what is kept for an assignment that has ended or stopped."""
        self.outboxes.pop(at, None)
        if self._in_progress is not None:
            self._in_progress.pop(at, None)

    # ---- when -------------------------------------------------------------------------------------------------------

    def due_at_s(self, *, urgent: bool) -> float:
        """Returns when the next checkpoint starts. ``urgent``: a gate or a hand-over waits for it."""
        if self._in_progress is not None or not self.outboxes:
            return inf
        if urgent:
            return -inf
        idle_s = self._policy.lease_s / OF_LEASE
        if not any(self.outboxes.values()):
            return self._started_s + idle_s
        return self._started_s + min(max(self._policy.checkpoint_min_s, PACE * self._took_s), idle_s)

    def all_marks_due(self, now_s: float) -> bool:
        """Whether the next checkpoint should contain the marks of all partitions, changed or not."""
        return now_s >= self._started_s + self._policy.lease_s / OF_LEASE

    # ---- the one in progress ----------------------------------------------------------------------------------------

    def next_serial(self) -> int:
        """Returns the serial that the next ``start`` uses."""
        return self._serial + 1

    def start(
        self,
        contents: Mapping[Assignment, tuple[tuple[Output, ...], tuple[tuple[Lane, int], ...]]],
        marks: Mapping[Assignment, Mark],
        now_s: float,
    ) -> Checkpoint:
        """Returns the next checkpoint. ``contents``: outputs, and the lanes in them with their versions."""
        self._serial += 1
        self._in_progress = {
            at: CheckpointPart(lanes=lanes, size=len(outputs)) for at, (outputs, lanes) in contents.items()
        }
        self._started_s, self._why = now_s, ""
        return Checkpoint(
            serial=self._serial, outputs={at: outputs for at, (outputs, _) in contents.items()}, marks=marks
        )

    def written(self, written: Written, now_s: float) -> Mapping[Assignment, CheckpointPart]:
        """Returns the parts of a durable checkpoint by assignment, without those dropped meanwhile.

        Empty for a checkpoint that is not the one in progress.
        """
        if self._in_progress is None or written.serial != self._serial:
            return {}
        if written.marks:
            self.lease_until_s = max(self.lease_until_s, written.sent_at_s + self._policy.lease_s)
            self.durable_at_s = now_s
        parts, self._in_progress = self._in_progress, None
        self._took_s = now_s - self._started_s
        return parts
