"""Compares the required topics and permissions with what a broker reports. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from connector.contracts.permissions import Grant, Permission, Principal, Resource, commands, missing
from connector.contracts.topics import DAY_MS, Access, Feature, Layout, Topics, TopicSpec, manifest
from streams.topics import TopicDescription, TopicToCreate

# ---- compared with the broker ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicFinding:
    """One requirement that a topic or permission does not meet. ``is_error``: whether ``run`` refuses to start."""

    topic: str
    message: str
    remedy: str
    is_error: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The producer's limits."""

    batch_bytes: int  # the largest batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """The permissions that are needed, and the principal that needs them."""

    grant: Grant
    principal: Principal


def named(topics: Topics, needs: Needs) -> list[str]:
    """Returns the topics to describe: those of the manifest, and others that need permissions."""
    permitted = (needed.name for needed in needs.grant.permissions if needed.resource is Resource.TOPIC)
    return list(dict.fromkeys((*(topic.name for topic in manifest(topics)), *permitted)))


def denied(needs: Needs, there: Mapping[str, TopicDescription], group: frozenset[str] | None) -> Iterator[TopicFinding]:
    """Yields a finding for each needed permission that the broker denies.

    ``group``: the operations that the broker allows on the consumer group; None if it does not report them.
    """
    allowed = {(Resource.TOPIC, name): topic.allowed for name, topic in there.items()}
    allowed |= {
        (needed.resource, needed.name): group for needed in needs.grant.permissions if needed.resource is Resource.GROUP
    }
    for lacking in missing(needs.grant.permissions, allowed):
        yield _denied(lacking, needs, hidden=not allowed[lacking.resource, lacking.name])


def _denied(lacking: Permission, needs: Needs, *, hidden: bool) -> TopicFinding:
    """No error if only DescribeConfigs is denied: the topic can be used, but its settings are not checked."""
    (remedy,) = commands([lacking], needs.principal)
    operations = ", ".join(lacking.operations)
    unseen = "; whether it exists is unknown" if hidden and lacking.resource is Resource.TOPIC else ""
    return TopicFinding(
        topic=lacking.name if lacking.resource is Resource.TOPIC else f"{lacking.resource} {lacking.name}",
        message=f"this principal is denied: {operations}{unseen}",
        remedy=remedy,
        is_error=lacking.operations != ("DescribeConfigs",),
    )


def findings(
    topics: Topics, there: Mapping[str, TopicDescription], limits: Limits, *, dry_run: bool = False
) -> Iterator[TopicFinding]:
    """Yields a finding for each requirement that the topics do not meet. ``there`` lacks topics that do not exist.

    Topics that may not be described are skipped. ``dry_run``: these are the topics of a dry run, and the remedies refer
    to it.
    """
    create = "connector topics --create --dry-run" if dry_run else "connector topics --create"
    for topic in manifest(topics):
        described = there.get(topic.name)
        if described is None:
            yield TopicFinding(topic=topic.name, message="does not exist", remedy=create)
            continue
        if described.hidden:
            continue
        yield from _partitions(topic, described, _seen(there.get(topic.source)))
        yield from _cleanup(topic, described)
        if topic.feature is Feature.CONTACTS:
            yield from _kept(topic, described)
        if topic.access is not Access.READ:
            yield from _size(topic, described, limits)


def _seen(described: TopicDescription | None) -> TopicDescription | None:
    """Returns the description of a topic, or None if it does not exist or may not be described."""
    return None if described is None or described.hidden else described


def _partitions(topic: TopicSpec, there: TopicDescription, source: TopicDescription | None) -> Iterator[TopicFinding]:
    """Compares the number of partitions with the required one, which may be that of the input."""
    if topic.layout is Layout.SINGLE and there.partitions != 1:
        yield TopicFinding(
            topic=topic.name,
            message=f"has {there.partitions} partitions; it must have exactly one, because only its owner polls",
            remedy="stop the group, delete this topic, and run `connector topics --create`",
        )
    if source is None:
        return
    if (
        topic.feature is Feature.RECONCILE
        and topic.layout is Layout.LIKE_INPUT
        and there.partitions != source.partitions
    ):
        yield TopicFinding(
            topic=topic.name,
            message=f"has {there.partitions} partitions, but the input has {source.partitions}: the owner of an EAN "
            "would not read its units",
            remedy="stop the group, delete this topic, and run `connector topics --create`: the next sweep fills it",
        )
    elif topic.layout is Layout.LIKE_INPUT and there.partitions != source.partitions:
        yield TopicFinding(
            topic=topic.name,
            message=f"has {there.partitions} partitions, but the input has {source.partitions}: "
            "states could not be restored",
            remedy="stop the group, delete this topic, run `connector topics --create`, and reset the group's offsets "
            "to the beginning: state is rebuilt from the input",
        )
    if topic.layout is Layout.AT_LEAST_INPUT and there.partitions < source.partitions:
        yield TopicFinding(
            topic=topic.name,
            message=f"has {there.partitions} partitions, fewer than the input's {source.partitions}",
            remedy=f"kafka-topics --alter --topic {topic.name} --partitions {source.partitions}",
        )


def _cleanup(topic: TopicSpec, there: TopicDescription) -> Iterator[TopicFinding]:
    """Reports another cleanup policy; an error for an input, or if records could be deleted or compacted away."""
    wanted = _policies(topic.config["cleanup.policy"])
    found = _policies(there.config.get("cleanup.policy", ""))
    if not found or found == wanted:
        return
    is_error = topic.name == topic.source or "compact" in found - wanted or "delete" in found - wanted
    yield TopicFinding(
        topic=topic.name,
        message=f"has cleanup.policy {'+'.join(sorted(found))}, expected {'+'.join(sorted(wanted))}",
        remedy=f"kafka-configs --alter --entity-type topics --entity-name {topic.name} "
        f"--add-config cleanup.policy=[{topic.config['cleanup.policy']}]",
        is_error=is_error,
    )


def _kept(topic: TopicSpec, there: TopicDescription) -> Iterator[TopicFinding]:
    """Reports personal data that is retained longer than necessary; this does not prevent a start."""
    allowed, found = int(topic.config["retention.ms"]), int(there.config.get("retention.ms", "0"))
    if 0 <= found <= allowed:
        return
    kept = "for ever" if found < 0 else f"for {found / DAY_MS:g} days"
    yield TopicFinding(
        topic=topic.name,
        message=f"keeps personal data {kept}; at most {allowed // DAY_MS} days are expected",
        remedy=f"kafka-configs --alter --entity-type topics --entity-name {topic.name} "
        f"--add-config retention.ms={allowed}",
        is_error=False,
    )


def _policies(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def _size(topic: TopicSpec, there: TopicDescription, limits: Limits) -> Iterator[TopicFinding]:
    """librdkafka does not split a batch that the broker rejects as too large; the whole transaction would fail."""
    allowed = int(there.config.get("max.message.bytes", "0"))
    if allowed and allowed < limits.batch_bytes:
        yield TopicFinding(
            topic=topic.name,
            message=f"accepts batches of at most {allowed} bytes, but the producer sends up to {limits.batch_bytes}",
            remedy=f"raise max.message.bytes of the topic, or set kafka.properties batch.size to at most {allowed}",
        )


# ---- creating topics ------------------------------------------------------------------------------------------------


def wanted(
    topics: Topics, there: Mapping[str, TopicDescription], *, partitions: int, replication: int | None
) -> list[TopicToCreate]:
    """Returns the missing topics; those that must match the input get its number of partitions."""
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
        TopicToCreate(name=topic.name, partitions=count(topic), config=topic.config, replication=replication)
        for topic in manifest(topics)
        if topic.name not in there
    ]
