"""The bare loop: consumes, decodes, encodes and produces in transactions like the connector, without any logic between.

For each event it writes one result and one state record of the size that the connector writes, made from templates.
There are three of it, by ``--as``:

- ``bound``: as good as such a loop can be written here. It fetches with the settings of the connector's source, handles
  large batches, and a second thread produces and commits a batch while the next one is made. The connector is measured
  as a share of it.
- ``plain``: as one is usually written. Default fetch settings, 500 records at a time, and it waits for each commit.
- ``decode``: consumes and decodes, and writes nothing. It prints how many records it has read.

Run as ``python -m benchmarks.bare_loop --config FILE --number N --as KIND``; writes to ``bare.results`` and
``bare.state`` of the configuration's prefix. Ends on SIGTERM.
"""

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from benchmarks.load import Offer
from benchmarks.stand import known_state
from connector import configuration, connections
from connector.contracts.headers import Stamp
from connector.contracts.registry_subjects import look_up
from connector.offers.codec import OfferCodecs
from connector.offers.events import FieldResult, FieldStatus, OfferChanged, OfferResult, Origin, Status
from connector.settings import convert
from streams.flow import Assignment, NotYet, Record
from streams.kafka.registry import SchemaCache
from streams.kafka.source import FETCHING

GROUP = "bare"
RESULTS, STATE = "bare.results", "bare.state"
BOUND, PLAIN, DECODE = KINDS = ("bound", "plain", "decode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a loop reads and commits."""

    batch: int  # records of one transaction, at most
    consumer: Mapping[str, object]
    commits_apart: bool  # in a thread of its own


MANNERS: Final[Mapping[str, Manner]] = {
    BOUND: Manner(batch=5_000, consumer=FETCHING, commits_apart=True),
    PLAIN: Manner(batch=500, consumer={}, commits_apart=False),
    DECODE: Manner(batch=5_000, consumer=FETCHING, commits_apart=False),
}


@dataclass(frozen=True, slots=True)
class MadeRecord:
    """One record to be produced."""

    topic: str
    value: bytes
    key: bytes
    headers: Any = None
    partition: int = -1


class BareLoop:
    """Makes a result and a state record for every input record."""

    def __init__(self, codecs: OfferCodecs, cache: SchemaCache, prefix: str) -> None:
        self._codecs = codecs
        self._cache = cache
        self._results, self._state = f"{prefix}.{RESULTS}", f"{prefix}.{STATE}"
        self._stamp = Stamp(source="/benchmark", instance_id="bare", config_digest="0" * 12)
        self._result = _result_template()
        self._known = known_state(_OFFER, 0)

    def decoded(self, message: Message) -> OfferChanged:
        """Decodes an event."""
        record = _record(message)
        event = self._codecs.decode_changed(record)
        if isinstance(event, NotYet):
            self._cache.fetch(event.need)
            event = self._codecs.decode_changed(record)
        assert isinstance(event, OfferChanged), event
        return event

    def made(self, message: Message) -> tuple[MadeRecord, MadeRecord]:
        """Decodes an event, and encodes its result and its state record."""
        event = self.decoded(message)
        key = event.ean.encode()
        result = replace(self._result, event_id=event.event_id, ean=event.ean, input_offset=event.offset)
        headers = list(
            self._stamp.of_decision(
                OfferResult, result_id=result.result_id, decided_at_us=result.decided_at_us, subject=result.ean
            )
        )
        state = replace(self._known, ean=event.ean, last_offset=event.offset)
        return (
            MadeRecord(self._results, self._codecs.encode_result(result), key, headers),
            MadeRecord(self._state, self._codecs.encode_state(state), key, partition=event.partition),
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """What becomes durable in one transaction."""

    records: Sequence[MadeRecord]
    positions: Sequence[TopicPartition]
    group: Any  # the consumer's metadata, for fencing


class Committer:
    """Produces batches and commits them: immediately, or in a thread that is at most one batch behind."""

    def __init__(self, producer: Producer, *, apart: bool) -> None:
        self._producer = producer
        self._todo: SimpleQueue[Batch | None] = SimpleQueue()
        self._room = threading.Semaphore(2)  # the batch in progress and the next one
        self._thread = threading.Thread(target=self._run, daemon=True) if apart else None
        if self._thread is not None:
            self._thread.start()

    def write(self, batch: Batch) -> None:
        """Writes a batch, or hands it to the thread as soon as that has room."""
        if self._thread is None:
            return self._write(batch)
        self._room.acquire()
        return self._todo.put(batch)

    def close(self) -> None:
        """Waits until everything that was handed over is written."""
        if self._thread is not None:
            self._todo.put(None)
            self._thread.join(60)

    def _run(self) -> None:
        try:
            while (batch := self._todo.get()) is not None:
                self._write(batch)
                self._room.release()
        except BaseException:
            os.kill(os.getpid(), signal.SIGABRT)  # a loop that has stopped committing must not go on reading
            raise

    def _write(self, batch: Batch) -> None:
        self._producer.begin_transaction()
        for one in batch.records:
            self._producer.produce(
                one.topic, one.value, one.key, one.partition, headers=one.headers, on_delivery=_reported
            )
        self._producer.send_offsets_to_transaction(list(batch.positions), batch.group)
        self._producer.commit_transaction(30)


def _reported(error: object, message: Message) -> None:
    """Is called for a failed delivery only, which fails the commit as in the connector."""


def run(config: Path, number: int, kind: str) -> None:
    """Runs until SIGTERM."""
    configured = configuration.load_settings(config, os.environ, datetime.now(UTC)).settings
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    client = connections.registry(configured)
    topics = convert.topics(configured)
    cache = SchemaCache(client)
    loop = BareLoop(OfferCodecs(look_up(client, topics, avro_keys=False), cache.get), cache, configured.topics.prefix)
    servers, prefix, manner = configured.kafka.bootstrap_servers, configured.topics.prefix, MANNERS[kind]
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"{prefix}.{GROUP}",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "partition.assignment.strategy": "cooperative-sticky",
            **manner.consumer,
        }
    )
    consumer.subscribe([topics.offer_changes], on_assign=_from_the_end)
    if kind == DECODE:
        _decode(loop, consumer, manner.batch, stop)
    else:
        producer = _producer(servers, f"{prefix}.bare-{number}")
        committer = Committer(producer, apart=manner.commits_apart)
        while not stop.is_set():
            if messages := _consumed(consumer, manner.batch):
                committer.write(_batch(loop, consumer, messages))
        committer.close()
    consumer.close()


def _producer(servers: str, transactional_id: str) -> Producer:
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "transactional.id": transactional_id,
            "compression.type": "lz4",
            "linger.ms": 20,
            "retry.backoff.ms": 5,
            "partitioner": "murmur2_random",
            "delivery.report.only.error": True,
        }
    )
    producer.init_transactions(30)
    return producer


def _decode(loop: BareLoop, consumer: Consumer, batch: int, stop: threading.Event) -> None:
    """Prints ``decoded``, the number of records so far and the time after each batch."""
    count = 0
    while not stop.is_set():
        if messages := _consumed(consumer, batch):
            for message in messages:
                loop.decoded(message)
            count += len(messages)
            sys.stdout.write(f"decoded {count} {time.time()}\n")
            sys.stdout.flush()


def _consumed(consumer: Consumer, at_most: int) -> list[Message]:
    return [message for message in consumer.consume(at_most, 0.05) if message.error() is None]


def _batch(loop: BareLoop, consumer: Consumer, messages: Sequence[Message]) -> Batch:
    records: list[MadeRecord] = []
    positions: dict[int, TopicPartition] = {}
    for message in messages:
        records.extend(loop.made(message))
        partition, offset = message.partition() or 0, (message.offset() or 0) + 1
        positions[partition] = TopicPartition(message.topic() or "", partition, offset)
    return Batch(records, list(positions.values()), consumer.consumer_group_metadata())


def _from_the_end(consumer: Consumer, parts: Sequence[TopicPartition]) -> None:
    """Assigns the partitions from their ends on: existing records belong to other measurements."""
    for part in parts:
        part.offset = consumer.get_watermark_offsets(part, timeout=10, cached=False)[1]
    consumer.incremental_assign(list(parts))
    sys.stdout.write("partition_opened\n" * len(parts))
    sys.stdout.flush()


def _record(message: Message) -> Record:
    at = Assignment(topic=message.topic() or "", partition=message.partition() or 0, epoch=1)
    return Record(
        at=at, offset=message.offset() or 0, key=message.key(), value=message.value(), time_us=message.timestamp()[1]
    )


_OFFER = Offer(
    ean="4006381333931",
    unit_id=100_000,
    target_id="main-de",
    offer_id="SKU-0000001",
    currency="EUR",
    values={"listing_price": 1_999, "amount": 7, "handling_time": 2},
)


def _result_template() -> OfferResult:
    """Returns the result of an event with three unchanged fields."""
    price, count = Decimal("19.99"), Decimal(7)
    values = {"price": price, "stock": count, "handling_time": count}
    fields = tuple(
        FieldResult(field=name, status=FieldStatus.UNCHANGED, requested=value, before=value)
        for name, value in values.items()
    )
    now_us = 1_800_000_000_000_000
    return OfferResult(
        result_id="00000000-0000-5000-8000-000000000000",
        event_id="bench-1",
        origin=Origin.LIVE,
        status=Status.UNCHANGED,
        ean=_OFFER.ean,
        target_id=_OFFER.target_id,
        condition="NEW",
        unit_id=_OFFER.unit_id,
        fields=fields,
        input_topic="kaufland.offer-changes.v1",
        input_partition=1,
        input_offset=1,
        occurred_at_us=now_us,
        received_at_us=now_us,
        decided_at_us=now_us,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--number", type=int, default=0)
    parser.add_argument("--as", dest="kind", choices=KINDS, default=BOUND)
    options = parser.parse_args()
    run(options.config, options.number, options.kind)


if __name__ == "__main__":
    main()
