"""Edge cases of bulk calls: the number of calls, no unit twice in a call, and refused items among accepted ones."""

from collections.abc import Iterator
from decimal import Decimal

from devstack.expectation import Produced
from devstack.traffic import Message, MessageKind, OfferPlace
from simulator.exchange import Endpoint
from tests.faults import checks
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.workload import all_hold, wall_us

CATALOGUE = "eans = 310\nlinked = 0.0\nambiguous = 0.0\nmissing = 0.0\nfurther_condition = 0.0"


def change(place: OfferPlace, at_us: int, **carried: object) -> Message:
    payload = {
        "event_id": f"e-{at_us}",
        "occurred_at_us": at_us,
        "sequence": None,
        "target_id": place.target_id,
        "condition": place.condition,
        "ean": place.ean,
        "offer_id": None,
        "unit_id": None,
        **carried,
    }
    return Message(kind=MessageKind.UPDATE, key=place.ean, payload=payload)


def known_units(
    deployment: WatchedDeployment, times: Iterator[int], count: int
) -> tuple[dict[str, list[OfferPlace]], list[Produced]]:
    """Makes ``count`` units of each seller known, and stops the connector, so that further events form a backlog."""
    places = {seller: deployment.places(seller)[0][:count] for seller in deployment.sellers}
    connector = deployment.connector()
    produced = deployment.produce(
        change(place, next(times), stock=900, handling_time_days=9) for some in places.values() for place in some
    )
    deployment.wait_for_results(produced)
    assert connector.stop() == 0
    return places, produced


def test_1_149_150_151_and_301_units_take_1_1_1_2_and_3_calls(deploy: Deploy) -> None:
    counts = {f"with-{count}": count for count in (1, 149, 150, 151, 301)}
    deployment = deploy(partitions=1, sellers=tuple(counts), storefronts=("de",), catalogue=CATALOGUE)
    times = wall_us()
    places, produced = known_units(deployment, times, 301)
    before = len(deployment.marketplace.journal().write_calls)

    # each unit twice: the older event is superseded while it waits, so no unit is in a call twice
    for stock in (800, 8):
        produced += deployment.produce(
            change(place, next(times), stock=stock)
            for seller, count in counts.items()
            for place in places[seller][:count]
        )
    connector = deployment.connector()
    deployment.settle(produced)
    assert connector.stop() == 0

    journal = deployment.marketplace.journal()
    sizes = {
        seller: sorted((len(c.unit_ids) for c in journal.write_calls[before:] if c.seller == seller), reverse=True)
        for seller in counts
    }
    assert sizes == {
        "with-1": [1],
        "with-149": [149],
        "with-150": [150],
        "with-151": [150, 1],
        "with-301": [150, 150, 1],
    }
    assert all(len(set(call.unit_ids)) == len(call.unit_ids) for call in journal.write_calls)
    all_hold(deployment, produced)


def test_3_refused_of_150_are_rejected_alone_and_147_are_not_sent_again(deploy: Deploy) -> None:
    """The responses to one account name the refused field, those to the other name none."""
    sellers = ("told", "untold")
    deployment = deploy(partitions=1, sellers=sellers, storefronts=("de",), catalogue=CATALOGUE)
    times = wall_us()
    places, produced = known_units(deployment, times, 150)
    bad = {seller: {place.unit_id for place in places[seller][5:8]} for seller in sellers}
    for seller in sellers:
        refusal = {"kind": "refuse", "field": "listing_price", "name_field": seller == "told"}
        deployment.marketplace.fault(seller, refusal, unit_ids=sorted(bad[seller]))
    before = len(deployment.marketplace.journal().write_calls)

    changed = deployment.produce(
        change(place, next(times), stock=0, price=(Decimal("19.99"), place.currency))
        for seller in sellers
        for place in places[seller]
    )
    produced += changed
    deployment.connector()
    deployment.settle(produced)

    journal, units = deployment.marketplace.journal(), deployment.marketplace.units()
    positions = {(one.partition, one.offset) for one in changed}
    ends = {row["unit_id"]: row["status"] for row in deployment.results() if checks.position(row) in positions}
    for seller in sellers:
        calls = [c for c in journal.write_calls[before:] if c.kind is Endpoint.BULK and c.seller == seller]
        assert len(calls[0].unit_ids) == 150
        assert {unit_id for call in calls[1:] for unit_id in call.unit_ids} == bad[seller]
        assert all(units[unit_id]["amount"] == 0 for unit_id in bad[seller]), (
            "a refused price took a stock-zero with it"
        )
        for place in places[seller]:
            assert ends[place.unit_id] == ("PARTIAL" if place.unit_id in bad[seller] else "APPLIED"), seller
    checks.once_each(produced, deployment.results(), deployment.dead_positions())
    checks.no_overlap(journal)
