"""The topics that the projection reads, on an embedded broker, and a command line with a projection of its own."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

from typer.testing import CliRunner, Result

from connector.cli.main import cli
from connector.contracts.call_log_row import MarketplaceCalled
from connector.contracts.codec import writer_of
from connector.contracts.registry_subjects import look_up
from connector.contracts.topics import Feature, Topics, named
from connector.controls.commands import ControlCommand
from connector.offers.events import OfferDrifted, OfferNotFound, OfferResult, OfferState
from connector.orders.events import OrderObserved
from connector.projection.rows import LISTED
from connector.reconciliation.codec import unit_key
from connector.reconciliation.events import UnitObserved
from connector.replays.progress import ReplayProgress
from devstack.embedded_broker import CLIENT_PROPERTIES, EmbeddedBroker
from streams.kafka.produce_once import RecordWriter
from streams.kafka.registry import RegistryClient
from streams.kafka.settings import KafkaConnection
from streams.partitioner import partition_for
from streams.records import NewRecord
from tests.harness.pages import ROOT

TOPICS: Topics = named("kaufland", frozenset({Feature.OFFERS, Feature.RECONCILE, Feature.ORDERS}))
PARTITIONS = 4
_KINDS = (
    OfferResult,
    OfferState,
    OfferNotFound,
    MarketplaceCalled,
    ControlCommand,
    ReplayProgress,
    UnitObserved,
    OfferDrifted,
    OrderObserved,
)
Row: TypeAlias = (
    OfferResult
    | OfferState
    | OfferNotFound
    | MarketplaceCalled
    | ControlCommand
    | ReplayProgress
    | UnitObserved
    | OfferDrifted
    | OrderObserved
)


class ProjectedTopics:
    """Writes typed rows to the topics, and runs commands over them."""

    def __init__(self, broker: EmbeddedBroker, registry_url: str, folder: Path) -> None:
        self.folder = folder
        self._connection = KafkaConnection(
            bootstrap_servers=broker.bootstrap_servers, client_id="test", properties=CLIENT_PROPERTIES
        )
        self.environ = {
            "CONNECTOR__KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap_servers,
            "CONNECTOR__KAFKA__TOPIC_IDS": "false",
            "CONNECTOR__REGISTRY__URL": registry_url,
            "CONNECTOR__RECONCILE__ENABLED": "true",
            "CONNECTOR__ORDERS__ENABLED": "true",
            "CONNECTOR_PROJECTION": str(folder),
        }
        for dataset in LISTED:
            broker.create_topic(getattr(TOPICS, dataset), 1 if dataset == "controls" else PARTITIONS)
        with RegistryClient(registry_url) as client:
            ids = look_up(client, TOPICS, avro_keys=False)
        self._write = {kind: writer_of(kind, ids.value(kind)) for kind in _KINDS}

    def put(self, *rows: Row) -> None:
        """Writes rows, each to the topic and partition where the connector writes it."""
        self.put_records(self.record(row, self._write[type(row)](row)) for row in rows)

    @staticmethod
    def record(row: Row, value: bytes | None) -> NewRecord:
        """Returns the record of a row, with this value in its place."""
        topic, partition, key = _place(row)
        return NewRecord(topic=topic, partition=partition, key=key, value=value)

    def delete(self, row: Row) -> None:
        """Writes the tombstone of a row."""
        self.put_records([self.record(row, None)])

    def put_records(self, records: Iterable[NewRecord]) -> None:
        with RecordWriter(self._connection) as writer:
            writer.write(list(records), timeout_s=30)

    def run(self, *arguments: str) -> Result:
        arguments = (*arguments, "--config", str(ROOT / "config" / "example.toml"))
        return CliRunner().invoke(cli, arguments, env=self.environ)

    def said(self, *arguments: str, code: int = 0) -> str:
        """Returns what a command prints that ends with this exit code."""
        done = self.run(*arguments)
        assert done.exit_code == code, done.output + repr(done.exception)
        return done.stdout

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.said(*arguments, "--json", code=code))


def _place(row: Row) -> tuple[str, int, bytes]:
    match row:
        case OfferResult():
            key, topic, partition = row.ean, TOPICS.offer_results, None
        case OfferState():
            key, topic, partition = row.ean, TOPICS.offer_state, row.input_partition
        case OfferNotFound():
            key, topic, partition = row.key, TOPICS.offers_not_found, None
        case MarketplaceCalled():
            key, topic, partition = row.account, TOPICS.marketplace_calls, None
        case ControlCommand():
            key, topic, partition = row.command_id, TOPICS.controls, 0
        case ReplayProgress():
            key, topic, partition = row.key, TOPICS.replays, None
        case UnitObserved():
            key, topic, partition = unit_key(row), TOPICS.units, partition_for(row.ean.encode(), PARTITIONS)
        case OfferDrifted():
            key, topic, partition = row.ean, TOPICS.drift, None
        case OrderObserved():
            key, topic, partition = row.order_id, TOPICS.orders, None
    raw = key.encode()
    return topic, partition_for(raw, PARTITIONS) if partition is None else partition, raw
