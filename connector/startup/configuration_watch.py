"""Follows the configuration file while the process runs: the log's level is taken over, all else needs a restart."""

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from connector.mappings.watched_file import WatchedFile
from connector.settings.load import Loaded
from connector.settings.show import masked
from streams.errors import SettingsError
from streams.ports import Report, Stopping

_EVERY_S: Final = 2.0
_LEVEL: Final = "log.level"
_SETTING: Final = "configuration"
_log = structlog.get_logger("connector")


class ConfigurationWatch:
    """A ``streams.ports.Follower``. Without a file, it ends at once."""

    def __init__(
        self,
        loaded: Loaded,
        reload: Callable[[], Loaded],
        use_level: Callable[[str], None],
        every_s: float = _EVERY_S,
    ) -> None:
        """``reload`` reads the configuration again and raises SettingsError; ``use_level`` sets the log's level."""
        self._in_use = dict(masked(loaded.settings))
        self._reload = reload
        self._use_level = use_level
        self._every_s = every_s
        self._level = loaded.settings.log.level
        self._has_begun = False
        self._file = WatchedFile(_SETTING, loaded.file, self._parsed) if loaded.file is not None else None
        self._has_begun = True

    def follow(self, report: Report, stopping: Stopping) -> None:  # noqa: ARG002 - the engine need not know
        """Looks at the file until ``stopping`` is set."""
        while self._file is not None and not stopping.wait(self._every_s):
            self.look()

    def look(self) -> bool:
        """Looks at the file once. Returns whether another level is in use, or another problem is there."""
        if self._file is None or not self._file.look():
            return False
        if self._file.problem:
            _log.warning("the configuration has changed", file=str(self._file.path), note=self._file.problem)
        else:
            _log.info("the configuration was read again", file=str(self._file.path), level=self._level)
        return True

    def problems(self) -> Mapping[str, str]:
        """Returns why the present content of the file is not in use; "" = it is. Any thread."""
        return {} if self._file is None else {_SETTING: self._file.problem}

    def _parsed(self, _content: bytes) -> str:
        """Takes the level over. Raises ValueError for what is not in use."""
        if not self._has_begun:  # what was loaded is in use
            return self._level
        try:
            settings = self._reload().settings
        except SettingsError as refused:
            raise ValueError(f"it is not valid, and not in use: {refused}") from None
        if settings.log.level != self._level:
            self._level = settings.log.level
            self._use_level(self._level)
        found = dict(masked(settings))
        names = [*self._in_use, *(name for name in found if name not in self._in_use)]
        changed = [name for name in names if name != _LEVEL and found.get(name) != self._in_use.get(name)]
        if changed:
            raise ValueError(f"changed, and not in use before a restart: {', '.join(changed)}")
        return self._level
