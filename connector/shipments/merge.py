"""An event goes into the ledger: as one of its own, absorbed by itself, or recognised as one that is over. Pure."""

from connector.contracts.codes import Code
from connector.shipments.decide import Desk, Row
from connector.shipments.events import Parcel, SeenShipment, ShipmentDispatched, ShippedItem, UndoneShipment
from connector.shipments.guards import account_of, examine, rejected
from connector.shipments.ledger import (
    ShipmentLane,
    Terms,
    carries,
    content_of,
    digest_of,
    has_part_of,
    is_same,
    opened,
)
from connector.shipments.matching import give_way
from streams.frozen import replace


def take(lane: ShipmentLane, event: ShipmentDispatched, terms: Terms, now_us: int) -> Desk:
    """The lane on the desk, with the event. One that comes again keeps its first offset: so its results keep their ids.

    What the same event may find is what its units are known to have; so one that was carried out is answered without
    a call, and one that failed is tried again.
    """
    lane = replace(lane, input_partition=event.partition, last_offset=max(lane.last_offset, event.offset))
    desk = Desk(lane, terms, now_us)
    new = _undone(event, terms, now_us)
    if any(is_same(undone, new) for undone in lane.undone):
        return desk
    before = next((seen for seen in lane.seen if is_same(seen, new)), None)
    row = Row(new if before is None else _come_again(desk, new, before))
    if (fault := examine(event, terms.policy, now_us)) is not None:
        desk.end_all(row, fault)
    elif _is_reused(lane, new, before):
        row.is_remembered = False
        desk.end_all(row, rejected(Code.EVENT_ID_REUSED, event_id=new.event_id))
    elif _are_known(lane, row.event):
        row.open = {unit.order_unit_id: unit for unit in opened(row.event.order_unit_ids)}
    desk.put(row)
    if event.order_unit_ids:
        give_way(desk, row)
    return desk


def _undone(event: ShipmentDispatched, terms: Terms, now_us: int) -> UndoneShipment:
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


def _come_again(desk: Desk, event: UndoneShipment, before: SeenShipment) -> UndoneShipment:
    """Units that were chosen for its items are chosen anew unless each of them is known to be its piece."""
    units = event.order_unit_ids or before.order_unit_ids
    if event.items and not all(_is_still_its(desk, identifier, event) for identifier in units):
        units = ()
    return replace(event, input_offset=before.input_offset, order_unit_ids=units, nothing_left=before.nothing_left)


def _is_still_its(desk: Desk, identifier: int, event: UndoneShipment) -> bool:
    unit = desk.units.get(identifier)
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
