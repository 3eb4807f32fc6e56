"""``<record in snake case>.v<version>.avsc``, and back."""

import re

_FILE = re.compile(r"([a-z][a-z0-9_]*)\.v([1-9][0-9]*)\.avsc")


def file_name(name: str, version: int) -> str:
    return f"{name}.v{version}.avsc"


def parse(file: str) -> tuple[str, int] | None:
    """Name and version of a schema's file; None = not a schema's file."""
    match = _FILE.fullmatch(file)
    return (match[1], int(match[2])) if match else None
