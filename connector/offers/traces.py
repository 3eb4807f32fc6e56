"""The trace of an entry of the ledger. Its identity is durable, so every process derives the same ids. Pure."""

from connector.contracts.event_traces import EventTrace, EventTraces
from connector.offers.events import Announced
from connector.offers.ledger import LedgerEntry


def traceparent_of(entry: LedgerEntry, traces: EventTraces | None) -> str | None:
    """Returns the trace context that the calls for an entry carry."""
    return entry.traceparent if traces is None else _first(entry, traces).context.traceparent


def trace_of(entry: LedgerEntry, traces: EventTraces, now_us: int) -> EventTrace:
    """Returns the trace of the result that an entry has now.

    An entry that was announced has had one before. The ledger has the entry as it was before this result.
    """
    first = _first(entry, traces)
    return first if entry.announced is Announced.NONE else traces.again(first, f"{_identity(entry)}/{now_us}")


def _first(entry: LedgerEntry, traces: EventTraces) -> EventTrace:
    return traces.of(_identity(entry), entry.traceparent)


def _identity(entry: LedgerEntry) -> str:
    """Names one processing: a record that is read again after its result has another time of reception."""
    return f"{entry.result_id}/{entry.received_at_us}"
