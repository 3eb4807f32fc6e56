"""Detects a sink whose call to the broker does not return: replace it once, stop the process the second time. Pure.

Calls of the client have time-outs, but in some states the client does not keep them (librdkafka issues 5456 and 5511:
sending a transaction's offsets when the coordinator's broker goes down). The sink thread then hangs inside the client:
nothing becomes durable any more, the lease expires and nothing is sent. A new producer usually resolves that. If the
new one hangs too before anything has become durable, it does not, and the process must stop rather than seem healthy.
"""

from enum import Enum, auto
from typing import Final

AGAIN: Final = 0.25  # after the first look that finds a call late, wait for this part of the limit and look again


class SinkAction(Enum):
    """What to do about a sink: nothing, replace it, or stop the process."""

    FINE = auto()
    REPLACE = auto()
    STOP = auto()


class SinkWatch:
    """Watches how long the current call of a sink takes."""

    def __init__(self, hangs_after_s: float) -> None:
        self._hangs_after_s = hangs_after_s
        self._late: tuple[float, float] | None = None  # when the call started, and when it was first found late
        self._replaced = False

    def look(self, calling_since_s: float | None, now_s: float) -> SinkAction:
        """Returns what to do about a call that started at ``calling_since_s`` (None = no call is running).

        A call must be found late twice: after a freeze of the process it may look late although its answer is there.
        """
        if calling_since_s is None or now_s - calling_since_s < self._hangs_after_s:
            self._late = None
        elif self._late is None or self._late[0] != calling_since_s:
            self._late = calling_since_s, now_s
        elif now_s - self._late[1] >= AGAIN * self._hangs_after_s:
            return self._given_up()
        return SinkAction.FINE

    def became_durable(self) -> None:
        """Records that a checkpoint became durable: the next sink that hangs is replaced again."""
        self._replaced = False

    def _given_up(self) -> SinkAction:
        self._late = None
        if self._replaced:
            return SinkAction.STOP
        self._replaced = True
        return SinkAction.REPLACE
