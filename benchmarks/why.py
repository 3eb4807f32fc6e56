"""The time of ``connector why`` over a long history: building the projection, then asking; beside reading the topics.

The topics are filled with rows as the connector writes them; the command runs as a process of its own.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from confluent_kafka import Producer

from benchmarks.inprocess import made_up_offers
from benchmarks.load import Offer
from benchmarks.report import ReportSection, at_most
from benchmarks.stand import make_known
from connector import configuration
from connector.contracts.call_log_row import CallItem, MarketplaceCalled
from connector.contracts.codec import writer_of
from connector.offers.events import FieldResult, FieldStatus, OfferResult, Origin, Sent, Status
from connector.operations.json_output import json_text
from connector.operations.projected import open_projected
from connector.operations.why import asking, document
from connector.settings.model import Settings
from devstack.deployment import Deployment
from devstack.stack import Stack
from streams.kafka.settings import KafkaConnection
from streams.kafka.topic_reader import read_records
from streams.partitioner import partition_for

GOAL_S: Final = 2.0
PARTITIONS: Final = 8
RESULTS_PER_EAN: Final = 20
RESULTS_PER_CALL: Final = 5
DAYS_US: Final = 30 * 24 * 3600 * 1_000_000
ASKED: Final = 5


@dataclass(frozen=True, slots=True, order=True)
class Spent:
    """The time that something took, and the processor time, which other load does not change much."""

    wall_s: float
    processor_s: float

    def cells(self) -> tuple[str, str]:
        return f"{self.wall_s:,.2f}", f"{self.processor_s:,.2f}"


def measure(kafka: Stack, results: int) -> ReportSection:
    """Measures with ``results`` results of 30 days, of a twentieth as many EANs, and a fifth as many calls."""
    with (
        TemporaryDirectory(prefix="bench-") as folder,
        Deployment(
            kafka=kafka,
            folder=Path(folder) / "deployment",
            partitions=PARTITIONS,
            sellers=("main",),
            storefronts=("de",),
            catalogue="eans = 10",
        ) as deployment,
    ):
        offers = list(made_up_offers(results // RESULTS_PER_EAN))
        topic = deployment.topic("offer-state")
        make_known(kafka.bootstrap_servers, topic, offers, deployment.registry.id_of(topic))
        _fill(deployment, offers, results)
        projection = Path(folder) / "projection"
        chance = random.Random(1)

        def why() -> Spent:
            command = ("why", chance.choice(offers).ean, "--json", "--projection", str(projection))
            return _spent(lambda: _run(deployment, *command))

        cold, warm = why(), sorted(why() for _ in range(ASKED))[ASKED // 2]
        settings = configuration.load_settings(deployment.config("why"), {}, datetime.now(UTC)).settings
        inside = sorted(_spent(lambda: _asked(settings, projection, chance.choice(offers).ean)) for _ in range(ASKED))
        _fill(deployment, offers, 1_000)
        behind = why()
        size = sum(file.stat().st_size for file in projection.iterdir()) / 1e6
        start = sorted(_spent(lambda: _run(deployment, "config", "show")) for _ in range(3))[1]
        scan = _spent(lambda: _scanned(deployment, kafka, offers[0].ean))
    return ReportSection(
        title=f"Why: one EAN of {results:,} results over 30 days",
        head=("connector why", "s", "processor s"),
        rows=[
            ("first run: builds the projection", *cold.cells()),
            (f"later runs, median of {ASKED}", *warm.cells()),
            ("with 1,000 new results", *behind.cells()),
            ("of these: starting Python and loading the configuration", *start.cells()),
            ("the answer alone, in a process that runs already", *inside[ASKED // 2].cells()),
            ("without a projection: reading results, states and calls", *scan.cells()),
        ],
        notes=[
            f"{results:,} results, {results // RESULTS_PER_CALL:,} calls and {len(offers):,} states in {PARTITIONS} "
            f"partitions each; the file has {size:,.0f} MB",
            "without a projection: keys are compared, and the EAN is looked for in calls, without decoding",
        ],
        goals=[at_most("seconds of a later run", warm.wall_s, GOAL_S)],
    )


def _run(deployment: Deployment[Stack], *arguments: str) -> None:
    config = str(deployment.config("why"))
    subprocess.run(
        [sys.executable, "-m", "connector", *arguments, "--config", config], check=True, stdout=subprocess.DEVNULL
    )


def _asked(settings: Settings, projection: Path, ean: str) -> None:
    with open_projected(settings, projection) as reader:
        now_us = time.time_ns() // 1000
        found = asking.answer(settings, reader, ean, now_us=now_us, at_us=None, target=None)
    assert json_text(document.document(found))


def _spent(work: Callable[[], object]) -> Spent:
    began_s, before = time.perf_counter(), _processor_s()
    work()
    return Spent(time.perf_counter() - began_s, _processor_s() - before)


def _processor_s() -> float:
    """Returns the processor time of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _scanned(deployment: Deployment[Stack], kafka: Stack, ean: str) -> int:
    """Reads what the answer needs from the topics; returns the number of records that belong to it."""
    connection = KafkaConnection(bootstrap_servers=kafka.bootstrap_servers, client_id="bench")
    key, found = ean.encode(), 0
    for dataset in ("offer-results", "offer-state"):
        for record in read_records(connection, deployment.topic(dataset), reader="bench"):
            found += record.key == key
    for record in read_records(connection, deployment.topic("marketplace-calls"), reader="bench"):
        found += record.value is not None and key in record.value
    return found


def _fill(deployment: Deployment[Stack], offers: list[Offer], count: int) -> None:
    results, calls = deployment.topic("offer-results"), deployment.topic("marketplace-calls")
    write_result = writer_of(OfferResult, deployment.registry.id_of(results))
    write_call = writer_of(MarketplaceCalled, deployment.registry.id_of(calls))
    producer = Producer(
        {"bootstrap.servers": deployment.kafka.bootstrap_servers, "queue.buffering.max.messages": 1_000_000}
    )
    for number, row in enumerate(_results(offers, count)):
        key = row.ean.encode()
        producer.produce(results, write_result(row), key, partition_for(key, PARTITIONS))
        if number % RESULTS_PER_CALL == 0 and row.sent is not None:
            producer.produce(calls, write_call(_call(row.sent)), b"main", number % PARTITIONS)
        if number % 1_000 == 0:
            producer.poll(0)
    if producer.flush(120):
        raise RuntimeError("the broker did not take the rows")


def _results(offers: list[Offer], count: int) -> Iterator[OfferResult]:
    chance, now_us = random.Random(count), time.time_ns() // 1000
    for number in range(count):
        offer, at_us = chance.choice(offers), now_us - DAYS_US + number * DAYS_US // count
        applied = number % 3 > 0
        price = FieldResult(
            field="price",
            status=FieldStatus.APPLIED if applied else FieldStatus.SUPERSEDED,
            requested=Decimal(number).scaleb(-2),
            sent=Decimal(number).scaleb(-2) if applied else None,
            currency="EUR",
            superseded_by=None if applied else f"{count}-{number + 1}",
        )
        yield OfferResult(
            result_id=f"{count}-{number}",
            event_id=f"event-{number}",
            origin=Origin.LIVE,
            status=Status.APPLIED if applied else Status.SUPERSEDED,
            ean=offer.ean,
            target_id=offer.target_id,
            condition="NEW",
            unit_id=offer.unit_id,
            fields=(price, FieldResult(field="stock", status=FieldStatus.UNCHANGED, requested=Decimal(7))),
            input_topic="bench",
            input_partition=partition_for(offer.ean.encode(), PARTITIONS),
            input_offset=number,
            occurred_at_us=at_us,
            received_at_us=at_us,
            decided_at_us=at_us + 1_000_000,
            sent=_sent(f"call-{count}-{number // RESULTS_PER_CALL}", at_us) if applied else None,
        )


def _sent(call_id: str, at_us: int) -> Sent:
    return Sent(
        account="main",
        storefront="de",
        call_ids=(call_id,),
        attempts=1,
        sent_at_us=at_us,
        answered_at_us=at_us + 90_000,
    )


def _call(sent: Sent) -> MarketplaceCalled:
    items = tuple(
        CallItem(unit_id=100_000 + one, event_ids=("event",), event_count=1, status_code=200) for one in range(20)
    )
    more: dict[str, Any] = {"request_sha256": "0" * 64, "response_sha256": "0" * 64, "tokens_left": 1}
    return MarketplaceCalled(
        call_id=sent.call_ids[0],
        account=sent.account,
        storefront=sent.storefront,
        kind="update:de",
        method="POST",
        path="/v2/units/bulk-update?storefront=de",
        attempt=1,
        sent_at_us=sent.sent_at_us,
        answered_at_us=sent.answered_at_us,
        duration_us=90_000,
        http_status=200,
        outcome="ok",
        items=items,
        instance_id="connector-0",
        **more,
    )
