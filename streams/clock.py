"""The machine's clocks."""

import time
from collections.abc import Callable
from typing import Final

from streams.flow import Now


def _uptime() -> Callable[[], float]:
    """Seconds that no step of the wall clock moves and that go on while the machine is suspended.

    ``time.monotonic`` stands still meanwhile on Linux (clock_gettime(2): CLOCK_BOOTTIME is CLOCK_MONOTONIC that counts
    suspension too). A lease measured with it would look valid to a machine that wakes up long after the broker gave its
    partitions to another. Where there is no such clock, ``time.monotonic`` has to do.
    """
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    if boottime is None:
        return time.monotonic
    try:
        time.clock_gettime(boottime)
    except OSError:  # a kernel or sandbox without it
        return time.monotonic
    return lambda: time.clock_gettime(boottime)


uptime_s: Final = _uptime()
"""The clock of every lease, deadline and wait, in every thread: moments of two different clocks cannot be compared."""


class SystemClock:
    """A ``ports.Clock``."""

    def now(self) -> Now:
        return Now(mono_s=uptime_s(), wall_us=time.time_ns() // 1000)
