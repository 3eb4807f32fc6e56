"""Follows the configuration file while the process runs: some settings count at once, the rest needs a restart."""

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from connector.mappings.watched_file import WatchedFile
from connector.settings.live import CONFIGURATION, with_live
from connector.settings.load import Loaded
from connector.settings.model import Settings
from connector.settings.show import masked
from streams.control import RulesChanged
from streams.errors import SettingsError
from streams.ports import Report, Stopping

_EVERY_S: Final = 2.0
_log = structlog.get_logger("connector")


class ConfigurationWatch:
    """A ``streams.ports.Follower``. Without a file, it ends at once."""

    def __init__(
        self,
        loaded: Loaded,
        reload: Callable[[], Loaded],
        use: Callable[[Settings], None],
        every_s: float = _EVERY_S,
    ) -> None:
        """``reload`` reads the configuration again and raises SettingsError.

        ``use`` is given the settings in use whenever one of those that count at once has changed
        (``connector.settings.live``).
        """
        self._in_use = loaded.settings
        self._reload = reload
        self._use = use
        self._every_s = every_s
        self._has_begun = False
        self._file = WatchedFile(CONFIGURATION, loaded.file, self._parsed) if loaded.file is not None else None
        self._has_begun = True

    def follow(self, report: Report, stopping: Stopping) -> None:
        """Looks at the file until ``stopping`` is set. After a change, what waits is judged again."""
        while self._file is not None and not stopping.wait(self._every_s):
            if self.look():
                report(RulesChanged())

    def look(self) -> bool:
        """Looks at the file once. Returns whether other settings are in use, or another problem is there."""
        before = self._in_use
        if self._file is None or not self._file.look():
            return False
        counts = ", ".join(_differing(before, self._in_use)) or "none"
        if self._file.problem:
            _log.warning(
                "the configuration has changed", file=str(self._file.path), note=self._file.problem, in_use_now=counts
            )
        else:
            _log.info("the configuration was read again", file=str(self._file.path), in_use_now=counts)
        return True

    def problems(self) -> Mapping[str, str]:
        """Returns why the present content of the file is not in use; "" = it is. Any thread."""
        return {} if self._file is None else {CONFIGURATION: self._file.problem}

    def _parsed(self, _content: bytes) -> Settings:
        """Takes over what counts at once. Raises ValueError for what does not."""
        if not self._has_begun:  # what was loaded is in use
            return self._in_use
        try:
            found = self._reload().settings
        except SettingsError as refused:
            raise ValueError(f"it is not valid, and not in use: {refused}") from None
        in_use = with_live(self._in_use, found)
        if in_use != self._in_use:
            self._use(in_use)
            self._in_use = in_use
        if waiting := _differing(in_use, found):
            raise ValueError(f"changed, and not in use before a restart: {', '.join(waiting)}")
        return in_use


def _differing(before: Settings, after: Settings) -> list[str]:
    """Returns the settings that are not the same, in the order of the model."""
    old, new = dict(masked(before)), dict(masked(after))
    names = [*old, *(name for name in new if name not in old)]
    return [name for name in names if new.get(name) != old.get(name)]
