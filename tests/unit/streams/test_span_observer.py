"""Spans are reported when their outputs are durable, and not before."""

from streams.flow import Assignment, Now, Output
from streams.messages import Checkpoint, Mark, Written
from streams.span import Span, SpanKind
from streams.span_observer import SpanObserver
from streams.telemetry import Telemetry
from streams.trace_context import Sampling

NOW = Now(mono_s=1.0, wall_us=1_700_000_000_000_000)
HERE = Assignment(topic="in", partition=0, epoch=1)
GONE = Assignment(topic="in", partition=1, epoch=2)
MARK = Mark(position=1, read_ahead=0, drained=False, serial=1, state_topic_id="t")


def span(name: str) -> Span:
    context = Sampling().begins(name)
    return Span(name=name, kind=SpanKind.CONSUMER, context=context, start_us=1, end_us=2)


def output(traced: Span | None) -> Output:
    return Output(topic="out", key=None, value=b"", span=traced)


def observed() -> tuple[SpanObserver, list[str]]:
    seen: list[str] = []
    return SpanObserver(Telemetry(lambda _notice: None), lambda one: seen.append(one.name)), seen


def checkpoint(serial: int) -> Checkpoint:
    outputs = {HERE: (output(span("here")), output(None)), GONE: (output(span("gone")),)}
    return Checkpoint(serial=serial, outputs=outputs, marks={HERE: MARK, GONE: MARK})


def test_spans_are_reported_once_their_checkpoint_is_durable_and_only_of_what_was_written() -> None:
    observer, seen = observed()

    observer.on_effect(checkpoint(1), NOW)
    assert seen == []
    observer.on_input(Written(serial=1, marks={HERE: MARK}, sent_at_s=0.5), NOW)
    observer.on_input(Written(serial=1, marks={HERE: MARK}, sent_at_s=0.5), NOW)

    assert seen == ["here"], "the other partition was taken away, and its new owner decides again"


def test_an_outdated_confirmation_reports_nothing() -> None:
    observer, seen = observed()

    observer.on_effect(checkpoint(2), NOW)
    observer.on_input(Written(serial=1, marks={HERE: MARK, GONE: MARK}, sent_at_s=0.5), NOW)

    assert seen == []


def test_metrics_are_those_without_tracing() -> None:
    telemetry = Telemetry(lambda _notice: None)
    observer = SpanObserver(telemetry, lambda _span: None)

    observer.on_effect(checkpoint(1), NOW)
    observer.on_input(Written(serial=1, marks={HERE: MARK}, sent_at_s=0.5), NOW)

    assert telemetry.metrics.totals("stream_outputs_total", "topic") == {"out": 3.0}
