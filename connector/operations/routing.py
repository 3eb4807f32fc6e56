"""Compares the configured routing with the accepted one: at start, in ``check`` and in ``config routing --accept``."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from rich.console import Console

from connector.routing.accepted_routing import AcceptedTarget, agreed, moved, places, table_of
from connector.routing.events import RoutingAccepted
from connector.routing.table import Routing
from streams.errors import Stopped

REMEDY = "connector config routing --accept, if the change is intended: pending events then go to the new target"


class AcceptedRoutingStore(Protocol):
    """Stores the accepted routing by group.

    Raises SourceFailed or SinkFailed if the broker does not respond, NotPermitted, and RegistryDown or RegistryDenied
    if the schema of a record cannot be fetched.
    """

    def find(self, group: str) -> RoutingAccepted | None:
        """Returns the group's record, if there is one. Raises ValueError for one that cannot be read."""
        ...

    def put(self, group: str, table: Mapping[str, AcceptedTarget]) -> None: ...


def accepted(table: AcceptedRoutingStore, group: str) -> dict[str, AcceptedTarget]:
    """Returns the accepted routing; empty before the first start. Raises Stopped for an invalid record."""
    try:
        found = table.find(group)
    except ValueError as error:
        raise Stopped(f"the accepted routing of group {group} cannot be read: {error}. Remedy: {REMEDY}") from error
    return table_of(found) if found is not None else {}


def differences(table: AcceptedRoutingStore, group: str, routing: Routing) -> list[str]:
    """Returns one message for every target id whose meaning differs from the accepted one."""
    return list(moved(accepted(table, group), routing))


def hold(table: AcceptedRoutingStore, group: str, routing: Routing) -> None:
    """Adds new target ids to the accepted routing. Raises Stopped that names each changed id with both meanings.

    Called before any record is read. A table that is unchanged is not written: earlier versions of the connector, which
    may still run or be gone back to, read their own record only.
    """
    before = accepted(table, group)
    changed = list(moved(before, routing))
    if changed:
        raise Stopped("the routing differs from the accepted one:\n  " + "\n  ".join([*changed, f"Remedy: {REMEDY}"]))
    after = agreed(before, routing)
    if after != before:
        table.put(group, after)


def accept(table: AcceptedRoutingStore, group: str, routing: Routing) -> list[str]:
    """Stores the configured routing as the accepted one; returns a message for each target id that changes."""
    try:
        before = accepted(table, group)
    except Stopped:
        before = {}
    table.put(group, agreed(before, routing))
    return list(moved(before, routing))


def show_accepted(console: Console, group: str, routing: Routing, changed: Iterable[str]) -> None:
    """Prints what was accepted, and what that changes."""
    for line in changed:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(f"Accepted for group {group}: {len(places(routing))} targets.")
