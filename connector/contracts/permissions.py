"""The ACLs that each command needs, as ``kafka-acls`` commands, and which of them are missing. Pure.

Each set is complete and minimal for its commands. In Kafka, Read and Write imply Describe, so Describe is named only
if neither is needed. Resource names are literal except for transactional ids: each process has its own, and they share
a prefix.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from shlex import quote
from typing import Final

from connector.contracts.topics import Access, Feature, Topics, TopicSpec, manifest


class Resource(StrEnum):
    """A type of resource, as ``kafka-acls`` spells it."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional-id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """The operations needed on one resource; ``prefixed``: on every resource whose name starts with ``name``."""

    resource: Resource
    name: str
    operations: tuple[str, ...]
    prefixed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """All permissions that a principal needs to run any of these commands."""

    commands: tuple[str, ...]
    permissions: tuple[Permission, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The principal to allow, and the brokers that the ACL commands address."""

    name: str  # such as User:connector
    bootstrap_servers: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The consumer group and its processes; ``instances`` is the common prefix of their instance ids."""

    group: str
    instances: str
    transactional: bool


RUN = (
    "run",
    "check",
    "topics --check",
    "config routing --accept",
    "state digest",
    "state forget",
    "orders poll --once",
)
"""The commands of the connector's own principal."""

CREATE = ("topics --create",)
ORDERS = ("orders open", "orders totals")
GOING_LIVE = ("match-report", "explain")
"""The commands that judge the input before anything is written."""
HISTORY = ("why", "not-found", "units")
"""The commands that answer from the history of the output topics."""
RECONCILE_NOW = ("reconcile now",)
RECONCILE_STATUS = ("reconcile status",)
DLQ_READ = ("dlq list", "dlq show")
DLQ_REDRIVE = ("dlq redrive",)
CONTROLS_READ = ("hold list",)
CONTROLS = (
    "hold add",
    "hold release",
    "hold drop",
    "pause",
    "resume",
    "writes stop",
    "writes resume",
    "guard release",
    "guard drop",
)
"""The commands with which people hold, pause and stop."""
RESEND = ("resend",)
GUARD_LIST = ("guard list",)
REPLAY_PLAN = ("replay plan",)
REPLAY_STATUS = ("replay status",)
REPLAY_RUN = ("replay run", "replay pause", "replay resume", "replay stop")
"""The commands with which people read a part of the input again."""
DRY_RUN = ("run --dry-run", "topics --check --dry-run")
CREATE_DRY_RUN = ("topics --create --dry-run",)
SHADOW = ("shadow compare",)
_OPERATIONS: Final[Mapping[Access, tuple[str, ...]]] = {
    Access.READ: ("Read",),
    Access.WRITE: ("Write",),
    Access.BOTH: ("Read", "Write"),
}


# ---- what is needed -------------------------------------------------------------------------------------------------


def of_run(topics: Topics, identity: Identity) -> Grant:
    """Returns what the connector's own principal needs."""
    return Grant(
        commands=RUN,
        permissions=(
            *(_topic(topic.name, *_OPERATIONS[topic.access], "DescribeConfigs") for topic in manifest(topics)),
            *_of_group(identity.group, identity),
        ),
    )


def of_dry_run(live: Topics, own: Topics, identity: Identity) -> Grant:
    """Returns what a dry run needs: to read the live inputs and states, and to write its own outputs.

    ``identity`` is that of the dry run.
    """
    mine = manifest(own)
    shared = {topic.name for topic in manifest(live)} & {topic.name for topic in mine}
    restored = [
        topic
        for topic in _on(live, own.features)
        if topic.access is Access.BOTH and topic.name not in shared and topic.source in shared
        if topic.name != live.units
    ]

    def operations(topic: TopicSpec) -> tuple[str, ...]:
        if topic.name in shared:
            return ("Read",)
        return _OPERATIONS[Access.WRITE if topic.source in shared else topic.access]

    return Grant(
        commands=DRY_RUN,
        permissions=(
            *(_topic(topic.name, *operations(topic), "DescribeConfigs") for topic in mine),
            *(_topic(topic.name, "Read") for topic in restored),
            *_of_group(identity.group, identity),
        ),
    )


def of_shadow(own: Topics, group: str) -> Grant:
    """Returns what comparing a dry run with the marketplace needs. ``own``: the topics of the dry run."""
    group_read = Permission(resource=Resource.GROUP, name=group, operations=("Describe",))
    return Grant(
        commands=SHADOW, permissions=(*(_topic(name, "Read") for name in (own.units, own.offer_results)), group_read)
    )


def of_create(topics: Topics, *, dry_run: bool = False) -> Grant:
    """Returns what creating the topics needs."""
    return Grant(
        commands=CREATE_DRY_RUN if dry_run else CREATE,
        permissions=tuple(_topic(topic.name, "Create", "Describe") for topic in manifest(topics)),
    )


def of_orders(topics: Topics, group: str) -> Grant:
    """Returns what the commands that read the orders topic need."""
    group_read = Permission(resource=Resource.GROUP, name=group, operations=("Describe",))
    return Grant(commands=ORDERS, permissions=(_topic(topics.orders, "Read"), group_read))


def of_going_live(topics: Topics, group: str) -> Grant:
    """Returns what the commands need that judge the input by what the state knows: they write nothing."""
    group_read = Permission(resource=Resource.GROUP, name=group, operations=("Describe",))
    read = (_topic(name, "Read") for name in (topics.offer_changes, topics.offer_state))
    return Grant(commands=GOING_LIVE, permissions=(*read, group_read))


def of_history(topics: Topics, group: str) -> Grant:
    """Returns what the commands need that answer from the output topics: they write nothing."""
    names = [
        topics.offer_results,
        topics.marketplace_calls,
        topics.offer_state,
        topics.offers_not_found,
        topics.controls,
        topics.replays,
    ]
    if Feature.RECONCILE in topics.features:
        names += (topics.units, topics.drift)
    group_read = Permission(resource=Resource.GROUP, name=group, operations=("Describe",))
    return Grant(commands=HISTORY, permissions=(*(_topic(name, "Read") for name in names), group_read))


def with_console(run: Grant, topics: Topics, group: str, *, writes: bool) -> Grant:
    """Returns what ``run`` needs where the console has a projection. ``writes``: people may hold and release there."""
    history = of_history(topics, group).permissions
    orders = (_topic(topics.orders, "Read"),) if Feature.ORDERS in topics.features else ()
    controls = (_topic(topics.controls, "Write"),) if writes else ()
    return Grant(commands=run.commands, permissions=tuple(_merged((*run.permissions, *history, *orders, *controls))))


def _merged(permissions: Iterable[Permission]) -> Iterator[Permission]:
    """Yields one permission for each resource, with the operations of all; Read and Write imply Describe."""
    found: dict[tuple[Resource, str, bool], dict[str, None]] = {}
    for one in permissions:
        found.setdefault((one.resource, one.name, one.prefixed), {}).update(dict.fromkeys(one.operations))
    for (resource, name, prefixed), operations in found.items():
        implied = {"Describe"} if operations.keys() & {"Read", "Write"} else set[str]()
        needed = tuple(one for one in operations if one not in implied)
        yield Permission(resource=resource, name=name, operations=needed, prefixed=prefixed)


def of_reconcile_now(topics: Topics, group: str) -> Grant:
    """Returns what asking for sweeps needs, and waiting for them."""
    write = _topic(topics.scheduler, "Write")
    return Grant(commands=RECONCILE_NOW, permissions=(write, *_of_sweeps(topics, group)))


def of_reconcile_status(topics: Topics, group: str) -> Grant:
    """Returns what watching the sweeps needs: it writes nothing."""
    return Grant(commands=RECONCILE_STATUS, permissions=tuple(_of_sweeps(topics, group)))


def _of_sweeps(topics: Topics, group: str) -> Iterator[Permission]:
    yield from (_topic(name, "Read") for name in (topics.scheduler_state, topics.drift))
    yield Permission(resource=Resource.GROUP, name=group, operations=("Describe",))


def of_controls_read(topics: Topics, group: str) -> Grant:
    """Returns what listing the commands of people needs."""
    return Grant(commands=CONTROLS_READ, permissions=tuple(_of_controls(topics, group, "Read")))


def of_controls(topics: Topics, group: str) -> Grant:
    """Returns what people need who hold, pause and stop. Who may not write to the topic cannot."""
    return Grant(commands=CONTROLS, permissions=tuple(_of_controls(topics, group, "Read", "Write")))


def of_guard_list(topics: Topics, group: str) -> Grant:
    """Returns what counting the changes needs that guard rails hold."""
    group_read = Permission(resource=Resource.GROUP, name=group, operations=("Describe",))
    return Grant(commands=GUARD_LIST, permissions=(_topic(topics.offer_state, "Read"), group_read))


def of_resend(topics: Topics, group: str) -> Grant:
    """Returns what a resend needs: to give the command, and to read the results that answer it."""
    controls = _of_controls(topics, group, "Write")
    return Grant(commands=RESEND, permissions=(*controls, _topic(topics.offer_results, "Read")))


def of_replay_plan(topics: Topics, group: str) -> Grant:
    """Returns what planning a replay needs: it writes nothing."""
    read = (topics.offer_changes, topics.offer_state, topics.offer_results)
    return Grant(
        commands=REPLAY_PLAN,
        permissions=(*(_topic(name, "Read") for name in read), *_of_controls(topics, group, "Read")),
    )


def of_replay_status(topics: Topics, group: str) -> Grant:
    """Returns what watching replays needs."""
    read = (_topic(name, "Read") for name in (topics.replays, topics.offer_results))
    return Grant(commands=REPLAY_STATUS, permissions=(*read, *_of_controls(topics, group, "Read")))


def of_replay_run(topics: Topics, group: str) -> Grant:
    """Returns what people need who run, pause and stop replays."""
    read = (_topic(name, "Read") for name in (topics.offer_changes, topics.offer_results, topics.replays))
    return Grant(commands=REPLAY_RUN, permissions=(*read, *_of_controls(topics, group, "Read", "Write")))


def _of_controls(topics: Topics, group: str, *operations: str) -> Iterator[Permission]:
    yield _topic(topics.controls, *operations)
    yield Permission(resource=Resource.GROUP, name=group, operations=("Describe",))


def of_dlq_read(topics: Topics, group: str) -> Grant:
    """Returns what the commands that read dead letters need."""
    return Grant(commands=DLQ_READ, permissions=tuple(_of_dead_letters(topics, group)))


def of_dlq_redrive(topics: Topics, group: str) -> Grant:
    """Returns what redriving needs: to read the dead letters, and to write to the input topics."""
    inputs = (_topic(name, "Write") for name in topics.dead_letters)
    return Grant(commands=DLQ_REDRIVE, permissions=(*_of_dead_letters(topics, group), *inputs))


def _of_dead_letters(topics: Topics, group: str) -> Iterator[Permission]:
    for name in dict.fromkeys(topics.dead_letters.values()):
        yield _topic(name, "Read")
    yield Permission(resource=Resource.GROUP, name=group, operations=("Describe",))


def _on(topics: Topics, features: frozenset[Feature]) -> Iterator[TopicSpec]:
    """Yields the topics of these features."""
    return (topic for topic in manifest(topics) if topic.feature in features)


def _topic(name: str, *operations: str) -> Permission:
    return Permission(resource=Resource.TOPIC, name=name, operations=operations)


def _of_group(group: str, identity: Identity) -> Iterator[Permission]:
    """Yields the permissions on the consumer group and, if used, on transactional ids."""
    yield Permission(resource=Resource.GROUP, name=group, operations=("Read",))
    if identity.transactional:
        yield Permission(
            resource=Resource.TRANSACTIONAL_ID, name=identity.instances, operations=("Write",), prefixed=True
        )


def beginning(instance_id: str) -> str:
    """Returns the common prefix of all replicas' instance ids, if they end in a number as a StatefulSet's pods do."""
    return instance_id.rstrip("0123456789") or instance_id


# ---- as commands ----------------------------------------------------------------------------------------------------


def commands(permissions: Iterable[Permission], principal: Principal) -> Iterator[str]:
    """Yields ``kafka-acls`` commands, one for all resources of a type that need the same operations."""
    ordered = sorted(permissions, key=_alike)
    for (resource, prefixed, operations), alike in groupby(ordered, key=_alike):
        yield " ".join(
            (
                f"kafka-acls --bootstrap-server {quote(principal.bootstrap_servers)}",
                f"--add --allow-principal {quote(principal.name)}",
                *(f"--operation {operation}" for operation in operations),
                *(f"--{resource} {permission.name}" for permission in alike),
                *(("--resource-pattern-type prefixed",) if prefixed else ()),
            )
        )


def _alike(permission: Permission) -> tuple[Resource, bool, tuple[str, ...]]:
    return permission.resource, permission.prefixed, permission.operations


# ---- what is missing ------------------------------------------------------------------------------------------------

Allowed = Mapping[tuple[Resource, str], frozenset[str] | None]
"""The operations allowed to our principal on each resource; None if the broker does not report them."""


def missing(needed: Iterable[Permission], allowed: Allowed) -> Iterator[Permission]:
    """Yields the needed operations that the broker does not allow; resources that it does not report are skipped."""
    for permission in needed:
        may = allowed.get((permission.resource, permission.name))
        if may is None:
            continue
        denied = tuple(operation for operation in permission.operations if operation not in may)
        if denied:
            yield Permission(resource=permission.resource, name=permission.name, operations=denied)
