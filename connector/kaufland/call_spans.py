"""The trace of a call to the marketplace: below the event that it carries, or linked to several. Pure.

A span carries what the call log has, without bodies: neither what was sent, nor headers, nor what was answered.
"""

import re
from dataclasses import dataclass
from typing import Final

from connector.kaufland.http.address import Address
from connector.kaufland.http.exchange import ApiResponse, Exchange, TransportFailure
from connector.kaufland.prepared_call import PreparedCall
from connector.kaufland.verdict.judge import Verdict
from streams.flow import Call
from streams.span import Span, SpanKind, named
from streams.trace_context import Sampling, TraceContext, parse

MAX_LINKS: Final = 128
"""The most events that a call's span is linked to, as by the default limit of OpenTelemetry."""

_ID: Final = re.compile(r"(?<=/)(?=[^/]*[0-9])[^/]+")
"""A part of a path that holds a digit. The version of the API is part of the base address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTrace:
    """The span of a call, the span below which it is, and those that it is linked to; at most one of both."""

    context: TraceContext
    parent: TraceContext | None
    links: tuple[TraceContext, ...]


def trace_of(call_id: str, traces: tuple[str, ...], sampling: Sampling) -> CallTrace:
    """Returns the trace of a call; ``traces`` has the ``traceparent`` of each of its events."""
    events = tuple(found for found in map(parse, traces) if found is not None)
    return CallTrace(
        context=sampling.across(call_id, events),
        parent=events[0] if len(events) == 1 else None,
        links=events[:MAX_LINKS] if len(events) > 1 else (),
    )


def span_of(
    call: Call,
    prepared: PreparedCall,
    exchange: Exchange,
    outcome: ApiResponse | TransportFailure,
    verdict: Verdict,
    trace: CallTrace,
    address: Address,
) -> Span | None:
    """Returns the span of one attempt; None if its trace is not recorded."""
    if not trace.context.sampled:
        return None
    began = exchange.sent or exchange.began
    path = prepared.request.target.partition("?")[0]
    template = _ID.sub("{id}", path)
    status = outcome.status if isinstance(outcome, ApiResponse) else None
    failure = outcome.error if isinstance(outcome, TransportFailure) else outcome.cut
    error = failure or (str(status) if status is not None and status >= 400 else "")
    attempt = max(prepared.question.attempts)
    return Span(
        name=f"{prepared.request.method} {template}",
        kind=SpanKind.CLIENT,
        context=trace.context,
        parent=trace.parent,
        links=trace.links,
        start_us=began.wall_us,
        end_us=began.wall_us + round((exchange.ended.mono_s - began.mono_s) * 1e6),
        error=error,
        attributes=named(
            {
                "http.request.method": prepared.request.method,
                "http.request.resend_count": attempt - 1 if attempt > 1 else None,
                "http.request.body.size": len(prepared.request.body) or None,
                "http.response.status_code": status,
                "server.address": address.host,
                "server.port": address.port,
                "url.full": f"{address.base}{prepared.request.target}",
                "url.template": template,
                "error.type": error,
                "connector.call.id": call.id,
                "connector.call.kind": call.kind,
                "connector.call.outcome": verdict.outcome,
                "connector.call.items": len(prepared.items),
                "connector.account": call.account,
                "connector.storefront": prepared.storefront,
            }
        ),
    )
