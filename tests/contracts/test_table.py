"""``CompactedTable`` over the embedded broker and a real one: the newest value of each key."""

from collections.abc import Iterator

import pytest

from devstack.embedded_broker import EmbeddedBroker
from devstack.stack import Stack
from streams.errors import SinkFailed, SourceFailed
from streams.kafka.settings import KafkaConnection
from streams.kafka.table import CompactedTable


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.kafka)])
def table(request: pytest.FixtureRequest) -> Iterator[CompactedTable]:
    if request.param == "embedded":
        with EmbeddedBroker() as broker:
            broker.create_topic("table", 4)
            yield _table(broker.bootstrap_servers, "table")
        return
    stack: Stack = request.getfixturevalue("kafka")
    topic = stack.create_topic("table", 1, {"cleanup.policy": "compact"})
    yield _table(stack.bootstrap_servers, topic)
    stack.delete_topic(topic)


def _table(bootstrap_servers: str, topic: str, timeout_s: float = 10.0) -> CompactedTable:
    connection = KafkaConnection(bootstrap_servers=bootstrap_servers, client_id="test", properties={"log_level": 0})
    return CompactedTable(connection, topic, reader="reader", timeout_s=timeout_s)


def test_a_table_that_was_never_written_is_empty(table: CompactedTable) -> None:
    assert table.read() == {}


def test_the_newest_value_of_each_key_is_read(table: CompactedTable) -> None:
    table.put(b"a", b"1")
    table.put(b"b", b"2")
    table.put(b"a", b"3")

    assert table.read() == {b"a": b"3", b"b": b"2"}
    table.put(b"b", None)
    assert table.read() == {b"a": b"3"}


def test_a_broker_that_is_down_is_reported() -> None:
    nobody = _table("127.0.0.1:9", "table", timeout_s=0.5)

    with pytest.raises(SourceFailed, match="no broker answers"):
        nobody.read()
    with pytest.raises(SinkFailed, match="cannot be written"):
        nobody.put(b"a", b"1")
