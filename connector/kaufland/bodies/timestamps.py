"""Converts between the API's ISO 8601 timestamps and microseconds since the Unix epoch, UTC. Pure."""

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHAPE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:?\d\d)", re.ASCII)
_LAST_S = 253_402_300_799  # the last second of the year 9999


def us_of(text: str) -> int | None:
    """Returns the time of a date and time with an offset (RFC 3339), or None if the text is not one."""
    if not _SHAPE.fullmatch(text):
        return None
    try:
        return (datetime.fromisoformat(text.upper()) - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return None


def iso_before(moment_us: int) -> str:
    """Returns the last whole second before a time, for filters that the API describes as "after this timestamp".

    The API does not document whether a row of exactly that second is included, so the second before is requested.
    """
    second = min(max(-(-moment_us // 1_000_000) - 1, 0), _LAST_S)
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
