"""How the status of an order unit decides the outcome of its events, also after a refused send."""

import pytest

from connector.contracts.released_orders import ReleasedOrders
from connector.marketplace.call_kinds import CallKind
from tests.harness.shipment_harness import (
    ORDER,
    REFUSED,
    SECOND,
    START_US,
    ShipmentHarness,
    flow_of,
    policy,
    unit,
)

# ---- by status ------------------------------------------------------------------------------------------------------


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


def test_a_unit_that_was_sent_by_another_never_gets_a_parcel() -> None:
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
    poll = harness.want(CallKind.ORDER_UNIT)
    assert (poll.priority, poll.since_us) == (7, START_US + 60 * SECOND + SECOND // 10)
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


def test_a_unit_that_stays_open_is_read_less_and_less_often() -> None:
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
    """Returns a harness with an event that has waited an hour for an open unit, which is read less and less often."""
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
    harness.shows("need_to_be_sent")
    harness.carriers()
    harness.taken()

    assert harness.said == [(1, "CONFIRMED", None)]


def test_a_noted_release_causes_one_read_and_those_of_other_orders_none() -> None:
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


def test_a_new_event_for_an_open_unit_is_checked_as_soon_as_the_first_one() -> None:
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


def test_a_failed_read_of_an_open_unit_is_only_delayed() -> None:
    harness = ShipmentHarness()
    harness.event(1)
    harness.order(unit(1, "open"))

    harness.pass_s(60)
    harness.give_up(CallKind.ORDER_UNIT)
    assert (harness.kinds, harness.said) == ([], [])
    harness.pass_s(60)
    harness.refuse(CallKind.ORDER_UNIT)
    harness.pass_s(60)

    assert harness.kinds == ["order-unit"]


# ---- refused sends, by status ---------------------------------------------------------------------------------------


def test_a_refused_send_of_an_unsent_unit_is_refused_with_the_marketplaces_message() -> None:
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


def test_a_refused_send_of_a_unit_that_was_sent_meanwhile_is_already_confirmed() -> None:
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


@pytest.mark.parametrize("kind", [CallKind.SEND, CallKind.ORDER_UNIT])
def test_a_unit_that_is_gone_is_not_found(kind: CallKind) -> None:
    harness = ShipmentHarness()
    harness.ready(1)
    if kind is CallKind.ORDER_UNIT:
        harness.refuse()

    harness.gone(kind)

    assert harness.said == [(1, "NOT_FOUND", "ORDER_UNIT_NOT_FOUND")]


def test_a_status_that_cannot_be_read_after_a_refusal_fails_the_event() -> None:
    harness = ShipmentHarness()
    harness.ready(1, 2)

    harness.refuse()
    harness.give_up(CallKind.ORDER_UNIT)
    harness.refuse()
    harness.settled(CallKind.ORDER_UNIT, REFUSED)

    assert harness.said == [(1, "FAILED", "GAVE_UP"), (2, "FAILED", "ORDER_READ_REFUSED")]
