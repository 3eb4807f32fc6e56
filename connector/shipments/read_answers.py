"""Applies the answer to a read of an order, a unit, or the account's carriers. Changes the draft.

The answer about carriers changes the process's carrier tables too.
"""

from collections.abc import Iterable
from typing import assert_never

from connector.contracts.codes import Code
from connector.marketplace.offers import Gone, Refused
from connector.marketplace.orders import (
    SENT,
    CarriersFound,
    OrderSummaryFound,
    UnitFound,
    UnitStatus,
)
from connector.shipments.carrier_tables import CarrierTables
from connector.shipments.coded_status import CodedStatus, coded, rejected
from connector.shipments.events import (
    MarketplaceWords,
    ShipmentStatus,
    ShippedUnit,
)
from connector.shipments.failures import end_gone_unit, gave_up, no_unit, not_shown, words_of, words_of_gone
from connector.shipments.ledger import (
    after_reading,
    is_open,
    opened,
)
from connector.shipments.matching import give_way, match_items
from connector.shipments.shipment_draft import ShipmentDraft, ShipmentEntry
from streams.flow import Answered, GaveUp, Lost, Settled
from streams.frozen import replace


def apply_order(draft: ShipmentDraft, answered: Answered) -> None:
    """Opens the units of the events that waited for the order, or ends those events.

    Raises TypeError for the answer of another kind of call.
    """
    account, order_id = answered.want.account, draft.lane.order_id
    unread = [entry for entry in draft.entries if entry.is_unread and entry.event.account == account]
    match answered.reply:
        case Settled(answer=OrderSummaryFound() as found):
            _order_found(draft, found, account, unread)
        case Settled(answer=Gone() as gone):
            missing = coded(ShipmentStatus.NOT_FOUND, Code.ORDER_NOT_FOUND, order_id=order_id, account=account)
            for entry in unread:
                draft.end_all(entry, missing, words_of_gone(gone))
        case Settled(answer=Refused() as refused):
            for entry in unread:
                draft.end_all(entry, not_shown(f"order {order_id}", refused), words_of(refused))
        case GaveUp(reason=reason):
            for entry in unread:
                draft.end_all(entry, gave_up(reason))
        case Lost():
            pass
        case Settled(answer=other):
            raise TypeError(f"a reading of an order is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


def _order_found(draft: ShipmentDraft, found: OrderSummaryFound, account: str, unread: Iterable[ShipmentEntry]) -> None:
    draft.account = account
    for shown in found.units:
        identifier = shown.order_unit_id
        draft.units[identifier] = after_reading(draft.units.get(identifier), shown, draft.now_us)
    of_order = [shown.order_unit_id for shown in found.units]
    broken = None
    if found.unreadable is not None:
        broken = coded(
            ShipmentStatus.FAILED,
            Code.ORDER_UNITS_UNREADABLE,
            order_id=draft.lane.order_id,
            fault=f"{found.unreadable.fault} (sha256 {found.unreadable.sha256})",
        )
    # events that name units come first, so that none of their units is chosen for another event
    for entry in sorted(unread, key=lambda one: not one.event.order_unit_ids):
        if entry.event.order_unit_ids:
            _named_units(draft, entry, of_order, broken)
        elif broken is not None:
            draft.end_all(entry, broken)
        elif entry.event.items:
            match_items(draft, entry, found)
        else:
            _whole_order(draft, entry, of_order)


def _named_units(draft: ShipmentDraft, entry: ShipmentEntry, of_order: list[int], broken: CodedStatus | None) -> None:
    """Opens the units that the event names; ends those that are not in the order.

    Such a unit may belong to another order, so it is never sent. ``broken`` is its outcome if units of the order could
    not be read.
    """
    entry.open = {unit.order_unit_id: unit for unit in opened(entry.event.order_unit_ids)}
    for identifier in entry.event.order_unit_ids:
        if identifier not in of_order:
            draft.end(entry, identifier, broken or no_unit(draft, identifier))
    give_way(draft, entry)


def _whole_order(draft: ShipmentDraft, entry: ShipmentEntry, of_order: list[int]) -> None:
    """Opens units for an event that names none, or ends it if the settings require that units are named.

    It means the units still to be sent that no other event has open; otherwise all those still to be sent; otherwise
    those that were sent; otherwise all.
    """
    still = [identifier for identifier in of_order if is_open(draft.units[identifier])]
    if (
        draft.terms.policy.require_units and still and len(of_order) > 1
    ):  # even a single open unit may belong to another parcel
        draft.end_all(entry, rejected(Code.ORDER_UNITS_NOT_NAMED, units=", ".join(map(str, of_order))))
        return
    free = [identifier for identifier in still if not draft.entries_of(identifier)]
    sent = [identifier for identifier in of_order if draft.units[identifier].status in SENT]
    meant = free or still or sent or of_order
    if not meant:
        missing = coded(
            ShipmentStatus.NOT_FOUND, Code.ORDER_NOT_FOUND, order_id=draft.lane.order_id, account=entry.event.account
        )
        draft.end_all(entry, missing)
        return
    entry.event = replace(entry.event, order_unit_ids=tuple(meant), nothing_left=not still)
    entry.open = {unit.order_unit_id: unit for unit in opened(meant)}


def apply_unit(draft: ShipmentDraft, identifier: int, answered: Answered) -> None:
    """Updates the unit's status, or ends the events that need it.

    Raises TypeError for the answer of another kind of call.
    """
    unit = draft.units.get(identifier)
    if unit is None:
        return
    match answered.reply:
        case Settled(answer=UnitFound(unit=shown)):
            draft.units[identifier] = after_reading(unit, shown, draft.now_us)
            for entry in draft.entries_of(identifier):
                _unit_found(entry, identifier, draft.units[identifier])
        case Settled(answer=Gone()):
            end_gone_unit(draft, identifier)
        case Settled(answer=Refused() as refused):
            _unit_not_read(draft, unit, not_shown(f"order unit {identifier}", refused), words_of(refused))
        case GaveUp(reason=reason):
            _unit_not_read(draft, unit, gave_up(reason))
        case Lost():
            pass
        case Settled(answer=other):
            raise TypeError(f"a reading of a unit is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


def _unit_found(entry: ShipmentEntry, identifier: int, unit: ShippedUnit) -> None:
    """Allows further calls for the unit.

    If the unit is not ready to be sent, that explains the refusal of a send. The refusal is dropped, because it says
    nothing about a later send.
    """
    open_unit = replace(entry.open[identifier], read_first=False)
    if is_open(unit) and unit.status is not UnitStatus.NEED_TO_BE_SENT:
        open_unit = replace(open_unit, refused=None)
    entry.open[identifier] = open_unit


def _unit_not_read(
    draft: ShipmentDraft, unit: ShippedUnit, why: CodedStatus, words: MarketplaceWords | None = None
) -> None:
    """Ends the events that need the unit's status; the unit is read again later for those that wait for a change."""
    draft.units[unit.order_unit_id] = replace(unit, checked_at_us=draft.now_us)
    for entry in draft.entries_of(unit.order_unit_id):
        if entry.open[unit.order_unit_id].read_first:
            draft.end(entry, unit.order_unit_id, why, words)


def apply_carriers(draft: ShipmentDraft, answered: Answered, carriers: CarrierTables) -> None:
    """Replaces the account's table in ``carriers``; if it could not be read, keeps the last one for as long again.

    If there is none to keep, events that need the table end in this turn. Raises TypeError for an answer that is none
    to this call.
    """
    account = answered.want.account
    match answered.reply:
        case Settled(answer=CarriersFound(codes=codes)):
            carriers.replace(account, codes, draft.now_us)
        case Settled(answer=Refused() | Gone() as refused):
            if not carriers.keep(account, draft.now_us):
                draft.no_carriers = coded(
                    ShipmentStatus.FAILED,
                    Code.CARRIERS_REFUSED,
                    message=refused.message or f"HTTP {refused.http_status}",
                )
        case GaveUp(reason=reason):
            if not carriers.keep(account, draft.now_us):
                draft.no_carriers = gave_up(reason)
        case Lost():
            pass
        case Settled(answer=other):
            raise TypeError(f"a reading of carriers is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)
