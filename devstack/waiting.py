"""Waits for progress instead of a deadline: a wait fails only when nothing has changed for a long time.

A busy machine is slow, which is no failure; a lack of progress is.
"""

import time
from collections.abc import Callable

STILL_S = 300.0
"""Seconds without progress before a wait fails. For a wait without ``progress``, its total time-out."""


class StoodStill(Exception):
    """A wait made no progress for too long."""


def until(
    what: str,
    true: Callable[[], bool],
    *,
    progress: Callable[[], object] | None = None,
    still_s: float = STILL_S,
    every_s: float = 0.1,
) -> None:
    """Calls ``true()`` every ``every_s`` seconds until it returns true.

    ``progress()`` is whatever changes on the way there: a count, a position, a text; it is asked for once a second at
    most. Raises ``StoodStill`` with ``what`` and the last progress when that has been the same for ``still_s`` seconds.
    """
    last = progress() if progress is not None else None
    moved_s = looked_s = time.monotonic()
    while not true():
        time.sleep(every_s)
        now_s = time.monotonic()
        if progress is not None and now_s - looked_s >= min(1.0, still_s):
            looked_s, before, last = now_s, last, progress()
            moved_s = moved_s if last == before else now_s
        if now_s - moved_s > still_s:
            stood = f", which stood at: {last}" if progress is not None else ""
            raise StoodStill(f"waited for {what}: nothing moved for {still_s:.0f} s{stood}")
