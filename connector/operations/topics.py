"""Implements ``connector topics``: prints the topics, compares them with the broker, and creates missing ones."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from connector.contracts.capabilities import NONE_ON, SwitchedOn, described
from connector.contracts.permissions import Grant, Principal, commands
from connector.contracts.topic_checks import Limits, Needs, TopicFinding, denied, findings, named, wanted
from connector.contracts.topics import DAY_MS, Topics, manifest
from streams.topics import TopicDescription, TopicToCreate


class TopicAdmin(Protocol):
    """The calls of these commands to the broker. They raise SourceFailed if no broker responds."""

    def describe(self, names: Sequence[str]) -> Mapping[str, TopicDescription]: ...

    def allowed_on_group(self, group: str) -> frozenset[str] | None: ...

    def create(self, wanted: Sequence[TopicToCreate]) -> Mapping[str, str]: ...


def show(
    console: Console,
    topics: Topics,
    grants: Sequence[Grant],
    principal: Principal,
    on: SwitchedOn = NONE_ON,
) -> None:
    """Prints the topics, and the permissions as ``kafka-acls`` commands.

    ``on``: the capabilities that are on; they need the marketplace's permission, which its keys have, and no ACL.
    """
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
    console.print("Permissions, as kafka-acls commands; add --command-config FILE if the tool must authenticate.")
    console.print("Each block has all that its commands need, so each can be granted to a separate principal.")
    for grant in grants:
        console.print(f"\n# connector {', '.join(grant.commands)}", highlight=False, soft_wrap=True)
        for command in commands(grant.permissions, principal):
            console.print(command, highlight=False, markup=False, soft_wrap=True)
    for phrase in described(on):
        console.print(f"\n# at the marketplace, by the account's keys: {phrase}", highlight=False, soft_wrap=True)


def check(console: Console, found: Sequence[TopicFinding]) -> bool:
    """Prints the findings with their remedies. Returns whether ``run`` may start."""
    if not found:
        console.print("[green]All topics meet the requirements.[/]")
        return True
    table = Table("topic", "found", "remedy")
    for finding in found:
        style = "red" if finding.is_error else "yellow"
        table.add_row(finding.topic, escape(finding.message), escape(finding.remedy), style=style)
    console.print(table)
    return not any(finding.is_error for finding in found)


def create(console: Console, broker: TopicAdmin, topics: Topics, *, partitions: int, replication: int | None) -> bool:
    """Creates missing topics; changes no existing one. Returns whether all topics exist now.

    Nothing is created if some topic may not be described, because it is unknown whether it exists.
    """
    there = broker.describe([topic.name for topic in manifest(topics)])
    hidden = [name for name, topic in there.items() if topic.hidden]
    if hidden:
        console.print(f"[red]nothing was created: this principal may not Describe {', '.join(hidden)}[/]")
        console.print("Remedy: the permissions that `connector topics` prints for `connector topics --create`")
        return False
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
        console.print("Every topic exists.")
    return not refused


def found_on(
    broker: TopicAdmin, topics: Topics, limits: Limits, needs: Needs, group: str, *, dry_run: bool = False
) -> list[TopicFinding]:
    """Returns all findings, denied permissions first. Raises SourceFailed if no broker responds."""
    there = broker.describe(named(topics, needs))
    return [
        *denied(needs, there, broker.allowed_on_group(group)),
        *findings(topics, there, limits, dry_run=dry_run),
    ]


def errors(found: Sequence[TopicFinding]) -> list[str]:
    """Returns the messages of the findings that prevent ``run``."""
    return [f"{finding.topic} {finding.message}. Remedy: {finding.remedy}" for finding in found if finding.is_error]
