"""Orders arrive complete, in their final state and once per content, despite shifting pages and killed processes."""

import random
import time

from tests.faults import orders
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment

ONE_BY_ONE, TO_READ, AT_ONCE = 300, 100, 600
"""Numbers of orders: generated over time; placed for each kill, so that there is something to read even on a slow
machine, where all generated orders exist by then; and placed at the end. With six kills 1,500 in all."""
AFTERWARDS_S = 16  # an order no longer changes so many seconds after its creation
TRADE = f"""
[orders]
at_start = 100
per_second = 8
total = {ONE_BY_ONE}
cancelled = 0.15
changed = 0.25
change_within_s = 8.0
delivery_s = 6.0
autopaid = 0.3
"""
SHORT = {"session": "4s", "lease": "1s", "call_deadline": "1s", "grace": "500ms"}
OFTEN = {"interval": "5s", "overlap": "5s"}
SELDOM = {"interval": "1h"}
QUIET = "[orders]\nconfirm_delay_s = 0.0\n"
"""A scenario in which orders do not change after they are confirmed."""


def orders_read(deployment: WatchedDeployment) -> int:
    count: int = deployment.marketplace.summary()["by_kind"].get("order", 0)
    return count


def kill_while_it_reads(deployment: WatchedDeployment, chance: random.Random, beyond: frozenset[int] | None) -> int:
    """Starts a process and kills it at a random time while it reads orders; returns how many it had not yet written.

    ``beyond``: first waits until a cursor is none of these; None = does not wait.
    """
    begin_us = time.monotonic_ns() // 1000
    connector = deployment.connector(static_membership=True)
    if beyond is not None:
        orders.buy(deployment)
        deployment.wait_for("another cursor", lambda: not cursors(deployment) <= beyond)
    orders.buy(deployment, count=TO_READ)
    aim = orders_read(deployment) + chance.randrange(1, TO_READ)
    deployment.wait_for(
        "orders to be read",
        lambda: orders_read(deployment) >= aim,
        progress=lambda: orders_read(deployment),
        every_s=0.02,
    )
    connector.kill9()
    read = orders.read_since(deployment.marketplace.journal(), begin_us)
    return len(read - deployment.newest("orders").keys())


def cursors(deployment: WatchedDeployment) -> frozenset[int]:
    """Returns the cursors of all accounts that have one."""
    return frozenset(cursor_us for cursor_us, _ in orders.cursors(deployment.newest("scheduler-state")).values())


def at_rest(deployment: WatchedDeployment) -> bool:
    """Whether all orders exist and no longer change."""
    there = orders.at_marketplace(deployment)
    last_us = max(order["updated_us"] for order in there.values())
    return len(there) >= ONE_BY_ONE + AT_ONCE and time.time_ns() // 1000 - last_us > AFTERWARDS_S * 1_000_000


def test_1_500_moving_orders_over_six_kills_end_as_the_marketplace_has_them(deploy: Deploy) -> None:
    deployment = deploy(
        partitions=1, sellers=("main", "other"), catalogue="eans = 300", scenario=TRADE, processing=SHORT, orders=OFTEN
    )
    chance = random.Random(1_500)
    caught: list[int] = []
    seen: frozenset[int] = frozenset()

    while len(caught) < 6:
        # every second process has read a whole list before the kill
        unwritten = kill_while_it_reads(deployment, chance, seen if len(caught) % 2 else None)
        if unwritten:
            caught.append(unwritten)
        orders.none_is_passed_over(deployment)
        seen |= cursors(deployment)
    connector = deployment.connector(static_membership=True)
    orders.buy(deployment, count=AT_ONCE)
    deployment.wait_for("the trade to be over", lambda: at_rest(deployment), every_s=2)
    deployment.wait_for("every order in its last state", lambda: orders.all_right(deployment), every_s=2)

    assert connector.stop() == 0
    assert orders.differences(deployment.newest("orders"), orders.at_marketplace(deployment)) == {}
    orders.one_key_each(deployment)
    orders.no_content_twice(deployment)
    assert len(seen) >= 3, "hardly a cursor to be looked at"
    assert orders.shifted_lists(deployment.marketplace.journal()) > 0, "no list moved while it was read"
    assert deployment.read("scheduler", f"{deployment.topic('scheduler')}.dlq") == []


def test_page_boundaries_lose_and_repeat_nothing(deploy: Deploy) -> None:
    counts = {f"with-{count}": count for count in (99, 100, 101, 200)}
    sellers = tuple(counts)
    deployment = deploy(partitions=1, sellers=sellers, catalogue="eans = 30", scenario=QUIET, orders=SELDOM)
    for seller, count in counts.items():
        whole, rest = divmod(count, 5)
        orders.buy(deployment, seller=seller, count=whole, pieces=5)
        if rest:
            orders.buy(deployment, seller=seller, count=1, pieces=rest)
    connector = deployment.connector()

    deployment.wait_for("every order", lambda: orders.all_right(deployment))

    assert connector.stop() == 0
    rows = deployment.newest("orders").values()
    shown = {seller: sum(len(row["units"]) for row in rows if row["account"] == seller) for seller in counts}
    assert shown == counts
    orders.one_key_each(deployment)
    orders.no_content_twice(deployment)


def test_a_requested_poll_reads_an_order_before_the_interval_ends(deploy: Deploy) -> None:
    deployment = deploy(partitions=1, catalogue="eans = 20", orders=SELDOM)
    config = str(deployment.config("setup"))
    connector = deployment.connector()
    with connector.health() as health:
        # the first poll finds nothing; the next one is an hour away
        deployment.wait_for("the first poll", lambda: orders.last_poll(health, "main") is not None)
    [(order_id, order_units)] = orders.buy(deployment, pieces=2)
    said = deployment.command("orders", "poll", "--once", "--config", config)
    deployment.wait_for("the order", lambda: order_id in deployment.newest("orders"))

    orders.change(deployment, f"orders/{order_id}/cancel")
    deployment.command("orders", "poll", "--once", "--config", config)
    deployment.wait_for("its end", lambda: deployment.newest("orders")[order_id]["status"] == "CANCELLED")

    assert "Requested a poll of main" in said
    row = deployment.newest("orders")[order_id]
    assert [unit["order_unit_id"] for unit in row["units"]] == order_units
    assert (row["complete"], row["units_open"], row["payout_waits"]) == (True, [], False)
    orders.no_content_twice(deployment)
    assert connector.stop() == 0
