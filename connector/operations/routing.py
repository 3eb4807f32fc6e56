"""Holding the configured routing to the accepted one: at start, in ``check``, and for ``config routing --accept``."""

from collections.abc import Mapping
from typing import Protocol

from rich.console import Console

from connector.routing.accepted_routing import Place, agreed, decode, encode, moved, places
from connector.routing.table import Routing
from streams.errors import Stopped

REMEDY = "connector config routing --accept, when this is meant: events that wait will go to the new place"


class AcceptedRoutingStore(Protocol):
    """What the group remembers. Raises SourceFailed or SinkFailed where the broker does not answer."""

    def read(self) -> Mapping[str, bytes]: ...

    def put(self, key: str, value: bytes) -> None: ...


def accepted(table: AcceptedRoutingStore, group: str) -> dict[str, Place]:
    """Empty before the first start. Raises Stopped for a record that nobody of ours wrote."""
    value = table.read().get(group)
    try:
        return decode(value) if value is not None else {}
    except ValueError as error:
        raise Stopped(f"the accepted routing of group {group} cannot be read: {error}. Remedy: {REMEDY}") from error


def differences(table: AcceptedRoutingStore, group: str, routing: Routing) -> list[str]:
    """A sentence for every target id that means another place than was accepted."""
    return list(moved(accepted(table, group), routing))


def hold(table: AcceptedRoutingStore, group: str, routing: Routing) -> None:
    """Before anything is read: raises Stopped with both meanings of each changed id; writes down what is new."""
    before = accepted(table, group)
    changed = list(moved(before, routing))
    if changed:
        raise Stopped("the routing is not the accepted one:\n  " + "\n  ".join([*changed, f"Remedy: {REMEDY}"]))
    after = agreed(before, routing)
    if after != before:
        table.put(group, encode(after))


def accept(console: Console, table: AcceptedRoutingStore, group: str, routing: Routing) -> None:
    """Write the configured routing down as the accepted one, and say what that changes."""
    try:
        before = accepted(table, group)
    except Stopped:
        before = {}
    table.put(group, encode(agreed(before, routing)))
    for line in moved(before, routing):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(f"Accepted for group {group}: {len(places(routing))} targets.")
