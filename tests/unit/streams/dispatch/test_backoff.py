"""Back-off: the wait after each attempt, its jitter, and the retry budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.dispatch.backoff import Backoff, spread

BACKOFF = Backoff(base_s=0.5, cap_s=30.0, budget=8)


@pytest.mark.parametrize(("attempt", "most_s"), [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (10_000, 30.0)])
def test_the_longest_wait_doubles_up_to_the_cap(attempt: int, most_s: float) -> None:
    assert BACKOFF.wait_s(attempt, 1.0) == most_s


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_min=True))
def test_jitter_is_full_and_never_above_the_cap(attempt: int, part: float) -> None:
    assert 0 <= BACKOFF.wait_s(attempt, part) <= 30.0
    assert BACKOFF.wait_s(attempt, part) == pytest.approx(BACKOFF.wait_s(attempt, 1.0) * part)


def test_the_budget_is_used_up_at_its_number() -> None:
    assert [BACKOFF.used_up(counted) for counted in (7, 8, 9)] == [False, True, True]


def test_the_spread_is_even_and_the_same_for_the_same() -> None:
    numbers = [spread("lane", n) for n in range(2_000)]

    assert all(0 < number <= 1 for number in numbers)
    assert 0.45 < sum(numbers) / len(numbers) < 0.55
    assert 150 < sum(number < 0.1 for number in numbers) < 250
    assert spread("lane", 1) == spread("lane", 1)
    assert spread("a", "bc") != spread("ab", "c")


@pytest.mark.parametrize("nonsense", [{"base_s": 0}, {"base_s": 40}, {"budget": 0}])
def test_invalid_parameters_are_refused(nonsense: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Backoff(**({"base_s": 0.5, "cap_s": 30.0, "budget": 8} | nonsense))  # type: ignore[arg-type]
