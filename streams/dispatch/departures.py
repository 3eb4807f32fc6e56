"""Counts the calls of one account as they leave this process, and says when the next one may.

``RateLimiter`` decides when a call may leave, but a call can leave later: it waits for a worker, or its connection is
still being opened while later calls use one that is open. Then calls that were spaced leave together. With this count,
the sliding second that ends when a call leaves holds no more than that call's limit plus ``MARGIN`` calls of this
process, however late they are. A call keeps the limit with which it was made; limits of groups are not counted here.

Pure: times are arguments, in seconds on the monotonic clock. Not thread-safe.
"""

from collections import deque
from math import floor

from streams.dispatch.rate_limiter import MARGIN, WINDOW_S


class Departures:
    """The calls of an account that have left in the last second."""

    def __init__(self) -> None:
        self._left_at_s: deque[float] = deque()

    def leave(self, now_s: float, limit_per_s: float) -> float:
        """Returns ``now_s`` and counts a call if it may leave now, else the time to ask again, which is later.

        ``limit_per_s``: what this process may send at present; it may differ from call to call.
        """
        left = self._left_at_s
        while left and left[0] <= now_s - WINDOW_S:
            left.popleft()
        most = floor(limit_per_s) + MARGIN
        if len(left) >= most:
            return left[-most] + WINDOW_S
        left.append(now_s)
        return now_s
