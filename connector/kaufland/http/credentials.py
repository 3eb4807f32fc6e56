"""An account's keys: read from files, read again while the marketplace refuses them, and never shown.

A secret leaves this module only to sign; output shows a fingerprint instead.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import NoReturn

from streams.errors import SettingsError

CLIENT_KEY_LENGTH = 32
SECRET_KEY_LENGTH = 64
"""The documented lengths. The documentation's own example of a client key has 31 characters, so another length only
leads to a notice."""


class Secret:
    """A text that is shown by ``reveal`` only, never by ``repr``, ``str`` or a format string."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Returns the secret text."""
        return self._text

    def fingerprint(self) -> str:
        """Returns eight hex digits that distinguish two keys without revealing either."""
        return hashlib.sha256(b"fingerprint:" + self._text.encode()).hexdigest()[:8]

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __len__(self) -> int:
        return len(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self.fingerprint()))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not serialised")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """The client key and the secret key, read at the same time."""

    client_key: Secret
    secret_key: Secret

    def fingerprint(self) -> str:
        """Returns the fingerprints of both keys for output, as ``client/secret``."""
        return f"{self.client_key.fingerprint()}/{self.secret_key.fingerprint()}"


class Credentials:
    """One account's keys. Thread-safe; the pair is replaced as a whole.

    ``notices`` lists what an operator should check: trimmed white space, an unusual length, a refused new file.
    """

    def __init__(self, client_key: Callable[[], str], secret_key: Callable[[], str]) -> None:
        """Reads both keys. Raises SettingsError that names every fault and shows no key."""
        self._sources = (client_key, secret_key)
        self._lock = Lock()
        self._pair, self.notices = _read(self._sources)

    @classmethod
    def from_files(cls, client_key: Path, secret_key: Path) -> "Credentials":
        """Reads the keys from UTF-8 files that hold nothing but the key. Raises SettingsError."""
        return cls(_file(client_key), _file(secret_key))

    @classmethod
    def of(cls, client_key: str, secret_key: str) -> "Credentials":
        """Returns credentials with these keys, which never change."""
        return cls(lambda: client_key, lambda: secret_key)

    @property
    def current(self) -> KeyPair:
        """The keys to sign with."""
        return self._pair

    def reload(self) -> bool:
        """Reads the keys again and returns whether they changed. A bad file adds a notice; the old keys stay in use."""
        with self._lock:
            try:
                pair, notices = _read(self._sources)
            except SettingsError as refused:
                self.notices = (f"new keys refused, the old ones stay: {refused}",)
                return False
            changed = pair != self._pair
            self._pair, self.notices = pair, notices
            return changed

    def __repr__(self) -> str:
        return f"Credentials({self._pair.fingerprint()})"


def _file(path: Path) -> Callable[[], str]:
    def read() -> str:
        try:
            return path.read_text(encoding="utf-8")
        except OSError as failed:
            raise SettingsError(f"{path}: {failed.strerror or type(failed).__name__}") from None
        except UnicodeDecodeError:
            raise SettingsError(f"{path}: not text") from None

    return read


def _read(sources: tuple[Callable[[], str], Callable[[], str]]) -> tuple[KeyPair, tuple[str, ...]]:
    """Reads both keys; returns them with the notices about them. Raises SettingsError that names every fault."""
    faults: list[str] = []
    notices: list[str] = []
    keys: list[Secret] = []
    for name, source, length in zip(
        ("client key", "secret key"), sources, (CLIENT_KEY_LENGTH, SECRET_KEY_LENGTH), strict=True
    ):
        try:
            keys.append(_key(name, source(), length, notices))
        except SettingsError as fault:
            faults.append(str(fault))
    if faults:
        raise SettingsError("; ".join(faults))
    return KeyPair(client_key=keys[0], secret_key=keys[1]), tuple(notices)


def _key(name: str, text: str, length: int, notices: list[str]) -> Secret:
    """Returns a key without white space around it, and adds notices. Raises SettingsError if it is no key."""
    key = text.strip()
    if not key:
        raise SettingsError(f"{name} is empty")
    if not key.isascii():
        raise SettingsError(f"{name} holds characters that are not ASCII")
    if not key.isprintable() or " " in key:
        raise SettingsError(f"{name} holds white space or control characters inside")
    if key != text:
        notices.append(f"{name}: white space around it was trimmed")
    if len(key) != length:
        notices.append(f"{name} has {len(key)} characters, usual are {length}")
    return Secret(key)
