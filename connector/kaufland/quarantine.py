"""Answers row by row: what holds to its model, and what does not as an ``Unreadable``. Pure.

An ``Unreadable`` holds a digest and the path and kind of the fault, and no value: rows may be personal.
"""

import json
import re
from decimal import Decimal
from hashlib import sha256
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from connector.marketplace_orders import Unreadable

M = TypeVar("M", bound=BaseModel)

_ORDER_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_MAX_FAULTS = 5


def exact(body: bytes | None) -> Any:
    """The JSON value with its fractions as decimals; None = no JSON, or null."""
    if not body:
        return None
    try:
        return json.loads(body.decode(), parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def checked(model: type[M], raw: Any, where: str, order_id: str | None = None) -> M | Unreadable:
    """The row by its model. ``order_id``: where it is known without the row."""
    try:
        return model.model_validate(raw)
    except ValidationError as wrong:
        return Unreadable(where=where, sha256=digest(raw), fault=_faults(wrong), order_id=order_id or _order_id(raw))


def digest(raw: Any) -> str:
    """SHA-256 of the canonical JSON: keys in order, no white space, ASCII."""
    return sha256(json.dumps(raw, sort_keys=True, separators=(",", ":"), default=float).encode()).hexdigest()


def _faults(wrong: ValidationError) -> str:
    """``order_units.1.price: int_type``: locations are names of our models and places in lists."""
    errors = wrong.errors(include_url=False, include_context=False, include_input=False)
    named = [f"{'.'.join(str(part) for part in e['loc']) or 'row'}: {e['type']}" for e in errors[:_MAX_FAULTS]]
    more = len(errors) - len(named)
    return "; ".join(named) + (f"; and {more} more" if more else "")


def _order_id(raw: Any) -> str | None:
    said = raw.get("id_order") if isinstance(raw, dict) else None
    return said if isinstance(said, str) and _ORDER_ID.fullmatch(said) else None
