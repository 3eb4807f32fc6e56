"""Asks for sweeps, and waits until they have ended."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from connector.operations.call_progress import ProgressLine
from connector.operations.durations import in_words
from connector.operations.reconcile.sweeps import Place, StoredSweep, progress
from streams.clock import uptime_s
from streams.errors import Stopped

_POLL_S: Final = 0.2
TAKEN_WITHIN_S: Final = 60.0
"""A process that sweeps takes a command within a second or two; a new owner of the scheduler may need longer."""
PATIENCE_S: Final = 20 * 60.0
"""How long sweeps may show no progress: more than the longest wait after a failed page."""


class NewSweeps(Protocol):
    """The states of sweeps that are written from now on."""

    def poll(self, timeout_s: float) -> Iterable[tuple[Place, StoredSweep]]:
        """Returns those that have come; waits at most ``timeout_s`` for the first record."""
        ...


@dataclass(slots=True)
class _Waited:
    """What is known of a sweep that was asked for by the command at ``offset``."""

    offset: int
    newest: StoredSweep | None = None

    @property
    def is_taken(self) -> bool:
        return self.newest is not None and self.newest.state.last_offset >= self.offset

    @property
    def has_ended(self) -> bool:
        """Whether a sweep that began after the command has ended."""
        finished = None if self.newest is None else self.newest.state.finished
        return finished is not None and finished.command_offset >= self.offset


def wait(
    asked: Mapping[Place, int], sweeps: NewSweeps, line: ProgressLine, clock: Callable[[], float] = uptime_s
) -> None:
    """Returns when every sweep has ended that was ``asked`` for, by the offset of its command.

    Raises Stopped if no process takes a command within ``TAKEN_WITHIN_S``, or no sweep shows progress for
    ``PATIENCE_S``; the sweeps themselves go on.
    """
    waited = {place: _Waited(offset) for place, offset in asked.items()}
    moved_s = asked_s = clock()
    while not all(one.has_ended for one in waited.values()):
        for place, stored in sweeps.poll(_POLL_S):
            if place in waited:
                waited[place].newest, moved_s = stored, clock()
        line.show("; ".join(_text(place, one) for place, one in waited.items() if not one.has_ended))
        now_s = clock()
        untaken = ", ".join(_name(place) for place, one in waited.items() if not one.is_taken)
        if untaken and now_s - asked_s > TAKEN_WITHIN_S:
            raise Stopped(
                f"no process has taken the command for {untaken} within {TAKEN_WITHIN_S:g} s. The sweep begins when "
                "one does. Remedy: connector run with [reconcile] enabled = true, in this version"
            )
        if now_s - moved_s > PATIENCE_S:
            raise Stopped(
                f"no sweep has shown progress for {in_words(PATIENCE_S)}. Remedy: connector reconcile status names the "
                "reason"
            )


def _text(place: Place, one: _Waited) -> str:
    """Returns how far a sweep is, in words."""
    name, stored = _name(place), one.newest
    if not one.is_taken or stored is None:
        return f"{name}: waits for a process to take the command"
    running = stored.state.running
    found = progress(stored)
    if running is None or found is None:
        return f"{name}: is about to begin"
    if stored.state.problem is not None:
        return f"{name}: a page failed and is read again: {stored.state.problem}"
    units = f"{found.units:,} units" if found.expected is None else f"{found.units:,} of {found.expected:,} units"
    left = "" if found.left_s is None else f", {in_words(found.left_s)} left"
    which = "" if running.command_offset >= one.offset else " of the sweep before"
    return f"{name}: {units}{which}{left}"


def _name(place: Place) -> str:
    return "/".join(place)
