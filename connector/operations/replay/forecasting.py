"""Reads what a replay would read, and what the state topic knows, and has the flow forecast what would happen."""

from collections.abc import Iterator
from math import inf

from connector.connections import administration, marketplace
from connector.marketplace.call_kinds import UNITS_WRITE
from connector.offers.events import OfferChanged, OfferWithdrawn
from connector.operations import topic_contents
from connector.operations.controls.topic import commands_in_force
from connector.operations.explain.lane_in_memory import KeptResults
from connector.operations.offer_terms import offer_flow, offer_terms
from connector.operations.progress import counted
from connector.operations.replay.forecast import ReplayForecast
from connector.operations.replay.plan import ReplayPlan
from connector.replays.filter import ReplayFilter
from connector.settings import convert
from connector.settings.model import Settings
from streams.clock import SystemClock
from streams.flow import BadRecord
from streams.topics import TopicRange


def forecast(configured: Settings, plan: ReplayPlan) -> ReplayForecast:
    """Returns what the replay would do now. Writes nothing and makes no call.

    Reads the ranges twice, so that only the states of the EANs that they have are kept in memory. Raises as
    ``read_records``; Stopped or Unreadable if a state or a command cannot be read.
    """
    adapter = marketplace(configured)
    try:
        terms = offer_terms(configured, adapter.reference(), administration(configured).cluster_id())
        wanted = ReplayFilter.of(plan.scope, terms.policy.default_target)
        keys = {
            (event.partition, event.key)
            for event in counted(_events(configured, plan), "records read")
            if not isinstance(event, BadRecord) and wanted.matches(event)
        }
        codecs, stored = topic_contents.stored_offers(configured, keys)
        kept = KeptResults(codecs)
        flow = offer_flow(configured, adapter.reference(), kept, terms.cluster_id, commands_in_force(configured))
        made = ReplayForecast(flow, kept, terms, stored, plan.replay_id)
        _take(configured, plan, made, wanted)
        return made
    finally:
        adapter.close()


def _take(configured: Settings, plan: ReplayPlan, made: ReplayForecast, wanted: ReplayFilter) -> None:
    """Has the forecast take every event of the ranges, and shows on standard error how many there were."""
    clock = SystemClock()
    for number, event in counted(_places(configured, plan), "records decided"):
        part = made.partition(number)
        part.read += 1
        if isinstance(event, BadRecord):
            part.unreadable += 1
        elif wanted.matches(event):
            made.add(event, clock.now())
        else:
            part.left_out += 1
    made.finish()


def _events(configured: Settings, plan: ReplayPlan) -> Iterator[OfferChanged | OfferWithdrawn | BadRecord]:
    return (event for _, event in _places(configured, plan))


def _places(configured: Settings, plan: ReplayPlan) -> Iterator[tuple[int, OfferChanged | OfferWithdrawn | BadRecord]]:
    """Yields the partition and the event of every record of the ranges."""
    part = TopicRange(offsets={one.partition: (one.start, one.end) for one in plan.request.ranges})
    return ((found.partition, event) for found, event in topic_contents.offer_changes(configured, part))


def rates(configured: Settings) -> dict[str, float]:
    """Returns the calls per second that each account permits for updates of units."""
    paces = {name: convert.pace(account) for name, account in configured.accounts.items()}
    return {name: min(pace.per_second, pace.groups.get(UNITS_WRITE, inf)) for name, pace in paces.items()}
