"""An input topic is deleted and created again while the connector runs: nothing is lost silently."""

from typing import Any

import httpx

from devstack.processes import ModuleProcess
from tests.faults import checks
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.test_04_replay import recreate
from tests.faults.workload import SHORT, mixed, wall_us


def reasons(health: httpx.Client) -> str:
    """Returns why the process is not ready; "" if it is ready."""
    answer = health.get("/readyz")
    body: dict[str, Any] = answer.json()
    return "" if answer.status_code == 200 else str(body)


def await_refusal(deployment: WatchedDeployment, connector: ModuleProcess, *words: str) -> None:
    with connector.health() as health:
        deployment.wait_for("the refusal", lambda: all(word in reasons(health) for word in words))


def decided_after(deployment: WatchedDeployment, moment_us: int) -> set[tuple[int, int]]:
    """Returns the positions of results after ``moment_us``; earlier rows have positions of the old topic."""
    return {checks.position(row) for row in deployment.results() if row["decided_at"] > moment_us}


def test_an_input_topic_deleted_and_created_again_is_refused_until_state_and_offsets_are_reset(deploy: Deploy) -> None:
    deployment = deploy(catalogue="eans = 60", processing=SHORT)
    traffic, clock = mixed(deployment, seed=3), wall_us()
    connector = deployment.connector()
    old = deployment.produce(traffic.messages(200, clock))
    deployment.settle(old)
    before_us = max(row["decided_at"] for row in deployment.results())

    recreate(deployment, "offer-changes")
    new = deployment.produce(traffic.messages(120, clock))
    await_refusal(deployment, connector, "created again", "Remedy")
    assert connector.stop() == 0

    again = deployment.connector()
    await_refusal(deployment, again, "belongs to another", "reset the group's offsets", deployment.topic("offer-state"))
    assert again.stop() == 0

    units = deployment.units_there(deployment.marketplace.units())
    recreate(deployment, "offer-state")
    deployment.reset_offsets()
    last = deployment.connector()
    readable = {(one.partition, one.offset) for one in new if one.message.raw is None}
    deployment.wait_for("every new event answered", lambda: decided_after(deployment, before_us) >= readable)
    deployment.quiet()
    assert last.stop() == 0

    # the state of the old topic was reset, so the order of the new topic's events counts
    checks.end_state(units, deployment.marketplace.units(), deployment.targets, new)
    checks.nothing_created(deployment.marketplace.journal())
