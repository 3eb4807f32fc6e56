"""Computes the time by which an event is ordered, and rejects implausible times. Pure.

Events are ordered by their *effective time*: the earlier of ``occurred_at`` and the record's timestamp. It depends on
the record alone, so reading the record again gives the same. An event dated slightly ahead of its record comes from a
fast clock and must not overtake others; one dated far ahead may be meant for later, and is rejected.
"""

from datetime import UTC, datetime, timedelta

from connector.contracts.codes import Code, explain
from connector.contracts.problem import Problem

NO_SEQUENCE = -(2**63) - 1
"""Stands for a missing sequence; lower than any 64-bit number."""
_WITHIN_MS_US = 999
"""A record's timestamp has milliseconds: it may stand for any microsecond of that millisecond."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_US = 946_684_800_000_000  # 2000-01-01
_LAST_US = 4_102_444_800_000_000  # 2100-01-01
_UNITS = (("seconds", 1_000_000, 1), ("milliseconds", 1_000, 1), ("nanoseconds", 1, 1_000))
"""Each unit with the fraction that converts it to microseconds."""


def effective_us(occurred_at_us: int, record_time_us: int) -> int:
    """Returns the effective time; the record's timestamp if ``occurred_at`` is invalid.

    An event ordered by the log is not rejected for its time.
    """
    recorded_us = record_time_us + _WITHIN_MS_US
    return min(occurred_at_us, recorded_us) if _FIRST_US <= occurred_at_us < _LAST_US else recorded_us


def time_fault(occurred_at_us: int, record_time_us: int, *, limit_us: int, now_us: int) -> tuple[Code, Problem] | None:
    """Returns why an event's time is rejected, or None: not in microseconds, or ahead of its record or of the clock."""
    if not _FIRST_US <= record_time_us < _LAST_US:
        return Code.RECORD_TIME_INVALID, explain(Code.RECORD_TIME_INVALID, got_ms=record_time_us // 1_000)
    if not _FIRST_US <= occurred_at_us < _LAST_US:
        guess = _other_unit(occurred_at_us)
        return Code.EVENT_TIME_UNIT_WRONG, explain(Code.EVENT_TIME_UNIT_WRONG, got=occurred_at_us, guess=guess)
    for what, ahead_us in (("its record", occurred_at_us - record_time_us), ("the clock", record_time_us - now_us)):
        if ahead_us > limit_us:
            return Code.EVENT_TIME_IN_FUTURE, explain(
                Code.EVENT_TIME_IN_FUTURE, ahead_s=ahead_us // 1_000_000, what=what, limit_s=limit_us // 1_000_000
            )
    return None


def moment(at_us: int) -> str:
    """Formats a time as RFC 3339 in UTC, with microseconds if any; a number outside the calendar as it is."""
    try:
        return (_EPOCH + timedelta(microseconds=at_us)).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return f"{at_us} us"


def _other_unit(value: int) -> str:
    """Returns a hint if the value is plausible in another unit of time, else an empty text."""
    for unit, times, by in _UNITS:
        at_us = value * times // by
        if _FIRST_US <= at_us < _LAST_US:
            return f"; read as {unit} it is {moment(at_us)}"
    return ""
