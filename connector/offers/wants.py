"""Derives the calls that a lane would make now from its plan; each turn derives them anew. Pure."""

from collections.abc import Iterator, Mapping
from itertools import repeat
from typing import Final

from connector.marketplace.call_kinds import CallKind
from connector.marketplace.offers import Field
from connector.offers.call_bodies import (
    CLAIM,
    RELEASE,
    Carried,
    OfferClaim,
    OfferCreate,
    OfferDelete,
    OfferLookUp,
    OfferRelease,
    OfferUpdate,
)
from connector.offers.field_knowledge import written
from connector.offers.ledger import KnownUnit, LedgerEntry, OfferLane
from connector.offers.listing_answers import create_slot
from connector.offers.plan import OfferPlan, PlannedClaim, PlannedCreation, PlannedLookUp, PlannedUpdate
from connector.offers.policy import OfferTerms
from connector.offers.traces import traceparent_of
from streams.flow import Want

FIRST_EVENT_IDS = 20
"""The most event ids that a call names; its ``event_count`` tells how many there are."""

_STOCK_FIRST: Final[Mapping[Field, int]] = {Field.STOCK: 0, Field.PRICE: 1, Field.HANDLING_TIME: 2}


def derive(lane: OfferLane, plan: OfferPlan, terms: OfferTerms) -> tuple[Want, ...]:
    """Returns the wants of a lane: one update per unit, then creations, deletions, look-ups, claims and releases."""
    by_unit: dict[int, list[PlannedUpdate]] = {}
    for send in plan.sends:
        by_unit.setdefault(send.unit.unit_id, []).append(send)
    return (
        *map(_update, by_unit.values(), repeat(terms)),
        *map(_create, repeat(lane), plan.creations, repeat(terms)),
        *map(_delete, plan.deletions, repeat(terms)),
        *map(_look_up, repeat(lane), plan.look_ups, repeat(terms)),
        *map(_claim, repeat(lane), plan.claims),
        *map(_release, repeat(lane), plan.releases),
    )


def _update(sends: list[PlannedUpdate], terms: OfferTerms) -> Want:
    """Returns one update with all values of a unit, or with the first alone if its fields are sent one by one."""
    if len(sends) > 1:
        sends.sort(key=_stock_first)
        if any(send.entry.one_by_one for send in sends):
            del sends[1:]
    unit = sends[0].unit
    values: dict[Field, int] = {}
    carried: list[Carried] = []
    traces: list[str | None] = []
    named: dict[str, None] = {}
    for send in sends:
        entry = send.entry
        if entry.traceparent is not None or terms.traces is not None:
            traces.append(traceparent_of(entry, terms.traces))
        values[send.field] = send.value
        carried.append(_carried(send))
        if entry.event_id:
            named[entry.event_id] = None
    has_stock = Field.STOCK in values
    if has_stock and not sends[0].entry.one_by_one and unit.account in terms.policy.stock_sends_price:
        _add_last_price(values, unit)
    event_ids = tuple(named)
    group = _offer_keys(unit.account, unit.offer_id) if has_stock else ()
    return Want(
        slot=unit.slot,
        account=unit.account,
        kind=CallKind.UPDATE.on(unit.storefront),
        priority=min([send.rank for send in sends]),
        since_us=min([send.since_us for send in sends]),
        body=OfferUpdate(
            storefront=unit.storefront,
            unit_id=unit.unit_id,
            values=values,
            event_ids=event_ids[:FIRST_EVENT_IDS],
            event_count=len(event_ids),
            traces=_each_once(traces) if traces else (),
            account=unit.account,
            offer_id=unit.offer_id,
            carried=tuple(carried),
        ),
        exclusive=(f"unit:{unit.unit_id}", *group),
    )


def _carried(send: PlannedUpdate) -> Carried:
    entry = send.entry
    return Carried(
        field=send.field,
        value=send.value,
        order=send.order,
        result_id=entry.result_id,
        event_id=entry.event_id,
        conversion=entry.conversion_of(send.field),
    )


def _create(lane: OfferLane, planned: PlannedCreation, terms: OfferTerms) -> Want:
    """Returns the want of a creation: announced before it leaves, and never repeated without proof."""
    unit, rule, sends = planned.unit, planned.rule, planned.sends
    event_ids = tuple(dict.fromkeys([send.entry.event_id for send in sends if send.entry.event_id]))
    values = {send.field: send.value for send in sends}
    if rule.handling_time_days is not None:
        values.setdefault(Field.HANDLING_TIME, rule.handling_time_days)
    return Want(
        slot=create_slot(unit.account, unit.storefront, unit.condition),
        account=unit.account,
        kind=CallKind.CREATE,
        priority=min([send.rank for send in sends]),
        since_us=min([send.since_us for send in sends]),
        body=OfferCreate(
            storefront=unit.storefront,
            ean=lane.ean,
            condition=planned.condition,
            offer_id=unit.offer_id or "",
            values=values,
            shipping_group=rule.shipping_group,
            warehouse=rule.warehouse,
            vat_indicator=rule.vat_indicator,
            note=rule.note,
            event_ids=event_ids[:FIRST_EVENT_IDS],
            event_count=len(event_ids),
            traces=_each_once([traceparent_of(send.entry, terms.traces) for send in sends]),
            account=unit.account,
            carried=tuple(_carried(send) for send in sends if send.is_carried),
        ),
        exclusive=_offer_keys(unit.account, unit.offer_id),
        once=True,
    )


def _offer_keys(account: str, offer_id: str | None) -> tuple[str, ...]:
    """Returns the exclusive key of an offer id, if there is one: its units share their stock, so one call writes it."""
    return () if offer_id is None else (f"offer:{account}:{offer_id}",)


def _delete(send: PlannedUpdate, terms: OfferTerms) -> Want:
    """Returns the want of a deletion. It excludes every other write of the unit and of those that share its stock."""
    unit, event_id = send.unit, send.entry.event_id
    group = _offer_keys(unit.account, unit.offer_id)
    return Want(
        slot=f"delete/{unit.slot}",
        account=unit.account,
        kind=CallKind.DELETE,
        priority=send.rank,
        since_us=send.since_us,
        body=OfferDelete(
            storefront=unit.storefront,
            unit_id=unit.unit_id,
            event_ids=(event_id,) if event_id is not None else (),
            event_count=1 if event_id is not None else 0,
            traces=_each_once([traceparent_of(send.entry, terms.traces)]),
            account=unit.account,
            carried=(_carried(send),),
        ),
        exclusive=(f"unit:{unit.unit_id}", *group),
    )


def _stock_first(send: PlannedUpdate) -> int:
    return _STOCK_FIRST[send.field]


def _add_last_price(values: dict[Field, int], unit: KnownUnit) -> None:
    """Adds the last accepted price to an update of stock, if it is certain (``stock_sends_price``)."""
    price = unit.facts.get(Field.PRICE)
    if price is not None and price.order is not None and price.certain and price.value is not None:
        values.setdefault(Field.PRICE, price.value)


def _look_up(lane: OfferLane, look: PlannedLookUp, terms: OfferTerms) -> Want:
    """Returns the want of a look-up. It excludes writes of the units that it will show, so that none is in flight."""
    exclusive: dict[str, None] = {}
    for unit in lane.units:
        if unit.storefront == look.storefront and unit.account == look.account:
            exclusive[f"unit:{unit.unit_id}"] = None
            exclusive.update(dict.fromkeys(_offer_keys(unit.account, unit.offer_id)))
    waiting = list(_waiting(lane, look, terms))
    event_ids = tuple(dict.fromkeys([entry.event_id for entry in waiting if entry.event_id]))
    return Want(
        slot=f"lookup/{look.account}/{look.storefront}",
        account=look.account,
        kind=CallKind.LOOK_UP.on(look.storefront),
        priority=look.rank,
        since_us=look.since_us,
        body=OfferLookUp(
            storefront=look.storefront,
            ean=lane.ean,
            conditions=look.conditions,
            event_ids=event_ids[:FIRST_EVENT_IDS],
            event_count=len(event_ids),
            traces=_each_once([traceparent_of(entry, terms.traces) for entry in waiting]),
            account=look.account,
        ),
        exclusive=tuple(exclusive),
    )


def _each_once(traces: list[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([trace for trace in traces if trace is not None]))[:FIRST_EVENT_IDS]


def _waiting(lane: OfferLane, look: PlannedLookUp, terms: OfferTerms) -> Iterator[LedgerEntry]:
    """Yields the entries of events that wait for the look-up.

    Those are the events for its storefront, and those with a stock that units of the storefront may share.
    """
    for entry in lane.entries:
        target = terms.routing.find(entry.target_id)
        if entry.event_id is None or target is None or target.account != look.account:
            continue
        wanted = entry.open
        if wanted and (target.storefront == look.storefront or any(asked.field is Field.STOCK for asked in wanted)):
            yield entry


def _claim(lane: OfferLane, ask: PlannedClaim) -> Want:
    unit = ask.unit
    return Want(
        slot=f"{CLAIM}/{unit.account}/{unit.unit_id}",
        account=unit.account,
        kind=CLAIM,
        priority=ask.rank,
        since_us=ask.since_us,
        body=OfferClaim(account=unit.account, unit_id=unit.unit_id, names=unit.names, ean=lane.ean),
    )


def _release(lane: OfferLane, ask: PlannedClaim) -> Want:
    """Returns the want of a release.

    It excludes every write under the names: calls in flight must have ended before another EAN may write.
    """
    account, names = ask.unit.account, lane.released_with(ask.unit)
    units = [u for u in lane.units if u.account == account and not set(names).isdisjoint((*u.claims, *u.names))]
    keys = [f"unit:{unit.unit_id}" for unit in units]
    for name in names:
        if name.startswith("offer/"):
            keys += _offer_keys(account, name.removeprefix("offer/"))
    return Want(
        slot=f"{RELEASE}/{account}/{ask.unit.unit_id}",
        account=account,
        kind=RELEASE,
        priority=ask.rank,
        since_us=ask.since_us,
        body=OfferRelease(
            account=account, unit_id=ask.unit.unit_id, names=names, ean=lane.ean, accepted=written(units)
        ),
        exclusive=tuple(keys),
    )
