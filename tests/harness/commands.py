"""Commands for tests: given, released and dropped without a topic."""

from dataclasses import dataclass, field, replace
from typing import Any

from connector.controls.commands import CommandScope, ControlCommand, ControlKind, ControlState
from connector.controls.in_force import CommandsInForce, Controls
from streams.control import ControlEffect, ControlRead, ControlRecord
from streams.flow import BadRecord, NotYet, Now


@dataclass(slots=True)
class CommandDesk:
    """A ``CommandSource`` whose commands a test gives; every change goes through ``Controls``, as in a process."""

    now_us: int
    commands: dict[str, ControlCommand] = field(default_factory=dict)
    controls: Controls = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Reads all commands again, as a new process does."""
        self.controls = Controls(self._decode, lambda record, why: None)
        records = tuple(self._record(command_id, command_id.encode()) for command_id in self.commands)
        self.controls.apply(ControlRead(records=records, anew=True, complete=True), self._now)

    @property
    def in_force(self) -> CommandsInForce:
        return self.controls.in_force

    def give(self, command_id: str = "hold-1", *, for_us: int | None = None, **other: Any) -> ControlEffect:
        """Gives a command, by default a hold. Restrictions of the scope are given by their names."""
        kind = other.pop("kind", ControlKind.HOLD)
        reason, issued_by = other.pop("reason", "wrong price list"), other.pop("issued_by", "anna")
        return self.put(
            ControlCommand(
                command_id=command_id,
                kind=kind,
                state=ControlState.IN_FORCE,
                scope=CommandScope(**other),
                reason=reason,
                issued_by=issued_by,
                issued_at_us=self.now_us,
                expires_at_us=None if for_us is None else self.now_us + for_us,
            )
        )

    def release(self, command_id: str = "hold-1") -> ControlEffect:
        return self._change(command_id, ControlState.RELEASED)

    def drop(self, command_id: str = "hold-1") -> ControlEffect:
        return self._change(command_id, ControlState.DROPPED)

    def remove(self, command_id: str = "hold-1") -> ControlEffect:
        """Removes a command by a tombstone."""
        del self.commands[command_id]
        return self._apply(command_id, b"")

    def _change(self, command_id: str, state: ControlState) -> ControlEffect:
        known = self.commands[command_id]
        return self.put(replace(known, state=state, changed_by="bert", changed_at_us=self.now_us))

    def put(self, command: ControlCommand) -> ControlEffect:
        self.commands[command.command_id] = command
        return self._apply(command.command_id, command.command_id.encode())

    def _apply(self, key: str, value: bytes) -> ControlEffect:
        return self.controls.apply(ControlRead(records=(self._record(key, value),)), self._now)

    def _record(self, key: str, value: bytes) -> ControlRecord:
        return ControlRecord(key=key, value=value or None, offset=0, time_us=self.now_us)

    def _decode(self, value: bytes) -> ControlCommand | BadRecord | NotYet:
        return self.commands[value.decode()]

    @property
    def _now(self) -> Now:
        return Now(mono_s=self.now_us / 1e6, wall_us=self.now_us)
