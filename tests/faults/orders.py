"""Compares the orders in the topics with the marketplace's, and checks the guarantee of the poll cursor.

The expected rows are computed here from the simulator's state, independently of the connector's code.
"""

from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson

from devstack.processes import DeploymentFailed, wait_for
from devstack.simulator_process import CURRENCY, condition_of
from simulator.exchange import Endpoint
from simulator.journal import Journal
from tests.faults.deployment import WatchedDeployment

Row = Mapping[str, Any]

TO_BE_SENT = {"open", "need_to_be_sent"}
UNDER_WAY = {"sent"}
ARRIVED = {"received", "sent_and_autopaid"}
CAME_BACK = {"returned", "returned_paid"}
SENT = UNDER_WAY | ARRIVED | CAME_BACK


# ---- marketplace ----------------------------------------------------------------------------------------------------


def at_marketplace(deployment: WatchedDeployment) -> dict[str, Row]:
    """Returns the current state of every order, by id."""
    lines = deployment.marketplace.control.get("orders").raise_for_status().content.splitlines()
    return {order["id_order"]: order for order in map(orjson.loads, lines)}


def buy(deployment: WatchedDeployment, **asked: Any) -> list[tuple[str, list[int]]]:
    """Places orders; returns the id of each and the ids of its order units."""
    made = deployment.marketplace.control.post("orders", json=asked).raise_for_status().json()["orders"]
    return [(order["id_order"], order["id_order_units"]) for order in made]


def change(deployment: WatchedDeployment, path: str, body: Any = None) -> None:
    """Changes an order at the marketplace through the control endpoints."""
    deployment.marketplace.control.post(path, json=body).raise_for_status()


def status_of(statuses: Iterable[str]) -> str:
    """Returns an order's status as the schema defines it, from those of its units."""
    living = set(statuses) - {"cancelled"}
    rules = (
        ("CANCELLED", not living),
        ("PARTLY_SENT", living & TO_BE_SENT and living & SENT),
        ("NEED_TO_BE_SENT", "need_to_be_sent" in living),
        ("OPEN", "open" in living),
        ("SENT", living & UNDER_WAY),
        ("RECEIVED", living & ARRIVED),
        ("RETURNED", living & CAME_BACK),
    )
    return next(status for status, holds in rules if holds)


def expected(order: Row) -> dict[str, Any]:
    """Returns the fields that an order's newest row must have, as far as the marketplace's state determines them."""
    units = sorted(order["order_units"], key=lambda unit: unit["id_order_unit"])
    statuses = [unit["status"] for unit in units]
    still_open = [unit["id_order_unit"] for unit in units if unit["status"] in TO_BE_SENT]
    return {
        "account": order["seller"],
        "storefront": order["storefront"],
        "created_at": in_whole_seconds(order["created_us"]),
        "changed_at": in_whole_seconds(max(unit["updated_us"] for unit in units)),
        "status": status_of(statuses),
        "units_open": still_open,
        "open_since": in_whole_seconds(order["created_us"]) if still_open else None,
        "complete": not still_open,
        "payout_waits": bool(still_open and SENT & set(statuses)),
        "units": [_expected_unit(unit) for unit in units],
    }


def _expected_unit(unit: Row) -> dict[str, Any]:
    return {
        "order_unit_id": unit["id_order_unit"],
        "status": unit["status"].upper(),
        "status_raw": unit["status"],
        "ean": unit["eans"][0],
        "offer_id": unit["id_offer"],
        "condition": condition_of(unit),
        "price": Decimal(unit["price"]) / 100,
        "shipping_rate": Decimal(unit["shipping_rate"]) / 100,
        "vat": Decimal(unit["vat_pct"]),
        "currency": CURRENCY[unit["storefront"]],
        "cancel_reason": unit["cancel_reason"],
        "changed_at": in_whole_seconds(unit["updated_us"]),
    }


def in_whole_seconds(moment_us: int) -> int:
    """Returns a time as the API shows those of orders."""
    return moment_us // 1_000_000 * 1_000_000


# ---- topics ---------------------------------------------------------------------------------------------------------


def differences(rows: Mapping[str, Row], orders: Mapping[str, Row]) -> dict[str, Any]:
    """Returns order id -> how its newest row differs from the marketplace, including orders that only one side has."""
    found: dict[str, Any] = dict.fromkeys(rows.keys() - orders.keys(), "no such order")
    for order_id, order in orders.items():
        row = rows.get(order_id)
        if row is None:
            found[order_id] = "missing"
        elif wrong := list(_unequal(row, expected(order))):
            found[order_id] = wrong
    return found


def _unequal(row: Row, wanted: Row) -> Iterator[str]:
    for name, value in wanted.items():
        shown = _as_wanted(row[name], value) if name == "units" else row[name]
        if shown != value:
            yield f"{name}: {shown!r}, but is {value!r}"


def _as_wanted(units: Iterable[Row], wanted: Iterable[Row]) -> list[Row]:
    """Returns the units, reduced to the fields that ``wanted`` has."""
    names = {name for unit in wanted for name in unit}
    return [{name: unit[name] for name in names} for unit in units]


def all_right(deployment: WatchedDeployment) -> bool:
    """Whether the newest row of each order matches the marketplace."""
    return not differences(deployment.newest("orders"), at_marketplace(deployment))


def one_key_each(deployment: WatchedDeployment) -> None:
    """Asserts that every record's key is the id of its order and that there are no tombstones."""
    records, rows = deployment.read("orders"), deployment.rows("orders")
    assert len(records) == len(rows), "an order has a tombstone"
    for record, row in zip(records, rows, strict=True):
        assert record.key() == row["order_id"].encode(), (record.key(), row["order_id"])


def no_content_twice(deployment: WatchedDeployment) -> None:
    """Asserts that no row repeats the content of the same order's previous row."""
    last: dict[str, str] = {}
    repeated = []
    for row in deployment.rows("orders"):
        if last.get(row["order_id"]) == row["content_sha256"]:
            repeated.append(row["order_id"])
        last[row["order_id"]] = row["content_sha256"]
    assert not repeated, f"{len(repeated)} orders were written again as they were, first {repeated[:5]}"


# ---- cursor ---------------------------------------------------------------------------------------------------------


def cursors(states: Mapping[str, Row]) -> dict[str, tuple[int, int]]:
    """Returns account -> (the last change up to which its list was read, when that read ended), in microseconds.

    Accounts that have not read a whole list yet are left out.
    """
    polls = {row["account"]: row["poll"] for row in states.values() if row["poll"] is not None}
    return {
        account: (poll["orders"]["cursor"], poll["polled_at"])
        for account, poll in polls.items()
        if poll["orders"]["cursor"] is not None
    }


def passed_over(deployment: WatchedDeployment, journal: Journal) -> list[str]:
    """Returns the orders before the cursor that are neither written nor pending, as far as committed records show.

    No process may be writing: the states are read first, so orders written after that would be missed.
    """
    states, rows = deployment.newest("scheduler-state"), deployment.newest("orders")
    undone = {key for key, row in states.items() if row["order"] is not None and row["order"]["undone_since"]}
    behind = _behind(journal, cursors(states))
    return sorted(
        {
            f"{order_id} (order unit {unit_id}: {status})"
            for (account, order_id, unit_id), (at_us, status) in behind.items()
            if f"{account}/{order_id}" not in undone and not _says(rows.get(order_id), unit_id, at_us, status)
        }
    )


def none_is_passed_over(deployment: WatchedDeployment) -> None:
    """Waits until no order is passed over; call it after a process has died and before another has started.

    A transaction that was committing when the process died may become visible a moment later.
    """
    journal = deployment.marketplace.journal()
    lost: list[str] = []

    def none() -> bool:
        lost[:] = passed_over(deployment, journal)
        return not lost

    with suppress(DeploymentFailed):
        wait_for("no order behind the cursor", none, progress=lambda: tuple(lost), still_s=20)
    assert not lost, f"{len(lost)} orders are behind the cursor, neither written nor undone, first {lost[:5]}"


def _behind(journal: Journal, read_up_to: Mapping[str, tuple[int, int]]) -> dict[tuple[str, str, int], tuple[int, str]]:
    """Returns the order units before an account's cursor when its list ended, with their last change and status.

    A unit that changed while the list was read has moved to its top, beyond the cursor; the next list will show it.
    """
    last = {}
    for row in journal.order_rows:
        cursor_us, ended_us = read_up_to.get(row.seller, (0, 0))
        if row.wall_us <= ended_us:
            last[row.seller, row.id_order, row.id_order_unit] = in_whole_seconds(row.wall_us), row.new, cursor_us
    return {unit: (at_us, status) for unit, (at_us, status, cursor_us) in last.items() if at_us < cursor_us}


def _says(row: Row | None, unit_id: int, at_us: int, status: str) -> bool:
    """Whether an order's row includes this change or a later one."""
    units = {} if row is None else {unit["order_unit_id"]: unit for unit in row["units"]}
    unit = units.get(unit_id)
    return unit is not None and (unit["changed_at"], unit["status_raw"] == status) >= (at_us, True)


# ---- polls ----------------------------------------------------------------------------------------------------------


def last_poll(health: httpx.Client, account: str) -> str | None:
    """Returns when the account's last successful poll ended, from the process's status page; None = no poll has
    succeeded in this process."""
    polled: Row = health.get("/status").raise_for_status().json().get("orders", {}).get(account, {})
    return polled.get("last_success")


def read_since(journal: Journal, mono_us: int) -> set[str]:
    """Returns the ids of the orders that were fetched successfully after this time (monotonic, µs)."""
    return {
        urlsplit(call.target).path.rstrip("/").rpartition("/")[2]
        for call in journal.calls
        if call.kind is Endpoint.ORDER and call.status == 200 and call.mono_us > mono_us
    }


def shifted_lists(journal: Journal) -> int:
    """Counts the changes between two pages of one list, which shift its rows."""
    pages: dict[str | None, list[tuple[int, int]]] = {}
    for call in journal.polls:
        offset = int(parse_qs(urlsplit(call.target).query).get("offset", ["0"])[0])
        pages.setdefault(call.seller, []).append((call.mono_us, offset))
    moments = {seller: sorted(row.mono_us for row in journal.order_rows if row.seller == seller) for seller in pages}
    return sum(
        bisect(moments[seller], after[0]) > bisect(moments[seller], before[0])
        for seller, read in pages.items()
        for before, after in pairwise(read)
        if after[1] > before[1]
    )
