"""Makes dead-letter records, the original record with the reason in headers, and reads them. Pure.

The headers are those of Kafka Connect (KIP-298), so that tools for its dead letters can read these too, and four more:
``code``, ``attempts``, ``instance`` and ``record.timestamp``. They follow the original headers. Key, value and the
original headers stay as they were read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from streams.flow import BadRecord, Headers, Output, Record
from streams.records import RecordPlace, number
from streams.span import Span, SpanKind, named, processed
from streams.trace_context import TRACEPARENT, Sampling, parse

CONNECT: Final = "__connect.errors."
CODE: Final = "code"
ATTEMPTS: Final = "attempts"  # how often the record was read in vain
RECORD_TIME: Final = "record.timestamp"  # of the original, in milliseconds since the epoch

REDRIVE_FROM: Final = "redrive.from"  # of a record that was redriven: the place of its dead letter
REDRIVE_ATTEMPTS: Final = "redrive.attempts"  # and how often it was read in vain before

_FIRST: Final = CONNECT + "topic"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """The target topics and the constant headers of dead letters. ``topics``: dead-letter topic by input topic."""

    topics: Mapping[str, str]
    instance: str
    connector: str = "connector"
    max_bytes: int = 900_000  # a batch of Kafka's default size takes 1,048,588 bytes, headers included
    sampling: Sampling | None = None  # None: nothing is traced

    def letter(self, record: Record, bad: BadRecord, read_us: int = 0) -> Output:
        """Returns the dead letter of a record. If it were too large, it has sizes and a digest instead of the value.

        ``read_us``: when the record was read; only a trace needs it.
        """
        reason = self._reason(record, bad)
        headers = (*record.headers, *reason)
        size = len(record.key or b"") + len(record.value or b"") + _size(headers)
        topic = self.topics[record.at.topic]
        span = None if self.sampling is None else _span(record, bad, read_us, self)
        if size <= self.max_bytes:
            return Output(topic=topic, key=record.key, value=record.value, headers=headers, span=span)
        headers = (*_trace(record.headers), *reason, *_instead(record))
        return Output(topic=topic, key=_short(record.key), value=None, headers=headers, span=span)

    def _reason(self, record: Record, bad: BadRecord) -> Headers:
        fields = {
            _FIRST: record.at.topic,
            CONNECT + "partition": str(record.at.partition),
            CONNECT + "offset": str(record.offset),
            CONNECT + "connector.name": self.connector,
            CONNECT + "task.id": self.instance,
            CONNECT + "stage": "VALUE_CONVERTER",
            CONNECT + "class.name": "streams.flow.Flow.read",
            CONNECT + "exception.class.name": bad.error,
            CONNECT + "exception.message": bad.text,
            CODE: bad.code,
            ATTEMPTS: str(1 + _number_in(record.headers, REDRIVE_ATTEMPTS)),
            "instance": self.instance,
            RECORD_TIME: str(record.time_us // 1_000),
        }
        return tuple((name, text.encode()) for name, text in fields.items())


def _trace(headers: Headers) -> Headers:
    """Returns the trace context of a record whose other headers are left out; empty if it has none that is valid.

    It is written anew, because a header of a later version may have any length.
    """
    context = parse(_text_in(headers, TRACEPARENT))
    return () if context is None else ((TRACEPARENT, context.traceparent.encode()),)


def _span(record: Record, bad: BadRecord, read_us: int, letters: "DeadLetters") -> Span | None:
    """Returns the span of a record that could not be read; None if its trace is not recorded."""
    at, parent = record.at, parse(_text_in(record.headers, TRACEPARENT))
    if letters.sampling is None:
        return None
    context = letters.sampling.below(f"{at.topic}/{at.partition}/{record.offset}/{read_us}", parent)
    if not context.sampled:
        return None
    return Span(
        name=f"process {at.topic}",
        kind=SpanKind.CONSUMER,
        context=context,
        parent=parent,
        start_us=read_us,
        end_us=read_us,
        error=bad.code,
        attributes=named({**processed(at.topic, at.partition, record.offset), "error.type": bad.code}),
    )


def _instead(record: Record) -> Headers:
    """Returns headers in place of a value that is too large; the other headers name the record's position."""
    value = record.value or b""
    return (
        ("value.length", str(len(value)).encode()),
        ("value.sha256", sha256(value).hexdigest().encode()),
        ("key.length", str(len(record.key or b"")).encode()),
    )


def _short(key: bytes | None) -> bytes | None:
    """Returns the key; None if it is longer than 1,000 bytes."""
    return key if key is None or len(key) <= 1_000 else None


def _size(headers: Headers) -> int:
    return sum(len(name) + len(value) for name, value in headers)


# ---- reading --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record of a dead-letter topic. Texts are empty and numbers None or 1 where its headers do not say."""

    at: RecordPlace
    dead_lettered_us: int  # when it was written to the dead-letter topic
    key: bytes | None
    value: bytes | None
    headers: Headers  # the original ones
    code: str
    text: str
    instance: str
    attempts: int
    input_topic: str
    origin: RecordPlace | None  # None: it reports something else than an input record
    written_us: int | None  # the timestamp of the input record
    redriven_from: RecordPlace | None  # the dead letter that this attempt came from
    has_record: bool  # False: it holds no input record, or was too large and holds its digest only


def read_letter(
    at: RecordPlace, *, key: bytes | None, value: bytes | None, headers: Headers, dead_lettered_us: int
) -> DeadLetter:
    """Reads a record of a dead-letter topic, also one that an earlier version or somebody else wrote."""
    begins = max((index for index, (name, _) in enumerate(headers) if name == _FIRST), default=len(headers))
    original, reason = headers[:begins], {name: _text(value) for name, value in headers[begins:]}
    topic, partition, offset = (reason.get(CONNECT + name, "") for name in ("topic", "partition", "offset"))
    origin, written_ms = RecordPlace.parse(f"{topic}/{partition}/{offset}"), number(reason.get(RECORD_TIME, ""))
    return DeadLetter(
        at=at,
        dead_lettered_us=dead_lettered_us,
        key=key,
        value=value,
        headers=original,
        code=reason.get(CODE, ""),
        text=reason.get(CONNECT + "exception.message", ""),
        instance=reason.get("instance", ""),
        attempts=number(reason.get(ATTEMPTS, "")) or 1,
        input_topic=topic,
        origin=origin,
        written_us=None if written_ms is None else written_ms * 1_000,
        redriven_from=RecordPlace.parse(_text_in(original, REDRIVE_FROM)),
        has_record=origin is not None and "value.sha256" not in reason,
    )


def topic_and_code(letter: Output) -> tuple[str, str]:
    """Returns the input topic and the code of a dead letter that was made here, or in the same form."""
    return _text_in(letter.headers, _FIRST), _text_in(letter.headers, CODE)


def _number_in(headers: Headers, name: str) -> int:
    return number(_text_in(headers, name)) or 0


def _text_in(headers: Headers, name: str) -> str:
    """Returns the last header of that name, or an empty text."""
    return next((_text(value) for known, value in reversed(headers) if known == name), "")


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
