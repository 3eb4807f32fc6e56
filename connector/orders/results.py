"""Builds the records that the order flow writes about orders and returns. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any

from connector.marketplace.offers import Currency
from connector.marketplace.orders import SENT, TO_BE_SENT, Contact, OrderFound, OrderUnit, ReturnFound, UnitStatus
from connector.orders.events import (
    ObservedUnit,
    OrderContact,
    OrderDiscount,
    OrderObserved,
    OrderStatus,
    OrderUnitStatus,
    ReturnedUnit,
    ReturnObserved,
    SalesOrderRequested,
    command_id,
)
from streams.frozen import replace

_UNDER_WAY = frozenset({UnitStatus.SENT})
_CAME_BACK = frozenset({UnitStatus.RETURNED, UnitStatus.RETURNED_PAID})
_LONG = 1 << 63
_AMOUNT = 10**14
"""Amounts must be below this: decimals of the contracts have 18 digits, four of them after the decimal point."""


class CannotSay(ValueError):
    """The order has a value that the contract cannot carry. The message names the field, without personal data."""


def status_of(statuses: Iterable[UnitStatus]) -> OrderStatus:
    """Returns an order's status by those of its units. Raises ValueError for an order without units."""
    every = frozenset(statuses)
    if not every:
        raise ValueError("an order without units has no status")
    if UnitStatus.UNKNOWN in every:
        return OrderStatus.UNKNOWN
    remaining = every - {UnitStatus.CANCELLED}
    if not remaining:
        return OrderStatus.CANCELLED
    if remaining & TO_BE_SENT:
        if remaining & SENT:
            return OrderStatus.PARTLY_SENT
        return OrderStatus.NEED_TO_BE_SENT if UnitStatus.NEED_TO_BE_SENT in remaining else OrderStatus.OPEN
    if remaining & _UNDER_WAY:
        return OrderStatus.SENT
    return OrderStatus.RETURNED if remaining <= _CAME_BACK else OrderStatus.RECEIVED


def is_complete(statuses: Iterable[UnitStatus]) -> bool:
    """Whether every unit was sent or cancelled; an unknown status counts as neither."""
    return all(status in SENT or status is UnitStatus.CANCELLED for status in statuses)


def payout_waits(statuses: Iterable[UnitStatus]) -> bool:
    """Whether some units are sent and others are still to be sent."""
    every = frozenset(statuses)
    return bool(every & SENT and every & TO_BE_SENT)


def observed(account: str, found: OrderFound, currencies: Mapping[str, Currency], now_us: int) -> OrderObserved:
    """Returns the whole order with its digest; ``currencies`` are by code.

    Raises ``CannotSay`` for an order without units, an unknown currency, or a number that is out of range.
    """
    if not found.units:
        raise CannotSay("the order has no units")
    units = sorted(found.units, key=lambda unit: unit.order_unit_id)
    statuses = [unit.status for unit in units]
    to_be_sent = [unit for unit in units if unit.status in TO_BE_SENT]
    fact = OrderObserved(
        account=account,
        order_id=found.order_id,
        storefront=found.storefront,
        created_at_us=found.created_us,
        changed_at_us=max(unit.changed_us for unit in units),
        status=status_of(statuses),
        units=tuple(_unit(unit, currencies) for unit in units),
        units_open=tuple(unit.order_unit_id for unit in to_be_sent),
        open_since_us=min((unit.created_us for unit in to_be_sent), default=None),
        complete=is_complete(statuses),
        payout_waits=payout_waits(statuses),
        fulfillment_type=found.fulfillment_type,
        is_marketplace_deemed_supplier=found.is_marketplace_deemed_supplier,
        notes=found.notes,
        observed_at_us=now_us,
        content_sha256="",
    )
    return replace(fact, content_sha256=digest(fact))


def returned(account: str, found: ReturnFound, now_us: int) -> ReturnObserved:
    """Returns the whole return as it was read."""
    row, reasons = found.returned, {unit.reason for unit in found.units}
    return ReturnObserved(
        account=account,
        return_id=row.return_id,
        storefront=row.storefront,
        status_raw=row.status_raw,
        order_unit_ids=tuple(sorted({unit.order_unit_id for unit in found.units})),
        reason=reasons.pop() if len(reasons) == 1 else None,
        units=tuple(
            ReturnedUnit(
                return_unit_id=unit.return_unit_id,
                order_unit_id=unit.order_unit_id,
                status_raw=unit.status_raw,
                reason=unit.reason,
                has_note=unit.has_note,
            )
            for unit in sorted(found.units, key=lambda one: one.return_unit_id)
        ),
        notes=found.notes,
        tracking_provider=row.tracking_provider,
        created_at_us=row.created_us,
        changed_at_us=row.changed_us,
        observed_at_us=now_us,
    )


def contact(fact: OrderObserved, of: Contact) -> OrderContact:
    """Returns the personal data of an order's buyer, for its own topic."""
    return OrderContact(
        account=fact.account,
        order_id=fact.order_id,
        observed_at_us=fact.observed_at_us,
        buyer=of.buyer,
        billing_address=of.billing,
        shipping_address=of.shipping,
    )


def sales_order(fact: OrderObserved, customer_number: str | None, now_us: int) -> SalesOrderRequested:
    """Returns the request for an order's sales order."""
    return SalesOrderRequested(
        command_id=command_id(fact.account, fact.order_id),
        account=fact.account,
        order_id=fact.order_id,
        storefront=fact.storefront,
        customer_number=customer_number,
        created_at_us=fact.created_at_us,
        requested_at_us=now_us,
        units=fact.units,
    )


def digest(fact: OrderObserved | ReturnObserved) -> str:
    """Returns the SHA-256, in lower-case hex, of all fields except the time of observation.

    It is computed from JSON with sorted names, and with decimals as text. ``sent_at_us`` of a unit is left out: status
    and ``changed_at_us`` say the same, and with it every order would differ from what earlier versions have written.
    """
    content: dict[str, Any] = asdict(fact)
    for name in ("observed_at_us", "content_sha256"):
        content.pop(name, None)
    for unit in content["units"]:
        unit.pop("sent_at_us", None)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_plain)
    return sha256(text.encode()).hexdigest()


def _plain(value: object) -> str:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} has no canonical form")
    return format(value, "f")


def _unit(unit: OrderUnit, currencies: Mapping[str, Currency]) -> ObservedUnit:
    if not 0 <= unit.order_unit_id < _LONG:
        raise CannotSay("an order unit's id does not fit 64 bits")
    currency = currencies.get(unit.currency)
    if currency is None:
        raise CannotSay(f"order unit {unit.order_unit_id}: currency {unit.currency!r} is not in the reference data")

    def major(name: str, minor: int) -> Decimal:
        amount = Decimal(minor).scaleb(-currency.exponent)
        if abs(amount) >= _AMOUNT:
            raise CannotSay(f"order unit {unit.order_unit_id}: {name} is too large")
        return amount

    def major_if_any(name: str, minor: int | None) -> Decimal | None:
        return None if minor is None else major(name, minor)

    return ObservedUnit(
        order_unit_id=unit.order_unit_id,
        status=OrderUnitStatus(unit.status.value),
        status_raw=unit.status_raw,
        ean=unit.ean,
        offer_id=unit.offer_id,
        condition=unit.condition,
        price=major("price", unit.price),
        revenue_gross=major("revenue_gross", unit.revenue_gross),
        revenue_net=major_if_any("revenue_net", unit.revenue_net),
        shipping_rate=major("shipping_rate", unit.shipping_rate),
        vat=None if unit.vat is None else _per_cent(unit),
        currency=unit.currency,
        handling_due_at_us=unit.handling_due_us,
        delivery_time_min_days=unit.delivery_time_min_days,
        delivery_time_max_days=unit.delivery_time_max_days,
        discounts=tuple(
            OrderDiscount(usage_type=one.usage_type, amount=major("discounts", one.amount)) for one in unit.discounts
        ),
        eco_fee=major_if_any("eco_fee", unit.eco_fee),
        packaging_fee=major_if_any("packaging_fee", unit.packaging_fee),
        is_marketplace_deemed_supplier=unit.is_marketplace_deemed_supplier,
        cancel_reason=unit.cancel_reason,
        created_at_us=unit.created_us,
        changed_at_us=unit.changed_us,
        sent_at_us=unit.changed_us if unit.status is UnitStatus.SENT else None,
    )


def _per_cent(unit: OrderUnit) -> Decimal:
    """Returns the VAT rate with the contract's four decimal places, so that 19 and 19.00 have the same digest.

    Raises ``CannotSay`` if that would change the value.
    """
    try:
        vat = Decimal(unit.vat or "").quantize(Decimal("0.0001"))
        exact = vat == Decimal(unit.vat or "") and abs(vat) < _AMOUNT
    except InvalidOperation:
        exact = False
    if not exact:
        raise CannotSay(f"order unit {unit.order_unit_id}: vat is no decimal of four places")
    return vat
