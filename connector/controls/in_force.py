"""The commands that are in force in this process, as the topic of controls says. Every partition obeys them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from connector.controls.commands import COMPARING, ControlCommand, ControlKind, ControlState, ScopedField, Verify
from connector.marketplace.call_kinds import CallKind
from streams.control import ControlEffect, ControlRead, ControlRecord
from streams.flow import BadRecord, NotYet, Now, Told
from streams.frozen import replace

ReportIgnored: TypeAlias = Callable[[ControlRecord, str], None]
"""Reports a record of the topic that is ignored, and why."""

ReportRead: TypeAlias = Callable[[ControlCommand], None]
"""Reports a command that this process obeys from now on, in its present state."""

_WRITING: Final = frozenset(kind.value for kind in CallKind if kind.writes)
_HOLDING: Final = frozenset({ControlKind.HOLD, ControlKind.PAUSE})
_OF_OTHERS: Final = COMPARING | {ControlKind.REPLAY}
"""What does not change the rules for pending work."""


@dataclass(frozen=True, slots=True)
class DroppedHold:
    """A hold or pause that was dropped, and when: by this process's clock if it was there, else as the command says."""

    command: ControlCommand
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandsInForce:
    """The commands at one moment. A turn works with one such snapshot."""

    by_id: Mapping[str, ControlCommand] = field(default_factory=dict)  # all of them, in whatever state
    holds: tuple[ControlCommand, ...] = ()  # holds and pauses in force, oldest first; some may have expired since
    stops: tuple[ControlCommand, ...] = ()  # that stop writes
    drops: tuple[DroppedHold, ...] = ()  # oldest command first
    guards: tuple[ControlCommand, ...] = ()  # decisions on what guard rails hold, newest first
    replays: tuple[ControlCommand, ...] = ()  # oldest first; some may be paused
    deleted: frozenset[str] = frozenset()  # ids of commands that a tombstone has deleted, as far as this process saw it

    def hold_of(self, changed: ScopedField, now_us: int) -> ControlCommand | None:
        """Returns the oldest hold or pause that covers a field of an event; None if there is none."""
        for command in self.holds:
            if command.state_at(now_us) is ControlState.IN_FORCE and command.scope.covers(changed):
                return command
        return None

    def decision_on(self, guard: str, held_since_us: int, changed: ScopedField) -> ControlCommand | None:
        """Returns the newest decision on a field that a guard rail holds, of an event read at ``held_since_us``."""
        for command in self.guards:
            if command.decides(guard, held_since_us) and command.scope.covers(changed):
                return command
        return None

    def state_of(self, command_id: str, now_us: int) -> ControlState:
        """Returns what has become of a command; one that is expired or not known counts as RELEASED."""
        command = self.by_id.get(command_id)
        return command.state_at(now_us) if command is not None else ControlState.RELEASED

    def stops_writes(self, account: str, kind: str) -> bool:
        """Whether calls of this kind would change something at the marketplace, and must not leave for this account.

        Of the scope of such a command, only the accounts count.
        """
        if not self.stops or kind.partition(":")[0] not in _WRITING:
            return False
        return any(not command.scope.accounts or account in command.scope.accounts for command in self.stops)


NO_COMMANDS: Final = CommandsInForce()


class CommandSource(Protocol):
    """Where flows find the commands in force."""

    @property
    def in_force(self) -> CommandsInForce: ...


class NoControls:
    """A ``CommandSource`` without commands, for a process without a topic of controls."""

    @property
    def in_force(self) -> CommandsInForce:
        return NO_COMMANDS


@dataclass(frozen=True, slots=True)
class FixedCommands:
    """A ``CommandSource`` with commands that do not change."""

    in_force: CommandsInForce


class Controls:
    """The table of commands: a ``streams.control.Control``, and the ``CommandSource`` of the flows.

    Used in the engine's thread only. While the topic is read from its beginning, the commands known before stay in
    force until it was read to its end; otherwise a command that was released long ago would hold for a moment.
    """

    def __init__(
        self,
        decode: Callable[[bytes], ControlCommand | BadRecord | NotYet],
        report_ignored: ReportIgnored,
        report_read: ReportRead = lambda _command: None,
    ) -> None:
        """``decode`` reads a record's value. ``report_read`` is called for each command that is new or has changed; of
        those that had ended before this process read them, for none."""
        self._decode = decode
        self._report_ignored = report_ignored
        self._report_read = report_read
        self._commands: dict[str, ControlCommand] = {}  # by record key
        self._drops: dict[str, DroppedHold] = {}  # by command id
        self._deleted: set[str] = set()  # ids; the record's key, too, because the command may not be known
        self._anew: dict[str, ControlCommand] | None = None  # read from the topic's beginning, not to its end yet
        self._in_force = NO_COMMANDS

    @property
    def in_force(self) -> CommandsInForce:
        return self._in_force

    def apply(self, read: ControlRead, now: Now) -> ControlEffect:
        """Updates the table. A record that this version cannot read changes nothing: it is reported and ignored."""
        if read.anew:
            self._anew = {}
        table = self._commands if self._anew is None else self._anew
        for record in read.records:
            self._put(table, record)
        if self._anew is not None:
            if not read.complete:
                return ControlEffect()
            self._commands, self._anew = self._anew, None
        before, known = self._in_force, list(self._commands.values())
        self._drops = dict(self._dropped(known, now.wall_us))
        self._in_force = replace(_in_force(known, self._drops.values()), deleted=frozenset(self._deleted))
        self._report(before, now.wall_us)
        return _effect(before, self._in_force, now.wall_us)

    def _report(self, before: CommandsInForce, now_us: int) -> None:
        for command_id, command in self._in_force.by_id.items():
            known = before.by_id.get(command_id)
            if command != known and (known is not None or command.state_at(now_us) is ControlState.IN_FORCE):
                self._report_read(command)

    def tells(self, now: Now) -> tuple[Told, ...]:
        """Returns the messages of every comparison in force; a lane that has begun it ignores its message."""
        return tuple(_told(self._in_force.by_id.values(), now.wall_us))

    def _dropped(self, known: Iterable[ControlCommand], now_us: int) -> Iterator[tuple[str, DroppedHold]]:
        """Yields the drops by command id. The clock of who dropped a command is trusted only if nobody else's is there:
        a clock that is ahead would have later changes dropped as well."""
        for command in known:
            if command.state is not ControlState.DROPPED or command.kind not in _HOLDING:
                continue
            before = self._in_force.by_id.get(command.command_id)
            if (drop := self._drops.get(command.command_id)) is not None and drop.command == command:
                yield command.command_id, drop
            elif before is not None and before.state is ControlState.IN_FORCE:
                yield command.command_id, DroppedHold(command, now_us)
            else:
                yield command.command_id, DroppedHold(command, min(now_us, command.changed_at_us or now_us))

    def _put(self, table: dict[str, ControlCommand], record: ControlRecord) -> None:
        if record.value is None:
            self._deleted.update(_ids(record, table.pop(record.key, None) or self._commands.get(record.key)))
            return
        self._deleted.difference_update(_ids(record, self._commands.get(record.key)))
        command = self._decode(record.value)
        if isinstance(command, BadRecord | NotYet):
            self._report_ignored(record, command.text)
        elif command.kind is ControlKind.UNKNOWN or command.state is ControlState.UNKNOWN:
            self._report_ignored(record, "its kind or state is of a newer version of the connector")
        else:
            self._deleted.discard(command.command_id)
            table[record.key] = command


def _ids(record: ControlRecord, command: ControlCommand | None) -> set[str]:
    """Returns the names that a record's command may have. The record has one key format, and commands another."""
    return {record.key} if command is None else {record.key, command.command_id}


def in_force_at(commands: Iterable[ControlCommand], now_us: int) -> CommandsInForce:
    """Returns what is in force to somebody who has read these commands for the first time."""
    known = list(commands)
    dropped = (command for command in known if command.state is ControlState.DROPPED and command.kind in _HOLDING)
    return _in_force(known, [DroppedHold(command, min(now_us, command.changed_at_us or now_us)) for command in dropped])


def _in_force(commands: Iterable[ControlCommand], drops: Iterable[DroppedHold]) -> CommandsInForce:
    known = sorted(commands, key=lambda command: (command.issued_at_us, command.command_id))
    active = [command for command in known if command.state is ControlState.IN_FORCE]
    return CommandsInForce(
        by_id={command.command_id: command for command in known},
        holds=tuple(command for command in active if command.kind in _HOLDING),
        stops=tuple(command for command in active if command.kind is ControlKind.STOP_WRITES),
        replays=tuple(command for command in active if command.kind is ControlKind.REPLAY),
        guards=tuple(command for command in reversed(known) if command.kind is ControlKind.GUARD),
        drops=tuple(sorted(drops, key=lambda drop: (drop.command.issued_at_us, drop.command.command_id))),
    )


def _effect(before: CommandsInForce, after: CommandsInForce, now_us: int) -> ControlEffect:
    """Returns what changes: lanes are told of comparisons that begin or end, and reviewed after any other change."""
    new = (command for command_id, command in after.by_id.items() if command_id not in before.by_id)
    ended = tuple(_told_of_end(before, after, now_us))
    changed = any(
        before.by_id.get(command_id) != after.by_id.get(command_id)
        and _kind(command_id, before, after) not in _OF_OTHERS
        for command_id in before.by_id.keys() | after.by_id.keys()
    )
    halted = after.stops_writes if before.stops != after.stops else None
    return ControlEffect(review=changed, halted=halted, tells=(*_told(new, now_us), *ended))


def _told(commands: Iterable[ControlCommand], now_us: int) -> Iterator[Told]:
    """Yields the messages of those commands that are comparisons in force, to each of their EANs."""
    for command in commands:
        if command.kind in COMPARING and command.state_at(now_us) is ControlState.IN_FORCE:
            yield from (Told(lane=ean, message=Verify(command=command)) for ean in command.scope.eans)


def _told_of_end(before: CommandsInForce, after: CommandsInForce, now_us: int) -> Iterator[Told]:
    """Yields the messages of comparisons that a person has ended, so that what is left of them ends at once."""
    for command in before.by_id.values():
        now = after.by_id.get(command.command_id)
        if command.kind not in COMPARING or command.state is not ControlState.IN_FORCE:
            continue
        if now is None or now.state_at(now_us) is not ControlState.IN_FORCE:
            over = now or replace(command, state=ControlState.RELEASED)
            yield from (Told(lane=ean, message=Verify(command=over)) for ean in command.scope.eans)


def _kind(command_id: str, before: CommandsInForce, after: CommandsInForce) -> ControlKind:
    return (after.by_id.get(command_id) or before.by_id[command_id]).kind
