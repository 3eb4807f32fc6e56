"""Committed offsets, asked for beside the group, on a real broker."""

from collections.abc import Sequence

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from devstack.stack import Stack
from streams.kafka.committed_offsets import CommittedOffsets
from streams.kafka.settings import KafkaConnection

pytestmark = pytest.mark.kafka

WAIT_S = 30.0


def test_position_and_metadata_are_those_of_the_last_transaction_and_an_open_one_is_waited_for(kafka: Stack) -> None:
    topic = kafka.create_topic("committed", 2)
    connection = KafkaConnection(bootstrap_servers=kafka.bootstrap_servers, client_id="test")
    member = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": topic, "enable.auto.commit": False})
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": topic})
    offsets = CommittedOffsets(connection, topic)
    both = [TopicPartition(topic, number) for number in (0, 1)]

    def begin_with(position: int, metadata: str) -> None:
        producer.begin_transaction()
        moved = [TopicPartition(topic, 0, position, metadata)]
        producer.send_offsets_to_transaction(moved, member.consumer_group_metadata(), WAIT_S)

    def committed(found: Sequence[TopicPartition]) -> list[tuple[int, int, str | None]]:
        return [(one.partition, one.offset, one.metadata) for one in found if one.offset >= 0]

    try:
        producer.init_transactions(WAIT_S)
        begin_with(7, "first")
        producer.commit_transaction(WAIT_S)
        assert committed(offsets.fetch(both, WAIT_S)) == [(0, 7, "first")]

        begin_with(9, "second")
        with pytest.raises(KafkaException):
            offsets.fetch(both, 0.5)
        waiting = offsets.request(both, WAIT_S)
        producer.commit_transaction(WAIT_S)
        assert committed(waiting.result(WAIT_S)) == [(0, 9, "second")]
    finally:
        member.close()
        kafka.delete_topic(topic)
