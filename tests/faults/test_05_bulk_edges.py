"""Bulk calls at their edges: how many calls, no unit twice in one, and what a refused item does to its company."""

from decimal import Decimal

import pytest

from connector.demo.expectation import Produced
from connector.demo.traffic import Kind, Message, Place
from connector.simulator.exchange import Kind as CallKind
from tests.faults import checks
from tests.faults.conftest import Deploy
from tests.faults.deployment import Deployment
from tests.faults.workload import all_hold, wall_us

CATALOGUE = "eans = 310\nlinked = 0.0\nambiguous = 0.0\nmissing = 0.0\nfurther_condition = 0.0"


def change(place: Place, at_us: int, **carried: object) -> Message:
    payload = {
        "event_id": f"e-{at_us}",
        "occurred_at_us": at_us,
        "target_id": place.target_id,
        "condition": place.condition,
        "ean": place.ean,
        **carried,
    }
    return Message(kind=Kind.UPDATE, key=place.ean, payload=payload)


def known_units(deployment: Deployment) -> tuple[list[Place], list[Produced]]:
    """Every unit looked up and written once, and the connector stopped: what comes next waits in the topic."""
    places, _ = deployment.places()
    times = wall_us()
    connector = deployment.connector()
    produced = deployment.produce(change(place, next(times), stock=900, handling_time_days=9) for place in places)
    deployment.wait_for_results(produced)
    assert connector.stop() == 0
    return places, produced


def test_1_149_150_151_and_301_units_take_1_1_1_2_and_3_calls(deploy: Deploy) -> None:
    deployment = deploy(partitions=1, storefronts=("de",), catalogue=CATALOGUE)
    places, produced = known_units(deployment)
    times = wall_us()
    sizes = {}

    for stock, count in enumerate((1, 149, 150, 151, 301), start=1):
        before = len(deployment.marketplace.journal().write_calls)
        # each unit twice: the older of the two is overtaken while it waits, so no unit is in a call twice
        for value in (800 + stock, stock):
            produced += deployment.produce(change(place, next(times), stock=value) for place in places[:count])
        connector = deployment.connector()
        deployment.wait_for_results(produced)
        assert connector.stop() == 0
        calls = deployment.marketplace.journal().write_calls[before:]
        sizes[count] = sorted((len(call.unit_ids) for call in calls), reverse=True)  # calls may overtake each other

    assert sizes == {1: [1], 149: [149], 150: [150], 151: [150, 1], 301: [150, 150, 1]}
    journal = deployment.marketplace.journal()
    assert all(len(set(call.unit_ids)) == len(call.unit_ids) for call in journal.write_calls)
    all_hold(deployment, produced)


@pytest.mark.parametrize("named", [True, False], ids=["the answer names the field", "the answer names none"])
def test_3_refused_of_150_are_rejected_alone_and_147_are_not_sent_again(deploy: Deploy, named: bool) -> None:
    deployment = deploy(partitions=1, storefronts=("de",), catalogue=CATALOGUE)
    places, produced = known_units(deployment)
    bad = [place.unit_id for place in places[5:8]]
    deployment.marketplace.fault(
        "refuse", {"kind": "refuse", "field": "listing_price", "name_field": named}, unit_ids=bad
    )
    before = len(deployment.marketplace.journal().write_calls)
    times = wall_us()

    produced += deployment.produce(
        change(place, next(times), stock=0, price=(Decimal("19.99"), place.currency)) for place in places[:150]
    )
    deployment.connector()
    deployment.settle(produced)

    calls = [c for c in deployment.marketplace.journal().write_calls[before:] if c.kind is CallKind.BULK]
    assert len(calls[0].unit_ids) == 150
    again = [unit_id for call in calls[1:] for unit_id in call.unit_ids]
    assert set(again) == set(bad)
    units = deployment.marketplace.units()
    assert all(units[unit_id]["amount"] == 0 for unit_id in bad), "a refused price took a stock-zero with it"
    last = {row["unit_id"]: row for row in deployment.results()[-150:]}
    assert all(last[unit_id]["status"] == "PARTIAL" for unit_id in bad)
    assert all(last[place.unit_id]["status"] == "APPLIED" for place in places[:150] if place.unit_id not in bad)
    checks.once_each(produced, deployment.results(), deployment.dead_positions())
    checks.no_overlap(deployment.marketplace.journal())
