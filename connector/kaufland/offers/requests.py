"""Turns look-ups, updates, creations and deletions of offers into requests. Pure.

A request's body is serialized here, once; those bytes are signed and sent. Prices are minor units of the storefront's
currency, stock is pieces, and handling time is working days.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import orjson
from pydantic import ValidationError

from connector.kaufland.bodies.pagination import PAGE_LIMIT
from connector.kaufland.bodies.unit_fields import API_FIELDS
from connector.kaufland.http.exchange import ApiRequest, Unsendable
from connector.kaufland.offers.models import BY_MARKETPLACE, UnitCreation, UnitPatch
from connector.marketplace.offers import CreateUnit, DeleteUnit, LookUp, ReadProduct, ReadUnitPage, Update


def look_up(body: LookUp, *, offset: int = 0, by_marketplace: bool = False) -> ApiRequest:
    """``GET /units`` of one EAN, with the products embedded for their EANs; the API lists the seller's own units only.

    Without ``fulfillment_type``, it lists what the merchant fulfils. A single value is the same in any list format.
    """
    query = {"storefront": body.storefront, "ean": body.ean, "embedded": "products", "limit": PAGE_LIMIT}
    way = {"fulfillment_type": BY_MARKETPLACE} if by_marketplace else {}
    return ApiRequest(method="GET", target="/units?" + urlencode({**query, **way, "offset": offset}))


def unit_page(body: ReadUnitPage) -> ApiRequest:
    """``GET /units`` of a whole storefront, with the products embedded for their EANs."""
    query = {"storefront": body.storefront, "embedded": "products", "limit": PAGE_LIMIT, "offset": body.offset}
    way = {"fulfillment_type": BY_MARKETPLACE} if body.by_marketplace else {}
    return ApiRequest(method="GET", target="/units?" + urlencode({**query, **way}))


def product(body: ReadProduct) -> ApiRequest:
    """``GET /products/ean/{ean}``, for EANs of 13 to 15 digits. Raises Unsendable for any other."""
    if not (body.ean.isascii() and body.ean.isdigit() and 13 <= len(body.ean) <= 15):
        raise Unsendable(f"the catalogue is asked for EANs of 13 to 15 digits, got {body.ean!r}")
    return ApiRequest(method="GET", target=f"/products/ean/{body.ean}?" + urlencode({"storefront": body.storefront}))


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
        raise Unsendable(_faults(wrong)) from None
    return UnitChange(update=update, data=data)


def _faults(wrong: ValidationError) -> str:
    return "; ".join(f"{e['loc'][0]}: {e['msg']}, got {e['input']!r}" for e in wrong.errors())


def patch(change: UnitChange) -> ApiRequest:
    """``PATCH /units/{id_unit}``."""
    target = f"/units/{change.update.unit_id}?" + urlencode({"storefront": change.update.storefront})
    return ApiRequest(method="PATCH", target=target, body=orjson.dumps(change.data))


def create(body: CreateUnit, condition: str) -> ApiRequest:
    """``POST /units``; ``condition`` as the API spells it. Raises Unsendable for values that the API does not take."""
    data: dict[str, int | str] = {
        name: body.values[field] for field, name in API_FIELDS.items() if field in body.values
    }
    optional = {
        "id_shipping_group": body.shipping_group,
        "id_warehouse": body.warehouse,
        "vat_indicator": body.vat_indicator,
        "note": body.note,
    }
    data |= {name: value for name, value in optional.items() if value is not None}
    try:
        unit = UnitCreation.model_validate({"ean": body.ean, "condition": condition, "id_offer": body.offer_id, **data})
    except ValidationError as wrong:
        raise Unsendable(_faults(wrong)) from None
    target = "/units?" + urlencode({"storefront": body.storefront})
    return ApiRequest(method="POST", target=target, body=orjson.dumps(unit.model_dump(exclude_none=True)))


def delete(body: DeleteUnit) -> ApiRequest:
    """``DELETE /units/{id_unit}``."""
    target = f"/units/{body.unit_id}?" + urlencode({"storefront": body.storefront})
    return ApiRequest(method="DELETE", target=target)


def bulk(storefront: str, changes: Sequence[UnitChange]) -> ApiRequest:
    """``POST /units/bulk``: at most 150 units of one storefront, each once."""
    entries = [{"id_unit": change.update.unit_id, "unit_data": change.data} for change in changes]
    target = "/units/bulk?" + urlencode({"storefront": storefront})
    return ApiRequest(method="POST", target=target, body=orjson.dumps(entries))
