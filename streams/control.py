"""The contract of a control topic: commands that every process of a group obeys, whichever partitions it owns.

A control topic is small, compacted and has one partition. Each process reads it as a whole at start and follows it,
outside the consumer group. No partition sends before the topic was read to its end once, so a restart does not forget
a command that is in force. What a command means is decided by the application (``CommandHandler``). The engine knows
three effects: keep certain wants from leaving, give lanes with pending work a turn, deliver messages to lanes. Pure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from streams.flow import Headers, Now, Told

Halted: TypeAlias = Callable[[str, str], bool]
"""Returns whether wants of this account and kind must not leave."""


def nothing_halted(_account: str, _kind: str) -> bool:
    """A ``Halted`` without commands in force: every want may leave."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRecord:
    """A record of the control topic; ``value`` None = a tombstone, which deletes the command with this key."""

    key: str
    value: bytes | None
    offset: int
    time_us: int  # the record's own timestamp
    headers: Headers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRead:
    """Records of the control topic, in order.

    ``anew``: all earlier records are void, because reading starts at the topic's beginning again (at start, and after
    the topic was deleted and created again). ``complete``: everything that was in the topic when reading started has
    been reported, or will not be for a while: the topic is missing or cannot be read, which was logged.
    """

    records: Sequence[ControlRecord] = ()
    anew: bool = False
    complete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlEffect:
    """What the engine does about records of the control topic.

    ``review``: every lane with pending work takes a turn (``Woken``) within seconds, because its rules have changed.

    ``halted`` replaces the condition under which wants must not leave; None leaves it as it is. It applies to the next
    call already; calls in flight are not affected. A halted want keeps its lane awake, so the flow should not return
    such wants from its next turns, which ``review`` brings about.

    ``tells`` are delivered to those of the named lanes that exist in partitions of this process.
    """

    review: bool = False
    halted: Halted | None = None
    tells: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class RulesChanged:
    """Rules that flows obey have changed outside the control topic, such as in a file: see ``ControlEffect.review``.

    From then on, the lanes of a partition that is assigned are reviewed as well, if they wait for something.
    """


class CommandHandler(Protocol):
    """Implemented by the application. Called from the engine thread only."""

    def apply(self, read: ControlRead, now: Now) -> ControlEffect:
        """Applies records. Must not raise for any contents: what cannot be read is logged and ignored."""
        ...

    def tells(self, now: Now) -> tuple[Told, ...]:
        """Returns the messages of all commands in force, for the lanes of a partition that was assigned just now.

        Its previous owner may have delivered some of them, so lanes must recognise a message that they got before.
        """
        ...
