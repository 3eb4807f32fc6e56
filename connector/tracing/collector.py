"""Sends spans to a collector by OTLP over HTTP, with the batch processor of OpenTelemetry's SDK and its thread.

A collector that does not answer costs a counter and one line of the log: spans wait in a queue of a fixed length, and
are lost when it is full. The stream never waits for it.
"""

import logging
import os
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Final

import requests
import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags
from opentelemetry.trace import SpanKind as OtelKind
from opentelemetry.util.re import parse_env_headers

from streams.clock import uptime_s
from streams.http.address_secrets import without_secrets
from streams.span import SEMANTIC_CONVENTIONS, Span, SpanKind
from streams.trace_context import TraceContext

_SCOPE: Final = "kaufland-stream-connector"
_TIMEOUT_S: Final = 5.0  # of an export, repetitions included, unless OTEL_EXPORTER_OTLP_TIMEOUT is set
CLOSING_S: Final = 3.0  # for what is left when the process ends
_QUEUE: Final = 2_048  # unless OTEL_BSP_MAX_QUEUE_SIZE is set
_BATCH: Final = 512  # spans in one export at most; the SDK's default, which it refuses above the queue's length
_KINDS: Final = {SpanKind.CONSUMER: OtelKind.CONSUMER, SpanKind.CLIENT: OtelKind.CLIENT}
_TIMEOUTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
_CERTIFICATES: Final = ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE")
_HEADERS: Final = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")

_SDK_LOGGERS: Final = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.sdk._shared_internal",
)

_log = structlog.get_logger("connector")


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorSettings:
    """Where spans are sent, and as whose."""

    endpoint: str  # the whole URL
    headers: Mapping[str, str]
    ca_file: Path | None
    version: str
    instance_id: str


def ca_in_use(ca_file: Path | None) -> Path | None:
    """Returns the CA certificates for the collector: what OpenTelemetry's variables name goes before ``ca_file``."""
    named = next((file for name in _CERTIFICATES if (file := os.environ.get(name))), None)
    return Path(named) if named is not None else ca_file


def headers_in_use(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Returns these headers for the collector; without any, those of OpenTelemetry's variables."""
    text = next((text for name in _HEADERS if (text := os.environ.get(name))), "")
    return headers or parse_env_headers(text, liberal=True)


class Collector:
    """Takes spans in one thread, and sends them in another."""

    def __init__(
        self, settings: CollectorSettings, exporter: SpanExporter | None = None, *, closing_s: float = CLOSING_S
    ) -> None:
        """``exporter``: another one than the OTLP exporter of these settings. ``closing_s``: the longest ``close``."""
        self._closing_s = closing_s
        self._room = _number("OTEL_BSP_MAX_QUEUE_SIZE", _QUEUE)
        self._resource = _resource(settings)
        self._scope = InstrumentationScope(
            _SCOPE, settings.version, schema_url=f"https://opentelemetry.io/schemas/{SEMANTIC_CONVENTIONS}"
        )
        where = without_secrets(settings.endpoint)
        self._exporter = _CountingExporter(exporter if exporter is not None else _exporter(settings), where)
        self._processor = BatchSpanProcessor(
            self._exporter, max_queue_size=self._room, max_export_batch_size=min(_BATCH, self._room)
        )
        self._taken = 0
        self._refused = 0

    def report(self, span: Span) -> None:
        """Takes a span; it is lost if the queue is full. Never waits, never raises. One thread."""
        if self._taken - self._exporter.done >= self._room:
            self._refused += 1
            return
        self._taken += 1
        self._processor.on_end(self._readable(span))

    def counts(self) -> Mapping[str, float]:
        """Returns how many spans were sent and lost since the start. Thread-safe."""
        return {"sent": self._exporter.sent, "lost": self._exporter.lost + self._refused}

    def close(self) -> None:
        """Sends what is left, for a few seconds at most. Safe to call twice.

        An export that still waits for its answer then is left alone, whatever its own timeout: it must not keep the
        process beyond the time that its drain and the platform allow.
        """
        self._exporter.end_by(uptime_s() + self._closing_s)
        closing = Thread(target=self._processor.shutdown, name="traces-close", daemon=True)
        closing.start()
        closing.join(self._closing_s)

    def _readable(self, span: Span) -> ReadableSpan:
        return ReadableSpan(
            name=span.name,
            kind=_KINDS[span.kind],
            context=_context(span.context, is_remote=False),
            parent=None if span.parent is None else _context(span.parent, is_remote=span.kind is SpanKind.CONSUMER),
            links=[Link(_context(one, is_remote=False)) for one in span.links],
            attributes=dict(span.attributes),
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
            start_time=span.start_us * 1_000,
            end_time=span.end_us * 1_000,
            resource=self._resource,
            instrumentation_scope=self._scope,
        )


class _CountingExporter(SpanExporter):
    """Counts what another exporter sends and loses, and logs when that changes. Its thread is the processor's."""

    def __init__(self, exporter: SpanExporter, endpoint: str) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._reasons = _Reasons()
        self._is_failing = False
        self._ends_s: float | None = None
        self.sent = 0
        self.lost = 0
        self.done = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE if self._is_over else self._export(spans)
        if result is SpanExportResult.SUCCESS:
            self.sent += len(spans)
        else:
            self.lost += len(spans)
        self.done += len(spans)
        self._note(is_failing=result is not SpanExportResult.SUCCESS)
        return result

    def end_by(self, ends_s: float) -> None:
        """Exports nothing after this time, and nothing more if the collector does not answer. Any thread."""
        self._ends_s = ends_s

    def shutdown(self) -> None:
        self._exporter.shutdown()
        self._reasons.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    @property
    def _is_over(self) -> bool:
        return self._ends_s is not None and (self._is_failing or uptime_s() >= self._ends_s)

    def _export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._reasons.clear()
        try:
            return self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 traces must not end anything
            self._reasons.note(type(error).__name__)
            return SpanExportResult.FAILURE

    def _note(self, *, is_failing: bool) -> None:
        if is_failing != self._is_failing:
            self._is_failing = is_failing
            if is_failing:
                _log.warning(
                    "the collector takes no spans; they are lost", where=self._endpoint, reason=self._reasons.text
                )
            else:
                _log.info("the collector takes spans again", where=self._endpoint, lost=self.lost)


class _Reasons(logging.Filter):
    """Keeps the lines of the SDK about an export, and lets none of them into the log, where it would repeat them."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=2)  # why it failed, and that it was not tried again
        self._loggers = [logging.getLogger(name) for name in _SDK_LOGGERS]
        for logger in self._loggers:
            logger.addFilter(self)

    @property
    def text(self) -> str:
        return " ".join(self._lines)

    def clear(self) -> None:
        self._lines.clear()

    def note(self, line: str) -> None:
        self._lines.append(line)

    def filter(self, record: logging.LogRecord) -> bool:
        self.note(record.getMessage())
        return False

    def close(self) -> None:
        for logger in self._loggers:
            logger.removeFilter(self)


class _OwnCertificates(requests.Session):
    """Keeps to its CA certificates: for a plain session, REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE would go before them."""

    def send(self, request: requests.PreparedRequest, **given: Any) -> requests.Response:
        return super().send(request, **{**given, "verify": self.verify})


def _exporter(settings: CollectorSettings) -> OTLPSpanExporter:
    ca_file = ca_in_use(settings.ca_file)
    return OTLPSpanExporter(
        endpoint=settings.endpoint,
        headers=headers_in_use(settings.headers),
        certificate_file=str(ca_file) if ca_file is not None else None,
        session=_OwnCertificates() if ca_file is not None else None,
        timeout=None if any(os.environ.get(name) for name in _TIMEOUTS) else _TIMEOUT_S,
    )


def _resource(settings: CollectorSettings) -> Resource:
    """Returns who the spans are of; what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES name goes first."""
    given = {pair.partition("=")[0].strip() for pair in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",")}
    if os.environ.get("OTEL_SERVICE_NAME"):
        given.add("service.name")
    own = {
        "service.name": _SCOPE,
        "service.version": settings.version,
        "service.instance.id": settings.instance_id,
    }
    return Resource.create({name: value for name, value in own.items() if name not in given})


def _context(context: TraceContext, *, is_remote: bool) -> SpanContext:
    return SpanContext(
        trace_id=int(context.trace_id, 16),
        span_id=int(context.span_id, 16),
        is_remote=is_remote,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if context.sampled else TraceFlags.DEFAULT),
    )


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable, "")
    return int(text) if text.isdigit() and int(text) > 0 else default
