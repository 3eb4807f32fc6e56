"""The permissions that ``connector topics`` prints are necessary and sufficient: each command runs with them, twice.

On a broker with TLS, SCRAM and ACLs, a registry behind TLS that asks for user and password, and a marketplace with a
certificate of a private CA behind an egress proxy. Each printed set is granted to a principal of its own.
"""

import argparse
import json
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
import typer
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented there
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from connector import configuration, connections
from connector.cli.main import cli
from connector.contracts.codec import writer_of
from connector.contracts.topic_checks import TopicFinding
from connector.contracts.topics import Access, Topics, manifest
from connector.offers.events import OfferResult
from connector.operations import required_permissions
from connector.operations.topics import found_on
from connector.settings import convert
from connector.settings.model import Settings
from devstack.clients import Writer
from devstack.embedded_registry import EmbeddedRegistry
from devstack.expectation import Produced
from devstack.processes import wait_for
from devstack.stack import Stack
from streams.dead_letter import DeadLetters
from streams.flow import Assignment, BadRecord, Record
from streams.kafka.produce_once import RecordWriter
from streams.kafka.settings import KafkaConnection
from streams.records import NewRecord
from tests.faults import orders
from tests.faults.conftest import FAST_MISS
from tests.faults.deployment import WatchedDeployment
from tests.faults.test_05_bulk_edges import change
from tests.faults.workload import wall_us
from tests.harness import offer_rows
from tests.harness.connect_proxy import ConnectProxy
from tests.harness.printed_permissions import good, printed_sets, told
from tests.harness.secured_broker import ScramUser, SecuredBroker
from tests.harness.tcp_proxy import TcpProxy
from tests.harness.tls_certificates import CA, serving
from tests.unit.connector.cli.test_permissions import commands_of

OPERATIONS: Final = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}
WORDS: Final[Mapping[Any, str]] = {operation: word for word, operation in OPERATIONS.items()}


# ---- printed permissions --------------------------------------------------------------------------------------------


def bindings(command: str) -> list[AclBinding]:
    """Returns the ACLs that a printed command adds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", required=True)
    parser.add_argument("--add", action="store_true", required=True)
    parser.add_argument("--allow-principal", required=True)
    parser.add_argument("--operation", action="append", required=True)
    parser.add_argument("--resource-pattern-type", default="literal")
    kinds = {kind: ResourceType[kind.upper().replace("-", "_")] for kind in ("topic", "group", "transactional-id")}
    for kind in kinds:
        parser.add_argument(f"--{kind}", action="append", default=[])
    given = vars(parser.parse_args(shlex.split(command)[1:]))
    return [
        AclBinding(
            restype,
            name,
            ResourcePatternType[given["resource_pattern_type"].upper()],
            given["allow_principal"],
            "*",
            OPERATIONS[operation],
            AclPermissionType.ALLOW,
        )
        for kind, restype in kinds.items()
        for name in given[kind.replace("-", "_")]
        for operation in given["operation"]
    ]


# ---- principals -----------------------------------------------------------------------------------------------------


class Door:
    """A user of the broker with a configuration of the deployment for its credentials."""

    def __init__(self, broker: SecuredBroker, deployment: WatchedDeployment, name: str, prefix: str = "") -> None:
        self._broker = broker
        self._deployment = deployment
        self.user: ScramUser = broker.add_user()
        password = write_secret(deployment.folder / f"{name}.password", self.user.password)
        properties = broker.properties(self.user)
        del properties["sasl.password"]
        self.kafka: dict[str, Any] = {
            "bootstrap_servers": broker.bootstrap_servers,
            "properties": properties,
            "properties_from_files": {"sasl.password": str(password)},
        }
        self.config = deployment.config(name, **self.kafka)
        if prefix:
            text = self.config.read_text()
            self.config.write_text(text.replace(f'prefix = "{deployment.prefix}"', f'prefix = "{prefix}"'))

    def allow(self, command: str, *arguments: str) -> list[AclBinding]:
        """Grants exactly the permissions that are printed for the command, and returns them."""
        lines = printed_sets(self.config, *arguments)[command]
        allowed = [binding for line in lines for binding in bindings(line)]
        assert {binding.principal for binding in allowed} == {self.user.principal}, "the user name is not the default"
        self._broker.allow(allowed)
        return allowed

    @property
    def settings(self) -> Settings:
        return configuration.load_settings(self.config, {}, datetime.now(UTC)).settings

    def asking(self, *, dry_run: bool = False) -> Callable[[], list[TopicFinding]]:
        """Returns a function with the findings of ``topics --check``, which reuses one connection."""
        live = self.settings
        settings = convert.dry_run(live) if dry_run else live
        broker, needed = connections.administration(settings), required_permissions.needs(live, dry_run=dry_run)
        names, limits, group = convert.topics(settings), required_permissions.limits(settings), settings.kafka.group
        return lambda: found_on(broker, names, limits, needed, group, dry_run=dry_run)


def write_secret(file: Path, text: str) -> Path:
    file.touch(mode=0o600)
    file.write_text(text)
    return file


@dataclass(frozen=True, slots=True, kw_only=True)
class Perimeter:
    """What stands between the connector and its servers. Only the tests know the servers' own addresses."""

    registry: TcpProxy  # TLS, user and password
    marketplace: TcpProxy  # TLS
    push: TcpProxy  # in front of the receiver of notifications
    egress: ConnectProxy


@pytest.fixture(scope="module")
def perimeter() -> Iterator[Perimeter]:
    with (
        TcpProxy(tls=serving(), credentials="connector:registry-password") as registry,
        TcpProxy(tls=serving()) as marketplace,
        TcpProxy() as push,
        ConnectProxy(user="connector", password="proxy-password") as egress,
    ):
        yield Perimeter(registry=registry, marketplace=marketplace, push=push, egress=egress)


@pytest.fixture(scope="module")
def deployment(
    secured: SecuredBroker, perimeter: Perimeter, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WatchedDeployment]:
    """A deployment with every part enabled, with the broker's super user listener. No connector has run yet."""
    with EmbeddedRegistry() as registry:
        plain = Stack(origin="", bootstrap_servers=secured.stack.bootstrap_servers, registry_url=registry.url)
        perimeter.registry.lead_to(registry.url)
        with every_part(plain, perimeter, tmp_path_factory.mktemp("permissions")) as started:
            perimeter.marketplace.lead_to(started.marketplace.url)
            yield started


# ---- the tests ------------------------------------------------------------------------------------------------------


def every_part(plain: Stack, perimeter: Perimeter, folder: Path) -> WatchedDeployment:
    registry_password = write_secret(folder / "registry.password", "registry-password")
    proxy_password = write_secret(folder / "proxy.password", "proxy-password")
    registry, marketplace = (f"localhost:{front.port}" for front in (perimeter.registry, perimeter.marketplace))
    return WatchedDeployment(
        kafka=plain,
        folder=folder,
        registry_url=f"https://{registry}",
        registry_access={"user": "connector", "password_file": str(registry_password)},
        http={
            "ca_file": str(CA),
            "proxy": perimeter.egress.url,
            "proxy_user": "connector",
            "proxy_password_file": str(proxy_password),
            "no_proxy": [registry],
        },
        account={"base_url": f"https://{marketplace}/v2"},
        partitions=1,
        storefronts=("de",),
        catalogue="eans = 5\nsecond_ean = 1.0",  # so that offers are claimed
        scenario='[server]\nscheme = "https"\n[orders]\nat_start = 4\nconfirm_delay_s = 0.0\nundocumented = true\n'
        'malformed = [{order = 0, defect = "no_status"}]',
        settings=f'{FAST_MISS}[push]\nenabled = true\nport = 0\npublic_url = "{perimeter.push.url}"\n',
        shipments={},
        orders={"interval": "5s", "contacts": True, "returns": True, "create_sales_orders": True},
        reconcile={"interval": "5s", "settle": "0s"},
    )


def fill(deployment: WatchedDeployment) -> None:
    """Produces input for every output: applied, not found and unreadable events, a shipment and a return."""
    places, _ = deployment.places()
    times = wall_us()
    unknown = replace(places[0], ean="4006381333931")
    deployment.produce([change(places[0], next(times), stock=3), change(unknown, next(times), stock=1)])
    for dataset in ("offer-changes", "shipments"):
        writer = Writer(deployment.kafka, deployment.topic(dataset))
        writer.send(b"key", b"{}", lambda *_: None)
        writer.flush()
    there = list(orders.at_marketplace(deployment).values())
    unit = there[1]["order_units"][0]["id_order_unit"]
    deployment.dispatch(
        [
            {
                "event_id": "parcel",
                "occurred_at_us": there[1]["created_us"],
                "order_id": there[1]["id_order"],
                "order_unit_ids": [unit],
                "parcels": [{"carrier": "DHL", "tracking_number": "00340434161094042557"}],
            }
        ]
    )
    orders.change(deployment, f"order-units/{there[2]['order_units'][0]['id_order_unit']}", {"status": "sent"})
    orders.change(deployment, f"order-units/{there[2]['order_units'][0]['id_order_unit']}/return")


def empty(deployment: WatchedDeployment, topics: Topics) -> list[str]:
    """Returns the topics that the connector may write but has not written to."""
    mine = (topic.name for topic in manifest(topics) if topic.access is not Access.READ)
    return [name for name in mine if not deployment.reader(name).records()]


def run_once(
    deployment: WatchedDeployment, door: Door, instance: str, *arguments: str, until: Callable[[], bool] = lambda: True
) -> None:
    process = deployment.connector(instance, *arguments, **door.kafka)
    with process.health() as health:
        deployment.wait_for("readiness", lambda: health.get("/readyz").status_code == 200)
    deployment.wait_for("its work", until)
    assert process.stop() == 0, process.text()
    assert "AUTHORIZATION_FAILED" not in process.text()


def has_drifted(deployment: WatchedDeployment, produced: Sequence[Produced], unit_id: int) -> bool:
    """Whether a drift was written; edits the unit once the events have their results."""
    if not deployment.answered(produced):
        return False
    deployment.marketplace.edit(unit_id, amount=9)
    return bool(deployment.rows("drift"))


@contextmanager
def without(broker: SecuredBroker, binding: AclBinding) -> Iterator[None]:
    broker.withdraw(binding)
    yield
    broker.allow([binding])


def seen_by_check(broker: SecuredBroker, allowed: Sequence[AclBinding], ask: Callable[[], list[TopicFinding]]) -> None:
    """Asserts that the check finds each missing permission, except the transactional id's, which only a start shows."""
    assert ask() == []
    for binding in allowed:
        if binding.restype is not ResourceType.TRANSACTIONAL_ID:
            with without(broker, binding):
                found = ask()
            assert [binding.name in finding.topic for finding in found] == [True], (binding, found)
            assert WORDS[binding.operation] in found[0].message
            assert found[0].is_error is (binding.operation is not AclOperation.DESCRIBE_CONFIGS)
            assert binding in bindings(found[0].remedy)
    assert ask() == []


def refused_at_start(
    broker: SecuredBroker, deployment: WatchedDeployment, door: Door, allowed: Sequence[AclBinding]
) -> None:
    """Asserts that a start without the transactional id's or another permission ends with a message that names it."""
    (transactional,) = (binding for binding in allowed if binding.restype is ResourceType.TRANSACTIONAL_ID)
    with without(broker, transactional):
        refused = deployment.connector("runner-0", **door.kafka)
        assert refused.wait() == 1
    assert f"denies this principal Write on transactional id {deployment.prefix}-runner-0" in refused.text()


@pytest.mark.kafka
def test_with_exactly_the_printed_permissions_every_command_runs_twice_and_each_is_needed(
    deployment: WatchedDeployment, secured: SecuredBroker
) -> None:
    runner = Door(secured, deployment, "runner-0")
    allowed = runner.allow("run")
    topics = convert.topics(runner.settings)
    fill(deployment)

    first = [topics.replays, topics.scheduler, topics.drift]
    run_once(deployment, runner, "runner-0", until=lambda: empty(deployment, topics) == first)
    place = deployment.places()[0][1]
    more = deployment.produce([change(place, next(wall_us()), stock=4)])
    run_replay(deployment, Door(secured, deployment, "operator"))
    run_once(
        deployment,
        runner,
        "runner-1",
        until=lambda: has_drifted(deployment, more, place.unit_id) and bool(deployment.rows("replays")),
    )
    for command in ("check", "topics --check", "config routing --accept", "state digest", "orders poll --once"):
        for _ in range(2):
            good(*command.split(), "--config", str(runner.config))
    for ean in list(deployment.states())[:2]:
        good("state", "forget", ean, "--yes", "--config", str(runner.config))

    assert empty(deployment, topics) == [], "a topic may be written, and is not"
    seen_by_check(secured, allowed, runner.asking())
    refused_at_start(secured, deployment, runner, allowed)


@pytest.mark.kafka
def test_a_dry_run_runs_twice_with_what_is_printed_for_it_and_each_is_needed(
    deployment: WatchedDeployment, secured: SecuredBroker
) -> None:
    creator = Door(secured, deployment, "creator")
    creator.allow("topics --create --dry-run", "--dry-run")
    trial = Door(secured, deployment, "trial-0")
    allowed = trial.allow("run --dry-run")

    for _ in range(2):
        good("topics", "--create", "--dry-run", "--config", str(creator.config))
        run_once(deployment, trial, "trial-0", "--dry-run")
        good("topics", "--check", "--dry-run", "--config", str(trial.config))

    seen_by_check(secured, allowed, trial.asking(dry_run=True))


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("orders open", ()),
        ("orders totals", ()),
        ("match-report", ()),
        ("explain", ("--topic-offset", "0:0")),
        ("hold list", ("--all",)),
        ("guard list", ()),
    ],
)
def test_whoever_only_reads_needs_what_is_printed_for_that_alone(
    deployment: WatchedDeployment, secured: SecuredBroker, command: str, arguments: tuple[str, ...]
) -> None:
    put_command(deployment, secured)
    reader = Door(secured, deployment, "reader")
    allowed = reader.allow(command)
    reading = (*command.split(), *arguments, "--config", str(reader.config))

    for _ in range(2):
        good(*reading)

    for binding in allowed:
        with without(secured, binding):
            code, said = told(*reading)
        assert (code, f"denies this principal {WORDS[binding.operation]}" in said) == (1, True), said


def put_command(deployment: WatchedDeployment, secured: SecuredBroker) -> None:
    """Gives a command that is over: an empty topic is not read, so it needs fewer permissions."""
    person = Door(secured, deployment, "person")
    person.allow("hold add")
    config = ("--config", str(person.config))
    held = json.loads(good("hold", "add", "--field", "price", "--reason", "a test", "--json", *config))["command_id"]
    good("hold", "release", held, *config)


def put_result(deployment: WatchedDeployment) -> str:
    """Writes the result of an event as the super user, and returns its EAN."""
    topic, row = deployment.topic("offer-results"), offer_rows.result(1, "REJECTED", unit_id=None)
    connection = KafkaConnection(bootstrap_servers=deployment.kafka.bootstrap_servers, client_id="test")
    value = writer_of(OfferResult, deployment.registry.id_of(topic))(row)
    with RecordWriter(connection) as writer:
        writer.write([NewRecord(topic=topic, partition=0, key=row.ean.encode(), value=value)], timeout_s=30)
    return row.ean


@pytest.mark.kafka
def test_whoever_asks_for_the_history_needs_what_is_printed_for_that_alone(
    deployment: WatchedDeployment, secured: SecuredBroker, tmp_path: Path
) -> None:
    reader = Door(secured, deployment, "historian")
    allowed = reader.allow("why")
    asking = ("why", put_result(deployment), "--projection", str(tmp_path), "--config", str(reader.config))

    for _ in range(2):
        good(*asking)
        good("not-found", *asking[2:])

    for binding in allowed:
        with without(secured, binding):
            code, said = told(*asking, "--rebuild")
        assert (code, f"denies this principal {WORDS[binding.operation]}" in said) == (1, True), said


def run_replay(deployment: WatchedDeployment, operator: Door) -> str:
    """Runs a replay of everything, and returns its id."""
    operator.allow("replay run")
    started = good(
        "replay", "run", "--offsets", "0:0-", "--reason", "a test", "--json", "--config", str(operator.config)
    )
    return str(json.loads(started)["replay_id"])


@pytest.mark.kafka
def test_planning_running_and_watching_replays_need_only_the_printed_permissions(
    deployment: WatchedDeployment, secured: SecuredBroker
) -> None:
    selection = ("--offsets", "0:0-", "--status", "APPLIED,UNCHANGED,NOT_FOUND,SUPERSEDED")
    replay_id = run_replay(deployment, Door(secured, deployment, "operator"))
    ways = {
        "replay plan": (("plan", *selection),),
        "replay status": (("status", replay_id, "--outcomes"),),
        "replay run": (("pause", replay_id), ("resume", replay_id), ("stop", replay_id)),
    }
    for command, each in ways.items():
        person = Door(secured, deployment, command.replace(" ", "-"))
        allowed, config = person.allow(command), ("--config", str(person.config))
        for way in each * 2 if command != "replay run" else each:
            good("replay", *way, *config)
        asked = ("run", *selection, "--reason", "a test") if command == "replay run" else each[0]
        for binding in allowed:
            with without(secured, binding):
                code, said = told("replay", *asked, *config)
            assert (code, f"denies this principal {WORDS[binding.operation]}" in said) == (1, True), said


@pytest.mark.kafka
def test_asking_for_sweeps_and_watching_them_need_only_the_printed_permissions(
    deployment: WatchedDeployment, secured: SecuredBroker
) -> None:
    runner = Door(secured, deployment, "runner-2")
    runner.allow("run")
    process = deployment.connector("runner-2", **runner.kafka)
    for command, arguments in {"reconcile now": ("--wait",), "reconcile status": ()}.items():
        person = Door(secured, deployment, command.replace(" ", "-"))
        allowed = person.allow(command)
        asking = (*command.split(), *arguments, "--config", str(person.config))
        for _ in range(2):
            good(*asking)
        for binding in allowed:
            with without(secured, binding):
                code, said = told(*asking)
            assert (code, f"denies this principal {WORDS[binding.operation]}" in said) == (1, True), said
    assert process.stop() == 0, process.text()


def put_dead_letter(deployment: WatchedDeployment) -> str:
    """Writes a dead letter as the super user, and returns its place as ``dlq list`` prints it."""
    source = deployment.topic("offer-changes")
    letters = DeadLetters(topics={source: f"{source}.dlq"}, instance="runner-0")
    record = Record(at=Assignment(topic=source, partition=0, epoch=0), offset=0, key=b"key", value=b"{}", time_us=0)
    made = letters.letter(record, BadRecord(code="NOT_AVRO", text=""))
    connection = KafkaConnection(bootstrap_servers=deployment.kafka.bootstrap_servers, client_id="test")
    with RecordWriter(connection) as writer:
        new = NewRecord(topic=made.topic, partition=0, key=made.key, value=made.value, headers=made.headers)
        writer.write([new], timeout_s=30)
    newest = max(record.offset() or 0 for record in deployment.read("dlq", made.topic) if record.partition() == 0)
    return f"{made.topic}/0/{newest}"


@pytest.mark.kafka
@pytest.mark.parametrize("command", ["dlq list", "dlq redrive"])
def test_whoever_reads_or_redrives_dead_letters_needs_what_is_printed_for_that_alone(
    deployment: WatchedDeployment, secured: SecuredBroker, command: str
) -> None:
    place = put_dead_letter(deployment)
    person = Door(secured, deployment, command.replace(" ", "-"))
    allowed = person.allow(command)
    config = ("--config", str(person.config))
    ways = {"dlq list": (("list",), ("show", place)), "dlq redrive": (("redrive", "--all"), ("redrive", place))}

    for way in ways[command] * 2:
        good("dlq", *way, *config)

    for binding in allowed:
        with without(secured, binding):
            code, said = told("dlq", *ways[command][0], *config)
        assert (code, f"denies this principal {WORDS[binding.operation]}" in said) == (1, True), said


@pytest.mark.kafka
def test_holding_pausing_and_stopping_need_only_the_printed_permissions(
    deployment: WatchedDeployment, secured: SecuredBroker
) -> None:
    person = Door(secured, deployment, "person")
    allowed = person.allow("hold add")
    config, why = ("--config", str(person.config)), ("--reason", "a test")

    for ending in ("release", "drop"):
        held = json.loads(good("hold", "add", "--field", "price", *why, "--json", *config))["command_id"]
        good("hold", ending, held, *(("--yes",) if ending == "drop" else ()), *config)
        good("writes", "stop", *why, *config)
        good("writes", "resume", *config)
        good("pause", "--account", deployment.sellers[0], *why, *config)
        good("resume", "--account", deployment.sellers[0], *config)
        good("guard", ending, *why, *(("--yes",) if ending == "drop" else ()), *config)

    for binding in allowed:
        with without(secured, binding):
            code, said = told("pause", "--account", deployment.sellers[0], *why, *config)
        assert (code, f"denies this principal {WORDS[binding.operation]}" in said) == (1, True), said


@pytest.mark.kafka
def test_a_resend_needs_only_the_printed_permissions(deployment: WatchedDeployment, secured: SecuredBroker) -> None:
    person = Door(secured, deployment, "resending")
    allowed = person.allow("resend")
    asking = ("resend", "4006381333931", "--wait", "1s", "--config", str(person.config))

    assert "no answer within 1 s" in told(*asking)[1], "no process runs"

    for binding in allowed:
        with without(secured, binding):
            code, said = told(*asking)
        assert (code, f"denies this principal {WORDS[binding.operation]}" in said) == (1, True), (binding, said)


@pytest.mark.kafka
def test_creating_the_topics_needs_only_the_printed_permissions(
    deployment: WatchedDeployment, secured: SecuredBroker
) -> None:
    creator = Door(secured, deployment, "first", prefix=f"{deployment.prefix}-new")
    allowed = creator.allow("topics --create")
    creating = ("topics", "--create", "--config", str(creator.config))

    for operation in (AclOperation.CREATE, AclOperation.DESCRIBE):
        of_each = [binding for binding in allowed if binding.operation is operation]
        with ExitStack() as away:
            for binding in of_each:
                away.enter_context(without(secured, binding))
            code, said = told(*creating)
        assert code == 1
        assert all(f"{binding.name}" in said for binding in of_each), said
        assert WORDS[operation] in said
    for _ in range(2):
        good(*creating)


@pytest.mark.kafka
def test_the_printed_commands_are_accepted_by_kafka_acls(deployment: WatchedDeployment, secured: SecuredBroker) -> None:
    door = Door(secured, deployment, "tool-0")
    lines = [line for line in printed_sets(door.config)["run"] if "--transactional-id" in line or "--group" in line]

    for line in lines:
        # the super user connects to the other listener
        plainly = line.replace(secured.bootstrap_servers, deployment.kafka.bootstrap_servers)
        secured.stack.broker.tool("org.apache.kafka.tools.AclCommand", *shlex.split(plainly)[1:])

    meant = {binding for line in lines for binding in bindings(line)}
    wait_for("the ACLs that the tool has set", lambda: secured.acls(door.user.principal) == meant)
    patterns = {ResourcePatternType.LITERAL, ResourcePatternType.PREFIXED}
    assert {binding.resource_pattern_type for binding in meant} == patterns


# ---- every command --------------------------------------------------------------------------------------------------


class SecuredOperator:
    """A person with all printed permissions, who gives every command twice."""

    def __init__(self, secured: SecuredBroker, deployment: WatchedDeployment) -> None:
        self.door = Door(secured, deployment, "everyone-0")
        self.given: Counter[str] = Counter()
        lines = {line for way in ((), ("--dry-run",)) for set_ in self._printed(*way).values() for line in set_}
        secured.allow(list({binding for line in lines for binding in bindings(line)}))

    def _printed(self, *arguments: str) -> dict[str, list[str]]:
        return printed_sets(self.door.config, *arguments)

    def once(self, command: str, *arguments: str) -> str:
        self.given[command] += 1
        return good(*command.split(), *arguments, "--config", str(self.door.config))

    def twice(self, command: str, *arguments: str) -> str:
        self.once(command, *arguments)
        return self.once(command, *arguments)

    def command_id(self, command: str, *arguments: str) -> str:
        """Returns the id of the command that was given in an answer as JSON."""
        answer = json.loads(self.once(command, *arguments, "--reason", "a test", "--json"))
        return str(answer.get("command_id") or answer["replay_id"])

    @contextmanager
    def running(self, deployment: WatchedDeployment, push: TcpProxy, *arguments: str) -> Iterator[None]:
        """A process that runs until the block ends; its receiver of notifications is behind ``push``."""
        self.given["run"] += 1
        process = deployment.connector("everyone-0", *arguments, **self.door.kafka)
        with process.health() as health:
            deployment.wait_for("readiness", lambda: health.get("/readyz").status_code == 200)
        ports = [orjson.loads(line)["push_port"] for line in process.text().splitlines() if '"push_port"' in line]
        if ports[0] is not None:
            push.lead_to(f"http://127.0.0.1:{ports[0]}")
        yield
        assert process.stop() == 0, process.text()
        assert "AUTHORIZATION_FAILED" not in process.text()


def without_a_process(operator: SecuredOperator, folder: Path) -> None:
    """Gives the commands that need no running process."""
    for command in ("check", "config show", "config routing", "schemas register", "schemas check"):
        operator.twice(command)
    operator.twice("topics", "--create")
    operator.twice("topics", "--create", "--dry-run")
    operator.twice("topics", "--check")
    operator.twice("contracts export", "--out", str(folder))


def about_topics(operator: SecuredOperator, ean: str, folder: Path) -> None:
    """Gives the commands that read topics."""
    projection = ("--projection", str(folder))
    for command in ("why", "not-found", "units"):
        operator.twice(command, *((ean,) if command == "why" else ()), *projection)
    operator.twice("explain", "--topic-offset", "0:0")
    operator.twice("hold list", "--all")


def of_people(operator: SecuredOperator, seller: str) -> None:
    """Gives the commands with which people hold, pause and stop."""
    why = ("--reason", "a test")
    for _ in range(2):
        for ending in ("release", "drop"):
            confirmed = ("--yes",) if ending == "drop" else ()
            held = operator.command_id("hold add", "--field", "price")
            operator.once(f"hold {ending}", held, *confirmed)
            operator.once(f"guard {ending}", *why, *confirmed)
        operator.once("writes stop", *why)
        operator.once("writes resume")
        operator.once("pause", "--account", seller, *why)
        operator.once("resume", "--account", seller)


def about_the_past(operator: SecuredOperator, deployment: WatchedDeployment) -> None:
    """Gives the commands about dead letters and replays."""
    place = put_dead_letter(deployment)
    operator.twice("dlq list")
    operator.twice("dlq show", place)
    operator.twice("dlq redrive", place)
    operator.twice("replay plan", "--offsets", "0:0-")
    for _ in range(2):
        replay = operator.command_id("replay run", "--offsets", "0:0-")
        for command in ("status", "pause", "resume", "stop"):
            operator.once(f"replay {command}", replay)


@pytest.mark.kafka
def test_every_command_works_twice_through_tls_credentials_and_the_proxy(
    deployment: WatchedDeployment, secured: SecuredBroker, perimeter: Perimeter, tmp_path: Path
) -> None:
    operator, places, times = SecuredOperator(secured, deployment), deployment.places()[0][-2:], wall_us()

    without_a_process(operator, tmp_path)
    with operator.running(deployment, perimeter.push):
        produced = deployment.produce([change(place, next(times), stock=7) for place in places])
        deployment.wait_for("the results", lambda: deployment.answered(produced))
        operator.twice("resend", places[0].ean, "--verify", "--wait", "5m")
        operator.twice("push subscribe", "--email", "shop@example.com")
        operator.twice("push list")
        operator.twice("push repair")
        operator.twice("orders poll", "--once")
        operator.twice("reconcile now", "--wait")
        operator.twice("reconcile status")
        of_people(operator, deployment.sellers[0])
    about_the_past(operator, deployment)  # a running process would end a replay before it can be paused
    with operator.running(deployment, perimeter.push):
        deployment.wait_for("the units of a sweep", lambda: bool(deployment.rows("units")))
    for _ in range(2):
        with operator.running(deployment, perimeter.push, "--dry-run"):
            pass
    about_topics(operator, places[0].ean, tmp_path / "projection")
    for place in places:
        operator.once("state forget", place.ean, "--yes")

    commands = set(commands_of(typer.main.get_command(cli))) - {"simulate", "demo"}  # they are their own marketplace
    for command in sorted(commands - operator.given.keys()):
        operator.twice(command)  # one that needs no argument and no process
    assert {command: operator.given[command] >= 2 for command in commands} == dict.fromkeys(commands, True)
    assert set(perimeter.egress.asked) == {f"localhost:{perimeter.marketplace.port}"}
    assert perimeter.marketplace.passed
    assert {request.status for request in perimeter.registry.passed} <= {200, 404, 409}
