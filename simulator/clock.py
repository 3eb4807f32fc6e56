"""This machine's clocks."""

import time

from simulator.exchange import Moment


def read_clocks() -> Moment:
    return Moment(mono_us=time.monotonic_ns() // 1000, wall_us=time.time_ns() // 1000)
