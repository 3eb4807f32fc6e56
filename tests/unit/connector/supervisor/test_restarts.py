"""A process that keeps ending is started again ever later, and soon if it ran well in between."""

from hypothesis import given
from hypothesis import strategies as st

from connector.supervisor.restarts import FIRST_S, MOST_S, STABLE_S, RestartDelay


def test_the_wait_doubles_up_to_a_minute() -> None:
    delay = RestartDelay()

    assert [delay.after(0.5) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_process_that_ran_well_is_started_again_soon() -> None:
    delay = RestartDelay()
    for _ in range(8):
        delay.after(0.5)

    assert [delay.after(STABLE_S), delay.after(0.5)] == [1, 2]


@given(st.lists(st.floats(0.0, 10 * STABLE_S)))
def test_the_wait_is_always_between_the_first_and_the_longest(ran: list[float]) -> None:
    delay = RestartDelay()

    assert all(FIRST_S <= delay.after(ran_s) <= MOST_S for ran_s in ran)
