"""``connector config``: the effective configuration."""

from typing import Annotated

import typer

from connector import configuration, connections
from connector.cli.options import ConfigFile, loaded, output
from connector.operations import config, routing

config_cli = typer.Typer(help="The effective configuration.", no_args_is_help=True)


@config_cli.command("show")
def show_config(config_file: ConfigFile = None) -> None:
    """Print every effective setting; secrets are shown as fingerprints."""
    config.show(output(), loaded(config_file))


@config_cli.command("routing")
def show_routing(
    config_file: ConfigFile = None,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Accept changed target ids as configured; until then, run refuses to start."),
    ] = False,
) -> None:
    """Print the effective routing table: the account and storefront of each target_id."""
    settings = loaded(config_file).settings
    table = configuration.routing(settings)
    config.show_routing(output(), table)
    if accept:
        routing.accept(output(), connections.accepted_routing(settings), settings.kafka.group, table)
