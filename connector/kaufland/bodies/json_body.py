"""Reads the JSON body of a response: by a model, or with exact fractions. Pure."""

import json
from decimal import Decimal
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)


def read(model: type[M], body: bytes | None) -> M | None:
    """Returns the body as the model has it, or None if it does not conform to the model."""
    if not body:
        return None
    try:
        return model.model_validate_json(body)
    except ValidationError:
        return None


def exact(body: bytes | None) -> Any:
    """Returns the JSON value with fractions as Decimal, or None if the body is not JSON or is null."""
    if not body:
        return None
    try:
        return json.loads(body.decode(), parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def data_of(answer: Any) -> Any:
    """Returns the content of a response's envelope, or None if there is none."""
    return answer.get("data") if isinstance(answer, dict) else None
