"""``connector state forget``: prints what is lost first, and refuses while the group has members."""

import json
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

from connector.operations import forget
from connector.operations.forget import StateRecord
from connector.orders.events import ListState, PollState, SchedulerState
from connector.shipments.events import ShipmentState
from streams.errors import SettingsError, Stopped
from streams.flow import BadRecord
from streams.lanes.record_headers import lane_key
from tests.unit.connector.operations.test_digest import STATE


def kept(of: Any, topic: str = "t.offer-state", partition: int = 3) -> StateRecord:
    """Returns the record of a state."""
    return StateRecord(topic=topic, partition=partition, offset=17, key="4006381333931", state=of)


def shown(of: Any) -> str:
    """Returns what is printed before a state is deleted."""
    out = StringIO()
    forget.show(Console(file=out, width=400), kept(of))
    return out.getvalue()


def test_where_the_record_is_and_the_events_that_are_lost_are_named() -> None:
    said = shown(STATE)

    assert "t.offer-state/3 at offset 17" in said
    named = f"the event at offset {STATE.undone[0].input_offset}"
    assert f"1 pending events, which are neither sent nor get a result: {named}" in said
    assert "accepted values" in said


def test_for_an_unreadable_record_it_warns_that_everything_may_be_lost() -> None:
    said = shown(BadRecord(code="X", text="the body does not follow schema 6"))

    assert "the body does not follow schema 6" in said
    assert "pending events" in said
    assert "an older event that is read again would overwrite a newer value" in said


def test_for_orders_and_accounts_it_says_what_is_read_again() -> None:
    shipments = ShipmentState(order_id="M1", input_partition=0, last_offset=0, updated_at_us=0)
    poll = SchedulerState(account="main", poll=PollState(orders=ListState()), updated_at_us=0)

    assert "ALREADY_CONFIRMED and adds no parcel" in shown(shipments)
    assert "lookback_days" in shown(poll)


def test_the_document_names_the_place_and_has_a_text_for_each_loss() -> None:
    document = json.loads(json.dumps(forget.document(kept(STATE))))

    assert (document["key"], document["topic"], document["partition"], document["offset"]) == (
        "4006381333931", "t.offer-state", 3, 17,
    )  # fmt: skip
    assert len(document["lost"]) == 3
    assert document["stays"] == []
    json.dumps(forget.document(replace(kept(STATE), key=lane_key(b"\xff"))))


def test_a_key_in_no_topic_or_in_several_is_reported() -> None:
    one, other = kept(None), kept(None, topic="t.shipment-state")

    with pytest.raises(Stopped, match="'4006381333931' has no state: the state topics have no record"):
        forget.chosen([], "4006381333931", None)
    with pytest.raises(SettingsError, match=r"t\.offer-state/3, t\.shipment-state/3.*--topic"):
        forget.chosen([one, other], "4006381333931", None)
    assert forget.chosen([one, other], "4006381333931", "t.shipment-state") is other


@given(raw=st.binary())
@example(raw="café\\'\"\n".encode())
def test_a_key_is_found_as_a_message_prints_it_whatever_its_bytes_are(raw: bytes) -> None:
    key = lane_key(raw)
    stands = StateRecord(topic="t", partition=0, offset=1, key=key, state=None)

    printed = f"{key!a}"[1:-1]

    for shown in (printed, json.dumps(printed)[1:-1]):
        assert forget.found(lambda asked: [stands] if asked == key else [], shown) == [stands]


def test_a_key_that_stands_as_it_was_given_is_meant_as_it_was_given() -> None:
    found = forget.found(lambda asked: [replace(kept(None), key=asked)], r"a\x41")

    assert [one.key for one in found] == [r"a\x41"]


@pytest.mark.parametrize("key", ["é", "\\x", "a\\", "\\ud800"])
def test_a_key_that_is_no_printed_form_is_used_as_it_is(key: str) -> None:
    stands = replace(kept(None), key=key)

    assert forget.found(lambda asked: [stands] if asked == key else [], key) == [stands]
    assert forget.unescaped(key) == key


def test_forgetting_reports_that_the_claim_stays() -> None:
    [unit, *_] = STATE.units
    owned = replace(STATE, units=(replace(unit, owner=STATE.ean),))

    assert "Stays: its claim on " in shown(owned)
    assert "still end as ALIAS_EAN" in shown(owned)
    assert "Stays" not in shown(replace(STATE, units=(replace(unit, owner="another"),)))
    assert "still end as ALIAS_EAN" in shown(BadRecord(code="X", text="no schema"))


def test_a_group_that_has_members_must_be_stopped_first() -> None:
    forget.must_be_stopped(0, "g")
    with pytest.raises(Stopped, match=r"g has 2 members.*stop every process"):
        forget.must_be_stopped(2, "g")
    with pytest.raises(Stopped, match="started meanwhile"):
        forget.must_be_stopped(1, "g", started_meanwhile=True)
