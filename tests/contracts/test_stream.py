"""The toy flow end to end: runner and engine over every broker implementation."""

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from devstack.waiting import until
from streams.clock import SystemClock
from streams.dead_letter import DeadLetters
from streams.engine.engine import Engine
from streams.engine.snapshot import Snapshot
from streams.flow import Answer, Call, NotSent, Now, Output, Settled
from streams.messages import Effect, Input, Mark, Notice
from streams.policy import Pace, Policy, Share
from streams.runner import Runner, RunnerSettings
from streams.side_input import SideInput
from tests.contracts.brokers import PATIENCE_S, BrokerAdapter
from tests.harness.toy_flow import Shown, Thermostats
from tests.harness.toy_side_inputs import ToySideInputs

EVENTS = 400
PARTITIONS = 2


class QuietObserver:
    """An observer that keeps notices for a failure message."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def on_input(self, message: Input, now: Now) -> None: ...

    def on_effect(self, effect: Effect, now: Now) -> None:
        if isinstance(effect, Notice):
            self.notices.append(effect)

    def on_snapshot(self, snapshot: Snapshot) -> None: ...


@dataclass
class RecordingCaller:
    """A caller that records what every device was set to, in order."""

    clock: SystemClock = field(default_factory=SystemClock)
    set_to: list[tuple[str, str, tuple[int, int]]] = field(default_factory=list)

    def call(self, call: Call) -> Answer:
        sent = self.clock.now()
        if sent.mono_s >= call.send_by_s:
            return Answer(call=call, replies=tuple(NotSent() for _ in call.items))
        self.set_to.extend((item.body.room, item.body.device, item.body.order) for item in call.items)
        time.sleep(0.005)
        answered = self.clock.now()
        return Answer(
            call=call,
            replies=tuple(Settled(answer=Shown()) for _ in call.items),
            sent_s=sent.mono_s,
            answered_s=answered.mono_s,
            sent_us=sent.wall_us,
            answered_us=answered.wall_us,
        )


@dataclass
class RunnerThread:
    """A runner in a thread of its own, like the process of ``connector run``."""

    runner: Runner
    ears: QuietObserver
    thread: threading.Thread = field(init=False)
    error: BaseException | None = None

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.runner.run()
        except BaseException as error:  # noqa: BLE001 - asserted on by ``stop``
            self.error = error

    def stop(self) -> None:
        self.runner.stop()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()
        assert self.error is None


@dataclass
class StreamFixture:
    """Topics, consumer group and caller of one test."""

    broker: BrokerAdapter
    caller: RecordingCaller = field(default_factory=RecordingCaller)
    group: str = field(default_factory=lambda: f"g-{uuid.uuid4().hex[:8]}")
    processes: list[RunnerThread] = field(default_factory=list)
    sides: ToySideInputs | None = None

    def __post_init__(self) -> None:
        self.flow = Thermostats(
            topic=self.broker.create_topic("setpoints", PARTITIONS),
            state_topic=self.broker.create_topic("rooms", PARTITIONS),
            results=self.broker.create_topic("settings", PARTITIONS),
        )
        self.dead = self.broker.create_topic("setpoints.dlq", PARTITIONS)

    def start(self, name: str) -> RunnerThread:
        """Starts a process of the toy flow."""
        policy = Policy(session_s=6.0, lease_s=2.0, call_deadline_s=1.0, grace_s=0.2, drained_wait_s=0.1)
        letters = DeadLetters(topics={self.flow.topic: self.dead}, instance=name)
        engine = Engine(
            flows={self.flow.topic: self.flow},
            shares={self.flow.topic: Share(weight=1.0, partitions=PARTITIONS)},
            accounts={"main": Pace(per_second=200.0)},
            policy=policy,
            instance=name,
            boot_us=time.time_ns() // 1000,
            dead_letters=letters,
            side_inputs={self.flow.topic: self.sides} if self.sides is not None else {},
        )
        ears = QuietObserver()
        runner = Runner(
            engine=engine,
            source=self.broker.source(group=self.group, topics={self.flow.topic: self.flow.state_topic}),
            sink=self.broker.sink(group=self.group, instance_id=f"{self.group}-{name}"),
            caller_factory=lambda: self.caller,
            fetch=lambda _need: None,
            clock=SystemClock(),
            observer=ears,
            settings=RunnerSettings(max_workers=8, drain_s=5.0),
            side_reader=self.broker.side_reader() if self.sides is not None else None,
        )
        self.processes.append(RunnerThread(runner=runner, ears=ears))
        return self.processes[-1]

    def say(self, first: int, count: int, *, more: list[Output] | None = None) -> None:
        """Appends ``count`` numbered events over 20 rooms, and ``more`` records."""
        events = [
            Output(
                topic=self.flow.topic,
                key=f"room-{n % 20}".encode(),
                value=json.dumps({"id": f"e{n}", "at": n, "device": f"d{n % 3}", "value": n}).encode(),
            )
            for n in range(first, first + count)
        ]
        self.broker.append([*events, *(more or [])])

    def results(self) -> Counter[str]:
        """Returns how many results each event has."""
        values = [
            output.value for number in range(PARTITIONS) for output in self.broker.visible(self.flow.results, number)
        ]
        return Counter(json.loads(value or b"")["id"] for value in values)

    def each_ended_once(self, ids: Sequence[str]) -> None:
        """Asserts that each has one result. Without transactions, a hand-over repeats what was not yet marked."""
        results = self.results()
        assert results.keys() == set(ids)
        assert results == Counter(ids) or "transactions" in self.broker.cannot

    def marks(self) -> list[tuple[int, Mark | None] | None]:
        return [self.broker.committed(self.group, self.flow.topic, number) for number in range(PARTITIONS)]

    def never_went_back(self) -> bool:
        """Whether no device was set to an older event's value after a newer one's."""
        last: dict[tuple[str, str], tuple[int, int]] = {}
        for room, device, order in self.caller.set_to:
            if order < last.get((room, device), order):
                return False
            last[room, device] = order
        return True

    def wait(self, what: Callable[[], bool]) -> None:
        """Waits until a condition holds; fails if a process fails or nothing makes progress."""

        def so() -> bool:
            died = [process.error for process in self.processes if process.error is not None]
            assert not died, died
            return what()

        until("it", so, progress=self.moved, still_s=PATIENCE_S, every_s=0.05)

    def moved(self) -> list[object]:
        """Returns the number of calls, and the progress of each partition."""
        shots = [p.runner.snapshot for p in self.processes]
        parts = [part for shot in shots if shot is not None for part in shot.partitions]
        beside = [one.position for part in parts for one in part.side_inputs]
        own = [(part.position, part.durable, part.undone, part.gate) for part in parts]
        return [len(self.caller.set_to), *own, *beside]

    def read_beside(self) -> list[int]:
        """Returns how far the side inputs were read."""
        shots = [p.runner.snapshot for p in self.processes if p.thread.is_alive()]
        parts = [part for shot in shots if shot is not None for part in shot.partitions]
        return [one.position for part in parts for one in part.side_inputs]

    def quiet(self) -> bool:
        """Whether every event is processed durably."""
        shots: list[Any] = [p.runner.snapshot for p in self.processes if p.thread.is_alive()]
        if not all(shots):
            return False
        parts = [part for shot in shots for part in shot.partitions]
        return len(parts) == PARTITIONS and all(
            part.lag == 0 and part.undone == 0 and part.durable == part.position == part.end and not part.gate
            for part in parts
        )


def test_every_event_ends_in_one_result_and_a_restart_repeats_nothing(broker: BrokerAdapter) -> None:
    stream = StreamFixture(broker=broker)
    unreadable = Output(topic=stream.flow.topic, key=b"room-1", value=b"?")
    stream.say(0, EVENTS, more=[unreadable])

    first = stream.start("one")
    stream.wait(lambda: stream.quiet() and stream.results().total() >= EVENTS)
    first.stop()
    calls = len(stream.caller.set_to)
    assert stream.results() == Counter(f"e{n}" for n in range(EVENTS))
    assert stream.never_went_back()
    assert [mark is not None and mark[1] is not None and mark[1].drained for mark in stream.marks()] == [True, True]
    letters = [letter for number in range(PARTITIONS) for letter in broker.visible(stream.dead, number)]
    assert [letter.value for letter in letters] == [b"?"]

    second = stream.start("one")
    stream.wait(stream.quiet)
    second.stop()

    assert len(stream.caller.set_to) == calls
    assert stream.results() == Counter(f"e{n}" for n in range(EVENTS))


def test_a_second_process_joins_and_leaves_and_every_event_still_ends_once(broker: BrokerAdapter) -> None:
    stream = StreamFixture(broker=broker)
    stream.say(0, EVENTS)
    first = stream.start("one")
    stream.wait(lambda: bool(stream.caller.set_to))

    second = stream.start("two")
    stream.wait(lambda: second.runner.snapshot is not None and len(second.runner.snapshot.partitions) == 1)
    stream.say(EVENTS, EVENTS)
    stream.wait(stream.quiet)
    second.stop()
    stream.say(2 * EVENTS, EVENTS)
    stream.wait(lambda: stream.quiet() and stream.results().total() >= 3 * EVENTS)
    first.stop()

    stream.each_ended_once([f"e{n}" for n in range(3 * EVENTS)])
    assert stream.never_went_back()


def test_a_side_input_is_read_beside_live_input_and_each_record_is_told_once_over_all_owners(
    broker: BrokerAdapter,
) -> None:
    side, rows = broker.create_topic("side", PARTITIONS), 2_000
    past: dict[int, Sequence[SideInput]] = {
        n: [SideInput(name="past", topic=side, partition=n, end=rows)] for n in range(PARTITIONS)
    }
    reports = broker.create_topic("progress", PARTITIONS)
    stream = StreamFixture(broker=broker, sides=ToySideInputs(past, reports=reports))
    told = [{"room": f"room-{n % 20}", "id": f"s{part}-{n}"} for part in range(PARTITIONS) for n in range(rows)]
    broker.append(
        Output(topic=side, key=b"k", value=json.dumps(row).encode(), partition=number // rows)
        for number, row in enumerate(told)
    )
    stream.say(0, EVENTS)
    first = stream.start("one")
    stream.wait(lambda: sum(stream.read_beside()) > 0)
    second = stream.start("two")
    stream.wait(lambda: second.runner.snapshot is not None and len(second.runner.snapshot.partitions) == 1)
    stream.say(EVENTS, EVENTS)
    second.stop()
    stream.wait(lambda: stream.quiet() and stream.read_beside() == [rows] * PARTITIONS)
    first.stop()

    stream.each_ended_once([*(f"e{n}" for n in range(2 * EVENTS)), *(row["id"] for row in told)])
    assert [mark[1].side["past"].delivered for mark in stream.marks() if mark and mark[1]] == [rows] * PARTITIONS
    ends = [json.loads(one.value or b"") for n in range(PARTITIONS) for one in broker.visible(reports, n)]
    assert sum(row["finished"] for row in ends) >= PARTITIONS
