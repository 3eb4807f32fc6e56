"""A piece is confirmed once, however often its parcel is told, and whatever the lane remembers of it."""

from dataclasses import replace
from typing import Any

import pytest

from connector.marketplace.orders import Kind, OrderUnitSummary
from connector.shipments.events import Parcel, ShipmentDispatched, ShippedItem
from tests.harness.shipment_harness import SECOND, Depot, flow_of, policy, unit

READY = "need_to_be_sent"
ONE = (ShippedItem(offer_id="sku-1", quantity=1),)
TWO = (ShippedItem(offer_id="sku-1", quantity=2),)
LETTER = (Parcel(carrier="Other", no_tracking=True),)


def pieces(*statuses: str) -> list[OrderUnitSummary]:
    return [unit(number, status, offer_id="sku-1") for number, status in enumerate(statuses, 1)]


def sent(depot: Depot) -> list[int]:
    return sorted(want.body.order_unit_id for want in depot.wants if want.kind == Kind.SEND)


def one_of_two(**said: Any) -> tuple[Depot, ShipmentDispatched]:
    """An event that names one of two pieces, carried out on unit 1."""
    depot = Depot()
    event = depot.event(**{"items": ONE, "of": ("T1",), **said})
    depot.order(*pieces(READY, READY))
    depot.carriers()
    depot.taken()
    assert depot.said == [(1, "CONFIRMED", None)]
    return depot, event


def lost(depot: Depot) -> None:
    """The state of the lane is gone."""
    depot.lane = depot.flow.load(depot.lane.order_id, None)
    depot.results.clear()


# ---- the same parcel, told again ------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [{"parcels": LETTER}, {}])
def test_an_event_that_comes_again_under_another_time_confirms_nothing_more(said: dict[str, Any]) -> None:
    depot, event = one_of_two(**said)

    depot.now_us += 60 * SECOND
    again = replace(event, occurred_at_us=event.occurred_at_us + SECOND, sequence=7, offset=depot.offset)
    depot.again(again)

    assert depot.kinds == []
    assert depot.said == [(1, "CONFIRMED", None)] * 2
    assert len({result["result_id"] for result in depot.results}) == 1


def test_an_event_that_comes_again_under_another_time_while_it_waits_is_absorbed() -> None:
    depot = Depot()
    event = depot.event(items=ONE)
    depot.order(*pieces("open", "open"))

    depot.again(replace(event, occurred_at_us=event.occurred_at_us + SECOND, offset=1))

    assert [undone.order_unit_ids for undone in depot.lane.undone] == [(1,)]
    assert depot.kinds == []


def test_a_parcel_that_is_told_under_another_event_id_confirms_nothing_more() -> None:
    depot, _ = one_of_two()

    depot.event(items=ONE, of=("T1",))
    depot.order(*pieces("sent", READY))

    assert depot.kinds == []
    assert depot.said[1:] == [(1, "ALREADY_CONFIRMED", None)]


def test_a_parcel_that_is_told_under_another_event_id_while_the_first_waits_has_the_same_piece() -> None:
    depot = Depot()
    depot.event(items=ONE, of=("T1",))
    depot.order(*pieces("open", "open"))
    depot.event(items=ONE, of=("T1",))
    depot.order(*pieces(READY, READY))
    depot.carriers()

    assert sent(depot) == [1]
    depot.taken()

    assert depot.said == [(1, "CONFIRMED", None), (1, "ALREADY_CONFIRMED", None)]
    assert depot.kinds == []


def test_a_parcel_that_named_its_unit_is_known_when_it_is_told_by_items() -> None:
    depot = Depot()
    depot.event(2, of=("T1",))
    depot.order(*pieces(READY, READY))
    depot.carriers()
    depot.taken()

    depot.event(items=ONE, of=("T1",))
    depot.order(*pieces(READY, "sent"))

    assert depot.kinds == []
    assert depot.said[1:] == [(2, "ALREADY_CONFIRMED", None)]


def test_a_parcel_that_holds_more_than_was_told_confirms_what_is_lacking() -> None:
    depot, _ = one_of_two()

    depot.event(items=TWO, of=("T1",))
    depot.order(*pieces("sent", READY))
    assert sent(depot) == [2]
    depot.taken()

    assert depot.said[1:] == [(1, "ALREADY_CONFIRMED", None), (2, "CONFIRMED", None)]


def test_an_event_that_failed_and_whose_parcel_was_sent_meanwhile_confirms_nothing_more() -> None:
    depot = Depot()
    failed = depot.event(items=ONE, of=("T1",))
    depot.order(*pieces(READY, READY))
    depot.carriers()
    depot.give_up(Kind.SEND)
    depot.event(items=ONE, of=("T1",))
    depot.order(*pieces(READY, READY))
    depot.taken()

    depot.again(failed)
    depot.order(*pieces(READY, "sent"))

    assert depot.kinds == []
    assert [(r["event_id"], r["order_unit_id"], r["status"]) for r in depot.results] == [
        ("e0", 1, "FAILED"),
        ("e1", 2, "CONFIRMED"),
        ("e0", 2, "ALREADY_CONFIRMED"),
    ]


@pytest.mark.parametrize("later_s", [0, 1])
def test_an_event_that_an_older_version_remembers_is_known_by_all_that_it_says_and_never_refused(later_s: int) -> None:
    depot = Depot()
    event = depot.confirmed(1)
    depot.lane = replace(depot.lane, seen=tuple(replace(one, content=None) for one in depot.lane.seen))

    depot.again(replace(event, occurred_at_us=event.occurred_at_us + later_s * SECOND, offset=depot.offset))

    assert depot.said == [(1, "CONFIRMED", None)]
    assert depot.last["input_offset"] == (depot.offset if later_s else event.offset)
    assert depot.kinds == []


# ---- pieces that somebody sent --------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [{"parcels": LETTER}, {}])
def test_after_a_lost_state_an_event_that_comes_again_confirms_nothing(said: dict[str, Any]) -> None:
    depot, event = one_of_two(**said)
    lost(depot)

    for _ in range(2):
        depot.again(event)
        if depot.wants:
            depot.order(*pieces("sent", READY))

    assert depot.kinds == []
    assert depot.said == [(1, "ALREADY_CONFIRMED", "SENT_BY_ANOTHER")] * 2
    assert "seller portal" in depot.last["advice"]


def test_after_a_lost_state_the_events_that_come_again_have_a_piece_each_and_the_next_one_confirms_its_own() -> None:
    depot, first = one_of_two()
    lost(depot)

    depot.again(first)
    depot.order(*pieces("sent", READY))
    depot.event(items=ONE, of=("T2",))
    depot.order(*pieces("sent", READY))
    depot.taken()

    assert depot.said == [(1, "ALREADY_CONFIRMED", "SENT_BY_ANOTHER"), (2, "CONFIRMED", None)]


def test_after_a_lost_state_a_parcel_under_another_event_id_has_the_same_piece() -> None:
    depot, first = one_of_two()
    lost(depot)

    depot.again(first)
    depot.order(*pieces("sent", READY))
    depot.event(items=ONE, of=("T1",))
    depot.order(*pieces("sent", READY))

    assert depot.kinds == []
    assert depot.said == [(1, "ALREADY_CONFIRMED", "SENT_BY_ANOTHER")] * 2


def test_after_a_lost_state_an_event_that_may_be_half_done_confirms_nothing_and_says_so() -> None:
    depot, _ = one_of_two()
    lost(depot)

    depot.event(items=TWO, of=("T1",))
    depot.order(*pieces("sent", READY))

    assert depot.kinds == []
    assert depot.said == [(None, "REJECTED", "ITEMS_PARTLY_SENT")]
    assert "(1 sent)" in depot.last["message"]
    assert "order_unit_ids" in depot.last["advice"]


def test_pieces_confirmed_in_the_portal_are_already_confirmed_for_items_as_for_named_units() -> None:
    said = []
    for named in (ONE, ()):
        depot = Depot()
        depot.event(*(() if named else (1,)), items=named)
        depot.order(*pieces("sent"))
        said.append(depot.said)

    assert said == [[(1, "ALREADY_CONFIRMED", "SENT_BY_ANOTHER")]] * 2


# ---- a choice that was not sent -------------------------------------------------------------------------------------


def test_a_piece_that_was_chosen_and_not_sent_gives_way_to_an_event_that_names_it() -> None:
    depot = Depot()
    depot.event(items=ONE, of=("T1",))
    depot.order(*pieces("open", "open"))

    depot.event(1, of=("T2",))
    depot.order(*pieces(READY, READY))
    depot.carriers()
    numbers = {want.body.order_unit_id: want.body.tracking_numbers for want in depot.wants}
    depot.taken()
    depot.taken()

    assert numbers == {1: ("T2",), 2: ("T1",)}
    assert sorted((r["event_id"], r["order_unit_id"], r["status"]) for r in depot.results) == [
        ("e0", 2, "CONFIRMED"),
        ("e1", 1, "CONFIRMED"),
    ]
    assert depot.kinds == []


def test_a_choice_whose_send_is_under_way_when_another_event_names_its_unit_keeps_it() -> None:
    depot = Depot()
    depot.event(items=ONE, of=("T1",))
    depot.order(*pieces(READY, READY))
    depot.carriers()
    under_way = depot.want(Kind.SEND)

    depot.event(1, of=("T2",))
    depot.wants = (under_way,)
    depot.taken()
    depot.order(*pieces("sent", READY))
    depot.taken(Kind.PARCEL)

    assert sorted((r["event_id"], r["order_unit_id"], r["status"]) for r in depot.results) == [
        ("e0", 1, "CONFIRMED"),
        ("e1", 1, "PARCEL_ADDED"),
    ]
    assert depot.kinds == []


def test_a_choice_given_up_whose_send_may_have_left_before_a_crash_is_read_back() -> None:
    depot = Depot()
    depot.event(items=ONE, of=("T1",))
    depot.order(*pieces(READY, READY))
    depot.carriers()
    announced = [depot.want(Kind.SEND).slot]
    depot.event(1, of=("T2",))

    depot.restart(announced=announced)
    assert depot.kinds == ["order", "order-unit"]
    depot.order(*pieces("sent", READY))
    depot.carriers()
    depot.taken(Kind.PARCEL)

    assert sorted((r["event_id"], r["order_unit_id"], r["status"]) for r in depot.results) == [
        ("e0", 1, "CONFIRMED_TRACKING_UNVERIFIED"),
        ("e1", 1, "PARCEL_ADDED"),
    ]


def test_a_chosen_piece_that_is_cancelled_before_it_was_sent_is_replaced_by_its_sister() -> None:
    depot = Depot()
    depot.event(items=ONE, of=("T1",))
    depot.order(*pieces("open", "open"))
    depot.pass_s(61)
    depot.shows("cancelled")

    assert depot.said == []
    depot.order(*pieces("cancelled", READY))
    depot.carriers()
    depot.taken()

    assert depot.said == [(2, "CONFIRMED", None)]


def test_a_chosen_piece_that_is_cancelled_and_has_no_sister_is_refused() -> None:
    depot = Depot()
    depot.event(items=ONE, of=("T1",))
    depot.order(*pieces("open"))
    depot.pass_s(61)
    depot.shows("cancelled")
    depot.order(*pieces("cancelled"))

    assert depot.said == [(None, "REJECTED", "ITEMS_NOT_OPEN")]
    assert "1 cancelled" in depot.last["message"]
    assert "stop a parcel" in depot.last["advice"]


def test_what_has_its_result_keeps_it_when_the_rest_is_chosen_anew() -> None:
    depot = Depot()
    depot.event(items=TWO, of=("T1",))
    depot.order(*pieces(READY, "open", READY))
    depot.carriers()
    depot.event(3, of=("T2",))  # names a unit of its own
    while sent(depot):
        depot.taken()
    before = list(depot.said)

    depot.pass_s(120)
    if depot.kinds == ["order-unit"]:
        depot.shows("cancelled")
        depot.order(*pieces("sent", "cancelled", "sent", READY))
        depot.taken()

    assert (1, "CONFIRMED", None) in before
    assert sorted((r["event_id"], r["order_unit_id"], r["status"]) for r in depot.results) == [
        ("e0", 1, "CONFIRMED"),
        ("e0", 4, "CONFIRMED"),
        ("e1", 3, "CONFIRMED"),
    ]
    assert depot.lane.seen[-1].order_unit_ids == (1, 4)


def test_whole_orders_are_confirmed_where_that_is_allowed_whatever_else_was_sent() -> None:
    depot = Depot(flow=flow_of(policy(require_units=False)))

    depot.event()
    depot.order(*pieces("sent", READY))
    depot.carriers()

    assert sent(depot) == [2]
