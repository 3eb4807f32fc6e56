"""Metrics of the application: readiness, clock skew, polls, what became of events. The list is complete. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from connector.offers.figures import OfferFigures
from connector.orders.poll_lane import PollReport
from connector.orders.subscriptions import PushReport
from connector.reconciliation.sweep_lane import SweepReport
from connector.replays.reading import NAME_PREFIX
from streams.engine.snapshot import SideInputSnapshot, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One metric; without ``labels`` it has a single value for the process."""

    name: str
    unit: str
    means: str
    labels: tuple[str, ...] = ("account",)
    kind: Literal["gauge", "counter"] = "gauge"


READY: Final = Gauge(
    name="connector_ready",
    unit="0 or 1",
    means="1: /readyz returns 200, the process does its share of the group's work. /readyz has the reasons for 0.",
    labels=(),
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
EVENTS: Final = Gauge(
    name="connector_offers_events_total",
    unit="events",
    means="Offer changes that this process has begun to process, by target and by why (origin): LIVE as input, REPLAY "
    "read again, others by a command or a sweep. `(unknown)` counts events that name no target of the routing.",
    labels=("target", "origin"),
    kind="counter",
)
RESULTS: Final = Gauge(
    name="connector_offers_results_total",
    unit="results",
    means="Results of offer changes that this process has written, by target, status and code, announcements such as "
    "NOT_FOUND and HELD among them. `code` is empty where the result has none.",
    labels=("target", "status", "code"),
    kind="counter",
)
LAST_APPLIED: Final = Gauge(
    name="connector_offers_last_applied_timestamp_seconds",
    unit="s since 1970",
    means="When the marketplace last accepted a value of the target from this process; the latest over all processes "
    "counts. While `connector_offers_events_total` grows, it should not stay behind for long.",
    labels=("target",),
)
OLDEST_UNDONE: Final = Gauge(
    name="connector_offers_oldest_undone_age_seconds",
    unit="s",
    means="Age of the oldest event of the target that has no result yet, held and not-found ones excluded; 0 = there "
    "is none. After a start, an event that another process has left counts from its first turn on; the oldest come "
    "first, and `stream_oldest_undone_age_seconds` has all of them.",
    labels=("target",),
)
PRICE_CHANGES: Final = Gauge(
    name="connector_offers_price_changes_total",
    unit="values",
    means="Prices that the marketplace accepted and that differ from the one before, by direction: up, down, or first "
    "where the one before was not known.",
    labels=("target", "direction"),
    kind="counter",
)
STOCK_TO_ZERO: Final = Gauge(
    name="connector_offers_stock_to_zero_total",
    unit="values",
    means="Stocks that the marketplace accepted as zero and that were not known to be zero before.",
    labels=("target",),
    kind="counter",
)
CLAMPED: Final = Gauge(
    name="connector_offers_clamped_total",
    unit="values",
    means="Stocks that were below zero or above the highest that is sent, and became that bound (code CLAMPED).",
    labels=("target",),
    kind="counter",
)
HELD: Final = Gauge(
    name="connector_offers_held_total",
    unit="values",
    means="Prices, stocks and handling times that were held, by target and code: HELD_BY_PERSON and PAUSED by a "
    "command, HELD_BY_OVERRIDE by the file of overrides, the others by a guard rail.",
    labels=("target", "code"),
    kind="counter",
)
OUT_OF_ORDER: Final = Gauge(
    name="connector_offers_out_of_order_total",
    unit="results",
    means="Results of events that lost a field to a newer event or tombstone read before them (code OUT_OF_ORDER). A "
    "source that counts up here has a clock that is wrong, or sends out of order, or the clock of whoever writes "
    "tombstones is ahead. The first 20 sources that a process meets are named; later ones count as `(other)`.",
    labels=("target", "source"),
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
    labels=("cause",),
    kind="counter",
)
SWEPT: Final = Gauge(
    name="connector_sweeps_last_success_timestamp_seconds",
    unit="s since 1970",
    means="When the last sweep of the units of an account and storefront ended; only where this process sweeps. Alert "
    "when it is several intervals old.",
    labels=("place",),
)
FILE_REFUSED: Final = Gauge(
    name="connector_file_refused",
    unit="0 or 1",
    means="1: the present content of a file that is read again while the connector runs is not valid or cannot be "
    "read, and its last valid content stays in use. /readyz and /status have the reason.",
    labels=("setting",),
)
REPLAYS: Final = Gauge(
    name="connector_replays",
    unit="parts",
    means="Parts of replays that this process reads now, one for each replay and partition, by state: running, paused, "
    "or unreadable. What they have processed counts in `connector_offers_events_total` with the origin REPLAY.",
    labels=("state",),
)
REPLAY_LEFT: Final = Gauge(
    name="connector_replay_offsets_left",
    unit="offsets",
    means="Offsets that the replays of this process have still to read.",
    labels=(),
)
BUILD: Final = Gauge(
    name="connector_build_info",
    unit="1",
    means="1; the labels have the version of the connector, the commit that it was built from (empty where that is "
    "not known), and the versions of Python and of the package confluent-kafka, which brings librdkafka.",
    labels=("version", "commit", "python", "confluent_kafka"),
)
SPANS: Final = Gauge(
    name="connector_trace_spans_total",
    unit="spans",
    means="Spans of events and calls by outcome: sent to the collector, or lost because it did not take them in time. "
    "Only where [traces] is enabled. The stream does not wait for the collector.",
    labels=("outcome",),
    kind="counter",
)
CERTIFICATE_ENDS: Final = Gauge(
    name="connector_certificate_end_timestamp_seconds",
    unit="s since 1970",
    means="When the TLS certificate of a file that the settings name ends; of a file of CA certificates, the last of "
    "them. The certificates of servers are not in it.",
    labels=("setting",),
)
STARTS: Final = Gauge(
    name="connector_process_starts_total",
    unit="starts",
    means="Starts of a process by its parent; only with `connector run --processes`, where every other metric has the "
    "label process as well.",
    labels=("process",),
    kind="counter",
)
"""Served by the parent of several processes."""

EVERY: Final = (
    READY,
    BUILD,
    SKEW,
    POLLED,
    POLL_FAILURES,
    KEYS_REFUSED,
    EVENTS,
    RESULTS,
    LAST_APPLIED,
    OLDEST_UNDONE,
    PRICE_CHANGES,
    STOCK_TO_ZERO,
    CLAMPED,
    HELD,
    OUT_OF_ORDER,
    SENT_AS_OTHER,
    DRIFTS,
    REPLAYS,
    REPLAY_LEFT,
    SWEPT,
    PUSH_DISABLED,
    FILE_REFUSED,
    SPANS,
    CERTIFICATE_ENDS,
)

Values: TypeAlias = Mapping[str, float | None] | Mapping[tuple[str, ...], float | None]
"""The values of a metric by those of its labels, in their order; by the text alone where there is one label. None: not
known yet."""
Readings: TypeAlias = Mapping[Gauge, Values]


def readings(
    *,
    ready: bool,
    build: tuple[str, ...],
    skews: Mapping[str, float | None],
    refused: Mapping[str, bool],
    figures: OfferFigures,
    snapshot: Snapshot | None,
    now_us: int,
    polls: Mapping[str, PollReport],
    sent_as_other: Mapping[str, int],
    sweeps: Mapping[str, SweepReport],
    subscriptions: Mapping[str, PushReport],
    files: Mapping[str, str],
    spans: Mapping[str, float],
    certificates: Mapping[str, float | None],
) -> Readings:
    """Returns the present value of each metric. ``build``: the values of the labels of ``BUILD``."""
    return {
        READY: without_labels(float(ready)),
        BUILD: {build: 1.0},
        SKEW: skews,
        POLLED: {name: _seconds(poll.polled_at_us) for name, poll in polls.items()},
        POLL_FAILURES: {name: poll.failures for name, poll in polls.items()},
        KEYS_REFUSED: {name: float(is_refused) for name, is_refused in refused.items()},
        **_of_offers(figures, now_us),
        SENT_AS_OTHER: sent_as_other,
        **_of_replays(snapshot),
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


def _of_offers(figures: OfferFigures, now_us: int) -> Readings:
    ages = {target: (now_us - at_us) / 1e6 if at_us else 0.0 for target, at_us in figures.undone_since_us.items()}
    return {
        EVENTS: figures.events,
        RESULTS: figures.results,
        LAST_APPLIED: {target: at_us / 1e6 for target, at_us in figures.applied_at_us.items()},
        OLDEST_UNDONE: {target: max(0.0, age_s) for target, age_s in ages.items()},
        PRICE_CHANGES: figures.price_changes,
        STOCK_TO_ZERO: figures.stock_to_zero,
        CLAMPED: figures.clamped,
        HELD: figures.held,
        OUT_OF_ORDER: figures.out_of_order,
        DRIFTS: figures.drifts,
    }


def _of_replays(snapshot: Snapshot | None) -> Readings:
    parts = [] if snapshot is None else [one for part in snapshot.partitions for one in part.side_inputs]
    replays = [one for one in parts if one.name.startswith(NAME_PREFIX)]
    states = [_state_of(one) for one in replays]
    return {
        REPLAYS: {state: states.count(state) for state in ("running", "paused", "unreadable")},
        REPLAY_LEFT: without_labels(sum(one.lag for one in replays)),
    }


def _state_of(replay: SideInputSnapshot) -> str:
    return "unreadable" if replay.problem else "paused" if replay.is_paused else "running"


def exposition(read: Readings) -> bytes:
    """Formats the metrics in Prometheus' text format; unknown values are left out."""
    return "".join(f"{line}\n" for gauge, values in read.items() for line in _lines(gauge, values)).encode()


def without_labels(value: float) -> Values:
    """Returns the value of a metric without labels."""
    only: tuple[str, ...] = ()
    return {only: value}


def _lines(gauge: Gauge, values: Values) -> Iterator[str]:
    known = [(labels, value) for labels, value in values.items() if value is not None]
    if known:
        yield f"# HELP {gauge.name} {gauge.means}"
        yield f"# TYPE {gauge.name} {gauge.kind}"
    for labels, value in known:
        texts = (labels,) if isinstance(labels, str) else labels
        pairs = (f'{name}="{_escaped(text)}"' for name, text in zip(gauge.labels, texts, strict=True))
        where = f"{{{','.join(pairs)}}}" if gauge.labels else ""
        yield f"{gauge.name}{where} {value!r}"


def _escaped(text: str) -> str:
    """Escapes a label value for Prometheus' text format."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _seconds(at_us: int | None) -> float | None:
    return None if at_us is None else at_us / 1e6
