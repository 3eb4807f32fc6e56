"""``connector orders``: orders read from the marketplace."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from connector.cli.options import DATE_FORMATS, Accounts, AsJson, ConfigFile, loaded, output
from connector.operations import orders, poll, topic_contents
from connector.operations.json_output import show_json
from connector.operations.progress import counted
from connector.settings import convert
from streams.clock import SystemClock
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
    as_json: AsJson = False,
) -> None:
    """Request a poll from the process that polls the orders, without waiting for its outcome.

    Exit code: 0 if the polls are requested; 1 if orders are disabled or the request cannot be written; 2 if the command
    line or the configuration must be changed.

    Example: connector orders poll --once --from 2026-01-31
    """
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
    if as_json:
        show_json(output(), {"requested": asked})
    else:
        output().print(
            f"Requested a poll of {', '.join(asked)}; see /status of the process that polls for its outcome."
        )


@orders_cli.command("open")
def open_orders(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the orders with units still to be sent, oldest first, from the orders topic.

    Exit code: 0 if the topic was read, also if no order is open; 1 if orders are disabled or the topic cannot be read;
    2 if the configuration must be changed.

    Example: connector orders open --json
    """
    waiting = orders.waiting_orders(_newest(config_file))
    if as_json:
        show_json(output(), orders.open_document(waiting))
    else:
        orders.show_open(output(), waiting, SystemClock().now().wall_us)


@orders_cli.command("totals")
def order_totals(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Print sales by day, account and currency, from the orders topic; cancelled units are left out.

    Exit code: 0 if the topic was read; 1 if orders are disabled or the topic cannot be read; 2 if the configuration
    must be changed.

    Example: connector orders totals --json
    """
    sums = orders.totals(_newest(config_file))
    if as_json:
        show_json(output(), orders.totals_document(sums))
    else:
        orders.show_totals(output(), sums)


def _newest(config_file: Path | None) -> list[orders.OrderRecord]:
    return orders.newest(counted(topic_contents.order_records(loaded(config_file).settings), "orders read"))
