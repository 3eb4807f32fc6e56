"""An event's trace context goes with it: to its calls, over restarts, and to every record about it."""

from typing import Any

from connector.contracts.event_traces import EventTraces
from streams.span import Span
from streams.trace_context import Sampling, TraceContext, parse
from tests.harness.offer_harness import CLUSTER, START_US, TOPICS, OfferHarness, flow_of, unit

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER = "00-5bf92f3577b34da6a3ce929d0e0e4737-10f067aa0ba902b7-01"
UNSAMPLED = "00-6bf92f3577b34da6a3ce929d0e0e4738-20f067aa0ba902b7-00"


def traced(ratio: float = 1.0) -> OfferHarness:
    traces = EventTraces(sampling=Sampling(ratio=ratio), group="group", instance_id="shop-0")
    return OfferHarness(flow_of(traces=traces))


def header(harness: OfferHarness, index: int = -1) -> str:
    return dict(harness.outputs[index].headers)["traceparent"].decode()


def spans(harness: OfferHarness) -> list[Span]:
    return [output.span for output in harness.outputs if output.span is not None]


def context(traceparent: str) -> TraceContext:
    found = parse(traceparent)
    assert found is not None
    return found


def applied(harness: OfferHarness, **said: Any) -> None:
    harness.event(stock=5, **said)
    harness.found(unit(1))
    harness.accept()


def test_without_tracing_the_context_is_passed_on_as_it_came_to_calls_and_results() -> None:
    harness = OfferHarness(flow_of())

    harness.event(stock=5, traceparent=GIVEN)
    harness.event(price="12.00", traceparent=OTHER)
    assert harness.want("lookup:de").body.traces == (GIVEN, OTHER)
    harness.found(unit(1))
    assert harness.want("update:de").body.traces == (GIVEN, OTHER)
    harness.accept()

    assert [dict(output.headers)["traceparent"].decode() for output in harness.outputs] == [GIVEN, OTHER]
    assert spans(harness) == []


def test_without_tracing_an_event_without_context_gets_none() -> None:
    harness = OfferHarness(flow_of())

    harness.event(stock=5)
    harness.found(unit(1))

    assert harness.want("update:de").body.traces == ()


def test_an_event_has_one_span_from_its_reception_to_its_result_below_its_producers() -> None:
    harness = traced()

    harness.event(stock=5, traceparent=GIVEN)
    harness.found(unit(1))
    [carried] = harness.want("update:de").body.traces
    harness.accept()
    [span] = spans(harness)

    assert header(harness) == carried == span.context.traceparent
    assert span.context.trace_id == context(GIVEN).trace_id
    assert span.context.span_id != context(GIVEN).span_id
    assert span.parent == context(GIVEN)
    assert (span.start_us, span.end_us) == (START_US, harness.now_us)
    assert span.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": TOPICS.offer_changes,
        "messaging.destination.partition.id": "0",
        "messaging.kafka.offset": 0,
        "messaging.consumer.group.name": "group",
        "messaging.client.id": "shop-0",
        "messaging.message.id": "e0",
        "connector.result.id": harness.last.result_id,
        "connector.result.status": "APPLIED",
        "connector.account": "main",
        "connector.storefront": "de",
        "connector.call.ids": ("c1", "c2"),
    }
    assert CLUSTER not in str(span)


def test_a_process_that_takes_over_derives_the_same_span() -> None:
    """The harness stores and loads the lane after each turn; the second half runs in another flow."""
    harness, other = traced(), traced()

    harness.event(stock=5, traceparent=GIVEN)
    [before] = harness.want("lookup:de").body.traces
    other.lane, other.wants = other.flow.load(harness.ean, harness.flow.store(harness.lane).value), harness.wants
    other.now_us = harness.now_us
    other.found(unit(1))
    other.accept()

    [span] = spans(other)
    assert span.context.traceparent == before
    assert span.parent == context(GIVEN)


def test_an_event_without_context_begins_a_trace() -> None:
    harness = traced()

    applied(harness)
    harness.event(stock=6, traceparent="not a context")
    harness.accept()
    first, second = spans(harness)

    assert first.parent is second.parent is None
    assert first.context.trace_id != second.context.trace_id


def test_what_the_producer_does_not_record_is_not_recorded_here_but_its_context_goes_on() -> None:
    harness = traced()

    applied(harness, traceparent=UNSAMPLED)

    assert spans(harness) == []
    assert context(header(harness)).trace_id == context(UNSAMPLED).trace_id
    assert header(harness).endswith("-00")


def test_new_traces_follow_the_ratio() -> None:
    harness = traced(ratio=0)

    applied(harness)

    assert spans(harness) == []
    assert header(harness).endswith("-00")


def test_a_further_result_of_an_event_is_a_span_below_its_first() -> None:
    harness = traced()

    harness.event(stock=5, traceparent=GIVEN)
    while not harness.results:
        harness.found()
        harness.pass_s(60)
    first = header(harness, 0)
    not_found = header(harness, 1)
    harness.pass_s(30 * 24 * 3600)
    harness.found(unit(1))
    harness.accept()
    announced, recheck = spans(harness)

    assert [result.status for result in harness.results] == ["NOT_FOUND", "APPLIED"]
    assert first == not_found == announced.context.traceparent
    assert (announced.parent, announced.error) == (context(GIVEN), "")
    assert recheck.parent == announced.context
    assert recheck.context.traceparent == header(harness, -2 if harness.outputs[-1].value is None else -1)
    assert recheck.context != announced.context


def test_a_rejected_event_is_a_failed_step_named_by_its_code() -> None:
    harness = traced()

    harness.event(stock=5, target_id="nobody", traceparent=GIVEN)
    [span] = spans(harness)

    assert (span.error, span.attributes["error.type"]) == (harness.last.code, harness.last.code)
