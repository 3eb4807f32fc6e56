"""Commands of every day over an embedded broker, a registry and a simulated marketplace.

The blocks of docs/operations.md and docs/analytics.md are compared with what the commands print.
"""

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from connector.cli.main import cli
from connector.contracts.registry_subjects import look_up
from connector.contracts.topics import Feature, manifest, named
from connector.offers.codec import OfferCodecs
from connector.orders.codec import OrderCodecs
from connector.orders.events import ObservedUnit, OrderObserved, OrderStatus, OrderUnitStatus
from devstack.embedded_broker import CLIENT_PROPERTIES, EmbeddedBroker
from devstack.embedded_registry import EmbeddedRegistry
from simulator.scenario import Scenario
from simulator.simulator import Simulator
from streams.kafka.produce_once import RecordWriter
from streams.kafka.registry import RegistryClient
from streams.kafka.settings import KafkaConnection
from streams.records import NewRecord
from tests.harness.command_shop import SCENARIO
from tests.harness.pages import ROOT
from tests.harness.shown_commands import differences, output_of, words_of
from tests.unit.connector.operations.test_digest import STATE
from tests.unit.simulator.callback_server import CallbackServer
from tests.unit.simulator.conftest import caller_of

TOPICS = named("kaufland", frozenset({Feature.OFFERS, Feature.SHIPMENTS, Feature.ORDERS}))
DAY_US = 24 * 3_600_000_000
NEW_YEAR_US = 1_769_839_200_000_000  # 2026-01-31T06:00:00Z


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyDesk:
    """A person with a command line in a folder of their own, and the topics, schemas and marketplace behind it."""

    simulator: Simulator
    callback: CallbackServer
    connection: KafkaConnection
    registry_url: str
    environ: dict[str, str]

    def run(self, *arguments: str, answer: str | None = None) -> Result:
        arguments = (*arguments, "--config", "connector.toml")
        return CliRunner().invoke(cli, arguments, env=self.environ, input=answer)

    def said(self, *arguments: str, code: int = 0) -> str:
        """Returns what a command prints that ends with this exit code."""
        done = self.run(*arguments)
        assert done.exit_code == code, done.output + repr(done.exception)
        return done.stdout

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.said(*arguments, "--json", code=code))

    def compare(self, command: str, *, code: int = 0) -> None:
        """Asserts that a command prints what the documentation shows."""
        printed = self.said(*words_of(command), code=code)
        assert differences(self._lines(printed), self._lines(output_of(command))) == [], printed

    def _lines(self, text: str) -> list[str]:
        """Returns the lines without padding, and with the names that the documentation uses for what varies."""
        text = text.replace(f"{self.callback.url.partition('/push')[0]}/push", "https://shop.example/push")
        for pattern, instead in ((r"digest [0-9a-f]{12}", "digest D"), (r" +", " "), (r"━+", "━"), (r"─+", "─")):
            text = re.sub(pattern, instead, text)
        return [line.rstrip() for line in text.splitlines() if line.strip()]

    def put(self, *records: NewRecord) -> None:
        with RecordWriter(self.connection) as writer:
            writer.write(list(records), timeout_s=30)

    def offers(self) -> OfferCodecs:
        with RegistryClient(self.registry_url) as client:
            return OfferCodecs(look_up(client, TOPICS, avro_keys=False), dict[int, str]().get)

    def put_orders(self, *orders: OrderObserved) -> None:
        with RegistryClient(self.registry_url) as client:
            encode = OrderCodecs(look_up(client, TOPICS, avro_keys=False), dict[int, str]().get).encode_order
        self.put(
            *(
                NewRecord(topic=TOPICS.orders, partition=0, key=order.order_id.encode(), value=encode(order))
                for order in orders
            )
        )


@pytest.fixture(scope="module")
def registry_url() -> Iterator[str]:
    with EmbeddedRegistry() as registry:
        yield registry.url


@pytest.fixture
def desk(registry_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DailyDesk]:
    """The topics are empty; the schemas are registered."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "config" / "example.toml", tmp_path / "connector.toml")
    with (
        EmbeddedBroker() as broker,
        Simulator(Scenario.model_validate(SCENARIO)) as simulator,
        CallbackServer() as callback,
    ):
        for topic in manifest(TOPICS):
            broker.create_topic(topic.name, 1)
        seller, keys = simulator.sellers["demo"], tmp_path / "simulator-keys"
        keys.mkdir()
        (keys / "client_key").write_text(seller.client_key)
        (keys / "secret_key").write_text(seller.secret_key)
        desk = DailyDesk(
            simulator=simulator,
            callback=callback,
            connection=KafkaConnection(
                bootstrap_servers=broker.bootstrap_servers, client_id="test", properties=CLIENT_PROPERTIES
            ),
            registry_url=registry_url,
            environ={
                "CONNECTOR__KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap_servers,
                "CONNECTOR__KAFKA__TOPIC_IDS": "false",
                "CONNECTOR__REGISTRY__URL": registry_url,
                "CONNECTOR__ACCOUNTS__DEMO__BASE_URL": simulator.url,
                "CONNECTOR__PUSH__PUBLIC_URL": f"{callback.url.partition('?')[0]}",
                "COLUMNS": "200",
            },
        )
        desk.said("schemas", "register")
        yield desk


# ---- configuration and schemas --------------------------------------------------------------------------------------


def test_the_configuration_is_shown(desk: DailyDesk) -> None:
    desk.compare("config show")
    desk.compare("config routing --accept")


def test_the_configuration_as_json_has_no_secret(desk: DailyDesk) -> None:
    shown = desk.json("config", "show")
    routing = desk.json("config", "routing", "--accept")

    assert shown["settings"]["accounts.demo.requests_per_second"] == "100.0"
    assert desk.simulator.sellers["demo"].secret_key not in json.dumps(shown)
    assert [(one["target_id"], one["storefront"]) for one in routing["targets"]] == [
        ("shop-at", "at"),
        ("shop-de", "de"),
    ]
    assert routing["accepted_changes"] == []


def test_schemas_are_registered_and_checked(desk: DailyDesk) -> None:
    with EmbeddedRegistry() as empty:
        desk.environ["CONNECTOR__REGISTRY__URL"] = empty.url
        assert {one["good"] for one in desk.json("schemas", "check", code=1)} == {True, False}
        desk.compare("schemas register")
        desk.compare("schemas check")
        assert {one["outcome"] for one in desk.json("schemas", "register")} == {"already there"}


def test_contracts_are_exported(desk: DailyDesk, tmp_path: Path) -> None:
    desk.compare("contracts export --out contracts")

    assert (tmp_path / "contracts" / "asyncapi.yaml").is_file()


# ---- state ----------------------------------------------------------------------------------------------------------


def test_the_state_is_digested(desk: DailyDesk) -> None:
    value = desk.offers().encode_state(replace(STATE, input_partition=0))
    desk.put(NewRecord(topic=TOPICS.offer_state, partition=0, key=STATE.ean.encode(), value=value))

    desk.compare("state digest")
    assert desk.json("state", "digest")["eans"] == 1


# ---- orders ---------------------------------------------------------------------------------------------------------


def unit(number: int, at_us: int, status: OrderUnitStatus, price: str) -> ObservedUnit:
    return ObservedUnit(
        order_unit_id=314_567_891_234_560 + number,
        status=status,
        status_raw=status.value.lower(),
        price=Decimal(price),
        revenue_gross=Decimal(price) - 3,
        shipping_rate=Decimal("3.90"),
        currency="EUR",
        created_at_us=at_us,
        changed_at_us=at_us,
    )


def order(order_id: str, at_us: int, *units: ObservedUnit) -> OrderObserved:
    waiting = tuple(one.order_unit_id for one in units if one.status is OrderUnitStatus.NEED_TO_BE_SENT)
    return OrderObserved(
        account="demo",
        order_id=order_id,
        storefront="de",
        created_at_us=at_us,
        changed_at_us=at_us,
        status=OrderStatus.NEED_TO_BE_SENT if len(waiting) == len(units) else OrderStatus.PARTLY_SENT,
        units=units,
        units_open=waiting,
        open_since_us=at_us if waiting else None,
        complete=not waiting,
        payout_waits=0 < len(waiting) < len(units),
        fulfillment_type="fulfilled_by_merchant",
        observed_at_us=at_us,
        content_sha256="0" * 64,
    )


def test_open_orders_are_listed(desk: DailyDesk) -> None:
    now_us = time.time_ns() // 1_000 - 20_000_000
    open_, sent = OrderUnitStatus.NEED_TO_BE_SENT, OrderUnitStatus.SENT
    old_us, young_us = now_us - 2 * DAY_US - 4 * DAY_US // 24, now_us - 35 * DAY_US // 1440
    desk.put_orders(
        order("MK7ABC3", young_us, unit(4, young_us, open_, "19.99")),
        order("MK7ABC1", old_us, unit(1, old_us, sent, "19.99"), unit(2, old_us, open_, "5.00")),
        order("MK7ABC2", now_us, unit(3, now_us, sent, "19.99")),
    )

    desk.compare("orders open")

    assert [(one["order_id"], one["units"], one["units_open"]) for one in desk.json("orders", "open")] == [
        ("MK7ABC1", 2, [314_567_891_234_562]),
        ("MK7ABC3", 1, [314_567_891_234_564]),
    ]


def test_sales_are_summed_up(desk: DailyDesk) -> None:
    sent, cancelled = OrderUnitStatus.SENT, OrderUnitStatus.CANCELLED
    first_us, second_us = NEW_YEAR_US, NEW_YEAR_US + DAY_US
    desk.put_orders(
        order("MK7ABC1", first_us, unit(1, first_us, sent, "19.99"), unit(2, first_us, sent, "5.00")),
        order("MK7ABC2", first_us, unit(3, first_us, sent, "19.99")),
        order("MK7ABC3", second_us, unit(4, second_us, sent, "99.00"), unit(5, second_us, cancelled, "1.00")),
    )

    desk.compare("orders totals")

    assert [(one["day"], one["units"], one["price"]) for one in desk.json("orders", "totals")] == [
        ("2026-01-31", 3, "44.98"),
        ("2026-02-01", 1, "99.00"),
    ]


def test_a_poll_is_requested(desk: DailyDesk) -> None:
    desk.compare("orders poll --once")
    assert desk.json("orders", "poll", "--once", "--from", "2026-01-31") == {"requested": ["demo"]}


# ---- push -----------------------------------------------------------------------------------------------------------


def test_subscriptions_are_made_listed_and_repaired(desk: DailyDesk) -> None:
    desk.compare("push subscribe --email ops@shop.example")
    listed = desk.json("push", "list")
    with caller_of(desk.simulator) as caller:
        answer = caller.call("PATCH", f"/subscriptions/{listed[0]['id']}", {"is_active": False})
    assert answer.status_code == 200, answer.text

    desk.compare("push list", code=1)
    assert [one["active"] for one in desk.json("push", "list", code=1)] == [False, True, True, True]
    desk.compare("push repair")
    assert desk.json("push", "repair") == []
    assert {one["good"] for one in desk.json("push", "subscribe", "--email", "a@shop.example")} == {True}
