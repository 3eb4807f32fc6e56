"""Computes the final state of the marketplace from the events alone. Pure.

Deliberately shares no code with the connector: the demo and the tests compare the two. Per unit and field the newest
event wins, by (occurred_at or the record's timestamp, whichever is earlier; sequence; offset); a missing sequence is
lowest. Units with the same offer id share their stock.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from devstack.traffic import Message, gtin13

FUTURE_US = 300_000_000
"""An event dated further than this ahead of its record's timestamp is rejected (the contract of OfferChanged)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitThere:
    """A unit's initial state at the marketplace; values by the marketplace's field names, prices in minor units."""

    unit_id: int
    storefront: str
    ean: str
    condition: str
    offer_id: str | None
    values: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Produced:
    """A message with the position that the broker assigned to it."""

    message: Message
    partition: int
    offset: int
    record_time_us: int


Order = tuple[int, int, int]


def expected_units(
    units: Iterable[UnitThere], storefronts: Mapping[str, tuple[str, str]], produced: Sequence[Produced]
) -> dict[int, dict[str, int]]:
    """Returns the final state: unit id -> field -> value. ``storefronts``: target id -> (storefront, currency)."""
    there = list(units)
    held = {unit.unit_id: dict(unit.values) for unit in there}
    newest: dict[tuple[int, str], Order] = {}
    for unit_id, name, value, order in placed_values(there, storefronts, produced):
        if order > newest.get((unit_id, name), (-1, -1, -1)):
            newest[unit_id, name] = order
            held[unit_id][name] = value
    return held


def placed_values(
    units: Iterable[UnitThere], storefronts: Mapping[str, tuple[str, str]], produced: Sequence[Produced]
) -> Iterator[tuple[int, str, int, Order]]:
    """Yields every value that an event sets, also on linked units: (unit id, field, value, order of the event)."""
    by_place: dict[tuple[str, str, str], list[UnitThere]] = {}
    linked: dict[str, list[UnitThere]] = {}
    for unit in units:
        by_place.setdefault((unit.storefront, unit.ean, unit.condition), []).append(unit)
        if unit.offer_id is not None:
            linked.setdefault(unit.offer_id, []).append(unit)
    for one in produced:
        for unit, values in _meant(one, by_place, storefronts):
            for name, value in values.items():
                group = linked.get(unit.offer_id or "", [unit]) if name == "amount" else [unit]
                for member in group:
                    yield member.unit_id, name, value, _order(one)


def _order(one: Produced) -> Order:
    payload = one.message.payload or {}
    sequence = payload.get("sequence")
    time_us = min(payload["occurred_at_us"], one.record_time_us + 999)  # a record's timestamp is in whole milliseconds
    return time_us, -1 if sequence is None else sequence, one.offset


def _meant(
    one: Produced,
    by_place: Mapping[tuple[str, str, str], list[UnitThere]],
    storefronts: Mapping[str, tuple[str, str]],
) -> list[tuple[UnitThere, dict[str, int]]]:
    payload = one.message.payload
    if payload is None or not _may_be_sent(one, payload) or payload["target_id"] not in storefronts:
        return []
    storefront, currency = storefronts[payload["target_id"]]
    units = by_place.get((storefront, payload["ean"], payload["condition"]), [])
    if payload.get("offer_id") is not None:
        units = [u for u in units if u.offer_id == payload["offer_id"]]
    if payload.get("unit_id") is not None:
        units = [u for u in units if u.unit_id == payload["unit_id"]]
    if len(units) != 1:
        return []
    return [(units[0], _values(payload, currency))]


def _may_be_sent(one: Produced, payload: Mapping[str, Any]) -> bool:
    ean: str = payload["ean"]
    occurred_at_us: int = payload["occurred_at_us"]
    return one.message.key == ean and gtin13(ean[:12]) == ean and occurred_at_us <= one.record_time_us + FUTURE_US


def _values(payload: Mapping[str, Any], currency: str) -> dict[str, int]:
    values: dict[str, int] = {}
    if (stock := payload.get("stock")) is not None:
        values["amount"] = stock
    if (days := payload.get("handling_time_days")) is not None:
        values["handling_time"] = days
    price = payload.get("price")
    if price is not None and price[1] == currency:
        values["listing_price"] = int(Decimal(price[0]).scaleb(2))
    return values
