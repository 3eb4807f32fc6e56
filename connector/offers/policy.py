"""The settings of the offer flow; invalid values raise ValueError when the policy is built. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from connector.contracts.event_traces import EventTraces
from connector.mappings.overrides import NO_OVERRIDES, Overrides
from connector.mappings.rates import NO_RATES, Rates
from connector.marketplace.offers import Condition, Field, Reference
from connector.offers.attribute_rules import rule_for
from connector.offers.conversion import ConversionRule
from connector.offers.event_order import EventOrder
from connector.offers.rails import PriceRails, Rail
from connector.routing.table import Routing

_HOUR_S = 3600.0
_DAY_S = 24 * _HOUR_S


class Locations(StrEnum):
    """How a stock with a location is processed."""

    REFUSE = "refuse"  # rejected
    SUM = "sum"  # stored by location; the total of all locations is sent


class NegativeStock(StrEnum):
    """How a stock below zero is processed."""

    ZERO = "zero"  # counts as 0
    REJECT = "reject"


class StockAboveMax(StrEnum):
    """How a stock above ``max_stock`` is processed."""

    CAP = "cap"  # counts as max_stock
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class StockRule:
    """How much of a stock is offered."""

    buffer_pct: int = 0  # kept back, in per cent of the stock
    keep: int = 0  # pieces that are never offered
    show_at_most: int | None = None  # pieces; None = no limit

    def __post_init__(self) -> None:
        if not 0 <= self.buffer_pct <= 100:
            raise ValueError(f"buffer_pct must be in 0..100, got {self.buffer_pct}")
        if self.keep < 0:
            raise ValueError(f"keep must be 0 or more, got {self.keep}")
        if self.show_at_most is not None and self.show_at_most < 0:
            raise ValueError(f"show_at_most must be 0 or more, got {self.show_at_most}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StockRules:
    """The rule of a target, and overrides for events with certain attributes; the first that matches applies."""

    rule: StockRule = field(default_factory=StockRule)
    overrides: tuple[tuple[Mapping[str, str], StockRule], ...] = ()  # attributes that must all match -> rule

    def of(self, attributes: Mapping[str, str]) -> StockRule:
        """Returns the rule for an event with these attributes."""
        return rule_for(attributes, self.overrides, self.rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUnitRule:
    """What a new unit is given that its event does not say; None = the marketplace's default."""

    shipping_group: int | None = None
    warehouse: int | None = None
    handling_time_days: int | None = None  # of events that carry none; None = they create nothing
    vat_indicator: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUnitRules:
    """The rule of a target, and overrides for events with certain attributes; the first that matches applies."""

    rule: NewUnitRule = field(default_factory=NewUnitRule)
    overrides: tuple[tuple[Mapping[str, str], NewUnitRule], ...] = ()  # attributes that must all match -> rule

    def of(self, attributes: Mapping[str, str]) -> NewUnitRule:
        """Returns the rule for an event with these attributes."""
        return rule_for(attributes, self.overrides, self.rule)


NOTHING_GIVEN = NewUnitRules()
"""The rules of a target for which none are configured."""

WHOLE_STOCK = StockRules()
"""The rules of a target for which none are configured: all of its stock is offered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowLimit:
    """How many EANs one source may change within a time: a share of those known, or a number if that is more."""

    share_pct: float
    at_least: int  # over all partitions
    window_s: float

    def __post_init__(self) -> None:
        if not 0 < self.share_pct <= 100:
            raise ValueError(f"share_pct must be above 0 and at most 100, got {self.share_pct}")
        if self.at_least < 1:
            raise ValueError(f"at_least must be 1 or more, got {self.at_least}")
        if not self.window_s > 0:
            raise ValueError(f"window_s must be above 0, got {self.window_s}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPolicy:
    """What is done about values that differ from the accepted ones. Fields not in ``repair`` are only reported."""

    repair: frozenset[Field] = frozenset()
    repair_lower_stock: bool = False  # whether a repair may raise a stock, which may have been sold
    settle_s: float = 60.0  # for so long after an acceptance, the marketplace may show the old value


REPORT_DRIFT = DriftPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferPolicy:
    """The settings of the flow; times in seconds.

    ``trust_s``: how long a value counts as known after it was accepted or read, so that an equal one is UNCHANGED
    instead of being sent again. 0 = always send, inf = trust for ever.
    """

    trust_s: Mapping[Field, float] = field(
        default_factory=lambda: {Field.STOCK: 6 * _HOUR_S, Field.PRICE: 7 * _DAY_S, Field.HANDLING_TIME: 7 * _DAY_S}
    )
    stock_rules: Mapping[str, StockRules] = field(default_factory=dict)  # by target
    new_units: Mapping[str, NewUnitRules] = field(default_factory=dict)  # by target
    window_limits: Mapping[Rail, WindowLimit] = field(default_factory=dict)  # without those that are off
    price_rails: Mapping[str, PriceRails] = field(default_factory=dict)  # by target; without those that are off
    conversions: Mapping[str, ConversionRule] = field(default_factory=dict)  # of the targets whose prices are converted
    negative_stock: NegativeStock = NegativeStock.ZERO
    max_stock: int | None = None  # None = only the marketplace's own maximum applies
    stock_above_max: StockAboveMax = StockAboveMax.CAP
    stock_sends_price: frozenset[str] = frozenset()  # accounts whose stock changes carry the last accepted price
    default_target: str | None = None
    default_condition: Condition | None = None
    order: EventOrder = EventOrder.EVENT_TIME
    order_by_source: Mapping[str, EventOrder] = field(default_factory=dict)  # by the events' source
    locations: Locations = Locations.REFUSE
    not_found_grace_s: float = 60.0  # until a missing offer is looked up once more: a new unit shows after minutes
    recheck_s: float = 6 * _HOUR_S  # the final interval between look-ups of a missing offer
    lookup_failed_s: float = 60.0  # how long a failed look-up is not repeated for linked units alone
    create_settle_s: float = 900.0  # how long a new unit may be missing in look-ups
    link_wait_s: float = 5.0  # longest wait of stock for look-ups of other storefronts, once its own unit is known
    read_back_s: float = 7.0  # from a lost answer until the value is read back: deadline + grace period of a call
    owner_recheck_s: float = 60.0  # how long an EAN is refused another one's unit without reading the claims again
    future_limit_s: float = 300.0  # how far an event may be ahead of its record, and a record ahead of the clock
    drift: DriftPolicy = REPORT_DRIFT
    dry_run: bool = False
    mixes_orders: bool = field(init=False)  # whether the events of some source are not ordered by time
    has_rails: bool = field(init=False)  # whether a guard rail may stop a value

    def __post_init__(self) -> None:
        orders = {self.order, *self.order_by_source.values()}
        object.__setattr__(self, "mixes_orders", orders != {EventOrder.EVENT_TIME})
        object.__setattr__(self, "has_rails", bool(self.price_rails or self.window_limits or self.conversions))
        for of in Field:
            if not self.trust_s.get(of, -1.0) >= 0:
                raise ValueError(f"trust_s[{of}] must be 0 or more, got {self.trust_s.get(of)}")
        if self.max_stock is not None and self.max_stock < 0:
            raise ValueError(f"max_stock must be 0 or more, got {self.max_stock}")
        if self.default_condition is Condition.UNKNOWN:
            raise ValueError("default_condition must be a condition, UNKNOWN is none")
        for name in (
            "not_found_grace_s",
            "create_settle_s",
            "lookup_failed_s",
            "link_wait_s",
            "read_back_s",
            "owner_recheck_s",
            "future_limit_s",
        ):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not self.recheck_s > 0:
            raise ValueError(f"recheck_s must be above 0, got {self.recheck_s}")

    def ordered_by(self, source: str) -> EventOrder:
        """Returns what decides between two events of the source."""
        return self.order_by_source.get(source, self.order)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferTerms:
    """What the offer flow's functions depend on, besides the lane and the time.

    ``topic`` is the input topic; with ``cluster_id``, result ids are computed from it.
    """

    policy: OfferPolicy
    routing: Routing
    reference: Reference
    cluster_id: str
    topic: str
    overrides: Overrides = NO_OVERRIDES
    rates: Rates = NO_RATES
    traces: EventTraces | None = None  # None: events are not traced

    def exponent(self, storefront: str) -> int:
        """Returns the exponent of the storefront's currency; 2 if the storefront is no longer in the reference."""
        currency = self.reference.storefronts.get(storefront)
        return currency.exponent if currency is not None else 2

    def target_exponent(self, target_id: str | None) -> int:
        """Returns the exponent of the target's currency; 2 if the target is no longer configured."""
        target = self.routing.find(target_id)
        return self.exponent(target.storefront) if target is not None else 2

    def currency(self, storefront: str) -> str | None:
        """Returns the code of the storefront's currency; None if the storefront is no longer in the reference."""
        currency = self.reference.storefronts.get(storefront)
        return currency.code if currency is not None else None
