"""Implements ``connector dlq redrive``: writes the records of dead letters to their input topics again."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Protocol

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from connector.operations.dlq.contents import Readability
from connector.operations.dlq.selection import WHY_LEFT_OUT, LeftOut, RedrivePlan
from connector.operations.dlq.texts import key_text, printable
from streams.dead_letter import DeadLetter
from streams.errors import NotPermitted, Stopped
from streams.records import NewRecord, RecordPlace
from streams.redrive import redriven
from streams.topics import TopicDescription

_TOGETHER: Final = 500  # records that are written before their acknowledgements are awaited
_TIMEOUT_S: Final = 30.0


class RecordsOut(Protocol):
    """Writes records in order; they are durable on return. Raises NotPermitted and SinkFailed."""

    def write(self, records: Iterable[NewRecord], *, timeout_s: float) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RedrivenLetter:
    """A letter that was redriven, or would be in a dry run. ``now`` is None except in a dry run."""

    at: RecordPlace
    topic: str
    partition: int
    key: str
    code: str
    attempts: int
    now: Readability | None = None


@dataclass(slots=True, kw_only=True)
class RedriveReport:
    """What became of the selected letters. ``shown``: the first of those that were redriven."""

    dry_run: bool
    left_out: Mapping[RecordPlace, LeftOut]
    redriven: Counter[str] = field(default_factory=Counter)  # by input topic
    readable: Counter[bool | None] = field(default_factory=Counter)  # in a dry run
    shown: list[RedrivenLetter] = field(default_factory=list)
    gone: int = 0  # letters whose retention ended meanwhile

    @property
    def good(self) -> bool:
        """Whether every selected letter was redriven, except those that need no redrive."""
        needless = (LeftOut.CAME_BACK, LeftOut.READ_TWICE, LeftOut.READ_AGAIN)
        return not self.gone and all(why in needless for why in self.left_out.values())


def partitions_of(inputs: Iterable[str], described: Mapping[str, TopicDescription]) -> dict[str, int]:
    """Returns the number of partitions of each input topic. Raises Stopped for a missing one, and NotPermitted."""
    counts = {}
    for topic in inputs:
        found = described.get(topic)
        if found is None:
            raise Stopped(f"the input topic {topic} does not exist")
        if found.hidden:
            denied = f"Write on topic {topic}"
            raise NotPermitted(f"the broker denies this principal {denied}. Remedy: add ACLs that allow {denied}")
        counts[topic] = found.partitions
    return counts


def write(
    plan: RedrivePlan,
    letters: Iterable[DeadLetter],
    partitions: Mapping[str, int],
    out: RecordsOut,
    *,
    show_at_most: int | None,
    avro_keys: bool,
) -> RedriveReport:
    """Writes the records of these letters, those of ``plan``, to their input topics. Raises as ``out`` does.

    ``show_at_most``: how many of them the report names; None = all. Letters of an input that is not in ``partitions``
    raise Stopped before any of their group is written.
    """
    report = RedriveReport(dry_run=False, left_out=plan.left_out)
    for group in _groups(letters):
        records = [redriven(letter, _partitions(letter, partitions)) for letter in group]
        out.write(records, timeout_s=_TIMEOUT_S)
        for letter, record in zip(group, records, strict=True):
            _report(report, letter, record, show_at_most, avro_keys=avro_keys)
    report.gone = len(plan.chosen) - report.redriven.total()
    return report


def rehearse(
    plan: RedrivePlan,
    letters: Iterable[DeadLetter],
    partitions: Mapping[str, int],
    now: Callable[[DeadLetter], Readability],
    *,
    show_at_most: int | None,
    avro_keys: bool,
) -> RedriveReport:
    """Returns what ``write`` would do, and whether the connector could read the records now. Writes nothing."""
    report = RedriveReport(dry_run=True, left_out=plan.left_out)
    for letter in letters:
        readability = now(letter)
        report.readable[readability.readable] += 1
        record = redriven(letter, _partitions(letter, partitions))
        _report(report, letter, record, show_at_most, avro_keys=avro_keys, now=readability)
    report.gone = len(plan.chosen) - report.redriven.total()
    return report


def as_json(report: RedriveReport) -> dict[str, Any]:
    """Returns the report for ``--json``."""
    document: dict[str, Any] = {
        "dry_run": report.dry_run,
        "redriven": report.redriven.total(),
        "redriven_by_input_topic": dict(sorted(report.redriven.items())),
        "left_out": len(report.left_out),
        "left_out_by_reason": {why.value: count for why, count in sorted(Counter(report.left_out.values()).items())},
        "gone": report.gone,
        "letters": [_letter_json(letter) for letter in report.shown],
    }
    if report.dry_run:
        document["readable_now"] = report.readable[True]
        document["still_unreadable"] = report.readable[False]
        document["not_known"] = report.readable[None]
    return document


def show(console: Console, report: RedriveReport) -> None:
    """Prints the letters that were or would be redriven, and how many were left out for which reason."""
    table = Table(Column("dead letter", no_wrap=True), "code", Column("attempts", justify="right"), "key", "to")
    if report.dry_run:
        table.add_column("can be read now")
    for letter in report.shown:
        table.add_row(*_row(letter))
    if report.shown:
        console.print(table)
    if more := report.redriven.total() - len(report.shown):
        console.print(f"... and {more:,} more.", highlight=False)
    for line in _summary(report):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _groups(letters: Iterable[DeadLetter]) -> Iterator[list[DeadLetter]]:
    left = iter(letters)
    while group := list(islice(left, _TOGETHER)):
        yield group


def _partitions(letter: DeadLetter, partitions: Mapping[str, int]) -> int:
    count = partitions.get(letter.input_topic)
    if count is None:
        raise Stopped(
            f"{letter.at} came from {letter.input_topic}, which is not an input topic of this configuration: select "
            "with --topic, or enable what reads it"
        )
    return count


def _report(
    report: RedriveReport,
    letter: DeadLetter,
    record: NewRecord,
    show_at_most: int | None,
    *,
    avro_keys: bool,
    now: Readability | None = None,
) -> None:
    report.redriven[record.topic] += 1
    if show_at_most is None or len(report.shown) < show_at_most:
        report.shown.append(
            RedrivenLetter(
                at=letter.at,
                topic=record.topic,
                partition=record.partition,
                key=key_text(letter.key, avro=avro_keys),
                code=letter.code,
                attempts=letter.attempts,
                now=now,
            )
        )


def _letter_json(letter: RedrivenLetter) -> dict[str, Any]:
    row = {
        "dead_letter": str(letter.at),
        "code": letter.code,
        "attempts": letter.attempts,
        "key": letter.key,
        "to_topic": letter.topic,
        "to_partition": letter.partition,
    }
    if letter.now is None:
        return row
    return {**row, "readable_now": letter.now.readable, "reason": letter.now.reason}


def _row(letter: RedrivenLetter) -> Iterator[str]:
    yield str(letter.at)
    yield escape(printable(letter.code))
    yield str(letter.attempts)
    yield escape(letter.key)
    yield f"{letter.topic}/{letter.partition}"
    if letter.now is not None:
        words = {True: "yes", False: f"no: {letter.now.code}", None: "not known"}
        yield escape(words[letter.now.readable])


def _summary(report: RedriveReport) -> Iterator[str]:
    count = report.redriven.total()
    to = ", ".join(f"{number:,} to {topic}" for topic, number in sorted(report.redriven.items()))
    would = "would be" if report.dry_run else "was" if count == 1 else "were"
    yield f"{_letters(count)} {would} redriven{': ' if to else ''}{to}."
    if report.dry_run and count:
        known = {True: "can be read now", False: "still cannot be read", None: "not known whether they can be read"}
        counts = (f"{report.readable[state]:,} {words}" for state, words in known.items() if report.readable[state])
        yield f"Of these, {', '.join(counts)}."
    for why, left in sorted(Counter(report.left_out.values()).items()):
        yield f"{_letters(left)} left out ({why}): {WHY_LEFT_OUT[why]}."
    if report.gone:
        yield f"{_letters(report.gone)} could not be read any more: the topic's retention has removed them meanwhile."


def _letters(count: int) -> str:
    return f"{count:,} dead letter{'' if count == 1 else 's'}"
