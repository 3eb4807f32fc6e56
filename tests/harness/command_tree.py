"""The commands of the command line, found by walking its tree, and whether words are a command."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperGroup

from connector.cli.main import cli


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafCommand:
    """A command that is not a group. ``name``: such as ``hold add``."""

    name: str
    command: Any

    @property
    def help(self) -> str:
        return self.command.help or ""

    @property
    def options(self) -> frozenset[str]:
        return frozenset(option for parameter in self.command.params for option in parameter.opts)


def leaf_commands() -> Iterator[LeafCommand]:
    """Yields every command that is not a group, in the order of the help."""
    yield from _leaves((), typer.main.get_command(cli))


def _leaves(path: tuple[str, ...], command: Any) -> Iterator[LeafCommand]:
    if not isinstance(command, TyperGroup):
        yield LeafCommand(name=" ".join(path), command=command)
        return
    context = typer.Context(command)
    for name in command.list_commands(context):
        yield from _leaves((*path, name), command.get_command(context, name))


def refusal(words: list[str]) -> str:
    """Returns why the words after ``connector`` are no command with valid options; "" if they are one."""
    command: Any = typer.main.get_command(cli)
    path = "connector"
    while isinstance(command, TyperGroup):
        found = command.get_command(typer.Context(command), words[0]) if words else None
        if found is None:
            return f"{path} {' '.join(words[:1])}: no such command"
        command, path, words = found, f"{path} {words[0]}", words[1:]
    try:
        command.make_context(path, list(words))
    except Exception as error:  # noqa: BLE001 - a command that is refused for any reason can't be run
        return f"{path}: {error}"
    return ""
