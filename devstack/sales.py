"""Orders in the demo: buyers place orders while offers are updated, and the ERP dispatches the orders it reads."""

import time
from collections.abc import Sequence
from typing import Any

from devstack.backbone import Backbone
from devstack.clients import Position, position
from devstack.deployment import Deployment
from devstack.order_audit import OrdersSeen, is_shown
from devstack.shop import DemoShop
from simulator.journal import OrderRow

TURN_S = 1.0


class Sales:
    """Places ``total`` orders in step with the offer traffic and dispatches them. Not thread-safe."""

    def __init__(self, deployment: Deployment[Backbone], total: int, interval_s: float) -> None:
        self.total = total
        self._deployment = deployment
        self._interval_s = interval_s
        self._shop = DemoShop()
        self._made: set[str] = set()  # ids of orders
        self._sent: set[Position] = set()  # of the shop's events
        self._read = 0
        self._turned_at_s = -TURN_S

    def turn(self, share: float) -> None:
        """Places orders up to ``share`` (0 to 1) of all, and dispatches those in the topic that may be sent.

        Call it often: it acts at most once every ``TURN_S`` seconds.
        """
        if time.monotonic() - self._turned_at_s < TURN_S:
            return
        self._turned_at_s = time.monotonic()
        wanted = round(self.total * min(1.0, share))
        if wanted > len(self._made):
            self._made.update(self._deployment.marketplace.buy(wanted - len(self._made)))
        rows = self._deployment.rows("orders")
        leaves = self._shop.take(rows[self._read :], time.time_ns() // 1000)
        self._read = len(rows)
        if leaves:
            self._sent.update(self._deployment.dispatch(leaves))

    def settled(self) -> int:
        """Returns the number of settled orders: all the shop's events have results, and the topic is up to date."""
        if not self._shop.is_idle:
            return 0
        newest = {row["order_id"]: row for row in self._deployment.rows("orders")}
        ended = {(row["event_id"], row["order_unit_id"]) for row in self._deployment.rows("shipment-results")}
        unsaid = {
            unit for event_id, units in self._shop.dispatched.items() for unit in units if (event_id, unit) not in ended
        }
        there = self._deployment.marketplace.orders()
        ours = [order for order in there if order["id_order"] in self._made & newest.keys()]
        return sum(is_shown(order, newest[order["id_order"]]) and self._is_over(order, unsaid) for order in ours)

    def _is_over(self, order: dict[str, Any], unsaid: set[int]) -> bool:
        units = {unit["id_order_unit"]: unit["status"] for unit in order["order_units"]}
        return not units.keys() & unsaid and all(
            status == "sent" or unit in self._shop.behind for unit, status in units.items()
        )

    def observe(self, deeds: Sequence[OrderRow]) -> OrdersSeen:
        """Reads everything that the summary needs to know about orders."""
        there = self._deployment.marketplace.orders()
        others = {position(record) for record in self._deployment.read("shipments")} - self._sent
        rows = self._deployment.rows("shipment-results")
        of_others = [row for row in rows if (row["input_partition"], row["input_offset"]) in others]
        return OrdersSeen(
            there=there,
            topic=self._deployment.rows("orders"),
            results=[row for row in rows if (row["input_partition"], row["input_offset"]) not in others],
            of_others=of_others,
            bought_by_others=frozenset(order["id_order"] for order in there) - self._made,
            deeds=deeds,
            dispatched=self._shop.dispatched,
            behind=frozenset(self._shop.behind),
            interval_s=self._interval_s,
            at_us=time.time_ns() // 1000,
        )
