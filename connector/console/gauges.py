"""Metrics of what the engine does not know: readiness, and clocks and polls of each account. A closed list. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from connector.orders.poll import PollReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One metric; ``label`` None = a single value of the process."""

    name: str
    unit: str
    means: str
    label: str | None = "account"


READY: Final = Gauge(
    name="connector_ready",
    unit="0 or 1",
    means="1 = /readyz answers 200: the process does its part of the group's work. /readyz says why not.",
    label=None,
)
SKEW: Final = Gauge(
    name="connector_clock_skew_seconds",
    unit="s",
    means="The marketplace's clock less this machine's, as its last answers showed. Calls are signed with the "
    "corrected time; more than a few seconds says that this machine's clock is not synchronised.",
)
POLLED: Final = Gauge(
    name="connector_orders_last_success_timestamp_seconds",
    unit="s since 1970",
    means="When the last poll of the account's orders reached its end; only where this process polls. Alert when it is "
    "several intervals old.",
)
POLL_FAILURES: Final = Gauge(
    name="connector_orders_failures_in_a_row",
    unit="polls",
    means="Polls of the account's orders that failed since the last good one; 0 = the last one was good. /status says "
    "why.",
)
EVERY: Final = (READY, SKEW, POLLED, POLL_FAILURES)

Readings = Mapping[Gauge, Mapping[str, float | None]]
"""By the label's value, "" without a label; None = nothing is known yet."""


def readings(*, ready: bool, skews: Mapping[str, float | None], polls: Mapping[str, PollReport]) -> Readings:
    return {
        READY: {"": float(ready)},
        SKEW: skews,
        POLLED: {name: _seconds(poll.polled_at_us) for name, poll in polls.items()},
        POLL_FAILURES: {name: poll.failures for name, poll in polls.items()},
    }


def exposition(read: Readings) -> bytes:
    """In Prometheus' text format; an account of which nothing is known is left out."""
    return "".join(f"{line}\n" for gauge, values in read.items() for line in _lines(gauge, values)).encode()


def _lines(gauge: Gauge, values: Mapping[str, float | None]) -> Iterator[str]:
    known = [(account, value) for account, value in values.items() if value is not None]
    if known:
        yield f"# HELP {gauge.name} {gauge.means}"
        yield f"# TYPE {gauge.name} gauge"
    for labelled, value in known:
        where = "" if gauge.label is None else f"{{{gauge.label}={json.dumps(labelled, ensure_ascii=False)}}}"
        yield f"{gauge.name}{where} {value!r}"


def _seconds(at_us: int | None) -> float | None:
    return None if at_us is None else at_us / 1e6
