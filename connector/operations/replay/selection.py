"""Resolves what a person selects to the plan of a replay: offsets that the group has passed, and EANs."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from connector.connections import administration
from connector.contracts.event_time import moment
from connector.controls.commands import CommandScope, ReplayRange, ReplayRequest
from connector.offers.events import OfferResult, Status
from connector.operations import topic_contents
from connector.operations.progress import counted
from connector.operations.replay.plan import ReplayPlan, checked_eans
from connector.settings import convert
from connector.settings.model import Settings
from streams.clock import SystemClock
from streams.errors import Stopped
from streams.topics import WHOLE_TOPIC, TopicRange


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySelection:
    """Which records to replay: those in ``part`` that meet every restriction.

    ``statuses``: only EANs whose newest result for an offer, or a field of it where it is PARTIAL, has one of them.
    """

    part: TopicRange = WHOLE_TOPIC
    eans: frozenset[str] = frozenset()
    target_ids: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)
    statuses: tuple[Status, ...] = ()


def resolve(configured: Settings, selection: ReplaySelection, replay_id: str) -> ReplayPlan:
    """Returns the plan. Reads offsets, and with ``statuses`` the results.

    Raises Stopped if nothing is selected, SettingsError for too many EANs, and as ``read_records``.
    """
    topic, now_us = convert.topics(configured).offer_changes, SystemClock().now().wall_us
    described = administration(configured).describe([topic])
    ranges = topic_contents.passed(configured, selection.part)
    if not ranges:
        raise Stopped(
            f"nothing to replay: the group {configured.kafka.group} has passed no record of that part of {topic}. What "
            "it has not read yet is read anyway"
        )
    eans = selection.eans
    if selection.statuses:
        eans = _with_status(configured, selection)
    return ReplayPlan(
        replay_id=replay_id,
        request=ReplayRequest(
            input_topic=topic,
            input_topic_id=described[topic].topic_id if topic in described else "",
            ranges=tuple(
                ReplayRange(partition=number, start=start, end=end) for number, (start, end) in sorted(ranges.items())
            ),
            statuses=tuple(status.value for status in selection.statuses),
        ),
        scope=CommandScope(
            eans=checked_eans(eans), target_ids=selection.target_ids, attributes=dict(selection.attributes)
        ),
        planned_at_us=now_us - now_us % 1_000_000,
    )


def _with_status(configured: Settings, selection: ReplaySelection) -> frozenset[str]:
    """Returns the selected EANs with such a newest result. Raises Stopped if there is none."""
    rows = counted(topic_contents.offer_results(configured), "results read")
    found = eans_with_status(rows, frozenset(selection.statuses), frozenset(selection.target_ids))
    if selection.eans:
        found &= selection.eans
    if not found:
        names = ", ".join(status.value for status in selection.statuses)
        raise Stopped(f"nothing to replay: no selected EAN has {names} as its newest result")
    return found


def eans_with_status(
    rows: Iterable[OfferResult], statuses: frozenset[Status], target_ids: frozenset[str]
) -> frozenset[str]:
    """Returns the EANs that have one of the statuses in the newest result of an offer, if PARTIAL also of a field.

    An offer is an EAN with the target, condition and ids that events name. ``target_ids``: only results of these
    targets count; empty: of every target.
    """
    newest: dict[tuple[str, str | None, str | None, int | None], tuple[int, bool]] = {}
    for row in rows:
        if target_ids and row.target_id not in target_ids:
            continue
        offer = (row.ean, row.target_id, row.condition, row.unit_id)
        known = newest.get(offer)
        if known is None or row.decided_at_us >= known[0]:
            newest[offer] = (row.decided_at_us, _has_ended_so(row, statuses))
    return frozenset(offer[0] for offer, (_, has_it) in newest.items() if has_it)


def _has_ended_so(row: OfferResult, statuses: frozenset[Status]) -> bool:
    if row.status in statuses:
        return True
    return row.status is Status.PARTIAL and any(Status(one.status.value) in statuses for one in row.fields)


def described_part(plan: ReplayPlan) -> str:
    """Describes what a plan reads, for a person: ``12,000 records of 4 partitions, brand=Y, planned at ...``."""
    scope, statuses = plan.scope, plan.request.statuses
    chosen = f" whose newest result is {' or '.join(statuses)}" if statuses else ""
    restrictions = [
        *((f"{len(scope.eans):,} EANs{chosen}",) if scope.eans else ()),
        *(f"target {target}" for target in scope.target_ids),
        *(f"{name}={value}" for name, value in sorted(scope.attributes.items())),
    ]
    partitions = len(plan.request.ranges)
    records = f"{plan.records:,} offsets of {partitions} partition{'' if partitions == 1 else 's'}"
    return f"{', '.join((records, *restrictions))}, planned at {moment(plan.planned_at_us)}"
