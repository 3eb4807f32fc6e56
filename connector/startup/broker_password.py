"""Follows the files of the broker's user and password, and gives changed ones to the clients that run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import structlog

from connector.logs import SCRUBBER
from connector.settings.model import KafkaSettings
from streams.errors import SettingsError
from streams.http.secret_file import SecretFile
from streams.kafka.live_clients import LIVE_CLIENTS
from streams.ports import Report, Stopping

_EVERY_S: Final = 2.0
_USER: Final = ("sasl.username",)
_PASSWORD: Final = "sasl.password"  # noqa: S105 - the name of a property
_log = structlog.get_logger("connector")


class BrokerPassword:
    """A ``streams.ports.Follower``. Without a password from a file, it ends at once."""

    def __init__(
        self,
        kafka: KafkaSettings,
        replace: Callable[[str, str], int] = LIVE_CLIENTS.replace_credentials,
        every_s: float = _EVERY_S,
    ) -> None:
        """``replace`` gives user and password to the clients, and returns how many took them."""
        self._user = _source(kafka.properties_from_files, kafka.properties, _USER)
        self._password = _source(kafka.properties_from_files, {}, (_PASSWORD,))
        self._replace = replace
        self._every_s = every_s
        self._known = self._pair()

    def follow(self, report: Report, stopping: Stopping) -> None:  # noqa: ARG002 - the engine need not know
        """Looks at the files until ``stopping`` is set."""
        while self._known is not None and not stopping.wait(self._every_s):
            self.look()

    def look(self) -> bool:
        """Looks at the files once. Returns whether another user or password is in use."""
        found = self._pair()
        if found is None or found == self._known:
            return False
        self._known = found
        _log.info("the broker's credentials were read again", user=found[0], clients=self._replace(*found))
        return True

    def _pair(self) -> tuple[str, str] | None:
        if self._user is None or self._password is None:
            return None
        return self._user(), self._password()


def _source(
    files: Mapping[str, Path], properties: Mapping[str, Any], names: tuple[str, ...]
) -> Callable[[], str] | None:
    """Returns a reader of the first property that is set; None if none is, or its file cannot be read."""
    for name in names:
        if name in files:
            try:
                return SecretFile(files[name], SCRUBBER.learn).read
            except SettingsError:
                return None
        if name in properties:
            text = str(properties[name])
            return lambda: text
    return None
