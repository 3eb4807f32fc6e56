"""An order with unsent units is reported, with its age, until its last unit is confirmed."""

import httpx

from tests.faults import orders
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.orders import Row

OPEN, AGE = "stream_lanes_open", "stream_oldest_open_age_seconds"


def measured(health: httpx.Client, name: str, topic: str) -> float:
    """Returns a topic's gauge from the metrics page."""
    lines = health.get("/metrics").raise_for_status().text.splitlines()
    [value] = [line.rpartition(" ")[2] for line in lines if line.startswith(f'{name}{{topic="{topic}"')]
    return float(value)


def confirm(deployment: WatchedDeployment, order: Row, order_units: list[int]) -> None:
    deployment.dispatch(
        [
            {
                "event_id": f"parcel-{order_units[0]}",
                "occurred_at_us": order["created_at"],
                "order_id": order["order_id"],
                "order_unit_ids": order_units,
                "parcels": [{"carrier": "DHL", "tracking_number": f"0034043416109{order_units[0] % 10_000_000}"}],
            }
        ]
    )


def test_an_order_is_listed_as_incomplete_until_its_third_unit_is_confirmed(deploy: Deploy) -> None:
    deployment = deploy(partitions=1, catalogue="eans = 20", shipments={}, orders={"interval": "5s"})
    config, scheduler = str(deployment.config("setup")), deployment.topic("scheduler")
    connector = deployment.connector()
    [(order_id, [first, second, third])] = orders.buy(deployment, pieces=3)

    def newest() -> Row:
        return deployment.newest("orders").get(order_id, {"status": "not there yet"})

    deployment.wait_for("the order", lambda: newest()["status"] == "NEED_TO_BE_SENT")
    whole = newest()
    confirm(deployment, whole, [first, second])
    deployment.wait_for("two of three to be seen as sent", lambda: newest()["status"] == "PARTLY_SENT")
    partly = newest()
    named = deployment.command("orders", "open", "--config", config)
    with connector.health() as health:
        count, age_s = measured(health, OPEN, scheduler), measured(health, AGE, scheduler)
        deployment.wait_for("its age to grow", lambda: measured(health, AGE, scheduler) > age_s)
    confirm(deployment, whole, [third])
    deployment.wait_for("the third to be seen as sent", lambda: newest()["status"] == "SENT")
    with connector.health() as health:
        deployment.wait_for("nothing to be open", lambda: measured(health, OPEN, scheduler) == 0)
        assert measured(health, AGE, scheduler) == 0

    assert (whole["units_open"], whole["complete"], whole["payout_waits"]) == ([first, second, third], False, False)
    assert (partly["units_open"], partly["complete"], partly["payout_waits"]) == ([third], False, True)
    assert partly["open_since"] == partly["created_at"] == whole["created_at"]
    assert order_id in named
    assert str(third) in named.replace("\n", "")
    assert str(first) not in named
    assert "1 order with units still to be sent" in named
    assert (count, age_s > 0) == (1, True)
    complete = newest()
    assert (complete["units_open"], complete["complete"], complete["payout_waits"]) == ([], True, False)
    assert complete["open_since"] is None
    assert "0 orders with units still to be sent" in deployment.command("orders", "open", "--config", config)
    assert orders.differences(deployment.newest("orders"), orders.at_marketplace(deployment)) == {}
    assert connector.stop() == 0
