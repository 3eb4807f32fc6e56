"""When an event may say that it happened: not in the future, for that would shut out every later one. Pure."""

from connector.codes import Code, explain
from connector.events import Problem


def future_problem(occurred_at_us: int, record_time_us: int, *, limit_us: int, now_us: int) -> Problem | None:
    """Why an event's date is not to be believed: too far ahead of its record, or its record of the clock."""
    for what, ahead_us in (("its record", occurred_at_us - record_time_us), ("the clock", record_time_us - now_us)):
        if ahead_us > limit_us:
            return explain(
                Code.EVENT_TIME_IN_FUTURE, ahead_s=ahead_us // 1_000_000, what=what, limit_s=limit_us // 1_000_000
            )
    return None
