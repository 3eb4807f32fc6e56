"""Records outside the engine: where one lies, and one to be written. Pure."""

from dataclasses import dataclass

from streams.flow import Headers


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class RecordPlace:
    """The topic, partition and offset of a record, written as ``topic/partition/offset``."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> "RecordPlace | None":
        """Returns the place that ``str`` wrote, or None for any other text."""
        topic, partition, offset = ("", "", "", *text.rsplit("/", 2))[-3:]
        numbers = number(partition), number(offset)
        if not topic or "/" in topic or None in numbers:
            return None
        return cls(topic=topic, partition=numbers[0] or 0, offset=numbers[1] or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecord:
    """A record to be written to a partition. ``value`` None: a tombstone. ``time_us`` None: the time of writing."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    time_us: int | None = None


def number(text: str) -> int | None:
    """Returns a number of at most 18 ASCII digits, or None for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
