"""A whole deployment for one test: topics and schemas on a real broker, the simulator and connectors as processes.

Everything goes through what a person would use: the command line, a configuration file, signals, topics. Every process
started here is ended here, by its id.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import fastavro
import httpx
import orjson
from confluent_kafka import Consumer, Message, Producer, TopicPartition

import schemas
from connector.demo.expectation import Produced, UnitThere
from connector.demo.traffic import Message as Sent
from connector.demo.traffic import Payload, Place
from connector.simulator.journal import Journal
from connector.simulator.scenario import made_up_keys
from tests.stack import Stack

PARTITION_UA = -1
"""librdkafka's word for: let the partitioner choose."""

ROOT = Path(__file__).parent.parent.parent
CURRENCY = {"de": "EUR", "at": "EUR", "sk": "EUR", "fr": "EUR", "it": "EUR", "cz": "CZK", "pl": "PLN"}
CONDITIONS = {
    "NEW": "NEW",
    "USED___AS_NEW": "USED_AS_NEW",
    "USED___VERY_GOOD": "USED_VERY_GOOD",
    "USED___GOOD": "USED_GOOD",
    "USED___ACCEPTABLE": "USED_ACCEPTABLE",
}


def wait_for(what: str, true: Callable[[], bool], timeout_s: float, every_s: float = 0.1) -> None:
    """Wait until ``true()``; fail with ``what`` after ``timeout_s``."""
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, f"waited {timeout_s:.0f} s for {what}"
        time.sleep(every_s)


class Process:
    """A process of ours with its output in a file."""

    may_end: bool = False
    """Whether its end is what the test wants: set by everything here that ends it or waits for its end."""

    def __init__(self, name: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        self._out = log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdout=self._out,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, **environment},
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def fell(self) -> bool:
        """Ended, though nobody asked it to."""
        return not self.may_end and not self.running

    def kill9(self) -> None:
        self.may_end = True
        self._process.kill()
        self._process.wait(10)

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self, timeout_s: float = 30) -> int:
        """SIGTERM, and its exit code."""
        self.may_end = not self.fell
        if self.running:
            self._process.terminate()
        return self._process.wait(timeout_s)

    def wait(self, timeout_s: float) -> int:
        self.may_end = True
        return self._process.wait(timeout_s)

    def health(self) -> httpx.Client:
        """Its health pages; the port is any free one, and said in the log."""

        def told() -> list[int]:
            lines = [orjson.loads(line) for line in self.text().splitlines() if '"health_port"' in line]
            return [line["health_port"] for line in lines]

        wait_for(f"{self.name} to say its health port", lambda: bool(told()) or not self.running, 60)
        [port] = told()
        return httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)

    def text(self) -> str:
        return self.log.read_text("utf-8", errors="replace")

    def end(self) -> None:
        if self.running:
            self._process.kill()
            self._process.wait(10)
        self._out.close()


class Marketplace:
    """The simulator in a process of its own, and what its control address tells."""

    def __init__(self, folder: Path, scenario: str) -> None:
        path = folder / "scenario.toml"
        path.write_text(scenario, "utf-8")
        self.process = Process(
            "simulator", ["connector.simulator", "--scenario", str(path)], folder / "simulator.log", {}
        )
        wait_for("the simulator", lambda: b"\n" in self.process.log.read_bytes() or not self.process.running, 60)
        greeting = orjson.loads(self.process.log.read_bytes().splitlines()[0])
        self.url: str = greeting["url"]
        self.control = httpx.Client(base_url=greeting["control_url"], timeout=60, trust_env=False)

    def journal(self) -> Journal:
        return Journal.read(self.control.get("journal").raise_for_status().content.splitlines())

    def summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = self.control.get("summary").raise_for_status().json()
        return summary

    def units(self) -> dict[int, dict[str, Any]]:
        lines = self.control.get("units").raise_for_status().content.splitlines()
        return {unit["id_unit"]: unit for unit in map(orjson.loads, lines)}

    def fault(self, name: str, do: Mapping[str, Any], **when: Any) -> None:
        self.control.post("faults", json={"name": name, "do": do, "when": when}).raise_for_status()

    def heal(self, name: str | None = None) -> None:
        self.control.delete("faults", params={"name": name} if name else None).raise_for_status()

    def policy(self, **change: Any) -> None:
        self.control.post("policy", json=change).raise_for_status()

    def rotate(self, seller: str, client_key: str, secret_key: str) -> None:
        keys = {"client_key": client_key, "secret_key": secret_key}
        self.control.post(f"sellers/{seller}/keys", json=keys).raise_for_status()


@dataclass(kw_only=True)
class Deployment:
    """Topics of its own prefix, one marketplace, any number of connectors. A context manager."""

    kafka: Stack
    folder: Path
    partitions: int = 8
    sellers: Sequence[str] = ("main",)
    keys: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # client and secret key, where not made up
    storefronts: Sequence[str] = ("de", "at")
    catalogue: str = "eans = 600"
    scenario: str = ""
    settings: str = ""  # further TOML tables
    account: Mapping[str, Any] = field(default_factory=dict)  # further keys of every [accounts.X]
    processing: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = ""
    registry_url: str = ""  # another way to the registry than the straight one

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.prefix = self.prefix or self.kafka.unique("t")
        self._processes: list[Process] = []
        self._connectors = 0
        self._printed = ""
        self.marketplace = Marketplace(self.folder, self._scenario())
        self._processes.append(self.marketplace.process)
        self._readers: dict[str, Consumer] = {}
        self._rows: dict[str, list[Message]] = {}
        self._values: dict[str, list[dict[str, Any]]] = {}
        self._done: set[tuple[int, int]] = set()
        self._looked_at = 0
        self.kafka.create_topic(self.topic("offer-changes"), self.partitions, exact=True)
        config = self.config("setup")
        self.command("topics", "--create", "--config", str(config))
        self.command("schemas", "register", "--config", str(config))
        self.units_before = self.marketplace.units()
        self._ids: dict[str, int] = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._processes):
            process.end()
        for reader in self._readers.values():
            reader.close()
        if error is None:
            assert not (shown := list(self._shows_a_key())), f"a key is shown in {shown}"

    def _shows_a_key(self) -> Iterator[str]:
        """Which output of the test holds a key of an account: logs, what commands printed, topics as far as read."""
        keys = [file.read_bytes() for kind in ("client", "secret") for file in self.folder.glob(f"*.{kind}")]
        for name, said in self._outputs():
            if any(key in said for key in keys):
                yield name

    def _outputs(self) -> Iterator[tuple[str, bytes]]:
        yield "the output of a command", self._printed.encode()
        for process in self._processes:
            if process is not self.marketplace.process:  # the simulator tells its keys: they are no secrets
                yield f"the log of {process.name}", process.log.read_bytes()
        for topic, records in self._rows.items():
            for record in records:
                yield topic, b"\n".join((record.key() or b"", record.value() or b"", repr(record.headers()).encode()))

    # ---- set-up -----------------------------------------------------------------------------------------------------

    def topic(self, dataset: str) -> str:
        return f"{self.prefix}.{dataset}.v1"

    def _scenario(self) -> str:
        storefronts = ", ".join(f'"{s}"' for s in self.storefronts)
        sellers = "\n".join(_seller(name, *self.keys_of(name)) for name in self.sellers)
        return f"[catalogue]\nstorefronts = [{storefronts}]\n{self.catalogue}\n{sellers}\n{self.scenario}\n"

    def keys_of(self, seller: str) -> tuple[str, str]:
        return self.keys.get(seller) or made_up_keys(seller)

    def write_secrets(self, seller: str, client_key: str, secret_key: str) -> None:
        (self.folder / f"{seller}.client").write_text(client_key, "utf-8")
        (self.folder / f"{seller}.secret").write_text(secret_key, "utf-8")

    def config(self, instance: str, **kafka: Any) -> Path:
        """A configuration file of one instance; ``kafka`` overrides keys of its [kafka] table."""
        base = {
            "bootstrap_servers": self.kafka.bootstrap_servers,
            "group": f"{self.prefix}.connector",
            "start": "earliest",
            "instance_id": f"{self.prefix}-{instance}",
        }
        parts = [
            _table("kafka", {**base, **kafka}),
            _table("registry", {"url": self.registry_url or self.kafka.registry_url}),
            _table("topics", {"prefix": self.prefix}),
            _table("health", {"port": 0}),
            _table("processing", dict(self.processing)),
        ]
        for seller in self.sellers:
            if not (self.folder / f"{seller}.client").exists():
                self.write_secrets(seller, *self.keys_of(seller))
            account = {
                "client_key_file": str(self.folder / f"{seller}.client"),
                "secret_key_file": str(self.folder / f"{seller}.secret"),
                "base_url": self.marketplace.url,
                "simulator": True,
                **self.account,
            }
            parts.append(_table(f"accounts.{seller}", account))
            parts += [
                _table(f"targets.{self.target(seller, s)}", {"account": seller, "storefront": s})
                for s in self.storefronts
            ]
        path = self.folder / f"{instance}.toml"
        path.write_text("\n".join([*parts, self.settings]), "utf-8")
        return path

    def target(self, seller: str, storefront: str) -> str:
        return f"{seller}-{storefront}"

    @property
    def targets(self) -> dict[str, tuple[str, str]]:
        """Target id -> (storefront, currency), as the expectation takes it."""
        return {self.target(a, s): (s, CURRENCY[s]) for a in self.sellers for s in self.storefronts}

    def command(self, *arguments: str, code: int = 0, timeout_s: float = 60) -> str:
        """Run the command line and return what it printed; fails unless its exit code is ``code``."""
        done = subprocess.run(
            [sys.executable, "-m", "connector", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        self._printed += done.stdout + done.stderr
        assert done.returncode == code, f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def connector(self, instance: str = "one", *arguments: str, **kafka: Any) -> Process:
        """Start ``connector run`` with this instance id."""
        self._connectors += 1
        config = self.config(instance, **kafka)
        process = Process(
            f"connector {instance}",
            ["connector", "run", "--config", str(config), *arguments],
            self.folder / f"{instance}-{self._connectors}.log",
            {},
        )
        self._processes.append(process)
        return process

    # ---- the marketplace's side -------------------------------------------------------------------------------------

    def units_there(self, units: Mapping[int, Mapping[str, Any]] | None = None) -> list[UnitThere]:
        return [
            UnitThere(
                unit_id=unit_id,
                storefront=unit["storefront"],
                ean=unit["eans"][0],
                condition=CONDITIONS.get(unit["condition"], unit["condition"]),
                offer_id=unit["id_offer"],
                values={name: unit[name] for name in ("listing_price", "amount", "handling_time")},
            )
            for unit_id, unit in (units or self.units_before).items()
        ]

    def places(self, seller: str | None = None) -> tuple[list[Place], list[Place]]:
        """What traffic can be about: (one unit each, several units each)."""
        grouped: dict[tuple[str, str, str], list[Place]] = {}
        for unit_id, unit in self.units_before.items():
            if seller is not None and unit["seller"] != seller:
                continue
            place = Place(
                target_id=self.target(unit["seller"], unit["storefront"]),
                ean=unit["eans"][0],
                condition=CONDITIONS.get(unit["condition"], unit["condition"]),
                currency=CURRENCY[unit["storefront"]],
                unit_id=unit_id,
                offer_id=unit["id_offer"],
            )
            grouped.setdefault((place.target_id, place.ean, place.condition), []).append(place)
        single = [group[0] for group in grouped.values() if len(group) == 1]
        return single, [group[0] for group in grouped.values() if len(group) > 1]

    # ---- the backbone's side ----------------------------------------------------------------------------------------

    def schema_id(self, topic: str) -> int:
        if topic not in self._ids:
            url = f"{self.kafka.registry_url}/subjects/{topic}-value/versions/latest"
            self._ids[topic] = httpx.get(url, trust_env=False).raise_for_status().json()["id"]
        return self._ids[topic]

    def produce(self, messages: Iterable[Sent], partition: Callable[[str], int] | None = None) -> list[Produced]:
        """Produce in order and wait for every acknowledgement; Java's partitioner unless told otherwise."""
        topic = self.topic("offer-changes")
        header = b"\x00" + self.schema_id(topic).to_bytes(4, "big")
        schema = fastavro.parse_schema(schemas.load("offer_changed", 1))
        producer = Producer(
            {
                "bootstrap.servers": self.kafka.bootstrap_servers,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "linger.ms": 5,
            }
        )
        done: list[Produced] = []

        def delivered(sent: Sent) -> Callable[[Any, Message], None]:
            def note(error: Any, record: Message) -> None:
                assert error is None, error
                done.append(
                    Produced(
                        message=sent,
                        partition=record.partition() or 0,
                        offset=record.offset() or 0,
                        record_time_us=record.timestamp()[1] * 1000,
                    )
                )

            return note

        for sent in messages:
            value = sent.raw
            if sent.payload is not None:
                buffer = BytesIO()
                fastavro.schemaless_writer(buffer, schema, _avro(sent.payload))
                value = header + buffer.getvalue()
            chosen = PARTITION_UA if partition is None else partition(sent.key)
            while True:
                try:
                    producer.produce(topic, value, sent.key.encode(), partition=chosen, on_delivery=delivered(sent))
                    break
                except BufferError:
                    producer.poll(0.05)
            producer.poll(0)
        assert producer.flush(60) == 0
        return done

    def read(self, dataset: str, topic: str | None = None) -> list[Message]:
        """All records of a topic so far, read committed. Each call reads on from the last one's end."""
        name = topic or self.topic(dataset)
        if name not in self._readers:
            reader = Consumer(
                {
                    "bootstrap.servers": self.kafka.bootstrap_servers,
                    "group.id": self.kafka.unique("reader"),
                    "isolation.level": "read_committed",
                    "enable.auto.commit": False,
                    "enable.partition.eof": True,
                    "auto.offset.reset": "earliest",
                    "fetch.queue.backoff.ms": 10,
                    "fetch.wait.max.ms": 10,  # a question about the log's end waits behind an open fetch
                }
            )
            known = reader.list_topics(name, 10).topics[name].partitions
            reader.assign([TopicPartition(name, number, 0) for number in known])
            self._readers[name] = reader
            self._rows[name] = []
        reader, rows = self._readers[name], self._rows[name]
        ends = {
            part.partition: reader.get_watermark_offsets(part, timeout=10, cached=False)[1]
            for part in reader.assignment()
        }
        while any(at.offset < ends[at.partition] for at in reader.position(reader.assignment()) if ends[at.partition]):
            rows += [record for record in reader.consume(5000, 0.05) if record.error() is None]
        return rows

    def results(self, topic: str | None = None) -> list[dict[str, Any]]:
        """Every OfferResult so far, decoded."""
        return list(self._decoded(topic or self.topic("offer-results"), "offer_result"))

    def calls(self) -> list[dict[str, Any]]:
        return list(self._decoded(self.topic("marketplace-calls"), "marketplace_called"))

    def states(self) -> dict[str, dict[str, Any]]:
        """The newest state of every EAN."""
        newest = {(record.key() or b"").decode(): record for record in self.read("offer-state")}
        schema = fastavro.parse_schema(schemas.load("offer_state", 1))
        return {key: _decode(record, schema) for key, record in newest.items() if record.value() is not None}

    def not_found(self) -> dict[str, dict[str, Any]]:
        newest = {(record.key() or b"").decode(): record for record in self.read("offers-not-found")}
        schema = fastavro.parse_schema(schemas.load("offer_not_found", 1))
        return {key: _decode(record, schema) for key, record in newest.items() if record.value() is not None}

    def dead(self) -> list[Message]:
        return self.read("", f"{self.topic('offer-changes')}.dlq")

    def dead_positions(self) -> list[tuple[int, int]]:
        found = []
        for record in self.dead():
            headers = dict(record.headers() or [])
            partition, offset = (headers[f"__connect.errors.{name}"] for name in ("partition", "offset"))
            found.append((int(partition or b"-1"), int(offset or b"-1")))
        return found

    def _decoded(self, topic: str, schema_name: str) -> list[dict[str, Any]]:
        """Every record so far, each decoded once."""
        values, schema = self._values.setdefault(topic, []), fastavro.parse_schema(schemas.load(schema_name, 1))
        values += [_decode(record, schema) for record in self.read("", topic)[len(values) :]]
        return values

    # ---- waiting ----------------------------------------------------------------------------------------------------

    def wait_for(self, what: str, true: Callable[[], bool], timeout_s: float, every_s: float = 0.2) -> None:
        """Wait until ``true()``. Fails after ``timeout_s``, or at once when a process fell, with all last words."""

        def true_or_fallen() -> bool:
            fallen = [process.name for process in self._processes if process.fell]
            assert not fallen, f"while waiting for {what}, {', '.join(fallen)} ended"
            return true()

        try:
            wait_for(what, true_or_fallen, timeout_s, every_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.last_words()}") from None

    def settle(self, produced: Sequence[Produced], timeout_s: float = 120) -> None:
        """Wait until every event has its result or dead letter, and the marketplace hears nothing more."""
        self.wait_for_results(produced, timeout_s)
        self.quiet()

    def wait_for_results(self, produced: Sequence[Produced], timeout_s: float = 120) -> None:
        """Wait until every event has its result or dead letter."""
        try:
            self.wait_for("a result for every event", lambda: self.answered(produced), timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{self.missing(produced)}\n{error}") from None

    def answered(self, produced: Sequence[Produced]) -> bool:
        """Whether every position has a result or a dead letter by now."""
        return self._ended().issuperset((one.partition, one.offset) for one in produced)

    def _ended(self) -> set[tuple[int, int]]:
        """Every position with a result or a dead letter; asked often, so each row is looked at once."""
        results = self._decoded(self.topic("offer-results"), "offer_result")
        self._done.update((row["input_partition"], row["input_offset"]) for row in results[self._looked_at :])
        self._looked_at = len(results)
        self._done.update(self.dead_positions())
        return self._done

    def missing(self, produced: Sequence[Produced]) -> str:
        """The first events without a result."""
        have = self._ended()
        left = [one for one in produced if (one.partition, one.offset) not in have]
        return f"{len(left)} of {len(produced)} are missing, first: " + "\n  ".join(map(str, left[:3]))

    def last_words(self) -> str:
        return "\n".join(f"--- {process.name}: {process.text()[-2500:]}" for process in self._processes)

    def quiet(self, for_s: float = 2.0, timeout_s: float = 60) -> None:
        """Wait until no call has arrived for ``for_s`` seconds."""
        end = time.monotonic() + timeout_s
        count, since = -1, time.monotonic()
        while time.monotonic() - since < for_s:
            calls = self.marketplace.summary()["calls"]
            if calls != count:
                count, since = calls, time.monotonic()
            assert time.monotonic() < end, "the marketplace still hears calls"
            time.sleep(0.2)


def _seller(name: str, client_key: str, secret_key: str) -> str:
    return f'[[sellers]]\nname = "{name}"\nclient_key = "{client_key}"\nsecret_key = "{secret_key}"\n'


def _table(name: str, values: Mapping[str, Any]) -> str:
    lines = [f"{key} = {orjson.dumps(value).decode()}" for key, value in values.items() if not isinstance(value, dict)]
    tables = [_table(f"{name}.{key}", value) for key, value in values.items() if isinstance(value, dict)]
    return "\n".join([f"[{name}]", *lines, *tables, ""])


def _avro(payload: Payload) -> dict[str, Any]:
    """A payload as the schema spells it."""
    record = {name: payload.get(name) for name in ("sequence", "target_id", "condition", "offer_id", "unit_id")}
    price = payload.get("price")
    return record | {
        "event_id": payload["event_id"],
        "occurred_at": payload["occurred_at_us"],
        "source": payload.get("source", "tests"),
        "ean": payload["ean"],
        "price": None if price is None else {"amount": price[0], "currency": price[1]},
        "stock": payload.get("stock"),
        "handling_time_days": payload.get("handling_time_days"),
        "attributes": payload.get("attributes", {}),
    }


def _decode(record: Message, schema: Any) -> dict[str, Any]:
    value = record.value()
    assert value is not None
    decoded = fastavro.schemaless_reader(BytesIO(value[5:]), schema, None)
    assert isinstance(decoded, dict)
    return decoded
