"""Response bodies of orders, order units and returns. Pure.

Chosen where the document has at most an example: times in whole seconds; VAT at the storefront's rates; revenue is
price plus shipping minus a fee of ``FEE_PCT``, net without VAT; an order unit with an eco fee has a packaging fee too.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from simulator.offers.catalogue import product_body
from simulator.orders.orders import Defect, SimulatedOrder, SimulatedOrderUnit
from simulator.orders.returns import SimulatedReturn, SimulatedReturnUnit
from simulator.reference import CURRENCIES

FEE_PCT: Final = 12
PACKAGING_FEE: Final = 3
_DAY_US: Final = 86_400_000_000
_NOT_IN_ORDERS: Final = (
    "fulfillment_type",
    "buyer",
    "billing_address",
    "shipping_address",
    "eco_fee",
    "packaging_fee",
)

Body = dict[str, Any]

_DEFECTS: Final[Mapping[Defect, Callable[[Body], object]]] = MappingProxyType(
    {
        Defect.NO_ID: lambda body: body.pop("id_order_unit"),
        Defect.PRICE_TEXT: lambda body: body.update(price=f"{body['price'] / 100:.2f}".replace(".", ",")),
        Defect.NO_STATUS: lambda body: body.pop("status"),
        Defect.BAD_TIME: lambda body: body.update(ts_updated_iso="yesterday"),
        Defect.NO_ZONE: lambda body: body.update(delivery_time_expires_iso=body["delivery_time_expires_iso"][:-1]),
        Defect.PRICE_FLOAT: lambda body: body.update(price=body["price"] / 100),
        Defect.VAT_TEXT: lambda body: body.update(vat=f"{body['vat']} %"),
        Defect.SHIPPING_NULL: lambda body: body.update(shipping_rate=None),
    }
)


def order_unit_body(unit: SimulatedOrderUnit) -> Body:
    """A row of ``GET /order-units``, also the base of ``GET /order-units/{id_order_unit}``."""
    order = unit.order
    gross = (unit.price + unit.shipping_rate) * (100 - FEE_PCT) // 100
    body: Body = {
        "id_order_unit": unit.id,
        "id_order": order.id,
        "ts_created_iso": iso_seconds(order.created_us),
        "is_marketplace_deemed_supplier": False,
        "ts_updated_iso": iso_seconds(unit.updated_us),
        "status": unit.status,
        "price": unit.price,
        "id_offer": unit.id_offer,
        "revenue_gross": gross,
        "revenue_net": gross * 100 // (100 + unit.vat_pct),
        "note": unit.note,
        "unit_condition": condition_text(unit.condition),
        "storefront": order.storefront,
        "currency": CURRENCIES[order.storefront],
        "delivery_time_min": unit.delivery_days_min,
        "delivery_time_max": unit.delivery_days_max,
        "delivery_time_expires_iso": iso_seconds(order.created_us + unit.delivery_days_max * _DAY_US),
        "order_received_timestamp_iso": None if unit.received_us is None else iso_seconds(unit.received_us),
        "shipping_rate": unit.shipping_rate,
        "cancel_reason": unit.cancel_reason,
        "fulfillment_type": order.fulfillment_type,
        "buyer": order.buyer.body(),
        "billing_address": order.buyer.address("billing"),
        "shipping_address": order.buyer.address("shipping"),
        "product": product_body(unit.product, order.storefront),
        "vat": unit.vat_pct,
        "eco_fee": unit.eco_fee,
        "packaging_fee": None if unit.eco_fee is None else PACKAGING_FEE,
        "discounts": [{"usage_type": "voucher", "discount_value": unit.discount}] if unit.discount else [],
    }
    if unit.defect is not None:
        _DEFECTS[unit.defect](body)
    return body


def order_unit_details(unit: SimulatedOrderUnit, embedded: frozenset[str]) -> Body:
    """``GET /order-units/{id_order_unit}``. Tickets, pick-up locations and delivery attempts are not simulated."""
    nothing: Body = {
        "delivery_attempt_timestamp_iso": None,
        "tickets": [],
        "return_unit": None,
        "delivery": {"pickup_location": None},
        "shipping_group": {"id_shipping_group": None},
    }
    return {**order_unit_body(unit), **{name: value for name, value in nothing.items() if name in embedded}}


def order_row(order: SimulatedOrder) -> Body:
    """A row of ``GET /orders``."""
    return {
        "id_order": order.id,
        "ts_created_iso": iso_seconds(order.created_us),
        "is_marketplace_deemed_supplier": False,
        "order_units_count": len(order.units),
        "ts_units_updated_iso": iso_seconds(order.updated_us),
        "storefront": order.storefront,
        "fulfillment_type": order.fulfillment_type,
    }


def order_body(order: SimulatedOrder, embedded: frozenset[str]) -> Body:
    """``GET /orders/{id_order}``: the order with all its units. Invoices are not simulated."""
    nothing: Body = {"order_invoices": [], "delivery": {"pickup_location": None}}
    return {
        **{name: value for name, value in nothing.items() if name in embedded},
        "id_order": order.id,
        "ts_created_iso": iso_seconds(order.created_us),
        "is_marketplace_deemed_supplier": False,
        "storefront": order.storefront,
        "fulfillment_type": order.fulfillment_type,
        "order_units": [_unit_in_order(unit) for unit in order.units],
        "billing_address": order.buyer.address("billing"),
        "shipping_address": order.buyer.address("shipping"),
        "buyer": order.buyer.body(),
    }


def _unit_in_order(unit: SimulatedOrderUnit) -> Body:
    shown = {name: value for name, value in order_unit_body(unit).items() if name not in _NOT_IN_ORDERS}
    return {**shown, "tickets": None}


def return_row(one: SimulatedReturn) -> Body:
    """A row of ``GET /returns``."""
    return {
        "id_return": one.id,
        "ts_created_iso": iso_seconds(one.created_us),
        "ts_updated_iso": iso_seconds(one.updated_us),
        "storefront": one.order.storefront,
        "tracking_provider": one.tracking_provider,
        "tracking_code": one.tracking_code,
        "status": one.status,
        "fulfillment_type": one.order.fulfillment_type,
    }


def return_body(one: SimulatedReturn, embedded: frozenset[str]) -> Body:
    """``GET /returns/{id_return}``."""
    shown = return_row(one)
    if "buyer" in embedded:
        shown["buyer"] = one.order.buyer.body()
    if "return_units" in embedded:
        shown["return_units"] = [return_unit_row(unit) for unit in one.units]
    return shown


def return_unit_row(unit: SimulatedReturnUnit) -> Body:
    """A row of ``GET /return-units``."""
    order = unit.order_unit.order
    return {
        "id_return_unit": unit.id,
        "id_return": unit.of.id,
        "id_order_unit": unit.order_unit.id,
        "ts_created_iso": iso_seconds(unit.of.created_us),
        "status": unit.status,
        "note": unit.note,
        "reason": unit.reason,
        "storefront": order.storefront,
        "fulfillment_type": order.fulfillment_type,
    }


def return_unit_body(unit: SimulatedReturnUnit, embedded: frozenset[str]) -> Body:
    """``GET /return-units/{id_return_unit}``; always includes the return, which the schema requires."""
    shown = {**return_unit_row(unit), "return": return_row(unit.of)}
    if "tickets" in embedded:
        shown["tickets"] = []
    if "order_unit" in embedded:
        shown["order_unit"] = order_unit_body(unit.order_unit)
    return shown


def condition_text(condition: str) -> str:
    """Returns a condition as orders spell it: ``used - very good`` for ``USED___VERY_GOOD``."""
    return condition.lower().replace("___", " - ").replace("_", " ")


def iso_seconds(moment_us: int) -> str:
    return datetime.fromtimestamp(moment_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
