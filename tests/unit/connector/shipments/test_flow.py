"""The rules of the shipment flow, one after the other."""

from typing import Any

import pytest

from connector.contracts.released_orders import ReleasedOrders
from connector.contracts.result_ids import result_id
from connector.marketplace.orders import Kind, Unreadable
from connector.shipments.events import Parcel, ShippedItem
from streams.flow import Draining, Woken
from tests.harness.shipment_harness import (
    CLUSTER,
    ORDER,
    REFUSED,
    SECOND,
    START_US,
    TOPICS,
    ShipmentHarness,
    flow_of,
    policy,
    unit,
)

WHOLE_ORDERS = policy(require_units=False)
UNCONFIRMED = (None, "ALREADY_CONFIRMED", "SENT_BY_ANOTHER")


# ---- one unit, one parcel -------------------------------------------------------------------------------------------


def test_a_unit_is_confirmed_once_its_order_is_read() -> None:
    harness = ShipmentHarness()

    harness.event(1)
    assert harness.kinds == ["order"]
    harness.order(unit(1), unit(2))
    harness.carriers()
    want = harness.taken()

    assert (want.slot, want.account, want.rank, want.since_us, want.once) == ("1/send/0", "main", 2, START_US, True)
    assert (want.body.carrier_code, want.body.tracking_numbers, want.body.event_ids) == ("DHL", ("T1",), ("e0",))
    assert harness.said == [(1, "CONFIRMED", None)]
    assert harness.kinds == []


def test_a_result_says_all_about_its_unit() -> None:
    harness = ShipmentHarness()

    harness.event(2, of=("dhl:T1",))
    harness.order(unit(1), unit(2), unit(3, "open"), unit(4, "sent"))
    harness.carriers()
    harness.taken()

    assert harness.last | {"decided_at": 0} == {
        "result_id": result_id(CLUSTER, TOPICS.shipments, 0, 0, 2),
        "event_id": "e0",
        "status": "CONFIRMED",
        "code": None,
        "message": None,
        "advice": None,
        "account": "main",
        "storefront": "de",
        "order_id": ORDER,
        "order_unit_id": 2,
        "carrier_requested": "dhl",
        "carrier_code": "DHL",
        "tracking_numbers": ["T1"],
        "units_open": [1, 3],
        "call_ids": ["c3"],
        "attempts": 1,
        "marketplace": None,
        "input_topic": TOPICS.shipments,
        "input_partition": 0,
        "input_offset": 0,
        "occurred_at": START_US,
        "received_at": START_US,
        "decided_at": 0,
    }
    headers = dict(harness.outputs[-1].headers)
    assert headers["ce_type"] == b"kaufland.connector.ShipmentResult.v1"
    assert headers["instance_id"] == b"shop-0"
    assert harness.outputs[-1].key == ORDER.encode()


def test_a_trace_is_carried_on() -> None:
    harness = ShipmentHarness()

    harness.event(1, traceparent="00-ab")
    harness.gone(Kind.ORDER)

    assert ("traceparent", b"00-ab") in harness.outputs[-1].headers


def test_each_unit_of_an_event_has_a_call_and_a_result_of_its_own() -> None:
    harness = ShipmentHarness()

    harness.ready(1, 2, 3)
    assert sorted(want.slot for want in harness.wants) == ["1/send/0", "2/send/0", "3/send/0"]
    for _ in range(3):
        harness.taken()

    assert harness.said == [(1, "CONFIRMED", None), (2, "CONFIRMED", None), (3, "CONFIRMED", None)]
    assert [r["units_open"] for r in harness.results] == [[2, 3], [3], []]
    assert len({r["result_id"] for r in harness.results}) == 3


def test_every_call_of_a_unit_holds_its_key() -> None:
    harness = ShipmentHarness()
    harness.ready(1)
    keys = [want.exclusive for want in harness.wants]

    harness.lose()
    keys += [want.exclusive for want in harness.wants]
    harness.shows("sent")
    harness.event(1, of=("T2",))
    keys += [want.exclusive for want in harness.wants]

    assert keys == [("order-unit:1",)] * 3


# ---- which units ----------------------------------------------------------------------------------------------------


def test_an_event_that_names_no_unit_means_those_still_to_be_sent_where_that_is_allowed() -> None:
    harness = ShipmentHarness(flow=flow_of(WHOLE_ORDERS))

    harness.event()
    harness.order(unit(1), unit(2, "sent"), unit(3), unit(4, "cancelled"))
    harness.carriers()
    harness.taken()
    harness.taken()

    assert harness.said == [(1, "CONFIRMED", None), (3, "CONFIRMED", None)]


def test_an_event_that_says_nothing_of_its_units_is_refused_where_the_order_has_several() -> None:
    harness = ShipmentHarness()

    harness.event()
    harness.order(unit(1), unit(2, "sent"), unit(3, "open"))

    assert harness.said == [(None, "REJECTED", "ORDER_UNITS_NOT_NAMED")]
    assert "1, 2, 3" in harness.last["message"]
    assert harness.kinds == []


@pytest.mark.parametrize("other", ["sent", "received", "cancelled"])
def test_an_event_that_says_nothing_of_its_units_does_not_mean_the_last_one_that_is_left(other: str) -> None:
    harness = ShipmentHarness()

    harness.event()
    harness.order(unit(1, other), unit(2))

    assert harness.said == [(None, "REJECTED", "ORDER_UNITS_NOT_NAMED")]
    assert harness.kinds == []


def test_an_event_that_says_nothing_of_its_units_means_the_only_one_of_its_order() -> None:
    harness = ShipmentHarness()

    harness.event()
    harness.order(unit(1))
    harness.carriers()
    harness.taken()

    assert harness.said == [(1, "CONFIRMED", None)]


def test_an_event_that_names_no_unit_leaves_out_what_another_has_taken_on_itself() -> None:
    harness = ShipmentHarness(flow=flow_of(WHOLE_ORDERS))
    harness.event(1, of=("T1",))
    harness.order(unit(1, "open"), unit(2))
    harness.event(of=("T2",))

    harness.order(unit(1, "open"), unit(2))
    harness.carriers()
    harness.taken()

    assert harness.said == [(2, "CONFIRMED", None)]


def test_where_nothing_is_left_to_be_sent_each_unit_that_was_sent_says_so() -> None:
    harness = ShipmentHarness()

    harness.event()
    harness.order(unit(1, "sent"), unit(2, "received"), unit(3, "cancelled"))

    code = "NOTHING_LEFT_TO_SEND"
    assert harness.said == [(1, "ALREADY_CONFIRMED", code), (2, "ALREADY_CONFIRMED", code)]
    assert harness.kinds == []


def test_where_nothing_is_left_no_parcel_is_added_to_what_we_sent() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)

    harness.event(of=("T2",))
    harness.order(unit(1, "sent"))

    assert harness.said == [(1, "ALREADY_CONFIRMED", "NOTHING_LEFT_TO_SEND")]


def test_an_order_of_cancelled_units_is_refused() -> None:
    harness = ShipmentHarness()

    harness.event()
    harness.order(unit(1, "cancelled"))

    assert harness.said == [(1, "REJECTED", "ORDER_UNIT_CANCELLED")]


def test_a_unit_of_another_order_is_never_sent() -> None:
    harness = ShipmentHarness()

    harness.event(1, 9)
    harness.order(unit(1))
    harness.carriers()

    assert harness.said == [(9, "NOT_FOUND", "ORDER_UNIT_NOT_FOUND")]
    assert [want.body.order_unit_id for want in harness.wants] == [1]


@pytest.mark.parametrize(("units", "said"), [((), [None]), ((1, 2), [1, 2])])
def test_an_unknown_order_has_at_least_one_result(units: tuple[int, ...], said: list[int | None]) -> None:
    harness = ShipmentHarness()

    harness.event(*units)
    harness.gone(Kind.ORDER)

    assert harness.said == [(each, "NOT_FOUND", "ORDER_NOT_FOUND") for each in said]


def test_an_order_without_units_is_not_found() -> None:
    harness = ShipmentHarness()

    harness.event()
    harness.order()

    assert harness.said == [(None, "NOT_FOUND", "ORDER_NOT_FOUND")]


def test_what_the_answer_about_an_order_does_not_say_readably_fails() -> None:
    broken = Unreadable(where="orders/X", sha256="ab", fault="status: missing")
    harness = ShipmentHarness()

    harness.event(1, 2)
    harness.order(unit(1), unreadable=broken)
    harness.carriers()

    assert harness.said == [(2, "FAILED", "ORDER_UNITS_UNREADABLE")]
    assert "status: missing (sha256 ab)" in harness.last["message"]
    harness.taken()
    harness.event()
    harness.order(unit(1, "sent"), unreadable=broken)
    assert harness.said[-1] == (None, "FAILED", "ORDER_UNITS_UNREADABLE")


def test_a_refused_or_failed_reading_of_the_order_fails() -> None:
    harness = ShipmentHarness()

    harness.event(1)
    harness.refuse(Kind.ORDER)
    harness.event(1)
    harness.give_up(Kind.ORDER)

    assert harness.said == [(1, "FAILED", "ORDER_READ_REFUSED"), (1, "FAILED", "GAVE_UP")]
    assert harness.results[0]["marketplace"]["message"] == "No."


def test_a_lost_reading_is_made_again() -> None:
    harness = ShipmentHarness()

    harness.event(1)
    harness.lose(Kind.ORDER)

    assert harness.kinds == ["order"]


def test_known_units_are_not_read_again() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)

    harness.event(1, of=("T2",))

    assert harness.kinds == ["parcel"]


def test_an_order_read_under_another_account_is_read_again() -> None:
    two = policy(accounts=frozenset({"main", "other"}))
    harness = ShipmentHarness(flow=flow_of(two))
    harness.event(1, account="main")
    harness.order(unit(1, "open"))

    harness.event(1, account="other")

    assert [(want.slot, want.account) for want in harness.wants] == [("order/other", "other")]


# ---- what the status says -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["sent", "received"])
def test_a_unit_that_was_sent_by_another_is_left_alone(status: str) -> None:
    harness = ShipmentHarness()

    harness.event(1)
    harness.order(unit(1, status))

    assert harness.said == [(1, "ALREADY_CONFIRMED", "SENT_BY_ANOTHER")]
    assert status in harness.last["message"]
    assert harness.kinds == []


def test_a_cancelled_unit_is_refused() -> None:
    harness = ShipmentHarness()

    harness.event(1)
    harness.order(unit(1, "cancelled"))

    assert harness.said == [(1, "REJECTED", "ORDER_UNIT_CANCELLED")]


def test_what_was_sent_by_another_gets_no_parcel_later_either() -> None:
    harness = ShipmentHarness()
    harness.event(1)
    harness.order(unit(1, "sent"))

    harness.event(1, of=("T2",))

    assert harness.said[1:] == [(1, "ALREADY_CONFIRMED", "SENT_BY_ANOTHER")]
    assert harness.kinds == []


@pytest.mark.parametrize("status", ["open", "on_the_moon"])
def test_a_unit_that_is_not_ready_is_read_again_until_it_is(status: str) -> None:
    harness = ShipmentHarness()
    harness.event(1)
    harness.order(unit(1, status))
    assert (harness.kinds, harness.said) == ([], [])

    harness.pass_s(60)
    poll = harness.want(Kind.ORDER_UNIT)
    assert (poll.rank, poll.since_us) == (7, START_US + 60 * SECOND + SECOND // 10)
    harness.shows(status)
    harness.pass_s(60)
    harness.shows("need_to_be_sent")
    harness.carriers()
    harness.taken()

    assert harness.said == [(1, "CONFIRMED", None)]


@pytest.mark.parametrize("status", ["open", "on_the_moon"])
def test_a_unit_that_never_gets_ready_is_waited_for_so_long(status: str) -> None:
    harness = ShipmentHarness(flow=flow_of(policy(wait_open_s=100)))
    harness.event(1)
    harness.order(unit(1, status))

    harness.pass_s(60)
    harness.shows(status)
    harness.pass_s(39)
    assert harness.said == []
    harness.pass_s(1)

    assert harness.said == [(1, "WAITING_TOO_LONG", "ORDER_UNIT_OPEN")]
    assert status in harness.last["message"]


def test_a_unit_that_is_open_for_a_day_is_read_ever_more_seldom() -> None:
    harness = ShipmentHarness()
    harness.event(1)
    harness.order(unit(1, "open"))
    gaps_s: list[float] = []
    read_us = harness.now_us

    while not harness.said:
        harness.pass_s(30)
        if harness.wants:
            gaps_s.append((harness.now_us - read_us) / SECOND)
            harness.shows("open")
            read_us = harness.now_us

    assert harness.said == [(1, "WAITING_TOO_LONG", "ORDER_UNIT_OPEN")]
    assert len(gaps_s) < 120
    assert gaps_s[0] == pytest.approx(60, abs=31)
    assert gaps_s == sorted(gaps_s) or max(abs(a - b) for a, b in zip(gaps_s, sorted(gaps_s), strict=True)) <= 30
    assert max(gaps_s) <= 931


def waits_for_an_hour(released: ReleasedOrders) -> ShipmentHarness:
    """An event whose unit is still open, read ever more seldom."""
    harness = ShipmentHarness(flow=flow_of(released=released))
    harness.event(1)
    harness.order(unit(1, "open"))
    while harness.now_us < START_US + 3600 * SECOND:
        harness.pass_s(60)
        if harness.wants:
            harness.shows("open")
    return harness


def test_a_unit_that_the_order_poll_sees_released_is_read_within_a_minute() -> None:
    released = ReleasedOrders()
    harness = waits_for_an_hour(released)

    released.note("main", ORDER, harness.now_us)
    harness.pass_s(60)
    harness.shows(READY)
    harness.carriers()
    harness.taken()

    assert harness.said == [(1, "CONFIRMED", None)]


def test_word_of_a_release_causes_one_reading_and_word_of_other_orders_none() -> None:
    released = ReleasedOrders()
    harness = waits_for_an_hour(released)

    released.note("main", "ANOTHER", harness.now_us)
    released.note("other", ORDER, harness.now_us)
    harness.pass_s(60)
    assert harness.kinds == []
    released.note("main", ORDER, harness.now_us)
    harness.pass_s(60)
    harness.shows("open")
    harness.pass_s(120)

    assert harness.kinds == []


def test_a_new_event_is_looked_after_as_soon_as_the_first_one_was() -> None:
    harness = ShipmentHarness()
    harness.event(1)
    harness.order(unit(1, "open"))
    while harness.now_us < START_US + 6 * 3600 * SECOND:
        harness.pass_s(60)
        if harness.wants:
            harness.shows("open")

    harness.event(1, of=("T2",))
    harness.pass_s(60)

    assert harness.kinds == ["order-unit"]


def test_each_event_waits_since_it_arrived() -> None:
    harness = ShipmentHarness(flow=flow_of(policy(wait_open_s=100, recheck_s=1000)))
    harness.event(1, at=5)
    harness.order(unit(1, "open"))
    harness.pass_s(50)
    harness.event(1, at=1)

    harness.pass_s(60)
    assert [(r["event_id"], r["status"]) for r in harness.results] == [("e0", "WAITING_TOO_LONG")]
    harness.pass_s(60)

    assert [r["event_id"] for r in harness.results] == ["e0", "e1"]


def test_a_unit_cancelled_while_it_waits_is_refused() -> None:
    harness = ShipmentHarness()
    harness.event(1)
    harness.order(unit(1, "open"))

    harness.pass_s(60)
    harness.shows("cancelled")

    assert harness.said == [(1, "REJECTED", "ORDER_UNIT_CANCELLED")]


def test_a_poll_that_fails_is_only_made_later() -> None:
    harness = ShipmentHarness()
    harness.event(1)
    harness.order(unit(1, "open"))

    harness.pass_s(60)
    harness.give_up(Kind.ORDER_UNIT)
    assert (harness.kinds, harness.said) == ([], [])
    harness.pass_s(60)
    harness.refuse(Kind.ORDER_UNIT)
    harness.pass_s(60)

    assert harness.kinds == ["order-unit"]


# ---- refusals are judged by the status ------------------------------------------------------------------------------


def test_a_refused_send_of_a_unit_still_to_be_sent_is_refused_in_the_marketplaces_words() -> None:
    harness = ShipmentHarness()
    harness.ready(1)

    harness.refuse()
    assert harness.kinds == ["order-unit"]
    harness.shows("need_to_be_sent")

    assert harness.said == [(1, "REJECTED", "SEND_REFUSED")]
    assert harness.last["marketplace"] == {
        "http_status": 400, "type": "/problems/bad-request", "message": "No.", "errors": [],
    }  # fmt: skip
    assert harness.kinds == []


def test_a_refused_send_of_a_unit_that_was_sent_meanwhile_is_no_fault() -> None:
    harness = ShipmentHarness()
    harness.ready(1)

    harness.refuse()
    harness.shows("sent")

    assert harness.said == [(1, "ALREADY_CONFIRMED", "SENT_BY_ANOTHER")]
    assert harness.last["marketplace"]["message"] == "No."


def test_a_refused_send_of_a_unit_that_is_not_ready_waits_and_is_sent_again() -> None:
    harness = ShipmentHarness()
    harness.ready(1)

    harness.refuse()
    harness.shows("open")
    assert harness.kinds == []
    harness.pass_s(60)
    harness.shows("need_to_be_sent")
    harness.taken()

    assert harness.said == [(1, "CONFIRMED", None)]
    assert harness.last["attempts"] == 2
    assert harness.last["marketplace"] is None


def test_a_refused_send_of_a_cancelled_unit_is_refused() -> None:
    harness = ShipmentHarness()
    harness.ready(1)

    harness.refuse()
    harness.shows("cancelled")

    assert harness.said == [(1, "REJECTED", "ORDER_UNIT_CANCELLED")]


@pytest.mark.parametrize("kind", [Kind.SEND, Kind.ORDER_UNIT])
def test_a_unit_that_is_gone_is_not_found(kind: Kind) -> None:
    harness = ShipmentHarness()
    harness.ready(1)
    if kind is Kind.ORDER_UNIT:
        harness.refuse()

    harness.gone(kind)

    assert harness.said == [(1, "NOT_FOUND", "ORDER_UNIT_NOT_FOUND")]


def test_a_status_that_cannot_be_read_after_a_refusal_fails_the_event() -> None:
    harness = ShipmentHarness()
    harness.ready(1, 2)

    harness.refuse()
    harness.give_up(Kind.ORDER_UNIT)
    harness.refuse()
    harness.settled(Kind.ORDER_UNIT, REFUSED)

    assert harness.said == [(1, "FAILED", "GAVE_UP"), (2, "FAILED", "ORDER_READ_REFUSED")]


# ---- lost answers ---------------------------------------------------------------------------------------------------


def test_a_lost_send_that_was_carried_out_is_confirmed_but_for_its_tracking() -> None:
    harness = ShipmentHarness()
    harness.ready(1)

    harness.lose()
    assert harness.kinds == ["order-unit"]
    harness.shows("sent")

    assert harness.said == [(1, "CONFIRMED_TRACKING_UNVERIFIED", "TRACKING_UNVERIFIED")]
    assert harness.last["call_ids"] == ["c3"]


def test_a_lost_send_that_was_not_carried_out_is_sent_again() -> None:
    harness = ShipmentHarness()
    harness.ready(1)

    harness.lose()
    harness.shows("need_to_be_sent")
    harness.taken()

    assert harness.said == [(1, "CONFIRMED", None)]


def test_a_lost_send_that_was_carried_out_late_is_confirmed_but_for_its_tracking() -> None:
    harness = ShipmentHarness()
    harness.ready(1)

    harness.lose()
    harness.shows("need_to_be_sent")
    harness.refuse()
    harness.shows("sent")

    assert harness.said == [(1, "CONFIRMED_TRACKING_UNVERIFIED", "TRACKING_UNVERIFIED")]


def test_a_send_given_up_fails_and_is_made_again_when_it_is_read_again() -> None:
    harness = ShipmentHarness()
    first = harness.ready(1)

    harness.give_up(Kind.SEND)
    harness.again(first)
    harness.taken()

    assert harness.said == [(1, "FAILED", "GAVE_UP"), (1, "CONFIRMED", None)]
    assert len({r["result_id"] for r in harness.results}) == 1


def test_a_send_that_a_killed_owner_announced_is_read_back_and_adopted() -> None:
    harness = ShipmentHarness()
    harness.ready(1, of=("T1", "GLS:T2"))

    harness.restart(announced=[want.slot for want in harness.wants])
    assert harness.kinds == ["order-unit"]
    harness.shows("sent")
    harness.carriers()
    assert harness.want(Kind.PARCEL).body.tracking_number == "T2"
    harness.taken(Kind.PARCEL)

    assert harness.said == [(1, "CONFIRMED_TRACKING_UNVERIFIED", "TRACKING_UNVERIFIED")]


def test_a_send_that_a_killed_owner_announced_and_that_did_not_leave_is_made() -> None:
    harness = ShipmentHarness()
    harness.ready(1)

    harness.restart(announced=[want.slot for want in harness.wants])
    harness.shows("need_to_be_sent")
    harness.carriers()
    harness.taken()

    assert harness.said == [(1, "CONFIRMED", None)]


def test_a_send_that_was_not_announced_cannot_have_left() -> None:
    harness = ShipmentHarness()
    harness.ready(1)

    harness.restart()
    harness.carriers()
    harness.refuse()
    harness.shows("sent")

    assert harness.said == [(1, "ALREADY_CONFIRMED", "SENT_BY_ANOTHER")]


def test_the_same_tracking_number_stays_unverified_for_a_later_event() -> None:
    harness = ShipmentHarness()
    harness.ready(1)
    harness.lose()
    harness.shows("sent")

    harness.event(1)

    assert harness.said[1:] == [(1, "CONFIRMED_TRACKING_UNVERIFIED", "TRACKING_UNVERIFIED")]
    assert harness.kinds == []


def test_an_answer_about_the_order_from_before_a_send_unsends_nothing() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)
    harness.event(of=("T2",))

    harness.order(unit(1))

    assert harness.said == [(1, "ALREADY_CONFIRMED", "NOTHING_LEFT_TO_SEND")]


# ---- several parcels ------------------------------------------------------------------------------------------------


def test_parcels_of_the_first_carrier_go_with_the_send_and_the_others_follow() -> None:
    harness = ShipmentHarness()
    harness.ready(1, of=("T1", "GLS:T2", "dhl:T3"))

    assert harness.taken().body.tracking_numbers == ("T1", "T3")
    assert harness.said == []
    parcel = harness.want(Kind.PARCEL)
    assert (parcel.body.tracking_number, parcel.body.carrier_code, parcel.once) == ("T2", "GLS", True)
    harness.taken(Kind.PARCEL)

    assert harness.said == [(1, "CONFIRMED", None)]
    assert (harness.last["carrier_requested"], harness.last["carrier_code"]) == ("DHL, GLS, dhl", "DHL, GLS")
    assert (harness.last["call_ids"], harness.last["attempts"]) == (["c3", "c4"], 2)


def test_a_later_parcel_of_a_unit_that_we_sent_is_added() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)

    harness.event(1, of=("T1", "T2"))
    assert [want.body.tracking_number for want in harness.wants] == ["T2"]
    harness.taken(Kind.PARCEL)

    assert harness.said == [(1, "PARCEL_ADDED", None)]


def test_an_older_event_that_comes_late_adds_its_parcels_as_well() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)

    harness.event(1, of=("T0",), at=-10)
    harness.taken(Kind.PARCEL)

    assert harness.said == [(1, "PARCEL_ADDED", None)]


def test_a_later_event_with_known_parcels_needs_no_call() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1, of=("T1", "T2"))

    harness.event(1, of=("T2",))

    assert harness.said == [(1, "ALREADY_CONFIRMED", None)]
    assert harness.kinds == []


def test_of_two_events_that_wait_the_older_one_sends_and_the_other_adds() -> None:
    harness = ShipmentHarness()
    harness.event(1, of=("T2",), at=5)
    harness.event(1, of=("T1",), at=1)
    harness.order(unit(1))
    harness.carriers()

    assert harness.taken().body.tracking_numbers == ("T1",)
    harness.taken(Kind.PARCEL)

    assert [(r["event_id"], r["status"]) for r in harness.results] == [("e1", "CONFIRMED"), ("e0", "PARCEL_ADDED")]


def test_when_the_older_one_is_refused_the_other_sends() -> None:
    harness = ShipmentHarness()
    harness.event(1, of=("T1",), at=1)
    harness.event(1, of=("T2",), at=5)
    harness.order(unit(1))
    harness.carriers()

    harness.refuse()
    harness.shows("need_to_be_sent")
    assert harness.taken().body.tracking_numbers == ("T2",)

    assert [(r["event_id"], r["status"]) for r in harness.results] == [("e0", "REJECTED"), ("e1", "CONFIRMED")]


def test_a_parcel_that_two_events_bring_is_posted_once() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)
    harness.event(1, of=("T2",))
    harness.event(1, of=("T2",))

    assert harness.kinds == ["parcel"]
    harness.taken(Kind.PARCEL)

    assert [(r["event_id"], r["status"]) for r in harness.results] == [
        ("e1", "PARCEL_ADDED"),
        ("e2", "ALREADY_CONFIRMED"),
    ]


def test_a_lost_parcel_is_never_posted_again() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)
    event = harness.event(1, of=("T2",))

    harness.lose(Kind.PARCEL)
    assert harness.said == [(1, "OUTCOME_UNKNOWN", "PARCEL_OUTCOME_UNKNOWN")]
    assert harness.kinds == []
    harness.again(event)
    harness.event(1, of=("T2",))

    assert harness.said[1:] == [(1, "OUTCOME_UNKNOWN", "PARCEL_OUTCOME_UNKNOWN")] * 2
    assert harness.kinds == []


def test_a_parcel_found_announced_is_never_posted_again() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)
    harness.event(1, of=("T2", "T3"))
    left = next(want for want in harness.wants if want.body.tracking_number == "T2")

    harness.restart(announced={left.slot})
    harness.carriers()
    assert [want.body.tracking_number for want in harness.wants] == ["T3"]
    harness.taken(Kind.PARCEL)

    assert harness.said == [(1, "OUTCOME_UNKNOWN", "PARCEL_OUTCOME_UNKNOWN")]
    assert "T2" in harness.last["message"]
    assert "T3" not in harness.last["message"]


def test_draining_announces_nothing() -> None:
    harness = ShipmentHarness()
    harness.ready(1)

    harness.hear(Draining())
    assert harness.kinds == []
    harness.hear(Woken())
    harness.taken()
    harness.event(1, of=("T2",))
    harness.hear(Draining())
    assert harness.kinds == []
    harness.hear(Woken())

    assert harness.kinds == ["parcel"]


def test_a_refused_parcel_leaves_the_unit_sent_and_the_others_go_on() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)
    harness.event(1, of=("T2", "T3"))

    harness.refuse(Kind.PARCEL)
    assert [want.body.tracking_number for want in harness.wants] == ["T3"]
    harness.taken(Kind.PARCEL)

    assert harness.said == [(1, "REJECTED", "PARCEL_REFUSED")]
    assert harness.last["message"] == "Order unit 1 is sent; the marketplace refused to add parcel T2: No."
    assert harness.last["units_open"] == []


def test_a_parcel_that_finds_no_unit_or_no_answer_in_time_ends_the_event() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)

    harness.event(1, of=("T2",))
    harness.gone(Kind.PARCEL)
    harness.event(1, of=("T3",))
    harness.give_up(Kind.PARCEL)

    assert harness.said == [(1, "NOT_FOUND", "ORDER_UNIT_NOT_FOUND"), (1, "FAILED", "GAVE_UP")]


# ---- repeats --------------------------------------------------------------------------------------------------------


def test_an_event_read_again_while_it_is_undone_is_absorbed() -> None:
    harness = ShipmentHarness()
    event = harness.event(1)

    harness.again(event)
    harness.order(unit(1))
    harness.carriers()
    harness.again(event)
    harness.taken()

    assert harness.said == [(1, "CONFIRMED", None)]


def test_an_event_written_twice_is_one_event() -> None:
    harness = ShipmentHarness()
    harness.event(1, at=0)
    harness.event(1, at=0, event_id="e0")

    harness.order(unit(1))
    harness.carriers()
    harness.taken()
    harness.event(1, at=0, event_id="e0")

    assert harness.said == [(1, "CONFIRMED", None)] * 2
    assert len({r["result_id"] for r in harness.results}) == 1
    assert {r["input_offset"] for r in harness.results} == {0}


def test_the_same_id_with_other_content_is_refused_once_something_was_done_for_it() -> None:
    harness = ShipmentHarness()
    first = harness.confirmed(1)

    second = harness.event(1, of=("T2",), event_id="e0")
    harness.again(second)
    harness.again(first)

    refused = (1, "REJECTED", "EVENT_ID_REUSED")
    assert harness.said == [refused, refused, (1, "CONFIRMED", None)]
    assert harness.kinds == []


def test_the_same_id_with_other_content_is_refused_while_the_first_one_waits() -> None:
    harness = ShipmentHarness()
    harness.event(1)
    harness.order(unit(1, "open"))

    harness.event(1, of=("T2",), event_id="e0")

    assert harness.said == [(1, "REJECTED", "EVENT_ID_REUSED")]


def test_an_event_that_came_to_nothing_is_corrected_under_its_own_id() -> None:
    harness = ShipmentHarness()
    wrong = harness.event(1, of=("snail:T1",))
    harness.order(unit(1))
    harness.carriers()

    harness.event(1, of=("GLS:T2",), event_id=wrong.event_id)
    harness.taken()
    harness.again(wrong)

    assert harness.said == [
        (1, "REJECTED", "CARRIER_UNKNOWN"),
        (1, "CONFIRMED", None),
        (1, "REJECTED", "EVENT_ID_REUSED"),
    ]
    assert harness.kinds == []


def test_what_was_done_is_answered_again_without_a_call_by_a_new_owner_too() -> None:
    harness = ShipmentHarness()
    events = [harness.confirmed(1)]
    events.append(harness.event(1, of=("T2",)))
    harness.taken(Kind.PARCEL)
    before = harness.results[-1]["result_id"]
    harness.flow = flow_of()

    for event in events:
        harness.again(event)
        assert harness.kinds == []

    assert [r["status"] for r in harness.results] == ["PARCEL_ADDED", "CONFIRMED", "PARCEL_ADDED"]
    assert harness.last["result_id"] == before
    assert harness.last["carrier_code"] == "DHL"


def test_an_event_without_units_means_the_same_units_when_it_comes_again() -> None:
    harness = ShipmentHarness(flow=flow_of(WHOLE_ORDERS))
    event = harness.ready(1, 2, named=False)
    harness.taken()
    harness.taken()

    harness.again(event)

    assert harness.said == [(1, "CONFIRMED", None), (2, "CONFIRMED", None)] * 2
    assert harness.kinds == []


def test_what_failed_is_tried_again_when_it_is_read_again() -> None:
    harness = ShipmentHarness()
    event = harness.event(1)
    harness.gone(Kind.ORDER)

    harness.again(event)
    harness.order(unit(1))
    harness.carriers()
    harness.taken()

    assert harness.said == [(1, "NOT_FOUND", "ORDER_NOT_FOUND"), (1, "CONFIRMED", None)]
    assert len({r["result_id"] for r in harness.results}) == 1


def test_an_event_older_than_memory_is_judged_by_what_its_units_have() -> None:
    harness = ShipmentHarness()
    first = harness.confirmed(1)
    for _ in range(30):
        harness.event(1)

    harness.again(first)

    assert harness.last["status"] == "CONFIRMED"
    assert len(harness.lane.seen) == 20


# ---- switches -------------------------------------------------------------------------------------------------------


def test_a_dry_run_reads_and_sends_nothing() -> None:
    harness = ShipmentHarness(flow=flow_of(policy(dry_run=True)))

    harness.ready(1, 2)

    assert harness.said == [(1, "DRY_RUN", "PARCELS_DRY_RUN"), (2, "DRY_RUN", "PARCELS_DRY_RUN")]
    assert harness.kinds == []


def test_a_dry_run_adds_no_parcel() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)
    harness.event(1, of=("T2",))

    harness.restart(policy(dry_run=True))
    harness.carriers()

    assert harness.said == [(1, "DRY_RUN", "PARCELS_DRY_RUN")]


def test_an_account_switched_off_while_events_wait_suppresses_them() -> None:
    harness = ShipmentHarness()
    harness.ready(1)

    harness.restart(policy(disabled=frozenset({"main"})))

    assert harness.said == [(1, "SUPPRESSED", "SHIPMENTS_DISABLED")]


def test_an_account_taken_away_while_events_wait_refuses_them() -> None:
    harness = ShipmentHarness()
    harness.event()

    harness.restart(policy(accounts=frozenset({"other"})))

    assert harness.said == [(None, "REJECTED", "ACCOUNT_UNKNOWN")]
    assert harness.kinds == []


# ---- carriers -------------------------------------------------------------------------------------------------------


def test_the_carriers_are_read_once_for_many_lanes() -> None:
    flow = flow_of()
    first, second = ShipmentHarness(flow=flow), ShipmentHarness(flow=flow)
    second.lane = flow.load("ANOTHER", None)
    first.event(1)
    first.order(unit(1))

    event = second.make(1, key="ANOTHER", order_id="ANOTHER")
    turn = _turn(second, event)
    assert turn.kinds == ["order"]
    second.order(unit(1))
    assert (first.kinds, second.kinds) == (["carriers"], [])
    first.carriers()
    second.pass_s(1)

    assert (first.kinds, second.kinds) == (["send"], ["send"])


def _turn(harness: ShipmentHarness, event: object) -> ShipmentHarness:
    from streams.flow import Arrived

    harness.hear(Arrived(lane="ANOTHER", event=event))
    return harness


def test_another_lane_reads_the_carriers_when_the_first_does_not_come_back() -> None:
    flow = flow_of()
    first, second = ShipmentHarness(flow=flow), ShipmentHarness(flow=flow)
    second.lane = flow.load("ANOTHER", None)
    first.event(1)
    first.order(unit(1))
    _turn(second, second.make(1, key="ANOTHER", order_id="ANOTHER"))
    second.order(unit(1))

    second.pass_s(11)

    assert second.kinds == ["carriers"]


def test_carriers_that_cannot_be_read_fail_what_needs_them() -> None:
    harness = ShipmentHarness()
    harness.event(1)
    harness.order(unit(1))
    harness.give_up(Kind.CARRIERS)
    harness.event(1)
    harness.refuse(Kind.CARRIERS)

    assert harness.said == [(1, "FAILED", "GAVE_UP"), (1, "FAILED", "CARRIERS_REFUSED")]


def test_the_table_is_read_again_after_a_day_and_the_old_one_holds_when_it_cannot_be() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)
    harness.pass_s(86_400)

    harness.event(1, of=("T2",))
    assert harness.kinds == ["carriers"]
    harness.give_up(Kind.CARRIERS)

    assert harness.kinds == ["parcel"]


def test_an_unknown_name_renews_a_table_older_than_an_hour() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)
    harness.pass_s(3600)

    harness.event(1, of=("Swift Snail:T2",))
    assert harness.kinds == ["carriers"]
    harness.carriers("DHL", "Other", "Swift Snail")

    assert harness.want(Kind.PARCEL).body.carrier_code == "Swift Snail"


def test_an_unknown_carrier_goes_as_other_where_that_is_allowed_and_the_result_says_so() -> None:
    harness = ShipmentHarness(flow=flow_of(policy(unknown_carrier="Other")))
    event = harness.ready(1, of=("Swift Snail:T1",))

    assert harness.taken().body.carrier_code == "Other"
    harness.again(event)
    assert harness.said == [(1, "CONFIRMED", "CARRIER_SENT_AS_OTHER")] * 2
    assert harness.flow.sent_as_other() == {"main": 2}
    assert "Swift Snail" in harness.last["message"]
    assert (harness.last["carrier_requested"], harness.last["carrier_code"]) == ("Swift Snail", "Other")


def test_a_parcel_that_is_added_with_an_unknown_carrier_says_so_too() -> None:
    harness = ShipmentHarness(flow=flow_of(policy(unknown_carrier="Other")))
    harness.confirmed(1)

    harness.event(1, of=("Swift Snail:T2",))
    harness.taken(Kind.PARCEL)

    assert harness.said == [(1, "PARCEL_ADDED", "CARRIER_SENT_AS_OTHER")]


@pytest.mark.parametrize("carrier", ["Other", " other ", "Own van"])
def test_a_carrier_that_is_meant_to_be_other_is_not_unknown(carrier: str) -> None:
    harness = ShipmentHarness(flow=flow_of(policy(unknown_carrier="Other", aliases={"own VAN": "Other"})))

    harness.ready(1, of=(f"{carrier}:T1",))
    harness.taken()

    assert harness.said == [(1, "CONFIRMED", None)]


def test_an_unknown_carrier_is_refused_by_default() -> None:
    harness = ShipmentHarness()
    harness.ready(1, of=("Swift Snail:T1",))

    assert harness.said == [(1, "REJECTED", "CARRIER_UNKNOWN")]


# ---- parcels without a tracking number ------------------------------------------------------------------------------

UNTRACKED = (Parcel(carrier="Other Hauler", no_tracking=True),)


def test_a_parcel_that_has_no_tracking_number_confirms_its_unit_where_its_carrier_allows_it() -> None:
    harness = ShipmentHarness()

    event = harness.event(1, parcels=UNTRACKED)
    harness.order(unit(1))
    harness.carriers()
    sent = harness.taken()
    harness.again(event)

    assert (sent.body.carrier_code, sent.body.tracking_numbers) == ("Other Hauler", ())
    assert harness.said == [(1, "CONFIRMED", None)] * 2
    assert (harness.last["tracking_numbers"], harness.last["carrier_code"]) == ([], "Other Hauler")
    assert harness.kinds == []


def test_a_parcel_without_a_tracking_number_is_refused_where_its_carrier_needs_one() -> None:
    harness = ShipmentHarness()

    harness.event(1, parcels=(Parcel(carrier="dhl", no_tracking=True),))
    harness.order(unit(1))
    harness.carriers()

    assert harness.said == [(1, "REJECTED", "TRACKING_NUMBER_REQUIRED")]
    assert "Other, Other Hauler" in harness.last["message"]


@pytest.mark.parametrize("code", ["DHL", "dhl "])
def test_which_carriers_need_no_tracking_number_is_a_setting(code: str) -> None:
    harness = ShipmentHarness(flow=flow_of(policy(untracked_carriers=frozenset({code}))))

    harness.event(1, parcels=(Parcel(carrier="dhl", no_tracking=True),))
    harness.order(unit(1))
    harness.carriers()

    assert harness.taken().body.tracking_numbers == ()


def test_a_parcel_without_a_tracking_number_is_never_added_to_a_unit_that_is_sent() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)

    harness.event(1, parcels=UNTRACKED)

    assert harness.said == [(1, "ALREADY_CONFIRMED", None)]
    assert harness.kinds == []


def test_a_send_without_a_tracking_number_whose_answer_is_lost_is_read_back_and_not_repeated() -> None:
    harness = ShipmentHarness()
    harness.event(1, parcels=UNTRACKED)
    harness.order(unit(1))
    harness.carriers()

    harness.lose()
    harness.shows("sent")

    assert harness.said == [(1, "CONFIRMED_TRACKING_UNVERIFIED", "TRACKING_UNVERIFIED")]
    assert harness.kinds == []


# ---- items ----------------------------------------------------------------------------------------------------------


def pieces(*statuses: str, offer_id: str = "sku-1", eans: tuple[str, ...] = ("4006381333931",)) -> list[Any]:
    """Alike but for their numbers and statuses."""
    return [unit(number, status, offer_id=offer_id, eans=eans) for number, status in enumerate(statuses, 1)]


def items(*of: tuple[str, int]) -> tuple[ShippedItem, ...]:
    return tuple(ShippedItem(offer_id=offer_id, quantity=quantity) for offer_id, quantity in of)


READY = "need_to_be_sent"


def test_items_confirm_as_many_units_as_they_say_and_leave_the_rest() -> None:
    harness = ShipmentHarness()

    harness.event(items=items(("sku-1", 2)))
    harness.order(*pieces("cancelled", READY, READY, READY))
    harness.carriers()
    harness.taken()
    harness.taken()

    assert harness.said == [(2, "CONFIRMED", None), (3, "CONFIRMED", None)]
    assert harness.last["units_open"] == [4]
    assert harness.kinds == []


def test_partial_deliveries_of_one_offer_never_choose_a_unit_twice_and_choose_the_same_again() -> None:
    harness = ShipmentHarness()
    first = harness.event(of=("T1",), items=items(("sku-1", 1)))
    second = harness.event(of=("T2",), items=items(("sku-1", 2)))
    harness.order(*pieces(READY, READY, READY))
    harness.restart()
    harness.carriers()
    while harness.wants:
        harness.taken()
    before = sorted((r["event_id"], r["order_unit_id"], r["result_id"]) for r in harness.results)

    harness.again(second)
    harness.again(first)

    assert [(event, number) for event, number, _ in before] == [("e0", 1), ("e1", 2), ("e1", 3)]
    assert {r["status"] for r in harness.results} == {"CONFIRMED"}
    assert sorted((r["event_id"], r["order_unit_id"], r["result_id"]) for r in harness.results[3:]) == before
    assert harness.kinds == []


def test_an_event_that_names_a_unit_keeps_it_from_one_that_chooses_in_the_same_reading() -> None:
    harness = ShipmentHarness()
    harness.event(of=("T1",), items=items(("sku-1", 1)), at=0)
    harness.event(1, of=("T2",), at=1)

    harness.order(*pieces(READY, READY))
    harness.carriers()
    while harness.wants:
        harness.taken()

    assert sorted((r["event_id"], r["order_unit_id"], r["status"]) for r in harness.results) == [
        ("e0", 2, "CONFIRMED"),
        ("e1", 1, "CONFIRMED"),
    ]


@pytest.mark.parametrize(
    ("of", "statuses", "status", "code"),
    [
        (items(("sku-1", 3)), (READY, READY), "NOT_FOUND", "ITEM_NOT_IN_ORDER"),
        (items(("sku-2", 1)), (READY, READY), "NOT_FOUND", "ITEM_NOT_IN_ORDER"),
        (items(("sku-1", 2)), (READY, "cancelled"), "REJECTED", "ITEMS_NOT_OPEN"),
        (items(("sku-1", 2)), ("cancelled", "received"), "REJECTED", "ITEMS_NOT_OPEN"),
        (items(("sku-1", 2)), (READY, "sent"), "REJECTED", "ITEMS_PARTLY_SENT"),
        (items(("sku-1", 1), ("sku-1", 1)), (READY, READY, "sent"), "REJECTED", "ITEMS_PARTLY_SENT"),
        (items(("sku-1", 2), ("sku-1", 1)), (READY, READY), "REJECTED", "ITEMS_NOT_OPEN"),
    ],
)
def test_items_that_the_order_lacks_confirm_nothing_and_say_so(
    of: tuple[ShippedItem, ...], statuses: tuple[str, ...], status: str, code: str
) -> None:
    harness = ShipmentHarness()

    harness.event(items=of)
    harness.order(*pieces(*statuses))

    assert harness.said == [(None, status, code)]
    assert harness.kinds == []


def test_an_ean_means_the_product_whatever_zeros_it_begins_with_and_an_offer_id_chooses_first() -> None:
    harness = ShipmentHarness()

    harness.event(items=(ShippedItem(ean="04006381333931"), ShippedItem(offer_id="sku-1")))
    harness.order(
        unit(1, offer_id="sku-1", eans=("4006381333931",)), unit(2, offer_id="sku-2", eans=("4006381333931",))
    )
    harness.carriers()
    harness.taken()
    harness.taken()

    assert [r["order_unit_id"] for r in harness.results] == [1, 2]


def test_an_event_whose_unit_was_taken_meanwhile_chooses_another_when_it_comes_again() -> None:
    harness = ShipmentHarness()
    failed = harness.event(items=items(("sku-1", 1)), parcels=(Parcel(carrier="snail", tracking_number="T1"),))
    harness.order(*pieces(READY, READY))
    harness.carriers()
    assert harness.said == [(1, "REJECTED", "CARRIER_UNKNOWN")]
    harness.event(1, of=("T2",))
    harness.taken()

    harness.restart(policy(aliases={"snail": "GLS"}))
    harness.again(failed)
    harness.order(*pieces("sent", READY))
    harness.carriers()
    harness.taken()

    assert harness.said[1:] == [(1, "CONFIRMED", None), (2, "CONFIRMED", None)]
    assert harness.lane.units[1].confirmed_by == failed.event_id


def test_a_corrected_event_chooses_what_one_that_failed_had_chosen_only_when_nothing_else_is_left() -> None:
    harness = ShipmentHarness()
    harness.event(items=items(("sku-1", 1)), parcels=(Parcel(carrier="snail", tracking_number="T1"),))
    harness.order(*pieces(READY, READY))
    harness.carriers()
    for number in ("T2", "T3"):
        harness.event(of=(number,), items=items(("sku-1", 1)))
        harness.order(*pieces(READY, "sent" if number == "T3" else READY))
        harness.taken()

    assert harness.said == [(1, "REJECTED", "CARRIER_UNKNOWN"), (2, "CONFIRMED", None), (1, "CONFIRMED", None)]


def test_one_event_id_with_two_contents_confirms_nothing_more() -> None:
    harness = ShipmentHarness()
    harness.event(event_id="same", of=("T1",), items=items(("sku-1", 1)))
    harness.order(*pieces(READY, READY))
    harness.carriers()
    harness.taken()

    harness.event(event_id="same", of=("T2",), items=items(("sku-1", 1)))

    assert harness.said == [(1, "CONFIRMED", None), (None, "REJECTED", "EVENT_ID_REUSED")]
    assert harness.kinds == []


# ---- memory ---------------------------------------------------------------------------------------------------------


def test_an_order_is_forgotten_some_weeks_after_its_last_change() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)
    stored = harness.flow.store(harness.lane)
    assert stored.value is not None
    assert harness.wake_at_us == harness.lane.updated_at_us + 45 * 86_400 * SECOND

    harness.pass_s(45 * 86_400 + 1)

    assert harness.flow.store(harness.lane).value is None
    assert (harness.wants, harness.wake_at_us) == ((), None)


def test_an_order_with_something_undone_is_not_forgotten() -> None:
    harness = ShipmentHarness(flow=flow_of(policy(keep_s=1, recheck_s=1000)))
    harness.event(1)
    harness.order(unit(1, "open"))

    harness.pass_s(10)

    assert harness.flow.store(harness.lane).undone


def test_a_turn_that_changes_nothing_leaves_the_very_same_lane() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)
    lane = harness.lane

    harness.now_us += SECOND
    harness.hear(Woken())

    assert harness.lane == lane


def test_a_state_that_is_none_of_ours_is_a_fault() -> None:
    with pytest.raises(ValueError, match="connector state forget X"):
        flow_of().load("X", b"nonsense")


def test_every_kind_has_a_group_and_a_call_of_its_own() -> None:
    flow = flow_of()

    assert {kind: flow.group(kind) for kind in ("send", "parcel", "carriers", "order", "order-unit")} == {
        "send": "shipments", "parcel": "shipments", "carriers": "shipments", "order": "orders", "order-unit": "orders",
    }  # fmt: skip
    assert flow.kind_limit("send") == 1
    assert list(flow.standing(0)) == []
    assert (flow.topic, flow.state_topic) == (TOPICS.shipments, TOPICS.shipment_state)
