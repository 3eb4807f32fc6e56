"""Joins the side inputs of several parts of an application, such as replays and reconciliation, for one main topic."""

from collections.abc import Mapping, Sequence
from typing import Final

from streams.flow import Now, Output, Record
from streams.side_input import Message, Opening, SideInput, SideInputs, SidePosition


class JoinedSideInputs:
    """A ``SideInputs`` of several. ``parts``: by what precedes the first slash in the names of their inputs."""

    def __init__(self, parts: Mapping[str, SideInputs]) -> None:
        self._parts: Final = dict(parts)

    def inputs(self, partition: int) -> Sequence[SideInput]:
        """Returns the side inputs of all parts, in the order of the parts.

        Raises ValueError for a name that is not its part's, which is a bug.
        """
        found: list[SideInput] = []
        for name, part in self._parts.items():
            for one in part.inputs(partition):
                if _part_of(one.name) != name:
                    raise ValueError(f"the side input {one.name!r} is not named after its part, {name!r}")
                found.append(one)
        return found

    def opened(self, opening: Opening, now: Now) -> None:
        """Tells all parts."""
        for part in self._parts.values():
            part.opened(opening, now)

    def is_over(self, name: str) -> bool:
        """Returns what the part says; False for an input of a part that is not there, which may come back."""
        part = self._parts.get(_part_of(name))
        return part is not None and part.is_over(name)

    def read(self, name: str, record: Record, now: Now) -> Message:
        """Returns what the part makes of a record; nothing for an input that belongs to no part any more."""
        part = self._parts.get(_part_of(name))
        return part.read(name, record, now) if part is not None else None

    def progress(self, partition: int, side_input: SideInput, reached: SidePosition, now: Now) -> Sequence[Output]:
        """Returns the records with which the part reports progress."""
        part = self._parts.get(_part_of(side_input.name))
        return part.progress(partition, side_input, reached, now) if part is not None else ()


def _part_of(name: str) -> str:
    return name.partition("/")[0]
