"""How far the server's clock is from ours, measured from the ``Date`` of its answers. Pure.

The server's time is tied to our monotonic clock, so a step of our wall clock moves no signature. ``Date`` counts whole
seconds, so one measurement is good to about a second; the window of a signature is 300 s.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from connector.kaufland.http.limits import http_date_s
from streams.flow import Now

_MAX_ROUND_TRIP_S = 3.0  # a slower answer says too little about when its Date was written


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    server_s: float
    mono_s: float


class SkewMeter:
    """One per account. Any thread: its one value is replaced, never changed."""

    def __init__(self) -> None:
        self._last: _Measured | None = None

    def observe(self, headers: Mapping[str, str], *, sent_s: float, answered_s: float) -> None:
        """Learn from an answer; moments on the monotonic clock. An answer out of a cache (``Age``) says nothing."""
        served_s = http_date_s(headers.get("date"))
        if served_s is None or "age" in headers or answered_s - sent_s > _MAX_ROUND_TRIP_S:
            return
        self._last = _Measured(server_s=served_s + 0.5, mono_s=(sent_s + answered_s) / 2)

    def server_time_s(self, now: Now) -> float:
        """Unix seconds as the server would say; before the first answer, our own."""
        last = self._last
        return last.server_s + now.mono_s - last.mono_s if last is not None else now.wall_us / 1e6

    def skew_s(self, now: Now) -> float | None:
        """Server's clock less ours; None = not measured yet."""
        return self.server_time_s(now) - now.wall_us / 1e6 if self._last is not None else None
