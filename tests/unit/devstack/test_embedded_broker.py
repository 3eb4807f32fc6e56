"""The embedded broker supports what the demo needs."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from devstack import embedded_broker


@pytest.fixture
def broker() -> Iterator[embedded_broker.EmbeddedBroker]:
    with embedded_broker.EmbeddedBroker() as started:
        yield started


def _partitions(bootstrap_servers: str, topic: str) -> int:
    metadata = AdminClient({"bootstrap.servers": bootstrap_servers}).list_topics(topic, timeout=5)
    return len(metadata.topics[topic].partitions)


def test_a_topic_has_as_many_partitions_as_were_asked_for(broker: embedded_broker.EmbeddedBroker) -> None:
    assert broker.sized
    assert broker.create_topic("twelve", 12) == 12
    assert _partitions(broker.bootstrap_servers, "twelve") == 12


def test_without_the_library_a_topic_has_four_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_broker, "_library", lambda: None)

    with embedded_broker.EmbeddedBroker() as plain:
        assert not plain.sized
        assert plain.create_topic("plain", 12) == embedded_broker.PLAIN_PARTITIONS
        assert _partitions(plain.bootstrap_servers, "plain") == embedded_broker.PLAIN_PARTITIONS


def test_what_is_produced_reaches_a_group(broker: embedded_broker.EmbeddedBroker) -> None:
    broker.create_topic("said", 2)
    addresses = {"bootstrap.servers": broker.bootstrap_servers, **embedded_broker.CLIENT_PROPERTIES}
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    producer.produce("said", b"word", partition=1)
    assert producer.flush(5) == 0
    group = Consumer({**addresses, "group.id": "g", "auto.offset.reset": "earliest", "session.timeout.ms": 3000})
    group.subscribe(["said"])

    message = group.poll(10)
    group.close()

    assert message is not None
    assert message.value() == b"word"


def test_closing_twice_is_harmless(broker: embedded_broker.EmbeddedBroker) -> None:
    broker.close()
    broker.close()

    with pytest.raises(RuntimeError, match="closed"):
        broker.create_topic("late", 1)
