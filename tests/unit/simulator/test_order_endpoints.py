"""Orders, parcels and returns over real sockets; every response is also validated against the OpenAPI document."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from simulator.faults.mishaps import Delay, HalfBody, InjectedFault, LoseAnswer, Match, Mishap, Refuse, Reset, Respond
from simulator.journal import Deed
from simulator.simulator import Simulator
from tests.unit.simulator.caller import SigningCaller
from tests.unit.simulator.conftest import Start, caller_of

SENT = {"tracking_numbers": "T1,T2", "carrier_code": "DHL"}


@pytest.fixture
def simulator(start: Start) -> Simulator:
    return start(orders={"at_start": 3, "units_min": 2, "units_max": 2})


@pytest.fixture
def caller(simulator: Simulator) -> Iterator[SigningCaller]:
    with caller_of(simulator) as client:
        yield client


def units(simulator: Simulator) -> list[dict[str, Any]]:
    return [unit for order in simulator.orders() for unit in order["order_units"]]


def send(caller: SigningCaller, unit_id: int, body: Any = None) -> httpx.Response:
    return caller.call("PATCH", f"/order-units/{unit_id}/send", SENT if body is None else body)


def ship(caller: SigningCaller, unit_id: int, number: str = "T9", carrier: str = "GLS") -> httpx.Response:
    information = {"tracking_number": number, "carrier_code": carrier}
    return caller.call("POST", "/shipments", {"id_order_unit": unit_id, "shipment_information": information})


def control(simulator: Simulator, path: str, body: Any = None) -> int:
    return httpx.post(f"{simulator.control_url}{path}", json=body, trust_env=False).status_code


# ---- reads ----------------------------------------------------------------------------------------------------------


def test_an_order_is_shown_with_all_its_units_and_its_buyer(caller: SigningCaller, simulator: Simulator) -> None:
    (order, *_) = simulator.orders()

    shown = caller.call("GET", f"/orders/{order['id_order']}").json()["data"]

    assert [unit["id_order_unit"] for unit in shown["order_units"]] == [
        unit["id_order_unit"] for unit in order["order_units"]
    ]
    assert shown["shipping_address"]["street"].startswith("Canary-0-")


def test_a_list_has_pages_and_a_row_is_the_unit_by_itself(caller: SigningCaller, simulator: Simulator) -> None:
    page = caller.call("GET", "/order-units?sort=ts_updated:desc&limit=2&offset=1").json()
    (row, _) = page["data"]

    assert page["pagination"] == {"offset": 1, "limit": 2, "total": 6}
    assert caller.call("GET", f"/order-units/{row['id_order_unit']}").json()["data"] == row
    assert (row["unit_condition"], row["currency"]) in {
        (condition, currency) for condition in ("new", "used - good") for currency in ("EUR", "CZK")
    }


def test_orders_are_listed_thin(caller: SigningCaller) -> None:
    rows = caller.call("GET", "/orders?limit=1").json()["data"]

    assert [row["order_units_count"] for row in rows] == [2]


def test_moments_are_in_whole_seconds_and_a_filter_leaves_its_own_second_out(
    caller: SigningCaller, simulator: Simulator
) -> None:
    rows = caller.call("GET", "/order-units?limit=100").json()["data"]
    newest = max(row["ts_updated_iso"] for row in rows)

    after = caller.call("GET", f"/order-units?ts_updated_from_iso={newest}").json()["data"]

    assert len(newest) == len("2026-01-01T00:00:00Z")
    assert after == []


def test_a_clock_that_is_off_shows_in_the_moments_of_updates(start: Start) -> None:
    simulator = start(orders={"at_start": 1, "at_start_over_s": 0}, server={"clock_offset_s": -100.0})

    unit = units(simulator)[0]

    assert -102 < unit["updated_us"] / 1e6 - time.time() < -95


def test_carriers_are_named_exactly(caller: SigningCaller) -> None:
    carriers = {row["name"]: row["isHauler"] for row in caller.call("GET", "/carriers").json()["data"]["carriers"]}

    assert (carriers["DPD Austria"], carriers["Other Hauler"]) == (False, True)


@pytest.mark.parametrize(
    "path",
    [
        "/order-units?limit=101",
        "/order-units?limit=0",
        "/order-units?offset=-1",
        "/order-units?sort=ts_updated:asc",
        "/order-units?status=lost",
        "/order-units?storefront=DE",
        "/order-units?storefront=nl",
        "/order-units?ts_updated_from_iso=2026-01-01",
        "/order-units?ts_updated_from_iso=2026-01-01T00:00:00",
        "/order-units?fulfillment_type=nobody",
        "/orders?ts_units_updated_from_iso=now",
        "/returns?status=sent",
        "/return-units?limit=x",
        "/order-units/5?embedded=products",
    ],
)
def test_what_a_list_does_not_know_is_refused(caller: SigningCaller, path: str) -> None:
    assert caller.call("GET", path).status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/order-units/5", None),
        ("GET", "/orders/NOBODY1", None),
        ("GET", "/returns/5", None),
        ("GET", "/return-units/5", None),
        ("PATCH", "/order-units/5/send", SENT),
        (
            "POST",
            "/shipments",
            {"id_order_unit": 5, "shipment_information": {"tracking_number": "1", "carrier_code": "DHL"}},
        ),
        ("PATCH", "/order-units/5/cancel", {"reason": "NoInventory"}),
    ],
)
def test_what_is_not_there_is_not_found(caller: SigningCaller, method: str, path: str, body: Any) -> None:
    assert caller.call(method, path, body).status_code == 404


def test_another_sellers_order_is_not_found(start: Start) -> None:
    simulator = start(sellers=[{"name": "demo"}, {"name": "other"}], orders={"at_start": 2, "sellers": ["demo"]})
    (order, *_) = simulator.orders()
    with caller_of(simulator, "other") as caller:
        assert caller.call("GET", f"/orders/{order['id_order']}").status_code == 404
        assert send(caller, order["order_units"][0]["id_order_unit"]).status_code == 404
        assert caller.call("GET", "/order-units").json()["data"] == []


# ---- parcels --------------------------------------------------------------------------------------------------------


def test_a_sent_unit_keeps_its_parcel_and_the_journal_says_which_call_it_was(
    caller: SigningCaller, simulator: Simulator
) -> None:
    unit = units(simulator)[0]

    answer = send(caller, unit["id_order_unit"])

    assert (answer.status_code, answer.content) == (204, b"")
    now = units(simulator)[0]
    assert (now["status"], now["sends"]) == ("sent", 1)
    assert now["parcels"] == [{"carrier_code": "DHL", "tracking_numbers": ("T1", "T2")}]
    assert now["updated_us"] > unit["updated_us"]
    (call,), (row,) = simulator.journal.calls, simulator.journal.sends(unit["id_order_unit"])
    assert (row.call_id, row.deed, row.old, row.new) == (call.id, Deed.SEND, "need_to_be_sent", "sent")
    assert (row.carrier_code, row.tracking_numbers) == ("DHL", ("T1", "T2"))
    assert row.body == '{"tracking_numbers":"T1,T2","carrier_code":"DHL"}'
    assert (call.kind, call.unit_ids, call.applied_us) == ("send", (unit["id_order_unit"],), row.mono_us)


def test_a_second_send_is_told_that_it_is_sent_already(caller: SigningCaller, simulator: Simulator) -> None:
    unit_id = units(simulator)[0]["id_order_unit"]
    send(caller, unit_id)

    again = send(caller, unit_id)

    assert (again.status_code, again.json()["type"]) == (403, "/problems/duplicate-action")
    assert "already sent" in again.json()["message"]
    assert len(simulator.journal.sends(unit_id)) == 1


@pytest.mark.parametrize("status", ["open", "cancelled", "in_clarification"])
def test_a_unit_that_need_not_be_sent_is_refused(caller: SigningCaller, simulator: Simulator, status: str) -> None:
    unit_id = units(simulator)[0]["id_order_unit"]
    control(simulator, f"order-units/{unit_id}", {"status": status})

    sent, shipped = send(caller, unit_id), ship(caller, unit_id)

    assert (sent.status_code, sent.json()["type"]) == (403, "/problems/action-not-allowed")
    assert status in sent.json()["message"]
    assert (shipped.status_code, shipped.json()["type"]) == (403, "/problems/action-not-allowed")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"tracking_numbers": "1", "carrier_code": "dhl"}, "carrier_code"),
        ({"tracking_numbers": "1", "carrier_code": ["DHL"]}, "carrier_code"),
        ({"tracking_numbers": "", "carrier_code": "DHL"}, "tracking_numbers"),
        ({"tracking_numbers": "1,,2", "carrier_code": "DHL"}, "tracking_numbers"),
        ({"tracking_numbers": ["1"], "carrier_code": "DHL"}, "tracking_numbers"),
        ({"tracking_numbers": "1"}, "body"),
        ({"tracking_numbers": "1", "carrier_code": "DHL", "note": ""}, "body"),
        ([], "body"),
    ],
)
def test_a_parcel_that_is_not_as_it_should_be_is_refused(
    caller: SigningCaller, simulator: Simulator, body: Any, field: str
) -> None:
    answer = send(caller, units(simulator)[0]["id_order_unit"], body)

    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/validation-error")
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_carriers_without_tracking_need_no_number(caller: SigningCaller, simulator: Simulator) -> None:
    unit_id = units(simulator)[0]["id_order_unit"]

    assert send(caller, unit_id, {"tracking_numbers": "", "carrier_code": "Other"}).status_code == 204


def test_each_further_parcel_is_added_an_equal_one_too(caller: SigningCaller, simulator: Simulator) -> None:
    unit_id = units(simulator)[0]["id_order_unit"]
    send(caller, unit_id)
    updated_us = units(simulator)[0]["updated_us"]

    assert [ship(caller, unit_id).status_code for _ in range(2)] == [204, 204]

    rows = simulator.journal.parcels(unit_id)
    assert [(row.tracking_numbers, row.carrier_code) for row in rows] == [(("T9",), "GLS")] * 2
    assert len(units(simulator)[0]["parcels"]) == 3
    assert units(simulator)[0]["updated_us"] == updated_us


@pytest.mark.parametrize(
    "body",
    [
        {"id_order_unit": "1", "shipment_information": {"tracking_number": "1", "carrier_code": "DHL"}},
        {"id_order_unit": 1, "shipment_information": {"tracking_number": "1", "carrier_code": "Nobody"}},
        {"id_order_unit": 1, "shipment_information": {"tracking_number": " ", "carrier_code": "DHL"}},
        {"id_order_unit": 1, "shipment_information": []},
        {"id_order_unit": 1},
        [],
    ],
)
def test_a_further_parcel_that_is_not_as_it_should_be_is_refused(caller: SigningCaller, body: Any) -> None:
    assert caller.call("POST", "/shipments", body).json()["type"] == "/problems/validation-error"


# ---- faults and limits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mishap", "applied"),
    [
        (LoseAnswer(), True),
        (HalfBody(), True),
        (Delay(wait_s=0.01), True),
        (Reset(), False),
        (Respond(status=503), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_faults_hit_a_send_and_the_journal_shows_whether_it_was_executed(
    caller: SigningCaller, simulator: Simulator, mishap: Mishap, applied: bool
) -> None:
    unit_id = units(simulator)[0]["id_order_unit"]
    match = Match(method="PATCH", path=f"/order-units/{unit_id}/send", times=1)
    simulator.set_fault(InjectedFault(name="mishap", mishap=mishap, match=match))

    with contextlib.suppress(httpx.HTTPError):
        send(caller, unit_id)

    assert bool(simulator.journal.sends(unit_id)) is applied
    assert (simulator.journal.calls[0].applied_us is not None) is applied
    assert simulator.journal.calls[0].faults == ("mishap",)


def test_a_poll_can_be_refused_and_aimed_at_by_its_path(caller: SigningCaller, simulator: Simulator) -> None:
    simulator.set_fault(InjectedFault(name="storm", mishap=Respond(status=429), match=Match(path="/order-units")))

    assert caller.call("GET", "/order-units").status_code == 429
    assert caller.call("GET", "/orders").status_code == 200


def test_a_named_order_unit_is_refused_as_the_scenario_words_it(caller: SigningCaller, simulator: Simulator) -> None:
    first, second = (unit["id_order_unit"] for unit in units(simulator)[:2])
    refusal = Refuse(status=409, type="/problems/duplicate-action", message="Unit is already marked as sent")
    simulator.set_fault(InjectedFault(name="no", mishap=refusal, match=Match(unit_ids=frozenset({first}))))

    assert send(caller, first).status_code == 409
    assert send(caller, second).status_code == 204


def test_a_group_known_by_its_name_has_a_limit_of_its_own(start: Start) -> None:
    simulator = start(
        orders={"at_start": 1},
        limits={"groups": {name: {"requests_per_second": 1} for name in ("orders", "shipments", "returns")}},
    )
    with caller_of(simulator) as caller:
        paths = ("/order-units", "/carriers", "/returns", "/units?storefront=de")
        first, second = ([caller.call("GET", path).status_code for path in paths] for _ in range(2))

    assert first == [200, 200, 200, 200]
    assert second == [429, 429, 429, 200]


def test_polls_are_recorded_with_user_agent_and_port(simulator: Simulator) -> None:
    for name in ("process-1", "process-2"):
        with caller_of(simulator) as caller:
            caller.call("GET", "/order-units?limit=5", headers={"User-Agent": name})
            caller.call("GET", "/status/ping")

    polls = simulator.journal.polls
    assert [(poll.user_agent, poll.target) for poll in polls] == [
        ("process-1", "/v2/order-units?limit=5"),
        ("process-2", "/v2/order-units?limit=5"),
    ]
    assert len({poll.peer_port for poll in polls} - {0}) == 2


# ---- returns --------------------------------------------------------------------------------------------------------


def test_a_return_completes_and_its_order_unit_is_returned(caller: SigningCaller, simulator: Simulator) -> None:
    unit_id = units(simulator)[0]["id_order_unit"]
    send(caller, unit_id)
    assert control(simulator, f"order-units/{unit_id}/return") == 204

    (row,) = caller.call("GET", "/returns?sort=ts_updated:desc").json()["data"]
    path = f"/returns/{row['id_return']}"
    for _ in range(3):
        assert control(simulator, f"{path[1:]}/advance") == 204
    shown = caller.call("GET", f"{path}?embedded=buyer,return_units").json()["data"]
    (unit,) = caller.call("GET", "/return-units?status=return_arrived").json()["data"]

    assert row["status"] == "return_requested"
    assert (shown["status"], shown["return_units"]) == ("package_received", [unit])
    assert unit["id_order_unit"] == unit_id
    embedded = "return,tickets,order_unit"
    alone = caller.call("GET", f"/return-units/{unit['id_return_unit']}?embedded={embedded}").json()["data"]
    assert alone["order_unit"]["status"] == "returned"
    assert control(simulator, f"{path[1:]}/advance") == 409


def test_details_are_embedded_when_asked_for(caller: SigningCaller, simulator: Simulator) -> None:
    (order, *_) = simulator.orders()
    unit_id = order["order_units"][0]["id_order_unit"]
    names = "return_unit,tickets,delivery,delivery_attempt_timestamp_iso,shipping_group"

    unit = caller.call("GET", f"/order-units/{unit_id}?embedded={names}").json()["data"]
    whole = caller.call("GET", f"/orders/{order['id_order']}?embedded=order_invoices,delivery").json()["data"]

    assert set(names.split(",")) <= unit.keys()
    assert whole["order_invoices"] == []
