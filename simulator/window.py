"""One seller's sliding second: how many calls it holds is asked at each arrival. Pure.

The marketplace documents 111 requests a second per seller over all endpoints and nothing about the window's shape; a
sliding one, the strictest reading, is chosen: the half-open second that ends at an arrival.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

SPAN_US: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What a window says of one arrival."""

    admitted: bool
    limit: int
    remaining: int
    resets_in_us: int  # until the oldest call counted has left the window


class SlidingWindow:
    """Arrivals of the last second. ``limit`` may be changed at any time. Owned by one thread."""

    def __init__(self, limit: int, *, count_refused: bool = False) -> None:
        """``count_refused``: a call over the limit takes a place as well, so a client that never waits stays out."""
        self.limit = limit
        self.count_refused = count_refused
        self._arrivals_us: deque[int] = deque()

    def arrive(self, now_us: int) -> Admission:
        """Count a call that arrives now. ``now_us`` never goes back."""
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
