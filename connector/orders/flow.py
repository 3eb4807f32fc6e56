"""The order flow. The process that owns the scheduler topic's one partition polls; the rules are elsewhere.

The partition has four kinds of lanes: one for each account, which polls lists and needs no input; one for each order
that a list has shown; one for each return; and one for each account and storefront whose units are swept. Because they
share a partition, only one process of a group polls, and the rows of a page become durable together with the cursor
behind them.

Each kind has a module (``poll_lane``, ``order_lane``, ``return_lane``, and ``sweep_lane`` of
``connector.reconciliation``) with a ``turn`` function: a draft of the stored state applies the cause, and the draft's
``step`` returns what the lane writes, wants and stores.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import assert_never

from connector.contracts import state_versions
from connector.contracts.headers import Stamp
from connector.contracts.released_orders import ReleasedOrders
from connector.contracts.topics import Topics
from connector.marketplace.call_kinds import GROUPS
from connector.marketplace.offers import Currency
from connector.marketplace.orders import OrderPage, ReadOrderPage
from connector.orders import ledger, order_lane, poll_lane, return_lane
from connector.orders.codec import OrderCodecs
from connector.orders.commands import read_command
from connector.orders.dead_letters import Quarantined, headers
from connector.orders.events import (
    Command,
    OrderContact,
    OrderLaneState,
    OrderObserved,
    OrderUnitStatus,
    PollState,
    ReturnLaneState,
    ReturnObserved,
    SalesOrderRequested,
    SchedulerCommand,
    SchedulerState,
)
from connector.orders.lane_keys import parse_key, sweep_key
from connector.orders.lane_step import LaneOutput, LaneStep
from connector.orders.ledger import OrderLane
from connector.orders.policy import OrderPolicy, OrderTerms, Scheduled
from connector.orders.poll_lane import PollReport
from connector.orders.subscriptions import PushReport, PushWatch
from connector.reconciliation import sweep_lane
from connector.reconciliation.codec import UnitRows
from connector.reconciliation.events import SweepAsked, SweepMark, UnitObserved
from connector.reconciliation.sweep_lane import SweepReport, SweepTerms
from streams.flow import (
    Answered,
    Arrived,
    BadRecord,
    Cause,
    Headers,
    NotYet,
    Now,
    Output,
    Record,
    Settled,
    Stored,
    Turn,
    Want,
)
from streams.frozen import replace
from streams.trace_context import TRACEPARENT, Sampling

_LATER_US = 24 * 3600 * 1_000_000
"""How often an undone lane of an account that is no longer polled is woken: once a day."""


class OrderFlow:
    """The ``streams.flow.Flow`` of orders.

    A dry run has no order flow: polling would spend the account's rate limit on results that nobody reads.
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
        sweeps: SweepTerms | None = None,
        units: UnitRows | None = None,
        sampling: Sampling | None = None,
    ) -> None:
        """``currencies`` are by code.

        ``released`` and ``push`` are shared by the process. Orders seen with a unit to be sent are noted in
        ``released``. ``push`` watches the marketplace's subscriptions; None: notifications are not received.
        ``sweeps`` and ``units``: what is swept, and the writer of what a sweep sees; None: reconciliation is off.
        ``sampling``: how calls are traced; None: they are not.
        """
        self._terms = OrderTerms(policy=policy, currencies=currencies)
        self._codecs = codecs
        self._topics = topics
        self._stamp = stamp
        self._sampling = sampling
        self._released = released
        self._push = push
        self._sweep_terms = sweeps if sweeps is not None else SweepTerms()
        self._scheduled = Scheduled(accounts=policy.accounts, places=self._sweep_terms.policy.places)
        self._units = units
        self._sweeps: Mapping[str, SweepReport] = MappingProxyType({})
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
        """Returns 1: every call has one want."""
        return 1

    def group(self, kind: str) -> str | None:
        return GROUPS.get(kind)

    def assigned(self, partition: int, lanes: int) -> None:  # noqa: ARG002
        """Forgets how far orders were known: another process may have polled since."""
        if partition == 0:
            self._sweep_terms.sales.take_over()

    def standing(self, partition: int) -> Iterable[str]:
        """Returns the accounts and sweeps for the first partition and none for others, so that one process has each."""
        if partition != 0:
            return ()
        sweeps = (sweep_key(account, storefront) for account, storefront in self._sweep_terms.policy.places)
        return (*sorted(self._terms.policy.accounts), *sorted(sweeps))

    def polls(self) -> Mapping[str, PollReport]:
        """Returns the state of each account's polls in this process. Thread-safe.

        A process that has lost the partition still returns its last state.
        """
        return self._polls

    def sweeps(self) -> Mapping[str, SweepReport]:
        """Returns the state of each sweep by its lane's key, as ``polls`` does."""
        return self._sweeps

    def read(self, record: Record, now: Now) -> Arrived | BadRecord | NotYet:  # noqa: ARG002
        """Decodes a command for the lane of an account or a sweep; BadRecord if that is not polled or swept."""
        command = read_command(record, self._codecs, self._scheduled)
        match command:
            case BadRecord() | NotYet():
                return command
            case SchedulerCommand(command=Command.SWEEP_NOW, storefront=str() as storefront):
                return Arrived(lane=sweep_key(command.key, storefront), event=SweepAsked(offset=command.offset))
            case _:
                return Arrived(lane=command.key, event=command)

    def glance(self, key: str, stored: bytes) -> BadRecord | NotYet | None:
        """Returns why a stored lane cannot be loaded, or cannot be loaded yet; None if it can be tried."""
        problem = self._codecs.glance_state(stored)
        return state_versions.unreadable(key, problem.text) if isinstance(problem, BadRecord) else problem

    def load(self, key: str, stored: bytes | None) -> OrderLane:
        """Returns the lane of a state record, or a blank one for None.

        Raises ``Unreadable`` for bytes that are not a state of this flow.
        """
        if stored is None:
            return ledger.blank(key)
        decoded = self._codecs.decode_state(stored)
        return state_versions.made(key, decoded, lambda state: OrderLane(key=parse_key(key), state=state))

    def store(self, lane: OrderLane) -> Stored:
        """Returns the lane's state record, or none for a lane that equals one never stored."""
        state = lane.state
        if ledger.is_blank(state):
            return Stored(value=None)
        return Stored(
            value=self._codecs.encode_state(state),
            undone=ledger.is_undone(state),
            open_since_us=ledger.open_since_us(state),
            reader=state_versions.reader(self._needs(state)),
        )

    def turn(self, lane: OrderLane, cause: Cause, now: Now) -> Turn[OrderLane]:
        """Applies a cause to the lane; returns the new lane, its wants, outputs and messages, and when to wake it."""
        key, before, now_us = lane.key, lane.state, now.wall_us
        if key.storefront is not None:
            return self._sweep(lane, key.storefront, cause, now_us)
        if key.account not in self._terms.policy.accounts:
            return _resting(lane, now_us)
        step: LaneStep[PollState] | LaneStep[OrderLaneState] | LaneStep[ReturnLaneState]
        if key.order_id is not None:
            step = order_lane.turn(key.account, key.order_id, before.order, cause, self._terms, now_us)
            after = replace(before, order=step.state)
        elif key.return_id is not None:
            step = return_lane.turn(key.account, key.return_id, before.returned, cause, self._terms, now_us)
            after = replace(before, returned=step.state)
        else:
            step = poll_lane.turn(key.account, before.poll, cause, self._terms, now_us)
            after = replace(before, poll=step.state)
            self._note_listed(key.account, before.poll, step.state, cause, now_us)
            self._publish(key.account, after.poll)
            wants, wake_at_us = self._watched(key.account, cause, now_us)
            step = replace(step, wants=(*step.wants, *wants), wake_at_us=_sooner(step.wake_at_us, wake_at_us))
        self._note(step.outputs)
        trace = self._trace(cause)
        return Turn(
            lane=lane if after == before else OrderLane(key=key, state=replace(after, updated_at_us=now_us)),
            wants=step.wants,
            outputs=tuple(_traced(output, trace) for one in step.outputs for output in self._outputs(one)),
            tells=step.tells,
            wake_at_us=step.wake_at_us,
        )

    def _trace(self, cause: Cause) -> Headers:
        """Returns the trace context of the answered call; empty if calls are not traced, or if none was answered."""
        if self._sampling is None or not isinstance(cause, Answered):
            return ()
        return ((TRACEPARENT, self._sampling.begins(cause.call_id).traceparent.encode()),)

    def _sweep(self, lane: OrderLane, storefront: str, cause: Cause, now_us: int) -> Turn[OrderLane]:
        """Applies a cause to the lane of a sweep; one that is not configured any more rests."""
        account, before = lane.key.account, lane.state
        if (account, storefront) not in self._sweep_terms.policy.places:
            return _resting(lane, now_us)
        step = sweep_lane.turn(account, storefront, before.sweep, cause, self._sweep_terms, now_us)
        report = SweepReport(account=account, state=step.state)
        self._sweeps = MappingProxyType({**self._sweeps, f"{account}/{storefront}": report})
        unchanged = step.state == before.sweep
        after = lane if unchanged else replace(lane, state=replace(before, sweep=step.state, updated_at_us=now_us))
        outputs = (*self._marks(step.began), *map(self._output, step.rows), *self._marks(step.ended))
        return Turn(lane=after, wants=step.wants, outputs=outputs, wake_at_us=step.wake_at_us)

    def _marks(self, mark: SweepMark | None) -> tuple[Output, ...]:
        return () if mark is None or self._units is None else self._units.marks(mark)

    def _watched(self, account: str, cause: Cause, now_us: int) -> tuple[tuple[Want, ...], int | None]:
        return ((), None) if self._push is None else self._push.turn(account, cause, now_us)

    def subscriptions(self) -> Mapping[str, PushReport]:
        """Returns the state of each account's subscriptions, as ``polls`` does."""
        return {} if self._push is None else self._push.reports()

    def _note(self, outputs: Iterable[LaneOutput]) -> None:
        """Notes orders with a unit to be sent, for the shipment flow."""
        if self._released is None:
            return
        for fact in outputs:
            if isinstance(fact, OrderObserved) and any(
                unit.status is OrderUnitStatus.NEED_TO_BE_SENT for unit in fact.units
            ):
                self._released.note(fact.account, fact.order_id, fact.observed_at_us)

    def _note_listed(
        self, account: str, before: PollState | None, after: PollState | None, cause: Cause, now_us: int
    ) -> None:
        """Notes what a page of the list of order units shows to be sold, for the sweeps, and when the list ends."""
        match cause:
            case Answered(want=Want(body=ReadOrderPage() as asked), reply=Settled(answer=OrderPage() as page)):
                self._sweep_terms.sales.note_page(
                    account,
                    page.rows,
                    sent_us=cause.sent_us,
                    is_first=asked.offset == 0,
                    is_whole=not page.unreadable,
                    now_us=now_us,
                )
                if before is not None and after is not None and after.polled_at_us != before.polled_at_us:
                    self._sweep_terms.sales.note_end(account, asked.changed_from_us)
            case _:
                pass

    def _publish(self, account: str, state: PollState | None) -> None:
        """Replaces the account's report; other threads read the mapping, so a new one is made."""
        if state is not None:
            self._sweep_terms.sales.note_polled(account, state.polled_at_us)
            self._polls = MappingProxyType({**self._polls, account: poll_lane.report(account, state)})

    def _outputs(self, content: LaneOutput) -> Iterator[Output]:
        """Yields the record of an output; for an order, also its copy in the topic that keeps all of them."""
        output = self._output(content)
        yield output
        if isinstance(content, OrderObserved):
            yield replace(output, topic=self._topics.order_changes)

    def _output(self, content: LaneOutput) -> Output:
        topics, codecs, stamp = self._topics, self._codecs, self._stamp
        match content:
            case OrderObserved():
                id_ = f"{content.account}/{content.order_id}/{content.observed_at_us}"
                return Output(
                    topic=topics.orders,
                    key=codecs.order_key(content.order_id),
                    value=codecs.encode_order(content),
                    headers=stamp.of(OrderObserved, id_=id_, time_us=content.observed_at_us, subject=content.order_id),
                )
            case OrderContact():
                id_ = f"{content.account}/{content.order_id}/{content.observed_at_us}"
                return Output(
                    topic=topics.order_contacts,
                    key=codecs.contact_key(content.order_id),
                    value=codecs.encode_contact(content),
                    headers=stamp.of(OrderContact, id_=id_, time_us=content.observed_at_us, subject=content.order_id),
                )
            case ReturnObserved():
                key = str(content.return_id)
                id_ = f"{content.account}/{key}/{content.observed_at_us}"
                return Output(
                    topic=topics.returns,
                    key=codecs.return_key(key),
                    value=codecs.encode_return(content),
                    headers=stamp.of(ReturnObserved, id_=id_, time_us=content.observed_at_us, subject=key),
                )
            case SalesOrderRequested():
                return Output(
                    topic=topics.sales_orders,
                    key=codecs.sales_order_key(content.order_id),
                    value=codecs.encode_sales_order(content),
                    headers=stamp.of(
                        SalesOrderRequested,
                        id_=content.command_id,
                        time_us=content.requested_at_us,
                        subject=content.order_id,
                    ),
                )
            case UnitObserved():
                if self._units is None:
                    raise ValueError("a sweep has seen a unit although reconciliation is off")
                return self._units.output(content)
            case Quarantined():
                return Output(
                    topic=topics.scheduler_dlq,
                    key=content.key.encode(),
                    value=None,
                    headers=headers(content, topics.scheduler, stamp.instance_id),
                )
            case unreachable:
                assert_never(unreachable)


def _traced(output: Output, trace: Headers) -> Output:
    return replace(output, headers=(*output.headers, *trace)) if trace else output


def _sooner(one_us: int | None, other_us: int | None) -> int | None:
    return min((at_us for at_us in (one_us, other_us) if at_us is not None), default=None)


def _resting(lane: OrderLane, now_us: int) -> Turn[OrderLane]:
    """Returns a turn without changes, for an account that is not polled any more: it may be polled again later."""
    return Turn(lane=lane, wake_at_us=now_us + _LATER_US if ledger.is_undone(lane.state) else None)
