"""The allowed addresses of the API: production, the playground, and a simulator on this machine or next to it. Pure.

No configuration can make another address reachable; in playground mode, production is not reachable.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from streams.http.address_secrets import without_secrets

PRODUCTION = "https://sellerapi.kaufland.com/v2"
PLAYGROUND = "https://sellerapi-playground.kaufland.com/v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A base address from the allow-list."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def base(self) -> str:
        """The URL without a trailing slash; the port is included only if it is not the default of the scheme."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"

    def allows(self, scheme: str, host: str, port: int | None) -> bool:
        """Whether a request to this scheme, host and port goes to this address."""
        return (scheme, host, port or _PORTS.get(scheme)) == (self.scheme, self.host, self.port)


_PORTS: Final[Mapping[str, int]] = {"https": 443, "http": 80}


def address(base_url: str | None = None, *, playground: bool = False, dev: bool = False) -> Address:
    """Returns the configured address. ``base_url`` None means production, or the playground in playground mode.

    ``dev`` allows this machine or a host name without a domain, as containers on a network have, also plain HTTP.
    Raises ValueError that lists the allowed addresses.
    """
    given = (base_url or (PLAYGROUND if playground else PRODUCTION)).rstrip("/")
    if given == PRODUCTION and playground:
        raise ValueError("playground mode is on, and the base address is that of production")
    if given not in (PRODUCTION, PLAYGROUND) and not (dev and _near(given)):
        local = (
            ", or http:// or https:// to this machine or to a name without a domain"
            if dev
            else "; to a simulator only with simulator = true"
        )
        shown = without_secrets(given)
        raise ValueError(f"base address {shown!r} is not allowed; allowed are {PRODUCTION}, {PLAYGROUND}{local}")
    parts = urlsplit(given)
    return Address(
        scheme=parts.scheme, host=parts.hostname or "", port=parts.port or _PORTS[parts.scheme], path=parts.path
    )


def _near(url: str) -> bool:
    """Whether a URL is one without user or query, to a near host."""
    try:
        parts = urlsplit(url)
        plain = parts.scheme in _PORTS and not (parts.username or parts.password or parts.query or parts.fragment)
        return plain and parts.port != 0 and _is_near(parts.hostname or "")
    except ValueError:
        return False


def _is_near(host: str) -> bool:
    """Whether a host is this machine, or a name without a domain."""
    if re.fullmatch(r"[a-z][a-z0-9-]{0,62}", host):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
