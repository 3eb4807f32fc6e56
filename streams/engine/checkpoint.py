"""Collects outputs, changed lanes and marks per assignment; one checkpoint is in progress at a time.

Decides what is made durable, and when. Outboxes are keyed by assignment, so that all of an assignment is dropped at
once. The lease runs from the send time of the last checkpoint that became durable.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

from streams.flow import Assignment, Output
from streams.lanes.lane import Lane
from streams.messages import Checkpoint, Delayed, Mark, Written
from streams.policy import Policy

PACE = 4  # a checkpoint takes at most every fourth moment: a slow broker is not asked more often
OF_LEASE = 3  # but marks go out this often in every lease


class Outbox:
    """What one assignment has not yet handed to a checkpoint."""

    __slots__ = ("_tellers", "changed", "outputs")

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self.changed: dict[str, Lane] = {}
        self._tellers: set[str] = set()

    def __len__(self) -> int:
        return len(self.outputs) + len(self.changed)

    def add(self, lane: Lane, outputs: Iterable[Output], *, tells: bool) -> None:
        self.changed[lane.key] = lane
        if outputs:
            self.outputs.extend(outputs)
        if tells:
            self._tellers.add(lane.key)

    def take(self) -> tuple[list[Output], list[Lane]]:
        """All of it. Lanes that told others come last: without transactions a crash may cut a checkpoint off anywhere,
        and must not leave a teller's lane (a cursor, say) without those of whom it told."""
        outputs, self.outputs = self.outputs, []
        changed, self.changed = list(self.changed.values()), {}
        if self._tellers:
            changed.sort(key=lambda lane: lane.key in self._tellers)
            self._tellers.clear()
        return outputs, changed


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointPart:
    """One assignment's part of the checkpoint that is on its way: which turns of which lanes, and how much it is."""

    lanes: tuple[tuple[Lane, int], ...]
    size: int


class Checkpoints:
    def __init__(self, policy: Policy, boot_us: int) -> None:
        self.outboxes: dict[Assignment, Outbox] = {}
        self.lease_until_s = -inf
        self.durable_at_s = -inf
        self._policy = policy
        self._serial = boot_us  # so no start of this process repeats one of another
        self._on_way: dict[Assignment, CheckpointPart] | None = None
        self._started_s = -inf
        self._heard_s = -inf
        self._why = ""  # the one on its way is not durable yet
        self._took_s = 0.0

    @property
    def on_way(self) -> bool:
        return self._on_way is not None

    @property
    def started_s(self) -> float:
        return self._started_s

    def delayed(self, said: Delayed, now_s: float) -> None:
        """The sink lives, and says why the one on its way is not durable yet."""
        if said.serial == self._serial:
            self._heard_s, self._why = now_s, said.reason

    def words(self, now_s: float) -> str:
        """Why nothing may become durable just now, for a person; empty when nothing explains it.

        One that nobody has said anything of for a stall time explains nothing: its sink may never speak again.
        """
        if self._on_way is None or now_s - max(self._started_s, self._heard_s) > self._policy.stall_s:
            return ""
        why = f", last refused with {self._why}" if self._why else ""
        return f"a checkpoint is on its way for {now_s - self._started_s:.0f} s{why}"

    @property
    def size(self) -> int:
        """Outputs and changed lanes that are not durable."""
        on_way = sum(parts.size for parts in self._on_way.values()) if self._on_way is not None else 0
        return on_way + sum(len(outbox) for outbox in self.outboxes.values())

    def outbox(self, at: Assignment) -> Outbox:
        return self.outboxes.setdefault(at, Outbox())

    def drop(self, at: Assignment) -> None:
        """The assignment died, or its writes are refused."""
        self.outboxes.pop(at, None)
        if self._on_way is not None:
            self._on_way.pop(at, None)

    # ---- when -------------------------------------------------------------------------------------------------------

    def due_at_s(self, *, urgent: bool) -> float:
        """When the next one starts. ``urgent``: someone waits for it (a gate, a hand-over)."""
        if self._on_way is not None or not self.outboxes:
            return inf
        if urgent:
            return -inf
        idle_s = self._policy.lease_s / OF_LEASE
        if not any(self.outboxes.values()):
            return self._started_s + idle_s
        return self._started_s + min(max(self._policy.checkpoint_min_s, PACE * self._took_s), idle_s)

    def all_marks_due(self, now_s: float) -> bool:
        return now_s >= self._started_s + self._policy.lease_s / OF_LEASE

    # ---- one on its way ---------------------------------------------------------------------------------------------

    def next_serial(self) -> int:
        return self._serial + 1

    def start(
        self,
        contents: Mapping[Assignment, tuple[tuple[Output, ...], tuple[tuple[Lane, int], ...]]],
        marks: Mapping[Assignment, Mark],
        now_s: float,
    ) -> Checkpoint:
        """``contents``: per assignment its outputs, and which turns of which lanes are in them."""
        self._serial += 1
        self._on_way = {at: CheckpointPart(lanes=lanes, size=len(outputs)) for at, (outputs, lanes) in contents.items()}
        self._started_s, self._why = now_s, ""
        return Checkpoint(
            serial=self._serial, outputs={at: outputs for at, (outputs, _) in contents.items()}, marks=marks
        )

    def written(self, written: Written, now_s: float) -> Mapping[Assignment, CheckpointPart]:
        """What it held of assignments that live. Empty for one that is not on its way."""
        if self._on_way is None or written.serial != self._serial:
            return {}
        if written.marks:
            self.lease_until_s = max(self.lease_until_s, written.sent_at_s + self._policy.lease_s)
            self.durable_at_s = now_s
        parts, self._on_way = self._on_way, None
        self._took_s = now_s - self._started_s
        return parts
