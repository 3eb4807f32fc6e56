"""Parses and validates the queries and bodies of the endpoints about orders, parcels and returns. Pure.

The document describes every filter by time as "after this timestamp". It is taken literally: a row whose time equals
the timestamp, in whole seconds as responses show it, is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from simulator.offers.rules import Query, is_integer, parse, unless_wrong
from simulator.orders.orders import SimulatedParcel, SimulatedUnitStatus
from simulator.orders.returns import ReturnStatus, ReturnUnitStatus
from simulator.problems import ProblemDetails, RequestFieldError, invalid
from simulator.reference import (
    BY_MERCHANT,
    CARRIERS,
    CARRIERS_WITHOUT_TRACKING,
    DEFAULT_PAGE,
    FULFILLMENT_TYPES,
    INT32_MAX,
    INT64_MAX,
    MAX_PAGE,
    ORDER_EMBEDDABLES,
    ORDER_UNIT_EMBEDDABLES,
)

_SORTS: Final = ("ts_created:desc", "ts_updated:desc")
_STATUSES: Final = tuple(SimulatedUnitStatus)
_RETURN_STATUSES: Final = tuple(ReturnStatus)
_RETURN_UNIT_STATUSES: Final = tuple(ReturnUnitStatus)
_RETURN_EMBEDDABLES: Final = ("buyer", "return_units")
_RETURN_UNIT_EMBEDDABLES: Final = ("return", "tickets", "order_unit")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveQuery:
    """A query for a page of a list. ``created_from_us`` and ``updated_from_us`` are inclusive lower bounds."""

    storefront: str | None = None
    limit: int = DEFAULT_PAGE
    offset: int = 0
    fulfillment_types: frozenset[str] = frozenset({BY_MERCHANT})
    created_from_us: int | None = None
    updated_from_us: int | None = None
    statuses: frozenset[str] | None = None
    id_offer: str | None = None
    tracking_code: str | None = None
    by_updated: bool = False


def order_units_query(text: str, storefronts: frozenset[str]) -> LiveQuery | ProblemDetails:
    """Parses the query of ``GET /order-units``. ``storefronts`` are those of the seller."""
    return _live_query(Query(text), storefronts, updated="ts_updated_from_iso", statuses=_STATUSES)


def orders_query(text: str, storefronts: frozenset[str]) -> LiveQuery | ProblemDetails:
    """Parses the query of ``GET /orders``, which has neither a status filter nor a sort."""
    return _live_query(Query(text), storefronts, updated="ts_units_updated_from_iso", statuses=None)


def returns_query(text: str, storefronts: frozenset[str]) -> LiveQuery | ProblemDetails:
    """Parses the query of ``GET /returns``."""
    return _live_query(Query(text), storefronts, updated="ts_updated_from_iso", statuses=_RETURN_STATUSES)


def return_units_query(text: str, storefronts: frozenset[str]) -> LiveQuery | ProblemDetails:
    """Parses the query of ``GET /return-units``. Its rows have no time of update, so they are sorted by creation."""
    return _live_query(Query(text), storefronts, updated=None, statuses=_RETURN_UNIT_STATUSES)


def _live_query(
    query: Query, storefronts: frozenset[str], *, updated: str | None, statuses: Sequence[str] | None
) -> LiveQuery | ProblemDetails:
    storefront = query.optional_storefront()
    chosen = LiveQuery(
        storefront=storefront,
        limit=query.number("limit", 1, MAX_PAGE) or DEFAULT_PAGE,
        offset=query.number("offset", 0, INT32_MAX) or 0,
        fulfillment_types=query.choices("fulfillment_type", FULFILLMENT_TYPES) or frozenset({BY_MERCHANT}),
        created_from_us=_first_us(query.instant("ts_created_from_iso")),
        updated_from_us=None if updated is None else _first_us(query.instant(updated)),
        statuses=None if statuses is None else query.choices("status", statuses),
        id_offer=query.text("id_offer"),
        tracking_code=query.text("tracking_code"),
        by_updated=statuses is not None and query.one_of("sort", _SORTS) == "ts_updated:desc",
    )
    return unless_wrong(query, storefronts, chosen, storefront)


def _first_us(after: datetime | None) -> int | None:
    """Returns the start of the next full second, in microseconds: the first time that counts as later."""
    return None if after is None else (int(after.timestamp() // 1) + 1) * 1_000_000


def order_unit_embedded(text: str) -> frozenset[str] | ProblemDetails:
    return _embedded(text, ORDER_UNIT_EMBEDDABLES)


def order_embedded(text: str) -> frozenset[str] | ProblemDetails:
    return _embedded(text, ORDER_EMBEDDABLES)


def return_embedded(text: str) -> frozenset[str] | ProblemDetails:
    return _embedded(text, _RETURN_EMBEDDABLES)


def return_unit_embedded(text: str) -> frozenset[str] | ProblemDetails:
    return _embedded(text, _RETURN_UNIT_EMBEDDABLES)


def _embedded(text: str, allowed: Sequence[str]) -> frozenset[str] | ProblemDetails:
    query = Query(text)
    chosen = query.choices("embedded", allowed) or frozenset()
    return invalid(*query.errors) if query.errors else chosen


# ---- bodies ---------------------------------------------------------------------------------------------------------


def parcel_sent(body: bytes) -> SimulatedParcel | ProblemDetails:
    """Parses the body of ``PATCH /order-units/{id_order_unit}/send``; its tracking numbers are comma-separated."""
    data = parse(body)
    if isinstance(data, ProblemDetails):
        return data
    if not isinstance(data, dict) or data.keys() != {"tracking_numbers", "carrier_code"}:
        return invalid(RequestFieldError("body", "must hold tracking_numbers and carrier_code, and nothing else"))
    return _parcel(data, "tracking_numbers", several=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherParcel:
    """The body of ``POST /shipments``."""

    id_order_unit: int
    parcel: SimulatedParcel


def further_parcel(body: bytes) -> FurtherParcel | ProblemDetails:
    """Parses the body of ``POST /shipments``."""
    data = parse(body)
    if isinstance(data, ProblemDetails):
        return data
    if not isinstance(data, dict) or data.keys() != {"id_order_unit", "shipment_information"}:
        return invalid(RequestFieldError("body", "must hold id_order_unit and shipment_information, and nothing else"))
    if not is_integer(data["id_order_unit"], 1, INT64_MAX):
        return invalid(RequestFieldError("id_order_unit", "must be a positive integer"))
    if not isinstance(data["shipment_information"], dict):
        return invalid(RequestFieldError("shipment_information", "must be an object"))
    parcel = _parcel(data["shipment_information"], "tracking_number", several=False)
    if isinstance(parcel, ProblemDetails):
        return parcel
    return FurtherParcel(id_order_unit=data["id_order_unit"], parcel=parcel)


def _parcel(data: dict[str, Any], name: str, *, several: bool) -> SimulatedParcel | ProblemDetails:
    carrier, text = data.get("carrier_code"), data.get(name)
    errors: list[RequestFieldError] = []
    if not isinstance(carrier, str) or carrier not in CARRIERS:
        carrier = ""
        errors.append(RequestFieldError("carrier_code", "must be the exact name of a carrier"))
    numbers = _tracking_numbers(text, several=several, optional=carrier in CARRIERS_WITHOUT_TRACKING)
    if numbers is None:
        errors.append(
            RequestFieldError(name, "must be a tracking number" + (", or several with commas" if several else ""))
        )
    if errors or numbers is None:
        return invalid(*errors)
    return SimulatedParcel(carrier_code=carrier, tracking_numbers=numbers)


def _tracking_numbers(text: object, *, several: bool, optional: bool) -> tuple[str, ...] | None:
    """Returns the tracking numbers, or None if the text is invalid."""
    if not isinstance(text, str):
        return None
    if optional and not text.strip():
        return ()
    numbers = tuple(part.strip() for part in text.split(",")) if several else (text.strip(),)
    return numbers if all(numbers) else None
