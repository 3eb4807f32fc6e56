"""``connector state``: the contents of the state topics."""

from functools import partial
from typing import Annotated

import typer

from connector import connections
from connector.cli.options import ConfigFile, loaded, output
from connector.operations import digest, forget, topic_contents
from connector.settings import convert

state_cli = typer.Typer(help="The contents of the state topics.", no_args_is_help=True)


@state_cli.command("digest")
def state_digest(config_file: ConfigFile = None) -> None:
    """Print a digest of all offer states; a rebuild from the same events ends in the same digest."""
    settings = loaded(config_file).settings
    digest.show(output(), topic_contents.offer_states(settings), convert.offer_policy(settings).ordered_by)


@state_cli.command("forget")
def forget_state(
    key: Annotated[
        str, typer.Argument(help="Key of the state record: an EAN, an order id, or the key as a message prints it.")
    ],
    config_file: ConfigFile = None,
    topic: Annotated[str | None, typer.Option(help="State topic, where several have the key.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete the state of one key, after printing what is lost. Stop every process of the group first."""
    settings = loaded(config_file).settings
    group, broker = settings.kafka.group, connections.administration(settings)
    record = forget.chosen(forget.found(partial(topic_contents.state_records, settings), key), key, topic)
    forget.show(output(), record)
    forget.must_be_stopped(broker.members(group), group)
    if not yes:
        typer.confirm("Forget it?", abort=True)
    forget.write_tombstone(settings, record)
    forget.must_be_stopped(broker.members(group), group, started_meanwhile=True)
    output().print(
        f"Forgotten. The lane of {record.key!a} starts without state after the next start of the group.",
        markup=False,
        highlight=False,
    )
