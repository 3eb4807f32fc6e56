"""The runner's loop and threads with a scripted engine: how messages are routed, and what ends a run."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import pytest

from devstack.memory import MemoryBroker, MemorySideReader, MemorySink, MemorySource
from streams import runner as runner_module
from streams.clock import SystemClock, uptime_s
from streams.control import ControlRead
from streams.engine.snapshot import Snapshot
from streams.errors import RegistryDown, SinkFailed, SourceFailed, Stopped
from streams.flow import Answer, Assignment, Call, Item, Now, Output, Settled
from streams.messages import (
    Arrivals,
    Assigned,
    Broken,
    Checkpoint,
    Delayed,
    Drain,
    Drop,
    Effect,
    Fetch,
    Fetched,
    Input,
    Intake,
    Mark,
    Notice,
    Released,
    Reread,
    Revoked,
    SideFetch,
    SideRecords,
    Stop,
    Tick,
    Written,
)
from streams.ports import Again, Done, Follower, Report, SideReader, SideReport, SideRequests, SourceEvent, Stopping
from streams.runner import Lifecycle, Runner, RunnerSettings

PATIENCE_S = 120.0
DRAINED = Stop(reason="drained", failed=False)
AT = Assignment(topic="in", partition=0, epoch=1)
EMPTY = Snapshot(
    partitions=(),
    accounts={},
    lanes_awake=0,
    lanes_asleep=0,
    lanes_undone=0,
    outputs_kept=0,
    checkpoint_on_way=False,
    checkpoint_age_s=0.0,
    lease_left_s=0.0,
    draining=False,
    stopped="",
)


@dataclass
class Script:
    """An engine with a rule for each type of input that returns its effects; without one, it stops on ``Drain``."""

    rules: dict[type, Callable[[Any], list[Effect]]] = field(default_factory=dict)
    fed: list[Input] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    wakes_at_s: float = inf

    def feed(self, message: Input, now: Now) -> list[Effect]:
        self.fed.append(message)
        self.threads.add(threading.current_thread().name)
        if type(message) in self.rules:
            return self.rules[type(message)](message)
        return [DRAINED] if isinstance(message, Drain) else []

    def wake_at_s(self) -> float:
        return self.wakes_at_s

    def snapshot(self, now: Now) -> Snapshot:
        return EMPTY

    def inputs(self, kind: type) -> list[Any]:
        return [message for message in self.fed if type(message) is kind]


@dataclass
class RecordingObserver:
    """An observer that records notices and counts snapshots."""

    notices: list[Notice] = field(default_factory=list)
    snapshots: int = 0

    def on_input(self, message: Input, now: Now) -> None: ...

    def on_effect(self, effect: Effect, now: Now) -> None:
        if isinstance(effect, Notice):
            self.notices.append(effect)

    def on_snapshot(self, snapshot: Snapshot) -> None:
        self.snapshots += 1


@dataclass
class Workplace:
    """The parts of a runner over a broker in memory with one assigned partition; a test may replace each."""

    engine: Script = field(default_factory=Script)
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    observer: RecordingObserver = field(default_factory=RecordingObserver)
    source: Any = None
    sink: Any = None
    call: Callable[[Call], Answer] = lambda call: Answer(call=call, replies=(Settled(answer=1),))
    fetch: Callable[[Any], None] = lambda _need: None
    settings: RunnerSettings = field(default_factory=lambda: RunnerSettings(drain_s=1.0))
    followers: Sequence[Follower] = ()
    side_reader: SideReader | None = None
    before: Sequence[threading.Thread] = field(default_factory=threading.enumerate)

    def __post_init__(self) -> None:
        for topic in ("in", "state", "out"):
            self.broker.create_topic(topic, 2)
        self.source = MemorySource(self.broker, group="g", topics={"in": "state"}, start="earliest")
        self.sink = MemorySink(self.broker, instance_id="one")

    def sink_threads(self) -> Sequence[threading.Thread]:
        """Returns the running sink threads, without those that other tests of this process left hanging."""
        return [one for one in threading.enumerate() if one.name == "sink" and one not in self.before]

    def runner(self) -> Runner:
        return Runner(
            engine=self.engine,
            source=self.source,
            sink=self.sink,
            caller_factory=lambda: Calling(self.call),
            fetch=self.fetch,
            clock=SystemClock(),
            observer=self.observer,
            settings=self.settings,
            followers=self.followers,
            side_reader=self.side_reader,
        )


@dataclass
class Calling:
    """A caller that answers with a function."""

    does: Callable[[Call], Answer]

    def call(self, call: Call) -> Answer:
        return self.does(call)


class Bare:
    """Default methods for the sinks of tests."""

    calling_since_s: float | None = None

    def open(self) -> None: ...

    def idle(self) -> None: ...

    def drop(self, parts: frozenset[Assignment]) -> None: ...

    def successor(self) -> Any:
        raise AssertionError("it does not hang")

    def close(self) -> None: ...


@dataclass
class Hanging(Bare):
    """A sink in memory whose ``write`` hangs until ``released``, before or after the checkpoint became durable."""

    inner: MemorySink
    released: threading.Event = field(default_factory=threading.Event)
    times: int = 1  # how many sinks in a row hang
    after_it_landed: bool = False
    ended: list[str] = field(default_factory=list)  # results of the calls that hung

    def open(self) -> None:
        self.inner.open()

    def write(self, message: Checkpoint, group: Any) -> Done | Again:
        if self.times == 0:
            return self.inner.write(message, group)
        self.calling_since_s = uptime_s()
        landed = self.inner.write(message, group) if self.after_it_landed else None
        self.inner._given = message
        self.released.wait(PATIENCE_S)
        late = landed or self.inner.write(message, group)
        self.ended.append(type(late).__name__)
        return late

    def successor(self) -> "Hanging":
        return Hanging(inner=self.inner.successor(), released=self.released, times=self.times - 1, ended=self.ended)


@pytest.fixture
def place() -> Workplace:
    return Workplace()


@pytest.fixture
def started(place: Workplace) -> Iterator[Callable[[], Runner]]:
    """Returns a function that starts a runner in a thread; the runner is stopped and joined after the test."""
    running: list[tuple[Runner, threading.Thread]] = []

    def start() -> Runner:
        runner = place.runner()
        thread = threading.Thread(target=runner.run, name="engine")
        running.append((runner, thread))
        thread.start()
        return runner

    yield start
    for runner, thread in running:
        runner.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def wait(what: Callable[[], bool]) -> None:
    deadline = uptime_s() + PATIENCE_S
    while not what():
        assert uptime_s() < deadline, "waited in vain"
        time.sleep(0.002)


def call(name: str = "c") -> Call:
    return Call(id=name, account="main", kind="set", items=(Item(body=1, attempt=1),), send_by_s=inf, give_up_at_s=inf)


def answering(names: set[str]) -> Callable[[Call], Answer]:
    """Returns a function that answers at once and adds the name of its thread to ``names``."""

    def answer(asked: Call) -> Answer:
        names.add(threading.current_thread().name)
        return Answer(call=asked, replies=())

    return answer


def mark(position: int) -> Mark:
    return Mark(position=position, read_ahead=10, drained=False, serial=1, state_topic_id="s")


def checkpoint(*values: bytes, at: Assignment = AT) -> Checkpoint:
    outputs = tuple(Output(topic="out", key=b"k", value=value, partition=0) for value in values)
    return Checkpoint(serial=1, outputs={at: outputs}, marks={at: mark(1)})


def values(place: Workplace) -> list[bytes | None]:
    return [kept.value for kept in place.broker.records("out", 0)]


# ---- routing --------------------------------------------------------------------------------------------------------


def test_source_events_reach_the_engine_in_the_running_thread(place: Workplace, started: Callable[[], Runner]) -> None:
    place.engine.rules[Assigned] = lambda message: [Intake(resume=frozenset(message.parts))]
    place.broker.append([Output(topic="in", key=b"k", value=b"v", partition=0)])

    started()
    wait(lambda: any(message.records for message in place.engine.inputs(Arrivals)))

    assert place.engine.threads == {"engine"}


def test_a_call_is_made_by_a_worker_and_its_answer_reaches_the_engine(
    place: Workplace, started: Callable[[], Runner]
) -> None:
    names: set[str] = set()
    place.call = answering(names)
    place.engine.rules[Assigned] = lambda _: [call("a")]

    started()
    wait(lambda: bool(place.engine.inputs(Answer)))

    assert [answer.call.id for answer in place.engine.inputs(Answer)] == ["a"]
    assert names == {"worker-1"}
    assert place.engine.threads == {"engine"}


def test_there_are_as_many_workers_as_calls_up_to_the_bound(place: Workplace, started: Callable[[], Runner]) -> None:
    place.settings = RunnerSettings(max_workers=3, drain_s=1.0)
    held = threading.Event()
    busy: set[str] = set()

    def slow(asked: Call) -> Answer:
        busy.add(threading.current_thread().name)
        held.wait(PATIENCE_S)
        return Answer(call=asked, replies=())

    place.call = slow
    place.engine.rules[Assigned] = lambda _: [call(str(n)) for n in range(5)]

    started()
    wait(lambda: len(busy) == 3)
    held.set()
    wait(lambda: len(place.engine.inputs(Answer)) == 5)

    assert busy == {"worker-1", "worker-2", "worker-3"}


def test_a_worker_that_is_idle_is_used_again(place: Workplace, started: Callable[[], Runner]) -> None:
    busy: set[str] = set()
    place.call = answering(busy)
    place.engine.rules[Assigned] = lambda _: [call("0")]
    place.engine.rules[Answer] = lambda message: (
        [call(str(int(message.call.id) + 1))] if int(message.call.id) < 5 else []
    )

    started()
    wait(lambda: len(place.engine.inputs(Answer)) == 6)

    assert busy == {"worker-1"}


def test_a_durable_checkpoint_reaches_the_engine(place: Workplace, started: Callable[[], Runner]) -> None:
    place.engine.rules[Assigned] = lambda _: [checkpoint(b"v")]

    started()
    wait(lambda: bool(place.engine.inputs(Written)))

    assert values(place) == [b"v"]
    assert place.engine.inputs(Written)[0].marks == {AT: mark(1)}


def test_a_failed_checkpoint_is_written_again_until_it_is_durable(
    place: Workplace, started: Callable[[], Runner]
) -> None:
    inner, groups = place.sink, []

    class Failing(Bare):
        def open(self) -> None:
            inner.open()

        def write(self, message: Checkpoint, group: Any) -> Done | Again:
            groups.append(group)
            notice = Notice(event="checkpoint_failed")
            return (
                Again(reason="no", after_s=0.01, notices=(notice,)) if len(groups) < 3 else inner.write(message, group)
            )

        def drop(self, parts: frozenset[Assignment]) -> None: ...

        def close(self) -> None: ...

    place.sink = Failing()
    place.engine.rules[Assigned] = lambda _: [checkpoint(b"v")]

    started()
    wait(lambda: bool(place.engine.inputs(Written)))

    assert len(groups) == 3
    assert values(place) == [b"v"]
    assert [notice.event for notice in place.observer.notices].count("checkpoint_failed") == 2
    assert place.engine.inputs(Delayed) == [Delayed(serial=1, reason="no")] * 2


def test_marks_that_the_sink_does_not_commit_are_committed_by_the_source(
    place: Workplace, started: Callable[[], Runner]
) -> None:
    broken = Broken(at=AT, reason="too large")

    class Plain(Bare):
        def open(self) -> None: ...

        def write(self, message: Checkpoint, group: Any) -> Done | Again:
            return Done(
                written=Written(serial=1, marks=message.marks, sent_at_s=0.0), committed=False, broken=(broken,)
            )

        def drop(self, parts: frozenset[Assignment]) -> None: ...

        def close(self) -> None: ...

    refused, commit = [1, 2], place.source.commit
    again = Again(reason="no", after_s=0.01)
    place.source.commit = lambda marks, serial: again if refused and refused.pop() else commit(marks, serial)
    place.sink = Plain()
    place.engine.rules[Assigned] = lambda _: [checkpoint(b"v")]

    started()
    wait(lambda: bool(place.engine.inputs(Broken)))

    assert refused == []
    assert place.broker.committed("g", "in", 0) == (1, mark(1))
    assert [type(message) for message in place.engine.fed if isinstance(message, Written | Broken)] == [
        Written,
        Broken,
    ]


def test_lost_assignments_are_dropped_by_the_sink(place: Workplace, started: Callable[[], Runner]) -> None:
    place.engine.rules[Assigned] = lambda _: [Drop(parts=frozenset({AT})), checkpoint(b"v")]

    started()
    wait(lambda: bool(place.engine.inputs(Written)))

    assert values(place) == []


def test_a_stalled_partition_is_reread_by_the_source(
    place: Workplace, started: Callable[[], Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    again: list[frozenset[Assignment]] = []
    monkeypatch.setattr(place.source, "reread", again.append)
    place.engine.rules[Assigned] = lambda _: [Reread(parts=frozenset({AT}))]

    started()
    wait(lambda: bool(again))

    assert again == [frozenset({AT})]


def test_fetched_schemas_and_failed_fetches_reach_the_engine(place: Workplace, started: Callable[[], Runner]) -> None:
    def fetch(need: Any) -> None:
        if need == 2:
            raise RegistryDown("no answer")

    place.fetch = fetch
    place.engine.rules[Assigned] = lambda _: [Fetch(need=1), Fetch(need=2)]

    started()
    wait(lambda: len(place.engine.inputs(Fetched)) == 2)

    assert {message.need: message.problem for message in place.engine.inputs(Fetched)} == {1: None, 2: "no answer"}


def test_the_engine_is_woken_when_it_asked_to_be(place: Workplace, started: Callable[[], Runner]) -> None:
    wanted_s = uptime_s() + 0.05
    place.engine.wakes_at_s = wanted_s
    woken: list[float] = []

    def tick(_said: Tick) -> list[Effect]:
        woken.append(uptime_s())
        place.engine.wakes_at_s = inf
        return []

    place.engine.rules[Tick] = tick

    started()
    wait(lambda: bool(woken))

    assert woken[0] >= wanted_s


def test_the_loop_beats_and_publishes_what_the_engine_is_doing(place: Workplace, started: Callable[[], Runner]) -> None:
    runner = started()
    wait(lambda: runner.snapshot is not None)
    beat_s = runner.beat_s
    wait(lambda: runner.beat_s > beat_s)

    assert runner.snapshot == EMPTY
    assert place.observer.snapshots >= 1


# ---- a sink that hangs ----------------------------------------------------------------------------------------------

HANGS = RunnerSettings(drain_s=1.0, sink_hangs_after_s=0.2)


@pytest.mark.parametrize("landed", [False, True], ids=["nothing landed", "it had landed"])
def test_a_checkpoint_whose_sink_hangs_is_written_once_by_another(
    place: Workplace, started: Callable[[], Runner], *, landed: bool
) -> None:
    place.settings = HANGS
    place.sink = hanging = Hanging(inner=place.sink, after_it_landed=landed)
    place.engine.rules[Assigned] = lambda _: [checkpoint(b"v")]

    started()
    wait(lambda: bool(place.engine.inputs(Written)))
    hanging.released.set()
    wait(lambda: bool(hanging.ended))

    assert values(place) == [b"v"]
    assert place.broker.committed("g", "in", 0) == (1, mark(1))
    assert [notice.event for notice in place.observer.notices if notice.level == "error"] == ["sink_replaced"]


@pytest.mark.parametrize("landed", [False, True], ids=["nothing landed", "it had landed"])
def test_late_messages_of_a_replaced_sink_are_ignored(
    place: Workplace, started: Callable[[], Runner], *, landed: bool
) -> None:
    place.settings = HANGS
    place.sink = hanging = Hanging(inner=place.sink, after_it_landed=landed)
    place.engine.rules[Assigned] = lambda _: [checkpoint(b"v")]
    place.engine.rules[Written] = lambda message: [replace(checkpoint(b"w"), serial=2)] if message.serial == 1 else []

    runner = started()
    wait(lambda: bool(place.engine.inputs(Written)))
    hanging.released.set()
    wait(lambda: [message.serial for message in place.engine.inputs(Written)][-1:] == [2] and bool(hanging.ended))
    turned_s = runner.beat_s
    wait(lambda: runner.beat_s > turned_s and len(place.sink_threads()) == 1)

    assert [message.serial for message in place.engine.inputs(Written)] == [1, 2]
    assert values(place) == [b"v", b"w"]


def test_a_second_sink_that_hangs_ends_the_run_with_a_reason(place: Workplace) -> None:
    place.settings = HANGS
    place.sink = hanging = Hanging(inner=place.sink, times=2)
    place.engine.rules[Assigned] = lambda _: [checkpoint(b"v")]

    with pytest.raises(Stopped, match="does not return either"):
        place.runner().run()

    assert len(place.sink_threads()) == 2, "nobody waits for a thread that hangs"
    assert values(place) == []
    hanging.released.set()
    wait(lambda: not place.sink_threads())


def test_a_drain_does_not_wait_for_a_replaced_sink(place: Workplace) -> None:
    place.settings = HANGS
    place.sink = hanging = Hanging(inner=place.sink)
    place.engine.rules[Assigned] = lambda _: [checkpoint(b"v")]
    place.engine.rules[Written] = lambda _: [DRAINED]

    place.runner().run()

    assert values(place) == [b"v"]
    assert len(place.sink_threads()) == 1
    hanging.released.set()
    wait(lambda: not place.sink_threads())


# ---- hand-over ------------------------------------------------------------------------------------------------------


def test_a_revoke_holds_until_the_partitions_are_released(place: Workplace, started: Callable[[], Runner]) -> None:
    release = threading.Event()
    parts: list[frozenset[Assignment]] = []

    def revoked(message: Revoked) -> list[Effect]:
        parts.append(frozenset(message.parts))
        place.engine.wakes_at_s = 0.0
        return [call("drains")]

    def ticked(_said: Tick) -> list[Effect]:
        return [Released(parts=parts[0])] if release.is_set() else []

    place.engine.rules |= {Revoked: revoked, Tick: ticked}
    started()
    wait(lambda: bool(place.engine.inputs(Assigned)))
    other = MemorySource(place.broker, group="g", topics={"in": "state"}, start="earliest")

    got: list[SourceEvent] = []
    wait(lambda: bool(place.engine.inputs(Answer)))
    got.extend(other.poll(0.05, lambda _: None))
    assert not any(isinstance(event, Assigned) for event in got), "answers are taken while it holds, the parts stay"
    release.set()

    def handed_over() -> bool:
        got.extend(other.poll(0.01, lambda _: None))
        return any(isinstance(event, Assigned) for event in got)

    wait(handed_over)
    other.close()


def test_a_hand_over_that_never_ends_ends_the_run(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.runner._OVERDUE_S", 0.05)
    place.source = MemorySource(place.broker, group="h", topics={"in": "state"}, start="earliest", revoke_budget_s=0.05)
    joined: list[MemorySource] = []

    def assigned(_said: Assigned) -> list[Effect]:
        joined.append(MemorySource(place.broker, group="h", topics={"in": "state"}, start="earliest"))
        return []

    place.engine.rules[Assigned] = assigned

    with pytest.raises(Stopped, match="did not end within its budget"):
        place.runner().run()


# ---- the end --------------------------------------------------------------------------------------------------------


def test_stopping_drains_and_closes(place: Workplace) -> None:
    runner = place.runner()
    seen: list[Lifecycle] = []

    def drain(_said: Drain) -> list[Effect]:
        seen.append(runner.lifecycle)
        return [DRAINED]

    def assigned(_said: Assigned) -> list[Effect]:
        runner.stop()
        return []

    place.engine.rules[Drain] = drain
    place.engine.rules[Assigned] = assigned

    runner.run()

    assert seen == [Lifecycle.DRAINING]
    assert [message.budget_s for message in place.engine.inputs(Drain)] == [1.0]
    assert runner.lifecycle is Lifecycle.CLOSED
    assert not place.broker.is_member("g", place.source.group().member)
    assert not place.sink_threads()


def test_a_call_that_waits_for_a_worker_is_not_made_after_the_end(place: Workplace) -> None:
    place.settings = RunnerSettings(max_workers=1, drain_s=1.0)
    held = threading.Event()
    made: list[str] = []

    def slow(asked: Call) -> Answer:
        made.append(asked.id)
        held.wait(PATIENCE_S)
        return Answer(call=asked, replies=())

    place.call = slow
    place.engine.rules[Assigned] = lambda _: [call("first"), call("second"), DRAINED]
    place.runner().run()

    held.set()
    wait(lambda: not [t for t in threading.enumerate() if t.name == "worker-1"])

    assert "second" not in made


def test_an_engine_that_stops_for_a_reason_fails_the_run(place: Workplace) -> None:
    place.engine.rules[Assigned] = lambda _: [Stop(reason="the state topic is another one"), checkpoint(b"v")]

    with pytest.raises(Stopped, match="the state topic is another one"):
        place.runner().run()


def test_a_drain_that_never_ends_ends_the_run(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.runner._OVERDUE_S", 0.05)
    place.settings = RunnerSettings(drain_s=0.05)
    place.engine.rules[Drain] = lambda _: []
    runner = place.runner()
    runner.stop()

    with pytest.raises(Stopped, match="the drain did not end"):
        runner.run()


def raises(error: BaseException) -> Callable[..., Any]:
    def it(*_arguments: Any, **_named: Any) -> Any:
        raise error

    return it


class Bug(Exception):
    """An exception that the runtime does not know."""


@pytest.mark.parametrize(
    ("error", "breaks"),
    [
        (Bug("caller"), lambda place, error: setattr(place, "call", raises(error))),
        (Bug("fetch"), lambda place, error: setattr(place, "fetch", raises(error))),
        (Bug("engine"), lambda place, error: place.engine.rules.update({Answer: raises(error)})),
        (SinkFailed("write"), lambda place, error: setattr(place.sink, "write", raises(error))),
        (SinkFailed("open"), lambda place, error: setattr(place.sink, "open", raises(error))),
        (SourceFailed("poll"), lambda place, error: setattr(place.source, "poll", raises(error))),
    ],
    ids=lambda value: str(value) if isinstance(value, Exception) else "",
)
def test_whatever_is_raised_anywhere_ends_the_run_and_is_raised_there(
    place: Workplace, error: Exception, breaks: Callable[[Workplace, Exception], None]
) -> None:
    breaks(place, error)
    place.engine.rules[Assigned] = lambda _: [call(), Fetch(need=1), checkpoint(b"v")]
    place.engine.rules.setdefault(Fetched, lambda _: [])

    runner = place.runner()
    with pytest.raises(type(error), match=str(error)):
        runner.run()

    assert runner.lifecycle is Lifecycle.CLOSED
    assert not place.broker.is_member("g", place.source.group().member), "others need not wait for a time-out"


def test_after_a_failure_nothing_further_is_committed(place: Workplace) -> None:
    writes: list[int] = []
    writing, go_on = threading.Event(), threading.Event()
    inner = place.sink.write

    def write(message: Checkpoint, group: Any) -> Done | Again:
        writes.append(message.serial)
        writing.set()
        go_on.wait(PATIENCE_S)
        return inner(message, group)  # type: ignore[no-any-return]

    def fail(_call: Call) -> Answer:
        writing.wait(PATIENCE_S)
        go_on.set()
        raise Bug("caller")

    place.sink.write = write
    place.call = fail
    place.engine.rules[Assigned] = lambda _: [checkpoint(b"1"), call()]
    place.engine.rules[Written] = lambda _: [checkpoint(b"2")]

    with pytest.raises(Bug):
        place.runner().run()

    assert len(writes) == 1


@dataclass
class Following:
    """A follower that reports these messages, then fails with the error, or waits to be stopped."""

    reports: Sequence[ControlRead | Notice]
    error: BaseException | None = None
    stopped: threading.Event = field(default_factory=threading.Event)

    def follow(self, report: Report, stopping: Stopping) -> None:
        for each in self.reports:
            report(each)
        if self.error is not None:
            raise self.error
        stopping.wait(PATIENCE_S)
        self.stopped.set()


def test_what_a_follower_reports_reaches_the_engine_in_order_and_it_is_stopped_with_the_runner(
    place: Workplace,
) -> None:
    reports = [ControlRead(complete=complete) for complete in (False, False, True)]
    follower = Following([*reports, Notice(event="control_readable")])
    place.followers = [follower]
    place.engine.rules[ControlRead] = lambda read: [DRAINED] if read.complete else []
    place.runner().run()

    assert place.engine.inputs(ControlRead) == reports
    assert place.engine.threads == {threading.current_thread().name}
    assert follower.stopped.wait(PATIENCE_S)


def test_a_follower_that_fails_ends_the_run(place: Workplace) -> None:
    place.followers = [Following([], error=Bug("follower"))]

    with pytest.raises(Bug, match="follower"):
        place.runner().run()


FETCH = SideFetch(at=AT, name="past", topic="out", partition=0, position=0)


def test_a_side_input_is_read_in_a_thread_of_its_own_and_the_engine_gets_the_answer(
    place: Workplace, started: Callable[[], Runner]
) -> None:
    place.side_reader = MemorySideReader(place.broker)
    place.broker.append([Output(topic="out", key=b"k", value=b"v", partition=0)])
    place.engine.rules[Assigned] = lambda _: [FETCH, replace(FETCH, name="none", topic="missing")]
    started()
    wait(lambda: len(place.engine.inputs(SideRecords)) == 2)

    answers = {answer.fetch.name: answer for answer in place.engine.inputs(SideRecords)}
    assert [record.value for record in answers["past"].records] == [b"v"]
    assert "does not exist" in answers["none"].problem
    assert place.engine.threads == {"engine"}


class FailingSideReader:
    def serve(self, requests: SideRequests, report: SideReport, stopping: Stopping) -> None:
        raise Bug("side reader")


def test_a_side_reader_that_fails_ends_the_run(place: Workplace) -> None:
    place.side_reader = FailingSideReader()

    with pytest.raises(Bug, match="side reader"):
        place.runner().run()


def test_a_side_input_without_a_side_reader_is_a_bug(place: Workplace) -> None:
    place.engine.rules[Assigned] = lambda _: [FETCH]

    with pytest.raises(ValueError, match="no side reader"):
        place.runner().run()


def test_a_runner_runs_once(place: Workplace) -> None:
    runner = place.runner()
    runner.stop()
    runner.run()

    with pytest.raises(RuntimeError, match="runs once"):
        runner.run()


def test_no_worker_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="max_workers"):
        RunnerSettings(max_workers=0)


def test_a_sink_without_anything_to_write_is_called_so_that_its_client_can_report(
    place: Workplace, started: Callable[[], Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "_SINK_IDLE_S", 0.01)
    called = threading.Event()
    monkeypatch.setattr(place.sink, "idle", called.set)

    started()

    assert called.wait(PATIENCE_S)
