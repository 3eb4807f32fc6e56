"""Looks at watched files every few seconds, in a thread of the runner. Not pure."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from connector.mappings.watched_file import WatchedFile
from streams.control import RulesChanged
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

    def follow(self, report: Report, stopping: Stopping) -> None:
        """Looks at the files until ``stopping`` is set.

        What waits in lanes is judged by them at the start and after each change: they, or the settings that name them,
        may have changed while no process ran.
        """
        report(RulesChanged())
        while not stopping.wait(self._every_s):
            if self.look():
                report(RulesChanged())

    def look(self) -> bool:
        """Looks at each file once. Returns whether another content is in use, or another problem is there."""
        changed = [file for file in self._files if file.look()]
        for file in changed:
            self._report_change(file)
        return bool(changed)
