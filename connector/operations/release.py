"""What is installed, as far as its build recorded it: for ``connector --version`` and the metrics."""

import json
import platform
from collections.abc import Iterator
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

DISTRIBUTION: Final = "kaufland-stream-connector"
NOT_RECORDED: Final = "not recorded"


def installed(package: Traversable | None = None) -> Iterator[str]:
    """Yields the version, the commit and the digest of the lock; ``setup.py`` records the last two at a build."""
    yield f"connector {version(DISTRIBUTION)}"
    built = _recorded(package)
    if built is None:
        yield f"commit {NOT_RECORDED}: this is an installation from a checkout"
        return
    yield f"commit {built['commit'] or NOT_RECORDED}"
    yield f"lock sha256:{built['lock_sha256'] or NOT_RECORDED}"


def built_from(package: Traversable | None = None) -> tuple[str, ...]:
    """Returns the version, the commit (empty: not recorded), and the versions of Python and the Kafka client."""
    built = _recorded(package)
    commit = built["commit"] or "" if built is not None else ""
    return version(DISTRIBUTION), commit, platform.python_version(), version("confluent-kafka")


def _recorded(package: Traversable | None) -> dict[str, Any] | None:
    record = (package or files("connector")) / "build.json"
    if not record.is_file():
        return None
    built: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    return built
