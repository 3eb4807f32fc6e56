"""Reads rate limits and times from response headers, and bounds them. Pure.

The Seller API documents one limit (111 requests a second and seller) and no such headers. They are obeyed where they
are: ``Retry-After`` (RFC 9110), ``X-RateLimit-Limit``, ``-Remaining``, ``-Reset``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

MAX_WAIT_S = 60.0
"""No header closes an account for longer; a probe then finds out."""

LOW_SHARE = 0.2
"""Below this share of a quota, the rest is reserved for the most urgent wants until the reset."""

RESET_UNSAID_S = 1.0
"""How long that lasts where an answer does not say: the documented limit is one of seconds."""

_EPOCH_FROM_S = 1e9  # a reset above this is a moment (Unix seconds), below it a span


def http_date_s(text: str | None) -> float | None:
    """Unix seconds of an HTTP date, or None."""
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return moment.timestamp() if moment.tzinfo is not None else None
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def retry_after_s(headers: Mapping[str, str], *, wall_s: float) -> float | None:
    """Seconds to wait, in (0, MAX_WAIT_S]; None = the header is missing, past, or nonsense.

    A date is compared with the answer's own ``Date``, else with ``wall_s``.
    """
    text = headers.get("retry-after", "").strip()
    seconds = _number(text)
    if seconds is None:
        moment = http_date_s(text)
        if moment is None:
            return None
        served = http_date_s(headers.get("date"))
        seconds = moment - (served if served is not None else wall_s)
    return min(seconds, MAX_WAIT_S) if seconds > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What is left of a quota."""

    remaining: int
    limit: int | None
    reset_s: float | None  # from now, in [0, MAX_WAIT_S]

    @property
    def used_up(self) -> bool:
        return self.remaining == 0

    @property
    def low(self) -> bool:
        return self.limit is not None and self.remaining < LOW_SHARE * self.limit

    @property
    def reserve_s(self) -> float | None:
        """How long the rest is reserved for the most urgent wants; None = there is enough for all."""
        if not self.low:
            return None
        return RESET_UNSAID_S if self.reset_s is None else self.reset_s


def quota(headers: Mapping[str, str], *, wall_s: float, limit: int | None = None) -> Quota | None:
    """The quota headers; ``limit`` is the configured one, for answers that lack it. None = no such, or nonsense."""
    remaining = _whole(headers.get("x-ratelimit-remaining"))
    if remaining is None:
        return None
    said = _whole(headers.get("x-ratelimit-limit"))
    reset = _number(headers.get("x-ratelimit-reset", "").strip())
    if reset is not None:
        reset = min(max(reset - wall_s if reset >= _EPOCH_FROM_S else reset, 0.0), MAX_WAIT_S)
    return Quota(remaining=remaining, limit=said or limit, reset_s=reset)


def _whole(text: str | None) -> int | None:
    number = _number((text or "").strip())
    return int(number) if number is not None and number >= 0 else None


def _number(text: str) -> float | None:
    if not text or not text.isascii() or len(text) > 20:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
