"""When a process that ended is started again. Pure."""

from typing import Final

FIRST_S: Final = 1.0
MOST_S: Final = 60.0
STABLE_S: Final = 120.0
"""A process that ran for this long was healthy: the next end counts as its first."""


class RestartDelay:
    """The wait before a process is started again: it doubles with each end soon after a start, up to a minute."""

    def __init__(self) -> None:
        self._next_s = FIRST_S

    def after(self, ran_s: float) -> float:
        """Returns the seconds to wait after a process has ended that ran for ``ran_s``."""
        wait_s = FIRST_S if ran_s >= STABLE_S else self._next_s
        self._next_s = min(MOST_S, 2 * wait_s)
        return wait_s
