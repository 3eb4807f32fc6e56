"""Pages of the API's lists: the query for changes, the rows of a page, and whether it is the last one. Pure."""

from collections.abc import Iterable
from typing import Any, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, Field, ValidationError

from connector.kaufland.bodies.api_model import ApiResponseModel
from connector.kaufland.bodies.json_body import data_of
from connector.kaufland.bodies.row_validation import FieldPath, tolerant
from connector.kaufland.bodies.timestamps import iso_before
from connector.marketplace.orders import UnreadableRow

R = TypeVar("R", bound=BaseModel)

PAGE_LIMIT = 100
"""The highest number of rows on one page of the lists of units, order units and returns."""


_MOST_ROWS = 2**31


class Pagination(ApiResponseModel):
    """``Pagination``: the place of a page in its list."""

    offset: int = Field(ge=0)
    limit: int = Field(ge=0)
    total: int = Field(ge=0)


def changes_query(changed_from_us: int, offset: int) -> str:
    """Returns the query of a list of changes since a time, the newest first."""
    return urlencode(
        {
            "ts_updated_from_iso": iso_before(changed_from_us),
            "sort": "ts_updated:desc",
            "limit": PAGE_LIMIT,
            "offset": offset,
        }
    )


def is_last_page(answer: Any, offset: int) -> bool | None:
    """Whether this is the last page; None if it is not a page, or not the requested one.

    None also for a short page that is not the last one: the next offset would skip the rows that it lacks.
    """
    listed = data_of(answer)
    if not isinstance(listed, list) or len(listed) > PAGE_LIMIT:
        return None
    if answer.get("pagination") is None:
        return len(listed) < PAGE_LIMIT
    try:
        pagination = Pagination.model_validate(answer["pagination"])
    except ValidationError:
        return None
    if pagination.offset != offset:
        return None
    if pagination.total <= offset + PAGE_LIMIT:
        return True
    return False if len(listed) == PAGE_LIMIT else None


def total_of(answer: Any) -> int | None:
    """Returns how many rows the whole list has; None if the answer does not say, or says nonsense."""
    try:
        total = Pagination.model_validate(answer["pagination"]).total
    except (ValidationError, KeyError, TypeError):
        return None
    return total if total < _MOST_ROWS else None


def rows_of(
    model: type[R], listed: list[Any], name: str, offset: int, side: Iterable[FieldPath] = ()
) -> tuple[list[R], tuple[UnreadableRow, ...]]:
    """Returns the valid rows in the order of the list, and the unreadable ones. ``where`` counts rows from 1."""
    rows = [tolerant(model, side, raw, f"{name}?offset={offset}, row {place}") for place, raw in enumerate(listed, 1)]
    readable = [row.row for row in rows if not isinstance(row, UnreadableRow)]
    return readable, tuple(row for row in rows if isinstance(row, UnreadableRow))
