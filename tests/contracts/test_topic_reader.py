"""Reads a topic to its current end, over the embedded broker and a real one: committed records only."""

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Producer

from devstack.embedded_broker import EmbeddedBroker
from devstack.stack import Stack
from streams.errors import SourceFailed
from streams.kafka.settings import KafkaConnection
from streams.kafka.topic_reader import read_key_values

PARTITIONS = 3


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.kafka)])
def place(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """(addresses, topic)"""
    if request.param == "embedded":
        with EmbeddedBroker() as broker:
            broker.create_topic("whole", PARTITIONS)
            yield broker.bootstrap_servers, "whole"
        return
    stack: Stack = request.getfixturevalue("kafka")
    topic = stack.create_topic("whole", PARTITIONS)
    yield stack.bootstrap_servers, topic
    stack.delete_topic(topic)


def connection(addresses: str) -> KafkaConnection:
    return KafkaConnection(bootstrap_servers=addresses, client_id="test", properties={"log_level": 0})


def read(addresses: str, topic: str) -> list[tuple[bytes, bytes | None]]:
    return sorted(
        read_key_values(connection(addresses), topic, reader="reader"), key=lambda one: (one[0], one[1] or b"")
    )


def producer(addresses: str, **more: Any) -> Producer:
    return Producer({"bootstrap.servers": addresses, "linger.ms": 0, "log_level": 0, **more})


def test_an_empty_topic_has_no_contents(place: tuple[str, str]) -> None:
    assert read(*place) == []


def test_every_record_of_every_partition_is_read(place: tuple[str, str]) -> None:
    addresses, topic = place
    writer = producer(addresses)
    for partition in (0, 2):
        for number in range(3):
            writer.produce(topic, str(number).encode(), f"key-{partition}".encode(), partition)
    writer.produce(topic, None, b"key-3", 2)
    assert writer.flush(10) == 0

    assert read(addresses, topic) == [
        *((b"key-0", str(number).encode()) for number in range(3)),
        *((b"key-2", str(number).encode()) for number in range(3)),
        (b"key-3", None),
    ]


@pytest.mark.kafka
def test_what_is_aborted_or_not_yet_committed_is_not_read(kafka: Stack) -> None:
    addresses, topic = kafka.bootstrap_servers, kafka.create_topic("whole", 1)
    writer = producer(addresses, **{"transactional.id": kafka.unique("writer")})
    writer.init_transactions(10)
    for value, end in ((b"1", writer.commit_transaction), (b"2", writer.abort_transaction), (b"3", None)):
        writer.begin_transaction()
        writer.produce(topic, value, b"key", 0)
        assert writer.flush(10) == 0
        if end is not None:
            end(10)

    assert read(addresses, topic) == [(b"key", b"1")]

    writer.abort_transaction(10)
    kafka.delete_topic(topic)


def test_a_broker_that_is_not_there_is_said() -> None:
    with pytest.raises(SourceFailed, match="no broker answers"):
        list(read_key_values(connection("127.0.0.1:9"), "whole", reader="reader", timeout_s=0.5))
