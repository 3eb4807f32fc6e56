"""Chooses, for a sweep that has begun, whether offers that are not known yet wait for it or are looked up.

Not pure: it counts from turn to turn, in the engine's thread only. Each partition chooses for itself, from the lanes
that need a look-up there. EANs are spread evenly over partitions, so all of them choose alike, but for those that are
within their error of the point where both take equally long. Nothing is durable but what lanes note: after a restart,
a lane that waits goes on doing so, and others are looked up.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from connector.contracts.microseconds import us
from connector.reconciliation.events import SweepMark
from connector.reconciliation.policy import calls_for
from connector.reconciliation.seen_units import Place
from streams.frozen import replace
from streams.side_input import Opening

SLACK_S: Final = 300.0
"""A sweep is awaited for twice as long as it should take, and this long in addition: retries and the rows' way here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStartPolicy:
    """When offers may wait for a sweep. Times in seconds.

    ``rates``: calls per second, by account. ``rows_per_s``: rows of a sweep that a process applies, at most.
    ``settle_s``: how far clocks of processes may differ. Off: never.
    """

    enabled: bool = False
    rates: Mapping[str, float] = field(default_factory=dict)
    rows_per_s: float = 500.0
    longest_wait_s: float = 3600.0
    settle_s: float = 60.0


NO_COLD_START: Final = ColdStartPolicy()


class ColdStartState(StrEnum):
    """What becomes of the look-ups that a sweep could replace."""

    LOOK_UPS = "look-ups"  # they take less time
    AWAITED = "sweep awaited"
    USED = "sweep used"
    NOT_WHOLE = "look-ups: the sweep may have missed a unit"
    TOO_SLOW = "look-ups: the sweep took too long"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """The choice for a sweep of a storefront, as the first partition of the process to make it has made it.

    ``unknown``: EANs of all partitions that need a look-up there, estimated from that partition. Times in seconds, at
    the account's rate. Pages of a sweep are read one after the other, and its rows are applied meanwhile.
    """

    account: str
    storefront: str
    sweep_at_us: int
    units: int
    unknown: int
    sweep_calls: int
    sweep_s: float
    look_ups_s: float
    state: ColdStartState
    waiting: int = 0  # lanes of this process that wait, or have waited, for the sweep
    identified: int = 0  # of these, without a look-up
    problem: str = ""  # why the sweep was not used


ReportColdStart: TypeAlias = Callable[[ColdStart], None]
"""Reports a choice, and that a sweep is not used after all."""


_NEVER: Final = 2**63


@dataclass(slots=True)
class _Partition:
    """What is known of an open partition."""

    # what was seen later shows everything that a previous owner wrote; None: always. Not known before it opens.
    certain_from_us: int | None = _NEVER
    restored: int = 0  # lanes that wait for a call and had no turn yet
    unknown: dict[Place, int] = field(default_factory=dict)
    # sweep, when its mark was read, until when; only before its first row, which a lane could have missed afterwards
    awaited: dict[Place, tuple[int, int, int]] = field(default_factory=dict)
    told: set[Place] = field(default_factory=set)  # whose sweep lanes may wait for
    unreadable: int = 0  # rows
    unreadable_before: dict[Place, int] = field(default_factory=dict)  # the sweep's first row
    ended: dict[Place, SweepMark] = field(default_factory=dict)


class ColdStarts:
    """The choices of all partitions of the process. ``partitions``: how many the input has."""

    def __init__(self, policy: ColdStartPolicy, partitions: int, report: ReportColdStart = lambda _: None) -> None:
        self.is_on: Final = policy.enabled
        self._policy = policy
        self._partitions = partitions
        self._report = report
        self._open: dict[int, _Partition] = {}
        self._choices: Mapping[str, ColdStart] = MappingProxyType({})

    def choices(self) -> Mapping[str, ColdStart]:
        """Returns the newest choice of this process by account and storefront. Thread-safe."""
        return self._choices

    # ---- what the engine and the marks of sweeps tell ---------------------------------------------------------------

    def assigned(self, partition: int) -> None:
        """Begins anew with a partition that was assigned just now."""
        self._open[partition] = _Partition()

    def opened(self, opening: Opening, now_us: int) -> None:
        """Notes that a partition sends from now on, and whether its previous owner may have written without a trace."""
        found = self._of(opening.partition)
        found.restored = opening.restored
        found.certain_from_us = None if opening.is_clean else now_us + us(self._policy.settle_s)

    def began(self, partition: int, mark: SweepMark, now_us: int) -> bool:
        """Chooses for a sweep whose first page was read; returns whether lanes of the partition are to wait for it."""
        found, place = self._of(partition), (mark.account, mark.storefront)
        rate = self._policy.rates.get(mark.account)
        found.unreadable_before[place] = found.unreadable
        if not self.is_on or rate is None or not mark.units:
            return False
        unknown = (found.unknown.get(place, 0) + found.restored) * self._partitions
        calls = calls_for(mark.units)
        rows_s = mark.units * len(self._open) / self._partitions / self._policy.rows_per_s
        sweep_s, look_ups_s = max(calls * max(1 / rate, mark.page_us / 1e6), rows_s), unknown / rate
        waits = sweep_s < look_ups_s
        if waits:
            wait_s = min(self._policy.longest_wait_s, 2 * sweep_s + SLACK_S)
            found.awaited[place] = (mark.sweep_at_us, now_us, now_us + us(wait_s))
            found.told.add(place)
        choice = ColdStart(
            account=mark.account,
            storefront=mark.storefront,
            sweep_at_us=mark.sweep_at_us,
            units=mark.units,
            unknown=unknown,
            sweep_calls=calls,
            sweep_s=sweep_s,
            look_ups_s=look_ups_s,
            state=ColdStartState.AWAITED if waits else ColdStartState.LOOK_UPS,
        )
        self._choose(choice)
        return waits

    def ended(self, partition: int, mark: SweepMark) -> bool:
        """Notes the end of a sweep; returns whether lanes of the partition may wait for it.

        That is not known of the first one, for which a previous owner may have had them wait.
        """
        found, place = self._of(partition), (mark.account, mark.storefront)
        may_wait = place in found.told or place not in found.ended
        unreadable = found.unreadable - found.unreadable_before.pop(place, 0)
        if unreadable and not mark.problem:
            mark = replace(mark, problem=f"{unreadable:,} records in partition {partition} of units are unreadable")
        found.awaited.pop(place, None)
        found.told.discard(place)
        found.ended[place] = mark
        if mark.problem:
            self.given_up(place, mark.sweep_at_us, ColdStartState.NOT_WHOLE, mark.problem)
        return self.is_on and may_wait

    def passed(self, partition: int, place: Place) -> None:
        """Notes that a row of a sweep is shown: from now on no further lane begins to wait for it, whatever the clock
        says, because it may have missed a row."""
        if self.is_on:
            self._of(partition).awaited.pop(place, None)

    def missed(self, partition: int) -> None:
        """Notes that a row cannot be read. It may be of any sweep that has not ended, which may so have missed a unit
        here."""
        self._of(partition).unreadable += 1

    # ---- what lanes ask and tell ------------------------------------------------------------------------------------

    def awaited(self, partition: int) -> Mapping[Place, tuple[int, int, int]]:
        """Returns the sweeps that lanes are to wait for, none of whose rows has been shown yet: when each began, when
        that was read here, until when."""
        return self._of(partition).awaited

    def end_of(self, partition: int, place: Place, sweep_at_us: int) -> SweepMark | None:
        """Returns how the sweep has ended, or a later one; None if neither has, as far as this partition was told."""
        mark = self._of(partition).ended.get(place)
        return mark if mark is not None and mark.sweep_at_us >= sweep_at_us else None

    def is_certain(self, partition: int, requested_at_us: int) -> bool:
        """Whether what a call sent at this time shows includes everything that a previous owner wrote."""
        certain_from_us = self._of(partition).certain_from_us
        return certain_from_us is None or requested_at_us > certain_from_us

    def is_clean(self, partition: int) -> bool:
        """Whether a previous owner left nothing that is not durable."""
        return self._of(partition).certain_from_us is None

    def counted(
        self, partition: int, before: Collection[Place], after: Collection[Place], *, is_restored: bool
    ) -> None:
        """Counts a lane's turn: where it needed a look-up before, and where it does now."""
        found = self._of(partition)
        if is_restored:
            found.restored = max(0, found.restored - 1)
            before = ()
        for place in before:
            if place not in after:
                found.unknown[place] = max(0, found.unknown.get(place, 0) - 1)
        for place in after:
            if place not in before:
                found.unknown[place] = found.unknown.get(place, 0) + 1

    def waits(self, place: Place) -> None:
        """Counts a lane that waits from now on."""
        if (choice := self._choice(place)) is not None:
            self._put(replace(choice, waiting=choice.waiting + 1))

    def identified(self, place: Place, sweep_at_us: int) -> None:
        """Counts a lane that was identified by a sweep."""
        choice = self._choice(place)
        if choice is not None and choice.sweep_at_us == sweep_at_us:
            self._put(replace(choice, identified=choice.identified + 1, state=ColdStartState.USED))

    def given_up(self, place: Place, sweep_at_us: int, state: ColdStartState, problem: str) -> None:
        """Reports, once for each sweep, that lanes go by look-ups after all."""
        choice = self._choice(place)
        if choice is None or choice.sweep_at_us != sweep_at_us or choice.problem or not choice.waiting:
            return
        self._report(self._put(replace(choice, state=state, problem=problem)))

    # ---- choices ----------------------------------------------------------------------------------------------------

    def _choose(self, choice: ColdStart) -> None:
        """Keeps the first choice for a sweep and reports it if there was one; a partition that waits prevails."""
        known = self._choice((choice.account, choice.storefront))
        if known is not None and known.sweep_at_us == choice.sweep_at_us:
            is_first = known.state is ColdStartState.LOOK_UPS and choice.state is ColdStartState.AWAITED
        else:
            is_first = known is None or known.sweep_at_us < choice.sweep_at_us
        if is_first:
            self._put(choice)
        if is_first and choice.unknown:
            self._report(choice)

    def _choice(self, place: Place) -> ColdStart | None:
        return self._choices.get("/".join(place))

    def _put(self, choice: ColdStart) -> ColdStart:
        self._choices = MappingProxyType({**self._choices, f"{choice.account}/{choice.storefront}": choice})
        return choice

    def _of(self, partition: int) -> _Partition:
        return self._open.setdefault(partition, _Partition())


NO_COLD_STARTS: Final = ColdStarts(NO_COLD_START, 1)
"""Off. Nothing is counted."""
