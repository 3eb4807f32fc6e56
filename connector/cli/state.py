"""``connector state``: the contents of the state topics."""

from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from connector import connections
from connector.cli.options import AsJson, ConfigFile, loaded, output
from connector.operations import digest, forget, topic_contents
from connector.operations.json_output import show_json
from connector.settings import convert

state_cli = typer.Typer(help="The contents of the state topics.", no_args_is_help=True)


@state_cli.command("digest")
def state_digest(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Print a digest of all offer states; a rebuild from the same events ends in the same digest.

    Exit code: 0 if the states were read; 1 if one cannot be read, or the topic cannot; 2 if the configuration must be
    changed.

    Example: connector state digest --json
    """
    settings = loaded(config_file).settings
    ordered_by = convert.offer_policy(settings).ordered_by
    digest.show(output(), topic_contents.offer_states(settings), ordered_by, as_json=as_json)


@state_cli.command("forget")
def forget_state(
    key: Annotated[
        str, typer.Argument(help="Key of the state record: an EAN, an order id, or the key as a message prints it.")
    ],
    config_file: ConfigFile = None,
    topic: Annotated[str | None, typer.Option(help="State topic, where several have the key.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete the state of one key, after printing what is lost. Stop every process of the group first.

    Exit code: 0 if it is deleted; 1 if the key has no state, the group has members, or you did not confirm; 2 if
    several topics have the key, or the command line or the configuration must be changed.

    Example: connector state forget 4006381333931
    """
    settings = loaded(config_file).settings
    group, broker = settings.kafka.group, connections.administration(settings)
    record = forget.chosen(forget.found(partial(topic_contents.state_records, settings), key), key, topic)
    if not as_json:
        forget.show(output(), record)
    elif not yes:
        forget.show(Console(stderr=True), record)
    forget.must_be_stopped(broker.members(group), group)
    if not yes:
        typer.confirm("Forget it?", abort=True, err=True)
    forget.write_tombstone(settings, record)
    forget.must_be_stopped(broker.members(group), group, started_meanwhile=True)
    if as_json:
        show_json(output(), forget.document(record))
        return
    output().print(
        f"Forgotten. The lane of {record.key!a} starts without state after the next start of the group.",
        markup=False,
        highlight=False,
    )
