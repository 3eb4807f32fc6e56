"""Several parcels and several events of one order unit."""

from connector.marketplace.call_kinds import CallKind
from streams.flow import Draining, Woken
from tests.harness.shipment_harness import (
    ShipmentHarness,
    unit,
)


def test_parcels_of_the_first_carrier_go_with_the_send_and_the_others_follow() -> None:
    harness = ShipmentHarness()
    harness.ready(1, of=("T1", "GLS:T2", "dhl:T3"))

    assert harness.taken().body.tracking_numbers == ("T1", "T3")
    assert harness.said == []
    parcel = harness.want(CallKind.PARCEL)
    assert (parcel.body.tracking_number, parcel.body.carrier_code, parcel.once) == ("T2", "GLS", True)
    harness.taken(CallKind.PARCEL)

    assert harness.said == [(1, "CONFIRMED", None)]
    assert (harness.last["carrier_requested"], harness.last["carrier_code"]) == ("DHL, GLS, dhl", "DHL, GLS")
    assert (harness.last["call_ids"], harness.last["attempts"]) == (["c3", "c4"], 2)
    assert harness.last["answered_at"] == harness.now_us


def test_a_later_parcel_of_a_unit_that_we_sent_is_added() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)

    harness.event(1, of=("T1", "T2"))
    assert [want.body.tracking_number for want in harness.wants] == ["T2"]
    harness.taken(CallKind.PARCEL)

    assert harness.said == [(1, "PARCEL_ADDED", None)]


def test_an_older_event_that_comes_late_adds_its_parcels_as_well() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)

    harness.event(1, of=("T0",), at=-10)
    harness.taken(CallKind.PARCEL)

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
    harness.taken(CallKind.PARCEL)

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
    harness.taken(CallKind.PARCEL)

    assert [(r["event_id"], r["status"]) for r in harness.results] == [
        ("e1", "PARCEL_ADDED"),
        ("e2", "ALREADY_CONFIRMED"),
    ]


def test_a_lost_parcel_is_never_posted_again() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)
    event = harness.event(1, of=("T2",))

    harness.lose(CallKind.PARCEL)
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
    harness.taken(CallKind.PARCEL)

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

    harness.refuse(CallKind.PARCEL)
    assert [want.body.tracking_number for want in harness.wants] == ["T3"]
    harness.taken(CallKind.PARCEL)

    assert harness.said == [(1, "REJECTED", "PARCEL_REFUSED")]
    assert harness.last["message"] == "Order unit 1 is sent; the marketplace refused to add parcel T2: No."
    assert harness.last["units_open"] == []


def test_a_parcel_that_finds_no_unit_or_no_answer_in_time_ends_the_event() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)

    harness.event(1, of=("T2",))
    harness.gone(CallKind.PARCEL)
    harness.event(1, of=("T3",))
    harness.give_up(CallKind.PARCEL)

    assert harness.said == [(1, "NOT_FOUND", "ORDER_UNIT_NOT_FOUND"), (1, "FAILED", "GAVE_UP")]
