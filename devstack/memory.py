"""An in-memory broker with a source, a sink and a side reader, for tests and experiments without Kafka.

It passes the same contract suite as real brokers, except for what ``CANNOT`` lists. A checkpoint is written under one
lock, so it is atomic. Rebalances are cooperative: a member gives up the partitions meant for another in its own next
``poll``, and only then does the other member get them.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from threading import Condition
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from streams.clock import uptime_s
from streams.engine.partition import out_of_range
from streams.errors import SinkFailed, SourceFailed
from streams.flow import Assignment, Headers, Output, Record, Stored
from streams.lanes.record_headers import lane_key, restored
from streams.messages import (
    Arrivals,
    Assigned,
    Broken,
    Checkpoint,
    Mark,
    Notice,
    OwnedPartition,
    Revoked,
    SideFetch,
    SideRecords,
    Topic,
    TopicsSeen,
    Written,
)
from streams.partitioner import partition_for
from streams.ports import Again, Done, OnRevoke, SideReport, SideRequests, SourceEvent, Stopping

CANNOT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "processes": "only this process can see it",
        "restart": "nothing outlives the process",
        "open-transactions": "a checkpoint is written at once, so there is never one half written to hide",
        "size-limits": "a record of any size is taken",
        "session": "nobody is expelled for being silent; ``MemoryBroker.expel`` does it when told",
        "freeze": "the broker cannot be stopped and continued",
        "compaction": "nothing is compacted",
    }
)

Part: TypeAlias = tuple[str, int]
Start: TypeAlias = Literal["earliest", "latest"] | datetime

_BATCH: Final = 500
_QUARREL_S: Final = 30.0
_AGAIN_S: Final = 0.05
_AT_END_S: Final = 1.0  # how long a request for a side input waits for new records


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRecord:
    """One record of a partition's log."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    time_us: int


@dataclass(slots=True, kw_only=True)
class _Log:
    """A partition's records, from the offset ``begin`` on."""

    begin: int = 0
    records: list[MemoryRecord] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.begin + len(self.records)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Topic:
    """A topic; a recreated one has another id."""

    id: str
    logs: tuple[_Log, ...]


@dataclass(slots=True, kw_only=True)
class _Group:
    """A consumer group: its members, who owns which partition, and the committed positions."""

    members: dict[str, frozenset[str]] = field(default_factory=dict)  # member -> topics
    owners: dict[Part, str] = field(default_factory=dict)
    committed: dict[Part, tuple[int, Mark | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryMembership:
    """A member's group metadata, which is passed to commits."""

    group: str
    member: str


class MemoryBroker:
    """Topics, groups and producers. Thread-safe."""

    def __init__(self) -> None:
        self.changed = Condition()
        self._topics: dict[str, _Topic] = {}
        self._groups: dict[str, _Group] = defaultdict(_Group)
        self._producers: dict[str, int] = defaultdict(int)
        self._count = 0

    # ---- for tests and experiments ----------------------------------------------------------------------------------

    def create_topic(self, name: str, partitions: int) -> None:
        """Creates a topic; replaces an existing one by an empty topic with another id."""
        with self.changed:
            self._topics[name] = _Topic(id=f"topic-{self._next()}", logs=tuple(_Log() for _ in range(partitions)))

    def grow_topic(self, name: str, partitions: int) -> None:
        """Adds partitions to a topic."""
        with self.changed:
            topic = self._topics[name]
            more = tuple(_Log() for _ in range(partitions - len(topic.logs)))
            self._topics[name] = _Topic(id=topic.id, logs=(*topic.logs, *more))
            self.changed.notify_all()

    def append(self, outputs: Iterable[Output]) -> None:
        """Appends records, all or none. Raises KeyError for an unknown topic, IndexError for an unknown partition."""
        with self.changed:
            placed = [(self._log_for(output), output) for output in outputs]
            for log, output in placed:
                log.records.append(
                    MemoryRecord(
                        offset=log.end,
                        key=output.key,
                        value=output.value,
                        headers=output.headers,
                        time_us=time.time_ns() // 1000,
                    )
                )
            self.changed.notify_all()

    def records(self, topic: str, partition: int) -> tuple[MemoryRecord, ...]:
        with self.changed:
            return tuple(self._topics[topic].logs[partition].records)

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """Deletes the records before ``offset``, as retention does."""
        with self.changed:
            log = self._topics[topic].logs[partition]
            log.records = [record for record in log.records if record.offset >= offset]
            log.begin = max(log.begin, offset)

    def committed(self, group: str, topic: str, partition: int) -> tuple[int, Mark | None] | None:
        with self.changed:
            return self._groups[group].committed.get((topic, partition))

    def reset(self, group: str, topic: str, partition: int, offset: int) -> None:
        """Sets a committed position without a mark, as Kafka's command line tool does."""
        with self.changed:
            self._groups[group].committed[topic, partition] = (offset, None)

    def expel(self, group: str, member: str) -> None:
        """Removes a member and frees its partitions, as a session time-out does."""
        with self.changed:
            self._groups[group].members.pop(member, None)
            self._groups[group].owners = {p: m for p, m in self._groups[group].owners.items() if m != member}
            self.changed.notify_all()

    # ---- for sources ------------------------------------------------------------------------------------------------

    def join(self, group: str, topics: Iterable[str]) -> str:
        """Adds a member to a group and returns its id."""
        with self.changed:
            member = f"member-{self._next()}"
            self._groups[group].members[member] = frozenset(topics)
            self.changed.notify_all()
            return member

    def is_member(self, group: str, member: str) -> bool:
        with self.changed:
            return member in self._groups[group].members

    def must_give_up(self, group: str, member: str) -> frozenset[Part]:
        """Returns the partitions that the member owns and that are meant for another."""
        with self.changed:
            wanted = self._wanted(group)
            mine = {part for part, owner in self._groups[group].owners.items() if owner == member}
            return frozenset(part for part in mine if wanted.get(part) != member)

    def give_up(self, group: str, member: str, parts: Iterable[Part]) -> None:
        """Frees those of the partitions that the member owns."""
        with self.changed:
            for part in parts:
                if self._groups[group].owners.get(part) == member:
                    del self._groups[group].owners[part]
            self.changed.notify_all()

    def take(self, group: str, member: str) -> frozenset[Part]:
        """Assigns the member the free partitions that are meant for it, and returns them."""
        with self.changed:
            owners = self._groups[group].owners
            gained = frozenset(
                part for part, owner in self._wanted(group).items() if owner == member and part not in owners
            )
            owners.update(dict.fromkeys(gained, member))
            return gained

    def log(self, topic: str, partition: int) -> _Log:
        return self._topics[topic].logs[partition]

    def read_beside(self, fetch: SideFetch) -> SideRecords:
        """Returns the answer to a request for a side input; without records at the end of the log."""
        with self.changed:
            topic = self._topics.get(fetch.topic)
            if topic is None or fetch.partition >= len(topic.logs):
                problem = f"{fetch.topic}/{fetch.partition} does not exist; it is read once it is created"
                return SideRecords(fetch=fetch, position=fetch.position, problem=problem)
            log = topic.logs[fetch.partition]
            if not log.begin <= fetch.position <= log.end:
                reach = log.begin, log.end
                return SideRecords(fetch=fetch, position=fetch.position, end=log.end, topic_id=topic.id, log=reach)
            found = [kept for kept in log.records if kept.offset >= fetch.position][:_BATCH]
            position = found[-1].offset + 1 if found else fetch.position
            records = tuple(_record(fetch.at, kept) for kept in found)
            return SideRecords(fetch=fetch, position=position, records=records, end=log.end, topic_id=topic.id)

    def topic(self, name: str) -> _Topic:
        """Returns a topic. Raises SourceFailed if it does not exist."""
        if name not in self._topics:
            raise SourceFailed(f"the topic {name} does not exist")
        return self._topics[name]

    # ---- for sinks --------------------------------------------------------------------------------------------------

    def begin_producer(self, instance_id: str) -> int:
        """Returns the epoch of a new producer; earlier producers with this id are fenced."""
        with self.changed:
            self._producers[instance_id] += 1
            return self._producers[instance_id]

    def write(
        self, instance_id: str, epoch: int, outputs: Iterable[Output], marks: Mapping[Part, Mark], by: MemoryMembership
    ) -> str:
        """Writes outputs and marks, all or none. Returns the problem, "fenced" or "unknown member", or "" if none."""
        with self.changed:
            if self._producers[instance_id] != epoch:
                return "fenced"
            if not self.commit(marks, by):
                return "unknown member"
            self.append(outputs)
            return ""

    def commit(self, marks: Mapping[Part, Mark], by: MemoryMembership) -> bool:
        """Commits marks. Like a broker, requires that the member is in the group, not that it owns the partitions."""
        with self.changed:
            if by.member not in self._groups[by.group].members:
                return False
            committed = self._groups[by.group].committed
            committed.update({part: (mark.position, mark) for part, mark in marks.items()})
            return True

    def _wanted(self, group: str) -> dict[Part, str]:
        """Returns the target assignment. It is sticky: an owner keeps its partitions up to its fair share; the others
        go to the members with the fewest.
        """
        members = self._groups[group].members
        parts = sorted(
            (name, number)
            for name in frozenset().union(*members.values())
            for number in range(len(self._topics[name].logs) if name in self._topics else 0)
        )
        fair = -(-len(parts) // len(members)) if members else 0
        wanted: dict[Part, str] = {}
        held = dict.fromkeys(sorted(members), 0)
        for part in parts:
            owner = self._groups[group].owners.get(part)
            if owner in held and held[owner] < fair:
                wanted[part] = owner
                held[owner] += 1
        for part in parts:
            able = [member for member in held if part[0] in members[member]]
            if part not in wanted and able:
                least = min(able, key=held.__getitem__)
                wanted[part] = least
                held[least] += 1
        return wanted

    def _log_for(self, output: Output) -> _Log:
        logs = self._topics[output.topic].logs
        number = partition_for(output.key, len(logs)) if output.partition is None else output.partition
        return logs[number]

    def _next(self) -> int:
        self._count += 1
        return self._count


def _record(at: Assignment, kept: MemoryRecord) -> Record:
    return Record(at=at, offset=kept.offset, key=kept.key, value=kept.value, time_us=kept.time_us, headers=kept.headers)


class MemorySource:
    """A ``ports.Source`` that is a member of a consumer group of the broker."""

    def __init__(
        self,
        broker: MemoryBroker,
        *,
        group: str,
        topics: Mapping[str, str],  # input topic -> state topic
        start: Start,
        revoke_budget_s: float = 10.0,
        clock: Callable[[], float] = uptime_s,
    ) -> None:
        self._broker = broker
        self._group = group
        self._topics = topics
        self._start = start
        self._revoke_budget_s = revoke_budget_s
        self._clock = clock
        self._epoch = 0
        self._positions: dict[Assignment, int] = {}
        self._flowing: set[Assignment] = set()
        self._broken: set[Assignment] = set()
        self._seen: Mapping[str, Topic] = {}
        self._member = broker.join(group, topics)
        self._open = True

    def poll(self, timeout_s: float, on_revoke: OnRevoke) -> Sequence[SourceEvent]:
        """See ``ports.Source``."""
        events: list[SourceEvent] = [*self._lost(), *self._gained(on_revoke)]
        if not events:
            with self._broker.changed:
                self._broker.changed.wait_for(self._has_news, timeout_s)
        events.extend([*self._looked(), *self._read()])
        return events

    def pause(self, parts: frozenset[Assignment]) -> None:
        self._flowing -= parts

    def resume(self, parts: frozenset[Assignment]) -> None:
        self._flowing |= parts & self._positions.keys()

    def reread(self, parts: frozenset[Assignment]) -> None:
        """Does nothing: this source does not prefetch."""

    def group(self) -> MemoryMembership:
        return MemoryMembership(group=self._group, member=self._member)

    def commit(self, marks: Mapping[Assignment, Mark], serial: int) -> Written | Again | None:
        """See ``ports.Source``."""
        alive = {at: mark for at, mark in marks.items() if at in self._positions}
        sent_at_s = self._clock()
        if not self._broker.commit({(at.topic, at.partition): mark for at, mark in alive.items()}, self.group()):
            return Again(reason="unknown member", after_s=_AGAIN_S)
        return Written(serial=serial, marks=alive, sent_at_s=sent_at_s)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._broker.expel(self._group, self._member)

    def _looked(self) -> Iterable[SourceEvent]:
        """Yields the topics' ids and numbers of partitions whenever they have changed."""
        there = {name: self._broker.topic(name) for name in (*self._topics, *self._topics.values())}
        seen = {name: Topic(id=topic.id, partitions=len(topic.logs)) for name, topic in there.items()}
        if seen != self._seen:
            self._seen = seen
            yield TopicsSeen(topics=seen)

    # ---- rebalance --------------------------------------------------------------------------------------------------

    def _lost(self) -> Iterable[SourceEvent]:
        """If the member was expelled, yields its partitions as lost and joins again, as a Kafka consumer does."""
        if self._broker.is_member(self._group, self._member):
            return
        parts = tuple(self._positions)
        self._forget(parts)
        self._member = self._broker.join(self._group, self._topics)
        if parts:
            yield Notice(event="partitions_lost", level="warning", fields={"count": len(parts)})
            yield Revoked(parts=parts, lost=True)

    def _gained(self, on_revoke: OnRevoke) -> Iterable[SourceEvent]:
        leaving = self._broker.must_give_up(self._group, self._member)
        if leaving:
            parts = tuple(at for at in self._positions if (at.topic, at.partition) in leaving)
            on_revoke(Revoked(parts=parts, lost=False, budget_s=self._revoke_budget_s))
            self._forget(parts)
            self._broker.give_up(self._group, self._member, leaving)
        gained = self._broker.take(self._group, self._member)
        if gained:
            self._epoch += 1
            fresh = [Assignment(topic=topic, partition=number, epoch=self._epoch) for topic, number in sorted(gained)]
            owned = {at: self._restored(at) for at in fresh}
            self._positions.update({at: one.start for at, one in owned.items()})
            yield Notice(event="partitions_assigned", fields={"count": len(fresh), "epoch": self._epoch})
            yield Assigned(parts=owned)

    def _forget(self, parts: Iterable[Assignment]) -> None:
        for at in parts:
            self._positions.pop(at, None)
            self._flowing.discard(at)
            self._broken.discard(at)

    def _restored(self, at: Assignment) -> OwnedPartition:
        inputs, states = self._broker.topic(at.topic), self._broker.topic(self._topics[at.topic])
        if at.partition >= len(states.logs):
            raise SourceFailed(
                f"the state topic {self._topics[at.topic]} has {len(states.logs)} partitions and {at.topic} has more"
            )
        lanes: dict[str, Stored] = {}
        for record in states.logs[at.partition].records:
            if record.key is None:
                continue
            key = lane_key(record.key)
            if record.value is None:
                lanes.pop(key, None)
            else:
                lanes[key] = restored(record.value, record.headers, record.offset)
        log = inputs.logs[at.partition]
        found = self._broker.committed(self._group, at.topic, at.partition)
        position, mark = found or (self._first(log), None)
        return OwnedPartition(
            mark=mark,
            committed=found is not None,
            skips=found is None and position > log.begin,
            start=position,
            end=log.end,
            state_topic_id=states.id,
            input_topic_id=inputs.id,
            partitions=len(inputs.logs),
            state=lanes,
        )

    def _first(self, log: _Log) -> int:
        if self._start == "earliest":
            return log.begin
        if self._start == "latest":
            return log.end
        since_us = int(self._start.timestamp() * 1e6)
        return next((record.offset for record in log.records if record.time_us >= since_us), log.end)

    # ---- reading ----------------------------------------------------------------------------------------------------

    def _has_news(self) -> bool:
        return (
            any(self._log(at).end > self._positions[at] for at in self._flowing - self._broken)
            or not self._broker.is_member(self._group, self._member)
            or bool(self._broker.must_give_up(self._group, self._member))
        )

    def _read(self) -> Iterable[SourceEvent]:
        records: list[Record] = []
        with self._broker.changed:
            for at in sorted(self._flowing - self._broken, key=lambda at: (at.topic, at.partition)):
                log = self._log(at)
                if not log.begin <= self._positions[at] <= log.end:
                    self._broken.add(at)
                    yield Broken(at=at, reason=out_of_range(at, self._positions[at], self._topics[at.topic]))
                    continue
                records.extend(self._taken(at, log, _BATCH - len(records)))
            ends = {at: self._log(at).end for at in self._positions}
        if records or ends:
            yield Arrivals(records=records, positions=dict(self._positions), ends=ends)

    def _taken(self, at: Assignment, log: _Log, most: int) -> Iterable[Record]:
        first = self._positions[at] - log.begin
        for kept in log.records[first : first + most]:
            self._positions[at] = kept.offset + 1
            yield _record(at, kept)

    def _log(self, at: Assignment) -> _Log:
        return self._broker.log(at.topic, at.partition)


class MemorySideReader:
    """A ``ports.SideReader``."""

    def __init__(self, broker: MemoryBroker, *, clock: Callable[[], float] = uptime_s) -> None:
        self._broker = broker
        self._clock = clock

    def serve(self, requests: SideRequests, report: SideReport, stopping: Stopping) -> None:
        """See ``ports.SideReader``."""
        waiting: list[tuple[float, SideFetch]] = []  # with the time until which each waits at the end of the log
        while not stopping.is_set():
            new = requests(_AGAIN_S)
            waiting += [(self._clock() + _AT_END_S, fetch) for fetch in new]
            answers = [(until_s, fetch, self._broker.read_beside(fetch)) for until_s, fetch in waiting]
            now_s = self._clock()
            waiting = [(until_s, fetch) for until_s, fetch, got in answers if _is_empty(got) and now_s < until_s]
            for until_s, _, got in answers:
                if not _is_empty(got) or now_s >= until_s:
                    report(got)


def _is_empty(answer: SideRecords) -> bool:
    return not answer.records and not answer.problem and answer.log is None


class MemorySink:
    """A ``ports.Sink`` that writes each checkpoint atomically."""

    def __init__(self, broker: MemoryBroker, *, instance_id: str, clock: Callable[[], float] = uptime_s) -> None:
        self._broker = broker
        self._instance_id = instance_id
        self._clock = clock
        self._dropped: frozenset[Assignment] = frozenset()
        self._producer: int | None = None
        self._renewed_s: float | None = None
        self._given: Checkpoint | None = None
        self._unsure: Checkpoint | None = None  # may be durable: given to a predecessor that did not report the outcome
        self._given_up = False
        self.calling_since_s: float | None = None

    def open(self) -> None:
        self._producer = self._broker.begin_producer(self._instance_id)

    def write(self, checkpoint: Checkpoint, group: Any) -> Done | Again:
        """See ``ports.Sink``."""
        if self._producer is None:
            raise SinkFailed("the sink is not open")
        self._given = checkpoint
        if checkpoint is self._unsure and self._landed(checkpoint, group):
            written = Written(serial=checkpoint.serial, marks=checkpoint.marks, sent_at_s=-inf)
            return Done(written=written, committed=True)
        marks = {at: mark for at, mark in checkpoint.marks.items() if at not in self._dropped}
        outputs = [o for at, part in checkpoint.outputs.items() if at not in self._dropped for o in part]
        sent_at_s = self._clock()
        by_part = {(at.topic, at.partition): mark for at, mark in marks.items()}
        problem = self._broker.write(self._instance_id, self._producer, outputs, by_part, group)
        if problem:
            return self._failed(checkpoint, problem)
        return Done(written=Written(serial=checkpoint.serial, marks=marks, sent_at_s=sent_at_s), committed=True)

    def idle(self) -> None:
        """See ``ports.Sink``."""

    def drop(self, parts: frozenset[Assignment]) -> None:
        with self._broker.changed:
            self._dropped |= parts

    def successor(self) -> "MemorySink":
        """See ``ports.Sink``."""
        self._given_up = True
        heir = MemorySink(self._broker, instance_id=self._instance_id, clock=self._clock)
        heir._dropped, heir._unsure = self._dropped, self._given
        return heir

    def close(self) -> None:
        self._producer = None

    def _landed(self, checkpoint: Checkpoint, group: MemoryMembership) -> bool:
        committed = self._broker.committed
        return any(
            committed(group.group, at.topic, at.partition) == (mark.position, mark)
            for at, mark in checkpoint.marks.items()
        )

    def _failed(self, checkpoint: Checkpoint, problem: str) -> Again:
        if problem == "fenced" and not self._given_up:
            now_s = self._clock()
            if self._renewed_s is not None and now_s - self._renewed_s < _QUARREL_S:
                raise SinkFailed(f"a second process uses the instance id {self._instance_id!r}: give each its own")
            self._renewed_s = now_s
            self._producer = self._broker.begin_producer(self._instance_id)
        fields: Mapping[str, str | int] = {"serial": checkpoint.serial, "reason": problem, "next": "written again"}
        notice = Notice(event="checkpoint_failed", level="warning", fields=fields)
        return Again(reason=problem, after_s=_AGAIN_S, notices=(notice,))
