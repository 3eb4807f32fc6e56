"""Prints commands: what they cover, and what becomes of what they held."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Column, Table

from connector.contracts.event_time import moment
from connector.controls.commands import CommandScope, ControlCommand, ControlKind, ControlState
from connector.operations.controls.giving import how_ended

_EVERYTHING: Final[Mapping[ControlKind, str]] = {
    ControlKind.STOP_WRITES: "all writes",
    ControlKind.RESEND: "a resend",
    ControlKind.VERIFY: "a comparison",
    ControlKind.GUARD: "everything that guard rails held",
}
"""What a command that names no field covers, other than every change."""


def show_given(console: Console, command: ControlCommand) -> None:
    """Prints a new hold or pause, and how it ends."""
    _print(console, f"{command.command_id} holds {covered(command)} until {_end(command)}.")
    _print(console, f"Events that it holds have a result with status HELD and held_by {command.command_id}.")
    _print(console, f"connector hold release {command.command_id} sends the newest values;")
    _print(console, f"connector hold drop {command.command_id} discards them.")


def show_ended(console: Console, command: ControlCommand, now_us: int) -> None:
    """Prints how a hold or pause ended, and what becomes of what it held."""
    state = command.state_at(now_us)
    _print(console, f"{command.command_id} {how_ended(command, state)}.")
    if command.kind is ControlKind.STOP_WRITES:
        _print(console, "What waited is sent, the newest values only.")
    elif state is ControlState.DROPPED:
        _print(console, "Changes that it covers and that were pending end as SUPPRESSED (HOLD_DROPPED).")
    else:
        _print(console, "The newest values that it held are sent, unless another command holds them.")


def show_decision(console: Console, command: ControlCommand) -> None:
    """Prints a decision on what guard rails hold."""
    rails = ", ".join(command.guards) or "guard rails"
    places = ", ".join(_places(command.scope))
    held = f"what {rails} held{f' of {places}' if places else ''} until {moment(command.changed_at_us or 0)}"
    if command.state is ControlState.DROPPED:
        _print(console, f"{command.command_id} drops {held}: it ends as SUPPRESSED (GUARD_DROPPED).")
    else:
        _print(console, f"{command.command_id} releases {held}: the newest values are sent, unless a hold covers them.")
    _print(console, "What comes later is judged anew.")


def show_still_stopped(console: Console, others: Sequence[ControlCommand]) -> None:
    """Prints the commands that go on stopping the writes that were just resumed."""
    for command in others:
        _print(console, f"{command.command_id} still stops {covered(command)} until it is released.")


def show_list(console: Console, commands: Sequence[ControlCommand], now_us: int) -> None:
    """Prints commands as a table."""
    table = Table(Column("id", no_wrap=True), "covers", "reason", "by", "since", "until")
    for command in commands:
        state = command.state_at(now_us)
        until = _end(command) if state is ControlState.IN_FORCE else how_ended(command, state)
        table.add_row(
            command.command_id,
            covered(command),
            command.reason,
            command.issued_by,
            moment(command.issued_at_us),
            until,
        )
    if commands:
        console.print(table)
    _print(console, f"{len(commands)} command{'' if len(commands) == 1 else 's'}.")


def show_stopped(console: Console, command: ControlCommand) -> None:
    """Prints a command that stops writes."""
    _print(console, f"{command.command_id} has stopped {covered(command)} since {moment(command.issued_at_us)}.")
    _print(console, "Events are read, merged and looked up as before; what they change waits.")
    account = f" --account {command.scope.accounts[0]}" if command.scope.accounts else ""
    _print(console, f"connector writes resume{account} ends it.")


def document(command: ControlCommand, now_us: int) -> dict[str, Any]:
    """Returns a command as ``--json`` prints it; ``state`` is the present one."""
    scope = command.scope
    return {
        "command_id": command.command_id,
        "kind": command.kind.value,
        "state": command.state_at(now_us).value,
        "scope": {
            "accounts": list(scope.accounts),
            "target_ids": list(scope.target_ids),
            "storefronts": list(scope.storefronts),
            "eans": list(scope.eans),
            "attributes": dict(scope.attributes),
            "fields": list(scope.fields),
        },
        "guards": list(command.guards),
        "reason": command.reason,
        "issued_by": command.issued_by,
        "issued_at": moment(command.issued_at_us),
        "expires_at": None if command.expires_at_us is None else moment(command.expires_at_us),
        "changed_by": command.changed_by,
        "changed_at": None if command.changed_at_us is None else moment(command.changed_at_us),
    }


def covered(command: ControlCommand) -> str:
    """Describes what a command covers: ``price of target shop-de, brand=Y``."""
    scope = command.scope
    everything = _EVERYTHING.get(command.kind, "every change")
    fields = ", ".join(field.replace("_", " ") for field in scope.fields) or everything
    places = ", ".join(_places(scope))
    return f"{fields} of {places}" if places else fields


def _places(scope: CommandScope) -> list[str]:
    return [
        *(f"account {account}" for account in scope.accounts),
        *(f"target {target}" for target in scope.target_ids),
        *(f"storefront {storefront}" for storefront in scope.storefronts),
        *(f"EAN {ean}" for ean in scope.eans),
        *(f"{name}={value}" for name, value in sorted(scope.attributes.items())),
    ]


def _end(command: ControlCommand) -> str:
    return "it is released" if command.expires_at_us is None else moment(command.expires_at_us)


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
