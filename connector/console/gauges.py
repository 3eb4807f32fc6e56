"""Metrics of the application: readiness, clock skew, polls, late events. The list is complete. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from connector.orders.poll_lane import PollReport
from connector.orders.subscriptions import PushReport
from connector.reconciliation.sweep_lane import SweepReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One metric; ``label`` is None if it has a single value for the process."""

    name: str
    unit: str
    means: str
    label: str | None = "account"
    kind: Literal["gauge", "counter"] = "gauge"


READY: Final = Gauge(
    name="connector_ready",
    unit="0 or 1",
    means="1: /readyz returns 200, the process does its share of the group's work. /readyz has the reasons for 0.",
    label=None,
)
SKEW: Final = Gauge(
    name="connector_clock_skew_seconds",
    unit="s",
    means="The marketplace's clock minus this machine's, from its last responses. Calls are signed with the "
    "corrected time; more than a few seconds means that this machine's clock is not synchronised.",
)
POLLED: Final = Gauge(
    name="connector_orders_last_success_timestamp_seconds",
    unit="s since 1970",
    means="Completion time of the last successful poll of the account's orders; only where this process polls. Alert "
    "when it is several intervals old.",
)
POLL_FAILURES: Final = Gauge(
    name="connector_orders_failures_in_a_row",
    unit="polls",
    means="Failed polls of the account's orders since the last successful one; 0: the last one succeeded. /status has "
    "the reason.",
)
OUT_OF_ORDER: Final = Gauge(
    name="connector_offers_out_of_order_total",
    unit="results",
    means="Results of events that lost a field to a newer event or tombstone read before them (code OUT_OF_ORDER). A "
    "source that counts up here has a clock that is wrong, or sends out of order, or the clock of whoever writes "
    "tombstones is ahead. The first 20 sources that a process meets are named; later ones count as `(other)`.",
    label="source",
    kind="counter",
)
RESULTS: Final = Gauge(
    name="connector_offers_results_total",
    unit="results",
    means="Results of offer changes that this process has written, by status, announcements such as NOT_FOUND and HELD "
    "among them.",
    label="status",
    kind="counter",
)
HELD: Final = Gauge(
    name="connector_offers_held_total",
    unit="values",
    means="Prices, stocks and handling times that were held, by code: HELD_BY_PERSON and PAUSED by a command, "
    "HELD_BY_OVERRIDE by the file of overrides, the others by a guard rail.",
    label="code",
    kind="counter",
)
KEYS_REFUSED: Final = Gauge(
    name="connector_account_keys_refused",
    unit="0 or 1",
    means="1: the account's last answer was a 401, so its keys or this machine's clock are wrong; /status has the "
    "reason (`valve`). The account sends nothing but a probe now and then.",
)
SENT_AS_OTHER: Final = Gauge(
    name="connector_shipments_sent_as_other_total",
    unit="results",
    means="Results of this process with the code CARRIER_SENT_AS_OTHER: buyers cannot follow these parcels. Add the "
    "carriers to [shipments.carriers].",
    kind="counter",
)
PUSH_DISABLED: Final = Gauge(
    name="connector_push_subscriptions_disabled",
    unit="subscriptions",
    means="Push subscriptions to this connector that the marketplace has disabled because the address failed for half "
    "a day; only where this process polls. Orders then wait for the next regular poll. `connector push repair` enables "
    "them again.",
)
DRIFTS: Final = Gauge(
    name="connector_offers_drifted_total",
    unit="values",
    means="Values that differ from what the marketplace accepted last, as sweeps have shown, by cause; each change "
    "counts once. LOST_WRITE and EDITED_OUTSIDE need a person. The topic drift has each of them.",
    label="cause",
    kind="counter",
)
SWEPT: Final = Gauge(
    name="connector_sweeps_last_success_timestamp_seconds",
    unit="s since 1970",
    means="When the last sweep of the units of an account and storefront ended; only where this process sweeps. Alert "
    "when it is several intervals old.",
    label="place",
)
FILE_REFUSED: Final = Gauge(
    name="connector_file_refused",
    unit="0 or 1",
    means="1: the present content of a file that is read again while the connector runs is not valid or cannot be "
    "read, and its last valid content stays in use. /readyz and /status have the reason.",
    label="setting",
)
SPANS: Final = Gauge(
    name="connector_trace_spans_total",
    unit="spans",
    means="Spans of events and calls by outcome: sent to the collector, or lost because it did not take them in time. "
    "Only where [traces] is enabled. The stream does not wait for the collector.",
    label="outcome",
    kind="counter",
)
CERTIFICATE_ENDS: Final = Gauge(
    name="connector_certificate_end_timestamp_seconds",
    unit="s since 1970",
    means="When the TLS certificate of a file that the settings name ends; of a file of CA certificates, the last of "
    "them. The certificates of servers are not in it.",
    label="setting",
)
STARTS: Final = Gauge(
    name="connector_process_starts_total",
    unit="starts",
    means="Starts of a process by its parent; only with `connector run --processes`, where every other metric has the "
    "label process as well.",
    label="process",
    kind="counter",
)
"""Served by the parent of several processes."""

EVERY: Final = (
    READY,
    SKEW,
    POLLED,
    POLL_FAILURES,
    KEYS_REFUSED,
    RESULTS,
    HELD,
    OUT_OF_ORDER,
    SENT_AS_OTHER,
    DRIFTS,
    SWEPT,
    PUSH_DISABLED,
    FILE_REFUSED,
    SPANS,
    CERTIFICATE_ENDS,
)

Readings = Mapping[Gauge, Mapping[str, float | None]]
"""The values of each metric by label value ("" for a metric without a label); None if not known yet."""


def readings(
    *,
    ready: bool,
    skews: Mapping[str, float | None],
    refused: Mapping[str, bool],
    results: Mapping[str, int],
    held: Mapping[str, int],
    polls: Mapping[str, PollReport],
    out_of_order: Mapping[str, int],
    sent_as_other: Mapping[str, int],
    drifts: Mapping[str, int],
    sweeps: Mapping[str, SweepReport],
    subscriptions: Mapping[str, PushReport],
    files: Mapping[str, str],
    spans: Mapping[str, float],
    certificates: Mapping[str, float | None],
) -> Readings:
    """Returns the present value of each metric."""
    return {
        READY: {"": float(ready)},
        SKEW: skews,
        POLLED: {name: _seconds(poll.polled_at_us) for name, poll in polls.items()},
        POLL_FAILURES: {name: poll.failures for name, poll in polls.items()},
        KEYS_REFUSED: {name: float(is_refused) for name, is_refused in refused.items()},
        RESULTS: results,
        HELD: held,
        OUT_OF_ORDER: out_of_order,
        SENT_AS_OTHER: sent_as_other,
        DRIFTS: drifts,
        SWEPT: {
            place: _seconds(sweep.state.finished.ended_at_us if sweep.state.finished is not None else None)
            for place, sweep in sweeps.items()
        },
        PUSH_DISABLED: {
            name: len(push.disabled) if push.read_at_us is not None else None for name, push in subscriptions.items()
        },
        FILE_REFUSED: {setting: float(bool(problem)) for setting, problem in files.items()},
        SPANS: spans,
        CERTIFICATE_ENDS: certificates,
    }


def exposition(read: Readings) -> bytes:
    """Formats the metrics in Prometheus' text format; unknown values are left out."""
    return "".join(f"{line}\n" for gauge, values in read.items() for line in _lines(gauge, values)).encode()


def _lines(gauge: Gauge, values: Mapping[str, float | None]) -> Iterator[str]:
    known = [(labelled, value) for labelled, value in values.items() if value is not None]
    if known:
        yield f"# HELP {gauge.name} {gauge.means}"
        yield f"# TYPE {gauge.name} {gauge.kind}"
    for labelled, value in known:
        where = "" if gauge.label is None else f'{{{gauge.label}="{_escaped(labelled)}"}}'
        yield f"{gauge.name}{where} {value!r}"


def _escaped(text: str) -> str:
    """Escapes a label value for Prometheus' text format."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _seconds(at_us: int | None) -> float | None:
    return None if at_us is None else at_us / 1e6
