"""A partition without a leader cannot be sought, and holds nobody up meanwhile."""

from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams.kafka.embedded import EmbeddedBroker
from tests.contracts.brokers import Embedded, closing, until
from tests.contracts.test_source_and_sink import member, numbered, place


class Leaderless(confluent_kafka.Consumer):
    """Refuses to seek partitions without a leader, as the client does."""

    without: frozenset[int] = frozenset()

    def seek(self, partition: TopicPartition, *more: Any) -> None:
        if partition.partition in Leaderless.without:
            raise KafkaException(KafkaError(KafkaError._STATE, "no leader"))
        super().seek(partition, *more)


def test_a_partition_without_a_leader_begins_once_it_has_one_and_the_others_are_read_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.kafka.source.Consumer", Leaderless)
    monkeypatch.setattr(Leaderless, "without", frozenset({0}))
    with EmbeddedBroker() as holder:
        broker = Embedded(holder)
        where = place(broker)
        broker.append(numbered(where.inputs, 0, 0, 5) + numbered(where.inputs, 1, 5, 5))
        reader = member(broker, where)
        with closing(reader.source):
            until(lambda: len(reader.records) >= 5, reader)
            assert {at.partition for at in reader.owned} == {1}
            assert "broker_error" in {notice.event for notice in reader.notices}

            monkeypatch.setattr(Leaderless, "without", frozenset())
            until(lambda: len(reader.records) >= 10, reader)

            assert {at.partition for at in reader.owned} == {0, 1}
            assert reader.values(0) == [str(n).encode() for n in range(5)]
