"""A complete deployment on one machine: topics and schemas on a broker, the simulator, connectors.

It uses the same interfaces as an operator: the command line, a configuration file, signals and topics. It ends every
process that it started, by process id.
"""

import os
import subprocess
import sys
import time
import tomllib
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import orjson
from confluent_kafka import Message

from connector.contracts.topic_checks import wanted
from connector.contracts.topics import Feature, named
from connector.offers.producer_kit import ProducerKit
from connector.shipments.producer_kit import ShipmentKit
from devstack import simulator_process, traffic
from devstack.backbone import Backbone
from devstack.clients import Position, Reader, RegistryReader, Row, Writer, dead_positions
from devstack.expectation import Produced, UnitThere
from devstack.processes import DeploymentFailed, ModuleProcess, own_environment, wait_for
from devstack.simulator_process import CURRENCY, SimulatorProcess, Units
from devstack.traffic import OfferPlace
from devstack.waiting import STILL_S
from simulator.scenario import made_up_keys

On = TypeVar("On", bound=Backbone)


@dataclass(kw_only=True)
class Deployment(Generic[On]):
    """Topics with a prefix of their own, one marketplace, any number of connectors. A context manager.

    Methods raise ``DeploymentFailed`` when a part does not start, a command ends with an unexpected exit code, or a
    wait makes no progress.
    """

    kafka: On
    folder: Path
    partitions: int = 8
    sellers: Sequence[str] = ("main",)
    keys: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # client and secret key, if not generated
    storefronts: Sequence[str] = ("de", "at")
    catalogue: str = "eans = 600"
    scenario: str = ""  # further TOML tables
    seed: int = 1  # of the catalogue
    settings: str = ""  # further TOML tables
    shipments: Mapping[str, Any] | None = None  # keys of [shipments]; None = off
    orders: Mapping[str, Any] | None = None  # keys of [orders]; None = off
    reconcile: Mapping[str, Any] | None = None  # keys of [reconcile]; None = off
    console: Mapping[str, Any] = field(default_factory=dict)  # further keys of [console]
    account: Mapping[str, Any] = field(default_factory=dict)  # further keys of every [accounts.X]
    processing: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = ""  # of topics and of the group; "" = a unique one
    targeted: Mapping[str, Any] = field(default_factory=dict)  # further settings of every target
    apart: bool = False  # start the processes in sessions of their own
    registry_url: str = ""  # an address of the registry other than the backbone's, such as a proxy's
    registry_access: Mapping[str, Any] = field(default_factory=dict)  # further keys of [registry]
    http: Mapping[str, Any] = field(default_factory=dict)  # keys of [http]
    runs_as: type[ModuleProcess] = ModuleProcess  # how processes are started

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.prefix = self.prefix or f"t-{uuid.uuid4().hex[:10]}"
        self.registry = RegistryReader(self.kafka.registry_url)
        self._processes: list[ModuleProcess] = []
        self._connectors = 0
        self.printed = ""  # the output of all commands
        self._readers: dict[str, Reader] = {}
        self._done: set[Position] = set()
        self._looked_at = 0
        self.marketplace = SimulatorProcess(self.folder, self._scenario(), apart=self.apart, runs_as=self.runs_as)
        self._processes.append(self.marketplace.process)
        self._create_topics()
        self.set_up("schemas", "register")
        self.units_before = self.marketplace.units()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._processes):
            process.end()
        for reader in self._readers.values():
            reader.close()

    # ---- set-up -----------------------------------------------------------------------------------------------------

    def topic(self, dataset: str) -> str:
        return f"{self.prefix}.{dataset}.v1"

    def set_up(self, *arguments: str) -> None:
        """Runs a command that prepares the deployment; it must succeed."""
        self.command(*arguments, "--config", str(self.config("setup")))

    def _create_topics(self) -> None:
        if self.kafka.make_topic is None:
            self.set_up("topics", "--create", "--partitions", str(self.partitions))
        else:
            topics = named(self.prefix, self._on())
            for topic in wanted(topics, {}, partitions=self.partitions, replication=None):
                self.kafka.make_topic(topic.name, topic.partitions)

    def _scenario(self) -> str:
        storefronts = ", ".join(f'"{s}"' for s in self.storefronts)
        sellers = "\n".join(_seller(name, *self.keys_of(name)) for name in self.sellers)
        catalogue = f"seed = {self.seed}\n[catalogue]\nstorefronts = [{storefronts}]\n{self.catalogue}"
        return f"{catalogue}\n{sellers}\n{self.scenario}\n"

    def keys_of(self, seller: str) -> tuple[str, str]:
        return self.keys.get(seller) or made_up_keys(seller)

    def write_secrets(self, seller: str, client_key: str, secret_key: str) -> None:
        (self.folder / f"{seller}.client").write_text(client_key, "utf-8")
        (self.folder / f"{seller}.secret").write_text(secret_key, "utf-8")

    def config(self, instance: str, **kafka: Any) -> Path:
        """Writes the configuration file of one instance and returns its path; ``kafka`` overrides keys of [kafka]."""
        base = {
            "bootstrap_servers": self.kafka.bootstrap_servers,
            "group": f"{self.prefix}.connector",
            "start": "earliest",
            "instance_id": f"{self.prefix}-{instance}",
            "properties": dict(self.kafka.properties),
        }
        guarantee = {} if self.kafka.transactions else {"guarantee": "at_least_once"}
        parts = [
            _table("kafka", {**base, **kafka}),
            _table("registry", {"url": self.registry_url or self.kafka.registry_url, **self.registry_access}),
            _table("http", self.http),
            _table("topics", {"prefix": self.prefix}),
            _table("health", {"port": 0}),
            _table("console", {"port": 0, **self.console}),
            _table("processing", {**guarantee, **self.processing}),
            *(_table(name, {"enabled": True, **keys}) for name, keys in self._parts() if keys is not None),
        ]
        for seller in self.sellers:
            parts.append(_table(f"accounts.{seller}", self._account(seller)))
            parts += [
                _table(f"targets.{self.target(seller, s)}", {"account": seller, "storefront": s, **self.targeted})
                for s in self.storefronts
            ]
        path = self.folder / f"{instance}.toml"
        path.write_text("\n".join([*parts, self.settings]), "utf-8")
        return path

    def _on(self) -> frozenset[Feature]:
        orders = self.orders or {}
        switches = {
            Feature.OFFERS: True,
            Feature.FIELD_RESULTS: tomllib.loads(self.settings).get("offers", {}).get("field_results", False),
            Feature.SHIPMENTS: self.shipments is not None,
            Feature.ORDERS: self.orders is not None,
            Feature.RECONCILE: self.reconcile is not None,
            Feature.CONTACTS: orders.get("contacts", False),
            Feature.RETURNS: orders.get("returns", False),
            Feature.SALES_ORDERS: orders.get("create_sales_orders", False),
        }
        return frozenset(part for part, on in switches.items() if on)

    def _parts(self) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
        yield "shipments", self.shipments
        yield "orders", self.orders
        yield "reconcile", self.reconcile

    def _account(self, seller: str) -> dict[str, Any]:
        if not (self.folder / f"{seller}.client").exists():
            self.write_secrets(seller, *self.keys_of(seller))
        return {
            "client_key_file": str(self.folder / f"{seller}.client"),
            "secret_key_file": str(self.folder / f"{seller}.secret"),
            "base_url": self.marketplace.url,
            "simulator": True,
            **self.account,
        }

    def target(self, seller: str, storefront: str) -> str:
        return f"{seller}-{storefront}"

    @property
    def targets(self) -> dict[str, tuple[str, str]]:
        """Returns target id -> (storefront, currency), as ``expectation`` needs it."""
        return {self.target(a, s): (s, CURRENCY[s]) for a in self.sellers for s in self.storefronts}

    # ---- processes --------------------------------------------------------------------------------------------------

    @property
    def processes(self) -> Sequence[ModuleProcess]:
        """All processes started here, the marketplace first."""
        return self._processes

    def command(self, *arguments: str, code: int = 0, timeout_s: float = STILL_S) -> str:
        """Runs a command of the connector and returns its output; raises unless the exit code is ``code``."""
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "connector", *arguments],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env=own_environment(os.environ),
        )
        output = done.stdout + done.stderr
        self.printed += output
        if done.returncode != code:
            raise DeploymentFailed(f"connector {' '.join(arguments)} ended with {done.returncode}:\n{output}")
        return output

    def connector(self, instance: str = "one", *arguments: str, **kafka: Any) -> ModuleProcess:
        """Starts ``connector run`` with this instance id."""
        config = self.config(instance, **kafka)
        return self.start(["connector", "run", "--config", str(config), *arguments], name=f"connector {instance}")

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str] | None = None, *, name: str = "connector"
    ) -> ModuleProcess:
        """Starts a module with arguments, which ends with the deployment. It runs in the caller's directory."""
        self._connectors += 1
        log = self.folder / f"{name.rpartition(' ')[2]}-{self._connectors}.log"
        process = self.runs_as(name, arguments, log, environment, apart=self.apart)
        self._processes.append(process)
        return process

    def last_words(self) -> str:
        return "\n".join(f"--- {process.name}: {process.text()[-2500:]}" for process in self._processes)

    # ---- marketplace ------------------------------------------------------------------------------------------------

    def units_there(self, units: Units | None = None) -> list[UnitThere]:
        return simulator_process.units_there(units or self.units_before)

    def places(self, seller: str | None = None) -> tuple[list[OfferPlace], list[OfferPlace]]:
        """Returns the places that exactly one unit matches, and those that several match."""
        of_seller = {number: unit for number, unit in self.units_before.items() if seller in (None, unit["seller"])}
        return simulator_process.places(of_seller, self.target)

    # ---- topics -----------------------------------------------------------------------------------------------------

    def produce(
        self, messages: Iterable[traffic.Message], partition: Callable[[str], int] | None = None
    ) -> list[Produced]:
        """Produces offer changes in order and waits for all acknowledgements; by default with Java's partitioner."""
        topic = self.topic("offer-changes")
        kit = ProducerKit(self.registry.id_of(topic))
        writer = Writer(self.kafka, topic)
        done: list[Produced] = []
        for message in messages:
            value = message.raw if message.payload is None else kit.message(message.payload)[1]
            chosen = None if partition is None else partition(message.key)
            writer.send(message.key.encode(), value, _noting(message, done), chosen)
        writer.flush()
        return done

    def dispatch(self, shipments: Iterable[Mapping[str, Any]], key: str | None = None) -> list[Position]:
        """Produces shipment events from plain values, in order, and waits for all acknowledgements."""
        topic = self.topic("shipments")
        kit = ShipmentKit(self.registry.id_of(topic))
        writer = Writer(self.kafka, topic)
        done: list[Position] = []
        for shipment in shipments:
            writer.send(*kit.message(shipment, key), lambda partition, offset, _: done.append((partition, offset)))
        writer.flush()
        return done

    def reader(self, topic: str) -> Reader:
        """Returns the deployment's reader of a topic, by its full name."""
        if topic not in self._readers:
            self._readers[topic] = Reader(self.kafka, topic, self.registry)
        return self._readers[topic]

    @property
    def readers(self) -> Mapping[str, Reader]:
        """The readers of all topics that were read so far, by topic name."""
        return self._readers

    def read(self, dataset: str, topic: str | None = None) -> Sequence[Message]:
        """Returns all records so far of a dataset, or of ``topic``."""
        return self.reader(topic or self.topic(dataset)).records()

    def rows(self, dataset: str) -> Sequence[Row]:
        """Returns all values of a dataset so far."""
        return self.reader(self.topic(dataset)).rows()

    def newest(self, dataset: str) -> dict[str, Row]:
        """Returns the newest value of every key of a dataset."""
        return self.reader(self.topic(dataset)).newest()

    def results(self, topic: str | None = None) -> Sequence[Row]:
        """Returns every OfferResult so far, from the live topic or from ``topic``."""
        return self.reader(topic or self.topic("offer-results")).rows()

    def calls(self) -> Sequence[Row]:
        return self.rows("marketplace-calls")

    def states(self) -> dict[str, Row]:
        """Returns the newest state of every EAN."""
        return self.newest("offer-state")

    def dead(self) -> Sequence[Message]:
        return self.read("offer-changes", f"{self.topic('offer-changes')}.dlq")

    def dead_positions(self) -> list[Position]:
        return dead_positions(self.dead())

    # ---- waiting ----------------------------------------------------------------------------------------------------

    def wait_for(
        self,
        what: str,
        true: Callable[[], bool],
        *,
        progress: Callable[[], object] | None = None,
        still_s: float = STILL_S,
        every_s: float = 0.2,
    ) -> None:
        """Waits until ``true()``. Raises with the tails of all logs on lack of progress or when a process has ended.

        Without ``progress``, records read from topics count as progress.
        """

        def true_or_fallen() -> bool:
            fallen = [process.name for process in self._processes if process.fell]
            if fallen:
                raise DeploymentFailed(f"while waiting for {what}, {', '.join(fallen)} ended")
            return true()

        try:
            wait_for(what, true_or_fallen, progress=progress or self._read_so_far, still_s=still_s, every_s=every_s)
        except DeploymentFailed as error:
            raise DeploymentFailed(f"{error}\n{self.last_words()}") from None

    def _read_so_far(self) -> dict[str, int]:
        return {topic: len(reader.seen) for topic, reader in self._readers.items()}

    def settle(self, produced: Sequence[Produced]) -> None:
        """Waits until every event has its result or dead letter and the marketplace receives no more calls."""
        self.wait_for_results(produced)
        self.quiet()

    def wait_for_results(self, produced: Sequence[Produced]) -> None:
        """Waits until every event has its result or dead letter."""
        try:
            self.wait_for("a result for every event", lambda: self.answered(produced))
        except DeploymentFailed as error:
            raise DeploymentFailed(f"{self.missing(produced)}\n{error}") from None

    def answered(self, produced: Sequence[Produced]) -> bool:
        """Whether every event has a result or a dead letter."""
        return self.ended().issuperset((one.partition, one.offset) for one in produced)

    def ended(self) -> set[Position]:
        """Returns every position with a result or a dead letter. Called often, so each row is examined only once."""
        results = self.results()
        self._done.update((row["input_partition"], row["input_offset"]) for row in results[self._looked_at :])
        self._looked_at = len(results)
        self._done.update(self.dead_positions())
        return self._done

    def missing(self, produced: Sequence[Produced]) -> str:
        """Describes how many events have no result, and the first of them."""
        have = self.ended()
        left = [one for one in produced if (one.partition, one.offset) not in have]
        return f"{len(left)} of {len(produced)} are missing, first: " + "\n  ".join(map(str, left[:3]))

    def quiet(self, for_s: float = 2.0) -> None:
        """Waits until no call has arrived for ``for_s`` seconds. Raises ``DeploymentFailed`` when calls never stop."""
        began_s = since_s = time.monotonic()
        count = -1
        while time.monotonic() - since_s < for_s:
            calls = self.marketplace.summary()["calls"]
            if calls != count:
                count, since_s = calls, time.monotonic()
            if time.monotonic() - began_s > 2 * STILL_S:
                raise DeploymentFailed(f"the marketplace still receives calls, {count:,} by now")
            time.sleep(0.2)


def _noting(message: traffic.Message, done: list[Produced]) -> Callable[[int, int, int], None]:
    def note(partition: int, offset: int, record_time_us: int) -> None:
        done.append(Produced(message=message, partition=partition, offset=offset, record_time_us=record_time_us))

    return note


def _seller(name: str, client_key: str, secret_key: str) -> str:
    return f'[[sellers]]\nname = "{name}"\nclient_key = "{client_key}"\nsecret_key = "{secret_key}"\n'


def _table(name: str, values: Mapping[str, Any]) -> str:
    lines = [
        f"{_key(key)} = {orjson.dumps(value).decode()}" for key, value in values.items() if not isinstance(value, dict)
    ]
    tables = [_table(f"{name}.{key}", value) for key, value in values.items() if isinstance(value, dict)]
    return "\n".join([f"[{name}]", *lines, *tables, ""])


def _key(name: str) -> str:
    """Returns a TOML key, quoted where needed, for example for the dots in Kafka's properties."""
    return name if name.replace("-", "_").isidentifier() else orjson.dumps(name).decode()
