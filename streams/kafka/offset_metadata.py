"""Encodes a mark as offset metadata, which the group coordinator stores beside the committed offset. Pure.

The broker accepts at most 4,095 characters (``offset.metadata.max.bytes``, 4,096, less one); longer metadata fails the
whole transaction. Metadata that is missing, or not ours, is no mark: Kafka's own tools drop it when they reset an
offset. The offset is used all the same, and its partition starts as after a crash: its log is read to the end first,
because nothing is known about the previous owner. A mark contains its own position, so if a tool moves the offset and
keeps the metadata, that is no mark either.

``v`` is increased only if an older version must not read a mark as its own. Older versions ignore unknown fields: they
read a mark of this version correctly, check less of it, and write marks without ``position``, ``input_topic_id`` and
``side``, whose absence is accepted here.

``side`` has the positions of side inputs by name, each as a list: position, messages delivered, topic id,
offsets gone. The bounds of
``streams.side_input`` keep a mark below the broker's limit. Of later versions, further elements of a list are ignored;
a list that cannot be read is left out, and its side input starts again.

``by`` is the version of the program that committed, for people; no process reads it to decide anything. It is left out
where it does not fit.

``spent`` has, by account with a quota, the number of the window and the calls counted in it;
``quota.fit_into_a_mark`` tells whether they all fit. What cannot be read is left out, and its calls are counted from 0
again.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from streams.messages import Mark
from streams.quota import SpentCalls
from streams.side_input import INPUTS_LIMIT, NAME_LIMIT, SidePosition

LIMIT: Final = 4_095
_MOST_CALLS: Final = 1e15  # more cannot have been counted
_VERSION: Final = 1
_FIELDS: Final[Mapping[str, type]] = {
    "v": int,
    "read_ahead": int,
    "drained": bool,
    "serial": int,
    "state_topic_id": str,
}
_LATER: Final[Mapping[str, type]] = {"position": int, "input_topic_id": str}  # absent from marks of older versions


_ABSENT: Final = ("", "", "", 0)
"""Elements that are absent from the position of a side input; the first two must be there."""


def encode(mark: Mark, by: str = "") -> str:
    """Returns the metadata of a mark, whose position is the committed offset. Raises ValueError beyond the limit.

    ``by``: the version that commits it.
    """
    fields = {
        "v": _VERSION,
        "read_ahead": mark.read_ahead,
        "drained": mark.drained,
        "serial": mark.serial,
        "state_topic_id": mark.state_topic_id,
        "position": mark.position,
        **({"input_topic_id": mark.input_topic_id} if mark.input_topic_id else {}),
        **({"side": {name: _listed(one) for name, one in mark.side.items()}} if mark.side_known or mark.side else {}),
        **({"spent": {name: [one.window, one.calls] for name, one in mark.spent.items()}} if mark.spent else {}),
    }
    text = _compact(fields)
    if len(text) > LIMIT:
        raise ValueError(f"a mark of {len(text)} characters exceeds the limit of {LIMIT}")
    signed = _compact({**fields, "by": by}) if by else text
    return signed if len(signed) <= LIMIT else text


def committed_by(metadata: str | None) -> str | None:
    """Returns the version that committed an offset; "" if the mark names none, None if the metadata is no mark."""
    fields = _object(metadata or "")
    if fields.get("v") != _VERSION or type(fields.get("serial")) is not int:
        return None
    by = fields.get("by", "")
    return by if isinstance(by, str) else ""


def _compact(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, separators=(",", ":"))


def decode(position: int, metadata: str | None) -> Mark | None:
    """Returns the mark of a committed offset; None if the metadata is not ours or belongs to another position."""
    fields = _object(metadata or "")
    if fields.get("v") != _VERSION or any(type(fields.get(name)) is not kind for name, kind in _FIELDS.items()):
        return None
    if any(type(fields[name]) is not kind for name, kind in _LATER.items() if name in fields):
        return None
    if fields.get("position", position) != position:
        return None
    return Mark(
        position=position,
        read_ahead=fields["read_ahead"],
        drained=fields["drained"],
        serial=fields["serial"],
        state_topic_id=fields["state_topic_id"],
        input_topic_id=fields.get("input_topic_id", ""),
        side=_side(fields.get("side")),
        side_known="side" in fields,
        spent=_spent(fields.get("spent")),
    )


def _spent(found: Any) -> Mapping[str, SpentCalls]:
    """Returns the calls that are counted in quotas, as far as they can be read."""
    if not isinstance(found, dict):
        return {}
    return {
        name: SpentCalls(window=listed[0], calls=float(listed[1]))
        for name, listed in found.items()
        if _is_count(listed)
    }


def _is_count(listed: Any) -> bool:
    if not isinstance(listed, list) or len(listed) < 2:
        return False
    window, calls = listed[:2]
    return type(window) is int and type(calls) in (int, float) and 0 <= calls <= _MOST_CALLS


def _listed(one: SidePosition) -> list[Any]:
    listed = [one.position, one.delivered, one.topic_id, one.gone]
    return listed if one.gone else listed[:3] if one.topic_id else listed[:2]


def _side(found: Any) -> Mapping[str, SidePosition]:
    """Returns the positions of side inputs that can be read, as many as a partition may have."""
    if not isinstance(found, dict):
        return {}
    read = {name: _side_position(listed) for name, listed in found.items() if 0 < len(name) <= NAME_LIMIT}
    known = [(name, one) for name, one in read.items() if one is not None]
    return dict(known[:INPUTS_LIMIT])


def _side_position(listed: Any) -> SidePosition | None:
    position, delivered, topic_id, gone, *_ = (
        [*listed, *_ABSENT[len(listed) :]] if isinstance(listed, list) else _ABSENT
    )
    if type(position) is not int or type(delivered) is not int or position < 0 or not isinstance(topic_id, str):
        return None
    gone = gone if type(gone) is int and gone > 0 else 0
    return SidePosition(position=position, delivered=delivered, topic_id=topic_id, gone=gone)


def _object(text: str) -> Mapping[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
