"""The clock skew, measured by the ``Date`` header of responses."""

from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st

from connector.kaufland.http.limits import http_date_s
from connector.kaufland.http.skew import SkewMeter
from streams.flow import Now

WALL_S = 1_760_000_000


def now(mono_s: float, wall_s: float) -> Now:
    return Now(mono_s=mono_s, wall_us=round(wall_s * 1e6))


def dated(wall_s: float) -> dict[str, str]:
    """Returns the headers of a response with this ``Date``."""
    return {"date": formatdate(wall_s, usegmt=True)}


def test_before_the_first_answer_the_local_clock_is_used() -> None:
    meter = SkewMeter()

    assert meter.server_time_s(now(5, WALL_S)) == WALL_S
    assert meter.skew_s(now(5, WALL_S)) is None


@given(off_s=st.integers(-100_000, 100_000), trip_s=st.floats(0, 3))
def test_the_skew_is_known_to_about_two_seconds_after_one_answer(off_s: int, trip_s: float) -> None:
    meter = SkewMeter()

    meter.observe(dated(WALL_S + off_s), sent_s=100 - trip_s, answered_s=100)

    skew_s = meter.skew_s(now(100, WALL_S))
    assert skew_s is not None
    assert abs(skew_s - off_s) <= 2


def test_a_step_of_the_wall_clock_does_not_change_signature_times() -> None:
    meter = SkewMeter()
    meter.observe(dated(WALL_S), sent_s=100, answered_s=100)

    after = now(110, WALL_S + 3600)

    assert abs(meter.server_time_s(after) - (WALL_S + 10)) <= 1


def test_answers_without_a_valid_date_are_ignored() -> None:
    meter = SkewMeter()

    meter.observe({}, sent_s=1, answered_s=1)
    meter.observe({"date": "soon"}, sent_s=1, answered_s=1)
    meter.observe({**dated(WALL_S), "age": "60"}, sent_s=1, answered_s=1)
    meter.observe(dated(WALL_S), sent_s=1, answered_s=10)

    assert meter.skew_s(now(10, WALL_S)) is None


@given(text=st.text(max_size=40) | st.none())
def test_any_date_header_is_read_or_refused(text: str | None) -> None:
    moment = http_date_s(text)

    assert moment is None or isinstance(moment, float)
