"""The shipment flow: one lane per order. It reads, takes a turn at a time, and stores; every rule is in its neighbours.

A turn is: the cause goes into the ledger, order units are settled, results are said, and the rest is wanted. The flow
confirms and adds parcels; it never cancels, refunds or rejects anything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from connector.contracts import state_versions
from connector.contracts.codes import Code
from connector.contracts.headers import NO_TRACE, Stamp, Trace
from connector.contracts.released_orders import ReleasedOrders
from connector.marketplace.orders import GROUPS
from connector.shipments import ledger, merge, outcomes, results, wants
from connector.shipments.carriers import Carriers, SayUnlisted
from connector.shipments.codec import ShipmentCodecs
from connector.shipments.decide import ShipmentDraft, UnitOutcome
from connector.shipments.events import ShipmentResult, ShipmentState
from connector.shipments.ledger import ShipmentLane, ShipmentTerms
from connector.shipments.policy import ShipmentPolicy, us
from streams.flow import (
    Answered,
    Arrived,
    Bad,
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
    """``streams.flow.Flow`` of parcels. It knows the carriers of each account as it read them last."""

    def __init__(
        self,
        *,
        policy: ShipmentPolicy,
        codecs: ShipmentCodecs,
        topics: ShipmentTopics,
        cluster_id: str,
        stamp: Stamp,
        released: ReleasedOrders | None = None,
        say_unlisted: SayUnlisted | None = None,
    ) -> None:
        """``released``: what the order flow of this process sees, where it runs. ``say_unlisted``: see there."""
        self._terms = ShipmentTerms(
            policy=policy,
            carriers=Carriers(policy, say_unlisted) if say_unlisted is not None else Carriers(policy),
            released=released,
            cluster_id=cluster_id,
            topic=topics.shipments,
        )
        self._codecs = codecs
        self._topics = topics
        self._stamp = stamp
        self._needs = state_versions.needs_of(ShipmentState)
        self._state_version = state_versions.state_version(ShipmentState)
        self._sent_as_other: Mapping[str, int] = MappingProxyType({})

    def sent_as_other(self) -> Mapping[str, int]:
        """Results with CARRIER_SENT_AS_OTHER so far, by account. Any thread: the mapping never changes."""
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
        return 1

    def group(self, kind: str) -> str | None:
        return GROUPS.get(kind)

    def standing(self, partition: int) -> Iterable[str]:  # noqa: ARG002
        """None: an order's lane lives on its events."""
        return ()

    def read(self, record: Record, now: Now) -> Arrived | Bad | NotYet:  # noqa: ARG002
        """What can be read but must not be sent becomes an event all the same: its turn says why."""
        event = self._codecs.decode_dispatched(record)
        return event if isinstance(event, Bad | NotYet) else Arrived(lane=event.key, event=event)

    def glance(self, key: str, stored: bytes) -> Bad | NotYet | None:
        said = self._codecs.glance_state(stored)
        return state_versions.unreadable(key, said.text) if isinstance(said, Bad) else said

    def load(self, key: str, stored: bytes | None) -> ShipmentLane:
        """Raises Unreadable for what is no state of this flow."""
        if stored is None:
            return ledger.blank(key)
        return state_versions.made(key, self._codecs.decode_state(stored), lambda state: state)

    def store(self, lane: ShipmentLane) -> Stored:
        if ledger.is_blank(lane):
            return Stored(value=None)
        return Stored(
            value=self._codecs.encode_state(lane),
            undone=bool(lane.undone),
            reader=state_versions.reader(self._needs(lane)),
        )

    def turn(self, lane: ShipmentLane, cause: Cause, now: Now) -> Turn[ShipmentLane]:
        now_us, terms = now.wall_us, self._terms
        draft = self._heard(lane, cause, now_us)
        draft.settle()
        plan, after = draft.plan(), draft.result()
        after = replace(after, updated_at_us=now_us) if after != lane else lane
        wake_at_us = plan.wake_at_us
        if not after.undone and not ledger.is_blank(after):
            wake_at_us = after.updated_at_us + us(terms.policy.keep_s)
            if now_us >= wake_at_us and not plan.ends:
                return Turn(lane=ledger.blank(lane.order_id))
        return Turn(
            lane=after,
            wants=wants.derive(after, plan, draining=isinstance(cause, Draining)),
            outputs=tuple(self._output(end, results.build(after, end, terms, now_us)) for end in plan.ends),
            wake_at_us=wake_at_us,
        )

    def _heard(self, lane: ShipmentLane, cause: Cause, now_us: int) -> ShipmentDraft:
        if isinstance(cause, Arrived):
            return merge.take(lane, cause.event, self._terms, now_us)
        draft = ShipmentDraft(lane, self._terms, now_us)
        match cause:
            case Answered():
                outcomes.learn(draft, cause)
            case Restored(announced=announced):
                outcomes.restored(draft, announced)
            case Woken() | Draining() | Told():
                pass
        return draft

    def _output(self, end: UnitOutcome, result: ShipmentResult) -> Output:
        if end.code is Code.CARRIER_SENT_AS_OTHER:
            known = self._sent_as_other
            self._sent_as_other = MappingProxyType({**known, end.event.account: known.get(end.event.account, 0) + 1})
        trace = NO_TRACE if end.event.traceparent is None else Trace(traceparent=end.event.traceparent)
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
        )
