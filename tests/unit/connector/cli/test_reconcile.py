"""``connector reconcile`` over an embedded broker and registry, with the states and the drift of a few sweeps.

The blocks of docs/operations.md are compared with what the commands print.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from threading import Event, Thread

import pytest

from connector.contracts.codec import SchemaIds, writer_of
from connector.contracts.headers import Stamp
from connector.contracts.registry_subjects import look_up, prefetch
from connector.contracts.topics import Feature, named
from connector.marketplace.offers import Condition, Unit, UnitPage
from connector.offers.events import DriftAction, DriftCause, OfferDrifted
from connector.orders.codec import OrderCodecs
from connector.orders.events import SchedulerState
from connector.orders.flow import OrderFlow
from connector.orders.ledger import OrderLane
from connector.orders.policy import OrderPolicy
from connector.reconciliation.codec import UnitRows
from connector.reconciliation.events import FinishedSweep, RunningSweep, SweepState
from connector.reconciliation.policy import SweepPolicy
from connector.reconciliation.sweep_lane import SweepTerms
from devstack.embedded_broker import CLIENT_PROPERTIES, EmbeddedBroker
from devstack.embedded_registry import EmbeddedRegistry
from streams.flow import Answered, Arrived, Assignment, Now, Record, Settled, Want
from streams.kafka.produce_once import RecordWriter
from streams.kafka.registry import RegistryClient, SchemaCache
from streams.kafka.settings import KafkaConnection
from streams.kafka.topic_tail import open_tail
from streams.records import NewRecord
from tests.harness.offer_rows import drifted, swept
from tests.harness.shown_commands import output_of
from tests.unit.connector.cli.test_controls import Person

FEATURES = frozenset({Feature.OFFERS, Feature.ORDERS, Feature.SHIPMENTS, Feature.RECONCILE, Feature.SCHEDULER})
TOPICS = named("kaufland", FEATURES)
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


class Sweeps(Person):
    """An operator whose broker has the states of sweeps, as the owner of the scheduler would have written them."""

    def __init__(self, broker: EmbeddedBroker, registry_url: str) -> None:
        super().__init__(broker, registry_url)
        self.environ["CONNECTOR__RECONCILE__ENABLED"] = "true"
        self.connection = KafkaConnection(
            bootstrap_servers=broker.bootstrap_servers, client_id="test", properties=CLIENT_PROPERTIES
        )
        with RegistryClient(registry_url) as client:
            cache = SchemaCache(client)
            prefetch(client, TOPICS, cache.add)
            self.ids: SchemaIds = look_up(client, TOPICS, avro_keys=False)
            command = client.version(f"{TOPICS.scheduler}-value", 1)
            cache.add(command.id, command.schema)
        self.codecs = OrderCodecs(self.ids, cache.get)
        self.now_us = time.time_ns() // 1_000

    def store(self, state: SweepState, *, ago_us: int = 0) -> None:
        """Writes the state of a sweep of the account demo."""
        stored = SchedulerState(account="demo", sweep=state, updated_at_us=self.now_us - ago_us)
        self.put(TOPICS.scheduler_state, f"demo/units/{state.storefront}", self.codecs.encode_state(stored))

    def drift(self, began_us: int, *causes: tuple[DriftCause, DriftAction], storefront: str = "de") -> None:
        write = writer_of(OfferDrifted, self.ids.value(OfferDrifted))
        seen = replace(swept(), account="demo", storefront=storefront, sweep_at_us=began_us, price=Decimal(15))
        rows = [drifted(seen, "17.99", cause=cause, action=action) for cause, action in causes]
        self.put(TOPICS.drift, seen.ean, *map(write, rows))

    def put(self, topic: str, key: str, *values: bytes) -> None:
        with RecordWriter(self.connection) as writer:
            records = [NewRecord(topic=topic, partition=0, key=key.encode(), value=value) for value in values]
            writer.write(records, timeout_s=30)

    def finished(self, ago_us: int, units: int = 40_250, took_us: int = 7 * MINUTE, **more: int) -> FinishedSweep:
        began_us = self.now_us - ago_us
        pages = -(-units // 100) + 1
        return FinishedSweep(
            sweep_at_us=began_us, ended_at_us=began_us + took_us, pages=pages, units=units, skipped=3, **more
        )


@pytest.fixture(scope="module")
def registry_url() -> Iterator[str]:
    """A registry with this version's schemas."""
    with EmbeddedRegistry() as registry, EmbeddedBroker() as broker:
        person = Person(broker, registry.url)
        person.environ["CONNECTOR__RECONCILE__ENABLED"] = "true"
        person.said("schemas", "register")
        yield registry.url


@pytest.fixture
def sweeps(registry_url: str) -> Iterator[Sweeps]:
    with EmbeddedBroker() as broker:
        for topic in (TOPICS.scheduler, TOPICS.scheduler_state, TOPICS.drift):
            broker.create_topic(topic, 1)
        yield Sweeps(broker, registry_url)


def normalised(text: str) -> list[str]:
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "T" * 20, text)
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def two_storefronts(sweeps: Sweeps) -> None:
    """Stores a sweep of de that is complete and found drift, and one of at that runs."""
    last = sweeps.finished(2 * HOUR)
    sweeps.store(SweepState(storefront="de", finished=last, sweeps=9, due_at_us=sweeps.now_us + 4 * HOUR + MINUTE // 2))
    running = RunningSweep(
        sweep_at_us=sweeps.now_us - 100 * SECOND, offset=21_000, pages=210, units=21_000, total=60_020
    )
    before = sweeps.finished(6 * HOUR, units=59_000)
    due_us = sweeps.now_us + 6 * HOUR + MINUTE // 2
    sweeps.store(SweepState(storefront="at", running=running, finished=before, sweeps=9, due_at_us=due_us))
    sweeps.drift(
        last.sweep_at_us,
        *[(DriftCause.SOLD, DriftAction.REPORTED)] * 12,
        *[(DriftCause.EDITED_OUTSIDE, DriftAction.REPAIRED)] * 2,
        (DriftCause.LOST_WRITE, DriftAction.REPAIRED),
    )
    sweeps.drift(last.sweep_at_us - HOUR, (DriftCause.UNKNOWN, DriftAction.REPORTED))  # of another sweep
    sweeps.drift(running.sweep_at_us, (DriftCause.SOLD, DriftAction.REPORTED), storefront="at")


# ---- the documented output ------------------------------------------------------------------------------------------


def test_the_chapter_shows_what_the_status_and_the_command_print(sweeps: Sweeps) -> None:
    two_storefronts(sweeps)

    for command in ("reconcile status", "reconcile now --storefront de"):
        assert normalised(sweeps.said(*command.split())) == normalised(output_of(command))


def test_the_json_has_everything_that_the_tables_have(sweeps: Sweeps) -> None:
    two_storefronts(sweeps)

    at, de = sweeps.json("reconcile", "status")["sweeps"]

    assert (de["phase"], de["is_good"], de["running"], de["failures_in_a_row"]) == ("WAITING", True, None, 0)
    last = de["last_complete"]
    assert (last["units"], last["pages"], last["calls"], last["not_written"]) == (40_250, 404, 404, 3)
    assert last["drift"] == [
        {"cause": "EDITED_OUTSIDE", "done": "REPAIRED", "values": 2},
        {"cause": "LOST_WRITE", "done": "REPAIRED", "values": 1},
        {"cause": "SOLD", "done": "REPORTED", "values": 12},
    ]
    assert de["cost"] == {
        "units": 40_250, "calls": 404, "calls_per_second": 100.0, "share_while_busy": 0.1, "seconds_idle": 4.04,
        "seconds_busy": 40.4,
    }  # fmt: skip
    running = at["running"]
    assert (at["phase"], running["units"], running["units_expected"], running["pages"]) == (
        "RUNNING",
        21_000,
        60_020,
        210,
    )
    assert running["calls_per_second"] == pytest.approx(2.1, abs=0.01)
    assert running["seconds_left"] == pytest.approx(392 / 2.1, abs=1)  # 391 pages, and one of the other list
    assert running["drift"] == [{"cause": "SOLD", "done": "REPORTED", "values": 1}]


# ---- what scripts build on ------------------------------------------------------------------------------------------


def test_sweeps_that_have_never_begun_are_said_and_end_with_1(sweeps: Sweeps) -> None:
    said = sweeps.said("reconcile", "status", code=1)

    assert "demo/de: no sweep has begun. Remedy: connector run with [reconcile] enabled = true" in said
    assert [one["phase"] for one in sweeps.json("reconcile", "status", code=1)["sweeps"]] == ["NEVER", "NEVER"]


@pytest.mark.parametrize(
    ("change", "stored_ago_us", "phase", "text"),
    [
        ({"failures": 2, "problem": "HTTP 503 down", "running": True}, 0, "FAILING", "failed 2 times in a row"),
        ({"running": True}, 21 * MINUTE, "STANDS_STILL", "nothing has come of the sweep since"),
        ({"due": -6 * MINUTE}, 0, "OVERDUE", "no process has begun the sweep that is due"),
    ],
)
def test_a_sweep_that_is_not_in_order_ends_with_1_and_says_why(
    sweeps: Sweeps, change: dict[str, int | str | bool], stored_ago_us: int, phase: str, text: str
) -> None:
    running = RunningSweep(sweep_at_us=sweeps.now_us - HOUR, pages=2, units=200, offset=200)
    state = SweepState(
        storefront="de",
        finished=sweeps.finished(2 * HOUR),
        running=running if change.get("running") else None,
        due_at_us=sweeps.now_us + int(change.get("due", HOUR)),
        failures=int(change.get("failures", 0)),
        problem=str(change["problem"]) if "problem" in change else None,
    )
    sweeps.store(state, ago_us=stored_ago_us)

    (found,) = sweeps.json("reconcile", "status", "--storefront", "de", code=1)["sweeps"]

    assert found["phase"] == phase
    assert text in sweeps.said("reconcile", "status", "--storefront", "de", code=1)


def test_what_is_not_swept_is_refused_with_what_is(sweeps: Sweeps) -> None:
    assert sweeps.refused("reconcile", "now", "--storefront", "sk") == (
        "SettingsError: not swept: sk; swept: demo/at, demo/de"
    )
    sweeps.environ["CONNECTOR__RECONCILE__ENABLED"] = "false"
    assert "Remedy: [reconcile] enabled = true" in sweeps.refused("reconcile", "status")


# ---- at once --------------------------------------------------------------------------------------------------------


class SchedulerOwner(Thread):
    """The owner of the scheduler: runs the order flow for the commands that come, and answers its calls."""

    def __init__(self, sweeps: Sweeps) -> None:
        super().__init__(daemon=True)
        stamp = Stamp(source="/shop", instance_id="shop-0", config_digest="0")
        self.sweeps = sweeps
        self.flow = OrderFlow(
            policy=OrderPolicy(accounts=frozenset()),
            currencies={},
            codecs=sweeps.codecs,
            topics=TOPICS,
            stamp=stamp,
            sweeps=SweepTerms(policy=SweepPolicy(places=frozenset({("demo", "de"), ("demo", "at")}))),
            units=UnitRows(sweeps.ids, topic=TOPICS.units, partitions=4, stamp=stamp),
        )
        self.follows, self.ends = Event(), Event()
        self.lanes: dict[str, OrderLane] = {}

    def run(self) -> None:
        with open_tail(self.sweeps.connection, TOPICS.scheduler, reader="owner") as tail:
            self.follows.set()
            while not self.ends.is_set():
                for one in tail.poll(0.1):
                    at = Assignment(topic=TOPICS.scheduler, partition=0, epoch=1)
                    record = Record(at=at, offset=one.offset, key=one.key, value=one.value, time_us=0)
                    arrived = self.flow.read(record, self.now())
                    assert isinstance(arrived, Arrived), arrived
                    self.sweep(arrived)

    @staticmethod
    def now() -> Now:
        return Now(mono_s=0.0, wall_us=time.time_ns() // 1_000)

    def sweep(self, cause: Arrived) -> None:
        """Applies a command to its lane, and answers every page that the lane wants."""
        key = cause.lane
        wants = self.turn(key, cause)
        while wants:
            (want,) = wants
            unit = Unit(unit_id=1, storefront="de", condition=Condition.NEW, offer_id=None, status=None, values={})
            page = UnitPage(units=(unit,), rows=1, is_last=True, total=1)
            wants = self.turn(
                key, Answered(want=want, reply=Settled(answer=page), call_id="c", attempts=1, sent_us=1, answered_us=1)
            )

    def turn(self, key: str, cause: Arrived | Answered) -> tuple[Want, ...]:
        turn = self.flow.turn(self.lanes.get(key) or self.flow.load(key, None), cause, self.now())
        self.lanes[key] = turn.lane
        self.sweeps.put(TOPICS.scheduler_state, key, self.flow.store(turn.lane).value or b"")
        return tuple(turn.wants)


@pytest.fixture
def owner(sweeps: Sweeps) -> Iterator[SchedulerOwner]:
    owner = SchedulerOwner(sweeps)
    owner.start()
    assert owner.follows.wait(60)
    yield owner
    owner.ends.set()
    owner.join(60)


def test_a_sweep_that_is_asked_for_is_waited_for_and_shown(sweeps: Sweeps, owner: SchedulerOwner) -> None:
    found = sweeps.json("reconcile", "now", "--wait")

    assert [(one["account"], one["storefront"], one["offset"]) for one in found["asked"]] == [
        ("demo", "at", 0),
        ("demo", "de", 1),
    ]
    assert [(one["phase"], one["last_complete"]["calls"]) for one in found["sweeps"]] == [("WAITING", 2)] * 2
    assert {key: lane.state.sweep.sweeps for key, lane in owner.lanes.items() if lane.state.sweep} == {
        "demo/units/at": 1,
        "demo/units/de": 1,
    }


def test_only_the_named_storefront_is_swept(sweeps: Sweeps, owner: SchedulerOwner) -> None:
    said = sweeps.said("reconcile", "now", "--storefront", "de", "--account", "demo", "--wait")

    assert set(owner.lanes) == {"demo/units/de"}
    assert "2 calls" in said
