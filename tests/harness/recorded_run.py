"""The topics of one small run, kept in a file: the records as the connector wrote them, in Confluent's wire format.

``python -m tests.harness.recorded_run`` makes the file again, in about a minute: an embedded broker, the simulator and
a connector, with mixed events, a hold, orders and shipments, values edited outside, and a replay of everything.
Its rows have the schema versions of that day: readers of the topics meet older versions too.
"""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import fastavro

import schemas
from devstack.backbone import Backbone, embedded
from devstack.clients import Row
from devstack.deployment import Deployment
from devstack.sales import Sales
from devstack.shop import ALIASES
from devstack.traffic import Message, MessageKind, Traffic

FILE = Path(__file__).parent.parent / "data" / "recorded_run.avro"
PREFIX = "shop"
EVENTS = 1_000
ORDERS = 15
CATALOGUE = 'eans = 80\nconditions = ["NEW", "USED___GOOD"]\nambiguous = 0.02\nlinked = 0.2'
SETTINGS = '[offers]\nnot_found_grace = "2s"\nfield_results = true\n'
_RECORD = fastavro.parse_schema(
    {
        "type": "record",
        "name": "Recorded",
        "fields": [
            {"name": "topic", "type": "string"},
            {"name": "partition", "type": "int"},
            {"name": "offset", "type": "long"},
            {"name": "timestamp_us", "type": "long"},
            {"name": "key", "type": ["null", "bytes"]},
            {"name": "value", "type": ["null", "bytes"]},
            {"name": "headers", "type": {"type": "map", "values": "bytes"}},
        ],
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Every record of every topic, in the order of its partition.

    ``schemas``: for each id in their values the schema that wrote them, and the newest version, which reads them;
    ``names``: the name of the first, such as ``offer_result.v4``.
    """

    records: Sequence[Row]
    schemas: Mapping[int, tuple[Any, Any]]
    names: Mapping[int, str]

    def of(self, topic: str) -> list[Row]:
        return [record for record in self.records if record["topic"] == topic]

    def values(self, topic: str) -> list[Row]:
        """Returns the values of a topic, without tombstones and what cannot be decoded."""
        return [row for record in self.of(topic) if (row := self.decode(record["value"])) is not None]

    def decode(self, value: bytes | None) -> Row | None:
        """Decodes a value as the stock deserializer does; returns None for a tombstone and for what is not Avro."""
        if not value:
            return None
        try:
            writer, reader = self.schemas[int.from_bytes(value[1:5])]
            return cast(Row, fastavro.schemaless_reader(BytesIO(value[5:]), writer, reader))
        except (EOFError, ValueError, KeyError, IndexError):
            return None


@cache
def recording() -> Recording:
    """Reads the file."""
    with FILE.open("rb") as file:
        reader = fastavro.reader(file)
        records = [dict(row) for row in reader]  # type: ignore[arg-type]
        names: Mapping[str, str] = json.loads(reader.metadata["schemas"])
    parsed: dict[int, tuple[Any, Any]] = {}
    for number, name in names.items():
        record, _, version = name.partition(".v")
        written, newest = int(version), schemas.newest(record)
        writer, reading = (fastavro.parse_schema(schemas.load(record, one)) for one in (written, newest))
        parsed[int(number)] = (writer, reading)
    return Recording(records=records, schemas=parsed, names={int(number): name for number, name in names.items()})


# ---- make it again --------------------------------------------------------------------------------------------------


def main() -> None:
    with (
        embedded() as backbone,
        tempfile.TemporaryDirectory() as folder,
        Deployment(
            kafka=backbone,
            folder=Path(folder),
            prefix=PREFIX,
            partitions=3,
            sellers=("main",),
            catalogue=CATALOGUE,
            scenario="[limits]\nrequests_per_second = 60",
            settings=SETTINGS,
            account={"rate": {"strict": True}},
            shipments={"carriers": ALIASES},
            orders={"interval": "5s", "overlap": "30s"},
            reconcile={"interval": "5s", "settle": "2s", "price": "repair"},
        ) as deployment,
    ):
        _run(deployment)
        _write(deployment)


def _run(deployment: Deployment[Backbone]) -> None:
    deployment.marketplace.fault("too many", {"kind": "respond", "status": 429}, skip=4, every=3, times=5)
    connector = deployment.connector()
    single, several = deployment.places()
    wall = _wall_us()
    traffic = Traffic(single, ambiguous=several, seed=11)
    produced = deployment.produce(traffic.messages(EVENTS, wall))
    deployment.wait_for_results(produced)
    config = ("--config", str(deployment.config("cli")))
    added = deployment.command("hold", "add", "--ean", single[0].ean, "--reason", "a test", "--json", *config)
    place = single[0]
    held = deployment.produce(
        [
            Message(
                kind=MessageKind.UPDATE,
                key=place.ean,
                payload={
                    "event_id": "held",
                    "occurred_at_us": next(wall),
                    "source": "erp",
                    "ean": place.ean,
                    "condition": place.condition,
                    "target_id": place.target_id,
                    "price": (Decimal("77.77"), place.currency),
                },
            )
        ]
    )
    deployment.wait_for_results(held)
    deployment.command("hold", "release", json.loads(added)["command_id"], *config)
    deployment.wait_for(
        "the release", lambda: any(row["origin"] == "RELEASE" for row in deployment.results()), progress=None
    )
    sales = Sales(deployment, ORDERS, 5)

    def settled() -> bool:
        sales.turn(1.0)
        return sales.settled() == ORDERS

    deployment.wait_for("the orders", settled, every_s=0.5)
    for number, edited in enumerate(single[5:9]):
        field = {"listing_price": 4_321} if number % 2 else {"amount": 55}
        deployment.marketplace.edit(edited.unit_id, **field)
    deployment.wait_for("drift", lambda: len(deployment.rows("drift")) >= 2)
    plan = str(deployment.folder / "plan.json")
    every = [word for number in range(deployment.partitions) for word in ("--offsets", f"{number}:0-")]
    deployment.command("replay", "plan", *every, "--out", plan, *config)
    deployment.command("replay", "run", plan, "--reason", "a test", *config)
    deployment.wait_for(
        "the replay",
        lambda: sum(row["state"] == "DONE" for row in deployment.newest("replays").values()) == deployment.partitions,
    )
    deployment.quiet()
    connector.stop(20)


def _write(deployment: Deployment[Backbone]) -> None:
    ids = {deployment.registry.id_of(topic): f"{name}.v{schemas.newest(name)}" for name, topic in _topics(deployment)}
    names = [topic for _, topic in _topics(deployment)] + [
        f"{deployment.topic(dataset)}.dlq" for dataset in ("offer-changes", "shipments")
    ]
    rows = [
        {
            "topic": topic.removeprefix(f"{PREFIX}."),
            "partition": message.partition(),
            "offset": message.offset(),
            "timestamp_us": message.timestamp()[1] * 1_000,
            "key": message.key(),
            "value": message.value(),
            "headers": dict(message.headers() or ()) if topic.endswith(".dlq") else {},
        }
        for topic in names
        for message in deployment.read("", topic)
    ]
    with FILE.open("wb") as file:
        metadata = {"schemas": json.dumps(ids)}
        fastavro.writer(file, _RECORD, rows, codec="xz", sync_interval=10_000_000, metadata=metadata)


def _topics(deployment: Deployment[Backbone]) -> Iterator[tuple[str, str]]:
    for name, dataset in (
        ("offer_changed", "offer-changes"),
        ("offer_result", "offer-results"),
        ("offer_field_result", "offer-field-results"),
        ("offer_not_found", "offers-not-found"),
        ("offer_state", "offer-state"),
        ("routing_accepted", "routing"),
        ("marketplace_called", "marketplace-calls"),
        ("replay_progress", "replays"),
        ("shipment_dispatched", "shipments"),
        ("shipment_result", "shipment-results"),
        ("order_observed", "orders"),
        ("order_observed", "order-changes"),
        ("unit_observed", "units"),
        ("offer_drifted", "drift"),
    ):
        yield name, deployment.topic(dataset)


def _wall_us() -> Iterator[int]:
    last = 0
    while True:
        last = max(last + 1, time.time_ns() // 1_000)
        yield last


if __name__ == "__main__":
    main()
