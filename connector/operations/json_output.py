"""Prints the result of a command as one JSON document, for ``--json``."""

import json
from decimal import Decimal
from typing import Any

from rich.console import Console


def show_json(console: Console, document: Any) -> None:
    """Prints the document as it is: not wrapped, not coloured, no markup."""
    console.print(json_text(document), markup=False, highlight=False, soft_wrap=True, emoji=False)


def json_text(document: Any) -> str:
    """Returns the document in JSON, in ASCII. Decimals become texts, bytes ``0x`` and hexadecimal digits."""
    return json.dumps(document, indent=2, default=_plain)


def _plain(value: object) -> str:
    """Returns the text of a value that JSON has no type for. Raises TypeError for any other."""
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} has no form in JSON")
