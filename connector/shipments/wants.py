"""The calls that a settled lane would make now: derived from its plan alone, from nothing, at each turn. Pure.

Every want of an order unit holds that unit's key, so that at most one call of it is under way, and a reading after a
lost answer waits until the lost call can no longer be carried out. What changes something is announced before it leaves
(``once``), and its slot says what it is: so a new owner knows what may have left, and what cannot have.
"""

from dataclasses import dataclass

from connector.marketplace.orders import AddParcel, Kind, ReadCarriers, ReadOrderSummary, ReadOrderUnit, SendUnit
from connector.shipments.decide import RANK, PlannedParcel, PlannedRead, PlannedSend, ShipmentPlan
from connector.shipments.ledger import ShipmentLane, parcel_slot, send_slot
from streams.flow import Want


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSend(SendUnit):
    """A send that remembers the event behind it."""

    event_id: str
    input_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelPost(AddParcel):
    """A parcel that remembers the event behind it."""

    event_id: str
    input_offset: int


def derive(lane: ShipmentLane, plan: ShipmentPlan, *, draining: bool = False) -> tuple[Want, ...]:
    """``draining``: what has not left is not announced again."""
    return (
        *(() if draining else map(_send, plan.sends)),
        *(() if draining else map(_post, plan.posts)),
        *map(_unit, plan.units),
        *(_order(lane, look) for look in plan.orders),
        *map(_carriers, plan.carriers),
    )


def _send(send: PlannedSend) -> Want:
    event = send.event
    return Want(
        slot=send_slot(send.order_unit_id, event.input_offset),
        account=event.account,
        kind=Kind.SEND,
        rank=RANK,
        since_us=send.since_us,
        body=UnitSend(
            order_unit_id=send.order_unit_id,
            carrier_code=send.carrier_code,
            tracking_numbers=send.tracking_numbers,
            event_ids=(event.event_id,),
            event_id=event.event_id,
            input_offset=event.input_offset,
        ),
        exclusive=(_key(send.order_unit_id),),
        once=True,
    )


def _post(post: PlannedParcel) -> Want:
    event = post.event
    return Want(
        slot=parcel_slot(post.order_unit_id, post.tracking_number),
        account=event.account,
        kind=Kind.PARCEL,
        rank=RANK,
        since_us=post.since_us,
        body=ParcelPost(
            order_unit_id=post.order_unit_id,
            carrier_code=post.carrier_code,
            tracking_number=post.tracking_number,
            event_ids=(event.event_id,),
            event_id=event.event_id,
            input_offset=event.input_offset,
        ),
        exclusive=(_key(post.order_unit_id),),
        once=True,
    )


def _unit(look: PlannedRead) -> Want:
    if look.order_unit_id is None:
        raise ValueError("a unit is read by its id")
    return Want(
        slot=str(look.order_unit_id),
        account=look.account,
        kind=Kind.ORDER_UNIT,
        rank=look.rank,
        since_us=look.since_us,
        body=ReadOrderUnit(order_unit_id=look.order_unit_id),
        exclusive=(_key(look.order_unit_id),),
    )


def _order(lane: ShipmentLane, look: PlannedRead) -> Want:
    return Want(
        slot=f"order/{look.account}",
        account=look.account,
        kind=Kind.ORDER,
        rank=look.rank,
        since_us=look.since_us,
        body=ReadOrderSummary(order_id=lane.order_id),
        exclusive=tuple(_key(unit.order_unit_id) for unit in lane.units),
    )


def _carriers(look: PlannedRead) -> Want:
    return Want(
        slot=f"carriers/{look.account}",
        account=look.account,
        kind=Kind.CARRIERS,
        rank=look.rank,
        since_us=look.since_us,
        body=ReadCarriers(),
        exclusive=(f"carriers:{look.account}",),
    )


def _key(order_unit_id: int) -> str:
    return f"order-unit:{order_unit_id}"
