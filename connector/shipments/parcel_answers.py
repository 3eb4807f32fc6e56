"""Applies the answer to a call that adds a parcel to an order unit. Changes the draft only."""

from collections.abc import Iterable
from typing import assert_never

from connector.marketplace.offers import Gone, Refused
from connector.marketplace.orders import (
    Taken,
)
from connector.shipments.call_bodies import ParcelPost
from connector.shipments.events import (
    MarketplaceWords,
    ParcelState,
    ShippedUnit,
)
from connector.shipments.failures import gave_up, no_unit, words_of
from connector.shipments.ledger import (
    find_parcel,
    numbers_of,
    with_parcels,
)
from connector.shipments.shipment_draft import ShipmentDraft, ShipmentEntry
from streams.flow import Answered, GaveUp, Lost, Settled
from streams.frozen import replace


def apply_post(draft: ShipmentDraft, post: ParcelPost, answered: Answered) -> None:
    """Adds the parcel to the unit; after a lost answer, as one of unknown outcome.

    If it was refused, notes that in the events that have the parcel; if the unit is gone, or the call was given up,
    ends these events. Raises TypeError for the answer of another kind of call.
    """
    unit, number = draft.units.get(post.order_unit_id), post.tracking_number
    if unit is None:
        return
    entries = [entry for entry in draft.entries_of(post.order_unit_id) if number in numbers_of(entry.event)]
    match answered.reply:
        case Settled(answer=Taken()):
            note_parcel(draft, unit, number, post.carrier_code, post.event_id, certain=True)
        case Settled(answer=Refused() as refused):
            _parcel_refused(entries, post, words_of(refused))
        case Settled(answer=Gone()):
            draft.end_each(entries, post.order_unit_id, no_unit(draft, post.order_unit_id))
        case Lost():
            note_parcel(draft, unit, number, post.carrier_code, post.event_id, certain=False)
        case GaveUp(reason=reason):
            draft.end_each(entries, post.order_unit_id, gave_up(reason))
        case Settled(answer=other):
            raise TypeError(f"a parcel is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


def _parcel_refused(entries: Iterable[ShipmentEntry], post: ParcelPost, words: MarketplaceWords) -> None:
    for entry in entries:
        open_unit = entry.open[post.order_unit_id]
        refused = (*open_unit.parcels_refused, post.tracking_number)
        entry.open[post.order_unit_id] = replace(open_unit, parcels_refused=refused, refused=words)


def note_parcel(
    draft: ShipmentDraft, unit: ShippedUnit, number: str, carrier_code: str | None, event_id: str, *, certain: bool
) -> None:
    """Adds a parcel to the unit. ``certain``: whether the marketplace has accepted it."""
    if find_parcel(unit, number) is None:
        noted = ParcelState(
            tracking_number=number,
            carrier_code=carrier_code,
            added_by=event_id,
            added_at_us=draft.now_us,
            with_send=False,
            certain=certain,
        )
        draft.units[unit.order_unit_id] = with_parcels(unit, noted)
