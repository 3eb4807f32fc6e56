"""The lane of one return: reads the whole return once its row in the list changes, and writes it if it differs. Pure.

The list does not show which units are returned, so a return is undone until it was read after its row changed. One that
cannot be read is written with what the row shows, and with a note, so that consumers do not wait for it.
"""

from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import assert_never

from connector.contracts.codes import Code
from connector.contracts.microseconds import us
from connector.marketplace.offers import Gone, Refused
from connector.marketplace.orders import Return, ReturnFound, UnreadableRow
from connector.orders import wants
from connector.orders.dead_letters import quarantined
from connector.orders.events import ListedReturn, ReturnLaneState, ReturnObserved, Trouble
from connector.orders.lane_step import LaneOutput, LaneStep
from connector.orders.policy import OrderTerms, wait_us
from connector.orders.results import digest, returned
from streams.flow import Answered, Cause, GaveUp, Lost, Settled, Told
from streams.frozen import replace

TRIES = 6
"""Reads that do not show a return as listed; after them, it is read again only if the list shows another change."""

_WAITS_S: Mapping[Trouble, tuple[float, float]] = MappingProxyType(
    {Trouble.GAVE_UP: (60.0, 3600.0), Trouble.UNREADABLE: (60.0, 3600.0), Trouble.STALE: (5.0, 60.0)}
)
"""Seconds before the next read: the first wait, which doubles each time, and its limit."""


def turn(
    account: str, return_id: int, before: ReturnLaneState | None, cause: Cause, terms: OrderTerms, now_us: int
) -> LaneStep[ReturnLaneState]:
    """Applies the cause to the lane of a return; ``before`` is None for a lane that is not stored."""
    draft = ReturnDraft(account, before or ReturnLaneState(return_id=return_id), terms, now_us)
    match cause:
        case Told(message=Return() as row):
            draft.apply_rows(row)
        case Answered():
            draft.apply_answer(cause)
        case _:
            pass
    return draft.step()


class ReturnDraft:
    """The working copy of the lane during one turn."""

    def __init__(self, account: str, state: ReturnLaneState, terms: OrderTerms, now_us: int) -> None:
        self._account = account
        self._state = state
        self._memory_us = us(terms.policy.memory_s)
        self._now_us = now_us
        self._outputs: list[LaneOutput] = []

    # ---- the list ---------------------------------------------------------------------------------------------------

    def apply_rows(self, row: Return) -> None:
        """Makes the return undone if its row differs from what is known; otherwise only extends its life."""
        state, listed = self._state, _listed(row)
        if listed == state.listed:
            return
        if state.listed is None and _digest_of(listed) == state.row_sha256:
            self._renew()
            return
        since_us = state.undone_since_us if state.undone_since_us is not None else self._now_us
        self._state = replace(state, listed=listed, undone_since_us=since_us, tries=0, again_at_us=None)

    def _renew(self) -> None:
        """Extends the lane's life once half of it is over, so that a listed lane is not written at every poll."""
        if self._state.keep_until_us - self._now_us < self._memory_us // 2:
            self._state = replace(self._state, keep_until_us=self._now_us + self._memory_us)

    # ---- answers ----------------------------------------------------------------------------------------------------

    def apply_answer(self, answered: Answered) -> None:
        """Applies the answer to a read of the return. Raises TypeError for the answer of another call."""
        listed = self._state.listed
        if listed is None:
            return
        match answered.reply:
            case Settled(answer=ReturnFound(unreadable=UnreadableRow() as unreadable)):
                self._not_shown(listed, unreadable)
            case Settled(answer=ReturnFound() as found):
                self._found(listed, found)
            case Settled(answer=Refused() as refused):
                self._not_shown(listed, self._of(f"HTTP {refused.http_status} {refused.type or refused.code}"))
            case Settled(answer=Gone(http_status=status)):
                self._not_shown(listed, self._of(f"HTTP {status}"))
            case GaveUp():
                self._wait(Trouble.GAVE_UP)
            case Lost():
                pass
            case Settled(answer=other):
                raise TypeError(f"a read of a return is never answered by {type(other).__name__}")
            case unreachable:
                assert_never(unreachable)

    def _found(self, listed: ListedReturn, found: ReturnFound) -> None:
        """Writes the return. An answer older than the list's row is not written before the last of ``TRIES`` reads."""
        shown_us, listed_us = found.returned.changed_us, listed.changed_at_us
        is_older = shown_us is not None and listed_us is not None and shown_us < listed_us
        if is_older and self._state.tries + 1 < TRIES:
            self._wait(Trouble.STALE)
            return
        self._write(returned(self._account, found, self._now_us))
        self._end(listed)

    def _not_shown(self, listed: ListedReturn, why: UnreadableRow) -> None:
        """Writes a dead letter and what the row shows, once; reads again up to ``TRIES`` times."""
        if self._state.tries == 0:
            self._outputs.append(quarantined(Code.RETURN_UNREADABLE, self._account, why))
            row = ReturnFound(returned=_row(self._state.return_id, listed), notes=(f"return_units: {why.fault}",))
            self._write(returned(self._account, row, self._now_us))
        if self._state.tries + 1 < TRIES:
            self._wait(Trouble.UNREADABLE)
        else:
            self._end(listed)

    def _of(self, fault: str) -> UnreadableRow:
        """Returns a failed read as an unreadable row, without the marketplace's message, which may be personal."""
        where = f"returns/{self._state.return_id}"
        return UnreadableRow(where=where, sha256=sha256(fault.encode()).hexdigest(), fault=fault)

    def _write(self, fact: ReturnObserved) -> None:
        content_sha256 = digest(fact)
        if content_sha256 != self._state.content_sha256:
            self._outputs.append(fact)
            self._state = replace(self._state, content_sha256=content_sha256)

    # ---- waiting and ending -----------------------------------------------------------------------------------------

    def _wait(self, trouble: Trouble) -> None:
        tries = self._state.tries + 1
        self._state = replace(self._state, tries=tries, again_at_us=self._now_us + wait_us(*_WAITS_S[trouble], tries))

    def _end(self, listed: ListedReturn) -> None:
        self._state = replace(
            self._state,
            row_sha256=_digest_of(listed),
            listed=None,
            undone_since_us=None,
            tries=0,
            again_at_us=None,
            keep_until_us=self._now_us + self._memory_us,
        )

    def step(self) -> LaneStep[ReturnLaneState]:
        """Returns the lane after the turn, with what it writes, wants and waits for."""
        state, outputs = self._state, tuple(self._outputs)
        if state.listed is None:
            if state.keep_until_us <= self._now_us:
                return LaneStep(state=None, outputs=outputs)
            return LaneStep(state=state, outputs=outputs, wake_at_us=state.keep_until_us)
        if state.again_at_us is not None and state.again_at_us > self._now_us:
            return LaneStep(state=state, outputs=outputs, wake_at_us=state.again_at_us)
        since_us = state.undone_since_us if state.undone_since_us is not None else self._now_us
        want = wants.returned(self._account, state.return_id, since_us)
        return LaneStep(state=state, wants=(want,), outputs=outputs)


def _listed(row: Return) -> ListedReturn:
    return ListedReturn(
        storefront=row.storefront,
        status_raw=row.status_raw,
        created_at_us=row.created_us,
        changed_at_us=row.changed_us,
        tracking_provider=row.tracking_provider,
    )


def _row(return_id: int, listed: ListedReturn) -> Return:
    return Return(
        return_id=return_id,
        storefront=listed.storefront,
        status_raw=listed.status_raw,
        created_us=listed.created_at_us,
        changed_us=listed.changed_at_us,
        tracking_provider=listed.tracking_provider,
    )


def _digest_of(listed: ListedReturn) -> str:
    content = (
        listed.storefront,
        listed.status_raw,
        listed.created_at_us,
        listed.changed_at_us,
        listed.tracking_provider,
    )
    return sha256(repr(content).encode()).hexdigest()
