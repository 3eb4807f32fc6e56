"""The traces of input events: which span stands for an event, and what it says once the event has a result. Pure.

A span carries ids, statuses and codes, no content of an event: neither keys nor values nor attributes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from streams.span import Span, SpanKind, named, processed
from streams.trace_context import Sampling, TraceContext, parse

_ERRORS = frozenset({"FAILED", "REJECTED", "CONFLICT", "AMBIGUOUS"})
"""Statuses of results that somebody must look at. NOT_FOUND and HELD are answers, with lists of their own."""


class TracedResult(Protocol):
    """What the result of every input has."""

    @property
    def result_id(self) -> str: ...
    @property
    def event_id(self) -> str | None: ...
    @property
    def status(self) -> str: ...
    @property
    def code(self) -> str | None: ...
    @property
    def account(self) -> str | None: ...
    @property
    def storefront(self) -> str | None: ...
    @property
    def input_topic(self) -> str: ...
    @property
    def input_partition(self) -> int: ...
    @property
    def input_offset(self) -> int: ...
    @property
    def received_at_us(self) -> int: ...
    @property
    def decided_at_us(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTrace:
    """The span of one processing of an event, and the span below which it is; None: it begins the trace."""

    context: TraceContext
    parent: TraceContext | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTraces:
    """How events are traced. None in its place: they are not, and ``traceparent`` is passed on as it came."""

    sampling: Sampling
    group: str
    instance_id: str

    def of(self, identity: str, traceparent: str | None) -> EventTrace:
        """Returns the trace of a processing; ``identity`` names it, and is durable. ``traceparent``: the input's."""
        parent = parse(traceparent)
        return EventTrace(context=self.sampling.below(identity, parent), parent=parent)

    def again(self, trace: EventTrace, identity: str) -> EventTrace:
        """Returns the trace of a further result of the same processing, below that of the first one."""
        return EventTrace(context=self.sampling.below(identity, trace.context), parent=trace.context)

    def span(self, result: TracedResult, trace: EventTrace, calls: Iterable[str] = ()) -> Span | None:
        """Returns the span of an event that has this result; None if its trace is not recorded."""
        if not trace.context.sampled:
            return None
        status = str(result.status)
        error = (result.code or status) if status in _ERRORS else ""
        return Span(
            name=f"process {result.input_topic}",
            kind=SpanKind.CONSUMER,
            context=trace.context,
            parent=trace.parent,
            start_us=result.received_at_us,
            end_us=result.decided_at_us,
            error=error,
            attributes=named(
                {
                    **processed(result.input_topic, result.input_partition, result.input_offset),
                    "messaging.consumer.group.name": self.group,
                    "messaging.client.id": self.instance_id,
                    "messaging.message.id": result.event_id,
                    "error.type": error,
                    "connector.result.id": result.result_id,
                    "connector.result.status": status,
                    "connector.result.code": result.code,
                    "connector.account": result.account,
                    "connector.storefront": result.storefront,
                    "connector.call.ids": tuple(calls),
                }
            ),
        )
