"""How far the sweeps of the units are, what they cost, and what they have found. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from connector.offers.events import DriftAction, DriftCause, OfferDrifted
from connector.reconciliation.events import RunningSweep, SweepState
from connector.reconciliation.policy import PAGE, calls_for

Place = tuple[str, str]
"""Account and storefront."""

OVERDUE_US: Final = 5 * 60 * 1_000_000
"""How long after it was due a sweep is overdue: more than a new owner of the scheduler takes to begin it."""
STANDSTILL_US: Final = 20 * 60 * 1_000_000
"""How long a sweep may show no progress: more than the longest wait after a failed page."""


class SweepStanding(StrEnum):
    """What the sweeps of an account and storefront do now."""

    NEVER = "NEVER"  # none has begun
    RUNNING = "RUNNING"
    FAILING = "FAILING"  # the last page could not be read, and is read again
    STANDS_STILL = "STANDS_STILL"  # one runs, and nothing has come of it for long
    OVERDUE = "OVERDUE"  # the next was due a while ago
    WAITING = "WAITING"  # for the next to be due


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSweep:
    """The lane of a sweep as its owner stored it last, at ``stored_us``."""

    state: SweepState
    stored_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepCost:
    """What a sweep of so many units costs: calls, and seconds at the account's rate.

    ``idle_s``: while nothing else waits for the rate; ``busy_s``: while events use all of it but the share of the
    background.
    """

    units: int
    calls: int
    per_second: float
    share: float

    @property
    def idle_s(self) -> float:
        return self.calls / self.per_second

    @property
    def busy_s(self) -> float:
        return self.calls / (self.per_second * self.share)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRate:
    """The calls per second of an account, and the share of them that sweeps have while events wait."""

    per_second: float
    share: float

    def cost(self, units: int) -> SweepCost:
        return SweepCost(units=units, calls=calls_for(units), per_second=self.per_second, share=self.share)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptPlace:
    """The sweeps of an account and storefront. ``stored`` None: none has begun.

    ``drift``: the values that differ, by cause and by what was done, of the last complete sweep and the one under way;
    by when the sweep began.
    """

    account: str
    storefront: str
    rate: SweepRate
    stored: StoredSweep | None = None
    drift: Mapping[int, Counter[tuple[DriftCause, DriftAction]]] = field(default_factory=dict)

    def phase(self, now_us: int) -> SweepStanding:
        if self.stored is None:
            return SweepStanding.NEVER
        state = self.stored.state
        if state.running is None:
            return SweepStanding.OVERDUE if now_us - state.due_at_us > OVERDUE_US else SweepStanding.WAITING
        if now_us - self.stored.stored_us > STANDSTILL_US:
            return SweepStanding.STANDS_STILL
        return SweepStanding.FAILING if state.failures else SweepStanding.RUNNING

    def is_good(self, now_us: int) -> bool:
        """Whether a sweep has been complete and the next one is on its way or not due yet."""
        is_complete = self.stored is not None and self.stored.state.finished is not None
        return is_complete and self.phase(now_us) in (SweepStanding.RUNNING, SweepStanding.WAITING)

    @property
    def cost(self) -> SweepCost | None:
        """What the next sweep costs, by the units of the last one or of the one under way; None: not known yet."""
        units = None if self.stored is None else _units(self.stored.state)
        return None if units is None else self.rate.cost(units)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepProgress:
    """How far a sweep under way is. ``expected``: units of the whole sweep; None: not known yet."""

    units: int
    calls: int
    expected: int | None
    per_second: float | None  # calls; None: none has been answered yet
    left_s: float | None


def progress(stored: StoredSweep) -> SweepProgress | None:
    """Returns the progress of the sweep under way, at the rate that it has had so far; None: none is under way.

    Until the marketplace has told how many units there are, the last complete sweep tells.
    """
    running = stored.state.running
    if running is None:
        return None
    expected, elapsed_s = _expected(running, stored.state), (stored.stored_us - running.sweep_at_us) / 1e6
    per_second = running.pages / elapsed_s if running.pages and elapsed_s > 0 else None
    is_known = expected is not None and per_second is not None
    return SweepProgress(
        units=running.units,
        calls=running.pages,
        expected=expected,
        per_second=per_second,
        left_s=_calls_left(running, expected or 0) / (per_second or 1.0) if is_known else None,
    )


def _calls_left(running: RunningSweep, expected: int) -> int:
    """Returns how many pages are left; the list of what the marketplace fulfils has one at least."""
    pages = -(-max(0, expected - running.units) // PAGE)
    return max(1, pages) if running.by_marketplace else pages + 1


def _expected(running: RunningSweep, state: SweepState) -> int | None:
    return running.total if running.total is not None else None if state.finished is None else state.finished.units


def _units(state: SweepState) -> int | None:
    if state.finished is not None:
        return state.finished.units
    return None if state.running is None else state.running.total


def with_drift(places: Iterable[SweptPlace], drifted: Iterable[OfferDrifted]) -> list[SweptPlace]:
    """Returns the places with the drift that their last complete sweep and the one under way have found."""
    found = list(places)
    counts = {
        (one.account, one.storefront, began_us): Counter[tuple[DriftCause, DriftAction]]()
        for one in found
        for began_us in began_at_us(one.stored)
    }
    for row in drifted:
        count = counts.get((row.account, row.storefront, row.sweep_at_us))
        if count is not None:
            count[row.cause, row.action] += 1
    return [
        replace(one, drift={at: counts[one.account, one.storefront, at] for at in began_at_us(one.stored)})
        for one in found
    ]


def began_at_us(stored: StoredSweep | None) -> list[int]:
    """Returns when the last complete sweep began, and the one under way."""
    sweeps = () if stored is None else (stored.state.finished, stored.state.running)
    return [one.sweep_at_us for one in sweeps if one is not None]
