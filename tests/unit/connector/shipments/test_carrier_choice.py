"""Carriers of parcels: the table is read once, names are matched; parcels without a tracking number."""

import pytest

from connector.marketplace.call_kinds import CallKind
from connector.shipments.events import Parcel
from tests.harness.shipment_harness import (
    ShipmentHarness,
    flow_of,
    policy,
    unit,
)

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


def test_another_lane_reads_the_carriers_when_the_first_gets_no_answer() -> None:
    flow = flow_of()
    first, second = ShipmentHarness(flow=flow), ShipmentHarness(flow=flow)
    second.lane = flow.load("ANOTHER", None)
    first.event(1)
    first.order(unit(1))
    _turn(second, second.make(1, key="ANOTHER", order_id="ANOTHER"))
    second.order(unit(1))

    second.pass_s(11)

    assert second.kinds == ["carriers"]


def test_events_that_need_unreadable_carriers_fail() -> None:
    harness = ShipmentHarness()
    harness.event(1)
    harness.order(unit(1))
    harness.give_up(CallKind.CARRIERS)
    harness.event(1)
    harness.refuse(CallKind.CARRIERS)

    assert harness.said == [(1, "FAILED", "GAVE_UP"), (1, "FAILED", "CARRIERS_REFUSED")]


def test_the_table_is_read_again_after_a_day_and_kept_if_that_fails() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)
    harness.pass_s(86_400)

    harness.event(1, of=("T2",))
    assert harness.kinds == ["carriers"]
    harness.give_up(CallKind.CARRIERS)

    assert harness.kinds == ["parcel"]


def test_an_unknown_name_renews_a_table_older_than_an_hour() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)
    harness.pass_s(3600)

    harness.event(1, of=("Swift Snail:T2",))
    assert harness.kinds == ["carriers"]
    harness.carriers("DHL", "Other", "Swift Snail")

    assert harness.want(CallKind.PARCEL).body.carrier_code == "Swift Snail"


def test_an_unknown_carrier_is_sent_as_other_if_configured_and_the_result_shows_it() -> None:
    harness = ShipmentHarness(flow=flow_of(policy(unknown_carrier="Other")))
    event = harness.ready(1, of=("Swift Snail:T1",))

    assert harness.taken().body.carrier_code == "Other"
    harness.again(event)
    assert harness.said == [(1, "CONFIRMED", "CARRIER_SENT_AS_OTHER")] * 2
    assert harness.flow.sent_as_other() == {"main": 2}
    assert "Swift Snail" in harness.last["message"]
    assert (harness.last["carrier_requested"], harness.last["carrier_code"]) == ("Swift Snail", "Other")


def test_a_parcel_added_with_an_unknown_carrier_is_reported_too() -> None:
    harness = ShipmentHarness(flow=flow_of(policy(unknown_carrier="Other")))
    harness.confirmed(1)

    harness.event(1, of=("Swift Snail:T2",))
    harness.taken(CallKind.PARCEL)

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


def test_a_parcel_without_a_tracking_number_confirms_its_unit_if_its_carrier_allows_it() -> None:
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
