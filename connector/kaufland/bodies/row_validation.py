"""Validates responses row by row; a row that does not conform to its model becomes an ``UnreadableRow``. Pure.

An invalid side (non-essential) field of a row is read as null, and its fault is noted; any other invalid field makes
the row unreadable. An ``UnreadableRow`` holds a digest and the path and kind of the fault, but no value, since rows may
hold personal data.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from connector.marketplace.orders import UnreadableRow

M = TypeVar("M", bound=BaseModel)

_ORDER_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_MAX_FAULTS = 5

FieldPath: TypeAlias = tuple[str, ...]
"""The names of fields from a model inwards, without indexes of lists."""

FieldLocation: TypeAlias = tuple[str | int, ...]
"""The path of a value in a row: names of fields and indexes in lists, outermost first."""


def checked(model: type[M], raw: Any, where: str, order_id: str | None = None) -> M | UnreadableRow:
    """Validates a row. ``order_id``: the order's id if it is known without the row."""
    try:
        return model.model_validate(raw)
    except ValidationError as wrong:
        return UnreadableRow(where=where, sha256=digest(raw), fault=_faults(wrong), order_id=order_id or _order_id(raw))


@dataclass(frozen=True, slots=True, kw_only=True)
class SideFault:
    """A side field that was read as null: its path, and the kind of its fault."""

    place: FieldLocation
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable(Generic[M]):
    """A row that conforms to its model, except for the side fields in ``faults``."""

    row: M
    faults: tuple[SideFault, ...] = ()


def tolerant(
    model: type[M], side: Iterable[FieldPath], raw: Any, where: str, order_id: str | None = None
) -> Readable[M] | UnreadableRow:
    """Validates a row with each invalid field of ``side`` set to null."""
    try:
        return Readable(row=model.model_validate(raw))
    except ValidationError as wrong:
        faults = _side_faults(wrong, frozenset(side))
    if faults is None:
        row = checked(model, raw, where, order_id)
    else:
        for fault in faults:
            raw = _with_null(raw, fault.place)
        row = checked(model, raw, where, order_id)
    return row if isinstance(row, UnreadableRow) else Readable(row=row, faults=faults or ())


def _side_faults(wrong: ValidationError, side: frozenset[FieldPath]) -> tuple[SideFault, ...] | None:
    """Returns each invalid side field once, or None if any other field is invalid, too."""
    faults: dict[FieldLocation, SideFault] = {}
    for error in wrong.errors(include_url=False, include_context=False, include_input=False):
        place = _side_place(error["loc"], side)
        if place is None:
            return None
        faults.setdefault(place, SideFault(place=place, kind=error["type"]))
    return tuple(faults.values())


def _side_place(location: FieldLocation, side: frozenset[FieldPath]) -> FieldLocation | None:
    """Returns the path of the side field that holds the location, or None if no side field does."""
    for length in range(1, len(location) + 1):
        place = location[:length]
        if tuple(step for step in place if isinstance(step, str)) in side:
            return place
    return None


def _with_null(raw: Any, place: FieldLocation) -> Any:
    """Returns a copy with null at that path; only the containers along the path are copied."""
    if not place:
        return None
    copy: Any = dict(raw) if isinstance(raw, dict) else list(raw)
    copy[place[0]] = _with_null(copy[place[0]], place[1:])
    return copy


def digest(raw: Any) -> str:
    """Returns the SHA-256 of the canonical JSON: sorted keys, no white space, ASCII."""
    return sha256(json.dumps(raw, sort_keys=True, separators=(",", ":"), default=float).encode()).hexdigest()


def _faults(wrong: ValidationError) -> str:
    """Describes the faults, such as ``order_units.1.price: int_type``; names fields of our models, never a value."""
    errors = wrong.errors(include_url=False, include_context=False, include_input=False)
    named = [f"{'.'.join(str(part) for part in e['loc']) or 'row'}: {e['type']}" for e in errors[:_MAX_FAULTS]]
    more = len(errors) - len(named)
    return "; ".join(named) + (f"; and {more} more" if more else "")


def _order_id(raw: Any) -> str | None:
    """Returns the order id of an unreadable row, or None if that cannot be read either."""
    order_id = raw.get("id_order") if isinstance(raw, dict) else None
    return order_id if isinstance(order_id, str) and _ORDER_ID.fullmatch(order_id) else None
