"""Secrets in addresses: the parts of a URL that are never printed, and the values that logs must not have. Pure."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, urlsplit

HIDDEN: Final = "***"
_PASSWORD: Final = re.compile(r"(?:^(?P<bare>[^/@:\s]*):(?!//)|(?<=://)(?P<user>[^/@:]*):).*@", re.DOTALL)
"""Up to the last @: a password that is not percent-encoded may have one, or a slash."""
_USER_ALONE: Final = re.compile(r"(?<=://)[^/@:?#]+@")
"""A user without a password is a token for many services."""
_QUERY: Final = re.compile(r"(?:(?<=://)(?P<before>[^?#]*)[?#]|\?(?=[^\s?]*=)).*", re.DOTALL)
"""To the end; a text without scheme has a query only if a name and = follow the question mark."""
_TOKEN_LENGTH: Final = 12
"""A value of a query that is shorter may be an ordinary word, which must stay in the log."""


def without_secrets(address: str) -> str:
    """Masks what may be a secret in an address, ``[scheme://][user:password@]host[/path][?query]``.

    These are the password, a user without one, the query and the fragment.
    """
    shown = _PASSWORD.sub(lambda found: f"{found['bare'] or found['user'] or ''}:{HIDDEN}@", address)
    shown = _USER_ALONE.sub(f"{HIDDEN}@", shown)
    return _QUERY.sub(lambda found: f"{found['before'] or ''}?{HIDDEN}", shown)


def secrets_of(address: str) -> Iterator[str]:
    """Yields the texts of an address that no log line may have, as they are written and as they are meant."""
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
    except ValueError:  # no address at all
        return
    secrets = [parts.password or (parts.username if "://" in address else "") or ""]
    secrets += [text for text in (parts.query, parts.fragment) if text]
    values = [pair.partition("=")[2] for pair in parts.query.split("&")]
    secrets += [value for value in values if len(value) >= _TOKEN_LENGTH]
    for secret in filter(None, secrets):
        yield from (secret, unquote(secret))
