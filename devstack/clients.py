"""A producer and a consumer for any topic, as an application outside the connector would write them."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from typing import Any, TypeAlias, cast

import fastavro
import httpx
from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined] # documented there

from devstack.backbone import Backbone
from streams.avro.codec import HEADER
from streams.avro.schema import ParsedSchema
from streams.dead_letter import CONNECT

Row: TypeAlias = dict[str, Any]
"""A decoded value: times are microseconds since the epoch, decimals are exact."""

Position: TypeAlias = tuple[int, int]
"""Partition and offset."""

Noted: TypeAlias = Callable[[int, int, int], None]
"""Called with the partition, the offset and the timestamp (µs since the epoch) of an acknowledged record."""

PARTITION_UA = -1
"""librdkafka's constant for "let the partitioner choose"."""

_AT_ONCE = 10_000
_ASK_S = 5.0
_ASKS = 12
_AGAIN_S = 0.5
_LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]


class RegistryReader:
    """Decodes values with schemas from the registry; fetches each schema once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ids: dict[str, int] = {}
        self._schemas: dict[int, Any] = {}

    def id_of(self, topic: str) -> int:
        """Returns the id of the latest schema of the topic's values."""
        if topic not in self._ids:
            self._ids[topic] = self._get(f"subjects/{topic}-value/versions/latest")["id"]
        return self._ids[topic]

    def decode(self, value: bytes) -> Row:
        """Decodes a value with the schema that it was written with."""
        _, schema_id = HEADER.unpack_from(value)
        if schema_id not in self._schemas:
            self._schemas[schema_id] = ParsedSchema(json.loads(self._get(f"schemas/ids/{schema_id}")["schema"])).parsed
        body = BytesIO(value)
        body.seek(HEADER.size)
        return cast(Row, fastavro.schemaless_reader(body, self._schemas[schema_id], None))

    def _get(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self._url}/{path}", trust_env=False).raise_for_status().json()
        return found


class Writer:
    """Produces to one topic in order, with the Java client's partitioner, and reports the position of each record."""

    def __init__(self, backbone: Backbone, topic: str) -> None:
        self._topic = topic
        self._producer = Producer(
            {
                "bootstrap.servers": backbone.bootstrap_servers,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "linger.ms": 5,
            }
        )
        self._refused: list[KafkaError] = []

    def send(self, key: bytes, value: bytes | None, noted: Noted, partition: int | None = None) -> None:
        """Produces a record. ``noted`` is called in a later ``send`` or ``flush``; ``partition`` None = by the key."""

        now_ms = time.time_ns() // 1_000_000  # set here: acknowledgements of the embedded broker carry no timestamp

        def answered(error: KafkaError | None, record: Message) -> None:
            if error is not None:
                self._refused.append(error)
                return
            noted(record.partition() or 0, record.offset() or 0, now_ms * 1000)

        chosen = PARTITION_UA if partition is None else partition
        while True:
            try:
                self._producer.produce(
                    self._topic, value, key, partition=chosen, timestamp=now_ms, on_delivery=answered
                )
                break
            except BufferError:  # the producer's queue is full
                self._producer.poll(0.05)
        self._producer.poll(0)

    def flush(self) -> None:
        """Waits for all acknowledgements. Raises RuntimeError when one is missing or reports an error."""
        missing = self._producer.flush(60)
        if missing or self._refused:
            raise RuntimeError(f"{missing} records unacknowledged, {len(self._refused)} refused: {self._refused[:1]}")


class Reader:
    """Reads a topic from its beginning (read committed); each read continues where the last one ended."""

    def __init__(self, backbone: Backbone, topic: str, registry: RegistryReader) -> None:
        self._registry = registry
        self._consumer = Consumer(
            {
                "bootstrap.servers": backbone.bootstrap_servers,
                "group.id": "reader",  # never joined, nothing is committed
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,  # moves the position past the control records at the end
                "fetch.queue.backoff.ms": 10,
                "socket.timeout.ms": 10_000,  # a frozen broker keeps its connections open
                **backbone.properties,
            }
        )
        self._asks: dict[str, Any] = {"bootstrap.servers": backbone.bootstrap_servers}
        self._admin = AdminClient(self._asks)
        known = self._admin.list_topics(topic, 30).topics[topic].partitions
        self._parts = [TopicPartition(topic, number, 0) for number in known]
        self._consumer.assign(self._parts)
        self._records: list[Message] = []
        self._rows: list[Row] = []
        self._decoded = 0

    @property
    def seen(self) -> Sequence[Message]:
        """The records read so far; does not contact the broker."""
        return self._records

    def records(self) -> Sequence[Message]:
        """Returns all records up to the current end."""
        ends = self._ends()
        parts = [part for part in self._parts if part.partition in ends]
        while any(place.offset < ends[place.partition] for place in self._consumer.position(parts)):
            got = self._consumer.consume(_AT_ONCE, 0.05)
            self._records += [record for record in got if record.error() is None]
        return self._records

    def _ends(self) -> dict[int, int]:
        """Returns the end offset of each partition that is not empty, by one request; the consumer would send one each.

        A client that gets no response is replaced: it may keep asking a broker that is no longer the leader.
        """
        asked = dict.fromkeys(self._parts, _LATEST)
        for left in reversed(range(_ASKS)):
            found = self._admin.list_offsets(
                asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=_ASK_S
            )
            try:
                ends = {part.partition: future.result(2 * _ASK_S).offset for part, future in found.items()}
            except (KafkaException, TimeoutError):
                if not left:
                    raise
                time.sleep(_AGAIN_S)  # a broker that has just started may not know yet which partitions it leads
                self._admin = AdminClient(self._asks)
            else:
                return {partition: end for partition, end in ends.items() if end}
        raise AssertionError("the last failure is raised above")

    def rows(self) -> Sequence[Row]:
        """Returns the values of all records up to the current end, without tombstones; each is decoded once."""
        records = self.records()
        values = (record.value() for record in records[self._decoded :])
        self._rows += [self._registry.decode(value) for value in values if value is not None]
        self._decoded = len(records)
        return self._rows

    def newest(self) -> dict[str, Row]:
        """Returns the newest value of every key, without tombstones: what compaction would retain."""
        newest = {record.key(): record.value() for record in self.records()}
        return {
            (key or b"").decode(): self._registry.decode(value) for key, value in newest.items() if value is not None
        }

    def close(self) -> None:
        self._consumer.close()


def position(record: Message) -> Position:
    """Returns the position of a record."""
    return record.partition() or 0, record.offset() or 0


def dead_positions(letters: Iterable[Message]) -> list[Position]:
    """Returns the input positions of dead letters, from their headers."""
    return [_dead_position(letter) for letter in letters]


def _dead_position(letter: Message) -> Position:
    headers = dict(letter.headers() or [])
    partition, offset = (headers[CONNECT + name] for name in ("partition", "offset"))
    return int(partition or b"-1"), int(offset or b"-1")
