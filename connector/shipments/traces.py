"""The trace of an order unit of a shipment event. Its identity is durable: every process derives the same ids. Pure."""

from connector.contracts.event_traces import EventTrace, EventTraces
from connector.shipments.events import UndoneShipment


def trace_of(event: UndoneShipment, order_unit_id: int | None, traces: EventTraces) -> EventTrace:
    """Returns the trace of an order unit's result; ``order_unit_id`` None: of the event as a whole."""
    identity = f"{event.event_id}/{event.input_offset}/{event.received_at_us}/{order_unit_id}"
    return traces.of(identity, event.traceparent)


def traceparents_of(event: UndoneShipment, order_unit_id: int, traces: EventTraces | None) -> tuple[str, ...]:
    """Returns the trace context that the calls for an order unit carry, if there is one."""
    if traces is not None:
        return (trace_of(event, order_unit_id, traces).context.traceparent,)
    return () if event.traceparent is None else (event.traceparent,)
