"""A partition without a leader cannot seek, and does not delay the others."""

import ctypes
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from devstack.embedded_broker import EmbeddedBroker
from streams.clock import uptime_s
from streams.flow import Assignment
from streams.kafka.settings import SourceSettings
from streams.kafka.source import _Ends
from streams.messages import Arrivals
from tests.contracts.brokers import EmbeddedAdapter, closing, until
from tests.contracts.test_source_and_sink import member, numbered, topic_set


class Leaderless(confluent_kafka.Consumer):
    """A consumer that rejects a seek in partitions without a leader, like the client."""

    without: frozenset[int] = frozenset()

    def seek(self, partition: TopicPartition, *more: Any) -> None:
        if partition.partition in Leaderless.without:
            raise KafkaException(KafkaError(KafkaError._STATE, "no leader"))
        super().seek(partition, *more)


def test_a_partition_without_a_leader_is_read_once_it_has_one_and_the_others_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.kafka.source.TrackedConsumer", Leaderless)
    monkeypatch.setattr(Leaderless, "without", frozenset({0}))
    with EmbeddedBroker() as holder:
        broker = EmbeddedAdapter(holder)
        where = topic_set(broker)
        broker.append(numbered(where.inputs, 0, 0, 5) + numbered(where.inputs, 1, 5, 5))
        reader = member(broker, where)
        with closing(reader.source):
            until(lambda: len(reader.records) >= 5, reader)
            assert {at.partition for at in reader.owned} == {1}
            said = {str(notice.fields["reason"]) for notice in reader.notices if notice.event == "broker_error"}
            assert {f"{where.inputs} partition 0" in reason for reason in said} == {True}

            monkeypatch.setattr(Leaderless, "without", frozenset())
            until(lambda: len(reader.records) >= 10, reader)

            assert {at.partition for at in reader.owned} == {0, 1}
            assert reader.values(0) == [str(n).encode() for n in range(5)]


def test_a_partition_without_a_leader_is_reported_with_the_brokers_error() -> None:
    away, here = (Assignment(topic="in", partition=number, epoch=1) for number in (0, 1))
    with EmbeddedBroker() as holder:
        broker = EmbeddedAdapter(holder)
        broker.create_topic("in", 2)
        without_leader(holder, "in", 0)  # nobody may read it: the mock cluster does not outlive a fetch of it
        topics = {"in": "states"}
        ends = _Ends(SourceSettings(connection=broker.connection(), group="g", topics=topics, start="latest"), uptime_s)
        told: list[Arrivals] = []

        def is_told() -> bool:
            told.extend(filter(None, [ends.of([away, here])]))
            return bool(told)

        until(is_told)

    assert (told[0].ends, told[0].log_ends) == ({here: 0}, {here: 0})
    assert told[0].leaderless == {away: "Broker: Leader not available"}


def without_leader(holder: EmbeddedBroker, topic: str, partition: int) -> None:
    """From now on, the broker reports no leader."""
    cluster: Any = holder._cluster
    set_leader = cluster._library.rd_kafka_mock_partition_set_leader
    set_leader.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int32]
    assert set_leader(cluster._mock, topic.encode(), partition, -1) == 0
