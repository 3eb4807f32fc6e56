"""Carries out the endpoints about units on the catalogue and records every change. Pure: the time is passed in.

The fields of one item are accepted all or none. Units with the same offer id share stock and warehouse immediately;
how long the marketplace takes for that is not documented.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from simulator.call_context import CallContext, UnitFaults
from simulator.exchange import HttpResponse, Moment
from simulator.journal import RawWrite, WriteCause
from simulator.offers.catalogue import Catalogue, SimulatedUnit, iso, product_body
from simulator.offers.rules import (
    BulkItem,
    Change,
    ListQuery,
    NewUnit,
    ProductQuery,
    Strictness,
    UnitQuery,
    change_problem,
)
from simulator.problems import ProblemDetails, ProblemType, RequestFieldError, invalid, not_found

PING_MESSAGE: Final = "Never tell me the odds"
SHARED_FIELDS: Final = frozenset({"amount", "id_warehouse"})
"""The fields that units with the same offer id share."""


@dataclass(slots=True)
class Market:
    """The catalogue and the operations on it. Not thread-safe."""

    catalogue: Catalogue
    strictness: Strictness = field(default_factory=Strictness)
    visibility_delay_us: int = 0  # from the creation of a unit until lists show it

    # ---- reads ------------------------------------------------------------------------------------------------------

    def page(self, seller: str, query: ListQuery, now: Moment) -> HttpResponse:
        """``GET /units``: in order of creation; there is no filter for conditions."""
        found = [unit for unit in self._candidates(seller, query) if _matches(unit, query, now)]
        shown = found[query.offset : query.offset + query.limit]
        body = {
            "data": [unit.body(query.embedded) for unit in shown],
            "pagination": {"offset": query.offset, "limit": query.limit, "total": len(found)},
        }
        return HttpResponse(status=200, body=orjson.dumps(body))

    def _candidates(self, seller: str, query: ListQuery) -> Any:
        if query.ean is not None:
            return self.catalogue.units_of_ean(seller, query.storefront, query.ean)
        if query.id_offer is not None:
            return self.catalogue.linked(seller, query.id_offer)
        return self.catalogue.units(seller, query.storefront)

    def unit(self, seller: str, unit_id: int, query: UnitQuery) -> HttpResponse:
        """``GET /units/{id_unit}``."""
        unit = self.catalogue.own_unit(seller, query.storefront, unit_id)
        return not_found("Unit").answer() if unit is None else _one(unit, query)

    def product(self, query: ProductQuery) -> HttpResponse:
        """``GET /products/ean/{ean}``: a product of the catalogue, whoever has units of it.

        The catalogue is the same on every storefront. The response to an unknown EAN has a message alone.
        """
        product = self.catalogue.product(query.ean)
        if product is None:
            return HttpResponse(status=404, body=orjson.dumps({"message": "Product not found"}))
        return HttpResponse(status=200, body=orjson.dumps({"data": product_body(product, query.storefront)}))

    def live_statuses(self, seller: str, storefront: str, unit_ids: list[int]) -> HttpResponse:
        """``POST /units/status``: whether units are on sale, and if not, why."""
        entries = [_live_status(unit_id, self.catalogue.own_unit(seller, storefront, unit_id)) for unit_id in unit_ids]
        return HttpResponse(status=200, body=orjson.dumps({"data": entries}))

    # ---- writes -----------------------------------------------------------------------------------------------------

    def patch(self, seller: str, unit_id: int, query: UnitQuery, change: Change, context: CallContext) -> HttpResponse:
        """``PATCH /units/{id_unit}``."""
        unit = self._admit(seller, query.storefront, unit_id, change, context.unit_faults)
        if isinstance(unit, ProblemDetails):
            return unit.answer()
        self._apply(unit, change, context, iso(context.now.wall_us))
        return _one(unit, query)

    def bulk(self, seller: str, query: UnitQuery, items: list[BulkItem], context: CallContext) -> HttpResponse:
        """``POST /units/bulk``: 207 with an entry for each item, in the order of the call."""
        now_iso = iso(context.now.wall_us)
        entries: list[dict[str, object]] = []
        statuses: list[int] = []
        for item in items:
            unit = self._admit(seller, query.storefront, item.unit_id, item.data, context.unit_faults)
            if isinstance(unit, ProblemDetails):
                entries.append(unit.item(item.unit_id))
                statuses.append(unit.status)
                continue
            self._apply(unit, item.data, context, now_iso)
            entries.append({"id_unit": unit.id, "status_code": 200, "unit": unit.body(query.embedded)})
            statuses.append(200)
        return HttpResponse(status=207, body=orjson.dumps({"data": entries}), item_statuses=tuple(statuses))

    def _admit(
        self, seller: str, storefront: str, unit_id: int, change: Change, unit_faults: UnitFaults
    ) -> SimulatedUnit | ProblemDetails:
        """Returns the unit to change, or why the change is refused."""
        unit = self.catalogue.own_unit(seller, storefront, unit_id)
        if unit is None:
            return not_found("Unit")
        refusal = (
            change_problem(change, storefront, self.strictness)
            or _relation_problem(unit, change)
            or unit_faults.refusal(unit_id, change)
        )
        return refusal or unit

    def _apply(self, unit: SimulatedUnit, sent: Change, context: CallContext, now_iso: str) -> None:
        stored = context.unit_faults.altered(unit.id, sent)
        cause = WriteCause.MARKETPLACE if context.call_id is None else WriteCause.CALL
        context.writes.extend(
            [_write(unit, name, value, sent.get(name), cause, context) for name, value in stored.items()]
        )
        unit.date_lastchange_iso = now_iso
        if unit.id_offer is not None and not SHARED_FIELDS.isdisjoint(stored):
            self._share(unit, unit.id_offer, stored, context, now_iso)

    def _share(self, unit: SimulatedUnit, id_offer: str, stored: Change, context: CallContext, now_iso: str) -> None:
        cause = WriteCause.MARKETPLACE if context.call_id is None else WriteCause.LINK
        for linked_unit in self.catalogue.linked(unit.seller, id_offer):
            if linked_unit is unit:
                continue
            context.writes.extend(
                [
                    _write(linked_unit, name, value, value, cause, context)
                    for name, value in stored.items()
                    if name in SHARED_FIELDS
                ]
            )
            linked_unit.date_lastchange_iso = now_iso

    def change_by_itself(self, unit_id: int, change: Change, context: CallContext) -> ProblemDetails | None:
        """Changes a unit as the marketplace or a person in the portal does. Returns why it is refused, or None."""
        unit = self.catalogue.unit(unit_id)
        if unit is None:
            return not_found("Unit")
        if problem := change_problem(change, unit.storefront, Strictness()):
            return problem
        self._apply(unit, change, context, iso(context.now.wall_us))
        return None

    def sell(self, unit: SimulatedUnit, context: CallContext) -> None:
        """Lowers the stock by one, also of the units that share it."""
        self._apply(unit, {"amount": max(unit.amount - 1, 0)}, context, iso(context.now.wall_us))

    # ---- not used by an update-only caller --------------------------------------------------------------------------

    def create(self, seller: str, query: UnitQuery, new: NewUnit, context: CallContext) -> HttpResponse:
        """``POST /units``. Responds with 200, as the OpenAPI document specifies, although 201 could be expected."""
        product = (
            self.catalogue.product(new.ean)
            if new.ean is not None
            else self.catalogue.product_by_id(new.id_product or 0)
        )
        if product is None:
            return invalid(RequestFieldError("ean", "no product is known for this ean or id_product")).answer()
        if refusal := self._offer_taken(seller, query.storefront, new, product.id):
            return refusal.answer()
        now_iso = iso(context.now.wall_us)
        unit = SimulatedUnit(
            id=self.catalogue.next_unit_id(),
            seller=seller,
            product=product,
            storefront=query.storefront,
            condition=new.condition,
            id_offer=new.id_offer,
            listing_price=1,
            amount=1,
            handling_time=0,
            date_inserted_iso=now_iso,
            listed_from_us=context.now.wall_us + self.visibility_delay_us,
        )
        self.catalogue.add(unit)
        self._apply(unit, new.change, context, now_iso)
        return _one(unit, query)

    def _offer_taken(self, seller: str, storefront: str, new: NewUnit, product_id: int) -> ProblemDetails | None:
        """Returns a refusal if the offer id is taken: only units of the same product and condition on other storefronts
        may share it.
        """
        for unit in self.catalogue.linked(seller, new.id_offer):
            same = unit.product.id == product_id and unit.condition == new.condition
            if not same or unit.storefront == storefront:
                return ProblemDetails(
                    status=400,
                    type=ProblemType.ALREADY_EXISTS,
                    message=f"Offer id belongs to unit {unit.id}",
                    errors=(RequestFieldError("id_offer", "is taken"),),
                )
        return None

    def delete(self, seller: str, unit_id: int, query: UnitQuery) -> HttpResponse:
        """``DELETE /units/{id_unit}``."""
        unit = self.catalogue.own_unit(seller, query.storefront, unit_id)
        if unit is None:
            return not_found("Unit").answer()
        self.catalogue.remove(unit)
        return HttpResponse(status=204)


def _matches(unit: SimulatedUnit, query: ListQuery, now: Moment) -> bool:
    return (
        unit.storefront == query.storefront
        and unit.listed_from_us <= now.wall_us
        and unit.fulfillment_type in query.fulfillment_types
        and (query.id_offer is None or unit.id_offer == query.id_offer)
        and (query.id_product is None or unit.product.id == query.id_product)
    )


def _one(unit: SimulatedUnit, query: UnitQuery) -> HttpResponse:
    return HttpResponse(status=200, body=orjson.dumps({"data": unit.body(query.embedded)}))


def _relation_problem(unit: SimulatedUnit, change: Change) -> ProblemDetails | None:
    """Returns a refusal if the minimum price (smart pricing) would exceed the listing price."""
    low: Any = change.get("minimum_price", unit.minimum_price)
    high: Any = change.get("listing_price", unit.listing_price)
    if low is None or low <= high:
        return None
    culprit = "minimum_price" if "minimum_price" in change else "listing_price"
    if culprit not in change:
        return None
    return invalid(RequestFieldError(culprit, "minimum_price must not be greater than listing_price"))


def _write(unit: SimulatedUnit, name: str, value: Any, sent: Any, cause: WriteCause, context: CallContext) -> RawWrite:
    """Sets one field, by its name in requests, and returns the row for the journal."""
    old = getattr(unit, name)
    if name == "status":
        unit.on_hold = value == "ONHOLD"
    else:
        setattr(unit, name, value)
    return context.call_id, unit.id, name, old, value, sent, cause, context.now.mono_us


def _live_status(unit_id: int, unit: SimulatedUnit | None) -> dict[str, object]:
    if unit is None:
        return {"id_unit": unit_id, "status_code": 404, "message": "Unit not found"}
    return {"id_unit": unit_id, "status_code": 200, "is_live": unit.is_live, "reasons": _reasons(unit)}


def _reasons(unit: SimulatedUnit) -> list[dict[str, str]]:
    reasons = {
        "product_data_incomplete": (not unit.product.complete, "Product data are incomplete"),
        "offer_paused": (unit.on_hold, "The offer is on hold"),
        "stock_update_needed": (unit.amount == 0, "The offer has no stock"),
    }
    return [{"reason": name, "reason_description": text} for name, (holds, text) in reasons.items() if holds]
