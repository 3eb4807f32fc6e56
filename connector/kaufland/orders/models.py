"""Pydantic models of the bodies about orders, parcels and returns, with the fields that the connector uses. Pure.

Request models are strict and forbid unlisted fields. Response models are strict for the fields that identify and for
amounts of money, and ignore unlisted fields; no personal data is listed, so none is kept. Values of open sets stay raw
text. ``SIDE`` of a model lists the fields whose faults must not invalidate the rest: an invalid one is read as null
(``row_validation.tolerant``).
Source: OpenAPI document of the Seller API, 2.27.0 with the changes up to 2.44.0.
"""

from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from connector.kaufland.offers.models import FieldPath, Int64, UnitId
from connector.kaufland.timestamps import us_of


def _moment(value: Any) -> int:
    moment_us = us_of(value) if isinstance(value, str) else None
    if moment_us is None:
        raise PydanticCustomError("moment", "not an ISO 8601 date and time with an offset")
    return moment_us


def _percent(value: Any) -> Any:
    return Decimal(value) if type(value) is int else value


# Every text has a length limit, which also makes pydantic refuse text that is not valid Unicode.
OrderId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Text = Annotated[str, StringConstraints(max_length=1000)]
StorefrontCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2}$", to_lower=True)]
CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Moment = Annotated[int, BeforeValidator(_moment)]
Days = Annotated[int, Field(ge=0, le=10_000)]
Percent = Annotated[Decimal, BeforeValidator(_percent), Field(ge=0, le=1000, max_digits=12, decimal_places=4)]


# ---- requests -------------------------------------------------------------------------------------------------------


class _OrderRequestModel(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


_TrackingNumber = Annotated[str, StringConstraints(pattern=r"^[^,]*$", max_length=200)]


class SendBody(_OrderRequestModel):
    """``OrderUnitSendRequest``; the API takes all tracking numbers in one text, separated by commas."""

    tracking_numbers: list[Annotated[_TrackingNumber, Field(min_length=1)]]
    carrier_code: Word


class Shipment(_OrderRequestModel):
    tracking_number: _TrackingNumber
    carrier_code: Word


class ShipmentBody(_OrderRequestModel):
    """``AddShipmentRequest``."""

    id_order_unit: UnitId
    shipment_information: Shipment


# ---- responses ------------------------------------------------------------------------------------------------------


class _OrderResponseModel(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", hide_input_in_errors=True)


class OrderedProduct(_OrderResponseModel):
    """``Product`` as embedded in an order unit."""

    eans: list[Text] | None = None


class DiscountAnswer(_OrderResponseModel):
    """An element of ``discounts`` of an order unit."""

    usage_type: Word
    discount_value: Int64


class OrderUnitAnswer(_OrderResponseModel):
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

    id_order_unit: UnitId
    id_order: OrderId
    status: Word
    price: Int64
    revenue_gross: Int64
    shipping_rate: Int64 | None = None
    currency: CurrencyCode
    storefront: StorefrontCode | None = None
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


class OrderAnswer(_OrderResponseModel):
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
    storefront: StorefrontCode
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


class OrderUnitSummaryAnswer(_OrderResponseModel):
    """``OrderUnit``, ``OrderUnitDetails``, or an order unit of ``OrderDetails``; the fields that shipping needs."""

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset({("storefront",), ("id_offer",), ("product",)})

    id_order_unit: UnitId
    id_order: OrderId
    status: Word
    storefront: StorefrontCode | None = None
    id_offer: Text | None = None
    product: OrderedProduct | None = None


class OrderSummaryAnswer(_OrderResponseModel):
    """``OrderDetails``; its order units are validated one by one later."""

    id_order: OrderId
    order_units: list[Any] = Field(min_length=1)


class OrderUnitRow(_OrderResponseModel):
    """A row of ``CollectionApiResponse_OrderUnit_``, with the fields that show which order has changed.

    Also has the fees, which ``OrderDetails`` lacks.
    """

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset({("eco_fee",), ("packaging_fee",)})

    id_order: OrderId
    id_order_unit: UnitId
    status: Word
    ts_updated_iso: Moment
    eco_fee: Int64 | None = None
    packaging_fee: Int64 | None = None


class ReturnRow(_OrderResponseModel):
    """``Return``. Only ``GET /returns/{id_return}`` has its units and their reasons."""

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset({("ts_updated_iso",), ("tracking_provider",)})

    id_return: UnitId
    storefront: StorefrontCode
    status: Word
    ts_created_iso: Moment
    ts_updated_iso: Moment | None = None
    tracking_provider: Text | None = None


class ReturnAnswer(_OrderResponseModel):
    """``ReturnDetails``, without the buyer; its units are validated one by one later."""

    SIDE: ClassVar[frozenset[FieldPath]] = ReturnRow.SIDE | {("return_units",)}

    id_return: UnitId
    storefront: StorefrontCode
    status: Word
    ts_created_iso: Moment
    ts_updated_iso: Moment | None = None
    tracking_provider: Text | None = None
    return_units: list[Any] | None = None


class ReturnUnitAnswer(_OrderResponseModel):
    """``ReturnUnit``. Of its note, only its presence is used."""

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset({("reason",)})

    id_return_unit: UnitId
    id_return: UnitId
    id_order_unit: UnitId
    status: Word
    reason: Word | None = None
    note: Any = None


class CarrierAnswer(_OrderResponseModel):
    """``Carrier``."""

    name: Word
