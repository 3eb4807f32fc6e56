"""Events that come again: ignored while undone, answered again, accepted as corrections, or rejected."""

from connector.marketplace.call_kinds import CallKind
from tests.harness.shipment_harness import (
    ShipmentHarness,
    flow_of,
    policy,
    unit,
)

WHOLE_ORDERS = policy(require_units=False)


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


def test_an_event_without_effect_can_be_corrected_under_its_own_id() -> None:
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


def test_a_repeated_event_gets_its_result_without_a_call_from_a_new_owner_too() -> None:
    harness = ShipmentHarness()
    events = [harness.confirmed(1)]
    events.append(harness.event(1, of=("T2",)))
    harness.taken(CallKind.PARCEL)
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


def test_a_failed_shipment_is_tried_again_in_a_replay() -> None:
    harness = ShipmentHarness()
    event = harness.event(1)
    harness.gone(CallKind.ORDER)

    harness.again(event)
    harness.order(unit(1))
    harness.carriers()
    harness.taken()

    assert harness.said == [(1, "NOT_FOUND", "ORDER_NOT_FOUND"), (1, "CONFIRMED", None)]
    assert len({r["result_id"] for r in harness.results}) == 1


def test_an_event_no_longer_remembered_is_decided_by_its_units() -> None:
    harness = ShipmentHarness()
    first = harness.confirmed(1)
    for _ in range(30):
        harness.event(1)

    harness.again(first)

    assert harness.last["status"] == "CONFIRMED"
    assert len(harness.lane.seen) == 20
