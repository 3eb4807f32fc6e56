"""The shipment flow with one unit and one parcel; switches; how long an order is remembered."""

import pytest

from connector.contracts.result_ids import result_id
from connector.controls.commands import ControlKind
from connector.marketplace.call_kinds import CallKind
from streams.flow import Woken
from tests.harness.commands import CommandDesk
from tests.harness.shipment_harness import (
    CLUSTER,
    ORDER,
    SECOND,
    START_US,
    TOPICS,
    ShipmentHarness,
    flow_of,
    policy,
    unit,
)

# ---- one unit, one parcel -------------------------------------------------------------------------------------------


def test_a_unit_is_confirmed_once_its_order_is_read() -> None:
    harness = ShipmentHarness()

    harness.event(1)
    assert harness.kinds == ["order"]
    harness.order(unit(1), unit(2))
    harness.carriers()
    want = harness.taken()

    assert (want.slot, want.account, want.priority, want.since_us, want.once) == ("1/send/0", "main", 2, START_US, True)
    assert (want.body.carrier_code, want.body.tracking_numbers, want.body.event_ids) == ("DHL", ("T1",), ("e0",))
    assert harness.said == [(1, "CONFIRMED", None)]
    assert harness.kinds == []


def test_a_result_has_all_fields_of_its_unit() -> None:
    harness = ShipmentHarness()

    harness.event(2, of=("dhl:T1",))
    harness.order(unit(1), unit(2), unit(3, "open"), unit(4, "sent"))
    harness.carriers()
    harness.taken()

    assert harness.last | {"decided_at": 0} == {
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
        "answered_at": harness.now_us,
    }
    headers = dict(harness.outputs[-1].headers)
    assert headers["ce_type"] == b"kaufland.connector.ShipmentResult.v1"
    assert headers["ce_id"] == f"{harness.last['result_id']}/{harness.last['decided_at']}".encode()
    assert headers["ce_subject"] == ORDER.encode()
    assert headers["instance_id"] == b"shop-0"
    assert harness.outputs[-1].key == ORDER.encode()


def test_stopped_writes_keep_confirmations_back_while_orders_are_read_until_they_are_resumed() -> None:
    desk = CommandDesk(now_us=START_US)
    harness = ShipmentHarness(flow_of(commands=desk))
    desk.give("stop-1", kind=ControlKind.STOP_WRITES)
    harness.event(1)
    harness.order(unit(1))
    harness.carriers()
    assert harness.kinds == []
    assert harness.said == []
    assert harness.wake_at_us is not None

    desk.release("stop-1")
    harness.hear(Woken())
    harness.taken()

    assert harness.said == [(1, "CONFIRMED", None)]


def test_a_hold_of_offers_does_not_keep_a_confirmation_back() -> None:
    desk = CommandDesk(now_us=START_US)
    harness = ShipmentHarness(flow_of(commands=desk))
    desk.give(kind=ControlKind.PAUSE, accounts=("main",))
    harness.event(1)
    harness.order(unit(1))
    harness.carriers()

    harness.taken()


def test_a_trace_is_carried_on() -> None:
    harness = ShipmentHarness()

    harness.event(1, traceparent="00-ab")
    harness.gone(CallKind.ORDER)

    assert ("traceparent", b"00-ab") in harness.outputs[-1].headers


def test_each_unit_of_an_event_has_a_call_and_a_result_of_its_own() -> None:
    harness = ShipmentHarness()

    harness.ready(1, 2, 3)
    assert sorted(want.slot for want in harness.wants) == ["1/send/0", "2/send/0", "3/send/0"]
    for _ in range(3):
        harness.taken()

    assert harness.said == [(1, "CONFIRMED", None), (2, "CONFIRMED", None), (3, "CONFIRMED", None)]
    assert [r["units_open"] for r in harness.results] == [[2, 3], [3], []]
    assert len({r["result_id"] for r in harness.results}) == 3


def test_every_call_of_a_unit_holds_its_key() -> None:
    harness = ShipmentHarness()
    harness.ready(1)
    keys = [want.exclusive for want in harness.wants]

    harness.lose()
    keys += [want.exclusive for want in harness.wants]
    harness.shows("sent")
    harness.event(1, of=("T2",))
    keys += [want.exclusive for want in harness.wants]

    assert keys == [("order-unit:1",)] * 3


# ---- switches -------------------------------------------------------------------------------------------------------


def test_a_dry_run_reads_and_sends_nothing() -> None:
    harness = ShipmentHarness(flow=flow_of(policy(dry_run=True)))

    harness.ready(1, 2)

    assert harness.said == [(1, "DRY_RUN", "PARCELS_DRY_RUN"), (2, "DRY_RUN", "PARCELS_DRY_RUN")]
    assert harness.kinds == []


def test_a_dry_run_adds_no_parcel() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)
    harness.event(1, of=("T2",))

    harness.restart(policy(dry_run=True))
    harness.carriers()

    assert harness.said == [(1, "DRY_RUN", "PARCELS_DRY_RUN")]


def test_an_account_switched_off_while_events_wait_suppresses_them() -> None:
    harness = ShipmentHarness()
    harness.ready(1)

    harness.restart(policy(disabled=frozenset({"main"})))

    assert harness.said == [(1, "SUPPRESSED", "SHIPMENTS_DISABLED")]


def test_an_account_taken_away_while_events_wait_refuses_them() -> None:
    harness = ShipmentHarness()
    harness.event()

    harness.restart(policy(accounts=frozenset({"other"})))

    assert harness.said == [(None, "REJECTED", "ACCOUNT_UNKNOWN")]
    assert harness.kinds == []


# ---- how long an order is remembered --------------------------------------------------------------------------------


def test_an_order_is_forgotten_some_weeks_after_its_last_change() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)
    stored = harness.flow.store(harness.lane)
    assert stored.value is not None
    assert harness.wake_at_us == harness.lane.updated_at_us + 45 * 86_400 * SECOND

    harness.pass_s(45 * 86_400 + 1)

    assert harness.flow.store(harness.lane).value is None
    assert (harness.wants, harness.wake_at_us) == ((), None)


def test_an_order_with_something_undone_is_not_forgotten() -> None:
    harness = ShipmentHarness(flow=flow_of(policy(keep_s=1, recheck_s=1000)))
    harness.event(1)
    harness.order(unit(1, "open"))

    harness.pass_s(10)

    assert harness.flow.store(harness.lane).undone


def test_a_turn_that_changes_nothing_leaves_the_very_same_lane() -> None:
    harness = ShipmentHarness()
    harness.confirmed(1)
    lane = harness.lane

    harness.now_us += SECOND
    harness.hear(Woken())

    assert harness.lane == lane


def test_a_foreign_state_is_an_error() -> None:
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
