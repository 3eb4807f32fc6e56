"""Pydantic models of the request and response bodies about offers, with the fields that the connector uses. Pure.

Request models are strict and forbid unlisted fields, so nothing else can be sent. Response models are strict for the
fields that identify, ignore unlisted fields, and keep values of open sets (status, condition, currency) as raw text.
``SIDE`` lists fields whose faults must not invalidate the rest: an invalid one is read as if it were missing.
Source: OpenAPI document of the Seller API, 2.27.0 with the changes up to 2.44.0.
"""

from typing import ClassVar

from pydantic import Field

from connector.kaufland.bodies.api_model import ApiRequestModel, ApiResponseModel, Int64, Moment, NumericId
from connector.kaufland.bodies.pagination import Pagination
from connector.kaufland.bodies.row_validation import FieldPath
from connector.kaufland.verdict.error_body import ErrorDetail

_MAX_PRICE = 2_500_000_000
"""The highest price in any currency, in minor units; that of each currency is in the reference data."""

BY_MARKETPLACE = "fulfilled_by_kaufland"
"""``fulfillment_type`` of a unit that the marketplace stores and ships."""

_SIDE_OF_LISTED = ("status", "listing_price", "amount", "handling_time")
"""For look-ups, which establish identity: a missing value is merely not known yet."""
_SIDE_OF_WRITTEN = ("status",)
"""For responses to updates, whose values show what was accepted."""


class UnitPatch(ApiRequestModel):
    """``UnitPatchRequest``, with only the fields that are ever written."""

    listing_price: int | None = Field(default=None, ge=1, le=_MAX_PRICE)
    amount: int | None = Field(default=None, ge=0, lt=2**31)
    handling_time: int | None = Field(default=None, ge=0, le=100)


class UnitCreation(ApiRequestModel):
    """``UnitRequest``, with only the fields that are ever written."""

    ean: str = Field(pattern=r"^[0-9]{13,14}$")
    condition: str
    listing_price: int = Field(ge=1, le=_MAX_PRICE)
    amount: int = Field(ge=0, lt=2**31)
    handling_time: int = Field(ge=0, le=100)
    id_offer: str = Field(min_length=1)
    id_shipping_group: int | None = Field(default=None, ge=1)
    id_warehouse: int | None = Field(default=None, ge=1)
    vat_indicator: str | None = None
    note: str | None = Field(default=None, max_length=250)


class ProductAnswer(ApiResponseModel):
    """``Product`` as embedded in a unit."""

    eans: list[str] = Field(default_factory=list)


class CatalogueProduct(ApiResponseModel):
    """``ProductWithEmbedded``."""

    id_product: NumericId
    title: str | None = None
    is_valid: bool | None = None


class OneProduct(ApiResponseModel):
    """``ApiResponse_ProductWithEmbedded_``."""

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset({("data", "title"), ("data", "is_valid")})

    data: CatalogueProduct


class UnitAnswer(ApiResponseModel):
    """``UnitEmbedded`` and ``Unit``."""

    id_unit: NumericId
    status: str | None = None
    currency: str | None = None
    condition: str | int | None = None
    listing_price: Int64 | None = None
    amount: Int64 | None = None
    handling_time: Int64 | None = None
    id_offer: str | None = None
    storefront: str | None = None
    fulfillment_type: str | None = None
    product: ProductAnswer | None = None


class UnitsPage(ApiResponseModel):
    """``CollectionApiResponse_UnitEmbedded_``."""

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset(("data", name) for name in _SIDE_OF_LISTED)

    data: list[UnitAnswer]
    pagination: Pagination | None = None


class ListedUnit(UnitAnswer):
    """``UnitEmbedded`` on a page of all units, whose rows are validated one by one."""

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset(
        (name,) for name in (*_SIDE_OF_LISTED, "is_live", "date_lastchange_iso")
    )

    is_live: bool | None = None
    date_lastchange_iso: Moment | None = None


class OneUnit(ApiResponseModel):
    """``ApiResponse_Unit_``."""

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset(("data", name) for name in _SIDE_OF_WRITTEN)

    data: UnitAnswer


class BulkEntry(ApiResponseModel):
    """One element of ``UnitsBulkUpdateResponse``; covers its three variants."""

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset(("unit", name) for name in _SIDE_OF_WRITTEN)

    id_unit: NumericId
    status_code: int | float = Field(ge=100, lt=1000, allow_inf_nan=False)
    unit: UnitAnswer | None = None
    message: str = ""
    key: str = ""
    errors: list[ErrorDetail] = Field(default_factory=list)


class BulkAnswer(ApiResponseModel):
    """``UnitsBulkUpdateResponse``."""

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset(("data", *path) for path in BulkEntry.SIDE)

    data: list[BulkEntry]
