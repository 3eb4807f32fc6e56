"""Measures the skew of the server's clock to the local one from the ``Date`` header of its responses. Pure.

The server's time is tied to the local monotonic clock, so a step of the local wall clock does not affect signatures.
``Date`` has whole seconds, so a measurement is accurate to about a second; a signature is valid within 300 s.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from connector.kaufland.http.limits import http_date_s
from streams.flow import Now

_MAX_ROUND_TRIP_S = 3.0  # in a slower exchange, it is too uncertain when the Date was written


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    server_s: float
    mono_s: float


class SkewMeter:
    """The clock skew of one account's server. Thread-safe: its only value is replaced as a whole."""

    def __init__(self) -> None:
        self._last: _Measured | None = None

    def observe(self, headers: Mapping[str, str], *, sent_s: float, answered_s: float) -> None:
        """Measures the skew by a response; both times are on the monotonic clock.

        A response without ``Date``, from a cache (``Age``) or of a slow exchange is ignored.
        """
        served_s = http_date_s(headers.get("date"))
        if served_s is None or "age" in headers or answered_s - sent_s > _MAX_ROUND_TRIP_S:
            return
        self._last = _Measured(server_s=served_s + 0.5, mono_s=(sent_s + answered_s) / 2)

    def server_time_s(self, now: Now) -> float:
        """Returns the server's time in Unix seconds; before the first measurement, the local time."""
        last = self._last
        return last.server_s + now.mono_s - last.mono_s if last is not None else now.wall_us / 1e6

    def skew_s(self, now: Now) -> float | None:
        """Returns the server's time minus the local time in seconds, or None before the first measurement."""
        return self.server_time_s(now) - now.wall_us / 1e6 if self._last is not None else None
