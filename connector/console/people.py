"""Who may write through the console, and proof that a request to write comes from a page of the console."""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

LASTS_S: Final = 8 * 3600
"""How long somebody stays signed in."""
MOST_FAILURES: Final = 10
_WINDOW_S: Final = 60.0
LONGEST_NAME: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleUser:
    """Who is signed in. ``form_token``: what each form of this person has to bring back."""

    name: str
    form_token: str
    by_proxy: bool = False


class People(Protocol):
    """How people are known. Header names are in lower case."""

    def person(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> ConsoleUser | None:
        """Returns who makes a request; None if nobody is signed in."""
        ...


class PeopleOfProxy:
    """People whom a proxy before the console has signed in; it names them in a header, and removes one from outside."""

    def __init__(self, header: str, key: bytes | None = None) -> None:
        self._header = header.lower()
        self._key = secrets.token_bytes(32) if key is None else key

    def person(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> ConsoleUser | None:  # noqa: ARG002
        name = valid_name(headers.get(self._header, ""))
        return (
            None if name is None else ConsoleUser(name=name, form_token=_mac(self._key, f"form|{name}"), by_proxy=True)
        )


class PeopleWithToken:
    """People who know the token. Whoever signs in gives a name, which is believed."""

    def __init__(self, token: str, uptime_s: Callable[[], float], key: bytes | None = None) -> None:
        self._token = token
        self._uptime_s = uptime_s
        self._key = secrets.token_bytes(32) if key is None else key
        self._failures: list[float] = []
        self.cookie = f"console-{_mac(self._key, 'cookie')[:8]}"
        """The name of the cookie. Browsers keep cookies by host, whatever the port: each process has its own."""

    def person(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> ConsoleUser | None:  # noqa: ARG002
        parts = cookies.get(self.cookie, "").split(".")
        if len(parts) != 3:
            return None
        name, until, mac = parts
        valid = _mac(self._key, f"session|{name}.{until}")
        if not hmac.compare_digest(mac.encode(errors="replace"), valid.encode()) or float(until) < self._uptime_s():
            return None
        form_token = _mac(self._key, f"form|{name}.{until}")
        return ConsoleUser(name=urlsafe_b64decode(name.encode()).decode(), form_token=form_token)

    def session(self, token: str, name: str) -> str | None:
        """Returns the cookie of somebody who signs in; None if the token or the name is not valid.

        After ``MOST_FAILURES`` wrong tokens within a minute, nobody can sign in for the rest of it.
        """
        now_s = self._uptime_s()
        self._failures = [at_s for at_s in self._failures if now_s - at_s < _WINDOW_S]
        if len(self._failures) >= MOST_FAILURES:
            return None
        if not hmac.compare_digest(token.encode(errors="replace"), self._token.encode()):
            self._failures.append(now_s)
            return None
        valid = valid_name(name)
        if valid is None:
            return None
        said = f"{urlsafe_b64encode(valid.encode()).decode()}.{now_s + LASTS_S:.0f}"
        return f"{said}.{_mac(self._key, f'session|{said}')}"


def valid_name(name: str) -> str | None:
    """Returns a name that can stand in a command; None if it cannot."""
    stripped = name.strip()
    return stripped if 0 < len(stripped) <= LONGEST_NAME and stripped.isprintable() else None


def is_own_site(headers: Mapping[str, str]) -> bool:
    """Whether a form was not sent by a page of another site, as far as the browser tells."""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        return False
    return headers.get("sec-fetch-site", "same-origin") == "same-origin"


def is_own_form(person: ConsoleUser, given: str, headers: Mapping[str, str]) -> bool:
    """Whether a form comes from a page that the console has made for this person."""
    return is_own_site(headers) and hmac.compare_digest(given.encode(errors="replace"), person.form_token.encode())


def _mac(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(errors="replace"), "sha256").hex()
