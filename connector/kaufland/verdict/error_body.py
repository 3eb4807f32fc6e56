"""The marketplace's error envelope: its model, and what a refusal quotes of it. Pure."""

from collections.abc import Iterable

from pydantic import Field

from connector.kaufland.bodies.api_model import ApiResponseModel
from connector.kaufland.bodies.json_body import read
from connector.kaufland.bodies.unit_fields import field_of
from connector.marketplace.offers import FieldError


class ErrorDetail(ApiResponseModel):
    """An element of ``errors``: the message about one field."""

    field: str = ""
    message: str = ""


class ErrorAnswer(ApiResponseModel):
    """``ErrorResponse``; some responses have a message only, and older ones no type."""

    type: str | None = None
    message: str
    errors: list[ErrorDetail] = Field(default_factory=list)


def read_error(body: bytes | None) -> ErrorAnswer | None:
    """Reads the envelope; None if the body is not one."""
    return read(ErrorAnswer, body)


def field_errors(details: Iterable[ErrorDetail]) -> tuple[FieldError, ...]:
    """Returns the marketplace's error messages by field."""
    return tuple(FieldError(field=field_of(e.field), name=e.field, message=e.message) for e in details)
