"""The command line's root: the commands without a group, the groups, and how errors become exit codes.

Exit codes: 0 success, 1 a check or the command failed, 2 the configuration or the command line must be changed.
"""

import os
from typing import Annotated

import typer
from rich.console import Console

from connector import app, connections, logs
from connector.cli import controls, going_live, guards, history, resend
from connector.cli.config import config_cli
from connector.cli.dlq import dlq_cli
from connector.cli.options import FAILED, MISUSED, AsJson, ConfigFile, finish, loaded, output
from connector.cli.orders import orders_cli
from connector.cli.push import push_cli
from connector.cli.replay import replay_cli
from connector.cli.schemas import schemas_cli
from connector.cli.state import state_cli
from connector.operations import check, check_inputs, release, required_permissions, topic_formats, topics
from connector.operations.json_output import show_json
from connector.operations.topic_formats import TopicFormat, TopicPlan
from connector.settings import convert
from connector.settings.load import wants_json
from streams.errors import SettingsError, StreamError

DEMO_NEEDS_CHECKOUT = (
    "connector demo runs from a checkout of the repository only: this installation does not contain the package "
    "devstack. Clone the repository and run `make demo`; `connector simulate` works here."
)
FORWARDED = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""For commands that parse their own arguments, --help included."""

cli = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they print local variables, keys among them
    add_completion=False,
    rich_markup_mode="markdown",  # wraps paragraphs, and leaves [brackets] as they are
)
cli.add_typer(schemas_cli, name="schemas")
cli.add_typer(config_cli, name="config")
cli.add_typer(state_cli, name="state")
cli.add_typer(orders_cli, name="orders")
cli.add_typer(push_cli, name="push")
cli.command("match-report")(going_live.report_matches)
cli.add_typer(dlq_cli, name="dlq")
cli.command("explain")(going_live.explain_event)
cli.command("why")(history.why)
cli.command("not-found")(history.not_found)
cli.add_typer(controls.hold_cli, name="hold")
cli.command("pause")(controls.pause)
cli.command("resume")(controls.resume)
cli.add_typer(controls.writes_cli, name="writes")
cli.add_typer(guards.guard_cli, name="guard")
cli.command("resend")(resend.resend_values)
cli.add_typer(replay_cli, name="replay")

DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Send nothing; use a consumer group, instance id and output topics of its own."),
]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo("\n".join(release.installed()))
        raise typer.Exit


@cli.callback()
def options_of_all(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print version, commit and lock digest, and exit."
        ),
    ] = False,
) -> None:
    """Applies offer changes, shipments and order polls from Kafka to the Kaufland Marketplace, and writes results."""


def main() -> None:
    """Runs the installed command."""
    try:
        cli()
    except StreamError as error:
        if not logs.log_final_error(error):
            errors = Console(stderr=True)
            errors.print(logs.SCRUBBER.clean(str(error)), markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(MISUSED if isinstance(error, SettingsError) else FAILED) from None


@cli.command("run")
def run_command(config_file: ConfigFile = None, dry_run: DryRun = False) -> None:
    """Consume events, call the marketplace, and write results, until SIGTERM or SIGINT."""
    if wants_json(config_file, os.environ):
        logs.configure(level="info", form="json")
    configured = loaded(config_file)
    logs.configure(level=configured.settings.log.level, form=configured.settings.log.format)
    app.run(configured, dry_run=dry_run)


@cli.command("check")
def check_command(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check configuration, broker, schema registry and marketplace before going live; exit code 1 on a failure.

    Usable as a job or an init container: nothing is written. Example for a pipeline that prints what failed:
    `connector check --json | jq '.checks[] | select(.status == "failed")'`
    """
    with check_inputs.open_inputs(loaded(config_file)) as inputs:
        rows = check.check(inputs)
    if as_json:
        show_json(output(), check.document(rows))
        finish(good=check.passed(rows))
    finish(good=check.report(output(), rows))


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
    form: Annotated[
        TopicFormat,
        typer.Option(
            "--format",
            help="strimzi: KafkaTopic and KafkaUser; terraform: kafka_topic and kafka_acl in Terraform's JSON syntax.",
        ),
    ] = TopicFormat.TABLE,
    cluster: Annotated[
        str, typer.Option("--strimzi-cluster", help="Name of the Kafka resource that the Strimzi resources belong to.")
    ] = "kafka",
) -> None:
    """Print the topics and ACLs that are needed; --check compares them with the broker, --create creates topics.

    Examples for clusters that are kept as code: `connector topics --format strimzi --partitions 12 > topics.yaml`,
    and `connector topics --format terraform --replication 3 > kafka.tf.json`
    """
    if form is not TopicFormat.TABLE and (create or compare):
        raise SettingsError("--format goes with neither --create nor --check")
    live = loaded(config_file).settings
    settings = convert.dry_run(live) if dry_run else live
    names = convert.topics(settings)
    if create:
        broker = connections.administration(settings)
        finish(good=topics.create(output(), broker, names, partitions=partitions, replication=replication))
    if compare:
        found = topics.found_on(
            connections.administration(settings),
            names,
            required_permissions.limits(settings),
            required_permissions.needs(live, dry_run=dry_run),
            settings.kafka.group,
            dry_run=dry_run,
        )
        finish(good=topics.check(output(), found))
    grants = required_permissions.grants(live, dry_run=dry_run, instances=instances)
    who = required_permissions.principal(live, principal)
    if form is TopicFormat.TABLE:
        topics.show(output(), names, grants, who)
        return
    plan = TopicPlan(topics=names, partitions=partitions, replication=replication, grants=grants, principal=who)
    typer.echo(topic_formats.text_of(plan, form, cluster=cluster))


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
