"""A finished step of the processing, as it is reported to a collector of traces. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from streams.trace_context import TraceContext


class SpanKind(Enum):
    """The kinds of OpenTelemetry that occur here."""

    CONSUMER = "consumer"  # an input record, from its reception to its output
    CLIENT = "client"  # a call to the outside


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A finished step. Names of attributes are those of OpenTelemetry's semantic conventions where it has one."""

    name: str
    kind: SpanKind
    context: TraceContext
    start_us: int
    end_us: int
    parent: TraceContext | None = None
    links: tuple[TraceContext, ...] = ()  # of a step with several parents
    attributes: Mapping[str, str | int | tuple[str, ...]] = field(default_factory=dict, hash=False)
    error: str = ""  # its code; empty = it did not fail


SEMANTIC_CONVENTIONS = "1.44.0"
"""The version of OpenTelemetry's semantic conventions that the attributes follow."""


def named(attributes: Mapping[str, str | int | tuple[str, ...] | None]) -> dict[str, str | int | tuple[str, ...]]:
    """Returns the attributes that have a value."""
    return {name: value for name, value in attributes.items() if value is not None and value not in ("", ())}


def processed(topic: str, partition: int, offset: int) -> dict[str, str | int]:
    """Returns the attributes of a record that is processed."""
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": topic,
        "messaging.destination.partition.id": str(partition),
        "messaging.kafka.offset": offset,
    }
