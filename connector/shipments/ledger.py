"""The lane's value: the order's state as its topic keeps it, and the small questions that rules ask of it. Pure.

A ledger is never changed, only replaced; nothing is in it that its record does not keep.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from connector.contracts.released_orders import ReleasedOrders
from connector.contracts.result_ids import result_id
from connector.marketplace.orders import TO_BE_SENT, OrderUnitSummary, UnitStatus
from connector.shipments.carriers import Carriers
from connector.shipments.events import (
    OpenUnit,
    ParcelState,
    SeenShipment,
    ShipmentDispatched,
    ShipmentState,
    ShippedUnit,
    UndoneShipment,
)
from connector.shipments.policy import ShipmentPolicy
from streams.frozen import replace

ShipmentLane: TypeAlias = ShipmentState

NO_SEQUENCE = -(2**63) - 1
"""A missing sequence is lower than any."""
KEPT_EVENTS = 20
"""So many events that are over are remembered; one before them is judged anew, by what its units are known to have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentTerms:
    """All that the shipment flow's functions go by, beside the lane and the moment."""

    policy: ShipmentPolicy
    carriers: Carriers
    released: ReleasedOrders | None  # None: orders are not polled, so nobody says that a unit was released
    cluster_id: str
    topic: str


def blank(order_id: str) -> ShipmentLane:
    """A lane that was never stored."""
    return ShipmentState(order_id=order_id, input_partition=-1, last_offset=-1, updated_at_us=0)


def is_blank(lane: ShipmentLane) -> bool:
    return lane.last_offset < 0


def order_of(event: UndoneShipment) -> tuple[int, int, int]:
    """The order of events."""
    sequence = NO_SEQUENCE if event.sequence is None else event.sequence
    return (event.occurred_at_us, sequence, event.input_offset)


def unit_result_id(event: UndoneShipment, order_unit_id: int | None, partition: int, terms: ShipmentTerms) -> str:
    """The result_id of an order unit of an event."""
    return result_id(terms.cluster_id, terms.topic, partition, event.input_offset, order_unit_id)


def digest_of(event: ShipmentDispatched) -> str:
    """Of all that an event says, its time included. What an older version stored is compared by this alone."""
    parcels = [(parcel.carrier, parcel.tracking_number) for parcel in event.parcels]
    said: tuple[object, ...] = (event.occurred_at_us, event.sequence, event.account, event.order_unit_ids, parcels)
    if event.items:  # what an event of before could not say changes no digest of before
        said = (*said, [(item.offer_id, item.ean, item.quantity) for item in event.items])
    if any(parcel.no_tracking for parcel in event.parcels):
        said = (*said, [parcel.no_tracking for parcel in event.parcels])
    return sha256(repr(said).encode()).hexdigest()[:16]


def content_of(event: ShipmentDispatched) -> str:
    """Of what an event says is sent, whenever it says so: a source that sends an event again may date it anew."""
    items = sorted((item.offer_id or "", item.ean or "", item.quantity) for item in event.items)
    parcels = [(parcel.carrier, parcel.tracking_number, parcel.no_tracking) for parcel in event.parcels]
    said = (event.account, sorted(event.order_unit_ids), items, parcels)
    return sha256(repr(said).encode()).hexdigest()[:16]


def is_same(one: SeenShipment | UndoneShipment, other: SeenShipment | UndoneShipment) -> bool:
    """Whether two records of an event are of one event: the same event_id, which says the same."""
    if one.event_id != other.event_id:
        return False
    if one.content is None or other.content is None:
        return one.digest == other.digest
    return one.content == other.content


def over(lane: ShipmentLane, event: UndoneShipment) -> ShipmentLane:
    """The lane once all of an event has its results."""
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
    """Which event's send it is: found announced after a restart, that one may have left."""
    return f"{order_unit_id}/send/{input_offset}"


def parcel_slot(order_unit_id: int, tracking_number: str) -> str:
    """Which parcel it is, whichever event brought it."""
    return f"{order_unit_id}/parcel/{sha256(tracking_number.encode()).hexdigest()[:16]}"


# ---- parcels --------------------------------------------------------------------------------------------------------


def numbers_of(event: UndoneShipment) -> tuple[str, ...]:
    """Tracking numbers of an event that passed the guards, each once."""
    return tuple(dict.fromkeys(parcel.tracking_number for parcel in event.parcels if parcel.tracking_number))


UNTRACKED = ""
"""What a parcel without a tracking number is known by; a unit has at most one."""


def parcels_of(event: UndoneShipment) -> tuple[str, ...]:
    """What the parcels of an event are known by, each once."""
    return numbers_of(event) or tuple(UNTRACKED for parcel in event.parcels if parcel.no_tracking)


def carrier_of(event: UndoneShipment, tracking_number: str) -> str:
    return next(p.carrier for p in event.parcels if (p.tracking_number or UNTRACKED) == tracking_number)


def find_parcel(unit: ShippedUnit, tracking_number: str) -> ParcelState | None:
    return next((parcel for parcel in unit.parcels if parcel.tracking_number == tracking_number), None)


def with_parcels(unit: ShippedUnit, *noted: ParcelState) -> ShippedUnit:
    """What is noted again takes the place of what was."""
    numbers = {parcel.tracking_number for parcel in noted}
    return replace(unit, parcels=(*(p for p in unit.parcels if p.tracking_number not in numbers), *noted))


# ---- units ----------------------------------------------------------------------------------------------------------


def is_open(unit: ShippedUnit) -> bool:
    """Whether it is still to be sent; a status that we do not know may mean that, too."""
    return unit.confirmed_by is None and (unit.status in TO_BE_SENT or unit.status is UnitStatus.UNKNOWN)


def is_of(unit: ShippedUnit, event_id: str) -> bool:
    """Whether an event's send was carried out for it, or may have been."""
    return event_id in (unit.confirmed_by, unit.tried_by)


def has_part_of(unit: ShippedUnit, event_id: str) -> bool:
    """Whether its send or a parcel was carried out for an event, or may have been."""
    return is_of(unit, event_id) or any(parcel.added_by == event_id for parcel in unit.parcels)


def carries(unit: ShippedUnit, event: UndoneShipment) -> bool:
    """Whether it has a tracking number of an event, or may have it."""
    numbers = numbers_of(event)
    return any(parcel.tracking_number in numbers for parcel in unit.parcels)


def read_now(known: ShippedUnit | None, found: OrderUnitSummary, now_us: int) -> ShippedUnit:
    """What is known of a unit after it was read. Nothing that was sent becomes unsent: such an answer is the older."""
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
    return tuple(OpenUnit(order_unit_id=identifier) for identifier in order_unit_ids)
