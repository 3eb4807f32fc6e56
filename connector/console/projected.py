"""The projection behind the console: kept up to date by a process of its own, read by the threads that make pages."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from connector.operations.durations import in_words
from connector.operations.following import ProjectionFollower
from connector.operations.projected import ProjectionWindow
from connector.operations.standing import NAME, READ_AT, Standing, standing_of
from connector.projection.listings import ListingReader
from connector.settings.model import Settings
from streams.clock import SystemClock
from streams.errors import StreamError

READING_S: Final = 4.0
"""How long a page may read."""
BEHIND_S: Final = 60.0
"""The topics are read every few seconds; what was read longer ago is not up to date."""


class ConsoleProjection:
    """What pages read. Safe to use from several threads."""

    def __init__(self, configured: Settings, directory: Path, *, follower: ProjectionFollower | None = None) -> None:
        """``follower``: keeps it up to date; None: another one does."""
        self._configured = configured
        self._directory = directory
        self._follower = follower
        self._own = threading.local()

    def state(self) -> str:
        """Returns what keeps the projection from being up to date; empty: it is."""
        if self._follower is not None and (told := self._follower.state()):
            return told
        try:
            with self._window().open(READING_S) as (file, _):
                read_at = file.summary(READ_AT)
        except StreamError as error:
            return str(error)
        if read_at is None:
            return "the projection is being built; no topic was read to its end yet"
        if (age_s := (SystemClock().now().wall_us - int(read_at)) / 1e6) > BEHIND_S:
            return f"the topics were read last {in_words(age_s)} ago"
        return ""

    @contextmanager
    def open(self) -> Iterator[ListingReader]:
        """Opens it for one page. Raises as ``ProjectionWindow.open``."""
        with self._window().open(READING_S) as (_, reader):
            yield reader

    def standing(self) -> Standing | None:
        """Returns what was counted last; None if nothing was yet. Raises as ``ProjectionWindow.open``."""
        with self._window().open(READING_S) as (file, _):
            text = file.summary(NAME)
        return None if text is None else standing_of(text)

    def close(self) -> None:
        """Ends the process that keeps it up to date."""
        if self._follower is not None:
            self._follower.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _window(self) -> ProjectionWindow:
        """Returns the window of this thread: decoders must not be shared."""
        if not hasattr(self._own, "window"):
            self._own.window = ProjectionWindow(self._configured, self._directory)
        window: ProjectionWindow = self._own.window
        return window


def open_console_projection(configured: Settings, *, follows: bool) -> ConsoleProjection | None:
    """Opens the configured projection; None if no directory is configured for it.

    ``follows``: starts the process that keeps it up to date; False: another process of this machine does.
    """
    directory = configured.console.projection
    if directory is None:
        return None
    follower = ProjectionFollower(configured, directory) if follows else None
    return ConsoleProjection(configured, directory, follower=follower)
