"""Side inputs of the toy application, and the topics that they are read from, in memory.

A record is JSON: ``{"room", "id"}`` tells a room, which answers with a result HEARD. ``schema`` must be known first;
``event`` is a set-point that the room gets instead (see ``toy_flow``); ``review`` has all rooms with pending work take
a turn; without ``room`` the record is skipped.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from streams.flow import Assignment, BadRecord, NotYet, Now, Output, Record, Told
from streams.messages import SideFetch, SideRecords
from streams.side_input import Message, Opening, ReviewLanes, SideInput, SidePosition
from tests.harness.toy_flow import set_point

PROGRESS = "progress"


@dataclass(slots=True)
class ToySideInputs:
    """A ``SideInputs`` whose ranges a test sets, by main partition; ``schemas`` are those known so far."""

    ranges: dict[int, Sequence[SideInput]] = field(default_factory=dict)
    schemas: set[int] = field(default_factory=set)
    reports: str = PROGRESS  # topic
    asked: int = 0
    over: set[str] = field(default_factory=set)  # names
    openings: list[Opening] = field(default_factory=list)

    def inputs(self, partition: int) -> Sequence[SideInput]:
        self.asked += 1
        return self.ranges.get(partition, ())

    def opened(self, opening: Opening, now: Now) -> None:
        self.openings.append(opening)

    def is_over(self, name: str) -> bool:
        return name in self.over

    def read(self, name: str, record: Record, now: Now) -> Message:
        try:
            raw = json.loads(record.value or b"")
            if raw.get("schema") not in {None, *self.schemas}:
                return NotYet(need=raw["schema"], text="schema not known yet")
            if "review" in raw:
                return ReviewLanes()
            if "room" not in raw:
                return None
            told = set_point(raw["event"], record.offset, now) if "event" in raw else raw["id"]
            return Told(lane=raw["room"], message=told)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return BadRecord(code="UNREADABLE", text=str(error), error=type(error).__name__)

    def progress(self, partition: int, side_input: SideInput, reached: SidePosition, now: Now) -> Sequence[Output]:
        at_end = side_input.end is not None and reached.position >= side_input.end
        row = {"position": reached.position, "delivered": reached.delivered, "finished": at_end}
        return [Output(topic=self.reports, key=side_input.name.encode(), value=json.dumps(row).encode())]


@dataclass(slots=True)
class SideLog:
    """One partition of a topic that is read beside others. ``begin``: the first offset that is still there."""

    topic_id: str = "side-1"
    begin: int = 0
    values: list[bytes] = field(default_factory=list)
    problem: str = ""  # why it cannot be read

    @property
    def end(self) -> int:
        return self.begin + len(self.values)

    def add(self, *rows: dict[str, Any] | bytes) -> None:
        self.values.extend(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)

    def recreate(self) -> None:
        """Deletes the topic and creates it again, empty."""
        number = int(self.topic_id.rpartition("-")[2]) + 1
        self.topic_id, self.begin, self.values = f"side-{number}", 0, []

    def delete_before(self, offset: int) -> None:
        del self.values[: offset - self.begin]
        self.begin = offset

    def answer(self, fetch: SideFetch, at_most: int = 100) -> SideRecords | None:
        """Returns the answer to a request; None at the end of the log, where it waits for new records."""
        position = fetch.position
        if self.problem:
            return SideRecords(fetch=fetch, position=position, problem=self.problem)
        if not self.begin <= position <= self.end:
            log = self.begin, self.end
            return SideRecords(fetch=fetch, position=position, end=self.end, topic_id=self.topic_id, log=log)
        first = position - self.begin
        values = self.values[first : first + at_most]
        if not values:
            return None
        records = tuple(_record(fetch.at, position + n, value) for n, value in enumerate(values))
        return SideRecords(
            fetch=fetch, position=position + len(values), records=records, end=self.end, topic_id=self.topic_id
        )


def _record(at: Assignment, offset: int, value: bytes) -> Record:
    return Record(at=at, offset=offset, key=None, value=value, time_us=0)
