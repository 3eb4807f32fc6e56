"""The machine's clocks: a monotonic one that includes suspension, and the wall clock."""

import time
from collections.abc import Callable
from typing import Final

from streams.flow import Now


def _uptime() -> Callable[[], float]:
    """Returns a clock in seconds that is not affected by steps of the wall clock and counts while the machine is
    suspended.

    On Linux ``time.monotonic`` stops during suspension (clock_gettime(2): CLOCK_BOOTTIME is CLOCK_MONOTONIC that also
    counts suspension). A lease measured with it would seem valid on a machine that resumes long after the broker has
    assigned its partitions to another. Where there is no such clock, ``time.monotonic`` is used.
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
"""The clock of every lease, deadline and wait, in every thread: times of two different clocks cannot be compared."""


class SystemClock:
    """The ``ports.Clock`` of a real run."""

    def now(self) -> Now:
        return Now(mono_s=uptime_s(), wall_us=time.time_ns() // 1000)
