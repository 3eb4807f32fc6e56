"""The commands without a group: run, check, topics, simulate and demo."""

import os
from typing import Annotated, Final

import typer

from connector import app, connections, logs
from connector.cli.exit_codes import FAILED
from connector.cli.options import AsJson, ConfigFile, finish, loaded, output
from connector.operations import check, check_inputs, required_permissions, topic_formats, topics
from connector.operations.json_output import show_json
from connector.operations.topic_formats import TopicFormat, TopicPlan
from connector.settings import convert
from connector.settings.load import wants_json
from connector.supervisor import supervise
from connector.supervisor.member import Member
from streams.errors import SettingsError

DEMO_NEEDS_CHECKOUT = (
    "connector demo runs from a checkout of the repository only: this installation does not contain the package "
    "devstack. Clone the repository and run `make demo`."
)
SIMULATOR_IS_LEFT_OUT = (
    "connector simulate needs the package simulator, which the production image leaves out. Build the image with "
    "--target with-simulator, or run it from a checkout of the repository."
)
MOST_PROCESSES: Final = 64
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Send nothing; use a consumer group, instance id and output topics of its own."),
]


def run_command(
    config_file: ConfigFile = None,
    dry_run: DryRun = False,
    processes: Annotated[
        int,
        typer.Option(
            "--processes",
            min=1,
            max=MOST_PROCESSES,
            help="Processes on this machine, as members of the same group; each has an instance id of its own. One "
            "that ends is started again, and one health port answers for all.",
        ),
    ] = 1,
    member: Annotated[str | None, typer.Option("--member", hidden=True)] = None,
) -> None:
    """Consume events, call the marketplace, and write results, until SIGTERM or SIGINT.

    Exit code: 0 after a signal; 1 if something is wrong, such as refused credentials; 2 if the configuration must be
    changed.

    Example: connector run --config connector.toml --processes 4
    """
    one = Member.of(member) if member is not None else None
    number = one.number if one is not None else None
    if wants_json(config_file, os.environ):
        logs.configure(level="info", form="json", process=number)
    configured = loaded(config_file)
    logs.configure(level=configured.settings.log.level, form=configured.settings.log.format, process=number)
    if processes > 1:
        raise typer.Exit(supervise.run(configured, dry_run=dry_run, processes=processes, environ=os.environ))
    app.run(configured, dry_run=dry_run, member=one)


def check_command(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check configuration, broker, schema registry and marketplace before going live, and print remedies.

    Usable as a job or an init container: nothing is written.

    Exit code: 0 if nothing prevents a start; 1 if a check failed; 2 if the configuration must be changed.

    Example: connector check --json | jq '.checks[] | select(.status == "failed")'
    """
    with check_inputs.open_inputs(loaded(config_file)) as inputs:
        rows = check.check(inputs)
    if as_json:
        show_json(output(), check.document(rows))
        finish(good=check.passed(rows))
    finish(good=check.report(output(), rows))


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

    Exit code: 0 if they are printed, meet the requirements, or exist; 1 if `run` would refuse to start, or a topic
    cannot be created; 2 if the command line or the configuration must be changed.

    Example: connector topics --format strimzi --partitions 12 > topics.yaml
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
        topics.show(output(), names, grants, who, convert.capabilities_on(live))
        return
    plan = TopicPlan(topics=names, partitions=partitions, replication=replication, grants=grants, principal=who)
    typer.echo(topic_formats.text_of(plan, form, cluster=cluster))


def simulate(context: typer.Context) -> None:
    """Run the marketplace simulator alone; see --help for its options."""
    try:
        from simulator.__main__ import main as simulate_main
    except ModuleNotFoundError as error:
        raise _left_out(error, "simulator", SIMULATOR_IS_LEFT_OUT) from None
    raise typer.Exit(simulate_main(context.args))


def demo(context: typer.Context) -> None:
    """Run the whole connector against a simulated marketplace, no account needed; see --help for its options."""
    try:
        from devstack.command import main as demo_main
    except ModuleNotFoundError as error:
        raise _left_out(error, "devstack", DEMO_NEEDS_CHECKOUT) from None
    raise typer.Exit(demo_main(context.args))


def _left_out(error: ModuleNotFoundError, package: str, told: str) -> Exception:
    """Returns how to end if the installation lacks this package; the error itself if it is another one."""
    if (error.name or "").partition(".")[0] != package:
        return error
    typer.echo(told, err=True)
    return typer.Exit(FAILED)
