"""Sends whose answer was lost: the unit is read, then the send counts as executed or is repeated."""

from connector.marketplace.call_kinds import CallKind
from tests.harness.shipment_harness import (
    ShipmentHarness,
    unit,
)


def test_an_executed_send_without_an_answer_is_confirmed_with_unverified_tracking() -> None:
    harness = ShipmentHarness()
    harness.ready(1)

    harness.lose()
    assert harness.kinds == ["order-unit"]
    harness.shows("sent")

    assert harness.said == [(1, "CONFIRMED_TRACKING_UNVERIFIED", "TRACKING_UNVERIFIED")]
    assert harness.last["call_ids"] == ["c3"]


def test_a_send_that_was_lost_and_not_executed_is_sent_again() -> None:
    harness = ShipmentHarness()
    harness.ready(1)

    harness.lose()
    harness.shows("need_to_be_sent")
    harness.taken()

    assert harness.said == [(1, "CONFIRMED", None)]


def test_a_send_executed_late_is_confirmed_with_unverified_tracking() -> None:
    harness = ShipmentHarness()
    harness.ready(1)

    harness.lose()
    harness.shows("need_to_be_sent")
    harness.refuse()
    harness.shows("sent")

    assert harness.said == [(1, "CONFIRMED_TRACKING_UNVERIFIED", "TRACKING_UNVERIFIED")]


def test_a_send_that_was_given_up_fails_and_is_repeated_in_a_replay() -> None:
    harness = ShipmentHarness()
    first = harness.ready(1)

    harness.give_up(CallKind.SEND)
    harness.again(first)
    harness.taken()

    assert harness.said == [(1, "FAILED", "GAVE_UP"), (1, "CONFIRMED", None)]
    assert len({r["result_id"] for r in harness.results}) == 1


def test_a_send_announced_by_a_killed_owner_is_read_back_and_adopted() -> None:
    harness = ShipmentHarness()
    harness.ready(1, of=("T1", "GLS:T2"))

    harness.restart(announced=[want.slot for want in harness.wants])
    assert harness.kinds == ["order-unit"]
    harness.shows("sent")
    harness.carriers()
    assert harness.want(CallKind.PARCEL).body.tracking_number == "T2"
    harness.taken(CallKind.PARCEL)

    assert harness.said == [(1, "CONFIRMED_TRACKING_UNVERIFIED", "TRACKING_UNVERIFIED")]


def test_a_send_announced_by_a_killed_owner_and_not_executed_is_made() -> None:
    harness = ShipmentHarness()
    harness.ready(1)

    harness.restart(announced=[want.slot for want in harness.wants])
    harness.shows("need_to_be_sent")
    harness.carriers()
    harness.taken()

    assert harness.said == [(1, "CONFIRMED", None)]


def test_a_send_that_was_not_announced_was_not_sent() -> None:
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


def test_an_order_answer_older_than_a_send_does_not_undo_it() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)
    harness.event(of=("T2",))

    harness.order(unit(1))

    assert harness.said == [(1, "ALREADY_CONFIRMED", "NOTHING_LEFT_TO_SEND")]
