"""Builds the flows of the enabled features, each with its topics and its share of every account's rate. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from connector.contracts.capabilities import SwitchedOn, described
from connector.contracts.codec import SchemaIds
from connector.contracts.event_traces import EventTraces
from connector.contracts.headers import Stamp
from connector.contracts.released_orders import ReleasedOrders
from connector.contracts.topics import Feature, Topics
from connector.controls.in_force import CommandSource, NoControls
from connector.mappings.in_use import MappingSource
from connector.marketplace.offers import Reference
from connector.offers.codec import OfferCodecs
from connector.offers.cold_start import ColdStart, ColdStarts, ReportColdStart
from connector.offers.figures import OfferFigures
from connector.offers.flow import OfferFlow
from connector.offers.gtin import normal_form
from connector.offers.policy import OfferPolicy
from connector.offers.swept_units import UNITS, SweptUnits
from connector.orders.codec import OrderCodecs
from connector.orders.commands import read_command
from connector.orders.flow import OrderFlow
from connector.orders.policy import Scheduled
from connector.orders.poll_lane import PollReport
from connector.orders.subscriptions import PushReport, PushWatch
from connector.reconciliation.codec import UnitRows, unit_reader
from connector.reconciliation.sweep_lane import SweepReport, SweepTerms
from connector.replays.reading import REPLAY
from connector.routing.table import Routing
from connector.settings import convert
from connector.settings.model import Settings
from connector.shipments.carrier_tables import CarrierTables, ReportUnlisted
from connector.shipments.codec import ShipmentCodecs
from connector.shipments.flow import ShipmentFlow, ShipmentTopics
from streams.avro.codec import Lookup
from streams.engine.snapshot import Snapshot
from streams.flow import Flow, Record
from streams.joined_side_inputs import JoinedSideInputs
from streams.side_input import SideInputs

WEIGHTS: Final[Mapping[str, float]] = {"offer_changes": 0.8, "shipments": 0.1, "scheduler": 0.1}
"""The share of an account's rate that each input's partitions bring, scaled to the inputs that are read. A process may
use the share of all its partitions for any of its work; so a weight only limits a process that owns partitions of a
single input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningFlow:
    """A flow with its dead letter topic, its weight (see ``WEIGHTS``), and what it reads beside its input."""

    flow: Flow[Any]
    dead_letters: str  # topic
    weight: float
    side_inputs: SideInputs | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowDependencies:
    """The objects that flows are built from."""

    settings: Settings
    topics: Topics
    ids: SchemaIds
    lookup: Lookup
    routing: Routing
    reference: Reference
    cluster_id: str
    stamp: Stamp
    partitions: Mapping[str, int] = field(default_factory=dict)  # by input topic
    commands: CommandSource = field(default_factory=NoControls)
    replays: SideInputs | None = None
    mappings: MappingSource | None = None  # None: routing and reference do not change
    policy_in_use: Callable[[], OfferPolicy] | None = None  # None: the guard rails do not change
    dry_run: bool = False
    push: PushWatch | None = None
    report_unlisted: ReportUnlisted | None = None
    report_cold_start: ReportColdStart | None = None
    traces: EventTraces | None = None  # None: nothing is traced


def running_flows(around: FlowDependencies) -> dict[str, RunningFlow]:
    """Returns the flows by input topic."""
    return {line.flow.topic: line for line in _lines(around)}


def polls(running: Mapping[str, RunningFlow]) -> Callable[[], Mapping[str, PollReport]]:
    """Returns a function that reports the polls by account; empty if no orders are polled."""
    found = (line.flow.polls for line in running.values() if isinstance(line.flow, OrderFlow))
    return next(found, dict)


def sweeps(running: Mapping[str, RunningFlow]) -> Callable[[], Mapping[str, SweepReport]]:
    """Returns a function that reports the sweeps by account and storefront; empty if nothing is swept."""
    found = (line.flow.sweeps for line in running.values() if isinstance(line.flow, OrderFlow))
    return next(found, dict)


def figures(running: Mapping[str, RunningFlow]) -> Callable[[Snapshot | None], OfferFigures]:
    """Returns a function that reports what the offer flow has counted, for the partitions of a snapshot."""
    flow = next(line.flow for line in running.values() if isinstance(line.flow, OfferFlow))

    def read(snapshot: Snapshot | None) -> OfferFigures:
        parts = () if snapshot is None else snapshot.partitions
        return flow.figures({part.partition for part in parts if part.topic == flow.topic})

    return read


def sent_as_other(running: Mapping[str, RunningFlow]) -> Callable[[], Mapping[str, int]]:
    """Returns a function that reports, by account, the number of results with the code CARRIER_SENT_AS_OTHER."""
    found = (line.flow.sent_as_other for line in running.values() if isinstance(line.flow, ShipmentFlow))
    return next(found, dict)


def cold_starts(running: Mapping[str, RunningFlow]) -> Callable[[], Mapping[str, ColdStart]]:
    """Returns a function that reports, by account and storefront, whether offers wait for a sweep."""
    return next(line.flow.cold_starts for line in running.values() if isinstance(line.flow, OfferFlow))


def subscriptions(running: Mapping[str, RunningFlow]) -> Callable[[], Mapping[str, PushReport]]:
    """Returns a function that reports the push subscriptions by account; empty if they are not watched."""
    found = (line.flow.subscriptions for line in running.values() if isinstance(line.flow, OrderFlow))
    return next(found, dict)


def writes(topics: Topics, on: SwitchedOn) -> str:
    """Describes what the features and capabilities that are on may change at the marketplace."""
    parcels = ("confirmations of parcels",) if Feature.SHIPMENTS in topics.features else ()
    return "; ".join(("updates of price, stock and handling time", *parcels, *described(on)))


def inputs(topics: Topics) -> dict[str, str]:
    """Returns the state topic of each input topic of the enabled features."""
    pairs = {
        Feature.OFFERS: (topics.offer_changes, topics.offer_state),
        Feature.SHIPMENTS: (topics.shipments, topics.shipment_state),
        Feature.SCHEDULER: (topics.scheduler, topics.scheduler_state),
    }
    return dict(pair for feature, pair in pairs.items() if feature in topics.features)


def input_readers(
    topics: Topics, ids: SchemaIds, lookup: Lookup, scheduled: Scheduled
) -> dict[str, Callable[[Record], Any]]:
    """Returns, by input topic, the function that makes an event, a ``BadRecord`` or a ``NotYet`` of a record.

    It judges as the flow does.
    """
    readers: dict[str, Callable[[Record], Any]] = {topics.offer_changes: OfferCodecs(ids, lookup).decode_changed}
    if Feature.SHIPMENTS in topics.features:
        readers[topics.shipments] = ShipmentCodecs(ids, lookup).decode_dispatched
    if Feature.SCHEDULER in topics.features:
        codecs = OrderCodecs(ids, lookup)
        readers[topics.scheduler] = lambda record: read_command(record, codecs, scheduled)
    return readers


def state_decoders(topics: Topics, ids: SchemaIds, lookup: Lookup) -> dict[str, Callable[[bytes], Any]]:
    """Returns, by state topic, the function that decodes its values to a state, a ``BadRecord`` or a ``NotYet``."""
    decoders: dict[str, Callable[[bytes], Any]] = {topics.offer_state: OfferCodecs(ids, lookup).decode_state}
    if Feature.SHIPMENTS in topics.features:
        decoders[topics.shipment_state] = ShipmentCodecs(ids, lookup).decode_state
    if Feature.SCHEDULER in topics.features:
        decoders[topics.scheduler_state] = OrderCodecs(ids, lookup).decode_state
    return decoders


def _lines(around: FlowDependencies) -> Iterator[RunningFlow]:
    """Yields the flow of each enabled feature; the shipment flow and the order flow share the released orders."""
    topics = around.topics
    released = ReleasedOrders() if Feature.ORDERS in topics.features else None
    cold = _cold_starts(around)
    yield RunningFlow(
        flow=_offers(around, cold),
        dead_letters=topics.offer_changes_dlq,
        weight=WEIGHTS["offer_changes"],
        side_inputs=_beside_offers(around, cold),
    )
    if Feature.SHIPMENTS in topics.features:
        yield RunningFlow(
            flow=_shipments(around, released), dead_letters=topics.shipments_dlq, weight=WEIGHTS["shipments"]
        )
    if Feature.SCHEDULER in topics.features:
        yield RunningFlow(
            flow=_orders(around, released), dead_letters=topics.scheduler_dlq, weight=WEIGHTS["scheduler"]
        )


def _cold_starts(around: FlowDependencies) -> ColdStarts:
    """Returns what the offer flow and the side input that shows sweeps share; off in a dry run, which is not swept."""
    policy = convert.cold_start_policy(around.settings)
    policy = replace(policy, enabled=policy.enabled and not around.dry_run)
    partitions = around.partitions.get(around.topics.offer_changes, 1)
    report = around.report_cold_start
    return ColdStarts(policy, partitions) if report is None else ColdStarts(policy, partitions, report)


def _offers(around: FlowDependencies, cold: ColdStarts) -> OfferFlow:
    return OfferFlow(
        policy=convert.offer_policy(around.settings, dry_run=around.dry_run),
        routing=around.routing,
        reference=around.reference,
        codecs=OfferCodecs(around.ids, around.lookup),
        topics=around.topics,
        cluster_id=around.cluster_id,
        stamp=around.stamp,
        update_limit=convert.update_limit(around.settings.offers),
        commands=around.commands,
        partitions=around.partitions.get(around.topics.offer_changes, 1),
        mappings=around.mappings,
        policy_in_use=around.policy_in_use,
        cold=cold,
        traces=around.traces,
    )


def _beside_offers(around: FlowDependencies, cold: ColdStarts) -> SideInputs | None:
    """Returns what is read beside offer changes; None if nothing is."""
    parts: dict[str, SideInputs] = {}
    if around.replays is not None:
        parts[REPLAY] = around.replays
    if Feature.RECONCILE in around.topics.features and not around.dry_run:  # it has written nothing that could drift
        parts[UNITS] = SweptUnits(around.topics.units, unit_reader(around.ids, around.lookup), cold)
    return JoinedSideInputs(parts) if parts else None


def _shipments(around: FlowDependencies, released: ReleasedOrders | None) -> ShipmentFlow:
    topics = around.topics
    policy = convert.shipment_policy(around.settings, dry_run=around.dry_run)
    report_unlisted = around.report_unlisted
    return ShipmentFlow(
        policy=policy,
        codecs=ShipmentCodecs(around.ids, around.lookup),
        topics=ShipmentTopics(
            shipments=topics.shipments,
            shipment_results=topics.shipment_results,
            shipment_state=topics.shipment_state,
        ),
        cluster_id=around.cluster_id,
        stamp=around.stamp,
        carriers=CarrierTables(policy) if report_unlisted is None else CarrierTables(policy, report_unlisted),
        commands=around.commands,
        released=released,
        mappings=around.mappings,
        traces=around.traces,
    )


def _orders(around: FlowDependencies, released: ReleasedOrders | None) -> OrderFlow:
    policy, routing = convert.order_policy(around.settings), around.routing
    return OrderFlow(
        policy=policy if Feature.ORDERS in around.topics.features else replace(policy, accounts=frozenset()),
        currencies={currency.code: currency for currency in around.reference.storefronts.values()},
        codecs=OrderCodecs(around.ids, around.lookup),
        topics=around.topics,
        stamp=around.stamp,
        released=released,
        push=around.push,
        sweeps=SweepTerms(
            policy=convert.sweep_policy(around.settings),
            storefronts=around.reference.storefronts,
            normal_form=normal_form,
            target_ids={(one.account, one.storefront): one.id for one in routing.targets.values()},
        ),
        units=_unit_rows(around),
        sampling=around.traces.sampling if around.traces is not None else None,
    )


def _unit_rows(around: FlowDependencies) -> UnitRows | None:
    """Returns the writer of what sweeps see; None if reconciliation is off."""
    topics = around.topics
    if Feature.RECONCILE not in topics.features:
        return None
    partitions = around.partitions[topics.offer_changes]
    return UnitRows(around.ids, topic=topics.units, partitions=partitions, stamp=around.stamp)
