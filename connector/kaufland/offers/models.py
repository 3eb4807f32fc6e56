"""Pydantic models of the request and response bodies about offers, with the fields that the connector uses. Pure.

Request models are strict and forbid unlisted fields, so nothing else can be sent. Response models are strict for the
fields that identify, ignore unlisted fields, and keep values of open sets (status, condition, currency) as raw text.
``SIDE`` lists fields whose faults must not invalidate the rest: an invalid one is read as if it were missing.
Source: OpenAPI document of the Seller API, 2.27.0 with the changes up to 2.44.0.
"""

from typing import Annotated, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

_MAX_PRICE = (
    2_500_000_000  # the highest price in any currency, in minor units; that of each currency is in the reference data
)

Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
UnitId = Annotated[int, Field(ge=1, lt=2**63)]


FieldPath: TypeAlias = tuple[str, ...]
"""The names of fields from a model inwards, without indexes of lists."""

_SIDE_OF_LISTED = ("status", "listing_price", "amount", "handling_time")
"""For look-ups, which establish identity: a missing value is merely not known yet."""
_SIDE_OF_WRITTEN = ("status",)
"""For responses to updates, whose values show what was accepted."""


class _OfferRequestModel(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class _OfferResponseModel(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class UnitPatch(_OfferRequestModel):
    """``UnitPatchRequest``, with only the fields that are ever written."""

    listing_price: int | None = Field(default=None, ge=1, le=_MAX_PRICE)
    amount: int | None = Field(default=None, ge=0, lt=2**31)
    handling_time: int | None = Field(default=None, ge=0, le=100)


class ProductAnswer(_OfferResponseModel):
    """``Product`` as embedded in a unit."""

    eans: list[str] = Field(default_factory=list)


class UnitAnswer(_OfferResponseModel):
    """``UnitEmbedded`` and ``Unit``."""

    id_unit: UnitId
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


class Pagination(_OfferResponseModel):
    offset: int = Field(ge=0)
    limit: int = Field(ge=0)
    total: int = Field(ge=0)


class UnitsPage(_OfferResponseModel):
    """``CollectionApiResponse_UnitEmbedded_``."""

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset(("data", name) for name in _SIDE_OF_LISTED)

    data: list[UnitAnswer]
    pagination: Pagination | None = None


class OneUnit(_OfferResponseModel):
    """``ApiResponse_Unit_``."""

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset(("data", name) for name in _SIDE_OF_WRITTEN)

    data: UnitAnswer


class ErrorDetail(_OfferResponseModel):
    field: str = ""
    message: str = ""


class ErrorAnswer(_OfferResponseModel):
    """``ErrorResponse``; some responses have a message only, and older ones no type."""

    type: str | None = None
    message: str
    errors: list[ErrorDetail] = Field(default_factory=list)


class BulkEntry(_OfferResponseModel):
    """One element of ``UnitsBulkUpdateResponse``; covers its three variants."""

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset(("unit", name) for name in _SIDE_OF_WRITTEN)

    id_unit: UnitId
    status_code: int | float = Field(ge=100, lt=1000, allow_inf_nan=False)
    unit: UnitAnswer | None = None
    message: str = ""
    key: str = ""
    errors: list[ErrorDetail] = Field(default_factory=list)


class BulkAnswer(_OfferResponseModel):
    """``UnitsBulkUpdateResponse``."""

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset(("data", *path) for path in BulkEntry.SIDE)

    data: list[BulkEntry]


class StorefrontsAnswer(_OfferResponseModel):
    """``ApiResponse_string-Array_`` of ``GET /info/storefront``."""

    data: list[str]
