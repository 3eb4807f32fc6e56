"""Which of two events is the newer one. Pure, and of the records alone: reading them again repeats it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from streams.frozen import quick

NO_SEQUENCE = -(2**63) - 1
"""A missing sequence is lower than any."""
OF_ANOTHER_EAN = -1
"""In place of an offset: an event of another EAN is meant, which wrote to the unit before. Its time alone is known."""
UNKNOWN_OFFSET = -2
"""Of a tombstone whose offset an earlier version did not keep."""


class EventOrder(StrEnum):
    """What decides between two events of a source."""

    EVENT_TIME = "event_time"  # the effective time, then the sequence, then the log
    SEQUENCE = "sequence"  # the source's own sequence, then the effective time, then the log
    LOG = "log"  # what was written to the partition later


_Key: TypeAlias = tuple[int, ...]


@quick
@dataclass(frozen=True, slots=True)
class Recency:
    """An event's place among the events of its EAN; the newer event compares greater.

    Two events of one source compare as the source has chosen. So do two sources that have both chosen the event time.
    Between any other two, and for an event without a sequence in a source that counts, the log decides: sequences of
    two sources say nothing about each other. With another EAN's event, any compares by time.

    Of three events or more, two of them may be ordered by the log and two by their sequence, and each be newer than
    another: ``newest`` says which counts.
    """

    time_us: int  # effective
    sequence: int
    offset: int
    source: str = field(default="", compare=False)
    by: EventOrder = field(default=EventOrder.EVENT_TIME, compare=False)

    def __gt__(self, other: "Recency") -> bool:
        mine, others = self._keys(other)
        return mine > others

    def __lt__(self, other: "Recency") -> bool:
        return other > self

    def __ge__(self, other: "Recency") -> bool:
        return not other > self

    def __le__(self, other: "Recency") -> bool:
        return not self > other

    def agrees_with(self, other: "Recency") -> bool:
        """Whether something better than the log decides between the two."""
        if OF_ANOTHER_EAN in (self.offset, other.offset):
            return True
        if self.by is not other.by or self.by is EventOrder.LOG:
            return False
        return self.by is EventOrder.EVENT_TIME or self.source == other.source

    def _keys(self, other: "Recency") -> tuple[_Key, _Key]:
        if not self.agrees_with(other):
            return (self.offset,), (other.offset,)
        if OF_ANOTHER_EAN in (self.offset, other.offset):
            return (self.time_us, self.offset), (other.time_us, other.offset)
        if self.by is EventOrder.SEQUENCE:
            return (self.sequence, self.time_us, self.offset), (other.sequence, other.time_us, other.offset)
        return (self.time_us, self.sequence, self.offset), (other.time_us, other.sequence, other.offset)


def order_of(time_us: int, sequence: int | None, offset: int, source: str, by: EventOrder) -> Recency:
    if offset < 0:
        by = EventOrder.EVENT_TIME
    elif sequence is None and by is EventOrder.SEQUENCE:
        by = EventOrder.LOG
    return Recency(time_us, NO_SEQUENCE if sequence is None else sequence, offset, source, by)


def newest(orders: Sequence[Recency]) -> Recency:
    """Of at least one. First, whatever is older than another of its own line (a source that counts; all sources by
    time) is out; then the log decides. So what a source itself has replaced never wins over what replaced it."""
    if all(one.by is EventOrder.EVENT_TIME for one in orders):
        return max(orders)
    last = [one for one in orders if not any(other.agrees_with(one) and other > one for other in orders)]
    return max(last or orders, key=_offset)


def _offset(order: Recency) -> int:
    return order.offset
