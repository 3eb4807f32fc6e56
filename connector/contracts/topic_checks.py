"""The topics compared with what a broker describes and permits. Pure checks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from connector.contracts.permissions import Grant, Permission, Principal, Resource, commands, missing
from connector.contracts.topics import DAY_MS, Access, Feature, Layout, Topics, TopicSpec, manifest
from streams.topics import Described, Wanted

# ---- compared with the broker ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicFinding:
    """One way in which a topic is not as it must be. ``grave``: ``run`` would refuse, or promises would not hold."""

    topic: str
    says: str
    remedy: str
    grave: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the producer may send, in bytes."""

    batch_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What must be permitted, and to whom, for the remedies."""

    grant: Grant
    principal: Principal


def named(topics: Topics, needs: Needs) -> list[str]:
    """Every topic that is to be described: those of the manifest, and others that must be permitted."""
    permitted = (needed.name for needed in needs.grant.permissions if needed.resource is Resource.TOPIC)
    return list(dict.fromkeys((*(topic.name for topic in manifest(topics)), *permitted)))


def denied(needs: Needs, there: Mapping[str, Described], group: frozenset[str] | None) -> Iterator[TopicFinding]:
    """What the broker does not permit of what is needed. ``group``: what it permits on our consumer group."""
    allowed = {(Resource.TOPIC, name): topic.allowed for name, topic in there.items()}
    allowed |= {
        (needed.resource, needed.name): group for needed in needs.grant.permissions if needed.resource is Resource.GROUP
    }
    for lacking in missing(needs.grant.permissions, allowed):
        yield _denied(lacking, needs, hidden=not allowed[lacking.resource, lacking.name])


def _denied(lacking: Permission, needs: Needs, *, hidden: bool) -> TopicFinding:
    """Without the right to read its settings a topic serves; that they are as they must be is then not checked."""
    (remedy,) = commands([lacking], needs.principal)
    operations = ", ".join(lacking.operations)
    unseen = "; whether it exists cannot be seen" if hidden and lacking.resource is Resource.TOPIC else ""
    return TopicFinding(
        topic=lacking.name if lacking.resource is Resource.TOPIC else f"{lacking.resource} {lacking.name}",
        says=f"is denied to this principal: {operations}{unseen}",
        remedy=remedy,
        grave=lacking.operations != ("DescribeConfigs",),
    )


def findings(
    topics: Topics, there: Mapping[str, Described], limits: Limits, *, dry_run: bool = False
) -> Iterator[TopicFinding]:
    """What is wrong with the topics as the broker describes them; ``there`` lacks those that do not exist.

    Of topics that may not be described nothing is said here. ``dry_run``: they are those of the dry run, for which the
    remedies hold.
    """
    create = "connector topics --create --dry-run" if dry_run else "connector topics --create"
    for topic in manifest(topics):
        described = there.get(topic.name)
        if described is None:
            yield TopicFinding(topic=topic.name, says="does not exist", remedy=create)
            continue
        if described.hidden:
            continue
        yield from _partitions(topic, described, _seen(there.get(topic.source)))
        yield from _cleanup(topic, described)
        if topic.feature is Feature.CONTACTS:
            yield from _kept(topic, described)
        if topic.access is not Access.READ:
            yield from _size(topic, described, limits)


def _seen(described: Described | None) -> Described | None:
    return None if described is None or described.hidden else described


def _partitions(topic: TopicSpec, there: Described, source: Described | None) -> Iterator[TopicFinding]:
    if topic.layout is Layout.SINGLE and there.partitions != 1:
        yield TopicFinding(
            topic=topic.name,
            says=f"has {there.partitions} partitions; exactly one is expected, for its owner alone polls",
            remedy="stop the group, delete this topic, and run `connector topics --create`",
        )
    if source is None:
        return
    if topic.layout is Layout.LIKE_INPUT and there.partitions != source.partitions:
        yield TopicFinding(
            topic=topic.name,
            says=f"has {there.partitions} partitions, the input has {source.partitions}: lanes could not be restored",
            remedy="stop the group, delete this topic, run `connector topics --create`, and reset the group's offsets "
            "to the beginning: state is rebuilt from the input",
        )
    if topic.layout is Layout.AT_LEAST_INPUT and there.partitions < source.partitions:
        yield TopicFinding(
            topic=topic.name,
            says=f"has {there.partitions} partitions, fewer than the input's {source.partitions}",
            remedy=f"kafka-topics --alter --topic {topic.name} --partitions {source.partitions}",
        )


def _cleanup(topic: TopicSpec, there: Described) -> Iterator[TopicFinding]:
    wanted = _policies(topic.config["cleanup.policy"])
    found = _policies(there.config.get("cleanup.policy", ""))
    if not found or found == wanted:
        return
    harms = topic.name == topic.source or "compact" in found - wanted or "delete" in found - wanted
    yield TopicFinding(
        topic=topic.name,
        says=f"has cleanup.policy {'+'.join(sorted(found))}, expected {'+'.join(sorted(wanted))}",
        remedy=f"kafka-configs --alter --entity-type topics --entity-name {topic.name} "
        f"--add-config cleanup.policy=[{topic.config['cleanup.policy']}]",
        grave=harms,
    )


def _kept(topic: TopicSpec, there: Described) -> Iterator[TopicFinding]:
    """Of personal data: that it is kept longer than it need be is for a person to justify, and stops nothing."""
    allowed, found = int(topic.config["retention.ms"]), int(there.config.get("retention.ms", "0"))
    if 0 <= found <= allowed:
        return
    kept = "for ever" if found < 0 else f"for {found / DAY_MS:g} days"
    yield TopicFinding(
        topic=topic.name,
        says=f"keeps personal data {kept}; {allowed // DAY_MS} days are expected",
        remedy=f"kafka-configs --alter --entity-type topics --entity-name {topic.name} "
        f"--add-config retention.ms={allowed}",
        grave=False,
    )


def _policies(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def _size(topic: TopicSpec, there: Described, limits: Limits) -> Iterator[TopicFinding]:
    """librdkafka does not split a batch that a broker refuses as too large: the whole transaction would be lost."""
    allowed = int(there.config.get("max.message.bytes", "0"))
    if allowed and allowed < limits.batch_bytes:
        yield TopicFinding(
            topic=topic.name,
            says=f"takes batches of at most {allowed} bytes, the producer makes them up to {limits.batch_bytes}",
            remedy=f"raise max.message.bytes of the topic, or set kafka.properties batch.size to at most {allowed}",
        )


# ---- what is to be created ------------------------------------------------------------------------------------------


def wanted(topics: Topics, there: Mapping[str, Described], *, partitions: int, replication: int | None) -> list[Wanted]:
    """The missing topics; those that must match the input get the number of partitions that it has."""
    layouts = {topic.name: topic.layout for topic in manifest(topics)}

    def count(topic: TopicSpec) -> int:
        if topic.layout in (Layout.ONE, Layout.SINGLE):
            return 1
        if topic.layout is Layout.FREE:
            return partitions
        if topic.source in there:
            return there[topic.source].partitions
        return 1 if layouts[topic.source] is Layout.SINGLE else partitions

    return [
        Wanted(name=topic.name, partitions=count(topic), config=topic.config, replication=replication)
        for topic in manifest(topics)
        if topic.name not in there
    ]
