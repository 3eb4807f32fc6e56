"""``connector push``: subscriptions to the marketplace's notifications."""

from typing import Annotated

import typer

from connector.cli.options import Accounts, ConfigFile, finish, loaded, output
from connector.operations import push, push_inputs

push_cli = typer.Typer(help="Subscriptions to the marketplace's notifications.", no_args_is_help=True)


@push_cli.command("list")
def list_subscriptions(config_file: ConfigFile = None, account: Accounts = None) -> None:
    """List the subscriptions; exit code 1 where the marketplace has disabled one that leads to this connector."""
    with push_inputs.open_subscriptions(loaded(config_file).settings, account or ()) as (marketplace, urls):
        finish(good=push.show(output(), marketplace, urls))


@push_cli.command("subscribe")
def subscribe(
    email: Annotated[str, typer.Option(help="Address that the marketplace writes to when it disables a subscription.")],
    config_file: ConfigFile = None,
    account: Accounts = None,
    storefront: Annotated[
        list[str] | None, typer.Option(help="Default: the storefronts of the account's targets.")
    ] = None,
    event: Annotated[list[str] | None, typer.Option(help="Default: the events that trigger a poll.")] = None,
) -> None:
    """Subscribe [push] public_url to events. The receiver must be running: the marketplace verifies it with a call."""
    settings = loaded(config_file).settings
    with push_inputs.open_subscriptions(settings, account or ()) as (marketplace, urls):
        wanted = push_inputs.wanted_subscriptions(settings, urls, storefront or (), event or ())
        finish(good=push.subscribe(output(), marketplace, urls, wanted, email))


@push_cli.command("repair")
def repair_subscriptions(
    config_file: ConfigFile = None,
    account: Accounts = None,
    move: Annotated[
        bool, typer.Option("--move", help="Also change subscriptions with another address to this connector's.")
    ] = False,
) -> None:
    """Enable subscriptions that the marketplace has disabled; polls read what was missed meanwhile."""
    with push_inputs.open_subscriptions(loaded(config_file).settings, account or ()) as (marketplace, urls):
        finish(good=push.repair(output(), marketplace, urls, move=move))
