"""``connector push``: subscriptions to the marketplace's notifications."""

from typing import Annotated

import typer

from connector.cli.options import Accounts, AsJson, ConfigFile, finish, loaded, output
from connector.operations import push, push_inputs
from connector.operations.json_output import show_json

push_cli = typer.Typer(help="Subscriptions to the marketplace's notifications.", no_args_is_help=True)


@push_cli.command("list")
def list_subscriptions(config_file: ConfigFile = None, account: Accounts = None, as_json: AsJson = False) -> None:
    """List the subscriptions of the accounts, also those that lead elsewhere.

    Exit code: 0 if none that leads to this connector is disabled; 1 if one is, or the marketplace does not answer; 2 if
    the command line or the configuration must be changed.

    Example: connector push list --account main
    """
    with push_inputs.open_subscriptions(loaded(config_file).settings, account or ()) as (marketplace, urls):
        found = push.listed(marketplace, urls)
    if as_json:
        show_json(output(), push.document(found))
    else:
        push.show(output(), found)
    finish(good=all(one.is_good for one in found))


@push_cli.command("subscribe")
def subscribe(
    email: Annotated[str, typer.Option(help="Address that the marketplace writes to when it disables a subscription.")],
    config_file: ConfigFile = None,
    account: Accounts = None,
    storefront: Annotated[
        list[str] | None, typer.Option(help="Default: the storefronts of the account's targets.")
    ] = None,
    event: Annotated[list[str] | None, typer.Option(help="Default: the events that trigger a poll.")] = None,
    as_json: AsJson = False,
) -> None:
    """Subscribe [push] public_url to events. The receiver must be running: the marketplace verifies it with a call.

    Exit code: 0 if every subscription leads to this connector and is active, also if it was before; 1 if one is not, or
    the marketplace refuses it or does not answer; 2 if the command line or the configuration must be changed.

    Example: connector push subscribe --email ops@shop.example
    """
    settings = loaded(config_file).settings
    with push_inputs.open_subscriptions(settings, account or ()) as (marketplace, urls):
        wanted = push_inputs.wanted_subscriptions(settings, urls, storefront or (), event or ())
        outcomes = push.subscribe(marketplace, urls, wanted, email)
        finish(good=push.show_outcomes(output(), outcomes, as_json=as_json, nothing="Nothing is to be subscribed."))


@push_cli.command("repair")
def repair_subscriptions(
    config_file: ConfigFile = None,
    account: Accounts = None,
    move: Annotated[
        bool, typer.Option("--move", help="Also change subscriptions with another address to this connector's.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Enable subscriptions that the marketplace has disabled; polls read what was missed meanwhile.

    Exit code: 0 if they are active now, or if none was disabled; 1 if one is not, or the marketplace does not answer; 2
    if the command line or the configuration must be changed.

    Example: connector push repair
    """
    nothing = "No subscription that leads here is disabled."
    with push_inputs.open_subscriptions(loaded(config_file).settings, account or ()) as (marketplace, urls):
        outcomes = push.repair(marketplace, urls, move=move)
        finish(good=push.show_outcomes(output(), outcomes, as_json=as_json, nothing=nothing))
