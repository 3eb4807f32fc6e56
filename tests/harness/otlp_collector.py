"""A collector of traces: an OTLP/HTTP server that decodes what it gets."""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSpan:
    """A span that the collector got; ids are hexadecimal."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str  # "" = it has none
    links: tuple[tuple[str, str], ...]  # trace and span
    attributes: Mapping[str, Any]
    error: str  # "" = it did not fail
    duration_us: int
    resource: Mapping[str, Any]
    conventions: str  # schema URL of its scope


class OtlpCollector:
    """What the server got, and how it answers."""

    def __init__(self) -> None:
        self.status = 200
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.endpoint = ""
        self.may_answer = threading.Event()
        self.may_answer.set()

    @property
    def spans(self) -> list[SeenSpan]:
        """The spans of all requests that were answered with success."""
        return [span for body in self.bodies for span in _spans(body)]


@contextmanager
def collecting(tls: ssl.SSLContext | None = None) -> Iterator[OtlpCollector]:
    """Runs a collector on a free port of 127.0.0.1. ``tls``: it serves HTTPS."""
    collector = OtlpCollector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.may_answer.wait()
            collector.headers.append({name.lower(): value for name, value in self.headers.items()})
            if collector.status == 200 and self.path.partition("?")[0] == "/v1/traces":
                collector.bodies.append(body)
            self.send_response(collector.status if self.path.partition("?")[0] == "/v1/traces" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        origin = "http://127.0.0.1" if tls is None else "https://localhost"
        collector.endpoint = f"{origin}:{server.server_port}/v1/traces"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            collector.may_answer.set()
            server.shutdown()
            thread.join()


def _spans(body: bytes) -> Iterator[SeenSpan]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield SeenSpan(
                    name=span.name,
                    kind=span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    attributes=_values(span.attributes),
                    error=span.status.message if span.status.code == 2 else "",
                    duration_us=(span.end_time_unix_nano - span.start_time_unix_nano) // 1_000,
                    resource=_values(resource.resource.attributes),
                    conventions=scope.schema_url,
                )


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: _value(one.value) for one in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, kind)
