"""Reconciliation: units that are edited at the marketplace are reported or repaired; nothing else is called drift."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

from devstack.clients import Row
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.orders import buy
from tests.faults.test_05_bulk_edges import change
from tests.faults.workload import SHORT, all_hold, mixed, wall_us

SWEPT: dict[str, Any] = {"interval": "5s", "settle": "2s"}
PLAIN = "eans = 150\nambiguous = 0.0\nmissing = 0.0\nfurther_condition = 0.0"


def sweeps(deployment: WatchedDeployment) -> dict[str, list[int]]:
    """Returns when the sweeps began that rows of units name, by storefront, oldest first."""
    found: dict[str, set[int]] = {}
    for row in deployment.rows("units"):
        found.setdefault(row["storefront"], set()).add(row["sweep_at"])
    return {storefront: sorted(times) for storefront, times in found.items()}


def wait_for_sweeps(deployment: WatchedDeployment, more: int) -> None:
    """Waits until ``more`` further sweeps of each storefront have begun, and those before the last have ended."""
    before = {storefront: len(times) for storefront, times in sweeps(deployment).items()}
    deployment.wait_for(
        f"{more} more sweeps",
        lambda: all(
            len(sweeps(deployment).get(storefront, ())) >= before.get(storefront, 0) + more
            for storefront in deployment.storefronts
        ),
    )


def drift(deployment: WatchedDeployment) -> dict[tuple[int, str], Row]:
    """Returns the newest drift by unit and field."""
    return {(row["unit_id"], row["field"]): row for row in deployment.rows("drift")}


def test_a_price_and_a_stock_that_are_edited_in_the_portal_are_reported_or_repaired_by_policy(deploy: Deploy) -> None:
    deployment = deploy(
        catalogue=f"{PLAIN}\nlinked = 0.0", reconcile={**SWEPT, "price": "repair"}, processing=SHORT, partitions=4
    )
    connectors = [deployment.connector(name) for name in ("one", "two")]
    times, places = wall_us(), deployment.places()[0]
    produced = deployment.produce(
        change(place, next(times), price=(Decimal("12.34"), place.currency), stock=5) for place in places
    )
    deployment.wait_for_results(produced)
    wait_for_sweeps(deployment, 2)
    assert deployment.rows("drift") == []

    priced, stocked = places[0].unit_id, places[1].unit_id
    deployment.marketplace.edit(priced, listing_price=4_321)
    deployment.marketplace.edit(stocked, amount=77)
    deployment.wait_for("both drifts", lambda: len(deployment.rows("drift")) == 2)
    repaired, reported = drift(deployment)[priced, "price"], drift(deployment)[stocked, "stock"]
    deployment.wait_for(
        "the repair", lambda: any(row["result_id"] == repaired["result_id"] for row in deployment.results())
    )
    wait_for_sweeps(deployment, 2)

    assert (repaired["accepted_value"], repaired["observed_value"]) == (Decimal("12.34"), Decimal("43.21"))
    assert (repaired["action"], reported["action"], reported["result_id"]) == ("REPAIRED", "REPORTED", None)
    assert (reported["accepted_value"], reported["observed_value"]) == (5, 77)
    assert {repaired["cause"], reported["cause"]} <= {"EDITED_OUTSIDE", "UNKNOWN"}
    (ended,) = [row for row in deployment.results() if row["result_id"] == repaired["result_id"]]
    assert (ended["status"], ended["origin"], ended["event_id"]) == ("APPLIED", "RESEND", repaired["accepted_event_id"])
    there = deployment.marketplace.units()
    assert (there[priced]["listing_price"], there[stocked]["amount"]) == (1_234, 77)
    assert len(deployment.rows("drift")) == 2
    assert [connector.stop() for connector in connectors] == [0, 0]


def test_a_sweep_that_is_asked_for_finds_an_edit_long_before_the_next_one_is_due(deploy: Deploy) -> None:
    deployment = deploy(
        catalogue=f"{PLAIN}\nlinked = 0.0",
        reconcile={"interval": "12h", "settle": "0s", "price": "repair"},
        processing=SHORT,
        partitions=4,
    )
    connectors = [deployment.connector(name) for name in ("one", "two")]
    place, config = deployment.places()[0][0], ("--config", str(deployment.config("cli")))
    storefront = place.target_id.rpartition("-")[2]
    produced = deployment.produce([change(place, next(wall_us()), price=(Decimal("12.34"), place.currency))])
    deployment.wait_for_results(produced)
    deployment.command("reconcile", "now", "--wait", *config)
    assert deployment.rows("drift") == []

    deployment.marketplace.edit(place.unit_id, listing_price=4_321)
    said = deployment.command("reconcile", "now", "--storefront", storefront, "--wait", "--json", *config)
    deployment.wait_for("the repair", lambda: deployment.marketplace.units()[place.unit_id]["listing_price"] == 1_234)

    (swept,) = json.loads(said)["sweeps"]
    assert (swept["phase"], swept["storefront"]) == ("WAITING", storefront)
    (drifted,) = deployment.rows("drift")
    found = json.loads(deployment.command("reconcile", "status", "--json", *config))["sweeps"]
    (last,) = [one["last_complete"] for one in found if one["storefront"] == storefront]
    assert last["drift"] == [{"cause": drifted["cause"], "done": "REPAIRED", "values": 1}]
    there = [unit for unit in deployment.marketplace.units().values() if unit["storefront"].lower() == storefront]
    assert last["units"] == len(there)
    assert [connector.stop() for connector in connectors] == [0, 0]


def test_live_writes_and_linked_units_are_no_drift_although_a_process_is_killed(deploy: Deploy) -> None:
    deployment = deploy(catalogue="eans = 300", reconcile=SWEPT, processing=SHORT)
    connectors = {name: deployment.connector(name) for name in ("one", "two")}
    traffic, times = mixed(deployment, seed=24), wall_us()
    produced = deployment.produce(traffic.messages(1_000, times))
    wait_for_sweeps(deployment, 1)
    produced += deployment.produce(traffic.messages(1_000, times))
    connectors["one"].kill9()
    deployment.connector("three")
    wait_for_sweeps(deployment, 1)
    produced += deployment.produce(traffic.messages(1_000, times))
    deployment.wait_for_results(produced)
    wait_for_sweeps(deployment, 3)

    assert deployment.rows("drift") == []
    seen = {row["unit_id"] for row in deployment.rows("units")}
    assert seen == set(deployment.marketplace.units())
    all_hold(deployment, produced)


def test_a_stock_that_falls_by_sales_is_sold_and_not_repaired(deploy: Deploy) -> None:
    deployment = deploy(
        catalogue=f"{PLAIN}\nlinked = 1.0",
        orders={"interval": "5s"},
        scenario="[orders]\nsales_lower_stock = true\n",
        reconcile={**SWEPT, "stock": "repair", "repair_lower_stock": True},
        processing=SHORT,
    )
    deployment.connector()
    times, places = wall_us(), [place for place in deployment.places()[0] if place.target_id.endswith("-de")]
    deployment.wait_for_results(deployment.produce([change(place, next(times), stock=9) for place in places]))
    sold = [place.unit_id for place in places[:20]]
    buy(deployment, unit_ids=sold)

    deployment.wait_for("all sales", lambda: set(sold) <= {unit_id for unit_id, _ in drift(deployment)})
    wait_for_sweeps(deployment, 2)

    causes = Counter(row["cause"] for row in deployment.rows("drift"))
    assert set(causes) <= {"SOLD", "LINKED_UNIT"}, causes
    assert {row["action"] for row in deployment.rows("drift")} == {"REPORTED"}
    there = deployment.marketplace.units()
    assert {there[unit_id]["amount"] for unit_id in sold} == {8}
