"""The test stand: a real Kafka and registry, the simulator, and a state topic in which every unit is already known.

It is the ``Deployment`` of the demo and the fault tests, with the state of every unit written beforehand, as if each
had been looked up: otherwise look-ups would be measured. Every part is a process of its own.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined] # documented there

import schemas
from benchmarks.load import Events, LoadEvent, Offer, produce
from connector.offers.events import Basis, FieldState, OfferState, UnitState
from devstack.deployment import Deployment
from devstack.processes import ModuleProcess, wait_for
from devstack.simulator_process import CURRENCY
from devstack.stack import Stack
from simulator.journal import Journal
from streams.avro.codec import encoder
from streams.avro.compiled_writer import Writer
from streams.partitioner import partition_for

PARTITIONS = 8
SELLER = "main"
STOREFRONT = "de"
UNLIMITED = 1_000_000
LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]
API_LIMIT = 111

_CATALOGUE = """
eans = {eans}
further_condition = 0.0
missing = 0.0
linked = 0.0
ambiguous = 0.0
incomplete = 0.0
on_hold = 0.0
"""
_FIELDS = {"price": "listing_price", "stock": "amount", "handling_time": "handling_time"}


@dataclass(frozen=True, slots=True)
class Stand:
    """The deployment, its offers and a generator of events, as measurements use them."""

    deployment: Deployment[Stack]
    offers: Sequence[Offer]
    events: Events

    # ---- connector --------------------------------------------------------------------------------------------------

    @contextmanager
    def connectors(
        self,
        count: int = 1,
        *,
        start: Mapping[int, int] | None = None,
        single: bool = False,
        patience_s: float = 60.0,
        module: str = "connector",
        **account: Any,
    ) -> Iterator[list[ModuleProcess]]:
        """Runs ``count`` connectors in one group within the context; enters it when they are ready to send.

        ``start``: the positions to begin from; by default the input's end, because existing records belong to other
        measurements. ``patience_s``: how long they may take to get ready. ``module``: what runs the connector's command
        line. ``account``: keys of the configuration's account section.
        """
        self._set_positions(start or self.input_ends())
        self.deployment.account = account
        self.deployment.settings = f'[offers]\nmode = "{"single" if single else "batch"}"\n'
        running = [self.connector(number, module) for number in range(count)]
        try:
            wait_for("the partitions", lambda: all_owned(running, self._partitions), still_s=patience_s)
            yield running
        finally:
            for process in running:
                process.stop()

    @property
    def _partitions(self) -> int:
        """Returns the number of partitions of all inputs."""
        shipments = PARTITIONS if self.deployment.shipments is not None else 0
        return PARTITIONS + shipments + (self.deployment.orders is not None)

    def connector(self, number: int, module: str = "connector") -> ModuleProcess:
        """Starts a connector with the settings of the last ``connectors``; a number is an instance id."""
        config = self.deployment.config(f"instance-{number}")
        return self.process(f"connector-{number}", [module, "run", "--config", str(config)])

    def _set_positions(self, positions: Mapping[int, int]) -> None:
        """Sets the positions of the group, which must be empty. Retries while the group coordinator is starting."""
        parts = [TopicPartition(self.input, partition, offset) for partition, offset in positions.items()]
        asked = ConsumerGroupTopicPartitions(f"{self.deployment.prefix}.connector", parts)
        admin = self.deployment.kafka.admin()  # keep a reference until the response is there

        def are_set() -> bool:
            [future] = admin.alter_consumer_group_offsets([asked]).values()
            return all(part.error is None for part in future.result().topic_partitions)

        until("the positions of the group", are_set, 30)

    def process(self, name: str, arguments: Sequence[str]) -> ModuleProcess:
        """Runs a Python module as a process."""
        log = self.deployment.folder / f"{name}-{time.monotonic_ns()}.log"
        return ModuleProcess(name, arguments, log)

    # ---- topics -----------------------------------------------------------------------------------------------------

    @property
    def input(self) -> str:
        return self.deployment.topic("offer-changes")

    def send(self, events: Iterable[LoadEvent]) -> float:
        return produce(self.deployment.kafka.bootstrap_servers, self.input, events)

    def input_ends(self) -> dict[int, int]:
        """Returns the end offset of each partition of the input."""
        parts = {TopicPartition(self.input, number): LATEST for number in range(PARTITIONS)}
        admin = self.deployment.kafka.admin()  # keep a reference until the response is there
        found = admin.list_offsets(parts)
        return {part.partition: future.result().offset for part, future in found.items()}

    def result_times_s(self, topic: str | None = None) -> list[float]:
        """Returns the times at which the results were handed to a producer, sorted (s since the epoch)."""
        return sorted(record.timestamp()[1] / 1000 for record in self.deployment.read("offer-results", topic))

    def statuses(self, since: int) -> Mapping[str, int]:
        """Counts the statuses of the results from index ``since`` on."""
        return Counter(row["status"] for row in self.deployment.results()[since:])

    # ---- marketplace ------------------------------------------------------------------------------------------------

    def limit(self, requests_per_second: int) -> None:
        self.deployment.marketplace.policy(requests_per_second=requests_per_second)

    @contextmanager
    def answers_after(self, wait_s: float) -> Iterator[None]:
        """Delays the marketplace's responses by ``wait_s`` within the context."""
        if wait_s:
            self.deployment.marketplace.fault("latency", {"kind": "slow", "wait_s": wait_s})
        try:
            yield
        finally:
            self.deployment.marketplace.heal()

    def first_call_s(self, since_s: float) -> float:
        """Waits for a further call and returns when the first call after ``since_s`` arrived (monotonic clock)."""
        calls = self.deployment.marketplace.summary()["calls"]
        until("a call", lambda: self.deployment.marketplace.summary()["calls"] > calls, 30)
        return self.journal(since_s).calls[0].mono_us / 1e6

    def journal(self, since_s: float) -> Journal:
        """Returns the calls and writes from ``since_s`` (monotonic clock) on."""
        whole, since_us = self.deployment.marketplace.journal(), since_s * 1e6
        return Journal(
            calls=[call for call in whole.calls if call.mono_us >= since_us],
            writes=[write for write in whole.writes if write.mono_us >= since_us],
        )


@contextmanager
def stand(kafka: Stack, eans: int, **parts: Any) -> Iterator[Stand]:
    """Provides a stand with ``eans`` units, all known to the connector. ``parts`` are arguments of ``Deployment``."""
    with (
        TemporaryDirectory(prefix="bench-") as folder,
        Deployment(
            kafka=kafka,
            folder=Path(folder),
            partitions=PARTITIONS,
            sellers=(SELLER,),
            storefronts=(STOREFRONT,),
            catalogue=_CATALOGUE.format(eans=eans),
            **parts,
        ) as deployment,
    ):
        offers = [_offer(deployment, unit_id, unit) for unit_id, unit in deployment.units_before.items()]
        topic = deployment.topic("offer-state")
        make_known(kafka.bootstrap_servers, topic, offers, deployment.registry.id_of(topic))
        events = Events(offers, deployment.registry.id_of(deployment.topic("offer-changes")))
        yield Stand(deployment, offers, events)


def _offer(deployment: Deployment[Stack], unit_id: int, unit: Mapping[str, Any]) -> Offer:
    return Offer(
        ean=unit["eans"][0],
        unit_id=unit_id,
        target_id=deployment.target(SELLER, STOREFRONT),
        offer_id=unit["id_offer"],
        currency=CURRENCY[STOREFRONT],
        values={name: unit[name] for name in _FIELDS.values()},
    )


def make_known(bootstrap_servers: str, topic: str, offers: Sequence[Offer], schema_id: int) -> None:
    """Writes the state records that a look-up of every offer would have produced."""
    write = state_writer(schema_id)
    producer = Producer({"bootstrap.servers": bootstrap_servers, "queue.buffering.max.messages": 1_000_000})
    for offer in offers:
        partition = partition_for(offer.ean.encode(), PARTITIONS)
        producer.produce(topic, write(known_state(offer, partition)), offer.ean.encode(), partition)
        producer.poll(0)
    if producer.flush(60):
        raise RuntimeError("the broker did not take the state")


def state_writer(schema_id: int) -> Writer:
    return encoder(schemas.load("offer_state", schemas.newest("offer_state")), schema_id)


def known_state(offer: Offer, partition: int) -> OfferState:
    """Returns the state of an offer after a look-up that found one unit."""
    now_us = time.time_ns() // 1000
    fields = (
        FieldState(
            field=field,
            value=Decimal(offer.values[name]).scaleb(-2 if field == "price" else 0),
            currency=offer.currency if field == "price" else None,
            basis=Basis.OBSERVED,
            accepted_at_us=now_us,
            certain=True,
        )
        for field, name in _FIELDS.items()
    )
    unit = UnitState(
        account=SELLER,
        storefront=STOREFRONT,
        condition="NEW",
        unit_id=offer.unit_id,
        offer_id=offer.offer_id,
        unit_status="AVAILABLE",
        proved_at_us=now_us,
        fields=tuple(fields),
    )
    return OfferState(
        ean=offer.ean, managed=True, units=(unit,), input_partition=partition, last_offset=-1, updated_at_us=now_us
    )


def all_owned(running: Sequence[ModuleProcess], partitions: int = PARTITIONS) -> bool:
    """Whether every process has opened its share of the partitions. Raises RuntimeError if a process has ended."""
    for process in running:
        if not process.running:
            raise RuntimeError(f"{process.name} ended:\n{process.text()[-3000:]}")
    opened = [text.count("partition_opened") for text in (process.text() for process in running)]
    return all(count >= partitions // len(running) for count in opened) and sum(opened) >= partitions


def until(what: str, true: Callable[[], bool], timeout_s: float) -> None:
    wait_for(what, true, still_s=timeout_s, every_s=0.25)
