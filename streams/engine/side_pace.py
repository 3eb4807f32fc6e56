"""The pace at which a process gives lanes turns for side inputs. Pure.

Side inputs have no rate of their own: without a limit they would fill the engine's time and every checkpoint, and live
events would wait for both. Turns are given out in lots, so that the engine is not woken for each.

The rate falls while the process is overloaded. The sign of it is that the engine asks for turns later than they were
ready: its thread had other work, or no processor. The rate is then halved, and rises to its limit again within seconds
of steps in time, as TCP does with its window.
"""

from math import inf
from typing import Final

LOT: Final = 3
"""The fewest turns that are given out at once."""
LATE_S: Final = 0.05
"""How late a step may be: the loop polls for 5 ms, and a step with much live input takes some tens of milliseconds."""
LEAST_SHARE: Final = 0.02
"""The smallest part of the rate: a side input moves on however busy the process is."""
_HALVED_EVERY_S: Final = 0.5
_RISES_IN_S: Final = 10.0
_ROUNDING: Final = 1e-6


class SidePace:
    """``per_second``: turns at most; a pause saves up at most ``most`` of them. inf = no limit."""

    def __init__(self, per_second: float, most: int) -> None:
        self._limit = self._per_second = per_second
        self._most = most
        self._saved = float(most)
        self._at_s: float | None = None
        self._expected_s = inf
        self._halved_s = -inf

    @property
    def per_second(self) -> float:
        """The present rate in turns a second."""
        return self._per_second

    def allowed(self, now_s: float) -> int:
        """Returns how many turns may be given now: none, or at least ``LOT``."""
        if self._at_s is not None and self._limit < inf:
            self._adapt(now_s, now_s - self._at_s)
            self._saved = min(self._most, self._saved + (now_s - self._at_s) * self._per_second)
        self._at_s = now_s
        turns = int(self._saved + _ROUNDING)
        return turns if turns >= LOT else 0

    def expect(self, now_s: float) -> None:
        """The engine will ask again when turns are ready, and has work for them; after ``took``."""
        self._expected_s = self.ready_at_s(now_s)

    def pause(self) -> None:
        """The engine will not ask by time alone, because there is nothing to give turns for, or no room."""
        self._expected_s = inf

    def _adapt(self, now_s: float, passed_s: float) -> None:
        if now_s - self._expected_s <= LATE_S:
            self._per_second = min(self._limit, self._per_second + passed_s * self._limit / _RISES_IN_S)
        elif now_s - self._halved_s >= _HALVED_EVERY_S:
            self._halved_s = now_s
            self._per_second = max(LEAST_SHARE * self._limit, self._per_second / 2)

    def took(self, turns: int) -> None:
        """Takes turns that were given; after ``allowed``."""
        if self._limit < inf:
            self._saved -= turns

    def ready_at_s(self, now_s: float) -> float:
        """Returns when turns are allowed again; ``now_s`` if they are."""
        missing = LOT - self._saved
        return now_s if missing <= _ROUNDING else max(now_s, (self._at_s or now_s) + missing / self._per_second)
