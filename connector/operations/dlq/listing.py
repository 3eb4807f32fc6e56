"""Implements ``connector dlq list``: the number of dead letters by input topic and code, and the newest of them."""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from connector.contracts.event_time import moment
from connector.operations.dlq.selection import LetterFilter
from connector.operations.dlq.texts import key_text, printable
from connector.operations.durations import in_words
from streams.dead_letter import DeadLetter
from streams.records import RecordPlace


@dataclass(slots=True, kw_only=True)
class LetterCount:
    """How many letters one input topic has with one code, and when the first and the last were dead-lettered."""

    letters: int
    oldest_us: int
    newest_us: int

    def add(self, letter: DeadLetter) -> None:
        self.letters += 1
        self.oldest_us = min(self.oldest_us, letter.dead_lettered_us)
        self.newest_us = max(self.newest_us, letter.dead_lettered_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterListing:
    """The result of one reading of the topics."""

    counts: Mapping[tuple[str, str], LetterCount]  # by input topic and code
    newest: tuple[DeadLetter, ...]  # the newest first
    came_back: Mapping[RecordPlace, RecordPlace]  # a letter that was redriven in vain -> the letter that it became

    @property
    def total(self) -> int:
        return sum(count.letters for count in self.counts.values())


def summarize(letters: Iterable[DeadLetter], taken: LetterFilter, limit: int) -> LetterListing:
    """Counts the selected letters and keeps the newest. ``letters``: all of the topics, in the order of each."""
    counts: dict[tuple[str, str], LetterCount] = {}
    newest: list[tuple[int, RecordPlace, DeadLetter]] = []
    came_back: dict[RecordPlace, RecordPlace] = {}
    for letter in letters:
        if letter.redriven_from is not None:
            came_back[letter.redriven_from] = letter.at
        if not taken.takes(letter):
            continue
        of = (letter.input_topic, letter.code)
        if of not in counts:
            counts[of] = LetterCount(letters=0, oldest_us=letter.dead_lettered_us, newest_us=letter.dead_lettered_us)
        counts[of].add(letter)
        entry = (letter.dead_lettered_us, letter.at, letter)
        if len(newest) < limit:
            heapq.heappush(newest, entry)
        elif limit:
            heapq.heappushpop(newest, entry)
    return LetterListing(
        counts=counts, newest=tuple(letter for *_, letter in sorted(newest, reverse=True)), came_back=came_back
    )


def as_json(listing: LetterListing, *, avro_keys: bool) -> dict[str, Any]:
    """Returns the listing for ``--json``."""
    return {
        "letters": listing.total,
        "counts": [
            {
                "input_topic": topic,
                "code": code,
                "letters": count.letters,
                "oldest_at": moment(count.oldest_us),
                "newest_at": moment(count.newest_us),
            }
            for (topic, code), count in sorted(listing.counts.items())
        ],
        "newest": [
            {
                "dead_letter": str(letter.at),
                "dead_lettered_at": moment(letter.dead_lettered_us),
                "input": None if letter.origin is None else str(letter.origin),
                "input_topic": letter.input_topic,
                "code": letter.code,
                "attempts": letter.attempts,
                "key": key_text(letter.key, avro=avro_keys),
                "came_back_as": None if (later := listing.came_back.get(letter.at)) is None else str(later),
            }
            for letter in listing.newest
        ],
    }


def show(console: Console, listing: LetterListing, *, now_us: int, avro_keys: bool) -> None:
    """Prints the counts, and a table of the newest letters."""
    if not listing.total:
        console.print("No dead letters.")
        return
    counts = Table("input topic", "code", Column("letters", justify="right"), "oldest", "newest")
    for (topic, code), count in sorted(listing.counts.items()):
        ages = (in_words((now_us - at_us) // 1_000_000) for at_us in (count.oldest_us, count.newest_us))
        counts.add_row(_cell(topic), _cell(code), f"{count.letters:,}", *ages)
    console.print(counts)
    letters = Table(
        Column("dead letter", no_wrap=True),  # a narrow terminal must not cut what is to be copied
        "code",
        "input at",
        "age",
        Column("attempts", justify="right"),
        "key",
        "came back as",
    )
    for letter in listing.newest:
        later = listing.came_back.get(letter.at)
        letters.add_row(
            str(letter.at),
            _cell(letter.code),
            "" if letter.origin is None else _short(letter.origin),
            in_words((now_us - letter.dead_lettered_us) // 1_000_000),
            str(letter.attempts),
            _cell(key_text(letter.key, avro=avro_keys)),
            "" if later is None else _short(later),
        )
    if listing.newest:
        console.print(letters)
    left = listing.total - len(listing.newest)
    console.print(
        f"{listing.total:,} dead letter{'' if listing.total == 1 else 's'}"
        + (f"; the newest {len(listing.newest):,} are shown." if left else ".")
    )


def _short(place: RecordPlace) -> str:
    """Returns partition and offset; the topic is that of the row."""
    return f"{place.partition}/{place.offset}"


def _cell(text: str) -> str:
    return escape(printable(text))
