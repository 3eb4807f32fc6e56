"""Offers, parcels and orders share one limit: it is kept, none of them starves, and endpoint groups have limits too."""

import time
from bisect import bisect
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import pairwise
from random import Random
from urllib.parse import parse_qs, urlsplit

from devstack.traffic import Message, MessageKind, OfferPlace
from simulator.exchange import Endpoint
from simulator.journal import CallRow, Journal
from simulator.routes import GROUPS
from tests.faults import checks, shipments
from tests.faults.conftest import FAST_MISS, Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.test_05_bulk_edges import change
from tests.faults.workload import all_hold, wall_us

LIMIT = 40
BURST = 8_000
INTERVAL_S = 5.0
FLOOR = 3
"""The most calls between two polls under load, as a multiple of those that the limit permits in an interval."""
PLAIN = "linked = 0.0\nambiguous = 0.0\nmissing = 0.0\nfurther_condition = 0.0\nincomplete = 0.0\non_hold = 0.0\n"
SINGLE = f'{FAST_MISS}mode = "single"\n'
"""Single mode: without bulk calls, the rate limit is the bottleneck."""


def burst(places: list[OfferPlace], count: int, times: Iterator[int]) -> Iterator[Message]:
    """Yields stock changes of a tenth of the offers, some to zero, and price changes of the others: all priorities."""
    chance = Random(14)
    for number in range(count):
        at_us, index = next(times), chance.randrange(len(places))
        place = places[index]
        if index % 10:
            carried: dict[str, object] = {"price": (Decimal(chance.randrange(199, 99_999)).scaleb(-2), place.currency)}
        else:
            carried = {"stock": 0 if chance.random() < 0.02 else chance.randrange(500)}
        payload = {
            "event_id": f"burst-{number}",
            "occurred_at_us": at_us,
            "target_id": place.target_id,
            "condition": place.condition,
            "ean": place.ean,
            **carried,
        }
        yield Message(kind=MessageKind.UPDATE, key=place.ean, payload=payload)


def parcels(orders: Iterable[shipments.Row]) -> Iterator[dict[str, object]]:
    """Yields one event for each order, with all its units."""
    for order in orders:
        yield {
            "event_id": f"parcel-{order['id_order']}",
            "occurred_at_us": time.time_ns() // 1000,
            "order_id": order["id_order"],
            "order_unit_ids": [unit["id_order_unit"] for unit in order["order_units"]],
            "parcels": [{"carrier": "DHL", "tracking_number": f"T{order['number']}"}],
        }


def all_sent(deployment: WatchedDeployment, orders: Iterable[shipments.Row]) -> bool:
    """Whether the orders topic shows all these orders as sent."""
    newest = deployment.newest("orders")
    return all(order["id_order"] in newest and newest[order["id_order"]]["status"] == "SENT" for order in orders)


def polls_begun(journal: Journal) -> list[int]:
    """Returns the times at which polls began: when the request for the first page arrived."""
    firsts = (call for call in journal.polls if call.kind is Endpoint.ORDER_UNITS and is_first_page(call))
    return [call.mono_us for call in firsts]


def is_first_page(call: CallRow) -> bool:
    return parse_qs(urlsplit(call.target).query).get("offset", ["0"]) == ["0"]


def moments(journal: Journal, *kinds: Endpoint) -> list[int]:
    return [call.mono_us for call in journal.calls if call.kind in kinds]


def test_a_burst_of_offers_orders_and_parcels_stays_under_the_limit_and_all_progress(deploy: Deploy) -> None:
    deployment = deploy(
        partitions=4,
        storefronts=("de",),
        catalogue=f"eans = 400\n{PLAIN}",
        scenario=f"[limits]\nrequests_per_second = {LIMIT}\n[orders]\nconfirm_delay_s = 0.0\nunits_max = 2\n",
        settings=SINGLE,
        account={"requests_per_second": LIMIT, "rate": {"strict": True}},
        processing={"age_step": "200ms"},
        orders={"interval": f"{INTERVAL_S:.0f}s"},
        shipments={},
    )
    places, _ = deployment.places()
    connector = deployment.connector()
    times = wall_us()
    produced = deployment.produce(change(place, next(times), stock=1) for place in places)
    deployment.settle(produced)  # all offers are known, and polling continues
    quiet_us = time.monotonic_ns() // 1000

    produced += deployment.produce(burst(places, BURST // 5, times))
    deployment.marketplace.buy(30)
    orders = deployment.marketplace.orders()
    deployment.dispatch(parcels(orders))
    produced += deployment.produce(burst(places, BURST - BURST // 5, times))
    deployment.wait_for_results(produced)
    deployment.wait_for("every order to be sent", lambda: all_sent(deployment, orders))
    deployment.quiet(for_s=1.0)

    assert connector.stop() == 0
    all_hold(deployment, produced, LIMIT)
    journal = deployment.marketplace.journal()
    writes, sends = moments(journal, Endpoint.PATCH), moments(journal, Endpoint.SEND)
    assert len(sends) == sum(len(order["order_units"]) for order in orders)
    assert max(sends) < max(writes), "parcels waited for the end of the burst"
    polled = polls_begun(journal)
    calls = sorted(call.mono_us for call in journal.calls)
    between = [bisect(calls, after) - bisect(calls, before) for before, after in pairwise(polled)]
    assert max(between) < FLOOR * INTERVAL_S * LIMIT, f"{between} calls between polls"
    assert [at_us for at_us in polled if quiet_us < at_us < max(writes)], "no poll during the burst"
    shipments.nothing_twice(journal)


# ---- endpoint groups ------------------------------------------------------------------------------------------------

PACES = {"units_read": 25, "units_write": 10, "orders": 25, "returns": 10, "shipments": 10}
"""The limit of each group, in calls per second."""


def test_each_group_of_endpoints_keeps_its_own_limit_beside_the_others(deploy: Deploy) -> None:
    limits = "".join(f"[limits.groups.{group}]\nrequests_per_second = {pace}\n" for group, pace in PACES.items())
    deployment = deploy(
        partitions=1,
        storefronts=("de",),
        catalogue=f"eans = 150\n{PLAIN}",
        scenario=f"{limits}[orders]\nat_start = 60\nconfirm_delay_s = 0.0\nunits_max = 1\n",
        settings=SINGLE,
        account={"rate": {"strict": True, "groups": PACES}},
        orders={"interval": f"{INTERVAL_S:.0f}s", "returns": True},
        shipments={},
    )
    places, _ = deployment.places()
    orders = deployment.marketplace.orders()
    produced = deployment.produce(burst(places, 300, wall_us()))
    deployment.dispatch(parcels(orders))

    connector = deployment.connector()
    deployment.wait_for_results(produced)
    deployment.wait_for("every order to be sent", lambda: all_sent(deployment, orders))

    assert connector.stop() == 0
    journal = deployment.marketplace.journal()
    checks.under_the_limit(journal, deployment.sellers)
    fastest = {group: journal.worst_second("main", kinds=GROUPS[group]) for group in PACES}
    assert all(fastest[group] <= pace for group, pace in PACES.items()), fastest
    busy = [group for group in PACES if group != "returns"]  # these have only one page
    assert all(fastest[group] > PACES[group] // 2 for group in busy), fastest
    begun = [min(moments(journal, *GROUPS[group])) for group in busy]
    ended = [max(moments(journal, *GROUPS[group])) for group in busy]
    assert max(begun) < min(ended), "a group waited for the end of another"
