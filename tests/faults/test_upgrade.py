"""A rolling upgrade from the version before under load, and back: both versions share the group meanwhile."""

from collections.abc import Mapping
from pathlib import Path

from devstack.expectation import Produced
from devstack.processes import ModuleProcess
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.workload import SHORT, all_hold, mixed, wall_us
from tests.harness.version_before import as_known, version_before

INSTANCES = ("one", "two")


def start(deployment: WatchedDeployment, instance: str, version: Mapping[str, str]) -> ModuleProcess:
    """Starts a process of a version, which is an environment."""
    command = ["connector", "run", "--config", str(as_known(deployment.config(instance), version))]
    return deployment.start(command, version, name=f"connector {instance}")


def wait_for_a_partition(deployment: WatchedDeployment, process: ModuleProcess) -> None:
    deployment.wait_for(
        f"a partition of {process.name}", lambda: '"partition_opened"' in process.text(), progress=process.text
    )


def test_a_rolling_upgrade_under_load_and_back_loses_nothing_and_refuses_nothing(
    deploy: Deploy, tmp_path: Path
) -> None:
    deployment = deploy(processing=SHORT, partitions=4)
    times, traffic = wall_us(), mixed(deployment, seed=29)
    before, now = version_before(tmp_path / "before"), dict[str, str]()
    setup = ["--config", str(as_known(deployment.config("setup"), before))]
    assert deployment.start(["connector", "schemas", "register", *setup], before, name="register").wait() == 0

    running = {instance: start(deployment, instance, before) for instance in INSTANCES}
    produced: list[Produced] = deployment.produce(traffic.messages(1_000, times))
    deployment.wait_for_calls(20)
    for version in (now, before):
        for instance in INSTANCES:
            produced += deployment.produce(traffic.messages(300, times))
            assert running[instance].stop() == 0
            running[instance] = start(deployment, instance, version)
            produced += deployment.produce(traffic.messages(300, times))
            wait_for_a_partition(deployment, running[instance])
    produced += deployment.produce(traffic.messages(300, times))
    deployment.settle(produced)

    all_hold(deployment, produced)
    assert not [process.name for process in deployment.processes if '"partition_broken"' in process.text()]
    for dataset in ("offer-state", "offer-results"):
        records = sorted(deployment.read(dataset), key=lambda record: record.timestamp()[1])
        schema_ids = [value[1:5] for record in records if (value := record.value()) is not None]
        assert len(set(schema_ids)) == 2, "each version writes with the newest schema that it knows"
        assert schema_ids[0] == schema_ids[-1]
