"""Turns wants about orders, parcels and carriers into requests. Pure.

Lists cover all storefronts. By the API's default, they leave out what the marketplace fulfils itself.
"""

from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError

from connector.kaufland.bodies.api_model import NumericId
from connector.kaufland.bodies.pagination import changes_query
from connector.kaufland.http.exchange import ApiRequest, Unsendable
from connector.kaufland.orders.models import OrderId, SendBody, ShipmentBody
from connector.marketplace.orders import (
    AddParcel,
    ReadOrder,
    ReadOrderPage,
    ReadOrderSummary,
    ReadOrderUnit,
    SendUnit,
)

S = TypeVar("S", bound=BaseModel)

_ORDER_UNIT_ID: TypeAdapter[int] = TypeAdapter(NumericId)
_ORDER_ID: TypeAdapter[str] = TypeAdapter(OrderId)

CARRIERS = ApiRequest(method="GET", target="/carriers")


def send(body: SendUnit) -> ApiRequest:
    """``PATCH /order-units/{id_order_unit}/send``. Raises Unsendable."""
    data = _valid(SendBody, tracking_numbers=list(body.tracking_numbers), carrier_code=body.carrier_code)
    sent = {"tracking_numbers": ",".join(data.tracking_numbers), "carrier_code": data.carrier_code}
    return ApiRequest(method="PATCH", target=f"{_unit_path(body.order_unit_id)}/send", body=orjson.dumps(sent))


def parcel(body: AddParcel) -> ApiRequest:
    """``POST /shipments``. Raises Unsendable."""
    shipment = {"tracking_number": body.tracking_number, "carrier_code": body.carrier_code}
    data = _valid(ShipmentBody, id_order_unit=body.order_unit_id, shipment_information=shipment)
    return ApiRequest(method="POST", target="/shipments", body=orjson.dumps(data.model_dump()))


def order_unit(body: ReadOrderUnit) -> ApiRequest:
    """``GET /order-units/{id_order_unit}``. Raises Unsendable."""
    return ApiRequest(method="GET", target=_unit_path(body.order_unit_id))


def order(body: ReadOrder | ReadOrderSummary) -> ApiRequest:
    """``GET /orders/{id_order}``. Raises Unsendable."""
    try:
        return ApiRequest(method="GET", target=f"/orders/{_ORDER_ID.validate_python(body.order_id, strict=True)}")
    except ValidationError:
        raise Unsendable("the order id is not one of the marketplace's") from None


def order_page(body: ReadOrderPage) -> ApiRequest:
    """``GET /order-units`` of all storefronts, the newest change first.

    By default, it lists what the merchant fulfils; fulfilment by the marketplace is deprecated.
    """
    return ApiRequest(method="GET", target=f"/order-units?{changes_query(body.changed_from_us, body.offset)}")


def _unit_path(order_unit_id: int) -> str:
    """Returns the path of an order unit. Raises Unsendable."""
    try:
        return f"/order-units/{_ORDER_UNIT_ID.validate_python(order_unit_id, strict=True)}"
    except ValidationError:
        raise Unsendable("the order unit id is not one of the marketplace's") from None


def _valid(model: type[S], **data: Any) -> S:
    """Builds the model. Raises Unsendable, which names the invalid fields, but no values."""
    try:
        return model.model_validate(data)
    except ValidationError as wrong:
        faults = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in wrong.errors())
        raise Unsendable(faults) from None
