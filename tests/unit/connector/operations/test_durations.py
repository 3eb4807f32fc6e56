"""Durations in words."""

from connector.operations.durations import in_words


def test_a_duration_has_the_two_largest_units_that_matter() -> None:
    assert [in_words(seconds) for seconds in (-5, 0.4, 59.9, 3_599, 3_600, 90_000)] == [
        "0 s",
        "0 s",
        "59 s",
        "59 min",
        "1 h 0 min",
        "1 d 1 h",
    ]
