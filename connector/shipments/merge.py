"""An event goes into the ledger: as one of its own, absorbed by itself, or recognised as one that is over. Pure."""

from connector.contracts.codes import Code
from connector.shipments.decide import ShipmentDraft, ShipmentEntry
from connector.shipments.events import Parcel, SeenShipment, ShipmentDispatched, ShippedItem, UndoneShipment
from connector.shipments.guards import account_of, check, rejected
from connector.shipments.ledger import (
    ShipmentLane,
    ShipmentTerms,
    carries,
    content_of,
    digest_of,
    has_part_of,
    is_same,
    opened,
)
from connector.shipments.matching import give_way
from streams.frozen import replace


def take(lane: ShipmentLane, event: ShipmentDispatched, terms: ShipmentTerms, now_us: int) -> ShipmentDraft:
    """The lane with the event. An event that comes again keeps its first offset, so that its results keep their ids.

    What the same event may find is what its units are known to have; so one that was carried out is answered without
    a call, and one that failed is tried again.
    """
    lane = replace(lane, input_partition=event.partition, last_offset=max(lane.last_offset, event.offset))
    draft = ShipmentDraft(lane, terms, now_us)
    new = _undone(event, terms, now_us)
    if any(is_same(undone, new) for undone in lane.undone):
        return draft
    before = next((seen for seen in lane.seen if is_same(seen, new)), None)
    entry = ShipmentEntry(new if before is None else _come_again(draft, new, before))
    if (fault := check(event, terms.policy, now_us)) is not None:
        draft.end_all(entry, fault)
    elif _is_reused(lane, new, before):
        entry.is_remembered = False
        draft.end_all(entry, rejected(Code.EVENT_ID_REUSED, event_id=new.event_id))
    elif _are_known(lane, entry.event):
        entry.open = {unit.order_unit_id: unit for unit in opened(entry.event.order_unit_ids)}
    draft.put(entry)
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


def _come_again(draft: ShipmentDraft, event: UndoneShipment, before: SeenShipment) -> UndoneShipment:
    """Units that were chosen for its items are chosen anew unless each of them is known to be its piece."""
    units = event.order_unit_ids or before.order_unit_ids
    if event.items and not all(_is_still_its(draft, identifier, event) for identifier in units):
        units = ()
    return replace(event, input_offset=before.input_offset, order_unit_ids=units, nothing_left=before.nothing_left)


def _is_still_its(draft: ShipmentDraft, identifier: int, event: UndoneShipment) -> bool:
    unit = draft.units.get(identifier)
    return unit is not None and (has_part_of(unit, event.event_id) or carries(unit, event))


def _is_reused(lane: ShipmentLane, event: UndoneShipment, before: SeenShipment | None) -> bool:
    """Whether its event_id is that of an event that says something else, and for which something was done.

    One that came to nothing may be corrected under its own event_id.
    """
    if any(one.event_id == event.event_id and one.content is not None for one in lane.undone):
        return True
    others = [one for one in lane.seen if one.event_id == event.event_id and one.content is not None]
    if all(is_same(one, event) for one in others):
        return False
    done = [unit for unit in lane.units if has_part_of(unit, event.event_id)]
    return bool(done) and (before is None or not any(carries(unit, event) for unit in done))


def _are_known(lane: ShipmentLane, event: UndoneShipment) -> bool:
    """Whether its units are known to be this order's, so that it need not be read."""
    known = {unit.order_unit_id for unit in lane.units}
    return bool(event.order_unit_ids) and lane.account == event.account and known.issuperset(event.order_unit_ids)


def _item(item: ShippedItem) -> ShippedItem:
    """An empty name is none."""
    return replace(item, offer_id=item.offer_id or None, ean=(item.ean or "").strip() or None)


def _trimmed(parcel: Parcel) -> Parcel:
    return replace(parcel, tracking_number=(parcel.tracking_number or "").strip() or None)
