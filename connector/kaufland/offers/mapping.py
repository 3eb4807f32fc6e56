"""Translates bodies of wants into requests of the API, and its responses into answers of the port. Pure.

A request's body is serialized here, once; those bytes are signed and sent. On both sides, prices are minor units of the
storefront's currency, stock is pieces, and handling time is working days.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson
from pydantic import BaseModel, ValidationError

from connector.kaufland.offers.models import (
    BulkAnswer,
    BulkEntry,
    ErrorAnswer,
    FieldPath,
    OneUnit,
    StorefrontsAnswer,
    UnitAnswer,
    UnitPatch,
    UnitsPage,
)
from connector.kaufland.reference import KauflandReference
from connector.kaufland.row_validation import tolerant
from connector.marketplace.offers import Field, FieldError, LookUp, Unit, Update
from connector.marketplace.orders import UnreadableRow

M = TypeVar("M", bound=BaseModel)

API_FIELDS: Mapping[Field, str] = MappingProxyType(
    {Field.PRICE: "listing_price", Field.STOCK: "amount", Field.HANDLING_TIME: "handling_time"}
)
_OUR_FIELDS: Mapping[str, Field] = {name: field for field, name in API_FIELDS.items()} | {
    "listingPrice": Field.PRICE,  # as an example in the API's document spells it
    "handlingTime": Field.HANDLING_TIME,
}

BY_MARKETPLACE = "fulfilled_by_kaufland"
"""``fulfillment_type`` of a unit that the marketplace stores and ships."""

PAGE_LIMIT = 100
"""The highest number of units on one page of ``GET /units``."""


class Unsendable(ValueError):
    """The item must not be sent: a value is outside the API's bounds, or there is nothing to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """A request without its headers.

    ``target``: path and query after the base address, percent-encoded. It is written to the call log, so it must not
    hold personal data.
    """

    method: str
    target: str
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


# ---- requests -------------------------------------------------------------------------------------------------------


def look_up(body: LookUp, *, offset: int = 0, by_marketplace: bool = False) -> ApiRequest:
    """``GET /units`` of one EAN, with the products embedded for their EANs; the API lists the seller's own units only.

    Without ``fulfillment_type``, it lists what the merchant fulfils. A single value is the same in any list format.
    """
    query = {"storefront": body.storefront, "ean": body.ean, "embedded": "products", "limit": PAGE_LIMIT}
    way = {"fulfillment_type": BY_MARKETPLACE} if by_marketplace else {}
    return ApiRequest(method="GET", target="/units?" + urlencode({**query, **way, "offset": offset}))


def any_by_marketplace(storefront: str) -> ApiRequest:
    """``GET /units`` with limit 1, to check whether the marketplace fulfils any of the seller's units there."""
    query = {"storefront": storefront, "fulfillment_type": BY_MARKETPLACE, "limit": 1, "offset": 0}
    return ApiRequest(method="GET", target="/units?" + urlencode(query))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitChange:
    """An update whose values are within the API's bounds; ``data`` holds the changed fields by their API names."""

    update: Update
    data: Mapping[str, int]


def unit_change(update: Update) -> UnitChange:
    """Checks an update; the result holds its changed fields and no other. Raises Unsendable."""
    if not update.values:
        raise Unsendable(f"nothing to change in unit {update.unit_id}")
    data = {name: update.values[field] for field, name in API_FIELDS.items() if field in update.values}
    try:
        UnitPatch.model_validate(data)
    except ValidationError as wrong:
        faults = "; ".join(f"{e['loc'][0]}: {e['msg']}, got {e['input']!r}" for e in wrong.errors())
        raise Unsendable(faults) from None
    return UnitChange(update=update, data=data)


def patch(change: UnitChange) -> ApiRequest:
    """``PATCH /units/{id_unit}``."""
    target = f"/units/{change.update.unit_id}?" + urlencode({"storefront": change.update.storefront})
    return ApiRequest(method="PATCH", target=target, body=orjson.dumps(change.data))


def bulk(storefront: str, changes: Sequence[UnitChange]) -> ApiRequest:
    """``POST /units/bulk``: at most 150 units of one storefront, each once."""
    entries = [{"id_unit": change.update.unit_id, "unit_data": change.data} for change in changes]
    target = "/units/bulk?" + urlencode({"storefront": storefront})
    return ApiRequest(method="POST", target=target, body=orjson.dumps(entries))


PING = ApiRequest(method="GET", target="/status/ping")
STOREFRONTS = ApiRequest(method="GET", target="/info/storefront")


# ---- responses: None if one does not conform to the API's document --------------------------------------------------


def read_page(body: bytes | None) -> UnitsPage | None:
    """Reads a page of ``GET /units``."""
    return _read(UnitsPage, body, UnitsPage.SIDE)


def listed(body: bytes | None) -> int | None:
    """Returns the number of units that match a query: the response's total, else the length of its list.

    None if the response has neither.
    """
    try:
        page = orjson.loads(body or b"")
    except orjson.JSONDecodeError:
        return None
    if not isinstance(page, dict):
        return None
    pagination, data = page.get("pagination"), page.get("data")
    total = pagination.get("total") if isinstance(pagination, dict) else None
    count = total if isinstance(total, int) else len(data) if isinstance(data, list) else -1
    return count if 0 <= count <= _MAX_COUNT else None


_MAX_COUNT = 2**31 - 1


def read_unit(body: bytes | None) -> UnitAnswer | None:
    """Reads the unit in the response to ``PATCH /units/{id_unit}``."""
    answer = _read(OneUnit, body, OneUnit.SIDE)
    return answer.data if answer is not None else None


def read_bulk(body: bytes | None) -> dict[int, BulkEntry | None] | None:
    """Returns the entries by unit id; None in place of an entry for a unit with two contradictory entries.

    An entry that cannot be read, or names no unit, is left out; its unit then counts as missing in the response.
    """
    whole = _read(BulkAnswer, body, BulkAnswer.SIDE)
    listed = whole.data if whole is not None else _readable_entries(body)
    if listed is None:
        return None
    entries: dict[int, BulkEntry | None] = {}
    for entry in listed:
        same = entry.id_unit not in entries or entries[entry.id_unit] == entry
        entries[entry.id_unit] = entry if same else None
    return entries


def _readable_entries(body: bytes | None) -> list[BulkEntry] | None:
    """Reads entry by entry, for a response that does not conform to the model as a whole."""
    answer = _json(body)
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        return None
    entries = (_checked(BulkEntry, raw, BulkEntry.SIDE) for raw in answer["data"])
    return [entry for entry in entries if entry is not None]


def read_error(body: bytes | None) -> ErrorAnswer | None:
    """Reads the marketplace's error envelope."""
    return _read(ErrorAnswer, body)


def read_storefronts(body: bytes | None) -> tuple[str, ...] | None:
    """Reads the seller's storefronts, in lower case."""
    answer = _read(StorefrontsAnswer, body)
    return tuple(code.lower() for code in answer.data) if answer is not None else None


def units_of(page: UnitsPage, asked: LookUp, reference: KauflandReference) -> tuple[Unit, ...]:
    """Returns the units of a page that match the look-up; units of another storefront or product are ignored."""
    return tuple(
        unit_of(answer, asked.storefront, reference)
        for answer in page.data
        if _on_storefront(answer, asked.storefront) and _of_product(answer, asked.ean)
    )


def unit_of(answer: UnitAnswer, storefront: str, reference: KauflandReference) -> Unit:
    """Returns a unit of the port. ``storefront`` is that of the request, since responses may spell it in upper case."""
    said = {
        Field.PRICE: answer.listing_price,
        Field.STOCK: answer.amount,
        Field.HANDLING_TIME: answer.handling_time,
    }
    return Unit(
        unit_id=answer.id_unit,
        storefront=storefront,
        condition=reference.condition(answer.condition),
        offer_id=answer.id_offer,
        status=answer.status,
        values={field: value for field, value in said.items() if value is not None},
        currency=answer.currency,
        eans=tuple(answer.product.eans) if answer.product is not None else (),
        fulfilled_by_marketplace=answer.fulfillment_type == BY_MARKETPLACE,
    )


def field_errors(answer: ErrorAnswer | BulkEntry) -> tuple[FieldError, ...]:
    """Returns the marketplace's error messages by field."""
    return tuple(FieldError(field=_OUR_FIELDS.get(e.field), name=e.field, message=e.message) for e in answer.errors)


def _on_storefront(answer: UnitAnswer, storefront: str) -> bool:
    """Whether the unit is on the storefront; true if the response does not name one."""
    return answer.storefront is None or answer.storefront.lower() == storefront


def _of_product(answer: UnitAnswer, ean: str) -> bool:
    """Whether a unit's product has the EAN, ignoring leading zeros; true if the response lists no EAN."""
    if answer.product is None or not answer.product.eans:
        return True
    return ean.lstrip("0") in {listed.lstrip("0") for listed in answer.product.eans}


def _read(model: type[M], body: bytes | None, side: frozenset[FieldPath] = frozenset()) -> M | None:
    """Validates a body, with invalid side fields set to null; None if it does not conform to the model."""
    if not body:
        return None
    try:
        return model.model_validate_json(body)
    except ValidationError:
        return _checked(model, _json(body), side) if side else None


def _json(body: bytes | None) -> Any:
    """Returns the JSON value of a body, or None if it is not JSON."""
    if not body:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _checked(model: type[M], value: Any, side: frozenset[FieldPath]) -> M | None:
    """Validates a value with invalid side fields set to null; None if anything else is invalid."""
    read = tolerant(model, side, value, "answer")
    return None if isinstance(read, UnreadableRow) else read.row
