"""Shipments: each order unit is confirmed once, despite duplicate, late or wrong events and killed processes."""

import random
import time
from collections.abc import Iterable
from typing import Any

from simulator.exchange import Endpoint
from simulator.journal import Journal
from tests.faults import shipments
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.shipments import ALIASES, Warehouse

EVENTS = 1_600
ORDERS = 420
SHORT = {"session": "4s", "lease": "1s", "call_deadline": "1s", "grace": "500ms"}
PATIENT = {
    "carriers": ALIASES,
    "wait_open": "1h",
    "recheck": "2s",
    "recheck_max": "2s",
    "unknown_carrier": "other",
    "require_units": False,
}
IMPATIENT = {**PATIENT, "wait_open": "1ms"}
UNHINDERED = 1_000
"""A limit in calls per second far above the rate of these tests, which do not test the rate."""


def trade(orders: int, units_max: int) -> str:
    return (
        f"[limits]\nrequests_per_second = {UNHINDERED}\n"
        f"[orders]\nat_start = {orders}\nunits_max = {units_max}\nconfirm_delay_s = 0.0\n"
    )


def calls_of(journal: Journal, kind: Endpoint) -> int:
    return journal.by_kind.get(kind, 0)


def change(deployment: WatchedDeployment, order_units: Iterable[int], path: str = "", body: Any = None) -> None:
    """Changes order units at the marketplace."""
    for order_unit in sorted(order_units):
        deployment.marketplace.control.post(f"order-units/{order_unit}{path}", json=body).raise_for_status()


def lose_some_answers(deployment: WatchedDeployment) -> None:
    """Makes some responses to sends and further parcels get lost, and some of these calls fail without effect."""
    fault, lost, unheard = deployment.marketplace.fault, {"kind": "lose_answer", "reset": True}, {"kind": "reset"}
    fault("lost send", lost, method="PATCH", path="/order-units/*", skip=5, every=50)
    fault("unheard send", unheard, method="PATCH", path="/order-units/*", skip=10, every=90)
    fault("lost parcel", lost, method="POST", path="/shipments", skip=3, every=20)
    fault("unheard parcel", unheard, method="POST", path="/shipments", skip=7, every=50)


def kill_while_it_works(deployment: WatchedDeployment, chance: random.Random) -> None:
    connector = deployment.connector(static_membership=True)
    deployment.wait_for_calls(chance.randrange(30, 220))
    connector.kill9()


def test_1_600_shipment_events_over_kills_and_lost_answers_confirm_each_unit_once(deploy: Deploy) -> None:
    deployment = deploy(
        partitions=4,
        catalogue="eans = 200",
        scenario=trade(ORDERS, 2),
        processing=SHORT,
        account={"requests_per_second": UNHINDERED},
        shipments=PATIENT,
    )
    warehouse = Warehouse(deployment.marketplace.orders(), seed=13, now_us=time.time_ns() // 1000)
    dispatches = warehouse.dispatches()
    produced = warehouse.shuffled(dispatches, EVENTS)
    change(deployment, warehouse.cancelled, "/cancel")
    change(deployment, warehouse.held | warehouse.kept, body={"status": "open"})
    lose_some_answers(deployment)
    chance = random.Random(13)

    for part in range(4):
        deployment.dispatch(one.payload for one in produced[part * EVENTS // 4 : (part + 1) * EVENTS // 4])
        kill_while_it_works(deployment, chance)
    connector = deployment.connector(static_membership=True)
    ready = [one for one in dispatches if not warehouse.held.union(warehouse.kept).intersection(one.ends)]
    deployment.wait_for("what may be sent", lambda: shipments.all_answered(deployment, ready))
    change(deployment, warehouse.held, "/advance")
    held = [one for one in dispatches if warehouse.held.intersection(one.ends)]
    deployment.wait_for("what was released", lambda: shipments.all_answered(deployment, held))
    assert connector.stop() == 0
    deployment.shipments = IMPATIENT
    connector = deployment.connector(static_membership=True)
    deployment.wait_for("the end of patience", lambda: shipments.all_answered(deployment, dispatches))

    assert connector.stop() == 0
    rows, journal = deployment.rows("shipment-results"), deployment.marketplace.journal()
    shipments.one_result_each(produced, rows)
    shipments.one_event_confirms(rows)
    shipments.nothing_twice(journal)
    assert shipments.as_said(deployment.marketplace.orders(), dispatches, rows) > ORDERS
    assert {row["status"] for row in rows} >= {
        *shipments.CONFIRMED,
        *shipments.ADDED,
        "REJECTED",
        "NOT_FOUND",
        "WAITING_TOO_LONG",
    }
    assert warehouse.cancelled
    assert warehouse.held
    assert warehouse.kept


def small(deploy: Deploy, **parts: Any) -> WatchedDeployment:
    """Starts a deployment with three orders of one unit each."""
    return deploy(partitions=1, catalogue="eans = 20", scenario=trade(3, 1), processing=SHORT, **parts)


def event(order: shipments.Row, event_id: str, tracking_number: str) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "occurred_at_us": time.time_ns() // 1000,
        "order_id": order["id_order"],
        "order_unit_ids": [unit["id_order_unit"] for unit in order["order_units"][:1]],
        "parcels": [{"carrier": "DHL", "tracking_number": tracking_number}],
    }


def wait_for_results(deployment: WatchedDeployment, event_id: str, count: int = 1) -> list[shipments.Row]:
    def there() -> list[shipments.Row]:
        return [row for row in deployment.rows("shipment-results") if row["event_id"] == event_id]

    deployment.wait_for(f"the result of {event_id}", lambda: len(there()) >= count)
    return there()


def once_and_in_the_same_words(rows: list[shipments.Row], status: str, code: str) -> None:
    assert {(row["status"], row["code"]) for row in rows} == {(status, code)}
    assert len({row["result_id"] for row in rows}) == 1


def test_a_lost_answer_is_read_back_or_reported_as_unknown_and_never_sent_again(deploy: Deploy) -> None:
    deployment = small(deploy, shipments={})
    [first, second, third] = deployment.marketplace.orders()
    lost, unheard = {"kind": "lose_answer", "reset": True}, {"kind": "reset"}
    confirm, before = event(first, "confirm", "T1"), event(second, "before", "T2")
    further, another = event(second, "further", "T3"), event(third, "another", "T4")
    deployment.marketplace.fault("send", lost, method="PATCH", path="/order-units/*", times=1)
    connector = deployment.connector()

    deployment.dispatch([confirm])
    wait_for_results(deployment, "confirm")
    deployment.marketplace.fault("send", unheard, method="PATCH", path="/order-units/*", times=1)
    deployment.marketplace.fault("parcel", unheard, method="POST", path="/shipments", times=1)
    deployment.dispatch([before, further, another])
    [row, other] = wait_for_results(deployment, "before") + wait_for_results(deployment, "another")
    wait_for_results(deployment, "further")
    deployment.dispatch([confirm, further])
    confirmed, unknown = wait_for_results(deployment, "confirm", 2), wait_for_results(deployment, "further", 2)
    assert connector.stop() == 0

    assert (row["status"], other["status"]) == ("CONFIRMED", "CONFIRMED")
    once_and_in_the_same_words(confirmed, "CONFIRMED_TRACKING_UNVERIFIED", "TRACKING_UNVERIFIED")
    once_and_in_the_same_words(unknown, "OUTCOME_UNKNOWN", "PARCEL_OUTCOME_UNKNOWN")
    journal = deployment.marketplace.journal()
    # the send that had no effect was repeated after a look-up of its unit
    assert (calls_of(journal, Endpoint.SEND), calls_of(journal, Endpoint.SHIPMENT)) == (4, 1)
    shipments.nothing_twice(journal)


def test_unanswered_calls_of_a_killed_process_are_not_repeated(deploy: Deploy) -> None:
    deployment = small(deploy, shipments={})
    [first, second, _] = deployment.marketplace.orders()
    confirm, further = event(first, "confirm", "T1"), event(second, "further", "T3")
    connector = deployment.connector(static_membership=True)
    deployment.dispatch([event(second, "before", "T2")])
    wait_for_results(deployment, "before")
    # responses are sent slowly, so that the kill comes after the change and before the response arrived
    deployment.marketplace.fault("send", {"kind": "drip"}, method="PATCH", path="/order-units/*", times=1)
    deployment.marketplace.fault("parcel", {"kind": "drip"}, method="POST", path="/shipments", times=1)

    deployment.dispatch([confirm, further])
    deployment.wait_for(
        "both deeds",
        lambda: deployment.marketplace.summary()["order_units"].items() >= {"send": 2, "parcel": 1}.items(),
        every_s=0.01,
    )
    connector.kill9()
    connector = deployment.connector(static_membership=True)
    wait_for_results(deployment, "confirm")
    wait_for_results(deployment, "further")
    deployment.dispatch([confirm, further])
    confirmed, unknown = wait_for_results(deployment, "confirm", 2), wait_for_results(deployment, "further", 2)
    assert connector.stop() == 0

    once_and_in_the_same_words(confirmed, "CONFIRMED_TRACKING_UNVERIFIED", "TRACKING_UNVERIFIED")
    once_and_in_the_same_words(unknown, "OUTCOME_UNKNOWN", "PARCEL_OUTCOME_UNKNOWN")
    journal = deployment.marketplace.journal()
    assert (calls_of(journal, Endpoint.SEND), calls_of(journal, Endpoint.SHIPMENT)) == (2, 1)
    shipments.nothing_twice(journal)
