"""The queues of one account: wants of awake lanes by kind, and entries of sleeping lanes."""

from collections.abc import Iterator
from heapq import heapify, heappush
from math import inf
from typing import TypeAlias

from streams.flow import Assignment
from streams.lanes.lane import PendingWant
from streams.lanes.sleeping_lanes import QueueKey, SleepingLanes, Tally
from streams.policy import SLEEP_FACTOR, Pace

SleepingKey: TypeAlias = tuple[Assignment, bool, int]
"""The partition of sleeping lanes, whether their wants are background work, and the tier of these wants."""


class Queue:
    """The ready wants of one account and kind, as a heap.

    Background wants and wants that must be sent alone have queues of their own. An entry is dead, and skipped, when its
    ticket is not that of its want any more.
    """

    __slots__ = ("announced", "background", "group", "heap", "kind", "limit", "ready", "waiting_since_s")

    def __init__(self, kind: str, limit: int, group: str | None, *, background: bool = False) -> None:
        self.kind = kind
        self.background = background  # its wants are background work
        self.limit = limit  # wants in one call
        self.group = group  # of endpoints
        self.heap: list[tuple[QueueKey, int, PendingWant]] = []
        self.ready = 0  # entries that are not dead
        self.announced = 0  # ``once`` wants that were announced from here and have not left
        self.waiting_since_s = -inf  # since when it is not empty

    def push(self, entry: tuple[QueueKey, int, PendingWant], now_s: float) -> None:
        """Adds an entry (order, ticket, want); rebuilds the heap when most of it is dead."""
        if self.ready == 0:
            self.waiting_since_s = now_s
        self.ready += 1
        heappush(self.heap, entry)
        if len(self.heap) > 64 + 4 * self.ready:
            self.heap = [live for live in self.heap if live[1] == live[2].ticket]
            heapify(self.heap)

    def lingers_until_s(self, linger_s: float) -> float:
        """Returns until when a call that is not full and carries nothing urgent waits for more wants."""
        if not linger_s or self.ready >= self.limit or not self.heap or self.heap[0][0][0] == 0:
            return -inf
        return self.waiting_since_s + linger_s


class AccountQueues:
    """The wants of awake lanes in queues, the entries of sleeping lanes, and their counts, for one account."""

    def __init__(self, pace: Pace, near: int, near_at_most: int) -> None:
        self.linger_s = pace.linger_s
        self.queues: dict[tuple[str, bool, bool], Queue] = {}
        self.unannounced: dict[tuple[str, bool, bool], Queue] = {}  # ``once`` wants to be announced
        self.announced: dict[PendingWant, Queue] = {}  # announced and not sent, with the queues they came from
        self.withheld: dict[PendingWant, None] = {}  # of awake lanes, by the quota
        self.quota = pace.quota
        self.limit = inf  # the highest tier that may leave; without a quota, there is one tier
        self.sleeping: dict[SleepingKey, SleepingLanes] = {}
        self.tally = Tally()  # of the wants of awake lanes
        self.ready = 0  # wants in queues
        self.ready_background = 0  # of these, background work
        self.background_due = 0.0  # calls due to background work because others left before it
        self.awake = 0  # wants in queues, delayed or parked
        self.closure = 0  # how often the account has reopened
        self.near = near  # wants kept ready by waking lanes, so that full calls can be made
        self._near_at_most = near_at_most

    @property
    def may_sleep_above(self) -> int:
        """Lanes may sleep while more wants than this wait; far enough above ``near`` that no lane sleeps and wakes in
        turn."""
        return SLEEP_FACTOR * self.near

    def new_queue(self, kind: str, limit: int, group: str | None, *, background: bool) -> Queue:
        """Returns a queue, for which enough wants are kept ready from now on."""
        self.near = min(max(self.near, 2 * limit), self._near_at_most)
        return Queue(kind, limit, group, background=background)

    def every_queue(self) -> Iterator[Queue]:
        """Yields all queues, those of wants to be announced included."""
        yield from self.queues.values()
        yield from self.unannounced.values()
