"""Dead letters of every kind: listed, shown, and redriven once their cause is removed. Twice redriven is done once."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from io import BytesIO
from itertools import count
from typing import Any, Final, TypeAlias

import fastavro
import httpx
import pytest
from confluent_kafka import Message, Producer

import schemas
from connector.offers.producer_kit import ProducerKit
from connector.shipments.producer_kit import ShipmentKit
from devstack.clients import position
from devstack.embedded_registry import EmbeddedRegistry
from devstack.processes import ModuleProcess
from devstack.stack import Stack
from devstack.traffic import OfferPlace
from streams.avro.codec import frame
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.harness.dead_letter_codes import record_codes, report_codes

LATE: Final = "late"  # an account that is configured only later
SLOW: Final = frozenset({"ORDER_GONE"})
"""Codes of reports that come only after half an hour of reads: ``test_order_lane.py`` has them."""
ROWS: Final = report_codes() - SLOW
"""The codes of what the marketplace shows and cannot be read: reports without a record."""
DECODED: Final = frozenset(
    {
        "KEY_MISSING",
        "SCHEMA_INCOMPATIBLE",
        "DECIMAL_NOT_EXACT",
        "ACCOUNT_NOT_POLLED",
        "COMMAND_UNKNOWN",
        "UNITS_NOT_SWEPT",
    }
)
"""The codes of values that their own schema decodes, although the connector cannot read the record."""
TRADE: Final = """
[orders]
at_start = 5
units_max = 1
confirm_delay_s = 0.0
undocumented = true
malformed = [{order = 0, defect = "no_status"}, {order = 1, defect = "no_id"}]
"""
PARTITIONS: Final = 4
InputPosition: TypeAlias = tuple[str, int, int]
"""Topic, partition and offset of an input record."""


@dataclass(frozen=True, kw_only=True)
class BadInput:
    """An input record that cannot be read. ``mended``: its cause can be removed, and ``mend`` does."""

    dataset: str
    key: bytes | None
    value: bytes | None
    code: str
    mended: bool = False
    headers: Sequence[tuple[str, bytes]] = field(default=(("ce_id", b"e-7"), ("code", b"the producer's own")))


class LateSchemas:
    """A registry of the test's own, so that the ids of schemas that are registered later can be foretold."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._late: list[tuple[str, Mapping[str, Any]]] = []
        self._next = self.register("filler", "string") + 20

    def register(self, subject: str, schema: Any) -> int:
        answer = httpx.post(
            f"{self._url}/subjects/{subject}/versions", json={"schema": json.dumps(schema)}, trust_env=False
        )
        schema_id: int = answer.raise_for_status().json()["id"]
        return schema_id

    def later(self, record: str) -> int:
        """Returns the id that a further schema of a record will have once ``mend`` was called."""
        schema = {**schemas.load(record, schemas.newest(record)), "doc": "registered after the first records"}
        self._late.append((f"late-{record}", schema))
        return self._next + len(self._late) - 1

    def mend(self) -> None:
        fillers = ({"type": "fixed", "name": f"Filler{size}", "size": size} for size in count(1))
        while self.register(f"filler-{(filler := next(fillers))['size']}", filler) < self._next - 1:
            pass
        assert [self.register(*late) - self._next for late in self._late] == list(range(len(self._late)))


def offer(schema_id: int, place: OfferPlace, event_id: str, at_us: int, stock: int) -> bytes:
    return ProducerKit(schema_id).message(
        {
            "event_id": event_id,
            "occurred_at_us": at_us,
            "target_id": place.target_id,
            "condition": place.condition,
            "ean": place.ean,
            "stock": stock,
        }
    )[1]


def made_up(registry: LateSchemas, subject: str, schema: Any, value: Any) -> bytes:
    out = BytesIO()
    out.write(frame(registry.register(subject, schema)))
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


def too_exact(place: OfferPlace) -> tuple[Any, dict[str, Any]]:
    """Returns a producer's schema with six decimal places, and a value that needs all of them."""
    text = schemas.text("offer_changed", schemas.newest("offer_changed"))
    assert '"scale": 4' in text
    price = {"amount": Decimal("1.234567"), "currency": "EUR"}
    value = {"event_id": "e", "occurred_at": 1, "source": "erp", "ean": place.ean, "price": price}
    return json.loads(text.replace('"scale": 4', '"scale": 6')), value


def bad_inputs(deployment: WatchedDeployment, registry: LateSchemas) -> list[BadInput]:
    """Returns records for every code of a dead letter."""
    [first, second, *_], _ = deployment.places("main")
    known, now_us = deployment.registry.id_of(deployment.topic("offer-changes")), minute_ago_ms() * 1_000
    late_offers, late_shipments = registry.later("offer_changed"), registry.later("shipment_dispatched")
    commands = deployment.registry.id_of(deployment.topic("scheduler"))
    order = deployment.marketplace.orders()[4]
    shipment = {
        "event_id": "parcel",
        "occurred_at_us": now_us,
        "account": "main",
        "order_id": order["id_order"],
        "order_unit_ids": [order["order_units"][0]["id_order_unit"]],
        "parcels": [{"carrier": "DHL", "tracking_number": "00340434161094042557"}],
    }
    shipment_key, shipment_value = ShipmentKit(late_shipments).message(shipment)
    unbounded = {
        "type": "record",
        "name": "Endless",
        "fields": [{"name": "many", "type": {"type": "array", "items": "null"}}],
    }
    other = {"type": "record", "name": "Other", "fields": [{"name": "weight", "type": "double"}]}
    key = first.ean.encode()
    offers = [
        BadInput(dataset="offer-changes", key=None, value=offer(known, first, "e", now_us, 1), code="KEY_MISSING"),
        BadInput(dataset="offer-changes", key=b"\xff\xfe", value=None, code="KEY_MALFORMED"),
        BadInput(dataset="offer-changes", key=key, value=b'{"stock": 5}', code="NOT_AVRO"),
        BadInput(dataset="offer-changes", key=key, value=frame(known) + b"\x02", code="MALFORMED_VALUE"),
        BadInput(
            dataset="offer-changes",
            key=key,
            value=made_up(registry, "endless", unbounded, {"many": [None]}),
            code="SCHEMA_UNUSABLE",
        ),
        BadInput(
            dataset="offer-changes",
            key=key,
            value=made_up(registry, "other", other, {"weight": 1.5}),
            code="SCHEMA_INCOMPATIBLE",
        ),
        BadInput(
            dataset="offer-changes",
            key=key,
            value=made_up(registry, "exact", *too_exact(first)),
            code="DECIMAL_NOT_EXACT",
        ),
        BadInput(
            dataset="offer-changes",
            key=key,
            value=offer(late_offers, first, "mended", now_us, 7),
            code="SCHEMA_UNKNOWN",
            mended=True,
        ),
        BadInput(
            dataset="offer-changes",
            key=second.ean.encode(),
            value=offer(late_offers, second, "overtaken", now_us, 6),
            code="SCHEMA_UNKNOWN",
            mended=True,
        ),
    ]
    return [
        *offers,
        BadInput(dataset="shipments", key=shipment_key, value=shipment_value, code="SCHEMA_UNKNOWN", mended=True),
        BadInput(dataset="shipments", key=shipment_key, value=None, code="VALUE_MISSING"),
        BadInput(
            dataset="scheduler", key=LATE.encode(), value=command(commands, 1), code="ACCOUNT_NOT_POLLED", mended=True
        ),
        BadInput(dataset="scheduler", key=b"main", value=command(commands, 0), code="COMMAND_UNKNOWN"),
        BadInput(dataset="scheduler", key=b"main", value=command(commands, 2, "de"), code="UNITS_NOT_SWEPT"),
    ]


def break_returns(deployment: WatchedDeployment) -> None:
    """Has the next list show a return without its id, and refuses the details of every return."""
    strange = {"data": [{"status": "returned"}], "pagination": {"offset": 0, "limit": 100, "total": 1}}
    once = {"kind": "respond", "status": 200, "body": json.dumps(strange)}
    deployment.marketplace.fault("strange row", once, method="GET", path="/returns", times=1)
    deployment.marketplace.fault("no details", {"kind": "respond", "status": 404}, method="GET", path="/returns/*")


def send_back(deployment: WatchedDeployment) -> None:
    """Has a buyer order a piece and request its return."""
    control = deployment.marketplace.control
    [order] = control.post("orders", json={"seller": "main", "pieces": 1}).raise_for_status().json()["orders"]
    [unit] = order["id_order_units"]
    control.post(f"order-units/{unit}", json={"status": "sent"}).raise_for_status()
    control.post(f"order-units/{unit}/return").raise_for_status()


def command(schema_id: int, symbol: int, storefront: str = "") -> bytes:
    """Returns a command of the scheduler: 1 asks for a poll, 2 for a sweep, 0 is what a reader sees of a newer one."""
    place = bytes([2, 2 * len(storefront), *storefront.encode()]) if storefront else b"\x00"
    return frame(schema_id) + bytes([2 * symbol, 0]) + place + bytes([2, ord("x"), 0])


def produce(deployment: WatchedDeployment, inputs: Sequence[BadInput]) -> dict[InputPosition, BadInput]:
    """Produces the records with timestamps of a minute ago; returns them by topic, partition and offset."""
    producer = Producer({"bootstrap.servers": deployment.kafka.bootstrap_servers, "partitioner": "murmur2_random"})
    done: dict[InputPosition, BadInput] = {}

    def noting(one: BadInput) -> Any:
        def note(error: object, message: Message) -> None:
            assert error is None
            done[message.topic() or "", *position(message)] = one

        return note

    for one in inputs:
        producer.produce(
            deployment.topic(one.dataset),
            one.value,
            one.key,
            headers=list(one.headers),
            timestamp=minute_ago_ms(),
            on_delivery=noting(one),
        )
    assert producer.flush(60) == 0
    return done


def minute_ago_ms() -> int:
    return time.time_ns() // 1_000_000 - 60_000


class Letters:
    """The dead letters of a deployment, by its command line and by its topics."""

    def __init__(self, deployment: WatchedDeployment) -> None:
        self._deployment = deployment

    def text(self, *arguments: str) -> str:
        """Returns what a command prints."""
        return self._deployment.command("dlq", *arguments, "--config", str(self._deployment.config("setup")))

    def command(self, *arguments: str) -> Any:
        return json.loads(self.text(*arguments, "--json"))

    def listed(self, *options: str) -> list[Any]:
        return list(self.command("list", "--limit", "1000", *options)["newest"])

    def records(self) -> list[Message]:
        """Returns every record of every dead-letter topic."""
        datasets = ("offer-changes", "shipments", "scheduler")
        names = [f"{self._deployment.topic(dataset)}.dlq" for dataset in datasets]
        return [record for name in names for record in self._deployment.reader(name).records()]

    def of_records(self) -> int:
        """Returns the number of dead letters that hold a record."""
        codes = (dict(record.headers() or ())["code"] for record in self.records())
        return sum(code not in {row.encode() for row in ROWS} for code in codes)


@pytest.fixture
def deployment(kafka: Stack, deploy: Deploy) -> Iterator[WatchedDeployment]:
    with EmbeddedRegistry() as registry:
        yield deploy(
            kafka=replace(kafka, registry_url=registry.url),
            partitions=PARTITIONS,
            sellers=("main", LATE),
            storefronts=("de",),
            catalogue="eans = 20\nlinked = 0.0\nambiguous = 0.0\nmissing = 0.0",
            scenario=TRADE,
            shipments={},
            orders={"interval": "5s", "returns": True},
        )


def test_dead_letters_of_every_kind_are_listed_shown_and_redriven_once_their_cause_is_removed(
    deployment: WatchedDeployment,
) -> None:
    registry, letters = LateSchemas(deployment.kafka.registry_url), Letters(deployment)
    inputs = bad_inputs(deployment, registry)
    assert {one.code for one in inputs} == record_codes()
    break_returns(deployment)
    [mended, overtaken, parcel] = [one for one in inputs if one.code == "SCHEMA_UNKNOWN"]
    deployment.sellers = ("main",)
    connector = deployment.connector()
    produced = produce(deployment, inputs)
    deployment.wait_for("a dead letter of each", lambda: letters.of_records() == len(inputs))
    deployment.wait_for("the return without an id", lambda: bool(letters.listed("--code", "RETURN_ROW_UNREADABLE")))
    send_back(deployment)
    deployment.wait_for("the rows of orders", lambda: {one["code"] for one in letters.listed()} >= ROWS)

    # ---- listed, shown and counted
    places = listed_as_produced(letters, produced)
    for position_of, one in produced.items():
        shown_as_produced(letters.command("show", places[position_of]), one)
    counted_by_metric(connector, deployment, inputs)
    assert letters.text("list").count("NOT_AVRO") == 2, "among the counts and among the letters"

    # ---- a newer event of the same offer is applied meanwhile
    [first, second, *_], _ = deployment.places("main")
    known = deployment.registry.id_of(deployment.topic("offer-changes"))
    newer = offer(known, second, "newer", minute_ago_ms() * 1_000, 9)
    produce(deployment, [replace(overtaken, value=newer)])
    deployment.wait_for("the newer event", lambda: bool(results(deployment, "newer")))

    # ---- the causes are removed; a dry run knows which
    assert connector.stop() == 0
    registry.mend()
    deployment.sellers = ("main", LATE)
    before = len(deployment.read("offer-changes"))
    rehearsed = letters.command("redrive", "--all", "--dry-run")
    assert rehearsed["redriven"] == len(inputs)
    assert (rehearsed["readable_now"], rehearsed["still_unreadable"]) == (
        sum(one.mended for one in inputs),
        sum(not one.mended for one in inputs),
    )
    assert len(deployment.read("offer-changes")) == before

    # ---- redriven: the same record, on its partition, and the dead letters stay
    before_it = {one["dead_letter"] for one in letters.listed()}
    report = letters.command("redrive", "--all")
    assert (report["redriven"], set(report["left_out_by_reason"])) == (len(inputs), {"READ_AGAIN"})
    for dataset in ("offer-changes", "shipments", "scheduler"):
        same_records(deployment, dataset, [one for one in inputs if one.dataset == dataset])
    connector = deployment.connector()
    broken = [one for one in inputs if not one.mended]
    deployment.wait_for("what is not mended", lambda: letters.of_records() >= len(inputs) + len(broken))
    deployment.wait_for("what is mended", lambda: all(results(deployment, name) for name in ("mended", "overtaken")))
    deployment.wait_for("the parcel", lambda: bool(parcels(deployment)))
    assert [(row["status"], row["origin"]) for row in results(deployment, "mended")] == [("APPLIED", "REDRIVE")]
    assert [(row["status"], row["origin"]) for row in results(deployment, "overtaken")] == [("SUPERSEDED", "REDRIVE")]
    assert [row["status"] for row in parcels(deployment)] == ["CONFIRMED"]
    assert {one["dead_letter"] for one in letters.listed()} > before_it

    # ---- what is not mended has become a dead letter again, which names its second attempt
    again = [one for one in letters.listed() if one["attempts"] == 2]
    assert Counter(one["code"] for one in again) == Counter(one.code for one in broken)
    came_back = [one for one in letters.listed() if one["came_back_as"] is not None]
    assert {one["came_back_as"] for one in came_back} == {one["dead_letter"] for one in again}

    # ---- redriven a second time: nothing is applied twice
    for position_of, one in produced.items():
        if one in (mended, overtaken, parcel):
            assert letters.command("redrive", places[position_of])["redriven"] == 1
    assert letters.command("redrive", "--code", "NOT_AVRO")["left_out_by_reason"] == {"CAME_BACK": 1}
    deployment.wait_for("the second results", lambda: len(results(deployment, "mended")) == 2)
    deployment.wait_for("and of the other", lambda: len(results(deployment, "overtaken")) == 2)
    deployment.wait_for("and of the parcel", lambda: len(parcels(deployment)) == 2)
    deployment.wait_for("the third attempt", lambda: 3 in {one["attempts"] for one in letters.listed()})
    deployment.quiet()
    assert connector.stop() == 0
    assert results(deployment, "mended")[1]["status"] == "UNCHANGED"
    assert results(deployment, "overtaken")[1]["status"] == "SUPERSEDED"
    assert len({row["result_id"] for row in parcels(deployment)}) == 1, "the event is recognized"
    units, journal = deployment.marketplace.units(), deployment.marketplace.journal()
    assert (units[first.unit_id]["amount"], units[second.unit_id]["amount"]) == (7, 9)
    assert journal.accepted(first.unit_id, "amount") == (7,)
    assert journal.accepted(second.unit_id, "amount") == (9,)
    order_unit = parcels(deployment)[0]["order_unit_id"]
    assert (len(journal.sends(order_unit)), len(journal.parcels(order_unit))) == (1, 0)


def listed_as_produced(letters: Letters, produced: Mapping[InputPosition, BadInput]) -> dict[InputPosition, str]:
    """Asserts that each record has its dead letter, and the marketplace's rows theirs; returns the place of each."""
    listed = letters.listed()
    by_input = {}
    for one in listed:
        if one["input"] is not None:
            topic, partition, offset = one["input"].rsplit("/", 2)
            by_input[topic, int(partition), int(offset)] = one
    assert {place: one["code"] for place, one in by_input.items()} == {
        place: one.code for place, one in produced.items()
    }
    assert all(one["attempts"] == 1 and one["came_back_as"] is None for one in listed)
    assert {one["code"] for one in listed if one["input"] is None} == ROWS
    return {place: one["dead_letter"] for place, one in by_input.items()}


def shown_as_produced(letter: Any, one: BadInput) -> None:
    """Asserts that a letter shows the record as it was produced, decoded where its own schema can do that."""
    value = letter["value"] or {"hex": None, "decoded": None}
    assert letter["code"] == one.code
    assert letter["headers"] == [["ce_id", "e-7"], ["code", "the producer's own"]]
    assert value["hex"] == (None if one.value is None else one.value.hex())
    assert bool(value["decoded"]) is (one.code in DECODED), one.code
    assert (letter["now"]["readable"], letter["now"]["code"]) == (False, one.code), "nothing is mended yet"


def counted_by_metric(connector: ModuleProcess, deployment: WatchedDeployment, inputs: Sequence[BadInput]) -> None:
    with connector.health() as health:
        page = health.get("/metrics").raise_for_status().text
    for (dataset, code), count_ in Counter((one.dataset, one.code) for one in inputs).items():
        line = f'stream_dead_letters_total{{code="{code}",topic="{deployment.topic(dataset)}"}} {count_:.1f}'
        assert line in page.splitlines()


def results(deployment: WatchedDeployment, event_id: str) -> list[Any]:
    return [row for row in deployment.results() if row["event_id"] == event_id]


def parcels(deployment: WatchedDeployment) -> list[Any]:
    return [row for row in deployment.rows("shipment-results") if row["event_id"] == "parcel"]


def same_records(deployment: WatchedDeployment, dataset: str, inputs: Sequence[BadInput]) -> None:
    """Asserts that the topic has each record twice: as it was produced, and redriven."""
    records = deployment.read(dataset)
    redriven = [record for record in records if "redrive.from" in dict(record.headers() or ())]
    assert len(redriven) == len(inputs)
    for record in redriven:
        headers = list(record.headers() or ())
        [original] = [
            one for one in records if one not in redriven and (one.key(), one.value()) == (record.key(), record.value())
        ]
        assert headers[:-2] == list(original.headers() or ())
        assert [name for name, _ in headers[-2:]] == ["redrive.from", "redrive.attempts"]
        assert record.timestamp() == original.timestamp()
        assert record.partition() == original.partition()
