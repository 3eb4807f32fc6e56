"""Reads rate limits and times from response headers, and bounds them. Pure.

The Seller API documents one limit (111 requests per second and seller) and no headers for it. Where a response has
``Retry-After`` (RFC 9110) or ``X-RateLimit-Limit``, ``-Remaining`` and ``-Reset``, they are obeyed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

MAX_WAIT_S = 60.0
"""The longest time for which a header can close an account; then a probe call is made."""

LOW_SHARE = 0.2
"""Below this share of a quota, the rest is reserved for the most urgent wants until the reset."""

RESET_UNSAID_S = 1.0
"""How long the rest is reserved if the response has no reset time: the documented limit is per second."""

_EPOCH_FROM_S = 1e9  # a reset value from here on is a time (Unix seconds), below it a duration


def http_date_s(text: str | None) -> float | None:
    """Returns the Unix seconds of an HTTP date, or None if the text is not one."""
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return moment.timestamp() if moment.tzinfo is not None else None
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def retry_after_s(headers: Mapping[str, str], *, wall_s: float) -> float | None:
    """Returns the seconds to wait, in (0, MAX_WAIT_S], or None if the header is missing, in the past, or malformed.

    A date is compared with the response's ``Date`` header, or with ``wall_s`` if there is none.
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
    """The rest of a quota: how many requests remain until it is reset."""

    remaining: int
    limit: int | None
    reset_s: float | None  # from now, in [0, MAX_WAIT_S]; None = unknown

    @property
    def used_up(self) -> bool:
        return self.remaining == 0

    @property
    def low(self) -> bool:
        """Whether less than LOW_SHARE remains; False if the limit is unknown."""
        return self.limit is not None and self.remaining < LOW_SHARE * self.limit

    @property
    def reserve_s(self) -> float | None:
        """How long the rest is reserved for the most urgent wants; None if nothing has to be reserved."""
        if not self.low:
            return None
        return RESET_UNSAID_S if self.reset_s is None else self.reset_s


def quota(headers: Mapping[str, str], *, wall_s: float, limit: int | None = None) -> Quota | None:
    """Reads the quota headers; returns None if they are missing or malformed.

    ``limit``: the configured limit, for responses without ``X-RateLimit-Limit``. ``wall_s``: Unix seconds now.
    """
    remaining = _whole(headers.get("x-ratelimit-remaining"))
    if remaining is None:
        return None
    shown = _whole(headers.get("x-ratelimit-limit"))
    reset = _number(headers.get("x-ratelimit-reset", "").strip())
    if reset is not None:
        reset = min(max(reset - wall_s if reset >= _EPOCH_FROM_S else reset, 0.0), MAX_WAIT_S)
    return Quota(remaining=remaining, limit=shown or limit, reset_s=reset)


def _whole(text: str | None) -> int | None:
    """Returns a number of 0 or more, rounded down, or None if the text is not one."""
    number = _number((text or "").strip())
    return int(number) if number is not None and number >= 0 else None


def _number(text: str) -> float | None:
    """Returns a finite number, or None if the text is not one."""
    if not text or not text.isascii() or len(text) > 20:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
