"""Adds an event to the lane's draft: as a new one, as one that is undone already, or as one seen before. Pure."""

from connector.contracts.codes import Code
from connector.shipments.coded_status import rejected
from connector.shipments.events import Parcel, SeenShipment, ShipmentDispatched, ShippedItem, UndoneShipment
from connector.shipments.guards import account_of, check
from connector.shipments.ledger import (
    ShipmentLane,
    carries,
    content_of,
    digest_of,
    has_part_of,
    is_same,
    opened,
)
from connector.shipments.matching import give_way
from connector.shipments.policy import ShipmentTerms
from connector.shipments.shipment_draft import ShipmentDraft, ShipmentEntry
from streams.frozen import replace


def merge_event(lane: ShipmentLane, event: ShipmentDispatched, terms: ShipmentTerms, now_us: int) -> ShipmentDraft:
    """Returns a draft of the lane with the event.

    An event that comes again keeps its first offset, so its results keep their ids. It ends by the state of its units:
    what was executed before needs no call, and what failed is tried again.
    """
    lane = replace(lane, input_partition=event.partition, last_offset=max(lane.last_offset, event.offset))
    draft = ShipmentDraft(lane, terms, now_us)
    new = _undone(event, terms, now_us)
    if any(is_same(undone, new) for undone in lane.undone):
        return draft
    before = next((seen for seen in lane.seen if is_same(seen, new)), None)
    entry = ShipmentEntry(new if before is None else _seen_before(draft, new, before))
    if (problem := check(event, terms.policy, now_us)) is not None:
        draft.end_all(entry, problem)
    elif _is_reused(lane, new, before):
        entry.is_remembered = False
        draft.end_all(entry, rejected(Code.EVENT_ID_REUSED, event_id=new.event_id))
    elif _are_known(lane, entry.event):
        entry.open = {unit.order_unit_id: unit for unit in opened(entry.event.order_unit_ids)}
    draft.add(entry)
    if event.order_unit_ids:
        give_way(draft, entry)
    return draft


def _undone(event: ShipmentDispatched, terms: ShipmentTerms, now_us: int) -> UndoneShipment:
    return UndoneShipment(
        event_id=event.event_id,
        digest=digest_of(event),
        content=content_of(event),
        account=account_of(event, terms.policy),
        input_offset=event.offset,
        occurred_at_us=event.occurred_at_us,
        sequence=event.sequence,
        received_at_us=now_us,
        order_unit_ids=event.order_unit_ids,
        items=tuple(map(_item, event.items)),
        parcels=tuple(map(_trimmed, event.parcels)),
        traceparent=event.traceparent,
    )


def _seen_before(draft: ShipmentDraft, event: UndoneShipment, before: SeenShipment) -> UndoneShipment:
    """Returns an event that came again, with its first offset and its units.

    Units that were chosen for its items are chosen again, unless every one was, or may have been, sent for the event.
    """
    units = event.order_unit_ids or before.order_unit_ids
    if event.items and not all(_was_sent_for(draft, identifier, event) for identifier in units):
        units = ()
    return replace(event, input_offset=before.input_offset, order_unit_ids=units, nothing_left=before.nothing_left)


def _was_sent_for(draft: ShipmentDraft, identifier: int, event: UndoneShipment) -> bool:
    """Whether the unit was, or may have been, sent for the event or with one of its tracking numbers."""
    unit = draft.units.get(identifier)
    return unit is not None and (has_part_of(unit, event.event_id) or carries(unit, event))


def _is_reused(lane: ShipmentLane, event: UndoneShipment, before: SeenShipment | None) -> bool:
    """Whether the event_id belongs to another event, with other content, that is undone or has changed a unit.

    An event that changed nothing may be corrected under its own event_id.
    """
    if any(one.event_id == event.event_id and one.content is not None for one in lane.undone):
        return True
    others = [one for one in lane.seen if one.event_id == event.event_id and one.content is not None]
    if all(is_same(one, event) for one in others):
        return False
    done = [unit for unit in lane.units if has_part_of(unit, event.event_id)]
    return bool(done) and (before is None or not any(carries(unit, event) for unit in done))


def _are_known(lane: ShipmentLane, event: UndoneShipment) -> bool:
    """Whether the order need not be read, because all units that the event names are known."""
    known = {unit.order_unit_id for unit in lane.units}
    return bool(event.order_unit_ids) and lane.account == event.account and known.issuperset(event.order_unit_ids)


def _item(item: ShippedItem) -> ShippedItem:
    """Returns the item with empty identifiers as missing ones."""
    return replace(item, offer_id=item.offer_id or None, ean=(item.ean or "").strip() or None)


def _trimmed(parcel: Parcel) -> Parcel:
    """Returns the parcel with its tracking number stripped, and an empty one as missing."""
    return replace(parcel, tracking_number=(parcel.tracking_number or "").strip() or None)
