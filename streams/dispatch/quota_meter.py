"""Counts the calls of one account in one process against the quota, and says which tiers may leave.

Each partition brings a part of the quota, as it brings a part of the rate. The calls of the process are counted against
all its partitions that send, evenly, and every checkpoint commits each count in the partition's mark; so the count goes
with the partition when another process takes it over.

Guarantee: in one window, all processes together make no more calls than the quota, if their clocks agree on the window
and no mark is lost. A partition that is handed over is counted exactly. A process that crashes may have made calls
since its last durable mark, for at most ``CRASH_LEASES`` leases: until the lease of the checkpoint before it was over,
and then until its own was. The next owner counts as many calls as the rate allows in that time; those that were not
made are lost to the window. A rate limiter may exceed its rate by ``MARGIN`` calls, and so may this.

Pure: all times are arguments.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import exp, floor, inf
from typing import Final

from streams.flow import Assignment, Now
from streams.messages import Notice
from streams.quota import NOTHING, WARN_AT, CallQuota, QuotaWindow, SpentCalls

CRASH_LEASES: Final = 2
"""Leases for which a process may call after the start of the last checkpoint that became durable."""

REVIEW_S: Final = 60.0
"""How often a tier may come back because reserves have shrunk with the time that is left."""

RATE_OVER_S: Final = 600.0
"""The forecast uses the calls of about this time."""

_ROUNDING_S: Final = 1e-6

FORECAST_AFTER_S: Final = 60.0
"""There is no forecast before calls have been counted for this long."""


@dataclass(slots=True, kw_only=True)
class _CountedPart:
    """One assigned partition: its part of the quota, and what is counted against it."""

    part: float  # calls
    found: SpentCalls | None  # by the previous owner
    was_drained: bool
    sends: bool = False
    counted: float = 0.0

    @property
    def used(self) -> float:
        return self.counted / self.part


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaReading:
    """The state of the process's part of a quota. The names are fields of /status."""

    part: float  # calls
    used: float  # calls
    is_low: bool  # at least ``WARN_AT`` of it is used
    waiting: tuple[str, ...]  # the tiers that wait, in words
    used_up_at_us: int | None  # at the present rate, within the window; None = not before it ends
    used_up_at: str  # the same in words; empty = not before the window ends
    renewed_at: str  # when the window ends


class QuotaMeter:
    """The meter of one account. Used by the engine thread only."""

    def __init__(self, quota: CallQuota, share: float, per_second: float, lease_s: float) -> None:
        """``share``: the part of the quota that the processes have; the rest is reserved for the command line.
        ``per_second``: the account's rate."""
        self.quota = quota
        self.limit = NOTHING
        self._calls = quota.calls * share
        self._crash_calls = per_second * share * lease_s * CRASH_LEASES
        self._parts: dict[Assignment, _CountedPart] = {}
        self._window = QuotaWindow(number=-1, start_us=-1, end_us=0)
        self._began_s = -inf  # when the window began here
        self._uncounted = 0.0  # calls not counted against a partition yet; negative = counted and not made
        self._left = 0.0
        self._part = 0.0
        self._review_s = -inf
        self._rate = _Rate()
        self._lowest = quota.last  # limit of this window that was logged
        self._warned = False
        self._notices: list[Notice] = []

    # ---- partitions -------------------------------------------------------------------------------------------------

    def assigned(self, at: Assignment, part: float, found: SpentCalls | None, *, was_drained: bool) -> None:
        """Adds a partition that brings ``part`` of the quota. ``was_drained``: the previous owner handed it over."""
        self._parts[at] = _CountedPart(part=part * self._calls, found=found, was_drained=was_drained)

    def sending(self, those: frozenset[Assignment], assigned: frozenset[Assignment], now: Now) -> None:
        """Replaces the partitions that may send, and forgets those that are not assigned any more."""
        self.settle()
        self._roll(now)
        for at, one in self._parts.items():
            if one.sends and at not in those:
                one.sends, one.found = False, self._spent(one)
            elif not one.sends and at in those:
                one.sends, one.counted = True, self._counted(one)
        for at in self._parts.keys() - assigned:
            del self._parts[at]
        self._add_up()
        self._review_s = -inf

    def spent(self, at: Assignment) -> SpentCalls | None:
        """Returns what a partition's mark says; what its previous owner said while it does not send yet."""
        one = self._parts.get(at)
        if one is None:
            return None
        return self._spent(one) if one.sends else one.found

    def _spent(self, one: _CountedPart) -> SpentCalls:
        return SpentCalls(window=self._window.number, calls=round(one.counted, 3))

    def _counted(self, one: _CountedPart) -> float:
        """Returns the calls to count against a partition that begins to send."""
        found = one.found.calls if one.found is not None and one.found.window >= self._window.number else 0.0
        return found if one.was_drained else found + self._crash_calls * one.part / self._calls

    def settle(self) -> None:
        """Counts the calls made so far against the partitions, first those of which the least is used."""
        sending = sorted((one for one in self._parts.values() if one.sends), key=lambda one: one.used)
        if self._uncounted <= 0 or not sending:
            return
        part = counted = level = 0.0
        until = 0
        for one, following in zip(sending, [*sending[1:], None], strict=True):
            part, counted, until = part + one.part, counted + one.counted, until + 1
            level = (counted + self._uncounted) / part
            if following is None or level <= following.used:
                break
        for one in sending[:until]:
            one.counted = level * one.part
        self._uncounted = 0.0

    def _add_up(self) -> None:
        sending = [one for one in self._parts.values() if one.sends]
        self._part = sum(one.part for one in sending)
        self._left = self._part - sum(one.counted for one in sending) - self._uncounted

    # ---- calls ------------------------------------------------------------------------------------------------------

    def take(self, kind: str, now: Now) -> None:
        """Counts a call that leaves."""
        if not self.quota.counts(kind):
            return
        self._uncounted += 1
        self._left -= 1
        self._rate.count(now.mono_s)
        self.limit = min(self.limit, self._allowed(now))
        self._note(now)

    def not_sent(self, kind: str, taken_s: float) -> None:
        """Takes back a call that was never sent. ``taken_s``: when it was counted; nothing is left to take back of one
        that an earlier window counted."""
        if self.quota.counts(kind) and taken_s >= self._began_s - _ROUNDING_S:
            self._uncounted -= 1
            self._left += 1

    def refresh(self, now: Now) -> None:
        """Applies the time that has passed: a new window, and reserves that have shrunk."""
        if now.wall_us < self._window.end_us and now.mono_s < self._review_s:
            return
        self._roll(now)
        self._review_s = now.mono_s + REVIEW_S
        self.limit = self._allowed(now)
        self._note(now)

    def next_s(self, now: Now) -> float:
        """Returns when something may leave again by time alone; ``inf`` while nothing waits."""
        if self.limit >= self.quota.last or not self._part:
            return inf
        return max(now.mono_s, min(self._review_s, now.mono_s + (self._window.end_us - now.wall_us) / 1e6))

    def _roll(self, now: Now) -> None:
        """Begins the window that it is time for, with nothing counted.

        A clock that is set back does not return to an earlier one, or midnight could come twice. Only one that had been
        ahead by more than a whole window does, with the calls counted so far: otherwise there would be no new window
        until that time is reached.
        """
        window = self._window
        if now.wall_us < 2 * window.start_us - window.end_us:
            self._window = self.quota.window_of(now.wall_us)
        if now.wall_us < self._window.end_us:
            return
        waited = self._lowest < self.quota.last
        self._window, self._began_s = self.quota.window_of(now.wall_us), now.mono_s
        for one in self._parts.values():
            one.counted = 0.0
        self._uncounted, self._warned, self._lowest = 0.0, False, self.quota.last
        self._add_up()
        if waited:
            self._notices.append(Notice(event="quota_renewed", fields={}))

    def _allowed(self, now: Now) -> int:
        return self.quota.allowed(self._left, self._part, self._window.left(now.wall_us))

    # ---- for people -------------------------------------------------------------------------------------------------

    def reading(self, now: Now) -> QuotaReading | None:
        """Returns the state; None while no partition sends."""
        if not self._part:
            return None
        used_up_at_us = self._used_up_at_us(now)
        return QuotaReading(
            part=round(self._part, 1),
            used=round(self._part - self._left, 1),
            is_low=self._is_low,
            waiting=self.quota.names[self.limit + 1 :],
            used_up_at_us=used_up_at_us,
            used_up_at="" if used_up_at_us is None else moment(used_up_at_us),
            renewed_at=moment(self._window.end_us),
        )

    @property
    def _is_low(self) -> bool:
        return self._part - self._left >= WARN_AT * self._part

    def _used_up_at_us(self, now: Now) -> int | None:
        """Returns when the part is used up at the present rate; None = not within the window, or not known yet."""
        if self._left < 1:
            return now.wall_us
        rate = self._rate.per_second(now.mono_s)
        at_us = now.wall_us + self._left / rate * 1e6 if rate > 0 else inf
        return floor(at_us) if at_us < self._window.end_us else None

    def _note(self, now: Now) -> None:
        """Notes what is to be logged: once in a window that little is left, and each further tier that waits."""
        if not self._part or (self._warned and self.limit >= self._lowest):
            return
        if not self._warned and self._is_low:
            self._warned = True
            at_us = self._used_up_at_us(now)
            forecast = "not before the window ends" if at_us is None else moment(at_us)
            self._notices.append(_notice("quota_low", self._numbers(), used_up_at=forecast))
        if self.limit < self._lowest:
            self._lowest = self.limit
            waiting = ", ".join(self.quota.names[self.limit + 1 :])
            until = moment(self._window.end_us)
            self._notices.append(_notice("quota_scarce", self._numbers(), waiting=waiting, until=until))

    def _numbers(self) -> tuple[int, int]:
        return round(self._part - self._left), floor(self._part)

    def notices(self, account: str) -> list[Notice]:
        """Returns what is to be logged since the last call."""
        taken, self._notices = self._notices, []
        return [Notice(event=one.event, level=one.level, fields={"account": account, **one.fields}) for one in taken]


class _Rate:
    """How many calls are counted per second, weighted towards the last ``RATE_OVER_S``."""

    def __init__(self) -> None:
        self._weighted = 0.0
        self._at_s = self._began_s = -inf

    def count(self, now_s: float) -> None:
        self._weighted = self._weighted * _fading(now_s - self._at_s) + 1
        self._at_s = now_s
        if self._began_s == -inf:
            self._began_s = now_s

    def per_second(self, now_s: float) -> float:
        """Returns the rate; 0 before ``FORECAST_AFTER_S``."""
        if now_s < self._began_s + FORECAST_AFTER_S or self._began_s == -inf:
            return 0.0
        seen_s = RATE_OVER_S * (1 - _fading(now_s - self._began_s))
        return self._weighted * _fading(now_s - self._at_s) / seen_s


def _fading(for_s: float) -> float:
    return exp(-max(0.0, for_s) / RATE_OVER_S)


def _notice(event: str, numbers: tuple[int, int], **words: str) -> Notice:
    used, part = numbers
    return Notice(event=event, level="warning", fields={"used": used, "part": part, **words})


def moment(at_us: int) -> str:
    """Returns a time as text, in UTC and to the second."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at_us // 1_000_000)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
