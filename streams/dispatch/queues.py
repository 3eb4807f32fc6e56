"""One account's wants: awake ones in queues by kind, sleeping ones as entries."""

from collections.abc import Callable, Iterator
from heapq import heapify, heappush
from math import inf

from streams.flow import Assignment
from streams.lanes.lane import PendingWant
from streams.lanes.sleeping_lanes import QueueKey, SleepingLanes, Tally
from streams.policy import DOZE, Pace


class Queue:
    """The wants of one kind of one account, in company or alone, of the background or not: a heap with dead entries.

    ``announced``: of a queue of ``once`` wants, how many were announced from here and have not left.
    """

    __slots__ = ("announced", "behind", "group", "heap", "kind", "limit", "ready", "waiting_since_s")

    def __init__(self, kind: str, limit: int, group: str | None, *, behind: bool = False) -> None:
        self.kind = kind
        self.behind = behind
        self.limit = limit
        self.group = group
        self.heap: list[tuple[QueueKey, int, PendingWant]] = []
        self.ready = 0
        self.announced = 0
        self.waiting_since_s = -inf

    def push(self, entry: tuple[QueueKey, int, PendingWant], now_s: float) -> None:
        if self.ready == 0:
            self.waiting_since_s = now_s
        self.ready += 1
        heappush(self.heap, entry)
        if len(self.heap) > 64 + 4 * self.ready:
            self.heap = [live for live in self.heap if live[1] == live[2].ticket]
            heapify(self.heap)

    def lingers_until_s(self, linger_s: float) -> float:
        """A call that is not full and carries nothing urgent waits a little for company."""
        if not linger_s or self.ready >= self.limit or not self.heap or self.heap[0][0][0] == 0:
            return -inf
        return self.waiting_since_s + linger_s


class AccountQueues:
    """One account's wants: awake ones in queues, sleeping ones as entries."""

    def __init__(self, pace: Pace, near: int, near_at_most: int) -> None:
        self.linger_s = pace.linger_s
        self.queues: dict[tuple[str, bool, bool], Queue] = {}
        self.unannounced: dict[tuple[str, bool, bool], Queue] = {}  # ``once`` wants that no durable record names yet
        self.announced: dict[PendingWant, Queue] = {}  # those that may leave, and from where they came
        self.sleeping: dict[tuple[Assignment, bool], SleepingLanes] = {}  # True: their wants are all of the background
        self.tally = Tally()  # of those that are awake
        self.ready = 0
        self.ready_background = 0  # of these, of the background
        self.owed_background = 0.0  # calls that the background has waited for while others left
        self.awake = 0
        self.closure = 0  # counts how often the account opened again
        self.near = near  # awake wants kept ready, so that a full call can be made
        self._near_at_most = near_at_most

    @property
    def may_sleep_above(self) -> int:
        """Above so many wants, further lanes may sleep; far enough from ``near`` that none goes to and fro."""
        return DOZE * self.near

    def queue(
        self,
        kind: str,
        alone: bool,
        behind: bool,
        limit_of: Callable[[str], int],
        group_of: Callable[[str], str | None],
        *,
        announced: bool = True,
    ) -> Queue:
        queues = self.queues if announced else self.unannounced
        queue = queues.get((kind, alone, behind))
        if queue is None:
            limit = 1 if alone else limit_of(kind)
            queue = queues[kind, alone, behind] = Queue(kind, limit, group_of(kind), behind=behind)
            self.near = min(max(self.near, 2 * limit), self._near_at_most)
        return queue

    def every_queue(self) -> Iterator[Queue]:
        yield from self.queues.values()
        yield from self.unannounced.values()
