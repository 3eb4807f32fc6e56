"""Derives the calls that a lane wants now from its plan; each turn derives them anew. Pure.

Every want that concerns an order unit holds that unit's exclusive key. So at most one call of the unit is in flight,
and the read after a lost answer waits until the lost call can no longer be executed. A call that changes something is
announced before it is sent (``once``), and its slot identifies it. So a new owner knows which calls may have been sent,
and that no others were.
"""

from itertools import repeat

from connector.marketplace.call_kinds import CallKind
from connector.marketplace.orders import ReadCarriers, ReadOrderSummary, ReadOrderUnit
from connector.shipments.call_bodies import ParcelPost, UnitSend
from connector.shipments.ledger import ShipmentLane, parcel_slot, send_slot
from connector.shipments.plan import RANK, PlannedParcel, PlannedRead, PlannedSend, ShipmentPlan
from connector.shipments.policy import ShipmentTerms
from connector.shipments.traces import traceparents_of
from streams.flow import Want


def derive(lane: ShipmentLane, plan: ShipmentPlan, terms: ShipmentTerms, *, draining: bool = False) -> tuple[Want, ...]:
    """Returns the wants of a lane. ``draining``: none that changes something, so none is announced any more."""
    return (
        *(() if draining else map(_send, plan.sends, repeat(terms))),
        *(() if draining else map(_post, plan.posts, repeat(terms))),
        *map(_unit, plan.units),
        *(_order(lane, read) for read in plan.orders),
        *map(_carriers, plan.carriers),
    )


def _send(send: PlannedSend, terms: ShipmentTerms) -> Want:
    event = send.event
    return Want(
        slot=send_slot(send.order_unit_id, event.input_offset),
        account=event.account,
        kind=CallKind.SEND,
        priority=RANK,
        since_us=send.since_us,
        body=UnitSend(
            order_unit_id=send.order_unit_id,
            carrier_code=send.carrier_code,
            tracking_numbers=send.tracking_numbers,
            event_ids=(event.event_id,),
            traces=traceparents_of(event, send.order_unit_id, terms.traces),
            event_id=event.event_id,
            input_offset=event.input_offset,
        ),
        exclusive=(_key(send.order_unit_id),),
        once=True,
    )


def _post(post: PlannedParcel, terms: ShipmentTerms) -> Want:
    event = post.event
    return Want(
        slot=parcel_slot(post.order_unit_id, post.tracking_number),
        account=event.account,
        kind=CallKind.PARCEL,
        priority=RANK,
        since_us=post.since_us,
        body=ParcelPost(
            order_unit_id=post.order_unit_id,
            carrier_code=post.carrier_code,
            tracking_number=post.tracking_number,
            event_ids=(event.event_id,),
            traces=traceparents_of(event, post.order_unit_id, terms.traces),
            event_id=event.event_id,
            input_offset=event.input_offset,
        ),
        exclusive=(_key(post.order_unit_id),),
        once=True,
    )


def _unit(read: PlannedRead) -> Want:
    if read.order_unit_id is None:
        raise ValueError("the reading of a unit needs its id")
    return Want(
        slot=str(read.order_unit_id),
        account=read.account,
        kind=CallKind.ORDER_UNIT,
        priority=read.rank,
        since_us=read.since_us,
        body=ReadOrderUnit(order_unit_id=read.order_unit_id),
        exclusive=(_key(read.order_unit_id),),
    )


def _order(lane: ShipmentLane, read: PlannedRead) -> Want:
    return Want(
        slot=f"order/{read.account}",
        account=read.account,
        kind=CallKind.ORDER,
        priority=read.rank,
        since_us=read.since_us,
        body=ReadOrderSummary(order_id=lane.order_id),
        exclusive=tuple(_key(unit.order_unit_id) for unit in lane.units),
    )


def _carriers(read: PlannedRead) -> Want:
    return Want(
        slot=f"carriers/{read.account}",
        account=read.account,
        kind=CallKind.CARRIERS,
        priority=read.rank,
        since_us=read.since_us,
        body=ReadCarriers(),
        exclusive=(f"carriers:{read.account}",),
    )


def _key(order_unit_id: int) -> str:
    return f"order-unit:{order_unit_id}"
