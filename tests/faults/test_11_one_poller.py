"""Only one of several processes polls: the owner of the scheduler's partition; another takes over when it dies."""

import time
from itertools import pairwise

from devstack.processes import ModuleProcess
from simulator.journal import CallRow
from tests.faults import orders
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.workload import SHORT

INTERVAL_S = 5.0


def start(deployment: WatchedDeployment, name: str) -> ModuleProcess:
    """Starts a process with a user agent of its own, and waits until it is ready."""
    deployment.account = {"user_agent": name}
    connector = deployment.connector(name)
    with connector.health() as health:
        deployment.wait_for(f"{name} to be ready", lambda: health.get("/readyz").status_code == 200)
    return connector


def polls(deployment: WatchedDeployment) -> list[CallRow]:
    return [call for call in deployment.marketplace.journal().polls if call.answered_us]


def poller(deployment: WatchedDeployment) -> str:
    """Returns the user agent of the last poll."""
    return polls(deployment)[-1].user_agent


def first_poll_after(deployment: WatchedDeployment, moment_us: int, name: str) -> CallRow | None:
    return next((call for call in polls(deployment) if call.mono_us > moment_us and call.user_agent == name), None)


def now_us() -> int:
    """Returns the time by the journal's monotonic clock."""
    return time.monotonic_ns() // 1000


def test_one_of_two_processes_polls_and_the_other_takes_over_when_it_dies_or_leaves(deploy: Deploy) -> None:
    deployment = deploy(
        partitions=2,
        catalogue="eans = 20",
        scenario="[orders]\nper_second = 3\ntotal = 120\n",
        processing=SHORT,
        orders={"interval": f"{INTERVAL_S:.0f}s", "overlap": "5s"},
    )
    processes = {name: start(deployment, name) for name in ("one", "two")}
    deployment.wait_for("some polls", lambda: len(polls(deployment)) >= 2)

    killed = poller(deployment)  # the group decides which of the two
    [other] = processes.keys() - {killed}
    processes[killed].kill9()
    killed_us = now_us()
    deployment.wait_for(f"a poll of {other}", lambda: first_poll_after(deployment, killed_us, other) is not None)

    processes[killed] = start(deployment, killed)
    left = poller(deployment)
    [remains] = processes.keys() - {left}
    assert processes[left].stop() == 0
    left_us = now_us()
    deployment.wait_for(f"a poll of {remains}", lambda: first_poll_after(deployment, left_us, remains) is not None)
    deployment.wait_for("every order", lambda: orders.all_right(deployment), every_s=1)

    in_turn = pairwise(polls(deployment))
    assert all(a.answered_us <= b.mono_us for a, b in in_turn if a.user_agent != b.user_agent), "two polled at a time"
    orders.one_key_each(deployment)
    orders.no_content_twice(deployment)
