"""A control topic in virtual time: halts of the kind ``set``, and reviews, which each process reads a little later."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from streams.control import ControlEffect, ControlRead, ControlRecord
from streams.flow import Now, Told

HALTED_KIND = "set"
LONGEST_READ_S = 0.3


@dataclass(slots=True)
class ModelControl:
    """The topic: one key, whose newest record says whether sets are halted."""

    records: list[ControlRecord] = field(default_factory=list)

    def halt(self, *, on: bool) -> None:
        value = b"halt" if on else b"go on"
        self.records.append(ControlRecord(key="sets", value=value, offset=len(self.records), time_us=0))

    def since(self, position: int) -> Sequence[ControlRecord]:
        return self.records[position:]


@dataclass(slots=True)
class HaltCommands:
    """A process's ``CommandHandler``: halts sets while the newest record says so, and reviews all lanes."""

    halted: bool = False

    def apply(self, read: ControlRead, now: Now) -> ControlEffect:
        for record in read.records:
            self.halted = record.value == b"halt"
        return ControlEffect(review=bool(read.records), halted=self.is_halted)

    def tells(self, now: Now) -> tuple[Told, ...]:
        return ()

    def is_halted(self, account: str, kind: str) -> bool:
        return self.halted and kind == HALTED_KIND


@dataclass(slots=True)
class ControlTopicReader:
    """What one process has read of the topic so far."""

    topic: ModelControl
    position: int = 0
    complete: bool = False
    halted: bool = False

    def read(self) -> ControlRead:
        """Returns all records that were not read before."""
        records = self.topic.since(self.position)
        read = ControlRead(records=records, anew=not self.complete, complete=True)
        self.position, self.complete = self.position + len(records), True
        for record in records:
            self.halted = record.value == b"halt"
        return read

    def forbids(self, call: Any) -> bool:
        """Whether the process may not make this call, by what it has read."""
        return not self.complete or (self.halted and call.kind == HALTED_KIND)
