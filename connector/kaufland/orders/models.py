"""Pydantic models of the bodies about orders and parcels, with the fields that the connector uses. Pure.

Request models are strict and forbid unlisted fields. Response models are strict for the fields that identify and for
amounts of money, and ignore unlisted fields; no personal data is listed, so none is kept. Values of open sets stay raw
text. ``SIDE`` of a model lists the fields whose faults must not invalidate the rest: an invalid one is read as null
(``bodies.row_validation``).
Source: OpenAPI document of the Seller API, 2.27.0 with the changes up to 2.44.0.
"""

from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from connector.kaufland.bodies.api_model import (
    AnyCaseStorefront,
    ApiRequestModel,
    ApiResponseModel,
    Int64,
    Moment,
    NumericId,
    Text,
    Word,
)
from connector.kaufland.bodies.row_validation import FieldPath


def _percent(value: Any) -> Any:
    return Decimal(value) if type(value) is int else value


OrderId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Days = Annotated[int, Field(ge=0, le=10_000)]
Percent = Annotated[Decimal, BeforeValidator(_percent), Field(ge=0, le=1000, max_digits=12, decimal_places=4)]
TrackingNumber = Annotated[str, StringConstraints(pattern=r"^[^,]*$", max_length=200)]


# ---- requests -------------------------------------------------------------------------------------------------------


class SendBody(ApiRequestModel):
    """``OrderUnitSendRequest``; the API takes all tracking numbers in one text, separated by commas."""

    tracking_numbers: list[Annotated[TrackingNumber, Field(min_length=1)]]
    carrier_code: Word


class Shipment(ApiRequestModel):
    tracking_number: TrackingNumber
    carrier_code: Word


class ShipmentBody(ApiRequestModel):
    """``AddShipmentRequest``."""

    id_order_unit: NumericId
    shipment_information: Shipment


# ---- responses ------------------------------------------------------------------------------------------------------


class OrderedProduct(ApiResponseModel):
    """``Product`` as embedded in an order unit."""

    eans: list[Text] | None = None


class DiscountAnswer(ApiResponseModel):
    """An element of ``discounts`` of an order unit."""

    usage_type: Word
    discount_value: Int64


class OrderUnitAnswer(ApiResponseModel):
    """An order unit of ``OrderDetails``. Money in minor units."""

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset(
        (name,)
        for name in (
            "storefront",
            "ts_created_iso",
            "ts_updated_iso",
            "revenue_net",
            "vat",
            "id_offer",
            "unit_condition",
            "cancel_reason",
            "delivery_time_expires_iso",
            "delivery_time_min",
            "delivery_time_max",
            "is_marketplace_deemed_supplier",
            "discounts",
            "eco_fee",
            "packaging_fee",
            "product",
        )
    )

    id_order_unit: NumericId
    id_order: OrderId
    status: Word
    price: Int64
    revenue_gross: Int64
    shipping_rate: Int64 | None = None
    currency: CurrencyCode
    storefront: AnyCaseStorefront | None = None
    ts_created_iso: Moment | None = None
    ts_updated_iso: Moment | None = None
    revenue_net: Int64 | None = None
    vat: Percent | None = None
    id_offer: Text | None = None
    unit_condition: Text | int | None = None
    cancel_reason: Text | None = None
    delivery_time_expires_iso: Moment | None = None
    delivery_time_min: Days | None = None
    delivery_time_max: Days | None = None
    is_marketplace_deemed_supplier: bool | None = None
    discounts: list[DiscountAnswer] | None = None
    eco_fee: Int64 | None = None
    packaging_fee: Int64 | None = None
    product: OrderedProduct | None = None


class OrderAnswer(ApiResponseModel):
    """``OrderDetails``, without the addresses."""

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset(
        (
            ("ts_created_iso",),
            ("fulfillment_type",),
            ("is_marketplace_deemed_supplier",),
            *(("order_units", *path) for path in OrderUnitAnswer.SIDE),
        )
    )

    id_order: OrderId
    storefront: AnyCaseStorefront
    ts_created_iso: Moment | None = None
    fulfillment_type: Text | None = None
    is_marketplace_deemed_supplier: bool | None = None
    order_units: list[OrderUnitAnswer] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_whole(self) -> "OrderAnswer":
        if any(unit.id_order != self.id_order for unit in self.order_units):
            raise PydanticCustomError("order_unit_of_another_order", "an order unit belongs to another order")
        if len({unit.id_order_unit for unit in self.order_units}) < len(self.order_units):
            raise PydanticCustomError("order_unit_twice", "an order unit is listed twice")
        return self


class OrderUnitSummaryAnswer(ApiResponseModel):
    """``OrderUnit``, ``OrderUnitDetails``, or an order unit of ``OrderDetails``; the fields that shipping needs."""

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset({("storefront",), ("id_offer",), ("product",)})

    id_order_unit: NumericId
    id_order: OrderId
    status: Word
    storefront: AnyCaseStorefront | None = None
    id_offer: Text | None = None
    product: OrderedProduct | None = None


class OrderSummaryAnswer(ApiResponseModel):
    """``OrderDetails``; its order units are validated one by one later."""

    id_order: OrderId
    order_units: list[Any] = Field(min_length=1)


class OrderUnitRow(ApiResponseModel):
    """A row of ``CollectionApiResponse_OrderUnit_``: the fields that show what was sold and which order has changed.

    Also has the fees, which ``OrderDetails`` lacks.
    """

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset(
        {("eco_fee",), ("packaging_fee",), ("ts_created_iso",), ("id_offer",)}
    )

    id_order: OrderId
    id_order_unit: NumericId
    status: Word
    ts_updated_iso: Moment
    ts_created_iso: Moment | None = None
    id_offer: Text | None = None
    eco_fee: Int64 | None = None
    packaging_fee: Int64 | None = None


class CarrierAnswer(ApiResponseModel):
    """``Carrier``."""

    name: Word
