"""Goals and printed tables of measurements. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Row: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The goal for a measured value. A missed goal is reported and is not an error."""

    what: str
    value: float
    wanted: str
    met: bool

    def line(self) -> str:
        return f"{'met   ' if self.met else 'MISSED'}  {self.what}: {self.value:,.3g} (goal {self.wanted})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSection:
    """One measurement: a table, notes on how to read it, its goals, and a profile for missed goals."""

    title: str
    head: Row
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    goals: Sequence[Goal] = ()
    profile: str = ""  # shown when a goal is missed

    @property
    def all_met(self) -> bool:
        return all(goal.met for goal in self.goals)

    def lines(self) -> Iterable[str]:
        yield f"## {self.title}"
        yield ""
        yield from _table(self.head, self.rows)
        yield ""
        yield from (f"- {note}" for note in self.notes)
        yield from (f"- {goal.line()}" for goal in self.goals)
        if self.profile and not self.all_met:
            yield from ("", "Why, by the profile of the engine's thread:", "", "```", self.profile.rstrip(), "```", "")


def at_least(what: str, value: float, wanted: float) -> Goal:
    return Goal(what=what, value=value, wanted=f"at least {wanted:g}", met=value >= wanted)


def at_most(what: str, value: float, wanted: float) -> Goal:
    return Goal(what=what, value=value, wanted=f"at most {wanted:g}", met=value <= wanted)


def _table(head: Row, rows: Sequence[Row]) -> Iterable[str]:
    """Yields a Markdown table that is aligned on a terminal too; the first column is text, the others are figures."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    yield _line(head, widths)
    yield "| " + " | ".join(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]) + " |"
    yield from (_line(row, widths) for row in rows)


def _line(row: Row, widths: Sequence[int]) -> str:
    cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
    return "| " + " | ".join(cells) + " |"
