"""Two EANs of one product in two processes: the EAN that was applied first keeps the unit, the other is refused."""

from dataclasses import replace

from simulator.offers.catalogue import ean_13, second_ean
from streams.partitioner import partition_for
from tests.faults.conftest import Deploy
from tests.faults.test_05_bulk_edges import change
from tests.faults.workload import wall_us

EANS = 10
CATALOGUE = (
    f"eans = {EANS}\nlinked = 0.0\nambiguous = 0.0\nmissing = 0.0\nfurther_condition = 0.0\nincomplete = 0.0\n"
    "on_hold = 0.0\nsecond_ean = 1.0"
)


def test_an_older_event_of_a_second_ean_never_replaces_a_newer_value(
    deploy: Deploy,
) -> None:
    deployment = deploy(partitions=2, storefronts=("de",), catalogue=CATALOGUE)
    place, other = next(
        (place, second)
        for place in deployment.places()[0]
        for number in range(EANS)
        if place.ean == ean_13(number)
        and partition_for(place.ean.encode(), 2) != partition_for((second := second_ean(number)).encode(), 2)
    )
    times = wall_us()
    older_us, newer_us, newest_us = next(times), next(times), next(times)
    first = deployment.connector("one")
    newer = deployment.produce([change(place, newer_us, stock=9)])
    deployment.wait_for_results(newer)

    first.kill9()
    second_process = deployment.connector("two")
    older = deployment.produce([change(replace(place, ean=other), older_us, stock=1)])
    deployment.wait_for_results(older)
    newest = deployment.produce([change(place, newest_us, stock=5)])
    deployment.wait_for_results(newest)

    ended = {row["input_offset"] if row["ean"] == other else row["occurred_at"]: row for row in deployment.results()}
    refused = ended[older[0].offset]
    assert (refused["status"], refused["code"]) == ("REJECTED", "ALIAS_EAN")
    assert place.ean in refused["problem"]["message"]
    assert [ended[at_us]["status"] for at_us in (newer_us, newest_us)] == ["APPLIED", "APPLIED"]
    assert deployment.marketplace.units()[place.unit_id]["amount"] == 5
    assert second_process.stop() == 0
