"""From an empty cluster to the first APPLIED: the commands of ``docs/first-deployment.md``, as they are written."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from devstack.jvm_stack import JvmStack
from devstack.simulator_process import SimulatorProcess
from devstack.stack import Stack
from devstack.waiting import until
from tests.harness.local_cluster import LocalCluster
from tests.harness.pages import block

PAGE = "docs/first-deployment.md"
EAN = "4006381333931"
KEYS = {"client_key": "c" * 32, "secret_key": "5" * 64}
SCENARIO = """
[catalogue]
storefronts = ["de"]
eans = 5
[[sellers]]
name = "main"
client_key = "{client_key}"
secret_key = "{secret_key}"
"""


@pytest.fixture
def marketplace(tmp_path: Path) -> Iterator[SimulatorProcess]:
    started = SimulatorProcess(tmp_path, SCENARIO.format(**KEYS))
    with closing(SimpleNamespace(close=started.process.end)):
        yield started


@pytest.fixture
def cluster(kafka: Stack, own_kafka: JvmStack, marketplace: SimulatorProcess, tmp_path: Path) -> Iterator[LocalCluster]:
    work = tmp_path / "work"
    work.mkdir()
    for name, key in KEYS.items():
        (work / name).write_text(key)
    values = block(PAGE, "yaml", "bootstrap_servers").body
    (work / "values.yaml").write_text(values.replace("replication: 3", "replication: 1"))  # the test has one broker
    hosts = {"kafka-bootstrap:9092": own_kafka.bootstrap_servers, "http://schema-registry:8081": kafka.registry_url}
    instead = {
        "CONNECTOR__ACCOUNTS__MAIN__BASE_URL": marketplace.url,
        "CONNECTOR__ACCOUNTS__MAIN__SIMULATOR": "true",
        "CONNECTOR__HEALTH__PORT": "0",  # two pods on one machine
        "CONNECTOR__CONSOLE__PORT": "0",
    }
    made = LocalCluster(folder=work, hosts=hosts, environment=instead)
    with closing(SimpleNamespace(close=made.end)):
        yield made


def commands(contains: str) -> list[str]:
    lines = block(PAGE, "console", contains).body.splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def test_the_commands_of_the_page_lead_from_an_empty_cluster_to_the_first_applied(
    cluster: LocalCluster, marketplace: SimulatorProcess
) -> None:
    unit = next(iter(marketplace.units().values()))
    snippet = block(PAGE, "python", "ProducerKit").body
    (cluster.folder / "first_event.py").write_text(snippet.replace(EAN, unit["eans"][0]))

    for command in commands("helm upgrade"):
        cluster.run(command)
    assert len(cluster.completed) == 2
    [check] = commands("connector check")
    assert "Ready to run." in cluster.run(check)
    send, ask = commands("first_event.py")
    cluster.run(send)
    ask = ask.replace(EAN, unit["eans"][0])

    until("the first result", lambda: "APPLIED: stock 5" in cluster.run(ask), progress=lambda: cluster.run(ask))

    assert marketplace.units()[unit["id_unit"]]["amount"] == 5
    assert [process.stop() for process in cluster.processes.values()] == [0, 0]
