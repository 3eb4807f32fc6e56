"""Compares the orders topic and the shipment results with the marketplace's own orders and journal. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Row = Mapping[str, Any]

_CURRENCY_UNIT = 100  # minor units: the demo's storefronts sell in euro


class OrderDeed(Protocol):
    """One change of an order unit, from the marketplace's journal."""

    @property
    def id_order_unit(self) -> int: ...
    @property
    def deed(self) -> str: ...
    @property
    def tracking_numbers(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersSeen:
    """What was read after the run had settled; times are microseconds since the epoch."""

    there: Sequence[Row]  # every order as the marketplace has it
    topic: Sequence[Row]  # every row of the orders topic, in order
    results: Sequence[Row]  # the rows of the shipment results that belong to the shop's events
    deeds: Sequence[OrderDeed]
    dispatched: Mapping[str, frozenset[int]]  # the shop's events: event id -> order units
    behind: frozenset[int]  # order units that the shop did not dispatch
    interval_s: float
    at_us: int
    of_others: Sequence[Row] = ()  # the rows of the shipment results for events that the shop did not send
    bought_by_others: frozenset[str] = frozenset()  # ids of orders that the demo did not place

    def newest(self) -> dict[str, Row]:
        """Returns the last row of each order."""
        return {row["order_id"]: row for row in self.topic}

    def units_of_others(self) -> frozenset[int]:
        """Returns the order units that others bought or dispatched, rather than the demo."""
        bought = {
            unit["id_order_unit"]
            for order in self.there
            if order["id_order"] in self.bought_by_others
            for unit in order["order_units"]
        }
        return frozenset(bought | {row["order_unit_id"] for row in self.of_others if row["order_unit_id"] is not None})

    def outcomes(self) -> dict[tuple[str, int | None], str]:
        """Maps (event id, order unit) to the status in the last row of each."""
        return {(row["event_id"], row["order_unit_id"]): row["status"] for row in self.results}

    def still_open(self) -> list[Row]:
        """Returns the orders that have unsent units according to the topic, the oldest first."""
        waiting = [row for row in self.newest().values() if row["units_open"]]
        return sorted(waiting, key=lambda row: (row["open_since"], row["order_id"]))

    def delays_s(self) -> list[float]:
        """Returns the delays from each order's creation to its first row in the topic, in seconds, sorted."""
        created = {order["id_order"]: order["created_us"] for order in self.there}
        first: dict[str, int] = {}
        for row in self.topic:
            first.setdefault(row["order_id"], row["observed_at"])
        return sorted((first[key] - created[key]) / 1e6 for key in first.keys() & created.keys())


def differing(there: Iterable[Row], newest: Mapping[str, Row]) -> list[str]:
    """Returns a message for each order that is missing in the topic, is only there, or differs from the marketplace."""
    orders = {order["id_order"]: order for order in there}
    wrong = [f"order {key} is in the topic and not at the marketplace" for key in newest.keys() - orders.keys()]
    for key, order in orders.items():
        if key not in newest:
            wrong.append(f"order {key} is not in the topic")
        elif not is_shown(order, newest[key]):
            wrong.append(f"order {key} is otherwise in the topic: {newest[key]['status']}")
    return wrong


def is_shown(order: Row, row: Row) -> bool:
    """Whether the row has the order's units, each with the marketplace's status and price."""
    has = {(unit["id_order_unit"], unit["status"], unit["price"]) for unit in order["order_units"]}
    shows = {(u["order_unit_id"], u["status_raw"], int(u["price"] * _CURRENCY_UNIT)) for u in row["units"]}
    return has == shows


def sent_twice(deeds: Iterable[OrderDeed]) -> int:
    """Returns the number of order units that were marked as sent more than once."""
    sends = Counter(row.id_order_unit for row in deeds if row.deed == "send")
    return sum(count > 1 for count in sends.values())


def posted_twice(deeds: Iterable[OrderDeed]) -> int:
    """Returns the number of parcels (order unit and tracking number) that were reported more than once."""
    parcels = Counter((row.id_order_unit, number) for row in deeds for number in row.tracking_numbers)
    return sum(count > 1 for count in parcels.values())
