"""What each endpoint does to the catalogue, and every change it makes. Pure: the moment is handed in.

The fields of one item are taken all or none. Units that share an offer id share stock and warehouse at once; how long the
marketplace takes for that is unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

import orjson

from connector.simulator.catalogue import Catalogue, Unit, iso
from connector.simulator.exchange import Answer, Moment
from connector.simulator.problems import FieldError, Problem, ProblemType, invalid, not_found
from connector.simulator.rules import (
    BulkItem,
    Change,
    ListQuery,
    NewUnit,
    Strictness,
    UnitQuery,
    change_problem,
)

PING_MESSAGE: Final = "Never tell me the odds"
SHARED_FIELDS: Final = ("amount", "id_warehouse")
"""What units with one offer id have in common."""


class Cause(StrEnum):
    """Why a field of a unit has the value it has."""

    CALL = "call"  # a call named this unit and field
    LINK = "link"  # a call named a unit that shares the offer id
    MARKETPLACE = "marketplace"  # the marketplace did it by itself, as a sale does


@dataclass(slots=True)
class Write:
    """One field of one unit as it was accepted, equal values included. ``sent`` is what the call asked for."""

    unit_id: int
    field: str
    old: Any
    new: Any
    sent: Any
    cause: Cause
    mono_us: int


class Meddler(Protocol):
    """What may stand between an item that obeys the rules and its being accepted: faults of single units."""

    def refusal(self, unit_id: int, change: Change) -> Problem | Mapping[str, object] | None:
        """Why this item is refused although it is right; a mapping is an entry of a 207 word for word."""
        ...

    def altered(self, unit_id: int, change: Change) -> Change:
        """What is stored instead of what was sent."""
        ...


class Untouched:
    """Nothing goes wrong."""

    def refusal(self, unit_id: int, change: Change) -> None:  # noqa: ARG002 - the port's parameters
        return None

    def altered(self, unit_id: int, change: Change) -> Change:  # noqa: ARG002 - the port's parameters
        return change


@dataclass(slots=True)
class Market:
    """The catalogue and what may be done to it. Owned by one thread."""

    catalogue: Catalogue
    strictness: Strictness = field(default_factory=Strictness)
    visibility_delay_us: int = 0  # from the making of a unit until lists show it

    # ---- reads ------------------------------------------------------------------------------------------------------

    def page(self, seller: str, query: ListQuery, now: Moment) -> Answer:
        """``GET /units``: no filter for conditions, no order but that of making."""
        found = [unit for unit in self._candidates(seller, query) if _matches(unit, query, now)]
        shown = found[query.offset : query.offset + query.limit]
        body = {
            "data": [unit.body(query.embedded) for unit in shown],
            "pagination": {"offset": query.offset, "limit": query.limit, "total": len(found)},
        }
        return Answer(status=200, body=orjson.dumps(body))

    def _candidates(self, seller: str, query: ListQuery) -> Any:
        if query.ean is not None:
            return self.catalogue.units_of_ean(seller, query.storefront, query.ean)
        if query.id_offer is not None:
            return self.catalogue.linked(seller, query.id_offer)
        return self.catalogue.units(seller, query.storefront)

    def unit(self, seller: str, unit_id: int, query: UnitQuery) -> Answer:
        unit = self.catalogue.own_unit(seller, query.storefront, unit_id)
        return not_found("Unit").answer() if unit is None else _one(unit, query)

    def live_statuses(self, seller: str, storefront: str, unit_ids: list[int]) -> Answer:
        """``POST /units/status``: why a unit is not on sale."""
        entries = [
            _live_status(unit_id, self.catalogue.own_unit(seller, storefront, unit_id)) for unit_id in unit_ids
        ]
        return Answer(status=200, body=orjson.dumps({"data": entries}))

    # ---- writes -----------------------------------------------------------------------------------------------------

    def patch(
        self, seller: str, unit_id: int, query: UnitQuery, change: Change, now: Moment, meddler: Meddler
    ) -> tuple[Answer, list[Write]]:
        """``PATCH /units/{id_unit}``, of a change that has a valid form."""
        unit = self.catalogue.own_unit(seller, query.storefront, unit_id)
        if unit is None:
            return not_found("Unit").answer(), []
        refusal = _relation_problem(unit, change) or meddler.refusal(unit_id, change)
        if isinstance(refusal, Problem):
            return refusal.answer(), []
        if refusal is not None:
            return Answer(status=int(str(refusal["status_code"])), body=orjson.dumps(refusal)), []
        writes = self._apply(unit, change, meddler.altered(unit_id, change), now, iso(now.wall_us))
        return _one(unit, query), writes

    def bulk(
        self, seller: str, query: UnitQuery, items: list[BulkItem], now: Moment, meddler: Meddler
    ) -> tuple[Answer, list[Write]]:
        """``POST /units/bulk``: 207, an entry for each item in the order of the call."""
        now_iso = iso(now.wall_us)
        entries: list[Mapping[str, object]] = []
        writes: list[Write] = []
        for item in items:
            unit = self.catalogue.own_unit(seller, query.storefront, item.unit_id)
            refusal = self._item_refusal(unit, item, query.storefront, meddler)
            if refusal is not None or unit is None:
                entries.append(refusal or {})
                continue
            writes += self._apply(unit, item.data, meddler.altered(unit.id, item.data), now, now_iso)
            entries.append({"id_unit": unit.id, "status_code": 200, "unit": unit.body(query.embedded)})
        statuses = tuple(int(str(entry["status_code"])) for entry in entries)
        return Answer(status=207, body=orjson.dumps({"data": entries}), item_statuses=statuses), writes

    def _item_refusal(
        self, unit: Unit | None, item: BulkItem, storefront: str, meddler: Meddler
    ) -> Mapping[str, object] | None:
        if unit is None:
            return not_found("Unit").item(item.unit_id)
        refusal = (
            change_problem(item.data, storefront, self.strictness)
            or _relation_problem(unit, item.data)
            or meddler.refusal(item.unit_id, item.data)
        )
        return refusal.item(item.unit_id) if isinstance(refusal, Problem) else refusal

    def _apply(self, unit: Unit, sent: Change, stored: Change, now: Moment, now_iso: str) -> list[Write]:
        writes: list[Write] = []
        for name, value in stored.items():
            old = _set(unit, name, value)
            writes.append(Write(unit.id, name, old, value, sent.get(name), Cause.CALL, now.mono_us))
        unit.date_lastchange_iso = now_iso
        if unit.id_offer is not None and any(name in stored for name in SHARED_FIELDS):
            writes += self._share(unit, stored, Cause.LINK, now, now_iso)
        return writes

    def _share(self, unit: Unit, stored: Change, cause: Cause, now: Moment, now_iso: str) -> list[Write]:
        writes: list[Write] = []
        for twin in self.catalogue.linked(unit.seller, unit.id_offer or ""):
            if twin is unit:
                continue
            for name in SHARED_FIELDS:
                if name in stored:
                    old = _set(twin, name, stored[name])
                    writes.append(Write(twin.id, name, old, stored[name], stored[name], cause, now.mono_us))
            twin.date_lastchange_iso = now_iso
        return writes

    def meddle(self, unit_id: int, change: Change, now: Moment) -> list[Write] | Problem:
        """The marketplace changes a unit by itself: a sale takes stock, a person in the portal puts it on hold."""
        unit = self.catalogue.unit(unit_id)
        if unit is None:
            return not_found("Unit")
        if problem := change_problem(change, unit.storefront, Strictness()):
            return problem
        writes = self._apply(unit, change, change, now, iso(now.wall_us))
        for write in writes:
            write.cause = Cause.MARKETPLACE
        return writes

    # ---- what an update-only caller never does ----------------------------------------------------------------------

    def create(self, seller: str, query: UnitQuery, new: NewUnit, now: Moment) -> tuple[Answer, list[Write]]:
        """``POST /units``. 200 as the OpenAPI document says; some readers expect 201."""
        product = (
            self.catalogue.product(new.ean)
            if new.ean is not None
            else self.catalogue.product_by_id(new.id_product or 0)
        )
        if product is None:
            return invalid(FieldError("ean", "no product is known for this ean or id_product")).answer(), []
        if refusal := self._offer_taken(seller, query.storefront, new, product.id):
            return refusal.answer(), []
        now_iso = iso(now.wall_us)
        unit = Unit(
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
            listed_from_us=now.wall_us + self.visibility_delay_us,
        )
        self.catalogue.add(unit)
        return _one(unit, query), self._apply(unit, new.change, new.change, now, now_iso)

    def _offer_taken(self, seller: str, storefront: str, new: NewUnit, product_id: int) -> Problem | None:
        """An offer id may be shared by the same product and condition on other storefronts, and by nothing else."""
        for unit in self.catalogue.linked(seller, new.id_offer):
            same = unit.product.id == product_id and unit.condition == new.condition
            if not same or unit.storefront == storefront:
                return Problem(
                    status=400,
                    type=ProblemType.ALREADY_EXISTS,
                    message=f"Offer id belongs to unit {unit.id}",
                    errors=(FieldError("id_offer", "is taken"),),
                )
        return None

    def delete(self, seller: str, unit_id: int, query: UnitQuery) -> Answer:
        unit = self.catalogue.own_unit(seller, query.storefront, unit_id)
        if unit is None:
            return not_found("Unit").answer()
        self.catalogue.remove(unit)
        return Answer(status=204)


def _matches(unit: Unit, query: ListQuery, now: Moment) -> bool:
    return (
        unit.storefront == query.storefront
        and unit.listed_from_us <= now.wall_us
        and unit.fulfillment_type in query.fulfillment_types
        and (query.id_offer is None or unit.id_offer == query.id_offer)
        and (query.id_product is None or unit.product.id == query.id_product)
    )


def _one(unit: Unit, query: UnitQuery) -> Answer:
    return Answer(status=200, body=orjson.dumps({"data": unit.body(query.embedded)}))


def _relation_problem(unit: Unit, change: Change) -> Problem | None:
    """With smart pricing on, the lowest price may not be above the price that is shown."""
    low: Any = change.get("minimum_price", unit.minimum_price)
    high: Any = change.get("listing_price", unit.listing_price)
    if low is None or low <= high:
        return None
    culprit = "minimum_price" if "minimum_price" in change else "listing_price"
    if culprit not in change:
        return None
    return invalid(FieldError(culprit, "minimum_price must not be greater than listing_price"))


def _set(unit: Unit, name: str, value: Any) -> Any:
    """Set a field by its name in requests; what it was."""
    if name == "status":
        old = unit.status
        unit.on_hold = value == "ONHOLD"
        return old
    old = getattr(unit, name)
    setattr(unit, name, value)
    return old


def _live_status(unit_id: int, unit: Unit | None) -> dict[str, object]:
    if unit is None:
        return {"id_unit": unit_id, "status_code": 404, "message": "Unit not found"}
    return {"id_unit": unit_id, "status_code": 200, "is_live": unit.is_live, "reasons": _reasons(unit)}


def _reasons(unit: Unit) -> list[dict[str, str]]:
    reasons = {
        "product_data_incomplete": (not unit.product.complete, "Product data are incomplete"),
        "offer_paused": (unit.on_hold, "The offer is on hold"),
        "stock_update_needed": (unit.amount == 0, "The offer has no stock"),
    }
    return [{"reason": name, "reason_description": text} for name, (holds, text) in reasons.items() if holds]
