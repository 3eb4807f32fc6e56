"""A cold start on a real broker: a sweep in one process identifies the offers of both, without a look-up for each."""

from collections import Counter
from decimal import Decimal

from tests.faults.conftest import Deploy
from tests.faults.test_05_bulk_edges import change
from tests.faults.workload import SHORT, wall_us

OFFERS = 600
CEILING = 20.0


def test_two_processes_identify_a_catalogue_by_one_sweep(deploy: Deploy) -> None:
    deployment = deploy(
        catalogue=f"eans = {OFFERS}\nambiguous = 0.0\nmissing = 0.0\nfurther_condition = 0.0\nlinked = 0.0",
        account={"requests_per_second": CEILING},
        reconcile={"interval": "1h"},
        processing=SHORT,
        partitions=4,
    )
    times, places = wall_us(), deployment.places()[0]
    produced = deployment.produce(
        change(place, next(times), price=(Decimal("12.34"), place.currency)) for place in places
    )
    connectors = [deployment.connector(name) for name in ("one", "two")]
    deployment.wait_for_results(produced)

    calls = Counter(row["kind"].partition(":")[0] for row in deployment.calls())
    assert calls["lookup"] < len(places) / 2, calls
    assert Counter(row["status"] for row in deployment.results()) == {"APPLIED": len(places)}
    there = deployment.marketplace.units()
    assert {there[place.unit_id]["listing_price"] for place in places} == {1_234}
    assert deployment.rows("drift") == []
    assert [connector.stop() for connector in connectors] == [0, 0]
