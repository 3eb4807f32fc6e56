"""The sleeping lanes of one account and partition, ordered by priority and age, with one small entry for each."""

from collections.abc import Sequence
from math import inf

from streams.flow import BACKGROUND, Waits
from streams.lanes.heap import Heap
from streams.lanes.lane import SleepingLane

QueueKey = tuple[int, int]

BACKGROUND_STEPS = 60
"""Age steps (``Policy.age_step_s``) between two background priorities: the backlog may be long, and its most urgent
work must not wait behind all of it."""


def queue_key(priority: int, since_us: int, age_step_us: int) -> QueueKey:
    """Returns the sort key of a want; the smallest comes first.

    Priority 0 comes before all others, which gain one priority for each step of age; background work of any age comes
    last. The key is computed from the time of the oldest event, not from its age, so two wants keep their order and no
    clock is needed.
    """
    if priority >= BACKGROUND:
        return (2, since_us + (priority - BACKGROUND) * BACKGROUND_STEPS * age_step_us)
    return (0, since_us) if priority <= 0 else (1, since_us + priority * age_step_us)


def set_aside_key(since_us: int) -> QueueKey:
    """Returns a sort key behind all others, for wants that failed while their account was closed: the probe should be
    one that has not failed."""
    return (3, since_us)


def is_set_aside(order: QueueKey) -> bool:
    """Whether it is a key of ``set_aside_key``."""
    return order[0] > 2


def is_urgent(order: QueueKey) -> bool:
    """Whether it is a key of priority 0."""
    return order[0] == 0


class Tally:
    """Counts waiting wants by priority, and keeps the oldest age among those that are not background work, to within
    ``BUCKET_US``."""

    BUCKET_US = 1_000_000

    def __init__(self) -> None:
        self.by_priority: dict[int, int] = {}
        self._by_age: dict[int, int] = {}

    def add(self, priority: int, since_us: int, n: int = 1) -> None:
        """Adds ``n`` wants; removes them when ``n`` is negative."""
        counted = [(self.by_priority, priority)]
        if priority < BACKGROUND:
            counted.append((self._by_age, since_us // self.BUCKET_US))
        for counts, key in counted:
            counts[key] = counts.get(key, 0) + n
            if not counts[key]:
                del counts[key]

    def remove(self, priority: int, since_us: int) -> None:
        self.add(priority, since_us, -1)

    def oldest_us(self) -> int | None:
        """Returns since when the oldest want waits, rounded down to ``BUCKET_US``; None = none waits."""
        return min(self._by_age) * self.BUCKET_US if self._by_age else None


def combined(tallies: Sequence[Tally]) -> tuple[dict[int, int], int | None]:
    """Returns the number of wants by priority over all tallies, and since when (µs) the oldest one waits."""
    by_priority: dict[int, int] = {}
    for tally in tallies:
        for priority, count in tally.by_priority.items():
            by_priority[priority] = by_priority.get(priority, 0) + count
    oldest = [since_us for tally in tallies if (since_us := tally.oldest_us()) is not None]
    return by_priority, min(oldest, default=None)


class SleepingLanes:
    """The sleeping lanes of one account in one partition. An entry is dead if its ``SleepingLane`` has another ticket.

    A lane that gets many events while its account is paused wakes and sleeps as often, and each time leaves a dead
    entry that never reaches the top; the heaps sweep these.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self._ready: Heap[tuple[QueueKey, int, SleepingLane]] = Heap(lambda entry: entry[1] == entry[2].ticket)
        self._later: Heap[tuple[float, int, QueueKey, SleepingLane]] = Heap(lambda entry: entry[1] == entry[3].ticket)

    def __len__(self) -> int:
        """The number of entries, dead ones included."""
        return len(self._ready) + len(self._later)

    def add(self, sleeping: SleepingLane, waits: Waits, order: QueueKey, not_before_s: float, now_s: float) -> None:
        """Adds an entry with the lane's present ticket; it backs off until ``not_before_s``."""
        self.tally.add(waits.priority, waits.since_us)
        if not_before_s > now_s:
            self._later.push((not_before_s, sleeping.ticket, order, sleeping))
        else:
            self._ready.push((order, sleeping.ticket, sleeping))

    def gone(self, waits: Waits) -> None:
        """Counts out a lane that was woken; its entry is dead by its ticket."""
        self.tally.remove(waits.priority, waits.since_us)

    def top(self, now_s: float) -> tuple[QueueKey, int, SleepingLane] | None:
        """Returns the entry (order, ticket, lane) of the most urgent lane that does not back off; None = none."""
        while (later := self._later.top()) is not None and later[0] <= now_s:
            _, ticket, order, sleeping = self._later.pop()
            self._ready.push((order, ticket, sleeping))
        return self._ready.top()

    def next_s(self) -> float:
        """Returns when the next one stops backing off; ``inf`` = none does."""
        later = self._later.top()
        return later[0] if later is not None else inf
