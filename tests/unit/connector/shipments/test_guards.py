"""Events that are rejected before any call is made."""

from dataclasses import replace
from typing import Any

import pytest

from connector.shipments.events import Parcel, ShippedItem
from tests.harness.shipment_harness import SECOND, START_US, ShipmentHarness, flow_of, parcels, policy

NONE = Parcel(carrier="Other", no_tracking=True)
TWO = policy(accounts=frozenset({"main", "other"}))
OFF = policy(disabled=frozenset({"main"}))


@pytest.mark.parametrize(
    ("of", "said", "status", "code"),
    [
        (policy(), {"order_id": ""}, "REJECTED", "ORDER_ID_MISSING"),
        (policy(), {"key": "ANOTHER"}, "REJECTED", "KEY_CONTRADICTS_ORDER"),
        (policy(), {"occurred_at_us": START_US + 301 * SECOND}, "REJECTED", "EVENT_TIME_IN_FUTURE"),
        (policy(), {"record_time_us": START_US + 301 * SECOND}, "REJECTED", "EVENT_TIME_IN_FUTURE"),
        (policy(), {"occurred_at_us": START_US // 1000}, "REJECTED", "EVENT_TIME_UNIT_WRONG"),
        (policy(), {"record_time_us": -1000}, "REJECTED", "RECORD_TIME_INVALID"),
        (TWO, {}, "REJECTED", "ACCOUNT_MISSING"),
        (policy(), {"account": "nobody"}, "REJECTED", "ACCOUNT_UNKNOWN"),
        (OFF, {}, "SUPPRESSED", "SHIPMENTS_DISABLED"),
        (policy(), {"order_unit_ids": (1, 2, 1)}, "REJECTED", "ORDER_UNITS_REPEATED"),
        (policy(), {"parcels": ()}, "REJECTED", "PARCELS_MISSING"),
        (policy(), {"parcels": parcels("DHL:")}, "REJECTED", "TRACKING_NUMBER_MISSING"),
        (policy(), {"parcels": parcels("DHL: ")}, "REJECTED", "TRACKING_NUMBER_MISSING"),
        (policy(), {"parcels": parcels("DHL:1,2")}, "REJECTED", "TRACKING_NUMBER_INVALID"),
        (policy(), {"parcels": parcels("DHL:1\n2")}, "REJECTED", "TRACKING_NUMBER_INVALID"),
        (policy(), {"parcels": parcels("DHL:111;222")}, "REJECTED", "TRACKING_NUMBER_INVALID"),
        (policy(), {"parcels": parcels("DHL:111|222")}, "REJECTED", "TRACKING_NUMBER_INVALID"),
        (policy(), {"parcels": (*parcels("T1"), NONE)}, "REJECTED", "UNTRACKED_PARCEL_NOT_ALONE"),
        (policy(), {"parcels": (NONE, NONE)}, "REJECTED", "UNTRACKED_PARCEL_NOT_ALONE"),
        (policy(), {"parcels": (replace(NONE, tracking_number="1"),)}, "REJECTED", "TRACKING_NUMBER_CONTRADICTED"),
        (policy(), {"items": (ShippedItem(offer_id="sku-1"),)}, "REJECTED", "ITEMS_BESIDE_UNITS"),
    ],
)  # fmt: skip
def test_an_event_that_must_not_be_sent_is_rejected_for_each_unit_without_a_call(
    of: Any, said: dict[str, Any], status: str, code: str
) -> None:
    harness = ShipmentHarness(flow=flow_of(of))

    harness.event(1, 2, **said)

    assert harness.said == [(1, status, code), (2, status, code)]
    assert harness.kinds == []
    assert not harness.lane.undone


def test_an_event_that_names_no_unit_is_refused_with_one_row() -> None:
    harness = ShipmentHarness()

    harness.event(parcels=())

    assert harness.said == [(None, "REJECTED", "PARCELS_MISSING")]


@pytest.mark.parametrize(
    "item", [ShippedItem(), ShippedItem(offer_id=""), ShippedItem(ean="4006381333931", quantity=0)]
)
def test_an_item_that_cannot_be_matched_is_refused(item: ShippedItem) -> None:
    harness = ShipmentHarness()

    harness.event(items=(item,))

    assert harness.said == [(None, "REJECTED", "ITEM_INVALID")]


@pytest.mark.parametrize("number", ["1Z 999 AA1 01", "RR/123-4.5", "00340434161094042557"])
def test_a_number_with_spaces_or_slashes_in_it_is_one_number(number: str) -> None:
    harness = ShipmentHarness()

    harness.event(1, of=(number,))

    assert harness.said == []


def test_a_refused_event_that_comes_again_has_the_same_result() -> None:
    harness = ShipmentHarness()
    event = harness.event(1, parcels=())

    harness.again(event)

    assert harness.results[0]["result_id"] == harness.results[1]["result_id"]


@pytest.mark.parametrize("seconds", [299, 300])
def test_an_event_time_up_to_five_minutes_ahead_is_allowed(seconds: int) -> None:
    harness = ShipmentHarness()

    harness.event(1, occurred_at_us=START_US + seconds * SECOND)

    assert harness.kinds == ["order"]


def test_the_only_account_is_used_if_none_is_named() -> None:
    harness = ShipmentHarness()

    harness.event(1)

    assert [want.account for want in harness.wants] == ["main"]


def test_white_space_around_a_tracking_number_is_ignored() -> None:
    harness = ShipmentHarness()

    harness.ready(1, of=(" T1 ", "T1"))

    assert harness.wants[0].body.tracking_numbers == ("T1",)
