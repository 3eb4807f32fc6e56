"""Reads several topics from positions to their ends, over the embedded broker and a real one."""

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Producer

from devstack.embedded_broker import EmbeddedBroker
from devstack.stack import Stack
from streams.errors import SourceFailed
from streams.kafka.log_reader import LogReader, OffsetRange, PartitionId
from streams.kafka.settings import KafkaConnection

PARTITIONS = 2
Place = tuple[str, tuple[str, str]]


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.kafka)])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """(addresses, topics)"""
    if request.param == "embedded":
        with EmbeddedBroker() as broker:
            for topic in ("one", "two"):
                broker.create_topic(topic, PARTITIONS)
            yield broker.bootstrap_servers, ("one", "two")
        return
    stack: Stack = request.getfixturevalue("kafka")
    one, two = (stack.create_topic(name, PARTITIONS) for name in ("one", "two"))
    yield stack.bootstrap_servers, (one, two)
    for topic in (one, two):
        stack.delete_topic(topic)


def reader(addresses: str, timeout_s: float = 10.0) -> LogReader:
    connection = KafkaConnection(bootstrap_servers=addresses, client_id="test", properties={"log_level": 0})
    return LogReader(connection, reader="reader", timeout_s=timeout_s)


def write(addresses: str, topic: str, partition: int, *values: bytes | None, **more: Any) -> None:
    writer = Producer({"bootstrap.servers": addresses, "linger.ms": 0, "log_level": 0, **more})
    for value in values:
        writer.produce(topic, value, b"key", partition)
    assert writer.flush(10) == 0


def read(log: LogReader, wanted: dict[PartitionId, OffsetRange]) -> tuple[list[Any], dict[PartitionId, int]]:
    """Returns (topic, partition, offset, value) of what is read, and the last positions."""
    found, positions = [], dict[PartitionId, int]()
    for batch in log.read(wanted):
        found += [(one.topic, one.partition, one.offset, one.value) for one in batch.records]
        positions |= batch.positions
    return sorted(found, key=lambda one: one[:3]), positions


def test_all_topics_are_read_from_their_positions_to_their_ends(place: Place) -> None:
    addresses, (one, two) = place
    write(addresses, one, 0, b"a", b"b", b"c")
    write(addresses, two, 1, b"d", None)

    with reader(addresses) as log:
        ranges = log.ranges([one, two])
        assert ranges == {
            (one, 0): OffsetRange(0, 3),
            (one, 1): OffsetRange(0, 0),
            (two, 0): OffsetRange(0, 0),
            (two, 1): OffsetRange(0, 2),
        }
        found, positions = read(log, {**ranges, (one, 0): OffsetRange(1, 3)})

    assert found == [(one, 0, 1, b"b"), (one, 0, 2, b"c"), (two, 1, 0, b"d"), (two, 1, 1, None)]
    assert positions == {(one, 0): 3, (two, 1): 2}


def test_a_second_reading_with_the_same_consumer_continues(place: Place) -> None:
    addresses, (one, _) = place
    write(addresses, one, 0, b"a")
    with reader(addresses) as log:
        assert read(log, log.ranges([one]))[1] == {(one, 0): 1}
        write(addresses, one, 0, b"b")

        assert read(log, {(one, 0): OffsetRange(1, 2)}) == ([(one, 0, 1, b"b")], {(one, 0): 2})


def test_nothing_new_takes_no_reading(place: Place) -> None:
    addresses, (one, _) = place

    with reader(addresses) as log:
        assert read(log, log.ranges([one])) == ([], {})


@pytest.mark.kafka
def test_positions_pass_what_is_aborted_and_end_before_what_is_open(kafka: Stack) -> None:
    addresses, topic = kafka.bootstrap_servers, kafka.create_topic("whole", 1)
    writer = Producer({"bootstrap.servers": addresses, "transactional.id": kafka.unique("writer")})
    writer.init_transactions(10)
    for value, end in ((b"1", writer.commit_transaction), (b"2", writer.abort_transaction), (b"3", None)):
        writer.begin_transaction()
        writer.produce(topic, value, b"key", 0)
        assert writer.flush(10) == 0
        if end is not None:
            end(10)

    with reader(addresses) as log:
        ranges = log.ranges([topic])
        found, positions = read(log, ranges)

        assert (found, positions) == ([(topic, 0, 0, b"1")], {(topic, 0): 4})
        assert ranges == {(topic, 0): OffsetRange(0, 4)}
    writer.abort_transaction(10)
    kafka.delete_topic(topic)


def test_a_topic_that_does_not_exist_is_named(place: Place) -> None:
    addresses, _ = place

    with reader(addresses) as log, pytest.raises(SourceFailed, match="elsewhere"):
        log.ranges(["elsewhere"])


def test_a_broker_that_is_down_is_reported() -> None:
    with reader("127.0.0.1:9", timeout_s=0.5) as log, pytest.raises(SourceFailed, match="no broker answers"):
        log.ranges(["one"])
