"""The pace of side inputs: never more turns than the rate gives, in lots, and no fewer for long."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.engine.side_pace import LEAST_SHARE, LOT, SidePace
from tests.harness.effort import examples

MOST = 50


def test_what_was_saved_up_is_given_at_once_and_then_as_the_rate_says() -> None:
    pace = SidePace(100.0, MOST)

    assert pace.allowed(5.0) == MOST
    pace.took(MOST)
    lot_s = LOT / 100.0
    assert pace.allowed(5.0 + lot_s / 2) == 0
    assert pace.ready_at_s(5.0 + lot_s / 2) == pytest.approx(5.0 + lot_s)
    assert pace.allowed(5.0 + lot_s) == LOT


def test_a_pause_saves_up_no_more_than_the_most() -> None:
    pace = SidePace(100.0, MOST)
    pace.allowed(0.0)
    pace.took(MOST)

    assert pace.allowed(1_000.0) == MOST


def test_turns_that_were_not_used_are_kept() -> None:
    pace = SidePace(100.0, MOST)
    pace.allowed(0.0)
    pace.took(1)

    assert pace.allowed(0.0) == MOST - 1


def test_without_a_limit_all_turns_are_allowed_always() -> None:
    pace = SidePace(inf, MOST)
    pace.allowed(0.0)
    pace.took(MOST)

    assert (pace.allowed(0.0), pace.ready_at_s(0.0)) == (MOST, 0.0)


@settings(max_examples=examples(200))
@given(st.lists(st.floats(0.0, 1.0), max_size=60))
def test_never_more_than_the_rate_and_what_is_due_is_allowed_at_the_announced_time(waits: list[float]) -> None:
    pace, now_s, given_turns = SidePace(100.0, MOST), 0.0, 0
    for wait_s in waits:
        turns = pace.allowed(now_s)
        assert turns == 0 or LOT <= turns <= MOST
        assert (turns == 0) == (pace.ready_at_s(now_s) > now_s)
        pace.took(turns)
        given_turns += turns
        assert given_turns <= MOST + 100.0 * now_s + 1e-6
        now_s += wait_s
    assert pace.allowed(pace.ready_at_s(now_s) + 1e-9) >= LOT


def test_the_rate_is_halved_while_steps_are_late_and_rises_again() -> None:
    pace, now_s = SidePace(100.0, MOST), 0.0
    rates = []
    for late_s in [0.0, *[1.0] * 8, *[0.0] * 200]:
        pace.took(pace.allowed(now_s))
        pace.expect(now_s)
        rates.append(pace.per_second)
        now_s = pace.ready_at_s(now_s) + late_s

    assert rates[1:9] == sorted(rates[1:9], reverse=True)
    assert rates[0] == 100.0
    assert min(rates) == pytest.approx(100.0 * LEAST_SHARE)
    assert rates[-1] == 100.0


def test_a_step_that_waited_for_records_or_room_is_not_late() -> None:
    pace = SidePace(100.0, MOST)
    pace.took(pace.allowed(0.0))
    pace.pause()

    assert pace.allowed(60.0) == MOST
    assert pace.per_second == 100.0
