"""A sliding-window rate limit of one second, for one seller. Pure.

The marketplace documents 111 requests a second per seller over all endpoints, and does not say how it counts. The
strictest interpretation is chosen: a sliding window, the half-open second that ends at an arrival.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

SPAN_US: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Whether one arrival is within the limit, and how much of the limit is left."""

    admitted: bool
    limit: int
    remaining: int
    resets_in_us: int  # until the oldest counted call leaves the window


class SlidingWindow:
    """Counts the arrivals of the last second. ``limit`` may change at any time. Not thread-safe."""

    def __init__(self, limit: int, *, count_refused: bool = False) -> None:
        """``count_refused``: refused calls count too, so a client that never waits is never admitted again."""
        self.limit = limit
        self.count_refused = count_refused
        self._arrivals_us: deque[int] = deque()

    def arrive(self, now_us: int) -> Admission:
        """Counts a call that arrives at ``now_us`` (microseconds, must not decrease) and returns the outcome."""
        while self._arrivals_us and self._arrivals_us[0] <= now_us - SPAN_US:
            self._arrivals_us.popleft()
        admitted = len(self._arrivals_us) < self.limit
        if admitted or self.count_refused:
            self._arrivals_us.append(now_us)
        return Admission(
            admitted=admitted,
            limit=self.limit,
            remaining=max(self.limit - len(self._arrivals_us), 0),
            resets_in_us=self._arrivals_us[0] + SPAN_US - now_us if self._arrivals_us else 0,
        )
