"""The topics: their names, how each must be laid out and for whom it is, and who may do what. Data, and pure checks.

``connector topics`` prints this, compares it with the broker, and creates what is missing when asked. Nothing is ever
created, changed or deleted at run time. ``docs/topics.md`` is printed from here: ``python -m connector.topics``.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from streams.topics import Described

DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """The name of each dataset."""

    offer_changes: str
    offer_results: str
    offers_not_found: str
    offer_state: str
    marketplace_calls: str
    offer_changes_dlq: str
    routing: str


def named(prefix: str, **chosen: str | None) -> Topics:
    """``<prefix>.<dataset>.v1``, and dead letters beside their input; except what was chosen otherwise."""
    names = {name: f"{prefix}.{name.replace('_', '-')}.v1" for name in Topics.__dataclass_fields__}
    names |= {name: topic for name, topic in chosen.items() if topic is not None}
    if chosen.get("offer_changes_dlq") is None:
        names["offer_changes_dlq"] = f"{names['offer_changes']}.dlq"
    return Topics(**names)


class Access(StrEnum):
    """What the connector does with a topic."""

    READ = "read"
    WRITE = "write"
    BOTH = "read and write"


class Layout(StrEnum):
    """How many partitions, and whether that is a matter of taste."""

    INPUT = "any number; it may not change"
    LIKE_INPUT = "exactly as many as the input"
    AT_LEAST_INPUT = "at least as many as the input"
    ONE = "one; only the first is used"
    FREE = "any number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One row of the manifest."""

    name: str
    key: str
    access: Access
    layout: Layout
    config: Mapping[str, str]
    meant_for: str


def manifest(topics: Topics) -> tuple[Topic, ...]:
    return (
        Topic(
            name=topics.offer_changes,
            key="EAN",
            access=Access.READ,
            layout=Layout.INPUT,
            config={"cleanup.policy": "delete", "retention.ms": str(30 * DAY_MS)},
            meant_for="the source of truth for wanted values; a rebuild reaches as far as its retention",
        ),
        Topic(
            name=topics.offer_results,
            key="EAN",
            access=Access.WRITE,
            layout=Layout.FREE,
            config={"cleanup.policy": "delete", "retention.ms": str(90 * DAY_MS)},
            meant_for="what became of every event",
        ),
        Topic(
            name=topics.offers_not_found,
            key="target, condition, offer id, EAN",
            access=Access.WRITE,
            layout=Layout.AT_LEAST_INPUT,
            config={"cleanup.policy": "compact,delete", "retention.ms": str(90 * DAY_MS)},
            meant_for="people and patterns; a tombstone when resolved",
        ),
        Topic(
            name=topics.marketplace_calls,
            key="account",
            access=Access.WRITE,
            layout=Layout.FREE,
            config={"cleanup.policy": "delete", "retention.ms": str(30 * DAY_MS)},
            meant_for="one row per HTTP attempt",
        ),
        Topic(
            name=topics.offer_state,
            key="EAN",
            access=Access.BOTH,
            layout=Layout.LIKE_INPUT,
            config={"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1"},
            meant_for="identity, last accepted and undone: restored from, and joined by analytics",
        ),
        Topic(
            name=topics.offer_changes_dlq,
            key="the original",
            access=Access.WRITE,
            layout=Layout.FREE,
            config={"cleanup.policy": "delete", "retention.ms": str(90 * DAY_MS)},
            meant_for="what could not be read, with the reason in its headers",
        ),
        Topic(
            name=topics.routing,
            key="consumer group",
            access=Access.BOTH,
            layout=Layout.ONE,
            config={"cleanup.policy": "compact"},
            meant_for="what each target id was accepted to mean (JSON, ours alone): run refuses another meaning",
        ),
    )


# ---- compared with the broker ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One way in which a topic is not as it must be. ``grave``: ``run`` would refuse, or promises would not hold."""

    topic: str
    says: str
    remedy: str
    grave: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the producer may send, in bytes."""

    batch_bytes: int


def findings(
    topics: Topics, there: Mapping[str, Described], limits: Limits, *, dry_run: bool = False
) -> Iterator[Finding]:
    """What is wrong with the topics as the broker describes them; ``there`` lacks those that do not exist.

    ``dry_run``: they are those of the dry run, for which the remedies hold.
    """
    create = "connector topics --create --dry-run" if dry_run else "connector topics --create"
    source = there.get(topics.offer_changes)
    for topic in manifest(topics):
        described = there.get(topic.name)
        if described is None:
            yield Finding(topic=topic.name, says="does not exist", remedy=create)
            continue
        yield from _partitions(topic, described, source)
        yield from _cleanup(topic, described)
        if topic.access is not Access.READ:
            yield from _size(topic, described, limits)


def _partitions(topic: Topic, there: Described, source: Described | None) -> Iterator[Finding]:
    if source is None:
        return
    if topic.layout is Layout.LIKE_INPUT and there.partitions != source.partitions:
        yield Finding(
            topic=topic.name,
            says=f"has {there.partitions} partitions, the input has {source.partitions}: lanes could not be restored",
            remedy="stop the group, delete this topic, run `connector topics --create`, and reset the group's offsets "
            "to the beginning: state is rebuilt from the input",
        )
    if topic.layout is Layout.AT_LEAST_INPUT and there.partitions < source.partitions:
        yield Finding(
            topic=topic.name,
            says=f"has {there.partitions} partitions, fewer than the input's {source.partitions}",
            remedy=f"kafka-topics --alter --topic {topic.name} --partitions {source.partitions}",
        )


def _cleanup(topic: Topic, there: Described) -> Iterator[Finding]:
    wanted = _policies(topic.config["cleanup.policy"])
    found = _policies(there.config.get("cleanup.policy", ""))
    if not found or found == wanted:
        return
    harms = topic.layout is Layout.INPUT or "compact" in found - wanted or "delete" in found - wanted
    yield Finding(
        topic=topic.name,
        says=f"has cleanup.policy {'+'.join(sorted(found))}, expected {'+'.join(sorted(wanted))}",
        remedy=f"kafka-configs --alter --entity-type topics --entity-name {topic.name} "
        f"--add-config cleanup.policy=[{topic.config['cleanup.policy']}]",
        grave=harms,
    )


def _policies(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def _size(topic: Topic, there: Described, limits: Limits) -> Iterator[Finding]:
    """librdkafka does not split a batch that a broker refuses as too large: the whole transaction would be lost."""
    allowed = int(there.config.get("max.message.bytes", "0"))
    if allowed and allowed < limits.batch_bytes:
        yield Finding(
            topic=topic.name,
            says=f"takes batches of at most {allowed} bytes, the producer makes them up to {limits.batch_bytes}",
            remedy=f"raise max.message.bytes of the topic, or set kafka.properties batch.size to at most {allowed}",
        )


# ---- who may do what ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """One ACL of the connector's principal."""

    resource: str  # topic, group, transactional-id
    name: str
    operations: tuple[str, ...]

    def command(self, principal: str) -> str:
        """As Kafka's own tool wants it."""
        operations = " ".join(f"--operation {operation}" for operation in self.operations)
        return f"kafka-acls --add --allow-principal {principal} {operations} --{self.resource} {self.name}"


def permissions(topics: Topics, *, group: str, instance_id: str, transactional: bool) -> Iterator[Permission]:
    operations = {
        Access.READ: ("Describe", "Read"),
        Access.WRITE: ("Describe", "Write"),
        Access.BOTH: ("Describe", "Read", "Write"),
    }
    for topic in manifest(topics):
        yield Permission(resource="topic", name=topic.name, operations=(*operations[topic.access], "DescribeConfigs"))
    yield Permission(resource="group", name=group, operations=("Describe", "Read"))
    if transactional:
        yield Permission(resource="transactional-id", name=instance_id, operations=("Describe", "Write"))


# ---- for a person ---------------------------------------------------------------------------------------------------


def document() -> str:
    """The manifest with default names, as docs/topics.md shows it."""
    rows = [
        f"| `{topic.name}` | {topic.key} | {topic.config['cleanup.policy']} | {_kept(topic)} | {topic.layout.value} "
        f"| {topic.access.value} | {topic.meant_for} |"
        for topic in manifest(named("kaufland"))
    ]
    head = [
        "# Topics",
        "",
        "With default names; every name and the prefix can be set. `connector topics` prints this for a configuration,",
        "with the permissions; `--check` compares it with the broker, `--create` creates what is missing. The fields",
        "of each Avro value stand in `schemas/`.",
        "",
        "| topic | key | cleanup | kept | partitions | the connector may | for |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *rows, ""])


def _kept(topic: Topic) -> str:
    kept = topic.config.get("retention.ms")
    return f"{int(kept) // DAY_MS} d" if kept else "for ever"


if __name__ == "__main__":
    sys.stdout.write(document())
