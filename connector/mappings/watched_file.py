"""A file whose content is in use while the process runs. Not pure: it is read again when it changes.

Content that is not valid is refused as a whole: the content that was in use stays in use until a valid one is there.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeAlias, TypeVar

T = TypeVar("T")

SAME_LOOKS: Final = 3
"""A changed file is read when this many looks in a row have found it the same: one that is being written may be valid
and incomplete."""

_Version: TypeAlias = tuple[int, int, int]


class WatchedFile(Generic[T]):
    """``current`` and ``problem`` may be used from any thread, ``look`` from one."""

    def __init__(
        self,
        setting: str,
        path: Path,
        parse: Callable[[bytes], T],
        check_change: Callable[[T, T], None] = lambda _before, _after: None,
    ) -> None:
        """Reads the file. Raises OSError if it cannot be read, and ValueError, from ``parse``, if it is not valid.

        ``setting``: the name of the setting that names the file. ``check_change`` is given the content in use and a new
        one, and raises ValueError if only a restart may bring that change.
        """
        self.setting = setting
        self.path = path
        self._parse = parse
        self._check_change = check_change
        self._read = self._seen = _version(path)
        self._times_seen = SAME_LOOKS
        self._current = parse(path.read_bytes())
        self._refusal = ""  # why the content that was read last is not in use
        self._unreadable = ""

    @property
    def current(self) -> T:
        """The content in use."""
        return self._current

    @property
    def problem(self) -> str:
        """Why the present content of the file is not in use; empty = it is."""
        return self._unreadable or self._refusal

    def look(self) -> bool:
        """Reads the file if it has changed. Returns whether the content in use, or the problem, is another now.

        A changed file is read after ``SAME_LOOKS`` looks.
        """
        before = (self._current, self.problem)
        try:
            self._look()
            self._unreadable = ""
        except OSError as error:
            self._unreadable = error.strerror or str(error)
        return before != (self._current, self.problem)

    def _look(self) -> None:
        found = _version(self.path)
        self._times_seen = self._times_seen + 1 if found == self._seen else 1
        self._seen = found
        if self._times_seen < SAME_LOOKS or found == self._read:
            return
        content = self.path.read_bytes()
        self._read = found
        try:
            parsed = self._parse(content)
            self._check_change(self._current, parsed)
            self._current, self._refusal = parsed, ""
        except ValueError as error:
            self._refusal = str(error)


def _version(path: Path) -> _Version:
    """Returns what changes when the file is written or replaced. Raises OSError."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino
