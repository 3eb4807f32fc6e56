"""The sliding window of one seller's rate limit."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.window import SPAN_US, SlidingWindow


def admitted(window: SlidingWindow, arrivals_us: list[int]) -> list[bool]:
    return [window.arrive(arrival).admitted for arrival in arrivals_us]


def test_admits_the_limit_and_refuses_the_next() -> None:
    assert admitted(SlidingWindow(3), [0, 1, 2, 3]) == [True, True, True, False]


def test_a_call_leaves_the_window_after_exactly_one_second() -> None:
    assert admitted(SlidingWindow(1), [0, SPAN_US - 1, SPAN_US]) == [True, False, True]


def test_slides_instead_of_starting_anew_with_each_full_second() -> None:
    window = SlidingWindow(2)

    assert admitted(window, [900_000, 950_000, 1_000_001, 1_100_000]) == [True, True, False, False]


def test_refused_calls_take_no_place_unless_told_to() -> None:
    arrivals = [0, SPAN_US // 2, SPAN_US, SPAN_US + 1]

    assert admitted(SlidingWindow(1), arrivals) == [True, False, True, False]
    assert admitted(SlidingWindow(1, count_refused=True), arrivals) == [True, False, False, False]


def test_says_how_many_calls_are_left_and_when_a_place_is_free() -> None:
    window = SlidingWindow(3)
    window.arrive(0)

    standing = window.arrive(400_000)

    assert (standing.limit, standing.remaining, standing.resets_in_us) == (3, 1, 600_000)


@given(
    limit=st.integers(1, 5),
    steps=st.lists(st.sampled_from([0, 1, 100_000, 333_333, 999_999, SPAN_US, SPAN_US + 1]), max_size=60),
)
def test_no_second_ever_holds_more_admitted_calls_than_the_limit(limit: int, steps: list[int]) -> None:
    window, now_us, inside = SlidingWindow(limit), 0, []
    for step in steps:
        now_us += step
        if window.arrive(now_us).admitted:
            inside.append(now_us)
        else:
            assert sum(arrival > now_us - SPAN_US for arrival in inside) == limit

    assert all(sum(start <= arrival < start + SPAN_US for arrival in inside) <= limit for start in inside)
