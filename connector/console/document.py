"""Generates the page of all metrics and log events from the lists that they are emitted from.

``docs/metrics.md`` is printed from here: ``python -m connector.console.document > docs/metrics.md``.
"""

import sys

from connector.console.gauges import EVERY, STARTS
from connector.log_events import OWN_EVENTS
from streams.telemetry import described

_HEAD = """\
# Metrics and log events

`/metrics` serves Prometheus' text format. This list is complete. No label has unbounded values: no EAN, no unit, no
message. `target` is an id of the routing, `code` one of [codes.md](codes.md). `kind` is `lookup:<storefront>` or
`update:<storefront>`, so every storefront has figures of its own, and for other calls their name (`create`, `send`,
`order-page`, ...). The measure to watch is `stream_oldest_undone_age_seconds`; how long events took is
`stream_event_to_settled_seconds`.

The metrics `stream_kafka_*` are few of the hundreds of numbers that librdkafka reports. Each answers a question that no
other metric does: is a broker slow, or does it throttle (round trip, throttled), do requests pile up before it
(waiting), does the network break (disconnects, time-outs), do records wait for this process or for the broker
(queued), does the group rebalance again and again, and does a transaction hang, in which state. The consumer reports
every second, the producer every five.
"""

_LOGS = """\
A log event is the `event_id` of a line. `event` is its sentence for people, which may change. Lines of libraries have
the id `library`. `deploy/logs/log-line.schema.json` is the JSON Schema of all lines.
"""


def document() -> str:
    """Returns the content of docs/metrics.md."""
    tables = list(described())
    first = tables.index("")
    lines = (f"| `{event.id}` | {', '.join(event.fields)} | {event.text} |" for event in OWN_EVENTS)
    own = (
        f"| `{gauge.name}` | {', '.join(gauge.labels)} | {gauge.unit} | {gauge.means} |" for gauge in (*EVERY, STARTS)
    )
    return "\n".join([_HEAD, *tables[:first], *own, *tables[first:], *lines, "", _LOGS])


if __name__ == "__main__":
    sys.stdout.write(document())
