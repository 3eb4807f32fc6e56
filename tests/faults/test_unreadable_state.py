"""A state record that can't be read without loss, on a real broker: its partition stops, the others continue."""

from confluent_kafka import Producer

from devstack.processes import ModuleProcess
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.test_recreated import await_refusal
from tests.faults.workload import SHORT, mixed, wall_us
from tests.harness.shown_commands import differences, output_of

SHOWN = "kaufland.offer-state.v1/3"
"""The partition that the documentation shows."""


def put_state(
    deployment: WatchedDeployment, key: str, partition: int, value: bytes, headers: dict[str, str | bytes | None]
) -> None:
    producer = Producer({"bootstrap.servers": deployment.kafka.bootstrap_servers})
    producer.produce(deployment.topic("offer-state"), value, key.encode(), partition=partition, headers=headers)
    assert producer.flush(30) == 0


def config(deployment: WatchedDeployment) -> str:
    return str(deployment.config("setup"))


def stopped(process: ModuleProcess) -> None:
    assert process.stop() == 0


def test_a_lane_that_cannot_be_read_stops_its_partition_until_it_is_forgotten(deploy: Deploy) -> None:
    deployment = deploy(catalogue="eans = 40", processing=SHORT)
    produced = deployment.produce(mixed(deployment, seed=4).messages(60, wall_us()))
    spoilt = produced[0]
    place = f"{deployment.topic('offer-state')}/{spoilt.partition}"
    put_state(deployment, spoilt.message.key, spoilt.partition, b"\0", {})

    connector = deployment.connector()
    others = [one for one in produced if one.partition != spoilt.partition]
    deployment.wait_for_results(others)
    await_refusal(deployment, connector, f"'{spoilt.message.key}'", "at offset 0", place, "state forget")
    assert not [row for row in deployment.results() if row["input_partition"] == spoilt.partition]
    said = deployment.command("state", "forget", spoilt.message.key, "--yes", "--config", config(deployment), code=1)
    assert "Lost with it" in said
    assert "has 1 members" in said
    stopped(connector)

    command = "state forget 4006381333931 --yes"
    words = [spoilt.message.key if word.isdigit() else word for word in command.split()]
    said = deployment.command(*words, "--config", config(deployment))
    shown = said.replace(spoilt.message.key, "4006381333931").replace(f"{place} at offset 0", f"{SHOWN} at offset 104")
    assert differences(shown.splitlines(), output_of(command).splitlines()) == []
    again = deployment.connector()
    deployment.settle(produced)
    stopped(again)


def test_state_of_a_newer_version_is_refused_by_an_older_one_and_left_as_it_is(deploy: Deploy) -> None:
    deployment = deploy(catalogue="eans = 40", processing=SHORT)
    produced = deployment.produce(mixed(deployment, seed=4).messages(60, wall_us()))
    connector = deployment.connector()
    deployment.settle(produced)
    stopped(connector)
    newest = {message.key(): message for message in deployment.read("offer-state") if message.value() is not None}
    key, message = next(iter(newest.items()))
    value, partition = message.value(), message.partition()
    assert key is not None
    assert value is not None
    assert partition is not None
    put_state(deployment, key.decode(), partition, value, {"reader": b"99"})

    older = deployment.connector()
    await_refusal(deployment, older, f"'{key.decode()}'", "newer version", "needs version 99", "docs/operations.md")
    stopped(older)

    assert [one.headers() for one in deployment.read("offer-state") if one.key() == key][-1] == [("reader", b"99")]
