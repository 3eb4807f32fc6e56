"""The demo's shop: the events it sends, and the order units it deliberately does not dispatch."""

from typing import Any

from connector.shipments.producer_kit import ProducedShipment
from devstack.shop import FOLLOWS, SAID_TWICE, STAYS_BEHIND, DemoShop, Shipment

NOW_US = 1_800_000_000_000_000


def order(number: int, units: int = 3, status: str = "NEED_TO_BE_SENT") -> dict[str, Any]:
    return {
        "order_id": f"M{number:06}",
        "account": "shop",
        "units": [
            {"order_unit_id": 100 * number + piece, "status": status, "offer_id": f"sku-{piece // 2}", "ean": None}
            for piece in range(units)
        ],
    }


def everything(shop: DemoShop, orders: list[dict[str, Any]]) -> list[Shipment]:
    leaves = shop.take(orders, NOW_US)
    while not shop.is_idle:
        leaves += shop.take([], NOW_US)
    return leaves


def test_an_order_is_packed_once_all_its_units_may_be_sent_and_then_never_again() -> None:
    shop = DemoShop()
    shop.take([order(0)], NOW_US)
    half = order(1)
    half["units"][0]["status"] = "OPEN"

    assert shop.take([half], NOW_US) == []
    [leaves] = shop.take([order(1), order(1)], NOW_US)
    assert leaves["order_id"] == "M000001"
    assert shop.take([order(1), order(2, status="SENT")], NOW_US) == []


def test_a_unit_stays_behind_in_the_first_of_so_many_orders_and_never_the_only_one() -> None:
    shop = DemoShop()

    everything(shop, [order(number, units=1 + number % 2) for number in range(4 * STAYS_BEHIND)])

    assert len(shop.behind) == 2
    assert all(identifier % 100 == 1 for identifier in shop.behind)


def test_every_unit_that_does_not_stay_behind_is_in_an_event() -> None:
    shop = DemoShop()
    orders = [order(number, units=1 + number % 5) for number in range(100)]

    everything(shop, orders)

    every = {unit["order_unit_id"] for one in orders for unit in one["units"]}
    assert set().union(*shop.dispatched.values()) | shop.behind == every
    assert not set().union(*shop.dispatched.values()) & shop.behind


def test_later_parcels_follow_and_events_are_repeated_identically() -> None:
    shop = DemoShop()

    leaves = everything(shop, [order(number) for number in range(60)])

    ids = [shipment["event_id"] for shipment in leaves]
    assert sum(identifier.endswith("-2") for identifier in ids) == 60 // FOLLOWS
    again = {identifier for identifier in ids if ids.count(identifier) == 2}
    assert len(again) == 60 // SAID_TWICE
    for identifier in again:
        first, second = (shipment for shipment in leaves if shipment["event_id"] == identifier)
        assert first == second
    numbers = {shipment["event_id"]: shipment["parcels"][0]["tracking_number"] for shipment in leaves}
    assert len(set(numbers.values())) == len(numbers)


def test_every_second_order_is_sent_by_offer_and_quantity() -> None:
    leaves = [one for one in everything(DemoShop(), [order(number) for number in range(1, 9)]) if one.get("items")]

    assert leaves
    for shipment in leaves:
        assert shipment["order_unit_ids"] == []
        assert sum(item["quantity"] for item in shipment["items"]) == 3


def test_its_events_are_valid_for_a_producer() -> None:
    for shipment in everything(DemoShop(), [order(number) for number in range(30)]):
        assert ProducedShipment.of(shipment).order_id == shipment["order_id"]
