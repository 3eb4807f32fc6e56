"""Parses the contents of mapping files. Pure."""

import tomllib
from collections.abc import Mapping


def text(content: bytes) -> str:
    """Returns a file's content as text. Raises ValueError unless it is UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"line {line}: it is not UTF-8. Save it as UTF-8; a spreadsheet calls that CSV UTF-8"
        ) from None


def carriers(content: bytes) -> Mapping[str, str]:
    """Parses aliases of carriers in TOML: ``"DHL Paket" = "DHL"``. Raises ValueError that names the first fault."""
    try:
        table = tomllib.loads(text(content))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"it is not TOML: {error}") from None
    for alias, code in table.items():
        if not alias.strip() or not isinstance(code, str) or not code.strip():
            raise ValueError(f"{alias!r} = {code!r}: expected the seller's name of a carrier = the marketplace's code")
    return table
