"""Outputs, changed lanes and marks per assignment; one checkpoint on its way.

Everything that decides what is made durable, and when, lives here. The outbox is keyed by assignment: what dies with
one is one ``pop``. The lease runs from the send time of the last checkpoint that became durable.
"""

from collections.abc import Iterable, Mapping
from math import inf

from streams.flow import Assignment, Checkpoint, Mark, Output, Policy, Written
from streams.lane import Lane

PACE = 4  # a checkpoint takes at most every fourth moment: a slow broker is not asked more often
OF_LEASE = 3  # but marks go out this often in every lease


class Part:
    """What one assignment has not yet handed to a checkpoint."""

    __slots__ = ("changed", "outputs")

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self.changed: dict[str, Lane] = {}

    def __len__(self) -> int:
        return len(self.outputs) + len(self.changed)

    def add(self, lane: Lane, outputs: Iterable[Output]) -> None:
        self.changed[lane.key] = lane
        if outputs:
            self.outputs.extend(outputs)


class Checkpoints:
    def __init__(self, policy: Policy, boot_us: int) -> None:
        self.parts: dict[Assignment, Part] = {}
        self.lease_until_s = -inf
        self.durable_at_s = -inf
        self._policy = policy
        self._serial = boot_us  # so no start of this process repeats one of another
        self._on_way: dict[Assignment, list[tuple[Lane, int]]] | None = None
        self._on_way_size = 0
        self._started_s = -inf
        self._took_s = 0.0

    @property
    def on_way(self) -> bool:
        return self._on_way is not None

    @property
    def started_s(self) -> float:
        return self._started_s

    @property
    def size(self) -> int:
        """Outputs and changed lanes that are not durable."""
        return self._on_way_size + sum(map(len, self.parts.values()))

    def part(self, at: Assignment) -> Part:
        return self.parts.setdefault(at, Part())

    def drop(self, at: Assignment) -> None:
        """The assignment died, or its writes are refused."""
        self.parts.pop(at, None)
        if self._on_way is not None:
            self._on_way.pop(at, None)

    def is_clean(self, at: Assignment) -> bool:
        """Nothing of it waits to be made durable."""
        return not self.parts.get(at) and not (self._on_way is not None and at in self._on_way)

    # ---- when -------------------------------------------------------------------------------------------------------

    def due_at_s(self, *, urgent: bool) -> float:
        """When the next one starts. ``urgent``: someone waits for it (a gate, a hand-over)."""
        if self._on_way is not None or not self.parts:
            return inf
        if urgent:
            return -inf
        idle_s = self._policy.lease_s / OF_LEASE
        if not any(self.parts.values()):
            return self._started_s + idle_s
        return self._started_s + min(max(self._policy.checkpoint_min_s, PACE * self._took_s), idle_s)

    def all_marks_due(self, now_s: float) -> bool:
        return now_s >= self._started_s + self._policy.lease_s / OF_LEASE

    # ---- one on its way ---------------------------------------------------------------------------------------------

    def next_serial(self) -> int:
        return self._serial + 1

    def start(
        self,
        outputs: Mapping[Assignment, tuple[Output, ...]],
        lanes: dict[Assignment, list[tuple[Lane, int]]],
        marks: Mapping[Assignment, Mark],
        now_s: float,
    ) -> Checkpoint:
        self._serial += 1
        self._on_way = lanes
        self._on_way_size = sum(map(len, outputs.values()))
        self._started_s = now_s
        return Checkpoint(serial=self._serial, outputs=outputs, marks=marks)

    def written(self, written: Written, now_s: float) -> dict[Assignment, list[tuple[Lane, int]]]:
        """What it held of assignments that live. Empty for one that is not on its way."""
        if self._on_way is None or written.serial != self._serial:
            return {}
        if written.marks:
            self.lease_until_s = max(self.lease_until_s, written.sent_at_s + self._policy.lease_s)
            self.durable_at_s = now_s
        lanes, self._on_way, self._on_way_size = self._on_way, None, 0
        self._took_s = now_s - self._started_s
        return lanes
