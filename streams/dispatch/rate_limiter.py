"""Rate limiter of one account and process: decides when the next call may leave.

Guarantee: in any one second, the limiters of all processes together let no more calls leave than the ceiling times the
sum of their shares, plus a margin of at most two calls per process (``MARGIN``). Slots accrue with time, at ``ceiling x
share x factor``, and each call takes a whole one. Slots that accrue while there are no calls are forfeited, except for
a tolerance for a loop that wakes a few milliseconds late. When a share moves from one process to another, no accrued
slot moves with it: each process accrues from its own last slot.

``strict`` makes the guarantee hold for an API that counts calls by arrival, too: a slot is held from ``take`` until 1 s
after the answer, when the call has left every window of one second. Only whole slots count, so a share below one call
per second sends nothing.

Below the ceiling, the factor halves on 429 and climbs back. Retry-After, 401 and outages take precedence: they close
the account until a given time; then one call is sent as a probe, whose answer opens the account, or closes it again for
longer.

Pure: all times are arguments, in seconds on the monotonic clock.
"""

from collections import deque
from dataclasses import dataclass
from math import floor, inf, sqrt

from streams.policy import Pace

MARGIN = 2  # calls above ceiling x share in one second: one that had accrued before it, and one of tolerance
LATE_S = 0.020  # a wake this late loses no slot, as long as that is no more than one slot ...
LATE_AT_LEAST_S = 0.005  # ... or, above 200 calls/s, five milliseconds' worth: no loop wakes more precisely

RECOVERY_S = 15.0  # for the factor, from 0 to 1
HALVE_EVERY_S = 1.0  # calls in flight at the first 429 are answered with 429 too; together they halve the factor once
WINDOW_S = 1.0  # the marketplace counts calls per sliding second

CLOSE_AT_MOST_S = 300.0  # whatever Retry-After says
PROBE_WAIT_S = 1.0  # after a failed probe, doubled up to ...
PROBE_WAIT_AT_MOST_S = 30.0

OUTAGE_WITHIN_S = 10.0  # an outage: at least half of the calls answered within this time failed, ...
OUTAGE_CALLS_AT_LEAST = 8  # ... if there were at least this many
OUTAGE_CALLS_AT_MOST = 20  # only the last ones count: with many calls, more would delay the detection
FEW_IN_A_ROW = 3  # with fewer calls, this many failures in a row, however long ago, count as an outage ...
FEW_PROBE_WAIT_AT_MOST_S = 5.0  # ... but may be one item's own fault, so the next probe, with other items, comes soon

_ROUNDING = 1e-9  # of a slot


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """A call that was taken and is not answered."""

    at_s: float
    probe: bool


class RateLimiter:
    """The rate limiter of one account in one process. Used by the engine thread only."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._share = 0.0
        # slots accrued at the time ``_at_s``, and the factor then; values at later times are computed from these
        self._at_s = 0.0
        self._accrued = 0.0
        self._factor = 1.0
        self._halved_at_s = -inf
        # closed and probing
        self._closed_until_s: float | None = None
        self._because = ""
        self._few = False  # closed because of ``FEW_IN_A_ROW``
        self._probe_wait_s = PROBE_WAIT_S
        self._probe: str | None = None  # id of the call in flight that is the probe
        self._opened_at_s = -inf
        self.reserved_until_s = -inf  # until then the rest of the quota is reserved for priority 0
        # calls that have left
        self._in_flight: dict[str, _Taken] = {}
        self._held_until_s: deque[float] = deque()  # strict: until when answered calls hold their slots, in order
        self._left_at_s: deque[float] = deque()  # within the last second
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=OUTAGE_CALLS_AT_MOST)  # answered at, failed

    # ---- queries ------------------------------------------------------------------------------------------------

    @property
    def ceiling(self) -> float:
        """This process's share of the configured calls per second, whatever the answers were."""
        return self._pace.per_second * self._share

    @property
    def probing(self) -> bool:
        """Whether a probe is in flight, whose answer opens or closes the account."""
        return self._probe is not None

    def is_open(self, now_s: float) -> bool:  # noqa: ARG002 - time alone never opens it, only a probe
        """Whether it is neither closed nor waiting for a probe, whatever pace and share are."""
        return self._closed_until_s is None

    def is_shut(self, now_s: float) -> bool:
        """Whether it is closed and not even a probe may leave now."""
        if self._closed_until_s is None:
            return False
        return self._probe is not None or now_s < self._closed_until_s

    def ready_at(self, now_s: float) -> float:
        """Returns when the next call may leave, ``now_s`` at the earliest.

        ``inf``: not before something else happens (a share is set, a probe or a call that holds a slot is answered).
        """
        if self._probe is not None:
            return inf
        return max(now_s, self._slot_at(now_s), self._closed_until_s or 0.0, self._free_at(now_s))

    def rate(self, now_s: float) -> float:
        """Returns how many calls per second may leave now; 0 while closed."""
        return self.open_rate(now_s) if self.is_open(now_s) else 0.0

    def open_rate(self, now_s: float) -> float:
        """Returns how many calls per second may leave at the present pace while the account is open.

        It is also the limit of a probe, which leaves while the account is closed.
        """
        return self.ceiling * self._factor_at(now_s)

    def tokens_left(self, now_s: float) -> int:
        """Returns how many more calls could have left in the second that ends now, at the present rate."""
        left = sum(1 for at_s in self._left_at_s if at_s > now_s - WINDOW_S)
        return max(0, floor(self.rate(now_s)) - left)

    def state(self, now_s: float) -> str:
        """Returns the state in words, for people."""
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
            return f"share of {self.ceiling:.2f}/s is under one call a second, too small for strict"
        if self._free_at(now_s) > now_s:
            return f"strict: all {self._slots()} slots held"
        if self._factor_at(now_s) < 1:
            return f"open at {self.rate(now_s):.1f}/s of {self.ceiling:.1f}/s, climbing"
        return f"open at {self.rate(now_s):.1f}/s"

    # ---- changes ------------------------------------------------------------------------------------------------

    def set_share(self, share: float, now_s: float) -> None:
        """Sets this process's share of the ceiling; keeps accrued slots. Raises ValueError outside 0 to 1."""
        if not 0 <= share <= 1 + _ROUNDING:
            raise ValueError(f"share must be in [0, 1], got {share}")
        self._settle(now_s)
        self._share = min(share, 1.0)

    def take(self, now_s: float, call_id: str) -> None:
        """Takes a slot for a call. Raises ``ValueError`` when it may not leave yet (see ``ready_at``)."""
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
        """Applies the answer to a call; every call that was taken is answered once, at its deadline at the latest.

        ``slow_down``: 429. ``failed``: for reasons unrelated to its items. ``close_s``: close for this many seconds
        (Retry-After or 401), clamped. ``because``: why it closes. ``reserve_until_s``: until when the rest of the quota
        is reserved for priority 0, clamped; this does not limit ``take``. ``left`` False: the call was never sent.
        Raises ``ValueError`` for a call that was not taken.
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
        elif taken.at_s >= self._opened_at_s:  # else it left before the probe that reopened the account
            self._learn(now_s, failed=failed, left=left, for_s=for_s, because=because)

    # ---- slots --------------------------------------------------------------------------------------------------

    def _recovery_left_s(self) -> float:
        """Returns the seconds from ``_at_s`` until the factor is 1; 0 while closed, because it does not climb then."""
        return (1.0 - self._factor) * RECOVERY_S if self._closed_until_s is None else 0.0

    def _factor_at(self, now_s: float) -> float:
        return self._factor + min(max(0.0, now_s - self._at_s), self._recovery_left_s()) / RECOVERY_S

    def _accrued_at(self, now_s: float) -> float:
        """Returns the slots accrued at a time: the integral of the rate, which first climbs and then is constant."""
        past_s = max(0.0, now_s - self._at_s)
        recovery_s = min(past_s, self._recovery_left_s())
        level = self._factor_at(now_s)
        area = self._factor * recovery_s + recovery_s**2 / (2 * RECOVERY_S) + level * (past_s - recovery_s)
        return min(self._accrued + self.ceiling * area, 1.0 + _tolerance(self.ceiling * level))

    def _slot_at(self, now_s: float) -> float:
        """Returns when a whole slot has accrued: the inverse of ``_accrued_at``."""
        if self._accrued_at(now_s) >= 1.0 - _ROUNDING:
            return now_s
        if self._share == 0:
            return inf
        area = (1.0 - self._accrued) / self.ceiling
        recovery_s = self._recovery_left_s()
        recovered = self._factor * recovery_s + recovery_s**2 / (2 * RECOVERY_S)
        if area < recovered:
            return self._at_s + 2 * area / (self._factor + sqrt(self._factor**2 + 2 * area / RECOVERY_S))
        return self._at_s + recovery_s + (area - recovered) / (self._factor + recovery_s / RECOVERY_S)

    def _settle(self, now_s: float) -> None:
        """Moves ``_at_s``, from which all later values are computed, to ``now_s``; needed before a rate changes."""
        self._accrued, self._factor = self._accrued_at(now_s), self._factor_at(now_s)
        self._at_s = max(self._at_s, now_s)

    def _slots(self) -> int:
        """Returns the number of whole slots (strict)."""
        return floor(self.ceiling + _ROUNDING)

    def _free_at(self, now_s: float) -> float:
        """Returns when a slot is free (strict); ``inf`` while only calls in flight, whose end is unknown, hold them."""
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
        """Halves the factor, at most once in ``HALVE_EVERY_S`` and not below the floor."""
        if now_s < self._halved_at_s + HALVE_EVERY_S:
            return
        self._settle(now_s)
        self._halved_at_s = now_s
        self._factor = max(self._factor / 2, min(1.0, self._pace.floor_per_second / self._pace.per_second))

    def _learn(self, now_s: float, *, failed: bool, left: bool, for_s: float, because: str) -> None:
        """Applies the outcome of a call that was not a probe: closes on request, or on an outage."""
        if left or failed:
            self._outcomes.append((now_s, failed))
        if for_s > 0:
            self._close(now_s, for_s, because)
        elif self._closed_until_s is None and self._outage(now_s):
            self._few = len(self._recent(now_s)) < OUTAGE_CALLS_AT_LEAST
            self._close(now_s, PROBE_WAIT_S, because or "most of the recent calls failed")

    def _outage(self, now_s: float) -> bool:
        """Whether the recent outcomes are an outage (see the ``OUTAGE_...`` and ``FEW_...`` constants)."""
        recent = self._recent(now_s)
        if len(recent) >= OUTAGE_CALLS_AT_LEAST:
            return 2 * sum(recent) >= len(recent)
        last = [failed for _, failed in self._outcomes][-FEW_IN_A_ROW:]
        return len(last) == FEW_IN_A_ROW and all(last)

    def _recent(self, now_s: float) -> list[bool]:
        return [failed for at_s, failed in self._outcomes if at_s > now_s - OUTAGE_WITHIN_S]

    def _judge_probe(self, now_s: float, *, refused: bool, left: bool, for_s: float, because: str) -> None:
        """Applies the outcome of a probe: opens, or closes again with a wait that doubles each time. A probe that was
        not sent changes nothing."""
        self._probe = None
        if refused:
            self._close(now_s, max(for_s, self._probe_wait_s), because or self._because)
            at_most_s = FEW_PROBE_WAIT_AT_MOST_S if self._few else PROBE_WAIT_AT_MOST_S
            self._probe_wait_s = min(2 * self._probe_wait_s, at_most_s)
        elif left:
            self._open(now_s)
        # else it was never sent and proved nothing: the next call is a probe again

    def _close(self, now_s: float, for_s: float, because: str) -> None:
        """Closes for at least this long; never shortens a longer close."""
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
    """Returns the slots above one that may accrue, so that a late wake loses none."""
    return min(rate * LATE_S, max(1.0, rate * LATE_AT_LEAST_S))


def _clamped(close_s: float | None) -> float:
    """Returns ``close_s``, at most ``CLOSE_AT_MOST_S``; 0 for NaN and negative values, which a header may contain."""
    return min(close_s, CLOSE_AT_MOST_S) if close_s is not None and close_s > 0 else 0.0
