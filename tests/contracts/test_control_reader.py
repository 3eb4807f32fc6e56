"""The reader of a control topic on a real broker: the whole topic at start, then each record as it is written."""

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from devstack import waiting
from devstack.jvm_stack import JvmStack
from devstack.stack import Stack
from streams.control import ControlRead
from streams.flow import Output
from streams.kafka.control_reader import ControlReader
from streams.messages import Notice
from tests.contracts.brokers import KafkaAdapter


@dataclass(kw_only=True)
class Commands:
    """The commands in force, as a process keeps them, and everything that the reader reported."""

    broker: KafkaAdapter
    topic: str
    in_force: dict[str, bytes] = field(default_factory=dict)
    reads: list[ControlRead] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def report(self, said: ControlRead | Notice) -> None:
        """Applies what the reader reports; the reader's thread."""
        if isinstance(said, Notice):
            self.notices.append(said)
            return
        if said.anew:
            self.in_force.clear()
        for record in said.records:
            if record.value is None:
                self.in_force.pop(record.key, None)
            else:
                self.in_force[record.key] = record.value
        self.reads.append(said)

    def write(self, *rows: tuple[str, bytes | None]) -> None:
        self.broker.append(Output(topic=self.topic, key=key.encode(), value=value, partition=0) for key, value in rows)

    def wait_for(self, what: str, condition: Callable[[], bool]) -> None:
        waiting.until(what, condition, progress=lambda: (len(self.reads), len(self.notices)), still_s=120)

    @property
    def is_complete(self) -> bool:
        return any(read.complete for read in self.reads)

    def events(self) -> Sequence[str]:
        return [notice.event for notice in self.notices]


@contextmanager
def following(broker: KafkaAdapter, topic: str, *rows: tuple[str, bytes | None]) -> Iterator[Commands]:
    """Follows a topic, which has these records at first, until the end of the block."""
    commands = Commands(broker=broker, topic=topic)
    commands.write(*rows)
    reader = ControlReader(broker.connection(), topic, reader="control", patience_s=1.0)
    stopping = threading.Event()
    thread = threading.Thread(target=reader.follow, args=(commands.report, stopping), daemon=True)
    thread.start()
    try:
        yield commands
    finally:
        stopping.set()
        thread.join(60)
        assert not thread.is_alive(), "the reader did not stop"


@pytest.fixture
def real(kafka: Stack) -> KafkaAdapter:
    return KafkaAdapter(kafka)


def test_an_empty_topic_is_complete_at_once(real: KafkaAdapter) -> None:
    with following(real, real.create_topic("control", 1)) as commands:
        commands.wait_for("the end", lambda: commands.is_complete)

        assert commands.in_force == {}
        assert commands.notices == []


def test_what_is_there_is_read_as_a_whole_and_what_follows_as_it_comes(real: KafkaAdapter) -> None:
    rows = [(f"k{n % 300}", str(n).encode()) for n in range(1_000)]
    with following(real, real.create_topic("control", 1), *rows, ("k7", None)) as commands:
        commands.wait_for("the end", lambda: commands.is_complete)
        first = commands.reads[0]
        assert (first.anew, first.complete) == (True, True)
        assert commands.in_force == {key: value for key, value in rows if key != "k7"}

        commands.write(("k7", b"again"), ("k8", None))
        commands.wait_for("the new records", lambda: "k7" in commands.in_force and "k8" not in commands.in_force)
        assert not any(read.anew for read in commands.reads[1:])


def test_a_topic_that_is_created_again_voids_the_earlier_commands(real: KafkaAdapter) -> None:
    topic = real.create_topic("control", 1)
    with following(real, topic, ("old", b"1"), ("older", b"1")) as commands:
        commands.wait_for("the end", lambda: commands.is_complete)
        real.recreate_topic(topic, 1)
        commands.write(("new", b"2"))
        commands.wait_for("the new topic", lambda: commands.in_force == {"new": b"2"})


def test_a_missing_topic_is_said_and_keeps_nothing_from_sending_and_is_read_once_it_exists(real: KafkaAdapter) -> None:
    topic = f"missing-{uuid.uuid4().hex[:8]}"
    commands = Commands(broker=real, topic=topic)
    reader, stopping = ControlReader(real.connection(), topic, reader="control"), threading.Event()
    thread = threading.Thread(target=reader.follow, args=(commands.report, stopping), daemon=True)
    thread.start()
    commands.wait_for("the report", lambda: commands.is_complete)
    assert commands.events() == ["control_unreadable"]
    assert f"{topic} does not exist" in str(commands.notices[0].fields["reason"])

    assert real._is_created(topic, 1)
    commands.write(("k", b"1"))
    commands.wait_for("the first command", lambda: commands.in_force == {"k": b"1"})
    assert commands.events() == ["control_unreadable", "control_readable"]
    stopping.set()
    thread.join(60)
    assert not thread.is_alive()


def test_commands_stay_in_force_while_the_broker_is_away_and_the_next_ones_arrive_when_it_is_back(
    own_kafka: JvmStack,
) -> None:
    own = KafkaAdapter(Stack(origin="its own", bootstrap_servers=own_kafka.bootstrap_servers, registry_url=""))
    with following(own, own.create_topic("control", 1), ("k", b"1")) as commands:
        commands.wait_for("the end", lambda: commands.is_complete)
        own_kafka.broker.stop()
        commands.wait_for("the report", lambda: commands.events() == ["control_unreadable"])
        assert commands.in_force == {"k": b"1"}

        own_kafka.broker.restart()
        commands.write(("k2", b"2"))
        commands.wait_for("the next command", lambda: commands.in_force == {"k": b"1", "k2": b"2"})
        assert commands.events()[-1] == "control_readable"
