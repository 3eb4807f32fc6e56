"""Implements ``connector --version``: what is installed, as far as its build recorded it."""

import json
from collections.abc import Iterator
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

DISTRIBUTION: Final = "kaufland-stream-connector"
NOT_RECORDED: Final = "not recorded"


def installed(package: Traversable | None = None) -> Iterator[str]:
    """Yields the version, the commit and the digest of the lock; ``setup.py`` records the last two at a build."""
    yield f"connector {version(DISTRIBUTION)}"
    record = (package or files("connector")) / "build.json"
    if not record.is_file():
        yield f"commit {NOT_RECORDED}: this is an installation from a checkout"
        return
    built = json.loads(record.read_text(encoding="utf-8"))
    yield f"commit {built['commit'] or NOT_RECORDED}"
    yield f"lock sha256:{built['lock_sha256'] or NOT_RECORDED}"
