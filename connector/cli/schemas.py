"""``connector schemas``: the Avro schemas in the schema registry."""

import typer

from connector import connections
from connector.cli.options import ConfigFile, finish, loaded, output
from connector.operations import schemas
from connector.settings import convert

schemas_cli = typer.Typer(help="The Avro schemas in the schema registry.", no_args_is_help=True)


@schemas_cli.command("register")
def register_schemas(config_file: ConfigFile = None) -> None:
    """Register the newest version of every schema. No other command registers schemas."""
    settings = loaded(config_file).settings
    with connections.registry(settings) as registry:
        names = convert.topics(settings)
        finish(good=schemas.register(output(), registry, names, avro_keys=convert.avro_keys(settings)))


@schemas_cli.command("check")
def check_schemas(config_file: ConfigFile = None) -> None:
    """Check that the registry has the schemas that this version needs; exit code 1 where it has not."""
    settings = loaded(config_file).settings
    with connections.registry(settings) as registry:
        names = convert.topics(settings)
        finish(good=schemas.check(output(), registry, names, avro_keys=convert.avro_keys(settings)))
