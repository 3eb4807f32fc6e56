"""When a sink whose call does not return is replaced, and when the process stops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.sink_watch import AGAIN, SinkAction, SinkWatch

LIMIT_S = 16.0
AGAIN_S = AGAIN * LIMIT_S


@pytest.fixture
def watch() -> SinkWatch:
    return SinkWatch(LIMIT_S)


def hang(watch: SinkWatch, since_s: float) -> SinkAction:
    """Looks every second at a call that does not return, until an action is returned."""
    for second in range(60):
        verdict = watch.look(since_s, since_s + second)
        if verdict is not SinkAction.FINE:
            return verdict
    return SinkAction.FINE


def test_a_call_that_hangs_replaces_the_sink_and_a_second_one_stops_the_process(watch: SinkWatch) -> None:
    assert hang(watch, 0.0) is SinkAction.REPLACE
    assert hang(watch, 100.0) is SinkAction.STOP


def test_a_sink_that_has_made_something_durable_since_is_replaced_again(watch: SinkWatch) -> None:
    assert hang(watch, 0.0) is SinkAction.REPLACE
    watch.became_durable()

    assert hang(watch, 100.0) is SinkAction.REPLACE


def test_a_process_that_was_frozen_in_a_call_waits_for_its_answer_first(watch: SinkWatch) -> None:
    watch.look(0.0, 1.0)

    assert watch.look(0.0, 600.0) is SinkAction.FINE
    assert watch.look(0.0, 600.05) is SinkAction.FINE
    assert watch.look(None, 600.1) is SinkAction.FINE
    assert watch.look(600.2, 600.2 + LIMIT_S - 0.1) is SinkAction.FINE


def test_each_call_has_its_own_time(watch: SinkWatch) -> None:
    for number in range(20):
        began_s = number * (LIMIT_S + 1.0)
        assert watch.look(began_s, began_s + LIMIT_S) is SinkAction.FINE


@given(st.lists(st.tuples(st.floats(0.0, LIMIT_S * 0.99), st.floats(0.0, 5.0)), max_size=30))
def test_calls_that_return_in_time_are_never_given_up(calls: list[tuple[float, float]]) -> None:
    watch, now_s = SinkWatch(LIMIT_S), 0.0
    for lasts_s, pause_s in calls:
        assert watch.look(now_s, now_s + lasts_s) is SinkAction.FINE
        now_s += lasts_s
        assert watch.look(None, now_s) is SinkAction.FINE
        now_s += pause_s
