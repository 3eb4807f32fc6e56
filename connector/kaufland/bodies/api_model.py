"""What the models of bodies share: how strict they are, and the types of their fields. Pure.

Request models forbid unlisted fields, so nothing else can be sent; response models ignore them. Both convert no value:
a number in a text is a fault. No exception of either quotes a value, which may be personal data.
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from connector.kaufland.bodies.timestamps import us_of


class ApiRequestModel(BaseModel):
    """The base of models of request bodies."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class ApiResponseModel(BaseModel):
    """The base of models of response bodies."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", hide_input_in_errors=True)


def _moment(value: Any) -> int:
    moment_us = us_of(value) if isinstance(value, str) else None
    if moment_us is None:
        raise PydanticCustomError("moment", "not an ISO 8601 date and time with an offset")
    return moment_us


Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
NumericId = Annotated[int, Field(ge=1, lt=2**63)]
"""The id of a unit, order unit, return or returned unit."""

# Every text has a length limit, which also makes pydantic refuse text that is not valid Unicode.
Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Text = Annotated[str, StringConstraints(max_length=1000)]
AnyCaseStorefront = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2}$", to_lower=True)]
"""A storefront's code, in lower case once it is read."""
Moment = Annotated[int, BeforeValidator(_moment)]
"""A date and time with an offset, read as microseconds since the Unix epoch, UTC."""
