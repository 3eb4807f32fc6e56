"""Gives the command of a resend, and waits for the results that the owner of the EAN writes."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from connector.controls.commands import CommandScope, ControlCommand, ControlKind, ControlState
from connector.operations.controls.giving import CommandAuthor
from connector.operations.progress import counted
from streams.clock import uptime_s

_POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendRequest:
    """What to compare. ``fields`` empty: every accepted value; a stock is raised only if it is named."""

    ean: str
    target_ids: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    is_comparison: bool = False  # nothing is sent
    reason: str = ""
    wait_s: float = 60.0  # for the results

    @property
    def scope(self) -> CommandScope:
        return CommandScope(eans=(self.ean,), target_ids=self.target_ids, fields=self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendAnswer:
    """The results of a command: the rows of ``OfferResult``, by result id the last one."""

    command: ControlCommand
    rows: tuple[dict[str, Any], ...]

    @property
    def is_complete(self) -> bool:
        """Whether every result of the command has come."""
        return bool(self.rows) and len(self.rows) >= (self.rows[0]["command_results"] or 1)


class NewResults(Protocol):
    """The results that are written from now on."""

    def poll(self, timeout_s: float) -> Iterable[dict[str, Any]]:
        """Returns those of the EAN that have come; waits at most ``timeout_s`` for the first record."""
        ...


def resend(
    author: CommandAuthor, results: NewResults, request: ResendRequest, clock: Callable[[], float] = uptime_s
) -> ResendAnswer:
    """Gives the command, and returns its results when all have come or the time is over.

    The command is ended in any case, also when this is interrupted: what has begun ends with a result of its own, and
    nothing else is begun.
    """
    kind = ControlKind.VERIFY if request.is_comparison else ControlKind.RESEND
    command = author.give(kind, request.scope, reason=request.reason, for_s=request.wait_s)
    try:
        rows: dict[str, dict[str, Any]] = {}
        until_s = clock() + request.wait_s
        for row in counted(_rows(results, until_s, clock), "records of the results topic read", stream=sys.stderr):
            if row is not None and row["command_id"] == command.command_id:
                rows[row["result_id"]] = row
            if (answer := ResendAnswer(command=command, rows=tuple(rows.values()))).is_complete:
                return answer
        return ResendAnswer(command=command, rows=tuple(rows.values()))
    finally:
        author.end(command, ControlState.RELEASED)


def _rows(results: NewResults, until_s: float, clock: Callable[[], float]) -> Iterable[dict[str, Any] | None]:
    """Yields the rows as they come, and None after each poll."""
    while clock() < until_s:
        yield from results.poll(_POLL_S)
        yield None
