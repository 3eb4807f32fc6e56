"""Converts settings into the types of the runtime and of the flows. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from connector.analytics.terms import ContractTerms
from connector.contracts.capabilities import Capability, SwitchedOn, switched_on
from connector.contracts.topics import ALL_FEATURES, INPUTS, Feature, Topics, named
from connector.mappings.overrides import Overrides, parse_overrides
from connector.marketplace.call_kinds import ORDERS, PRODUCTS, RETURNS, SHIPMENTS, UNITS_READ, UNITS_WRITE
from connector.marketplace.daily_budget import daily_budget, time_zone
from connector.marketplace.offers import Field
from connector.offers.cold_start import ColdStartPolicy
from connector.offers.conversion import ConversionRule, Rounding
from connector.offers.event_order import EventOrder
from connector.offers.gtin import normal_form
from connector.offers.policy import (
    DriftPolicy,
    Locations,
    NegativeStock,
    NewUnitRule,
    NewUnitRules,
    OfferPolicy,
    StockAboveMax,
    StockRule,
    StockRules,
    WindowLimit,
)
from connector.offers.rails import PriceLimits, PriceRails, Rail
from connector.orders.policy import OrderPolicy, Scheduled
from connector.reconciliation.policy import NO_SWEEPS, SweepPolicy
from connector.routing.table import Routing, Target
from connector.settings import model
from connector.shipments.policy import REJECT, ShipmentPolicy
from streams.policy import Pace, Policy
from streams.quota import CallQuota

V = TypeVar("V")

_URGENT_CALLS: Final = 4
"""Maximum number of workers reserved for the most urgent calls."""


def policy(processing: model.ProcessingSettings) -> Policy:
    """Returns the runtime's policy. Raises ValueError if its numbers are inconsistent."""
    return Policy(
        session_s=processing.session,
        lease_s=processing.lease,
        call_deadline_s=processing.call_deadline,
        grace_s=processing.grace,
        read_ahead=processing.read_ahead,
        checkpoint_min_s=processing.checkpoint_min,
        max_outputs=processing.max_outputs,
        max_awake=processing.max_awake,
        max_calls=processing.workers,
        urgent_calls=min(_URGENT_CALLS, processing.workers // 4),
        retry_budget=processing.retry_budget,
        retry_base_s=processing.retry_base,
        retry_cap_s=processing.retry_cap,
        age_step_s=processing.age_step,
        stall_s=processing.stall,
    )


def pace(account: model.AccountSettings) -> Pace:
    """Returns an account's rate limits."""
    return Pace(
        per_second=account.requests_per_second,
        strict=account.rate.strict,
        linger_s=account.rate.linger,
        floor_per_second=account.rate.floor_per_second,
        reserve=account.rate.reserve,
        groups={
            group: per_second
            for group, per_second in (
                (UNITS_READ, account.rate.groups.units_read),
                (UNITS_WRITE, account.rate.groups.units_write),
                (PRODUCTS, account.rate.groups.products),
                (ORDERS, account.rate.groups.orders),
                (SHIPMENTS, account.rate.groups.shipments),
                (RETURNS, account.rate.groups.returns),
            )
            if per_second is not None
        },
        quota=None if account.requests_per_day is None else _quota(account.requests_per_day, account.day_time_zone),
    )


def _quota(calls: int, zone: str) -> CallQuota:
    return daily_budget(calls, time_zone(zone))


def allow_list(text: str) -> frozenset[str]:
    """Parses a text with one EAN per line, in any form, to their normal forms. Raises ValueError for anything else."""
    return frozenset(normal_form(ean) for ean in text.split())


def overrides(content: bytes, targets: Mapping[str, model.TargetSettings], currencies: Mapping[str, str]) -> Overrides:
    """Parses a file of overrides. ``currencies``: by storefront. Raises ValueError that names the faults."""
    return parse_overrides(
        content, {name: currencies[target.storefront] for name, target in targets.items()}, normal_form
    )


def capabilities(settings: model.Settings) -> dict[str, frozenset[Capability]]:
    """Returns the capabilities that are on, by target: those that the target and its account both name."""
    accounts = settings.accounts
    return {
        name: frozenset(target.capabilities) & frozenset(accounts[target.account].capabilities)
        for name, target in settings.targets.items()
    }


def capabilities_on(settings: model.Settings) -> SwitchedOn:
    """Returns the targets of each capability that is on for some target."""
    return switched_on(capabilities(settings))


def routing(
    targets: Mapping[str, model.TargetSettings],
    currencies: Mapping[str, str],
    allowed: Mapping[str, frozenset[str]] | None = None,
    creatable: Mapping[str, frozenset[str]] | None = None,
    on: Mapping[str, frozenset[Capability]] | None = None,
) -> Routing:
    """Returns the routing table. ``currencies``: by storefront; ``allowed``: the EANs of targets with an allow-list.

    ``creatable``: the EANs that may be created, of targets with a list of them; ``on``: the capabilities that are on,
    by target. Raises ValueError that names both targets of a conflict.
    """
    lists, creates, switches = allowed or {}, creatable or {}, on or {}
    return Routing.of(
        Target(
            id=name,
            account=target.account,
            storefront=target.storefront,
            currency=currencies[target.storefront],
            price_sync=target.price_sync,
            enabled=target.enabled,
            allow_eans=lists.get(name),
            capabilities=switches.get(name, frozenset()),
            create_eans=None if target.create.all_eans else creates.get(name, frozenset()),
        )
        for name, target in targets.items()
    )


def features(settings: model.Settings) -> frozenset[Feature]:
    """Returns the enabled features."""
    orders = settings.orders
    switches = {
        Feature.OFFERS: True,
        Feature.FIELD_RESULTS: settings.offers.field_results,
        Feature.SHIPMENTS: settings.shipments.enabled,
        Feature.ORDERS: orders.enabled,
        Feature.SCHEDULER: orders.enabled or settings.reconcile.enabled,
        Feature.RECONCILE: settings.reconcile.enabled,
        Feature.CONTACTS: orders.enabled and orders.contacts,
        Feature.RETURNS: orders.enabled and orders.returns,
        Feature.SALES_ORDERS: orders.enabled and orders.create_sales_orders,
    }
    return frozenset(feature for feature, on in switches.items() if on)


def topics(settings: model.Settings) -> Topics:
    """Returns the topic names and the enabled features."""
    names = settings.topics.model_dump(exclude={"prefix", "key_format"})
    return named(settings.topics.prefix, features(settings), **names)


def contract_terms(settings: model.Settings | None) -> ContractTerms:
    """Returns what the data contracts say; without settings, that of all topics with default names."""
    return ContractTerms(
        topics=named("kaufland", ALL_FEATURES) if settings is None else topics(settings),
        owner="" if settings is None else settings.contracts.owner,
        decided_s=(model.ProcessingSettings() if settings is None else settings.processing).lease,
        ordered_s=(model.OrderSettings() if settings is None else settings.orders).interval,
        swept_s=(model.ReconcileSettings() if settings is None else settings.reconcile).interval,
    )


def push_url(public_url: str, account: str) -> str:
    """Returns the URL to which the marketplace sends an account's notifications."""
    return f"{public_url.rstrip('/')}/{account}"


def avro_keys(settings: model.Settings) -> bool:
    """Whether keys are Avro strings; if not, they are plain UTF-8."""
    return settings.topics.key_format == "avro"


def offer_policy(settings: model.Settings, *, dry_run: bool = False) -> OfferPolicy:
    """Returns the offer flow's policy. Raises ValueError for invalid numbers."""
    offers, trust, processing = settings.offers, settings.trust, settings.processing
    return OfferPolicy(
        trust_s={Field.STOCK: trust.stock, Field.PRICE: trust.price, Field.HANDLING_TIME: trust.handling_time},
        stock_rules={
            name: _stock_rules(target, settings.accounts[target.account]) for name, target in settings.targets.items()
        },
        new_units={name: _new_unit_rules(target.create) for name, target in settings.targets.items()},
        window_limits=dict(_window_limits(settings.guards)),
        price_rails={
            name: rails for name, target in settings.targets.items() if not (rails := _price_rails(target)).is_off
        },
        conversions=dict(_conversions(settings)),
        negative_stock=NegativeStock(offers.negative_stock),
        max_stock=offers.max_stock,
        stock_above_max=StockAboveMax(offers.stock_above_max),
        stock_sends_price=frozenset(
            name for name, account in settings.accounts.items() if account.stock_sends_price == "known"
        ),
        default_target=offers.default_target,
        default_condition=offers.default_condition,
        order=EventOrder(offers.order),
        order_by_source={source: EventOrder(order) for source, order in offers.order_by_source.items()},
        locations=Locations(offers.locations),
        not_found_grace_s=offers.not_found_grace,
        recheck_s=offers.recheck,
        create_settle_s=offers.create_settle,
        read_back_s=processing.call_deadline + processing.grace,
        drift=_drift_policy(settings.reconcile),
        dry_run=dry_run,
    )


def _drift_policy(reconcile: model.ReconcileSettings) -> DriftPolicy:
    chosen = {Field.PRICE: reconcile.price, Field.STOCK: reconcile.stock, Field.HANDLING_TIME: reconcile.handling_time}
    return DriftPolicy(
        repair=frozenset(field for field, choice in chosen.items() if choice == "repair"),
        repair_lower_stock=reconcile.repair_lower_stock,
        settle_s=reconcile.settle,
    )


def _conversions(settings: model.Settings) -> Iterator[tuple[str, ConversionRule]]:
    """Yields the rule of each target whose prices are converted."""
    for name, on in capabilities(settings).items():
        if Capability.PRICES_CONVERT in on:
            rule = settings.targets[name].convert
            yield (
                name,
                ConversionRule(
                    rounding=Rounding(rule.rounding), step=rule.step, max_age_s=rule.max_age, jump_pct=rule.jump_pct
                ),
            )


def _window_limits(guards: model.GuardSettings) -> Iterator[tuple[Rail, WindowLimit]]:
    """Yields the guard rails of windows that are on."""
    rails = (
        (Rail.ZEROED_SHARE, guards.zeroed_share_pct, guards.zeroed_at_least, guards.zeroed_window),
        (
            Rail.CHANGED_PRICE_SHARE,
            guards.changed_price_share_pct,
            guards.changed_price_at_least,
            guards.changed_price_window,
        ),
    )
    for rail, share_pct, at_least, window_s in rails:
        if share_pct is not None:
            yield rail, WindowLimit(share_pct=share_pct, at_least=at_least, window_s=window_s)


def _price_rails(target: model.TargetSettings) -> PriceRails:
    """Returns a target's guard rails of prices. Values missing in a rule default to the target's."""
    limits = PriceLimits(step_pct=target.price_step_pct, floor=target.price_floor, ceiling=target.price_ceiling)
    overrides = (
        (
            over.when,
            PriceLimits(
                step_pct=_first(over.price_step_pct, limits.step_pct),
                floor=_first(over.price_floor, limits.floor),
                ceiling=_first(over.price_ceiling, limits.ceiling),
            ),
        )
        for over in target.price_limits
    )
    return PriceRails(limits=limits, overrides=tuple(overrides))


def _first(own: V | None, otherwise: V | None) -> V | None:
    return own if own is not None else otherwise


def update_limit(offers: model.OfferSettings) -> int:
    """Returns how many units one update carries at most."""
    return offers.bulk_size if offers.mode == "batch" else 1


def _stock_rules(target: model.TargetSettings, account: model.AccountSettings) -> StockRules:
    """Returns a target's rules. Values missing in a rule default to the target's, and those to the account's."""
    rule = StockRule(
        buffer_pct=target.buffer_pct if target.buffer_pct is not None else account.buffer_pct,
        keep=target.keep,
        show_at_most=target.show_at_most,
    )
    overrides = (
        (over.when, replace(rule, **over.model_dump(exclude={"when"}, exclude_none=True)))
        for over in target.stock_rules
    )
    return StockRules(rule=rule, overrides=tuple(overrides))


def _new_unit_rules(create: model.CreateSettings) -> NewUnitRules:
    """Returns what the new units of a target are given. Values missing in a rule default to the target's."""
    rule = NewUnitRule(**create.model_dump(exclude={"eans_file", "all_eans", "rules"}))
    overrides = (
        (over.when, replace(rule, **over.model_dump(exclude={"when"}, exclude_none=True))) for over in create.rules
    )
    return NewUnitRules(rule=rule, overrides=tuple(overrides))


def shipment_policy(settings: model.Settings, *, dry_run: bool = False) -> ShipmentPolicy:
    """Returns the shipment flow's policy. Raises ValueError for invalid numbers."""
    shipments = settings.shipments
    return ShipmentPolicy(
        accounts=frozenset(settings.accounts),
        disabled=frozenset(name for name, account in settings.accounts.items() if not account.shipments),
        wait_open_s=shipments.wait_open,
        recheck_s=shipments.recheck,
        recheck_max_s=shipments.recheck_max,
        require_units=shipments.require_units,
        untracked_carriers=frozenset(shipments.untracked_carriers),
        unknown_carrier=REJECT if shipments.unknown_carrier == "reject" else "Other",
        aliases=shipments.carriers,
        keep_s=shipments.keep,
        dry_run=dry_run,
    )


def order_policy(settings: model.Settings) -> OrderPolicy:
    """Returns the order flow's policy. Raises ValueError for invalid numbers."""
    orders = settings.orders
    return OrderPolicy(
        accounts=frozenset(name for name, account in settings.accounts.items() if account.orders),
        interval_s=orders.interval,
        intervals_s={
            name: account.order_interval
            for name, account in settings.accounts.items()
            if account.orders and account.order_interval is not None
        },
        overlap_s=orders.overlap,
        lookback_days=orders.lookback_days,
        contacts=orders.contacts,
        create_sales_orders=orders.create_sales_orders,
        customer_number=orders.default_customer_number,
        returns=orders.returns,
    )


def sweep_policy(settings: model.Settings) -> SweepPolicy:
    """Returns what is swept: the account and storefront of every target that is enabled."""
    reconcile = settings.reconcile
    if not reconcile.enabled:
        return NO_SWEEPS
    return SweepPolicy(
        places=frozenset((target.account, target.storefront) for target in settings.targets.values() if target.enabled),
        interval_s=reconcile.interval,
        tells_owners=reconcile.cold_start == "auto",
    )


def cold_start_policy(settings: model.Settings) -> ColdStartPolicy:
    """Returns when offers wait for a sweep instead of being looked up. ``rates`` are those of the whole account."""
    reconcile = settings.reconcile
    return ColdStartPolicy(
        enabled=reconcile.enabled and reconcile.cold_start == "auto",
        rates={name: account.requests_per_second for name, account in settings.accounts.items()},
        rows_per_s=policy(settings.processing).side_per_second,
        longest_wait_s=reconcile.cold_start_wait,
        settle_s=reconcile.settle,
    )


def scheduled(settings: model.Settings) -> Scheduled:
    """Returns what commands of the scheduler topic may ask for."""
    return Scheduled(
        accounts=order_policy(settings).accounts if settings.orders.enabled else frozenset(),
        places=sweep_policy(settings).places,
    )


def dry_run(settings: model.Settings) -> model.Settings:
    """Returns the settings of a dry run, which runs next to the live group.

    It reads the live inputs, but has its own consumer group, instance id and outputs. Orders are disabled, because the
    live group already writes them to their topics. Sweeps go on, into a topic of its own, so the scheduler's topics are
    its own as well: no live group need be running.
    """
    live = topics(settings)
    prefix = f"{settings.topics.prefix}.dry-run"
    inputs = {name: getattr(live, name) for name, feature in INPUTS.items() if feature is not Feature.SCHEDULER}
    letters = {f"{name}_dlq": f"{prefix}.{name.replace('_', '-')}.v1.dlq" for name in INPUTS}
    shared = {"routing": live.routing, "unit_owners": live.unit_owners, "controls": live.controls}
    own = model.TopicSettings(
        prefix=prefix,
        key_format=settings.topics.key_format,
        **shared,
        **inputs,
        **letters,
    )
    kafka = settings.kafka.model_copy(
        update={
            "group": f"{settings.kafka.group}.dry-run",
            "instance_id": f"{settings.kafka.instance_id}.dry-run",
        }
    )
    orders = settings.orders.model_copy(update={"enabled": False})
    push = settings.push.model_copy(update={"enabled": False})
    return settings.model_copy(update={"kafka": kafka, "topics": own, "orders": orders, "push": push})
