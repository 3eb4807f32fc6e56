"""The trace of an event goes through the running product: to the collector, and to every record about the event."""

import json
from collections.abc import Sequence
from pathlib import Path

from confluent_kafka import Message, Producer
from jsonschema_rs import validator_for

from connector.console.log_schema import schema
from connector.offers.producer_kit import ProducerKit
from devstack.processes import wait_for
from devstack.traffic import OfferPlace
from streams.trace_context import Sampling, TraceContext
from tests.faults.conftest import FAST_MISS, Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.workload import wall_us
from tests.harness.otlp_collector import SeenSpan, collecting

TOKEN = "canarytokenofthecollector0123456789"
CLIENT, SECRET = "canaryclientkey0123456789abcdef0", "canarysecretkey0123456789abcdef0" * 2
ATTRIBUTE = "canary attribute"
UNKNOWN_EAN = "4006381333931"


def price_change(place: OfferPlace, ean: str, number: int) -> dict[str, object]:
    return {
        "event_id": f"event-{number}",
        "occurred_at_us": next(wall_us()),
        "ean": ean,
        "condition": place.condition,
        "target_id": place.target_id,
        "price": (f"1{number}.34", place.currency),
        "attributes": {"note": ATTRIBUTE},
    }


def send(deployment: WatchedDeployment, place: OfferPlace, ean: str, number: int, context: TraceContext) -> None:
    topic = deployment.topic("offer-changes")
    key, value = ProducerKit(deployment.registry.id_of(topic)).message(price_change(place, ean, number))
    producer = Producer({"bootstrap.servers": deployment.kafka.bootstrap_servers})
    producer.produce(topic, value, key, headers=[("traceparent", context.traceparent.encode())])
    assert producer.flush(10) == 0


def traces_of(records: Sequence[Message]) -> list[str]:
    headers = [dict(record.headers() or []) for record in records]
    return [str(one["traceparent"] or b"", "ascii") for one in headers if "traceparent" in one]  # type: ignore[arg-type]


def test_an_event_is_followed_from_its_producer_to_its_result_with_and_without_a_collector(
    deploy: Deploy, tmp_path: Path
) -> None:
    token = tmp_path / "collector-headers"
    token.write_text(f"Authorization: Bearer {TOKEN}\n")
    token.chmod(0o600)
    with collecting() as collector:
        traces = f'[traces]\nenabled = true\nendpoint = "{collector.endpoint}"\nheaders_file = "{token}"\n'
        deployment = deploy(
            partitions=1, catalogue="eans = 5", keys={"main": (CLIENT, SECRET)}, settings=FAST_MISS + traces
        )
        [place, *_], _ = deployment.places()
        found, missing, bad = (Sampling().begins(name) for name in ("found", "missing", "bad"))
        connector = deployment.connector()

        send(deployment, place, place.ean, 1, found)
        send(deployment, place, UNKNOWN_EAN, 2, missing)
        producer = Producer({"bootstrap.servers": deployment.kafka.bootstrap_servers})
        headers = [("traceparent", bad.traceparent.encode())]
        producer.produce(deployment.topic("offer-changes"), b"no avro", place.ean, headers=headers)  # type: ignore[arg-type]
        assert producer.flush(10) == 0
        deployment.wait_for(
            "two results and a dead letter",
            lambda: len(deployment.results()) >= 2 and len(deployment.dead()) == 1,
        )
        with connector.health() as health:
            wait_for(
                "the counter", lambda: 'connector_trace_spans_total{outcome="sent"}' in health.get("/metrics").text
            )
        assert connector.stop() == 0
        seen = collector.spans
        said = connector.text()

        events = {span.attributes.get("messaging.message.id", ""): span for span in seen if span.kind == "consumer"}
        calls = [span for span in seen if span.kind == "client"]
        for name, context in (("event-1", found), ("event-2", missing), ("", bad)):
            span = events[name]
            assert (span.trace_id, span.parent_id) == (context.trace_id, context.span_id), name
        assert events[""].error == "NOT_AVRO"
        assert events["event-1"].attributes["connector.result.status"] == "APPLIED"
        assert (events["event-2"].error, events["event-2"].attributes["connector.result.code"]) == (
            "",
            "OFFER_NOT_FOUND",
        )
        assert children(events["event-1"], calls) == set(events["event-1"].attributes["connector.call.ids"])
        assert children(events["event-2"], calls) >= set(events["event-2"].attributes["connector.call.ids"])

        for dataset in ("offer-results", "offers-not-found", "marketplace-calls"):
            records = list(deployment.read(dataset))
            assert len(traces_of(records)) == len(records), dataset
        of_results = {one.split("-")[2] for one in traces_of(deployment.read("offer-results"))}
        assert of_results == {events["event-1"].span_id, events["event-2"].span_id}
        assert traces_of(deployment.dead()) == [bad.traceparent]
        everything = b"".join(collector.bodies) + said.encode()
        assert {headers["authorization"] for headers in collector.headers} == {f"Bearer {TOKEN}"}
        assert [one for one in (TOKEN, CLIENT, SECRET, ATTRIBUTE) if one.encode() in everything] == []

    # the collector is gone: the stream goes on, with one line in the log
    later = Sampling().begins("later")
    connector = deployment.connector()
    send(deployment, place, place.ean, 3, later)
    deployment.wait_for("its result", lambda: len(deployment.results()) >= 3)
    with connector.health() as health:
        wait_for("the loss", lambda: 'connector_trace_spans_total{outcome="lost"} 0' not in health.get("/metrics").text)
    assert connector.stop() == 0
    lines = [json.loads(line) for line in connector.text().splitlines()]
    of_schema = validator_for(schema())
    said_before = [json.loads(line) for line in said.splitlines()]
    assert [list(of_schema.iter_errors(line)) for line in (*said_before, *lines) if not of_schema.is_valid(line)] == []
    assert {"starts", "begins", "spans_sent", "partition_opened", "ended"} <= {one["event_id"] for one in said_before}
    assert len([line for line in lines if line["event_id"] == "collector_lost"]) == 1
    assert not [line for line in lines if "opentelemetry" in str(line).lower()]
    assert traces_of(deployment.read("offer-results"))[-1].split("-")[1] == later.trace_id


def children(span: SeenSpan, calls: list[SeenSpan]) -> set[str]:
    """Returns the ids of the calls below a span."""
    return {
        call.attributes["connector.call.id"]
        for call in calls
        if (call.trace_id, call.parent_id) == (span.trace_id, span.span_id)
    }
