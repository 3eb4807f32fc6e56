"""Resetting offsets and state is a routine operation: a replay writes nothing, a rebuild only the newest values."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from connector import configuration
from connector.operations import topic_contents
from connector.operations.digest import comparable
from devstack.expectation import Produced, expected_units
from devstack.processes import wait_for
from tests.faults import checks
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.workload import mixed, wall_us

CATALOGUE = 'eans = 250\nconditions = ["NEW", "USED___GOOD"]\nambiguous = 0.03'


def recreate(deployment: WatchedDeployment, dataset: str) -> None:
    topic = deployment.topic(dataset)
    deployment.kafka.delete_topic(topic)
    admin = deployment.kafka.admin()
    wait_for("the topic to be gone", lambda: topic not in admin.list_topics(timeout=10).topics)
    deployment.command("topics", "--create", "--config", str(deployment.config("setup")))


def digest(deployment: WatchedDeployment) -> str:
    """Returns the output of ``connector state digest``."""
    return deployment.command("state", "digest", "--config", str(deployment.config("setup")))


def first_run(deployment: WatchedDeployment) -> list[Produced]:
    connector = deployment.connector()
    produced = deployment.produce(mixed(deployment, seed=6).messages(1_000, wall_us()))
    deployment.settle(produced)
    assert connector.stop() == 0
    return produced


def test_replaying_applied_events_writes_nothing_and_repeats_the_result_ids(deploy: Deploy) -> None:
    deployment = deploy(catalogue=CATALOGUE)
    produced = first_run(deployment)
    before = deployment.marketplace.journal()
    first = {row["result_id"]: row for row in deployment.results()}
    over = set(first)
    assert any(row["status"] == "NOT_FOUND" for row in first.values()), "what stands announced is replayed as well"

    deployment.reset_offsets()
    deployment.connector()
    deployment.wait_for("every event read again", lambda: over <= {row["result_id"] for row in replayed(deployment)})
    deployment.quiet()

    assert len(deployment.marketplace.journal().write_calls) == len(before.write_calls)
    again = replayed(deployment)
    assert Counter(row["result_id"] for row in again) == Counter(over)
    assert all(row["decided_at"] > first[row["result_id"]]["decided_at"] for row in again)
    readable = [one for one in produced if one.message.raw is None]  # the others become dead letters again
    checks.once_each(readable, deployment.results(), [])
    checks.end_state(deployment.units_there(), deployment.marketplace.units(), deployment.targets, produced)


def replayed(deployment: WatchedDeployment) -> list[dict[str, Any]]:
    return [row for row in deployment.results() if row["origin"] == "REPLAY"]


def test_state_and_offsets_reset_rebuild_the_same_state_with_newest_values_only(deploy: Deploy) -> None:
    deployment = deploy(catalogue=CATALOGUE)
    produced = first_run(deployment)
    before, journal = digest(deployment), deployment.marketplace.journal()
    held = essences(deployment)
    first_us = max(row["decided_at"] for row in deployment.results())

    recreate(deployment, "offer-state")
    deployment.reset_offsets()
    connector = deployment.connector()
    deployment.wait_for("every event said again", lambda: all_said_after(deployment, produced, first_us))
    deployment.quiet()
    assert connector.stop() == 0

    different = differing(held, essences(deployment))
    assert not different, f"{different}\n{told_about(deployment, produced, different)}"
    assert digest(deployment) == before
    units, after = deployment.units_there(), deployment.marketplace.journal()
    newest = expected_units(units, deployment.targets, produced)
    again = after.writes[len(journal.writes) :]
    assert not [write for write in again if write.new != newest[write.unit_id][write.field]]
    checks.in_order(units, after, deployment.targets, produced)
    checks.end_state(units, deployment.marketplace.units(), deployment.targets, produced)
    checks.nothing_created(after)


def all_said_after(deployment: WatchedDeployment, produced: list[Produced], moment_us: int) -> bool:
    """Whether every event has a row after ``moment_us``; one that was announced and superseded has earlier ones too."""
    again = {checks.position(row) for row in deployment.results() if row["decided_at"] > moment_us}
    return again.issuperset((one.partition, one.offset) for one in produced if one.message.raw is None)


def essences(deployment: WatchedDeployment) -> dict[str, dict[str, Any]]:
    """Returns the content of the digest by EAN, to show differences."""
    configured = configuration.load_settings(deployment.config("setup"), {}, datetime.now(UTC)).settings
    newest = dict(topic_contents.offer_states(configured))
    made = {ean: comparable(state) for ean, state in newest.items() if state is not None}
    return {ean: said for ean, said in made.items() if said is not None}


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Returns EAN -> the differing parts."""
    eans = sorted(ean for ean in {*before, *after} if before.get(ean) != after.get(ean))
    return {ean: dict(_parts_that_differ(before.get(ean, {}), after.get(ean, {}))) for ean in eans}


def _parts_that_differ(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for part in sorted({*before, *after}):
        one, other = before.get(part), after.get(part)
        if isinstance(one, list) and isinstance(other, list):
            one, other = [held for held in one if held not in other], [held for held in other if held not in one]
        if one != other:
            yield part, (one, other)


def told_about(deployment: WatchedDeployment, produced: list[Produced], eans: Iterable[str]) -> str:
    """Returns all events and rows of these EANs, for a failure message."""
    of = set(eans)
    said = [
        f"{one.partition}/{one.offset} {one.message.kind} {one.message.payload}"
        for one in produced
        if one.message.key in of
    ]
    rows = [
        f"{checks.position(row)} {row['origin']} {row['status']} {row['code']} {row['fields']}"
        for row in deployment.results()
        if row["ean"] in of
    ]
    return "\n".join([*said, *rows])


def test_a_state_topic_recreated_alone_stops_the_run_with_the_remedy(deploy: Deploy) -> None:
    deployment = deploy(catalogue=CATALOGUE)
    first_run(deployment)

    recreate(deployment, "offer-state")
    connector = deployment.connector()

    assert connector.wait() != 0
    said = connector.text()
    assert "reset" in said
    assert deployment.topic("offer-state") in said
