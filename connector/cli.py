"""The command line: arguments, signals and exit codes.

Exit codes: 0 success, 1 a check or the command failed, 2 the configuration or the command line must be changed.
"""

import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from connector import app, configuration, connections, logs
from connector.operations import (
    check,
    check_inputs,
    config,
    digest,
    forget,
    orders,
    poll,
    push,
    push_inputs,
    required_permissions,
    routing,
    schemas,
    topic_contents,
    topics,
)
from connector.settings import convert
from connector.settings.environment import CONFIG_FILE
from connector.settings.load import Loaded, wants_json
from streams.errors import SettingsError, StreamError

FAILED = 1
DEMO_NEEDS_CHECKOUT = (
    "connector demo runs from a checkout of the repository only: this installation does not contain the package "
    "devstack. Clone the repository and run `make demo`; `connector simulate` works here."
)
MISUSED = 2

cli = typer.Typer(
    help="Applies offer changes, shipments and order polls from Kafka to the Kaufland Marketplace, and writes results.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they print local variables, keys among them
    add_completion=False,
)
schemas_cli = typer.Typer(help="The Avro schemas in the schema registry.", no_args_is_help=True)
config_cli = typer.Typer(help="The effective configuration.", no_args_is_help=True)
state_cli = typer.Typer(help="The contents of the state topics.", no_args_is_help=True)
orders_cli = typer.Typer(help="Orders read from the marketplace.", no_args_is_help=True)
push_cli = typer.Typer(help="Subscriptions to the marketplace's notifications.", no_args_is_help=True)
cli.add_typer(schemas_cli, name="schemas")
cli.add_typer(config_cli, name="config")
cli.add_typer(state_cli, name="state")
cli.add_typer(orders_cli, name="orders")
cli.add_typer(push_cli, name="push")

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar=CONFIG_FILE, help="TOML file; environment variables CONNECTOR__... override."
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Send nothing; use a consumer group, instance id and output topics of its own."),
]
Accounts = Annotated[
    list[str] | None, typer.Option("--account", help="Default: every account whose orders are polled.")
]
DATE_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]
FORWARDED = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""For commands that parse their own arguments, --help included."""


def main() -> None:
    """Runs the installed command."""
    try:
        cli()
    except StreamError as error:
        if not logs.last_words(error):
            errors = Console(stderr=True)
            errors.print(logs.SCRUBBER.clean(str(error)), markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(MISUSED if isinstance(error, SettingsError) else FAILED) from None


@cli.command("run")
def run_command(config_file: ConfigFile = None, dry_run: DryRun = False) -> None:
    """Consume events, call the marketplace, and write results, until SIGTERM or SIGINT."""
    if wants_json(config_file, os.environ):
        logs.configure(level="info", form="json")
    loaded = _loaded(config_file)
    logs.configure(level=loaded.settings.log.level, form=loaded.settings.log.format)
    app.run(loaded, dry_run=dry_run)


@cli.command("check")
def check_command(config_file: ConfigFile = None) -> None:
    """Check configuration, broker, schema registry and marketplace before going live; exit code 1 on a failure."""
    with check_inputs.open_inputs(_loaded(config_file)) as inputs:
        _exit(good=check.report(_output(), check.check(inputs)))


@cli.command("topics")
def topics_command(
    config_file: ConfigFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="The topics of a dry run instead.")] = False,
    compare: Annotated[
        bool, typer.Option("--check", help="Compare with the broker; exit code 1 where run would refuse to start.")
    ] = False,
    create: Annotated[bool, typer.Option("--create", help="Create missing topics; change no existing one.")] = False,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of a missing input topic, and of outputs.")] = 8,
    replication: Annotated[int | None, typer.Option(min=1, help="Replication factor. Default: the broker's.")] = None,
    principal: Annotated[
        str | None, typer.Option(help="Principal in the printed ACL commands. Default: the configured sasl.username.")
    ] = None,
    instances: Annotated[
        str | None,
        typer.Option(help="Common prefix of all instance ids. Default: the configured one without its number."),
    ] = None,
) -> None:
    """Print the topics and ACLs that are needed; --check compares them with the broker, --create creates topics."""
    live = _loaded(config_file).settings
    settings = convert.dry_run(live) if dry_run else live
    names = convert.topics(settings)
    if create:
        broker = connections.administration(settings)
        _exit(good=topics.create(_output(), broker, names, partitions=partitions, replication=replication))
    if compare:
        found = topics.found_on(
            connections.administration(settings),
            names,
            required_permissions.limits(settings),
            required_permissions.needs(live, dry_run=dry_run),
            settings.kafka.group,
            dry_run=dry_run,
        )
        _exit(good=topics.check(_output(), found))
    grants = required_permissions.grants(live, dry_run=dry_run, instances=instances)
    topics.show(_output(), names, grants, required_permissions.principal(live, principal))


@schemas_cli.command("register")
def register_schemas(config_file: ConfigFile = None) -> None:
    """Register the newest version of every schema. No other command registers schemas."""
    settings = _loaded(config_file).settings
    with connections.registry(settings) as registry:
        names = convert.topics(settings)
        _exit(good=schemas.register(_output(), registry, names, avro_keys=convert.avro_keys(settings)))


@schemas_cli.command("check")
def check_schemas(config_file: ConfigFile = None) -> None:
    """Check that the registry has the schemas that this version needs; exit code 1 where it has not."""
    settings = _loaded(config_file).settings
    with connections.registry(settings) as registry:
        names = convert.topics(settings)
        _exit(good=schemas.check(_output(), registry, names, avro_keys=convert.avro_keys(settings)))


@config_cli.command("show")
def show_config(config_file: ConfigFile = None) -> None:
    """Print every effective setting; secrets are shown as fingerprints."""
    config.show(_output(), _loaded(config_file))


@config_cli.command("routing")
def show_routing(
    config_file: ConfigFile = None,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Accept changed target ids as configured; until then, run refuses to start."),
    ] = False,
) -> None:
    """Print the effective routing table: the account and storefront of each target_id."""
    settings = _loaded(config_file).settings
    table = configuration.routing(settings)
    config.show_routing(_output(), table)
    if accept:
        routing.accept(_output(), connections.accepted_routing(settings), settings.kafka.group, table)


@state_cli.command("digest")
def state_digest(config_file: ConfigFile = None) -> None:
    """Print a digest of all offer states; a rebuild from the same events ends in the same digest."""
    settings = _loaded(config_file).settings
    digest.show(_output(), topic_contents.offer_states(settings), convert.offer_policy(settings).ordered_by)


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
    settings = _loaded(config_file).settings
    group, broker = settings.kafka.group, connections.administration(settings)
    record = forget.chosen(forget.found(partial(topic_contents.state_records, settings), key), key, topic)
    forget.show(_output(), record)
    forget.must_be_stopped(broker.members(group), group)
    if not yes:
        typer.confirm("Forget it?", abort=True)
    forget.write_tombstone(settings, record)
    forget.must_be_stopped(broker.members(group), group, started_meanwhile=True)
    _output().print(
        f"Forgotten. The lane of {record.key!a} starts without state after the next start of the group.",
        markup=False,
        highlight=False,
    )


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
    loaded = _loaded(config_file)
    polled = convert.order_policy(loaded.settings).accounts
    unknown = sorted(set(account or ()) - polled)
    if unknown:
        raise SettingsError(f"not polled: {', '.join(unknown)}; polled accounts: {', '.join(sorted(polled))}")
    since_us = None if changed_from is None else int(changed_from.replace(tzinfo=UTC).timestamp() * 1_000_000)
    asked = sorted(account or polled)
    poll.request_polls(loaded.settings, asked, since_us)
    _output().print(f"Requested a poll of {', '.join(asked)}; see /status of the process that polls for its outcome.")


@orders_cli.command("open")
def open_orders(config_file: ConfigFile = None) -> None:
    """List the orders with units still to be sent, oldest first, from the orders topic."""
    newest = orders.newest(topic_contents.order_records(_loaded(config_file).settings))
    orders.show_open(_output(), newest, int(datetime.now(UTC).timestamp() * 1_000_000))


@orders_cli.command("totals")
def order_totals(config_file: ConfigFile = None) -> None:
    """Print sales by day, account and currency, from the orders topic."""
    orders.show_totals(_output(), orders.newest(topic_contents.order_records(_loaded(config_file).settings)))


@push_cli.command("list")
def list_subscriptions(config_file: ConfigFile = None, account: Accounts = None) -> None:
    """List the subscriptions; exit code 1 where the marketplace has disabled one that leads to this connector."""
    with push_inputs.open_subscriptions(_loaded(config_file).settings, account or ()) as (marketplace, urls):
        _exit(good=push.show(_output(), marketplace, urls))


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
    settings = _loaded(config_file).settings
    with push_inputs.open_subscriptions(settings, account or ()) as (marketplace, urls):
        wanted = push_inputs.wanted_subscriptions(settings, urls, storefront or (), event or ())
        _exit(good=push.subscribe(_output(), marketplace, urls, wanted, email))


@push_cli.command("repair")
def repair_subscriptions(
    config_file: ConfigFile = None,
    account: Accounts = None,
    move: Annotated[
        bool, typer.Option("--move", help="Also change subscriptions with another address to this connector's.")
    ] = False,
) -> None:
    """Enable subscriptions that the marketplace has disabled; polls read what was missed meanwhile."""
    with push_inputs.open_subscriptions(_loaded(config_file).settings, account or ()) as (marketplace, urls):
        _exit(good=push.repair(_output(), marketplace, urls, move=move))


@cli.command(context_settings=FORWARDED)
def simulate(context: typer.Context) -> None:
    """Run the marketplace simulator alone; see --help for its options."""
    from simulator.__main__ import main as simulate_main

    raise typer.Exit(simulate_main(context.args))


@cli.command(context_settings=FORWARDED)
def demo(context: typer.Context) -> None:
    """Run the whole connector against a simulated marketplace, no account needed; see --help for its options."""
    try:
        from devstack.command import main as demo_main
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("devstack"):
            raise
        typer.echo(DEMO_NEEDS_CHECKOUT, err=True)
        raise typer.Exit(FAILED) from None
    raise typer.Exit(demo_main(context.args))


def _loaded(config_file: Path | None) -> Loaded:
    return configuration.load_settings(config_file, os.environ, datetime.now(UTC))


def _output() -> Console:
    """Returns a console as wide as the terminal; without a terminal, one wide enough for a table."""
    console = Console()
    return console if console.is_terminal else Console(width=200)


def _exit(*, good: bool) -> None:
    raise typer.Exit(0 if good else FAILED)
