"""Shows on standard error how far a command is, if that takes longer than a second."""

import sys
from collections.abc import Callable
from shutil import get_terminal_size
from typing import Final, Self, TextIO

from streams.clock import uptime_s

_AFTER_S: Final = 1.0
_EVERY_S: Final = 0.2
_LINE_EVERY_S: Final = 30.0
_ERASE: Final = "\r\x1b[2K"


class ProgressLine:
    """One line that is written over on a terminal; elsewhere, such as in a log, a line every 30 seconds.

    A context manager, which erases the line at the end.
    """

    def __init__(self, *, stream: TextIO | None = None, clock: Callable[[], float] = uptime_s) -> None:
        self._out = sys.stderr if stream is None else stream
        self._clock = clock
        self._is_terminal = self._out.isatty()
        self._due_s = clock() + (_AFTER_S if self._is_terminal else _LINE_EVERY_S)
        self._shown = False

    def show(self, line: str) -> None:
        """Shows the line, if it is time for it."""
        now_s = self._clock()
        if now_s < self._due_s:
            return
        columns = get_terminal_size().columns  # a longer line would wrap, and could not be erased
        self._out.write(f"{_ERASE}{line[: columns - 1]}" if self._is_terminal else f"{line}\n")
        self._out.flush()
        self._due_s = now_s + (_EVERY_S if self._is_terminal else _LINE_EVERY_S)
        self._shown = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown and self._is_terminal:
            self._out.write(_ERASE)
            self._out.flush()


class CallProgress(ProgressLine):
    """Shows how many of a command's calls are answered."""

    def __init__(self, total: int, *, stream: TextIO | None = None, clock: Callable[[], float] = uptime_s) -> None:
        super().__init__(stream=stream, clock=clock)
        self._total = total

    def answered(self, done: int, waits_for: str = "") -> None:
        """Shows how many calls are answered, and what the others wait for, such as an account that is closed."""
        self.show(f"calls answered: {done:,} of {self._total:,}" + (f"; {waits_for}" if waits_for else ""))
