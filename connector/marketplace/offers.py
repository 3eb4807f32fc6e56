"""The Marketplace port for offers: the bodies of wants and the answers in replies. Pure.

A flow sends ``LookUp`` and ``Update`` and receives ``Found``, ``Accepted``, ``Refused`` and ``Gone``; an adapter (a
``streams.flow.Caller``) translates them to and from the marketplace's API. Field values are integers: price in minor
units of the storefront's currency, stock in pieces, handling time in working days.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

from streams.flow import Caller
from streams.frozen import quick


class Field(StrEnum):
    """The fields of a unit that the connector writes; it never writes any other."""

    PRICE = "price"
    STOCK = "stock"
    HANDLING_TIME = "handling_time"


class Condition(StrEnum):
    """Conditions as the event contracts spell them; an adapter maps them. UNKNOWN never matches anything."""

    NEW = "NEW"
    USED_AS_NEW = "USED_AS_NEW"
    USED_VERY_GOOD = "USED_VERY_GOOD"
    USED_GOOD = "USED_GOOD"
    USED_ACCEPTABLE = "USED_ACCEPTABLE"
    REFURBISHED_AS_NEW = "REFURBISHED_AS_NEW"
    REFURBISHED_VERY_GOOD = "REFURBISHED_VERY_GOOD"
    REFURBISHED_GOOD = "REFURBISHED_GOOD"
    REFURBISHED_ACCEPTABLE = "REFURBISHED_ACCEPTABLE"
    UNKNOWN = "UNKNOWN"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One of the seller's own units (offers) as the marketplace shows it."""

    unit_id: int
    storefront: str
    condition: Condition
    offer_id: str | None
    status: str | None  # as the marketplace spells it: AVAILABLE, ONHOLD, INCOMPLETE, or an unknown one
    values: Mapping[Field, int]
    currency: str | None = None
    eans: tuple[str, ...] = ()  # empty if the response does not list them
    fulfilled_by_marketplace: bool = False
    is_live: bool | None = None  # whether it is on sale; None: the marketplace does not say
    changed_us: int | None = field(default=None, compare=False)  # last edited, by the marketplace's clock
    # when the call that returned this unit was sent, for a look-up of several calls; None = the last of them
    read_at_us: int | None = field(default=None, compare=False)


# ---- bodies of wants ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """Asks for all own units of one EAN on one storefront. Kind ``lookup:<storefront>``, one per call.

    ``conditions``: the conditions being looked for, as the event contracts spell them; an adapter may make further
    calls when a unit in one of them is not found.
    """

    storefront: str
    ean: str
    conditions: frozenset[str] = frozenset()
    event_ids: tuple[str, ...] = ()  # of the events waiting for the look-up, for the call log; at most the first 20
    event_count: int = 0  # of all events waiting for it
    traces: tuple[str, ...] = ()  # ``traceparent`` of these events, each once; at most the first 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Changes these fields of one unit and no other. Kind ``update:<storefront>``; a call holds each unit once."""

    storefront: str
    unit_id: int
    values: Mapping[Field, int]
    event_ids: tuple[str, ...] = ()  # of the events that led to the update, for the call log; at most the first 20
    event_count: int = 0  # of all events that led to it
    traces: tuple[str, ...] = ()  # ``traceparent`` of these events, each once; at most the first 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateUnit:
    """Creates a unit of a product that the catalogue has. Kind ``create``, one per call; not idempotent.

    ``values``: of all fields. None: the marketplace's default.
    """

    storefront: str
    ean: str
    condition: Condition
    offer_id: str
    values: Mapping[Field, int]
    shipping_group: int | None = None
    warehouse: int | None = None
    vat_indicator: str | None = None
    note: str | None = None
    event_ids: tuple[str, ...] = ()  # of the events that led to it, for the call log; at most the first 20
    event_count: int = 0
    traces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteUnit:
    """Deletes a unit. Kind ``delete``, one per call."""

    storefront: str
    unit_id: int
    event_ids: tuple[str, ...] = ()
    event_count: int = 0
    traces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadUnitPage:
    """Reads a page of all own units on a storefront, with their EANs.

    Units that the marketplace fulfils are a list of their own. The list may change between two pages.
    """

    storefront: str
    offset: int
    by_marketplace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadProduct:
    """Asks whether the marketplace's catalogue has a product with this EAN on a storefront, whoever sells it."""

    storefront: str
    ean: str


Body: TypeAlias = LookUp | Update | CreateUnit | DeleteUnit | ReadUnitPage | ReadProduct


# ---- answers of settled replies -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Answer to a look-up: every own unit of that EAN on that storefront; empty if there is none."""

    units: tuple[Unit, ...]
    call_ids: tuple[str, ...] = ()  # of every call of the look-up; empty = it took one call


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Answer to an update, a creation or a deletion: it was accepted.

    ``unit`` is the unit as returned; None if the response holds none. A creation always returns it.
    """

    unit: Unit | None
    http_status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """The marketplace's error message about one field; ``field`` is None if ``name`` is not a known field."""

    field: Field | None
    name: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The marketplace refuses this body permanently; ``type``, ``message`` and ``errors`` are quoted verbatim."""

    code: str
    http_status: int
    type: str | None
    message: str
    errors: tuple[FieldError, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The marketplace does not or no longer know this unit: it must be looked up again."""

    http_status: int
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPage:
    """Answer to ReadUnitPage: the readable units in the order of the list."""

    units: tuple[Unit, ...]
    rows: int  # of the page, readable or not
    is_last: bool
    total: int | None = None  # units of the whole list; None: the marketplace does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFound:
    """Answer to ReadProduct: the catalogue has it. Without one, the answer is Gone."""

    product_id: int
    title: str | None = None
    is_valid: bool | None = None  # whether its data are complete; None: the marketplace does not say


MarketplaceAnswer: TypeAlias = Found | Accepted | UnitPage | ProductFound | Refused | Gone


# ---- reference data -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Currency:
    """A currency, and the highest price in it."""

    code: str
    exponent: int  # minor units are 10 ** -exponent of a major unit
    ceiling: int  # the highest price the marketplace takes, in minor units


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Static facts about a marketplace that flows need, loaded from data files."""

    storefronts: Mapping[str, Currency]  # storefront -> its one currency
    max_stock: int
    max_handling_time_days: int
    bulk_limit: int  # units in one call


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A push subscription: the URL that is notified of an event on a storefront, and whether it is active."""

    id: int
    storefront: str  # lower case; empty if the marketplace names none
    event: str
    url: str
    is_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The state of a marketplace account, as ``connector check`` reports it."""

    reachable: bool
    authenticated: bool
    message: str
    storefronts: tuple[str, ...] = ()
    clock_skew_s: float | None = None
    detail: Mapping[str, str] = field(default_factory=dict)


class Marketplace(Caller, Protocol):
    """An adapter for one or more accounts. Worker threads use ``call``; commands use the other methods."""

    def reference(self) -> Reference: ...

    def check(self, account: str) -> Health:
        """Makes signed calls and reports what they show. Never raises because of the content of a response."""
        ...

    def close(self) -> None: ...
