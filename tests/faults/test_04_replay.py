"""Offsets and state are everyday things to reset: replay writes nothing, a rebuild writes newest values only."""

from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from connector.demo.expectation import Produced
from tests.faults import checks
from tests.faults.conftest import Deploy
from tests.faults.deployment import Deployment, wait_for
from tests.faults.workload import all_hold, mixed, wall_us

WALL_CLOCK = {"updated_at", "accepted_at", "proved_at", "next_check_at", "since", "received_at", "unmanaged_at"}


def reset_offsets(deployment: Deployment, to: int = 0) -> None:
    """As ``kafka-consumer-groups --reset-offsets`` does, while no member is there."""
    admin = deployment.kafka.admin()
    topic = deployment.topic("offer-changes")
    places = [TopicPartition(topic, number, to) for number in range(deployment.partitions)]
    group = ConsumerGroupTopicPartitions(f"{deployment.prefix}.connector", places)
    altered = next(iter(admin.alter_consumer_group_offsets([group]).values())).result()
    assert all(place.error is None for place in altered.topic_partitions)


def recreate(deployment: Deployment, dataset: str) -> None:
    topic = deployment.topic(dataset)
    deployment.kafka.delete_topic(topic)
    admin = deployment.kafka.admin()
    wait_for("the topic to be gone", lambda: topic not in admin.list_topics(timeout=10).topics, 30)
    deployment.command("topics", "--create", "--config", str(deployment.config("setup")))
    for known in (deployment._readers, deployment._rows):
        known.pop(topic, None)


def without_clock(state: Any) -> Any:
    """A state without what hangs on when it was computed."""
    if isinstance(state, dict):
        return {name: without_clock(value) for name, value in state.items() if name not in WALL_CLOCK}
    if isinstance(state, list):
        return [without_clock(value) for value in state]
    return state


def first_run(deployment: Deployment) -> list[Produced]:
    connector = deployment.connector()
    produced = deployment.produce(mixed(deployment, seed=6).messages(5_000, wall_us()))
    deployment.settle(produced)
    assert connector.stop() == 0
    return produced


def test_replaying_what_is_true_writes_nothing_and_repeats_the_result_ids(deploy: Deploy) -> None:
    deployment = deploy()
    produced = first_run(deployment)
    before = deployment.marketplace.journal()
    first = {row["result_id"]: row for row in deployment.results() if row["origin"] == "LIVE"}

    reset_offsets(deployment)
    deployment.connector()
    wait_for(
        "every event read again",
        lambda: {r["result_id"] for r in deployment.results() if r["origin"] == "REPLAY"} == first.keys(),
        120,
        every_s=0.5,
    )
    deployment.quiet()

    after = deployment.marketplace.journal()
    assert len(after.write_calls) == len(before.write_calls)
    again = [row for row in deployment.results() if row["origin"] == "REPLAY"]
    assert len(again) == len(first)
    assert all(row["decided_at"] > first[row["result_id"]]["decided_at"] for row in again)
    all_hold_but_dead(deployment, produced)


def all_hold_but_dead(deployment: Deployment, produced: list[Produced]) -> None:
    """A replay dead-letters what cannot be read once more; results are once each."""
    readable = [one for one in produced if one.message.raw is None]
    checks.once_each(readable, deployment.results(), [])
    checks.end_state(deployment.units_there(), deployment.marketplace.units(), deployment.targets, produced)


def test_state_and_offsets_reset_rebuild_the_same_state_without_an_older_value(deploy: Deploy) -> None:
    deployment = deploy()
    produced = first_run(deployment)
    before = without_clock(deployment.states())
    calls_before = len(deployment.marketplace.journal().write_calls)

    recreate(deployment, "offer-state")
    reset_offsets(deployment)
    connector = deployment.connector()
    wait_for("the rebuild", lambda: len(deployment.states()) >= len(before), 120, every_s=0.5)
    deployment.quiet(for_s=4)
    assert connector.stop() == 0

    journal = deployment.marketplace.journal()
    checks.in_order(deployment.units_there(), journal, deployment.targets, produced)
    checks.end_state(deployment.units_there(), deployment.marketplace.units(), deployment.targets, produced)
    rebuilt = without_clock(deployment.states())
    assert rebuilt.keys() == before.keys()
    assert wanted_values(rebuilt) == wanted_values(before)
    assert len(journal.write_calls) - calls_before < calls_before


def wanted_values(states: dict[str, Any]) -> dict[tuple[int, str], object]:
    """(unit, field) -> value and whose event it was, as far as an event is behind it."""
    return {
        (unit["unit_id"], held["field"]): held["value"]
        for state in states.values()
        for unit in state["units"]
        for held in unit["fields"]
    }


def test_a_state_topic_recreated_alone_stops_the_run_with_the_remedy(deploy: Deploy) -> None:
    deployment = deploy()
    first_run(deployment)

    recreate(deployment, "offer-state")
    connector = deployment.connector()

    assert connector.wait(60) != 0
    said = connector.text()
    assert "reset" in said
    assert deployment.topic("offer-state") in said


def test_the_checks_of_this_module_see_a_run_that_is_right(deploy: Deploy) -> None:
    deployment = deploy()

    all_hold(deployment, first_run(deployment))
