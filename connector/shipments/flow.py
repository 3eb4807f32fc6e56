"""The shipment flow: one lane per order. Reads events, runs turns and stores lanes; the rules are in the other modules.

In a turn, ``merge`` or ``outcomes`` applies the cause to a draft of the lane, ``decide`` ends order units and plans
calls, and ``results`` and ``wants`` turn these into records and calls. The flow confirms units and adds parcels; it
never cancels, refunds or rejects anything.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from connector.contracts import state_versions
from connector.contracts.codes import Code
from connector.contracts.event_traces import EventTraces
from connector.contracts.headers import NO_TRACE, Stamp, Trace
from connector.contracts.microseconds import us
from connector.contracts.released_orders import ReleasedOrders
from connector.controls.in_force import CommandSource
from connector.controls.waiting import without_stopped
from connector.mappings.in_use import MappingSource
from connector.marketplace.call_kinds import GROUPS
from connector.shipments import ledger, merge, outcomes, results, wants
from connector.shipments.carrier_tables import CarrierTables
from connector.shipments.codec import ShipmentCodecs
from connector.shipments.decide import decide
from connector.shipments.events import ShipmentResult, ShipmentState
from connector.shipments.ledger import ShipmentLane
from connector.shipments.plan import UnitOutcome
from connector.shipments.policy import ShipmentPolicy, ShipmentTerms
from connector.shipments.shared import ShipmentShared
from connector.shipments.shipment_draft import ShipmentDraft
from connector.shipments.traces import trace_of
from streams.flow import (
    Answered,
    Arrived,
    BadRecord,
    Cause,
    Draining,
    NotYet,
    Now,
    Output,
    Record,
    Restored,
    Stored,
    Told,
    Turn,
    Woken,
)
from streams.frozen import replace


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentTopics:
    """The names of the flow's topics."""

    shipments: str
    shipment_results: str
    shipment_state: str


class ShipmentFlow:
    """The ``streams.flow.Flow`` of shipments."""

    def __init__(
        self,
        *,
        policy: ShipmentPolicy,
        codecs: ShipmentCodecs,
        topics: ShipmentTopics,
        cluster_id: str,
        stamp: Stamp,
        carriers: CarrierTables,
        commands: CommandSource,
        released: ReleasedOrders | None = None,
        mappings: MappingSource | None = None,
        traces: EventTraces | None = None,
    ) -> None:
        """``carriers`` and ``released`` are shared by all lanes.

        ``mappings``: where aliases of carriers are found while the process runs; None: those of ``policy`` do not
        change.

        ``commands``: only those that stop writes concern shipments. ``released`` is None if this process does not poll
        orders.
        """
        self._terms = ShipmentTerms(policy=policy, cluster_id=cluster_id, topic=topics.shipments, traces=traces)
        self._shared = ShipmentShared(carriers=carriers, released=released)
        self._mappings = mappings
        self._commands = commands
        self._codecs = codecs
        self._topics = topics
        self._stamp = stamp
        self._needs = state_versions.needs_of(ShipmentState)
        self._state_version = state_versions.state_version(ShipmentState)
        self._sent_as_other: Mapping[str, int] = MappingProxyType({})

    def sent_as_other(self) -> Mapping[str, int]:
        """Returns the number of results with CARRIER_SENT_AS_OTHER since the start, by account. Thread-safe."""
        return self._sent_as_other

    @property
    def topic(self) -> str:
        return self._topics.shipments

    @property
    def state_topic(self) -> str:
        return self._topics.shipment_state

    @property
    def state_version(self) -> int:
        return self._state_version

    def kind_limit(self, kind: str) -> int:  # noqa: ARG002
        """Returns 1: every call has one want."""
        return 1

    def group(self, kind: str) -> str | None:
        return GROUPS.get(kind)

    def assigned(self, partition: int, lanes: int) -> None:
        """Does nothing: no lane depends on how many there are."""

    def standing(self, partition: int) -> Iterable[str]:  # noqa: ARG002
        """Returns no lanes: the lane of an order exists through its events."""
        return ()

    def read(self, record: Record, now: Now) -> Arrived | BadRecord | NotYet:  # noqa: ARG002
        """Decodes a record.

        An event that must not be sent is not dead-lettered: its turn ends it with a result that says why.
        """
        event = self._codecs.decode_dispatched(record)
        return event if isinstance(event, BadRecord | NotYet) else Arrived(lane=event.key, event=event)

    def glance(self, key: str, stored: bytes) -> BadRecord | NotYet | None:
        """Returns why a stored lane cannot be loaded, or cannot be loaded yet; None if it can be tried."""
        problem = self._codecs.glance_state(stored)
        return state_versions.unreadable(key, problem.text) if isinstance(problem, BadRecord) else problem

    def load(self, key: str, stored: bytes | None) -> ShipmentLane:
        """Returns the lane of a state record, or a blank one for None.

        Raises ``Unreadable`` for bytes that are not a state of this flow.
        """
        if stored is None:
            return ledger.blank(key)
        return state_versions.made(key, self._codecs.decode_state(stored), lambda state: state)

    def store(self, lane: ShipmentLane) -> Stored:
        """Returns the lane's state record, or none for a lane that equals one never stored."""
        if ledger.is_blank(lane):
            return Stored(value=None)
        return Stored(
            value=self._codecs.encode_state(lane),
            undone=bool(lane.undone),
            reader=state_versions.reader(self._needs(lane)),
        )

    def turn(self, lane: ShipmentLane, cause: Cause, now: Now) -> Turn[ShipmentLane]:
        """Applies a cause to the lane; returns the new lane, its wants, its outputs, and when to wake it.

        A lane without undone events is blank again ``keep_s`` after its last change.
        """
        self._take_over()
        now_us = now.wall_us
        draft = self._apply(lane, cause, now_us)
        plan, after = decide(draft, self._shared), draft.result()
        for read in plan.carriers:
            self._shared.carriers.note_reader(read.account, lane.order_id, now_us)
        after = replace(after, updated_at_us=now_us) if after != lane else lane
        wake_at_us = plan.wake_at_us
        if not after.undone and not ledger.is_blank(after):
            wake_at_us = after.updated_at_us + us(self._terms.policy.keep_s)
            if now_us >= wake_at_us and not plan.ends:
                return Turn(lane=ledger.blank(lane.order_id))
        commands = self._commands.in_force
        wanted = wants.derive(after, plan, self._terms, draining=isinstance(cause, Draining))
        if commands.stops:
            wanted, wake_at_us = without_stopped(wanted, wake_at_us, commands, now_us)
        return Turn(
            lane=after,
            wants=wanted,
            outputs=tuple(self._output(after, end, now_us) for end in plan.ends),
            wake_at_us=wake_at_us,
        )

    def _take_over(self) -> None:
        """Uses the aliases that are in use now; they stay the same during a turn."""
        if self._mappings is None:
            return
        policy, found = self._terms.policy, self._mappings.in_use
        if found.config_digest not in ("", self._stamp.config_digest):
            self._stamp = dataclasses.replace(self._stamp, config_digest=found.config_digest)
        if found.carriers is not policy.aliases:
            changed = dataclasses.replace(policy, aliases=found.carriers)
            self._terms = dataclasses.replace(self._terms, policy=changed)
            self._shared.carriers.apply_policy(changed)

    def _apply(self, lane: ShipmentLane, cause: Cause, now_us: int) -> ShipmentDraft:
        if isinstance(cause, Arrived):
            return merge.merge_event(lane, cause.event, self._terms, now_us)
        draft = ShipmentDraft(lane, self._terms, now_us)
        match cause:
            case Answered():
                outcomes.apply_answer(draft, cause, self._shared.carriers)
            case Restored(announced=announced):
                outcomes.restore(draft, announced)
            case Woken() | Draining() | Told():
                pass
        return draft

    def _output(self, lane: ShipmentLane, end: UnitOutcome, now_us: int) -> Output:
        result = results.build(lane, end, self._terms, self._shared.carriers, now_us)
        if end.code is Code.CARRIER_SENT_AS_OTHER:
            known = self._sent_as_other
            self._sent_as_other = MappingProxyType({**known, end.event.account: known.get(end.event.account, 0) + 1})
        trace, span = NO_TRACE if end.event.traceparent is None else Trace(traceparent=end.event.traceparent), None
        if (traces := self._terms.traces) is not None:
            traced = trace_of(end.event, end.order_unit_id, traces)
            trace = Trace(traceparent=traced.context.traceparent)
            span = traces.span(result, traced, result.call_ids)
        return Output(
            topic=self._topics.shipment_results,
            key=self._codecs.result_key(result.order_id),
            value=self._codecs.encode_result(result),
            headers=self._stamp.of_decision(
                ShipmentResult,
                result_id=result.result_id,
                decided_at_us=result.decided_at_us,
                subject=result.order_id,
                trace=trace,
            ),
            span=span,
        )
