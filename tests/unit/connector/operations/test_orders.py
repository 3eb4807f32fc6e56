"""``connector orders``: the list of open orders, and sales by day."""

from collections.abc import Iterable
from decimal import Decimal
from io import StringIO
from typing import Any

from rich.console import Console

from connector.operations.orders import OrderRecord, newest, show_open, show_totals, totals, waiting_orders

HOUR_US = 3_600_000_000
NOW_US = 1_700_000_000_000_000


def unit(number: int, status: str = "SENT", currency: str = "EUR") -> dict[str, Any]:
    return {
        "order_unit_id": number,
        "status": status,
        "currency": currency,
        "price": Decimal("19.99"),
        "shipping_rate": Decimal("3.90"),
        "revenue_gross": Decimal("17.00"),
    }


def order(order_id: str, open_for_us: int | None, *units: dict[str, Any], waiting: Iterable[int] = ()) -> OrderRecord:
    """Returns a record of the orders topic; ``waiting``: the units still to be sent."""
    return {
        "order_id": order_id,
        "account": "main",
        "storefront": "de",
        "status": "PARTLY_SENT",
        "units": list(units),
        "units_open": list(waiting),
        "payout_waits": True,
        "open_since": None if open_for_us is None else NOW_US - open_for_us,
        "created_at": NOW_US,
        "changed_at": NOW_US,
    }


def printed(show: Any, *arguments: Any, width: int = 200) -> list[str]:
    """Returns the lines that a command prints."""
    console = Console(file=StringIO(), width=width)
    show(console, *arguments)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def test_orders_with_open_units_are_listed_oldest_first_and_name_the_units() -> None:
    young = order("YOUNG", HOUR_US, unit(1), unit(2, "OPEN"), waiting=[2])
    old = order("OLD", 50 * HOUR_US, unit(3), unit(4), unit(5, "NEED_TO_BE_SENT"), waiting=[5])
    done = order("DONE", None, unit(6))

    lines = printed(show_open, waiting_orders([young, done, old]), NOW_US)

    [first] = [line for line in lines if "OLD" in line]
    [second] = [line for line in lines if "YOUNG" in line]
    assert lines.index(first) < lines.index(second)
    assert " 5 " in first
    assert "2 d 2 h" in first
    assert not [line for line in lines if "DONE" in line]
    assert lines[-1] == "2 orders with units still to be sent."


def test_a_narrow_terminal_truncates_no_id() -> None:
    waiting = [314_000_000_001_138, 314_000_000_001_139]

    lines = printed(show_open, [order("MBRNKS8", HOUR_US, unit(1), waiting=waiting)], NOW_US, width=80)

    cells = {cell.strip() for line in lines for cell in line.split("│")}
    assert {"MBRNKS8", *map(str, waiting)} <= cells


def test_the_newest_record_of_an_order_counts_and_a_tombstone_removes_it() -> None:
    first, second = order("A", None), order("A", HOUR_US)

    assert newest([("A", first), ("B", first), ("A", second), ("B", None)]) == [second]


def test_totals_are_exact_by_day_and_currency_and_leave_cancelled_units_out() -> None:
    orders = [
        order("A", None, unit(1), unit(2), unit(3, "CANCELLED")),
        order("B", None, unit(4)),
        order("C", None, {**unit(5, currency="CZK"), "price": Decimal("19.9900"), "shipping_rate": Decimal("3.9025")}),
        order("D", None, unit(6, "CANCELLED")),
    ]

    lines = [line.replace("│", " ").split() for line in printed(show_totals, totals(orders))]

    assert ["2023-11-14", "main", "EUR", "2", "3", "59.97", "11.70", "51.00"] in lines
    assert ["2023-11-14", "main", "CZK", "1", "1", "19.99", "3.9025", "17.00"] in lines
