"""Counts what guard rails hold now, from the state topic, and prints it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from connector.contracts.event_time import moment
from connector.offers.events import OfferState
from connector.offers.rails import RAIL_NAMES
from connector.operations.progress import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldGroup:
    """The fields that one guard rail holds of one source on one target."""

    rail: str
    target_id: str
    source: str
    fields: int
    eans: int
    oldest_us: int  # when the oldest of their events was read
    example: str  # an EAN


def held_groups(states: Iterable[tuple[str, OfferState | None]]) -> list[HeldGroup]:
    """Returns what guard rails hold by the newest state of each EAN, the largest group first."""
    newest: dict[str, list[tuple[tuple[str, str, str], int]]] = {}
    for ean, state in counted(states, "states read"):
        held = list(_held(state)) if state is not None else []
        if held:
            newest[ean] = held
        else:
            newest.pop(ean, None)
    groups: dict[tuple[str, str, str], list[tuple[str, int]]] = {}
    for ean, held in newest.items():
        for group, since_us in held:
            groups.setdefault(group, []).append((ean, since_us))
    found = [
        HeldGroup(
            rail=rail,
            target_id=target_id,
            source=source,
            fields=len(members),
            eans=len({ean for ean, _ in members}),
            oldest_us=min(since_us for _, since_us in members),
            example=min(ean for ean, _ in members),
        )
        for (rail, target_id, source), members in groups.items()
    ]
    return sorted(found, key=lambda group: (-group.fields, group.rail, group.target_id, group.source))


def _held(state: OfferState) -> Iterator[tuple[tuple[str, str, str], int]]:
    """Yields the group of each field that a guard rail holds, and when its event was read."""
    for undone in state.undone:
        for held in undone.held:
            if held.guard in RAIL_NAMES:
                yield (held.guard, undone.target_id, undone.source or ""), undone.received_at_us


def show(console: Console, groups: list[HeldGroup]) -> None:
    """Prints the groups as a table, and what to do."""
    table = Table("guard rail", "target", "source", "held", "EANs", "since", "for instance")
    for group in groups:
        table.add_row(
            group.rail,
            group.target_id,
            group.source,
            f"{group.fields:,}",
            f"{group.eans:,}",
            moment(group.oldest_us - group.oldest_us % 1_000_000),
            group.example,
        )
    if not groups:
        console.print("Guard rails hold nothing.", markup=False, highlight=False)
        return
    console.print(table)
    console.print(
        "connector guard release sends what is held, connector guard drop discards it.", markup=False, highlight=False
    )


def document(groups: list[HeldGroup]) -> list[dict[str, Any]]:
    """Returns what ``--json`` prints."""
    return [
        {
            "guard": group.rail,
            "target_id": group.target_id,
            "source": group.source,
            "fields": group.fields,
            "eans": group.eans,
            "oldest": moment(group.oldest_us),
            "example": group.example,
        }
        for group in groups
    ]
