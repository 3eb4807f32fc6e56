"""``connector orders``: orders read from the marketplace."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from connector.cli.options import DATE_FORMATS, Accounts, ConfigFile, loaded, output
from connector.operations import orders, poll, topic_contents
from connector.settings import convert
from streams.errors import SettingsError

orders_cli = typer.Typer(help="Orders read from the marketplace.", no_args_is_help=True)


@orders_cli.command("poll")
def poll_orders(
    config_file: ConfigFile = None,
    once: Annotated[bool, typer.Option("--once", help="Poll once, now; the regular polls continue.")] = False,
    account: Accounts = None,
    changed_from: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=DATE_FORMATS,
            help="Read again what changed since then (UTC); an unchanged order is not written again.",
        ),
    ] = None,
) -> None:
    """Request a poll from the process that polls the orders."""
    if not once:
        raise SettingsError("`connector run` polls regularly by itself; pass --once to request one poll now")
    settings = loaded(config_file).settings
    polled = convert.order_policy(settings).accounts
    unknown = sorted(set(account or ()) - polled)
    if unknown:
        raise SettingsError(f"not polled: {', '.join(unknown)}; polled accounts: {', '.join(sorted(polled))}")
    since_us = None if changed_from is None else int(changed_from.replace(tzinfo=UTC).timestamp() * 1_000_000)
    asked = sorted(account or polled)
    poll.request_polls(settings, asked, since_us)
    output().print(f"Requested a poll of {', '.join(asked)}; see /status of the process that polls for its outcome.")


@orders_cli.command("open")
def open_orders(config_file: ConfigFile = None) -> None:
    """List the orders with units still to be sent, oldest first, from the orders topic."""
    newest = orders.newest(topic_contents.order_records(loaded(config_file).settings))
    orders.show_open(output(), newest, int(datetime.now(UTC).timestamp() * 1_000_000))


@orders_cli.command("totals")
def order_totals(config_file: ConfigFile = None) -> None:
    """Print sales by day, account and currency, from the orders topic."""
    orders.show_totals(output(), orders.newest(topic_contents.order_records(loaded(config_file).settings)))
