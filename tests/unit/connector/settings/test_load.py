"""Settings are loaded from a file and the environment, or fail with one message that has every problem."""

import contextlib
import math
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.contracts.topics import Access, Feature, manifest
from connector.kaufland.http.address import address
from connector.kaufland.http.credentials import Credentials
from connector.marketplace.offers import Condition
from connector.offers.policy import Locations, StockRule, WindowLimit
from connector.offers.rails import PriceLimits, Rail
from connector.settings.convert import allow_list, dry_run, offer_policy, pace, policy, topics
from connector.settings.duration import seconds, written
from connector.settings.load import Facts, Loaded, key_sources, load
from connector.settings.model import Guarantee
from connector.settings.show import digest, masked
from streams.errors import SettingsError
from streams.http.address_secrets import without_secrets
from streams.kafka.property_check import property_errors
from tests.harness.tls_certificates import CA

NOW = datetime(2026, 1, 31, 6, 0, tzinfo=UTC)
FACTS = Facts(
    storefronts={"de": "EUR", "at": "EUR", "cz": "CZK"},
    calls_per_second=111,
    bulk_limit=150,
    address=lambda account: address(account.base_url, playground=account.playground, dev=account.simulator),
    keys=lambda client_key, secret_key: Credentials(client_key, secret_key).notices,
    client=property_errors,
)
CLIENT_KEY = "canary-client-key-0123456789abcd"
SECRET_KEY = "canary-secret-key-" + "0123456789abcdef" * 2 + "0123456789abcd"

MINIMAL = """
[kafka]
bootstrap_servers = "127.0.0.1:9092"
group = "offers"
start = "earliest"
instance_id = "connector-0"
[registry]
url = "http://127.0.0.1:8081"
[accounts.main]
client_key_file = "client_key"
secret_key_file = "secret_key"
[targets.shop-de]
account = "main"
storefront = "de"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Returns a folder with the files of both keys."""
    (tmp_path / "client_key").write_text(CLIENT_KEY + "\n")
    (tmp_path / "secret_key").write_text(SECRET_KEY + "\n")
    return tmp_path


def read(folder: Path, text: str = MINIMAL, environ: Mapping[str, str] | None = None) -> Loaded:
    """Loads settings from a file with this text."""
    file = folder / "connector.toml"
    file.write_text(text)
    return load(file, environ or {}, NOW, lambda _over: FACTS)


def problems(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """Returns the problems that loading a file with this text reports."""
    with pytest.raises(SettingsError) as refused:
        read(folder, text, environ)
    return [line.strip() for line in str(refused.value).splitlines()[1:]]


def test_a_minimal_file_has_the_documented_defaults(folder: Path) -> None:
    settings = read(folder).settings

    assert settings.processing.guarantee is Guarantee.EXACTLY_ONCE_V2
    assert settings.accounts["main"].requests_per_second == 100
    assert settings.offers.mode == "batch"
    assert settings.accounts["main"].stock_sends_price == "never"
    assert settings.trust.stock == 6 * 3600
    assert settings.offers.not_found_grace == 60
    assert settings.log.bodies_until is None
    assert policy(settings.processing).lease_s == 4
    assert pace(settings.accounts["main"]).strict is False


def test_five_errors_are_five_lines_in_one_message(folder: Path) -> None:
    text = (
        MINIMAL.replace('start = "earliest"\n', "")
        .replace('storefront = "de"', 'storefront = "ger"')
        .replace('account = "main"', 'account = "mian"')
        .replace('group = "offers"', 'group = "offers"\ngruop = "x"')
        .replace("[targets.shop-de]", "requests_per_second = 0\n[targets.shop-de]")
    )

    found = problems(folder, text)

    assert len(found) == 5
    assert [line.partition(":")[0] for line in sorted(found)] == [
        "accounts.main.requests_per_second",
        "kafka.gruop",
        "kafka.start",
        "targets.shop-de.account",
        "targets.shop-de.storefront",
    ]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("group =", "gruop ="), "kafka.gruop: is not a setting; did you mean group?"),
        (("[registry]", "[registri]"), "registri: is not a setting; did you mean registry?"),
        (('start = "earliest"', 'start = "yesterday"'), "expected earliest, latest, or a time such as"),
        (('start = "earliest"', "start = 2026-01-31T06:00:00"), "expected earliest, latest, or a time such as"),
        (('storefront = "de"', 'storefront = "xx"'), "'xx' is not a storefront; known: at, cz, de"),
        (('storefront = "de"', 'storefront = "deu"'), "'deu' is not a storefront; known: at, cz, de"),
        (('account = "main"', 'account = "other"'), "'other' is not configured; [accounts] has: main"),
        (('"secret_key"', '"gone"'), "accounts.main: "),
        (('secret_key_file = "secret_key"', ""), "neither is set; expected either secret_key_file or CONNECTOR__"),
        (('secret_key_file = "secret_key"', 'secret_key = "x"'), "a secret must not be in this file"),
        (("[registry]", '[kafka.properties]\n"sasl.password" = "x"\n[registry]'), "properties_from_files"),
        (("[registry]", '[kafka.properties]\n"group.id" = "x"\n[registry]'), "is set by the connector itself"),
        (
            ("[registry]", '[kafka.properties]\n"sasl.mechanisn" = "PLAIN"\n[registry]'),
            'kafka.properties.sasl.mechanisn: No such configuration property: "sasl.mechanisn"',
        ),
        (
            ("[registry]", '[kafka.properties]\n"security.protocol" = "SASL_SSL"\n[registry]'),
            "kafka.properties: No provider for SASL mechanism GSSAPI",
        ),
        (
            ("[registry]", '[kafka.properties_from_files]\n"acks" = "secret_key"\n[registry]'),
            "kafka.properties_from_files.acks: is set by the connector itself",
        ),
        (("[registry]", '[processing]\nlease = "10s"\n[registry]'), "processing: lease_s + call_deadline_s must be"),
        (("[registry]", '[processing]\nlease = "soon"\n[registry]'), "processing.lease: 'soon': expected a duration"),
        (("[registry]", '[offers]\ndefault_target = "x"\n[registry]'), "'x' is not a target; [targets] has: shop-de"),
        (("[registry]", "[log]\nbodies_until = 2026-01-31T07:00:01Z\n[registry]"), "more than an hour ahead"),
        (("[registry]", "[log]\nbodies_until = 2026-01-31T06:00:00\n[registry]"), "has no offset from UTC"),
        (("[targets", "requests_per_second = 112\n[targets"), "112.0 is above the API's limit; expected at most 111"),
        (
            ("[targets", "[offers]\nbulk_size = 151\n[targets"),
            "offers.bulk_size: 151 is above the API's limit; expected at most 150",
        ),
        (("[targets", "[offers]\nbulk_size = 0\n[targets"), "offers.bulk_size: 0"),
        (("[targets", "buffer_pct = 101\n[targets"), "accounts.main.buffer_pct: 101"),
        (("[registry]", "[offers]\nmax_stock = -1\n[registry]"), "offers.max_stock: -1"),
        (("[registry]", '[offers]\nnegative_stock = "ignore"\n[registry]'), "offers.negative_stock: 'ignore'"),
        (
            ("[targets", 'base_url = "https://evil.test/v2"\n[targets'),
            "is not allowed; allowed are https://sellerapi.kaufland.com/v2",
        ),
        (("[targets", "simulator = true\n[targets"), "accounts.main.simulator: requires base_url"),
        (("[targets", "rate = {floor_per_second = 200}\n[targets"), "200.0 is above requests_per_second"),
        (("[targets", "requests_per_day = 99\n[targets"), "accounts.main.requests_per_day: 99"),
        (
            ("[targets", 'day_time_zone = "Mars"\n[targets'),
            "accounts.main.day_time_zone: 'Mars' is not a time zone that this machine knows",
        ),
        (("[targets.shop-de]", "[accounts.idle]\n[targets.shop-de]"), "accounts.idle: no target uses it"),
        (("[targets.shop-de]\n", "[targets.b]\naccount='main'\nstorefront='DE'\n[targets.shop-de]\n"), "both mean"),
    ],
)
def test_each_problem_names_setting_fault_and_expectation(folder: Path, change: tuple[str, str], line: str) -> None:
    found = problems(folder, MINIMAL.replace(*change))

    assert any(line in problem for problem in found), found


def test_a_daily_budget_is_off_unless_it_is_set(folder: Path) -> None:
    text = MINIMAL.replace("[targets", 'requests_per_day = 50_000\nday_time_zone = "Europe/Berlin"\n[targets')
    quota = pace(read(folder, text).settings.accounts["main"]).quota

    assert quota is not None
    assert quota.calls == 50_000
    assert pace(read(folder).settings.accounts["main"]).quota is None


def test_a_day_without_a_budget_has_no_effect(folder: Path) -> None:
    text = MINIMAL.replace("[targets", 'day_time_zone = "UTC"\n[targets')

    assert read(folder, text).ignored == ("accounts.main.day_time_zone: no effect while requests_per_day is not set",)


def test_more_budgets_than_the_offsets_have_room_for_are_refused(folder: Path) -> None:
    accounts = "".join(
        f"[accounts.seller-{number}]\nrequests_per_day = 1000\n[targets.t-{number}]\naccount = 'seller-{number}'\n"
        f"storefront = 'de'\n"
        for number in range(20)
    )
    found = problems(folder, MINIMAL + accounts)

    assert any("20 accounts have requests_per_day, too many for one group" in problem for problem in found), found


def test_rules_of_stock_are_read_for_each_target_and_attribute(folder: Path) -> None:
    text = MINIMAL.replace("[targets", "buffer_pct = 10\n[targets") + (
        "keep = 2\nshow_at_most = 50\n"
        '[[targets.shop-de.stock_rules]]\nwhen = { brand = "Acme", class = "bulky" }\nkeep = 9\n'
        '[[targets.shop-de.stock_rules]]\nwhen = { brand = "Acme" }\nbuffer_pct = 0\n'
        '[targets.shop-at]\naccount = "main"\nstorefront = "at"\nbuffer_pct = 20\n'
        '[offers]\nnegative_stock = "reject"\nmax_stock = 999\nstock_above_max = "reject"\n'
    )

    settings = read(folder, text).settings
    policy = offer_policy(settings)

    rules = policy.stock_rules["shop-de"]
    assert rules.of({}) == StockRule(buffer_pct=10, keep=2, show_at_most=50)
    assert rules.of({"brand": "Acme", "class": "bulky"}) == StockRule(buffer_pct=10, keep=9, show_at_most=50)
    assert rules.of({"brand": "Acme"}) == StockRule(buffer_pct=0, keep=2, show_at_most=50)
    assert policy.stock_rules["shop-at"].of({}) == StockRule(buffer_pct=20)
    assert (policy.negative_stock, policy.max_stock, policy.stock_above_max) == ("reject", 999, "reject")
    shown = dict(masked(settings))
    assert shown["targets.shop-de.stock_rules.0.when.brand"] == "Acme"
    assert shown["targets.shop-de.stock_rules.0.keep"] == "9"


def test_guard_rails_are_read_for_each_target_attribute_and_window(folder: Path) -> None:
    text = MINIMAL + (
        'price_step_pct = 50\nprice_floor = "1.50"\n'
        '[[targets.shop-de.price_limits]]\nwhen = { brand = "Acme" }\nprice_step_pct = 20\nprice_ceiling = 99\n'
        '[targets.shop-at]\naccount = "main"\nstorefront = "at"\n'
        "[guards]\nzeroed_share_pct = 10\nzeroed_window = '5m'\n"
    )

    settings = read(folder, text).settings
    policy = offer_policy(settings)

    rails = policy.price_rails["shop-de"]
    assert rails.of({}) == PriceLimits(step_pct=50, floor=Decimal("1.50"))
    assert rails.of({"brand": "Acme"}) == PriceLimits(step_pct=20, floor=Decimal("1.50"), ceiling=Decimal(99))
    assert "shop-at" not in policy.price_rails
    assert policy.window_limits == {Rail.ZEROED_SHARE: WindowLimit(share_pct=10, at_least=20, window_s=300)}
    assert dict(masked(settings))["targets.shop-de.price_floor"] == '"1.50"'
    assert offer_policy(read(folder, MINIMAL).settings).window_limits == {}


def test_guard_rails_that_exclude_each_other_or_never_apply_are_named(folder: Path) -> None:
    text = MINIMAL + (
        "price_floor = 5\nprice_ceiling = 4\n"
        '[[targets.shop-de.price_limits]]\nwhen = { brand = "Acme" }\n'
        '[[targets.shop-de.price_limits]]\nwhen = { brand = "Acme", class = "A" }\nprice_ceiling = 9\n'
        "[guards]\nzeroed_share_pct = 0\n"
    )

    found = problems(folder, text)

    said = "\n".join(found)
    assert "targets.shop-de.price_floor: 5 is above price_ceiling, which is 4" in said
    assert "sets none of price_step_pct, price_floor and price_ceiling" in said
    assert "targets.shop-de.price_limits.1: never applies" in said
    assert "guards.zeroed_share_pct" in said


def test_stock_rules_that_leave_nothing_to_sell_are_reported(folder: Path) -> None:
    text = MINIMAL + (
        "keep = 50\n"
        '[[targets.shop-de.stock_rules]]\nwhen = { brand = "Acme" }\nshow_at_most = 0\n'
        '[[targets.shop-de.stock_rules]]\nwhen = { class = "bulky" }\nkeep = 49\n'
        '[targets.shop-at]\naccount = "main"\nstorefront = "at"\nbuffer_pct = 100\n'
        "[offers]\nmax_stock = 50\n"
    )

    said = [w.partition(":")[0] for w in read(folder, text).warnings if w.startswith("targets.")]

    assert said == [
        "targets.shop-de.keep", "targets.shop-de.stock_rules.0.show_at_most", "targets.shop-at.buffer_pct",
    ]  # fmt: skip
    assert "offers.max_stock: 0 takes every offer off sale" in str(
        read(folder, MINIMAL + "[offers]\nmax_stock = 0\n").warnings
    )


def test_every_problem_of_the_rules_of_stock_is_named_in_one_message(folder: Path) -> None:
    text = MINIMAL + (
        "keep = -1\n"
        "[[targets.shop-de.stock_rules]]\nwhen = {}\nkeep = 1\n"
        '[[targets.shop-de.stock_rules]]\nwhen = { brand = "Acme" }\nkep = 1\n'
        '[[targets.shop-de.stock_rules]]\nwhen = { brand = "Acme" }\nbuffer_pct = 101\n'
        '[targets.shop-at]\naccount = "main"\nstorefront = "at"\n'
        '[[targets.shop-at.stock_rules]]\nwhen = { brand = "Acme" }\n'
        '[[targets.shop-at.stock_rules]]\nwhen = { class = "bulky", brand = "Acme" }\nkeep = 1\n'
    )

    found = sorted(problems(folder, text))

    assert [line.partition(": ")[0] for line in found] == [
        "targets.shop-at.stock_rules.0",
        "targets.shop-at.stock_rules.1",
        "targets.shop-de.keep",
        "targets.shop-de.stock_rules.0.when",
        "targets.shop-de.stock_rules.1.kep",
        "targets.shop-de.stock_rules.2.buffer_pct",
    ]
    assert "did you mean keep?" in found[4]
    assert "never applies" in found[1]


def test_with_the_playground_on_production_is_refused_as_an_address(folder: Path) -> None:
    text = MINIMAL.replace("[targets", 'playground = true\nbase_url = "https://sellerapi.kaufland.com/v2"\n[targets')

    assert "playground mode is on, and the base address is that of production" in problems(folder, text)[0]


def test_a_problem_in_an_account_does_not_make_its_targets_look_wrong(folder: Path) -> None:
    found = problems(folder, MINIMAL.replace("[targets", 'stock_sends_price = "x"\n[targets'))

    assert len(found) == 1
    assert found[0].startswith("accounts.main.stock_sends_price: 'x'")


def test_rules_over_several_settings_are_checked_despite_other_problems(folder: Path) -> None:
    account = 'base_url = "https://example.com"\nrequests_per_secnd = 5\nrequests_per_second = 200\n'
    text = (
        MINIMAL.replace("[targets.shop-de]", f"{account}[targets.shop-de]")
        .replace('storefront = "de"', 'storefront = "ger"\nprice_sync = "perhaps"')
        .replace('start = "earliest"', 'start = "whenever"\nproperties = {"group.id" = "other"}')
    )
    text += '[processing]\nlease = "20s"\nread_ahead = 0\n[offers]\nbulk_size = 151\nmode = "bulk"\n'

    found = problems(folder, text)

    assert sorted(line.partition(":")[0] for line in found) == [
        "accounts.main.base_url",
        "accounts.main.requests_per_secnd",
        "accounts.main.requests_per_second",
        "kafka.properties.group.id",
        "kafka.start",
        "offers.bulk_size",
        "offers.mode",
        "processing",
        "processing.read_ahead",
        "targets.shop-de.price_sync",
        "targets.shop-de.storefront",
    ]


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        (
            ("[targets.shop-de]", '[processing]\nsession = "soon"\nlease = "20s"\n[targets.shop-de]'),
            "processing.session",
        ),
        (('storefront = "de"', "storefront = 7"), "targets.shop-de.storefront"),
        (('account = "main"\n', "account = 7\n"), "targets.shop-de.account"),
        (("[targets.shop-de]", "base_url = 7\nsimulator = true\n[targets.shop-de]"), "accounts.main.base_url"),
        (('secret_key_file = "secret_key"', "secret_key_file = 7"), "accounts.main.secret_key_file"),
    ],
)
def test_an_invalid_value_causes_no_further_problems(folder: Path, change: tuple[str, str], setting: str) -> None:
    (only,) = problems(folder, MINIMAL.replace(*change))

    assert only.startswith(f"{setting}: ")


def test_an_unreadable_file_is_the_only_problem_reported(folder: Path) -> None:
    (folder / "broken.toml").write_text("[kafka\n")

    for name, says in {"gone.toml": "cannot be read: No such file", "broken.toml": "is not TOML: "}.items():
        with pytest.raises(SettingsError, match=f"{name} {says}") as refused:
            load(folder / name, {}, NOW, lambda _over: FACTS)
        assert "is missing" not in str(refused.value)


def test_without_any_configuration_every_needed_setting_is_named() -> None:
    with pytest.raises(SettingsError) as refused:
        load(None, {}, NOW, lambda _over: FACTS)

    text = str(refused.value)
    assert "--config" in text.splitlines()[0]
    for setting in ("kafka.bootstrap_servers", "kafka.group", "kafka.start", "registry.url", "accounts", "targets"):
        assert f"  {setting}: " in text


def test_the_environment_overrides_the_file(folder: Path) -> None:
    environ = {
        "CONNECTOR__KAFKA__BOOTSTRAP_SERVERS": "broker:9092",
        "CONNECTOR__ACCOUNTS__MAIN__RATE__STRICT": "true",
        "CONNECTOR__ACCOUNTS__MAIN__REQUESTS_PER_SECOND": "50",
        "CONNECTOR__TARGETS__SHOP_DE__STOREFRONT": "AT",
        "CONNECTOR__KAFKA__PROPERTIES": '{"security.protocol": "SSL"}',
        "CONNECTOR__TRUST__PRICE": "inf",
        "HOME": "/nowhere",
    }

    settings = read(folder, environ=environ).settings

    assert settings.kafka.bootstrap_servers == "broker:9092"
    assert settings.accounts["main"].rate.strict is True
    assert settings.accounts["main"].requests_per_second == 50
    assert settings.targets["shop-de"].storefront == "at"
    assert settings.kafka.properties == {"security.protocol": "SSL"}
    assert settings.trust.price == math.inf


def test_properties_of_librdkafka_may_be_written_with_or_without_quotes(folder: Path) -> None:
    (folder / "password").write_text("p")
    written = """[kafka.properties]
"fetch.wait.max.ms" = 10
sasl.mechanism = "PLAIN"
[kafka.properties_from_files]
sasl.password = "password"
[registry]"""

    kafka = read(folder, MINIMAL.replace("[registry]", written)).settings.kafka

    assert kafka.properties == {"fetch.wait.max.ms": 10, "sasl.mechanism": "PLAIN"}
    assert kafka.properties_from_files == {"sasl.password": folder / "password"}


def test_misspelt_client_properties_are_in_the_list_with_all_other_problems(folder: Path) -> None:
    misspelt = """[kafka.properties]
ssl.ca.locaton = "/x"
security.protocol = "SSLX"
[registry]"""
    text = MINIMAL.replace("[registry]", misspelt).replace('start = "earliest"', 'start = "yesterday"')

    found = problems(folder, text)

    named = [line.partition(":")[0] for line in found]
    assert sorted(named) == ["kafka.properties.security.protocol", "kafka.properties.ssl.ca.locaton", "kafka.start"]


def test_a_refused_value_from_a_file_is_not_repeated(folder: Path) -> None:
    (folder / "protocol").write_text("canary-protocol")

    [line] = problems(
        folder,
        MINIMAL.replace("[registry]", '[kafka.properties_from_files]\nsecurity.protocol = "protocol"\n[registry]'),
    )

    assert "kafka.properties_from_files.security.protocol: Invalid value" in line
    assert "canary" not in line


def test_a_property_that_is_no_plain_value_is_one_problem(folder: Path) -> None:
    found = problems(folder, MINIMAL.replace("[registry]", "[kafka.properties]\ndebug = ['all']\n[registry]"))

    assert found == ["kafka.properties.debug: ['all']: expected text, a number, true or false."]


def test_a_password_without_quotes_is_refused_like_one_with(folder: Path) -> None:
    found = problems(folder, MINIMAL.replace("[registry]", '[kafka.properties]\nsasl.password = "canary"\n[registry]'))

    assert "kafka.properties.sasl.password: a secret must not be in this file" in found[0]
    assert "canary" not in str(found)


def test_the_address_of_a_token_endpoint_is_no_secret_unless_it_has_a_password(folder: Path) -> None:
    def with_url(url: str) -> str:
        return MINIMAL.replace(
            "[registry]", f'[kafka.properties]\nsasl.oauthbearer.token.endpoint.url = "{url}"\n[registry]'
        )

    assert read(folder, with_url("https://idp.internal/token")).settings.kafka.properties
    [found] = problems(folder, with_url("https://me:canary@idp.internal/token"))
    assert "a secret must not be in this file" in found
    assert "canary" not in found


def test_a_typing_error_in_the_environment_is_refused_too(folder: Path) -> None:
    found = problems(folder, MINIMAL, {"CONNECTOR__KAFKAA__GROUP": "x", "CONNECTOR__KAFKA__GROPU": "x"})

    assert "kafkaa: is not a setting; did you mean kafka?" in found
    assert "kafka.gropu: is not a setting; did you mean group?" in found


def test_a_secret_comes_from_a_file_or_the_environment(folder: Path) -> None:
    text = MINIMAL.replace('secret_key_file = "secret_key"', "")

    account = read(folder, text, {"CONNECTOR__ACCOUNTS__MAIN__SECRET_KEY": SECRET_KEY}).settings.accounts["main"]

    client_key, secret_key = key_sources(account)
    assert (client_key().strip(), secret_key().strip()) == (CLIENT_KEY, SECRET_KEY)


def test_a_secret_given_twice_is_refused(folder: Path) -> None:
    found = problems(folder, MINIMAL, {"CONNECTOR__ACCOUNTS__MAIN__SECRET_KEY": SECRET_KEY})

    assert "both are set" in found[0]


@pytest.mark.parametrize("key", ["", "two words", "schlüssel", "a\tb"])
def test_a_key_that_could_never_sign_is_refused_without_being_shown(folder: Path, key: str) -> None:
    text = MINIMAL.replace('secret_key_file = "secret_key"', "")

    [problem] = problems(folder, text, {"CONNECTOR__ACCOUNTS__MAIN__SECRET_KEY": key})

    assert problem.startswith("accounts.main: secret key")
    assert not key or key not in problem


def test_an_unusual_length_of_a_key_only_warns(folder: Path) -> None:
    (folder / "client_key").write_text("k" * 31)

    assert "accounts.main: client key has 31 characters, usual are 32" in read(folder).warnings


def test_relative_paths_are_meant_from_the_folder_of_the_file(folder: Path) -> None:
    assert read(folder).settings.accounts["main"].secret_key_file == folder / "secret_key"


def test_settings_without_effect_are_reported(folder: Path) -> None:
    text = (
        MINIMAL.replace("[targets", '[offers]\nmode = "single"\nbulk_size = 10\n[targets')
        + "enabled = false\nprice_sync = false\n"
    )

    ignored = read(folder, text + "[log]\nbodies_until = 2026-01-30T06:00:00Z\n").ignored

    assert ignored == (
        'offers.bulk_size: no effect while offers.mode = "single"',
        "targets.shop-de: price_sync and allow_eans_file have no effect while enabled = false",
        "log.bodies_until: is in the past; no bodies are logged",
    )


def test_no_secret_is_shown_anywhere(folder: Path) -> None:
    (folder / "sasl").write_text("canary-password")
    text = MINIMAL.replace("[registry]", '[kafka.properties_from_files]\n"sasl.password" = "sasl"\n[registry]')
    text = text.replace('secret_key_file = "secret_key"', "")

    loaded = read(folder, text, {"CONNECTOR__ACCOUNTS__MAIN__SECRET_KEY": SECRET_KEY})

    shown = "\n".join(
        [repr(loaded), str(loaded), repr(loaded.settings.model_dump()), str(dict(masked(loaded.settings)))]
    )
    assert "canary" not in shown
    assert "sha256:" in dict(masked(loaded.settings))["accounts.main.secret_key"]


def test_a_password_in_the_address_of_the_registry_comes_from_the_environment_and_is_not_shown(folder: Path) -> None:
    url = "https://reader:canary@registry:8081/apis"
    in_file = MINIMAL.replace('[registry]\nurl = "http://', '[registry]\nurl = "http://reader:canary@')
    assert in_file != MINIMAL

    (said,) = problems(folder, in_file)
    shown = dict(masked(read(folder, environ={"CONNECTOR__REGISTRY__URL": url}).settings))

    assert "CONNECTOR__REGISTRY__URL" in said
    assert "canary" not in said
    assert shown["registry.url"] == "https://reader:***@registry:8081/apis"


def test_a_problem_beside_a_secret_does_not_repeat_it(folder: Path) -> None:
    found = problems(
        folder, MINIMAL, {"CONNECTOR__ACCOUNTS__MAIN__SECRET_KEY__X": "canary", "CONNECTOR__KAFKA__START": ""}
    )

    assert "canary" not in str(found)


def test_the_digest_is_of_what_the_group_shares(folder: Path) -> None:
    ours = digest(read(folder).settings)

    assert digest(read(folder, environ={"CONNECTOR__KAFKA__INSTANCE_ID": "connector-1"}).settings) == ours
    assert digest(read(folder, environ={"CONNECTOR__HEALTH__PORT": "0"}).settings) == ours
    assert digest(read(folder, environ={"CONNECTOR__TRUST__PRICE": "0"}).settings) != ours


def test_an_allow_list_is_read_in_any_form_of_an_ean_and_refused_for_what_is_none(folder: Path) -> None:
    (folder / "good").write_text("4006381333931\n036000291452\n")
    (folder / "bad").write_text("4006381333932\n")

    assert read(folder, MINIMAL + 'allow_eans_file = "good"\n').settings.targets["shop-de"].allow_eans_file
    assert allow_list((folder / "good").read_text()) == {"4006381333931", "0036000291452"}
    assert (
        "its check digit is 1; expected one EAN per line" in problems(folder, MINIMAL + 'allow_eans_file = "bad"\n')[0]
    )
    assert "cannot be read" in problems(folder, MINIMAL + 'allow_eans_file = "gone"\n')[0]


def test_a_file_of_carriers_is_read_and_its_fault_is_a_problem(folder: Path) -> None:
    (folder / "good.toml").write_text('"DHL Paket" = "DHL"\n')
    (folder / "bad.toml").write_text('"DHL Paket" = 3\n')
    table = "[shipments]\ncarriers_file = "

    assert read(folder, f'{MINIMAL}\n{table}"good.toml"\n').settings.shipments.carriers_file == folder / "good.toml"
    [fault] = problems(folder, f'{MINIMAL}\n{table}"bad.toml"\n')
    assert fault.startswith("shipments.carriers_file: ")
    assert "bad.toml' is not valid: 'DHL Paket' = 3: expected" in fault
    [gone] = problems(folder, f'{MINIMAL}\n{table}"gone.toml"\n')
    assert "gone.toml' cannot be read: No such file or directory" in gone


def test_a_file_of_overrides_is_read_for_the_targets_and_its_faults_are_a_problem(folder: Path) -> None:
    header = "ean,target,floor_price,currency,hold\n"
    (folder / "good.csv").write_text(f"{header}4006381333931,shop-de,9.99,EUR,\n")
    (folder / "bad.csv").write_text(f"{header}4006381333931,shop-de,9.99,CZK,\n1,,,,\n")
    table = "[mappings]\noverrides_file = "

    assert read(folder, f'{MINIMAL}\n{table}"good.csv"\n').settings.mappings.overrides_file == folder / "good.csv"
    [fault] = problems(folder, f'{MINIMAL}\n{table}"bad.csv"\n')
    assert fault.startswith("mappings.overrides_file: ")
    assert "bad.csv' is not valid: line 2: currency 'CZK' is not that of the target: EUR; line 3: '1' has 1" in fault
    [gone] = problems(folder, f'{MINIMAL}\n{table}"gone.csv"\n')
    assert "gone.csv' cannot be read: No such file or directory" in gone


def test_reference_data_of_a_file_adds_storefronts_and_its_fault_is_one_problem_among_others(folder: Path) -> None:
    (folder / "reference.json").write_text("{}")

    def facts_of(over: Path | None) -> Facts:
        if over is None:
            return FACTS
        if over != folder / "reference.json":
            raise FileNotFoundError(2, "No such file or directory")
        return replace(FACTS, storefronts={**FACTS.storefronts, "ro": "RON"})

    file = folder / "connector.toml"
    romanian = MINIMAL.replace('storefront = "de"', 'storefront = "ro"')
    file.write_text(f'{romanian}\n[mappings]\nreference_file = "reference.json"\n')
    assert load(file, {}, NOW, facts_of).settings.targets["shop-de"].storefront == "ro"

    file.write_text(f'{romanian}\n[mappings]\nreference_file = "gone.json"\n')
    with pytest.raises(SettingsError) as refused:
        load(file, {}, NOW, facts_of)
    assert "mappings.reference_file: " in str(refused.value)
    assert "gone.json' cannot be read: No such file or directory" in str(refused.value)
    assert "targets.shop-de.storefront: 'ro' is not a storefront" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "environ", "carriers"),
    [
        ("", {}, ("Other", "Other Hauler")),
        ('untracked_carriers = ["Other", "Deutsche Post"]\n', {}, ("Other", "Deutsche Post")),
        ("untracked_carriers = []\n", {}, ()),
        ("", {"CONNECTOR__SHIPMENTS__UNTRACKED_CARRIERS": "Other, Deutsche Post"}, ("Other", "Deutsche Post")),
    ],
)
def test_carriers_that_need_no_tracking_number_are_a_list_in_the_file_and_a_text_with_commas_in_the_environment(
    folder: Path, text: str, environ: dict[str, str], carriers: tuple[str, ...]
) -> None:
    loaded = read(folder, f"{MINIMAL}\n[shipments]\n{text}", environ).settings

    assert loaded.shipments.untracked_carriers == carriers
    shown = dict(masked(loaded)).get("shipments.untracked_carriers", "")
    assert shown == ", ".join(carriers)


def test_a_default_condition_is_one_of_the_contract(folder: Path) -> None:
    settings = read(folder, environ={"CONNECTOR__OFFERS__DEFAULT_CONDITION": "USED_GOOD"}).settings

    assert settings.offers.default_condition is Condition.USED_GOOD
    assert "default_condition" in problems(folder, MINIMAL, {"CONNECTOR__OFFERS__DEFAULT_CONDITION": "good"})[0]


def test_stocks_of_locations_are_refused_unless_they_are_to_be_summed_up(folder: Path) -> None:
    summed = read(folder, environ={"CONNECTOR__OFFERS__LOCATIONS": "sum"}).settings

    assert offer_policy(read(folder).settings).locations is Locations.REFUSE
    assert offer_policy(summed).locations is Locations.SUM
    assert "offers.locations" in problems(folder, MINIMAL, {"CONNECTOR__OFFERS__LOCATIONS": "first"})[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("250ms", 0.25),
        ("60s", 60),
        ("5m", 300),
        ("6h", 21_600),
        ("7d", 604_800),
        ("1.5", 1.5),
        (2, 2),
        ("inf", math.inf),
    ],
)
def test_durations_are_read_as_people_write_them(text: str | int, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("duration_s", "expected"),
    [
        (0, "0s"),
        (0.05, "50ms"),
        (0.0005, "0.5ms"),
        (1.5, "1.5s"),
        (60, "60s"),
        (90, "90s"),
        (21_600, "6h"),
        (86_400, "1d"),
        (90_000, "25h"),
        (1_234_567, "1234567s"),
        (math.inf, "inf"),
    ],
)
def test_durations_are_shown_as_people_write_them(duration_s: float, expected: str) -> None:
    assert written(duration_s) == expected


@given(st.integers(min_value=0, max_value=10**12).map(lambda ms: ms / 1000))
def test_a_duration_that_is_shown_is_read_back(duration_s: float) -> None:
    assert seconds(written(duration_s)) == pytest.approx(duration_s)


def test_settings_are_shown_as_a_person_would_write_them(folder: Path) -> None:
    interval = {"CONNECTOR__ACCOUNTS__MAIN__ORDER_INTERVAL": "5m"}

    shown = dict(masked(read(folder, environ=interval).settings))

    assert shown["accounts.main.order_interval"] == "300s"
    assert shown["processing.checkpoint_min"] == "50ms"
    assert shown["orders.interval"] == "60s"
    assert shown["trust.price"] == "7d"
    assert shown["accounts.main.rate.linger"] == "0s"
    assert shown["orders.lookback_days"] == "30"


@given(st.one_of(st.text(), st.floats(max_value=-0.001), st.booleans(), st.none(), st.binary()))
def test_any_invalid_duration_raises_a_value_error(text: object) -> None:
    with contextlib.suppress(ValueError):
        assert seconds(text) >= 0


@given(st.text(max_size=200))
def test_no_file_content_crashes_the_reader(text: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "connector.toml"
        file.write_text(text, encoding="utf-8", errors="surrogateescape")
        with pytest.raises(SettingsError):
            load(file, {}, NOW, lambda _over: FACTS)


def test_settings_of_a_disabled_feature_are_reported_as_without_effect(folder: Path) -> None:
    text = MINIMAL + '[orders]\ninterval = "30s"\n[push]\nenabled = true\npublic_url = "https://push.example"\n'
    text += '[reconcile]\nenabled = true\nstock = "repair"\nrepair_lower_stock = true\n'

    off = read(folder, text).ignored
    on = read(folder, text.replace("[orders]\n", '[orders]\nenabled = true\ndefault_customer_number = "7"\n')).ignored

    assert off == (
        "orders.interval: no effect while orders.enabled = false",
        "reconcile.repair_lower_stock: no effect while orders.enabled = false",
        "push: no effect while orders.enabled = false",
    )
    assert on == ("orders.default_customer_number: no effect while orders.create_sales_orders = false",)


def test_sources_with_their_own_order_are_reported_with_its_requirements(folder: Path) -> None:
    text = MINIMAL + '[offers]\norder_by_source = { erp = "sequence", wms = "event_time", " pim" = "log" }\n'

    loaded = read(folder, text)

    assert 'offers.order_by_source."wms": no effect, because offers.order is "event_time" already' in loaded.ignored
    said = "\n".join(loaded.warnings)
    assert 'offers.order_by_source." pim": the name is empty or has leading or trailing spaces' in said
    assert "must match the source in the events exactly ( pim, erp, wms)" in said
    assert "events without a sequence are REJECTED (SEQUENCE_MISSING)" in said
    assert not [line for line in read(folder).warnings if "order" in line]


def test_push_requires_a_public_url(folder: Path) -> None:
    [problem] = problems(folder, MINIMAL + "[push]\nenabled = true\n")

    assert problem.startswith("push.public_url: is missing")


def test_personal_data_that_is_switched_on_is_warned_of(folder: Path) -> None:
    on = read(folder, MINIMAL + "[orders]\nenabled = true\ncontacts = true\n").warnings

    assert [line for line in on if line.startswith("orders.contacts: personal data")]
    assert not [line for line in read(folder).warnings if "personal data" in line]


def test_a_dry_run_reads_the_live_inputs_writes_its_own_topics_and_polls_no_orders(folder: Path) -> None:
    settings = read(folder, MINIMAL + "[orders]\nenabled = true\n[shipments]\nenabled = true\n").settings

    live, dry = topics(settings), topics(dry_run(settings))

    assert Feature.ORDERS in live.features
    assert dry.features == {Feature.OFFERS, Feature.SHIPMENTS}
    assert (dry.offer_changes, dry.shipments) == (live.offer_changes, live.shipments)
    written = {topic.name for topic in manifest(dry) if topic.access is not Access.READ}
    assert written & {topic.name for topic in manifest(live)} == {live.routing, live.unit_owners}


def test_proxy_and_certificates_of_the_environment_count_where_no_setting_says_otherwise(folder: Path) -> None:
    environ = {
        "SSL_CERT_FILE": str(CA),
        "HTTPS_PROXY": "http://me:s3cret@proxy.test:3128",
        "NO_PROXY": ".svc, 10.0.0.0/8 registry.internal",
    }

    loaded = read(folder, environ=environ)

    http = loaded.settings.http
    assert (http.ca_file, http.proxy) == (CA, environ["HTTPS_PROXY"])
    assert http.no_proxy == (".svc", "10.0.0.0/8", "registry.internal", "localhost", "127.0.0.0/8", "::1")
    assert loaded.sources == {"http.ca_file": "SSL_CERT_FILE", "http.proxy": "HTTPS_PROXY", "http.no_proxy": "NO_PROXY"}
    shown = dict(masked(loaded.settings))
    assert shown["http.proxy"] == "http://me:***@proxy.test:3128"
    assert "s3cret" not in str(shown)


def test_settings_of_proxy_and_certificates_win_over_the_environment(folder: Path) -> None:
    environ = {"SSL_CERT_FILE": "/nowhere", "https_proxy": "http://other:1", "no_proxy": "*"}
    (folder / "ca.pem").write_bytes(CA.read_bytes())
    text = MINIMAL + '[http]\nca_file = "ca.pem"\nproxy = "http://proxy:3128"\nno_proxy = ["registry"]\n'

    loaded = read(folder, text, environ)

    http = loaded.settings.http
    assert (http.ca_file, http.proxy, http.no_proxy) == (folder / "ca.pem", "http://proxy:3128", ("registry",))
    assert loaded.sources == {}


def test_a_proxy_of_the_settings_is_used_for_this_machine_too_unless_the_environment_lists_it(folder: Path) -> None:
    text = MINIMAL + '[http]\nproxy = "http://proxy:3128"\n'

    assert read(folder, text).settings.http.no_proxy == ()
    assert read(folder, text, {"NO_PROXY": "localhost"}).settings.http.no_proxy == ("localhost",)


def test_none_means_no_proxy_whatever_the_environment_says(folder: Path) -> None:
    loaded = read(folder, MINIMAL + '[http]\nproxy = "none"\n', {"HTTPS_PROXY": "proxy:1", "NO_PROXY": "x"})

    assert (loaded.settings.http.proxy, loaded.settings.http.no_proxy, loaded.sources) == ("none", (), {})


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"HTTPS_PROXY": "socks5://me:s3cret@proxy"}, "http.proxy (from HTTPS_PROXY): socks5:// is not supported"),
        ({"HTTPS_PROXY": "proxy:1", "NO_PROXY": "a@b"}, "http.no_proxy (from NO_PROXY): 'a@b' is neither"),
        ({"SSL_CERT_FILE": "/nowhere/ca"}, "http.ca_file (from SSL_CERT_FILE): '/nowhere/ca' cannot be read: No such"),
        ({"REQUESTS_CA_BUNDLE": __file__}, f"http.ca_file (from REQUESTS_CA_BUNDLE): {__file__}: no CA certificates"),
        ({"CONNECTOR__HTTP__PROXY": "x://y"}, "http.proxy: x:// is not supported"),
        ({"CONNECTOR__HTTP__PROXY_PASSWORD_FILE": "none"}, "http.proxy_password_file: "),
    ],
)
def test_a_wrong_proxy_or_file_is_a_problem_that_names_the_variable(
    folder: Path, environ: Mapping[str, str], told: str
) -> None:
    [problem] = problems(folder, MINIMAL, environ)

    assert problem.startswith(told)
    assert "s3cret" not in problem


def test_a_password_of_the_proxy_must_not_be_in_the_file(folder: Path) -> None:
    [problem] = problems(folder, MINIMAL + '[http]\nproxy = "http://me:s3cret@proxy:3128"\n')

    assert problem.startswith("http.proxy: the address must not contain a password in this file")
    assert "CONNECTOR__HTTP__PROXY" in problem
    assert "s3cret" not in problem


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("me:s3cret@proxy.test:3128", "me:***@proxy.test:3128"),
        ("http://me:s3@cret@proxy.test:3128", "http://me:***@proxy.test:3128"),
        ("http://me:s3/cret@proxy.test:3128", "http://me:***@proxy.test:3128"),
        ("http://me://s3cret@proxy.test", "http://me:***@proxy.test"),
        ("http://:s3cret@proxy.test", "http://:***@proxy.test"),
        ("http://proxy.test:3128", "http://proxy.test:3128"),
        ("a:9092,b:9092", "a:9092,b:9092"),
    ],
)
def test_no_part_of_a_password_in_an_address_is_shown(address: str, shown: str) -> None:
    assert without_secrets(address) == shown


@pytest.mark.parametrize("proxy", ["me:s3cret@proxy.test:3128", "http://me:s3@cret@proxy.test:3128"])
def test_a_proxy_of_the_environment_is_shown_without_its_password_however_it_is_written(
    folder: Path, proxy: str
) -> None:
    shown = dict(masked(read(folder, environ={"HTTPS_PROXY": proxy}).settings))

    assert shown["http.proxy"].removeprefix("http://") == "me:***@proxy.test:3128"


@pytest.mark.parametrize(
    "environ",
    [
        {"CONNECTOR__REGISTRY__URL": "me:s3cret@registry:8081"},
        {"CONNECTOR__KAFKA__PROPERTIES": '{"sasl.password": "s3cret",}'},
    ],
)
def test_a_wrong_value_is_repeated_without_the_secret_in_it(folder: Path, environ: Mapping[str, str]) -> None:
    found = problems(folder, MINIMAL, environ)

    assert found
    assert "s3cret" not in str(found)
