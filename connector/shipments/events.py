"""The typed events of the shipment flow, one to one with the records under ``schemas/``. Pure.

Attributes that end in ``_us`` are fields of type timestamp-micros: microseconds since the Unix epoch, UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ShipmentStatus(StrEnum):
    """How one order unit of one event ended."""

    UNKNOWN = "UNKNOWN"  # of a newer contract than the reader's
    CONFIRMED = "CONFIRMED"
    ALREADY_CONFIRMED = "ALREADY_CONFIRMED"
    CONFIRMED_TRACKING_UNVERIFIED = "CONFIRMED_TRACKING_UNVERIFIED"
    PARCEL_ADDED = "PARCEL_ADDED"
    WAITING_TOO_LONG = "WAITING_TOO_LONG"
    NOT_FOUND = "NOT_FOUND"
    REJECTED = "REJECTED"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    SUPPRESSED = "SUPPRESSED"
    FAILED = "FAILED"
    DRY_RUN = "DRY_RUN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One parcel as the seller names it."""

    carrier: str
    tracking_number: str | None = None


# ---- in -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentDispatched:
    """Parcels that left. No ``order_unit_ids`` = every unit of the order that is still to be sent."""

    event_id: str
    occurred_at_us: int
    sequence: int | None = None
    source: str
    account: str | None = None
    order_id: str
    order_unit_ids: tuple[int, ...] = ()
    parcels: tuple[Parcel, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)

    # of the record that carried it
    key: str
    input_topic: str
    partition: int
    offset: int
    record_time_us: int
    traceparent: str | None = None
    tracestate: str | None = None


# ---- shipment-results -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentProblemError:
    """The marketplace's words about one field."""

    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketplaceWords:
    """What the marketplace answered, word for word."""

    http_status: int | None = None
    type: str | None = None
    message: str | None = None
    errors: tuple[ShipmentProblemError, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentResult:
    """One per order unit and event, at least one per event."""

    result_id: str
    event_id: str
    status: ShipmentStatus
    code: str | None = None
    message: str | None = None
    advice: str | None = None
    account: str | None = None
    storefront: str | None = None
    order_id: str
    order_unit_id: int | None = None
    carrier_requested: str | None = None
    carrier_code: str | None = None
    tracking_numbers: tuple[str, ...] = ()
    units_open: tuple[int, ...] = ()  # of the order, as far as known: still to be sent after this result
    call_ids: tuple[str, ...] = ()
    attempts: int = 0
    marketplace: MarketplaceWords | None = None
    input_topic: str
    input_partition: int
    input_offset: int
    occurred_at_us: int
    received_at_us: int
    decided_at_us: int


# ---- shipment-state -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelState:
    """A parcel of a unit that the marketplace has, as far as we know."""

    carrier_code: str
    tracking_number: str
    added_at_us: int
    certain: bool = True  # False: its call was never answered


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedUnit:
    """An order unit as this connector knows it."""

    order_unit_id: int
    status_raw: str | None = None
    storefront: str | None = None
    confirmed_by: str | None = None  # event_id of the event whose send was accepted; None = not by us
    sent_at_us: int | None = None
    parcels: tuple[ParcelState, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentEnded:
    """An order unit of an undone event that has its result."""

    order_unit_id: int
    status: ShipmentStatus
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoneShipment:
    """An event that is not over: all that its results will need."""

    event_id: str
    account: str
    input_offset: int
    occurred_at_us: int
    sequence: int | None = None
    received_at_us: int
    order_unit_ids: tuple[int, ...] = ()  # as the event says, or as the order was read; empty = not read yet
    all_units: bool = False
    parcels: tuple[Parcel, ...] = ()
    ended: tuple[ShipmentEnded, ...] = ()
    waits_until_us: int | None = None
    call_ids: tuple[str, ...] = ()
    attempts: int = 0
    uncertain: tuple[int, ...] = ()  # order units whose send was never answered: read before anything else
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentState:
    """A lane of the shipment flow. Ours alone; gone some weeks after its last unit was sent."""

    order_id: str
    account: str | None = None
    units: tuple[ShippedUnit, ...] = ()
    undone: tuple[UndoneShipment, ...] = ()
    input_partition: int
    last_offset: int
    updated_at_us: int
