"""The JSON Schema of a log line, made of the lists of log events.

``deploy/logs/log-line.schema.json`` is printed from here: ``python -m connector.console.log_schema``.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

from connector.log_events import LIBRARY, OWN_EVENTS
from streams.telemetry import EVENTS

_SCALAR: Mapping[str, Any] = {"type": ["string", "number", "boolean", "null"]}


def schema() -> dict[str, Any]:
    """Returns the schema. A line has no other fields than those of its event."""
    kinds = {event.name: event.fields for event in EVENTS} | {event.id: event.fields for event in OWN_EVENTS}
    kinds[LIBRARY] = ()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A log line of the connector",
        "type": "object",
        "required": [*_EVERY_LINE],
        "properties": {**_EVERY_LINE, **_SOME_LINES},
        "allOf": [_of_kind(id_, fields) for id_, fields in sorted(kinds.items())],
    } | {"$defs": {"event_id": {"enum": sorted(kinds)}}}


_EVERY_LINE: Mapping[str, Any] = {
    "timestamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$", "description": "UTC."},
    "level": {"enum": ["debug", "info", "warning", "error", "critical"]},
    "event": {"type": "string", "description": "The sentence for people; it may change."},
    "event_id": {"$ref": "#/$defs/event_id", "description": "What happened; it stays the same."},
}
_SOME_LINES: Mapping[str, Any] = {
    "process": {"type": "integer", "description": "The number of the process among those of one parent."},
    "exception": {"type": "string", "description": "The traceback."},
}


def _of_kind(id_: str, fields: tuple[str, ...]) -> dict[str, Any]:
    values = {"anyOf": [_SCALAR, {"type": "array", "items": {"type": "string"}}]}
    known = {name: values for name in fields if name not in _SOME_LINES}
    allowed = sorted({*_EVERY_LINE, *_SOME_LINES, *fields})
    then: dict[str, Any] = {"propertyNames": {"enum": allowed}}
    if known:
        then["properties"] = known
    return {"if": {"properties": {"event_id": {"const": id_}}}, "then": then}


def document() -> str:
    """Returns the content of deploy/logs/log-line.schema.json."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
