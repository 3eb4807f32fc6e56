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
message. `kind` is `lookup:<storefront>` or `update:<storefront>`, so every storefront has figures
of its own, and for other calls their name (`create`, `send`, `order-page`, ...). The measure to watch is
`stream_oldest_undone_age_seconds`; how long events took is `stream_event_to_settled_seconds`.
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
    own = (f"| `{gauge.name}` | {gauge.label or ''} | {gauge.unit} | {gauge.means} |" for gauge in (*EVERY, STARTS))
    return "\n".join([_HEAD, *tables[:first], *own, *tables[first:], *lines, "", _LOGS])


if __name__ == "__main__":
    sys.stdout.write(document())
