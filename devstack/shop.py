"""The demo's ERP: reads orders from the topic and reports dispatched parcels. Pure.

An order is packed once all its units may be sent. Every second event names offers and quantities, the others name order
units. Deliberately, some orders are dispatched without one unit, some get a second parcel, and some events are sent
twice, as by a producer that received no acknowledgement.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

Shipment: TypeAlias = dict[str, Any]
"""One ShipmentDispatched event, as the producer kit accepts it."""

CARRIERS = ("DHL", "dhl", "GLS", "Parcel post", "Our own van")
"""Includes two spellings of one carrier; the last two are the shop's own names, configured as aliases."""
ALIASES: Final[Mapping[str, str]] = {"Parcel post": "DHL", "Our own van": "Other"}

STAYS_BEHIND = 16
FOLLOWS = 10
SAID_TWICE = 12
"""These apply to every n-th order that qualifies: one unit kept back, a second parcel, an event sent twice."""


class DemoShop:
    """The ERP's state.

    ``dispatched``: event id -> its order units. ``behind``: the order units that are never dispatched.
    """

    def __init__(self) -> None:
        self.dispatched: dict[str, frozenset[int]] = {}
        self.behind: set[int] = set()
        self._packed: set[str] = set()
        self._of_several = 0
        self._owed: list[Shipment] = []

    @property
    def is_idle(self) -> bool:
        """Whether every event about packed orders has been returned, including repeated ones."""
        return not self._owed

    def take(self, orders: Iterable[Mapping[str, Any]], now_us: int) -> list[Shipment]:
        """Returns the events to send after reading these rows of the orders topic.

        ``now_us``: the current time, in microseconds since the epoch.
        """
        leaves, self._owed = self._owed, []
        for order in orders:
            if order["order_id"] not in self._packed and _may_be_sent(order):
                self._packed.add(order["order_id"])
                leaves.append(self._pack(order, now_us))
        return leaves

    def _pack(self, order: Mapping[str, Any], now_us: int) -> Shipment:
        number, units = len(self._packed), [unit["order_unit_id"] for unit in order["units"]]
        self._of_several += len(units) > 1
        stays = len(units) > 1 and self._of_several % STAYS_BEHIND == 1
        if stays:
            self.behind.add(units.pop())
        first = self._event(order, units, 1, now_us)
        if not stays and number % 2:
            first["order_unit_ids"], first["items"] = [], _items(order)
        if number % FOLLOWS == 0:
            self._owed.append(self._event(order, units[:1], 2, now_us + 1))
        if number % SAID_TWICE == 0:
            self._owed.append(first)
        return first

    def _event(self, order: Mapping[str, Any], units: list[int], box: int, now_us: int) -> Shipment:
        event_id = f"parcel-{order['order_id']}-{box}"
        self.dispatched[event_id] = frozenset(units)
        carrier = CARRIERS[len(self._packed) % len(CARRIERS)]
        return {
            "event_id": event_id,
            "occurred_at_us": now_us,
            "source": "demo-shop",
            "account": order["account"],
            "order_id": order["order_id"],
            "order_unit_ids": units,
            "parcels": [{"carrier": carrier, "tracking_number": f"T{order['order_id']}{box}"}],
        }


def _items(order: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the whole order by offer and quantity, as an ERP that does not know order units would report it."""
    pieces = Counter((unit["offer_id"], unit["ean"]) for unit in order["units"])
    return [{"offer_id": offer, "ean": ean, "quantity": count} for (offer, ean), count in pieces.items()]


def _may_be_sent(order: Mapping[str, Any]) -> bool:
    return all(unit["status"] == "NEED_TO_BE_SENT" for unit in order["units"])
