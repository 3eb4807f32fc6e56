"""``connector schemas``: the Avro schemas in the schema registry."""

import typer

from connector import connections
from connector.cli.options import AsJson, ConfigFile, finish, loaded, output
from connector.operations import schemas
from connector.settings import convert

schemas_cli = typer.Typer(help="The Avro schemas in the schema registry.", no_args_is_help=True)


@schemas_cli.command("register")
def register_schemas(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Register the newest version of every schema. No other command registers schemas.

    Exit code: 0 if the registry has them, also if it had them before; 1 if it refuses one or does not answer; 2 if the
    configuration must be changed.

    Example: connector schemas register
    """
    settings = loaded(config_file).settings
    names, avro_keys = convert.topics(settings), convert.avro_keys(settings)
    with connections.registry(settings, at_least_s=connections.REGISTERING_S) as registry:
        finish(good=schemas.register(output(), registry, names, avro_keys=avro_keys, as_json=as_json))


@schemas_cli.command("check")
def check_schemas(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check that the registry has the schemas that this version needs, and that it can read those of its inputs.

    Exit code: 0 if it has and can; 1 if not, or the registry does not answer; 2 if the configuration must be changed.

    Example: connector schemas check --json
    """
    settings = loaded(config_file).settings
    names, avro_keys = convert.topics(settings), convert.avro_keys(settings)
    with connections.registry(settings) as registry:
        finish(good=schemas.check(output(), registry, names, avro_keys=avro_keys, as_json=as_json))
