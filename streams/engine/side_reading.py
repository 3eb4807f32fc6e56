"""The side inputs of one assignment, and how they share a step of the engine with live input.

A position is kept until the application says that the side input is over. That a name is missing says nothing: the
command behind it may be unreadable at present, and the input would start again when it returns.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any, Final

from streams.engine.open_side_input import OpenSideInput
from streams.flow import Assignment, NotYet, Now, Output
from streams.lanes.lanes import Lanes
from streams.messages import Notice, SideFetch, SideRecords
from streams.policy import Policy
from streams.side_input import INPUTS_LIMIT, NAME_LIMIT, Opening, SideInput, SideInputs, SidePosition

TURNS_PER_STEP: Final = 6
"""Turns that side inputs get in one step, a few milliseconds of work: live input waits no longer than that."""

SHARE_OF_ROOM: Final = 0.25
"""Part of ``Policy.max_outputs`` and ``Policy.max_awake`` up to which side inputs are read; live input has the rest."""

_LOST: Final = (
    "the offset of the partition was set by a tool or by a version without side inputs, and the position with it is "
    "lost: the range may have been read before, and is not read"
)


class SideReading:
    """The side inputs of one assignment by name.

    ``found``: the positions in the previous owner's mark; None: they are lost.
    """

    def __init__(self, at: Assignment, sides: SideInputs | None, found: Mapping[str, SidePosition] | None) -> None:
        self.at = at
        self._sides = sides
        self._inputs: dict[str, OpenSideInput] = {}
        self._kept = dict(found or {})  # positions of names that the application has not returned, or not yet
        self.are_lost = found is None  # until all side inputs are known that may have been read
        self._refused: set[str] = set()  # names that were refused when the application was last asked
        self._notices: list[Notice] = []

    def ask(self, *, knows_all: bool) -> None:
        """Asks the application for the side inputs. ``knows_all``: the control topic was read to its end.

        Called when the partition opens, and when something may have changed.
        """
        if self._sides is None:
            return
        before, named = self._inputs, self._sides.inputs(self.at.partition)
        names = {spec.name for spec in named}
        known = {**self._kept, **{name: one.reached for name, one in before.items()}}
        self._kept = {name: at for name, at in known.items() if name not in names and not self._sides.is_over(name)}
        self._inputs = {}
        for spec in self._accepted(named, INPUTS_LIMIT - len(self._kept)):
            one = before.get(spec.name)
            if one is None or not one.renewed(spec):
                one = self._opened(spec, self._sides, known.get(spec.name) if one is None else None)
            self._inputs[spec.name] = one
        self.are_lost = self.are_lost and not knows_all

    def opened(self, opening: Opening, now: Now) -> None:
        """Tells the application that the partition has opened."""
        if self._sides is not None:
            self._sides.opened(opening, now)

    def _opened(self, spec: SideInput, sides: SideInputs, found: SidePosition | None) -> OpenSideInput:
        """Returns a side input at its position; one that may have been read already is passed."""
        if found is None and self.are_lost and spec.end is not None:
            found = SidePosition(position=spec.end, gone=spec.end - spec.start)
            fields = {"name": spec.name, "topic": spec.topic, "beside": _text(self.at), "reason": _LOST}
            self._notices.append(Notice(event="side_input_passed", level="warning", fields=fields))
        return OpenSideInput(self.at, spec, sides, found)

    def _accepted(self, named: Sequence[SideInput], at_most: int) -> list[SideInput]:
        accepted: dict[str, SideInput] = {}
        refused = set()
        for spec in named:
            why = _refusal(spec, accepted, at_most)
            if not why:
                accepted[spec.name] = spec
                continue
            refused.add(spec.name)
            if spec.name not in self._refused:
                fields = {"name": spec.name[:NAME_LIMIT], "topic": spec.topic, "beside": _text(self.at), "reason": why}
                self._notices.append(Notice(event="side_input_refused", level="error", fields=fields))
        self._refused = refused
        return list(accepted.values())

    # ---- reading ----------------------------------------------------------------------------------------------------

    def answered(self, answer: SideRecords, now_s: float) -> None:
        """Takes an answer; ignores one for a side input that is not named any more."""
        side_input = self._inputs.get(answer.fetch.name)
        if side_input is not None:
            self._notices.extend(side_input.answered(answer, now_s))

    def fetches(self, now_s: float) -> Iterator[SideFetch]:
        """Yields the requests to make now."""
        for side_input in self._inputs.values():
            self._notices.extend(side_input.unanswered(now_s))
            fetch = side_input.fetch(now_s)
            if fetch is not None:
                yield fetch

    def next_s(self) -> float:
        """Returns when to call ``fetches`` again; ``inf`` = not before something else happens."""
        return min((one.next_fetch_s() for one in self._inputs.values()), default=inf)

    def needs(self) -> Iterator[NotYet]:
        """Yields what must be fetched before records can be read."""
        return (one.needs for one in self._inputs.values() if one.needs is not None)

    def fetched(self, need: Any) -> None:
        """Lets the side inputs go on that waited for ``need``."""
        for one in self._inputs.values():
            if one.needs is not None and one.needs.need == need:
                one.needs = None

    @property
    def ready(self) -> list[OpenSideInput]:
        """The side inputs that have records to be applied."""
        return [one for one in self._inputs.values() if one.is_ready]

    def apply(self, side_input: OpenSideInput, lanes: Lanes, turns: int, now: Now) -> int:
        """Gives lanes at most ``turns`` turns for the records of one of the side inputs, and returns how many."""
        before = side_input.delivered
        self._notices.extend(side_input.apply(lanes, turns, now))
        return side_input.delivered - before

    def takes_review(self) -> bool:
        """Whether a record since the last call concerns all lanes with pending work."""
        asking = [one for one in self._inputs.values() if one.asks_review]
        for one in asking:
            one.asks_review = False
        return bool(asking)

    def take_notices(self) -> list[Notice]:
        """Returns what is to be logged since the last call."""
        notices, self._notices = self._notices, []
        return notices

    # ---- reporting --------------------------------------------------------------------------------------------------

    @property
    def open(self) -> tuple[OpenSideInput, ...]:
        """The side inputs, for the status."""
        return tuple(self._inputs.values())

    def positions(self) -> Mapping[str, SidePosition]:
        """Returns the positions to be committed."""
        return {**self._kept, **{name: one.reached for name, one in self._inputs.items()}}

    def progress(self, now: Now) -> Iterator[Output]:
        """Yields the application's reports of progress since the last call, for the checkpoint being made."""
        for one in self._inputs.values():
            yield from one.progress(now)


def turns_allowed(policy: Policy, room: tuple[int, int], background: int) -> int:
    """Returns how many turns side inputs may get in this step.

    ``room``: outputs that may still wait for a checkpoint, and lanes that may still be awake. ``background``: wants of
    background work that can leave.
    """
    outputs, awake = room
    return min(
        TURNS_PER_STEP,
        outputs - round((1 - SHARE_OF_ROOM) * policy.max_outputs),
        awake - round((1 - SHARE_OF_ROOM) * policy.max_awake),
        policy.side_background - background,
    )


def why_held_up(policy: Policy, background: int) -> str:
    """Returns, for people, why ``turns_allowed`` allows none."""
    if background >= policy.side_background:
        return f"{background} background calls wait, at most {policy.side_background} may"
    return "live input uses the room in memory, or checkpoints are slow"


def _refusal(spec: SideInput, accepted: Mapping[str, SideInput], at_most: int) -> str:
    """Returns why a side input is refused; empty = it is not."""
    if not spec.name or len(spec.name) > NAME_LIMIT or not spec.name.isascii() or not spec.name.isprintable():
        return f"its name must have 1 to {NAME_LIMIT} printable ASCII characters"
    if '"' in spec.name or "\\" in spec.name:
        return "its name must not contain quotes or backslashes"
    if spec.name in accepted:
        return "its name was given twice"
    if len(accepted) >= at_most:
        return f"a partition may have {INPUTS_LIMIT} side inputs at once"
    return ""


def _text(at: Assignment) -> str:
    return f"{at.topic}/{at.partition}"
