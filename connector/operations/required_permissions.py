"""The permissions that each command needs under the configured names, and the producer's limits."""

from collections.abc import Sequence

from connector.connections import connection
from connector.contracts.permissions import (
    Grant,
    Identity,
    Principal,
    beginning,
    of_controls,
    of_controls_read,
    of_create,
    of_dlq_read,
    of_dlq_redrive,
    of_dry_run,
    of_going_live,
    of_guard_list,
    of_history,
    of_orders,
    of_reconcile_now,
    of_reconcile_status,
    of_replay_plan,
    of_replay_run,
    of_replay_status,
    of_resend,
    of_run,
    of_shadow,
    with_console,
)
from connector.contracts.topic_checks import Limits, Needs
from connector.contracts.topics import Feature
from connector.settings import convert, model
from connector.settings.model import Settings


def limits(configured: Settings) -> Limits:
    """Returns the producer's limits; librdkafka's default batch is 1,000,000 bytes."""
    return Limits(batch_bytes=int(configured.kafka.properties.get("batch.size", 1_000_000)))


def principal(configured: Settings, name: str | None = None) -> Principal:
    """Returns the principal that needs the permissions: ``name``, else the configured SASL user."""
    user = connection(configured).properties.get("sasl.username")
    return Principal(name=name or f"User:{user or 'connector'}", bootstrap_servers=configured.kafka.bootstrap_servers)


def grants(configured: Settings, *, dry_run: bool, instances: str | None = None) -> Sequence[Grant]:
    """Returns the permissions that the commands need; with ``dry_run``, those of a dry run only.

    ``configured`` are the live settings. ``instances``: the common prefix of all instance ids; by default, it is
    derived from the configured one.
    """
    live, trial = convert.topics(configured), convert.dry_run(configured)
    own = convert.topics(trial)
    of_the_trial = (
        of_dry_run(live, own, _identity(trial, configured, instances)),
        of_create(own, dry_run=True),
    )
    if dry_run:
        return of_the_trial
    of_orders_topic = (of_orders(live, configured.kafka.group),) if Feature.ORDERS in live.features else ()
    group = configured.kafka.group
    of_sweeps = (of_reconcile_now(live, group), of_reconcile_status(live, group))
    return (
        _of_run(configured, instances),
        of_create(live),
        *of_orders_topic,
        of_going_live(live, configured.kafka.group),
        of_history(live, configured.kafka.group),
        *(of_sweeps if Feature.RECONCILE in live.features else ()),
        of_controls_read(live, configured.kafka.group),
        of_controls(live, configured.kafka.group),
        of_guard_list(live, configured.kafka.group),
        of_resend(live, configured.kafka.group),
        of_replay_plan(live, configured.kafka.group),
        of_replay_status(live, configured.kafka.group),
        of_replay_run(live, configured.kafka.group),
        of_dlq_read(live, configured.kafka.group),
        of_dlq_redrive(live, configured.kafka.group),
        of_shadow(own, configured.kafka.group),
        *of_the_trial,
    )


def _of_run(configured: Settings, instances: str | None) -> Grant:
    live, console = convert.topics(configured), configured.console
    run = of_run(live, _identity(configured, configured, instances))
    if not console.enabled or console.projection is None:
        return run
    return with_console(run, live, configured.kafka.group, writes=console.write != "off")


def needs(configured: Settings, *, dry_run: bool = False) -> Needs:
    """Returns the permissions that ``run`` needs. ``configured`` are the live settings, also for a dry run."""
    return Needs(grant=grants(configured, dry_run=dry_run)[0], principal=principal(configured))


def _identity(configured: Settings, live: Settings, instances: str | None) -> Identity:
    return Identity(
        group=configured.kafka.group,
        instances=instances or beginning(live.kafka.instance_id),
        transactional=configured.processing.guarantee is model.Guarantee.EXACTLY_ONCE_V2,
    )
