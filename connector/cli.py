"""The command line: arguments, signals and exit codes, and nothing else.

Exit codes: 0 done, 1 something is not as it must be, 2 the configuration or the command line must be changed.
"""

import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from connector import app, logs
from connector.operations import check as checking
from connector.operations import config as configuration
from connector.operations import digest, push
from connector.operations import forget as forgetting
from connector.operations import orders as purchases
from connector.operations import routing as agreement
from connector.operations import schemas as contracts
from connector.operations import topics as topology
from connector.settings import convert
from connector.settings.environment import CONFIG_FILE
from connector.settings.load import Loaded, wants_json
from streams.errors import SettingsError, StreamError

FAILED = 1
MISUSED = 2

cli = typer.Typer(
    help="Keeps offers on the Kaufland Marketplace as an event backbone says they should be.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they print local variables, keys among them
    add_completion=False,
)
schemas_cli = typer.Typer(help="The Avro contracts in the schema registry.", no_args_is_help=True)
config_cli = typer.Typer(help="The effective configuration.", no_args_is_help=True)
state_cli = typer.Typer(help="What the state topics hold.", no_args_is_help=True)
orders_cli = typer.Typer(help="Orders that were brought in.", no_args_is_help=True)
cli.add_typer(schemas_cli, name="schemas")
cli.add_typer(config_cli, name="config")
cli.add_typer(state_cli, name="state")
cli.add_typer(orders_cli, name="orders")
push_cli = typer.Typer(help="Notifications that the marketplace sends.", no_args_is_help=True)
cli.add_typer(push_cli, name="push")

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar=CONFIG_FILE, help="TOML file; CONNECTOR__... in the environment overrides."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Of the dry run: its own group, instance and outputs.")]
MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""For commands with a command line of their own, --help included."""


def main() -> None:
    """Entry of the installed command."""
    try:
        cli()
    except StreamError as error:
        if not logs.last_words(error):
            errors = Console(stderr=True)
            errors.print(logs.SCRUBBER.clean(str(error)), markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(MISUSED if isinstance(error, SettingsError) else FAILED) from None


@cli.command()
def run(config: ConfigFile = None, dry_run: DryRun = False) -> None:
    """Consume, send, and write back what became of every event, until SIGTERM or SIGINT."""
    if wants_json(config, os.environ):
        logs.configure(level="info", form="json")
    loaded = _loaded(config)
    logs.configure(level=loaded.settings.log.level, form=loaded.settings.log.format)
    app.run(loaded, dry_run=dry_run)


@cli.command()
def check(config: ConfigFile = None) -> None:
    """Say everything that can be known before going live; exit code 1 when something failed."""
    with app.questions(_loaded(config)) as parts:
        _exit(good=checking.report(_output(), checking.check(parts)))


@cli.command()
def topics(
    config: ConfigFile = None,
    dry_run: DryRun = False,
    compare: Annotated[
        bool, typer.Option("--check", help="Compare with the broker; exit code 1: run refuses.")
    ] = False,
    create: Annotated[bool, typer.Option("--create", help="Create what is missing, change nothing else.")] = False,
    partitions: Annotated[int, typer.Option(min=1, help="Of an input that is not there, and of outputs.")] = 8,
    replication: Annotated[int | None, typer.Option(min=1, help="Default: the broker's own.")] = None,
    principal: Annotated[
        str | None, typer.Option(help="For the printed permissions; default: the configured sasl.username.")
    ] = None,
    instances: Annotated[
        str | None, typer.Option(help="What all instance ids begin with; default: this one, without its number.")
    ] = None,
) -> None:
    """Print the manifest of topics and permissions; compare or create only when asked."""
    live = _loaded(config).settings
    settings = convert.dry_run(live) if dry_run else live
    names = convert.topics(settings)
    if create:
        broker = app.administration(settings)
        _exit(good=topology.create(_output(), broker, names, partitions=partitions, replication=replication))
    if compare:
        found = topology.found_on(
            app.administration(settings),
            names,
            app.limits(settings),
            app.needs(live, dry_run=dry_run),
            settings.kafka.group,
            dry_run=dry_run,
        )
        _exit(good=topology.check(_output(), found))
    grants = app.grants(live, dry_run=dry_run, instances=instances)
    topology.show(_output(), names, grants, app.principal(live, principal))


@schemas_cli.command("register")
def register(config: ConfigFile = None) -> None:
    """Register the newest version of every schema. Nothing else ever registers one."""
    settings = _loaded(config).settings
    with app.registry(settings) as registry:
        names = convert.topics(settings)
        _exit(good=contracts.register(_output(), registry, names, avro_keys=convert.avro_keys(settings)))


@schemas_cli.command("check")
def check_schemas(config: ConfigFile = None) -> None:
    """Say whether the registry has what this version needs; exit code 1 when it does not."""
    settings = _loaded(config).settings
    with app.registry(settings) as registry:
        names = convert.topics(settings)
        _exit(good=contracts.check(_output(), registry, names, avro_keys=convert.avro_keys(settings)))


@config_cli.command("show")
def show(config: ConfigFile = None) -> None:
    """Print every setting in force; secrets as fingerprints."""
    configuration.show(_output(), _loaded(config))


@config_cli.command("routing")
def routing(
    config: ConfigFile = None,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Let changed target ids mean what is configured; run refuses them otherwise."),
    ] = False,
) -> None:
    """Print the effective routing table: which target_id leads where."""
    settings = _loaded(config).settings
    table = app.routing(settings)
    configuration.show_routing(_output(), table)
    if accept:
        agreement.accept(_output(), app.remembered(settings), settings.kafka.group, table)


@state_cli.command("digest")
def state_digest(config: ConfigFile = None) -> None:
    """Print one number for what the events have made of all offers: a rebuild ends in the same."""
    settings = _loaded(config).settings
    digest.show(_output(), app.offer_states(settings), app.event_orders(settings))


@state_cli.command("forget")
def forget(
    key: Annotated[str, typer.Argument(help="Of the state record: an EAN, an order id, or as the message says it.")],
    config: ConfigFile = None,
    topic: Annotated[str | None, typer.Option(help="Of the state, where several have the key.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Drop the state of one key, after saying what is lost by it. Every process of the group must be stopped."""
    settings = _loaded(config).settings
    group, broker = settings.kafka.group, app.administration(settings)
    kept = forgetting.chosen(forgetting.found(partial(app.kept_lanes, settings), key), key, topic)
    forgetting.show(_output(), kept)
    forgetting.must_be_stopped(broker.members(group), group)
    if not yes:
        typer.confirm("Forget it?", abort=True)
    app.forget_lane(settings, kept)
    forgetting.must_be_stopped(broker.members(group), group, started_meanwhile=True)
    _output().print(
        f"Forgotten. The lane of {kept.key!a} begins anew with the next start.", markup=False, highlight=False
    )


@orders_cli.command("poll")
def poll_orders(
    config: ConfigFile = None,
    once: Annotated[bool, typer.Option("--once", help="Now, once; the regular polls go on.")] = False,
    account: Annotated[list[str] | None, typer.Option(help="Default: every account whose orders are polled.")] = None,
    changed_from: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=MOMENTS,
            help="Read again what has changed since (UTC); an equal order is not written again.",
        ),
    ] = None,
) -> None:
    """Ask the process that polls to do it now."""
    if not once:
        raise SettingsError("polls go on by themselves while `connector run` does; --once asks for one now")
    loaded = _loaded(config)
    polled = convert.order_policy(loaded.settings).accounts
    unknown = sorted(set(account or ()) - polled)
    if unknown:
        raise SettingsError(f"not polled: {', '.join(unknown)}; known are: {', '.join(sorted(polled))}")
    since_us = None if changed_from is None else int(changed_from.replace(tzinfo=UTC).timestamp() * 1_000_000)
    asked = sorted(account or polled)
    app.poll_orders(loaded.settings, asked, since_us)
    _output().print(f"Asked for a poll of {', '.join(asked)}; /status of the process that polls says how it went.")


@orders_cli.command("open")
def open_orders(config: ConfigFile = None) -> None:
    """List orders with units that are still to be sent, oldest first, from the orders topic."""
    orders = purchases.newest(app.orders_topic(_loaded(config).settings))
    purchases.show_open(_output(), orders, int(datetime.now(UTC).timestamp() * 1_000_000))


@orders_cli.command("totals")
def order_totals(config: ConfigFile = None) -> None:
    """Count and add up what was sold, by day, account and currency, from the orders topic."""
    purchases.show_totals(_output(), purchases.newest(app.orders_topic(_loaded(config).settings)))


Accounts = Annotated[list[str] | None, typer.Option(help="Default: every account whose orders are polled.")]


@push_cli.command("list")
def list_subscriptions(config: ConfigFile = None, account: Accounts = None) -> None:
    """List what the marketplace notifies; exit code 1 when it has disabled a subscription that leads here."""
    with app.subscriptions(_loaded(config).settings, account or ()) as (marketplace, urls):
        _exit(good=push.show(_output(), marketplace, urls))


@push_cli.command("subscribe")
def subscribe(
    email: Annotated[str, typer.Option(help="Whom the marketplace writes to when it gives up on the address.")],
    config: ConfigFile = None,
    account: Accounts = None,
    storefront: Annotated[list[str] | None, typer.Option(help="Default: those of the account's targets.")] = None,
    event: Annotated[list[str] | None, typer.Option(help="Default: those that hasten a poll.")] = None,
) -> None:
    """Have [push] public_url notified. The receiver must be reachable: the marketplace calls it before it agrees."""
    settings = _loaded(config).settings
    with app.subscriptions(settings, account or ()) as (marketplace, urls):
        wanted = app.to_subscribe(settings, urls, storefront or (), event or ())
        _exit(good=push.subscribe(_output(), marketplace, urls, wanted, email))


@push_cli.command("repair")
def repair_subscriptions(
    config: ConfigFile = None,
    account: Accounts = None,
    move: Annotated[
        bool, typer.Option("--move", help="Also have subscriptions with another address lead here.")
    ] = False,
) -> None:
    """Turn on again what the marketplace has disabled; what was missed meanwhile is brought in by the polls."""
    with app.subscriptions(_loaded(config).settings, account or ()) as (marketplace, urls):
        _exit(good=push.repair(_output(), marketplace, urls, move=move))


@cli.command(context_settings=PASSED_ON)
def simulate(context: typer.Context) -> None:
    """Run the marketplace simulator alone; --help tells its options."""
    raise typer.Exit(app.simulate(context.args))


@cli.command(context_settings=PASSED_ON)
def demo(context: typer.Context) -> None:
    """See offers flow, no account needed; --help tells its options."""
    raise typer.Exit(app.demo(context.args))


def _loaded(config: Path | None) -> Loaded:
    return app.settings(config, os.environ, datetime.now(UTC))


def _output() -> Console:
    """As wide as the terminal; where there is none, wide enough for a table."""
    console = Console()
    return console if console.is_terminal else Console(width=200)


def _exit(*, good: bool) -> None:
    raise typer.Exit(0 if good else FAILED)
