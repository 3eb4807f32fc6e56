"""Answers about orders, parcels and returns -> facts of the port. Pure.

None = the answer as a whole is not what the API's document promises; one row that is not becomes an ``Unreadable``.
Money is whole minor units on both sides; moments are microseconds, UTC. What tells who bought is read in one place,
``_contact``, and only for who asked for it.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from connector.kaufland.mapping import PAGE_LIMIT
from connector.kaufland.models import Pagination
from connector.kaufland.models_orders import CarrierAnswer, OrderAnswer, OrderUnitAnswer, OrderUnitRow, ReturnRow
from connector.kaufland.quarantine import checked, exact
from connector.kaufland.reference import KauflandReference
from connector.marketplace import Condition
from connector.marketplace_orders import (
    CarriersFound,
    Contact,
    OrderFound,
    OrderPage,
    OrderUnit,
    PageRow,
    ReadOrder,
    ReadOrderPage,
    ReadOrderUnit,
    ReadReturnPage,
    Return,
    ReturnPage,
    UnitFound,
    UnitStatus,
    Unreadable,
)

R = TypeVar("R", bound=BaseModel)

_STATUSES: Mapping[str, UnitStatus] = MappingProxyType(
    {status.value.lower(): status for status in UnitStatus if status is not UnitStatus.UNKNOWN}
)


def order_unit(body: bytes | None, asked: ReadOrderUnit, reference: KauflandReference) -> UnitFound | Unreadable | None:
    """An answer about another unit is not believed."""
    data = _data(exact(body))
    if not isinstance(data, dict):
        return None
    unit = checked(OrderUnitAnswer, data, f"order-units/{asked.order_unit_id}")
    if isinstance(unit, Unreadable):
        return unit
    if unit.id_order_unit != asked.order_unit_id:
        return None
    return UnitFound(unit=_unit(unit, unit.fulfillment_type or "", reference))


def order(body: bytes | None, asked: ReadOrder, reference: KauflandReference, *, contacts: bool) -> OrderFound | None:
    """The whole order; or one without units that says why it cannot be read, for a part is never shown as a whole."""
    data = _data(exact(body))
    if not isinstance(data, dict):
        return None
    found = checked(OrderAnswer, data, f"orders/{asked.order_id}", asked.order_id)
    if isinstance(found, Unreadable):
        return OrderFound(
            order_id=asked.order_id, storefront="", created_us=0, fulfillment_type="", units=(), unreadable=found
        )
    if found.id_order != asked.order_id:
        return None
    listed = sorted(found.order_units, key=lambda unit: unit.id_order_unit)
    return OrderFound(
        order_id=found.id_order,
        storefront=found.storefront,
        created_us=found.ts_created_iso,
        fulfillment_type=found.fulfillment_type,
        units=tuple(_unit(unit, found.fulfillment_type, reference) for unit in listed),
        contact=_contact(data) if contacts else None,
    )


def carriers(body: bytes | None) -> CarriersFound | None:
    """Every code that can be read, each once."""
    data = _data(exact(body))
    listed = data.get("carriers") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        return None
    rows, _ = _rows(CarrierAnswer, listed, "carriers", 0)
    codes = tuple(dict.fromkeys(row.name for row in rows))
    return CarriersFound(codes=codes) if codes else None


def order_page(body: bytes | None, asked: ReadOrderPage) -> OrderPage | None:
    answer = exact(body)
    is_last = _is_last(answer, asked.offset)
    if is_last is None:
        return None
    rows, unreadable = _rows(OrderUnitRow, _data(answer), "order-units", asked.offset)
    return OrderPage(rows=tuple(_page_row(row) for row in rows), unreadable=unreadable, is_last=is_last)


def return_page(body: bytes | None, asked: ReadReturnPage) -> ReturnPage | None:
    answer = exact(body)
    is_last = _is_last(answer, asked.offset)
    if is_last is None:
        return None
    rows, unreadable = _rows(ReturnRow, _data(answer), "returns", asked.offset)
    return ReturnPage(returns=tuple(_return(row) for row in rows), unreadable=unreadable, is_last=is_last)


# ---- lists ----------------------------------------------------------------------------------------------------------


def _data(answer: Any) -> Any:
    return answer.get("data") if isinstance(answer, dict) else None


def _is_last(answer: Any, offset: int) -> bool | None:
    """Whether the list ends with this page; None = it is no page, or not the one that was asked for.

    A page that is shorter than asked for, of a list that goes on behind it, is not believed: the next offset would pass
    over what it left out.
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


def _rows(model: type[R], listed: list[Any], name: str, offset: int) -> tuple[list[R], tuple[Unreadable, ...]]:
    """Rows that hold to the model, in the list's order, and those that do not. Places count from 1."""
    rows = [checked(model, raw, f"{name}?offset={offset}, row {place}") for place, raw in enumerate(listed, 1)]
    readable = [row for row in rows if not isinstance(row, Unreadable)]
    return readable, tuple(row for row in rows if isinstance(row, Unreadable))


# ---- facts ----------------------------------------------------------------------------------------------------------


def _unit(answer: OrderUnitAnswer, fulfillment_type: str, reference: KauflandReference) -> OrderUnit:
    return OrderUnit(
        order_unit_id=answer.id_order_unit,
        order_id=answer.id_order,
        storefront=answer.storefront,
        status=_STATUSES.get(answer.status.lower(), UnitStatus.UNKNOWN),
        status_raw=answer.status,
        created_us=answer.ts_created_iso,
        changed_us=answer.ts_updated_iso,
        price=answer.price,
        revenue_gross=answer.revenue_gross,
        revenue_net=answer.revenue_net,
        shipping_rate=answer.shipping_rate,
        vat=_plain(answer.vat) if answer.vat is not None else None,
        currency=answer.currency,
        ean=answer.product.eans[0] if answer.product is not None and answer.product.eans else None,
        offer_id=answer.id_offer,
        condition=_condition(answer.unit_condition, reference),
        cancel_reason=answer.cancel_reason,
        handling_due_us=answer.delivery_time_expires_iso,
        fulfillment_type=fulfillment_type,
    )


def _plain(number: Decimal) -> str:
    """One text per value: ``19``, ``5.5``. The model bounds the number of digits."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _condition(said: str | int | None, reference: KauflandReference) -> str | None:
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
    )


def _return(row: ReturnRow) -> Return:
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
    """Texts and numbers as the API gives them; None = the answer holds none. A contact never spoils an order."""
    buyer, billing, shipping = (_texts(data.get(name)) for name in ("buyer", "billing_address", "shipping_address"))
    return Contact(buyer=buyer, billing=billing, shipping=shipping) if buyer or billing or shipping else None


def _texts(said: Any) -> dict[str, str]:
    if not isinstance(said, dict):
        return {}
    return {
        name: str(value)
        for name, value in said.items()
        if isinstance(value, str | int) and not isinstance(value, bool) and _is_unicode(f"{name}{value}")
    }


def _is_unicode(text: str) -> bool:
    """JSON may spell half a character, which no topic can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
