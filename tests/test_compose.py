"""The compose file, kept right without a container engine.

Its shape is checked as data. Then the command and environment of each of our own services are taken out of it and run
as processes against a real broker and registry, until one event is APPLIED.
"""

import socket
import time
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import httpx
import orjson
import pytest
import yaml
from confluent_kafka import Consumer, Producer, TopicPartition

import schemas
from connector.demo.processes import Process, wait_for
from connector.demo.stack import Stack
from connector.producer_kit import ProducerKit
from streams.kafka.registry import RegistryClient

ROOT = Path(__file__).parent.parent
OURS = ("simulator", "topics", "schemas", "connector")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return loaded


def test_every_service_that_stays_up_has_a_health_check(compose: dict[str, Any]) -> None:
    once = {
        name
        for service in compose["services"].values()
        for name, condition in service.get("depends_on", {}).items()
        if condition["condition"] == "service_completed_successfully"
    }

    assert once == {"topics", "schemas"}
    for name, service in compose["services"].items():
        assert (service["healthcheck"] == {"disable": True}) == (name in once)
        assert name in once or service["healthcheck"]["test"][0] == "CMD"


def test_every_image_has_a_version_or_is_ours(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert ("build" in service) == (name in OURS)
        assert "build" in service or ":" in service["image"]
        assert not service["image"].endswith(":latest")


def test_what_a_service_waits_for_exists(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        assert set(service.get("secrets", [])) <= set(compose["secrets"])


def test_ports_are_open_to_this_machine_only(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_our_services_run_with_as_little_as_they_need(compose: dict[str, Any]) -> None:
    for name in OURS:
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_mounted_files_and_secrets_exist_here(compose: dict[str, Any]) -> None:
    mounts = {mount.split(":")[0] for name in OURS for mount in compose["services"][name]["volumes"]}
    files = {secret["file"] for secret in compose["secrets"].values()}

    assert all((ROOT / path).exists() for path in mounts | files)


def test_no_secret_stands_in_the_compose_file(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")

    for secret in compose["secrets"].values():
        assert (ROOT / secret["file"]).read_text("utf-8") not in text


def test_the_image_runs_as_an_ordinary_user_and_installs_by_hash() -> None:
    lines = (ROOT / "Dockerfile").read_text("utf-8")

    assert "USER 10001" in lines
    assert "--require-hashes" in lines
    assert "HEALTHCHECK" in lines
    assert all("--hash=" in block for block in _pins(ROOT / "requirements-run.lock"))


def test_locks_pin_by_hash_and_name_no_address() -> None:
    for name in ("requirements.lock", "requirements-run.lock"):
        text = (ROOT / name).read_text("utf-8")
        assert "://" not in text
        assert all("--hash=" in block for block in _pins(ROOT / name))


def test_what_the_image_installs_is_what_was_tested() -> None:
    run, everything = (
        {block.split(" ")[0] for block in _pins(ROOT / name)} for name in ("requirements-run.lock", "requirements.lock")
    )

    assert run <= everything


def _pins(lock: Path) -> list[str]:
    """Each pinned requirement with its hashes."""
    lines = [line for line in lock.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    return [block for block in "\n".join(lines).replace("\\\n", " ").splitlines() if block.strip()]


# ---- our services as processes --------------------------------------------------------------------------------------


class Composed:
    """Runs our services as the compose file has them, less the engine: addresses and paths become those of here."""

    def __init__(self, compose: dict[str, Any], kafka: Stack, folder: Path) -> None:
        self._services = compose["services"]
        self._folder = folder
        self._own = {
            "CONNECTOR__TOPICS__PREFIX": kafka.unique("compose"),
            "CONNECTOR__KAFKA__GROUP": kafka.unique("compose"),
            "CONNECTOR__KAFKA__INSTANCE_ID": kafka.unique("compose"),
            "CONNECTOR__HEALTH__PORT": "0",
        }
        self._here = {
            "broker:29092": kafka.bootstrap_servers,
            "http://registry:8080/apis/ccompat/v7": kafka.registry_url,
            "simulator:8090": f"127.0.0.1:{free_port()}",
            "0.0.0.0": "127.0.0.1",
            "/etc/connector": str(ROOT / "config"),
            **{f"/run/secrets/{name}": str(ROOT / secret["file"]) for name, secret in compose["secrets"].items()},
        }
        self.prefix = self._own["CONNECTOR__TOPICS__PREFIX"]
        self.simulator = f"http://{self._here['simulator:8090']}"

    def start(self, name: str) -> Process:
        service = self._services[name]
        command = [self._meant(part) for part in service["command"]]
        if name == "simulator":
            command = [self.simulator.rpartition(":")[2] if part == "8090" else part for part in command]
        environment = {key: self._meant(value) for key, value in service.get("environment", {}).items()}
        own = self._own if environment else {}
        return Process(name, ["connector", *command], self._folder / f"{name}.log", {**environment, **own})

    def _meant(self, text: str) -> str:
        for there, here in self._here.items():
            text = text.replace(there, here)
        return text


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.mark.kafka
def test_our_services_apply_one_event_with_the_commands_and_environment_of_the_file(
    compose: dict[str, Any], kafka: Stack, tmp_path: Path
) -> None:
    composed = Composed(compose, kafka, tmp_path)
    with ExitStack() as started:

        def start(name: str) -> Process:
            process = composed.start(name)
            started.callback(process.end)
            return process

        simulator = start("simulator")
        for once in (start("topics"), start("schemas")):
            assert once.wait() == 0, once.text()
        wait_for("the simulator", lambda: "control_url" in simulator.text())
        connector = start("connector")
        with httpx.Client(base_url=f"{composed.simulator}/_simulator", timeout=30, trust_env=False) as control:
            unit = orjson.loads(control.get("units").content.splitlines()[0])
            produce(kafka, composed.prefix, unit)

            def price() -> int:
                units = map(orjson.loads, control.get("units").content.splitlines())
                return next(int(one["listing_price"]) for one in units if one["id_unit"] == unit["id_unit"])

            wait_for("the new price", lambda: price() == 1234 or not connector.running)
        assert connector.stop() == 0, connector.text()
        assert statuses(kafka, composed.prefix) == ["APPLIED"]


def produce(kafka: Stack, prefix: str, unit: dict[str, Any]) -> None:
    with RegistryClient(kafka.registry_url) as registry:
        registered = registry.latest(f"{prefix}.offer-changes.v1-value")
    assert registered is not None
    key, value = ProducerKit(registered.id).message(
        {
            "event_id": "compose",
            "occurred_at_us": time.time_ns() // 1000,
            "ean": unit["eans"][0],
            "target_id": f"shop-{unit['storefront']}",
            "price": "12.34 EUR",
        }
    )
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "partitioner": "murmur2_random"})
    producer.produce(f"{prefix}.offer-changes.v1", value, key)
    assert producer.flush(30) == 0


def statuses(kafka: Stack, prefix: str) -> list[str]:
    """Of every result that a read-committed reader sees."""
    schema = fastavro.parse_schema(schemas.load("offer_result", 1))
    reader = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": kafka.unique("reader"),
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    topic = f"{prefix}.offer-results.v1"
    partitions = reader.list_topics(topic, 10).topics[topic].partitions
    reader.assign([TopicPartition(topic, number, 0) for number in partitions])
    found, ended = [], 0
    while ended < len(partitions):
        record = reader.poll(10)
        assert record is not None, "the broker says nothing"
        if record.error() is not None:
            ended += 1
        else:
            row = fastavro.schemaless_reader(BytesIO((record.value() or b"")[5:]), schema, None)
            assert isinstance(row, dict)
            found.append(str(row["status"]))
    reader.close()
    return found
