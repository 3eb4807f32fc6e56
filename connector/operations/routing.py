"""Compares the configured routing with the accepted one: at start, in ``check`` and in ``config routing --accept``."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from rich.console import Console

from connector.routing.accepted_routing import AcceptedTarget, agreed, decode, encode, moved, places
from connector.routing.table import Routing
from streams.errors import Stopped

REMEDY = "connector config routing --accept, if the change is intended: pending events then go to the new target"


class AcceptedRoutingStore(Protocol):
    """Stores the accepted routing by group. Raises SourceFailed or SinkFailed if the broker does not respond."""

    def read(self) -> Mapping[str, bytes]: ...

    def put(self, key: str, value: bytes) -> None: ...


def accepted(table: AcceptedRoutingStore, group: str) -> dict[str, AcceptedTarget]:
    """Returns the accepted routing; empty before the first start. Raises Stopped for an invalid record."""
    value = table.read().get(group)
    try:
        return decode(value) if value is not None else {}
    except ValueError as error:
        raise Stopped(f"the accepted routing of group {group} cannot be read: {error}. Remedy: {REMEDY}") from error


def differences(table: AcceptedRoutingStore, group: str, routing: Routing) -> list[str]:
    """Returns one message for every target id whose meaning differs from the accepted one."""
    return list(moved(accepted(table, group), routing))


def hold(table: AcceptedRoutingStore, group: str, routing: Routing) -> None:
    """Adds new target ids to the accepted routing. Raises Stopped that names each changed id with both meanings.

    Called before any record is read.
    """
    before = accepted(table, group)
    changed = list(moved(before, routing))
    if changed:
        raise Stopped("the routing differs from the accepted one:\n  " + "\n  ".join([*changed, f"Remedy: {REMEDY}"]))
    after = agreed(before, routing)
    if after != before:
        table.put(group, encode(after))


def accept(table: AcceptedRoutingStore, group: str, routing: Routing) -> list[str]:
    """Stores the configured routing as the accepted one; returns a message for each target id that changes."""
    try:
        before = accepted(table, group)
    except Stopped:
        before = {}
    table.put(group, encode(agreed(before, routing)))
    return list(moved(before, routing))


def show_accepted(console: Console, group: str, routing: Routing, changed: Iterable[str]) -> None:
    """Prints what was accepted, and what that changes."""
    for line in changed:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(f"Accepted for group {group}: {len(places(routing))} targets.")
