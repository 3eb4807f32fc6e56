"""Implements ``connector state digest``: a digest of all offer states, to compare before and after a rebuild.

Two states have the same digest if the same events produced the same values and the same events are pending. The digest
does not cover how and when that happened: times of look-ups and acceptances, values that were only observed, and
whether a value was written or already there. Pure, except for ``show``.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from hashlib import sha256
from typing import Any, TypeAlias

from rich.console import Console

from connector.marketplace.offers import Field
from connector.offers.event_order import EventOrder, Recency, order_of
from connector.offers.events import FieldState, LocationStock, OfferState, Undone, UnitState
from connector.operations.json_output import show_json
from connector.operations.progress import counted

OrderedBy: TypeAlias = Callable[[str], EventOrder]
"""Returns how a source's events are ordered; an unknown source is the empty string."""


def show(
    console: Console,
    states: Iterable[tuple[str, OfferState | None]],
    ordered_by: OrderedBy,
    *,
    as_json: bool = False,
) -> None:
    """Prints a state topic's digest and number of EANs. ``states``: its records, in the order of each partition."""
    digest = StateDigest(ordered_by)
    for ean, state in counted(states, "states read"):
        digest.take(ean, state)
    if as_json:
        show_json(console, {"digest": digest.value(), "eans": digest.count})
    else:
        console.print(f"{digest.value()}  {digest.count} EAN{'' if digest.count == 1 else 's'}")


class StateDigest:
    """Computes the digest of a state topic record by record. Keeps 32 bytes per EAN, however many records it has."""

    def __init__(self, ordered_by: OrderedBy) -> None:
        self._ordered_by = ordered_by
        self._lanes: dict[str, bytes] = {}

    def take(self, ean: str, state: OfferState | None) -> None:
        """Adds the next record, which replaces earlier ones of its EAN. ``state`` None: a tombstone."""
        made = comparable(state, self._ordered_by) if state is not None else None
        if made is None:
            self._lanes.pop(ean, None)
        else:
            self._lanes[ean] = sha256(_canonical(made)).digest()

    @property
    def count(self) -> int:
        """The number of EANs with a state."""
        return len(self._lanes)

    def value(self) -> str:
        """Returns the SHA-256 of all states in hexadecimal digits."""
        whole = sha256()
        for ean in sorted(self._lanes):
            whole.update(ean.encode() + b"\0" + self._lanes[ean])
        return whole.hexdigest()


def by_event_time(source: str) -> EventOrder:  # noqa: ARG001 the default of every source
    """Returns the default order of events."""
    return EventOrder.EVENT_TIME


def comparable(state: OfferState, ordered_by: OrderedBy = by_event_time) -> dict[str, Any] | None:
    """Returns the part of a state that its events determine, or None if there is none.

    Linked units share their stock, which counts once.
    """
    fields = sorted(_canonical(held) for held in _held(state.units, ordered_by))
    undone = sorted(_canonical(_open(event)) for event in state.undone)
    locations = sorted(_canonical(_located(stock)) for stock in state.locations)
    if not fields and not undone and not locations and state.managed and state.unmanaged_at_us is None:
        return None
    return {
        "ean": state.ean,
        "managed": state.managed,
        "unmanaged_at": state.unmanaged_at_us,
        "fields": [json.loads(field) for field in fields],
        "undone": [json.loads(event) for event in undone],
        **({"locations": [json.loads(stock) for stock in locations]} if locations else {}),
    }


def _held(units: Iterable[UnitState], ordered_by: OrderedBy) -> Iterator[dict[str, Any]]:
    """Yields each field set by an event; a linked stock by the newest event, since a unit may have an older one."""
    linked: dict[tuple[str, str], tuple[Recency, FieldState]] = {}
    for unit in units:
        sources: dict[int | None, str] = {}
        for field in unit.fields:
            if field.event_time_us is None:
                continue  # only observed, not set by an event
            source = sources.setdefault(field.input_offset, field.source or "")
            order = order_of(field.event_time_us, field.sequence, field.input_offset or 0, source, ordered_by(source))
            if field.field != Field.STOCK or unit.offer_id is None:
                yield {"account": unit.account, "unit_id": unit.unit_id, **_value(field)}
                continue
            whose = unit.account, unit.offer_id
            if whose not in linked or order > linked[whose][0]:
                linked[whose] = order, field
    for (account, offer_id), (_, field) in linked.items():
        yield {"account": account, "offer_id": offer_id, **_value(field)}


def _value(field: FieldState) -> dict[str, Any]:
    return {
        "field": field.field,
        "value": _text(field.value) if field.value_known else None,
        "currency": field.currency,
        "event_time": field.event_time_us,
        "sequence": field.sequence,
        "input_offset": field.input_offset,
    }


def _located(stock: LocationStock) -> dict[str, Any]:
    return {name: getattr(stock, name) for name in LocationStock.__slots__}


def _open(event: Undone) -> dict[str, Any]:
    """Returns a pending event with the fields that are still to be written."""
    over = {ended.field for ended in event.ended}
    wanted = {field.field: _text(field.value) for field in event.fields if field.field not in over}
    return {"result_id": event.result_id, "announced": event.announced, "fields": wanted}


def _canonical(value: Any) -> bytes:
    """Returns the JSON with sorted keys, without white space."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _text(value: Decimal) -> str:
    """Formats a number without trailing zeros, so that 5 and 5.0000 are alike."""
    return format(value.normalize(), "f")
