"""Chooses the order units for an event that names offers and quantities, by what is known of each unit. Pure.

An order unit is one piece, and pieces of one offer are alike: it does not matter which one is chosen, as long as none
is chosen twice. Candidates are sorted by rank and id, so the same state of the order gives the same choice.

A unit that has one of the event's tracking numbers is one of its pieces, whichever event brought the number. A unit
that was sent with unknown parcels may be one of them, too. It is chosen before units that are still to be sent, so that
none of these is confirmed in its place.
"""

from collections.abc import Sequence
from enum import IntEnum, auto

from connector.contracts.codes import Code
from connector.marketplace.orders import SENT, OrderSummaryFound, OrderUnitSummary, UnitStatus
from connector.shipments.coded_status import CodedStatus, coded, rejected
from connector.shipments.events import ShipmentStatus, ShippedItem, ShippedUnit, UndoneShipment
from connector.shipments.guards import item_text
from connector.shipments.ledger import carries, has_part_of, is_open, is_same, numbers_of, opened
from connector.shipments.shipment_draft import ShipmentDraft, ShipmentEntry
from streams.frozen import replace


class MatchRank(IntEnum):
    """How well a unit fits an event; units with the lowest rank are chosen first."""

    ANSWERED = auto()  # the event already has a result for it
    SENT_FOR_EVENT = auto()  # sent for the event, or has one of its tracking numbers
    SENT_UNEXPLAINED = auto()  # sent, and no known event tells with which parcel
    CHOSEN_BY_EVENT = auto()  # to be sent, and chosen for this event before
    FREE = auto()  # to be sent
    CHOSEN_BY_OTHER = auto()  # to be sent, and chosen before for another event, which failed


_TO_BE_SENT = (MatchRank.CHOSEN_BY_EVENT, MatchRank.FREE, MatchRank.CHOSEN_BY_OTHER)


def match_items(draft: ShipmentDraft, entry: ShipmentEntry, found: OrderSummaryFound) -> None:
    """Opens a unit in the entry for each piece that its event names, or ends the event with the reason."""
    event = entry.event
    ranked = {unit.order_unit_id: _rank(draft, unit.order_unit_id, event) for unit in found.units}
    candidates = [unit for unit in found.units if ranked[unit.order_unit_id] is not None]
    candidates.sort(key=lambda unit: (ranked[unit.order_unit_id], unit.order_unit_id))
    chosen = _choose(event.items, candidates)
    if isinstance(chosen, ShippedItem):
        draft.end_all(entry, _lacking(draft, chosen, found, candidates))
        return
    if (doubt := _doubt(event, [unit for unit in candidates if unit.order_unit_id in chosen], ranked)) is not None:
        draft.end_all(entry, doubt)
        return
    pieces = sum(item.quantity for item in event.items)
    fresh = [identifier for identifier in chosen if identifier not in event.answered][: pieces - len(event.answered)]
    entry.event = replace(event, order_unit_ids=(*event.answered, *fresh))
    entry.open = {unit.order_unit_id: unit for unit in opened(fresh)}


def give_way(draft: ShipmentDraft, entry: ShipmentEntry) -> None:
    """Has other events choose their units again after an event that names its units.

    That concerns events for which one of the named units was chosen and not sent yet, and events that share a tracking
    number with this one, because the named units may be their pieces.
    """
    numbers = set(numbers_of(entry.event))
    for other in draft.entries:
        if other is entry or not other.event.items:
            continue
        contested = [identifier for identifier in entry.open if identifier in other.open]
        shares = not numbers.isdisjoint(numbers_of(other.event))
        if any(not has_part_of(draft.units[identifier], other.event.event_id) for identifier in contested) or (
            shares and other.open and entry.open
        ):
            other.choose_again()


def _rank(draft: ShipmentDraft, identifier: int, event: UndoneShipment) -> MatchRank | None:
    """Returns the unit's rank for an event; None if it cannot be chosen for it."""
    unit = draft.units[identifier]
    if identifier in event.answered:
        return MatchRank.ANSWERED
    if unit.confirmed_by is None and unit.status is UnitStatus.CANCELLED:
        return None
    if _was_sent_for(draft, unit, event):
        return MatchRank.SENT_FOR_EVENT
    if draft.entries_of(identifier):
        return None
    if _is_unexplained(unit):
        return MatchRank.SENT_UNEXPLAINED
    return _as_choice(draft, unit, event) if is_open(unit) else None


def _was_sent_for(draft: ShipmentDraft, unit: ShippedUnit, event: UndoneShipment) -> bool:
    """Whether the unit is one of the event's pieces, by a tracking number or because it was sent for the event.

    Undone events that have the unit open count as well: two events with the same parcel wait for the same unit.
    """
    if carries(unit, event):
        return True
    numbers = set(numbers_of(event))
    if any(not numbers.isdisjoint(numbers_of(entry.event)) for entry in draft.entries_of(unit.order_unit_id)):
        return True
    return has_part_of(unit, event.event_id) and _has_its_id_alone(draft, event)


def _has_its_id_alone(draft: ShipmentDraft, event: UndoneShipment) -> bool:
    """Whether the event_id stands for one content only; otherwise a unit does not tell for which it was sent."""
    seen, undone = draft.lane.seen, draft.lane.undone
    return all(is_same(one, event) for one in seen if one.event_id == event.event_id) and all(
        is_same(one, event) for one in undone if one.event_id == event.event_id
    )


def _is_unexplained(unit: ShippedUnit) -> bool:
    """Whether the unit was sent, but no event is known to have sent it, nor any parcel."""
    return unit.status in SENT and unit.confirmed_by is None and unit.tried_by is None and not unit.parcels


def _as_choice(draft: ShipmentDraft, unit: ShippedUnit, event: UndoneShipment) -> MatchRank:
    """Returns the rank of a unit that is still to be sent, by the finished events for which it was chosen."""
    had = [one for one in draft.lane.seen if unit.order_unit_id in one.order_unit_ids]
    if any(is_same(one, event) for one in had):
        return MatchRank.CHOSEN_BY_EVENT
    return MatchRank.CHOSEN_BY_OTHER if had else MatchRank.FREE


def _lacking(
    draft: ShipmentDraft, item: ShippedItem, found: OrderSummaryFound, candidates: list[OrderUnitSummary]
) -> CodedStatus:
    of_item = [unit for unit in found.units if _is_meant(unit, item)]
    if len(of_item) < item.quantity:
        return coded(
            ShipmentStatus.NOT_FOUND,
            Code.ITEM_NOT_IN_ORDER,
            item=item_text(item),
            order_id=draft.lane.order_id,
            count=len(of_item),
        )
    free = [unit for unit in candidates if _is_meant(unit, item)]
    return rejected(Code.ITEMS_NOT_OPEN, item=item_text(item), count=len(free), units=_shown(of_item))


def _doubt(
    event: UndoneShipment, chosen: list[OrderUnitSummary], ranked: dict[int, MatchRank | None]
) -> CodedStatus | None:
    """Returns why the event is rejected if some chosen pieces of an item may have been sent and others were not.

    Whether the event means the former or the latter cannot be told. None: it is not rejected.
    """
    for item in event.items:
        of_item = [unit for unit in chosen if _is_meant(unit, item)]
        unexplained = [unit for unit in of_item if ranked[unit.order_unit_id] is MatchRank.SENT_UNEXPLAINED]
        if unexplained and any(ranked[unit.order_unit_id] in _TO_BE_SENT for unit in of_item):
            return rejected(
                Code.ITEMS_PARTLY_SENT, item=item_text(item), count=len(unexplained), units=_shown(unexplained)
            )
    return None


def _shown(units: list[OrderUnitSummary]) -> str:
    return ", ".join(f"{unit.order_unit_id} {unit.status_raw}" for unit in units)


# ---- the choice ----------------------------------------------------------------------------------------------------


def _choose(items: Sequence[ShippedItem], candidates: Sequence[OrderUnitSummary]) -> tuple[int, ...] | ShippedItem:
    """Returns a unit for each piece, ascending by id, or the first item for which there are too few.

    Units are chosen for the more specific items first, so that an item with only an EAN does not take the one unit of
    an offer that another item names.
    """
    left = list(candidates)
    chosen: list[int] = []
    for item in sorted(items, key=lambda one: (one.offer_id is None, one.ean is None)):
        fitting = [unit for unit in left if _is_meant(unit, item)][: item.quantity]
        if len(fitting) < item.quantity:
            return item
        left = [unit for unit in left if unit not in fitting]
        chosen += [unit.order_unit_id for unit in fitting]
    return tuple(sorted(chosen))


def _is_meant(unit: OrderUnitSummary, item: ShippedItem) -> bool:
    """Whether a unit is a piece of this item; leading zeros of EANs are ignored."""
    if item.offer_id is not None and unit.offer_id != item.offer_id:
        return False
    return item.ean is None or item.ean.lstrip("0") in (ean.lstrip("0") for ean in unit.eans)
