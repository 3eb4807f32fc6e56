"""The sleeping lanes of one account by priority and age: which to wake when a token is near. One small entry each."""

from collections.abc import Sequence
from math import inf

from streams.flow import BACKGROUND, Waits
from streams.lanes.heap import Heap
from streams.lanes.lane import SleepingLane

QueueKey = tuple[int, int]

BACKGROUND_STEPS = 60
"""Steps of age between two priorities of the background: its backlog may be long, and its most urgent work must not
wait behind all of it."""


def queue_key(priority: int, since_us: int, age_step_us: int) -> QueueKey:
    """The smallest key comes first: priority 0 before all else, then the others, which gain one priority for each
    step of age, then the background at any age.

    The key falls continuously with age, so two wants keep their order forever and no clock is needed.
    """
    if priority >= BACKGROUND:
        return (2, since_us + (priority - BACKGROUND) * BACKGROUND_STEPS * age_step_us)
    return (0, since_us) if priority <= 0 else (1, since_us + priority * age_step_us)


def set_aside_key(since_us: int) -> QueueKey:
    """Behind all else: what failed since its account closed is not what finds out whether it may open."""
    return (3, since_us)


def is_set_aside(order: QueueKey) -> bool:
    return order[0] > 2


def is_urgent(order: QueueKey) -> bool:
    """Whether it is of priority 0."""
    return order[0] == 0


class Tally:
    """How many wait by priority, and how old the oldest is that is not of the background, to within ``BUCKET_US``."""

    BUCKET_US = 1_000_000

    def __init__(self) -> None:
        self.by_priority: dict[int, int] = {}
        self._by_age: dict[int, int] = {}

    def add(self, priority: int, since_us: int, n: int = 1) -> None:
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
        return min(self._by_age) * self.BUCKET_US if self._by_age else None


def together(tallies: Sequence[Tally]) -> tuple[dict[int, int], int | None]:
    """How many wait by priority in all of them, and since when the oldest does."""
    by_priority: dict[int, int] = {}
    for tally in tallies:
        for priority, count in tally.by_priority.items():
            by_priority[priority] = by_priority.get(priority, 0) + count
    oldest = [since_us for tally in tallies if (since_us := tally.oldest_us()) is not None]
    return by_priority, min(oldest, default=None)


class SleepingLanes:
    """Those of one account in one partition. Entries die with the ticket of their ``SleepingLane``.

    A lane that hears of much while its account is paused goes to sleep as often, and none of its entries comes up.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self._ready: Heap[tuple[QueueKey, int, SleepingLane]] = Heap(lambda entry: entry[1] == entry[2].ticket)
        self._later: Heap[tuple[float, int, QueueKey, SleepingLane]] = Heap(lambda entry: entry[1] == entry[3].ticket)

    def __len__(self) -> int:
        """Entries, dead ones among them."""
        return len(self._ready) + len(self._later)

    def add(self, sleeping: SleepingLane, waits: Waits, order: QueueKey, not_before_s: float, now_s: float) -> None:
        """It waits with its ticket of now; backing off until ``not_before_s``."""
        self.tally.add(waits.priority, waits.since_us)
        if not_before_s > now_s:
            self._later.push((not_before_s, sleeping.ticket, order, sleeping))
        else:
            self._ready.push((order, sleeping.ticket, sleeping))

    def gone(self, waits: Waits) -> None:
        """One that waited so is awake."""
        self.tally.remove(waits.priority, waits.since_us)

    def top(self, now_s: float) -> tuple[QueueKey, int, SleepingLane] | None:
        """The most urgent one that may leave now, with its ticket."""
        while (later := self._later.top()) is not None and later[0] <= now_s:
            _, ticket, order, sleeping = self._later.pop()
            self._ready.push((order, ticket, sleeping))
        return self._ready.top()

    def next_s(self) -> float:
        """When the next one stops backing off."""
        later = self._later.top()
        return later[0] if later is not None else inf
