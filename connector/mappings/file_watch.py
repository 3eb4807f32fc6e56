"""Looks at watched files every few seconds, in a thread of the runner. Not pure."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from connector.mappings.watched_file import WatchedFile
from streams.ports import Report, Stopping

EVERY_S: Final = 2.0

ReportChange: TypeAlias = Callable[[WatchedFile[Any]], None]
"""Reports a file whose new content is in use, or was refused (``WatchedFile.problem``)."""


class FileWatch:
    """A ``streams.ports.Follower`` of files."""

    def __init__(
        self, files: Sequence[WatchedFile[Any]], report_change: ReportChange, every_s: float = EVERY_S
    ) -> None:
        self._files = files
        self._report_change = report_change
        self._every_s = every_s

    def follow(self, report: Report, stopping: Stopping) -> None:  # noqa: ARG002
        """Looks at the files until ``stopping`` is set."""
        while not stopping.wait(self._every_s):
            self.look()

    def look(self) -> None:
        """Looks at each file once."""
        for file in self._files:
            if file.look():
                self._report_change(file)
