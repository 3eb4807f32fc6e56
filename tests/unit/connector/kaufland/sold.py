"""Orders, order units and returns as the API returns them, and calls about them.

Every personal value contains ``CANARY``, so that tests can find personal data where it must not be.
"""

import json
import time
from hashlib import sha256
from typing import Any

from connector.marketplace.call_kinds import CallKind
from connector.marketplace.orders import (
    AddParcel,
    OrderBody,
    ReadCarriers,
    ReadOrder,
    ReadOrderPage,
    ReadOrderUnit,
    ReadReturn,
    ReadReturnPage,
    ReadSubscriptions,
    SendUnit,
)
from streams.flow import Call, Item

CANARY = "Canary~"
"""Contained in every personal value, and in no other."""

ADDRESS = {
    "first_name": f"{CANARY}Ada",
    "last_name": f"{CANARY}Doe",
    "company_name": None,
    "street": f"{CANARY}Street",
    "house_number": f"{CANARY}1",
    "postcode": f"{CANARY}12345",
    "additional_field": None,
    "city": f"{CANARY}Town",
    "phone": f"{CANARY}+49 1",
    "country": f"{CANARY}DE",
}
BUYER = {"id_buyer": 21631426, "email": f"{CANARY}ada@example.org"}
PERSONAL = {"buyer": BUYER, "billing_address": ADDRESS, "shipping_address": ADDRESS}

CREATED_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
CHANGED_US = 1_767_225_605_000_000  # 2026-01-01T00:00:05Z

BODIES: dict[CallKind, OrderBody] = {
    CallKind.SEND: SendUnit(order_unit_id=11, carrier_code="DHL", tracking_numbers=("T1", "T2")),
    CallKind.PARCEL: AddParcel(order_unit_id=11, carrier_code="DHL", tracking_number="T3"),
    CallKind.ORDER_UNIT: ReadOrderUnit(order_unit_id=11),
    CallKind.ORDER: ReadOrder(order_id="MB7UWLD"),
    CallKind.ORDER_PAGE: ReadOrderPage(changed_from_us=CHANGED_US, offset=100),
    CallKind.CARRIERS: ReadCarriers(),
    CallKind.RETURN_PAGE: ReadReturnPage(changed_from_us=CHANGED_US, offset=0),
    CallKind.RETURN: ReadReturn(return_id=7),
    CallKind.SUBSCRIPTIONS: ReadSubscriptions(offset=0),
}
OF_ORDERS = tuple(BODIES)
"""The kinds of calls whose bodies are defined in ``connector.marketplace.orders``."""


def order_unit(order_unit_id: int = 11, *, in_order: bool = False, **changed: Any) -> dict[str, Any]:
    """Returns an order unit; with ``in_order``, as part of an order, which then has the addresses."""
    alone = {} if in_order else {"fulfillment_type": "fulfilled_by_merchant", **PERSONAL}
    return {
        "id_order_unit": order_unit_id,
        "id_order": "MB7UWLD",
        "ts_created_iso": "2026-01-01T00:00:00Z",
        "is_marketplace_deemed_supplier": False,
        "ts_updated_iso": "2026-01-01T00:00:05Z",
        "status": "need_to_be_sent",
        "price": 1999,
        "id_offer": "sku-1",
        "revenue_gross": 1759,
        "revenue_net": 1478,
        "note": f"{CANARY}ring twice",
        "unit_condition": "used - very good",
        "storefront": "DE",
        "currency": "EUR",
        "delivery_time_min": 3,
        "delivery_time_max": 6,
        "delivery_time_expires_iso": "2026-01-08T22:59:59Z",
        "order_received_timestamp_iso": None,
        "shipping_rate": 390,
        "cancel_reason": None,
        "product": {"id_product": 1, "title": "A kettle", "eans": ["4006381333931", "04006381333931"]},
        "vat": 19,
        "discounts": [],
        **alone,
        **changed,
    }


def order(*units: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """Returns an order; by default, with one order unit."""
    return {
        "id_order": "MB7UWLD",
        "ts_created_iso": "2026-01-01T00:00:00Z",
        "is_marketplace_deemed_supplier": False,
        "storefront": "de",
        "fulfillment_type": "fulfilled_by_merchant",
        "order_units": list(units) or [order_unit(in_order=True)],
        **PERSONAL,
        **changed,
    }


def return_row(return_id: int = 7, **changed: Any) -> dict[str, Any]:
    """Returns a return as the list of returns has it."""
    return {
        "id_return": return_id,
        "ts_created_iso": "2026-01-01T00:00:00Z",
        "ts_updated_iso": "2026-01-01T00:00:05Z",
        "storefront": "de",
        "tracking_provider": "DHL",
        "tracking_code": f"{CANARY}407875042681",
        "status": "package_sent",
        "fulfillment_type": "fulfilled_by_merchant",
        **changed,
    }


def return_unit(return_unit_id: int = 71, **changed: Any) -> dict[str, Any]:
    """Returns a returned order unit."""
    return {
        "id_return_unit": return_unit_id,
        "id_return": 7,
        "id_order_unit": 11,
        "ts_created_iso": "2026-01-01T00:00:00Z",
        "status": "return_arrived",
        "note": f"{CANARY}call me",
        "reason": "defect",
        "storefront": "de",
        "fulfillment_type": "fulfilled_by_merchant",
        **changed,
    }


def one_return(*units: Any, **changed: Any) -> dict[str, Any]:
    """Returns a return as ``GET /returns/{id_return}`` returns it."""
    return {**return_row(), "buyer": BUYER, "return_units": list(units), **changed}


def page(*rows: Any, offset: int = 0, total: int | None = None) -> dict[str, Any]:
    """Returns the body of a page of a list; ``total``: by default, the list ends with this page."""
    count = offset + len(rows) if total is None else total
    return {"data": list(rows), "pagination": {"offset": offset, "limit": 100, "total": count}}


CARRIERS = {"data": {"carriers": [{"name": "DHL", "isHauler": False}, {"name": "Other Hauler", "isHauler": True}]}}

SUBSCRIPTION = {
    "id_subscription": 11_001,
    "callback_url": "https://shop.example/main",
    "fallback_email": f"{CANARY}@example.com",
    "event_name": "order_new",
    "is_active": True,
    "storefront": "de",
}

SUCCESS: dict[CallKind, Any] = {
    CallKind.ORDER_UNIT: {"data": order_unit()},
    CallKind.ORDER: {"data": order()},
    CallKind.ORDER_PAGE: page(order_unit(), offset=100),
    CallKind.CARRIERS: CARRIERS,
    CallKind.RETURN_PAGE: page(return_row()),
    CallKind.RETURN: {"data": one_return(return_unit())},
    CallKind.SUBSCRIPTIONS: page(SUBSCRIPTION),
}
"""A valid response to each of ``BODIES`` that reads."""


def order_call(kind: CallKind, body: OrderBody | None = None, *, deadline_s: float = 60.0) -> Call:
    """Returns a call of this kind, by default with the body from ``BODIES``."""
    by_s = time.monotonic() + deadline_s
    return Call(
        id="call-1",
        account="main",
        kind=kind,
        items=(Item(body=body if body is not None else BODIES[kind], attempt=1),),
        send_by_s=by_s,
        give_up_at_s=by_s,
        tokens_left=3,
    )


def raw(value: Any) -> bytes:
    """Returns the body of a response with this JSON value."""
    return json.dumps(value).encode()


def digest_of(row: Any) -> str:
    """Computes a row's digest from the response's text, without the code under test."""
    canonical = json.dumps(json.loads(json.dumps(row)), sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()
