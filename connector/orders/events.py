"""The typed events of the order flow, one class per record under ``schemas/``. Pure.

Attributes that end in ``_us`` are fields of type timestamp-micros: microseconds since the Unix epoch, UTC. Money is a
decimal in major units of the row's currency, exact in its minor unit. Only ``OrderContact`` has personal data of
buyers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from uuid import NAMESPACE_URL, uuid5


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
    """The marketplace's status in capitals; its raw word stands beside it."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerCommand:
    """Key: account. ``changed_from_us``: reads again what has changed since then; None = from the cursor."""

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
class OrderDiscount:
    """A discount on one piece."""

    usage_type: str  # the marketplace's own word
    amount: Decimal


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
    open_since_us: int | None = None  # since when the oldest of them is open; None = none is
    complete: bool  # every unit was sent or cancelled
    payout_waits: bool  # some units are sent, others are still to be: the marketplace pays when all are sent
    fulfillment_type: str
    is_marketplace_deemed_supplier: bool | None = None
    notes: tuple[str, ...] = ()  # what of the answer could not be read, never its value
    observed_at_us: int
    content_sha256: str  # of everything but observed_at: the same content is not written again


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderContact:
    """Personal data: own topic and permissions, short retention, off by default. Values as the API returns them."""

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
    """One return. Key: return id."""

    account: str
    return_id: int
    storefront: str
    status_raw: str
    order_unit_ids: tuple[int, ...] = ()  # those of ``units``
    reason: str | None = None  # where all units have the same
    units: tuple[ReturnedUnit, ...] = ()
    notes: tuple[str, ...] = ()  # what of the answer could not be read, never its value
    tracking_provider: str | None = None
    created_at_us: int
    changed_at_us: int | None = None
    observed_at_us: int


_SALES_ORDERS = uuid5(NAMESPACE_URL, "kaufland-stream-connector/sales-order")
"""Must never change: command ids depend on it."""


def command_id(account: str, order_id: str) -> str:
    """The UUIDv5 (RFC 9562) of an order: the same however often its sales order is requested."""
    return str(uuid5(_SALES_ORDERS, f"{account}/{order_id}"))


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
class Listing:
    """A list that is being read: page after page, from the newest change down to a fixed moment."""

    changed_from_us: int  # by the marketplace's clock
    offset: int = 0  # of the next page
    pages: int = 0  # that were read
    newest_us: int | None = None  # the newest change on the first page; None = that page is not read yet, or was empty
    since_us: int  # when it became due
    again_at_us: int | None = None  # not before; None = now


@dataclass(frozen=True, slots=True, kw_only=True)
class ListState:
    """How far a list of the marketplace has been read."""

    cursor_us: int | None = None  # earlier changes were told to their lanes; None = never read to its end
    listing: Listing | None = None  # being read; a new owner begins it again


@dataclass(frozen=True, slots=True, kw_only=True)
class PollState:
    """The lane of an account: how far its lists are read, and when they are due again. Key: account."""

    orders: ListState = ListState()
    returns: ListState = ListState()
    last_offset: int = -1  # of the scheduler topic
    asked_from_us: int | None = None  # a command asked for all changes since then; kept until a list has shown them
    polls: int = 0  # that were begun
    due_at_us: int = 0
    polled_at_us: int | None = None  # the last poll that reached its end
    failed_at_us: int | None = None
    failures: int = 0  # in a row
    problem: str | None = None
    quarantined: tuple[str, ...] = ()  # digests of rows that cannot be read and name no order


class Trouble(StrEnum):
    """Why the order is still undone after its last reading."""

    UNKNOWN = "UNKNOWN"
    GAVE_UP = "GAVE_UP"  # the retry budget was used up
    UNREADABLE = "UNREADABLE"  # the answer is not what the API specifies
    GONE = "GONE"  # the marketplace says that the order does not exist
    STALE = "STALE"  # the answer is older than what is known


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRow:
    """The part of an order unit that tells whether the order must be read."""

    order_unit_id: int
    status_raw: str
    changed_at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFees:
    """Fees of an order unit, which the list of order units shows and the order does not. In minor units."""

    order_unit_id: int
    eco_fee: int | None = None
    packaging_fee: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLaneState:
    """The lane of an order. Key: account, a slash, order id; deleted once nothing is left to do or to remember."""

    order_id: str
    seen: tuple[SeenRow, ...] = ()  # its units, as they were last read
    told: tuple[SeenRow, ...] = ()  # rows of the list that no read has shown yet
    fees: tuple[UnitFees, ...] = ()  # of units that have any, as the list last showed them
    undone_since_us: int | None = None  # since when a change is known and not written; None = nothing is undone
    trouble: Trouble | None = None
    tries: int = 0  # reads in a row that ended in this trouble
    again_at_us: int | None = None  # not read before; None = now
    content_sha256: str | None = None  # of what was last written
    open_since_us: int | None = None
    sales_order_at_us: int | None = None  # when it was requested; None = not yet
    quarantined: tuple[str, ...] = ()  # digests of what could not be read
    keep_until_us: int | None = None  # None = as long as it is open or undone


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedReturn:
    """A return as the list shows it."""

    storefront: str
    status_raw: str
    created_at_us: int
    changed_at_us: int | None = None
    tracking_provider: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnLaneState:
    """The lane of a return. Key: account, "/return/", return id; deleted once the list has not shown it for a while."""

    return_id: int
    content_sha256: str = ""  # of what was last written; empty = nothing was
    row_sha256: str | None = None  # of the list's row that it was last read for; None = never
    listed: ListedReturn | None = None  # the list's row that it must still be read for; None = it was read
    undone_since_us: int | None = None
    tries: int = 0  # reads in a row that did not show it
    again_at_us: int | None = None  # not read before; None = now
    keep_until_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerState:
    """A lane of the scheduler partition. One of ``poll``, ``order`` and ``returned`` is set; the others are null."""

    account: str
    poll: PollState | None = None
    order: OrderLaneState | None = None
    returned: ReturnLaneState | None = None
    updated_at_us: int
