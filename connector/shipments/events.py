"""The typed events of the shipment flow, one class per record schema under ``schemas/``. Pure.

Attributes that end in ``_us`` are fields of type timestamp-micros: microseconds since the Unix epoch, UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from connector.contracts.problem import ProblemError
from connector.marketplace.orders import UnitStatus


class ShipmentStatus(StrEnum):
    """How one order unit of one event ended."""

    UNKNOWN = "UNKNOWN"  # never written; stands for a symbol that is newer than the reader's schema
    CONFIRMED = "CONFIRMED"  # the marketplace accepted the confirmation with the tracking numbers
    ALREADY_CONFIRMED = "ALREADY_CONFIRMED"  # it was sent before; the code says how that is known
    CONFIRMED_TRACKING_UNVERIFIED = "CONFIRMED_TRACKING_UNVERIFIED"  # sent; whether with these numbers is not known
    PARCEL_ADDED = "PARCEL_ADDED"  # parcels were added to a unit that was sent before
    WAITING_TOO_LONG = "WAITING_TOO_LONG"  # it did not become ready to be sent in time
    NOT_FOUND = "NOT_FOUND"  # the marketplace does not have the order or the unit
    REJECTED = "REJECTED"  # the same event can never succeed
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"  # a parcel was posted without an answer; it is not posted again
    SUPPRESSED = "SUPPRESSED"  # a setting forbids sending
    FAILED = "FAILED"  # given up after the retry budget, or a needed call was refused
    DRY_RUN = "DRY_RUN"  # would have been sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One parcel as the seller describes it."""

    carrier: str
    tracking_number: str | None = None
    no_tracking: bool = False  # True: it has no number; otherwise, a missing number is an error


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedItem:
    """A number of pieces of one offer, named by ``offer_id``, by ``ean``, or by both."""

    offer_id: str | None = None
    ean: str | None = None
    quantity: int = 1


# ---- in -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentDispatched:
    """Parcels of an order that were handed to a carrier.

    An event with neither ``order_unit_ids`` nor ``items`` means every unit of the order that is still to be sent, if
    the settings allow that.
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

    # of the input record
    key: str
    input_topic: str
    partition: int
    offset: int
    record_time_us: int
    traceparent: str | None = None


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
    """How one order unit of an event ended. There is one per order unit and event, and at least one per event."""

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
    carrier_code: str | None = None  # the marketplace's code; None if none was needed or found
    tracking_numbers: tuple[str, ...] = ()
    units_open: tuple[int, ...] = ()  # known units of the order that are still to be sent after this result
    call_ids: tuple[str, ...] = ()
    attempts: int = 0
    marketplace: MarketplaceWords | None = None
    input_topic: str
    input_partition: int
    input_offset: int
    occurred_at_us: int
    received_at_us: int
    decided_at_us: int
    answered_at_us: int | None = None  # when the last of these calls was answered; None: there was none, or no answer


# ---- shipment-state -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelState:
    """A parcel of an order unit that the marketplace has, or may have.

    If it is not ``certain``, a parcel that was part of a send (``with_send``) is unverified, and one that was added on
    its own has an unknown outcome. Neither is ever sent again automatically.
    """

    tracking_number: str  # identifies the parcel within its unit; empty for the one without a number
    carrier_code: str | None = None
    added_by: str  # event_id
    added_at_us: int
    with_send: bool  # part of the call that confirmed the unit
    certain: bool  # the marketplace has accepted it


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedUnit:
    """What is known of an order unit."""

    order_unit_id: int
    storefront: str | None = None
    status: UnitStatus  # as last read, or SENT once a send was accepted
    status_raw: str | None = None  # None: not read since it was sent
    checked_at_us: int  # when the status became known
    confirmed_by: str | None = None  # event_id of the event whose send was executed; None: not sent by this connector
    tried_by: str | None = None  # event_id of the event whose send may have been executed; its answer was lost
    sent_at_us: int | None = None
    parcels: tuple[ParcelState, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenUnit:
    """An order unit of an undone event that has no result yet."""

    order_unit_id: int
    read_first: bool = False  # its status must be read before any other call
    refused: MarketplaceWords | None = None  # the refusal of a send, kept until the unit's status explains it
    parcels_refused: tuple[str, ...] = ()  # tracking numbers
    call_ids: tuple[str, ...] = ()
    attempts: int = 0
    answered_at_us: int | None = None  # when the last of these calls was answered


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoneShipment:
    """An event that lacks a result for some order unit, with everything that its results need."""

    event_id: str
    digest: str  # of the whole event
    content: str | None = None  # digest without time and sequence; None: stored by an older version
    account: str
    input_offset: int
    occurred_at_us: int
    sequence: int | None = None
    received_at_us: int
    order_unit_ids: tuple[
        int, ...
    ] = ()  # as the event names them, or as chosen after the order was read; empty: not read yet
    items: tuple[ShippedItem, ...] = ()  # by which units are chosen, once the order was read
    answered: tuple[int, ...] = ()  # with items: units that have their result while the others are chosen again
    parcels: tuple[Parcel, ...] = ()
    units: tuple[OpenUnit, ...] = ()  # empty: its order must be read first
    nothing_left: bool = False  # it named no unit, and none was left to be sent
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenShipment:
    """A finished event. It is remembered so that its results get the same ids if it is sent again."""

    event_id: str
    digest: str
    content: str | None = None
    input_offset: int
    order_unit_ids: tuple[int, ...] = ()
    nothing_left: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentState:
    """The lane of an order: its units, its undone events and the last finished ones.

    Internal to the connector; deleted some weeks after its last change (``ShipmentPolicy.keep_s``).
    """

    order_id: str
    account: str | None = None  # with which the order was read; None: not read
    units: tuple[ShippedUnit, ...] = ()
    undone: tuple[UndoneShipment, ...] = ()
    seen: tuple[SeenShipment, ...] = ()
    input_partition: int
    last_offset: int
    updated_at_us: int
