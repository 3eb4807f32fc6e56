"""Translates bodies of wants about orders, parcels and returns into requests. Pure.

Lists cover all storefronts. By the API's default, they leave out what the marketplace fulfils itself.
"""

from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError

from connector.kaufland.offers.mapping import PAGE_LIMIT, ApiRequest, Unsendable
from connector.kaufland.offers.models import UnitId
from connector.kaufland.orders.models import OrderId, SendBody, ShipmentBody
from connector.kaufland.timestamps import iso_before
from connector.marketplace.orders import (
    AddParcel,
    ReadOrder,
    ReadOrderPage,
    ReadOrderSummary,
    ReadOrderUnit,
    ReadReturn,
    ReadReturnPage,
    SendUnit,
)

S = TypeVar("S", bound=BaseModel)

_UNIT_ID: TypeAdapter[int] = TypeAdapter(UnitId)
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
    return ApiRequest(method="GET", target=f"/order-units?{_changes(body)}")


def return_page(body: ReadReturnPage) -> ApiRequest:
    """``GET /returns``, the newest change first."""
    return ApiRequest(method="GET", target=f"/returns?{_changes(body)}")


def one_return(body: ReadReturn) -> ApiRequest:
    """``GET /returns/{id_return}`` with the returned units, but without the buyer. Raises Unsendable."""
    try:
        return ApiRequest(method="GET", target=f"/returns/{_id(body.return_id)}?embedded=return_units")
    except ValidationError:
        raise Unsendable("the return id is not one of the marketplace's") from None


def _changes(body: ReadOrderPage | ReadReturnPage) -> str:
    """Returns the query of a list of changes, the newest first."""
    return urlencode(
        {
            "ts_updated_from_iso": iso_before(body.changed_from_us),
            "sort": "ts_updated:desc",
            "limit": PAGE_LIMIT,
            "offset": body.offset,
        }
    )


def _unit_path(order_unit_id: int) -> str:
    try:
        return f"/order-units/{_id(order_unit_id)}"
    except ValidationError:
        raise Unsendable("the order unit id is not one of the marketplace's") from None


def _id(number: int) -> int:
    """Returns the id if it is valid. Raises ValidationError."""
    return _UNIT_ID.validate_python(number, strict=True)


def _valid(model: type[S], **data: Any) -> S:
    """Builds the model. Raises Unsendable, which names the invalid fields, but no values."""
    try:
        return model.model_validate(data)
    except ValidationError as wrong:
        faults = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in wrong.errors())
        raise Unsendable(faults) from None
