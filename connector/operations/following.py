"""Keeps a projection up to date in a process of its own, so that it takes no time from the engine's.

Decoding a million records takes a minute of computing, which threads of one Python process cannot share.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from connector.operations.projected import FollowedProjection, open_followed
from connector.operations.standing import NAME, READ_AT, count
from connector.projection.minutes import minute_of
from connector.settings.model import Settings
from streams.clock import SystemClock
from streams.errors import StreamError

EVERY_S: Final = 5.0
"""Between two looks at the topics."""
_KEPT_MINUTES: Final = 2 * 24 * 60
"""More than the charts and the counts of a day show."""
_NICE: Final = 10
_END_S: Final = 5.0


class ProjectionFollower:
    """A process that keeps a projection up to date until this object is closed, or this process ends."""

    def __init__(self, configured: Settings, directory: Path, *, every_s: float = EVERY_S) -> None:
        context = multiprocessing.get_context("spawn")
        self._told, telling = context.Pipe(duplex=False)
        self._state = "the projection is being opened"
        self._process = context.Process(
            target=follow, args=(configured, directory, every_s, telling), name="projection", daemon=True
        )
        self._process.start()
        telling.close()
        threading.Thread(target=self._listen, name="projection-state", daemon=True).start()

    @property
    def process_id(self) -> int | None:
        """The id of the process."""
        return self._process.pid

    def state(self) -> str:
        """Returns what keeps the projection from being up to date; empty: it is. Any thread."""
        if not self._process.is_alive():
            code = self._process.exitcode
            return f"the process that reads the topics has ended, with exit code {code}; a restart starts it again"
        return self._state

    def _listen(self) -> None:
        """Takes what the process tells, until it ends: a full pipe would stop it, whether anybody asks or not."""
        for told in tellings(self._told):
            self._state = told

    def close(self) -> None:
        """Ends the process. Safe to call twice."""
        self._process.terminate()
        self._process.join(_END_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def tellings(told: Connection) -> Iterator[str]:
    """Yields what is told through a pipe until its other end is closed."""
    with suppress(EOFError, OSError):
        while True:
            yield str(told.recv())


def follow(configured: Settings, directory: Path, every_s: float, telling: Connection) -> None:
    """Runs in the process: updates the projection and counts, again and again, until the parent process has ended."""
    os.nice(_NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pause = threading.Event()
    while True:
        try:
            with open_followed(configured, directory) as projection:
                while True:
                    turn(projection, telling.send)
                    pause.wait(every_s)
        except StreamError as error:
            telling.send(str(error))
        pause.wait(every_s)


def turn(projection: FollowedProjection, tell: Callable[[str], None]) -> None:
    """Brings the projection up to date, and counts if anything was read or was never counted.

    Notes in the file when it was up to date, for the processes that only read it.
    """
    read = 0
    for records in projection.update():
        read += records
        tell(f"the projection is being built: {read:,} records read")
    if read or projection.file.summary(NAME) is None:
        tell("the offers are being counted")
        projection.file.keep_summary(NAME, count(projection.reader, SystemClock().now().wall_us).text())
    now_us = SystemClock().now().wall_us
    projection.file.forget_minutes(minute_of(now_us) - _KEPT_MINUTES)
    projection.file.keep_summary(READ_AT, str(now_us))
    tell("")


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)
