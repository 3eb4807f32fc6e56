"""What the commands of the command line share: options, exit codes, the loaded configuration, the console."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from connector import configuration
from connector.cli.exit_codes import FAILED
from connector.settings.environment import CONFIG_FILE
from connector.settings.load import Loaded

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar=CONFIG_FILE, help="TOML file; environment variables CONNECTOR__... override."
    ),
]
Accounts = Annotated[
    list[str] | None, typer.Option("--account", help="Default: every account whose orders are polled.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]
DATE_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]


def loaded(config_file: Path | None) -> Loaded:
    """Loads the configuration. Raises SettingsError with all of its problems."""
    return configuration.load_settings(config_file, os.environ, datetime.now(UTC))


def output() -> Console:
    """Returns a console as wide as the terminal; without a terminal, one wide enough for a table."""
    console = Console()
    return console if console.is_terminal else Console(width=200)


def finish(*, good: bool) -> None:
    """Ends the command: exit code 0 if ``good``, else ``FAILED``."""
    raise typer.Exit(0 if good else FAILED)
