"""Group metadata that the broker would not check is distinguished from that of a member."""

from confluent_kafka import Consumer
from hypothesis import given
from hypothesis import strategies as st

from devstack.embedded_broker import EmbeddedBroker
from streams.kafka.group_metadata import identifies_member
from tests.contracts.brokers import EmbeddedAdapter, RecordingMember, closing, until


def written(generation: int, group: str, member_id: str) -> bytes:
    """Group metadata as the client writes it (librdkafka 2.16.0)."""
    return b"CGMDv2:" + generation.to_bytes(4, "little", signed=True) + f"{group}\0{member_id}\0\1".encode()


def test_the_metadata_of_a_client_that_never_joined_fences_nothing() -> None:
    consumer = Consumer({"bootstrap.servers": "127.0.0.1:1", "group.id": "g", "log_level": 0})
    try:
        assert not identifies_member(consumer.consumer_group_metadata())
    finally:
        consumer.close()


def test_a_source_has_group_metadata_from_when_it_is_a_member() -> None:
    with EmbeddedBroker() as holder:
        broker = EmbeddedAdapter(holder)
        topics = {broker.create_topic("in", 1): broker.create_topic("states", 1)}
        reader = RecordingMember(source=broker.source(group="g", topics=topics))
        with closing(reader.source):
            assert reader.source.group() is None
            until(lambda: bool(reader.owned), reader)
            assert identifies_member(reader.source.group())


@given(generation=st.integers(0, 2**31 - 1), group=st.text("abc é"), member_id=st.text("abc-123", min_size=1))
def test_a_generation_and_a_member_id_fence(generation: int, group: str, member_id: str) -> None:
    assert identifies_member(written(generation, group, member_id))
    assert not identifies_member(written(-1, group, member_id))
    assert not identifies_member(written(generation, group, ""))
