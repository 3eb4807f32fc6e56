"""A partition is read from its position, however late the broker answers about offsets while it is assigned."""

import ctypes
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import TopicPartition

from devstack.embedded_broker import EmbeddedBroker
from devstack.stack import Stack
from streams.flow import Assignment
from streams.messages import Assigned
from streams.ports import SourceEvent
from tests.contracts.brokers import EmbeddedAdapter, KafkaAdapter, closing, until
from tests.contracts.test_source_and_sink import member, numbered, topic_set
from tests.unit.streams.kafka.test_replaced import FakeRestorer

SLOW_MS = 1000
"""The broker's answers take this long from an assignment on: far longer than ``FakeRestorer`` takes."""


class SlowFromAssignment(confluent_kafka.Consumer):
    """A consumer whose broker answers slowly from the first assignment on."""

    holder: EmbeddedBroker

    def incremental_assign(self, partitions: Sequence[TopicPartition]) -> None:
        answer_after(self.holder, SLOW_MS)
        super().incremental_assign(list(partitions))


def test_no_record_is_skipped_when_the_client_learns_of_the_end_of_the_log_after_it_was_positioned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with EmbeddedBroker() as holder:
        broker = EmbeddedAdapter(holder)
        where = topic_set(broker, partitions=1)
        broker.append(numbered(where.inputs, 0, 0, 50))
        monkeypatch.setattr(SlowFromAssignment, "holder", holder, raising=False)
        monkeypatch.setattr("streams.kafka.source.TrackedConsumer", SlowFromAssignment)
        monkeypatch.setattr("streams.kafka.source.Restorer", FakeRestorer)
        reader = member(broker, where)
        with closing(reader.source):
            until(lambda: bool(reader.owned), reader)
            broker.append(numbered(where.inputs, 0, 50, 50))  # after the seek, and before any answer
            until(lambda: len(reader.records) >= 50, reader)
            answer_after(holder, 0)
            broker.append(numbered(where.inputs, 0, 100, 50))
            until(partial(has_all, reader, reader.at(0), 150), reader)

            assert reader.values(0) == [str(n).encode() for n in range(150)]


def has_all(reader: Any, at: Assignment, count: int) -> bool:
    """Whether the source has passed this many records."""
    return bool(reader.positions.get(at, 0) >= count or len(reader.records) >= count)


def answer_after(holder: EmbeddedBroker, delay_ms: int) -> None:
    """From now on, the broker answers each request after this delay."""
    cluster: Any = holder._cluster
    set_rtt = cluster._library.rd_kafka_mock_broker_set_rtt
    set_rtt.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int]
    assert set_rtt(cluster._mock, 1, delay_ms) == 0


class PausedLate(confluent_kafka.Consumer):
    """A consumer that does not pause partitions when they are assigned, so that it fetches before it is positioned."""

    pauses: bool = False

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        if PausedLate.pauses:
            super().pause(list(partitions))


class LateRestorer(FakeRestorer):
    """Restores every partition once ``may_restore``, to be read from offset 60."""

    may_restore: bool = False

    def step(self) -> list[SourceEvent]:
        if not LateRestorer.may_restore:
            return []
        return [
            Assigned(parts={at: replace(owned, start=60) for at, owned in event.parts.items()})
            for event in super().step()
            if isinstance(event, Assigned)
        ]


@pytest.mark.kafka
def test_a_partition_that_was_fetched_below_the_start_of_its_log_is_read_from_its_position(
    kafka: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = KafkaAdapter(kafka)
    where = topic_set(broker, partitions=1)
    broker.append(numbered(where.inputs, 0, 0, 100))
    place = TopicPartition(where.inputs, 0, 50)
    admin = kafka.admin()  # keep a reference: the request ends with its client
    admin.delete_records([place])[place].result()
    monkeypatch.setattr("streams.kafka.source.TrackedConsumer", PausedLate)
    monkeypatch.setattr("streams.kafka.source.Restorer", LateRestorer)
    reader = member(broker, where)
    with closing(reader.source):
        until(lambda: bool(reader.source._unseekable), reader)  # type: ignore[attr-defined] # a KafkaSource
        monkeypatch.setattr(LateRestorer, "may_restore", True)
        monkeypatch.setattr(PausedLate, "pauses", True)
        until(lambda: len(reader.records) >= 40, reader)

        assert reader.values(0) == [str(n).encode() for n in range(60, 100)]
        assert reader.broken == []
