"""kill -9 and SIGSTOP: nothing lost, nothing older over newer, and a thawed process writes nothing."""

import random

from connector.demo.traffic import Kind, Message, Place
from tests.faults.conftest import Deploy
from tests.faults.deployment import Deployment, wait_for
from tests.faults.workload import all_hold, mixed, wall_us


def test_five_kills_in_mid_flow_lose_nothing_and_send_nothing_older(deploy: Deploy) -> None:
    deployment = deploy(processing={"session": "6s", "lease": "2s", "call_deadline": "3s"})
    chance = random.Random(20_260)
    traffic = mixed(deployment, seed=2)
    times = wall_us()
    produced = []

    for _ in range(5):
        connector = deployment.connector()
        produced += deployment.produce(traffic.messages(1_500, times))
        aim = deployment.marketplace.summary()["calls"] + chance.randrange(5, 120)
        wait_for_calls(deployment, aim)
        produced += deployment.produce(traffic.messages(300, times))
        connector.kill9()
    deployment.connector()
    deployment.settle(produced, timeout_s=180)

    all_hold(deployment, produced)


def wait_for_calls(deployment: Deployment, count: int) -> None:
    wait_for(f"{count} calls", lambda: deployment.marketplace.summary()["calls"] >= count, 60)


def one_place(deployment: Deployment) -> Place:
    linked: dict[str, list[int]] = {}
    for unit in deployment.units_before.values():
        linked.setdefault(unit["id_offer"], []).append(unit["id_unit"])
    single, _ = deployment.places()
    return next(place for place in single if len(linked[place.offer_id or ""]) == 1)


def stock_event(place: Place, at_us: int, stock: int) -> Message:
    payload = {
        "event_id": f"stock-{at_us}",
        "occurred_at_us": at_us,
        "target_id": place.target_id,
        "condition": place.condition,
        "ean": place.ean,
        "stock": stock,
    }
    return Message(kind=Kind.UPDATE, key=place.ean, payload=payload)


def aimed_kill(deployment: Deployment, first: int, merged: int, newest: int) -> tuple[int, list[object]]:
    """Kill after ``merged`` was accepted and before that is durable; ``newest`` comes after. The values written."""
    place = one_place(deployment)
    times = wall_us()
    connector = deployment.connector()
    produced = deployment.produce([stock_event(place, next(times), first)])
    deployment.settle(produced)
    # the answer of the next write is slow, so that the kill comes after it was applied and before it was heard
    deployment.marketplace.fault("slow", {"kind": "lose_answer"}, unit_ids=[place.unit_id], times=1)
    produced += deployment.produce([stock_event(place, next(times), merged)])
    wait_for(
        "the write to be applied",
        lambda: deployment.marketplace.units()[place.unit_id]["amount"] == merged,
        30,
        every_s=0.01,
    )
    connector.kill9()
    produced += deployment.produce([stock_event(place, next(times), newest)])
    deployment.connector()
    deployment.settle(produced)
    all_hold(deployment, produced)
    journal = deployment.marketplace.journal()
    return place.unit_id, list(journal.accepted(place.unit_id, "amount"))


def test_a_value_accepted_and_not_durable_is_followed_by_the_newest_only(deploy: Deploy) -> None:
    deployment = deploy(processing={"session": "6s", "lease": "2s", "call_deadline": "3s"}, catalogue="eans = 20")

    _, written = aimed_kill(deployment, 7, 5, 3)

    assert written[:2] == [7, 5]
    assert written[-1] == 3
    assert 7 not in written[2:]


def test_equal_values_around_a_lost_acceptance_do_not_end_unchanged(deploy: Deploy) -> None:
    deployment = deploy(processing={"session": "6s", "lease": "2s", "call_deadline": "3s"}, catalogue="eans = 20")

    unit_id, written = aimed_kill(deployment, 0, 5, 0)

    assert deployment.marketplace.units()[unit_id]["amount"] == 0
    assert written[-1] == 0
    assert len(written) >= 3


def test_a_process_frozen_past_its_session_writes_nothing_when_thawed(deploy: Deploy) -> None:
    deployment = deploy(processing={"session": "6s", "lease": "2s", "call_deadline": "3s"})
    traffic = mixed(deployment, seed=3)
    times = wall_us()
    first = deployment.connector("one")
    produced = deployment.produce(traffic.messages(3_000, times))
    wait_for_calls(deployment, 30)

    first.freeze()
    deployment.connector("two")
    produced += deployment.produce(traffic.messages(1_000, times))
    deployment.settle(produced)
    before = deployment.marketplace.summary()["calls"]
    first.thaw()
    deployment.quiet(for_s=4.0)

    assert deployment.marketplace.summary()["calls"] == before
    produced += deployment.produce(traffic.messages(500, times))
    deployment.settle(produced)
    all_hold(deployment, produced)
