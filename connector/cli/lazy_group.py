"""A group of the command line that imports a command when it is asked for.

Importing all of the connector takes longer than most commands need for their work.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command is: the name of a function or of a ``typer.Typer`` in a module."""

    module: str
    attribute: str
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the command's context


class LazyGroup(TyperGroup):
    """A group of commands by name; a subclass names them."""

    lazy: Mapping[str, LazyCommand]

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Returns the names in the order of the table."""
        return list(self.lazy)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Imports the command; returns None if there is none of this name."""
        if cmd_name not in self.commands and cmd_name in self.lazy:
            self.commands[cmd_name] = _imported(cmd_name, self.lazy[cmd_name])
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Imports all commands where the name is unknown, so that the error can propose another one."""
        if args and args[0] not in self.lazy:
            for name in self.lazy:
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)


def _imported(name: str, lazy: LazyCommand) -> Any:
    found = getattr(import_module(lazy.module), lazy.attribute)
    holder = typer.Typer(rich_markup_mode="markdown")  # wraps paragraphs, and leaves [brackets] as they are
    holder.callback()(_nothing)
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        holder.command(name, context_settings=dict(lazy.settings))(found)
    return typer.main.get_group(holder).commands[name]


def _nothing() -> None:
    """Makes a group of a single command."""
