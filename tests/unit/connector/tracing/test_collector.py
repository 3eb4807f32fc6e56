"""Spans reach a collector over HTTP; a collector that takes none costs a counter and a line of the log."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
import structlog
from opentelemetry.semconv.schemas import Schemas

from connector.logs import Scrubber
from connector.tracing.collector import Collector, CollectorSettings
from devstack.processes import wait_for
from streams.clock import uptime_s
from streams.dead_letter import DeadLetters
from streams.flow import Assignment, BadRecord, Record
from streams.http.address_secrets import secrets_of
from streams.span import SEMANTIC_CONVENTIONS, Span, SpanKind
from streams.trace_context import Sampling
from tests.harness.connect_proxy import ConnectProxy
from tests.harness.otlp_collector import OtlpCollector, collecting
from tests.harness.tls_certificates import CA, OTHER_CA, serving

PARENT = Sampling().begins("producer")
EVENT = Sampling().below("event", PARENT)
SPAN = Span(
    name="process in",
    kind=SpanKind.CONSUMER,
    context=EVENT,
    parent=PARENT,
    start_us=1_700_000_000_000_000,
    end_us=1_700_000_000_250_000,
    attributes={"messaging.kafka.offset": 7, "connector.call.ids": ("a", "b"), "messaging.message.id": "e-1"},
)
NOWHERE = "http://127.0.0.1:9/v1/traces"


@pytest.fixture(autouse=True)
def quick_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")


@pytest.fixture
def stub() -> Iterator[OtlpCollector]:
    with collecting() as collector:
        yield collector


def settings(endpoint: str, headers: Mapping[str, str] | None = None) -> CollectorSettings:
    return CollectorSettings(
        endpoint=endpoint, headers=headers or {}, ca_file=None, version="1.2.3", instance_id="shop-0"
    )


def test_a_span_arrives_with_its_parent_its_links_and_what_it_is_of(stub: OtlpCollector) -> None:
    collector = Collector(settings(stub.endpoint, {"Authorization": "Bearer canary-token"}))
    call = Span(
        name="PATCH /units/bulk",
        kind=SpanKind.CLIENT,
        context=Sampling().begins("call"),
        links=(EVENT, PARENT),
        start_us=SPAN.start_us,
        end_us=SPAN.end_us,
        error="503",
    )

    collector.report(SPAN)
    collector.report(call)
    collector.close()
    event, request = sorted(stub.spans, key=lambda span: span.kind, reverse=True)

    assert (event.name, event.kind, event.trace_id) == ("process in", "consumer", PARENT.trace_id)
    assert (event.span_id, event.parent_id, event.duration_us) == (EVENT.span_id, PARENT.span_id, 250_000)
    assert event.attributes == {
        "messaging.kafka.offset": 7,
        "connector.call.ids": ["a", "b"],
        "messaging.message.id": "e-1",
    }
    assert event.conventions == f"https://opentelemetry.io/schemas/{SEMANTIC_CONVENTIONS}"
    assert event.resource.items() >= {
        "service.name": "kaufland-stream-connector",
        "service.version": "1.2.3",
        "service.instance.id": "shop-0",
    }.items()  # fmt: skip
    assert (request.kind, request.parent_id, request.error) == ("client", "", "503")
    assert request.links == ((EVENT.trace_id, EVENT.span_id), (PARENT.trace_id, PARENT.span_id))
    assert collector.counts() == {"sent": 2, "lost": 0}
    assert {headers["authorization"] for headers in stub.headers} == {"Bearer canary-token"}
    assert not any(b"canary" in body for body in stub.bodies)


def test_names_of_the_usual_variables_go_first(stub: OtlpCollector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "offers")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=shop")
    collector = Collector(settings(stub.endpoint))

    collector.report(SPAN)
    collector.close()

    [span] = stub.spans
    assert span.resource["service.name"] == "offers"
    assert span.resource["deployment.environment.name"] == "test"
    assert span.resource["service.version"] == "1.2.3"
    assert stub.headers[0]["x-tenant"] == "shop"


@pytest.mark.parametrize("variable", [None, "OTEL_EXPORTER_OTLP_CERTIFICATE"])
def test_a_collector_with_a_private_ca_is_reached_through_the_proxy_of_the_environment(
    variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(OTHER_CA))  # counts where [http] ca_file is not set
    if variable is not None:
        monkeypatch.setenv(variable, str(CA))
    with collecting(serving()) as stub, ConnectProxy(user="me", password="s3cret") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:s3cret@"))
        known = OTHER_CA if variable is not None else CA  # the variable goes first
        collector = Collector(replace(settings(stub.endpoint), ca_file=known))
        collector.report(SPAN)
        collector.close()

        assert collector.counts() == {"sent": 1, "lost": 0}
        assert [span.name for span in stub.spans] == [SPAN.name]
        assert proxy.asked == [stub.endpoint.removeprefix("https://").removesuffix("/v1/traces")]


def test_a_collector_that_takes_nothing_costs_a_counter_and_one_line_until_it_does_again(stub: OtlpCollector) -> None:
    stub.status = 400
    with structlog.testing.capture_logs() as lines:
        collector = Collector(settings(stub.endpoint))
        for lost in range(1, 4):
            collector.report(SPAN)
            wait_for("its loss", partial(lambda count: collector.counts()["lost"] == count, lost))
        stub.status = 200
        collector.report(SPAN)
        wait_for("its arrival", lambda: collector.counts()["sent"] == 1)
        collector.close()

    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("warning", "the collector takes no spans; they are lost"),
        ("info", "the collector takes spans again"),
    ]
    assert lines[0]["where"] == stub.endpoint
    assert "400" in lines[0]["reason"]


def test_nobody_there_is_no_reason_to_wait(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Spans beyond the queue are lost at once, and the end of the process takes seconds at most."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "600")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with caplog.at_level(logging.DEBUG):
        collector = Collector(settings(NOWHERE))
        began_s = uptime_s()
        for number in range(5_000):
            collector.report(replace(SPAN, context=Sampling().begins(str(number))))
        taken_s = uptime_s() - began_s
        collector.close()

    assert collector.counts() == {"sent": 0, "lost": 5_000}
    assert taken_s < 30, "it waited for the collector"
    assert [record.message for record in caplog.records if record.name.startswith("opentelemetry")] == []


def test_a_collector_that_hangs_keeps_the_process_no_longer_than_the_closing_takes(
    stub: OtlpCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The export's own timeout, ten minutes here, does not count when the process ends."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "600")
    stub.may_answer.clear()
    collector = Collector(settings(stub.endpoint), closing_s=0.5)
    collector.report(SPAN)
    began_s = uptime_s()

    collector.close()

    assert uptime_s() - began_s < 20, "the SDK alone waits for 30 s"


@pytest.mark.parametrize("is_there", [True, False])
def test_a_token_in_the_address_of_the_collector_is_in_no_line_of_the_log(
    stub: OtlpCollector, is_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where the collector refuses, nor where nobody answers, whose lines of the SDK have the whole URL."""
    where = f"{stub.endpoint if is_there else NOWHERE}?api-key=canary-token-0123&tenant=shop"
    stub.status = 403
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    scrubber = Scrubber()
    scrubber.learn(secrets_of(where))
    with structlog.testing.capture_logs() as lines:
        collector = Collector(settings(where))
        collector.report(SPAN)
        wait_for("its loss", lambda: collector.counts()["lost"] == 1)
        collector.close()

    [line] = lines
    assert line["where"].endswith("/v1/traces?***")
    assert "canary" not in scrubber.clean(line["reason"])


def test_a_queue_shorter_than_a_batch_of_the_sdk_is_possible(
    stub: OtlpCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100")
    collector = Collector(settings(stub.endpoint))

    collector.report(SPAN)
    collector.close()

    assert collector.counts() == {"sent": 1, "lost": 0}


def test_the_version_of_the_conventions_is_one_that_exists_and_all_names_are_of_it() -> None:
    assert f"https://opentelemetry.io/schemas/{SEMANTIC_CONVENTIONS}" in {schema.value for schema in Schemas}
    known: set[str] = set()
    for group in ("messaging", "http", "server", "url", "error"):
        module = import_module(f"opentelemetry.semconv._incubating.attributes.{group}_attributes")
        known |= {value for value in vars(module).values() if isinstance(value, str)}
    root = Path(__file__).parents[4]
    sources = ("streams/span.py", "streams/dead_letter.py", "connector/contracts/event_traces.py")
    text = "".join((root / source).read_text() for source in (*sources, "connector/kaufland/call_spans.py"))
    used = {
        word
        for word in text.replace("'", '"').split('"')
        if word.split(".")[0] in ("messaging", "http", "server", "url", "error") and "." in word and " " not in word
    }

    assert len(used) > 15
    assert {name for name in used if name not in known} == set()


def test_a_dead_letter_is_a_failed_step_below_its_producers() -> None:
    at = Assignment(topic="in", partition=3, epoch=1)
    headers = (("traceparent", PARENT.traceparent.encode()),)
    record = Record(at=at, offset=9, key=b"k" * 2_000, value=b"v" * 2_000_000, time_us=1, headers=headers)
    bad = BadRecord(code="NOT_AVRO", text="no")
    letters = DeadLetters(topics={"in": "dlq"}, instance="shop-0", sampling=Sampling())

    large = letters.letter(record, bad, SPAN.start_us)
    plain = replace(letters, sampling=None).letter(replace(record, value=b"v"), bad)

    assert large.span is not None
    assert (large.span.parent, large.span.error, large.span.context.trace_id) == (PARENT, "NOT_AVRO", PARENT.trace_id)
    assert large.span.attributes["messaging.kafka.offset"] == 9
    assert dict(large.headers)["traceparent"] == PARENT.traceparent.encode(), "also of a record that is too large"
    assert plain.span is None
    assert dict(plain.headers)["traceparent"] == PARENT.traceparent.encode()
