"""Checks before ``run`` reads any record: the topics, the routing, and that no other process has the instance id."""

from collections.abc import Mapping
from typing import Final

import structlog

from connector import flows
from connector.configuration import routing
from connector.connections import administration, connection
from connector.contracts.codec import SchemaIds
from connector.operations.required_permissions import limits, needs
from connector.operations.routing import differences, hold
from connector.operations.routing_topic import routing_topic
from connector.operations.topics import errors, found_on
from connector.routing.codec import RoutingCodec
from connector.settings.model import Settings
from connector.startup.plan import RunPlan
from connector.startup.waiting import Startup
from streams.clock import SystemClock
from streams.errors import Stopped
from streams.kafka.members import GroupMembers
from streams.kafka.registry import SchemaCache
from streams.kafka.takeover import InstanceIdInUse, Takeover
from streams.topics import TopicDescription

_log = structlog.get_logger("connector")


_POLL_S: Final = 0.5


def check_topics(plan: RunPlan) -> tuple[str, Mapping[str, TopicDescription]]:
    """Checks the topics; returns the cluster's id, and each input as the broker describes it.

    Raises SourceFailed, or Stopped with the problems and their remedies.
    """
    broker = administration(plan.settings)
    cluster_id = broker.cluster_id()
    permitted = needs(plan.loaded.settings, dry_run=plan.dry_run)
    group = plan.settings.kafka.group
    found = found_on(broker, plan.topics, limits(plan.settings), permitted, group, dry_run=plan.dry_run)
    for finding in found:
        if not finding.is_error:
            _log.warning("topic", topic=finding.topic, note=finding.message, remedy=finding.remedy)
    if problems := errors(found):
        raise Stopped("topics do not meet the requirements:\n  " + "\n  ".join(problems))
    return cluster_id, broker.describe(list(flows.inputs(plan.topics)))


def check_routing(plan: RunPlan, ids: SchemaIds, schemas: SchemaCache) -> None:
    """Compares the routing with the accepted one. Raises Stopped that names each changed target id with both meanings.

    A dry run only logs the differences.
    """
    live = plan.loaded.settings
    table = routing_topic(plan.settings, schemas, RoutingCodec(schemas.get, ids))
    if not plan.dry_run:
        hold(table, live.kafka.group, routing(live))
        return
    for line in differences(table, live.kafka.group, routing(live)):
        _log.warning("routing is not the accepted one", difference=line)


def wait_for_instance_id(configured: Settings, startup: Startup) -> None:
    """Waits until no other process of the group has our instance_id. Raises Stopped if one keeps running."""
    kafka, processing, clock = configured.kafka, configured.processing, SystemClock()
    members = GroupMembers(connection(configured), kafka.group)
    takeover = Takeover(lease_s=processing.lease, session_s=processing.session, static=kafka.static_membership)
    while True:
        seen = startup.retry_while_down("the broker", lambda: members.under(kafka.instance_id))
        try:
            waits = takeover.observe(seen, clock.now().mono_s)
        except InstanceIdInUse as taken:
            raise Stopped(
                f"another process runs with instance_id {kafka.instance_id!r} in group {kafka.group}: {taken}. It "
                "keeps running. Remedy: give each process its own [kafka] instance_id, or end the other process"
            ) from None
        if waits is None:
            return
        startup.wait("the instance_id", waits, _POLL_S)
