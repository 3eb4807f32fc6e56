"""The Avro schemas as package data: one file per record and version. ``README.md`` describes naming and evolution."""

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

from schemas import naming

NAMES = (
    "offer_changed",
    "offer_result",
    "offer_field_result",
    "offer_not_found",
    "offer_state",
    "marketplace_called",
    "routing_accepted",
    "control_command",
    "replay_progress",
    "shipment_dispatched",
    "shipment_result",
    "shipment_state",
    "scheduler_command",
    "scheduler_state",
    "order_observed",
    "order_contact",
    "return_observed",
    "sales_order_requested",
    "unit_observed",
    "offer_drifted",
)


INPUTS = frozenset({"offer_changed", "shipment_dispatched"})
"""Records that other applications write and the connector reads; the connector writes all others."""


def text(name: str, version: int) -> str:
    """Returns the schema file as published. Raises ``FileNotFoundError`` for an unknown name or version."""
    return (files(__name__) / naming.file_name(name, version)).read_text(encoding="utf-8")


def load(name: str, version: int) -> dict[str, Any]:
    """Returns the parsed schema file. Raises like ``text``."""
    schema: dict[str, Any] = json.loads(text(name, version))
    return schema


@lru_cache(maxsize=64)
def versions(name: str) -> tuple[int, ...]:
    """Returns all versions of a record, oldest first."""
    found = (naming.parse(entry.name) for entry in files(__name__).iterdir())
    return tuple(sorted(version for known, version in filter(None, found) if known == name))


def newest(name: str) -> int:
    """Returns the newest version of a record."""
    return versions(name)[-1]
