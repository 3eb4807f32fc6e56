"""Reads responses about offers as answers of the port. Pure.

Functions return None for a response that does not conform to the API's document. Prices are minor units of the
storefront's currency, stock is pieces, and handling time is working days.
"""

from dataclasses import replace
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel

from connector.kaufland.bodies.json_body import data_of, exact, read
from connector.kaufland.bodies.pagination import is_last_page, rows_of, total_of
from connector.kaufland.bodies.row_validation import FieldPath, tolerant
from connector.kaufland.offers.models import (
    BY_MARKETPLACE,
    BulkAnswer,
    BulkEntry,
    ListedUnit,
    OneProduct,
    OneUnit,
    UnitAnswer,
    UnitsPage,
)
from connector.kaufland.reference import KauflandReference
from connector.marketplace.offers import Field, LookUp, ProductFound, ReadUnitPage, Unit, UnitPage
from connector.marketplace.orders import UnreadableRow

M = TypeVar("M", bound=BaseModel)

_MAX_COUNT = 2**31 - 1


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


def units_of(page: UnitsPage, asked: LookUp, reference: KauflandReference) -> tuple[Unit, ...]:
    """Returns the units of a page that match the look-up; units of another storefront or product are ignored."""
    return tuple(
        unit_of(answer, asked.storefront, reference)
        for answer in page.data
        if _on_storefront(answer, asked.storefront) and _of_product(answer, asked.ean)
    )


def unit_page(body: bytes | None, asked: ReadUnitPage, reference: KauflandReference) -> UnitPage | None:
    """Reads a page of all units; a row that cannot be read, or is of another storefront, is left out."""
    answer = exact(body)
    is_last = is_last_page(answer, asked.offset)
    if is_last is None:
        return None
    listed = data_of(answer)
    rows, _ = rows_of(ListedUnit, listed, "units", asked.offset, ListedUnit.SIDE)
    units = tuple(_listed_unit(row, asked, reference) for row in rows if _on_storefront(row, asked.storefront))
    return UnitPage(units=units, rows=len(listed), is_last=is_last, total=total_of(answer))


def product(body: bytes | None) -> ProductFound | None:
    """Reads a product of the catalogue; None if the body is none."""
    found = _read(OneProduct, body, OneProduct.SIDE)
    if found is None:
        return None
    product = found.data
    return ProductFound(product_id=product.id_product, title=product.title, is_valid=product.is_valid)


def _listed_unit(row: ListedUnit, asked: ReadUnitPage, reference: KauflandReference) -> Unit:
    unit = unit_of(row, asked.storefront, reference)
    return replace(unit, is_live=row.is_live, changed_us=row.date_lastchange_iso)


def unit_of(answer: UnitAnswer, storefront: str, reference: KauflandReference) -> Unit:
    """Returns a unit of the port. ``storefront`` is that of the request, since responses may spell it in upper case."""
    values = {
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
        values={field: value for field, value in values.items() if value is not None},
        currency=answer.currency,
        eans=tuple(answer.product.eans) if answer.product is not None else (),
        fulfilled_by_marketplace=answer.fulfillment_type == BY_MARKETPLACE,
    )


def _on_storefront(answer: UnitAnswer, storefront: str) -> bool:
    """Whether the unit is on the storefront; true if the response does not name one."""
    return answer.storefront is None or answer.storefront.lower() == storefront


def _of_product(answer: UnitAnswer, ean: str) -> bool:
    """Whether a unit's product has the EAN, ignoring leading zeros; true if the response lists no EAN."""
    if answer.product is None or not answer.product.eans:
        return True
    return ean.lstrip("0") in {listed.lstrip("0") for listed in answer.product.eans}


def _read(model: type[M], body: bytes | None, side: frozenset[FieldPath]) -> M | None:
    """Validates a body, with invalid side fields set to null; None if it does not conform to the model."""
    whole = read(model, body)
    return whole if whole is not None else _checked(model, _json(body), side)


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
    found = tolerant(model, side, value, "answer")
    return None if isinstance(found, UnreadableRow) else found.row
