"""An event goes into the ledger: as one of its own, absorbed by itself, or recognised as one that is over. Pure."""

from connector.shipments.events import Parcel, SeenShipment, ShipmentDispatched, ShippedItem, UndoneShipment
from connector.shipments.guards import account_of, examine
from connector.shipments.ledger import ShipmentLane, Terms, digest_of, is_of, is_open, opened, seen_as
from connector.shipments.settle import Desk, Row
from streams.frozen import replace


def take(lane: ShipmentLane, event: ShipmentDispatched, terms: Terms, now_us: int) -> Desk:
    """The lane on the desk, with the event. One that comes again keeps its first offset: so its results keep their ids.

    What the same event may find is what its units are known to have; so one that was carried out is answered without
    a call, and one that failed is tried again.
    """
    digest = digest_of(event)
    lane = replace(lane, input_partition=event.partition, last_offset=max(lane.last_offset, event.offset))
    desk = Desk(lane, terms, now_us)
    if any(seen_as(undone, event.event_id, digest) for undone in lane.undone):
        return desk
    before = next((seen for seen in lane.seen if seen_as(seen, event.event_id, digest)), None)
    if before is not None and event.items and not _are_still_its(desk, before):
        before = replace(before, order_unit_ids=())  # units are chosen anew for what was never sent
    row = Row(_undone(event, digest, before, terms, now_us))
    if (fault := examine(event, terms.policy, now_us)) is not None:
        desk.end_all(row, fault)
    elif _are_known(lane, row.event):
        row.open = {unit.order_unit_id: unit for unit in opened(row.event.order_unit_ids)}
    desk.put(row)
    return desk


def _undone(
    event: ShipmentDispatched, digest: str, before: SeenShipment | None, terms: Terms, now_us: int
) -> UndoneShipment:
    return UndoneShipment(
        event_id=event.event_id,
        digest=digest,
        account=account_of(event, terms.policy),
        input_offset=before.input_offset if before is not None else event.offset,
        occurred_at_us=event.occurred_at_us,
        sequence=event.sequence,
        received_at_us=now_us,
        order_unit_ids=event.order_unit_ids or (before.order_unit_ids if before is not None else ()),
        items=tuple(map(_item, event.items)),
        parcels=tuple(map(_trimmed, event.parcels)),
        nothing_left=before is not None and before.nothing_left,
        traceparent=event.traceparent,
    )


def _are_still_its(desk: Desk, before: SeenShipment) -> bool:
    """Whether each unit that was chosen for an event was sent by it, or can still be."""
    return all(
        (unit := desk.units.get(identifier)) is not None
        and (is_of(unit, before.event_id) or (is_open(unit) and not desk.rows_of(identifier)))
        for identifier in before.order_unit_ids
    )


def _are_known(lane: ShipmentLane, event: UndoneShipment) -> bool:
    """Whether its units are known to be this order's, so that it need not be read."""
    known = {unit.order_unit_id for unit in lane.units}
    return bool(event.order_unit_ids) and lane.account == event.account and known.issuperset(event.order_unit_ids)


def _item(item: ShippedItem) -> ShippedItem:
    """An empty name is none."""
    return replace(item, offer_id=item.offer_id or None, ean=(item.ean or "").strip() or None)


def _trimmed(parcel: Parcel) -> Parcel:
    return replace(parcel, tracking_number=(parcel.tracking_number or "").strip() or None)
