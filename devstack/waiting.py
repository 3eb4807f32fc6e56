"""Waits for conditions without fixed deadlines: a wait fails only when nothing has changed for a long time.

So a test does not fail because the machine is busy and slow.
"""

import time
from collections.abc import Callable

STILL_S = 300.0
"""Seconds without progress before a wait fails. For a wait without ``progress``, the total time-out."""


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

    ``progress()`` returns any value that changes along the way, such as a count, a position or a text; it is called at
    most once a second. Raises ``StoodStill`` with ``what`` and the last progress when it has not changed for
    ``still_s`` seconds.
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
