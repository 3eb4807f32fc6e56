"""Settings are converted into the types of the runtime and the flows."""

import pytest

from connector.contracts.topics import Feature
from connector.marketplace.offers import Field
from connector.offers.event_order import EventOrder
from connector.settings import convert, model

SETTINGS = model.Settings(
    kafka=model.KafkaSettings(bootstrap_servers="127.0.0.1:9092", group="g", start="earliest", instance_id="one"),
    registry=model.RegistrySettings(url="http://127.0.0.1:8081"),
    accounts={"main": model.AccountSettings()},
    targets={},
)


@pytest.mark.parametrize(("workers", "urgent"), [(64, 4), (8, 2), (3, 0), (1, 0)])
def test_calls_in_flight_are_bounded_by_workers_with_a_small_reserve(workers: int, urgent: int) -> None:
    policy = convert.policy(model.ProcessingSettings(workers=workers))

    assert (policy.max_calls, policy.urgent_calls) == (workers, urgent)


def test_a_group_of_endpoints_has_a_pace_of_its_own_only_where_that_is_configured() -> None:
    rate = model.RateSettings(groups=model.RateGroupSettings(units_write=10))

    assert convert.pace(model.AccountSettings(rate=rate)).groups == {"units_write": 10}
    assert convert.pace(model.AccountSettings()).groups == {}


def test_an_account_may_be_polled_at_an_interval_of_its_own_or_not_at_all() -> None:
    accounts = {
        "main": model.AccountSettings(),
        "often": model.AccountSettings(order_interval=10),
        "never": model.AccountSettings(orders=False, order_interval=10),
    }
    policy = convert.order_policy(SETTINGS.model_copy(update={"accounts": accounts}))

    assert policy.accounts == {"main", "often"}
    assert (policy.interval_s, dict(policy.intervals_s)) == (60, {"often": 10})


def test_a_sweep_covers_the_places_of_enabled_targets_and_nothing_while_it_is_off() -> None:
    targets = {
        "shop-de": model.TargetSettings(account="main", storefront="de"),
        "outlet-de": model.TargetSettings(account="other", storefront="de"),
        "shop-at": model.TargetSettings(account="main", storefront="at", enabled=False),
    }
    configured = SETTINGS.model_copy(update={"targets": targets})
    swept = configured.model_copy(update={"reconcile": model.ReconcileSettings(enabled=True, interval=3600)})

    assert convert.sweep_policy(configured).places == frozenset()
    assert convert.sweep_policy(swept).places == {("main", "de"), ("other", "de")}
    assert convert.sweep_policy(swept).interval_s == 3600
    assert convert.sweep_policy(swept).tells_owners
    assert not convert.cold_start_policy(configured).enabled
    assert convert.cold_start_policy(swept).enabled
    assert convert.cold_start_policy(swept).rates["main"] == swept.accounts["main"].requests_per_second
    assert {Feature.SCHEDULER, Feature.RECONCILE} <= convert.features(swept)
    assert Feature.ORDERS not in convert.features(swept)


def test_a_dry_run_sweeps_into_topics_of_its_own_and_is_scheduled_by_a_topic_of_its_own() -> None:
    swept = SETTINGS.model_copy(update={"reconcile": model.ReconcileSettings(enabled=True)})

    live, dry = convert.topics(swept), convert.topics(convert.dry_run(swept))

    assert dry.features == {Feature.OFFERS, Feature.SCHEDULER, Feature.RECONCILE}
    scheduled = ("scheduler", "scheduler_state", "scheduler_dlq", "units", "drift")
    assert all(getattr(dry, name).startswith(f"{swept.topics.prefix}.dry-run.") for name in scheduled)
    assert dry.offer_changes == live.offer_changes


def test_the_fields_that_are_repaired_are_those_that_say_so() -> None:
    reconcile = model.ReconcileSettings(price="repair", settle=5, repair_lower_stock=True)

    drift = convert.offer_policy(SETTINGS.model_copy(update={"reconcile": reconcile})).drift

    assert drift.repair == {Field.PRICE}
    assert (drift.settle_s, drift.repair_lower_stock) == (5, True)
    assert convert.offer_policy(SETTINGS).drift.repair == frozenset()


def test_an_account_with_disabled_shipments_stays_known() -> None:
    accounts = {"main": model.AccountSettings(), "quiet": model.AccountSettings(shipments=False)}
    policy = convert.shipment_policy(SETTINGS.model_copy(update={"accounts": accounts}))

    assert policy.accounts == {"main", "quiet"}
    assert policy.disabled == {"quiet"}


def test_a_source_may_order_its_events_by_something_else_than_the_others() -> None:
    offers = model.OfferSettings(order="log", order_by_source={"erp": "sequence"})

    policy = convert.offer_policy(SETTINGS.model_copy(update={"offers": offers}))

    assert (policy.ordered_by("erp"), policy.ordered_by("pim")) == (EventOrder.SEQUENCE, EventOrder.LOG)
