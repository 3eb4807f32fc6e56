"""Writes records with everything that they carry, over the embedded broker and a real one."""

from collections.abc import Iterator

import pytest

from devstack.embedded_broker import EmbeddedBroker
from devstack.stack import Stack
from streams.errors import SinkFailed
from streams.kafka.produce_once import RecordWriter
from streams.kafka.settings import KafkaConnection
from streams.kafka.topic_reader import read_records
from streams.records import NewRecord

PARTITIONS = 3
TIME_US = 1_700_000_000_123_000


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.kafka)])
def place(request: pytest.FixtureRequest) -> Iterator[tuple[KafkaConnection, str]]:
    """(connection, topic)"""
    if request.param == "embedded":
        with EmbeddedBroker() as broker:
            broker.create_topic("written", PARTITIONS)
            yield connection(broker.bootstrap_servers), "written"
        return
    stack: Stack = request.getfixturevalue("kafka")
    topic = stack.create_topic("written", PARTITIONS)
    yield connection(stack.bootstrap_servers), topic
    stack.delete_topic(topic)


def connection(addresses: str) -> KafkaConnection:
    return KafkaConnection(bootstrap_servers=addresses, client_id="test", properties={"log_level": 0})


def test_a_record_keeps_partition_key_value_headers_and_timestamp(place: tuple[KafkaConnection, str]) -> None:
    kafka, topic = place
    headers = (("ce_id", b"e-1"), ("ce_id", b"\xff"), ("empty", b""))
    records = [
        NewRecord(topic=topic, partition=2, key=b"key", value=b"value", headers=headers, time_us=TIME_US),
        NewRecord(topic=topic, partition=1, key=None, value=b"", time_us=TIME_US),
        NewRecord(topic=topic, partition=0, key=b"key", value=None, time_us=TIME_US),
    ]
    with RecordWriter(kafka) as writer:
        writer.write(records[:1], timeout_s=30)
        writer.write(records[1:], timeout_s=30)

    read = sorted(read_records(kafka, topic, reader="test"), key=lambda record: record.partition, reverse=True)

    assert [(one.partition, one.key, one.value, one.headers, one.time_us) for one in read] == [
        (one.partition, one.key, one.value, one.headers, one.time_us) for one in records
    ]


def test_a_record_without_a_time_gets_that_of_its_writing(place: tuple[KafkaConnection, str]) -> None:
    kafka, topic = place
    with RecordWriter(kafka) as writer:
        writer.write([NewRecord(topic=topic, partition=0, key=b"key", value=b"value")], timeout_s=30)

    [record] = read_records(kafka, topic, reader="test")

    assert record.time_us > TIME_US


def test_many_records_are_written_in_order(place: tuple[KafkaConnection, str]) -> None:
    kafka, topic = place
    values = [str(number).encode() for number in range(5_000)]
    with RecordWriter(kafka) as writer:
        for begin in range(0, len(values), 500):
            group = values[begin : begin + 500]
            writer.write(
                (NewRecord(topic=topic, partition=0, key=b"key", value=value) for value in group), timeout_s=30
            )

    assert [record.value for record in read_records(kafka, topic, reader="test")] == values


def test_a_broker_that_is_not_there_is_said_and_nothing_is_written_later() -> None:
    with (
        RecordWriter(connection("127.0.0.1:9")) as writer,
        pytest.raises(SinkFailed, match="written cannot be written"),
    ):
        writer.write([NewRecord(topic="written", partition=0, key=b"key", value=b"value")], timeout_s=0.5)
