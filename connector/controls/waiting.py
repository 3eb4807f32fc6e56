"""What waits for a command to end: when to look at it again, and which wants must not leave meanwhile. Pure."""

from typing import Final

from connector.contracts.microseconds import us
from connector.controls.in_force import CommandsInForce
from streams.flow import Want

LOOK_AGAIN_S: Final = 3_600.0
"""A lane that waits for a command takes a turn this often. Every change of the commands brings about a turn at once, so
this only shows the engine that the lane is not forgotten."""


def looks_again_at_us(since_us: int, now_us: int) -> int:
    """Returns when to look again at what has waited since ``since_us``.

    The moments do not depend on ``now_us``, so that a turn in between does not change the lane's record.
    """
    every_us = us(LOOK_AGAIN_S)
    return now_us + every_us - (now_us - since_us) % every_us


def without_stopped(
    wants: tuple[Want, ...], wake_at_us: int | None, in_force: CommandsInForce, now_us: int
) -> tuple[tuple[Want, ...], int | None]:
    """Returns the wants of a turn without those that stopped writes keep back, and when to wake the lane."""
    free = tuple(want for want in wants if not in_force.stops_writes(want.account, want.kind))
    if len(free) == len(wants):
        return wants, wake_at_us
    since_us = min(want.since_us for want in wants if want not in free)
    again_us = looks_again_at_us(since_us, now_us)
    return free, again_us if wake_at_us is None else min(wake_at_us, again_us)
