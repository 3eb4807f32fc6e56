"""Keeps the order of events that ended without being accepted, so that a replay never sends an older value. Pure.

The fact of a unit's field has the order of the last accepted event. An event that was rejected, suppressed or failed
leaves none there, but it is still what its source said last. So its order is kept as a watermark, and an older event
that is read again ends as SUPERSEDED. Live events ignore these watermarks if all sources are ordered by time, but
not those of values that a person dropped.
"""

from collections.abc import Hashable
from typing import Final

from connector.contracts.codes import Code
from connector.marketplace.offers import Field
from connector.offers.event_order import EventOrder, Recency, newest
from connector.offers.events import FieldStatus, Origin
from connector.offers.identity import Proven, resolve
from connector.offers.ledger import KnownUnit, LedgerEntry, OfferLane, Watermark
from connector.offers.policy import OfferTerms
from connector.offers.watermarks import with_mark
from streams.frozen import replace

_ORDER_IS_KEPT: Final = frozenset(
    (FieldStatus.APPLIED, FieldStatus.UNCHANGED, FieldStatus.DRY_RUN, FieldStatus.SUPERSEDED, FieldStatus.UNMANAGED)
)
"""Statuses of fields whose order, or that of a newer event, is that of a fact, of a tombstone or of another event."""
_DROPPED: Final = frozenset((Code.HOLD_DROPPED, Code.GUARD_DROPPED))
"""Codes of fields whose order was kept when they were dropped."""


def keep_orders(lane: OfferLane, terms: OfferTerms, now_us: int) -> OfferLane:
    """Returns the lane with the orders of the fields that have ended without being accepted.

    Drops those that a unit's fact or a tombstone shows by now. An event that was refused as a whole leaves none: it
    selects no offer, or its time is wrong.
    """
    if lane.marks:
        marks = tuple(one for one in lane.marks if not _may_be_dropped(lane, one, terms, now_us))
        lane = lane if len(marks) == len(lane.marks) else replace(lane, marks=marks)
    for entry in lane.entries:
        if entry.origin is Origin.RESEND or entry.refused is not None:
            continue
        for end in entry.ended:
            if end.status not in _ORDER_IS_KEPT and end.code not in _DROPPED:
                mark = _mark_of(lane, entry, end.field)
                if not _is_shown(lane, mark, terms, now_us):
                    lane = with_mark(lane, mark)
    return lane


def newer_than(
    lane: OfferLane, entry: LedgerEntry, unit: KnownUnit, field: Field, order: Recency, terms: OfferTerms, now_us: int
) -> Recency | None:
    """Returns the order of a newer event that may mean the same field of the unit; None if there is none.

    As long as it is not known which unit that event means, it may mean every unit that its selectors do not exclude.
    """
    found = [
        mark.order
        for mark in lane.marks
        if mark.field is field
        and mark.order > order
        and mark.order.offset != entry.offset
        and _may_mean(lane, mark, unit, terms, now_us)
    ]
    return newest(found) if found else None


def _mark_of(lane: OfferLane, entry: LedgerEntry, field: Field) -> Watermark:
    location = None
    if field is Field.STOCK:
        location = next((row.location for row in lane.locations if row.order.offset == entry.offset), None)
    return Watermark(selectors=entry.selectors, location=location, field=field, order=entry.order)


def _may_be_dropped(lane: OfferLane, mark: Watermark, terms: OfferTerms, now_us: int) -> bool:
    """Whether a watermark is not needed any more; those that decide between live events are kept."""
    if mark.is_dropped:
        if mark.location is not None:
            return _is_counted_anew(lane, mark)
    elif terms.policy.mixes_orders and mark.order.by is not EventOrder.LOG:
        return False
    return _is_shown(lane, mark, terms, now_us)


def _is_counted_anew(lane: OfferLane, mark: Watermark) -> bool:
    """Whether a newer stock of the location than the dropped one is known, or of none."""
    if lane.withdrawn is not None and mark.order < lane.withdrawn:
        return True
    return any(
        row.selectors == mark.selectors and row.location in (mark.location, None) and _covers(row.order, mark.order)
        for row in lane.locations
    )


def _is_shown(lane: OfferLane, mark: Watermark, terms: OfferTerms, now_us: int) -> bool:
    """Whether a tombstone or the unit's fact shows that older events are late."""
    if lane.withdrawn is not None and mark.order < lane.withdrawn:
        return True
    unit = _unit_of(lane, mark, terms, now_us)
    fact = unit.facts.get(mark.field) if unit is not None else None
    return fact is not None and fact.order is not None and _covers(fact.order, mark.order)


def _covers(order: Recency, other: Recency) -> bool:
    """Whether every event that is older than ``other`` is also older than ``order``."""
    comparable = order.agrees_with(other) or (order.by is EventOrder.LOG and other.by is EventOrder.LOG)
    return comparable and order >= other


def _unit_of(lane: OfferLane, mark: Watermark, terms: OfferTerms, now_us: int) -> KnownUnit | None:
    target = terms.routing.find(mark.selectors[0])
    if target is None:
        return None
    identity = resolve(lane, target.account, target.storefront, mark, now_us)
    return identity.unit if isinstance(identity, Proven) else None


def _may_mean(lane: OfferLane, mark: Watermark, unit: KnownUnit, terms: OfferTerms, now_us: int) -> bool:
    target = terms.routing.find(mark.selectors[0])
    if target is None or target.account != unit.account:
        return False
    meant = _unit_of(lane, mark, terms, now_us)
    if meant is not None:
        return cell_of(meant, mark.field) == cell_of(unit, mark.field)
    if mark.offer_id is not None and unit.offer_id is not None and mark.offer_id != unit.offer_id:
        return False
    if mark.field is Field.STOCK and unit.offer_id is not None:
        return True  # it may mean a unit that shares the stock of this one
    return (
        target.storefront == unit.storefront
        and mark.condition in (None, "", unit.condition)
        and mark.unit_id in (None, unit.unit_id)
    )


def cell_of(unit: KnownUnit, field: Field) -> tuple[Hashable, ...]:
    """Returns what identifies the field of a unit; units of one offer id have one stock."""
    if field is Field.STOCK and unit.offer_id is not None:
        return (field, unit.account, unit.offer_id)
    return (field, unit.unit_id)
