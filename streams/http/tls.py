"""The TLS context of a client, made of files and made again when they have changed. Not pure.

Certificates and host names are always verified: there is no way to turn that off.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TypeAlias

import httpx

_Version: TypeAlias = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files. ``ca`` None: the certificates that are shipped with certifi; else those of the file, and no others."""

    ca: Path | None = None
    certificate: Path | None = None  # the client's own, with its chain
    key: Path | None = None  # None: the key is in the file of the certificate

    def context(self) -> ssl.SSLContext:
        """Reads the files. Raises ValueError that names the file."""
        context = self._trusting()
        context.set_alpn_protocols(["http/1.1"])
        if self.certificate is not None:
            try:
                # a password would be asked for on the terminal
                context.load_cert_chain(self.certificate, self.key, password=_no_password)
            except (OSError, ValueError) as error:
                both = f"{self.certificate} and {self.key}" if self.key is not None else f"{self.certificate}"
                raise ValueError(f"{both}: no client certificate with its key in PEM ({_reason(error)})") from None
        return context

    def _trusting(self) -> ssl.SSLContext:
        if self.ca is None:
            return httpx.create_ssl_context(trust_env=False)
        try:
            return ssl.create_default_context(cafile=str(self.ca))
        except OSError as error:
            raise ValueError(f"{self.ca}: no CA certificates in PEM ({_reason(error)})") from None

    def version(self) -> _Version:
        """Returns what changes when one of the files is written or replaced. Raises OSError."""
        named = (file for file in (self.ca, self.certificate, self.key) if file is not None)
        return tuple((found.st_mtime_ns, found.st_size, found.st_ino) for found in (file.stat() for file in named))


class TlsContext:
    """The context in use. Thread-safe.

    A file that cannot be used is told in ``problem``; the context of the last valid files stays in use.
    """

    def __init__(self, files: TlsFiles | None = None, report: Callable[[str], None] = lambda _change: None) -> None:
        """Reads the files. Raises ValueError that names a file that cannot be used, OSError for one that is missing.

        ``report`` is told later problems, each once, and "" when files that can be used were read again.
        """
        self.files = files if files is not None else TlsFiles()
        self.problem = ""
        self._report = report
        self._lock = Lock()
        self._version = self.files.version()
        self._context = self.files.context()

    @property
    def current(self) -> ssl.SSLContext:
        """Looks at the files, and returns the context for a new connection."""
        with self._lock:
            try:
                found = self.files.version()
                if found != self._version or self.problem:  # what was wrong may be mended by chmod alone
                    self._context = self.files.context()
                    self._version, self.problem = found, ""
                    self._report("")
            except (OSError, ValueError) as error:
                if str(error) != self.problem:
                    self.problem = str(error)
                    self._report(self.problem)
            return self._context


def _no_password() -> str:
    raise ValueError("the key is encrypted, which is not supported")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "not PEM"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
