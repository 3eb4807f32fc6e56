"""The rules of the shipment flow, one after the other."""

from typing import Any

import pytest

from connector.contracts.released_orders import Released
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
    Depot,
    flow_of,
    policy,
    unit,
)

WHOLE_ORDERS = policy(require_units=False)
UNCONFIRMED = (None, "ALREADY_CONFIRMED", "SENT_BY_ANOTHER")


# ---- one unit, one parcel -------------------------------------------------------------------------------------------


def test_a_unit_is_confirmed_once_its_order_is_read() -> None:
    depot = Depot()

    depot.event(1)
    assert depot.kinds == ["order"]
    depot.order(unit(1), unit(2))
    depot.carriers()
    want = depot.taken()

    assert (want.slot, want.account, want.rank, want.since_us, want.once) == ("1/send/0", "main", 2, START_US, True)
    assert (want.body.carrier_code, want.body.tracking_numbers, want.body.event_ids) == ("DHL", ("T1",), ("e0",))
    assert depot.said == [(1, "CONFIRMED", None)]
    assert depot.kinds == []


def test_a_result_says_all_about_its_unit() -> None:
    depot = Depot()

    depot.event(2, of=("dhl:T1",))
    depot.order(unit(1), unit(2), unit(3, "open"), unit(4, "sent"))
    depot.carriers()
    depot.taken()

    assert depot.last | {"decided_at": 0} == {
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
    headers = dict(depot.outputs[-1].headers)
    assert headers["ce_type"] == b"kaufland.connector.ShipmentResult.v1"
    assert headers["instance_id"] == b"shop-0"
    assert depot.outputs[-1].key == ORDER.encode()


def test_a_trace_is_carried_on() -> None:
    depot = Depot()

    depot.event(1, traceparent="00-ab")
    depot.gone(Kind.ORDER)

    assert ("traceparent", b"00-ab") in depot.outputs[-1].headers


def test_each_unit_of_an_event_has_a_call_and_a_result_of_its_own() -> None:
    depot = Depot()

    depot.ready(1, 2, 3)
    assert sorted(want.slot for want in depot.wants) == ["1/send/0", "2/send/0", "3/send/0"]
    for _ in range(3):
        depot.taken()

    assert depot.said == [(1, "CONFIRMED", None), (2, "CONFIRMED", None), (3, "CONFIRMED", None)]
    assert [r["units_open"] for r in depot.results] == [[2, 3], [3], []]
    assert len({r["result_id"] for r in depot.results}) == 3


def test_every_call_of_a_unit_holds_its_key() -> None:
    depot = Depot()
    depot.ready(1)
    keys = [want.exclusive for want in depot.wants]

    depot.lose()
    keys += [want.exclusive for want in depot.wants]
    depot.shows("sent")
    depot.event(1, of=("T2",))
    keys += [want.exclusive for want in depot.wants]

    assert keys == [("order-unit:1",)] * 3


# ---- which units ----------------------------------------------------------------------------------------------------


def test_an_event_that_names_no_unit_means_those_still_to_be_sent_where_that_is_allowed() -> None:
    depot = Depot(flow=flow_of(WHOLE_ORDERS))

    depot.event()
    depot.order(unit(1), unit(2, "sent"), unit(3), unit(4, "cancelled"))
    depot.carriers()
    depot.taken()
    depot.taken()

    assert depot.said == [(1, "CONFIRMED", None), (3, "CONFIRMED", None)]


def test_an_event_that_says_nothing_of_its_units_is_refused_where_the_order_has_several() -> None:
    depot = Depot()

    depot.event()
    depot.order(unit(1), unit(2, "sent"), unit(3, "open"))

    assert depot.said == [(None, "REJECTED", "ORDER_UNITS_NOT_NAMED")]
    assert "1, 2, 3" in depot.last["message"]
    assert depot.kinds == []


@pytest.mark.parametrize("other", ["sent", "received", "cancelled"])
def test_an_event_that_says_nothing_of_its_units_does_not_mean_the_last_one_that_is_left(other: str) -> None:
    depot = Depot()

    depot.event()
    depot.order(unit(1, other), unit(2))

    assert depot.said == [(None, "REJECTED", "ORDER_UNITS_NOT_NAMED")]
    assert depot.kinds == []


def test_an_event_that_says_nothing_of_its_units_means_the_only_one_of_its_order() -> None:
    depot = Depot()

    depot.event()
    depot.order(unit(1))
    depot.carriers()
    depot.taken()

    assert depot.said == [(1, "CONFIRMED", None)]


def test_an_event_that_names_no_unit_leaves_out_what_another_has_taken_on_itself() -> None:
    depot = Depot(flow=flow_of(WHOLE_ORDERS))
    depot.event(1, of=("T1",))
    depot.order(unit(1, "open"), unit(2))
    depot.event(of=("T2",))

    depot.order(unit(1, "open"), unit(2))
    depot.carriers()
    depot.taken()

    assert depot.said == [(2, "CONFIRMED", None)]


def test_where_nothing_is_left_to_be_sent_each_unit_that_was_sent_says_so() -> None:
    depot = Depot()

    depot.event()
    depot.order(unit(1, "sent"), unit(2, "received"), unit(3, "cancelled"))

    code = "NOTHING_LEFT_TO_SEND"
    assert depot.said == [(1, "ALREADY_CONFIRMED", code), (2, "ALREADY_CONFIRMED", code)]
    assert depot.kinds == []


def test_where_nothing_is_left_no_parcel_is_added_to_what_we_sent() -> None:
    depot = Depot()
    depot.confirmed(1)

    depot.event(of=("T2",))
    depot.order(unit(1, "sent"))

    assert depot.said == [(1, "ALREADY_CONFIRMED", "NOTHING_LEFT_TO_SEND")]


def test_an_order_of_cancelled_units_is_refused() -> None:
    depot = Depot()

    depot.event()
    depot.order(unit(1, "cancelled"))

    assert depot.said == [(1, "REJECTED", "ORDER_UNIT_CANCELLED")]


def test_a_unit_of_another_order_is_never_sent() -> None:
    depot = Depot()

    depot.event(1, 9)
    depot.order(unit(1))
    depot.carriers()

    assert depot.said == [(9, "NOT_FOUND", "ORDER_UNIT_NOT_FOUND")]
    assert [want.body.order_unit_id for want in depot.wants] == [1]


@pytest.mark.parametrize(("units", "said"), [((), [None]), ((1, 2), [1, 2])])
def test_an_unknown_order_has_at_least_one_result(units: tuple[int, ...], said: list[int | None]) -> None:
    depot = Depot()

    depot.event(*units)
    depot.gone(Kind.ORDER)

    assert depot.said == [(each, "NOT_FOUND", "ORDER_NOT_FOUND") for each in said]


def test_an_order_without_units_is_not_found() -> None:
    depot = Depot()

    depot.event()
    depot.order()

    assert depot.said == [(None, "NOT_FOUND", "ORDER_NOT_FOUND")]


def test_what_the_answer_about_an_order_does_not_say_readably_fails() -> None:
    broken = Unreadable(where="orders/X", sha256="ab", fault="status: missing")
    depot = Depot()

    depot.event(1, 2)
    depot.order(unit(1), unreadable=broken)
    depot.carriers()

    assert depot.said == [(2, "FAILED", "ORDER_UNITS_UNREADABLE")]
    assert "status: missing (sha256 ab)" in depot.last["message"]
    depot.taken()
    depot.event()
    depot.order(unit(1, "sent"), unreadable=broken)
    assert depot.said[-1] == (None, "FAILED", "ORDER_UNITS_UNREADABLE")


def test_a_refused_or_failed_reading_of_the_order_fails() -> None:
    depot = Depot()

    depot.event(1)
    depot.refuse(Kind.ORDER)
    depot.event(1)
    depot.give_up(Kind.ORDER)

    assert depot.said == [(1, "FAILED", "ORDER_READ_REFUSED"), (1, "FAILED", "GAVE_UP")]
    assert depot.results[0]["marketplace"]["message"] == "No."


def test_a_lost_reading_is_made_again() -> None:
    depot = Depot()

    depot.event(1)
    depot.lose(Kind.ORDER)

    assert depot.kinds == ["order"]


def test_known_units_are_not_read_again() -> None:
    depot = Depot()
    depot.confirmed(1)

    depot.event(1, of=("T2",))

    assert depot.kinds == ["parcel"]


def test_an_order_read_under_another_account_is_read_again() -> None:
    two = policy(accounts=frozenset({"main", "other"}))
    depot = Depot(flow=flow_of(two))
    depot.event(1, account="main")
    depot.order(unit(1, "open"))

    depot.event(1, account="other")

    assert [(want.slot, want.account) for want in depot.wants] == [("order/other", "other")]


# ---- what the status says -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["sent", "received"])
def test_a_unit_that_was_sent_by_another_is_left_alone(status: str) -> None:
    depot = Depot()

    depot.event(1)
    depot.order(unit(1, status))

    assert depot.said == [(1, "ALREADY_CONFIRMED", "SENT_BY_ANOTHER")]
    assert status in depot.last["message"]
    assert depot.kinds == []


def test_a_cancelled_unit_is_refused() -> None:
    depot = Depot()

    depot.event(1)
    depot.order(unit(1, "cancelled"))

    assert depot.said == [(1, "REJECTED", "ORDER_UNIT_CANCELLED")]


def test_what_was_sent_by_another_gets_no_parcel_later_either() -> None:
    depot = Depot()
    depot.event(1)
    depot.order(unit(1, "sent"))

    depot.event(1, of=("T2",))

    assert depot.said[1:] == [(1, "ALREADY_CONFIRMED", "SENT_BY_ANOTHER")]
    assert depot.kinds == []


@pytest.mark.parametrize("status", ["open", "on_the_moon"])
def test_a_unit_that_is_not_ready_is_read_again_until_it_is(status: str) -> None:
    depot = Depot()
    depot.event(1)
    depot.order(unit(1, status))
    assert (depot.kinds, depot.said) == ([], [])

    depot.pass_s(60)
    poll = depot.want(Kind.ORDER_UNIT)
    assert (poll.rank, poll.since_us) == (7, START_US + 60 * SECOND + SECOND // 10)
    depot.shows(status)
    depot.pass_s(60)
    depot.shows("need_to_be_sent")
    depot.carriers()
    depot.taken()

    assert depot.said == [(1, "CONFIRMED", None)]


@pytest.mark.parametrize("status", ["open", "on_the_moon"])
def test_a_unit_that_never_gets_ready_is_waited_for_so_long(status: str) -> None:
    depot = Depot(flow=flow_of(policy(wait_open_s=100)))
    depot.event(1)
    depot.order(unit(1, status))

    depot.pass_s(60)
    depot.shows(status)
    depot.pass_s(39)
    assert depot.said == []
    depot.pass_s(1)

    assert depot.said == [(1, "WAITING_TOO_LONG", "ORDER_UNIT_OPEN")]
    assert status in depot.last["message"]


def test_a_unit_that_is_open_for_a_day_is_read_ever_more_seldom() -> None:
    depot = Depot()
    depot.event(1)
    depot.order(unit(1, "open"))
    gaps_s: list[float] = []
    read_us = depot.now_us

    while not depot.said:
        depot.pass_s(30)
        if depot.wants:
            gaps_s.append((depot.now_us - read_us) / SECOND)
            depot.shows("open")
            read_us = depot.now_us

    assert depot.said == [(1, "WAITING_TOO_LONG", "ORDER_UNIT_OPEN")]
    assert len(gaps_s) < 120
    assert gaps_s[0] == pytest.approx(60, abs=31)
    assert gaps_s == sorted(gaps_s) or max(abs(a - b) for a, b in zip(gaps_s, sorted(gaps_s), strict=True)) <= 30
    assert max(gaps_s) <= 931


def waits_for_an_hour(released: Released) -> Depot:
    """An event whose unit is still open, read ever more seldom."""
    depot = Depot(flow=flow_of(released=released))
    depot.event(1)
    depot.order(unit(1, "open"))
    while depot.now_us < START_US + 3600 * SECOND:
        depot.pass_s(60)
        if depot.wants:
            depot.shows("open")
    return depot


def test_a_unit_that_the_order_poll_sees_released_is_read_within_a_minute() -> None:
    released = Released()
    depot = waits_for_an_hour(released)

    released.note("main", ORDER, depot.now_us)
    depot.pass_s(60)
    depot.shows(READY)
    depot.carriers()
    depot.taken()

    assert depot.said == [(1, "CONFIRMED", None)]


def test_word_of_a_release_causes_one_reading_and_word_of_other_orders_none() -> None:
    released = Released()
    depot = waits_for_an_hour(released)

    released.note("main", "ANOTHER", depot.now_us)
    released.note("other", ORDER, depot.now_us)
    depot.pass_s(60)
    assert depot.kinds == []
    released.note("main", ORDER, depot.now_us)
    depot.pass_s(60)
    depot.shows("open")
    depot.pass_s(120)

    assert depot.kinds == []


def test_a_new_event_is_looked_after_as_soon_as_the_first_one_was() -> None:
    depot = Depot()
    depot.event(1)
    depot.order(unit(1, "open"))
    while depot.now_us < START_US + 6 * 3600 * SECOND:
        depot.pass_s(60)
        if depot.wants:
            depot.shows("open")

    depot.event(1, of=("T2",))
    depot.pass_s(60)

    assert depot.kinds == ["order-unit"]


def test_each_event_waits_since_it_arrived() -> None:
    depot = Depot(flow=flow_of(policy(wait_open_s=100, recheck_s=1000)))
    depot.event(1, at=5)
    depot.order(unit(1, "open"))
    depot.pass_s(50)
    depot.event(1, at=1)

    depot.pass_s(60)
    assert [(r["event_id"], r["status"]) for r in depot.results] == [("e0", "WAITING_TOO_LONG")]
    depot.pass_s(60)

    assert [r["event_id"] for r in depot.results] == ["e0", "e1"]


def test_a_unit_cancelled_while_it_waits_is_refused() -> None:
    depot = Depot()
    depot.event(1)
    depot.order(unit(1, "open"))

    depot.pass_s(60)
    depot.shows("cancelled")

    assert depot.said == [(1, "REJECTED", "ORDER_UNIT_CANCELLED")]


def test_a_poll_that_fails_is_only_made_later() -> None:
    depot = Depot()
    depot.event(1)
    depot.order(unit(1, "open"))

    depot.pass_s(60)
    depot.give_up(Kind.ORDER_UNIT)
    assert (depot.kinds, depot.said) == ([], [])
    depot.pass_s(60)
    depot.refuse(Kind.ORDER_UNIT)
    depot.pass_s(60)

    assert depot.kinds == ["order-unit"]


# ---- refusals are judged by the status ------------------------------------------------------------------------------


def test_a_refused_send_of_a_unit_still_to_be_sent_is_refused_in_the_marketplaces_words() -> None:
    depot = Depot()
    depot.ready(1)

    depot.refuse()
    assert depot.kinds == ["order-unit"]
    depot.shows("need_to_be_sent")

    assert depot.said == [(1, "REJECTED", "SEND_REFUSED")]
    assert depot.last["marketplace"] == {
        "http_status": 400, "type": "/problems/bad-request", "message": "No.", "errors": [],
    }  # fmt: skip
    assert depot.kinds == []


def test_a_refused_send_of_a_unit_that_was_sent_meanwhile_is_no_fault() -> None:
    depot = Depot()
    depot.ready(1)

    depot.refuse()
    depot.shows("sent")

    assert depot.said == [(1, "ALREADY_CONFIRMED", "SENT_BY_ANOTHER")]
    assert depot.last["marketplace"]["message"] == "No."


def test_a_refused_send_of_a_unit_that_is_not_ready_waits_and_is_sent_again() -> None:
    depot = Depot()
    depot.ready(1)

    depot.refuse()
    depot.shows("open")
    assert depot.kinds == []
    depot.pass_s(60)
    depot.shows("need_to_be_sent")
    depot.taken()

    assert depot.said == [(1, "CONFIRMED", None)]
    assert depot.last["attempts"] == 2
    assert depot.last["marketplace"] is None


def test_a_refused_send_of_a_cancelled_unit_is_refused() -> None:
    depot = Depot()
    depot.ready(1)

    depot.refuse()
    depot.shows("cancelled")

    assert depot.said == [(1, "REJECTED", "ORDER_UNIT_CANCELLED")]


@pytest.mark.parametrize("kind", [Kind.SEND, Kind.ORDER_UNIT])
def test_a_unit_that_is_gone_is_not_found(kind: Kind) -> None:
    depot = Depot()
    depot.ready(1)
    if kind is Kind.ORDER_UNIT:
        depot.refuse()

    depot.gone(kind)

    assert depot.said == [(1, "NOT_FOUND", "ORDER_UNIT_NOT_FOUND")]


def test_a_status_that_cannot_be_read_after_a_refusal_fails_the_event() -> None:
    depot = Depot()
    depot.ready(1, 2)

    depot.refuse()
    depot.give_up(Kind.ORDER_UNIT)
    depot.refuse()
    depot.settled(Kind.ORDER_UNIT, REFUSED)

    assert depot.said == [(1, "FAILED", "GAVE_UP"), (2, "FAILED", "ORDER_READ_REFUSED")]


# ---- lost answers ---------------------------------------------------------------------------------------------------


def test_a_lost_send_that_was_carried_out_is_confirmed_but_for_its_tracking() -> None:
    depot = Depot()
    depot.ready(1)

    depot.lose()
    assert depot.kinds == ["order-unit"]
    depot.shows("sent")

    assert depot.said == [(1, "CONFIRMED_TRACKING_UNVERIFIED", "TRACKING_UNVERIFIED")]
    assert depot.last["call_ids"] == ["c3"]


def test_a_lost_send_that_was_not_carried_out_is_sent_again() -> None:
    depot = Depot()
    depot.ready(1)

    depot.lose()
    depot.shows("need_to_be_sent")
    depot.taken()

    assert depot.said == [(1, "CONFIRMED", None)]


def test_a_lost_send_that_was_carried_out_late_is_confirmed_but_for_its_tracking() -> None:
    depot = Depot()
    depot.ready(1)

    depot.lose()
    depot.shows("need_to_be_sent")
    depot.refuse()
    depot.shows("sent")

    assert depot.said == [(1, "CONFIRMED_TRACKING_UNVERIFIED", "TRACKING_UNVERIFIED")]


def test_a_send_given_up_fails_and_is_made_again_when_it_is_read_again() -> None:
    depot = Depot()
    first = depot.ready(1)

    depot.give_up(Kind.SEND)
    depot.again(first)
    depot.taken()

    assert depot.said == [(1, "FAILED", "GAVE_UP"), (1, "CONFIRMED", None)]
    assert len({r["result_id"] for r in depot.results}) == 1


def test_a_send_that_a_killed_owner_announced_is_read_back_and_adopted() -> None:
    depot = Depot()
    depot.ready(1, of=("T1", "GLS:T2"))

    depot.restart(announced=[want.slot for want in depot.wants])
    assert depot.kinds == ["order-unit"]
    depot.shows("sent")
    depot.carriers()
    assert depot.want(Kind.PARCEL).body.tracking_number == "T2"
    depot.taken(Kind.PARCEL)

    assert depot.said == [(1, "CONFIRMED_TRACKING_UNVERIFIED", "TRACKING_UNVERIFIED")]


def test_a_send_that_a_killed_owner_announced_and_that_did_not_leave_is_made() -> None:
    depot = Depot()
    depot.ready(1)

    depot.restart(announced=[want.slot for want in depot.wants])
    depot.shows("need_to_be_sent")
    depot.carriers()
    depot.taken()

    assert depot.said == [(1, "CONFIRMED", None)]


def test_a_send_that_was_not_announced_cannot_have_left() -> None:
    depot = Depot()
    depot.ready(1)

    depot.restart()
    depot.carriers()
    depot.refuse()
    depot.shows("sent")

    assert depot.said == [(1, "ALREADY_CONFIRMED", "SENT_BY_ANOTHER")]


def test_the_same_tracking_number_stays_unverified_for_a_later_event() -> None:
    depot = Depot()
    depot.ready(1)
    depot.lose()
    depot.shows("sent")

    depot.event(1)

    assert depot.said[1:] == [(1, "CONFIRMED_TRACKING_UNVERIFIED", "TRACKING_UNVERIFIED")]
    assert depot.kinds == []


def test_an_answer_about_the_order_from_before_a_send_unsends_nothing() -> None:
    depot = Depot()
    depot.confirmed(1)
    depot.event(of=("T2",))

    depot.order(unit(1))

    assert depot.said == [(1, "ALREADY_CONFIRMED", "NOTHING_LEFT_TO_SEND")]


# ---- several parcels ------------------------------------------------------------------------------------------------


def test_parcels_of_the_first_carrier_go_with_the_send_and_the_others_follow() -> None:
    depot = Depot()
    depot.ready(1, of=("T1", "GLS:T2", "dhl:T3"))

    assert depot.taken().body.tracking_numbers == ("T1", "T3")
    assert depot.said == []
    parcel = depot.want(Kind.PARCEL)
    assert (parcel.body.tracking_number, parcel.body.carrier_code, parcel.once) == ("T2", "GLS", True)
    depot.taken(Kind.PARCEL)

    assert depot.said == [(1, "CONFIRMED", None)]
    assert (depot.last["carrier_requested"], depot.last["carrier_code"]) == ("DHL, GLS, dhl", "DHL, GLS")
    assert (depot.last["call_ids"], depot.last["attempts"]) == (["c3", "c4"], 2)


def test_a_later_parcel_of_a_unit_that_we_sent_is_added() -> None:
    depot = Depot()
    depot.confirmed(1)

    depot.event(1, of=("T1", "T2"))
    assert [want.body.tracking_number for want in depot.wants] == ["T2"]
    depot.taken(Kind.PARCEL)

    assert depot.said == [(1, "PARCEL_ADDED", None)]


def test_an_older_event_that_comes_late_adds_its_parcels_as_well() -> None:
    depot = Depot()
    depot.confirmed(1)

    depot.event(1, of=("T0",), at=-10)
    depot.taken(Kind.PARCEL)

    assert depot.said == [(1, "PARCEL_ADDED", None)]


def test_a_later_event_with_known_parcels_needs_no_call() -> None:
    depot = Depot()
    depot.confirmed(1, of=("T1", "T2"))

    depot.event(1, of=("T2",))

    assert depot.said == [(1, "ALREADY_CONFIRMED", None)]
    assert depot.kinds == []


def test_of_two_events_that_wait_the_older_one_sends_and_the_other_adds() -> None:
    depot = Depot()
    depot.event(1, of=("T2",), at=5)
    depot.event(1, of=("T1",), at=1)
    depot.order(unit(1))
    depot.carriers()

    assert depot.taken().body.tracking_numbers == ("T1",)
    depot.taken(Kind.PARCEL)

    assert [(r["event_id"], r["status"]) for r in depot.results] == [("e1", "CONFIRMED"), ("e0", "PARCEL_ADDED")]


def test_when_the_older_one_is_refused_the_other_sends() -> None:
    depot = Depot()
    depot.event(1, of=("T1",), at=1)
    depot.event(1, of=("T2",), at=5)
    depot.order(unit(1))
    depot.carriers()

    depot.refuse()
    depot.shows("need_to_be_sent")
    assert depot.taken().body.tracking_numbers == ("T2",)

    assert [(r["event_id"], r["status"]) for r in depot.results] == [("e0", "REJECTED"), ("e1", "CONFIRMED")]


def test_a_parcel_that_two_events_bring_is_posted_once() -> None:
    depot = Depot()
    depot.confirmed(1)
    depot.event(1, of=("T2",))
    depot.event(1, of=("T2",))

    assert depot.kinds == ["parcel"]
    depot.taken(Kind.PARCEL)

    assert [(r["event_id"], r["status"]) for r in depot.results] == [
        ("e1", "PARCEL_ADDED"),
        ("e2", "ALREADY_CONFIRMED"),
    ]


def test_a_lost_parcel_is_never_posted_again() -> None:
    depot = Depot()
    depot.confirmed(1)
    event = depot.event(1, of=("T2",))

    depot.lose(Kind.PARCEL)
    assert depot.said == [(1, "OUTCOME_UNKNOWN", "PARCEL_OUTCOME_UNKNOWN")]
    assert depot.kinds == []
    depot.again(event)
    depot.event(1, of=("T2",))

    assert depot.said[1:] == [(1, "OUTCOME_UNKNOWN", "PARCEL_OUTCOME_UNKNOWN")] * 2
    assert depot.kinds == []


def test_a_parcel_found_announced_is_never_posted_again() -> None:
    depot = Depot()
    depot.confirmed(1)
    depot.event(1, of=("T2", "T3"))
    left = next(want for want in depot.wants if want.body.tracking_number == "T2")

    depot.restart(announced={left.slot})
    depot.carriers()
    assert [want.body.tracking_number for want in depot.wants] == ["T3"]
    depot.taken(Kind.PARCEL)

    assert depot.said == [(1, "OUTCOME_UNKNOWN", "PARCEL_OUTCOME_UNKNOWN")]
    assert "T2" in depot.last["message"]
    assert "T3" not in depot.last["message"]


def test_draining_announces_nothing() -> None:
    depot = Depot()
    depot.ready(1)

    depot.hear(Draining())
    assert depot.kinds == []
    depot.hear(Woken())
    depot.taken()
    depot.event(1, of=("T2",))
    depot.hear(Draining())
    assert depot.kinds == []
    depot.hear(Woken())

    assert depot.kinds == ["parcel"]


def test_a_refused_parcel_leaves_the_unit_sent_and_the_others_go_on() -> None:
    depot = Depot()
    depot.confirmed(1)
    depot.event(1, of=("T2", "T3"))

    depot.refuse(Kind.PARCEL)
    assert [want.body.tracking_number for want in depot.wants] == ["T3"]
    depot.taken(Kind.PARCEL)

    assert depot.said == [(1, "REJECTED", "PARCEL_REFUSED")]
    assert depot.last["message"] == "Order unit 1 is sent; the marketplace refused to add parcel T2: No."
    assert depot.last["units_open"] == []


def test_a_parcel_that_finds_no_unit_or_no_answer_in_time_ends_the_event() -> None:
    depot = Depot()
    depot.confirmed(1)

    depot.event(1, of=("T2",))
    depot.gone(Kind.PARCEL)
    depot.event(1, of=("T3",))
    depot.give_up(Kind.PARCEL)

    assert depot.said == [(1, "NOT_FOUND", "ORDER_UNIT_NOT_FOUND"), (1, "FAILED", "GAVE_UP")]


# ---- repeats --------------------------------------------------------------------------------------------------------


def test_an_event_read_again_while_it_is_undone_is_absorbed() -> None:
    depot = Depot()
    event = depot.event(1)

    depot.again(event)
    depot.order(unit(1))
    depot.carriers()
    depot.again(event)
    depot.taken()

    assert depot.said == [(1, "CONFIRMED", None)]


def test_an_event_written_twice_is_one_event() -> None:
    depot = Depot()
    depot.event(1, at=0)
    depot.event(1, at=0, event_id="e0")

    depot.order(unit(1))
    depot.carriers()
    depot.taken()
    depot.event(1, at=0, event_id="e0")

    assert depot.said == [(1, "CONFIRMED", None)] * 2
    assert len({r["result_id"] for r in depot.results}) == 1
    assert {r["input_offset"] for r in depot.results} == {0}


def test_the_same_id_with_other_content_is_refused_once_something_was_done_for_it() -> None:
    depot = Depot()
    first = depot.confirmed(1)

    second = depot.event(1, of=("T2",), event_id="e0")
    depot.again(second)
    depot.again(first)

    refused = (1, "REJECTED", "EVENT_ID_REUSED")
    assert depot.said == [refused, refused, (1, "CONFIRMED", None)]
    assert depot.kinds == []


def test_the_same_id_with_other_content_is_refused_while_the_first_one_waits() -> None:
    depot = Depot()
    depot.event(1)
    depot.order(unit(1, "open"))

    depot.event(1, of=("T2",), event_id="e0")

    assert depot.said == [(1, "REJECTED", "EVENT_ID_REUSED")]


def test_an_event_that_came_to_nothing_is_corrected_under_its_own_id() -> None:
    depot = Depot()
    wrong = depot.event(1, of=("snail:T1",))
    depot.order(unit(1))
    depot.carriers()

    depot.event(1, of=("GLS:T2",), event_id=wrong.event_id)
    depot.taken()
    depot.again(wrong)

    assert depot.said == [
        (1, "REJECTED", "CARRIER_UNKNOWN"),
        (1, "CONFIRMED", None),
        (1, "REJECTED", "EVENT_ID_REUSED"),
    ]
    assert depot.kinds == []


def test_what_was_done_is_answered_again_without_a_call_by_a_new_owner_too() -> None:
    depot = Depot()
    events = [depot.confirmed(1)]
    events.append(depot.event(1, of=("T2",)))
    depot.taken(Kind.PARCEL)
    before = depot.results[-1]["result_id"]
    depot.flow = flow_of()

    for event in events:
        depot.again(event)
        assert depot.kinds == []

    assert [r["status"] for r in depot.results] == ["PARCEL_ADDED", "CONFIRMED", "PARCEL_ADDED"]
    assert depot.last["result_id"] == before
    assert depot.last["carrier_code"] == "DHL"


def test_an_event_without_units_means_the_same_units_when_it_comes_again() -> None:
    depot = Depot(flow=flow_of(WHOLE_ORDERS))
    event = depot.ready(1, 2, named=False)
    depot.taken()
    depot.taken()

    depot.again(event)

    assert depot.said == [(1, "CONFIRMED", None), (2, "CONFIRMED", None)] * 2
    assert depot.kinds == []


def test_what_failed_is_tried_again_when_it_is_read_again() -> None:
    depot = Depot()
    event = depot.event(1)
    depot.gone(Kind.ORDER)

    depot.again(event)
    depot.order(unit(1))
    depot.carriers()
    depot.taken()

    assert depot.said == [(1, "NOT_FOUND", "ORDER_NOT_FOUND"), (1, "CONFIRMED", None)]
    assert len({r["result_id"] for r in depot.results}) == 1


def test_an_event_older_than_memory_is_judged_by_what_its_units_have() -> None:
    depot = Depot()
    first = depot.confirmed(1)
    for _ in range(30):
        depot.event(1)

    depot.again(first)

    assert depot.last["status"] == "CONFIRMED"
    assert len(depot.lane.seen) == 20


# ---- switches -------------------------------------------------------------------------------------------------------


def test_a_dry_run_reads_and_sends_nothing() -> None:
    depot = Depot(flow=flow_of(policy(dry_run=True)))

    depot.ready(1, 2)

    assert depot.said == [(1, "DRY_RUN", "PARCELS_DRY_RUN"), (2, "DRY_RUN", "PARCELS_DRY_RUN")]
    assert depot.kinds == []


def test_a_dry_run_adds_no_parcel() -> None:
    depot = Depot()
    depot.confirmed(1)
    depot.event(1, of=("T2",))

    depot.restart(policy(dry_run=True))
    depot.carriers()

    assert depot.said == [(1, "DRY_RUN", "PARCELS_DRY_RUN")]


def test_an_account_switched_off_while_events_wait_suppresses_them() -> None:
    depot = Depot()
    depot.ready(1)

    depot.restart(policy(disabled=frozenset({"main"})))

    assert depot.said == [(1, "SUPPRESSED", "SHIPMENTS_DISABLED")]


def test_an_account_taken_away_while_events_wait_refuses_them() -> None:
    depot = Depot()
    depot.event()

    depot.restart(policy(accounts=frozenset({"other"})))

    assert depot.said == [(None, "REJECTED", "ACCOUNT_UNKNOWN")]
    assert depot.kinds == []


# ---- carriers -------------------------------------------------------------------------------------------------------


def test_the_carriers_are_read_once_for_many_lanes() -> None:
    flow = flow_of()
    first, second = Depot(flow=flow), Depot(flow=flow)
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


def _turn(depot: Depot, event: object) -> Depot:
    from streams.flow import Arrived

    depot.hear(Arrived(lane="ANOTHER", event=event))
    return depot


def test_another_lane_reads_the_carriers_when_the_first_does_not_come_back() -> None:
    flow = flow_of()
    first, second = Depot(flow=flow), Depot(flow=flow)
    second.lane = flow.load("ANOTHER", None)
    first.event(1)
    first.order(unit(1))
    _turn(second, second.make(1, key="ANOTHER", order_id="ANOTHER"))
    second.order(unit(1))

    second.pass_s(11)

    assert second.kinds == ["carriers"]


def test_carriers_that_cannot_be_read_fail_what_needs_them() -> None:
    depot = Depot()
    depot.event(1)
    depot.order(unit(1))
    depot.give_up(Kind.CARRIERS)
    depot.event(1)
    depot.refuse(Kind.CARRIERS)

    assert depot.said == [(1, "FAILED", "GAVE_UP"), (1, "FAILED", "CARRIERS_REFUSED")]


def test_the_table_is_read_again_after_a_day_and_the_old_one_holds_when_it_cannot_be() -> None:
    depot = Depot()
    depot.confirmed(1)
    depot.pass_s(86_400)

    depot.event(1, of=("T2",))
    assert depot.kinds == ["carriers"]
    depot.give_up(Kind.CARRIERS)

    assert depot.kinds == ["parcel"]


def test_an_unknown_name_renews_a_table_older_than_an_hour() -> None:
    depot = Depot()
    depot.confirmed(1)
    depot.pass_s(3600)

    depot.event(1, of=("Swift Snail:T2",))
    assert depot.kinds == ["carriers"]
    depot.carriers("DHL", "Other", "Swift Snail")

    assert depot.want(Kind.PARCEL).body.carrier_code == "Swift Snail"


def test_an_unknown_carrier_goes_as_other_where_that_is_allowed_and_the_result_says_so() -> None:
    depot = Depot(flow=flow_of(policy(unknown_carrier="Other")))
    event = depot.ready(1, of=("Swift Snail:T1",))

    assert depot.taken().body.carrier_code == "Other"
    depot.again(event)
    assert depot.said == [(1, "CONFIRMED", "CARRIER_SENT_AS_OTHER")] * 2
    assert depot.flow.sent_as_other() == {"main": 2}
    assert "Swift Snail" in depot.last["message"]
    assert (depot.last["carrier_requested"], depot.last["carrier_code"]) == ("Swift Snail", "Other")


def test_a_parcel_that_is_added_with_an_unknown_carrier_says_so_too() -> None:
    depot = Depot(flow=flow_of(policy(unknown_carrier="Other")))
    depot.confirmed(1)

    depot.event(1, of=("Swift Snail:T2",))
    depot.taken(Kind.PARCEL)

    assert depot.said == [(1, "PARCEL_ADDED", "CARRIER_SENT_AS_OTHER")]


@pytest.mark.parametrize("carrier", ["Other", " other ", "Own van"])
def test_a_carrier_that_is_meant_to_be_other_is_not_unknown(carrier: str) -> None:
    depot = Depot(flow=flow_of(policy(unknown_carrier="Other", aliases={"own VAN": "Other"})))

    depot.ready(1, of=(f"{carrier}:T1",))
    depot.taken()

    assert depot.said == [(1, "CONFIRMED", None)]


def test_an_unknown_carrier_is_refused_by_default() -> None:
    depot = Depot()
    depot.ready(1, of=("Swift Snail:T1",))

    assert depot.said == [(1, "REJECTED", "CARRIER_UNKNOWN")]


# ---- parcels without a tracking number ------------------------------------------------------------------------------

UNTRACKED = (Parcel(carrier="Other Hauler", no_tracking=True),)


def test_a_parcel_that_has_no_tracking_number_confirms_its_unit_where_its_carrier_allows_it() -> None:
    depot = Depot()

    event = depot.event(1, parcels=UNTRACKED)
    depot.order(unit(1))
    depot.carriers()
    sent = depot.taken()
    depot.again(event)

    assert (sent.body.carrier_code, sent.body.tracking_numbers) == ("Other Hauler", ())
    assert depot.said == [(1, "CONFIRMED", None)] * 2
    assert (depot.last["tracking_numbers"], depot.last["carrier_code"]) == ([], "Other Hauler")
    assert depot.kinds == []


def test_a_parcel_without_a_tracking_number_is_refused_where_its_carrier_needs_one() -> None:
    depot = Depot()

    depot.event(1, parcels=(Parcel(carrier="dhl", no_tracking=True),))
    depot.order(unit(1))
    depot.carriers()

    assert depot.said == [(1, "REJECTED", "TRACKING_NUMBER_REQUIRED")]
    assert "Other, Other Hauler" in depot.last["message"]


@pytest.mark.parametrize("code", ["DHL", "dhl "])
def test_which_carriers_need_no_tracking_number_is_a_setting(code: str) -> None:
    depot = Depot(flow=flow_of(policy(untracked_carriers=frozenset({code}))))

    depot.event(1, parcels=(Parcel(carrier="dhl", no_tracking=True),))
    depot.order(unit(1))
    depot.carriers()

    assert depot.taken().body.tracking_numbers == ()


def test_a_parcel_without_a_tracking_number_is_never_added_to_a_unit_that_is_sent() -> None:
    depot = Depot()
    depot.confirmed(1)

    depot.event(1, parcels=UNTRACKED)

    assert depot.said == [(1, "ALREADY_CONFIRMED", None)]
    assert depot.kinds == []


def test_a_send_without_a_tracking_number_whose_answer_is_lost_is_read_back_and_not_repeated() -> None:
    depot = Depot()
    depot.event(1, parcels=UNTRACKED)
    depot.order(unit(1))
    depot.carriers()

    depot.lose()
    depot.shows("sent")

    assert depot.said == [(1, "CONFIRMED_TRACKING_UNVERIFIED", "TRACKING_UNVERIFIED")]
    assert depot.kinds == []


# ---- items ----------------------------------------------------------------------------------------------------------


def pieces(*statuses: str, offer_id: str = "sku-1", eans: tuple[str, ...] = ("4006381333931",)) -> list[Any]:
    """Alike but for their numbers and statuses."""
    return [unit(number, status, offer_id=offer_id, eans=eans) for number, status in enumerate(statuses, 1)]


def items(*of: tuple[str, int]) -> tuple[ShippedItem, ...]:
    return tuple(ShippedItem(offer_id=offer_id, quantity=quantity) for offer_id, quantity in of)


READY = "need_to_be_sent"


def test_items_confirm_as_many_units_as_they_say_and_leave_the_rest() -> None:
    depot = Depot()

    depot.event(items=items(("sku-1", 2)))
    depot.order(*pieces("cancelled", READY, READY, READY))
    depot.carriers()
    depot.taken()
    depot.taken()

    assert depot.said == [(2, "CONFIRMED", None), (3, "CONFIRMED", None)]
    assert depot.last["units_open"] == [4]
    assert depot.kinds == []


def test_partial_deliveries_of_one_offer_never_choose_a_unit_twice_and_choose_the_same_again() -> None:
    depot = Depot()
    first = depot.event(of=("T1",), items=items(("sku-1", 1)))
    second = depot.event(of=("T2",), items=items(("sku-1", 2)))
    depot.order(*pieces(READY, READY, READY))
    depot.restart()
    depot.carriers()
    while depot.wants:
        depot.taken()
    before = sorted((r["event_id"], r["order_unit_id"], r["result_id"]) for r in depot.results)

    depot.again(second)
    depot.again(first)

    assert [(event, number) for event, number, _ in before] == [("e0", 1), ("e1", 2), ("e1", 3)]
    assert {r["status"] for r in depot.results} == {"CONFIRMED"}
    assert sorted((r["event_id"], r["order_unit_id"], r["result_id"]) for r in depot.results[3:]) == before
    assert depot.kinds == []


def test_an_event_that_names_a_unit_keeps_it_from_one_that_chooses_in_the_same_reading() -> None:
    depot = Depot()
    depot.event(of=("T1",), items=items(("sku-1", 1)), at=0)
    depot.event(1, of=("T2",), at=1)

    depot.order(*pieces(READY, READY))
    depot.carriers()
    while depot.wants:
        depot.taken()

    assert sorted((r["event_id"], r["order_unit_id"], r["status"]) for r in depot.results) == [
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
    depot = Depot()

    depot.event(items=of)
    depot.order(*pieces(*statuses))

    assert depot.said == [(None, status, code)]
    assert depot.kinds == []


def test_an_ean_means_the_product_whatever_zeros_it_begins_with_and_an_offer_id_chooses_first() -> None:
    depot = Depot()

    depot.event(items=(ShippedItem(ean="04006381333931"), ShippedItem(offer_id="sku-1")))
    depot.order(unit(1, offer_id="sku-1", eans=("4006381333931",)), unit(2, offer_id="sku-2", eans=("4006381333931",)))
    depot.carriers()
    depot.taken()
    depot.taken()

    assert [r["order_unit_id"] for r in depot.results] == [1, 2]


def test_an_event_whose_unit_was_taken_meanwhile_chooses_another_when_it_comes_again() -> None:
    depot = Depot()
    failed = depot.event(items=items(("sku-1", 1)), parcels=(Parcel(carrier="snail", tracking_number="T1"),))
    depot.order(*pieces(READY, READY))
    depot.carriers()
    assert depot.said == [(1, "REJECTED", "CARRIER_UNKNOWN")]
    depot.event(1, of=("T2",))
    depot.taken()

    depot.restart(policy(aliases={"snail": "GLS"}))
    depot.again(failed)
    depot.order(*pieces("sent", READY))
    depot.carriers()
    depot.taken()

    assert depot.said[1:] == [(1, "CONFIRMED", None), (2, "CONFIRMED", None)]
    assert depot.lane.units[1].confirmed_by == failed.event_id


def test_a_corrected_event_chooses_what_one_that_failed_had_chosen_only_when_nothing_else_is_left() -> None:
    depot = Depot()
    depot.event(items=items(("sku-1", 1)), parcels=(Parcel(carrier="snail", tracking_number="T1"),))
    depot.order(*pieces(READY, READY))
    depot.carriers()
    for number in ("T2", "T3"):
        depot.event(of=(number,), items=items(("sku-1", 1)))
        depot.order(*pieces(READY, "sent" if number == "T3" else READY))
        depot.taken()

    assert depot.said == [(1, "REJECTED", "CARRIER_UNKNOWN"), (2, "CONFIRMED", None), (1, "CONFIRMED", None)]


def test_one_event_id_with_two_contents_confirms_nothing_more() -> None:
    depot = Depot()
    depot.event(event_id="same", of=("T1",), items=items(("sku-1", 1)))
    depot.order(*pieces(READY, READY))
    depot.carriers()
    depot.taken()

    depot.event(event_id="same", of=("T2",), items=items(("sku-1", 1)))

    assert depot.said == [(1, "CONFIRMED", None), (None, "REJECTED", "EVENT_ID_REUSED")]
    assert depot.kinds == []


# ---- memory ---------------------------------------------------------------------------------------------------------


def test_an_order_is_forgotten_some_weeks_after_its_last_change() -> None:
    depot = Depot()
    depot.confirmed(1)
    stored = depot.flow.store(depot.lane)
    assert stored.value is not None
    assert depot.wake_at_us == depot.lane.updated_at_us + 45 * 86_400 * SECOND

    depot.pass_s(45 * 86_400 + 1)

    assert depot.flow.store(depot.lane).value is None
    assert (depot.wants, depot.wake_at_us) == ((), None)


def test_an_order_with_something_undone_is_not_forgotten() -> None:
    depot = Depot(flow=flow_of(policy(keep_s=1, recheck_s=1000)))
    depot.event(1)
    depot.order(unit(1, "open"))

    depot.pass_s(10)

    assert depot.flow.store(depot.lane).undone


def test_a_turn_that_changes_nothing_leaves_the_very_same_lane() -> None:
    depot = Depot()
    depot.confirmed(1)
    lane = depot.lane

    depot.now_us += SECOND
    depot.hear(Woken())

    assert depot.lane == lane


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
