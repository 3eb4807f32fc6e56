"""The Marketplace port: what every marketplace must be able to do, as bodies of wants and answers of replies.

Flows say ``LookUp`` and ``Update`` and hear ``Found``, ``Accepted``, ``Refused`` and ``Gone``; an adapter (a
``streams.flow.Caller``) translates. Values of fields are integers in the field's own smallest unit: minor units of the
storefront's currency for price, pieces for stock, working days for handling time. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

from streams.flow import Caller
from streams.frozen import quick


class Field(StrEnum):
    """The only fields that are ever written."""

    PRICE = "price"
    STOCK = "stock"
    HANDLING_TIME = "handling_time"


class Condition(StrEnum):
    """Conditions as the contracts spell them; an adapter maps them. UNKNOWN never matches anything."""

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
    status: str | None  # the marketplace's own word: AVAILABLE, ONHOLD, INCOMPLETE, or one we do not know
    values: Mapping[Field, int]
    currency: str | None = None
    eans: tuple[str, ...] = ()  # empty = the answer did not say
    fulfilled_by_marketplace: bool = False
    # when the call left that showed it, where a look-up takes several; None = the last one
    read_at_us: int | None = field(default=None, compare=False)


# ---- bodies of wants ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """All own units of one EAN on one storefront. Of the kind ``lookup:<storefront>``, one a call.

    ``conditions``: those that are looked for, as the contracts spell them; an adapter may look harder for one that is
    lacking.
    """

    storefront: str
    ean: str
    conditions: frozenset[str] = frozenset()
    event_ids: tuple[str, ...] = ()  # of the events that wait for it, for the call log; at most the first 20
    event_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Change these fields of one unit, and no other. Kind ``update:<storefront>``; a call holds no unit twice."""

    storefront: str
    unit_id: int
    values: Mapping[Field, int]
    event_ids: tuple[str, ...] = ()  # of the events behind it, for the call log; at most the first 20
    event_count: int = 0


Body: TypeAlias = LookUp | Update


# ---- answers of settled replies -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Answer to a look-up: every own unit of that EAN on that storefront, none = empty. A fact, not a result."""

    units: tuple[Unit, ...]
    call_ids: tuple[str, ...] = ()  # of every call that it took; empty = the last one alone


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Answer to an update. ``unit`` as returned (None: the answer carried none)."""

    unit: Unit | None
    http_status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """The marketplace's own words about one field; ``field`` None = it names one we do not know."""

    field: Field | None
    name: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The marketplace refuses this body for good; its own words, verbatim."""

    code: str
    http_status: int
    type: str | None
    message: str
    errors: tuple[FieldError, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The marketplace does not know this unit (any more): identity must be proved again."""

    http_status: int
    message: str = ""


MarketplaceAnswer: TypeAlias = Found | Accepted | Refused | Gone


# ---- reference data -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Currency:
    code: str
    exponent: int  # minor units are 10 ** -exponent of a major unit
    ceiling: int  # the highest price the marketplace takes, in minor units


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a flow must know of a marketplace without asking it; data, reloadable."""

    storefronts: Mapping[str, Currency]  # storefront -> its one currency
    max_stock: int
    max_handling_time_days: int
    bulk_limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What the marketplace notifies, of which event on which storefront, and whether it still does."""

    id: int
    storefront: str  # lower case; empty = the marketplace names none
    event: str
    url: str
    is_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What ``connector check`` asks of a marketplace account."""

    reachable: bool
    authenticated: bool
    message: str
    storefronts: tuple[str, ...] = ()
    clock_skew_s: float | None = None
    detail: Mapping[str, str] = field(default_factory=dict)


class Marketplace(Caller, Protocol):
    """An adapter for one account or more. ``call`` is for worker threads; the rest is asked by commands."""

    def reference(self) -> Reference: ...

    def check(self, account: str) -> Health:
        """One signed call and what it tells; never raises for what an answer may say."""
        ...

    def close(self) -> None: ...
