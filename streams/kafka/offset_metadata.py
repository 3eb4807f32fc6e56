"""A mark as commit metadata: what the group coordinator keeps beside a partition's position. Pure.

The broker takes at most 4,095 characters (``offset.metadata.max.bytes``, 4,096 less one); more loses the whole
transaction. Metadata that is not ours, or none, is no mark: Kafka's own tools drop it when they move a position. Such a
position is kept, and its partition opens as after a crash, with all of its log read first: nothing is known of who had
it before. A mark says its own position too, so a tool that moves a position and keeps the metadata leaves no mark.

``v`` changes only where an older version must not read a mark as its own. It passes over fields that it does not know:
it reads a mark of today rightly, checks less of it, and writes one back without ``position`` and ``input_topic_id``,
whose absence is accepted here.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from streams.messages import Mark

LIMIT: Final = 4_095
_VERSION: Final = 1
_FIELDS: Final[Mapping[str, type]] = {
    "v": int,
    "read_ahead": int,
    "drained": bool,
    "serial": int,
    "state_topic_id": str,
}
_LATER: Final[Mapping[str, type]] = {"position": int, "input_topic_id": str}  # absent from older versions' marks


def encode(mark: Mark) -> str:
    """The metadata of a mark; its position travels as the committed offset. Raises ValueError over the limit."""
    text = json.dumps(
        {
            "v": _VERSION,
            "read_ahead": mark.read_ahead,
            "drained": mark.drained,
            "serial": mark.serial,
            "state_topic_id": mark.state_topic_id,
            "position": mark.position,
            **({"input_topic_id": mark.input_topic_id} if mark.input_topic_id else {}),
        },
        separators=(",", ":"),
    )
    if len(text) > LIMIT:
        raise ValueError(f"a mark of {len(text)} characters passes the limit of {LIMIT}")
    return text


def decode(position: int, metadata: str | None) -> Mark | None:
    """The mark of a committed position; None for metadata that we did not write, or not for this position."""
    said = _object(metadata or "")
    if said.get("v") != _VERSION or any(type(said.get(name)) is not kind for name, kind in _FIELDS.items()):
        return None
    if any(type(said[name]) is not kind for name, kind in _LATER.items() if name in said):
        return None
    if said.get("position", position) != position:
        return None
    return Mark(
        position=position,
        read_ahead=said["read_ahead"],
        drained=said["drained"],
        serial=said["serial"],
        state_topic_id=said["state_topic_id"],
        input_topic_id=said.get("input_topic_id", ""),
    )


def _object(text: str) -> Mapping[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
