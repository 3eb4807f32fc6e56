"""Before the loop turns: who is away is waited for, and who is asked to end does so."""

from collections.abc import Callable
from threading import Event, Thread

import pytest
from structlog.testing import capture_logs

from connector.startup.waiting import Startup, StopRequested
from streams.errors import BrokerDown, RegistryDenied, RegistryDown, SourceFailed, StreamError

AT_ONCE_S = 0.01


def away(times: int, error: StreamError, then: Callable[[], None] = lambda: None) -> Callable[[], str]:
    """A question that is answered only after so many tries."""
    left = [times]

    def retry_while_down() -> str:
        if left[0]:
            left[0] -= 1
            raise error
        then()
        return "answer"

    return retry_while_down


@pytest.mark.parametrize("error", [BrokerDown("nobody listens"), RegistryDown("nobody listens")])
def test_a_request_is_retried_while_its_server_is_down(error: StreamError) -> None:
    start = Startup(retry_s=AT_ONCE_S)

    with capture_logs() as lines:
        assert start.retry_while_down("the broker", away(3, error)) == "answer"

    assert start.reason == "waiting for the broker: nobody listens"
    said = [(line["event"], line["reason"]) for line in lines]
    assert said == [("waiting for the broker", "nobody listens")], "the same again is not said again at once"


@pytest.mark.parametrize("error", [SourceFailed("no CA"), RegistryDenied("401")])
def test_an_error_that_waiting_cannot_fix_is_raised_at_once(error: StreamError) -> None:
    with pytest.raises(type(error)):
        Startup(retry_s=AT_ONCE_S).retry_while_down("the broker", away(1, error))


def test_a_stop_request_abandons_a_blocking_request() -> None:
    start, asked, never = Startup(), Event(), Event()

    def block() -> None:
        asked.set()
        never.wait()

    def end_it() -> None:
        asked.wait()
        start.stop()

    Thread(target=end_it, daemon=True).start()
    try:
        with pytest.raises(StopRequested):
            start.retry_while_down("the broker", block)
    finally:
        never.set()


def test_a_stop_request_ends_the_wait() -> None:
    start = Startup(retry_s=3_600)
    start.stop()

    with pytest.raises(StopRequested):
        start.retry_while_down("the broker", away(1, BrokerDown("nobody listens")))


def test_a_blocking_request_does_not_stop_the_heartbeat() -> None:
    start, beats = Startup(), Event()
    before_s = start.beat_s

    def block() -> None:
        while start.beat_s == before_s:
            beats.wait(AT_ONCE_S)

    start.retry_while_down("the broker", block)

    assert start.beat_s > before_s


def test_a_stop_request_is_passed_to_the_loop_also_if_it_came_before_it() -> None:
    stops: list[str] = []
    early, late = Startup(), Startup()

    early.stop()
    early.hand_over(lambda: stops.append("early"))
    late.hand_over(lambda: stops.append("late"))
    late.stop()

    assert stops == ["early", "late"]
