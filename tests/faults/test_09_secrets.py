"""Canary secrets appear in no output of the process: logs, topics, metrics, error messages."""

from confluent_kafka import Producer

from devstack.processes import ModuleProcess
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.workload import mixed, wall_us

CLIENT = "canaryclientkey0123456789abcdef0"
SECRET = "canarysecretkey0123456789abcdef0canarysecretkey0123456789abcdef0"


def everything_said(deployment: WatchedDeployment, *connectors: ModuleProcess) -> bytes:
    said = [connector.text().encode() for connector in connectors]
    for dataset in ("offer-results", "offers-not-found", "marketplace-calls", "offer-state"):
        for record in deployment.read(dataset):
            said += [record.key() or b"", record.value() or b"", repr(record.headers()).encode()]
    said += [(record.value() or b"") + repr(record.headers()).encode() for record in deployment.dead()]
    return b"\n".join(said)


def test_canary_secrets_are_in_none_of_the_outputs(deploy: Deploy) -> None:
    deployment = deploy(sellers=("canary",), keys={"canary": (CLIENT, SECRET)})
    connector = deployment.connector()
    produced = deployment.produce(mixed(deployment, seed=9).messages(1_000, wall_us()))
    deployment.settle(produced)
    with connector.health() as health:
        pages = [health.get(f"/{page}").content for page in ("metrics", "status", "readyz", "livez")]
    deployment.marketplace.rotate("canary", "e" * 32, "f" * 64)
    refused = deployment.produce(mixed(deployment, seed=10).messages(200, wall_us()))
    deployment.wait_for("the account to be paused", lambda: "account_closed" in connector.text())
    assert refused
    shown = deployment.in_own_process("config", "show", "--config", str(deployment.config("one")))
    checked = deployment.in_own_process("check", "--config", str(deployment.config("one")), code=1)
    connector.kill9()

    # a lane that can't be read is reported with its partition, without secrets
    producer = Producer({"bootstrap.servers": deployment.kafka.bootstrap_servers})
    for partition in range(deployment.partitions):
        headers: list[tuple[str, str | bytes | None]] = [("undone", b"1")]
        producer.produce(deployment.topic("offer-state"), b"\x00garbage", b"4006381333931", partition, headers=headers)
    assert producer.flush(10) == 0
    refusing = deployment.connector()
    deployment.wait_for("its partition to be refused", lambda: "partition_broken" in refusing.text())
    refusing.kill9()

    said = everything_said(deployment, connector, refusing) + b"".join(pages) + (shown + checked).encode()
    assert len(said) > 100_000
    assert SECRET.encode() not in said
    assert CLIENT.encode() not in said
    assert "4006381333931" in refusing.text(), "the refusal does not say which lane"
