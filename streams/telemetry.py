"""All metrics and log events, with unit and meaning, and the observer that feeds them from a running stream.

Nothing else is emitted; a test compares. Metrics are named ``stream_*`` with the unit last, following Prometheus'
conventions; times are exported as timestamps, not as "seconds since". No label has unbounded values: no key, lane or
message.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal, TypeAlias

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client import Counter as PrometheusCounter
from prometheus_client import Gauge as PrometheusGauge
from prometheus_client import Histogram as PrometheusHistogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from streams.client_statistics import ClientReading, ClientReadings
from streams.dead_letter import topic_and_code
from streams.dispatch.quota_meter import QuotaReading
from streams.engine.snapshot import PartitionSnapshot, Snapshot
from streams.flow import Answer, Call, Now, Output, Reply, Settled
from streams.messages import (
    Arrivals,
    Assigned,
    Checkpoint,
    Drain,
    Effect,
    Fetched,
    Input,
    Notice,
    Revoked,
    Stop,
    Written,
)

_US: Final = 1_000_000
_STATUSES: Final = frozenset(HTTPStatus)
_PROGRESS_EVERY_S: Final = 2.0
_CALL_BUCKETS_S: Final = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_WAIT_BUCKETS_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
_CHECKPOINT_BUCKETS_S: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric. ``unit`` is for people; the name does not always contain it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    of_snapshot: bool = False  # a gauge that is set from each snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """One kind of log line."""

    name: str
    meaning: str
    fields: tuple[str, ...]


def _counter(name: str, unit: str, meaning: str, *labels: str) -> Metric:
    return Metric(name=f"stream_{name}_total", kind="counter", unit=unit, meaning=meaning, labels=labels)


def _gauge(name: str, unit: str, meaning: str, *labels: str) -> Metric:
    """Returns a gauge that is set from each snapshot."""
    return Metric(name=f"stream_{name}", kind="gauge", unit=unit, meaning=meaning, labels=labels, of_snapshot=True)


def _moment(name: str, meaning: str, *labels: str) -> Metric:
    """Returns a gauge of the time when something last happened."""
    unit = "s since the epoch"
    return Metric(name=f"stream_{name}_timestamp_seconds", kind="gauge", unit=unit, meaning=meaning, labels=labels)


def _histogram(name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Metric:
    return Metric(
        name=f"stream_{name}_seconds", kind="histogram", unit="s", meaning=meaning, labels=labels, buckets=buckets
    )


def _client_counter(name: str, unit: str, meaning: str, *labels: str) -> Metric:
    """Returns a counter that a Kafka client keeps; it starts again with each client, and is set with each snapshot."""
    return Metric(
        name=f"stream_kafka_{name}_total", kind="counter", unit=unit, meaning=meaning, labels=labels, of_snapshot=True
    )


def _process(name: str, unit: str, meaning: str, kind: Literal["counter", "gauge"] = "gauge") -> Metric:
    return Metric(name=f"process_{name}", kind=kind, unit=unit, meaning=meaning)


METRICS: Final = (
    _counter("records_read", "records", "Input records read, dead letters among them.", "topic"),
    _counter("calls", "calls", "Calls handed to a worker.", "account", "kind"),
    _counter(
        "replies",
        "items",
        "Items of calls by outcome: settled, lost (answer unknown), retry, notsent.",
        "account",
        "kind",
        "reply",
    ),
    _counter(
        "responses",
        "calls",
        "Calls that were sent, by the status of their response: 200, 429, and so on; none = no response came.",
        "account",
        "kind",
        "status",
    ),
    _counter("calls_failed", "calls", "Calls that failed for reasons unrelated to their items.", "account"),
    _counter("slow_downs", "calls", "Answers that asked to slow down (429).", "account"),
    _histogram("call", "From sending a call to its answer.", _CALL_BUCKETS_S, "account", "kind"),
    _histogram(
        "event_to_settled",
        "From the arrival of the oldest pending event of a want to its settled answer, including retries and pauses.",
        _WAIT_BUCKETS_S,
        "account",
        "kind",
    ),
    _counter("checkpoints", "checkpoints", "Checkpoints that became durable."),
    _counter("checkpoints_failed", "attempts", "Failed attempts to make a checkpoint durable; each is repeated."),
    _histogram("checkpoint", "From the start of a checkpoint until it is confirmed durable.", _CHECKPOINT_BUCKETS_S),
    _counter("outputs", "records", "Records in checkpoints, including lanes and dead letters.", "topic"),
    _counter("dead_letters", "records", "Dead letters in checkpoints, by input topic and reason.", "topic", "code"),
    _counter("partitions_gained", "partitions", "Partitions assigned and restored."),
    _counter("partitions_given_up", "partitions", "Partitions handed over, or lost.", "how"),
    _counter("fetches_failed", "look-ups", "Schema look-ups that failed."),
    _moment("last_checkpoint", "When a checkpoint last became durable."),
    _moment("last_settled", "When a call was last settled.", "account"),
    _gauge("partition_lag", "records", "Records up to the last stable offset, as far as known.", "topic", "partition"),
    _gauge("partition_position", "offset", "Next offset to be processed.", "topic", "partition"),
    _gauge("partition_durable", "offset", "Next offset to be read after a crash.", "topic", "partition"),
    _gauge(
        "partition_held_back",
        "offsets",
        "Written but not readable yet: a producer's open transaction comes before them.",
        "topic",
        "partition",
    ),
    _gauge(
        "partition_held_back_age_seconds",
        "s",
        "Since an open transaction was first seen to hold back the last stable offset; 0 = none does.",
        "topic",
        "partition",
    ),
    _gauge("partition_undone", "lanes", "Lanes with pending work.", "topic", "partition"),
    _gauge("partition_closed", "0 or 1", "1 = nothing is sent yet: the gate is closed.", "topic", "partition"),
    _gauge("partition_broken", "0 or 1", "1 = stopped until an operator repairs it.", "topic", "partition"),
    _gauge(
        "side_input_lag",
        "offsets",
        "Of a side input's topic, still to be read beside a partition of the main topic, as far as known.",
        "topic",
        "partition",
        "side_topic",
    ),
    _gauge(
        "side_input_unreadable",
        "0 or 1",
        "1 = a side input of the partition cannot be read; the partition itself goes on.",
        "topic",
        "partition",
        "side_topic",
    ),
    _gauge(
        "lanes_open", "lanes", "Lanes with something open in the outside world, as reported by their flow.", "topic"
    ),
    _gauge("oldest_open_age_seconds", "s", "Age of the oldest open item; 0 = none.", "topic"),
    _gauge("lanes", "lanes", "Lanes in memory: awake, or asleep as bytes.", "state"),
    _gauge("outputs_waiting", "records", "Outputs and changed lanes not yet durable."),
    _gauge("lease_left_seconds", "s", "Below 0 = nothing may be sent."),
    _gauge("calls_in_flight", "calls", "Calls awaiting an answer.", "account"),
    _gauge("rate", "calls per s", "Rate that the account's limiter allows now.", "account"),
    _gauge(
        "rate_limit",
        "calls per s",
        "This process's share of the account's limit: the rate that is allowed while nothing slows it down. The sum "
        "over the processes is the limit, less what is reserved for the command line.",
        "account",
    ),
    _gauge(
        "calls_left", "calls", "Calls that could still have left in the last second, at the present rate.", "account"
    ),
    _gauge("account_closed", "0 or 1", "1 = paused: Retry-After, 401 or an outage.", "account"),
    _gauge(
        "quota",
        "calls",
        "This process's part of the account's quota for the present window (a day). The sum over the processes is the "
        "quota, less what is reserved for the command line.",
        "account",
    ),
    _gauge("quota_used", "calls", "Of this part, the calls that are counted in the window.", "account"),
    _gauge(
        "quota_used_up_timestamp_seconds",
        "s since 1970",
        "When this part is used up at the rate of the last minutes; 0 = not before the window ends.",
        "account",
    ),
    _gauge(
        "quota_withheld",
        "wants",
        "Calls that wait for the quota, lanes asleep counted once; they leave when the next window begins, or before.",
        "account",
    ),
    _gauge(
        "quota_tiers_waiting",
        "tiers",
        "Tiers of wants that must wait for the quota; all of them = it is used up.",
        "account",
    ),
    _gauge(
        "wants",
        "wants",
        "Calls waiting for a token, by priority (label rank): 0 is the most urgent, 16 and above is background work.",
        "account",
        "rank",
    ),
    _gauge(
        "oldest_undone_age_seconds",
        "s",
        "Age of the oldest event waiting for a call, background work excluded.",
        "account",
    ),
    _gauge("draining", "0 or 1", "1 = the process is handing over before it ends."),
    _gauge(
        "kafka_round_trip_seconds",
        "s",
        "99 of 100 requests of a client to a broker were answered faster, within the client's last interval. `client` "
        "is consumer (reads the inputs) or producer (writes the checkpoints), `broker` the id of the node.",
        "client",
        "broker",
    ),
    _gauge("kafka_requests_waiting", "requests", "Of a client, to be sent or to be answered.", "client"),
    _gauge(
        "kafka_records_queued",
        "records",
        "Fetched and not read yet (consumer), or produced and not acknowledged yet (producer).",
        "client",
    ),
    _gauge(
        "kafka_throttled_seconds",
        "s",
        "The longest that a broker made a client wait because of a quota, within the client's last interval; 0 = not "
        "at all.",
        "client",
    ),
    _client_counter("request_timeouts", "requests", "Requests of a client that were not answered in time.", "client"),
    _client_counter("disconnects", "connections", "Connections of a client that ended, idle ones included.", "client"),
    _client_counter("rebalances", "rebalances", "Rebalances of the group that this process took part in."),
    _gauge(
        "kafka_transaction_state_age_seconds",
        "s",
        "Since when the producer's transaction is in its present state; `state` is librdkafka's name for it. Ready: "
        "none is open.",
        "state",
    ),
)

PROCESS: Final = (
    _process("cpu_seconds_total", "s", "Time of the processor that the process has used.", "counter"),
    _process("resident_memory_bytes", "bytes", "Memory in use that is not swapped out."),
    _process("virtual_memory_bytes", "bytes", "Size of the address space."),
    _process("start_time_seconds", "s since the epoch", "When the process started."),
    _process("open_fds", "files", "Open files and sockets."),
    _process("max_fds", "files", "The most that may be open at once."),
)
"""What prometheus_client reads of the process under its customary names; on Linux only."""

EVENTS: Final = (
    LogEvent(name="partitions_assigned", meaning="The group gave us partitions.", fields=("count", "epoch")),
    LogEvent(name="restore_waits", meaning="A restore waits for an answer.", fields=("for", "reason")),
    LogEvent(
        name="restore_progress",
        meaning="A partition's lanes are being read back.",
        fields=("topic", "partition", "records", "lanes", "left"),
    ),
    LogEvent(
        name="partition_restored",
        meaning="A partition has its lanes back and catches up.",
        fields=("topic", "partition", "lanes", "position", "end", "drained"),
    ),
    LogEvent(
        name="catching_up",
        meaning="A partition sends nothing yet, and why.",
        fields=("topic", "partition", "lag", "gate"),
    ),
    LogEvent(
        name="partition_opened",
        meaning="A partition has caught up, and sends.",
        fields=("topic", "partition", "reason"),
    ),
    LogEvent(
        name="partition_released",
        meaning="A partition is handed over, or its budget is over.",
        fields=("topic", "partition", "reason"),
    ),
    LogEvent(name="partitions_revoked", meaning="Partitions are handed over.", fields=("count", "budget_s")),
    LogEvent(name="partitions_lost", meaning="Partitions went to others without a hand-over.", fields=("count",)),
    LogEvent(
        name="consumer_replaced",
        meaning="A client that was cut off from the brokers was replaced; its partitions are assigned anew.",
        fields=("reason",),
    ),
    LogEvent(name="draining", meaning="The process hands over and ends.", fields=("budget_s",)),
    LogEvent(
        name="drain_progress",
        meaning="What a drain still waits for.",
        fields=("partitions", "calls", "outputs", "wants"),
    ),
    LogEvent(name="stops", meaning="The engine stops the process.", fields=("reason", "failed")),
    LogEvent(
        name="partition_broken",
        meaning="A partition is stopped until an operator repairs it; the others continue.",
        fields=("topic", "partition", "reason"),
    ),
    LogEvent(
        name="records_held_back",
        meaning="A producer's open transaction holds back the records after it.",
        fields=("topic", "partition", "offsets", "for_s"),
    ),
    LogEvent(
        name="partition_stalled",
        meaning="A partition, or one of its lanes, makes no progress.",
        fields=("topic", "partition", "phase", "reason"),
    ),
    LogEvent(
        name="call_overdue",
        meaning="A call has no answer, long after its deadline: its worker hangs.",
        fields=("call", "account", "kind", "overdue_s"),
    ),
    LogEvent(
        name="partition_left_out",
        meaning="A record that is too large took its partition out of a checkpoint.",
        fields=("topic", "input", "partition", "size_bytes"),
    ),
    LogEvent(
        name="record_replaced",
        meaning="A dead letter or a logged call was too large; its digest and position went out instead.",
        fields=("topic", "input", "partition", "size_bytes"),
    ),
    LogEvent(
        name="checkpoint_failed",
        meaning="An attempt to make a checkpoint durable failed; says what is done next.",
        fields=("serial", "reason", "next"),
    ),
    LogEvent(
        name="sink_replaced",
        meaning="A call of the producer did not return: another one goes on with the checkpoint.",
        fields=("serial", "for_s"),
    ),
    LogEvent(name="commit_refused", meaning="The group refused the commit; it is retried.", fields=("reason",)),
    LogEvent(
        name="broker_error", meaning="The client reports an error that it recovers from by itself.", fields=("reason",)
    ),
    LogEvent(
        name="control_unreadable",
        meaning="The control topic cannot be read; the commands read before stay in force, and reading is retried.",
        fields=("topic", "reason"),
    ),
    LogEvent(name="control_readable", meaning="The control topic is read again.", fields=("topic",)),
    LogEvent(
        name="side_input_unreadable",
        meaning="A side input cannot be read; the partition beside which it is read goes on, and reading is retried.",
        fields=("name", "topic", "partition", "beside", "reason"),
    ),
    LogEvent(
        name="side_input_readable",
        meaning="A side input is read again.",
        fields=("name", "topic", "partition", "beside"),
    ),
    LogEvent(
        name="side_input_moved",
        meaning="The position of a side input is not in its topic any more; reading continues at another.",
        fields=("name", "topic", "partition", "beside", "position", "reason"),
    ),
    LogEvent(
        name="side_input_passed",
        meaning="The positions of side inputs were lost, so a range that may have been read already is not read.",
        fields=("name", "topic", "beside", "reason"),
    ),
    LogEvent(
        name="side_input_refused",
        meaning="A side input is not read, because its name is not valid or there are too many.",
        fields=("name", "topic", "beside", "reason"),
    ),
    LogEvent(
        name="side_record_skipped",
        meaning="A record of a side input cannot be read and is skipped; logged for the 1st, 10th, 100th, ... of them.",
        fields=("name", "topic", "partition", "beside", "offset", "code", "count", "reason"),
    ),
    LogEvent(
        name="account_closed",
        meaning="An account sends nothing for a while, and why.",
        fields=("account", "reason"),
    ),
    LogEvent(name="account_opened", meaning="An account sends again.", fields=("account", "reason")),
    LogEvent(
        name="quota_low",
        meaning="Four fifths of this process's part of an account's quota are used; logged once in a window.",
        fields=("account", "used", "part", "used_up_at"),
    ),
    LogEvent(
        name="quota_scarce",
        meaning="Little is left of the quota: the named calls wait, at the latest until the window ends.",
        fields=("account", "used", "part", "waiting", "until"),
    ),
    LogEvent(
        name="quota_renewed",
        meaning="A new window of a quota has begun; what waited for it goes on.",
        fields=("account",),
    ),
    LogEvent(name="schema_missing", meaning="A schema look-up failed; it is retried.", fields=("need", "reason")),
)

Log: TypeAlias = Callable[[Notice], object]

_OF_SNAPSHOTS: Final = {metric.name: metric for metric in METRICS if metric.of_snapshot}

_Instrument: TypeAlias = PrometheusCounter | PrometheusGauge | PrometheusHistogram


class GaugeBoard:
    """The gauges of one snapshot, and the counters of the Kafka clients at that time.

    Filled by one thread, then published as a whole and not changed any more.
    """

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[tuple[str, ...], float]]] = {}

    def show(self, name: str, value: float, **labels: str) -> None:
        """Sets a gauge. Raises KeyError for a gauge that is not listed, ValueError for labels other than its own."""
        metric = _OF_SNAPSHOTS[name]
        if labels.keys() != set(metric.labels):
            raise ValueError(f"{name} has the labels {metric.labels}, not {tuple(labels)}")
        self._rows.setdefault(name, []).append((tuple(labels[label] for label in metric.labels), float(value)))

    def families(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Yields the metrics in Prometheus' form."""
        for name, rows in self._rows.items():
            metric = _OF_SNAPSHOTS[name]
            made = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = made(name, _about(metric), labels=metric.labels)
            for labels, value in rows:
                family.add_metric(labels, value)
            yield family


class _Shown(Collector):
    """Exports the published board. An exposition uses one board only, even if another is published meanwhile."""

    def __init__(self) -> None:
        self.gauges = GaugeBoard()

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        return self.gauges.families()


class Metrics:
    """The listed metrics in a registry of their own. Written by one thread; any thread may read the exposition."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._listed = {metric.name: metric for metric in METRICS if not metric.of_snapshot}
        self._instruments = {name: self._instrument(metric) for name, metric in self._listed.items()}
        self._shown = _Shown()
        self._registry.register(self._shown)
        ProcessCollector(registry=self._registry)

    def begin(self, name: str, **labels: str) -> None:
        """Exports a counter or a histogram with these labels as 0, so that its first event is seen as an increase.

        Raises as ``count`` does.
        """
        if isinstance(self._child(name, labels), PrometheusGauge):
            raise TypeError(f"{name} is a gauge")

    def count(self, name: str, by: float = 1.0, **labels: str) -> None:
        """Increments a counter.

        Raises KeyError for a metric that is not listed, TypeError for one of another kind, ValueError for labels other
        than its own.
        """
        child = self._child(name, labels)
        if not isinstance(child, PrometheusCounter):
            raise TypeError(f"{name} is no counter")
        child.inc(by)

    def show(self, name: str, value: float, **labels: str) -> None:
        """Sets a gauge that does not come from snapshots. Raises as ``count`` does."""
        child = self._child(name, labels)
        if not isinstance(child, PrometheusGauge):
            raise TypeError(f"{name} is no gauge")
        child.set(value)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Adds an observation to a histogram. Raises as ``count`` does."""
        child = self._child(name, labels)
        if not isinstance(child, PrometheusHistogram):
            raise TypeError(f"{name} is no histogram")
        child.observe(seconds)

    def replace_gauges(self, gauges: GaugeBoard) -> None:
        """Replaces all gauges of snapshots; those that are not on the board are no longer exported."""
        self._shown.gauges = gauges

    def totals(self, name: str, label: str) -> dict[str, float]:
        """Returns the values of a counter, added up by one of its labels. Raises KeyError if it is not listed."""
        found: dict[str, float] = {}
        for family in self._instruments[name].collect():
            for sample in family.samples:
                if sample.name == name:
                    found[sample.labels[label]] = found.get(sample.labels[label], 0.0) + sample.value
        return found

    def exposition(self) -> bytes:
        """Returns the metrics in Prometheus' text format, UTF-8."""
        return generate_latest(self._registry)

    def _instrument(self, metric: Metric) -> _Instrument:
        about = _about(metric)
        match metric.kind:
            case "counter":
                return PrometheusCounter(metric.name, about, metric.labels, registry=self._registry)
            case "gauge":
                return PrometheusGauge(metric.name, about, metric.labels, registry=self._registry)
            case "histogram":
                return PrometheusHistogram(
                    metric.name, about, metric.labels, registry=self._registry, buckets=metric.buckets
                )

    def _child(self, name: str, labels: Mapping[str, str]) -> _Instrument:
        instrument = self._instruments[name]
        return instrument.labels(**labels) if self._listed[name].labels or labels else instrument


def _about(metric: Metric) -> str:
    return f"{metric.meaning} Unit: {metric.unit}."


class Telemetry:
    """A ``runner.Observer``: turns what goes in and out of the engine into metrics and log lines."""

    def __init__(self, log: Log, dead_letters: Iterable[str] = (), clients: ClientReadings | None = None) -> None:
        """``log`` writes one line. It is called in the engine thread and must not raise.

        ``dead_letters``: the dead-letter topics. ``clients``: what the Kafka clients report.
        """
        self._clients = clients if clients is not None else ClientReadings()
        self.metrics = Metrics()
        self._log = log
        self._dead_letters = frozenset(dead_letters)
        self._started_s: dict[int, float] = {}  # serial -> when the checkpoint started
        self._progress_s = 0.0
        self._now_s = 0.0

    def on_input(self, message: Input, now: Now) -> None:
        """Counts and logs an input."""
        self._now_s = now.mono_s
        match message:
            case Arrivals(records=records):
                for topic, count in Counter(record.at.topic for record in records).items():
                    self.metrics.count("stream_records_read_total", count, topic=topic)
            case Answer():
                self._answered(message)
            case Written(serial=serial):
                self.metrics.count("stream_checkpoints_total")
                self.metrics.show("stream_last_checkpoint_timestamp_seconds", now.wall_us / _US)
                started_s = self._started_s.pop(serial, now.mono_s)
                self.metrics.observe("stream_checkpoint_seconds", now.mono_s - started_s)
            case Assigned():
                self._assigned(message)
            case Revoked():
                self._revoked(message)
            case Drain(budget_s=budget_s):
                self._notice("draining", budget_s=budget_s)
            case Fetched(need=need, problem=problem) if problem is not None:
                self.metrics.count("stream_fetches_failed_total")
                self._notice("schema_missing", "warning", need=str(need), reason=problem)
            case _:
                pass

    def on_effect(self, effect: Effect, now: Now) -> None:
        """Counts and logs an effect."""
        match effect:
            case Call(account=account, kind=kind):
                self.metrics.count("stream_calls_total", account=account, kind=kind)
            case Checkpoint(serial=serial, outputs=outputs):
                self._started_s = {serial: now.mono_s}
                topics = Counter(output.topic for part in outputs.values() for output in part)
                for topic, count in topics.items():
                    self.metrics.count("stream_outputs_total", count, topic=topic)
                if not self._dead_letters.isdisjoint(topics):
                    self._count_dead_letters(output for part in outputs.values() for output in part)
            case Notice(event=event):
                if event == "checkpoint_failed":
                    self.metrics.count("stream_checkpoints_failed_total")
                self._log(effect)
            case Stop(reason=reason, failed=failed):
                self._notice("stops", "error" if failed else "info", reason=reason, failed=int(failed))
            case _:
                pass

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Publishes a snapshot as gauges; logs progress every two seconds."""
        gauges = GaugeBoard()
        for part in snapshot.partitions:
            _show_partition(gauges, part)
        for topic in {part.topic for part in snapshot.partitions}:
            parts = [part for part in snapshot.partitions if part.topic == topic]
            gauges.show("stream_lanes_open", sum(part.open for part in parts), topic=topic)
            oldest_s = max(part.oldest_open_age_s for part in parts)
            gauges.show("stream_oldest_open_age_seconds", oldest_s, topic=topic)
        _show_accounts(gauges, snapshot)
        gauges.show("stream_lanes", snapshot.lanes_awake, state="awake")
        gauges.show("stream_lanes", snapshot.lanes_asleep, state="asleep")
        gauges.show("stream_outputs_waiting", snapshot.outputs_kept)
        gauges.show("stream_lease_left_seconds", snapshot.lease_left_s)
        gauges.show("stream_draining", float(snapshot.draining))
        for client, found in self._clients.all().items():
            _show_client(gauges, client, found)
        self.metrics.replace_gauges(gauges)
        if self._now_s - self._progress_s >= _PROGRESS_EVERY_S:
            self._progress_s = self._now_s
            self._progress(snapshot)

    # ---- metrics ----------------------------------------------------------------------------------------------------

    def _answered(self, answer: Answer) -> None:
        account, kind = answer.call.account, answer.call.kind
        for reply, count in Counter(map(_reply_label, answer.replies)).items():
            self.metrics.count("stream_replies_total", count, account=account, kind=kind, reply=reply)
        if answer.sent_s is not None:
            self.metrics.count(
                "stream_responses_total", account=account, kind=kind, status=_status_label(answer.status)
            )
        if answer.slow_down:
            self.metrics.count("stream_slow_downs_total", account=account)
        if answer.failed:
            self.metrics.count("stream_calls_failed_total", account=account)
        if answer.sent_s is not None and answer.answered_s is not None:
            self.metrics.observe("stream_call_seconds", answer.answered_s - answer.sent_s, account=account, kind=kind)
        settled = [i for i, r in zip(answer.call.items, answer.replies, strict=False) if isinstance(r, Settled)]
        if answer.answered_us is not None and settled:
            self.metrics.show("stream_last_settled_timestamp_seconds", answer.answered_us / _US, account=account)
            for since_us in (item.since_us for item in settled if item.since_us):
                waited_s = (answer.answered_us - since_us) / _US
                self.metrics.observe("stream_event_to_settled_seconds", waited_s, account=account, kind=kind)

    def _count_dead_letters(self, outputs: Iterable[Output]) -> None:
        found = Counter(topic_and_code(output) for output in outputs if output.topic in self._dead_letters)
        for (topic, code), count in found.items():
            self.metrics.count("stream_dead_letters_total", count, topic=topic, code=code)

    # ---- log lines --------------------------------------------------------------------------------------------------

    def _assigned(self, message: Assigned) -> None:
        self.metrics.count("stream_partitions_gained_total", len(message.parts))
        for at, owned in message.parts.items():
            self._notice(
                "partition_restored",
                topic=at.topic,
                partition=at.partition,
                lanes=len(owned.state),
                position=owned.start,
                end=owned.end,
                drained=int(owned.mark is not None and owned.mark.drained),
            )

    def _revoked(self, message: Revoked) -> None:
        self.metrics.count(
            "stream_partitions_given_up_total", len(message.parts), how="lost" if message.lost else "revoked"
        )
        if not message.lost:
            self._notice("partitions_revoked", count=len(message.parts), budget_s=message.budget_s)

    def _progress(self, snapshot: Snapshot) -> None:
        """Logs which partitions still catch up, and what a drain still waits for."""
        for part in snapshot.partitions:
            if part.gate:
                self._notice(
                    "catching_up",
                    topic=part.topic,
                    partition=part.partition,
                    lag=part.lag,
                    gate="; ".join(part.gate),
                )
        if snapshot.draining:
            self._notice(
                "drain_progress",
                partitions=len(snapshot.partitions),
                calls=sum(account.calls_in_flight for account in snapshot.accounts.values()),
                outputs=snapshot.outputs_kept,
                wants=sum(sum(account.wants_by_rank.values()) for account in snapshot.accounts.values()),
            )

    def _notice(self, event: str, level: str = "info", **fields: str | int | float) -> None:
        self._log(Notice(event=event, level=level, fields=fields))


def _show_partition(gauges: GaugeBoard, part: PartitionSnapshot) -> None:
    where = {"topic": part.topic, "partition": str(part.partition)}
    gauges.show("stream_partition_lag", part.lag, **where)
    gauges.show("stream_partition_position", part.position, **where)
    gauges.show("stream_partition_durable", part.durable, **where)
    gauges.show("stream_partition_held_back", part.held_back, **where)
    gauges.show("stream_partition_held_back_age_seconds", part.held_back_age_s, **where)
    gauges.show("stream_partition_undone", part.undone, **where)
    gauges.show("stream_partition_closed", float(bool(part.gate)), **where)
    gauges.show("stream_partition_broken", float(bool(part.broken)), **where)
    for topic in {one.topic for one in part.side_inputs}:
        beside = [one for one in part.side_inputs if one.topic == topic]
        gauges.show("stream_side_input_lag", sum(one.lag for one in beside), **where, side_topic=topic)
        unreadable = float(any(one.problem for one in beside))
        gauges.show("stream_side_input_unreadable", unreadable, **where, side_topic=topic)


def _show_accounts(gauges: GaugeBoard, snapshot: Snapshot) -> None:
    for name, account in snapshot.accounts.items():
        gauges.show("stream_calls_in_flight", account.calls_in_flight, account=name)
        gauges.show("stream_rate", account.rate, account=name)
        gauges.show("stream_rate_limit", account.limit, account=name)
        gauges.show("stream_calls_left", account.calls_left, account=name)
        gauges.show("stream_account_closed", float(not account.is_open), account=name)
        gauges.show("stream_oldest_undone_age_seconds", account.oldest_age_s, account=name)
        for rank, wants in account.wants_by_rank.items():
            gauges.show("stream_wants", wants, account=name, rank=str(rank))
        if account.quota is not None:
            _show_quota(gauges, name, account.quota, account.withheld)


def _show_quota(gauges: GaugeBoard, account: str, quota: QuotaReading, withheld: int) -> None:
    gauges.show("stream_quota", quota.part, account=account)
    gauges.show("stream_quota_used", quota.used, account=account)
    gauges.show("stream_quota_used_up_timestamp_seconds", (quota.used_up_at_us or 0) / _US, account=account)
    gauges.show("stream_quota_withheld", withheld, account=account)
    gauges.show("stream_quota_tiers_waiting", len(quota.waiting), account=account)


def _show_client(gauges: GaugeBoard, client: str, found: ClientReading) -> None:
    for broker, round_trip_s in found.round_trips_s.items():
        gauges.show("stream_kafka_round_trip_seconds", round_trip_s, client=client, broker=broker)
    gauges.show("stream_kafka_requests_waiting", found.requests_waiting, client=client)
    gauges.show("stream_kafka_records_queued", found.records_queued, client=client)
    gauges.show("stream_kafka_throttled_seconds", found.throttled_s, client=client)
    gauges.show("stream_kafka_request_timeouts_total", found.timeouts, client=client)
    gauges.show("stream_kafka_disconnects_total", found.disconnects, client=client)
    if found.rebalances is not None:
        gauges.show("stream_kafka_rebalances_total", found.rebalances)
    if found.transaction is not None:
        state, age_s = found.transaction
        gauges.show("stream_kafka_transaction_state_age_seconds", age_s, state=state)


def described() -> Iterator[str]:
    """Yields the lines of two Markdown tables, of all metrics and all log events, for the documentation."""
    yield "| metric | labels | unit | meaning |"
    yield "| --- | --- | --- | --- |"
    for metric in (*METRICS, *PROCESS):
        yield f"| `{metric.name}` | {', '.join(metric.labels)} | {metric.unit} | {metric.meaning} |"
    yield ""
    yield "| log event | fields | meaning |"
    yield "| --- | --- | --- |"
    for event in EVENTS:
        yield f"| `{event.name}` | {', '.join(event.fields)} | {event.meaning} |"


def _reply_label(reply: Reply) -> str:
    return type(reply).__name__.lower()


def _status_label(status: int | None) -> str:
    """Returns a status of HTTP as it is, and any other number by its class, so that a server cannot make up labels."""
    if status is None:
        return "none"
    return str(status) if status in _STATUSES else f"{status // 100}xx"
