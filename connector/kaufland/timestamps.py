"""ISO 8601 as the API writes and reads it <-> microseconds since the Unix epoch, UTC. Pure."""

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHAPE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:?\d\d)", re.ASCII)
_LAST_S = 253_402_300_799  # the last second of the year 9999


def us_of(text: str) -> int | None:
    """A date and time with its offset (RFC 3339); None = it is none, or has no offset."""
    if not _SHAPE.fullmatch(text):
        return None
    try:
        return (datetime.fromisoformat(text.upper()) - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return None


def iso_before(moment_us: int) -> str:
    """The last whole second before a moment, for filters that the API words as "after this timestamp".

    Whether a row of exactly that second is shown is not said, so the second before is asked for.
    """
    second = min(max(-(-moment_us // 1_000_000) - 1, 0), _LAST_S)
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
