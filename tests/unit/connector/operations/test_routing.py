"""The accepted routing: stored by the first start, checked by every later one, and changed by the operator only."""

import io
from dataclasses import dataclass, field
from datetime import UTC, datetime

import fastavro
import pytest
from rich.console import Console

import schemas
from connector.contracts.codec import SchemaIds
from connector.operations.routing import accept, accepted, differences, hold, show_accepted
from connector.operations.routing_topic import RoutingTopic
from connector.routing.accepted_routing import AcceptedTarget
from connector.routing.codec import RoutingCodec, is_key_of
from connector.routing.table import Routing, Target
from streams.errors import Stopped

NOW_US = 1_780_000_000_000_000
VALUE_ID, KEY_ID = 7, 8
OF_AN_EARLIER_VERSION = b'{"targets": {"shop": {"account": "main", "storefront": "de"}}}'


@dataclass
class InMemoryTable:
    """The topic's newest record of each key; counts the writes."""

    rows: dict[bytes, bytes] = field(default_factory=dict)
    written: int = 0

    def read(self) -> dict[bytes, bytes]:
        return dict(self.rows)

    def put(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            del self.rows[key]
        else:
            self.rows[key] = value
        self.written += 1


@dataclass
class InMemoryRoutingStore(RoutingTopic):
    """The topic in memory, with the registry's schemas fetched when they are needed."""

    table: InMemoryTable = field(default_factory=InMemoryTable)
    avro_keys: bool = False
    fetched: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        keys = {"routing_accepted": KEY_ID} if self.avro_keys else None
        ids = SchemaIds(values={"routing_accepted": VALUE_ID}, keys=keys)
        super().__init__(self.table, RoutingCodec(self.fetched.get, ids), self._fetch_schema, lambda: NOW_US)

    def _fetch_schema(self, schema_id: int) -> None:
        assert schema_id == VALUE_ID
        self.fetched[schema_id] = schemas.text("routing_accepted", schemas.newest("routing_accepted"))

    @property
    def written(self) -> int:
        return self.table.written


def routing(**storefronts: str) -> Routing:
    """Returns a routing table of one account: target id to storefront."""
    return Routing.of(Target(id=t, account="main", storefront=at, currency="EUR") for t, at in storefronts.items())


def test_the_first_start_stores_the_routing_and_a_second_writes_nothing() -> None:
    table = InMemoryRoutingStore()

    hold(table, "group", routing(shop="de"))
    hold(table, "group", routing(shop="de"))

    assert accepted(table, "group") == {"shop": AcceptedTarget(account="main", storefront="de")}
    assert table.written == 1


def test_a_changed_routing_stops_the_start_with_both_meanings_and_the_remedy() -> None:
    table = InMemoryRoutingStore()
    hold(table, "group", routing(shop="de"))

    with pytest.raises(Stopped) as stopped:
        hold(table, "group", routing(shop="at", new="cz"))

    assert "accepted as account main, storefront de; configured as account main, storefront at" in str(stopped.value)
    assert "connector config routing --accept" in str(stopped.value)
    assert table.written == 1


def test_a_new_target_id_needs_no_acceptance() -> None:
    table = InMemoryRoutingStore()
    hold(table, "group", routing(shop="de"))

    hold(table, "group", routing(shop="de", other="at"))

    assert set(accepted(table, "group")) == {"shop", "other"}


def test_what_is_accepted_starts() -> None:
    table = InMemoryRoutingStore()
    hold(table, "group", routing(shop="de"))
    out = io.StringIO()

    changed = accept(table, "group", routing(shop="at"))
    show_accepted(Console(file=out, width=200), "group", routing(shop="at"), changed)

    hold(table, "group", routing(shop="at"))
    assert "configured as account main, storefront at" in out.getvalue()
    assert not differences(table, "group", routing(shop="at"))


def test_groups_do_not_share_what_they_accepted() -> None:
    table = InMemoryRoutingStore()
    hold(table, "one", routing(shop="de"))

    hold(table, "two", routing(shop="at"))

    assert differences(table, "one", routing(shop="at"))


def test_a_foreign_routing_record_stops_the_start_and_can_be_replaced() -> None:
    table = InMemoryRoutingStore(InMemoryTable({b"group": b"?"}))

    with pytest.raises(Stopped, match="cannot be read"):
        hold(table, "group", routing(shop="de"))

    accept(table, "group", routing(shop="de"))
    hold(table, "group", routing(shop="de"))


def test_a_stock_deserializer_reads_the_record() -> None:
    topic = InMemoryRoutingStore()

    hold(topic, "group", routing(shop="de", other="at"))

    ((key, value),) = topic.table.rows.items()
    assert key == b"group"
    assert value[:5] == b"\0" + VALUE_ID.to_bytes(4, "big")
    schema = schemas.load("routing_accepted", schemas.newest("routing_accepted"))
    read = fastavro.schemaless_reader(io.BytesIO(value[5:]), fastavro.parse_schema(schema), None)
    assert read == {
        "consumer_group": "group",
        "targets": [
            {"target_id": "other", "account": "main", "storefront": "at"},
            {"target_id": "shop", "account": "main", "storefront": "de"},
        ],
        "accepted_at": datetime(2026, 5, 28, 20, 26, 40, tzinfo=UTC),
    }


def test_a_record_of_an_earlier_version_counts_and_stays_readable_to_it_until_the_table_changes() -> None:
    topic = InMemoryRoutingStore(InMemoryTable({b"group": OF_AN_EARLIER_VERSION}))

    with pytest.raises(Stopped, match="accepted as account main, storefront de"):
        hold(topic, "group", routing(shop="at"))
    hold(topic, "group", routing(shop="de"))
    assert topic.table.rows == {b"group": OF_AN_EARLIER_VERSION}

    hold(topic, "group", routing(shop="de", other="at"))
    assert not topic.table.rows[b"group"].startswith(b"{")
    assert differences(topic, "group", routing(shop="at"))


def test_accepting_writes_the_record_of_an_earlier_version_again() -> None:
    topic = InMemoryRoutingStore(InMemoryTable({b"group": OF_AN_EARLIER_VERSION}))

    assert accept(topic, "group", routing(shop="de")) == []

    assert not topic.table.rows[b"group"].startswith(b"{")
    assert differences(topic, "group", routing(shop="at"))


def test_a_key_in_avro_takes_the_place_of_a_plain_one() -> None:
    table = InMemoryTable({b"group": OF_AN_EARLIER_VERSION, b"groups": OF_AN_EARLIER_VERSION})
    topic = InMemoryRoutingStore(table, avro_keys=True)

    accept(topic, "group", routing(shop="at"))

    assert [is_key_of("group", key) for key in table.rows] == [False, True]
    assert table.rows[b"groups"] == OF_AN_EARLIER_VERSION
    assert not any(is_key_of("roup", key) for key in table.rows)
    assert accepted(topic, "group")["shop"].storefront == "at"
