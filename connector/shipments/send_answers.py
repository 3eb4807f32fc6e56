"""Applies the answer to a send, the call that confirms an order unit. Changes the draft only."""

from typing import assert_never

from connector.marketplace.offers import Gone, Refused
from connector.marketplace.orders import (
    Taken,
    UnitStatus,
)
from connector.shipments.call_bodies import UnitSend
from connector.shipments.events import (
    MarketplaceWords,
    ParcelState,
    ShippedUnit,
)
from connector.shipments.failures import end_gone_unit, gave_up, words_of
from connector.shipments.ledger import (
    UNTRACKED,
    with_parcels,
)
from connector.shipments.shipment_draft import ShipmentDraft, ShipmentEntry
from streams.flow import Answered, GaveUp, Lost, Settled
from streams.frozen import replace


def apply_send(draft: ShipmentDraft, send: UnitSend, answered: Answered) -> None:
    """Confirms the unit, or has its status read after a refused or a lost send.

    Raises TypeError for the answer of another kind of call.
    """
    unit = draft.units.get(send.order_unit_id)
    if unit is None:
        return  # the marketplace no longer has the unit, and its events have ended
    match answered.reply:
        case Settled(answer=Taken()):
            draft.units[unit.order_unit_id] = _confirmed(unit, send, answered, draft.now_us)
        case Settled(answer=Refused() as refused):
            _read_first(draft, unit, send.input_offset, refused=words_of(refused))
        case Settled(answer=Gone()):
            end_gone_unit(draft, unit.order_unit_id)
        case Lost():
            draft.units[unit.order_unit_id] = _tried(unit, send, draft.now_us)
            _read_first(draft, unit, send.input_offset)
        case GaveUp(reason=reason):  # no attempt was executed; otherwise the reply would be Lost
            draft.end_each(draft.entries_at(unit.order_unit_id, send.input_offset), unit.order_unit_id, gave_up(reason))
        case Settled(answer=other):
            raise TypeError(f"a send is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


def _confirmed(unit: ShippedUnit, send: UnitSend, answered: Answered, now_us: int) -> ShippedUnit:
    """Returns the unit as confirmed by this send.

    Parcels of an earlier send without an answer are dropped: had it been executed, this one would have been refused.
    """
    kept = tuple(parcel for parcel in unit.parcels if parcel.certain or not parcel.with_send)
    unit = replace(
        unit,
        status=UnitStatus.SENT,
        status_raw=None,
        checked_at_us=now_us,
        confirmed_by=send.event_id,
        tried_by=None,
        sent_at_us=answered.sent_us,
        parcels=kept,
    )
    return with_parcels(unit, *_sent_with(send, now_us, certain=True))


def _tried(unit: ShippedUnit, send: UnitSend, now_us: int) -> ShippedUnit:
    """Returns the unit after a send that may have been executed."""
    if unit.confirmed_by is not None:
        return unit
    return with_parcels(replace(unit, tried_by=send.event_id), *_sent_with(send, now_us, certain=False))


def _sent_with(send: UnitSend, now_us: int, *, certain: bool) -> tuple[ParcelState, ...]:
    """Returns the parcels of a send, or the one without a number."""
    return tuple(
        ParcelState(
            tracking_number=number,
            carrier_code=send.carrier_code,
            added_by=send.event_id,
            added_at_us=now_us,
            with_send=True,
            certain=certain,
        )
        for number in send.tracking_numbers or (UNTRACKED,)
    )


def _read_first(
    draft: ShipmentDraft, unit: ShippedUnit, input_offset: int, *, refused: MarketplaceWords | None = None
) -> None:
    """Has the unit's status read before the event makes any further call for the unit."""
    for entry in draft.entries_at(unit.order_unit_id, input_offset):
        open_unit = entry.open[unit.order_unit_id]
        entry.open[unit.order_unit_id] = replace(open_unit, read_first=True, refused=refused)


def note_may_be_sent(draft: ShipmentDraft, entry: ShipmentEntry, identifier: int) -> None:
    """Notes that the event's send may have been executed; has the unit's status read before any further call for it."""
    unit = draft.units[identifier]
    if unit.confirmed_by is None:
        draft.units[identifier] = replace(unit, tried_by=entry.event.event_id)
        if identifier not in entry.open:
            draft.note_if_tried(entry.event, identifier)
    for other in draft.entries_of(identifier):
        other.open[identifier] = replace(other.open[identifier], read_first=True)
