"""The demo's broker and registry, and plain clients on them: what a producer and an analyst would write."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

import schemas
from connector.demo import traffic
from connector.demo.expectation import Produced
from connector.producer_kit import ProducerKit
from streams.kafka.embedded import CLIENT_PROPERTIES, EmbeddedBroker
from streams.kafka.embedded_registry import EmbeddedRegistry
from streams.kafka.jvm import JvmStack

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """Where broker and registry are. ``create_topic`` None = the connector's own command creates topics."""

    bootstrap_servers: str
    registry_url: str
    transactions: bool
    properties: dict[str, str | int]
    create_topic: Callable[[str, int], int] | None


@contextmanager
def embedded() -> Iterator[Backbone]:
    """In this process, in milliseconds; at least once."""
    with EmbeddedBroker() as broker, EmbeddedRegistry() as registry:
        yield Backbone(
            bootstrap_servers=broker.bootstrap_servers,
            registry_url=registry.url,
            transactions=False,
            properties=dict(CLIENT_PROPERTIES),
            create_topic=broker.create_topic,
        )


@contextmanager
def real(cache_folder: Path, say: Callable[[str], None]) -> Iterator[Backbone]:
    """A JVM broker and registry (Java 17 and Maven). Raises StackUnavailable with what is missing."""
    with JvmStack(cache_folder, say=say) as stack:
        yield Backbone(
            bootstrap_servers=stack.bootstrap_servers,
            registry_url=stack.registry_url,
            transactions=True,
            properties={},
            create_topic=None,
        )


class Writer:
    """Produces traffic and notes which position each message got."""

    def __init__(self, backbone: Backbone, topic: str, schema_id: int) -> None:
        self._topic = topic
        self._kit = ProducerKit(schema_id)
        self._producer = Producer(
            {"bootstrap.servers": backbone.bootstrap_servers, "partitioner": "murmur2_random", "linger.ms": 5}
        )
        self.produced: list[Produced] = []
        self.failed: list[str] = []

    def send(self, message: traffic.Message) -> None:
        value = message.raw
        if message.payload is not None:
            _, value = self._kit.message(message.payload)
        now_ms = time.time_ns() // 1_000_000
        self._producer.produce(
            self._topic, value, message.key.encode(), timestamp=now_ms, on_delivery=self._noting(message, now_ms)
        )
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait for every acknowledgement. Raises RuntimeError when one is missing or bad."""
        missing = self._producer.flush(30)
        if missing or self.failed:
            raise RuntimeError(f"{missing} messages unacknowledged, {len(self.failed)} refused: {self.failed[:1]}")

    def _noting(self, message: traffic.Message, now_ms: int) -> Callable[[KafkaError | None, Message], None]:
        def note(error: KafkaError | None, record: Message) -> None:
            if error is not None:
                self.failed.append(str(error))
                return
            place = {"partition": record.partition() or 0, "offset": record.offset() or 0}
            self.produced.append(Produced(message=message, record_time_us=now_ms * 1000, **place))

        return note


class Reader:
    """Reads a topic on from where it stopped, read committed."""

    def __init__(self, backbone: Backbone, topic: str, partitions: int) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": backbone.bootstrap_servers,
                "group.id": "demo-reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                **backbone.properties,
            }
        )
        self._consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
        self._partitions = partitions
        self.records: list[Message] = []

    def read(self) -> Sequence[Message]:
        """Everything up to the present end of every partition."""
        reached: set[int] = set()
        while len(reached) < self._partitions:
            got = self._consumer.consume(2000, 0.2)
            if not got:
                break
            for record in got:
                error = record.error()
                if error is None:
                    self.records.append(record)
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - confluent_kafka's public spelling
                    reached.add(record.partition() or 0)
        return self.records

    def close(self) -> None:
        self._consumer.close()


@cache
def _schema(name: str) -> Any:
    return fastavro.parse_schema(schemas.load(name, 1))


def decoded(records: Sequence[Message], name: str) -> list[dict[str, Any]]:
    """The values of records under our schema ``name``; moments as microseconds since the epoch."""
    rows = []
    for record in records:
        value = record.value()
        if value is not None:
            rows.append(_plain(fastavro.schemaless_reader(BytesIO(value[5:]), _schema(name), None)))
    return rows


def newest(records: Sequence[Message]) -> list[Message]:
    """The newest record of every key, tombstones included: what compaction would leave."""
    return list({record.key(): record for record in records}.values())


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(microseconds=1)
    if isinstance(value, dict):
        return {name: _plain(held) for name, held in value.items()}
    if isinstance(value, list):
        return [_plain(held) for held in value]
    return value
