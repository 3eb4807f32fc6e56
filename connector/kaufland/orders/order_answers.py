"""Translates responses about orders, parcels and returns into answers of the port. Pure.

Functions return None if the response as a whole does not conform to the API's document. A single invalid row becomes an
``UnreadableRow``; an invalid side field becomes null, with a note. Amounts of money are whole minor units on both
sides; times are microseconds since the Unix epoch, UTC. Personal data is read in ``_contact`` only, and only if the
account's settings request it.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from connector.kaufland.offers.mapping import PAGE_LIMIT
from connector.kaufland.offers.models import FieldPath, Pagination
from connector.kaufland.orders.models import (
    CarrierAnswer,
    OrderAnswer,
    OrderSummaryAnswer,
    OrderUnitAnswer,
    OrderUnitRow,
    OrderUnitSummaryAnswer,
    ReturnAnswer,
    ReturnRow,
    ReturnUnitAnswer,
)
from connector.kaufland.reference import KauflandReference
from connector.kaufland.row_validation import Readable, SideFault, checked, digest, exact, tolerant
from connector.marketplace.offers import Condition
from connector.marketplace.orders import (
    CarriersFound,
    Contact,
    Discount,
    OrderFound,
    OrderPage,
    OrderSummaryFound,
    OrderUnit,
    OrderUnitSummary,
    PageRow,
    ReadOrder,
    ReadOrderPage,
    ReadOrderSummary,
    ReadOrderUnit,
    ReadReturn,
    ReadReturnPage,
    Return,
    ReturnFound,
    ReturnPage,
    ReturnUnit,
    UnitFound,
    UnitStatus,
    UnreadableRow,
)

R = TypeVar("R", bound=BaseModel)

_STATUSES: Mapping[str, UnitStatus] = MappingProxyType(
    {status.value.lower(): status for status in UnitStatus if status is not UnitStatus.UNKNOWN}
)


def order_unit(body: bytes | None, asked: ReadOrderUnit) -> UnitFound | UnreadableRow | None:
    """Reads an order unit. Returns None for a response about another unit."""
    data = _data(exact(body))
    if not isinstance(data, dict):
        return None
    unit = _summary(data, f"order-units/{asked.order_unit_id}")
    if isinstance(unit, UnreadableRow):
        return unit
    return UnitFound(unit=unit) if unit.order_unit_id == asked.order_unit_id else None


def order_summary(body: bytes | None, asked: ReadOrderSummary) -> OrderSummaryFound | None:
    """Reads an order's units, leaving out unreadable ones. If a unit is listed twice, the whole list is unreadable."""
    data, where = _data(exact(body)), f"orders/{asked.order_id}"
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
    data = _data(exact(body))
    if not isinstance(data, dict):
        return None
    where = f"orders/{asked.order_id}"
    found = tolerant(OrderAnswer, OrderAnswer.SIDE, data, where, asked.order_id)
    if not isinstance(found, UnreadableRow) and found.row.id_order != asked.order_id:
        return None
    if not isinstance(found, UnreadableRow) and _created_us(found.row) is None:
        fault = "ts_created_iso: neither the order nor a unit has a date that can be read"
        found = UnreadableRow(where=where, sha256=digest(data), fault=fault, order_id=asked.order_id)
    if isinstance(found, UnreadableRow):
        return OrderFound(
            order_id=asked.order_id, storefront="", created_us=0, fulfillment_type="", units=(), unreadable=found
        )
    return _order(found, reference, _contact(data) if contacts else None)


def carriers(body: bytes | None) -> CarriersFound | None:
    """Reads the carrier codes, each once; unreadable ones are left out."""
    data = _data(exact(body))
    listed = data.get("carriers") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        return None
    rows, _ = _rows(CarrierAnswer, listed, "carriers", 0)
    codes = tuple(dict.fromkeys(row.name for row in rows))
    return CarriersFound(codes=codes) if codes else None


def order_page(body: bytes | None, asked: ReadOrderPage) -> OrderPage | None:
    """Reads a page of the list of order units."""
    answer = exact(body)
    is_last = _is_last(answer, asked.offset)
    if is_last is None:
        return None
    rows, unreadable = _rows(OrderUnitRow, _data(answer), "order-units", asked.offset, OrderUnitRow.SIDE)
    return OrderPage(rows=tuple(_page_row(row) for row in rows), unreadable=unreadable, is_last=is_last)


def return_page(body: bytes | None, asked: ReadReturnPage) -> ReturnPage | None:
    """Reads a page of the list of returns."""
    answer = exact(body)
    is_last = _is_last(answer, asked.offset)
    if is_last is None:
        return None
    rows, unreadable = _rows(ReturnRow, _data(answer), "returns", asked.offset, ReturnRow.SIDE)
    return ReturnPage(returns=tuple(_return(row) for row in rows), unreadable=unreadable, is_last=is_last)


def one_return(body: bytes | None, asked: ReadReturn) -> ReturnFound | None:
    """Reads a return; an unreadable return unit is left out, with a note. None for a response about another return."""
    data = _data(exact(body))
    if not isinstance(data, dict):
        return None
    found = tolerant(ReturnAnswer, ReturnAnswer.SIDE, data, f"returns/{asked.return_id}")
    if isinstance(found, UnreadableRow):
        nothing = Return(return_id=asked.return_id, storefront="", status_raw="", created_us=0, changed_us=None)
        return ReturnFound(returned=nothing, unreadable=found)
    if found.row.id_return != asked.return_id:
        return None
    units: list[ReturnUnit] = []
    notes = [f"{'.'.join(map(str, fault.place))}: {fault.kind}" for fault in found.faults]
    if found.row.return_units is None and not notes:
        notes.append("return_units: missing")
    for place, raw in enumerate(found.row.return_units or ()):
        unit = tolerant(ReturnUnitAnswer, ReturnUnitAnswer.SIDE, raw, f"return_units.{place}")
        if isinstance(unit, UnreadableRow):
            notes.append(f"return_units.{place}: {unit.fault}")
        elif unit.row.id_return != asked.return_id:
            notes.append(f"return_units.{place}: id_return: another return's")
        else:
            notes += [f"return unit {unit.row.id_return_unit}: {fault.place[0]}: {fault.kind}" for fault in unit.faults]
            units.append(_return_unit(unit.row))
    return ReturnFound(returned=_return(found.row), units=tuple(units), notes=tuple(notes))


# ---- lists ----------------------------------------------------------------------------------------------------------


def _data(answer: Any) -> Any:
    """Returns the content of a response's envelope, or None if there is none."""
    return answer.get("data") if isinstance(answer, dict) else None


def _is_last(answer: Any, offset: int) -> bool | None:
    """Whether this is the last page; None if it is not a page, or not the requested one.

    None also for a short page that is not the last one: the next offset would skip the rows that it lacks.
    """
    listed = _data(answer)
    if not isinstance(listed, list) or len(listed) > PAGE_LIMIT:
        return None
    if answer.get("pagination") is None:
        return len(listed) < PAGE_LIMIT
    try:
        pagination = Pagination.model_validate(answer["pagination"])
    except ValidationError:
        return None
    if pagination.offset != offset:
        return None
    if pagination.total <= offset + PAGE_LIMIT:
        return True
    return False if len(listed) == PAGE_LIMIT else None


def _rows(
    model: type[R], listed: list[Any], name: str, offset: int, side: Iterable[FieldPath] = ()
) -> tuple[list[R], tuple[UnreadableRow, ...]]:
    """Returns the valid rows in the order of the list, and the unreadable ones. ``where`` counts rows from 1."""
    rows = [tolerant(model, side, raw, f"{name}?offset={offset}, row {place}") for place, raw in enumerate(listed, 1)]
    readable = [row.row for row in rows if not isinstance(row, UnreadableRow)]
    return readable, tuple(row for row in rows if isinstance(row, UnreadableRow))


# ---- facts ----------------------------------------------------------------------------------------------------------


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
        status=_status(unit.status),
        status_raw=unit.status,
        storefront=unit.storefront,
        offer_id=unit.id_offer,
        eans=tuple(unit.product.eans or ()) if unit.product is not None else (),
    )


def _order(found: Readable[OrderAnswer], reference: KauflandReference, contact: Contact | None) -> OrderFound:
    read = found.row
    listed = sorted(read.order_units, key=lambda unit: unit.id_order_unit)
    return OrderFound(
        order_id=read.id_order,
        storefront=read.storefront,
        created_us=_created_us(read) or 0,
        fulfillment_type=read.fulfillment_type or "",
        units=tuple(_unit(unit, read, reference) for unit in listed),
        is_marketplace_deemed_supplier=read.is_marketplace_deemed_supplier,
        contact=contact,
        notes=(*(_note(fault, read) for fault in found.faults), *_notes_of_absences(read)),
    )


def _created_us(order: OrderAnswer) -> int | None:
    """Returns an order's time of creation, else the earliest of its units: they are created with the order."""
    if order.ts_created_iso is not None:
        return order.ts_created_iso
    return min((unit.ts_created_iso for unit in order.order_units if unit.ts_created_iso is not None), default=None)


def _note(fault: SideFault, order: OrderAnswer) -> str:
    """Returns a note such as ``order unit 11: vat: decimal_type``."""
    match fault.place:
        case ("order_units", int(place), *inner):
            whose = f"order unit {order.order_units[place].id_order_unit}: "
        case (*inner,):
            whose = ""
    return f"{whose}{'.'.join(map(str, inner))}: {fault.kind}"


def _notes_of_absences(order: OrderAnswer) -> Iterator[str]:
    """Yields a note for each field that the event contract requires and the response lacks."""
    for unit in order.order_units:
        if unit.shipping_rate is None:
            yield f"order unit {unit.id_order_unit}: shipping_rate: null, taken as 0"


def _unit(answer: OrderUnitAnswer, order: OrderAnswer, reference: KauflandReference) -> OrderUnit:
    created_us = answer.ts_created_iso or _created_us(order) or 0
    return OrderUnit(
        order_unit_id=answer.id_order_unit,
        order_id=answer.id_order,
        storefront=answer.storefront or order.storefront,
        status=_status(answer.status),
        status_raw=answer.status,
        created_us=created_us,
        changed_us=answer.ts_updated_iso or created_us,
        price=answer.price,
        revenue_gross=answer.revenue_gross,
        revenue_net=answer.revenue_net,
        shipping_rate=answer.shipping_rate or 0,
        vat=_plain(answer.vat) if answer.vat is not None else None,
        currency=answer.currency,
        ean=answer.product.eans[0] if answer.product is not None and answer.product.eans else None,
        offer_id=answer.id_offer,
        condition=_condition(answer.unit_condition, reference),
        cancel_reason=answer.cancel_reason,
        handling_due_us=answer.delivery_time_expires_iso,
        delivery_time_min_days=answer.delivery_time_min,
        delivery_time_max_days=answer.delivery_time_max,
        discounts=tuple(Discount(usage_type=d.usage_type, amount=d.discount_value) for d in answer.discounts or ()),
        eco_fee=answer.eco_fee,
        packaging_fee=answer.packaging_fee,
        is_marketplace_deemed_supplier=answer.is_marketplace_deemed_supplier,
        fulfillment_type=order.fulfillment_type or "",
    )


def _status(said: str) -> UnitStatus:
    """Returns the status of an order unit; UNKNOWN for an unrecognized text."""
    return _STATUSES.get(said.lower(), UnitStatus.UNKNOWN)


def _plain(number: Decimal) -> str:
    """Returns the one canonical text of a number: ``19``, ``5.5``. The model limits the number of digits."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _condition(said: str | int | None, reference: KauflandReference) -> str | None:
    """Returns a condition as the event contracts spell it; an unknown one as the API returns it."""
    if said is None:
        return None
    known = reference.condition(said)
    return str(said) if known is Condition.UNKNOWN else known.value


def _page_row(row: OrderUnitRow) -> PageRow:
    return PageRow(
        order_id=row.id_order,
        order_unit_id=row.id_order_unit,
        status_raw=row.status,
        changed_us=row.ts_updated_iso,
        eco_fee=row.eco_fee,
        packaging_fee=row.packaging_fee,
    )


def _return_unit(unit: ReturnUnitAnswer) -> ReturnUnit:
    return ReturnUnit(
        return_unit_id=unit.id_return_unit,
        order_unit_id=unit.id_order_unit,
        status_raw=unit.status,
        reason=unit.reason,
        has_note=isinstance(unit.note, str) and bool(unit.note.strip()),
    )


def _return(row: ReturnRow | ReturnAnswer) -> Return:
    return Return(
        return_id=row.id_return,
        storefront=row.storefront,
        status_raw=row.status,
        created_us=row.ts_created_iso,
        changed_us=row.ts_updated_iso,
        tracking_provider=row.tracking_provider,
    )


# ---- personal data --------------------------------------------------------------------------------------------------


def _contact(data: Mapping[str, Any]) -> Contact | None:
    """Returns texts and numbers as the API returns them, or None if there are none.

    Other values are ignored: an invalid contact never makes an order unreadable.
    """
    buyer, billing, shipping = (_texts(data.get(name)) for name in ("buyer", "billing_address", "shipping_address"))
    return Contact(buyer=buyer, billing=billing, shipping=shipping) if buyer or billing or shipping else None


def _texts(said: Any) -> dict[str, str]:
    """Returns the texts and numbers of an object by name; other values are left out."""
    if not isinstance(said, dict):
        return {}
    return {
        name: str(value)
        for name, value in said.items()
        if isinstance(value, str | int) and not isinstance(value, bool) and _is_unicode(f"{name}{value}")
    }


def _is_unicode(text: str) -> bool:
    """Whether the text is valid Unicode: JSON may hold a lone surrogate, which cannot be encoded in UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
