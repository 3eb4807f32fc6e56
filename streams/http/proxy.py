"""Egress proxies: their URLs, and the hosts that are reached without them. Pure.

Only plain HTTP proxies with CONNECT tunnels, for https addresses: so a proxy never sees what is sent.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Self
from urllib.parse import unquote, urlsplit

LOOPBACK: Final = ("localhost", "127.0.0.0/8", "::1")
"""Hosts that a proxy of the environment is not used for."""

_DEFAULT_PORT: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProxy:
    """A proxy. ``password`` is called for each connection, because its file may have changed."""

    host: str
    port: int
    user: str = ""
    password: Callable[[], str] = field(default=str, repr=False)

    @property
    def at(self) -> str:
        """Host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def authorization(self) -> str | None:
        """Returns the value of the header Proxy-Authorization, or None without a user."""
        if not self.user:
            return None
        return "Basic " + b64encode(f"{self.user}:{self.password()}".encode()).decode("ascii")


def parse_proxy(text: str) -> HttpProxy:
    """Parses ``[http://][USER:PASSWORD@]HOST[:PORT]``. Raises ValueError, which does not repeat the text."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port, host = parts.port, parts.hostname
    except ValueError:
        raise ValueError("is no URL of a proxy; expected http://HOST:PORT") from None
    if parts.scheme != "http":
        raise ValueError(f"{parts.scheme}:// is not supported for a proxy; expected http://HOST:PORT")
    if not host or parts.path not in ("", "/") or parts.query or parts.fragment or port == 0 or not host.isprintable():
        raise ValueError("is no URL of a proxy; expected http://HOST:PORT")
    password = unquote(parts.password or "")
    return HttpProxy(
        host=host, port=port or _DEFAULT_PORT, user=unquote(parts.username or ""), password=lambda: password
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exempt:
    """One entry of the list: a domain with its subdomains, or a network. ``port`` None = every port."""

    place: str | IPv4Network | IPv6Network
    port: int | None

    def covers(self, host: str, address: IPv4Address | IPv6Address | None, port: int) -> bool:
        if self.port is not None and self.port != port:
            return False
        if not isinstance(self.place, str):
            return address is not None and address.version == self.place.version and address in self.place
        return host == self.place or host.endswith(f".{self.place}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoProxy:
    """The hosts that are reached directly, as curl and Go read ``NO_PROXY``."""

    everything: bool = False
    entries: tuple[_Exempt, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """Parses entries: ``*``; a domain, with or without a leading dot, which covers its subdomains; an IP address or
        a network such as 10.0.0.0/8; each of them but a network with ``:PORT``.

        Raises ValueError that names the entry.
        """
        texts = [entry.strip().lower() for entry in entries]
        return cls(everything="*" in texts, entries=tuple(_exempt(text) for text in texts if text and text != "*"))

    def covers(self, host: str, port: int) -> bool:
        """Whether a host is reached directly. Names are compared as they are written; none is resolved."""
        name = host.lower().rstrip(".")
        address = _address(name)
        return self.everything or any(entry.covers(name, address, port) for entry in self.entries)


def _exempt(text: str) -> _Exempt:
    place, port = text, ""
    if text.startswith("["):
        place, closed, port = text[1:].partition("]")
        place = place if closed else text
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        place, _, port = text.partition(":")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise ValueError(f"{text!r} has no valid port")
    name = place.removeprefix("*").removeprefix(".").rstrip(".")
    try:
        where: str | IPv4Network | IPv6Network = ip_network(place, strict=False)
    except ValueError:
        if not name or any(sign in name for sign in "/:@* "):
            raise ValueError(f"{text!r} is neither a host name, an IP address nor a network") from None
        where = name
    return _Exempt(place=where, port=int(port) if port else None)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
