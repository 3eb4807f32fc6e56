"""The lane of an account: polls its lists page by page, and sends their rows to the lanes of orders and returns. Pure.

The rows of a page are sent in the turn that applies the page, and the cursor moves in the turn of the last page. So
once a cursor is durable, each order that changed before it is written or undone. A new owner starts an unfinished list
again.
"""

from dataclasses import dataclass
from typing import assert_never

from connector.contracts.codes import Code
from connector.contracts.microseconds import us
from connector.marketplace.offers import Gone, Refused
from connector.marketplace.orders import (
    OrderPage,
    PageRow,
    ReadOrderPage,
    ReadReturnPage,
    ReturnPage,
    UnreadableRow,
)
from connector.orders import page_cursor, wants
from connector.orders.dead_letters import is_remembered, quarantined, remembered
from connector.orders.events import Listing, ListState, PollState, SchedulerCommand
from connector.orders.lane_keys import order_key, return_key
from connector.orders.lane_step import LaneOutput, LaneStep, ListedRows
from connector.orders.policy import OrderTerms, wait_us
from streams.dispatch.backoff import spread
from streams.flow import Answered, Arrived, Cause, GaveUp, Lost, Restored, Settled, Told, Want
from streams.frozen import replace

_AGAIN_CAP_S = 900.0
"""Longest wait in seconds after failures, unless the poll interval is longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PollReport:
    """The state of an account's polls, for display. Times are by the local clock, the cursor by the marketplace's."""

    account: str
    cursor_us: int | None
    polled_at_us: int | None  # the last poll that reached its end
    failed_at_us: int | None
    failures: int  # in a row
    problem: str | None
    is_polling: bool
    due_at_us: int


def report(account: str, state: PollState) -> PollReport:
    """Returns the report of a lane's state."""
    return PollReport(
        account=account,
        cursor_us=state.orders.cursor_us,
        polled_at_us=state.polled_at_us,
        failed_at_us=state.failed_at_us,
        failures=state.failures,
        problem=state.problem,
        is_polling=state.orders.listing is not None,
        due_at_us=state.due_at_us,
    )


def turn(account: str, before: PollState | None, cause: Cause, terms: OrderTerms, now_us: int) -> LaneStep[PollState]:
    """Applies the cause to the lane of an account, and begins a poll if one is due.

    ``before`` is None for a lane that is not stored.
    """
    draft = PollDraft(account, before or PollState(), terms, now_us)
    match cause:
        case Arrived(event=SchedulerCommand() as command):
            draft.apply_command(command)
        case Answered():
            draft.apply_answer(cause)
        case Restored():
            draft.restart_lists()
        case _:
            pass
    draft.begin_poll()
    return draft.step()


class PollDraft:
    """The working copy of the lane during one turn."""

    def __init__(self, account: str, state: PollState, terms: OrderTerms, now_us: int) -> None:
        self._account = account
        self._state = state
        self._policy = terms.policy
        self._interval_s = terms.policy.interval_of(account)
        self._now_us = now_us
        self._outputs: list[LaneOutput] = []
        self._tells: list[Told] = []

    # ---- when to poll -----------------------------------------------------------------------------------------------

    def apply_command(self, command: SchedulerCommand) -> None:
        """Makes a poll due now; ignores a command that was applied before.

        A list that is being read began before the command, so another poll follows it at once.
        """
        state = self._state
        if command.offset <= state.last_offset:
            return
        starts_us = [at_us for at_us in (state.asked_from_us, command.changed_from_us) if at_us is not None]
        self._state = replace(
            state, last_offset=command.offset, asked_from_us=min(starts_us, default=None), due_at_us=self._now_us
        )
        under_way = self._state.orders.listing
        if under_way is not None and under_way.again_at_us is not None:
            self._state = replace(
                self._state, orders=replace(self._state.orders, listing=replace(under_way, again_at_us=None))
            )

    def restart_lists(self) -> None:
        """Makes the previous owner's unfinished lists due again, from the durable cursor."""
        state = self._state
        if state.orders.listing is not None:
            state = replace(state, orders=replace(state.orders, listing=None), due_at_us=self._now_us)
        if state.returns.listing is not None:
            state = replace(state, returns=replace(state.returns, listing=None), due_at_us=self._now_us)
        self._state = state

    def begin_poll(self) -> None:
        """Begins a poll if one is due and no list of orders is being read."""
        state, now_us = self._state, self._now_us
        interval_us = us(self._interval_s * (0.9 + 0.2 * spread(self._account, state.polls)))
        # The bound applies a shortened interval at once, and keeps a clock that was set back from delaying polls.
        due_at_us = min(state.due_at_us, now_us + us(1.1 * self._interval_s))
        if state.orders.listing is not None or due_at_us > now_us:
            self._state = replace(state, due_at_us=due_at_us)
            return
        since_us = due_at_us if state.polls else now_us
        orders = page_cursor.begin(state.orders, state.asked_from_us, self._policy, since_us, now_us)
        returns = state.returns
        if self._policy.returns and returns.listing is None:
            returns = page_cursor.begin(returns, state.asked_from_us, self._policy, since_us, now_us)
        self._state = replace(
            state, orders=orders, returns=returns, polls=state.polls + 1, due_at_us=now_us + interval_us
        )

    # ---- pages ------------------------------------------------------------------------------------------------------

    def apply_answer(self, answered: Answered) -> None:
        """Applies a page; ignores one that belongs to a list which has been restarted since."""
        orders, returns = self._state.orders, self._state.returns
        match answered.want.body:
            case ReadOrderPage() as body if orders.listing is not None and body == wants.order_page_body(
                orders.listing
            ):
                self._orders(orders, orders.listing, answered.reply)
            case ReadReturnPage() as body if returns.listing is not None and body == wants.return_page_body(
                returns.listing
            ):
                self._returns(returns, returns.listing, answered.reply)
            case _:
                pass

    def _orders(self, state: ListState, under_way: Listing, reply: Settled | Lost | GaveUp) -> None:
        match reply:
            case Settled(answer=OrderPage() as page):
                self._tell_orders(page)
                changes_us = [row.changed_us for row in page.rows]
                rows = len(page.rows) + len(page.unreadable)
                after = self._paged(state, under_way, changes_us, rows, is_last=page.is_last)
                self._state = replace(self._state, orders=after)
                if after.listing is None:
                    self._reached_end(under_way)
            case _:
                after = self._failed(state, under_way, reply)
                self._state = replace(self._state, orders=after)

    def _returns(self, state: ListState, under_way: Listing, reply: Settled | Lost | GaveUp) -> None:
        match reply:
            case Settled(answer=ReturnPage() as page):
                self._tell_returns(page)
                changes_us = [row.changed_us for row in page.returns if row.changed_us is not None]
                rows = len(page.returns) + len(page.unreadable)
                after = self._paged(state, under_way, changes_us, rows, is_last=page.is_last)
                self._state = replace(self._state, returns=after)
            case _:
                after = self._failed(state, under_way, reply)
                self._state = replace(self._state, returns=after)

    def _paged(
        self, state: ListState, under_way: Listing, changes_us: list[int], rows: int, *, is_last: bool
    ) -> ListState:
        after = page_cursor.after_page(under_way, changes_us, rows, self._now_us)
        if is_last or page_cursor.is_past(under_way, changes_us, rows):
            return page_cursor.ended(state, after)
        return replace(state, listing=after)

    def _reached_end(self, under_way: Listing) -> None:
        """Notes a complete poll; drops a command's start time if the list began early enough for it."""
        state = self._state
        asked_from_us = state.asked_from_us
        if asked_from_us is not None and under_way.changed_from_us <= asked_from_us:
            asked_from_us = None
        self._state = replace(state, asked_from_us=asked_from_us, polled_at_us=self._now_us, failures=0, problem=None)

    def _failed(self, state: ListState, under_way: Listing, reply: Settled | Lost | GaveUp) -> ListState:
        """Returns the list's state after a page could not be read.

        A page that was given up is read later, from the same offset, because rows only move down. After a refusal, the
        list begins again. Raises TypeError for the answer of another kind of call.
        """
        match reply:
            case GaveUp(reason=reason):
                again_at_us = self._count_failure(reason)
                return replace(state, listing=replace(under_way, again_at_us=again_at_us))
            case Settled(answer=Refused() as refused):
                reason = f"HTTP {refused.http_status} {refused.type or refused.code}: {refused.message}"
            case Settled(answer=Gone() as gone):
                reason = f"HTTP {gone.http_status} {gone.message}"
            case Lost():
                return state
            case Settled(answer=other):
                raise TypeError(f"a page is never answered by {type(other).__name__}")
            case unreachable:
                assert_never(unreachable)
        again_at_us = self._count_failure(reason)
        self._state = replace(self._state, due_at_us=again_at_us)
        return replace(state, listing=None)

    def _count_failure(self, problem: str) -> int:
        """Notes the failure and returns when to try again."""
        state, interval_s = self._state, self._interval_s
        self._state = replace(state, failed_at_us=self._now_us, failures=state.failures + 1, problem=problem)
        return self._now_us + wait_us(interval_s, max(_AGAIN_CAP_S, interval_s), self._state.failures)

    # ---- messages to the lanes of orders and returns ----------------------------------------------------------------

    def _tell_orders(self, page: OrderPage) -> None:
        """Sends each order's rows to its lane; dead-letters unreadable rows that name no order."""
        rows: dict[str, list[PageRow]] = {}
        strange: dict[str, list[UnreadableRow]] = {}
        for row in page.rows:
            rows.setdefault(row.order_id, []).append(row)
        for unreadable in page.unreadable:
            if unreadable.order_id is None:
                self._quarantine(Code.ORDER_ROW_UNREADABLE, unreadable)
            else:
                strange.setdefault(unreadable.order_id, []).append(unreadable)
        for order_id in dict.fromkeys((*rows, *strange)):
            listed = ListedRows(rows=tuple(rows.get(order_id, ())), unreadable=tuple(strange.get(order_id, ())))
            self._tells.append(Told(lane=order_key(self._account, order_id), message=listed))

    def _tell_returns(self, page: ReturnPage) -> None:
        """Sends each row to the lane of its return; dead-letters unreadable rows."""
        for row in page.returns:
            self._tells.append(Told(lane=return_key(self._account, row.return_id), message=row))
        for unreadable in page.unreadable:
            self._quarantine(Code.RETURN_ROW_UNREADABLE, unreadable)

    def _quarantine(self, code: Code, unreadable: UnreadableRow) -> None:
        """Writes a dead letter, once for each digest."""
        digests = self._state.quarantined
        if not is_remembered(digests, unreadable.sha256):
            self._outputs.append(quarantined(code, self._account, unreadable))
            self._state = replace(self._state, quarantined=remembered(digests, unreadable.sha256))

    # ---- the result of the turn -------------------------------------------------------------------------------------

    def step(self) -> LaneStep[PollState]:
        """Returns the lane after the turn, with what it writes, wants and waits for."""
        state, now_us = self._state, self._now_us
        pages: list[Want] = []
        wake_at_us = [] if state.orders.listing is not None else [state.due_at_us]
        for under_way, want_of in (
            (state.orders.listing, wants.order_page),
            (state.returns.listing, wants.return_page),
        ):
            if under_way is None:
                continue
            if under_way.again_at_us is not None and under_way.again_at_us > now_us:
                wake_at_us.append(under_way.again_at_us)
            else:
                pages.append(want_of(self._account, under_way))
        return LaneStep(
            state=state,
            wants=tuple(pages),
            outputs=tuple(self._outputs),
            tells=tuple(self._tells),
            wake_at_us=min(wake_at_us, default=None),
        )
