"""Waiting without a deadline: a wait fails when nothing has moved for long, not when it takes long.

A busy machine makes everything slow; only what stands still is broken.
"""

import time
from collections.abc import Callable

STILL_S = 300.0
"""So long may nothing move. Without anything that can be seen to move, it is the longest a wait may take."""


class StoodStill(Exception):
    """What was waited for did not come, and nothing moved towards it."""


def until(
    what: str,
    true: Callable[[], bool],
    *,
    progress: Callable[[], object] | None = None,
    still_s: float = STILL_S,
    every_s: float = 0.1,
) -> None:
    """Ask ``true()`` every ``every_s`` seconds until it holds.

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
