"""A lost cluster is replaced by its mirror, with other offsets and topic ids; then the marketplace's limit falls."""

from collections import Counter
from collections.abc import Sequence

from confluent_kafka import Producer

from devstack.clients import Position
from devstack.expectation import Produced, expected_units
from tests.faults import checks
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.test_04_replay import recreate
from tests.faults.test_recreated import decided_after
from tests.faults.workload import SHORT, mixed, wall_us

EXPIRED = 10
"""So many records of each partition are not on the mirror: its offsets differ from those of the lost cluster."""


def mirrored(deployment: WatchedDeployment, readable: set[Position]) -> set[Position]:
    """Replaces the input topic by a mirror of it. Returns where on it the records at these positions are."""
    records = deployment.read("offer-changes")
    recreate(deployment, "offer-changes")
    producer = Producer({"bootstrap.servers": deployment.kafka.bootstrap_servers, "enable.idempotence": True})
    passed, found = Counter[int](), set[Position]()
    for record in records:
        partition = record.partition() or 0
        at = passed[partition] - EXPIRED
        passed[partition] += 1
        if at >= 0:
            time_ms = record.timestamp()[1]
            producer.produce(
                deployment.topic("offer-changes"), record.value(), record.key(), partition, timestamp=time_ms
            )
            found |= {(partition, at)} if (partition, record.offset()) in readable else set()
    assert producer.flush(60) == 0
    return found


def decodable(produced: Sequence[Produced]) -> set[Position]:
    """Returns the positions of the events that get a result rather than a dead letter."""
    return {(one.partition, one.offset) for one in produced if one.message.raw is None}


def test_the_mirror_of_a_lost_cluster_gets_newest_values_only_and_a_lowered_limit_fails_nothing(deploy: Deploy) -> None:
    deployment = deploy(catalogue="eans = 120", processing=SHORT)
    traffic, clock = mixed(deployment, seed=30), wall_us()
    connector = deployment.connector()
    produced = deployment.produce(traffic.messages(800, clock))
    deployment.settle(produced)
    connector.kill9()
    produced += deployment.produce(traffic.messages(200, clock))  # mirrored, and never read on the lost cluster
    journal = deployment.marketplace.journal()
    before_us = max(row["decided_at"] for row in deployment.results())

    on_the_mirror = mirrored(deployment, decodable(produced))
    recreate(deployment, "offer-state")
    deployment.reset_offsets()
    config = ["--config", str(deployment.config("setup"))]
    deployment.command("schemas", "register", *config)
    deployment.command("check", *config)
    deployment.connector()
    deployment.wait_for(
        "a result of each mirrored event", lambda: decided_after(deployment, before_us) >= on_the_mirror
    )
    deployment.quiet()

    after = deployment.marketplace.journal()
    newest = expected_units(deployment.units_there(), deployment.targets, produced)
    again = after.writes[len(journal.writes) :]
    assert again
    assert not [write for write in again if write.new != newest[write.unit_id][write.field]]
    checks.end_state(deployment.units_there(), deployment.marketplace.units(), deployment.targets, produced)
    checks.nothing_created(after)

    deployment.marketplace.policy(requests_per_second=3)
    late = deployment.produce(traffic.messages(200, clock))
    deployment.wait_for("a result of each later event", lambda: decided_after(deployment, before_us) >= decodable(late))

    assert deployment.marketplace.journal().by_status[429] > after.by_status.get(429, 0)
    assert not [row for row in deployment.results() if row["status"] == "FAILED"]
