"""Failures of broker and registry: records deleted before they were read, and an unavailable registry."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import fastavro
import httpx
import orjson
from confluent_kafka import TopicPartition

import schemas
from devstack.traffic import Message, MessageKind, OfferPlace
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.test_05_bulk_edges import change
from tests.faults.workload import wall_us
from tests.harness.tcp_proxy import TcpProxy

QUICK = {"session": "6s", "lease": "2s", "call_deadline": "3s"}  # shortens the wait for a previous owner


def into(partition: int) -> Callable[[str], int]:
    """Returns a partitioner that assigns every key to one partition."""
    return lambda _key: partition


def delete_up_to(deployment: WatchedDeployment, partition: int, offset: int) -> None:
    place = TopicPartition(deployment.topic("offer-changes"), partition, offset)
    admin = deployment.kafka.admin()
    admin.delete_records([place])[place].result(30)


def test_an_offset_out_of_range_stops_its_partition_only_and_a_reset_repairs_it(deploy: Deploy) -> None:
    deployment = deploy(partitions=2, storefronts=("de",), catalogue="eans = 20", processing=QUICK)
    [lost, kept, *_], _ = deployment.places()
    times = wall_us()
    first = deployment.connector()
    read = deployment.produce([change(lost, next(times), stock=1)], into(0))
    read += deployment.produce([change(kept, next(times), stock=1)], into(1))
    deployment.wait_for_results(read)
    assert first.stop() == 0
    late = deployment.produce((change(lost, next(times), stock=stock) for stock in (2, 3, 4)), into(0))
    delete_up_to(deployment, 0, late[-1].offset)

    second = deployment.connector()
    flowing = deployment.produce([change(kept, next(times), stock=5)], into(1))
    deployment.wait_for_results(flowing)

    topic = deployment.topic("offer-changes")
    deployment.wait_for("the partition to say so", lambda: "partition_broken" in second.text())
    assert f"offset {late[0].offset} of {topic}/0 is not in the log (" in second.text()
    assert "offset out of range" in second.text().lower(), "the client's own words"
    assert "reset the group's offset of this partition" in second.text()
    with second.health() as health:
        assert health.get("/livez").status_code == 200
        # the page shows the engine as it was up to a second ago
        deployment.wait_for("the other partition", lambda: f"{topic}/1" not in health.get("/readyz").text)
        unready = health.get("/readyz")
        assert unready.status_code == 503
        assert f"{topic}/0" in unready.text
    assert not deployment.answered(late[-1:])
    assert second.stop() == 0

    deployment.reset_offsets(partition=0, to=late[-1].offset)
    deployment.connector()
    deployment.settle(late[-1:])

    units = deployment.marketplace.units()
    assert (units[lost.unit_id]["amount"], units[kept.unit_id]["amount"]) == (4, 5)


def newer_schema() -> dict[str, Any]:
    """Returns a newer version of the schema, with a further field that has a default."""
    written = orjson.loads(orjson.dumps(schemas.load("offer_changed", schemas.newest("offer_changed"))))
    written["fields"].append({"name": "season", "type": ["null", "string"], "default": None})
    return dict(written)


def written_with(schema: dict[str, Any], schema_id: int, place: OfferPlace, at_us: int, stock: int) -> Message:
    value = {
        "event_id": f"e-{at_us}",
        "occurred_at": at_us,
        "source": "tests",
        "ean": place.ean,
        "condition": place.condition,
        "target_id": place.target_id,
        "stock": stock,
        "attributes": {},
        "season": "winter",
    }
    buffer = BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), value)
    return Message(
        kind=MessageKind.UPDATE, key=place.ean, raw=b"\x00" + schema_id.to_bytes(4, "big") + buffer.getvalue()
    )


def test_while_the_registry_is_down_known_schemas_are_processed_and_unknown_ones_wait(deploy: Deploy) -> None:
    deployment = deploy(partitions=2, storefronts=("de",), catalogue="eans = 20", processing=QUICK)
    [waiting, flowing, *_], _ = deployment.places()
    times = wall_us()
    schema = newer_schema()
    subject = f"{deployment.kafka.registry_url}/subjects/{deployment.prefix}.tomorrow-value/versions"
    answer = httpx.post(subject, json={"schema": orjson.dumps(schema).decode()}, trust_env=False)
    schema_id = answer.raise_for_status().json()["id"]

    with TcpProxy(deployment.kafka.registry_url) as passage:
        deployment.registry_url = passage.url
        connector = deployment.connector()
        known = deployment.produce([change(waiting, next(times), stock=1)], into(0))
        deployment.wait_for_results(known)
        passage.shut()
        unknown = deployment.produce([written_with(schema, schema_id, waiting, next(times), stock=2)], into(0))
        deployment.wait_for("the registry to be missed", lambda: "registry" in connector.text())
        passing = deployment.produce([change(flowing, next(times), stock=3)], into(1))
        deployment.wait_for_results(passing)
        assert not deployment.answered(unknown)

        passage.open()
        deployment.settle(unknown)

    assert deployment.dead() == []
    units = deployment.marketplace.units()
    assert (units[waiting.unit_id]["amount"], units[flowing.unit_id]["amount"]) == (2, 3)
    assert {row["status"] for row in deployment.results()} == {"APPLIED"}
