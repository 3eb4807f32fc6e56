"""A backlog is read in short steps, so that records of a quiet partition are not delayed."""

from collections.abc import Iterator

import pytest

from devstack.stack import Stack
from streams.flow import Output
from tests.contracts.brokers import KafkaAdapter, RecordingMember, closing, until

BUSY = 4
"""Number of partitions with a backlog; the next partition has none."""
BACKLOG = 15_000
"""Records per partition, of about 100 bytes: more than a fetch of 1 MB."""

pytestmark = pytest.mark.kafka


@pytest.fixture
def inputs(kafka: Stack) -> str:
    topic = kafka.create_topic("inputs", BUSY + 1)
    KafkaAdapter(kafka).append(record(topic, partition) for _ in range(BACKLOG) for partition in range(BUSY))
    return topic


@pytest.fixture
def reader(kafka: Stack, inputs: str) -> Iterator[RecordingMember]:
    states = kafka.create_topic("states", BUSY + 1)
    source = KafkaAdapter(kafka).source(group=kafka.unique("group"), topics={inputs: states})
    with closing(source):
        yield RecordingMember(source=source)


def record(topic: str, partition: int) -> Output:
    return Output(topic=topic, key=b"key", value=b"x" * 90, partition=partition)


def test_a_record_of_a_quiet_partition_is_read_before_the_backlog_of_others(
    kafka: Stack, inputs: str, reader: RecordingMember
) -> None:
    until(lambda: len(reader.records) > BACKLOG // 2, reader)

    KafkaAdapter(kafka).append([record(inputs, BUSY)])
    before = len(reader.records)
    until(lambda: bool(reader.values(BUSY)), reader)

    assert len(reader.records) - before < BACKLOG


def test_a_backlog_is_read_in_steps_short_enough_for_calls_between_them(reader: RecordingMember) -> None:
    steps: list[int] = []
    while len(reader.records) < BACKLOG // 2:
        before = len(reader.records)
        reader.poll()
        steps.append(len(reader.records) - before)

    assert max(steps) <= 100
