"""Events with items: a parcel confirms each of its pieces once, however many events report it."""

from dataclasses import replace
from typing import Any

import pytest

from connector.marketplace.call_kinds import CallKind
from connector.marketplace.orders import OrderUnitSummary
from connector.shipments.events import Parcel, ShipmentDispatched, ShippedItem
from tests.harness.shipment_harness import SECOND, ShipmentHarness, flow_of, policy, unit

READY = "need_to_be_sent"
ONE = (ShippedItem(offer_id="sku-1", quantity=1),)
TWO = (ShippedItem(offer_id="sku-1", quantity=2),)
LETTER = (Parcel(carrier="Other", no_tracking=True),)


def pieces(*statuses: str) -> list[OrderUnitSummary]:
    return [unit(number, status, offer_id="sku-1") for number, status in enumerate(statuses, 1)]


def sent(harness: ShipmentHarness) -> list[int]:
    return sorted(want.body.order_unit_id for want in harness.wants if want.kind == CallKind.SEND)


def one_of_two(**said: Any) -> tuple[ShipmentHarness, ShipmentDispatched]:
    """Returns an event for one of two pieces, after unit 1 was sent for it."""
    harness = ShipmentHarness()
    event = harness.event(**{"items": ONE, "of": ("T1",), **said})
    harness.order(*pieces(READY, READY))
    harness.carriers()
    harness.taken()
    assert harness.said == [(1, "CONFIRMED", None)]
    return harness, event


def lost(harness: ShipmentHarness) -> None:
    """Has the lane lose its stored state."""
    harness.lane = harness.flow.load(harness.lane.order_id, None)
    harness.results.clear()


# ---- the same parcel, reported again --------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [{"parcels": LETTER}, {}])
def test_an_event_that_comes_again_under_another_time_confirms_nothing_more(said: dict[str, Any]) -> None:
    harness, event = one_of_two(**said)

    harness.now_us += 60 * SECOND
    again = replace(event, occurred_at_us=event.occurred_at_us + SECOND, sequence=7, offset=harness.offset)
    harness.again(again)

    assert harness.kinds == []
    assert harness.said == [(1, "CONFIRMED", None)] * 2
    assert len({result["result_id"] for result in harness.results}) == 1


def test_an_event_that_comes_again_under_another_time_while_it_waits_is_absorbed() -> None:
    harness = ShipmentHarness()
    event = harness.event(items=ONE)
    harness.order(*pieces("open", "open"))

    harness.again(replace(event, occurred_at_us=event.occurred_at_us + SECOND, offset=1))

    assert [undone.order_unit_ids for undone in harness.lane.undone] == [(1,)]
    assert harness.kinds == []


def test_a_parcel_repeated_under_another_event_id_confirms_nothing_more() -> None:
    harness, _ = one_of_two()

    harness.event(items=ONE, of=("T1",))
    harness.order(*pieces("sent", READY))

    assert harness.kinds == []
    assert harness.said[1:] == [(1, "ALREADY_CONFIRMED", None)]


def test_a_parcel_repeated_under_another_event_id_while_the_first_waits_has_the_same_unit() -> None:
    harness = ShipmentHarness()
    harness.event(items=ONE, of=("T1",))
    harness.order(*pieces("open", "open"))
    harness.event(items=ONE, of=("T1",))
    harness.order(*pieces(READY, READY))
    harness.carriers()

    assert sent(harness) == [1]
    harness.taken()

    assert harness.said == [(1, "CONFIRMED", None), (1, "ALREADY_CONFIRMED", None)]
    assert harness.kinds == []


def test_a_parcel_sent_by_unit_is_recognized_when_it_is_repeated_by_items() -> None:
    harness = ShipmentHarness()
    harness.event(2, of=("T1",))
    harness.order(*pieces(READY, READY))
    harness.carriers()
    harness.taken()

    harness.event(items=ONE, of=("T1",))
    harness.order(*pieces(READY, "sent"))

    assert harness.kinds == []
    assert harness.said[1:] == [(2, "ALREADY_CONFIRMED", None)]


def test_a_parcel_repeated_with_more_items_confirms_the_additional_ones() -> None:
    harness, _ = one_of_two()

    harness.event(items=TWO, of=("T1",))
    harness.order(*pieces("sent", READY))
    assert sent(harness) == [2]
    harness.taken()

    assert harness.said[1:] == [(1, "ALREADY_CONFIRMED", None), (2, "CONFIRMED", None)]


def test_an_event_that_failed_and_whose_parcel_was_sent_meanwhile_confirms_nothing_more() -> None:
    harness = ShipmentHarness()
    failed = harness.event(items=ONE, of=("T1",))
    harness.order(*pieces(READY, READY))
    harness.carriers()
    harness.give_up(CallKind.SEND)
    harness.event(items=ONE, of=("T1",))
    harness.order(*pieces(READY, READY))
    harness.taken()

    harness.again(failed)
    harness.order(*pieces(READY, "sent"))

    assert harness.kinds == []
    assert [(r["event_id"], r["order_unit_id"], r["status"]) for r in harness.results] == [
        ("e0", 1, "FAILED"),
        ("e1", 2, "CONFIRMED"),
        ("e0", 2, "ALREADY_CONFIRMED"),
    ]


@pytest.mark.parametrize("later_s", [0, 1])
def test_an_event_remembered_by_an_older_version_is_recognized_by_its_whole_content(later_s: int) -> None:
    harness = ShipmentHarness()
    event = harness.confirmed(1)
    harness.lane = replace(harness.lane, seen=tuple(replace(one, content=None) for one in harness.lane.seen))

    harness.again(replace(event, occurred_at_us=event.occurred_at_us + later_s * SECOND, offset=harness.offset))

    assert harness.said == [(1, "CONFIRMED", None)]
    assert harness.last["input_offset"] == (harness.offset if later_s else event.offset)
    assert harness.kinds == []


# ---- pieces that were sent by another -------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [{"parcels": LETTER}, {}])
def test_after_a_lost_state_an_event_that_comes_again_confirms_nothing(said: dict[str, Any]) -> None:
    harness, event = one_of_two(**said)
    lost(harness)

    for _ in range(2):
        harness.again(event)
        if harness.wants:
            harness.order(*pieces("sent", READY))

    assert harness.kinds == []
    assert harness.said == [(1, "ALREADY_CONFIRMED", "SENT_BY_ANOTHER")] * 2
    assert "seller portal" in harness.last["advice"]


def test_after_a_lost_state_repeated_events_have_one_unit_each_and_the_next_event_its_own() -> None:
    harness, first = one_of_two()
    lost(harness)

    harness.again(first)
    harness.order(*pieces("sent", READY))
    harness.event(items=ONE, of=("T2",))
    harness.order(*pieces("sent", READY))
    harness.taken()

    assert harness.said == [(1, "ALREADY_CONFIRMED", "SENT_BY_ANOTHER"), (2, "CONFIRMED", None)]


def test_after_a_lost_state_a_parcel_under_another_event_id_has_the_same_piece() -> None:
    harness, first = one_of_two()
    lost(harness)

    harness.again(first)
    harness.order(*pieces("sent", READY))
    harness.event(items=ONE, of=("T1",))
    harness.order(*pieces("sent", READY))

    assert harness.kinds == []
    assert harness.said == [(1, "ALREADY_CONFIRMED", "SENT_BY_ANOTHER")] * 2


def test_after_a_lost_state_an_event_that_may_be_partly_done_confirms_nothing_and_is_reported() -> None:
    harness, _ = one_of_two()
    lost(harness)

    harness.event(items=TWO, of=("T1",))
    harness.order(*pieces("sent", READY))

    assert harness.kinds == []
    assert harness.said == [(None, "REJECTED", "ITEMS_PARTLY_SENT")]
    assert "(1 sent)" in harness.last["message"]
    assert "order_unit_ids" in harness.last["advice"]


def test_pieces_confirmed_in_the_portal_are_already_confirmed_for_items_as_for_named_units() -> None:
    said = []
    for named in (ONE, ()):
        harness = ShipmentHarness()
        harness.event(*(() if named else (1,)), items=named)
        harness.order(*pieces("sent"))
        said.append(harness.said)

    assert said == [[(1, "ALREADY_CONFIRMED", "SENT_BY_ANOTHER")]] * 2


# ---- chosen units that were not sent --------------------------------------------------------------------------------


def test_a_piece_that_was_chosen_and_not_sent_gives_way_to_an_event_that_names_it() -> None:
    harness = ShipmentHarness()
    harness.event(items=ONE, of=("T1",))
    harness.order(*pieces("open", "open"))

    harness.event(1, of=("T2",))
    harness.order(*pieces(READY, READY))
    harness.carriers()
    numbers = {want.body.order_unit_id: want.body.tracking_numbers for want in harness.wants}
    harness.taken()
    harness.taken()

    assert numbers == {1: ("T2",), 2: ("T1",)}
    assert sorted((r["event_id"], r["order_unit_id"], r["status"]) for r in harness.results) == [
        ("e0", 2, "CONFIRMED"),
        ("e1", 1, "CONFIRMED"),
    ]
    assert harness.kinds == []


def test_a_choice_whose_send_is_under_way_when_another_event_names_its_unit_keeps_it() -> None:
    harness = ShipmentHarness()
    harness.event(items=ONE, of=("T1",))
    harness.order(*pieces(READY, READY))
    harness.carriers()
    under_way = harness.want(CallKind.SEND)

    harness.event(1, of=("T2",))
    harness.wants = (under_way,)
    harness.taken()
    harness.order(*pieces("sent", READY))
    harness.taken(CallKind.PARCEL)

    assert sorted((r["event_id"], r["order_unit_id"], r["status"]) for r in harness.results) == [
        ("e0", 1, "CONFIRMED"),
        ("e1", 1, "PARCEL_ADDED"),
    ]
    assert harness.kinds == []


def test_a_choice_given_up_whose_send_may_have_left_before_a_crash_is_read_back() -> None:
    harness = ShipmentHarness()
    harness.event(items=ONE, of=("T1",))
    harness.order(*pieces(READY, READY))
    harness.carriers()
    announced = [harness.want(CallKind.SEND).slot]
    harness.event(1, of=("T2",))

    harness.restart(announced=announced)
    assert harness.kinds == ["order", "order-unit"]
    harness.order(*pieces("sent", READY))
    harness.carriers()
    harness.taken(CallKind.PARCEL)

    assert sorted((r["event_id"], r["order_unit_id"], r["status"]) for r in harness.results) == [
        ("e0", 1, "CONFIRMED_TRACKING_UNVERIFIED"),
        ("e1", 1, "PARCEL_ADDED"),
    ]


def test_a_chosen_unit_that_is_cancelled_before_it_was_sent_is_replaced_by_an_equal_one() -> None:
    harness = ShipmentHarness()
    harness.event(items=ONE, of=("T1",))
    harness.order(*pieces("open", "open"))
    harness.pass_s(61)
    harness.shows("cancelled")

    assert harness.said == []
    harness.order(*pieces("cancelled", READY))
    harness.carriers()
    harness.taken()

    assert harness.said == [(2, "CONFIRMED", None)]


def test_a_chosen_unit_that_is_cancelled_without_an_equal_one_is_refused() -> None:
    harness = ShipmentHarness()
    harness.event(items=ONE, of=("T1",))
    harness.order(*pieces("open"))
    harness.pass_s(61)
    harness.shows("cancelled")
    harness.order(*pieces("cancelled"))

    assert harness.said == [(None, "REJECTED", "ITEMS_NOT_OPEN")]
    assert "1 cancelled" in harness.last["message"]
    assert "Stop a parcel" in harness.last["advice"]


def test_units_with_a_result_stay_chosen_when_the_others_are_chosen_again() -> None:
    harness = ShipmentHarness()
    harness.event(items=TWO, of=("T1",))
    harness.order(*pieces(READY, "open", READY))
    harness.carriers()
    harness.event(3, of=("T2",))  # an event that names a unit, with another parcel
    while sent(harness):
        harness.taken()
    before = list(harness.said)

    harness.pass_s(120)
    if harness.kinds == ["order-unit"]:
        harness.shows("cancelled")
        harness.order(*pieces("sent", "cancelled", "sent", READY))
        harness.taken()

    assert (1, "CONFIRMED", None) in before
    assert sorted((r["event_id"], r["order_unit_id"], r["status"]) for r in harness.results) == [
        ("e0", 1, "CONFIRMED"),
        ("e0", 4, "CONFIRMED"),
        ("e1", 3, "CONFIRMED"),
    ]
    assert harness.lane.seen[-1].order_unit_ids == (1, 4)


def test_whole_orders_are_confirmed_where_that_is_allowed_whatever_else_was_sent() -> None:
    harness = ShipmentHarness(flow=flow_of(policy(require_units=False)))

    harness.event()
    harness.order(*pieces("sent", READY))
    harness.carriers()

    assert sent(harness) == [2]
