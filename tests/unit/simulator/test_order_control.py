"""The control endpoints about orders and returns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from simulator.journal import Journal
from simulator.scenario import Scenario
from simulator.simulator import Simulator
from tests.unit.simulator.caller import SigningCaller
from tests.unit.simulator.conftest import Start, caller_of, units


@pytest.fixture
def simulator(start: Start) -> Simulator:
    return start(orders={"confirm_delay_s": 60.0})


@pytest.fixture
def control(simulator: Simulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=simulator.control_url, trust_env=False) as client:
        yield client


def lines(control: httpx.Client, path: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in control.get(path).content.splitlines()]


def test_makes_orders_now_and_names_them(control: httpx.Client, simulator: Simulator) -> None:
    made = control.post("orders", json={"count": 3, "pieces": 2}).json()["orders"]

    assert [(order["id_order"], len(order["id_order_units"])) for order in made] == [
        (order["id_order"], 2) for order in simulator.orders()
    ]
    assert {unit["status"] for unit in lines(control, "order-units")} == {"open"}


def test_makes_an_order_of_named_offers(control: httpx.Client, simulator: Simulator) -> None:
    offer = next(unit for unit in units(simulator) if unit.fulfillment_type == "fulfilled_by_merchant")

    (made,) = control.post("orders", json={"unit_ids": [offer.id] * 3}).json()["orders"]

    (order,) = lines(control, "orders")
    assert [unit["id_order_unit"] for unit in order["order_units"]] == made["id_order_units"]
    assert {(unit["id_unit"], unit["price"]) for unit in order["order_units"]} == {(offer.id, offer.listing_price)}


def test_advances_and_cancels_a_unit_or_a_whole_order(control: httpx.Client, simulator: Simulator) -> None:
    first, second = control.post("orders", json={"count": 2, "pieces": 2}).json()["orders"]
    unit_id = first["id_order_units"][0]

    assert control.post(f"order-units/{unit_id}/advance").status_code == 204
    assert control.post(f"orders/{first['id_order']}/cancel").status_code == 204
    for _ in range(3):
        assert control.post(f"orders/{second['id_order']}/advance").status_code == 204

    assert [[unit["status"] for unit in order["order_units"]] for order in lines(control, "orders")] == [
        ["cancelled", "cancelled"],
        ["received", "received"],
    ]
    assert control.post(f"orders/{second['id_order']}/cancel").status_code == 409


def test_a_row_can_be_made_malformed_and_restored(start: Start) -> None:
    simulator = start()
    (id_order,) = simulator.add_orders(pieces=1)
    unit_id = simulator.orders()[0]["order_units"][0]["id_order_unit"]
    simulator._server._inspector = None  # the row violates the OpenAPI document deliberately
    with caller_of(simulator) as caller, httpx.Client(base_url=simulator.control_url, trust_env=False) as control:
        control.post(f"order-units/{unit_id}", json={"defect": "price_text"})
        spoilt = caller.call("GET", f"/orders/{id_order}").json()["data"]["order_units"][0]["price"]
        control.post(f"order-units/{unit_id}", json={"defect": None})
        healed = caller.call("GET", f"/orders/{id_order}").json()["data"]["order_units"][0]["price"]

    assert (type(spoilt), type(healed)) == (str, int)


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "orders", b'{"count": 0}', 400),
        ("POST", "orders", b'{"unit_ids": [1]}', 400),
        ("POST", "orders", b'{"nobody": 1}', 400),
        ("POST", "orders/NOBODY1/cancel", b"", 404),
        ("POST", "order-units/5/cancel", b"", 404),
        ("POST", "order-units/x", b"{}", 404),
        ("POST", "returns/5/advance", b"", 404),
        ("PUT", "orders", b"", 404),
    ],
)
def test_unsupported_control_requests_are_refused_with_a_reason(
    control: httpx.Client, method: str, path: str, content: bytes, status: int
) -> None:
    assert control.request(method, path, content=content).status_code == status


def test_a_unit_that_is_not_sent_cannot_come_back(control: httpx.Client) -> None:
    (made,) = control.post("orders", json={"pieces": 1}).json()["orders"]
    path = f"order-units/{made['id_order_units'][0]}"

    assert control.post(f"{path}/return").status_code == 409
    assert control.post(path, json={"defect": "unheard of"}).status_code == 400
    assert control.post(f"{path}/nothing").status_code == 404


def test_the_journal_from_outside_holds_the_orders_too(control: httpx.Client, simulator: Simulator) -> None:
    made = simulator.add_orders(2, pieces=1)
    unit_id = simulator.orders()[0]["order_units"][0]["id_order_unit"]
    control.post(f"order-units/{unit_id}/advance")
    with caller_of(simulator) as caller:
        _send(caller, unit_id)

    outside = Journal.read(control.get("journal").content.splitlines())

    assert outside.order_rows == simulator.journal.order_rows
    assert {row.id_order for row in outside.order_rows} == set(made)
    assert [row.new for row in outside.sends(unit_id)] == ["sent"]


def test_the_journal_as_a_file_holds_the_orders_too(tmp_path: Path) -> None:
    file = tmp_path / "journal.ndjson"
    with Simulator(Scenario.model_validate({"orders": {"at_start": 3}}), journal_path=file) as simulator:
        seen = simulator.journal.order_rows

    assert Journal.read(file.read_bytes().splitlines()).order_rows == seen
    assert len(seen) >= 6


def test_the_summary_counts_what_became_of_order_units(control: httpx.Client, simulator: Simulator) -> None:
    simulator.add_orders(2, pieces=2)
    unit_id = simulator.orders()[0]["order_units"][0]["id_order_unit"]
    control.post(f"order-units/{unit_id}/cancel")

    assert control.get("summary").json()["order_units"] == {"created": 4, "status": 1}


def test_personal_data_is_only_in_answers(control: httpx.Client, simulator: Simulator) -> None:
    simulator.add_orders(3)
    with caller_of(simulator) as caller:
        assert b"Canary-" in caller.call("GET", "/order-units").content

    for path in ("journal", "orders", "order-units", "summary"):
        assert b"Canary-" not in control.get(path).content


def _send(caller: SigningCaller, unit_id: int) -> None:
    body = {"tracking_numbers": "T1", "carrier_code": "DHL"}
    assert caller.call("PATCH", f"/order-units/{unit_id}/send", body).status_code == 204
