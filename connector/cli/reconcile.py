"""``connector reconcile``: sweeps of the units, at once and how far they are."""

from collections.abc import Collection
from typing import Annotated

import typer

from connector.cli.options import AsJson, ConfigFile, finish, loaded, output
from connector.operations import poll
from connector.operations.call_progress import ProgressLine
from connector.operations.json_output import show_json
from connector.operations.reconcile import showing
from connector.operations.reconcile.asking import wait
from connector.operations.reconcile.standing import standing
from connector.operations.reconcile.sweep_tail import open_sweeps
from connector.operations.reconcile.sweeps import Place
from connector.settings import convert
from connector.settings.model import Settings
from streams.clock import SystemClock
from streams.errors import SettingsError, Stopped

reconcile_cli = typer.Typer(help="Sweeps, which read all units of the marketplace.", no_args_is_help=True)

SweptAccounts = Annotated[list[str] | None, typer.Option("--account", help="Only this account; repeatable.")]
SweptStorefronts = Annotated[
    list[str] | None, typer.Option("--storefront", help="Only this storefront, such as de; repeatable.")
]


@reconcile_cli.command("now")
def sweep_now(
    config_file: ConfigFile = None,
    account: SweptAccounts = None,
    storefront: SweptStorefronts = None,
    waits: Annotated[bool, typer.Option("--wait", help="Return when the sweeps have ended, and show them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask the process that sweeps to begin at once; the regular sweeps go on afterwards, an interval later.

    A sweep that is under way began before the command, so another one follows it. A sweep's calls are in the
    background and delay no event: `connector reconcile status` says how many there are, and how long they take.

    Exit code: 0 if the sweeps were asked for and, with --wait, have ended; 1 if not; 2 if the command line or the
    configuration must be changed.

    Example: connector reconcile now --storefront de --wait
    """
    settings = loaded(config_file).settings
    places = _places(settings, account, storefront)
    if not waits:
        asked = _ask(settings, places)
        if as_json:
            show_json(output(), {"asked": _documents(asked)})
        else:
            output().print(f"Asked for a sweep of {_names(places)}. connector reconcile status shows how far it is.")
        return
    with open_sweeps(settings) as sweeps, ProgressLine() as line:
        asked = _ask(settings, places)
        wait(asked, sweeps, line)
    _show(settings, places, {"asked": _documents(asked)} if as_json else None)


@reconcile_cli.command("status")
def show_status(
    config_file: ConfigFile = None,
    account: SweptAccounts = None,
    storefront: SweptStorefronts = None,
    as_json: AsJson = False,
) -> None:
    """Show the sweeps of each account and storefront: the last complete one, what runs, what is due, what it costs.

    Answers from the topics alone: the scheduler's state, and the drift that the sweeps have found.

    Exit code: 0 if every sweep is in order; 1 if there is none that is complete, a page fails, a sweep is overdue or
    stands still, or the topics cannot be read; 2 if the command line or the configuration must be changed.

    Example: connector reconcile status --account main --json
    """
    settings = loaded(config_file).settings
    finish(good=_show(settings, _places(settings, account, storefront), {} if as_json else None))


def _show(settings: Settings, places: Collection[Place], document: dict[str, object] | None) -> bool:
    """Shows the sweeps: as JSON together with ``document``, as tables if that is None. Returns whether all is good."""
    found, now_us = standing(settings, places), SystemClock().now().wall_us
    if document is not None:
        show_json(output(), document | {"sweeps": [showing.document(one, now_us) for one in found]})
    else:
        showing.show(output(), found, now_us)
    return all(one.is_good(now_us) for one in found)


def _ask(settings: Settings, places: Collection[Place]) -> dict[Place, int]:
    """Asks for a sweep of each place; returns the offsets of the commands."""
    codecs = poll.command_codecs(settings)
    return {place: poll.request_sweep(settings, codecs, *place) for place in places}


def _documents(asked: dict[Place, int]) -> list[dict[str, object]]:
    return [
        {"account": account, "storefront": storefront, "offset": offset}
        for (account, storefront), offset in asked.items()
    ]


def _places(settings: Settings, accounts: list[str] | None, storefronts: list[str] | None) -> list[Place]:
    """Returns the swept accounts and storefronts that the options leave. Raises Stopped, SettingsError."""
    if not settings.reconcile.enabled:
        raise Stopped("nothing is swept. Remedy: [reconcile] enabled = true")
    swept = sorted(convert.sweep_policy(settings).places)
    chosen = [
        (account, storefront)
        for account, storefront in swept
        if (not accounts or account in accounts) and (not storefronts or storefront in storefronts)
    ]
    asked = {*(accounts or ()), *(storefronts or ())}
    if unknown := sorted(asked - {name for place in chosen for name in place}):
        raise SettingsError(f"not swept: {', '.join(unknown)}; swept: {_names(swept)}")
    return chosen


def _names(places: Collection[Place]) -> str:
    return ", ".join("/".join(place) for place in places)
