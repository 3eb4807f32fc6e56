"""Rate limiter of one account: when may the next call leave?

The law of this file: over any second, the limiters of all processes together let no more calls leave than the ceiling
times the sum of their shares, plus a margin of at most two calls a process (``MARGIN``). So slots accrue with time, at
``ceiling x share x factor``, and a call takes a whole one; what accrues while nobody calls is forfeited, except for a
tolerance that a loop needs which wakes a few milliseconds late. A share moved from one process to another carries
nothing with it: each accrues from its own last slot.

``strict`` adds a proof for an API that counts by arrival: a slot is held from ``take`` to the answer + 1 s, by which
time the call has left every window of one second. Whole slots only, so a share under one call a second sends nothing.

Below the ceiling the factor halves on 429 and climbs back. Above all that stands one state for Retry-After, 401 and
outage: closed until a moment, then one call as a probe, whose answer opens or closes again for longer.

Pure: every moment is handed in, in seconds on the monotonic clock.
"""

from collections import deque
from dataclasses import dataclass
from math import floor, inf, sqrt

from streams.policy import Pace

MARGIN = 2  # calls over ceiling x share in one second: one that had accrued before it, and one of tolerance
LATE_S = 0.020  # a wake this late loses nothing, as long as that is no more than one slot ...
LATE_AT_LEAST_S = 0.005  # ... or, above 200 calls/s, five milliseconds' worth: no loop wakes more exactly

CLIMB_S = 15.0  # from nothing to the ceiling
HALVE_EVERY_S = 1.0  # the calls in flight at the first 429 answer 429 too: they are one piece of news
WINDOW_S = 1.0  # the marketplace counts calls by sliding second

CLOSE_AT_MOST_S = 300.0  # whatever a header says
PROBE_WAIT_S = 1.0  # after a failed probe, doubled up to ...
PROBE_WAIT_AT_MOST_S = 30.0

OUTAGE_WITHIN_S = 10.0
OUTAGE_CALLS_AT_LEAST = 8
OUTAGE_CALLS_AT_MOST = 20  # looking further back would see an outage late where calls are many
FEW_IN_A_ROW = 3  # where calls are fewer than that, so many failed ones in a row, however long ago, are an outage ...
FEW_PROBE_WAIT_AT_MOST_S = 5.0  # ... or one item's own fault: others must not wait long to show which

_ROUNDING = 1e-9  # of a slot


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """A call that holds its place until it is answered."""

    at_s: float
    probe: bool


class RateLimiter:
    """The pace of one account in one process. Mutable; asked and told by the engine alone."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._share = 0.0
        # slots accrued at the moment ``_at_s``, and the factor then: all later moments are computed from these
        self._at_s = 0.0
        self._accrued = 0.0
        self._factor = 1.0
        self._halved_at_s = -inf
        # closed and probing
        self._closed_until_s: float | None = None
        self._because = ""
        self._few = False  # closed because of few calls
        self._probe_wait_s = PROBE_WAIT_S
        self._probe: str | None = None
        self._opened_at_s = -inf
        self.reserved_until_s = -inf  # until then the rest of a quota is kept for priority 0
        # what left
        self._in_flight: dict[str, _Taken] = {}
        self._held_until_s: deque[float] = deque()  # strict: slots of answered calls, by their end
        self._left_at_s: deque[float] = deque()  # within the last second
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=OUTAGE_CALLS_AT_MOST)  # answered at, failed

    # ---- asked --------------------------------------------------------------------------------------------------

    @property
    def probing(self) -> bool:
        """A probe is under way, whose answer opens or closes."""
        return self._probe is not None

    def is_open(self, now_s: float) -> bool:  # noqa: ARG002 - a moment that has come does not open: a probe does
        """Neither closed nor waiting for a probe. Says nothing of pace or share."""
        return self._closed_until_s is None

    def is_shut(self, now_s: float) -> bool:
        """Closed, and not even a probe may leave now."""
        if self._closed_until_s is None:
            return False
        return self._probe is not None or now_s < self._closed_until_s

    def ready_at(self, now_s: float) -> float:
        """The earliest moment the next call may leave, ``now_s`` at the earliest.

        ``inf``: not before something else happens (a share is given, a probe or a call that holds a slot is answered).
        """
        if self._probe is not None:
            return inf
        return max(now_s, self._slot_at(now_s), self._closed_until_s or 0.0, self._free_at(now_s))

    def rate(self, now_s: float) -> float:
        """Calls per second that may leave now; 0 while closed."""
        return self._ceiling() * self._factor_at(now_s) if self.is_open(now_s) else 0.0

    def tokens_left(self, now_s: float) -> int:
        """Calls that could still have left in the second that ends now, at the present rate."""
        left = sum(1 for at_s in self._left_at_s if at_s > now_s - WINDOW_S)
        return max(0, floor(self.rate(now_s)) - left)

    def state(self, now_s: float) -> str:
        """The state in words, for a person."""
        if self._probe is not None:
            return f"probing: {self._because}"
        if self._closed_until_s is not None:
            wait_s = self._closed_until_s - now_s
            return f"closed for {wait_s:.1f} s: {self._because}" if wait_s > 0 else f"to be probed: {self._because}"
        if self._share == 0:
            return "no share"
        if self.reserved_until_s > now_s:
            return f"the rest of the quota is kept for priority 0 for {self.reserved_until_s - now_s:.1f} s"
        if self._pace.strict and self._slots() == 0:
            return f"share of {self._ceiling():.2f}/s is under one call a second, too small for strict"
        if self._free_at(now_s) > now_s:
            return f"strict: all {self._slots()} slots held"
        if self._factor_at(now_s) < 1:
            return f"open at {self.rate(now_s):.1f}/s of {self._ceiling():.1f}/s, climbing"
        return f"open at {self.rate(now_s):.1f}/s"

    # ---- told ---------------------------------------------------------------------------------------------------

    def set_share(self, share: float, now_s: float) -> None:
        """This process's part of the ceiling, 0 to 1, from now on. What has accrued stays, nothing is added."""
        if not 0 <= share <= 1 + _ROUNDING:
            raise ValueError(f"share must be in [0, 1], got {share}")
        self._settle(now_s)
        self._share = min(share, 1.0)

    def take(self, now_s: float, call_id: str) -> None:
        """A call leaves. Raises ``ValueError`` when it may not: ask ``ready_at`` first."""
        if self.ready_at(now_s) > now_s:
            raise ValueError(f"call {call_id} may not leave before {self.ready_at(now_s)}, taken at {now_s}")
        if call_id in self._in_flight:
            raise ValueError(f"call {call_id} has left already")
        self._settle(now_s)
        self._accrued -= 1.0
        probe = self._closed_until_s is not None
        self._probe = call_id if probe else None
        self._in_flight[call_id] = _Taken(at_s=now_s, probe=probe)
        self._left_at_s.append(now_s)
        while self._left_at_s and self._left_at_s[0] <= now_s - WINDOW_S:
            self._left_at_s.popleft()

    def answered(
        self,
        call_id: str,
        now_s: float,
        *,
        slow_down: bool,
        failed: bool,
        close_s: float | None,
        because: str,
        reserve_until_s: float | None = None,
        left: bool = True,
    ) -> None:
        """What became of a call; every call that was taken is answered once, at its deadline at the latest.

        ``slow_down``: 429. ``failed``: for reasons that are not the items' own. ``close_s``: Retry-After or 401, in
        seconds from now, clamped. ``reserve_until_s``: a moment, clamped; it refuses nothing. ``left`` False: it never
        reached the marketplace. Raises ``ValueError`` for a call that was not taken.
        """
        taken = self._in_flight.pop(call_id, None)
        if taken is None:
            raise ValueError(f"call {call_id} is not under way")
        if self._pace.strict and left:
            self._held_until_s.append(now_s + WINDOW_S)
        if slow_down:
            self._halve(now_s)
        if reserve_until_s is not None:
            self.reserved_until_s = min(reserve_until_s, now_s + CLOSE_AT_MOST_S)
        for_s = _clamped(close_s)
        if taken.probe:
            refused = slow_down or failed or for_s > 0
            self._judge_probe(now_s, refused=refused, left=left, for_s=for_s, because=because)
        elif taken.at_s >= self._opened_at_s:  # else it tells of a time before the probe that succeeded
            self._learn(now_s, failed=failed, left=left, for_s=for_s, because=because)

    # ---- slots --------------------------------------------------------------------------------------------------

    def _ceiling(self) -> float:
        return self._pace.per_second * self._share

    def _climb_left_s(self) -> float:
        """Seconds from ``_at_s`` until the factor is 1; it stands still while closed."""
        return (1.0 - self._factor) * CLIMB_S if self._closed_until_s is None else 0.0

    def _factor_at(self, now_s: float) -> float:
        return self._factor + min(max(0.0, now_s - self._at_s), self._climb_left_s()) / CLIMB_S

    def _accrued_at(self, now_s: float) -> float:
        """Slots at a moment: the area under the rate since ``_at_s``, a climb and then a level."""
        past_s = max(0.0, now_s - self._at_s)
        climb_s = min(past_s, self._climb_left_s())
        level = self._factor_at(now_s)
        area = self._factor * climb_s + climb_s**2 / (2 * CLIMB_S) + level * (past_s - climb_s)
        return min(self._accrued + self._ceiling() * area, 1.0 + _tolerance(self._ceiling() * level))

    def _slot_at(self, now_s: float) -> float:
        """When a whole slot has accrued: the inverse of ``_accrued_at``."""
        if self._accrued_at(now_s) >= 1.0 - _ROUNDING:
            return now_s
        if self._share == 0:
            return inf
        area = (1.0 - self._accrued) / self._ceiling()
        climb_s = self._climb_left_s()
        climbed = self._factor * climb_s + climb_s**2 / (2 * CLIMB_S)
        if area < climbed:
            return self._at_s + 2 * area / (self._factor + sqrt(self._factor**2 + 2 * area / CLIMB_S))
        return self._at_s + climb_s + (area - climbed) / (self._factor + climb_s / CLIMB_S)

    def _settle(self, now_s: float) -> None:
        """Make ``now_s`` the moment that all is computed from; needed before a rate changes."""
        self._accrued, self._factor = self._accrued_at(now_s), self._factor_at(now_s)
        self._at_s = max(self._at_s, now_s)

    def _slots(self) -> int:
        return floor(self._ceiling() + _ROUNDING)

    def _free_at(self, now_s: float) -> float:
        """Strict: when one of the whole slots is free. A call under way holds its slot without a known end."""
        if not self._pace.strict:
            return now_s
        while self._held_until_s and self._held_until_s[0] <= now_s:
            self._held_until_s.popleft()
        must_end = len(self._in_flight) + len(self._held_until_s) - self._slots() + 1
        if must_end <= 0:
            return now_s
        return self._held_until_s[must_end - 1] if self._slots() > 0 and must_end <= len(self._held_until_s) else inf

    # ---- 429, closing, probing ----------------------------------------------------------------------------------

    def _halve(self, now_s: float) -> None:
        if now_s < self._halved_at_s + HALVE_EVERY_S:
            return
        self._settle(now_s)
        self._halved_at_s = now_s
        self._factor = max(self._factor / 2, min(1.0, self._pace.floor_per_second / self._pace.per_second))

    def _learn(self, now_s: float, *, failed: bool, left: bool, for_s: float, because: str) -> None:
        """From a call that was no probe."""
        if left or failed:
            self._outcomes.append((now_s, failed))
        if for_s > 0:
            self._close(now_s, for_s, because)
        elif self._closed_until_s is None and self._outage(now_s):
            self._few = len(self._recent(now_s)) < OUTAGE_CALLS_AT_LEAST
            self._close(now_s, PROBE_WAIT_S, because or "most of the recent calls failed")

    def _outage(self, now_s: float) -> bool:
        recent = self._recent(now_s)
        if len(recent) >= OUTAGE_CALLS_AT_LEAST:
            return 2 * sum(recent) >= len(recent)
        last = [failed for _, failed in self._outcomes][-FEW_IN_A_ROW:]
        return len(last) == FEW_IN_A_ROW and all(last)

    def _recent(self, now_s: float) -> list[bool]:
        return [failed for at_s, failed in self._outcomes if at_s > now_s - OUTAGE_WITHIN_S]

    def _judge_probe(self, now_s: float, *, refused: bool, left: bool, for_s: float, because: str) -> None:
        self._probe = None
        if refused:
            self._close(now_s, max(for_s, self._probe_wait_s), because or self._because)
            at_most_s = FEW_PROBE_WAIT_AT_MOST_S if self._few else PROBE_WAIT_AT_MOST_S
            self._probe_wait_s = min(2 * self._probe_wait_s, at_most_s)
        elif left:
            self._open(now_s)
        # else it proved nothing: the next call is a probe again

    def _close(self, now_s: float, for_s: float, because: str) -> None:
        self._settle(now_s)
        self._closed_until_s = max(self._closed_until_s or 0.0, now_s + for_s)
        self._because = because
        self._outcomes.clear()

    def _open(self, now_s: float) -> None:
        self._settle(now_s)
        self._closed_until_s = None
        self._because = ""
        self._few = False
        self._probe_wait_s = PROBE_WAIT_S
        self._opened_at_s = now_s


def _tolerance(rate: float) -> float:
    """Slots that a late wake may find beside its own."""
    return min(rate * LATE_S, max(1.0, rate * LATE_AT_LEAST_S))


def _clamped(close_s: float | None) -> float:
    """NaN and negative waits, which a header can be made to say, count as none."""
    return min(close_s, CLOSE_AT_MOST_S) if close_s is not None and close_s > 0 else 0.0
