"""The projection behind the console: kept up to date by a process of its own, read by the threads that make pages."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from connector.operations.following import ProjectionFollower
from connector.operations.projected import ProjectionWindow
from connector.operations.standing import NAME, Standing, standing_of
from connector.projection.listings import ListingReader
from connector.settings.model import Settings

READING_S: Final = 4.0
"""How long a page may read."""


class ConsoleProjection:
    """What pages read. Safe to use from several threads."""

    def __init__(self, configured: Settings, directory: Path, *, follower: ProjectionFollower | None = None) -> None:
        """``follower``: keeps it up to date; None: another one does."""
        self._configured = configured
        self._directory = directory
        self._follower = follower
        self._lock = threading.Lock()
        self._own = threading.local()

    def state(self) -> str:
        """Returns what keeps the projection from being up to date; empty: it is."""
        with self._lock:
            return self._follower.state() if self._follower is not None else ""

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
