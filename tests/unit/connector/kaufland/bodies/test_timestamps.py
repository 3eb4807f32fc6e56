"""Timestamps: exact to the microsecond, refused without an offset, and rounded down in filters so no row is missed."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.kaufland.bodies.timestamps import iso_before, us_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("text", "moment_us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-01T00:00:05Z", 1_767_225_605_000_000),
        ("2026-01-01t00:00:05z", 1_767_225_605_000_000),
        ("2026-01-01 00:00:05+00:00", 1_767_225_605_000_000),
        ("2026-01-01T01:00:05+0100", 1_767_225_605_000_000),
        ("2026-01-01T00:00:05.000001Z", 1_767_225_605_000_001),
        ("2026-01-01T00:00:05.1234567Z", 1_767_225_605_123_456),
        ("1969-12-31T23:59:59Z", -1_000_000),
    ],
)
def test_a_timestamp_with_an_offset_is_read(text: str, moment_us: int) -> None:
    assert us_of(text) == moment_us


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-01-01",
        "2026-01-01T00:00:05",
        "2026-02-30T00:00:05Z",
        "2026-01-01T24:00:05Z",
        "2026-01-01T00:00:05+99:99",
        "2026-W01-1T00:00:05Z",
        "20260101T000005Z",
        "1767225605",
        " 2026-01-01T00:00:05Z",
        "2026-01-01T00:00:05Z\n",
        "٢٠٢٦-01-01T00:00:05Z",
    ],
)
def test_an_invalid_timestamp_or_one_without_an_offset_is_refused(text: str) -> None:
    assert us_of(text) is None


@given(moment=st.datetimes(datetime(1900, 1, 2), datetime(9998, 1, 1), timezones=OFFSETS))
def test_every_timestamp_is_read_to_the_microsecond(moment: datetime) -> None:
    assert us_of(moment.isoformat()) == (moment - EPOCH) // timedelta(microseconds=1)


@given(text=st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    us_of(text)


@given(moment_us=st.integers(1_000_001, 253_402_300_799_000_000))
def test_the_second_asked_for_is_the_last_whole_one_before(moment_us: int) -> None:
    asked_us = us_of(iso_before(moment_us))

    assert asked_us is not None
    assert asked_us % 1_000_000 == 0
    assert 0 < moment_us - asked_us <= 1_000_000


@pytest.mark.parametrize("moment_us", [-(2**63), -1, 0, 1, 2**63])
def test_a_time_outside_the_calendar_is_limited_to_its_range(moment_us: int) -> None:
    assert us_of(iso_before(moment_us)) is not None
