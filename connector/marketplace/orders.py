"""The Marketplace port for orders and parcels: bodies of wants and answers of replies. Pure.

Flows say the bodies and hear the answers, or ``Refused`` and ``Gone`` of ``connector.marketplace.offers``; an adapter
(a ``streams.flow.Caller``) translates. Money is an integer in the currency's minor unit; moments are microseconds since
the Unix epoch, UTC, as the marketplace's own clock says them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from connector.marketplace.offers import Subscription

# ---- bodies of wants ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SendUnit:
    """Say that an order unit was handed to a carrier: possible once, from ``need_to_be_sent``."""

    order_unit_id: int
    carrier_code: str
    tracking_numbers: tuple[str, ...]  # none holds a comma; empty = a carrier that has none
    event_ids: tuple[str, ...] = ()  # for the call log


@dataclass(frozen=True, slots=True, kw_only=True)
class AddParcel:
    """Another parcel of an order unit that was sent already. Not repeatable: each call adds one."""

    order_unit_id: int
    carrier_code: str
    tracking_number: str
    event_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOrderUnit:
    """One order unit as it is now."""

    order_unit_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOrder:
    """A whole order with all its units as they are now."""

    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOrderSummary:
    """An order as far as shipping its units needs it: of the kind ``order``, like ``ReadOrder``."""

    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCarriers:
    """The marketplace's carrier codes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOrderPage:
    """A page of order units changed at or after a moment, newest change first. The list moves while it is read."""

    changed_from_us: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReturnPage:
    """A page of returns changed at or after a moment."""

    changed_from_us: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReturn:
    """One return with the order units that come back."""

    return_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSubscriptions:
    """A page of what the marketplace notifies."""

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
    """Statuses of an order unit; one that we do not know is UNKNOWN, beside its raw word."""

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
    """One piece of an order, as far as shipping it needs: its id and status are always known, the rest where shown."""

    order_unit_id: int
    status: UnitStatus
    status_raw: str
    storefront: str | None = None  # lower case
    offer_id: str | None = None
    eans: tuple[str, ...] = ()  # of its product


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """What was taken off the price of an order unit."""

    usage_type: str  # the marketplace's own word, such as voucher
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUnit:
    """One piece of an order, without anything that tells who bought it."""

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
    condition: str | None = None  # as the contracts spell it; the marketplace's word where we do not know it
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
    """Personal data, as the API gives it. Never in a representation, a log, a result or a dead letter."""

    buyer: Mapping[str, str] = field(repr=False, default_factory=dict)
    billing: Mapping[str, str] = field(repr=False, default_factory=dict)
    shipping: Mapping[str, str] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableRow:
    """A row that is not what the API promises. Its content stays out: it may be personal."""

    where: str  # such as order-units?offset=100, row 3
    sha256: str  # of the row's canonical JSON
    fault: str  # which field, and what is wrong with it; never its value
    order_id: str | None = None  # where that could be read


# ---- answers of settled replies -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Answer to SendUnit and AddParcel: the marketplace took it."""

    http_status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFound:
    """Answer to ReadOrderUnit."""

    unit: OrderUnitSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSummaryFound:
    """Answer to ReadOrderSummary: the units that can be read, by id.

    ``unreadable``: a unit, or the list of them, cannot be read; ``units`` are the others then.
    """

    order_id: str
    units: tuple[OrderUnitSummary, ...]
    unreadable: UnreadableRow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFound:
    """Answer to ReadOrder: the whole order, its units by id.

    ``unreadable``: the answer breaks the API's word; all else but ``order_id`` is empty then. ``notes``: side fields
    that could not be read, each with its unit and what is wrong with it, never its value.
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
    """What a row of the list of order units tells: whether its order must be read, and what the order does not show."""

    order_id: str
    order_unit_id: int
    status_raw: str
    changed_us: int
    eco_fee: int | None = None
    packaging_fee: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPage:
    """Answer to ReadOrderPage: rows in the list's order."""

    rows: tuple[PageRow, ...]
    unreadable: tuple[UnreadableRow, ...]
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """A return as the list shows it, without anything that tells who sends it."""

    return_id: int
    storefront: str
    status_raw: str
    created_us: int
    changed_us: int | None
    tracking_provider: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnUnit:
    """An order unit that comes back. Its note stays out: it is free text, and may be personal."""

    return_unit_id: int
    order_unit_id: int
    status_raw: str
    reason: str | None = None  # the marketplace's own word
    has_note: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnFound:
    """Answer to ReadReturn. ``notes``: what of it could not be read, never the value.

    ``unreadable``: the answer breaks the API's word; all else is empty then.
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
