"""Reads responses about orders and carriers as answers of the port. Pure.

Functions return None if the response as a whole does not conform to the API's document. A single invalid row becomes an
``UnreadableRow``; an invalid side field becomes null, with a note. Amounts of money are whole minor units on both
sides; times are microseconds since the Unix epoch, UTC. Personal data is read only if the account's settings request
it, and only by ``contact``.
"""

from typing import Any

from connector.kaufland.bodies.json_body import data_of, exact
from connector.kaufland.bodies.pagination import is_last_page, rows_of
from connector.kaufland.bodies.row_validation import checked, digest, tolerant
from connector.kaufland.orders.contact import contact_of
from connector.kaufland.orders.models import (
    CarrierAnswer,
    OrderAnswer,
    OrderSummaryAnswer,
    OrderUnitRow,
    OrderUnitSummaryAnswer,
)
from connector.kaufland.orders.order_details import creation_us, order_of
from connector.kaufland.orders.unit_status import status_of
from connector.kaufland.reference import KauflandReference
from connector.marketplace.orders import (
    CarriersFound,
    OrderFound,
    OrderPage,
    OrderSummaryFound,
    OrderUnitSummary,
    PageRow,
    ReadOrder,
    ReadOrderPage,
    ReadOrderSummary,
    ReadOrderUnit,
    UnitFound,
    UnreadableRow,
)


def order_unit(body: bytes | None, asked: ReadOrderUnit) -> UnitFound | UnreadableRow | None:
    """Reads an order unit. Returns None for a response about another unit."""
    data = data_of(exact(body))
    if not isinstance(data, dict):
        return None
    unit = _summary(data, f"order-units/{asked.order_unit_id}")
    if isinstance(unit, UnreadableRow):
        return unit
    return UnitFound(unit=unit) if unit.order_unit_id == asked.order_unit_id else None


def order_summary(body: bytes | None, asked: ReadOrderSummary) -> OrderSummaryFound | None:
    """Reads an order's units, leaving out unreadable ones. If a unit is listed twice, the whole list is unreadable."""
    data, where = data_of(exact(body)), f"orders/{asked.order_id}"
    if not isinstance(data, dict):
        return None
    found = checked(OrderSummaryAnswer, data, where, asked.order_id)
    if isinstance(found, UnreadableRow):
        return OrderSummaryFound(order_id=asked.order_id, units=(), unreadable=found)
    if found.id_order != asked.order_id:
        return None
    rows = [_summary(raw, f"{where}, unit {place}", asked.order_id) for place, raw in enumerate(found.order_units, 1)]
    units = [row for row in rows if not isinstance(row, UnreadableRow)]
    broken = next((row for row in rows if isinstance(row, UnreadableRow)), None)
    if len({unit.order_unit_id for unit in units}) < len(units):
        broken = UnreadableRow(where=where, sha256=digest(data), fault="order_units: order_unit_twice")
        units = []
    units.sort(key=lambda unit: unit.order_unit_id)
    return OrderSummaryFound(order_id=asked.order_id, units=tuple(units), unreadable=broken)


def order(body: bytes | None, asked: ReadOrder, reference: KauflandReference, *, contacts: bool) -> OrderFound | None:
    """Reads the whole order. If more than side fields are invalid, it has no units, and ``unreadable`` says why."""
    data = data_of(exact(body))
    if not isinstance(data, dict):
        return None
    where = f"orders/{asked.order_id}"
    found = tolerant(OrderAnswer, OrderAnswer.SIDE, data, where, asked.order_id)
    if not isinstance(found, UnreadableRow) and found.row.id_order != asked.order_id:
        return None
    if not isinstance(found, UnreadableRow) and creation_us(found.row) is None:
        fault = "ts_created_iso: neither the order nor a unit has a date that can be read"
        found = UnreadableRow(where=where, sha256=digest(data), fault=fault, order_id=asked.order_id)
    if isinstance(found, UnreadableRow):
        return OrderFound(
            order_id=asked.order_id, storefront="", created_us=0, fulfillment_type="", units=(), unreadable=found
        )
    return order_of(found, reference, contact_of(data) if contacts else None)


def carriers(body: bytes | None) -> CarriersFound | None:
    """Reads the carrier codes, each once; unreadable ones are left out."""
    data = data_of(exact(body))
    listed = data.get("carriers") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        return None
    rows, _ = rows_of(CarrierAnswer, listed, "carriers", 0)
    codes = tuple(dict.fromkeys(row.name for row in rows))
    return CarriersFound(codes=codes) if codes else None


def order_page(body: bytes | None, asked: ReadOrderPage) -> OrderPage | None:
    """Reads a page of the list of order units."""
    answer = exact(body)
    is_last = is_last_page(answer, asked.offset)
    if is_last is None:
        return None
    rows, unreadable = rows_of(OrderUnitRow, data_of(answer), "order-units", asked.offset, OrderUnitRow.SIDE)
    return OrderPage(rows=tuple(_page_row(row) for row in rows), unreadable=unreadable, is_last=is_last)


def _summary(raw: Any, where: str, order_id: str | None = None) -> OrderUnitSummary | UnreadableRow:
    """Reads an order unit. ``order_id``: of the order that lists it, if any."""
    read = tolerant(OrderUnitSummaryAnswer, OrderUnitSummaryAnswer.SIDE, raw, where, order_id)
    if isinstance(read, UnreadableRow):
        return read
    unit = read.row
    if order_id is not None and unit.id_order != order_id:
        return UnreadableRow(where=where, sha256=digest(raw), fault="id_order: another order's", order_id=order_id)
    return OrderUnitSummary(
        order_unit_id=unit.id_order_unit,
        status=status_of(unit.status),
        status_raw=unit.status,
        storefront=unit.storefront,
        offer_id=unit.id_offer,
        eans=tuple(unit.product.eans or ()) if unit.product is not None else (),
    )


def _page_row(row: OrderUnitRow) -> PageRow:
    return PageRow(
        order_id=row.id_order,
        order_unit_id=row.id_order_unit,
        status_raw=row.status,
        changed_us=row.ts_updated_iso,
        created_us=row.ts_created_iso,
        offer_id=row.id_offer,
        eco_fee=row.eco_fee,
        packaging_fee=row.packaging_fee,
    )
