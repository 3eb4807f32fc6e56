"""The Marketplace port for orders, parcels and returns: the bodies of wants and the answers in replies. Pure.

A flow sends the bodies and receives the answers, or ``Refused`` and ``Gone`` of ``connector.marketplace.offers``; an
adapter (a ``streams.flow.Caller``) translates them. Amounts of money are integers in the currency's minor unit; times
are microseconds since the Unix epoch, UTC, by the marketplace's clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from connector.marketplace.offers import Subscription

# ---- bodies of wants ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SendUnit:
    """Marks an order unit as sent with a carrier; possible once, in status ``need_to_be_sent``."""

    order_unit_id: int
    carrier_code: str
    tracking_numbers: tuple[str, ...]  # without commas; empty for a carrier without tracking
    event_ids: tuple[str, ...] = ()  # for the call log
    traces: tuple[str, ...] = ()  # ``traceparent`` of its event


@dataclass(frozen=True, slots=True, kw_only=True)
class AddParcel:
    """Adds a parcel to an order unit that was sent already. Not idempotent: each call adds one."""

    order_unit_id: int
    carrier_code: str
    tracking_number: str
    event_ids: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOrderUnit:
    """Reads one order unit as it is now."""

    order_unit_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOrder:
    """Reads an order with all its units as they are now."""

    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOrderSummary:
    """Reads the part of an order that shipping its units needs. Kind ``order``, like ``ReadOrder``."""

    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCarriers:
    """Reads the marketplace's carrier codes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOrderPage:
    """Reads a page of order units changed at or after a time, the newest change first.

    The list may change between two pages.
    """

    changed_from_us: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReturnPage:
    """Reads a page of returns changed at or after a time."""

    changed_from_us: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReturn:
    """Reads one return with its returned order units."""

    return_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSubscriptions:
    """Reads a page of the push subscriptions."""

    offset: int


OrderBody: TypeAlias = (
    SendUnit
    | AddParcel
    | ReadOrderUnit
    | ReadOrder
    | ReadOrderSummary
    | ReadCarriers
    | ReadOrderPage
    | ReadReturnPage
    | ReadReturn
    | ReadSubscriptions
)


# ---- facts ----------------------------------------------------------------------------------------------------------


class UnitStatus(StrEnum):
    """Statuses of an order unit; an unrecognized one is UNKNOWN, and ``status_raw`` keeps its text."""

    UNKNOWN = "UNKNOWN"
    OPEN = "OPEN"
    NEED_TO_BE_SENT = "NEED_TO_BE_SENT"
    SENT = "SENT"
    RECEIVED = "RECEIVED"
    SENT_AND_AUTOPAID = "SENT_AND_AUTOPAID"
    RETURNED = "RETURNED"
    RETURNED_PAID = "RETURNED_PAID"
    CANCELLED = "CANCELLED"


TO_BE_SENT = frozenset({UnitStatus.OPEN, UnitStatus.NEED_TO_BE_SENT})
SENT = frozenset(
    {
        UnitStatus.SENT,
        UnitStatus.RECEIVED,
        UnitStatus.SENT_AND_AUTOPAID,
        UnitStatus.RETURNED,
        UnitStatus.RETURNED_PAID,
    }
)
"""Statuses that a unit reaches only by having been sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUnitSummary:
    """The part of an order unit that shipping needs; all but its id and status may be missing from the response."""

    order_unit_id: int
    status: UnitStatus
    status_raw: str
    storefront: str | None = None  # lower case
    offer_id: str | None = None
    eans: tuple[str, ...] = ()  # of its product


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """A discount on the price of an order unit."""

    usage_type: str  # as the marketplace spells it, such as voucher
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUnit:
    """One unit (piece) of an order, without personal data."""

    order_unit_id: int
    order_id: str
    storefront: str  # lower case
    status: UnitStatus
    status_raw: str
    created_us: int
    changed_us: int
    price: int
    revenue_gross: int
    revenue_net: int | None
    shipping_rate: int
    vat: str | None  # per cent, as an exact decimal text
    currency: str
    ean: str | None = None
    offer_id: str | None = None
    condition: str | None = None  # as the event contracts spell it; an unknown one as the marketplace spells it
    cancel_reason: str | None = None
    handling_due_us: int | None = None
    delivery_time_min_days: int | None = None
    delivery_time_max_days: int | None = None
    discounts: tuple[Discount, ...] = ()
    eco_fee: int | None = None
    packaging_fee: int | None = None
    is_marketplace_deemed_supplier: bool | None = None
    fulfillment_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Personal data as the API returns it. Never part of a ``repr``, a log, a result or a dead letter."""

    buyer: Mapping[str, str] = field(repr=False, default_factory=dict)
    billing: Mapping[str, str] = field(repr=False, default_factory=dict)
    shipping: Mapping[str, str] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableRow:
    """A row that does not conform to the API's document. Holds no content of the row, which may be personal."""

    where: str  # such as order-units?offset=100, row 3
    sha256: str  # of the row's canonical JSON
    fault: str  # which field, and what is wrong with it; never its value
    order_id: str | None = None  # if it could be read


# ---- answers of settled replies -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Answer to SendUnit and AddParcel: the marketplace accepted it."""

    http_status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFound:
    """Answer to ReadOrderUnit."""

    unit: OrderUnitSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSummaryFound:
    """Answer to ReadOrderSummary: the readable units, sorted by id.

    ``unreadable``: a unit, or the list of units, that cannot be read; ``units`` then holds the others.
    """

    order_id: str
    units: tuple[OrderUnitSummary, ...]
    unreadable: UnreadableRow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFound:
    """Answer to ReadOrder: the whole order, its units sorted by id.

    ``unreadable``: set if the response does not conform to the API's document; all but ``order_id`` is empty then.
    ``notes``: optional fields that could not be read, each with its order unit and the fault, never the value.
    """

    order_id: str
    storefront: str
    created_us: int
    fulfillment_type: str
    units: tuple[OrderUnit, ...]
    is_marketplace_deemed_supplier: bool | None = None
    contact: Contact | None = field(repr=False, default=None)
    notes: tuple[str, ...] = ()
    unreadable: UnreadableRow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriersFound:
    """Answer to ReadCarriers: the exact codes."""

    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRow:
    """A row of the list of order units: whether its order changed, what was sold, and the fees that the order lacks."""

    order_id: str
    order_unit_id: int
    status_raw: str
    changed_us: int
    created_us: int | None = None  # None: the marketplace does not say
    offer_id: str | None = None
    eco_fee: int | None = None
    packaging_fee: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPage:
    """Answer to ReadOrderPage: the rows in the order of the list."""

    rows: tuple[PageRow, ...]
    unreadable: tuple[UnreadableRow, ...]
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """A return as the list shows it, without personal data."""

    return_id: int
    storefront: str
    status_raw: str
    created_us: int
    changed_us: int | None
    tracking_provider: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnUnit:
    """A returned order unit. Its note is left out: it is free text and may hold personal data."""

    return_unit_id: int
    order_unit_id: int
    status_raw: str
    reason: str | None = None  # as the marketplace spells it
    has_note: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnFound:
    """Answer to ReadReturn. ``notes``: the parts that could not be read and their faults, never a value.

    ``unreadable``: set if the response does not conform to the API's document; all but the return's id is empty then.
    """

    returned: Return
    units: tuple[ReturnUnit, ...] = ()
    notes: tuple[str, ...] = ()
    unreadable: UnreadableRow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnPage:
    """Answer to ReadReturnPage."""

    returns: tuple[Return, ...]
    unreadable: tuple[UnreadableRow, ...]
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionPage:
    """Answer to ReadSubscriptions."""

    rows: tuple[Subscription, ...]
    is_last: bool


OrderAnswer: TypeAlias = (
    Taken
    | UnitFound
    | OrderSummaryFound
    | OrderFound
    | CarriersFound
    | OrderPage
    | ReturnPage
    | ReturnFound
    | SubscriptionPage
)
