"""SIGKILL and SIGSTOP: nothing is lost, no older value replaces a newer one, a resumed process writes nothing."""

import random

import pytest

from devstack.expectation import Produced
from devstack.processes import wait_for
from devstack.traffic import Message, MessageKind, OfferPlace
from tests.faults import checks
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.workload import SHORT, all_hold, mixed, wall_us


def test_five_kills_lose_nothing_and_repeat_only_what_was_not_durable(deploy: Deploy) -> None:
    deployment = deploy(processing=SHORT)
    chance = random.Random(20_260)
    traffic = mixed(deployment, seed=2)
    times = wall_us()
    produced: list[Produced] = []

    for _ in range(5):
        connector = deployment.connector()
        produced += deployment.produce(traffic.messages(600, times))
        deployment.wait_for_calls(chance.randrange(5, 40))
        produced += deployment.produce(traffic.messages(100, times))
        connector.kill9()
    deployment.connector()
    deployment.settle(produced)

    all_hold(deployment, produced)
    journal = deployment.marketplace.journal()
    repeated, not_durable = checks.repeated(deployment.units_there(), journal, deployment.calls(), produced)
    assert repeated <= not_durable


def one_place(deployment: WatchedDeployment) -> OfferPlace:
    linked: dict[str, list[int]] = {}
    for unit in deployment.units_before.values():
        linked.setdefault(unit["id_offer"], []).append(unit["id_unit"])
    single, _ = deployment.places()
    return next(place for place in single if len(linked[place.offer_id or ""]) == 1)


def stock_event(place: OfferPlace, at_us: int, stock: int) -> Message:
    payload = {
        "event_id": f"stock-{at_us}",
        "occurred_at_us": at_us,
        "target_id": place.target_id,
        "condition": place.condition,
        "ean": place.ean,
        "stock": stock,
    }
    return Message(kind=MessageKind.UPDATE, key=place.ean, payload=payload)


@pytest.mark.parametrize(("known", "newest"), [(7, 3), (0, 0)], ids=["all differ", "before and after are equal"])
def test_a_merged_value_accepted_but_not_durable_is_followed_by_the_newest_only(
    deploy: Deploy, known: int, newest: int
) -> None:
    deployment = deploy(processing=SHORT, catalogue="eans = 20", partitions=1)
    place, times = one_place(deployment), wall_us()
    connector = deployment.connector()
    produced = deployment.produce([stock_event(place, next(times), known)])
    deployment.settle(produced)
    assert connector.stop() == 0
    # the response is sent slowly, so that the kill comes after the write was applied and before the response arrived
    deployment.marketplace.fault("slow", {"kind": "drip"}, unit_ids=[place.unit_id], times=1)

    # both wait in the topic: the newer one supersedes the older
    produced += deployment.produce(stock_event(place, next(times), stock) for stock in (4, 5))
    connector = deployment.connector()
    wait_for("the write", lambda: deployment.marketplace.units()[place.unit_id]["amount"] == 5, every_s=0.01)
    connector.kill9()
    produced += deployment.produce([stock_event(place, next(times), newest)])
    deployment.connector()
    deployment.settle(produced)

    all_hold(deployment, produced)
    assert deployment.marketplace.journal().accepted(place.unit_id, "amount") == (known, 5, newest)


def test_a_process_frozen_past_its_session_writes_nothing_when_thawed(deploy: Deploy) -> None:
    deployment = deploy(processing=SHORT)
    traffic = mixed(deployment, seed=3)
    times = wall_us()
    first = deployment.connector("one")
    produced = deployment.produce(traffic.messages(1_200, times))
    deployment.wait_for_calls(30)

    first.freeze()
    deployment.connector("two")
    produced += deployment.produce(traffic.messages(400, times))
    deployment.settle(produced)
    before = deployment.marketplace.summary()["calls"]
    first.thaw()
    deployment.quiet(for_s=4.0)

    assert deployment.marketplace.summary()["calls"] == before
    assert first.running, first.text()[-2000:]
    produced += deployment.produce(traffic.messages(200, times))
    deployment.settle(produced)
    all_hold(deployment, produced)
