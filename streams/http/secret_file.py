"""A secret that is read from its file whenever it is needed. Not pure."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from streams.errors import SettingsError


class SecretFile:
    """The content of a file, without white space around it. Thread-safe."""

    def __init__(self, file: Path, learn: Callable[[Iterable[str]], None] = lambda _secrets: None) -> None:
        """Reads the file. Raises SettingsError. ``learn`` is given each secret, to keep it out of logs."""
        self.file: Final = file
        self._learn = learn
        self._last = self._content()

    def read(self) -> str:
        """Returns the secret as the file has it now; while the file cannot be read, or is empty, the last one."""
        with suppress(SettingsError):  # it is being replaced
            self._last = self._content()
        return self._last

    def _content(self) -> str:
        try:
            text = self.file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(f"{self.file} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SettingsError(f"{self.file} is not text") from None
        if not text:
            raise SettingsError(f"{self.file} is empty")
        self._learn([text])
        return text
