"""Turns the details of an order, as the API returns them, into the order of the port. Pure.

Amounts of money are whole minor units on both sides; times are microseconds since the Unix epoch, UTC. What was read as
null, or is missing although the event contracts require it, gets a note.
"""

from collections.abc import Iterator
from decimal import Decimal

from connector.kaufland.bodies.row_validation import Readable, SideFault
from connector.kaufland.orders.models import OrderAnswer, OrderUnitAnswer
from connector.kaufland.orders.unit_status import status_of
from connector.kaufland.reference import KauflandReference
from connector.marketplace.offers import Condition
from connector.marketplace.orders import Contact, Discount, OrderFound, OrderUnit


def order_of(found: Readable[OrderAnswer], reference: KauflandReference, contact: Contact | None) -> OrderFound:
    """Returns the whole order, its units by their ids."""
    read = found.row
    listed = sorted(read.order_units, key=lambda unit: unit.id_order_unit)
    return OrderFound(
        order_id=read.id_order,
        storefront=read.storefront,
        created_us=creation_us(read) or 0,
        fulfillment_type=read.fulfillment_type or "",
        units=tuple(_unit(unit, read, reference) for unit in listed),
        is_marketplace_deemed_supplier=read.is_marketplace_deemed_supplier,
        contact=contact,
        notes=(*(_note(fault, read) for fault in found.faults), *_notes_of_absences(read)),
    )


def creation_us(order: OrderAnswer) -> int | None:
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
    created_us = answer.ts_created_iso or creation_us(order) or 0
    return OrderUnit(
        order_unit_id=answer.id_order_unit,
        order_id=answer.id_order,
        storefront=answer.storefront or order.storefront,
        status=status_of(answer.status),
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


def _plain(number: Decimal) -> str:
    """Returns the one canonical text of a number: ``19``, ``5.5``. The model limits the number of digits."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _condition(text: str | int | None, reference: KauflandReference) -> str | None:
    """Returns a condition as the event contracts spell it; an unknown one as the API returns it."""
    if text is None:
        return None
    known = reference.condition(text)
    return str(text) if known is Condition.UNKNOWN else known.value
