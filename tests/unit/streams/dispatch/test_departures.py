"""The count of calls that leave: no second holds too many, however late calls come, and each gets its turn."""

from bisect import bisect_right
from math import floor

from hypothesis import given
from hypothesis import strategies as st

from streams.dispatch.departures import Departures
from streams.dispatch.rate_limiter import MARGIN, WINDOW_S


@given(
    st.lists(st.tuples(st.floats(0, 0.5), st.floats(0.1, 12)), max_size=80),
    st.booleans(),
)
def test_no_second_holds_more_than_the_limit_and_the_margin(steps: list[tuple[float, float]], together: bool) -> None:
    """Each step is the time until the next call comes, and the limit that it was given."""
    departures, left, now_s = Departures(), list[float](), 100.0
    for after_s, limit_per_s in steps:
        now_s += 0.0 if together else after_s
        asked_at_s = now_s
        while (at_s := departures.leave(now_s, limit_per_s)) > now_s:
            now_s = at_s
        left.append(now_s)

        assert now_s <= asked_at_s + WINDOW_S
        in_window = len(left) - bisect_right(left, now_s - WINDOW_S)
        assert in_window <= floor(limit_per_s) + MARGIN


def test_a_call_leaves_at_once_while_the_second_holds_fewer() -> None:
    departures = Departures()
    assert [departures.leave(10.0 + number / 10, 3.0) for number in range(5)] == [10.0, 10.1, 10.2, 10.3, 10.4]
    assert departures.leave(10.5, 3.0) == 11.0
    assert departures.leave(10.9, 3.0) == 11.0
    assert departures.leave(11.0, 3.0) == 11.0


def test_a_lower_limit_counts_what_left_under_a_higher_one() -> None:
    departures = Departures()
    for number in range(10):
        departures.leave(10.0 + number / 100, 8.0)

    assert departures.leave(10.2, 1.0) == 10.07 + WINDOW_S
