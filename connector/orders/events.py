"""The typed events of the order flow, one class per record schema under ``schemas/``. Pure.

Attributes that end in ``_us`` are fields of type timestamp-micros: microseconds since the Unix epoch, UTC. Amounts of
money are decimals in major units of the unit's currency, exact to its minor unit. Only ``OrderContact`` has personal
data of buyers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from uuid import NAMESPACE_URL, uuid5

from connector.reconciliation.events import SweepState


class OrderStatus(StrEnum):
    """The status of a whole order, derived from its units."""

    UNKNOWN = "UNKNOWN"  # a unit has a status that is not known
    OPEN = "OPEN"  # no unit is released for shipping yet
    NEED_TO_BE_SENT = "NEED_TO_BE_SENT"  # nothing sent yet, at least one unit may be
    PARTLY_SENT = "PARTLY_SENT"  # at least one unit was sent, at least one is still to be
    SENT = "SENT"  # nothing is left to be sent, at least one unit is in transit
    RECEIVED = "RECEIVED"  # every unit that was not cancelled was received, or counts as received
    RETURNED = "RETURNED"  # every unit that was not cancelled was returned
    CANCELLED = "CANCELLED"  # every unit


class OrderUnitStatus(StrEnum):
    """The marketplace's status of an order unit, in capitals. ``status_raw`` beside it has the original spelling."""

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
    """Commands of the scheduler topic."""

    UNKNOWN = "UNKNOWN"
    POLL_NOW = "POLL_NOW"
    SWEEP_NOW = "SWEEP_NOW"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerCommand:
    """A command to poll or sweep an account, which is the record's key.

    ``changed_from_us``: of a poll, to read again what has changed since then; None: since the cursor. ``storefront``:
    of a sweep.
    """

    command: Command
    changed_from_us: int | None = None
    storefront: str | None = None
    asked_by: str = ""  # such as cli, push
    asked_at_us: int

    # of the input record
    key: str
    input_topic: str
    partition: int
    offset: int


# ---- orders ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDiscount:
    """A discount on one piece."""

    usage_type: str  # as the marketplace spells it
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedUnit:
    """An order unit: one piece of an order."""

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
    deliver_by_min_us: int | None = None  # always None: the marketplace names days
    deliver_by_max_us: int | None = None
    cancel_reason: str | None = None
    delivery_time_min_days: int | None = None
    delivery_time_max_days: int | None = None
    discounts: tuple[OrderDiscount, ...] = ()
    eco_fee: Decimal | None = None
    packaging_fee: Decimal | None = None
    is_marketplace_deemed_supplier: bool | None = None
    created_at_us: int
    changed_at_us: int
    sent_at_us: int | None = None  # changed_at_us while the status is SENT, else None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderObserved:
    """An order as it was read, always as a whole. Key: order id; the topic is compacted."""

    account: str
    order_id: str
    storefront: str
    created_at_us: int
    changed_at_us: int  # of the unit that changed last
    status: OrderStatus
    units: tuple[ObservedUnit, ...]
    units_open: tuple[int, ...]  # still to be sent
    open_since_us: int | None = None  # creation of the oldest of them; None: there is none
    complete: bool  # every unit was sent or cancelled
    payout_waits: bool  # some units are sent, others still to be sent; the marketplace pays once all are sent
    fulfillment_type: str
    is_marketplace_deemed_supplier: bool | None = None
    notes: tuple[str, ...] = ()  # parts of the answer that could not be read, without their values
    observed_at_us: int
    content_sha256: str  # of everything but observed_at; the same content is not written again


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderContact:
    """The buyer's personal data, with values as the API returns them.

    It has a topic of its own, with its own permissions and a short retention, and is off by default.
    """

    account: str
    order_id: str
    observed_at_us: int
    buyer: Mapping[str, str] = field(repr=False, default_factory=dict)
    billing_address: Mapping[str, str] = field(repr=False, default_factory=dict)
    shipping_address: Mapping[str, str] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnedUnit:
    """A returned order unit. Its note is left out: it may hold personal data."""

    return_unit_id: int
    order_unit_id: int
    status_raw: str
    reason: str | None = None
    has_note: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnObserved:
    """A return as it was read, always as a whole. Key: return id."""

    account: str
    return_id: int
    storefront: str
    status_raw: str
    order_unit_ids: tuple[int, ...] = ()  # those of ``units``
    reason: str | None = None  # if all units have the same one
    units: tuple[ReturnedUnit, ...] = ()
    notes: tuple[str, ...] = ()  # parts of the answer that could not be read, without their values
    tracking_provider: str | None = None
    created_at_us: int
    changed_at_us: int | None = None
    observed_at_us: int


_SALES_ORDERS = uuid5(NAMESPACE_URL, "kaufland-stream-connector/sales-order")
"""The namespace of command ids; must never change, because they depend on it."""


def command_id(account: str, order_id: str) -> str:
    """Returns the UUIDv5 (RFC 9562) of an order's sales order; it is the same however often that is requested."""
    return str(uuid5(_SALES_ORDERS, f"{account}/{order_id}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesOrderRequested:
    """A command to the seller's ERP to create a sales order, one per order. Key: order id.

    A repeated request has the same ``command_id``.
    """

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
class Listing:
    """A list that is being read page by page, from the newest change down to a fixed time."""

    changed_from_us: int  # that time, by the marketplace's clock
    offset: int = 0  # of the next page
    pages: int = 0  # read so far
    newest_us: int | None = None  # the newest change on the first page; None: that page is not read yet, or was empty
    since_us: int  # when it became due
    again_at_us: int | None = None  # when to read the next page; None: now


@dataclass(frozen=True, slots=True, kw_only=True)
class ListState:
    """How far a list of the marketplace has been read."""

    cursor_us: int | None = None  # the lanes know all earlier changes; None: never read to its end
    listing: Listing | None = None  # being read; a new owner starts it again


@dataclass(frozen=True, slots=True, kw_only=True)
class PollState:
    """The lane of an account: how far its lists have been read, and when they are due again. Key: account."""

    orders: ListState = ListState()
    returns: ListState = ListState()
    last_offset: int = -1  # of the last command read from the scheduler topic
    asked_from_us: int | None = None  # a command asked for all changes since then; kept until a list has shown them
    polls: int = 0  # started so far
    due_at_us: int = 0
    polled_at_us: int | None = None  # the last poll that reached its end
    failed_at_us: int | None = None
    failures: int = 0  # in a row
    problem: str | None = None
    quarantined: tuple[str, ...] = ()  # digests of dead-lettered rows that name no order


class Trouble(StrEnum):
    """Why an order or a return is still undone after it was last read."""

    UNKNOWN = "UNKNOWN"
    GAVE_UP = "GAVE_UP"  # the retry budget was used up
    UNREADABLE = "UNREADABLE"  # the answer is not what the API specifies
    GONE = "GONE"  # the marketplace says that the order does not exist
    STALE = "STALE"  # the answer is older than what is known


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRow:
    """The fields of an order unit by which a change is detected."""

    order_unit_id: int
    status_raw: str
    changed_at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFees:
    """The fees of an order unit in minor units. Only the list of order units shows them, not the order itself."""

    order_unit_id: int
    eco_fee: int | None = None
    packaging_fee: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLaneState:
    """The lane of an order. Key: account, "/", order id; deleted once nothing is left to do or to remember."""

    order_id: str
    seen: tuple[SeenRow, ...] = ()  # its units, as they were last read
    told: tuple[SeenRow, ...] = ()  # rows of the list whose change no read of the order has shown yet
    fees: tuple[UnitFees, ...] = ()  # of units that have any, as the list last showed them
    undone_since_us: int | None = None  # since when a known change is not written; None: nothing is undone
    trouble: Trouble | None = None
    tries: int = 0  # consecutive reads that ended in this trouble
    again_at_us: int | None = None  # when to read it again; None: now
    content_sha256: str | None = None  # of what was last written
    open_since_us: int | None = None
    sales_order_at_us: int | None = None  # when it was requested; None: not yet
    quarantined: tuple[str, ...] = ()  # digests of dead letters
    keep_until_us: int | None = None  # None: as long as it is open or undone


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedReturn:
    """A return's row in the list of returns."""

    storefront: str
    status_raw: str
    created_at_us: int
    changed_at_us: int | None = None
    tracking_provider: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnLaneState:
    """The lane of a return. Key: account, "/return/", return id; deleted once the list has not shown it for a while."""

    return_id: int
    content_sha256: str = ""  # of what was last written; empty: nothing was written yet
    row_sha256: str | None = None  # of the row for which it was last read; None: never read
    listed: ListedReturn | None = None  # the row for which it must still be read; None: it was read
    undone_since_us: int | None = None
    tries: int = 0  # consecutive reads that did not show it as listed
    again_at_us: int | None = None  # when to read it again; None: now
    keep_until_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerState:
    """A lane of the scheduler partition. One of ``poll``, ``order``, ``returned`` and ``sweep`` is set."""

    account: str
    poll: PollState | None = None
    order: OrderLaneState | None = None
    returned: ReturnLaneState | None = None
    sweep: SweepState | None = None
    updated_at_us: int
