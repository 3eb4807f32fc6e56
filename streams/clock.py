"""The machine's clocks."""

import time

from streams.flow import Now


class SystemClock:
    """A ``ports.Clock``."""

    def now(self) -> Now:
        return Now(mono_s=time.monotonic(), wall_us=time.time_ns() // 1000)
