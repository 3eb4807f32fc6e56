"""Composition root: the only file that picks concrete classes. It opens nothing when imported."""

import gc
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import structlog

import schemas
from connector import flows
from connector.console.health import HealthServer, Vitals
from connector.console.vitals import Beat, Patience, ProcessVitals, StartVitals
from connector.contracts.call_log_row import MarketplaceCalled
from connector.contracts.codec import SchemaIds, writer_of
from connector.contracts.headers import Stamp
from connector.contracts.permissions import (
    Grant,
    Identity,
    Principal,
    beginning,
    of_create,
    of_dry_run,
    of_orders,
    of_run,
)
from connector.contracts.registry_subjects import fetch_states, look_up
from connector.contracts.topic_checks import Limits, Needs
from connector.contracts.topics import INPUTS, Feature, Topics
from connector.kaufland.adapter import Kaufland, kaufland
from connector.kaufland.call_log import CallLog
from connector.kaufland.caller import KauflandAccount
from connector.kaufland.http.address import address
from connector.kaufland.http.credentials import Credentials
from connector.kaufland.push.notifications import Subscriber
from connector.kaufland.push.server import PushServer
from connector.kaufland.reference import ReferenceData
from connector.kaufland.requests import UpdateMode
from connector.logs import SCRUBBER, write_notice
from connector.offers.claims import Claims, Switchboard
from connector.offers.codec import OfferCodecs
from connector.offers.event_order import EventOrder
from connector.offers.events import OfferState
from connector.offers.owners import CLAIM, RELEASE
from connector.operations.check import CheckInputs
from connector.operations.forget import StateRecord
from connector.operations.orders import OrderRecord
from connector.operations.push import ORDER_EVENTS, RETURN_EVENTS, WantedSubscription
from connector.operations.routing import AcceptedRoutingStore, differences, hold
from connector.operations.topics import found_on, grave
from connector.orders.codec import OrderCodecs
from connector.orders.events import Command, SchedulerCommand
from connector.orders.subscriptions import PushReport, PushWatch
from connector.routing.table import Routing
from connector.settings import convert, model
from connector.settings.load import Facts, KeySource, Loaded, key_sources, load
from connector.settings.model import Settings
from connector.settings.show import digest
from connector.shipments.carriers import Unlisted
from connector.starting import EndAsked, Starting
from streams.avro.codec import Decoder
from streams.clock import SystemClock
from streams.dead_letter import DeadLetters
from streams.engine.engine import Engine
from streams.errors import SettingsError, Stopped
from streams.flow import Bad, NotYet
from streams.kafka.admin import ClusterAdmin
from streams.kafka.members import GroupMembers
from streams.kafka.produce_once import produce_record
from streams.kafka.property_check import property_errors
from streams.kafka.registry import RegistryClient, SchemaCache
from streams.kafka.settings import KafkaConnection, SinkSettings, SourceSettings
from streams.kafka.shared_log import SharedLog
from streams.kafka.sinks import PlainSink, TransactionalSink
from streams.kafka.source import KafkaSource
from streams.kafka.table import CompactedTable
from streams.kafka.takeover import InstanceIdInUse, Takeover
from streams.kafka.topic_reader import TopicRecord, read_key_values, read_records
from streams.lanes.record_headers import key_bytes
from streams.policy import Share
from streams.ports import Sink
from streams.runner import Runner, RunnerSettings
from streams.telemetry import Telemetry

T = TypeVar("T")
_log = structlog.get_logger("connector")

_LOOK_AGAIN_S: Final = 0.5
_FETCHERS: Final = 2  # workers beyond those of calls: a registry that does not answer holds up no call
_LEASES_UNTIL_A_SINK_HANGS: Final = 4  # at_least_once, a single call may take one
_COLLECT_AFTER: Final = 10_000  # containers made and not dropped; Python would come after 700

API_CALLS_PER_SECOND = 111
"""Per seller, a maximum ("Rate Limits", sellerapi.kaufland.com)."""


# ---- settings -------------------------------------------------------------------------------------------------------


def settings(file: Path | None, environ: Mapping[str, str], now: datetime) -> Loaded:
    """Raises SettingsError that names every problem. From here on no line of a log shows a configured secret."""
    loaded = load(file, environ, now, facts(ReferenceData()))
    SCRUBBER.learn(secrets(loaded.settings))
    return loaded


def facts(reference: ReferenceData) -> Facts:
    """What settings are checked against."""
    table = reference.current.reference
    return Facts(
        storefronts={code: currency.code for code, currency in table.storefronts.items()},
        calls_per_second=API_CALLS_PER_SECOND,
        bulk_limit=table.bulk_limit,
        address=_address,
        keys=lambda client_key, secret_key: Credentials(client_key, secret_key).notices,
        client=property_errors,
    )


def secrets(configured: Settings) -> Iterator[str]:
    for account in configured.accounts.values():
        for source in key_sources(account):
            yield source().strip()
    yield urlsplit(configured.registry.url).password or ""
    for file in configured.kafka.properties_from_files.values():
        yield file.read_text(encoding="utf-8").strip()


def _address(account: model.AccountSettings) -> Any:
    return address(account.base_url, playground=account.playground, dev=account.simulator)


def routing(configured: Settings) -> Routing:
    table = ReferenceData().current.reference
    lists = {
        name: convert.allow_list(target.allow_eans_file.read_text(encoding="utf-8"))
        for name, target in configured.targets.items()
        if target.allow_eans_file is not None
    }
    currencies = {code: currency.code for code, currency in table.storefronts.items()}
    return convert.routing(configured.targets, currencies, lists)


# ---- the backbone ---------------------------------------------------------------------------------------------------


def connection(configured: Settings) -> KafkaConnection:
    kafka = configured.kafka
    from_files = {name: file.read_text(encoding="utf-8").strip() for name, file in kafka.properties_from_files.items()}
    return KafkaConnection(
        bootstrap_servers=kafka.bootstrap_servers,
        client_id=kafka.instance_id,
        properties={**kafka.properties, **from_files},
    )


def administration(configured: Settings) -> ClusterAdmin:
    return ClusterAdmin(connection(configured).admin(), describes=configured.kafka.topic_ids)


def registry(configured: Settings) -> RegistryClient:
    return RegistryClient(configured.registry.url, timeout_s=configured.registry.timeout)


def remembered(configured: Settings) -> AcceptedRoutingStore:
    """Where the group keeps the routing that was accepted."""
    topic = convert.topics(configured).routing
    return CompactedTable(connection(configured), topic, reader=configured.kafka.group)


def offer_states(configured: Settings) -> Iterator[tuple[str, OfferState | None]]:
    """Every record of the state topic, decoded. Raises Stopped for one that was not written by this connector."""
    topics, avro_keys = convert.topics(configured), convert.avro_keys(configured)
    with registry(configured) as client:
        cache = SchemaCache(client)
        fetch_states(client, topics, cache.add)
        codecs = OfferCodecs(look_up(client, topics, avro_keys=avro_keys), cache.get)
    for key, value in read_key_values(connection(configured), topics.offer_state, reader=configured.kafka.group):
        lane = key.decode(errors="surrogateescape")
        state = codecs.decode_state(value) if value is not None else None
        if not isinstance(state, OfferState | None):
            raise Stopped(f"the state of {lane} cannot be read: {state.text if isinstance(state, Bad) else state}")
        yield lane, state


def kept_lanes(configured: Settings, key: str) -> list[StateRecord]:
    """The state that each state topic has under a key. Raises as ``read_key_values``."""
    topics, avro_keys = convert.topics(configured), convert.avro_keys(configured)
    with registry(configured) as client:
        cache = SchemaCache(client)
        fetch_states(client, topics, cache.add)
        decoders = flows.state_decoders(topics, look_up(client, topics, avro_keys=avro_keys), cache.get)
    return [kept for topic, decode in decoders.items() for kept in _kept(configured, topic, key, decode)]


def _kept(configured: Settings, topic: str, key: str, decode: Callable[[bytes], Any]) -> Iterator[StateRecord]:
    raw, newest = key_bytes(key), dict[int, TopicRecord]()
    for found in read_records(connection(configured), topic, reader=configured.kafka.group):
        if found.key == raw:
            newest[found.partition] = found
    for partition, found in sorted(newest.items()):
        if found.value is not None:
            state = decode(found.value)
            yield StateRecord(topic=topic, partition=partition, offset=found.offset, key=key, state=state)


def forget_lane(configured: Settings, kept: StateRecord) -> None:
    """A tombstone where the lane's record is. Raises SinkFailed, NotPermitted."""
    produce_record(connection(configured), kept.topic, key_bytes(kept.key), None, partition=kept.partition)


def event_orders(configured: Settings) -> Callable[[str], EventOrder]:
    """By what the events of a source are ordered."""
    return convert.offer_policy(configured).ordered_by


def orders_topic(configured: Settings) -> Iterator[tuple[str, OrderRecord | None]]:
    """Every record of the orders topic. Raises Stopped where orders are off, or a record is none."""
    topics = convert.topics(configured)
    if Feature.ORDERS not in topics.features:
        raise Stopped("orders are off. Remedy: [orders] enabled = true")
    with registry(configured) as client:
        decoder = Decoder(schemas.load("order_observed", schemas.newest("order_observed")), client.schema)
        for key, value in read_key_values(connection(configured), topics.orders, reader=configured.kafka.group):
            order = decoder.decode(value) if value is not None else None
            if isinstance(order, Bad | NotYet):
                raise Stopped(f"a record of {topics.orders} cannot be read: {order.text}")
            yield key.decode(errors="replace"), order


def poll_orders(configured: Settings, accounts: Sequence[str], changed_from_us: int | None) -> None:
    """Ask whoever polls to do it now. Raises Stopped where orders are off, RegistryDown, SinkFailed."""
    topics = convert.topics(configured)
    if Feature.ORDERS not in topics.features:
        raise Stopped("orders are off. Remedy: [orders] enabled = true")
    with registry(configured) as client:
        codecs = OrderCodecs(look_up(client, topics, avro_keys=convert.avro_keys(configured)), dict[int, str]().get)
    for account in accounts:
        _ask_for_poll(configured, codecs, account, asked_by="command line", changed_from_us=changed_from_us)


def limits(configured: Settings) -> Limits:
    """librdkafka's default batch is 1,000,000 bytes."""
    return Limits(batch_bytes=int(configured.kafka.properties.get("batch.size", 1_000_000)))


def principal(configured: Settings, name: str | None = None) -> Principal:
    """Whom the permissions are for: by default who the broker takes us for, where a user name says that."""
    user = connection(configured).properties.get("sasl.username")
    return Principal(name=name or f"User:{user or 'connector'}", bootstrap_servers=configured.kafka.bootstrap_servers)


def grants(configured: Settings, *, dry_run: bool, instances: str | None = None) -> Sequence[Grant]:
    """What each command needs, of the live settings. ``instances``: what the ids of all processes begin with."""
    live, trial = convert.topics(configured), convert.dry_run(configured)
    own = convert.topics(trial)
    of_the_trial = (
        of_dry_run(live, own, _identity(trial, configured, instances)),
        of_create(own, dry_run=True),
    )
    if dry_run:
        return of_the_trial
    of_orders_topic = (of_orders(live, configured.kafka.group),) if Feature.ORDERS in live.features else ()
    return (
        of_run(live, _identity(configured, configured, instances)),
        of_create(live),
        *of_orders_topic,
        *of_the_trial,
    )


def needs(configured: Settings, *, dry_run: bool = False) -> Needs:
    """Of ``run``, of the live settings."""
    return Needs(grant=grants(configured, dry_run=dry_run)[0], principal=principal(configured))


def _identity(configured: Settings, live: Settings, instances: str | None) -> Identity:
    return Identity(
        group=configured.kafka.group,
        instances=instances or beginning(live.kafka.instance_id),
        transactional=configured.processing.guarantee is model.Guarantee.EXACTLY_ONCE_V2,
    )


# ---- the marketplace ------------------------------------------------------------------------------------------------


def marketplace(configured: Settings, log: CallLog | None = None) -> Kaufland:
    mode = UpdateMode.BATCH if configured.offers.mode == "batch" else UpdateMode.SINGLE
    contacts = Feature.CONTACTS in convert.features(configured)
    return kaufland(
        [_account(name, account, mode, contacts=contacts) for name, account in configured.accounts.items()],
        clock=SystemClock(),
        log=log,
    )


def _account(name: str, account: model.AccountSettings, mode: UpdateMode, *, contacts: bool) -> KauflandAccount:
    client_key, secret_key = (_remembered(source) for source in key_sources(account))
    known = KauflandAccount(
        name=name,
        credentials=Credentials(client_key, secret_key),
        address=_address(account),
        mode=mode,
        contacts=contacts,
    )
    return known if account.user_agent is None else replace(known, user_agent=account.user_agent)


def _remembered(source: KeySource) -> KeySource:
    """A key that is read later, in place of a refused one, is as secret as the first."""

    def read() -> str:
        key = source()
        SCRUBBER.learn([key.strip()])
        return key

    return read


# ---- commands -------------------------------------------------------------------------------------------------------


@contextmanager
def questions(loaded: Loaded) -> Iterator[CheckInputs]:
    """What ``connector check`` asks."""
    configured = loaded.settings
    topics = convert.topics(configured)
    adapter = marketplace(configured)
    try:
        with registry(configured) as client:
            yield CheckInputs(
                loaded=loaded,
                topics=topics,
                limits=limits(configured),
                needs=needs(configured),
                routing=routing(configured),
                broker=administration(configured),
                moved=lambda: differences(remembered(configured), configured.kafka.group, routing(configured)),
                subjects=lambda: look_up(client, topics, avro_keys=convert.avro_keys(configured)),
                marketplace=adapter.check,
            )
    finally:
        adapter.close()


@contextmanager
def subscriptions(configured: Settings, accounts: Sequence[str]) -> Iterator[tuple[Kaufland, Mapping[str, str]]]:
    """The marketplace, and the address that it is to notify for each account; none named = all whose orders are polled.

    Raises SettingsError where there is no address, or an account's orders are not polled.
    """
    public_url = configured.push.public_url
    if public_url is None:
        raise SettingsError("push.public_url: is missing; it is the address that the marketplace is to call")
    polled = convert.order_policy(configured).accounts
    if unknown := sorted(set(accounts) - polled):
        raise SettingsError(f"not polled: {', '.join(unknown)}; known are: {', '.join(sorted(polled))}")
    adapter = marketplace(configured)
    try:
        yield adapter, {name: _push_url(public_url, name) for name in sorted(accounts or polled)}
    finally:
        adapter.close()


def to_subscribe(
    configured: Settings, accounts: Iterable[str], storefronts: Sequence[str], events: Sequence[str]
) -> list[WantedSubscription]:
    """Events that hasten a poll, on the storefronts that the accounts have targets on; unless others are named."""
    of_returns = RETURN_EVENTS if configured.orders.returns else ()
    routes = routing(configured)
    return [
        WantedSubscription(account=account, storefront=storefront, event=event)
        for account in accounts
        for storefront in storefronts or sorted(routes.storefronts_of(account))
        for event in events or (*ORDER_EVENTS, *of_returns)
    ]


def run(loaded: Loaded, *, dry_run: bool) -> None:
    """Until a signal. Raises what ended it otherwise: a StreamError that names what a person should do."""
    plan, start = _Plan.of(loaded, dry_run=dry_run), Starting()
    with _signals(start.end), ExitStack() as opened:  # both before anything is waited for
        pages = _pages(plan, start, opened)
        try:
            runner, vitals = _runner(plan, start, opened)
        except EndAsked:
            _log.info("ended", reason="asked to, before it had begun")
            return
        if pages is not None:
            pages.show(vitals)
        _collect_seldom()
        start.hand_over(runner.stop)
        runner.run()
    _log.info("ended", reason="asked to")


def _collect_seldom() -> None:
    """What a turn makes dies by its reference counts; the collector of cycles mostly walks what is needed still.

    It need not walk again what start has made, nor come after every few events: that took a twelfth of an applied one.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What a run is about, before anything is opened."""

    loaded: Loaded
    settings: Settings  # those of the dry run, where it is one
    topics: Topics
    restored_from: Mapping[str, str]  # input -> state topic: a dry run reads the live state, and writes its own
    known_as: Topics  # whose subjects hold our schemas
    dry_run: bool

    @classmethod
    def of(cls, loaded: Loaded, *, dry_run: bool) -> "_Plan":
        live = convert.topics(loaded.settings)
        settings = convert.dry_run(loaded.settings) if dry_run else loaded.settings
        return cls(
            loaded=loaded,
            settings=settings,
            topics=convert.topics(settings),
            restored_from=flows.inputs(live),
            known_as=live,
            dry_run=dry_run,
        )


def _runner(plan: _Plan, start: Starting, opened: ExitStack) -> tuple[Runner, Vitals]:
    """Ask the backbone what must be known, then put everything together. What holds a resource goes into ``opened``.

    Raises EndAsked, and StreamError for what a person must mend.
    """
    configured, topics, clock = plan.settings, plan.topics, SystemClock()
    client = opened.enter_context(registry(configured))
    cluster_id, partitions = start.ask("the broker", lambda: _backbone(plan))
    start.ask("the broker", lambda: _hold_routing(plan))
    cache = SchemaCache(client)
    ids = start.ask(
        "the schema registry", lambda: look_up(client, plan.known_as, avro_keys=convert.avro_keys(configured))
    )
    start.ask("the schema registry", lambda: fetch_states(client, plan.known_as, cache.add))
    _take_place(configured, start)
    stamp = Stamp(
        source=f"/kaufland-stream-connector/{configured.kafka.group}",
        instance_id=configured.kafka.instance_id,
        config_digest=digest(plan.loaded.settings),
    )
    log = CallLog(
        topic=topics.marketplace_calls,
        encode=writer_of(MarketplaceCalled, ids.value(MarketplaceCalled)),
        instance_id=configured.kafka.instance_id,
        headers=stamp.of_called,
    )
    adapter = marketplace(configured, log)
    opened.callback(adapter.close)
    _log_bodies(configured, adapter)
    running = flows.running_flows(
        flows.FlowDependencies(
            settings=configured,
            topics=topics,
            ids=ids,
            lookup=cache.get,
            routing=routing(configured),
            reference=adapter.reference(),
            cluster_id=cluster_id,
            stamp=stamp,
            dry_run=plan.dry_run,
            push=_watch(configured, topics),
            say_unlisted=_say_unlisted,
        )
    )
    engine = Engine(
        flows={topic: line.flow for topic, line in running.items()},
        shares={topic: Share(weight=line.weight, partitions=partitions[topic]) for topic, line in running.items()},
        accounts={name: convert.pace(account) for name, account in configured.accounts.items()},
        policy=convert.policy(configured.processing),
        instance=configured.kafka.instance_id,
        boot_us=clock.now().wall_us,
        dead_letters=DeadLetters(
            topics={topic: line.dead_letters for topic, line in running.items()},
            instance=configured.kafka.instance_id,
            connector=configured.kafka.group,
        ),
    )
    telemetry = Telemetry(write_notice)
    owners = SharedLog(
        connection(configured),
        topics.unit_owners,
        reader=configured.kafka.group,
        topic_ids=configured.kafka.topic_ids,
    )
    claims = Claims(owners, clock)
    reading = _source_settings(plan)
    source = KafkaSource(reading)
    opened.callback(source.close)  # a consumer that nobody closes keeps the process from ending
    runner = Runner(
        engine=engine,
        source=source,
        sink=_sink(plan),
        caller_factory=lambda: Switchboard({CLAIM: claims, RELEASE: claims}, adapter.caller()),
        fetch=cache.fetch,
        clock=clock,
        observer=telemetry,
        settings=RunnerSettings(
            max_workers=configured.processing.workers + _FETCHERS,
            drain_s=configured.processing.drain_budget,
            sink_hangs_after_s=_LEASES_UNTIL_A_SINK_HANGS * configured.processing.lease,
        ),
    )
    vitals = ProcessVitals(
        lambda: Beat(at_s=runner.beat_s, snapshot=runner.snapshot, membership=source.membership),
        metrics=telemetry.metrics.exposition,
        about=_about(plan),
        patience=Patience.of(heartbeat_s=reading.heartbeat_s, session_s=reading.session_s),
        skews=partial(_skews, adapter, tuple(configured.accounts)),
        polls=flows.polls(running),
        out_of_order=flows.out_of_order(running),
        sent_as_other=flows.sent_as_other(running),
        subscriptions=flows.subscriptions(running),
    )
    _log.info("begins", **_about(plan), push_port=_pushed(plan, ids, opened))
    return runner, vitals


def _backbone(plan: _Plan) -> tuple[str, Mapping[str, int]]:
    """The cluster's id and each input's number of partitions. Raises SourceFailed, or Stopped with what to repair."""
    broker = administration(plan.settings)
    cluster_id = broker.cluster_id()
    permitted = needs(plan.loaded.settings, dry_run=plan.dry_run)
    group = plan.settings.kafka.group
    found = found_on(broker, plan.topics, limits(plan.settings), permitted, group, dry_run=plan.dry_run)
    for finding in found:
        if not finding.grave:
            _log.warning("topic", topic=finding.topic, note=finding.says, remedy=finding.remedy)
    if problems := grave(found):
        raise Stopped("the topics are not as they must be:\n  " + "\n  ".join(problems))
    there = broker.describe(list(flows.inputs(plan.topics)))
    return cluster_id, {topic: described.partitions for topic, described in there.items()}


def _dead_letters(topics: Topics) -> Iterator[str]:
    return (getattr(topics, f"{name}_dlq") for name in INPUTS)


def _hold_routing(plan: _Plan) -> None:
    """Raises Stopped with both meanings of a changed target id; a dry run, which is for trying, only says so."""
    live, table = plan.loaded.settings, remembered(plan.settings)
    if not plan.dry_run:
        hold(table, live.kafka.group, routing(live))
        return
    for line in differences(table, live.kafka.group, routing(live)):
        _log.warning("routing is not the accepted one", difference=line)


def _take_place(configured: Settings, start: Starting) -> None:
    """Wait until no other process works under our instance_id. Raises Stopped where one does: it goes on."""
    kafka, processing, clock = configured.kafka, configured.processing, SystemClock()
    members = GroupMembers(connection(configured), kafka.group)
    takeover = Takeover(lease_s=processing.lease, session_s=processing.session, static=kafka.static_membership)
    while True:
        sighting = start.ask("the broker", lambda: members.under(kafka.instance_id))
        try:
            waits = takeover.saw(sighting, clock.now().mono_s)
        except InstanceIdInUse as taken:
            raise Stopped(
                f"another process runs with instance_id {kafka.instance_id!r} in group {kafka.group}: {taken}. It goes "
                "on. Remedy: an instance_id of its own for each process ([kafka] instance_id), or end the other one"
            ) from None
        if waits is None:
            return
        start.wait("the instance_id", waits, _LOOK_AGAIN_S)


def _source_settings(plan: _Plan) -> SourceSettings:
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
    )


def _sink(plan: _Plan) -> Sink:
    configured = plan.settings
    settings = SinkSettings(
        connection=connection(configured),
        instance_id=configured.kafka.instance_id,
        group=configured.kafka.group,
        replaceable=frozenset({plan.topics.marketplace_calls, *_dead_letters(plan.topics)}),
        states=frozenset(flows.inputs(plan.topics).values()),
        lease_s=configured.processing.lease,
    )
    if configured.processing.guarantee is model.Guarantee.EXACTLY_ONCE_V2:
        return TransactionalSink(settings)
    return PlainSink(settings)


def _log_bodies(configured: Settings, adapter: Kaufland) -> None:
    until = configured.log.bodies_until
    left_s = (until - datetime.now(UTC)).total_seconds() if until is not None else 0.0
    if left_s > 0:
        _log.warning("bodies of calls are logged", seconds=round(adapter.log_bodies(left_s)))


def _skews(adapter: Kaufland, accounts: Sequence[str]) -> dict[str, float | None]:
    return {account: adapter.skew_s(account) for account in accounts}


def _about(plan: _Plan) -> dict[str, Any]:
    return {
        "version": version("kaufland-stream-connector"),
        "group": plan.settings.kafka.group,
        "instance_id": plan.settings.kafka.instance_id,
        "config_digest": digest(plan.loaded.settings),
        "guarantee": plan.settings.processing.guarantee.value,
        "dry_run": plan.dry_run,
        "parts": sorted(feature.value for feature in plan.topics.features),
        "writes": "none" if plan.dry_run else flows.writes(plan.topics),
    }


def _pages(plan: _Plan, start: Starting, opened: ExitStack) -> HealthServer | None:
    """Say what starts, and where it can be asked from now on; None = nowhere, that is off."""
    health, about = plan.settings.health, _about(plan)
    vitals = StartVitals(beat_s=lambda: start.beat_s, reason=lambda: start.reason, about=about)
    pages = opened.enter_context(_listening(vitals, health)) if health.enabled else None
    for line in (*plan.loaded.ignored, *plan.loaded.warnings):
        _log.warning("setting", note=line)
    _log.info("starts", **about, health_port=pages.port if pages is not None else None)
    return pages


def _pushed(plan: _Plan, ids: SchemaIds, opened: ExitStack) -> int | None:
    """Listen for notifications, where that is on; the port."""
    push = plan.settings.push
    if not push.enabled or Feature.ORDERS not in plan.topics.features or push.public_url is None:
        return None
    ring = partial(_ask_for_poll, plan.settings, OrderCodecs(ids, dict[int, str]().get), asked_by="push")
    subscribers = {
        name: Subscriber(url=_push_url(push.public_url, name), secret=partial(_secret, account))
        for name, account in plan.settings.accounts.items()
    }
    try:
        return opened.enter_context(PushServer(subscribers, host=push.host, port=push.port, ring=ring)).port
    except OSError as error:
        raise Stopped(
            f"the receiver of notifications cannot listen on {push.host}:{push.port}: {error.strerror or error}. "
            "Remedy: another [push] host or port (0: any free port), or end the process that has it"
        ) from error


def _watch(configured: Settings, topics: Topics) -> PushWatch | None:
    """Watches the subscriptions where this connector wants to be notified."""
    push = configured.push
    if not push.enabled or Feature.ORDERS not in topics.features or push.public_url is None:
        return None
    urls = {name: _push_url(push.public_url, name) for name in convert.order_policy(configured).accounts}
    return PushWatch(urls, _say_subscriptions)


def _say_unlisted(account: str, unlisted: Unlisted) -> None:
    """Of carriers that are configured and that the marketplace's table has not."""
    for setting, codes in unlisted.items():
        _log.warning(
            "a configured carrier has no effect: the marketplace does not list it",
            account=account,
            setting=f"shipments.{setting}",
            codes=list(codes),
            remedy="correct the code; GET /carriers of the marketplace lists those that exist",
        )


def _say_subscriptions(report: PushReport) -> None:
    if report.problem is not None:
        _log.warning("the subscriptions cannot be read", account=report.account, reason=report.problem)
    elif report.disabled:
        names = [f"{one.event} on {one.storefront}" for one in report.disabled]
        remedy = "connector push repair"
        _log.warning("the marketplace has disabled subscriptions", account=report.account, of=names, remedy=remedy)
    elif report.none_there:
        remedy = "connector push subscribe, or [push] enabled = false"
        _log.warning("the marketplace notifies nothing to this address", account=report.account, remedy=remedy)
    else:
        _log.info("the marketplace notifies", account=report.account, subscriptions=report.active)


def _push_url(public_url: str, account: str) -> str:
    return f"{public_url.rstrip('/')}/{account}"


def _secret(account: model.AccountSettings) -> str:
    """As it is now: a rotated one is read again."""
    return key_sources(account)[1]().strip()


def _ask_for_poll(
    configured: Settings,
    codecs: OrderCodecs,
    account: str,
    *,
    asked_by: str,
    changed_from_us: int | None = None,
) -> None:
    """Through the topic, because another process may be the one that polls. Blocks. Raises SinkFailed."""
    topics = convert.topics(configured)
    command = SchedulerCommand(
        command=Command.POLL_NOW,
        changed_from_us=changed_from_us,
        asked_by=asked_by,
        asked_at_us=SystemClock().now().wall_us,
        key=account,
        input_topic=topics.scheduler,
        partition=0,
        offset=-1,
    )
    produce_record(
        connection(configured), topics.scheduler, codecs.command_key(account), codecs.encode_command(command)
    )


def _listening(vitals: Vitals, health: model.HealthSettings) -> HealthServer:
    try:
        return HealthServer(vitals, host=health.host, port=health.port)
    except OSError as error:
        raise Stopped(
            f"the health pages cannot listen on {health.host}:{health.port}: {error.strerror or error}. "
            "Remedy: another [health] host or port (0: any free port), or end the process that has it"
        ) from error


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT ask for a drained end; the budget for it is the engine's."""
    before = {number: signal.signal(number, lambda *_: stop()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def simulate(arguments: Sequence[str]) -> int:
    """The exit code. Imported when asked for, like the demo: no run needs it."""
    from simulator.__main__ import main

    return main(arguments)


def demo(arguments: Sequence[str]) -> int:
    """The exit code."""
    from devstack.command import main

    return main(arguments)
