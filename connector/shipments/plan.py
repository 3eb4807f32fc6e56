"""The decisions of a shipment turn: order units that have ended, and calls that are still needed. Pure."""

from dataclasses import dataclass

from connector.contracts.codes import Code
from connector.contracts.problem import Problem
from connector.shipments.events import MarketplaceWords, OpenUnit, ShipmentStatus, UndoneShipment

RANK = 2
"""Priority of calls; 0 is the most urgent: after stock to zero and stock down, before price."""
RECHECK_RANK = 7
"""Priority of reading again a unit that is not ready to be sent."""


@dataclass(frozen=True, slots=True)
class UnitOutcome:
    """How one order unit of an event ended; ``open_unit`` holds the calls that were made for it."""

    event: UndoneShipment
    order_unit_id: int | None
    open_unit: OpenUnit | None
    status: ShipmentStatus
    code: Code | None
    problem: Problem | None
    words: MarketplaceWords | None


@dataclass(frozen=True, slots=True)
class PlannedSend:
    """A unit that may be confirmed now."""

    event: UndoneShipment
    order_unit_id: int
    carrier_code: str
    tracking_numbers: tuple[str, ...]
    since_us: int


@dataclass(frozen=True, slots=True)
class PlannedParcel:
    """A parcel that may be added now, once."""

    event: UndoneShipment
    order_unit_id: int
    carrier_code: str
    tracking_number: str
    since_us: int


@dataclass(frozen=True, slots=True)
class PlannedRead:
    """Something that must be read. ``order_unit_id`` is None for the order and for the account's carriers."""

    account: str
    rank: int
    since_us: int
    order_unit_id: int | None = None


@dataclass(frozen=True, slots=True)
class ShipmentPlan:
    """The result of ``decide``: what ended, which calls to make, and when to look again."""

    ends: tuple[UnitOutcome, ...] = ()
    sends: tuple[PlannedSend, ...] = ()
    posts: tuple[PlannedParcel, ...] = ()
    units: tuple[PlannedRead, ...] = ()
    orders: tuple[PlannedRead, ...] = ()
    carriers: tuple[PlannedRead, ...] = ()
    wake_at_us: int | None = None
