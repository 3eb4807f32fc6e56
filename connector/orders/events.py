"""The typed events of the order flow, one to one with the records under ``schemas/``. Pure.

Attributes that end in ``_us`` are fields of type timestamp-micros: microseconds since the Unix epoch, UTC. Money is a
decimal in major units of the row's currency, exact in its minor unit. Nothing here but ``OrderContact`` tells who
bought.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class OrderStatus(StrEnum):
    """Derived from the order's units."""

    UNKNOWN = "UNKNOWN"  # a unit has a status that is not known
    OPEN = "OPEN"  # not released for shipping, as a whole
    NEED_TO_BE_SENT = "NEED_TO_BE_SENT"  # nothing sent yet, at least one unit may be
    PARTLY_SENT = "PARTLY_SENT"  # at least one unit was sent, at least one is still to be
    SENT = "SENT"  # nothing is left to be sent, at least one is under way
    RECEIVED = "RECEIVED"  # every unit that was not cancelled was received, or counts so
    RETURNED = "RETURNED"  # every unit that was not cancelled came back
    CANCELLED = "CANCELLED"  # every unit


class OrderUnitStatus(StrEnum):
    """As the marketplace says, in capitals; beside its raw word."""

    UNKNOWN = "UNKNOWN"
    OPEN = "OPEN"
    NEED_TO_BE_SENT = "NEED_TO_BE_SENT"
    SENT = "SENT"
    RECEIVED = "RECEIVED"
    SENT_AND_AUTOPAID = "SENT_AND_AUTOPAID"
    RETURNED = "RETURNED"
    RETURNED_PAID = "RETURNED_PAID"
    CANCELLED = "CANCELLED"


# ---- in -------------------------------------------------------------------------------------------------------------


class Command(StrEnum):
    """What the scheduler topic may ask for."""

    UNKNOWN = "UNKNOWN"
    POLL_NOW = "POLL_NOW"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerCommand:
    """Key: account. ``changed_from_us``: read again what has changed since then; None = from the cursor."""

    command: Command
    changed_from_us: int | None = None
    asked_by: str = ""  # such as cli, push
    asked_at_us: int

    # of the record that carried it
    key: str
    input_topic: str
    partition: int
    offset: int


# ---- orders ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedUnit:
    """One piece of an order."""

    order_unit_id: int
    status: OrderUnitStatus
    status_raw: str
    ean: str | None = None
    offer_id: str | None = None
    condition: str | None = None
    price: Decimal
    revenue_gross: Decimal
    revenue_net: Decimal | None = None
    shipping_rate: Decimal
    vat: Decimal | None = None  # per cent
    currency: str
    handling_due_at_us: int | None = None
    deliver_by_min_us: int | None = None
    deliver_by_max_us: int | None = None
    cancel_reason: str | None = None
    created_at_us: int
    changed_at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderObserved:
    """Always the whole order. Key: order id; compacted."""

    account: str
    order_id: str
    storefront: str
    created_at_us: int
    changed_at_us: int  # of the unit that changed last
    status: OrderStatus
    units: tuple[ObservedUnit, ...]
    units_open: tuple[int, ...]  # still to be sent
    open_since_us: int | None = None  # since when the oldest of them is; None = none is
    complete: bool  # nothing is left to be sent
    payout_waits: bool  # sent units of an order that is not complete: the marketplace pays when all are sent
    fulfillment_type: str
    observed_at_us: int
    content_sha256: str  # of everything but observed_at: the same content is not written again


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderContact:
    """Personal data: own topic, own permissions, short retention, off by default. Values as the API gives them."""

    account: str
    order_id: str
    observed_at_us: int
    buyer: Mapping[str, str] = field(repr=False, default_factory=dict)
    billing_address: Mapping[str, str] = field(repr=False, default_factory=dict)
    shipping_address: Mapping[str, str] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnObserved:
    """One return. Key: return id."""

    account: str
    return_id: int
    storefront: str
    status_raw: str
    order_unit_ids: tuple[int, ...] = ()
    reason: str | None = None
    created_at_us: int
    changed_at_us: int | None = None
    observed_at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesOrderRequested:
    """A command for the seller's own ERP, one per order. Key: order id; the same ``command_id`` when it is repeated."""

    command_id: str  # UUIDv5 of account and order id
    account: str
    order_id: str
    storefront: str
    customer_number: str | None = None
    created_at_us: int
    requested_at_us: int
    units: tuple[ObservedUnit, ...]


# ---- scheduler-state ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRow:
    """A unit as it was last read."""

    order_unit_id: int
    status_raw: str
    changed_at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PollState:
    """The lane of an account: where the next poll begins. Key: account."""

    cursor_us: int | None = None  # the newest change that all orders are written or undone for; None = never polled
    returns_cursor_us: int | None = None
    last_offset: int = -1  # of the scheduler topic
    poll_from_us: int | None = None  # asked for by a command and not yet done
    polled_at_us: int | None = None  # the last poll that reached its end
    failed_at_us: int | None = None
    failures: int = 0  # in a row
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLaneState:
    """The lane of an order. Key: account, a slash, order id; gone when it is complete and the overlap is over."""

    order_id: str
    seen: tuple[SeenRow, ...] = ()  # of what was last written
    content_sha256: str | None = None
    undone: bool  # known to have changed, not yet written
    changed_at_us: int  # the newest change that is known
    open_since_us: int | None = None
    sales_order_requested: bool = False
    quarantined: str | None = None  # digest of what could not be read


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerState:
    """A lane of the scheduler partition: of an account or of an order; the other is null."""

    account: str
    poll: PollState | None = None
    order: OrderLaneState | None = None
    updated_at_us: int
