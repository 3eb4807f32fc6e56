"""The partition of a key equals that of Kafka's Java client and librdkafka."""

import pytest
from confluent_kafka import Message, Producer
from hypothesis import given
from hypothesis import strategies as st

from devstack.embedded_broker import EmbeddedBroker
from streams.partitioner import murmur2, partition_for

# From org.apache.kafka.common.utils.UtilsTest, testMurmur2, as signed 32 bits.
JAVA_VECTORS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("key", JAVA_VECTORS)
def test_a_hash_is_that_of_the_java_client(key: bytes) -> None:
    assert murmur2(key) == JAVA_VECTORS[key] & 0xFFFFFFFF


def test_every_length_modulo_four_goes_where_librdkafka_sends_it() -> None:
    keys = [bytes([65 + n % 26, 128 + n % 100]) * (n % 9) + b"4006381333931"[: n % 14] for n in range(60)]
    sent: dict[bytes, int] = {}

    def keep(_: object, message: Message) -> None:
        key, partition = message.key(), message.partition()
        assert isinstance(key, bytes)
        assert partition is not None
        sent[key] = partition

    with EmbeddedBroker() as broker:
        broker.create_topic("keys", 7)
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "partitioner": "murmur2"})
        for key in keys:
            producer.produce("keys", key=key, value=b"", on_delivery=keep)
        assert producer.flush(10) == 0

    assert sent == {key: partition_for(key, 7) for key in keys}


def test_a_record_without_a_key_goes_to_the_first_partition() -> None:
    assert partition_for(None, 12) == 0


def test_a_topic_without_partitions_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 partition, got 0"):
        partition_for(b"key", 0)


@given(st.binary(max_size=40), st.integers(1, 1000))
def test_a_partition_is_always_one_of_the_topics(key: bytes, partitions: int) -> None:
    assert 0 <= partition_for(key, partitions) < partitions
