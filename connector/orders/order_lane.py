"""The lane of one order: from a row of the list that differs to the whole order, written once. Pure.

The list says only that something changed; what is written is always the whole order as it was read after that. An order
is undone until an answer shows every row that the list has shown, and nothing but such an answer, or the marketplace's
word that the order does not exist, ends it.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final, assert_never

from connector.contracts.codes import Code
from connector.marketplace.offers import Gone, Refused
from connector.marketplace.orders import Kind, OrderFound, OrderUnit, PageRow, ReadOrder, Unreadable
from connector.orders.dead_letters import Quarantined, is_remembered, quarantined, remembered
from connector.orders.derive import CannotSay, observed
from connector.orders.events import (
    OrderContact,
    OrderLaneState,
    OrderObserved,
    OrderStatus,
    SalesOrderRequested,
    SeenRow,
    Trouble,
    UnitFees,
    command_id,
)
from connector.orders.lane_step import RANK, LaneStep, ListedRows, Said
from connector.orders.policy import OrderTerms, us, wait_us
from streams.flow import Answered, Cause, GaveUp, Lost, Settled, Told, Want
from streams.frozen import replace

SLOT = "order"

_HOUR_S = 3600.0
_WAITS_S: Final[Mapping[Trouble, tuple[float, float]]] = {
    Trouble.GAVE_UP: (60.0, _HOUR_S),
    Trouble.UNREADABLE: (_HOUR_S, 24 * _HOUR_S),
    Trouble.GONE: (60.0, _HOUR_S),
    Trouble.STALE: (5.0, 60.0),
    Trouble.UNKNOWN: (60.0, _HOUR_S),
}
"""Before the next read: the first wait, doubled each time, and its cap."""

GONE_TRIES = 6
"""An order that the list shows may be found some time later: given up after so many reads, over half an hour."""

STALE_TRIES = 6
"""The list may show what a read does not: the order as read is believed after so many reads, over some minutes."""


def turn(
    account: str, order_id: str, before: OrderLaneState | None, cause: Cause, terms: OrderTerms, now_us: int
) -> LaneStep[OrderLaneState]:
    lane = OrderDraft(account, before or OrderLaneState(order_id=order_id), terms, now_us)
    match cause:
        case Told(message=ListedRows() as listed):
            lane.listed(listed)
        case Answered():
            lane.answered(cause)
        case _:
            pass
    return lane.step()


class OrderDraft:
    """The working copy of one turn."""

    def __init__(self, account: str, state: OrderLaneState, terms: OrderTerms, now_us: int) -> None:
        self._account = account
        self._state = state
        self._terms = terms
        self._now_us = now_us
        self._said: list[Said] = []

    # ---- the list ---------------------------------------------------------------------------------------------------

    def listed(self, listed: ListedRows) -> None:
        """Rows that differ from what is known make the order undone; the others only show that it is still listed."""
        state = self._state
        known = _by_unit((*state.seen, *state.told))
        news = [row for row in map(_seen, listed.rows) if _is_news(known.get(row.order_unit_id), row)]
        fees = _with_fees_of(state.fees, listed.rows)
        if fees != state.fees:
            self._state = state = replace(state, fees=fees)
            news = news or list(map(_seen, listed.rows))
        strange = [row for row in listed.unreadable if not is_remembered(state.quarantined, row.sha256)]
        if news:
            told = _by_unit((*state.told, *news))
            self._state = state = replace(state, told=_sorted(told.values()))
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
        """Half of the memory is over: so, a lane that is listed for long is not written at every poll."""
        keep_until_us, memory_us = self._state.keep_until_us, us(self._terms.policy.memory_s)
        if keep_until_us is not None and keep_until_us - self._now_us < memory_us // 2:
            self._state = replace(self._state, keep_until_us=self._now_us + memory_us)

    # ---- answers ----------------------------------------------------------------------------------------------------

    def answered(self, answered: Answered) -> None:
        match answered.reply:
            case Settled(answer=OrderFound(unreadable=None) as found):
                self._found(found)
            case Settled(answer=OrderFound(unreadable=Unreadable() as unreadable)):
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
        state = self._state
        read = tuple(
            SeenRow(order_unit_id=unit.order_unit_id, status_raw=unit.status_raw, changed_at_us=unit.changed_us)
            for unit in sorted(found.units, key=lambda unit: unit.order_unit_id)
        )
        ahead, fallen_back = _ahead(state.told, read), bool(_ahead(state.seen, read))
        if (ahead or fallen_back) and self._tries_of(Trouble.STALE) < STALE_TRIES:
            self._stale(found, read, ahead, fallen_back=fallen_back)
        elif self._write(found):
            self._state = replace(self._state, seen=_sorted(_by_unit((*read, *ahead)).values()))
            self._end()

    def _stale(
        self, found: OrderFound, read: tuple[SeenRow, ...], ahead: tuple[SeenRow, ...], *, fallen_back: bool
    ) -> None:
        """An answer that does not show all that was listed is news all the same, unless it is older than the last."""
        if not fallen_back:
            if not self._write(found):
                return
            self._state = replace(self._state, seen=read, told=ahead)
        first = self._tries_of(Trouble.STALE) == 0
        self._wait(Trouble.STALE)
        if first:  # what was listed while the read was under way is usually shown by the next one
            self._state = replace(self._state, again_at_us=None)

    def _write(self, found: OrderFound) -> bool:
        """What is to be said of the order. False where it cannot be said, and is quarantined."""
        whole = _with_fees(found, self._state.fees)
        try:
            fact = observed(self._account, whole, self._terms.currencies, self._now_us)
        except CannotSay as fault:
            where = f"orders/{found.order_id}"
            digest = sha256(str(fault).encode()).hexdigest()
            self._unreadable(Unreadable(where=where, sha256=digest, fault=str(fault), order_id=self._state.order_id))
            return False
        if fact.content_sha256 != self._state.content_sha256:
            self._said.append(fact)
            if self._terms.policy.contacts and found.contact is not None:
                self._said.append(
                    OrderContact(
                        account=self._account,
                        order_id=fact.order_id,
                        observed_at_us=self._now_us,
                        buyer=found.contact.buyer,
                        billing_address=found.contact.billing,
                        shipping_address=found.contact.shipping,
                    )
                )
        self._request_sales_order(fact)
        self._state = replace(self._state, content_sha256=fact.content_sha256, open_since_us=fact.open_since_us)
        return True

    def _request_sales_order(self, fact: OrderObserved) -> None:
        policy = self._terms.policy
        if not policy.create_sales_orders or self._state.sales_order_at_us is not None:
            return
        if fact.status is OrderStatus.CANCELLED:
            return
        self._said.append(
            SalesOrderRequested(
                command_id=command_id(self._account, fact.order_id),
                account=self._account,
                order_id=fact.order_id,
                storefront=fact.storefront,
                customer_number=policy.customer_number,
                created_at_us=fact.created_at_us,
                requested_at_us=self._now_us,
                units=fact.units,
            )
        )
        self._state = replace(self._state, sales_order_at_us=self._now_us)

    def _unreadable(self, unreadable: Unreadable) -> None:
        if not is_remembered(self._state.quarantined, unreadable.sha256):
            self._quarantine(Code.ORDER_UNREADABLE, unreadable)
        self._wait(Trouble.UNREADABLE)

    def _quarantine(self, code: Code, unreadable: Unreadable) -> None:
        """Once for each digest."""
        order_id = self._state.order_id
        self._said.append(replace(quarantined(code, self._account, unreadable), order_id=order_id))
        digests = remembered(self._state.quarantined, unreadable.sha256)
        self._state = replace(self._state, quarantined=digests)

    def _gone(self) -> None:
        if self._tries_of(Trouble.GONE) + 1 < GONE_TRIES:
            self._wait(Trouble.GONE)
            return
        state = self._state
        self._said.append(
            Quarantined(
                code=Code.ORDER_GONE,
                account=self._account,
                where=f"orders/{state.order_id}",
                sha256="",
                fault="does not exist",
                order_id=state.order_id,
            )
        )
        seen = _sorted(_by_unit((*state.seen, *state.told)).values())
        self._state = replace(state, seen=seen, open_since_us=None)
        self._end()

    # ---- what stays -------------------------------------------------------------------------------------------------

    def _tries_of(self, trouble: Trouble) -> int:
        return self._state.tries if self._state.trouble is trouble else 0

    def _wait(self, trouble: Trouble) -> None:
        tries = self._tries_of(trouble) + 1
        base_s, cap_s = _WAITS_S[trouble]
        again_at_us = self._now_us + wait_us(base_s, cap_s, tries)
        self._state = replace(self._state, trouble=trouble, tries=tries, again_at_us=again_at_us)

    def _end(self) -> None:
        """Nothing is undone. What is over is remembered for a while, what is open as long as it is."""
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
        state = self._state
        if state.undone_since_us is None:
            if state.open_since_us is None and (state.keep_until_us or 0) <= self._now_us:
                return LaneStep(state=None, said=tuple(self._said))
            return LaneStep(state=state, said=tuple(self._said), wake_at_us=state.keep_until_us)
        if state.again_at_us is not None and state.again_at_us > self._now_us:
            return LaneStep(state=state, said=tuple(self._said), wake_at_us=state.again_at_us)
        want = Want(
            slot=SLOT,
            account=self._account,
            kind=Kind.ORDER,
            rank=RANK,
            since_us=state.undone_since_us,
            body=ReadOrder(order_id=state.order_id),
        )
        return LaneStep(state=state, wants=(want,), said=tuple(self._said))


# ---- rows -----------------------------------------------------------------------------------------------------------


def _seen(row: PageRow) -> SeenRow:
    return SeenRow(order_unit_id=row.order_unit_id, status_raw=row.status_raw, changed_at_us=row.changed_us)


def _by_unit(rows: Iterable[SeenRow]) -> dict[int, SeenRow]:
    """The newest row of each unit; of two of one moment, the later one here."""
    newest: dict[int, SeenRow] = {}
    for row in rows:
        known = newest.get(row.order_unit_id)
        if known is None or row.changed_at_us >= known.changed_at_us:
            newest[row.order_unit_id] = row
    return newest


def _sorted(rows: Iterable[SeenRow]) -> tuple[SeenRow, ...]:
    return tuple(sorted(rows, key=lambda row: row.order_unit_id))


def _with_fees_of(fees: Sequence[UnitFees], rows: Iterable[PageRow]) -> tuple[UnitFees, ...]:
    """The list alone shows fees. A unit that has none takes no room."""
    known = {one.order_unit_id: one for one in fees}
    for row in rows:
        if row.eco_fee is None and row.packaging_fee is None:
            known.pop(row.order_unit_id, None)
        else:
            known[row.order_unit_id] = UnitFees(
                order_unit_id=row.order_unit_id, eco_fee=row.eco_fee, packaging_fee=row.packaging_fee
            )
    return tuple(sorted(known.values(), key=lambda one: one.order_unit_id))


def _with_fees(found: OrderFound, fees: Iterable[UnitFees]) -> OrderFound:
    """The order with the fees that only the list shows."""
    known = {one.order_unit_id: one for one in fees}

    def whole(unit: OrderUnit) -> OrderUnit:
        of_list = known.get(unit.order_unit_id)
        if of_list is None:
            return unit
        return replace(
            unit,
            eco_fee=of_list.eco_fee if unit.eco_fee is None else unit.eco_fee,
            packaging_fee=of_list.packaging_fee if unit.packaging_fee is None else unit.packaging_fee,
        )

    return replace(found, units=tuple(map(whole, found.units))) if known else found


def _is_news(known: SeenRow | None, row: SeenRow) -> bool:
    if known is None or row.changed_at_us > known.changed_at_us:
        return True
    return row.changed_at_us == known.changed_at_us and row.status_raw != known.status_raw


def _ahead(rows: Sequence[SeenRow], read: Sequence[SeenRow]) -> tuple[SeenRow, ...]:
    """Those of the rows that a read does not show yet."""
    shown = {row.order_unit_id: row.changed_at_us for row in read}
    return tuple(row for row in rows if shown.get(row.order_unit_id, -1) < row.changed_at_us)


def _of_refusal(order_id: str, refused: Refused) -> Unreadable:
    """The marketplace's own words stay out: they may quote what is personal."""
    fault = f"HTTP {refused.http_status} {refused.type or refused.code}"
    where = f"orders/{order_id}"
    return Unreadable(where=where, sha256=sha256(fault.encode()).hexdigest(), fault=fault, order_id=order_id)
