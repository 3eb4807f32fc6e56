"""Adapters to each implementation of Source and Sink, so that one contract suite runs against all of them.

Each implementation lists what it cannot do (``CANNOT``); a test that needs one of these is not collected for it.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from devstack import embedded_broker, memory, waiting
from devstack.stack import Stack
from streams.flow import Assignment, Output, Record
from streams.kafka import offset_metadata
from streams.kafka.settings import KafkaConnection, SinkSettings, SourceSettings
from streams.kafka.side_reader import KafkaSideReader
from streams.kafka.sinks import PlainSink, TransactionalSink
from streams.kafka.source import KafkaSource
from streams.kafka.topic_start import have_started
from streams.messages import (
    Arrivals,
    Assigned,
    Broken,
    Checkpoint,
    Mark,
    Notice,
    OwnedPartition,
    Revoked,
    Topic,
    TopicsSeen,
    Written,
)
from streams.ports import Again, Done, SideReader, Sink, Source

Start = Literal["earliest", "latest"] | datetime
PATIENCE_S = 120.0


class BrokerAdapter(Protocol):
    """What a contract test needs from an implementation."""

    @property
    def cannot(self) -> Mapping[str, str]: ...

    def create_topic(self, name: str, partitions: int) -> str: ...

    def recreate_topic(self, name: str, partitions: int) -> None:
        """Deletes a topic and creates it again, while it is being read."""
        ...

    def grow_topic(self, name: str, partitions: int) -> None: ...

    def append(self, outputs: Iterable[Output]) -> None: ...

    def visible(self, topic: str, partition: int) -> list[Output]:
        """Returns what a read-committed consumer sees now."""
        ...

    def source(self, *, group: str, topics: Mapping[str, str], start: Start = "earliest") -> Source: ...

    def sink(self, *, group: str, instance_id: str, replaceable: frozenset[str] = frozenset()) -> Sink: ...

    def side_reader(self) -> SideReader: ...

    def committed(self, group: str, topic: str, partition: int) -> tuple[int, Mark | None] | None: ...

    def reset(self, group: str, topic: str, partition: int, offset: int) -> None:
        """Resets an offset like Kafka's tools, with no member in the group."""
        ...

    def delete_before(self, topic: str, partition: int, offset: int) -> None: ...


class MemoryAdapter:
    """The implementation in memory."""

    cannot = memory.CANNOT

    def __init__(self) -> None:
        self.broker = memory.MemoryBroker()

    def create_topic(self, name: str, partitions: int) -> str:
        self.broker.create_topic(name, partitions)
        return name

    def recreate_topic(self, name: str, partitions: int) -> None:
        self.broker.create_topic(name, partitions)

    def grow_topic(self, name: str, partitions: int) -> None:
        self.broker.grow_topic(name, partitions)

    def append(self, outputs: Iterable[Output]) -> None:
        self.broker.append(outputs)

    def visible(self, topic: str, partition: int) -> list[Output]:
        return [
            Output(topic=topic, key=kept.key, value=kept.value, headers=kept.headers, partition=partition)
            for kept in self.broker.records(topic, partition)
        ]

    def source(self, *, group: str, topics: Mapping[str, str], start: Start = "earliest") -> Source:
        return memory.MemorySource(self.broker, group=group, topics=topics, start=start)

    def sink(self, *, group: str, instance_id: str, replaceable: frozenset[str] = frozenset()) -> Sink:
        return memory.MemorySink(self.broker, instance_id=instance_id)

    def side_reader(self) -> SideReader:
        return memory.MemorySideReader(self.broker)

    def committed(self, group: str, topic: str, partition: int) -> tuple[int, Mark | None] | None:
        return self.broker.committed(group, topic, partition)

    def reset(self, group: str, topic: str, partition: int, offset: int) -> None:
        self.broker.reset(group, topic, partition, offset)

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        self.broker.delete_before(topic, partition, offset)


class _ClientAdapter:
    """The parts shared by the embedded and the real broker, which use the same clients."""

    session_s = 6.0
    topic_ids = True
    properties: Mapping[str, Any] = {}

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.admin = AdminClient(self._client())
        self.producer = Producer(self._client(**{"enable.idempotence": True}))

    def connection(self) -> KafkaConnection:
        return KafkaConnection(
            bootstrap_servers=self.bootstrap_servers,
            client_id="contract",
            properties={"log_level": 0, **self.properties},
        )

    def recreate_topic(self, name: str, partitions: int) -> None:
        self.admin.delete_topics([name], operation_timeout=10)[name].result()
        deadline = time.monotonic() + PATIENCE_S
        while not self._is_created(name, partitions):
            assert time.monotonic() < deadline, f"{name} could not be created again"
            time.sleep(0.1)

    def _is_created(self, name: str, partitions: int) -> bool:
        """Creates the topic; fails while the broker is still deleting the old one."""
        new = NewTopic(name, num_partitions=partitions, replication_factor=1)
        if self.admin.create_topics([new], operation_timeout=10)[name].exception() is not None:
            return False
        waiting.until(f"{name} to be served", lambda: have_started(self.admin, [name], timeout_s=10))
        return True

    def grow_topic(self, name: str, partitions: int) -> None:
        self.admin.create_partitions([NewPartitions(name, partitions)])[name].result()

    def append(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            where = -1 if output.partition is None else output.partition
            self.producer.produce(
                output.topic, value=output.value, key=output.key, headers=list(output.headers), partition=where
            )
        assert self.producer.flush(10) == 0

    def visible(self, topic: str, partition: int) -> list[Output]:
        reader = Consumer(
            self._client(
                **{
                    "group.id": "reader",
                    "isolation.level": "read_committed",
                    "enable.partition.eof": True,
                    "auto.offset.reset": "earliest",
                }
            )
        )
        reader.assign([TopicPartition(topic, partition, 0)])
        seen: list[Output] = []
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            message = reader.poll(1.0)
            if message is None:
                continue
            if message.error() is not None:
                break
            headers: Any = message.headers() or ()
            seen.append(
                Output(
                    topic=topic, key=message.key(), value=message.value(), headers=tuple(headers), partition=partition
                )
            )
        reader.close()
        return seen

    def source(self, *, group: str, topics: Mapping[str, str], start: Start = "earliest") -> Source:
        return KafkaSource(
            SourceSettings(
                connection=self.connection(),
                group=group,
                topics=topics,
                start=start,
                session_s=self.session_s,
                revoke_budget_s=5.0,
                poll_interval_s=max(30.0, self.session_s),
            )
        )

    def side_reader(self) -> SideReader:
        return KafkaSideReader(self.connection(), reader="side", topic_ids=self.topic_ids)

    def _sink_settings(self, group: str, instance_id: str, replaceable: frozenset[str]) -> SinkSettings:
        return SinkSettings(
            connection=self.connection(),
            group=group,
            instance_id=instance_id,
            replaceable=replaceable,
            transaction_timeout_s=8.0,
        )

    def committed(self, group: str, topic: str, partition: int) -> tuple[int, Mark | None] | None:
        asker = Consumer(self._client(**{"group.id": group}))
        found = asker.committed([TopicPartition(topic, partition)], timeout=10)[0]
        asker.close()
        return None if found.offset < 0 else (found.offset, offset_metadata.decode(found.offset, found.metadata))

    def reset(self, group: str, topic: str, partition: int, offset: int) -> None:
        asker = Consumer(self._client(**{"group.id": group}))
        asker.commit(offsets=[TopicPartition(topic, partition, offset)], asynchronous=False)
        asker.close()

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        part = TopicPartition(topic, partition, offset)
        self.admin.delete_records([part])[part].result()

    def _client(self, **more: Any) -> dict[str, Any]:
        return {"bootstrap.servers": self.bootstrap_servers, "log_level": 0, **self.properties, **more}


class EmbeddedAdapter(_ClientAdapter):
    """The embedded broker."""

    cannot = embedded_broker.CANNOT
    session_s = 3.0
    topic_ids = False
    properties = embedded_broker.CLIENT_PROPERTIES

    def __init__(self, holder: embedded_broker.EmbeddedBroker) -> None:
        super().__init__(holder.bootstrap_servers)
        self._holder = holder

    def create_topic(self, name: str, partitions: int) -> str:
        assert self._holder.create_topic(name, partitions) == partitions
        return name

    def sink(self, *, group: str, instance_id: str, replaceable: frozenset[str] = frozenset()) -> Sink:
        return PlainSink(self._sink_settings(group, instance_id, replaceable))


class KafkaAdapter(_ClientAdapter):
    """Apache Kafka, exactly once."""

    cannot: Mapping[str, str] = {"sessions-by-hand": "only the broker can expel a member"}

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack.bootstrap_servers)
        self._stack = stack

    def create_topic(self, name: str, partitions: int) -> str:
        return self._stack.create_topic(name, partitions)

    def sink(self, *, group: str, instance_id: str, replaceable: frozenset[str] = frozenset()) -> Sink:
        return TransactionalSink(self._sink_settings(group, instance_id, replaceable))


class KafkaAtLeastOnceAdapter(KafkaAdapter):
    """Apache Kafka, at least once."""

    cannot: Mapping[str, str] = {**KafkaAdapter.cannot, "transactions": "at least once", "fencing": "at least once"}

    def sink(self, *, group: str, instance_id: str, replaceable: frozenset[str] = frozenset()) -> Sink:
        return PlainSink(self._sink_settings(group, instance_id, replaceable))


CANNOT: Mapping[str, Mapping[str, str]] = {
    "memory": MemoryAdapter.cannot,
    "embedded": EmbeddedAdapter.cannot,
    "real": KafkaAdapter.cannot,
    "real-at-least-once": KafkaAtLeastOnceAdapter.cannot,
}


@dataclass(kw_only=True)
class RecordingMember:
    """A group member that records everything its source reports."""

    source: Source
    owned: dict[Assignment, OwnedPartition] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    positions: dict[Assignment, int] = field(default_factory=dict)
    ends: dict[Assignment, int] = field(default_factory=dict)
    log_ends: dict[Assignment, int] = field(default_factory=dict)
    revoked: list[Revoked] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    topics: dict[str, Topic] = field(default_factory=dict)
    on_revoke: Callable[[Revoked], None] = lambda _revoked: None
    resumes: bool = True

    def poll(self, timeout_s: float = 0.05) -> None:
        """Polls the source once; resumes assigned partitions if ``resumes`` is set."""
        for heard in self.source.poll(timeout_s, self._goes):
            match heard:
                case Assigned(parts=parts):
                    self.owned.update(parts)
                    if self.resumes:
                        self.source.resume(frozenset(parts))
                case Arrivals():
                    self.records.extend(heard.records)
                    self.positions.update(heard.positions)
                    self.ends.update(heard.ends)
                    self.log_ends.update(heard.log_ends)
                case Revoked(parts=lost):
                    self.revoked.append(heard)
                    self._forget(lost)
                case TopicsSeen(topics=topics):
                    self.topics.update(topics)
                case Broken():
                    self.broken.append(heard)
                case Notice():
                    self.notices.append(heard)

    def at(self, partition: int) -> Assignment:
        return next(at for at in self.owned if at.partition == partition)

    def values(self, partition: int | None = None) -> list[bytes | None]:
        return [record.value for record in self.records if partition is None or record.at.partition == partition]

    def moved(self) -> tuple[object, ...]:
        """Returns what changes with progress; without notices, which a stalled member may repeat."""
        return len(self.owned), len(self.revoked), len(self.broken), len(self.records), dict(self.positions)

    def heard(self) -> str:
        """Describes the member in a failure message."""
        return f"{len(self.records)} records, {self.positions=}, {self.broken=}, {self.notices=}, {self.revoked=}"

    def _goes(self, revoked: Revoked) -> None:
        """The source's ``OnRevoke``: records the revocation and calls ``on_revoke``."""
        self.revoked.append(revoked)
        self.on_revoke(revoked)
        self._forget(revoked.parts)

    def _forget(self, parts: Iterable[Assignment]) -> None:
        for at in parts:
            self.owned.pop(at, None)


def until(what: Callable[[], bool], *members: RecordingMember, patience_s: float = PATIENCE_S) -> None:
    """Polls the members in turn until a condition holds; fails if none makes progress for ``patience_s``."""

    def polled() -> bool:
        if what():
            return True
        for member in members:
            member.poll()
        return False

    try:
        waiting.until("it", polled, progress=lambda: [m.moved() for m in members], still_s=patience_s, every_s=0)
    except waiting.StoodStill as error:
        raise AssertionError(f"{error}; {[m.heard() for m in members]}") from None


def committed(source: Source, marks: Mapping[Assignment, Mark], serial: int) -> Written:
    """Commits marks like the runner: repeats after each poll, or without one while partitions are revoked."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        match source.commit(marks, serial):
            case Written() as written:
                return written
            case Again() as again:
                time.sleep(again.after_s)
            case None:
                pass
        assert time.monotonic() < deadline, "the marks were not committed"
        if isinstance(source, KafkaSource) and not source._revoking:
            heard = source.poll(0.01, source._on_revoke)
            source._events[:0] = heard  # left for the next poll


def write(sink: Sink, checkpoint: Checkpoint, source: Source) -> Done:
    """Makes a checkpoint durable like the runner: retries, and commits remaining marks by the source."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        said = sink.write(checkpoint, source.group())
        if isinstance(said, Done):
            break
        assert time.monotonic() < deadline, said
        time.sleep(said.after_s)
    if said.committed:
        return said
    written = committed(source, said.written.marks, checkpoint.serial)
    return Done(written=written, committed=True, broken=said.broken, notices=said.notices)


def mark(position: int, *, serial: int = 1, drained: bool = False, state_topic_id: str = "t") -> Mark:
    return Mark(position=position, read_ahead=100, drained=drained, serial=serial, state_topic_id=state_topic_id)


@contextmanager
def closing(*parts: Source | Sink) -> Iterator[None]:
    """Closes the parts in order, also after a failure."""
    try:
        yield
    finally:
        for part in parts:
            with suppress(Exception):
                part.close()
