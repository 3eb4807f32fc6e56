"""``connector topics``: print the manifest, compare it with the broker, create what is missing when asked."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from connector.topics import DAY_MS, Topics, manifest
from connector.topology import Finding, Limits, Permission, findings, wanted
from streams.topics import Described, Wanted


class Broker(Protocol):
    """What these commands ask of a broker. Raises SourceFailed where none answers."""

    def describe(self, names: Sequence[str]) -> Mapping[str, Described]: ...

    def create(self, wanted: Sequence[Wanted]) -> Mapping[str, str]: ...


def show(console: Console, topics: Topics, permissions: Sequence[Permission], principal: str) -> None:
    table = Table("topic", "key", "cleanup", "kept", "partitions", "connector", "for")
    for topic in manifest(topics):
        kept = topic.config.get("retention.ms")
        table.add_row(
            topic.name,
            topic.key,
            topic.config["cleanup.policy"],
            f"{int(kept) // DAY_MS} d" if kept else "for ever",
            topic.layout.value,
            topic.access.value,
            topic.meant_for,
        )
    console.print(table)
    console.print("Permissions, as Kafka's own tool sets them:")
    for permission in permissions:
        console.print(f"  {permission.command(principal)}", soft_wrap=True)


def check(console: Console, broker: Broker, topics: Topics, limits: Limits, *, dry_run: bool = False) -> bool:
    """Say what differs, and how to mend it; True = ``run`` may start."""
    there = broker.describe([topic.name for topic in manifest(topics)])
    found = list(findings(topics, there, limits, dry_run=dry_run))
    if not found:
        console.print("[green]All topics are as they must be.[/]")
        return True
    table = Table("topic", "found", "remedy")
    for finding in found:
        table.add_row(
            finding.topic, escape(finding.says), escape(finding.remedy), style="red" if finding.grave else "yellow"
        )
    console.print(table)
    return not any(finding.grave for finding in found)


def create(console: Console, broker: Broker, topics: Topics, *, partitions: int, replication: int | None) -> bool:
    """Create what is missing; what is there is left as it is. True = nothing is missing any more."""
    there = broker.describe([topic.name for topic in manifest(topics)])
    missing = wanted(topics, there, partitions=partitions, replication=replication)
    refused = broker.create(missing) if missing else {}
    for topic in missing:
        if topic.name in refused:
            console.print(f"[red]{topic.name}: {refused[topic.name]}[/]")
        else:
            console.print(
                f"created {topic.name} with {topic.partitions} partition{'s' if topic.partitions > 1 else ''}"
            )
    if not missing:
        console.print("Every topic is there.")
    return not refused


def grave(found: Sequence[Finding]) -> list[str]:
    """The sentences that stop ``run``."""
    return [f"{finding.topic} {finding.says}. Remedy: {finding.remedy}" for finding in found if finding.grave]
