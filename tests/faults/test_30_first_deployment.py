"""From an empty cluster to the first APPLIED: the commands of ``docs/first-deployment.md``, as they are written."""

import re
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from json import loads
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devstack.jvm_stack import JvmStack
from devstack.simulator_process import SimulatorProcess
from devstack.stack import Stack
from devstack.waiting import until
from tests.harness.local_cluster import LocalCluster
from tests.harness.pages import block

PAGE = "docs/first-deployment.md"
OPERATIONS = "docs/operations.md"
EAN = "4006381333931"
VERSION = version("kaufland-stream-connector")
KEYS = {"client_key": "c" * 32, "secret_key": "5" * 64}
SCENARIO = """
[catalogue]
storefronts = ["de", "at"]
eans = 5
linked = 0.0
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


def commands(contains: str, page: str = PAGE) -> list[str]:
    lines = block(page, "console", contains).body.splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def test_the_commands_of_the_page_lead_from_an_empty_cluster_to_the_first_applied(
    cluster: LocalCluster, marketplace: SimulatorProcess
) -> None:
    unit = a_unit(marketplace, "de")
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

    until_it_says(cluster, ask, "APPLIED: stock 5")
    assert marketplace.units()[unit["id_unit"]]["amount"] == 5
    [versions] = [row for row in loads(cluster.run(f"{check} --json"))["checks"] if row["subject"] == "versions"]
    assert versions["status"] == "ok"
    assert re.search(rf"8 by ({re.escape(VERSION)}); this is \1$", versions["reason"]), versions
    try_a_canary(cluster, marketplace)
    assert [process.stop() for process in cluster.processes.values()] == [0, 0, 0]


def try_a_canary(cluster: LocalCluster, marketplace: SimulatorProcess) -> None:
    """Starts the canary of the page on upgrades, and has it alone write to its target."""
    values = block(OPERATIONS, "yaml", "kaufland-canary").body
    (cluster.folder / "canary.yaml").write_text(
        values.replace("replication: 3", "replication: 1").replace("latest", "earliest")
    )
    install, rollout, check = commands("canary.yaml", OPERATIONS)
    cluster.run(install)
    cluster.run(rollout)
    assert "Ready to run." in cluster.run(check)
    unit = a_unit(marketplace, "at")
    ean, pod = unit["eans"][0], "kaufland-stream-connector-canary-0"
    snippet = block(PAGE, "python", "ProducerKit").body
    (cluster.folder / "event.py").write_text(snippet.replace(EAN, ean).replace("shop-de", "shop-at"))
    cluster.run(f"kubectl exec -i {pod} -- python - < event.py")
    until_it_says(cluster, f"kubectl exec {pod} -- connector why {ean}", "APPLIED: stock 5")
    first = a_unit(marketplace, "de")["eans"][0]
    until_it_says(cluster, f"kubectl exec {pod} -- connector why {first}", "SUPPRESSED")

    assert marketplace.units()[unit["id_unit"]]["amount"] == 5


def a_unit(marketplace: SimulatorProcess, storefront: str) -> dict[str, Any]:
    return next(unit for unit in marketplace.units().values() if unit["storefront"] == storefront)


def until_it_says(cluster: LocalCluster, command: str, text: str) -> None:
    """Repeats a command that fails as long as nothing is known of its EAN."""

    def said() -> str:
        try:
            return cluster.run(command)
        except AssertionError as failed:
            return str(failed)

    until(f"{text} by {command}", lambda: text in said(), progress=said)
