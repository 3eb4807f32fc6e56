"""Decides which of two events is newer, by their records alone, so that a replay decides the same. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from connector.contracts.event_time import NO_SEQUENCE
from streams.frozen import quick

OF_ANOTHER_EAN = -1
"""In place of an offset: an event of another EAN that wrote to the unit. Only its time is known."""
UNKNOWN_OFFSET = -2
"""The offset of a tombstone that an earlier version stored without it."""


class EventOrder(StrEnum):
    """What decides between two events of a source."""

    EVENT_TIME = "event_time"  # the effective time, then the sequence, then the log
    SEQUENCE = "sequence"  # the source's own sequence, then the effective time, then the log
    LOG = "log"  # the offset in the partition, nothing else


@quick
@dataclass(frozen=True, slots=True)
class Recency:
    """How recent an event is among the events of its EAN; the newer event compares greater.

    Two events of one source compare as configured for the source; so do events of two sources that are both ordered by
    event time. Otherwise the log decides, because sequences of two sources cannot be compared. The log also decides for
    an event without a sequence from a source ordered by sequence. An event of another EAN compares by time with any
    other.

    Comparison is not transitive: three events may form a circle if the log decides between some and a sequence between
    others. Use ``newest`` rather than ``max`` to choose among several.
    """

    time_us: int  # effective time
    sequence: int  # or NO_SEQUENCE
    offset: int  # or OF_ANOTHER_EAN, UNKNOWN_OFFSET
    source: str = field(default="", compare=False)
    by: EventOrder = field(default=EventOrder.EVENT_TIME, compare=False)

    def __gt__(self, other: "Recency") -> bool:
        if not self.agrees_with(other):
            return self.offset > other.offset
        if OF_ANOTHER_EAN in (self.offset, other.offset):
            return (self.time_us, self.offset) > (other.time_us, other.offset)
        if self.by is EventOrder.SEQUENCE:
            return (self.sequence, self.time_us, self.offset) > (other.sequence, other.time_us, other.offset)
        return (self.time_us, self.sequence, self.offset) > (other.time_us, other.sequence, other.offset)

    def __lt__(self, other: "Recency") -> bool:
        return other > self

    def __ge__(self, other: "Recency") -> bool:
        return not other > self

    def __le__(self, other: "Recency") -> bool:
        return not self > other

    def agrees_with(self, other: "Recency") -> bool:
        """Whether time or sequence decides between the two, rather than the log."""
        if OF_ANOTHER_EAN in (self.offset, other.offset):
            return True
        if self.by is not other.by or self.by is EventOrder.LOG:
            return False
        return self.by is EventOrder.EVENT_TIME or self.source == other.source


def order_of(time_us: int, sequence: int | None, offset: int, source: str, by: EventOrder) -> Recency:
    """Returns an event's order. One without a sequence is ordered by the log, if its source is ordered by sequence."""
    if offset < 0:
        by = EventOrder.EVENT_TIME
    elif sequence is None and by is EventOrder.SEQUENCE:
        by = EventOrder.LOG
    return Recency(time_us, NO_SEQUENCE if sequence is None else sequence, offset, source, by)


def newest(orders: Sequence[Recency]) -> Recency:
    """Returns the newest of at least one order.

    First drops every event that is older than another of its own line (one source ordered by sequence, or all sources
    ordered by time); then the log decides. So an event never wins over a newer one of its own source.
    """
    if all(one.by is EventOrder.EVENT_TIME for one in orders):
        return max(orders)
    last = [one for one in orders if not any(other.agrees_with(one) and other > one for other in orders)]
    return max(last or orders, key=_offset)


def _offset(order: Recency) -> int:
    return order.offset
