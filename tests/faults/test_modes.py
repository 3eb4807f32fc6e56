"""Single and batch mode give the same results for the same events; batch needs a fraction of the calls."""

from urllib.parse import parse_qs, urlsplit

import orjson

from simulator.exchange import Endpoint
from tests.faults import checks
from tests.faults.conftest import FAST_MISS, Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.test_05_bulk_edges import change
from tests.faults.workload import wall_us

OFFERS = 80
STRICT = 'max_stock = 99_999\nstock_above_max = "reject"\n'
CATALOGUE = f"eans = {OFFERS}\nlinked = 0.0\nambiguous = 0.0\nmissing = 0.0\nfurther_condition = 0.0"


def run(deployment: WatchedDeployment) -> dict[str, tuple[str, str | None]]:
    """Runs one event for each unit, half of them refused by the connector or the marketplace; returns the outcomes."""
    places, _ = deployment.places()
    times = wall_us()
    deployment.marketplace.fault(
        "refuse", {"kind": "refuse", "field": "amount", "name_field": True}, unit_ids=[places[3].unit_id]
    )
    produced = deployment.produce(
        change(place, next(times), stock=100_000 if number % 7 == 0 else 900 + number)
        for number, place in enumerate(places)
    )
    connector = deployment.connector()
    deployment.settle(produced)
    assert connector.stop() == 0
    begins = next(line for line in connector.text().splitlines() if '"event":"begins"' in line.replace(" ", ""))
    assert orjson.loads(begins)["writes"] == "updates of price, stock and handling time"
    checks.once_each(produced, deployment.results(), deployment.dead_positions())
    eans = {one.offset: (one.message.key, (one.message.payload or {})["target_id"]) for one in produced}
    return {str(eans[row["input_offset"]]): (row["status"], row["code"]) for row in deployment.results()}


def storefront_of(target: str) -> str:
    [storefront] = parse_qs(urlsplit(target).query)["storefront"]
    return storefront


def test_single_and_batch_give_the_same_results_and_batch_a_fraction_of_the_calls(deploy: Deploy) -> None:
    modes = {
        mode: deploy(partitions=1, catalogue=CATALOGUE, settings=f'{FAST_MISS}{STRICT}mode = "{mode}"\n')
        for mode in ("single", "batch")
    }

    results = {mode: run(deployment) for mode, deployment in modes.items()}

    assert results["single"] == results["batch"]
    assert {status for status, _ in results["single"].values()} == {"APPLIED", "REJECTED"}
    writes = {mode: deployment.marketplace.journal().write_calls for mode, deployment in modes.items()}
    sent = sum(len(call.unit_ids) for call in writes["single"])
    assert {call.kind for call in writes["single"]} == {Endpoint.PATCH}
    assert len(writes["single"]) == sent
    assert {call.kind for call in writes["batch"]} == {Endpoint.BULK}
    assert max(len(call.unit_ids) for call in writes["batch"]) <= 150
    assert len(writes["batch"]) * 2 < len(writes["single"])
    for deployment in modes.values():
        by_storefront = {unit_id: unit["storefront"] for unit_id, unit in deployment.marketplace.units().items()}
        for call in deployment.marketplace.journal().write_calls:
            assert {by_storefront[unit_id] for unit_id in call.unit_ids} == {storefront_of(call.target)}
