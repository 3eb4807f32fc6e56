"""How far the calls of a command are: one line on a terminal, a line now and then elsewhere, nothing if it is quick."""

from io import StringIO

import pytest

from connector.operations.call_progress import CallProgress


class FakeStream(StringIO):
    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_takes_less_than_a_second_shows_nothing(is_terminal: bool) -> None:
    out = FakeStream(is_terminal=is_terminal)

    with CallProgress(3, stream=out, clock=lambda: 0.0) as progress:
        progress.answered(1)

    assert out.getvalue() == ""


def shown(moments: list[float], *, is_terminal: bool, waits_for: str = "") -> str:
    out, now = FakeStream(is_terminal=is_terminal), iter([0.0, *moments])
    with CallProgress(2_000, stream=out, clock=lambda: next(now)) as progress:
        for number, _ in enumerate(moments):
            progress.answered(number * 1_000, waits_for)
    return out.getvalue()


def test_on_a_terminal_one_line_is_written_over_and_erased_at_the_end() -> None:
    text = shown([0.5, 1.1, 1.2, 1.4], is_terminal=True)

    assert text.split("\r\x1b[2K") == ["", "calls answered: 1,000 of 2,000", "calls answered: 3,000 of 2,000", ""]


def test_elsewhere_a_line_is_written_every_half_minute() -> None:
    text = shown([1.0, 30.0, 31.0, 61.0], is_terminal=False, waits_for="account main is closed")

    assert text == (
        "calls answered: 1,000 of 2,000; account main is closed\n"
        "calls answered: 3,000 of 2,000; account main is closed\n"
    )
