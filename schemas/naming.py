"""File names of schemas: ``<record in snake case>.v<version>.avsc``."""

import re

_FILE = re.compile(r"([a-z][a-z0-9_]*)\.v([1-9][0-9]*)\.avsc")


def file_name(name: str, version: int) -> str:
    return f"{name}.v{version}.avsc"


def parse(file: str) -> tuple[str, int] | None:
    """Returns name and version of a schema file, or None if the file name is not that of a schema."""
    match = _FILE.fullmatch(file)
    return (match[1], int(match[2])) if match else None
