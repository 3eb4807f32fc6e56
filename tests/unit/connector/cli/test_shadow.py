"""``connector shadow compare`` over an embedded broker and registry: it prints what docs/operations.md shows."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from connector.cli.main import cli
from connector.contracts.codec import writer_of
from connector.contracts.registry_subjects import look_up
from connector.contracts.topics import Feature, named
from connector.offers.events import OfferResult
from connector.reconciliation.events import UnitObserved
from devstack.embedded_broker import CLIENT_PROPERTIES, EmbeddedBroker
from devstack.embedded_registry import EmbeddedRegistry
from streams.kafka.produce_once import RecordWriter
from streams.kafka.registry import RegistryClient
from streams.kafka.settings import KafkaConnection
from streams.records import NewRecord
from tests.harness.offer_rows import BASE_US, MINUTE_US, field_result, result
from tests.harness.pages import ROOT
from tests.harness.shown_commands import output_of

TOPICS = named("kaufland", frozenset({Feature.OFFERS, Feature.RECONCILE}))
OWN = named("kaufland.dry-run")
CONFIG = ("--config", str(ROOT / "config" / "example.toml"))


class Shadow:
    """The topics of a dry run, and commands over them."""

    def __init__(self, broker: EmbeddedBroker, registry_url: str) -> None:
        self.environ = {
            "CONNECTOR__KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap_servers,
            "CONNECTOR__KAFKA__TOPIC_IDS": "false",
            "CONNECTOR__REGISTRY__URL": registry_url,
            "CONNECTOR__RECONCILE__ENABLED": "true",
        }
        for topic in (OWN.units, OWN.offer_results):
            broker.create_topic(topic, 1)
        self._connection = KafkaConnection(
            bootstrap_servers=broker.bootstrap_servers, client_id="test", properties=CLIENT_PROPERTIES
        )
        self.registered = self.run("schemas", "register")
        with RegistryClient(registry_url) as client:
            self._ids = look_up(client, TOPICS, avro_keys=False)

    def put(self, *rows: OfferResult | UnitObserved) -> None:
        writes = {kind: writer_of(kind, self._ids.value(kind)) for kind in (OfferResult, UnitObserved)}
        with RecordWriter(self._connection) as writer:
            records = [
                NewRecord(
                    topic=OWN.units if isinstance(row, UnitObserved) else OWN.offer_results,
                    partition=0,
                    key=row.ean.encode(),
                    value=writes[type(row)](row),
                )
                for row in rows
            ]
            writer.write(records, timeout_s=30)

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, (*arguments, *CONFIG), env=self.environ)


@pytest.fixture
def shadow() -> Iterator[Shadow]:
    with EmbeddedBroker() as broker, EmbeddedRegistry() as registry:
        yield Shadow(broker, registry.url)


def rows() -> Iterator[OfferResult | UnitObserved]:
    """Yields the events and units of 40 offers; the other system has not written all of them."""
    for number in range(1, 41):
        ean, unit_id = f"95200000{number:05d}", 1_000_000 + number
        price, stock = field_result("price", "DRY_RUN", "19.99", sent="19.99"), field_result("stock", "DRY_RUN", "5")
        event = result(number, "DRY_RUN", price, replace(stock, sent=Decimal(5)), unit_id=unit_id, ean=ean)
        if number == 39:
            event = result(number, "NOT_FOUND", code="OFFER_NOT_FOUND", unit_id=None, ean=ean)
        if number < 40:
            yield event
        at_us = BASE_US + (30 if number == 38 else 60) * MINUTE_US
        yield UnitObserved(
            ean=ean,
            account="demo",
            storefront="de",
            unit_id=unit_id,
            condition="NEW",
            is_live=True,
            price=Decimal({7: "18.99", 9: "24.99"}.get(number, "19.99")),
            currency="EUR",
            stock={11: 2, 12: 9}.get(number, 5),
            requested_at_us=at_us,
            observed_at_us=at_us + 40_000,
            sweep_at_us=BASE_US + 30 * MINUTE_US,
        )


def test_the_report_is_what_the_documentation_shows(shadow: Shadow, tmp_path: Path) -> None:
    assert shadow.registered.exit_code == 0, shadow.registered.output
    shadow.put(*rows())
    file, command = tmp_path / "shadow.csv", "shadow compare --at-least 85% --file shadow.csv"

    done = shadow.run(*(str(file) if word == file.name else word for word in command.split()))

    assert done.exit_code == 0, done.output + repr(done.exception)
    assert done.stdout == output_of(command)
    with file.open(encoding="utf-8", newline="") as lines:
        written = list(csv.DictReader(lines))
    assert len(written) == 38 * 2 + 2
    differing = [row for row in written if row["outcome"] == "PRICE_DIFFERS"]
    assert [(row["unit_id"], row["wanted"], row["there"]) for row in differing] == [
        ("1000007", "19.99", "18.99"),
        ("1000009", "19.99", "24.99"),
    ]
    assert shadow.run("shadow", "compare", "--at-least", "95%").exit_code == 1
    said = json.loads(shadow.run("shadow", "compare", "--json").stdout)
    assert (said["agree"], said["differ"], said["not_comparable_yet"]) == (33, 5, 1)


def test_nothing_to_compare_is_not_enough_and_without_sweeps_nothing_can_be_compared(shadow: Shadow) -> None:
    assert shadow.run("shadow", "compare").exit_code == 0
    assert shadow.run("shadow", "compare", "--at-least", "0%").exit_code == 1

    shadow.environ["CONNECTOR__RECONCILE__ENABLED"] = "false"
    assert "[reconcile] enabled = true" in str(shadow.run("shadow", "compare").exception)


def test_topics_of_a_dry_run_that_never_ran_are_named_with_what_to_do(shadow: Shadow) -> None:
    shadow.environ["CONNECTOR__TOPICS__PREFIX"] = "other"

    assert str(shadow.run("shadow", "compare").exception).startswith(
        "the topic other.dry-run.units.v1 does not exist. Remedy: connector topics --create --dry-run, then connector"
    )
