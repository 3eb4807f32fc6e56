"""A quota: how many calls an account may make in a long window, such as a day, over all processes of a group.

Wants belong to *tiers*, by kind and priority. Tier 0 is priority 0; the last tier has all background work. A part of
the quota is reserved for the tiers below each tier: while it gets scarce, the last tier gives way first, and tier 0
only when the quota is used up. The reserves shrink with the time that is left of the window, so that nothing waits at
its end for calls that nobody needs. Pure.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from streams.flow import BACKGROUND, Want

NOTHING: Final = -1
"""The highest tier that may leave when the quota is used up."""

WARN_AT: Final = 0.8
"""The part of a quota after which a warning is logged."""

_ROUNDING: Final = 1e-6  # of a call

MARK_LIMIT: Final = 600
"""Characters of a mark in which the calls of all accounts with a quota must fit."""
_NUMBERS: Final = 40
"""Characters that the numbers of one account take at most, with punctuation."""


def fit_into_a_mark(accounts: Iterable[str]) -> bool:
    """Whether marks have room for the calls of these accounts."""
    return sum(len(json.dumps(name)) + _NUMBERS for name in accounts) <= MARK_LIMIT


TierOf: TypeAlias = Callable[[Want], int]
"""Returns the tier of a want that is neither of priority 0 nor background work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaWindow:
    """The time that a quota is for. Later windows have higher numbers."""

    number: int
    start_us: int
    end_us: int

    def left(self, wall_us: int) -> float:
        """Returns the part of the window that is left, from 1 to 0."""
        return min(1.0, max(0.0, (self.end_us - wall_us) / (self.end_us - self.start_us)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpentCalls:
    """The calls of a window that are counted against a partition's part of the quota. Part of its mark."""

    window: int
    calls: float


NOTHING_SPENT: Final[Mapping[str, SpentCalls]] = MappingProxyType({})
"""What a mark says without quotas, by account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallQuota:
    """The quota of one account. Raises ValueError for values out of range.

    ``reserves``: by tier, the part of the quota that it leaves to the tiers below it at the window's start; 0 for
    tier 0, and not falling. ``names``: of the tiers, for people.
    """

    calls: int
    window_of: Callable[[int], QuotaWindow]  # by wall clock, µs
    tier_of: TierOf
    counts: Callable[[str], bool]  # whether calls of this kind count; those of other kinds never give way
    reserves: tuple[float, ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.calls < 1:
            raise ValueError(f"a quota must be at least 1 call, got {self.calls}")
        if not self.reserves or self.reserves[0] != 0 or self.reserves[-1] >= 1:
            raise ValueError(f"the reserves of a quota must begin with 0 and be below 1, got {self.reserves}")
        if list(self.reserves) != sorted(self.reserves):
            raise ValueError(f"the reserves of a quota must not fall, got {self.reserves}")
        if len(self.names) != len(self.reserves):
            raise ValueError(f"{len(self.reserves)} tiers have {len(self.names)} names")

    @property
    def last(self) -> int:
        """The last tier, which gives way first."""
        return len(self.reserves) - 1

    def tier(self, want: Want) -> int:
        """Returns the tier of a want; ``NOTHING`` if its calls do not count, so that it never gives way."""
        if not self.counts(want.kind):
            return NOTHING
        least = self.tier_at_least(want.priority)
        return least if least in (0, self.last) else min(self.last, max(least, self.tier_of(want)))

    def tier_at_least(self, priority: int) -> int:
        """Returns the lowest tier of any want that counts and has this priority."""
        if priority <= 0:
            return 0
        return self.last if priority >= BACKGROUND else min(1, self.last)

    def allowed(self, left: float, part: float, time_left: float) -> int:
        """Returns the highest tier of which a call may leave, or ``NOTHING``.

        ``left``: calls that are left of a process's part of the quota, which is ``part`` calls. ``time_left``: the part
        of the window that is left.
        """
        after = left - 1 + _ROUNDING
        if after < 0:
            return NOTHING
        return max(
            tier for tier, reserve in enumerate(self.reserves) if tier == 0 or after >= reserve * part * time_left
        )
