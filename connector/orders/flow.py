"""The order flow: the owner of the one-partition scheduler topic polls. Every rule is in its neighbours.

Three kinds of lanes live in that partition: one of each account, which reads lists and stands without input; one of
each order that a list has shown; and one of each return. That they share a partition makes one poller of a group, and
lets what a page tells and the cursor that follows from it become durable as one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import assert_never

from connector.contracts import state_versions
from connector.contracts.codes import Code, explain
from connector.contracts.headers import Stamp
from connector.contracts.released_orders import ReleasedOrders
from connector.contracts.topics import Topics
from connector.marketplace.offers import Currency
from connector.marketplace.orders import GROUPS
from connector.orders import order_lane, poll_lane, return_lane
from connector.orders.codec import OrderCodecs
from connector.orders.dead_letters import Quarantined, headers
from connector.orders.events import (
    OrderContact,
    OrderLaneState,
    OrderObserved,
    OrderUnitStatus,
    PollState,
    ReturnLaneState,
    ReturnObserved,
    SalesOrderRequested,
    SchedulerState,
)
from connector.orders.lane_keys import LaneKey, parse_key
from connector.orders.lane_step import LaneStep, Said
from connector.orders.policy import OrderPolicy, OrderTerms
from connector.orders.poll_lane import PollReport
from connector.orders.subscriptions import PushReport, PushWatch
from streams.flow import Arrived, Bad, Cause, NotYet, Now, Output, Record, Stored, Turn, Want
from streams.frozen import replace

_LATER_US = 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLane:
    """A lane's value: its key, read, and what its topic keeps of it."""

    whose: LaneKey
    state: SchedulerState


class OrderFlow:
    """``streams.flow.Flow`` of orders.

    A dry run has none: it would poll, and pay for it out of the account's limit, only to write what nobody reads.
    """

    def __init__(
        self,
        *,
        policy: OrderPolicy,
        currencies: Mapping[str, Currency],
        codecs: OrderCodecs,
        topics: Topics,
        stamp: Stamp,
        released: ReleasedOrders | None = None,
        push: PushWatch | None = None,
    ) -> None:
        """``currencies``: by code. ``released``: where orders are noted that have a unit to be sent.

        ``push``: what watches the marketplace's subscriptions, where there is an address that is to be notified.
        """
        self._terms = OrderTerms(policy=policy, currencies=currencies)
        self._codecs = codecs
        self._topics = topics
        self._stamp = stamp
        self._released = released
        self._push = push
        self._polls: Mapping[str, PollReport] = MappingProxyType({})
        self._needs = state_versions.needs_of(SchedulerState)
        self._state_version = state_versions.state_version(SchedulerState)

    @property
    def topic(self) -> str:
        return self._topics.scheduler

    @property
    def state_topic(self) -> str:
        return self._topics.scheduler_state

    @property
    def state_version(self) -> int:
        return self._state_version

    def kind_limit(self, kind: str) -> int:  # noqa: ARG002
        return 1

    def group(self, kind: str) -> str | None:
        return GROUPS.get(kind)

    def standing(self, partition: int) -> Iterable[str]:
        """The accounts live in the first partition alone, so that no two processes ever poll one of them."""
        return sorted(self._terms.policy.accounts) if partition == 0 else ()

    def polls(self) -> Mapping[str, PollReport]:
        """How the polls of each account go, as far as this process makes them. Any thread: the mapping never changes.

        A process that has lost the partition still says what it last knew.
        """
        return self._polls

    def read(self, record: Record, now: Now) -> Arrived | Bad | NotYet:  # noqa: ARG002
        command = self._codecs.decode_command(record)
        if isinstance(command, Bad | NotYet):
            return command
        accounts = self._terms.policy.accounts
        if command.key not in accounts:
            known = ", ".join(sorted(accounts))
            problem = explain(Code.ACCOUNT_NOT_POLLED, account=command.key, known=known)
            return Bad(code=Code.ACCOUNT_NOT_POLLED, text=problem.message)
        return Arrived(lane=command.key, event=command)

    def glance(self, key: str, stored: bytes) -> Bad | NotYet | None:
        said = self._codecs.glance_state(stored)
        return state_versions.unreadable(key, said.text) if isinstance(said, Bad) else said

    def load(self, key: str, stored: bytes | None) -> OrderLane:
        """Raises Unreadable for what is no state of this flow."""
        if stored is None:
            whose = parse_key(key)
            return OrderLane(whose=whose, state=SchedulerState(account=whose.account, updated_at_us=0))
        decoded = self._codecs.decode_state(stored)
        return state_versions.made(key, decoded, lambda state: OrderLane(whose=parse_key(key), state=state))

    def store(self, lane: OrderLane) -> Stored:
        state = lane.state
        if state.poll is None and state.order is None and state.returned is None:
            return Stored(value=None)
        open_since_us = state.order.open_since_us if state.order is not None else None
        return Stored(
            value=self._codecs.encode_state(state),
            undone=_is_undone(state),
            open_since_us=open_since_us,
            reader=state_versions.reader(self._needs(state)),
        )

    def turn(self, lane: OrderLane, cause: Cause, now: Now) -> Turn[OrderLane]:
        whose, before, now_us = lane.whose, lane.state, now.wall_us
        if whose.account not in self._terms.policy.accounts:
            return _resting(lane, now_us)
        step: LaneStep[PollState] | LaneStep[OrderLaneState] | LaneStep[ReturnLaneState]
        if whose.order_id is not None:
            step = order_lane.turn(whose.account, whose.order_id, before.order, cause, self._terms, now_us)
            after = replace(before, order=step.state)
        elif whose.return_id is not None:
            step = return_lane.turn(whose.account, whose.return_id, before.returned, cause, self._terms, now_us)
            after = replace(before, returned=step.state)
        else:
            step = poll_lane.turn(whose.account, before.poll, cause, self._terms, now_us)
            after = replace(before, poll=step.state)
            self._publish(whose.account, after.poll)
            wants, wake_at_us = self._watched(whose.account, cause, now_us)
            step = replace(step, wants=(*step.wants, *wants), wake_at_us=_sooner(step.wake_at_us, wake_at_us))
        self._note(step.said)
        return Turn(
            lane=lane if after == before else OrderLane(whose=whose, state=replace(after, updated_at_us=now_us)),
            wants=step.wants,
            outputs=tuple(self._output(one) for one in step.said),
            tells=step.tells,
            wake_at_us=step.wake_at_us,
        )

    def _watched(self, account: str, cause: Cause, now_us: int) -> tuple[tuple[Want, ...], int | None]:
        return ((), None) if self._push is None else self._push.turn(account, cause, now_us)

    def subscriptions(self) -> Mapping[str, PushReport]:
        """As ``polls``, of what the marketplace notifies."""
        return {} if self._push is None else self._push.reports()

    def _note(self, said: Iterable[Said]) -> None:
        if self._released is None:
            return
        for fact in said:
            if isinstance(fact, OrderObserved) and any(u.status is OrderUnitStatus.NEED_TO_BE_SENT for u in fact.units):
                self._released.note(fact.account, fact.order_id, fact.observed_at_us)

    def _publish(self, account: str, state: PollState | None) -> None:
        if state is not None:
            self._polls = MappingProxyType({**self._polls, account: poll_lane.report(account, state)})

    def _output(self, said: Said) -> Output:
        topics, codecs, stamp = self._topics, self._codecs, self._stamp
        match said:
            case OrderObserved():
                id_ = f"{said.account}/{said.order_id}/{said.observed_at_us}"
                return Output(
                    topic=topics.orders,
                    key=codecs.order_key(said.order_id),
                    value=codecs.encode_order(said),
                    headers=stamp.of(OrderObserved, id_=id_, time_us=said.observed_at_us, subject=said.order_id),
                )
            case OrderContact():
                id_ = f"{said.account}/{said.order_id}/{said.observed_at_us}"
                return Output(
                    topic=topics.order_contacts,
                    key=codecs.contact_key(said.order_id),
                    value=codecs.encode_contact(said),
                    headers=stamp.of(OrderContact, id_=id_, time_us=said.observed_at_us, subject=said.order_id),
                )
            case ReturnObserved():
                key = str(said.return_id)
                id_ = f"{said.account}/{key}/{said.observed_at_us}"
                return Output(
                    topic=topics.returns,
                    key=codecs.return_key(key),
                    value=codecs.encode_return(said),
                    headers=stamp.of(ReturnObserved, id_=id_, time_us=said.observed_at_us, subject=key),
                )
            case SalesOrderRequested():
                return Output(
                    topic=topics.sales_orders,
                    key=codecs.sales_order_key(said.order_id),
                    value=codecs.encode_sales_order(said),
                    headers=stamp.of(
                        SalesOrderRequested, id_=said.command_id, time_us=said.requested_at_us, subject=said.order_id
                    ),
                )
            case Quarantined():
                return Output(
                    topic=topics.scheduler_dlq,
                    key=said.key.encode(),
                    value=None,
                    headers=headers(said, topics.scheduler, stamp.instance_id),
                )
            case unreachable:
                assert_never(unreachable)


def _sooner(one_us: int | None, other_us: int | None) -> int | None:
    return min((at_us for at_us in (one_us, other_us) if at_us is not None), default=None)


def _is_undone(state: SchedulerState) -> bool:
    """What is not written yet, or a list that is under way: a new owner must go on with it."""
    if state.order is not None:
        return state.order.undone_since_us is not None
    if state.returned is not None:
        return state.returned.listed is not None
    if state.poll is not None:
        return state.poll.orders.listing is not None or state.poll.returns.listing is not None
    return False


def _resting(lane: OrderLane, now_us: int) -> Turn[OrderLane]:
    """Of an account that is not polled any more: kept as it is, until it is polled again."""
    return Turn(lane=lane, wake_at_us=now_us + _LATER_US if _is_undone(lane.state) else None)
