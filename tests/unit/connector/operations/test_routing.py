"""The accepted routing: stored by the first start, checked by every later one, and changed by the operator only."""

import io
from dataclasses import dataclass, field

import pytest
from rich.console import Console

from connector.operations.routing import accept, accepted, differences, hold, show_accepted
from connector.routing.accepted_routing import AcceptedTarget
from connector.routing.table import Routing, Target
from streams.errors import Stopped


@dataclass
class InMemoryRoutingStore:
    """The accepted routing in memory; counts the writes."""

    rows: dict[str, bytes] = field(default_factory=dict)
    written: int = 0

    def read(self) -> dict[str, bytes]:
        return dict(self.rows)

    def put(self, key: str, value: bytes) -> None:
        self.rows[key] = value
        self.written += 1


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
    table = InMemoryRoutingStore({"group": b"?"})

    with pytest.raises(Stopped, match="cannot be read"):
        hold(table, "group", routing(shop="de"))

    accept(table, "group", routing(shop="de"))
    hold(table, "group", routing(shop="de"))
