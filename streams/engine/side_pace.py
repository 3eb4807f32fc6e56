"""The pace at which a process gives lanes turns for side inputs. Pure.

Side inputs have no rate of their own: without a limit they would fill the engine's time and every checkpoint, and live
events would wait for both. Turns are given out in lots, so that the engine is not woken for each.
"""

from math import inf
from typing import Final

LOT: Final = 10
"""The fewest turns that are given out at once."""
_ROUNDING: Final = 1e-6


class SidePace:
    """``per_second``: turns; a pause saves up at most ``most`` of them. inf = no limit."""

    def __init__(self, per_second: float, most: int) -> None:
        self._per_second = per_second
        self._most = most
        self._saved = float(most)
        self._at_s: float | None = None

    def allowed(self, now_s: float) -> int:
        """Returns how many turns may be given now: none, or at least ``LOT``."""
        if self._at_s is not None and self._per_second < inf:
            self._saved = min(self._most, self._saved + (now_s - self._at_s) * self._per_second)
        self._at_s = now_s
        turns = int(self._saved + _ROUNDING)
        return turns if turns >= LOT else 0

    def took(self, turns: int) -> None:
        """Takes turns that were given; after ``allowed``."""
        if self._per_second < inf:
            self._saved -= turns

    def ready_at_s(self, now_s: float) -> float:
        """Returns when turns are allowed again; ``now_s`` if they are."""
        missing = LOT - self._saved
        return now_s if missing <= _ROUNDING else max(now_s, (self._at_s or now_s) + missing / self._per_second)
