"""Wires ``connector run``: chooses the concrete classes, connects them, and runs the loop until it is stopped.

Nothing is opened on import.
"""

import gc
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import structlog

from connector import flows
from connector.configuration import load_settings
from connector.connections import collector_headers, connection, marketplace, registry
from connector.console.console_server import ConsoleServer
from connector.console.health import HealthServer
from connector.console.projected import open_console_projection
from connector.console.vitals import Beat, CoordinatorTimeouts, ProcessVitals, StartVitals
from connector.contracts.call_log_row import MarketplaceCalled
from connector.contracts.codec import SchemaIds, writer_of
from connector.contracts.event_traces import EventTraces
from connector.contracts.headers import Stamp, dataschemas
from connector.contracts.registry_subjects import look_up, prefetch
from connector.contracts.topics import INPUTS, Feature
from connector.controls.in_force import Controls
from connector.kaufland.adapter import Kaufland
from connector.kaufland.call_log import CallLog
from connector.logs import use_level, write_notice
from connector.offers.call_bodies import CLAIM, RELEASE
from connector.offers.claims import CallerByKind, Claims
from connector.offers.cold_start import ColdStart, ColdStartState
from connector.offers.unwritten_claims import UnwrittenClaims
from connector.replays.reading import ReplayInputs
from connector.settings import convert, model
from connector.settings.load import Loaded
from connector.settings.model import Settings
from connector.settings.show import digest
from connector.shipments.carrier_tables import Unlisted
from connector.startup.broker_password import BrokerPassword
from connector.startup.certificates import certificates_end
from connector.startup.configuration_watch import ConfigurationWatch
from connector.startup.controls import control_reader, controls
from connector.startup.first_samples import first_samples
from connector.startup.mappings import LiveMappings
from connector.startup.plan import RunPlan
from connector.startup.preflight import check_routing, check_topics, wait_for_instance_id
from connector.startup.push_receiver import open_receiver, subscription_watch
from connector.startup.side_inputs import replay_inputs
from connector.startup.waiting import Startup, StopRequested
from connector.supervisor.member import Member
from streams.client_statistics import ClientReadings
from streams.clock import SystemClock
from streams.dead_letter import DeadLetters
from streams.engine.engine import Engine
from streams.errors import Stopped
from streams.http.address_secrets import without_secrets
from streams.kafka.registry import SchemaCache
from streams.kafka.settings import SinkSettings, SourceSettings
from streams.kafka.shared_log import SharedLog
from streams.kafka.side_reader import KafkaSideReader
from streams.kafka.sinks import PlainSink, TransactionalSink
from streams.kafka.source import KafkaSource
from streams.policy import Share
from streams.ports import Sink
from streams.runner import Runner, RunnerSettings
from streams.span_observer import SpanObserver
from streams.telemetry import Telemetry
from streams.topics import TopicDescription
from streams.trace_context import Sampling

if TYPE_CHECKING:  # its packages are optional
    from connector.tracing.collector import Collector

_log = structlog.get_logger("connector")

_FETCHERS: Final = 2  # threads in addition to those for calls, so that a slow registry delays no call
_LEASES_UNTIL_A_SINK_HANGS: Final = 4  # with at_least_once, a single call of the sink may take one lease
_GC_THRESHOLD: Final = 10_000  # allocations minus deallocations before a collection; Python's default is 700


def run(loaded: Loaded, *, dry_run: bool, member: Member | None = None) -> None:
    """Runs until SIGTERM or SIGINT. Raises StreamError, with the remedy, if anything else ends the process.

    ``member``: this is one of several processes of one parent, and also ends when the parent has ended.
    """
    plan, startup = RunPlan.of(loaded, dry_run=dry_run, member=member), Startup()
    if member is not None:
        member.when_parent_ends(startup.stop)
    with _signals(startup.stop), ExitStack() as opened:  # both before the first wait
        shown = _open_pages(plan, startup, opened)
        try:
            runner, vitals = _assemble(plan, startup, opened)
        except StopRequested:
            _log.info("ended", reason="asked to, before it had begun")
            return
        shown.show(vitals)
        _tune_garbage_collection()
        startup.hand_over(runner.stop)
        runner.run()
    _log.info("ended", reason="asked to")


def _tune_garbage_collection() -> None:
    """Excludes the objects created at start from garbage collection, and collects less often.

    Reference counting frees almost everything that a turn allocates; at the default threshold, collections took a
    twelfth of the time per applied event.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)


# ---- the parts of a run ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Backbone:
    """The facts that the broker and the schema registry returned at start."""

    cluster_id: str
    inputs: Mapping[str, TopicDescription]  # by topic
    ids: SchemaIds
    schemas: SchemaCache


def _assemble(plan: RunPlan, startup: Startup, opened: ExitStack) -> tuple[Runner, ProcessVitals]:
    """Queries the broker and the registry, then builds the runner. Registers what must be closed with ``opened``.

    Raises StopRequested, or StreamError with the problem and its remedy.
    """
    configured, clock = plan.settings, SystemClock()
    password = BrokerPassword(configured.kafka)  # before the first client: a change from now on reaches every one
    backbone = _query_backbone(plan, startup, opened)
    traces, collector = _traces(configured), _collector(plan, opened)
    wait_for_instance_id(configured, startup)
    stamp = _stamp(plan, backbone.ids)
    adapter = marketplace(configured, _call_log(plan, backbone.ids, stamp, traces))
    opened.callback(adapter.close)
    _log_bodies(configured, adapter)
    commands = controls(backbone.ids, backbone.schemas)
    mappings, about = LiveMappings(configured, adapter, dry_run=plan.dry_run), _about(plan)
    watch = ConfigurationWatch(plan.loaded, partial(_read_again, plan.loaded), partial(_use, mappings, about))
    running = _flows(plan, backbone, mappings, stamp, commands, traces)
    claims = _claims(plan, clock)
    clients = ClientReadings()
    telemetry = Telemetry(write_notice, (one.dead_letters for one in running.values()), clients)
    for name, labels in first_samples(configured, running):
        telemetry.metrics.begin(name, **labels)
    reading = _source_settings(plan)
    source = KafkaSource(reading, clients=clients)
    opened.callback(source.close)  # a consumer that is not closed keeps the process from exiting
    runner = Runner(
        engine=_engine(plan, running, backbone, clock.now().wall_us, commands, traces),
        source=source,
        sink=_sink(plan, clients),
        caller_factory=lambda: CallerByKind({CLAIM: claims, RELEASE: claims}, adapter.caller()),
        fetch=backbone.schemas.fetch,
        clock=clock,
        observer=telemetry if collector is None else SpanObserver(telemetry, collector.report),
        settings=_runner_settings(configured),
        side_reader=KafkaSideReader(reading.connection, reader=reading.group, topic_ids=reading.topic_ids),
        followers=[
            control_reader(plan, backbone.ids, backbone.schemas),
            mappings.watch(),
            password,
            watch,
        ],
    )
    vitals = ProcessVitals(
        lambda: Beat(at_s=runner.beat_s, snapshot=runner.snapshot, membership=source.membership),
        metrics=telemetry.metrics.exposition,
        about=about,
        timeouts=CoordinatorTimeouts.of(session_s=reading.session_s),
        skews=partial(_skews, adapter, tuple(configured.accounts)),
        refused=adapter.refused,
        figures=flows.figures(running),
        polls=flows.polls(running),
        sent_as_other=flows.sent_as_other(running),
        sweeps=flows.sweeps(running),
        cold_starts=flows.cold_starts(running),
        subscriptions=flows.subscriptions(running),
        files=lambda: {**mappings.problems(), **watch.problems()},
        spans=dict if collector is None else collector.counts,
        certificates=partial(certificates_end, configured),
        calls=partial(telemetry.metrics.totals, "stream_calls_total", "account"),
        slow_downs=partial(telemetry.metrics.totals, "stream_slow_downs_total", "account"),
    )
    _log.info("begins", **about, push_port=open_receiver(plan, backbone.ids, opened))
    return runner, vitals


def _query_backbone(plan: RunPlan, startup: Startup, opened: ExitStack) -> _Backbone:
    """Checks topics, looks up the schemas, and checks the routing; waits while the broker or the registry is down."""
    avro_keys = convert.avro_keys(plan.settings)
    client = opened.enter_context(registry(plan.settings))
    cluster_id, inputs = startup.retry_while_down("the broker", lambda: check_topics(plan))
    cache = SchemaCache(client)
    ids = startup.retry_while_down("the schema registry", lambda: look_up(client, plan.known_as, avro_keys=avro_keys))
    startup.retry_while_down("the schema registry", lambda: prefetch(client, plan.known_as, cache.add))
    startup.retry_while_down("the broker", lambda: check_routing(plan, ids, cache))
    return _Backbone(cluster_id=cluster_id, inputs=inputs, ids=ids, schemas=cache)


def _stamp(plan: RunPlan, ids: SchemaIds) -> Stamp:
    kafka = plan.settings.kafka
    return Stamp(
        source=f"/kaufland-stream-connector/{kafka.group}",
        instance_id=kafka.instance_id,
        config_digest=digest(plan.loaded.settings),
        dataschemas=dataschemas(plan.settings.registry.url, ids.values),
    )


def _traces(configured: Settings) -> EventTraces | None:
    if not configured.traces.enabled:
        return None
    return EventTraces(
        sampling=Sampling(ratio=configured.traces.ratio),
        group=configured.kafka.group,
        instance_id=configured.kafka.instance_id,
    )


def _collector(plan: RunPlan, opened: ExitStack) -> "Collector | None":
    """Returns what sends spans; None if nothing is traced. The packages of OpenTelemetry are optional."""
    configured = plan.settings
    if not configured.traces.enabled:
        return None
    from connector.tracing.collector import CLOSING_S, Collector, CollectorSettings

    collector = Collector(
        CollectorSettings(
            endpoint=configured.traces.endpoint,
            headers=collector_headers(configured),
            ca_file=configured.http.ca_file,
            version=version("kaufland-stream-connector"),
            instance_id=configured.kafka.instance_id,
        ),
        closing_s=min(CLOSING_S, configured.processing.drain_budget),
    )
    opened.callback(collector.close)
    _log.info("spans are sent", where=without_secrets(configured.traces.endpoint), ratio=configured.traces.ratio)
    return collector


def _call_log(plan: RunPlan, ids: SchemaIds, stamp: Stamp, traces: EventTraces | None) -> CallLog:
    return CallLog(
        topic=plan.topics.marketplace_calls,
        encode=writer_of(MarketplaceCalled, ids.value(MarketplaceCalled)),
        instance_id=plan.settings.kafka.instance_id,
        headers=stamp.of_called,
        sampling=traces.sampling if traces is not None else None,
    )


def _flows(
    plan: RunPlan,
    backbone: _Backbone,
    mappings: LiveMappings,
    stamp: Stamp,
    commands: Controls,
    traces: EventTraces | None,
) -> dict[str, flows.RunningFlow]:
    return flows.running_flows(
        flows.FlowDependencies(
            settings=plan.settings,
            topics=plan.topics,
            ids=backbone.ids,
            lookup=backbone.schemas.get,
            routing=mappings.in_use.routing,
            reference=mappings.in_use.reference,
            cluster_id=backbone.cluster_id,
            stamp=stamp,
            partitions={topic: one.partitions for topic, one in backbone.inputs.items()},
            commands=commands,
            replays=_replays(plan, backbone, commands),
            mappings=mappings,
            policy_in_use=mappings.policy,
            dry_run=plan.dry_run,
            push=subscription_watch(plan.settings, plan.topics),
            report_unlisted=_log_unlisted,
            report_cold_start=_log_cold_start,
            traces=traces,
        )
    )


def _replays(plan: RunPlan, backbone: _Backbone, commands: Controls) -> ReplayInputs:
    topic_id = backbone.inputs[plan.topics.offer_changes].topic_id
    return replay_inputs(plan, backbone.ids, backbone.schemas.get, commands, topic_id)


def _engine(
    plan: RunPlan,
    running: Mapping[str, flows.RunningFlow],
    backbone: _Backbone,
    boot_us: int,
    commands: Controls,
    traces: EventTraces | None,
) -> Engine:
    configured, inputs = plan.settings, backbone.inputs
    return Engine(
        flows={topic: one.flow for topic, one in running.items()},
        shares={topic: Share(weight=one.weight, partitions=inputs[topic].partitions) for topic, one in running.items()},
        accounts={name: convert.pace(account) for name, account in configured.accounts.items()},
        policy=convert.policy(configured.processing),
        instance=configured.kafka.instance_id,
        boot_us=boot_us,
        dead_letters=DeadLetters(
            topics={topic: one.dead_letters for topic, one in running.items()},
            instance=configured.kafka.instance_id,
            connector=configured.kafka.group,
            sampling=traces.sampling if traces is not None else None,
        ),
        control=commands,
        side_inputs={topic: one.side_inputs for topic, one in running.items() if one.side_inputs is not None},
    )


def _claims(plan: RunPlan, clock: SystemClock) -> Claims:
    """Returns the claims on units, which are kept in the topic of unit owners; a dry run only reads it."""
    kafka = plan.settings.kafka
    owners = SharedLog(
        connection(plan.settings), plan.topics.unit_owners, reader=kafka.group, topic_ids=kafka.topic_ids
    )
    return Claims(UnwrittenClaims(owners) if plan.dry_run else owners, clock)


def _source_settings(plan: RunPlan) -> SourceSettings:
    kafka, processing = plan.settings.kafka, plan.settings.processing
    return SourceSettings(
        connection=connection(plan.settings),
        group=kafka.group,
        topics={topic: plan.restored_from[topic] for topic in flows.inputs(plan.topics)},
        start=kafka.start,
        session_s=processing.session,
        revoke_budget_s=processing.drain_budget,
        poll_interval_s=max(60.0, processing.drain_budget + 30.0),
        static_member=kafka.instance_id if kafka.static_membership else None,
        topic_ids=kafka.topic_ids,
        version=version("kaufland-stream-connector"),
    )


def _sink(plan: RunPlan, clients: ClientReadings) -> Sink:
    kafka, topics = plan.settings.kafka, plan.topics
    dead_letters = (getattr(topics, f"{name}_dlq") for name in INPUTS)
    settings = SinkSettings(
        connection=connection(plan.settings),
        instance_id=kafka.instance_id,
        group=kafka.group,
        replaceable=frozenset({topics.marketplace_calls, *dead_letters}),
        states=frozenset(flows.inputs(topics).values()),
        version=version("kaufland-stream-connector"),
        lease_s=plan.settings.processing.lease,
    )
    if plan.settings.processing.guarantee is model.Guarantee.EXACTLY_ONCE_V2:
        return TransactionalSink(settings, clients=clients)
    return PlainSink(settings, clients=clients)


def _runner_settings(configured: Settings) -> RunnerSettings:
    processing = configured.processing
    return RunnerSettings(
        max_workers=processing.workers + _FETCHERS,
        drain_s=processing.drain_budget,
        sink_hangs_after_s=_LEASES_UNTIL_A_SINK_HANGS * processing.lease,
    )


# ---- what is logged and shown ---------------------------------------------------------------------------------------


def _log_bodies(configured: Settings, adapter: Kaufland) -> None:
    """Adds bodies to the call log if ``[log] bodies_until`` is in the future."""
    until = configured.log.bodies_until
    left_s = (until - datetime.now(UTC)).total_seconds() if until is not None else 0.0
    if left_s > 0:
        _log.warning("bodies of calls are logged", seconds=round(adapter.log_bodies(left_s)))


def _read_again(loaded: Loaded) -> Loaded:
    return load_settings(loaded.file, os.environ, datetime.now(UTC))


def _use(mappings: LiveMappings, about: dict[str, Any], found: Settings) -> None:
    """Uses what has changed in the configuration and needs no restart."""
    use_level(found.log.level)
    about["config_digest"] = digest(found)
    mappings.use(found, about["config_digest"])


def _log_unlisted(account: str, unlisted: Unlisted) -> None:
    """Logs configured carriers that the marketplace does not list."""
    for setting, codes in unlisted.items():
        _log.warning(
            "a configured carrier has no effect: the marketplace does not list it",
            account=account,
            setting=f"shipments.{setting}",
            codes=list(codes),
            remedy="correct the code; GET /carriers of the marketplace lists those that exist",
        )


def _log_cold_start(choice: ColdStart) -> None:
    """Logs what a sweep and look-ups cost for offers that are not known, and which of them identifies the offers."""
    figures = {
        "account": choice.account,
        "storefront": choice.storefront,
        "units": choice.units,
        "unknown_eans": choice.unknown,
        "sweep_calls": choice.sweep_calls,
        "sweep_min": round(choice.sweep_s / 60, 1),
        "look_up_calls": choice.unknown,
        "look_ups_min": round(choice.look_ups_s / 60, 1),
    }
    if choice.problem:
        _log.warning("offers that waited for a sweep are looked up", **figures, reason=choice.problem)
    elif choice.state is ColdStartState.AWAITED:
        _log.info("offers that are not known wait for the sweep", **figures)
    else:
        _log.info("offers that are not known are looked up", **figures)


def _skews(adapter: Kaufland, accounts: Sequence[str]) -> dict[str, float | None]:
    return {account: adapter.skew_s(account) for account in accounts}


def _about(plan: RunPlan) -> dict[str, Any]:
    """Returns the facts about this process that the log and ``/status`` show."""
    return {
        "version": version("kaufland-stream-connector"),
        "group": plan.settings.kafka.group,
        "instance_id": plan.settings.kafka.instance_id,
        "config_digest": digest(plan.loaded.settings),
        "guarantee": plan.settings.processing.guarantee.value,
        "dry_run": plan.dry_run,
        "parts": sorted(feature.value for feature in plan.topics.features - {Feature.SCHEDULER}),
        "writes": "none" if plan.dry_run else flows.writes(plan.topics, convert.capabilities_on(plan.settings)),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pages:
    """The servers that show the state of the process; None: it is switched off."""

    health: HealthServer | None
    console: ConsoleServer | None

    def show(self, vitals: ProcessVitals) -> None:
        """Replaces the vitals that are shown."""
        if self.health is not None:
            self.health.show(vitals)
        if self.console is not None:
            self.console.show(vitals.facts)


def _open_pages(plan: RunPlan, startup: Startup, opened: ExitStack) -> _Pages:
    """Opens the health pages and the console, if enabled, and logs that the process starts. Raises Stopped."""
    about, settings = _about(plan), plan.settings
    vitals = StartVitals(beat_s=lambda: startup.beat_s, reason=lambda: startup.reason, about=about)
    for line in (*plan.loaded.ignored, *plan.loaded.warnings):
        _log.warning("setting", note=line)
    console = _console(vitals, plan) if settings.console.enabled else None
    if console is not None:
        opened.enter_context(console)
    port = console.port if console is not None else None
    health = _listening(vitals, plan, port) if settings.health.enabled or plan.member else None
    if health is not None:
        opened.enter_context(health)
    for name, account in settings.accounts.items():
        if account.requests_per_day is not None:
            _log.info("daily budget", account=name, calls=account.requests_per_day, day=account.day_time_zone)
    _log.info("starts", **about, health_port=health.port if health is not None else None, console_port=port)
    return _Pages(health=health, console=console)


def _listening(vitals: StartVitals, plan: RunPlan, console_port: int | None) -> HealthServer:
    """Opens the health pages. Raises Stopped with the remedy if the port is in use."""
    health, member = plan.settings.health, plan.member
    listener = member.listening() if member is not None else None
    console = None if console_port is None else f"http://{plan.settings.console.host}:{console_port}/"
    try:
        return HealthServer(vitals, host=health.host, port=health.port, listener=listener, console=console)
    except OSError as error:
        raise Stopped(
            f"the health pages cannot listen on {health.host}:{health.port}: {error.strerror or error}. "
            "Remedy: set another [health] host or port (0: any free port), or end the process that uses it"
        ) from error


def _console(vitals: StartVitals, plan: RunPlan) -> ConsoleServer | None:
    """Opens the console; None if it cannot listen: that is logged, and no reason not to run.

    Of several processes of one parent, each has a console, on ports that follow the configured one.
    """
    console = plan.settings.console
    port = console.port + plan.member.number - 1 if console.port and plan.member is not None else console.port
    projection = open_console_projection(plan.settings, follows=plan.is_first)
    try:
        return ConsoleServer(
            vitals.facts, plan.settings, projection, host=console.host, port=port, host_names=console.host_names
        )
    except (OSError, OverflowError) as error:
        if projection is not None:
            projection.close()
        remedy = "set another [console] host or port (0: any free port), or end the process that uses it"
        reason = getattr(error, "strerror", None) or str(error)
        _log.warning("the console cannot listen", where=f"{console.host}:{port}", reason=reason, remedy=remedy)
        return None


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """Calls ``stop`` on SIGTERM and SIGINT; it drains the calls in flight before the process exits."""
    before = {number: signal.signal(number, lambda *_: stop()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
