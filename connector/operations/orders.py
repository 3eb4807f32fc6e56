"""Implements ``connector orders open`` and ``orders totals``: orders that await shipping, and sales by day."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from connector.contracts.event_time import moment
from connector.operations.durations import in_words

OrderRecord = Mapping[str, Any]
"""A decoded record of the orders topic: times in microseconds since the epoch, amounts of money as Decimal."""


def newest(records: Iterable[tuple[str, OrderRecord | None]]) -> list[OrderRecord]:
    """Returns the last record of each order; a tombstone removes the order."""
    orders: dict[str, OrderRecord] = {}
    for order_id, order in records:
        if order is None:
            orders.pop(order_id, None)
        else:
            orders[order_id] = order
    return list(orders.values())


def waiting_orders(orders: Iterable[OrderRecord]) -> list[OrderRecord]:
    """Returns the orders with units still to be sent, oldest first."""
    return sorted((order for order in orders if order["units_open"]), key=_open_since)


def open_document(waiting: Iterable[OrderRecord]) -> list[dict[str, Any]]:
    """Returns what ``orders open --json`` prints."""
    names = "order_id", "account", "storefront", "status", "units_open", "payout_waits"
    return [
        {
            **{name: order[name] for name in names},
            "units": len(order["units"]),
            "open_since": moment(_open_since(order)),
        }
        for order in waiting
    ]


def show_open(console: Console, waiting: Sequence[OrderRecord], now_us: int) -> None:
    """Prints the orders with units still to be sent, with the ids of the units."""
    table = Table(
        Column("order", no_wrap=True),  # a narrow terminal must not cut ids that are to be copied
        "account",
        "storefront",
        "status",
        Column("units still\nto be sent", no_wrap=True),
        "of",
        "open for",
        "pay-out waits",
    )
    for order in waiting:
        table.add_row(
            order["order_id"],
            order["account"],
            order["storefront"],
            order["status"],
            "\n".join(map(str, order["units_open"])),
            str(len(order["units"])),
            in_words((now_us - _open_since(order)) / 1e6),
            "yes" if order["payout_waits"] else "",
        )
    if waiting:
        console.print(table)
    several = "" if len(waiting) == 1 else "s"
    console.print(f"{len(waiting)} order{several} with units still to be sent.")


def totals(orders: Iterable[OrderRecord]) -> dict[tuple[str, str, str], "SalesTotal"]:
    """Returns the sales by day of the order (UTC), account and currency, in this order, without cancelled units."""
    sums: dict[tuple[str, str, str], SalesTotal] = defaultdict(SalesTotal)
    for order in orders:
        day = datetime.fromtimestamp(order["created_at"] / 1e6, UTC).date().isoformat()
        counted = set()
        for unit in order["units"]:
            if unit["status"] != "CANCELLED":
                total = sums[day, order["account"], unit["currency"]]
                total.add(unit)
                counted.add(unit["currency"])
        for currency in counted:
            sums[day, order["account"], currency].orders += 1
    return dict(sorted(sums.items()))


def totals_document(sums: Mapping[tuple[str, str, str], "SalesTotal"]) -> list[dict[str, Any]]:
    """Returns what ``orders totals --json`` prints: money as texts with two decimals."""
    names = "price", "shipping", "revenue_gross"
    return [
        {
            "day": day,
            "account": account,
            "currency": currency,
            "orders": total.orders,
            "units": total.units,
            **dict(zip(names, map(in_cents, total.money), strict=True)),
        }
        for (day, account, currency), total in sums.items()
    ]


def show_totals(console: Console, sums: Mapping[tuple[str, str, str], "SalesTotal"]) -> None:
    """Prints the totals."""
    table = Table("day", "account", "currency", "orders", "units", "price", "shipping", "revenue gross")
    for (day, account, currency), total in sums.items():
        table.add_row(
            day, account, currency, str(total.orders), str(total.units), *map(str, map(in_cents, total.money))
        )
    console.print(table)


def in_cents(amount: Decimal) -> Decimal:
    """Returns an amount of money with two decimals; with all of its decimals where it needs more."""
    rounded = amount.quantize(Decimal("0.01"))
    return rounded if rounded == amount else amount


class SalesTotal:
    """The totals of one day, account and currency. ``money``: price, shipping and gross revenue."""

    def __init__(self) -> None:
        self.orders = 0
        self.units = 0
        self.money = [Decimal(0), Decimal(0), Decimal(0)]

    def add(self, unit: Mapping[str, Any]) -> None:
        self.units += 1
        parts = (unit["price"], unit["shipping_rate"], unit["revenue_gross"])
        self.money = [have + more for have, more in zip(self.money, parts, strict=True)]


def _open_since(order: OrderRecord) -> int:
    """Returns since when the order has had units to be sent, in microseconds since the epoch."""
    since_us: int | None = order["open_since"]
    return since_us if since_us is not None else order["changed_at"]
