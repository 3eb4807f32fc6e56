"""Topics that processes read beside their partitions, in virtual time, and what of them has become durable.

Each partition has one such log. It is read twice: followed from its start on, and a range of it. Its topic is created
again, loses records to retention, and cannot be read for a while.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from streams.flow import Assignment, BadRecord, NotYet, Now, Output, Record, Told
from streams.messages import Mark, SideFetch, SideRecords
from streams.side_input import Opening, SideInput, SidePosition
from tests.harness.toy_flow import SetPoint, Wish
from tests.harness.toy_side_inputs import SideLog
from tests.simulation import checker
from tests.simulation.checker import Violation
from tests.simulation.world import SimulatedWorld

TOPIC = "side"
ID_PREFIX = "side:"
WISH_PREFIX = "wish:"
"""Of the ids of events that side inputs ask for, and of nothing else."""
WISHED = "vent"
"""The device that only side inputs ask for."""
PROGRESS = "progress"
PAST = range(2, 8)
AT_END_S = 1.0

Part = tuple[int, str]
"""A main partition, and the name of a side input."""


def ranges(partition: int) -> Sequence[SideInput]:
    """Returns the side inputs of a partition."""
    past = SideInput(name="past", topic=TOPIC, partition=partition, start=PAST.start, end=PAST.stop)
    return SideInput(name="followed", topic=TOPIC, partition=partition), past


@dataclass(slots=True)
class SimulatedSideInputs:
    """A process's ``SideInputs``. ``check``: called with each record that is read."""

    check: Callable[[Record], None] = lambda _record: None

    def inputs(self, partition: int) -> Sequence[SideInput]:
        return ranges(partition)

    def opened(self, opening: Opening, now: Now) -> None:
        pass

    def is_over(self, name: str) -> bool:
        return False

    def read(self, name: str, record: Record, now: Now) -> Told | BadRecord | NotYet | None:
        self.check(record)
        raw = json.loads(record.value or b"")
        told = f"{record.at.partition}:{name}:{raw['id']}:{record.offset}"
        if "at" not in raw:
            return Told(lane=raw["room"], message=f"{ID_PREFIX}{told}")
        order = raw["at"], -1  # an offset of the input would make earlier events of the room repetitions
        event = SetPoint(
            id=f"{WISH_PREFIX}{told}", order=order, device=WISHED, value=raw["value"], received_us=now.wall_us
        )
        return Told(lane=raw["room"], message=Wish(id=f"{ID_PREFIX}{told}", event=event))

    def progress(self, partition: int, side_input: SideInput, reached: SidePosition, now: Now) -> Sequence[Output]:
        row = {"partition": partition, "position": reached.position}
        return [Output(topic=PROGRESS, key=side_input.name.encode(), value=json.dumps(row).encode())]


@dataclass(slots=True)
class SideTopics:
    """The logs by main partition, and the messages and positions that are durable."""

    world: SimulatedWorld
    partitions: int
    wishes: bool = False  # each record asks for a set-point
    logs: list[SideLog] = field(default_factory=list)
    told: dict[tuple[int, str, str], dict[int, int]] = field(default_factory=dict)  # offset -> times, by topic id
    reached: dict[Part, SidePosition] = field(default_factory=dict)
    reported: dict[Part, int] = field(default_factory=dict)  # the position in the last report of progress

    def __post_init__(self) -> None:
        self.logs = [SideLog() for _ in range(self.partitions)]

    def schedule(self, rows: int, rooms: Sequence[tuple[str, int]], lasts_s: float) -> None:
        """Plans the records and the faults of a history."""
        rng = self.world.rng
        for _ in range(rows):
            room, partition = rng.choice(rooms)
            self.world.after(rng.random() * lasts_s, self._appending(room, partition))
        for _ in range(rng.choice([0, 1, 2])):
            fault = rng.choice([self._recreate, self._delete, self._unreadable])
            self.world.after(rng.random() * lasts_s, fault)

    def _appending(self, room: str, partition: int) -> Callable[[], None]:
        return lambda: self._append(room, partition)

    def _append(self, room: str, partition: int) -> None:
        log = self.logs[partition]
        wish = {"at": self.world.wall_us(), "value": log.end} if self.wishes else {}
        log.add({"room": room, "id": log.topic_id, **wish})

    def _recreate(self) -> None:
        self.world.count("side topic created again")
        for log in self.logs:
            log.recreate()

    def _delete(self) -> None:
        """Retention deletes some of the records, read or not."""
        self.world.count("side records deleted")
        for log in self.logs:
            log.delete_before(self.world.rng.randint(log.begin, log.end))

    def _unreadable(self) -> None:
        self.world.count("side topic cannot be read")
        for log in self.logs:
            log.problem = "no leader"
        self.world.after(self.world.between(0.1, 4.0), self._readable)

    def _readable(self) -> None:
        for log in self.logs:
            log.problem = ""

    def heal(self) -> None:
        """Ends the faults, and fills each log so that the range can be read to its end."""
        self._readable()
        for partition, log in enumerate(self.logs):
            while log.end < PAST.stop:
                self._append(f"room{partition}", partition)

    # ---- reading ----------------------------------------------------------------------------------------------------

    def answer(self, fetch: SideFetch) -> SideRecords | None:
        """Returns the answer to a request; None at the end of the log."""
        return self.logs[fetch.partition].answer(fetch, at_most=self.world.rng.randint(1, 6))

    def empty(self, fetch: SideFetch) -> SideRecords:
        """Returns the answer to a request that has waited at the end of the log in vain."""
        topic_id = self.logs[fetch.partition].topic_id
        return SideRecords(fetch=fetch, position=fetch.position, topic_id=topic_id)

    # ---- what is durable --------------------------------------------------------------------------------------------

    def landed(self, outputs: Mapping[Assignment, Sequence[Output]], marks: Mapping[Assignment, Mark]) -> None:
        """Takes a committed transaction."""
        for output in (output for part in outputs.values() for output in part):
            row: dict[str, Any] = json.loads(output.value or b"{}") if output.topic in ("settings", PROGRESS) else {}
            if output.topic == PROGRESS:
                self.reported[row["partition"], (output.key or b"").decode()] = row["position"]
            elif str(row.get("id", "")).startswith(ID_PREFIX):
                _, partition, name, topic_id, offset = row["id"].split(":")
                times = self.told.setdefault((int(partition), name, topic_id), {})
                times[int(offset)] = times.get(int(offset), 0) + 1
        for at, mark in marks.items():
            for spec in ranges(at.partition):
                before = self.reached.get((at.partition, spec.name))
                dropped = None if before is None else replace(before, position=spec.start, delivered=0)
                reached = mark.side.get(spec.name, dropped)
                if reached is not None:
                    self.reached[at.partition, spec.name] = reached

    def check(self, partitions: Iterator[int] | frozenset[int]) -> Iterator[Violation]:
        """Compares the messages of these partitions with the positions: each is told once, and none too early."""
        for partition in partitions:
            for spec in ranges(partition):
                reached = self.reached.get((partition, spec.name), SidePosition(position=spec.start))
                ids = [topic_id for told_by, name, topic_id in self.told if (told_by, name) == (partition, spec.name)]
                for topic_id in [reached.topic_id] if reached.topic_id else ids:
                    times = self.told.get((partition, spec.name, topic_id), {})
                    first = self._first(partition, spec, topic_id)
                    yield from checker.told_once(f"{spec.name} of {partition}", times, first, reached.position)

    def _first(self, partition: int, spec: SideInput, topic_id: str) -> int:
        """Returns the first offset that must have been told: retention may have deleted those before it."""
        log = self.logs[partition]
        return max(spec.start, log.begin) if log.topic_id == topic_id else 10**9

    def is_done(self) -> bool:
        """Whether everything was read, and reported."""
        return all(self._is_read(partition, spec) for partition in range(self.partitions) for spec in ranges(partition))

    def _is_read(self, partition: int, spec: SideInput) -> bool:
        reached, log = self.reached.get((partition, spec.name)), self.logs[partition]
        end = log.end if spec.end is None else spec.end
        if reached is None or reached.position < end or (spec.end is None and reached.topic_id != log.topic_id):
            return False  # a range that was read to its end stays read when its topic is created again
        return self.reported.get((partition, spec.name)) == reached.position
