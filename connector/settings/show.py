"""Prints the effective settings, with fingerprints in place of secrets. Pure."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from connector.settings.duration import is_duration, written
from connector.settings.model import Settings
from connector.settings.problems import is_secret
from streams.http.address_secrets import without_secrets

OWN = ("instance_id", "health", "console")
"""Settings that may differ between processes of one group and are excluded from the digest."""


def masked(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yields every setting with its formatted value, in the order of the model; secrets are masked."""
    yield from _walk(settings, ())


def digest(settings: Settings) -> str:
    """Returns a digest of the settings, which every result carries. Excludes secrets and the settings in ``OWN``."""
    rows = [row for row in _walk(settings, ()) if not is_secret(row[0]) and not set(row[0].split(".")) & set(OWN)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]


def fingerprint(secret: str) -> str:
    """Returns a short hash that distinguishes two keys without revealing them."""
    return "sha256:" + hashlib.sha256(secret.encode()).hexdigest()[:8]


def _walk(table: BaseModel | Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yields the settings of a section, whose fields show which numbers are durations, or of a plain table."""
    fields = type(table).model_fields if isinstance(table, BaseModel) else {}
    for name, value in table if isinstance(table, BaseModel) else table.items():
        here = (*path, name)
        if isinstance(value, BaseModel | Mapping):
            yield from _walk(value, here)
        elif isinstance(value, tuple) and all(isinstance(one, str) for one in value):
            if value:
                yield ".".join(here), ", ".join(value)
        elif isinstance(value, tuple):
            for place, row in enumerate(value):
                yield from _walk(row, (*here, str(place)))
        elif value is not None and name in fields and is_duration(fields[name]):
            yield ".".join(here), written(value)
        elif value is not None:
            yield ".".join(here), _shown_value(".".join(here), value)


def _shown_value(setting: str, value: Any) -> str:
    if isinstance(value, SecretStr):
        return f"*** ({fingerprint(value.get_secret_value())})"
    if is_secret(setting) and not isinstance(value, Path):
        return "***"
    if isinstance(value, str):
        return without_secrets(value)
    return str(value) if isinstance(value, Path) else json.dumps(value, default=str)
