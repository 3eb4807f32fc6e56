"""``connector config``: the effective configuration."""

from typing import Annotated

import typer

from connector import configuration
from connector.cli.options import AsJson, ConfigFile, loaded, output
from connector.operations import config, routing
from connector.operations.json_output import show_json
from connector.operations.routing_topic import open_routing_topic

config_cli = typer.Typer(help="The effective configuration.", no_args_is_help=True)


@config_cli.command("show")
def show_config(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Print every effective setting; secrets are shown as fingerprints.

    Exit code: 0 if the configuration is valid; 2 if it must be changed.

    Example: connector config show --config connector.toml
    """
    effective = loaded(config_file)
    if as_json:
        show_json(output(), config.document(effective))
    else:
        config.show(output(), effective)


@config_cli.command("routing")
def show_routing(
    config_file: ConfigFile = None,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Accept changed target ids as configured; until then, run refuses to start."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the effective routing table: the account and storefront of each target_id.

    Exit code: 0 if the configuration is valid and, with --accept, its routing is accepted; 1 if that cannot be written;
    2 if the configuration must be changed.

    Example: connector config routing --accept
    """
    settings = loaded(config_file).settings
    table, group = configuration.routing(settings), settings.kafka.group
    if not as_json:
        config.show_routing(output(), table)
    changed = None
    if accept:
        with open_routing_topic(settings) as topic:
            changed = routing.accept(topic, group, table)
    if as_json:
        show_json(output(), {"targets": config.routing_document(table), "accepted_changes": changed})
    elif changed is not None:
        routing.show_accepted(output(), group, table, changed)
