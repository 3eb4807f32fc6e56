"""Which tiers a quota lets leave."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.flow import BACKGROUND, Want
from streams.quota import NOTHING, CallQuota, QuotaWindow, fit_into_a_mark

RESERVES = (0.0, 0.02, 0.05, 0.1, 0.2)
WINDOW = QuotaWindow(number=1, start_us=0, end_us=86_400_000_000)


def quota(calls: int = 1_000, reserves: tuple[float, ...] = RESERVES) -> CallQuota:
    return CallQuota(
        calls=calls,
        window_of=lambda _wall_us: WINDOW,
        tier_of=lambda want: want.priority,
        counts=lambda kind: kind != "claim",
        reserves=reserves,
        names=tuple(map(str, range(len(reserves)))),
    )


def want(priority: int, kind: str = "set") -> Want:
    return Want(slot="s", account="main", kind=kind, priority=priority, since_us=0, body=None)


lefts = st.floats(min_value=-10, max_value=1_000)
parts_of_one = st.floats(min_value=0, max_value=1)


@given(left=lefts, less=st.floats(min_value=0, max_value=100), time_left=parts_of_one)
def test_no_tier_comes_back_by_a_call(left: float, less: float, time_left: float) -> None:
    assert quota().allowed(left - less, 1_000, time_left) <= quota().allowed(left, 1_000, time_left)


@given(left=lefts, time_left=parts_of_one, later=parts_of_one)
def test_no_tier_begins_to_wait_by_time_alone(left: float, time_left: float, later: float) -> None:
    assert quota().allowed(left, 1_000, time_left * later) >= quota().allowed(left, 1_000, time_left)


@given(left=lefts, time_left=parts_of_one)
def test_nothing_leaves_without_a_whole_call_and_tier_0_with_one(left: float, time_left: float) -> None:
    allowed = quota().allowed(left, 1_000, time_left)

    assert (allowed == NOTHING) == (left < 1 - 1e-6)


def test_each_tier_leaves_its_reserve_to_those_before_it() -> None:
    allowed = [quota().allowed(left, 1_000, 1.0) for left in (201, 200, 101, 100, 51, 50, 21, 20, 1, 0)]

    assert allowed == [4, 3, 3, 2, 2, 1, 1, 0, 0, NOTHING]


def test_the_reserves_shrink_with_the_time_that_is_left() -> None:
    assert [quota().allowed(30, 1_000, time_left) for time_left in (1.0, 0.5, 0.25, 0.1, 0.0)] == [1, 2, 3, 4, 4]


def test_priority_0_is_tier_0_and_background_work_is_the_last_whatever_the_flow_says() -> None:
    tiers = [quota().tier(want(priority)) for priority in (-1, 0, 1, 3, 9, BACKGROUND, 99)]

    assert tiers == [0, 0, 1, 3, 4, 4, 4]
    assert quota().tier(want(3, "claim")) == NOTHING


@given(priority=st.integers(min_value=-5, max_value=99))
def test_a_want_whose_kind_is_not_known_is_not_taken_for_less_urgent_than_it_is(priority: int) -> None:
    assert quota().tier_at_least(priority) <= quota().tier(want(priority))


@pytest.mark.parametrize("reserves", [(), (0.1,), (0.0, 0.2, 0.1), (0.0, 1.0)])
def test_reserves_that_make_no_sense_are_refused(reserves: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="reserves"):
        quota(reserves=reserves)


def test_a_quota_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 call"):
        quota(calls=0)


def test_a_mark_has_room_for_a_dozen_accounts() -> None:
    assert fit_into_a_mark(f"account-{number}" for number in range(10, 20))
    assert not fit_into_a_mark(f"account-{number}" for number in range(100, 120))
