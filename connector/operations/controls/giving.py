"""Gives and ends commands in the name of a person."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from connector.contracts.event_time import moment
from connector.contracts.microseconds import us
from connector.controls.commands import CommandScope, ControlCommand, ControlKind, ControlState, ReplayRequest
from streams.errors import Stopped
from streams.frozen import replace

HOLDING: Final = frozenset({ControlKind.HOLD, ControlKind.PAUSE})

_PREFIXES: Final = {
    ControlKind.HOLD: "hold",
    ControlKind.PAUSE: "pause",
    ControlKind.STOP_WRITES: "stop",
    ControlKind.RESEND: "resend",
    ControlKind.VERIFY: "verify",
    ControlKind.GUARD: "guard",
    ControlKind.REPLAY: "replay",
}
_ENDED: Final = {ControlState.RELEASED: "released", ControlState.DROPPED: "dropped"}
_SECOND_US: Final = 1_000_000


class CommandTopic(Protocol):
    """Where commands are kept. Raises SourceFailed or SinkFailed if the broker does not respond."""

    def commands(self) -> Sequence[ControlCommand]:
        """Returns every command, oldest first."""
        ...

    def write(self, command: ControlCommand) -> None:
        """Writes a command, or a new state of it."""
        ...


class CommandAuthor:
    """Gives and ends commands in the name of a person.

    ``by`` is that person; ``new_id`` returns the random part of a command's id. Times are rounded to whole seconds.
    """

    def __init__(self, topic: CommandTopic, *, by: str, now_us: int, new_id: Callable[[], str]) -> None:
        self._topic = topic
        self._by = by
        self._now_us = now_us - now_us % _SECOND_US
        self._exact_us = now_us
        self._new_id = new_id

    def give(
        self,
        kind: ControlKind,
        scope: CommandScope,
        *,
        reason: str,
        for_s: float | None = None,
        command_id: str | None = None,
        replay: ReplayRequest | None = None,
    ) -> ControlCommand:
        """Writes a new command and returns it.

        ``for_s``: seconds until it expires; None: it does not. ``command_id`` None: it gets a new one.
        """
        command = ControlCommand(
            command_id=command_id or f"{_PREFIXES[kind]}-{self._new_id()}",
            kind=kind,
            state=ControlState.IN_FORCE,
            scope=scope,
            reason=reason,
            issued_by=self._by,
            issued_at_us=self._now_us,
            expires_at_us=None if for_s is None else self._now_us + us(for_s),
            replay=replay,
        )
        self._topic.write(command)
        return command

    def decide(
        self, state: ControlState, guards: tuple[str, ...], scope: CommandScope, *, reason: str
    ) -> ControlCommand:
        """Writes a decision on what guard rails hold now, RELEASED or DROPPED, and returns it.

        ``guards``: their names; empty: all of them.
        """
        command = ControlCommand(
            command_id=f"{_PREFIXES[ControlKind.GUARD]}-{self._new_id()}",
            kind=ControlKind.GUARD,
            state=state,
            scope=scope,
            guards=guards,
            reason=reason,
            issued_by=self._by,
            issued_at_us=self._exact_us,
            changed_by=self._by,
            changed_at_us=self._now_us,
        )
        self._topic.write(command)
        return command

    def change(self, command: ControlCommand) -> ControlCommand:
        """Writes a new form of a command in force, such as a replay that is paused now, and returns it."""
        changed = replace(command, changed_by=self._by, changed_at_us=self._now_us)
        self._topic.write(changed)
        return changed

    def commands(self) -> Sequence[ControlCommand]:
        """Returns every command, oldest first."""
        return self._topic.commands()

    def find(self, command_id: str) -> ControlCommand:
        """Returns a hold or pause. Raises Stopped if there is none with this id."""
        for command in self._topic.commands():
            if command.command_id == command_id and command.kind in HOLDING:
                return command
        raise Stopped(f"there is no hold or pause {command_id}. `connector hold list --all` shows every command")

    def end(self, command: ControlCommand, state: ControlState) -> ControlCommand:
        """Releases or drops a command that is in force, and returns it; one that has ended so already is left as it is.

        Raises Stopped for a command that has ended otherwise.
        """
        found = command.state_at(self._now_us)
        if found is state:
            return command
        if found is not ControlState.IN_FORCE:
            raise Stopped(f"{command.command_id} cannot be {_ENDED[state]} any more: it {how_ended(command, found)}")
        ended = replace(command, state=state, changed_by=self._by, changed_at_us=self._now_us)
        self._topic.write(ended)
        return ended

    def in_force(self, kind: ControlKind) -> list[ControlCommand]:
        """Returns the commands of a kind that are in force, oldest first."""
        return [
            command
            for command in self._topic.commands()
            if command.kind is kind and command.state_at(self._now_us) is ControlState.IN_FORCE
        ]


def how_ended(command: ControlCommand, state: ControlState) -> str:
    """Says how a command ended that is in this state: ``was released by anna at ...``, ``expired at ...``."""
    if command.changed_by is not None and command.changed_at_us is not None:
        return f"was {_ENDED[state]} by {command.changed_by} at {moment(command.changed_at_us)}"
    return "is over" if command.expires_at_us is None else f"expired at {moment(command.expires_at_us)}"
