"""A wait fails on lack of progress, not after a fixed time."""

from itertools import count

import pytest

from devstack.waiting import StoodStill, until


def test_a_wait_goes_on_as_long_as_something_moves() -> None:
    """The wait lasts longer than ``still_s``."""
    asked = count()

    until("a thousand", lambda: next(asked) >= 1_000, progress=lambda: next(asked), still_s=0.0, every_s=0.0)


def test_a_wait_without_progress_fails_with_its_last_value() -> None:
    with pytest.raises(StoodStill, match="waited for the moon: nothing moved for 0 s, which stood at: 7 of 8"):
        until("the moon", lambda: False, progress=lambda: "7 of 8", still_s=0.01, every_s=0.001)


def test_a_wait_without_a_progress_value_fails_too() -> None:
    with pytest.raises(StoodStill, match=r"waited for the moon: nothing moved for 0 s$"):
        until("the moon", lambda: False, still_s=0.01, every_s=0.001)
