"""Makes dead-letter records: the original record with the reason in headers.

The headers are those of Kafka Connect (KIP-298), so that tools for its dead letters can read these too, and three more:
``code``, ``attempts``, ``instance``. Key, value and the original headers stay as they were read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from streams.flow import BadRecord, Headers, Output, Record

CONNECT = "__connect.errors."


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """The target topics and the constant headers of dead letters. ``topics``: dead-letter topic by input topic."""

    topics: Mapping[str, str]
    instance: str
    connector: str = "connector"
    max_bytes: int = 900_000  # a batch of Kafka's default size takes 1,048,588 bytes, headers included

    def letter(self, record: Record, bad: BadRecord) -> Output:
        """Returns the dead letter of a record. If it were too large, it has sizes and a digest instead of the value."""
        reason = self._reason(record, bad)
        headers = (*record.headers, *reason)
        size = len(record.key or b"") + len(record.value or b"") + _size(headers)
        topic = self.topics[record.at.topic]
        if size <= self.max_bytes:
            return Output(topic=topic, key=record.key, value=record.value, headers=headers)
        return Output(topic=topic, key=_short(record.key), value=None, headers=(*reason, *_instead(record)))

    def _reason(self, record: Record, bad: BadRecord) -> Headers:
        fields = {
            CONNECT + "topic": record.at.topic,
            CONNECT + "partition": str(record.at.partition),
            CONNECT + "offset": str(record.offset),
            CONNECT + "connector.name": self.connector,
            CONNECT + "task.id": self.instance,
            CONNECT + "stage": "VALUE_CONVERTER",
            CONNECT + "class.name": "streams.flow.Flow.read",
            CONNECT + "exception.class.name": bad.error,
            CONNECT + "exception.message": bad.text,
            "code": bad.code,
            "attempts": "1",
            "instance": self.instance,
        }
        return tuple((name, text.encode()) for name, text in fields.items())


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
