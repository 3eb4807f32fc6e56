"""The accepted routing: a target id with another meaning is detected; new and removed ids are not reported."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from connector.contracts.codec import SchemaIds
from connector.routing.accepted_routing import AcceptedTarget, agreed, moved, places, record_of, table_of
from connector.routing.codec import RoutingCodec
from connector.routing.events import RoutingAccepted
from connector.routing.table import Routing, Target

DE = AcceptedTarget(account="main", storefront="de")
AT = AcceptedTarget(account="main", storefront="at")

tables = st.dictionaries(st.text(), st.builds(AcceptedTarget, account=st.text(), storefront=st.text()))


def routing(**targets: AcceptedTarget) -> Routing:
    return Routing.of(
        Target(id=name, account=place.account, storefront=place.storefront, currency="EUR")
        for name, place in targets.items()
    )


def test_a_changed_meaning_is_reported_with_both_meanings() -> None:
    assert list(moved({"shop": DE}, routing(shop=AT))) == [
        "target shop: accepted as account main, storefront de; configured as account main, storefront at"
    ]


def test_two_swapped_target_ids_are_both_reported() -> None:
    assert len(list(moved({"a": DE, "b": AT}, routing(a=AT, b=DE)))) == 2


def test_unchanged_new_and_removed_ids_are_no_change_of_meaning() -> None:
    assert not list(moved({"shop": DE, "gone": AT}, routing(shop=DE, new=AT)))


def test_disabling_a_target_is_no_change_of_meaning() -> None:
    off = Routing.of([Target(id="shop", account="main", storefront="de", currency="EUR", enabled=False)])

    assert places(off) == {"shop": DE}


def test_a_removed_id_is_remembered_so_that_it_keeps_its_meaning() -> None:
    after = agreed({"shop": DE}, routing(new=AT))

    assert list(moved(after, routing(shop=AT)))


SCHEMA = schemas.text("routing_accepted", schemas.newest("routing_accepted"))
CODEC = RoutingCodec({1: SCHEMA}.get, SchemaIds(values={"routing_accepted": 1}))


@given(tables)
def test_a_table_is_read_back_as_it_was(table: dict[str, AcceptedTarget]) -> None:
    _, value = CODEC.encode(record_of("group", table, 5))

    found = CODEC.decode("group", value)

    assert isinstance(found, RoutingAccepted)
    assert (table_of(found), found.accepted_at_us) == (table, 5)


FOREIGN = [b"", b"{", b"[]", b"null", b'{"targets": []}', b'{"targets": {"a": {}}}', b"\xff", b"\0\0\0\0\1\xff"]


@pytest.mark.parametrize("value", FOREIGN)
def test_a_foreign_routing_record_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="not a routing table"):
        CODEC.decode("group", value)
