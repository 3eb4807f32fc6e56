"""Selects dead letters, and decides which of them can be redriven. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from streams.dead_letter import DeadLetter
from streams.records import RecordPlace


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """What the options of a command select. Times: when a record was dead-lettered; empty or None: any."""

    codes: frozenset[str] = frozenset()
    inputs: frozenset[str] = frozenset()  # input topics
    since_us: int | None = None
    until_us: int | None = None  # exclusive

    def takes(self, letter: DeadLetter) -> bool:
        """Whether the letter is selected."""
        return (
            (not self.codes or letter.code in self.codes)
            and (not self.inputs or letter.input_topic in self.inputs)
            and (self.since_us is None or letter.dead_lettered_us >= self.since_us)
            and (self.until_us is None or letter.dead_lettered_us < self.until_us)
        )


class LeftOut(StrEnum):
    """Why a selected letter is not redriven."""

    CAME_BACK = "CAME_BACK"
    READ_TWICE = "READ_TWICE"
    READ_AGAIN = "READ_AGAIN"
    NO_RECORD = "NO_RECORD"
    FOREIGN = "FOREIGN"


WHY_LEFT_OUT: Mapping[LeftOut, str] = {
    LeftOut.CAME_BACK: "redriven before, and a dead letter again, which stands for it",
    LeftOut.READ_TWICE: "the same input record was read again and has a later dead letter, which stands for it",
    LeftOut.READ_AGAIN: "about a row of the marketplace, which the connector reads again by itself",
    LeftOut.NO_RECORD: "the record was too large to be kept; read it from the input topic at its offset",
    LeftOut.FOREIGN: "not written by this connector: no header names an input record",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RedrivePlan:
    """The places of the letters to redrive, in the order in which they were read, and of those that are left out."""

    chosen: tuple[RecordPlace, ...]
    left_out: Mapping[RecordPlace, LeftOut]


def plan(letters: Iterable[DeadLetter], taken: LetterFilter) -> RedrivePlan:
    """Decides which of the letters to redrive. ``letters``: all of the topics, in the order of each.

    Of the letters of one input record, and of a letter and those that it came back as, only the last is redriven:
    redriving all would double their number each time.
    """
    chosen: dict[RecordPlace, None] = {}
    of_record: dict[tuple[RecordPlace, int], RecordPlace] = {}
    left_out: dict[RecordPlace, LeftOut] = {}
    came_back: set[RecordPlace] = set()
    for letter in letters:
        if letter.redriven_from is not None:
            came_back.add(letter.redriven_from)
        if not taken.takes(letter):
            continue
        if (why := without_record(letter)) is not None:
            left_out[letter.at] = why
            continue
        chosen[letter.at] = None
        if letter.origin is not None and letter.written_us is not None:  # a topic may have been created again
            before = of_record.get((letter.origin, letter.written_us))
            of_record[letter.origin, letter.written_us] = letter.at
            if before is not None:
                del chosen[before]
                left_out[before] = LeftOut.READ_TWICE
    for place in came_back & chosen.keys():
        del chosen[place]
        left_out[place] = LeftOut.CAME_BACK
    return RedrivePlan(chosen=tuple(chosen), left_out=left_out)


def without_record(letter: DeadLetter) -> LeftOut | None:
    """Returns why a letter cannot be redriven at all; None if it has its record."""
    if letter.has_record:
        return None
    if letter.value is not None:
        return LeftOut.FOREIGN
    return LeftOut.READ_AGAIN if letter.code and letter.origin is None else LeftOut.NO_RECORD
