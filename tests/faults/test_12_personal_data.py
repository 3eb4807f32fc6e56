"""Buyers' data appear only in the topic for them, if it is on, and nowhere else, not even for unreadable orders."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from devstack.processes import ModuleProcess
from simulator.orders.buyers import CANARY, Buyer
from tests.faults import orders
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment

DEFECTS = ("price_text", "no_status", "price_float", "no_id")  # of the first orders
ORDERS = 12
TRADE = f"""
[orders]
at_start = {ORDERS}
confirm_delay_s = 0.0
undocumented = true
malformed = [{", ".join(f'{{order = {number}, defect = "{defect}"}}' for number, defect in enumerate(DEFECTS))}]
"""


def personal() -> list[bytes]:
    """Returns texts that only buyers' data contain: the canary, the buyers' ids and the domain of their addresses."""
    numbers = (str(Buyer(number=number, country="DE").body()["id_buyer"]) for number in range(ORDERS))
    return [text.encode() for text in (CANARY, "buyers.invalid", *numbers)]


def talkative() -> str:
    """Returns settings with the most verbose logging."""
    until = (datetime.now(UTC) + timedelta(minutes=50)).isoformat()
    return f'[log]\nlevel = "debug"\nbodies_until = {until}\n'


def topics_of(deployment: WatchedDeployment) -> set[str]:
    """Returns all topics of the deployment, including internal ones."""
    there = deployment.kafka.admin().list_topics(timeout=30).topics
    return {name for name in there if name.startswith(f"{deployment.prefix}.")}


def outputs(deployment: WatchedDeployment, connector: ModuleProcess) -> Iterator[tuple[str, bytes]]:
    """Yields all outputs of the process: name and content."""
    for topic in topics_of(deployment):
        for record in deployment.reader(topic).records():
            yield topic, b"\n".join((record.key() or b"", record.value() or b"", repr(record.headers()).encode()))
    with connector.health() as health:
        for page in ("metrics", "status", "readyz", "livez"):
            yield page, health.get(f"/{page}").content
    for command in ("open", "totals"):
        deployment.command("orders", command, "--config", str(deployment.config("one")))
    deployment.command("config", "show", "--config", str(deployment.config("one")))
    yield "commands", deployment.printed.encode()
    yield "log", connector.log.read_bytes()


def quarantined(deployment: WatchedDeployment) -> dict[str, dict[str, Any]]:
    """Returns the dead letters about orders: order id -> headers."""
    records = deployment.read("scheduler", f"{deployment.topic('scheduler')}.dlq")
    assert all(record.value() is None for record in records), "a dead letter holds what could not be read"
    return {(record.key() or b"").decode(): dict(record.headers() or []) for record in records}


@pytest.mark.parametrize("is_on", [True, False], ids=["contacts on", "contacts off"])
def test_personal_data_is_only_in_its_own_topic(deploy: Deploy, is_on: bool) -> None:
    deployment = deploy(
        partitions=1,
        catalogue="eans = 20",
        scenario=TRADE,
        settings=talkative(),
        shipments={"require_units": False},
        orders={"interval": "5s", "contacts": is_on, "returns": True, "create_sales_orders": True},
    )
    there = orders.at_marketplace(deployment)
    broken = {order["id_order"]: order["order_units"][0] for order in there.values() if order["number"] < len(DEFECTS)}
    whole = there.keys() - broken.keys()
    connector = deployment.connector()

    # unreadable orders are quarantined, the others are processed
    deployment.wait_for("the whole orders", lambda: deployment.newest("orders").keys() >= whole)
    deployment.wait_for("the broken ones to be put aside", lambda: quarantined(deployment).keys() >= broken.keys())
    assert deployment.newest("orders").keys() == whole
    # once readable again, an order is written with its next change
    for unit in broken.values():
        orders.change(deployment, f"order-units/{unit['id_order_unit']}", {"status": "sent", "defect": None})
    deployment.wait_for("every order", lambda: orders.all_right(deployment))
    deployment.dispatch(
        {
            "event_id": f"parcel-{order_id}",
            "occurred_at_us": there[order_id]["created_us"],
            "order_id": order_id,
            "order_unit_ids": [],
            "parcels": [{"carrier": "DHL", "tracking_number": "00340434161094042557"}],
        }
        for order_id in there
    )
    deployment.wait_for("parcels of all", lambda: all(row["complete"] for row in deployment.newest("orders").values()))
    deployment.command("orders", "poll", "--once", "--config", str(deployment.config("one")))

    # a return is reported without the buyer's note
    back = next(iter(whole))
    sent = there[back]["order_units"][0]["id_order_unit"]
    deployment.marketplace.control.post(f"order-units/{sent}/return").raise_for_status()
    deployment.command("orders", "poll", "--once", "--config", str(deployment.config("one")))
    deployment.wait_for("the return", lambda: bool(deployment.rows("returns")))
    assert [(row["order_unit_ids"], row["units"][0]["has_note"]) for row in deployment.rows("returns")] == [
        ([sent], True)
    ]

    contacts = deployment.topic("order-contacts")
    where: dict[str, int] = {}
    for name, said in outputs(deployment, connector):
        where[name] = where.get(name, 0) + any(word in said for word in personal())
    assert {name for name, times in where.items() if times} == ({contacts} if is_on else set())
    assert (contacts in where) is is_on
    assert any(row["request_body"] for row in deployment.calls()), "no body was kept: the switch is not on"
    assert not [row for row in deployment.calls() if row["kind"].startswith("order") and row["response_body"]]
    if is_on:
        rows = deployment.newest("order-contacts")
        assert rows.keys() == there.keys()
        assert all(row["shipping_address"]["street"].startswith(CANARY) for row in rows.values())
    assert connector.stop() == 0
