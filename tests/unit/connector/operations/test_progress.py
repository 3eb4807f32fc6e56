"""Progress is one line on a terminal, after a second, and is erased; elsewhere nothing is written."""

from collections.abc import Callable, Iterator
from io import StringIO

import pytest

from connector.operations.progress import counted


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def clock(step_s: float) -> Callable[[], float]:
    """Returns a clock that advances by a step with each reading."""
    times: Iterator[int] = iter(range(1_000_000))
    return lambda: next(times) * step_s


def test_after_a_second_the_number_of_items_is_shown_and_erased_at_the_end() -> None:
    out = Terminal()

    assert list(counted(range(5), "letters read", stream=out, clock=clock(0.5))) == list(range(5))

    assert out.getvalue().split("\r\x1b[2K") == ["", *(f"letters read: {count}" for count in range(2, 6)), ""]


def test_the_line_is_written_five_times_a_second_at_most() -> None:
    out = Terminal()

    list(counted(range(10_000), "letters read", stream=out, clock=clock(0.001)))

    assert out.getvalue().count("letters read: ") <= 46


def test_what_is_done_within_a_second_shows_nothing() -> None:
    out = Terminal()

    list(counted(range(900), "letters read", stream=out, clock=clock(0.001)))

    assert out.getvalue() == ""


def test_nothing_is_written_where_nobody_looks() -> None:
    out = StringIO()

    list(counted(range(3_000), "letters read", stream=out, clock=clock(1)))

    assert out.getvalue() == ""


def test_the_line_is_erased_when_the_items_fail() -> None:
    out = Terminal()

    def failing() -> Iterator[int]:
        yield 1
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        list(counted(failing(), "letters read", stream=out, clock=clock(5)))

    assert out.getvalue().endswith("\r\x1b[2K")
