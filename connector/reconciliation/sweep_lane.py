"""The lane of a sweep: reads all units of an account on a storefront, page by page, again and again. Pure.

A page's records and the cursor behind it are in one checkpoint, so a new owner continues with the next page. First come
the units that the merchant fulfils, then those that the marketplace fulfils. The list has no documented order and may
change between two pages: a unit may be shown twice, or be skipped and seen by the next sweep. So a unit that a sweep
does not show proves nothing. Owners are told when a sweep begins, and when it ends whether it has seen all units.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from connector.contracts.microseconds import us
from connector.marketplace.offers import Currency, Gone, Refused, UnitPage
from connector.reconciliation.events import (
    FinishedSweep,
    RunningSweep,
    SweepAsked,
    SweepMark,
    SweepPhase,
    SweepState,
    UnitObserved,
)
from connector.reconciliation.policy import NO_SWEEPS, PAGE, SweepPolicy
from connector.reconciliation.recent_sales import RecentSales
from connector.reconciliation.rows import NormalForm, PageTimes, rows_of_unit
from connector.reconciliation.seen_units import SeenUnits
from connector.reconciliation.wants import unit_page, unit_page_body
from streams.dispatch.backoff import spread
from streams.flow import Answered, Arrived, Cause, GaveUp, Lost, Settled, Want
from streams.frozen import replace

_AGAIN_S = 30.0
_AGAIN_CAP_S = 900.0
"""First and longest wait in seconds after a page failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepTerms:
    """What every turn of a sweep depends on, besides the lane and the time.

    ``storefronts``: their currencies; ``target_ids``: the target of each account and storefront that has one.
    """

    policy: SweepPolicy = NO_SWEEPS
    storefronts: Mapping[str, Currency] = field(default_factory=dict)
    normal_form: NormalForm = str
    sales: RecentSales = field(default_factory=RecentSales)
    seen: SeenUnits = field(default_factory=SeenUnits)
    target_ids: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepStep:
    """The lane's state after a turn, with the rows and marks that it writes, and what it wants and waits for."""

    state: SweepState
    began: SweepMark | None = None  # written before the rows
    rows: tuple[UnitObserved, ...] = ()
    ended: SweepMark | None = None  # written after the rows
    wants: tuple[Want, ...] = ()
    wake_at_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """The state of a sweep, for display. Times are by the local clock."""

    account: str
    state: SweepState


def turn(
    account: str, storefront: str, before: SweepState | None, cause: Cause, terms: SweepTerms, now_us: int
) -> SweepStep:
    """Applies the cause to the lane, and begins a sweep if one is due. ``before``: None for a lane never stored."""
    draft = SweepDraft(account, before or SweepState(storefront=storefront), terms, now_us)
    match cause:
        case Answered():
            draft.apply_answer(cause)
        case Arrived(event=SweepAsked(offset=offset)):
            draft.apply_command(offset)
        case _:
            pass
    draft.begin()
    return draft.step()


class SweepDraft:
    """The working copy of the lane during one turn."""

    def __init__(self, account: str, state: SweepState, terms: SweepTerms, now_us: int) -> None:
        self._account = account
        self._state = state
        self._terms = terms
        self._now_us = now_us
        self._rows: tuple[UnitObserved, ...] = ()
        self._began: SweepMark | None = None
        self._ended: SweepMark | None = None

    def begin(self) -> None:
        """Begins a sweep if one is due and none is under way."""
        state, now_us, interval_s = self._state, self._now_us, self._terms.policy.interval_s
        # The bound applies a shortened interval at once, and keeps a clock that was set back from delaying sweeps.
        due_at_us = min(state.due_at_us, now_us + us(1.1 * interval_s))
        if state.running is not None or due_at_us > now_us:
            self._state = replace(state, due_at_us=due_at_us)
            return
        wait_us = us(interval_s * (0.9 + 0.2 * spread(self._account, state.storefront, state.sweeps)))
        running = RunningSweep(sweep_at_us=now_us, command_offset=state.last_offset)
        self._state = replace(state, running=running, sweeps=state.sweeps + 1, due_at_us=now_us + wait_us)

    def apply_command(self, offset: int) -> None:
        """Makes a sweep due now; ignores a command that was applied before.

        A sweep that is under way began before the command and may have read past what it is about, so another one
        follows at once. Where a page of it has failed, that page is read again now.
        """
        state = self._state
        if offset <= state.last_offset:
            return
        running = None if state.running is None else replace(state.running, again_at_us=None)
        self._state = replace(state, running=running, last_offset=offset, due_at_us=self._now_us)

    def apply_answer(self, answered: Answered) -> None:
        """Applies a page; ignores one that the sweep does not wait for. Raises TypeError for another call's answer."""
        running = self._state.running
        if running is None or answered.want.body != unit_page_body(self._state.storefront, running):
            return
        match answered.reply:
            case Settled(answer=UnitPage() as page):
                self._apply_page(running, page, answered)
            case Settled(answer=Refused() as refused):
                self._fail(running, f"HTTP {refused.http_status} {refused.type or refused.code}: {refused.message}")
            case Settled(answer=Gone() as gone):
                self._fail(running, f"HTTP {gone.http_status} {gone.message}")
            case GaveUp(reason=reason):
                self._fail(running, reason)
            case Lost():
                pass
            case Settled(answer=other):
                raise TypeError(f"a page of units is never answered by {type(other).__name__}")
            case unreachable:
                assert_never(unreachable)

    def _apply_page(self, running: RunningSweep, page: UnitPage, answered: Answered) -> None:
        """Writes the page's units, and moves to the next page, to the second list, or to the end."""
        written = self._write(running, page, answered)
        if self._terms.policy.tells_owners:
            self._tell(running, page, written, answered)
        of_lists_before = running.units - running.offset
        running = replace(
            running,
            total=running.total if page.total is None else of_lists_before + page.total,
            offset=running.offset + PAGE,
            pages=running.pages + 1,
            units=running.units + page.rows,
            skipped=running.skipped + page.rows - written,
            again_at_us=None,
        )
        self._state = replace(self._state, running=running, failures=0, problem=None)
        if page.is_last and running.by_marketplace:
            self._state = replace(self._state, running=None, finished=_finished(running, self._now_us))
        elif page.is_last:
            self._state = replace(self._state, running=replace(running, by_marketplace=True, offset=0))

    def _tell(self, running: RunningSweep, page: UnitPage, written: int, answered: Answered) -> None:
        """Tells the owners that a sweep has begun or ended; ``running`` is the sweep before the page."""
        place = (self._account, self._state.storefront)
        self._terms.seen.note(place, running, page, written)
        mark = SweepMark(
            account=self._account,
            storefront=self._state.storefront,
            sweep_at_us=running.sweep_at_us,
            phase=SweepPhase.BEGAN,
            units=page.total or 0,
            page_us=(answered.answered_us or answered.sent_us) - answered.sent_us,
        )
        if running.pages == 0:
            self._began = mark
        if page.is_last and running.by_marketplace:
            problem = self._terms.seen.problem(place, running.sweep_at_us)
            self._ended = replace(mark, phase=SweepPhase.ENDED, units=running.units, problem=problem)

    def _write(self, running: RunningSweep, page: UnitPage, answered: Answered) -> int:
        """Makes the rows of a page; returns of how many units there are any."""
        times = PageTimes(
            requested_us=answered.sent_us,
            observed_us=answered.answered_us or answered.sent_us,
            sweep_us=running.sweep_at_us,
        )
        terms, account = self._terms, self._account
        found = [
            rows_of_unit(
                account,
                unit,
                times,
                normal_form=terms.normal_form,
                storefronts=terms.storefronts,
                ordered=terms.sales.of(account, unit.offer_id, self._now_us),
                target_id=terms.target_ids.get((account, unit.storefront)),
            )
            for unit in page.units
        ]
        self._rows = tuple(row for rows in found for row in rows)
        return sum(1 for rows in found if rows)

    def _fail(self, running: RunningSweep, problem: str) -> None:
        """Notes a failed page, which is read again after a while."""
        failures = self._state.failures + 1
        wait_s = min(_AGAIN_CAP_S, _AGAIN_S * 2.0 ** min(failures - 1, 30))
        self._state = replace(
            self._state,
            running=replace(running, again_at_us=self._now_us + us(wait_s)),
            failed_at_us=self._now_us,
            failures=failures,
            problem=problem,
        )

    def step(self) -> SweepStep:
        """Returns the lane after the turn, with what it writes, wants and waits for."""
        state, running = self._state, self._state.running
        wants: tuple[Want, ...] = ()
        wake_at_us: int | None = None
        if running is None:
            wake_at_us = state.due_at_us
        elif running.again_at_us is not None and running.again_at_us > self._now_us:
            wake_at_us = running.again_at_us
        else:
            wants = (unit_page(self._account, state.storefront, running),)
        return SweepStep(
            state=state, began=self._began, rows=self._rows, ended=self._ended, wants=wants, wake_at_us=wake_at_us
        )


def _finished(running: RunningSweep, now_us: int) -> FinishedSweep:
    return FinishedSweep(
        sweep_at_us=running.sweep_at_us,
        ended_at_us=now_us,
        pages=running.pages,
        units=running.units,
        skipped=running.skipped,
        command_offset=running.command_offset,
    )
