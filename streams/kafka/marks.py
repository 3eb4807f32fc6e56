"""A mark as commit metadata: what the group coordinator keeps beside a partition's position. Pure.

The broker takes at most 4,095 characters (``offset.metadata.max.bytes``, 4,096 less one); more loses the whole
transaction. Metadata that is not ours, or none, is no mark: Kafka's own tools drop it when they move a position. Such a
position is kept, and its partition opens as after a crash, with all of its log read first: nothing is known of who had
it before.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from streams.flow import Mark

LIMIT: Final = 4_095
_VERSION: Final = 1
_FIELDS: Final[Mapping[str, type]] = {
    "v": int,
    "read_ahead": int,
    "drained": bool,
    "serial": int,
    "state_topic_id": str,
}


def encode(mark: Mark) -> str:
    """The metadata of a mark; its position travels as the committed offset. Raises ValueError over the limit."""
    text = json.dumps(
        {
            "v": _VERSION,
            "read_ahead": mark.read_ahead,
            "drained": mark.drained,
            "serial": mark.serial,
            "state_topic_id": mark.state_topic_id,
        },
        separators=(",", ":"),
    )
    if len(text) > LIMIT:
        raise ValueError(f"a mark of {len(text)} characters passes the limit of {LIMIT}")
    return text


def decode(position: int, metadata: str | None) -> Mark | None:
    """The mark of a committed position; None for metadata that we did not write."""
    said = _object(metadata or "")
    if said.get("v") != _VERSION or any(type(said.get(name)) is not kind for name, kind in _FIELDS.items()):
        return None
    return Mark(
        position=position,
        read_ahead=said["read_ahead"],
        drained=said["drained"],
        serial=said["serial"],
        state_topic_id=said["state_topic_id"],
    )


def _object(text: str) -> Mapping[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
