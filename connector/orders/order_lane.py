"""The lane of one order: reads the whole order once the list shows a change, and writes it if it differs. Pure.

The list only tells that something has changed; what is written is always the whole order as it was read after that. An
order is undone until an answer shows every change that the list has shown, or the marketplace answers repeatedly that
the order does not exist. If answers stay older than the list, the order is written anyway after ``STALE_ATTEMPTS``
reads.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final, assert_never

from connector.contracts.codes import Code
from connector.contracts.microseconds import us
from connector.marketplace.offers import Gone, Refused
from connector.marketplace.orders import OrderFound, UnreadableRow
from connector.orders import wants
from connector.orders.dead_letters import Quarantined, is_remembered, quarantined, remembered
from connector.orders.events import (
    OrderLaneState,
    OrderObserved,
    OrderStatus,
    SeenRow,
    Trouble,
)
from connector.orders.lane_step import LaneOutput, LaneStep, ListedRows
from connector.orders.policy import OrderTerms, wait_us
from connector.orders.results import CannotSay, contact, observed, sales_order
from connector.orders.unit_rows import (
    is_news,
    newest_by_unit,
    not_shown_yet,
    renewed_fees,
    seen_row,
    sorted_rows,
    with_fees,
)
from streams.flow import Answered, Cause, GaveUp, Lost, Settled, Told
from streams.frozen import replace

_HOUR_S = 3600.0
_WAITS_S: Final[Mapping[Trouble, tuple[float, float]]] = {
    Trouble.GAVE_UP: (60.0, _HOUR_S),
    Trouble.UNREADABLE: (_HOUR_S, 24 * _HOUR_S),
    Trouble.GONE: (60.0, _HOUR_S),
    Trouble.STALE: (5.0, 60.0),
    Trouble.UNKNOWN: (60.0, _HOUR_S),
}
"""Seconds before the next read: the first wait, which doubles each time, and its limit."""

GONE_ATTEMPTS = 6
"""Reads before an order that the list shows counts as missing; they take over half an hour."""

STALE_ATTEMPTS = 6
"""Reads before an order counts as written although the list shows a newer change; they take some minutes."""


def turn(
    account: str, order_id: str, before: OrderLaneState | None, cause: Cause, terms: OrderTerms, now_us: int
) -> LaneStep[OrderLaneState]:
    """Applies the cause to the lane of an order; ``before`` is None for a lane that is not stored."""
    draft = OrderDraft(account, before or OrderLaneState(order_id=order_id), terms, now_us)
    match cause:
        case Told(message=ListedRows() as listed):
            draft.apply_rows(listed)
        case Answered():
            draft.apply_answer(cause)
        case _:
            pass
    return draft.step()


class OrderDraft:
    """The working copy of the lane during one turn."""

    def __init__(self, account: str, state: OrderLaneState, terms: OrderTerms, now_us: int) -> None:
        self._account = account
        self._state = state
        self._terms = terms
        self._now_us = now_us
        self._outputs: list[LaneOutput] = []

    # ---- the list ---------------------------------------------------------------------------------------------------

    def apply_rows(self, listed: ListedRows) -> None:
        """Makes the order undone if rows differ from what is known, or cannot be read; otherwise extends its life."""
        state = self._state
        known = newest_by_unit((*state.seen, *state.told))
        news = [row for row in map(seen_row, listed.rows) if is_news(known.get(row.order_unit_id), row)]
        fees = renewed_fees(state.fees, listed.rows)
        if fees != state.fees:
            self._state = state = replace(state, fees=fees)
            news = news or list(map(seen_row, listed.rows))
        strange = [row for row in listed.unreadable if not is_remembered(state.quarantined, row.sha256)]
        if news:
            told = newest_by_unit((*state.told, *news))
            self._state = state = replace(state, told=sorted_rows(told.values()))
        for row in strange:
            self._quarantine(Code.ORDER_ROW_UNREADABLE, row)
        if news or strange:
            since_us = state.undone_since_us if state.undone_since_us is not None else self._now_us
            self._state = replace(
                self._state, undone_since_us=since_us, trouble=None, tries=0, again_at_us=None, keep_until_us=None
            )
        else:
            self._renew()

    def _renew(self) -> None:
        """Extends the lane's life once half of it is over, so that a listed lane is not written at every poll."""
        keep_until_us, memory_us = self._state.keep_until_us, us(self._terms.policy.memory_s)
        if keep_until_us is not None and keep_until_us - self._now_us < memory_us // 2:
            self._state = replace(self._state, keep_until_us=self._now_us + memory_us)

    # ---- answers ----------------------------------------------------------------------------------------------------

    def apply_answer(self, answered: Answered) -> None:
        """Applies the answer to a read of the order. Raises TypeError for the answer of another call."""
        match answered.reply:
            case Settled(answer=OrderFound(unreadable=None) as found):
                self._found(found)
            case Settled(answer=OrderFound(unreadable=UnreadableRow() as unreadable)):
                self._unreadable(unreadable)
            case Settled(answer=Refused() as refused):
                self._unreadable(_of_refusal(self._state.order_id, refused))
            case Settled(answer=Gone()):
                self._gone()
            case GaveUp():
                self._wait(Trouble.GAVE_UP)
            case Lost():
                pass
            case Settled(answer=other):
                raise TypeError(f"a read of an order is never answered by {type(other).__name__}")
            case unreachable:
                assert_never(unreachable)

    def _found(self, found: OrderFound) -> None:
        """Writes the order and ends, unless the answer is older than the list or than an earlier answer."""
        state = self._state
        read = tuple(
            SeenRow(order_unit_id=unit.order_unit_id, status_raw=unit.status_raw, changed_at_us=unit.changed_us)
            for unit in sorted(found.units, key=lambda unit: unit.order_unit_id)
        )
        ahead, fallen_back = not_shown_yet(state.told, read), bool(not_shown_yet(state.seen, read))
        if (ahead or fallen_back) and self._tries_of(Trouble.STALE) < STALE_ATTEMPTS:
            self._stale(found, read, ahead, fallen_back=fallen_back)
        elif self._write(found):
            self._state = replace(self._state, seen=sorted_rows(newest_by_unit((*read, *ahead)).values()))
            self._end()

    def _stale(
        self, found: OrderFound, read: tuple[SeenRow, ...], ahead: tuple[SeenRow, ...], *, fallen_back: bool
    ) -> None:
        """Has the order read again, as the answer lacks listed changes (``ahead``).

        Writes the answer nevertheless, unless it is older than the last one (``fallen_back``).
        """
        if not fallen_back:
            if not self._write(found):
                return
            self._state = replace(self._state, seen=read, told=ahead)
        first = self._tries_of(Trouble.STALE) == 0
        self._wait(Trouble.STALE)
        if first:  # the change was probably listed while the order was read, so the next read shows it
            self._state = replace(self._state, again_at_us=None)

    def _write(self, found: OrderFound) -> bool:
        """Writes the order if it differs. Returns False if the contract cannot carry it: it is dead-lettered."""
        whole = with_fees(found, self._state.fees)
        try:
            fact = observed(self._account, whole, self._terms.currencies, self._now_us)
        except CannotSay as fault:
            where = f"orders/{found.order_id}"
            digest = sha256(str(fault).encode()).hexdigest()
            self._unreadable(UnreadableRow(where=where, sha256=digest, fault=str(fault), order_id=self._state.order_id))
            return False
        if fact.content_sha256 != self._state.content_sha256:
            self._outputs.append(fact)
            if self._terms.policy.contacts and found.contact is not None:
                self._outputs.append(contact(fact, found.contact))
        self._request_sales_order(fact)
        self._state = replace(self._state, content_sha256=fact.content_sha256, open_since_us=fact.open_since_us)
        return True

    def _request_sales_order(self, fact: OrderObserved) -> None:
        """Requests the order's sales order once, if that is switched on; not for a cancelled order."""
        policy = self._terms.policy
        if not policy.create_sales_orders or self._state.sales_order_at_us is not None:
            return
        if fact.status is OrderStatus.CANCELLED:
            return
        self._outputs.append(sales_order(fact, policy.customer_number, self._now_us))
        self._state = replace(self._state, sales_order_at_us=self._now_us)

    def _unreadable(self, unreadable: UnreadableRow) -> None:
        """Writes a dead letter, once for each digest, and reads again later."""
        if not is_remembered(self._state.quarantined, unreadable.sha256):
            self._quarantine(Code.ORDER_UNREADABLE, unreadable)
        self._wait(Trouble.UNREADABLE)

    def _quarantine(self, code: Code, unreadable: UnreadableRow) -> None:
        """Writes a dead letter, and remembers its digest so that it is written only once."""
        order_id = self._state.order_id
        self._outputs.append(replace(quarantined(code, self._account, unreadable), order_id=order_id))
        digests = remembered(self._state.quarantined, unreadable.sha256)
        self._state = replace(self._state, quarantined=digests)

    def _gone(self) -> None:
        """Reads again; after ``GONE_ATTEMPTS`` reads, writes a dead letter and ends the order."""
        if self._tries_of(Trouble.GONE) + 1 < GONE_ATTEMPTS:
            self._wait(Trouble.GONE)
            return
        state = self._state
        self._outputs.append(
            Quarantined(
                code=Code.ORDER_GONE,
                account=self._account,
                where=f"orders/{state.order_id}",
                sha256="",
                fault="does not exist",
                order_id=state.order_id,
            )
        )
        seen = sorted_rows(newest_by_unit((*state.seen, *state.told)).values())
        self._state = replace(state, seen=seen, open_since_us=None)
        self._end()

    # ---- waiting and ending -----------------------------------------------------------------------------------------

    def _tries_of(self, trouble: Trouble) -> int:
        """Returns the number of consecutive reads that ended in this trouble."""
        return self._state.tries if self._state.trouble is trouble else 0

    def _wait(self, trouble: Trouble) -> None:
        """Schedules the next read, later with each consecutive failure of this kind."""
        tries = self._tries_of(trouble) + 1
        base_s, cap_s = _WAITS_S[trouble]
        again_at_us = self._now_us + wait_us(base_s, cap_s, tries)
        self._state = replace(self._state, trouble=trouble, tries=tries, again_at_us=again_at_us)

    def _end(self) -> None:
        """Ends the undone work. The lane of a finished order is kept for a while, that of an open one without limit."""
        state, policy = self._state, self._terms.policy
        keep_until_us = None
        if state.open_since_us is None:
            keep_until_us = self._now_us + us(policy.memory_s)
            if state.sales_order_at_us is not None:
                keep_until_us = max(keep_until_us, state.sales_order_at_us + us(policy.sales_order_memory_s))
        self._state = replace(
            state,
            told=(),
            undone_since_us=None,
            trouble=None,
            tries=0,
            again_at_us=None,
            keep_until_us=keep_until_us,
        )

    def step(self) -> LaneStep[OrderLaneState]:
        """Returns the lane after the turn, with what it writes, wants and waits for."""
        state = self._state
        if state.undone_since_us is None:
            if state.open_since_us is None and (state.keep_until_us or 0) <= self._now_us:
                return LaneStep(state=None, outputs=tuple(self._outputs))
            return LaneStep(state=state, outputs=tuple(self._outputs), wake_at_us=state.keep_until_us)
        if state.again_at_us is not None and state.again_at_us > self._now_us:
            return LaneStep(state=state, outputs=tuple(self._outputs), wake_at_us=state.again_at_us)
        want = wants.order(self._account, state.order_id, state.undone_since_us)
        return LaneStep(state=state, wants=(want,), outputs=tuple(self._outputs))


def _of_refusal(order_id: str, refused: Refused) -> UnreadableRow:
    """Returns the refusal as an unreadable row, without its message, which may quote personal data."""
    fault = f"HTTP {refused.http_status} {refused.type or refused.code}"
    where = f"orders/{order_id}"
    return UnreadableRow(where=where, sha256=sha256(fault.encode()).hexdigest(), fault=fault, order_id=order_id)
