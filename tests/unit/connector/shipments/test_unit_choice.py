"""Which order units an event means: those that it names, those that match its items, or the whole order."""

from typing import Any

import pytest

from connector.marketplace.call_kinds import CallKind
from connector.marketplace.orders import UnreadableRow
from connector.shipments.events import Parcel, ShippedItem
from tests.harness.shipment_harness import (
    ShipmentHarness,
    flow_of,
    policy,
    unit,
)

WHOLE_ORDERS = policy(require_units=False)


# ---- which units ----------------------------------------------------------------------------------------------------


def test_an_event_that_names_no_unit_means_those_still_to_be_sent_where_that_is_allowed() -> None:
    harness = ShipmentHarness(flow=flow_of(WHOLE_ORDERS))

    harness.event()
    harness.order(unit(1), unit(2, "sent"), unit(3), unit(4, "cancelled"))
    harness.carriers()
    harness.taken()
    harness.taken()

    assert harness.said == [(1, "CONFIRMED", None), (3, "CONFIRMED", None)]


def test_an_event_without_units_is_rejected_if_the_order_has_several() -> None:
    harness = ShipmentHarness()

    harness.event()
    harness.order(unit(1), unit(2, "sent"), unit(3, "open"))

    assert harness.said == [(None, "REJECTED", "ORDER_UNITS_NOT_NAMED")]
    assert "1, 2, 3" in harness.last["message"]
    assert harness.kinds == []


@pytest.mark.parametrize("other", ["sent", "received", "cancelled"])
def test_an_event_without_units_does_not_mean_the_last_open_unit(other: str) -> None:
    harness = ShipmentHarness()

    harness.event()
    harness.order(unit(1, other), unit(2))

    assert harness.said == [(None, "REJECTED", "ORDER_UNITS_NOT_NAMED")]
    assert harness.kinds == []


def test_an_event_without_units_means_the_only_unit_of_its_order() -> None:
    harness = ShipmentHarness()

    harness.event()
    harness.order(unit(1))
    harness.carriers()
    harness.taken()

    assert harness.said == [(1, "CONFIRMED", None)]


def test_an_event_without_units_leaves_out_units_of_other_events() -> None:
    harness = ShipmentHarness(flow=flow_of(WHOLE_ORDERS))
    harness.event(1, of=("T1",))
    harness.order(unit(1, "open"), unit(2))
    harness.event(of=("T2",))

    harness.order(unit(1, "open"), unit(2))
    harness.carriers()
    harness.taken()

    assert harness.said == [(2, "CONFIRMED", None)]


def test_an_event_without_open_units_has_a_result_for_each_sent_unit() -> None:
    harness = ShipmentHarness()

    harness.event()
    harness.order(unit(1, "sent"), unit(2, "received"), unit(3, "cancelled"))

    code = "NOTHING_LEFT_TO_SEND"
    assert harness.said == [(1, "ALREADY_CONFIRMED", code), (2, "ALREADY_CONFIRMED", code)]
    assert harness.kinds == []


def test_an_event_without_open_units_adds_no_parcel() -> None:
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
    harness.gone(CallKind.ORDER)

    assert harness.said == [(each, "NOT_FOUND", "ORDER_NOT_FOUND") for each in said]


def test_an_order_without_units_is_not_found() -> None:
    harness = ShipmentHarness()

    harness.event()
    harness.order()

    assert harness.said == [(None, "NOT_FOUND", "ORDER_NOT_FOUND")]


def test_an_unreadable_order_fails_its_events() -> None:
    broken = UnreadableRow(where="orders/X", sha256="ab", fault="status: missing")
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
    harness.refuse(CallKind.ORDER)
    harness.event(1)
    harness.give_up(CallKind.ORDER)

    assert harness.said == [(1, "FAILED", "ORDER_READ_REFUSED"), (1, "FAILED", "GAVE_UP")]
    assert harness.results[0]["marketplace"]["message"] == "No."


def test_a_lost_reading_is_made_again() -> None:
    harness = ShipmentHarness()

    harness.event(1)
    harness.lose(CallKind.ORDER)

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


# ---- items ----------------------------------------------------------------------------------------------------------


def pieces(*statuses: str, offer_id: str = "sku-1", eans: tuple[str, ...] = ("4006381333931",)) -> list[Any]:
    """Returns units that differ only in their ids and statuses."""
    return [unit(number, status, offer_id=offer_id, eans=eans) for number, status in enumerate(statuses, 1)]


def items(*of: tuple[str, int]) -> tuple[ShippedItem, ...]:
    return tuple(ShippedItem(offer_id=offer_id, quantity=quantity) for offer_id, quantity in of)


READY = "need_to_be_sent"


def test_items_confirm_as_many_units_as_their_quantity() -> None:
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
def test_items_that_the_order_lacks_confirm_nothing_and_are_reported(
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
