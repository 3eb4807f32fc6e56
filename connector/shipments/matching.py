"""Which units of an order an event gets that names items: by what is known of each unit. Pure.

A piece is accounted for by its parcel: a unit that has a tracking number of the event is its piece, whichever event
brought the number. A unit that was sent, nobody knows for which parcel, may be the event's piece as well; so it comes
before one that is still to be sent, and nothing is confirmed in its place.
"""

from enum import IntEnum, auto

from connector.contracts.codes import Code
from connector.marketplace.orders import SENT, OrderSummaryFound, OrderUnitSummary, UnitStatus
from connector.shipments.decide import ShipmentDraft, ShipmentEntry
from connector.shipments.events import ShipmentStatus, ShippedItem, ShippedUnit, UndoneShipment
from connector.shipments.guards import CodedStatus, coded, item_text, rejected
from connector.shipments.items import choose, is_meant
from connector.shipments.ledger import carries, has_part_of, is_open, is_same, numbers_of, opened
from streams.frozen import replace


class MatchRank(IntEnum):
    """What a unit is to an event that may get it; the lowest is chosen first."""

    ANSWERED = auto()  # it has the event's result already
    ITS_PIECE = auto()  # it was sent for the event, or shares a tracking number with it
    SENT_UNEXPLAINED = auto()  # it was sent, and no event that is known says with which parcel
    ITS_CHOICE = auto()  # to be sent, and what the event had chosen before
    FREE = auto()  # to be sent
    CHOSEN_BEFORE = auto()  # to be sent, and what another event had chosen that failed


_TO_BE_SENT = (MatchRank.ITS_CHOICE, MatchRank.FREE, MatchRank.CHOSEN_BEFORE)


def match(draft: ShipmentDraft, entry: ShipmentEntry, found: OrderSummaryFound) -> None:
    """Units for the pieces that the event names, or a result that says why there are none."""
    event = entry.event
    ranked = {unit.order_unit_id: standing(draft, unit.order_unit_id, event) for unit in found.units}
    candidates = [unit for unit in found.units if ranked[unit.order_unit_id] is not None]
    candidates.sort(key=lambda unit: (ranked[unit.order_unit_id], unit.order_unit_id))
    chosen = choose(event.items, candidates)
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
    """To an event that names units: what others had chosen and not sent yet is chosen anew.

    Also where they share a tracking number: the named units may be their pieces.
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
            other.choose_anew()


def standing(draft: ShipmentDraft, identifier: int, event: UndoneShipment) -> MatchRank | None:
    """None: it cannot be the event's."""
    unit = draft.units[identifier]
    if identifier in event.answered:
        return MatchRank.ANSWERED
    if unit.confirmed_by is None and unit.status is UnitStatus.CANCELLED:
        return None
    if _is_its_piece(draft, unit, event):
        return MatchRank.ITS_PIECE
    if draft.entries_of(identifier):
        return None
    if _is_unexplained(unit):
        return MatchRank.SENT_UNEXPLAINED
    return _as_choice(draft, unit, event) if is_open(unit) else None


def _is_its_piece(draft: ShipmentDraft, unit: ShippedUnit, event: UndoneShipment) -> bool:
    """What undone events will send counts as well: two events of one parcel wait for the same unit."""
    if carries(unit, event):
        return True
    numbers = set(numbers_of(event))
    if any(not numbers.isdisjoint(numbers_of(entry.event)) for entry in draft.entries_of(unit.order_unit_id)):
        return True
    return has_part_of(unit, event.event_id) and _has_its_id_alone(draft, event)


def _has_its_id_alone(draft: ShipmentDraft, event: UndoneShipment) -> bool:
    """Where an event_id was used for two contents, a unit does not say for which of them it was sent."""
    seen, undone = draft.lane.seen, draft.lane.undone
    return all(is_same(one, event) for one in seen if one.event_id == event.event_id) and all(
        is_same(one, event) for one in undone if one.event_id == event.event_id
    )


def _is_unexplained(unit: ShippedUnit) -> bool:
    return unit.status in SENT and unit.confirmed_by is None and unit.tried_by is None and not unit.parcels


def _as_choice(draft: ShipmentDraft, unit: ShippedUnit, event: UndoneShipment) -> MatchRank:
    had = [one for one in draft.lane.seen if unit.order_unit_id in one.order_unit_ids]
    if any(is_same(one, event) for one in had):
        return MatchRank.ITS_CHOICE
    return MatchRank.CHOSEN_BEFORE if had else MatchRank.FREE


def _lacking(
    draft: ShipmentDraft, item: ShippedItem, found: OrderSummaryFound, candidates: list[OrderUnitSummary]
) -> CodedStatus:
    of_item = [unit for unit in found.units if is_meant(unit, item)]
    if len(of_item) < item.quantity:
        return coded(
            ShipmentStatus.NOT_FOUND,
            Code.ITEM_NOT_IN_ORDER,
            item=item_text(item),
            order_id=draft.lane.order_id,
            count=len(of_item),
        )
    free = [unit for unit in candidates if is_meant(unit, item)]
    return rejected(Code.ITEMS_NOT_OPEN, item=item_text(item), count=len(free), units=_shown(of_item))


def _doubt(
    event: UndoneShipment, chosen: list[OrderUnitSummary], ranked: dict[int, MatchRank | None]
) -> CodedStatus | None:
    """Where only some of an item's pieces may have been sent already, nobody can say which are left."""
    for item in event.items:
        of_item = [unit for unit in chosen if is_meant(unit, item)]
        unexplained = [unit for unit in of_item if ranked[unit.order_unit_id] is MatchRank.SENT_UNEXPLAINED]
        if unexplained and any(ranked[unit.order_unit_id] in _TO_BE_SENT for unit in of_item):
            return rejected(
                Code.ITEMS_PARTLY_SENT, item=item_text(item), count=len(unexplained), units=_shown(unexplained)
            )
    return None


def _shown(units: list[OrderUnitSummary]) -> str:
    return ", ".join(f"{unit.order_unit_id} {unit.status_raw}" for unit in units)
