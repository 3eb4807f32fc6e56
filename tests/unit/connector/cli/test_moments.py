"""Options take a point in time as a duration before now, or as a date or time in UTC."""

import pytest

from connector.cli.moments import moment_us
from streams.errors import SettingsError

NOW_US = 1_769_846_400_000_000  # 2026-01-31T08:00:00Z
HOUR_US = 3_600_000_000


@pytest.mark.parametrize(
    ("text", "expected_us"),
    [
        ("2h", NOW_US - 2 * HOUR_US),
        ("30m", NOW_US - HOUR_US // 2),
        ("1.5h", NOW_US - HOUR_US * 3 // 2),
        ("0s", NOW_US),
        ("2026-01-31", NOW_US - 8 * HOUR_US),
        ("2026-01-31T07:00:00", NOW_US - HOUR_US),
        ("2026-01-31T07:00:00Z", NOW_US - HOUR_US),
        (None, None),
    ],
)
def test_a_duration_counts_back_and_a_time_is_utc(text: str | None, expected_us: int | None) -> None:
    assert moment_us("--since", text, NOW_US) == expected_us


@pytest.mark.parametrize("text", ["", "yesterday", "-2h", "inf", "20", "2026-02-30", "2026-01-31T07:00+01:00"])
def test_anything_else_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^--since .*: expected how long ago, such as 30m, 2h or 7d, or a time"):
        moment_us("--since", text, NOW_US)
