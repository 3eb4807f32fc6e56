"""Pydantic models of the bodies we send and read, as far as we send and read them. Pure.

Sent bodies are strict and forbid everything that is not listed: what is not here cannot be sent. Answers are strict in
what identifies, tolerate what they don't list, and keep values of open sets (status, condition, currency) as raw text.
``SIDE`` are fields that must not cost the rest: one that is not as promised is read as if the answer did not say.
Source: OpenAPI document of the Seller API, 2.27.0 with the changes up to 2.44.0.
"""

from typing import Annotated, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

_MAX_PRICE = (
    2_500_000_000  # the highest ceiling of any currency, in minor units; each storefront's own is reference data
)

Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
UnitId = Annotated[int, Field(ge=1, lt=2**63)]


FieldPath: TypeAlias = tuple[str, ...]
"""Names of fields from a model inwards; places in lists are left out."""

_SIDE_OF_LISTED = ("status", "listing_price", "amount", "handling_time")
"""A look-up is for identity: a value that it does not tell is only not known yet."""
_SIDE_OF_WRITTEN = ("status",)
"""Of the answer to an update, whose values say what was accepted."""


class _OfferRequestModel(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class _OfferResponseModel(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class UnitPatch(_OfferRequestModel):
    """``UnitPatchRequest``, less everything that we never write."""

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
    """``ErrorResponse``; some answers carry a message alone, older ones no type."""

    type: str | None = None
    message: str
    errors: list[ErrorDetail] = Field(default_factory=list)


class BulkEntry(_OfferResponseModel):
    """One element of ``UnitsBulkUpdateResponse``: the three shapes in one."""

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
