"""The decisions of a shipment turn: order units that have ended, and calls that are still needed. Pure."""

from dataclasses import dataclass

from connector.contracts.codes import Code
from connector.contracts.problem import Problem
from connector.shipments.events import MarketplaceWords, OpenUnit, ShipmentStatus, UndoneShipment

RANK = 2
"""Priority of calls among those of all flows (0 is the most urgent): after stock down (1), before price (3)."""
RECHECK_RANK = 7
"""Priority of reading again a unit that is not ready to be sent."""


@dataclass(frozen=True, slots=True)
class UnitOutcome:
    """How one order unit of an event ended.

    ``order_unit_id`` None: the event as a whole. ``open_unit`` names the calls that were made for the unit. ``words``
    is the marketplace's answer, if it refused a call.
    """

    event: UndoneShipment
    order_unit_id: int | None
    open_unit: OpenUnit | None
    status: ShipmentStatus
    code: Code | None
    problem: Problem | None
    words: MarketplaceWords | None


@dataclass(frozen=True, slots=True)
class PlannedSend:
    """An order unit that may be confirmed now, with the parcels that are part of the call."""

    event: UndoneShipment
    order_unit_id: int
    carrier_code: str
    tracking_numbers: tuple[str, ...]
    since_us: int


@dataclass(frozen=True, slots=True)
class PlannedParcel:
    """A parcel that may be added to a sent unit now, once."""

    event: UndoneShipment
    order_unit_id: int
    carrier_code: str
    tracking_number: str
    since_us: int


@dataclass(frozen=True, slots=True)
class PlannedRead:
    """An order unit that must be read; ``order_unit_id`` None: the order or the account's carriers."""

    account: str
    rank: int
    since_us: int
    order_unit_id: int | None = None


@dataclass(frozen=True, slots=True)
class ShipmentPlan:
    """The result of ``decide``: what ended, which calls to make, and when to wake the lane."""

    ends: tuple[UnitOutcome, ...] = ()
    sends: tuple[PlannedSend, ...] = ()
    posts: tuple[PlannedParcel, ...] = ()
    units: tuple[PlannedRead, ...] = ()
    orders: tuple[PlannedRead, ...] = ()
    carriers: tuple[PlannedRead, ...] = ()
    wake_at_us: int | None = None
