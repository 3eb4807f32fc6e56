"""Pydantic models of the bodies about returns, with the fields that the connector uses. Pure.

They are strict for the fields that identify, and ignore unlisted fields; no personal data is listed, so none is kept.
Values of open sets stay raw text. ``SIDE`` of a model lists the fields whose faults must not invalidate the rest: an
invalid one is read as null (``bodies.row_validation``).
Source: OpenAPI document of the Seller API, 2.27.0 with the changes up to 2.44.0.
"""

from typing import Any, ClassVar

from connector.kaufland.bodies.api_model import AnyCaseStorefront, ApiResponseModel, Moment, NumericId, Text, Word
from connector.kaufland.bodies.row_validation import FieldPath


class ReturnRow(ApiResponseModel):
    """``Return``. Only ``GET /returns/{id_return}`` has its units and their reasons."""

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset({("ts_updated_iso",), ("tracking_provider",)})

    id_return: NumericId
    storefront: AnyCaseStorefront
    status: Word
    ts_created_iso: Moment
    ts_updated_iso: Moment | None = None
    tracking_provider: Text | None = None


class ReturnAnswer(ApiResponseModel):
    """``ReturnDetails``, without the buyer; its units are validated one by one later."""

    SIDE: ClassVar[frozenset[FieldPath]] = ReturnRow.SIDE | {("return_units",)}

    id_return: NumericId
    storefront: AnyCaseStorefront
    status: Word
    ts_created_iso: Moment
    ts_updated_iso: Moment | None = None
    tracking_provider: Text | None = None
    return_units: list[Any] | None = None


class ReturnUnitAnswer(ApiResponseModel):
    """``ReturnUnit``. Of its note, only its presence is used."""

    SIDE: ClassVar[frozenset[FieldPath]] = frozenset({("reason",)})

    id_return_unit: NumericId
    id_return: NumericId
    id_order_unit: NumericId
    status: Word
    reason: Word | None = None
    note: Any = None
