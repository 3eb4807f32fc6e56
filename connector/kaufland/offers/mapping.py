"""Bodies of wants <-> bodies of the API. What leaves is serialised here, once: those bytes are signed and sent. Pure.

Prices are minor units of the storefront's currency on both sides, stock is pieces, handling time is working days.
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
    "listingPrice": Field.PRICE,  # as the API's own example of a message spells it
    "handlingTime": Field.HANDLING_TIME,
}

BY_MARKETPLACE = "fulfilled_by_kaufland"
"""``fulfillment_type`` of a unit that the marketplace stores and ships."""

PAGE_LIMIT = 100
"""The most units that one page of ``GET /units`` holds."""


class Unsendable(ValueError):
    """An update that may not leave: a value out of the API's bounds, or nothing to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """What leaves, less the headers.

    ``target``: path and query behind the base address, percent-encoded. It stands in the call log, so
    nothing in it may say who bought.
    """

    method: str
    target: str
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


# ---- what we send ---------------------------------------------------------------------------------------------------


def look_up(body: LookUp, *, offset: int = 0, by_marketplace: bool = False) -> ApiRequest:
    """``GET /units`` of one EAN, with products for their EANs; the API shows the seller's own units alone.

    Left out, ``fulfillment_type`` means what the merchant fulfils. One value of it is alike in any spelling of lists.
    """
    query = {"storefront": body.storefront, "ean": body.ean, "embedded": "products", "limit": PAGE_LIMIT}
    way = {"fulfillment_type": BY_MARKETPLACE} if by_marketplace else {}
    return ApiRequest(method="GET", target="/units?" + urlencode({**query, **way, "offset": offset}))


def any_by_marketplace(storefront: str) -> ApiRequest:
    """``GET /units``: whether the seller has any unit there that the marketplace fulfils."""
    query = {"storefront": storefront, "fulfillment_type": BY_MARKETPLACE, "limit": 1, "offset": 0}
    return ApiRequest(method="GET", target="/units?" + urlencode(query))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitChange:
    """An update whose values are within the API's bounds; ``data``: the changed fields as the API names them."""

    update: Update
    data: Mapping[str, int]


def unit_change(update: Update) -> UnitChange:
    """The changed fields of an update, and no other. Raises Unsendable."""
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
    """``POST /units/bulk``: at most 150 units of one storefront, none twice."""
    entries = [{"id_unit": change.update.unit_id, "unit_data": change.data} for change in changes]
    target = "/units/bulk?" + urlencode({"storefront": storefront})
    return ApiRequest(method="POST", target=target, body=orjson.dumps(entries))


PING = ApiRequest(method="GET", target="/status/ping")
STOREFRONTS = ApiRequest(method="GET", target="/info/storefront")


# ---- what we read: None = not what the API's document promises ------------------------------------------------------


def read_page(body: bytes | None) -> UnitsPage | None:
    return _read(UnitsPage, body, UnitsPage.SIDE)


def listed(body: bytes | None) -> int | None:
    """How many units the marketplace has for a query, by its own count or by what it lists; None = it does not say."""
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
    answer = _read(OneUnit, body, OneUnit.SIDE)
    return answer.data if answer is not None else None


def read_bulk(body: bytes | None) -> dict[int, BulkEntry | None] | None:
    """Entries by unit; None for a unit that is answered twice, and not the same both times.

    An entry that cannot be read, or names no unit, is left out: its unit is then one that the answer lacks.
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
    """Entry by entry, where the answer as a whole breaks the contract."""
    answer = _json(body)
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        return None
    entries = (_checked(BulkEntry, raw, BulkEntry.SIDE) for raw in answer["data"])
    return [entry for entry in entries if entry is not None]


def read_error(body: bytes | None) -> ErrorAnswer | None:
    return _read(ErrorAnswer, body)


def read_storefronts(body: bytes | None) -> tuple[str, ...] | None:
    answer = _read(StorefrontsAnswer, body)
    return tuple(code.lower() for code in answer.data) if answer is not None else None


def units_of(page: UnitsPage, asked: LookUp, reference: KauflandReference) -> tuple[Unit, ...]:
    """Units of the page that are what was asked for; one of another storefront or product is not believed."""
    return tuple(
        unit_of(answer, asked.storefront, reference)
        for answer in page.data
        if _on_storefront(answer, asked.storefront) and _of_product(answer, asked.ean)
    )


def unit_of(answer: UnitAnswer, storefront: str, reference: KauflandReference) -> Unit:
    """The unit as the flow sees it. ``storefront`` is the one asked for: answers may spell theirs in capitals."""
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
    """The marketplace's own words, field by field."""
    return tuple(FieldError(field=_OUR_FIELDS.get(e.field), name=e.field, message=e.message) for e in answer.errors)


def _on_storefront(answer: UnitAnswer, storefront: str) -> bool:
    return answer.storefront is None or answer.storefront.lower() == storefront


def _of_product(answer: UnitAnswer, ean: str) -> bool:
    if answer.product is None or not answer.product.eans:
        return True
    return ean.lstrip("0") in {listed.lstrip("0") for listed in answer.product.eans}


def _read(model: type[M], body: bytes | None, side: frozenset[FieldPath] = frozenset()) -> M | None:
    if not body:
        return None
    try:
        return model.model_validate_json(body)
    except ValidationError:
        return _checked(model, _json(body), side) if side else None


def _json(body: bytes | None) -> Any:
    if not body:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _checked(model: type[M], value: Any, side: frozenset[FieldPath]) -> M | None:
    """The value by its model, with null for side fields that are not as promised."""
    read = tolerant(model, side, value, "answer")
    return None if isinstance(read, UnreadableRow) else read.row
