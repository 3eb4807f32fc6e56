"""Reads a topic, or a part of it, to its end, over the embedded broker and a real one: committed records only."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from devstack.embedded_broker import EmbeddedBroker
from devstack.stack import Stack
from streams.errors import SourceFailed
from streams.kafka.settings import KafkaConnection
from streams.kafka.topic_reader import passed_ranges, read_key_values, read_records
from streams.topics import TopicRange

PARTITIONS = 3
SECOND = 1_000_000
START_US = (int(time.time()) - 3600) * SECOND  # a broker deletes what is older than the topic's retention


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


def filled(place: tuple[str, str]) -> None:
    """Produces ten records to partitions 0 and 1; record ``n`` has the timestamp ``START_US`` + ``n`` seconds."""
    addresses, topic = place
    writer = producer(addresses)
    for partition in (0, 1):
        for number in range(10):
            writer.produce(
                topic,
                b"%d" % number,
                b"key",
                partition,
                timestamp=START_US // 1000 + number * 1000,
                headers=[("n", b"%d" % number)],
            )
    assert writer.flush(10) == 0


def part_of(place: tuple[str, str], part: TopicRange) -> dict[int, list[int]]:
    """Returns the numbers of the records that are read, by partition."""
    addresses, topic = place
    found: dict[int, list[int]] = {}
    for one in read_records(connection(addresses), topic, reader="reader", part=part):
        assert one.headers == (("n", one.value),)
        assert one.time_us == START_US + int(one.value or b"") * SECOND
        found.setdefault(one.partition, []).append(one.offset)
    return found


def test_offsets_choose_partitions_and_their_records(place: tuple[str, str]) -> None:
    filled(place)

    assert part_of(place, TopicRange(offsets={0: (2, 5)})) == {0: [2, 3, 4]}
    assert part_of(place, TopicRange(offsets={0: (8, None), 1: (0, 1)})) == {0: [8, 9], 1: [0]}
    assert part_of(place, TopicRange(offsets={1: (7, 99), 2: (0, None)})) == {1: [7, 8, 9]}
    assert part_of(place, TopicRange(offsets={1: (10, None)})) == {}


def test_a_partition_that_does_not_exist_is_named(place: tuple[str, str]) -> None:
    with pytest.raises(SourceFailed, match=r"has 3 partitions and no partition 7"):
        part_of(place, TopicRange(offsets={0: (0, None), 7: (0, None)}))


@pytest.mark.kafka
def test_times_choose_the_records_from_one_and_before_the_other(kafka: Stack) -> None:
    """Not over the embedded broker, which has no offsets for times."""
    place = kafka.bootstrap_servers, kafka.create_topic("whole", PARTITIONS)
    filled(place)

    def at(seconds: int) -> int:
        return START_US + seconds * SECOND

    assert part_of(place, TopicRange(from_us=at(4), to_us=at(6))) == {0: [4, 5], 1: [4, 5]}
    assert part_of(place, TopicRange(from_us=at(8) - 1)) == {0: [8, 9], 1: [8, 9]}
    assert part_of(place, TopicRange(from_us=at(7) + 1)) == {0: [8, 9], 1: [8, 9]}
    assert part_of(place, TopicRange(to_us=at(1))) == {0: [0], 1: [0]}
    assert part_of(place, TopicRange(from_us=at(10))) == {}
    assert part_of(place, TopicRange(from_us=at(3), offsets={1: (0, 5)})) == {1: [3, 4]}

    kafka.delete_topic(place[1])


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


def test_a_broker_that_is_down_is_reported() -> None:
    with pytest.raises(SourceFailed, match="no broker answers"):
        list(read_key_values(connection("127.0.0.1:9"), "whole", reader="reader", timeout_s=0.5))


def commit(place: tuple[str, str], group: str, positions: dict[int, int]) -> None:
    addresses, topic = place
    consumer = Consumer({"bootstrap.servers": addresses, "group.id": group, "log_level": 0})
    offsets = [TopicPartition(topic, partition, offset) for partition, offset in positions.items()]
    consumer.commit(offsets=offsets, asynchronous=False)
    consumer.close()


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (TopicRange(), {0: (0, 4), 1: (0, 10)}),
        (TopicRange(offsets={0: (2, None), 1: (3, 5)}), {0: (2, 4), 1: (3, 5)}),
        (TopicRange(offsets={0: (4, 9)}), {}),
    ],
)
def test_a_group_has_passed_what_is_below_its_committed_positions(
    place: tuple[str, str], part: TopicRange, expected: dict[int, tuple[int, int]]
) -> None:
    addresses, topic = place
    filled(place)
    group = f"group-of-{topic}"
    commit(place, group, {0: 4, 1: 10})

    assert passed_ranges(connection(addresses), topic, group=group, part=part) == expected


def test_a_group_that_has_committed_nothing_has_passed_nothing(place: tuple[str, str]) -> None:
    addresses, topic = place
    filled(place)

    assert passed_ranges(connection(addresses), topic, group=f"new-{topic}") == {}
