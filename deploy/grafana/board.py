"""Generates the Grafana board from a table of panels.

``deploy/grafana/connector.json`` is printed from here:
``python deploy/grafana/board.py > deploy/grafana/connector.json``.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

WIDTH: Final = 24
"""Columns of Grafana's grid."""
HEIGHT: Final = 8
SELECTED: Final = 'job=~"$job"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel. ``queries``: legend -> PromQL, in which ``{}`` stands for the selected job and more matchers."""

    title: str
    about: str
    queries: dict[str, str]
    unit: str = "short"
    kind: Literal["timeseries", "stat"] = "timeseries"
    width: int = 8


ROWS: Final[dict[str, tuple[Panel, ...]]] = {
    "Is it well?": (
        Panel(
            title="Processes that are ready",
            about="Those that do their share of the group's work; /readyz of the others has the reasons.",
            queries={"ready": "sum(connector_ready{})", "scraped": "count(connector_ready{})"},
            kind="stat",
            width=6,
        ),
        Panel(
            title="Oldest event that waits for a call",
            about="The measure to watch: how old the oldest pending change of an account is.",
            queries={"{{account}}": "max by (account) (stream_oldest_undone_age_seconds{})"},
            unit="s",
            kind="stat",
            width=6,
        ),
        Panel(
            title="Paused accounts",
            about="1: nothing but a probe is sent, after a 401, a Retry-After or an outage; /status has the reason.",
            queries={
                "{{account}}": "max by (account) (stream_account_closed{})",
                "{{account}}: 401": "max by (account) (connector_account_keys_refused{})",
            },
            kind="stat",
            width=6,
        ),
        Panel(
            title="Refused partitions",
            about="Nothing of these is read or sent until somebody repairs them.",
            queries={"partitions": "sum(stream_partition_broken{})"},
            kind="stat",
            width=6,
        ),
    ),
    "What becomes of events": (
        Panel(
            title="Events read, by topic",
            about="Input records, dead letters among them.",
            queries={"{{topic}}": "sum by (topic) (rate(stream_records_read_total{}[$__rate_interval]))"},
            unit="ops",
        ),
        Panel(
            title="Results of offer changes, by target and status",
            about="Announcements such as NOT_FOUND and HELD among them.",
            queries={
                "{{target}} {{status}}": "sum by (target, status) "
                "(rate(connector_offers_results_total{}[$__rate_interval])) > 0"
            },
            unit="ops",
        ),
        Panel(
            title="Results that are not APPLIED or UNCHANGED, by code",
            about="docs/codes.md has the meaning of each code and what to do.",
            queries={
                "{{target}} {{code}}": "sum by (target, code) "
                '(increase(connector_offers_results_total{status!~"APPLIED|UNCHANGED"}[$__rate_interval])) > 0'
            },
        ),
        Panel(
            title="Since the last accepted value, by target",
            about="Only while events come for the target; connector_offers_events_total.",
            queries={
                "{{target}}": "time() - max by (target) (connector_offers_last_applied_timestamp_seconds{}) "
                "and on (target) sum by (target) (rate(connector_offers_events_total{}[$__rate_interval])) > 0"
            },
            unit="s",
        ),
        Panel(
            title="Oldest undone event, by target",
            about="Held and not-found ones excluded.",
            queries={"{{target}}": "max by (target) (connector_offers_oldest_undone_age_seconds{})"},
            unit="s",
        ),
        Panel(
            title="Price changes and stocks to zero",
            about="That the marketplace accepted, by target.",
            queries={
                "{{target}} price {{direction}}": "sum by (target, direction) "
                "(increase(connector_offers_price_changes_total{}[$__rate_interval]))",
                "{{target}} to zero": "sum by (target) "
                "(increase(connector_offers_stock_to_zero_total{}[$__rate_interval]))",
                "{{target}} clamped": "sum by (target) (increase(connector_offers_clamped_total{}[$__rate_interval]))",
            },
        ),
        Panel(
            title="Replays, and events by origin",
            about="Offsets that replays have still to read, and the events that began other than live.",
            queries={
                "offsets left": "sum(connector_replay_offsets_left{})",
                "{{state}}": "sum by (state) (connector_replays{})",
                "{{origin}} per s": "sum by (origin) "
                '(rate(connector_offers_events_total{origin!="LIVE"}[$__rate_interval]))',
            },
        ),
        Panel(
            title="Dead letters",
            about="Records that cannot be read: connector dlq list.",
            queries={"{{topic}} {{code}}": "sum by (topic, code) (increase(stream_dead_letters_total{}[$__range]))"},
        ),
        Panel(
            title="Held changes, by target and code",
            about="By a command of a person, or by a guard rail: connector hold list, connector guard list.",
            queries={
                "{{target}} {{code}}": "sum by (target, code) "
                "(increase(connector_offers_held_total{}[$__rate_interval])) > 0"
            },
        ),
        Panel(
            title="Events out of order, by source",
            about="A source that counts up has a wrong clock or sends out of order.",
            queries={
                "{{source}} {{target}}": "sum by (source, target) "
                "(rate(connector_offers_out_of_order_total{}[$__rate_interval]))"
            },
            unit="ops",
        ),
        Panel(
            title="Drift, by cause",
            about="Values that differ from what the marketplace accepted, as sweeps show.",
            queries={"{{cause}}": "sum by (cause) (increase(connector_offers_drifted_total{}[$__range]))"},
        ),
    ),
    "Speed": (
        Panel(
            title="From event to settled answer",
            about="By account and kind of call; the objective is 99 % within a minute.",
            queries={
                f"p{share} {{{{account}}}} {{{{kind}}}}": f"histogram_quantile(0.{share}, sum by (le, account, kind) "
                '(rate(stream_event_to_settled_seconds_bucket{kind=~"update:.*|send"}[$__rate_interval])))'
                for share in (50, 99)
            },
            unit="s",
        ),
        Panel(
            title="Calls that wait, by priority",
            about="Rank 0 is the most urgent; 16 and above is background work.",
            queries={"{{account}} {{rank}}": "sum by (account, rank) (stream_wants{})"},
        ),
        Panel(
            title="Calls, and the rate that is allowed",
            about="Over all processes; answers that asked to slow down beside them.",
            queries={
                "{{account}} calls": "sum by (account) (rate(stream_calls_total{}[$__rate_interval]))",
                "{{account}} allowed": "sum by (account) (stream_rate{})",
                "{{account}} limit": "sum by (account) (stream_rate_limit{})",
                "{{account}} left": "sum by (account) (stream_calls_left{})",
                "{{account}} 429": "sum by (account) (rate(stream_slow_downs_total{}[$__rate_interval]))",
            },
            unit="reqps",
        ),
        Panel(
            title="Time of a call",
            about="From sending a call to its answer, p99.",
            queries={
                "{{account}} {{kind}}": "histogram_quantile(0.99, sum by (le, account, kind) "
                "(rate(stream_call_seconds_bucket{}[$__rate_interval])))"
            },
            unit="s",
        ),
        Panel(
            title="Calls by status of the response",
            about="none: no response came.",
            queries={
                "{{account}} {{status}}": "sum by (account, status) (rate(stream_responses_total{}[$__rate_interval]))"
            },
            unit="reqps",
        ),
        Panel(
            title="Daily budget",
            about="Calls used of requests_per_day, over all processes.",
            queries={
                "{{account}} used": "sum by (account) (stream_quota_used{})",
                "{{account}} budget": "sum by (account) (stream_quota{})",
            },
        ),
        Panel(
            title="Items of calls, by outcome",
            about="settled, lost (answer unknown), retry, notsent.",
            queries={"{{reply}}": "sum by (reply) (rate(stream_replies_total{}[$__rate_interval]))"},
            unit="ops",
        ),
        Panel(
            title="Clock skew",
            about="The marketplace's clock minus this machine's.",
            queries={"{{instance}} {{account}}": "connector_clock_skew_seconds{}"},
            unit="s",
        ),
    ),
    "Kafka": (
        Panel(
            title="Lag by topic",
            about="Records not read yet, as far as known.",
            queries={"{{topic}}": "sum by (topic) (stream_partition_lag{})"},
        ),
        Panel(
            title="Lanes with pending work",
            about="Events that were read and are not done.",
            queries={"{{topic}}": "sum by (topic) (stream_partition_undone{})"},
        ),
        Panel(
            title="Age of the last checkpoint",
            about="More than seconds: nothing becomes durable, and nothing is sent.",
            queries={"{{instance}}": "time() - (stream_last_checkpoint_timestamp_seconds{} > 0)"},
            unit="s",
        ),
        Panel(
            title="Duration of a checkpoint",
            about="p99, from its start until it is durable; and failed attempts.",
            queries={
                "p99": "histogram_quantile(0.99, "
                "sum by (le) (rate(stream_checkpoint_seconds_bucket{}[$__rate_interval])))",
                "failed": "sum(increase(stream_checkpoints_failed_total{}[$__rate_interval]))",
            },
            unit="s",
        ),
        Panel(
            title="Records behind open transactions",
            about="Cannot be read before a producer's transaction ends.",
            queries={"{{topic}}/{{partition}}": "sum by (topic, partition) (stream_partition_held_back{})"},
        ),
        Panel(
            title="Partitions gained and given up",
            about="Each rebalance moves some.",
            queries={
                "gained": "sum(increase(stream_partitions_gained_total{}[$__rate_interval]))",
                "{{how}}": "sum by (how) (increase(stream_partitions_given_up_total{}[$__rate_interval]))",
            },
        ),
    ),
    "Kafka clients and processes": (
        Panel(
            title="Round trip to a broker",
            about="99 of 100 requests were answered faster.",
            queries={
                "{{client}} broker {{broker}}": "max by (client, broker) (stream_kafka_round_trip_seconds{})",
                "{{client}} throttled": "max by (client) (stream_kafka_throttled_seconds{})",
            },
            unit="s",
        ),
        Panel(
            title="Queues of the clients",
            about="Requests to be sent or answered; records fetched and not read, or produced and not acknowledged.",
            queries={
                "{{client}} requests": "sum by (client) (stream_kafka_requests_waiting{})",
                "{{client}} records": "sum by (client) (stream_kafka_records_queued{})",
            },
        ),
        Panel(
            title="Rebalances, lost connections, time-outs",
            about="Each process takes part in every rebalance of its group.",
            queries={
                "rebalances": "max(increase(stream_kafka_rebalances_total{}[$__rate_interval]))",
                "{{client}} disconnects": "sum by (client) "
                "(increase(stream_kafka_disconnects_total{}[$__rate_interval]))",
                "{{client}} time-outs": "sum by (client) "
                "(increase(stream_kafka_request_timeouts_total{}[$__rate_interval]))",
            },
        ),
        Panel(
            title="State of the transaction",
            about="Since when it is so; Ready: none is open. Seconds are normal, minutes are not.",
            queries={
                "{{instance}} {{state}}": "max by (instance, state) (stream_kafka_transaction_state_age_seconds{})"
            },
            unit="s",
        ),
        Panel(
            title="Memory",
            about="Resident memory of each process.",
            queries={"{{instance}}": "process_resident_memory_bytes{}"},
            unit="bytes",
        ),
        Panel(
            title="Versions",
            about="Processes by version and commit.",
            queries={"{{version}} {{commit}}": "count by (version, commit) (connector_build_info{})"},
            kind="stat",
        ),
    ),
    "Orders and shipments": (
        Panel(
            title="Since the last poll of orders",
            about="By account; several intervals are too long.",
            queries={"{{account}}": "time() - max by (account) (connector_orders_last_success_timestamp_seconds{})"},
            unit="s",
        ),
        Panel(
            title="Oldest order with a unit to send",
            about="Age of the oldest open item, by topic.",
            queries={"{{topic}}": "max by (topic) (stream_oldest_open_age_seconds{})"},
            unit="s",
        ),
        Panel(
            title="Since the last sweep",
            about="By account and storefront, where reconciliation is on.",
            queries={"{{place}}": "time() - max by (place) (connector_sweeps_last_success_timestamp_seconds{})"},
            unit="s",
        ),
    ),
}


def board() -> dict[str, Any]:
    """Returns the board as Grafana imports it."""
    return {
        "uid": "kaufland-stream-connector",
        "title": "Kaufland Stream Connector",
        "description": "Generated by deploy/grafana/board.py. What an alert means is in docs/alerts.md.",
        "tags": ["kafka", "kaufland"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
                {
                    "name": "job",
                    "label": "Job",
                    "type": "query",
                    "datasource": _source(),
                    "query": {"query": "label_values(connector_ready, job)", "refId": "jobs"},
                    "refresh": 2,
                    "includeAll": True,
                    "multi": True,
                    "current": {"text": "All", "value": "$__all"},
                },
            ]
        },
        "panels": list(_panels()),
    }


def _panels() -> Iterator[dict[str, Any]]:
    number, top = 1, 0
    for title, panels in ROWS.items():
        yield {"id": number, "type": "row", "title": title, "gridPos": _place(0, top, WIDTH, 1), "panels": []}
        number, top, left = number + 1, top + 1, 0
        for panel in panels:
            if left + panel.width > WIDTH:
                left, top = 0, top + HEIGHT
            yield _panel(number, panel, _place(left, top, panel.width, HEIGHT))
            number, left = number + 1, left + panel.width
        top += HEIGHT


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    stat = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value"}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "gridPos": place,
        "datasource": _source(),
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": stat if panel.kind == "stat" else {"legend": {"displayMode": "list", "placement": "bottom"}},
        "targets": [
            {"refId": chr(ord("A") + n), "datasource": _source(), "expr": _selecting(query), "legendFormat": legend}
            for n, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def _selecting(query: str) -> str:
    return re.sub(r"\{(?=\w)", f"{{{SELECTED},", query).replace("{}", f"{{{SELECTED}}}")


def _place(left: int, top: int, width: int, height: int) -> dict[str, int]:
    return {"x": left, "y": top, "w": width, "h": height}


def _source() -> dict[str, str]:
    return {"type": "prometheus", "uid": "${datasource}"}


def document() -> str:
    """Returns the content of deploy/grafana/connector.json."""
    return json.dumps(board(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
