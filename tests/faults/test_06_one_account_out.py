"""One of two accounts gets 401 and one key fails, while 10,000 other events are processed without delay."""

from bisect import bisect_right
from collections import Counter

from confluent_kafka import Consumer, TopicPartition

from devstack.traffic import MessageKind, Traffic
from tests.faults import checks
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.test_05_bulk_edges import change
from tests.faults.workload import wall_us

BULK = 2  # few units per call, so that the number of calls is the bottleneck
CEILING = 30  # calls per second of each account: low, so that it is the bottleneck on any machine


def all_read(deployment: WatchedDeployment) -> bool:
    """Whether the committed position of every partition is the end of its log."""
    topic = deployment.topic("offer-changes")
    group = {"bootstrap.servers": deployment.kafka.bootstrap_servers, "group.id": f"{deployment.prefix}.connector"}
    reader = Consumer(group)
    try:
        places = reader.committed([TopicPartition(topic, number) for number in range(deployment.partitions)], 30)
        return all(place.offset == reader.get_watermark_offsets(place, 30)[1] for place in places)
    finally:
        reader.close()


def fastest(deployment: WatchedDeployment, seller: str, over_s: int) -> float:
    """Returns the highest rate of a seller's successful write calls over ``over_s`` seconds, in calls per second."""
    calls = deployment.marketplace.journal().write_calls
    arrivals = sorted(call.mono_us for call in calls if call.seller == seller and call.status < 400)
    ends = (bisect_right(arrivals, begin + over_s * 1_000_000) for begin in arrivals)
    return max(end - place for place, end in enumerate(ends)) / over_s


def test_a_refused_account_and_a_failing_key_delay_no_other_and_recover_without_a_restart(deploy: Deploy) -> None:
    deployment = deploy(
        sellers=("main", "other"),
        storefronts=("de",),
        account={"requests_per_second": CEILING},
        settings=f"[offers]\nbulk_size = {BULK}\n",
        catalogue="eans = 400\nlinked = 0.0\nambiguous = 0.0\nmissing = 0.0\nfurther_condition = 0.0",
        processing={"session": "6s", "lease": "2s", "call_deadline": "3s", "retry_budget": 100, "retry_cap": "2s"},
    )
    mine, _ = deployment.places("main")
    theirs, _ = deployment.places("other")
    failing = mine[0]
    new_keys = ("c" * 32, "5" * 64)
    deployment.marketplace.rotate("other", *new_keys)
    deployment.marketplace.fault("failing key", {"kind": "respond", "status": 500}, unit_ids=[failing.unit_id])
    times = wall_us()

    first = deployment.connector("one")
    stuck = deployment.produce(change(place, next(times), stock=4_444) for place in [failing, *theirs])
    flowing = Traffic(mine[1:], seed=8, weights={MessageKind.UPDATE: 1.0})
    passing = deployment.produce(flowing.messages(5_000, times))
    deployment.wait_for("some results", lambda: len(deployment.results()) > 1_250)
    first.kill9()
    deployment.connector("one")
    passing += deployment.produce(flowing.messages(5_000, times))
    deployment.wait_for_results(passing)
    passing += deployment.produce(change(place, next(times), stock=777) for place in mine[1:])
    deployment.wait_for_results(passing)

    assert fastest(deployment, "main", over_s=3) > 0.9 * CEILING
    stuck_positions = {(one.partition, one.offset) for one in stuck[1:]}
    assert not stuck_positions & {checks.position(row) for row in deployment.results()}
    deployment.wait_for("positions at the end of the log", lambda: all_read(deployment))
    deployment.marketplace.heal("failing key")
    deployment.write_secrets("other", *new_keys)
    deployment.settle([*stuck, *passing])

    produced = [*stuck, *passing]
    checks.once_each(produced, deployment.results(), deployment.dead_positions())
    checks.end_state(deployment.units_there(), deployment.marketplace.units(), deployment.targets, produced)
    after = Counter(row["status"] for row in deployment.results() if checks.position(row) in stuck_positions)
    assert after == {"APPLIED": len(theirs)}
    checks.no_overlap(deployment.marketplace.journal())
