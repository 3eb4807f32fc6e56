"""The command line's root: the table of commands and groups, and how errors become exit codes.

Exit codes: 0 success, 1 a check or the command failed, 2 the configuration or the command line must be changed.
"""

from collections.abc import Mapping
from typing import Annotated, Final

import typer
from rich.console import Console

from connector import logs
from connector.cli.exit_codes import FAILED, MISUSED
from connector.cli.lazy_group import LazyCommand, LazyGroup
from connector.operations import release
from streams.errors import SettingsError, StreamError

FORWARDED: Final = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""For commands that parse their own arguments, --help included."""

COMMANDS: Final[Mapping[str, LazyCommand]] = {
    "match-report": LazyCommand("connector.cli.going_live", "report_matches"),
    "explain": LazyCommand("connector.cli.going_live", "explain_event"),
    "shadow": LazyCommand("connector.cli.shadow", "shadow_cli"),
    "why": LazyCommand("connector.cli.why", "why"),
    "not-found": LazyCommand("connector.cli.not_found", "not_found"),
    "units": LazyCommand("connector.cli.units", "units"),
    "reconcile": LazyCommand("connector.cli.reconcile", "reconcile_cli"),
    "pause": LazyCommand("connector.cli.controls", "pause"),
    "resume": LazyCommand("connector.cli.controls", "resume"),
    "resend": LazyCommand("connector.cli.resend", "resend_values"),
    "run": LazyCommand("connector.cli.running", "run_command"),
    "check": LazyCommand("connector.cli.running", "check_command"),
    "topics": LazyCommand("connector.cli.running", "topics_command"),
    "simulate": LazyCommand("connector.cli.running", "simulate", FORWARDED),
    "demo": LazyCommand("connector.cli.running", "demo", FORWARDED),
    "schemas": LazyCommand("connector.cli.schemas", "schemas_cli"),
    "config": LazyCommand("connector.cli.config", "config_cli"),
    "contracts": LazyCommand("connector.cli.contracts", "contracts_cli"),
    "state": LazyCommand("connector.cli.state", "state_cli"),
    "orders": LazyCommand("connector.cli.orders", "orders_cli"),
    "push": LazyCommand("connector.cli.push", "push_cli"),
    "dlq": LazyCommand("connector.cli.dlq", "dlq_cli"),
    "hold": LazyCommand("connector.cli.controls", "hold_cli"),
    "writes": LazyCommand("connector.cli.controls", "writes_cli"),
    "guard": LazyCommand("connector.cli.guards", "guard_cli"),
    "replay": LazyCommand("connector.cli.replay", "replay_cli"),
}


class ConnectorCommands(LazyGroup):
    """The commands of the connector."""

    lazy = COMMANDS


cli = typer.Typer(
    cls=ConnectorCommands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they print local variables, keys among them
    add_completion=False,
    rich_markup_mode="markdown",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo("\n".join(release.installed()))
        raise typer.Exit


@cli.callback()
def options_of_all(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print version, commit and lock digest, and exit."
        ),
    ] = False,
) -> None:
    """Applies offer changes, shipments and order polls from Kafka to the Kaufland Marketplace, and writes results."""


def main() -> None:
    """Runs the installed command."""
    try:
        cli()
    except StreamError as error:
        if not logs.log_final_error(error):
            errors = Console(stderr=True)
            errors.print(logs.SCRUBBER.clean(str(error)), markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(MISUSED if isinstance(error, SettingsError) else FAILED) from None
