"""Detects a sink whose call to the broker does not return: replace it once, stop the process the second time. Pure.

A client's call has a time-out, and there are states in which it does not keep it (librdkafka issues 5456 and 5511: a
transaction's offsets, when the coordinator's broker goes). Its thread then hangs inside the client; nothing becomes
durable any more, the lease ends, nothing is sent. A new producer mends that. A second one that hangs before anything
has become durable shows that it does not, and the process must stop rather than look as if it worked.
"""

from enum import Enum, auto
from typing import Final

AGAIN: Final = 0.25  # of the time that a call may take: seen late for so long once more before it is given up


class SinkAction(Enum):
    FINE = auto()
    REPLACE = auto()
    STOP = auto()


class SinkWatch:
    def __init__(self, hangs_after_s: float) -> None:
        self._hangs_after_s = hangs_after_s
        self._late: tuple[float, float] | None = None  # since when the call runs, and when it was first found late
        self._replaced = False

    def look(self, calling_since_s: float | None, now_s: float) -> SinkAction:
        """Found late twice: a process that was frozen finds a call that is late, and its answer right behind."""
        if calling_since_s is None or now_s - calling_since_s < self._hangs_after_s:
            self._late = None
        elif self._late is None or self._late[0] != calling_since_s:
            self._late = calling_since_s, now_s
        elif now_s - self._late[1] >= AGAIN * self._hangs_after_s:
            return self._given_up()
        return SinkAction.FINE

    def became_durable(self) -> None:
        """The sink works."""
        self._replaced = False

    def _given_up(self) -> SinkAction:
        self._late = None
        if self._replaced:
            return SinkAction.STOP
        self._replaced = True
        return SinkAction.REPLACE
