"""A lane's value, and the functions by which rules examine it. Pure.

The value is the record that the state topic stores, and nothing else. A turn replaces it and never changes it in place.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import TypeAlias

from connector.contracts.event_time import NO_SEQUENCE
from connector.contracts.result_ids import result_id
from connector.marketplace.orders import TO_BE_SENT, OrderUnitSummary, UnitStatus
from connector.shipments.events import (
    OpenUnit,
    ParcelState,
    SeenShipment,
    ShipmentDispatched,
    ShipmentState,
    ShippedUnit,
    UndoneShipment,
)
from connector.shipments.policy import ShipmentTerms
from streams.frozen import replace

ShipmentLane: TypeAlias = ShipmentState

KEPT_EVENTS = 20
"""How many finished events a lane remembers. An older one that comes again is judged by the state of its units."""


def blank(order_id: str) -> ShipmentLane:
    """Returns a lane that was never stored."""
    return ShipmentState(order_id=order_id, input_partition=-1, last_offset=-1, updated_at_us=0)


def is_blank(lane: ShipmentLane) -> bool:
    """Whether the lane equals one that was never stored."""
    return lane.last_offset < 0


def order_of(event: UndoneShipment) -> tuple[int, int, int]:
    """Returns the key that events are sorted by: time, sequence, offset."""
    sequence = NO_SEQUENCE if event.sequence is None else event.sequence
    return (event.occurred_at_us, sequence, event.input_offset)


def unit_result_id(event: UndoneShipment, order_unit_id: int | None, partition: int, terms: ShipmentTerms) -> str:
    """Returns the result_id of one order unit of an event; ``order_unit_id`` None: of the event as a whole."""
    return result_id(terms.cluster_id, terms.topic, partition, event.input_offset, order_unit_id)


def digest_of(event: ShipmentDispatched) -> str:
    """Returns a digest of the whole event, time included. Events stored by an older version are compared by it."""
    parcels = [(parcel.carrier, parcel.tracking_number) for parcel in event.parcels]
    content: tuple[object, ...] = (event.occurred_at_us, event.sequence, event.account, event.order_unit_ids, parcels)
    if event.items:  # added only if set, so that the digests of older events stay the same
        content = (*content, [(item.offer_id, item.ean, item.quantity) for item in event.items])
    if any(parcel.no_tracking for parcel in event.parcels):
        content = (*content, [parcel.no_tracking for parcel in event.parcels])
    return sha256(repr(content).encode()).hexdigest()[:16]


def content_of(event: ShipmentDispatched) -> str:
    """Returns a digest without time and sequence: a source may send an event again with another time."""
    items = sorted((item.offer_id or "", item.ean or "", item.quantity) for item in event.items)
    parcels = [(parcel.carrier, parcel.tracking_number, parcel.no_tracking) for parcel in event.parcels]
    content = (event.account, sorted(event.order_unit_ids), items, parcels)
    return sha256(repr(content).encode()).hexdigest()[:16]


def is_same(one: SeenShipment | UndoneShipment, other: SeenShipment | UndoneShipment) -> bool:
    """Whether two stored events are the same event: the same event_id and the same content."""
    if one.event_id != other.event_id:
        return False
    if one.content is None or other.content is None:
        return one.digest == other.digest
    return one.content == other.content


def with_seen(lane: ShipmentLane, event: UndoneShipment) -> ShipmentLane:
    """Returns the lane after an event's last result, which remembers the event as seen."""
    seen = SeenShipment(
        event_id=event.event_id,
        digest=event.digest,
        content=event.content,
        input_offset=event.input_offset,
        order_unit_ids=event.order_unit_ids or event.answered,
        nothing_left=event.nothing_left,
    )
    others = tuple(one for one in lane.seen if not is_same(one, event))
    return replace(lane, seen=(*others, seen)[-KEPT_EVENTS:])


# ---- slots --------------------------------------------------------------------------------------------------------


def send_slot(order_unit_id: int, input_offset: int) -> str:
    """Returns the slot of an event's send. If a new owner finds it announced, the send may have been executed."""
    return f"{order_unit_id}/send/{input_offset}"


def parcel_slot(order_unit_id: int, tracking_number: str) -> str:
    """Returns the slot of a parcel of a unit; it is the same for all events that name the parcel."""
    return f"{order_unit_id}/parcel/{sha256(tracking_number.encode()).hexdigest()[:16]}"


# ---- parcels --------------------------------------------------------------------------------------------------------


def numbers_of(event: UndoneShipment) -> tuple[str, ...]:
    """Returns the tracking numbers of an event, each once; the event must have passed the guards."""
    return tuple(dict.fromkeys(parcel.tracking_number for parcel in event.parcels if parcel.tracking_number))


UNTRACKED = ""
"""Key of the parcel without a tracking number; a unit has at most one."""


def parcels_of(event: UndoneShipment) -> tuple[str, ...]:
    """Returns the keys of an event's parcels, each once: tracking numbers, or ``UNTRACKED``."""
    return numbers_of(event) or tuple(UNTRACKED for parcel in event.parcels if parcel.no_tracking)


def carrier_of(event: UndoneShipment, tracking_number: str) -> str:
    """Returns the seller's name of a parcel's carrier. ``tracking_number`` is a key of ``parcels_of``."""
    return next(p.carrier for p in event.parcels if (p.tracking_number or UNTRACKED) == tracking_number)


def find_parcel(unit: ShippedUnit, tracking_number: str) -> ParcelState | None:
    return next((parcel for parcel in unit.parcels if parcel.tracking_number == tracking_number), None)


def with_parcels(unit: ShippedUnit, *noted: ParcelState) -> ShippedUnit:
    """Returns the unit with these parcels; they replace parcels with the same tracking number."""
    numbers = {parcel.tracking_number for parcel in noted}
    return replace(unit, parcels=(*(p for p in unit.parcels if p.tracking_number not in numbers), *noted))


# ---- units ----------------------------------------------------------------------------------------------------------


def is_open(unit: ShippedUnit) -> bool:
    """Whether the unit may still have to be sent; an unknown status counts as open."""
    return unit.confirmed_by is None and (unit.status in TO_BE_SENT or unit.status is UnitStatus.UNKNOWN)


def is_of(unit: ShippedUnit, event_id: str) -> bool:
    """Whether an event's send of the unit was executed, or may have been."""
    return event_id in (unit.confirmed_by, unit.tried_by)


def has_part_of(unit: ShippedUnit, event_id: str) -> bool:
    """Whether a call for the event, a send of the unit or one of its parcels, was executed, or may have been."""
    return is_of(unit, event_id) or any(parcel.added_by == event_id for parcel in unit.parcels)


def carries(unit: ShippedUnit, event: UndoneShipment) -> bool:
    """Whether the unit has one of the event's tracking numbers, or may have it."""
    numbers = numbers_of(event)
    return any(parcel.tracking_number in numbers for parcel in unit.parcels)


def after_reading(known: ShippedUnit | None, found: OrderUnitSummary, now_us: int) -> ShippedUnit:
    """Returns the unit after it was read.

    A unit that was sent stays sent: an answer that shows it as unsent is outdated.
    """
    if known is None:
        return ShippedUnit(
            order_unit_id=found.order_unit_id,
            storefront=found.storefront,
            status=found.status,
            status_raw=found.status_raw,
            checked_at_us=now_us,
        )
    known = replace(known, storefront=found.storefront or known.storefront, checked_at_us=now_us)
    if not is_open(known) and found.status in TO_BE_SENT:
        return known
    return replace(known, status=found.status, status_raw=found.status_raw)


def opened(order_unit_ids: Iterable[int]) -> tuple[OpenUnit, ...]:
    """Returns open units for which no call was made yet."""
    return tuple(OpenUnit(order_unit_id=identifier) for identifier in order_unit_ids)
