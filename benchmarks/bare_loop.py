"""The bare loop: consumes, decodes, encodes and produces in transactions like the connector, without any logic between.

For each event it writes one result and one state record of the size that the connector writes, made from templates. Its
rate is the upper bound for any process with this codec and client; the connector is measured as a share of it.

Run as ``python -m benchmarks.bare_loop --config FILE --number N``; writes to ``bare.results`` and ``bare.state`` of the
configuration's prefix. Ends on SIGTERM.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

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

GROUP = "bare"
RESULTS, STATE = "bare.results", "bare.state"
_BATCH = 500


class BareLoop:
    """Writes a result and a state record for every input record."""

    def __init__(self, codecs: OfferCodecs, cache: SchemaCache, prefix: str) -> None:
        self._codecs = codecs
        self._cache = cache
        self._results, self._state = f"{prefix}.{RESULTS}", f"{prefix}.{STATE}"
        self._stamp = Stamp(source="/benchmark", instance_id="bare", config_digest="0" * 12)
        self._result = _result_template()
        self._known = known_state(_OFFER, 0)

    def take(self, message: Message, producer: Producer) -> None:
        """Decodes an event, and encodes and produces its result and its state record."""
        record = _record(message)
        event = self._codecs.decode_changed(record)
        if isinstance(event, NotYet):
            self._cache.fetch(event.need)
            event = self._codecs.decode_changed(record)
        assert isinstance(event, OfferChanged), event
        key = event.ean.encode()
        result = replace(self._result, event_id=event.event_id, ean=event.ean, input_offset=event.offset)
        headers: Any = list(
            self._stamp.of_decision(
                OfferResult, result_id=result.result_id, decided_at_us=result.decided_at_us, subject=result.ean
            )
        )
        producer.produce(
            self._results, self._codecs.encode_result(result), key, headers=headers, on_delivery=self._reported
        )
        state = replace(self._known, ean=event.ean, last_offset=event.offset)
        producer.produce(
            self._state, self._codecs.encode_state(state), key, event.partition, on_delivery=self._reported
        )

    def _reported(self, error: object, message: Message) -> None:
        """Raises for a failed delivery, which fails the commit as in the connector."""


def run(config: Path, number: int) -> None:
    """Runs until SIGTERM."""
    configured = configuration.load_settings(config, os.environ, datetime.now(UTC)).settings
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    client = connections.registry(configured)
    topics = convert.topics(configured)
    cache = SchemaCache(client)
    loop = BareLoop(OfferCodecs(look_up(client, topics, avro_keys=False), cache.get), cache, configured.topics.prefix)
    servers = configured.kafka.bootstrap_servers
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"{configured.topics.prefix}.{GROUP}",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "partition.assignment.strategy": "cooperative-sticky",
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "transactional.id": f"{configured.topics.prefix}.bare-{number}",
            "compression.type": "lz4",
            "linger.ms": 20,
            "retry.backoff.ms": 5,
            "partitioner": "murmur2_random",
            "delivery.report.only.error": True,
        }
    )
    producer.init_transactions(30)
    consumer.subscribe([topics.offer_changes], on_assign=_from_the_end)
    while not stop.is_set():
        messages = [message for message in consumer.consume(_BATCH, 0.05) if message.error() is None]
        if messages:
            _transaction(loop, consumer, producer, messages)
    consumer.close()


def _transaction(loop: BareLoop, consumer: Consumer, producer: Producer, messages: Sequence[Message]) -> None:
    producer.begin_transaction()
    positions: dict[int, TopicPartition] = {}
    for message in messages:
        loop.take(message, producer)
        partition, offset = message.partition() or 0, (message.offset() or 0) + 1
        positions[partition] = TopicPartition(message.topic() or "", partition, offset)
    producer.send_offsets_to_transaction(list(positions.values()), consumer.consumer_group_metadata())
    producer.commit_transaction(30)


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
    options = parser.parse_args()
    run(options.config, options.number)


if __name__ == "__main__":
    main()
