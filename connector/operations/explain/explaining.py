"""Explains one event for ``connector explain``: reads it and its lane's state, and runs the flow in memory."""

from collections.abc import Iterator
from dataclasses import dataclass

from connector.connections import administration, marketplace
from connector.contracts.headers import Stamp
from connector.controls.in_force import NoControls
from connector.marketplace.offers import Marketplace
from connector.offers.call_bodies import OfferLookUp
from connector.offers.events import OfferChanged, OfferWithdrawn
from connector.offers.match import NamedOffer, with_defaults
from connector.operations import command_calls, topic_contents
from connector.operations.call_progress import CallProgress
from connector.operations.explain.event_file import parse_event
from connector.operations.explain.explanation import EventExplanation, explain_event
from connector.operations.explain.lane_in_memory import KeptResults, LaneInMemory
from connector.operations.offer_terms import offer_flow, offer_terms
from connector.settings import convert
from connector.settings.model import Settings
from streams.clock import SystemClock
from streams.dispatch.command_calls import CommandCall
from streams.errors import Stopped
from streams.flow import BadRecord
from streams.frozen import replace
from streams.topics import TopicRange

_NO_STAMP = Stamp(source="", instance_id="", config_digest="")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainOptions:
    """Which event to explain: ``text``, its JSON, or that at ``place`` (partition, offset) of the input topic.

    ``with_state`` False: as if nothing were known of the EAN; with ``text``, no broker is needed then.
    """

    text: str | None = None
    place: tuple[int, int] | None = None
    look_up: bool = False
    with_state: bool = True
    calls_per_second: float | None = None


def explain(configured: Settings, options: ExplainOptions) -> EventExplanation:
    """Returns the explanation. Writes nothing; makes look-ups only if the options say so.

    Raises SettingsError if the JSON is not an event, and Stopped if there is no event at the place.
    """
    event = _read(configured, options)
    partition = event.partition if options.place is not None else None
    reading, stored = (
        topic_contents.offer_state(configured, event.key, partition) if options.with_state else (None, None)
    )
    adapter = marketplace(configured)
    try:
        kept = KeptResults(reading)
        cluster_id = administration(configured).cluster_id() if options.with_state else ""
        flow = offer_flow(configured, adapter.reference(), kept, cluster_id, NoControls())
        turned = LaneInMemory(flow, kept, event.key, stored)
        if options.place is None:
            before = turned.before
            event = replace(event, partition=max(0, before.partition), offset=before.last_offset + 1)
        clock = SystemClock()
        turned.arrive(event, clock.now())
        if options.look_up:
            _look_up(configured, options, turned, adapter)
        terms = offer_terms(configured, adapter.reference(), cluster_id)
        offer = with_defaults(NamedOffer.of(event), terms)
        return explain_event(event, offer, turned, terms, clock.now().wall_us)
    finally:
        adapter.close()


def _read(configured: Settings, options: ExplainOptions) -> OfferChanged:
    """Returns the event. One from JSON gets its position later, when the lane is known."""
    if options.place is None:
        topic = convert.topics(configured).offer_changes
        now_us = SystemClock().now().wall_us
        return parse_event(options.text or "", topic=topic, partition=0, offset=0, now_us=now_us)
    partition, offset = options.place
    part = TopicRange(offsets={partition: (offset, offset + 1)})
    for _, event in topic_contents.offer_changes(configured, part):
        match event:
            case OfferChanged():
                return event
            case OfferWithdrawn():
                raise Stopped(
                    f"the record at {partition}:{offset} is a tombstone: it ends the management of EAN {event.key}"
                )
            case BadRecord():
                raise Stopped(f"the record at {partition}:{offset} is a dead letter, {event.code}: {event.text}")
    raise Stopped(f"there is no record at {partition}:{offset} of the offer changes topic")


def _look_up(configured: Settings, options: ExplainOptions, turned: LaneInMemory, adapter: Marketplace) -> None:
    """Makes the look-ups that the lane wants, each once: before it repeats one, the flow would wait."""
    members = command_calls.members(configured) if options.with_state and options.calls_per_second is None else None
    made: set[CommandCall] = set()
    while wanted := [call for call in _wanted(turned) if call not in made]:
        accounts = {call.account for call in wanted}
        rates = command_calls.rates(configured, accounts, options.calls_per_second, members)
        calls = command_calls.queue(configured, rates, prefix=f"{configured.kafka.instance_id}-explain-{len(made)}")
        with CallProgress(len(wanted)) as progress:
            for outcome in command_calls.make(calls, wanted, adapter, progress.answered):
                turned.answer(outcome.answered(), SystemClock().now())
        made.update(wanted)


def _wanted(turned: LaneInMemory) -> Iterator[CommandCall]:
    """Yields the look-ups that the lane wants now."""
    for want in turned.wants:
        if isinstance(want.body, OfferLookUp):
            yield CommandCall(account=want.account, kind=want.kind, body=want.body)
