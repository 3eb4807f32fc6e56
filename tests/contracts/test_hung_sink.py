"""A producer call that outlasts its timeout, reproduced by taking a coordinator of the mock cluster down."""

import ctypes
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from devstack.embedded_broker import EmbeddedBroker
from streams.clock import SystemClock
from streams.flow import Assignment, Output
from streams.kafka.sinks import TransactionalSink
from streams.messages import Assigned, Checkpoint, Effect, Written
from streams.runner import Runner, RunnerSettings
from tests.contracts.brokers import EmbeddedAdapter, mark
from tests.contracts.test_source_and_sink import TopicSet, topic_set
from tests.unit.streams.test_runner import RecordingObserver, Script, wait

GROUPS, TRANSACTIONS, GOES, STAYS = b"group", b"transaction", 2, 3
"""GOES coordinates the group until it is taken down, then STAYS does; STAYS coordinates the transactions throughout."""


class ThreeBrokers:
    """A mock cluster of three brokers that can be taken down."""

    def __init__(self, holder: EmbeddedBroker) -> None:
        cluster: Any = holder._cluster
        self.broker = EmbeddedAdapter(holder)
        self._library, self._mock = cluster._library, cluster._mock
        self._library.rd_kafka_mock_broker_set_down.argtypes = [ctypes.c_void_p, ctypes.c_int32]
        coordinator_set = self._library.rd_kafka_mock_coordinator_set
        coordinator_set.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int32]

    def coordinated_by(self, group: str, number: int) -> None:
        assert self._library.rd_kafka_mock_coordinator_set(self._mock, GROUPS, group.encode(), number) == 0

    def transactions_coordinated_by(self, transactional_id: str, number: int) -> None:
        """Fixes the coordinator: by hash, one test run in three would lose this one as well, for good."""
        key = transactional_id.encode()
        assert self._library.rd_kafka_mock_coordinator_set(self._mock, TRANSACTIONS, key, number) == 0

    def take_down(self, number: int) -> None:
        assert self._library.rd_kafka_mock_broker_set_down(self._mock, number) == 0


@pytest.fixture
def three() -> Iterator[ThreeBrokers]:
    with EmbeddedBroker(3) as holder:
        yield ThreeBrokers(holder)


def checkpoint(at: Assignment, where: TopicSet, serial: int) -> Checkpoint:
    output = Output(topic=where.results, key=b"k", value=str(serial).encode(), partition=0)
    return Checkpoint(serial=serial, outputs={at: (output,)}, marks={at: mark(serial, serial=serial)})


@pytest.mark.slow
def test_a_checkpoint_whose_call_hangs_is_written_by_another_producer(three: ThreeBrokers) -> None:
    where = topic_set(three.broker, partitions=1)
    three.coordinated_by(where.group, GOES)
    three.transactions_coordinated_by(where.group, STAYS)
    engine, observer = Script(), RecordingObserver()
    parts: list[Assignment] = []

    def assigned(said: Assigned) -> list[Effect]:
        """Writes at the first assignment only: while the coordinator is down, the member may be expelled and rejoin."""
        parts.extend(said.parts)
        return [checkpoint(parts[0], where, 1)] if len(parts) == 1 else []

    def written(said: Written) -> list[Effect]:
        if said.serial > 1:
            return []
        three.take_down(GOES)
        return [checkpoint(parts[0], where, 2)]

    engine.rules |= {Assigned: assigned, Written: written}
    runner = Runner(
        engine=engine,
        source=three.broker.source(group=where.group, topics=where.topics),
        sink=TransactionalSink(three.broker._sink_settings(where.group, where.group, frozenset())),
        caller_factory=lambda: None,  # type: ignore[arg-type,return-value] # nothing is called
        fetch=lambda _need: None,
        clock=SystemClock(),
        observer=observer,
        settings=RunnerSettings(drain_s=1.0, sink_hangs_after_s=4.0),
    )
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        wait(lambda: "sink_replaced" in [notice.event for notice in observer.notices])
        three.coordinated_by(where.group, STAYS)
        wait(lambda: [said.serial for said in engine.inputs(Written)] == [1, 2])
    finally:
        runner.stop()
        thread.join()

    assert {output.value for output in three.broker.visible(where.results, 0)} == {b"1", b"2"}
