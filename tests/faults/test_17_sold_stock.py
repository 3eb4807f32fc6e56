"""Offers and orders interact: the marketplace deducts sales from the stock, so the last accepted stock is outdated."""

import time

import pytest

from tests.faults.conftest import FAST_MISS, Deploy
from tests.faults.orders import buy
from tests.faults.test_05_bulk_edges import change
from tests.faults.workload import wall_us

CATALOGUE = "eans = 10\nlinked = 0.0\nambiguous = 0.0\nmissing = 0.0\nfurther_condition = 0.0"
SOLD = 3


@pytest.mark.parametrize(("trust", "status", "there"), [("2s", "APPLIED", 10), ("1h", "UNCHANGED", 10 - SOLD)])
def test_an_equal_stock_after_a_sale_is_written_again_once_its_trust_has_run_out(
    deploy: Deploy, trust: str, status: str, there: int
) -> None:
    deployment = deploy(
        partitions=1,
        storefronts=("de",),
        catalogue=CATALOGUE,
        orders={"interval": "5s"},
        scenario="[orders]\nsales_lower_stock = true\n",
        settings=f'{FAST_MISS}[trust]\nstock = "{trust}"\n',
    )
    connector, times = deployment.connector(), wall_us()
    place = deployment.places()[0][0]
    deployment.settle(deployment.produce([change(place, next(times), stock=10)]))
    accepted_us = max(row["decided_at"] for row in deployment.results())

    [(order_id, _)] = buy(deployment, unit_ids=[place.unit_id] * SOLD)
    deployment.wait_for("the order", lambda: order_id in deployment.newest("orders"))
    assert deployment.marketplace.units()[place.unit_id]["amount"] == 10 - SOLD
    deployment.wait_for("the short trust to run out", lambda: time.time_ns() // 1000 > accepted_us + 2_000_000)
    again = deployment.produce([change(place, next(times), stock=10)])
    deployment.settle(again)

    [ended] = [row["status"] for row in deployment.results() if row["input_offset"] == again[0].offset]
    assert (ended, deployment.marketplace.units()[place.unit_id]["amount"]) == (status, there)
    assert connector.stop() == 0
