"""``connector check``: one run reports every problem that can be found before going live, each with its remedy."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
from rich.console import Console

from connector.contracts.capabilities import Capability
from connector.contracts.permissions import Identity, Principal, of_run
from connector.contracts.topic_checks import Limits, Needs
from connector.contracts.topics import manifest, named
from connector.mappings.rates import Rate, Rates
from connector.marketplace.offers import Health
from connector.operations.check import CheckInputs, CheckRow, CheckStatus, check, document, report
from connector.routing.table import Routing, Target
from connector.settings.load import Loaded
from connector.settings.model import (
    AccountSettings,
    CreateSettings,
    GuardSettings,
    HttpSettings,
    KafkaSettings,
    OrderSettings,
    PushSettings,
    ReconcileSettings,
    RegistrySettings,
    Settings,
    ShipmentSettings,
    TargetSettings,
    TracesSettings,
)
from streams.errors import NotPermitted, RegistryDenied, RegistryDown, SchemaUnknown, SourceFailed
from streams.topics import TopicDescription

TOPICS = named("kaufland")
NEEDS = Needs(
    grant=of_run(TOPICS, Identity(group="g", instances="i", transactional=True)),
    principal=Principal(name="User:connector", bootstrap_servers="broker:9092"),
)
GOOD = Health(
    reachable=True,
    authenticated=True,
    message="signed calls are accepted",
    storefronts=("at", "de"),
    clock_skew_s=0.4,
    detail={"keys": "aaaa/bbbb"},
)


@dataclass
class StubBrokerQueries:
    """A broker with these topics; ``down``: why it does not respond."""

    down: str = ""
    group: frozenset[str] | None = None
    versions: Mapping[str, int] = field(default_factory=dict)
    there: dict[str, TopicDescription] = field(
        default_factory=lambda: {
            topic.name: TopicDescription(partitions=8, config=topic.config) for topic in manifest(TOPICS)
        }
    )

    def cluster_id(self) -> str:
        if self.down:
            raise SourceFailed(self.down)
        return "cluster-1"

    def allowed_on_group(self, group: str) -> frozenset[str] | None:
        return self.group

    def committed_by(self, group: str, partitions: Mapping[str, int]) -> Mapping[str, int]:
        assert (group, partitions) == ("g", {TOPICS.offer_changes: 8})
        return self.versions

    def describe(self, names: Sequence[str]) -> Mapping[str, TopicDescription]:
        return {name: self.there[name] for name in names if name in self.there}


def settings() -> Settings:
    return Settings(
        kafka=KafkaSettings(bootstrap_servers="broker:9092", group="g", start="latest", instance_id="i"),
        registry=RegistrySettings(url="http://registry"),
        accounts={"main": AccountSettings(client_key_file=Path("c"), secret_key_file=Path("s"))},
        targets={"shop-de": TargetSettings(account="main", storefront="de")},
    )


@pytest.fixture
def parts() -> CheckInputs:
    return CheckInputs(
        loaded=Loaded(settings=settings(), file=Path("connector.toml"), ignored=(), warnings=()),
        topics=TOPICS,
        limits=Limits(batch_bytes=1_000_000),
        needs=NEEDS,
        routing=Routing.of([Target(id="shop-de", account="main", storefront="de", currency="EUR")]),
        storefronts={"at": "EUR", "de": "EUR"},
        broker=StubBrokerQueries(),
        moved=list,
        subjects=lambda: None,
        marketplace=lambda account: GOOD,
        collector=str,
        version="0.2.0",
    )


def bad(rows: list[CheckRow]) -> list[CheckRow]:
    """Returns the failed checks."""
    return [row for row in rows if row.verdict is CheckStatus.BAD]


def raising(error: Exception) -> Callable[[], Any]:
    """Returns a function that raises the error."""

    def ask() -> Any:
        raise error

    return ask


def test_a_healthy_setup_has_no_failures_and_every_subject_is_listed(parts: CheckInputs) -> None:
    rows = check(parts)

    assert bad(rows) == []
    subjects = " ".join(row.subject for row in rows)
    for subject in ("configuration", "broker:9092", TOPICS.offer_state, "registry", "account main", "clock", "shop-de"):
        assert subject in subjects


def test_the_accounts_storefronts_are_listed_and_one_without_reference_data_is_a_note(parts: CheckInputs) -> None:
    [known] = [row for row in check(parts) if row.subject == "account main, storefronts"]
    seen = replace(GOOD, storefronts=("at", "de", "ro"))
    [further] = [
        row for row in check(replace(parts, marketplace=lambda _: seen)) if row.subject == "account main, storefronts"
    ]

    assert (known.verdict, known.reason) == (CheckStatus.GOOD, "open: at (EUR), de (EUR)")
    assert (further.verdict, further.reason) == (
        CheckStatus.NOTE,
        "open: at (EUR), de (EUR); also ro, without reference data",
    )
    assert "reference_file" in further.remedy


@pytest.mark.parametrize(
    ("versions", "told"),
    [
        ({}, None),
        ({"0.2.0": 8}, (CheckStatus.GOOD, "8 by 0.2.0; this is 0.2.0", "")),
        ({"0.2.0": 5, "": 3}, (CheckStatus.NOTE, "3 by a version before 0.2.0, 5 by 0.2.0", "finish the upgrade")),
        ({"0.3.0": 8}, (CheckStatus.NOTE, "8 by 0.3.0; this is 0.2.0", "none during an upgrade")),
    ],
)
def test_the_versions_that_commit_are_told_and_several_are_a_note(
    parts: CheckInputs, versions: Mapping[str, int], told: tuple[CheckStatus, str, str] | None
) -> None:
    rows = check(replace(parts, broker=StubBrokerQueries(versions=versions)))
    found = [row for row in rows if row.subject == "versions"]

    assert bad(rows) == []
    assert len(found) == (told is not None)
    for row, (verdict, reason, remedy) in zip(found, [told] if told else [], strict=True):
        assert row.verdict is verdict
        assert reason in row.reason
        assert row.remedy.startswith(remedy)


def test_a_capability_is_reported_only_where_account_and_target_name_it(parts: CheckInputs) -> None:
    def with_(of_account: tuple[Capability, ...], of_target: tuple[Capability, ...]) -> list[tuple[str, str]]:
        before = parts.loaded.settings
        account = before.accounts["main"].model_copy(update={"capabilities": of_account})
        target = before.targets["shop-de"].model_copy(
            update={"capabilities": of_target, "create": CreateSettings(eans_file=Path("new.txt"))}
        )
        changed = before.model_copy(update={"accounts": {"main": account}, "targets": {"shop-de": target}})
        rows = check(replace(parts, loaded=replace(parts.loaded, settings=changed)))
        return [(row.subject, row.reason) for row in rows if row.subject in ("capabilities", *Capability)]

    both = (Capability.OFFERS_CREATE, Capability.OFFERS_DELETE)
    [(_, off)] = with_(both, ())

    assert with_((), both) == with_((), ()) == [("capabilities", off)]
    assert off.startswith("off: nothing is created or deleted")
    assert with_(both, both) == [
        ("offers.create", "enabled: creation of units; shop-de: the EANs of new.txt"),
        ("offers.delete", "enabled: deletion of units; shop-de"),
    ]


def test_a_broker_that_is_down_does_not_hide_other_results(parts: CheckInputs) -> None:
    rows = check(
        replace(parts, broker=StubBrokerQueries(down="no broker answers"), subjects=raising(RegistryDown("no answer")))
    )

    assert [row.subject for row in bad(rows)] == ["broker broker:9092", "registry http://registry"]
    assert any(row.subject == "account main" and row.verdict is CheckStatus.GOOD for row in rows)


def test_a_broker_error_is_reported_with_its_own_remedy(parts: CheckInputs) -> None:
    [row] = bad(check(replace(parts, broker=StubBrokerQueries(down="wrong password. Remedy: sasl.*"))))

    assert (row.reason, row.remedy) == ("wrong password.", "sasl.*")


def test_credentials_refused_by_the_registry_are_reported_with_a_remedy(parts: CheckInputs) -> None:
    [row] = bad(check(replace(parts, subjects=raising(RegistryDenied("refused (401). Remedy: user and password")))))

    assert (row.reason, row.remedy) == ("refused (401).", "user and password")


def test_unregistered_schemas_are_reported_with_the_command(parts: CheckInputs) -> None:
    [row] = bad(check(replace(parts, subjects=raising(SchemaUnknown("kaufland.offer-results.v1-value")))))

    assert row.remedy == "connector schemas register"


def test_topics_are_checked_one_by_one(parts: CheckInputs) -> None:
    broker = StubBrokerQueries()
    del broker.there[TOPICS.offer_results]
    broker.there[TOPICS.offer_state] = TopicDescription(partitions=3)

    rows = bad(check(replace(parts, broker=broker)))

    assert [row.subject for row in rows] == [TOPICS.offer_results, TOPICS.offer_state]


def configured(parts: CheckInputs, **sections: object) -> CheckInputs:
    """Returns the inputs with other sections of the settings."""
    return replace(parts, loaded=replace(parts.loaded, settings=parts.loaded.settings.model_copy(update=sections)))


def row_of(parts: CheckInputs, subject: str) -> CheckRow:
    """Returns the only check of a subject."""
    [row] = [row for row in check(parts) if row.subject == subject]
    return row


def test_disabled_features_are_reported_with_how_to_enable_them(parts: CheckInputs) -> None:
    for part in ("shipments", "orders", "reconcile"):
        row = row_of(parts, part)
        assert row.verdict is CheckStatus.GOOD
        assert row.reason.startswith("disabled;")
        assert f"[{part}] enabled = true" in row.reason
    assert not any(row.subject == "push" for row in check(parts))


def test_enabled_features_list_their_accounts_and_whether_personal_data_is_read(parts: CheckInputs) -> None:
    shipped = row_of(configured(parts, shipments=ShipmentSettings(enabled=True, unknown_carrier="reject")), "shipments")
    plain = row_of(configured(parts, orders=OrderSettings(enabled=True)), "orders")
    more = row_of(configured(parts, orders=OrderSettings(enabled=True, contacts=True, returns=True)), "orders")
    push = PushSettings(enabled=True, public_url="https://shop.example/push")
    heard = row_of(configured(parts, orders=OrderSettings(enabled=True), push=push), "push")

    assert shipped.reason == "enabled: account main; unknown carriers are REJECTED"
    assert plain.reason == "enabled: account main every 60s; no personal data, no returns"
    assert more.reason == "enabled: account main every 60s; also returns, PERSONAL DATA"
    assert heard.reason == "enabled: https://shop.example/push/<account> must lead to 127.0.0.1:8081"


def test_an_account_is_named_with_an_interval_of_its_own(parts: CheckInputs) -> None:
    main = parts.loaded.settings.accounts["main"]
    accounts = {"main": main, "slow": main.model_copy(update={"order_interval": 3600.0})}

    row = row_of(configured(parts, orders=OrderSettings(enabled=True), accounts=accounts), "orders")

    assert row.reason.startswith("enabled: accounts main every 60s, slow every 1h;")


def test_what_is_swept_is_reported_with_the_calls_and_the_time_that_a_million_units_take(parts: CheckInputs) -> None:
    targets = {
        "shop-de": TargetSettings(account="main", storefront="de"),
        "shop-at": TargetSettings(account="main", storefront="at"),
        "shop-cz": TargetSettings(account="main", storefront="cz", enabled=False),
    }

    row = row_of(configured(parts, reconcile=ReconcileSettings(enabled=True), targets=targets), "reconcile")

    assert row.reason == (
        "enabled: account main on at, de every 6h; 1,000,000 units are 10,001 calls: 100s at 100/s, "
        "1000s while events use the rest of the rate"
    )


@pytest.mark.parametrize(
    ("chosen", "says"),
    [("auto", "wait for it if that takes less time"), ("look-ups", 'cold_start = "auto" uses a sweep')],
)
def test_what_a_sweep_saves_at_a_cold_start_is_reported(
    parts: CheckInputs, chosen: Literal["auto", "look-ups"], says: str
) -> None:
    reconcile = ReconcileSettings(enabled=True, cold_start=chosen)
    row = row_of(configured(parts, reconcile=reconcile), "cold start")

    assert says in row.reason
    assert row.reason.endswith(
        "20,000 unknown EANs, of 100,000 units, are 1,001 calls (10s at 100/s) by a sweep and 20,000 (200s) by look-ups"
    )


def test_a_feature_that_no_account_uses_is_noted(parts: CheckInputs) -> None:
    account = AccountSettings(client_key_file=Path("c"), secret_key_file=Path("s"), orders=False)

    row = row_of(configured(parts, orders=OrderSettings(enabled=True), accounts={"main": account}), "orders")

    assert row.verdict is CheckStatus.NOTE
    assert "[accounts.NAME] orders = true" in row.remedy


@pytest.mark.parametrize(
    ("health", "says"),
    [
        (
            Health(reachable=False, authenticated=False, message="not reachable: ConnectError"),
            "can reach the marketplace",
        ),
        (Health(reachable=True, authenticated=False, message="wrong key (HTTP 401)"), "Settings > API Access"),
    ],
)
def test_an_unusable_account_is_reported_with_reason_and_remedy(parts: CheckInputs, health: Health, says: str) -> None:
    [row] = bad(check(replace(parts, marketplace=lambda account: health)))

    assert row.reason == health.message
    assert says in row.remedy


def test_a_storefront_that_the_account_does_not_have_fails(parts: CheckInputs) -> None:
    [row] = bad(check(replace(parts, marketplace=lambda account: replace(GOOD, storefronts=("at",)))))

    assert row.subject == "target shop-de"
    assert row.remedy == "the account sells on: at"


def test_a_target_that_differs_from_the_accepted_routing_fails(parts: CheckInputs) -> None:
    [row] = bad(check(replace(parts, moved=lambda: ["target shop-de: accepted as x; configured as y"])))

    assert row.subject == "routing"
    assert "--accept" in row.remedy


def test_a_clock_that_is_off_is_noted(parts: CheckInputs) -> None:
    rows = check(replace(parts, marketplace=lambda account: replace(GOOD, clock_skew_s=-95.0)))

    [clock] = [row for row in rows if row.subject == "account main, clock"]
    assert clock.verdict is CheckStatus.NOTE
    assert "NTP" in clock.remedy


def test_ignored_settings_are_in_the_report(parts: CheckInputs) -> None:
    loaded = replace(parts.loaded, ignored=("accounts.main.bulk_size: no effect",))

    assert any(row.subject == "accounts.main.bulk_size" for row in check(replace(parts, loaded=loaded)))


def test_the_report_says_how_many_failed(parts: CheckInputs) -> None:
    out = io.StringIO()
    console = Console(file=out, width=200)

    assert report(console, check(parts))
    assert not report(console, check(replace(parts, broker=StubBrokerQueries(down="gone"))))
    assert "Ready to run." in out.getvalue()
    assert "1 of " in out.getvalue()


def test_a_topic_that_may_not_be_described_is_reported_as_denied_and_not_as_missing(parts: CheckInputs) -> None:
    broker = StubBrokerQueries()
    broker.there[TOPICS.offer_results] = TopicDescription(partitions=0, allowed=frozenset())

    [row] = bad(check(replace(parts, broker=broker)))

    assert row.subject == TOPICS.offer_results
    assert row.reason == "this principal is denied: Write, DescribeConfigs; whether it exists is unknown"
    assert row.remedy == (
        "kafka-acls --bootstrap-server broker:9092 --add --allow-principal User:connector --operation Write "
        f"--operation DescribeConfigs --topic {TOPICS.offer_results}"
    )


def test_a_routing_topic_that_may_not_be_read_is_no_reason_to_accept_another_routing(parts: CheckInputs) -> None:
    broker = StubBrokerQueries()
    broker.there[TOPICS.routing] = replace(
        broker.there[TOPICS.routing], allowed=frozenset({"Describe", "Write", "DescribeConfigs"})
    )

    [row] = bad(check(replace(parts, broker=broker, moved=raising(NotPermitted("denied")))))

    assert (row.subject, row.reason) == (TOPICS.routing, "this principal is denied: Read")
    assert "--operation Read --topic" in row.remedy


@pytest.mark.parametrize("error", [NotPermitted("denied"), SourceFailed("no answer in time")])
def test_an_unreadable_routing_is_not_repaired_by_accepting_another(parts: CheckInputs, error: Exception) -> None:
    [row] = bad(check(replace(parts, moved=raising(error))))

    assert (row.subject, row.reason) == ("routing", str(error))
    assert "--accept" not in row.remedy


def test_a_group_that_may_not_be_joined_is_found_before_a_start(parts: CheckInputs) -> None:
    [row] = bad(check(replace(parts, broker=StubBrokerQueries(group=frozenset({"Describe"})))))

    assert (row.subject, row.reason) == ("group g", "this principal is denied: Read")
    assert row.remedy.endswith("--operation Read --group g")


def test_settings_that_may_not_be_read_are_a_note_with_the_permission(parts: CheckInputs) -> None:
    broker = StubBrokerQueries()
    broker.there[TOPICS.offer_state] = TopicDescription(partitions=8, allowed=frozenset({"Read", "Write", "Describe"}))

    rows = [row for row in check(replace(parts, broker=broker)) if row.subject == TOPICS.offer_state]

    assert [(row.verdict, row.reason) for row in rows] == [
        (CheckStatus.NOTE, "this principal is denied: DescribeConfigs")
    ]


def guard_rails(parts: CheckInputs, configured: Settings) -> list[tuple[CheckStatus, str]]:
    rows = check(replace(parts, loaded=replace(parts.loaded, settings=configured)))
    return [(row.verdict, row.reason) for row in rows if row.subject == "guard rails"]


def test_guard_rails_that_are_off_are_noted(parts: CheckInputs) -> None:
    assert guard_rails(parts, settings()) == [
        (CheckStatus.NOTE, "off: a source may set every offer to zero, and change every price, at once"),
        (CheckStatus.NOTE, "off for shop-de: a price is sent however far it is from the last one"),
    ]


def test_guard_rails_that_are_on_are_shown_with_their_limits(parts: CheckInputs) -> None:
    target = TargetSettings(account="main", storefront="de", price_step_pct=50, price_floor=Decimal(1))
    guards = GuardSettings(zeroed_share_pct=10)
    configured = settings().model_copy(update={"targets": {"shop-de": target}, "guards": guards})

    assert guard_rails(parts, configured) == [
        (CheckStatus.GOOD, "each source: 10 % set to zero in 600s"),
        (CheckStatus.GOOD, "shop-de: price step 50 %, floor 1"),
    ]


def daily_budgets(parts: CheckInputs, configured: Settings) -> list[tuple[CheckStatus, str]]:
    rows = check(replace(parts, loaded=replace(parts.loaded, settings=configured)))
    return [(row.verdict, row.reason) for row in rows if row.subject == "daily budget"]


def test_whether_there_is_a_daily_budget_is_shown_with_how_long_it_lasts(parts: CheckInputs) -> None:
    main = settings().accounts["main"]
    limited = main.model_copy(update={"requests_per_day": 50_000, "requests_per_second": 10.0})
    configured = settings().model_copy(update={"accounts": {"main": main, "other": limited}})

    assert daily_budgets(parts, configured) == [
        (CheckStatus.GOOD, "other: 50,000 calls a day (UTC), 2% of them for the command line; at 10/s they last 5000s"),
        (CheckStatus.GOOD, "off for main; requests_per_day of [accounts] limits the calls of a day"),
    ]


def test_json_has_every_check_with_its_status_and_whether_all_passed() -> None:
    good = CheckRow(subject="broker", verdict=CheckStatus.GOOD, reason="3 brokers")
    bad = CheckRow(subject="registry", verdict=CheckStatus.BAD, reason="no answer", remedy="start it")

    assert document([good]) == {
        "ready": True,
        "checks": [{"subject": "broker", "status": "ok", "reason": "3 brokers", "remedy": None}],
    }
    assert not document([good, bad])["ready"]
    assert document([good, bad])["checks"][1]["status"] == "failed"


def test_the_proxy_and_the_certificates_in_use_are_told_with_their_source_and_without_a_password(
    parts: CheckInputs,
) -> None:
    http = HttpSettings(proxy="http://me:s3cret@proxy:3128", no_proxy=("localhost",), ca_file=Path("ca.pem"))
    given = settings().model_copy(update={"http": http})
    loaded = replace(parts.loaded, settings=given, sources={"http.proxy": "HTTPS_PROXY"})

    (row,) = (row for row in check(replace(parts, loaded=loaded)) if row.subject == "http")

    assert row.reason == (
        "https through the proxy http://me:***@proxy:3128, but localhost directly; CA certificates of ca.pem "
        "(from HTTPS_PROXY of the environment)"
    )


def test_a_connection_that_fails_is_told_with_its_own_remedy(parts: CheckInputs) -> None:
    down = Health(reachable=False, authenticated=False, message="not reachable: it expired. Remedy: renew it")

    [row] = bad(check(replace(parts, marketplace=lambda _: down)))

    assert (row.reason, row.remedy) == ("not reachable: it expired.", "renew it")


# ---- traces ---------------------------------------------------------------------------------------------------------


def test_traces_that_are_on_are_reported_with_their_collector(parts: CheckInputs) -> None:
    given = settings().model_copy(update={"traces": TracesSettings(enabled=True, ratio=0.05)})
    loaded = replace(parts.loaded, settings=given, sources={"traces.endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT"})

    def row(collector: str) -> CheckRow:
        found = check(replace(parts, loaded=loaded, collector=lambda: collector))
        return next(row for row in found if row.subject == "traces")

    assert row("").verdict is CheckStatus.GOOD
    assert row("").reason == (
        "5% of the traces that begin here, to http://localhost:4318/v1/traces (from OTEL_EXPORTER_OTLP_ENDPOINT of the "
        "environment)"
    )
    silent = row("the collector does not answer (ConnectError)")
    assert silent.verdict is CheckStatus.NOTE, "the connector runs without it"
    assert silent.reason.endswith("does not answer (ConnectError)")
    assert not [row for row in check(parts) if row.subject == "traces"]


@pytest.mark.parametrize(
    ("rates", "verdict", "said"),
    [
        (
            {("PLN", "EUR"): Rate(value=Decimal("0.2337"), at_us=1_774_972_800_000_000, source="NBP")},
            CheckStatus.GOOD,
            "PLN/EUR 0.2337 of 2026-03-31T16:00:00Z (NBP)",
        ),
        (
            {("PLN", "EUR"): Rate(value=Decimal("0.2337"), at_us=1_774_540_800_000_000, source="NBP")},
            CheckStatus.NOTE,
            "PLN/EUR is older than 4d, or in the future: such prices are REJECTED; PLN/EUR 0.2337 of 2026-03-26",
        ),
        ({}, CheckStatus.NOTE, "no rate converts to EUR: such prices are REJECTED"),
    ],
)
def test_the_rates_of_a_target_are_told_and_those_that_are_too_old_noted(
    parts: CheckInputs, rates: dict[tuple[str, str], Rate], verdict: CheckStatus, said: str
) -> None:
    before, on = parts.loaded.settings, {"capabilities": (Capability.PRICES_CONVERT,)}
    accounts = {"main": before.accounts["main"].model_copy(update=on)}
    targets = {"shop-de": before.targets["shop-de"].model_copy(update={**on, "price_step_pct": Decimal(20)})}
    settings = before.model_copy(update={"accounts": accounts, "targets": targets})
    now_us = 1_774_972_800_000_000 + 3_600_000_000
    changed = replace(parts, loaded=replace(parts.loaded, settings=settings), rates=Rates(rates), now_us=now_us)

    [row] = [row for row in check(changed) if row.subject == "targets.shop-de.convert"]
    assert row.verdict is verdict
    assert row.reason.startswith(said)
    assert "first converted price" not in row.reason

    bare = settings.model_copy(update={"targets": {"shop-de": before.targets["shop-de"].model_copy(update=on)}})
    unguarded = replace(changed, loaded=replace(parts.loaded, settings=bare))
    [row] = [row for row in check(unguarded) if row.subject == "targets.shop-de.convert"]
    assert row.verdict is CheckStatus.NOTE
    assert "no guard rail judges the first converted price of an offer" in row.reason
