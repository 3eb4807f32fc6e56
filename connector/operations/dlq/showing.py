"""Implements ``connector dlq show``: one dead letter, with its record as far as it can be decoded."""

from collections.abc import Iterator
from typing import Any, Final

from rich.console import Console

from connector.contracts.codes import TABLE, Code
from connector.contracts.event_time import moment
from connector.operations.dlq.contents import LetterContent, Readability
from connector.operations.dlq.selection import WHY_LEFT_OUT, without_record
from connector.operations.dlq.texts import bytes_text, hex_lines, key_text, printable
from connector.operations.durations import in_words
from connector.operations.json_output import json_text
from streams.dead_letter import DeadLetter

_MOST_BYTES: Final = 1_024  # of a value that is shown as a hexadecimal dump


def as_json(
    letter: DeadLetter, content: LetterContent | None, readability: Readability | None, *, avro_keys: bool
) -> dict[str, Any]:
    """Returns the letter for ``--json``. ``content`` and ``readability`` are None for a letter without a record."""
    return {
        "dead_letter": str(letter.at),
        "code": letter.code,
        "reason": letter.text,
        "advice": _advice(letter.code),
        "dead_lettered_at": moment(letter.dead_lettered_us),
        "dead_lettered_by": letter.instance,
        "input_topic": letter.input_topic,
        "input": None if letter.origin is None else str(letter.origin),
        "written_at": None if letter.written_us is None else moment(letter.written_us),
        "attempts": letter.attempts,
        "redriven_from": None if letter.redriven_from is None else str(letter.redriven_from),
        "key": key_text(letter.key, avro=avro_keys),
        "headers": [[name, bytes_text(value)] for name, value in letter.headers],
        "has_record": letter.has_record,
        "value": _value_json(letter.value, content),
        "now": None
        if readability is None
        else {"readable": readability.readable, "code": readability.code, "reason": readability.reason},
    }


def show(
    console: Console,
    letter: DeadLetter,
    content: LetterContent | None,
    readability: Readability | None,
    *,
    now_us: int,
    avro_keys: bool,
) -> None:
    """Prints the letter, a line for each of its fields, and the value below."""
    for name, text in _lines(letter, readability, now_us, avro_keys=avro_keys):
        console.print(f"{name:<15}{text}", markup=False, highlight=False, soft_wrap=True)
    for line in _value_lines(letter, content):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _lines(
    letter: DeadLetter, readability: Readability | None, now_us: int, *, avro_keys: bool
) -> Iterator[tuple[str, str]]:
    ago = in_words((now_us - letter.dead_lettered_us) // 1_000_000)
    yield "dead letter", str(letter.at)
    yield "code", printable(letter.code) or "(none)"
    yield "reason", printable(letter.text)
    if advice := _advice(letter.code):
        yield "what to do", advice
    yield (
        "dead-lettered",
        f"{moment(letter.dead_lettered_us)}, {ago} ago"
        + (f", by {printable(letter.instance)}" if letter.instance else ""),
    )
    if letter.origin is not None:
        written = "" if letter.written_us is None else f", written {moment(letter.written_us)}"
        yield "input", f"{printable(str(letter.origin))}{written}"
    came_from = "" if letter.redriven_from is None else f", redriven from {printable(str(letter.redriven_from))}"
    yield "attempts", f"{letter.attempts}{came_from}"
    yield "key", key_text(letter.key, avro=avro_keys)
    for name, value in letter.headers:
        yield "header", f"{printable(name)} = {bytes_text(value)}"
    if (why := without_record(letter)) is not None:
        yield "redrive", f"not possible: {WHY_LEFT_OUT[why]}"
    elif readability is not None:
        yield "now", _readable(readability)


def _readable(readability: Readability) -> str:
    match readability.readable:
        case True:
            return "the record can be read: a redrive would be processed"
        case False:
            return f"the record still cannot be read: {readability.code}, {readability.reason}"
        case None:
            return f"not known whether the record can be read: {readability.reason}"


def _value_lines(letter: DeadLetter, content: LetterContent | None) -> Iterator[str]:
    if letter.value is None or content is None:
        yield f"{'value':<15}(none)"
        return
    of_schema = "" if content.schema_id is None else f", schema {content.schema_id} {content.schema_name}".rstrip()
    yield f"{'value':<15}{len(letter.value):,} bytes{of_schema}" + (f": {content.problem}" if content.problem else "")
    if not content.problem:
        yield json_text(content.decoded)
        return
    yield from hex_lines(letter.value[:_MOST_BYTES])
    if (left := len(letter.value) - _MOST_BYTES) > 0:
        yield f"... {left:,} more bytes; --json prints all of them"


def _value_json(value: bytes | None, content: LetterContent | None) -> dict[str, Any] | None:
    if value is None or content is None:
        return None
    return {
        "length": len(value),
        "schema_id": content.schema_id,
        "schema": content.schema_name,
        "decoded": content.decoded,
        "problem": content.problem,
        "hex": value.hex(),
    }


def _advice(code: str) -> str:
    """Returns what the table of codes advises, without the offending values; empty for an unknown code."""
    return TABLE[Code(code)].advice if code in Code.__members__ else ""
