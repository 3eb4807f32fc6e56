"""Tests the compose file without a container engine.

Its structure is checked as data. Then the command and environment of each of the project's services are run as
processes against a real broker and registry, until an event is APPLIED, an order has arrived, and its parcel is
confirmed.
"""

import re
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any, Self, cast

import fastavro
import httpx
import orjson
import pytest
import yaml
from confluent_kafka import Producer

import schemas
from connector.offers.producer_kit import ProducerKit
from connector.shipments.producer_kit import ShipmentKit
from devstack.processes import ModuleProcess, wait_for
from devstack.stack import REGISTRY_IMAGE, Stack
from streams.kafka.registry import RegistryClient
from streams.kafka.settings import KafkaConnection
from streams.kafka.topic_reader import read_key_values

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
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
        assert "build" in service or re.fullmatch(r"\$\{[A-Z]+_IMAGE:-[\w./-]+:[\w.-]+\}", service["image"])
        assert not service["image"].endswith(":latest")


def test_our_services_are_one_build(compose: dict[str, Any]) -> None:
    assert len({str(compose["services"][name]["build"]) for name in OURS}) == 1
    default = re.search(r"^ARG (PYTHON_IMAGE)=(.+)$", DOCKERFILE, re.MULTILINE)

    assert default is not None
    assert compose["x-ours"]["build"]["args"] == {default[1]: f"${{{default[1]}:-{default[2]}}}"}


def test_broker_and_registry_have_the_versions_that_are_tested(compose: dict[str, Any]) -> None:
    pom = (ROOT / "devstack" / "stack_files" / "pom.xml").read_text("utf-8")
    images = images_of(compose)

    for variable, element in (("KAFKA_IMAGE", "kafka.version"), ("REGISTRY_IMAGE", "registry.version")):
        assert f"<{element}>{images[variable].rpartition(':')[2]}</{element}>" in pom
    assert images["REGISTRY_IMAGE"] == REGISTRY_IMAGE


def test_pinned_images_are_those_of_the_files(compose: dict[str, Any]) -> None:
    """The file is there once ``deploy/image/pin`` has asked the registries."""
    named = {"PYTHON_IMAGE": re.findall(r"^ARG PYTHON_IMAGE=(.+)$", DOCKERFILE, re.MULTILINE)[0], **images_of(compose)}
    pins = ROOT / "deploy" / "image" / "digests.env"
    lines = [line for line in pins.read_text("utf-8").splitlines() if line[:1] != "#"] if pins.exists() else []

    for line in lines:
        variable, _, image = line.partition("=")
        assert re.fullmatch(re.escape(named.pop(variable)) + "@sha256:[0-9a-f]{64}", image), "run deploy/image/pin"
    assert not lines or not named


def images_of(compose: dict[str, Any]) -> dict[str, str]:
    """Returns the image of each variable that ``deploy/image/pin`` sets."""
    texts = [service["image"] for service in compose["services"].values() if "build" not in service]
    return dict(text.removeprefix("${").removesuffix("}").split(":-") for text in texts)


def test_every_service_dependency_exists(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        assert set(service.get("secrets", [])) <= set(compose["secrets"])


def test_ports_are_open_to_this_machine_only(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_our_services_run_with_minimal_privileges(compose: dict[str, Any]) -> None:
    for name in OURS:
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_mounted_files_and_secrets_exist_here(compose: dict[str, Any]) -> None:
    mounts = {mount.split(":")[0] for name in OURS for mount in compose["services"][name]["volumes"]}
    files = {secret["file"] for secret in compose["secrets"].values()}

    assert all((ROOT / path).exists() for path in mounts | files)


def test_the_compose_file_contains_no_secret(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")

    for secret in compose["secrets"].values():
        assert (ROOT / secret["file"]).read_text("utf-8") not in text


def test_the_image_runs_as_an_ordinary_user_and_installs_by_hash() -> None:
    assert "USER 10001" in DOCKERFILE
    assert "--require-hashes" in DOCKERFILE
    assert "HEALTHCHECK" in DOCKERFILE
    assert all("--hash=" in block for block in _pins(ROOT / "requirements-run.lock"))


def test_files_copied_into_the_image_exist_and_are_not_ignored() -> None:
    """The ignore file excludes everything, and names what is included."""
    first, *included = (ROOT / ".dockerignore").read_text("utf-8").split()
    copied = [
        source
        for line in DOCKERFILE.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]

    assert first == "*"
    assert {"connector", "simulator", "LICENSE", "requirements-run.lock"} <= set(copied)
    assert [source for source in copied if not (ROOT / source).exists() or f"!{source}" not in included] == []


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
    """Returns each pinned requirement with its hashes."""
    lines = [line for line in lock.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    return [block for block in "\n".join(lines).replace("\\\n", " ").splitlines() if block.strip()]


# ---- the project's services as processes ----------------------------------------------------------------------------


class Composed:
    """Runs services of the compose file as processes, with addresses and paths replaced by those of this machine."""

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
            "0.0.0.0": "127.0.0.1",
            "/etc/connector": str(ROOT / "config"),
            **{f"/run/secrets/{name}": str(ROOT / secret["file"]) for name, secret in compose["secrets"].items()},
        }
        self.prefix = self._own["CONNECTOR__TOPICS__PREFIX"]
        self.simulator = ""

    def start_simulator(self) -> ModuleProcess:
        """Starts the simulator on a free port and configures the other services with it."""
        self._here["8090"] = "0"
        simulator = self.start("simulator")
        wait_for("the simulator", lambda: "control_url" in simulator.text() or not simulator.running)
        assert simulator.running, simulator.text()
        self.simulator = orjson.loads(simulator.text().splitlines()[0])["url"].removesuffix("/v2")
        self._here["simulator:8090"] = self.simulator.removeprefix("http://")
        del self._here["8090"]
        return simulator

    def start(self, name: str) -> ModuleProcess:
        service = self._services[name]
        command = [self._meant(part) for part in service["command"]]
        environment = {key: self._meant(value) for key, value in service.get("environment", {}).items()}
        own = self._own if environment else {}
        return ModuleProcess(name, ["connector", *command], self._folder / f"{name}.log", {**environment, **own})

    def _meant(self, text: str) -> str:
        for there, here in self._here.items():
            text = text.replace(there, here)
        return text


@pytest.mark.kafka
def test_our_services_serve_offers_orders_and_parcels_with_the_commands_and_environment_of_the_file(
    compose: dict[str, Any], kafka: Stack, tmp_path: Path
) -> None:
    composed = Composed(compose, kafka, tmp_path)
    with ExitStack() as started:

        def start(name: str) -> ModuleProcess:
            process = composed.start(name)
            started.callback(process.end)
            return process

        started.callback(composed.start_simulator().end)
        for once in (start("topics"), start("schemas")):
            assert once.wait() == 0, once.text()
        connector = start("connector")
        topics = started.enter_context(PrefixedTopics(kafka, composed.prefix))
        with httpx.Client(base_url=f"{composed.simulator}/_simulator", timeout=30, trust_env=False) as control:

            def of(what: str, key: str, value: object) -> dict[str, Any]:
                rows = map(orjson.loads, control.get(what).content.splitlines())
                return next(row for row in rows if row[key] == value)

            def until(what: str, true: Callable[[], bool]) -> None:
                wait_for(what, lambda: true() or not connector.running)

            unit = orjson.loads(control.get("units").content.splitlines()[0])
            topics.produce("offer-changes", *price_change(unit, topics.schema_id("offer-changes")))
            until("the new price", lambda: of("units", "id_unit", unit["id_unit"])["listing_price"] == 1234)

            until("an order", lambda: any(may_be_sent(row) for row in topics.rows("orders", "order_observed")))
            order = next(row for row in topics.rows("orders", "order_observed") if may_be_sent(row))
            topics.produce("shipments", *parcel(order, topics.schema_id("shipments")))
            sold = [unit["order_unit_id"] for unit in order["units"]]
            until("its parcel", lambda: all(of("order-units", "id_order_unit", n)["status"] == "sent" for n in sold))
        assert connector.stop() == 0, connector.text()
        assert [row["status"] for row in topics.rows("offer-results", "offer_result")] == ["APPLIED"]
        confirmed = topics.rows("shipment-results", "shipment_result")
        assert {row["order_unit_id"]: row["status"] for row in confirmed} == dict.fromkeys(sold, "CONFIRMED")


def price_change(unit: dict[str, Any], schema_id: int) -> tuple[bytes, bytes | None]:
    return ProducerKit(schema_id).message(
        {
            "event_id": "compose",
            "occurred_at_us": time.time_ns() // 1000,
            "ean": unit["eans"][0],
            "target_id": f"shop-{unit['storefront']}",
            "price": "12.34 EUR",
        }
    )


def may_be_sent(order: Mapping[str, Any]) -> bool:
    return all(unit["status"] == "NEED_TO_BE_SENT" for unit in order["units"])


def parcel(order: Mapping[str, Any], schema_id: int) -> tuple[bytes, bytes]:
    return ShipmentKit(schema_id).message(
        {
            "event_id": "compose",
            "occurred_at_us": time.time_ns() // 1000,
            "order_id": order["order_id"],
            "items": [{"ean": unit["ean"]} for unit in order["units"]],
            "parcels": [{"carrier": "Parcel post", "tracking_number": "00340434161094042557"}],
        }
    )


class PrefixedTopics:
    """Topics of one prefix. Produces with the Java client's partitioner; reads from the beginning, read committed."""

    def __init__(self, kafka: Stack, prefix: str) -> None:
        self._kafka = kafka
        self._prefix = prefix
        self._registry = RegistryClient(kafka.registry_url)

    def __enter__(self) -> Self:
        self._registry.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._registry.__exit__(None, None, None)

    def schema_id(self, dataset: str) -> int:
        registered = self._registry.latest(f"{self._prefix}.{dataset}.v1-value")
        assert registered is not None
        return registered.id

    def produce(self, dataset: str, key: bytes, value: bytes | None) -> None:
        producer = Producer({"bootstrap.servers": self._kafka.bootstrap_servers, "partitioner": "murmur2_random"})
        producer.produce(f"{self._prefix}.{dataset}.v1", value, key)
        assert producer.flush(30) == 0

    def rows(self, dataset: str, schema: str) -> list[dict[str, Any]]:
        """Returns all values of a dataset."""
        parsed = fastavro.parse_schema(schemas.load(schema, schemas.newest(schema)))
        connection = KafkaConnection(bootstrap_servers=self._kafka.bootstrap_servers, client_id="test")
        there = read_key_values(connection, f"{self._prefix}.{dataset}.v1", reader=self._kafka.unique("reader"))
        values = (value for _, value in there if value is not None)
        return [cast(dict[str, Any], fastavro.schemaless_reader(BytesIO(v[5:]), parsed, None)) for v in values]
