"""Virtual time: a queue of scheduled events, one seeded random generator, one trace."""

import heapq
from collections.abc import Callable
from random import Random

from streams.flow import Now

START_S = 1_000.0
EPOCH_US = 1_700_000_000_000_000


class SimulatedWorld:
    """Time advances only from one event to the next. All randomness comes from ``rng``."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.now_s = START_S
        self.trace: list[str] | None = None  # a list if the history is to be traced
        self.seen: dict[str, int] = {}
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._ticket = 0

    def at(self, when_s: float, happen: Callable[[], None]) -> None:
        """Schedules an event, not before now. Events at the same time happen in the order of scheduling."""
        self._ticket += 1
        heapq.heappush(self._queue, (max(when_s, self.now_s), self._ticket, happen))

    def after(self, wait_s: float, happen: Callable[[], None]) -> None:
        self.at(self.now_s + wait_s, happen)

    def run_until(self, until_s: float) -> None:
        """Runs all events up to and including this time."""
        queue = self._queue
        while queue and queue[0][0] <= until_s:
            self.now_s, _, happen = heapq.heappop(queue)
            happen()
        self.now_s = max(self.now_s, until_s)

    def wall_us(self) -> int:
        return EPOCH_US + int((self.now_s - START_S) * 1e6)

    def now(self, clock_error_us: int = 0) -> Now:
        return Now(mono_s=self.now_s, wall_us=self.wall_us() + clock_error_us)

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.rng.random()

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def count(self, what: str) -> None:
        """Counts that something has happened, for the checks of coverage."""
        self.seen[what] = self.seen.get(what, 0) + 1

    def say(self, text: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.now_s - START_S:9.4f}  {text}")
