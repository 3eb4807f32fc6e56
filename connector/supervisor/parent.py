"""The parent's loop: starts the processes, starts them again, and ends them. Edge."""

import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from http import HTTPStatus
from math import inf
from queue import SimpleQueue
from types import FrameType
from typing import Final

import structlog

from connector.supervisor.child_process import CONFIGURATION, ChildProcess
from connector.supervisor.pages import MergedPages, asked
from streams.clock import uptime_s

_log = structlog.get_logger("connector")

_TURN_S: Final = 0.1
_LOOK_S: Final = 10.0
"""How often the parent asks a process whether it stands still."""
STARTING_S: Final = 60.0
"""A process that has run for less than this is not asked: it may not serve its pages yet."""
LOOKS: Final = 3
"""After this many looks in a row without an answer that it is live, a process is killed and started again."""
GRACE_S: Final = 15.0
"""How long after its drain budget a process that was asked to stop is killed."""

Open = Callable[[Sequence[ChildProcess], Callable[[], float]], MergedPages | None]
"""Opens the pages of these processes; the second argument returns when the parent's loop last turned."""


class Parent:
    """Runs the processes until a signal asks it to stop."""

    def __init__(self, children: Sequence[ChildProcess], *, drain_s: float) -> None:
        self._children = children
        self._drain_s = drain_s
        self._signal: int | None = None
        self._wake = threading.Event()
        self._over = threading.Event()
        self._still: SimpleQueue[ChildProcess] = SimpleQueue()  # processes to be killed because they stand still
        self.beat_s = uptime_s()

    def run(self, open_pages: Open) -> int:
        """Returns the exit code of the command. Call in the main thread."""
        with ExitStack() as opened:
            for number in (signal.SIGTERM, signal.SIGINT):
                opened.callback(signal.signal, number, signal.signal(number, self._asked_to_stop))
            for child in self._children:
                opened.callback(child.close)
            pages = open_pages(self._children, lambda: self.beat_s)
            if pages is not None:
                opened.enter_context(pages)
            opened.callback(self._over.set)
            threading.Thread(target=self._look, name="look", daemon=True).start()
            code = self._supervise()
            ended = self._end(signal.SIGTERM if self._signal is None else self._signal)
            return code or ended

    def _asked_to_stop(self, number: int, _frame: FrameType | None) -> None:
        self._signal = number
        self._wake.set()

    def _supervise(self) -> int:
        """Returns 0 when asked to stop, or the exit code of a process that says that the configuration is wrong."""
        while not self._wake.wait(_TURN_S):
            self.beat_s = uptime_s()
            while not self._still.empty():
                self._still.get().kill()
            for child in self._children:
                if child.step() == CONFIGURATION:
                    return CONFIGURATION
        return 0

    def _look(self) -> None:
        """Asks each process whether it is live, until the parent ends. Runs in a thread of its own."""
        silent = dict.fromkeys(self._children, 0)
        while not self._over.wait(_LOOK_S):
            for child in self._children:
                silent[child] = silent[child] + 1 if _looks_still(child) else 0
                if silent[child] == LOOKS:
                    _log.error("a process stands still and is killed", process=child.number)
                    self._still.put(child)
                    silent[child] = 0

    def _end(self, number: int) -> int:
        """Asks all processes to stop and waits for their ends; kills those that take too long. Returns an exit code."""
        for child in self._children:
            child.stop(number)
        by_s, codes = uptime_s() + self._drain_s + GRACE_S, list[int]()
        while any(child.pid is not None for child in self._children):
            self.beat_s = uptime_s()
            codes += [code for child in self._children if (code := child.step()) is not None]
            if uptime_s() >= by_s:
                self._kill_the_rest()
                by_s = inf
            self._wake.clear()
            self._wake.wait(_TURN_S)
        clean = (0, -number)  # the signal itself ends a process that has not begun yet
        return 0 if all(code in clean for code in codes) else 1

    def _kill_the_rest(self) -> None:
        for child in self._children:
            if child.pid is not None:
                _log.error("a process did not stop in time and is killed", process=child.number)
                child.kill()


def _looks_still(child: ChildProcess) -> bool:
    """Returns whether a process stands still; False if that cannot be known now."""
    try:
        return _stands_still(child)
    except Exception as error:  # noqa: BLE001 - the next look is made all the same
        _log.error("a process cannot be asked whether it is live", process=child.number, reason=repr(error))
        return False


def _stands_still(child: ChildProcess) -> bool:
    if child.pid is None or uptime_s() - child.started_s < STARTING_S:
        return False
    page = asked(child, "/livez")
    return page is None or page.status_code != HTTPStatus.OK
