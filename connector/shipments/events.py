"""The typed events of the shipment flow, one class per record under ``schemas/``. Pure.

Attributes that end in ``_us`` are fields of type timestamp-micros: microseconds since the Unix epoch, UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from connector.contracts.problem import ProblemError
from connector.marketplace.orders import UnitStatus


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
    """One parcel as the seller describes it."""

    carrier: str
    tracking_number: str | None = None
    no_tracking: bool = False  # it has no number; otherwise a missing number is an error


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedItem:
    """A number of pieces of one offer, named by ``offer_id``, by ``ean``, or by both."""

    offer_id: str | None = None
    ean: str | None = None
    quantity: int = 1


# ---- in -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentDispatched:
    """Parcels that were handed to the carrier.

    Without ``order_unit_ids`` and ``items`` it stands for every unit of the order still to be sent, if that is allowed.
    """

    event_id: str
    occurred_at_us: int
    sequence: int | None = None
    source: str
    account: str | None = None
    order_id: str
    order_unit_ids: tuple[int, ...] = ()
    items: tuple[ShippedItem, ...] = ()
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
class MarketplaceWords:
    """The marketplace's answer, verbatim."""

    http_status: int | None = None
    type: str | None = None
    message: str | None = None
    errors: tuple[ProblemError, ...] = ()


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
    carrier_requested: str | None = None  # as the event names it; several are listed once each, separated by ", "
    carrier_code: str | None = None  # the marketplace's; None if none was needed or found
    tracking_numbers: tuple[str, ...] = ()
    units_open: tuple[int, ...] = ()  # units of the order, as far as known, still to be sent after this result
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
    """A parcel of an order unit that the marketplace has, or may have.

    Without ``certain``, a parcel that went with a send (``with_send``) is unverified, and one that was added on its own
    is of unknown outcome; neither is ever sent again automatically.
    """

    tracking_number: str  # identifies the parcel within its unit; empty for the one without a number
    carrier_code: str | None = None
    added_by: str  # event_id
    added_at_us: int
    with_send: bool
    certain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedUnit:
    """An order unit as this connector knows it."""

    order_unit_id: int
    storefront: str | None = None
    status: UnitStatus  # as last read, or SENT once a send was accepted
    status_raw: str | None = None  # None: never read since it was sent
    checked_at_us: int  # when the status was learned
    confirmed_by: str | None = None  # event_id of the event whose send was carried out; None = not by us
    tried_by: str | None = None  # event_id of the event whose send may have been carried out; its answer was lost
    sent_at_us: int | None = None
    parcels: tuple[ParcelState, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenUnit:
    """An order unit of an undone event that has no result yet."""

    order_unit_id: int
    read_first: bool = False  # its status must be read before any other call
    refused: MarketplaceWords | None = None  # the refusal of a send, until the unit's status tells what it means
    parcels_refused: tuple[str, ...] = ()  # tracking numbers
    call_ids: tuple[str, ...] = ()
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoneShipment:
    """An event without all its results yet, with everything that the results need."""

    event_id: str
    digest: str  # of the whole event
    content: str | None = None  # digest without time and sequence; None = an older version wrote it
    account: str
    input_offset: int
    occurred_at_us: int
    sequence: int | None = None
    received_at_us: int
    order_unit_ids: tuple[
        int, ...
    ] = ()  # as the event names them, or chosen once the order was read; empty = not read yet
    items: tuple[ShippedItem, ...] = ()  # what the units are chosen by, once the order was read
    answered: tuple[int, ...] = ()  # with items: units that have their result while the others are chosen again
    parcels: tuple[Parcel, ...] = ()
    units: tuple[OpenUnit, ...] = ()  # empty = its order must be read first
    nothing_left: bool = False  # it named no unit, and none was left to be sent
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenShipment:
    """A finished event; if it comes again, its results get the same ids."""

    event_id: str
    digest: str
    content: str | None = None
    input_offset: int
    order_unit_ids: tuple[int, ...] = ()
    nothing_left: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentState:
    """A lane of the shipment flow. Internal; deleted some weeks after its last change."""

    order_id: str
    account: str | None = None  # under which the order was read; None = not read
    units: tuple[ShippedUnit, ...] = ()
    undone: tuple[UndoneShipment, ...] = ()
    seen: tuple[SeenShipment, ...] = ()
    input_partition: int
    last_offset: int
    updated_at_us: int
