"""One process of the connector in virtual time: drives the real engine like the runner, and can be killed or frozen.

Every action of a process goes through ``later``: a dead process does nothing more, a frozen one continues when it
thaws, in random order. What has left a process (a call, the end of a transaction) goes on without it.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from streams.dispatch.departures import Departures
from streams.engine.engine import Engine
from streams.engine.sink_watch import SinkAction, SinkWatch
from streams.engine.snapshot import Snapshot
from streams.flow import Answer, Assignment, Call, Now, Output, Record
from streams.messages import (
    Arrivals,
    Assigned,
    Checkpoint,
    Drain,
    Drop,
    Effect,
    Fetch,
    Fetched,
    Input,
    Intake,
    Mark,
    Notice,
    OwnedPartition,
    Released,
    Reread,
    Revoked,
    SideFetch,
    Stop,
    Tick,
    Topic,
    TopicsSeen,
    Written,
)
from streams.policy import Policy
from streams.side_input import SideInputs
from tests.harness.toy_flow import Thermostats
from tests.simulation.api import ModelApi, not_sent
from tests.simulation.broker import INPUT, STATE_TOPIC_ID, EntryKind, GroupCoordinator, ModelBroker, Transaction
from tests.simulation.control import LONGEST_READ_S, ControlTopicReader, ModelControl
from tests.simulation.side_topics import AT_END_S, SideTopics, SimulatedSideInputs
from tests.simulation.world import SimulatedWorld


class EngineUnderTest(Protocol):
    """The part of the engine that a process uses."""

    def feed(self, said: Input, now: Now) -> list[Effect]: ...
    def wake_at_s(self) -> float: ...
    def snapshot(self, now: Now) -> Snapshot: ...


class Witness(Protocol):
    """Observes the processes; implemented by the checker."""

    def restored(self, process: str, at: Assignment) -> None: ...
    def left(self, process: str, call: Call) -> None: ...
    def complain(self, invariant: str, text: str) -> None: ...


@dataclass(slots=True, kw_only=True)
class Breaks:
    """Safety rules outside the engine that a mutant disables; the checker must notice each."""

    lease_unchecked: bool = False
    gate_open_at_once: bool = False
    keeps_the_dead: bool = False  # the sink writes records of lost assignments
    clock_stands_still: bool = False  # while frozen, like CLOCK_MONOTONIC during a suspension
    departures_uncounted: bool = False  # a call that was given to a worker leaves as soon as one is free
    never_looks_whether_it_landed: bool = False  # the successor of a sink that hangs
    answers: Callable[[Answer], Answer] = lambda answer: answer


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedEnvironment:
    """What all processes of a history share."""

    world: SimulatedWorld
    broker: ModelBroker
    group: GroupCoordinator
    api: ModelApi
    witness: Witness
    policy: Policy
    build: Callable[[Thermostats, str, int, SideInputs | None], EngineUnderTest]
    flow: Callable[[], Thermostats]
    transactions: bool = True
    breaks: Breaks = field(default_factory=Breaks)
    control: ModelControl | None = None
    side: SideTopics | None = None


@dataclass(slots=True)
class BrokerFaults:
    """Failures at broker and registry that last for a while. Probabilities are per attempt."""

    commits: float = 0.0
    registry: float = 0.3
    hangs: int = 0  # this many of the next transactions never get an answer


HANGS_AFTER_S = 1.0
SLOW_RESTORE_S = 3.0  # where reading is slow; longer than the gate waits after a hand-over

STEPS = ("call made", "call sent", "answer heard", "checkpoint made", "offsets sent", "landed", "written heard")
"""Steps at which a process may be killed or frozen."""


class SimulatedProcess:
    """An instance of the connector, over its restarts; ``run`` counts the processes."""

    def __init__(self, name: str, around: SimulatedEnvironment) -> None:
        self.name = name
        self.around = around
        self.world = around.world
        self.faults = BrokerFaults()
        self.busy_workers = 0.0  # probability that a call waits for a worker
        self.slow_reads = False
        self.commit_s = 0.02
        self.state_version = 1
        self.run = 0
        self.alive = False
        self.generation = 0
        self.frozen_until_s = 0.0
        self.clock_error_us = 0
        self.ambushes: dict[str, Callable[[], None]] = {}  # step -> fault that follows it, once
        self.session = ""
        self._fresh()

    def _fresh(self) -> None:
        """Resets all that a process keeps in memory."""
        self.flow = self.around.flow()
        self._departures: defaultdict[str, Departures] = defaultdict(Departures)
        self.flow.state_version = self.state_version
        sides = SimulatedSideInputs(self._check_live_goes_first) if self.around.side is not None else None
        self.engine = self.around.build(self.flow, self.process, self.world.wall_us() + self.run, sides)
        self.sink = SimulatedTransactionalSink(self) if self.around.transactions else SimulatedPlainSink(self)
        self.parts: dict[int, Assignment] = {}
        self._epoch = 0
        self._restoring: dict[int, Assignment] = {}
        self._revoking: set[Assignment] = set()
        self._handing_back: list[int] = []
        self._paused: set[Assignment] = set()
        self._positions: dict[Assignment, int] = {}
        self._poll_is_due = False
        self._tick_at_s = float("inf")
        self._leaving = False
        self._idle_ticks = 0
        self._under_way: dict[str, Call] = {}
        self._lost_s = 0.0  # time lost by a clock that stops
        control = self.around.control
        self._commands = ControlTopicReader(control) if control is not None else None

    def now(self) -> Now:
        """The time by the clocks of this process."""
        now = self.world.now(self.clock_error_us)
        return Now(mono_s=self.mono_s(), wall_us=now.wall_us)

    def mono_s(self) -> float:
        """The monotonic clock of this process."""
        return self.world.now_s - self._lost_s

    @property
    def process(self) -> str:
        return f"{self.name}.{self.run}"

    def later(self, wait_s: float, happen: Callable[[], None]) -> None:
        """Schedules an action of this process: never if it dies first, after the thaw if it is frozen."""
        run = self.run

        def if_it_lives() -> None:
            if self.run != run or not self.alive:
                return
            if self.frozen_until_s > self.world.now_s:
                self.world.at(self.frozen_until_s + self.world.between(0, 0.01), if_it_lives)
            else:
                happen()

        self.world.after(wait_s, if_it_lives)

    def reached(self, step: str) -> None:
        """Runs the fault, if any, that was set for this step."""
        hit = self.ambushes.pop(step, None)
        if hit is not None:
            self.world.count(f"hit after: {step}")
            hit()

    # ---- life and death ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts a process, unless one is running; it joins the group shortly after."""
        if self.alive:
            return
        self.run += 1
        self.alive = True
        self.frozen_until_s = 0.0
        self._fresh()
        self.around.broker.end_all_of(self.name)
        self.world.say(f"{self.process} starts")
        self._arm()
        self.later(self.world.between(0.01, 0.1), self._join)
        if self._commands is not None:
            self.later(self.world.between(0.0, 3.0), self.read_control)

    def read_control(self) -> None:
        """Reads the control topic to its end."""
        if self._commands is not None:
            self.feed(self._commands.read())

    def commanded(self) -> None:
        """A record was written to the control topic; a process that has read it to its end follows it."""
        if self._commands is not None and self._commands.complete:
            self.later(self.world.between(0.0, LONGEST_READ_S), self.read_control)

    def crash(self) -> None:
        """SIGKILL. Its session lasts until it times out, unless a static id lets a successor replace it at once."""
        if not self.alive:
            return
        self.world.count("crash")
        if any(sent.answered_s is None and sent.process == self.process for sent in self.around.api.sent[-20:]):
            self.world.count("crash with calls under way")
        self.world.say(f"{self.process} is killed")
        self.alive = False
        self.sink.killed()
        session, group = self.session, self.around.group
        wait_s = self.world.between(0.0, 0.2) if self.world.chance(0.5) else self._session_left_s()
        self.world.after(wait_s, lambda: group.leave(session))

    def freeze(self, for_s: float) -> None:
        """SIGSTOP; if it lasts, the session times out."""
        if not self.alive or self.frozen_until_s > self.world.now_s:
            return
        self.world.say(f"{self.process} is frozen for {for_s:.2f} s")
        self.world.count("freeze")
        self.frozen_until_s = self.world.now_s + for_s
        if self.around.breaks.clock_stands_still:
            self._lost_s += for_s
        if for_s > self.around.policy.session_s:
            self.world.count("freeze beyond the session")
            self._expire(self._session_left_s(), self.world.between(0.0, 0.3))

    def cut_off(self) -> None:
        """Heartbeats are lost, and the member learns it late: it continues on partitions that it has lost."""
        if self.alive and self.frozen_until_s <= self.world.now_s:
            self.world.say(f"{self.process} is cut off")
            self.world.count("cut off")
            self._expire(self._session_left_s(), self.world.between(0.0, self.around.policy.session_s))

    def _session_left_s(self) -> float:
        return self.around.policy.session_s - self.world.between(0.0, 0.3)

    def _expire(self, after_s: float, told_after_s: float) -> None:
        """Removes the member from the group after ``after_s``; the process learns it ``told_after_s`` later."""
        session, run = self.session, self.run

        def expire() -> None:
            if session not in self.around.group.members:
                return
            self.world.say(f"{self.process} is removed from the group")
            self.around.group.leave(session)
            if self.run == run and self.alive:
                self.later(told_after_s, lambda: self._lose(session))

        self.world.after(after_s, expire)

    def stop(self, budget_s: float) -> None:
        """SIGTERM."""
        if self.alive and not self._leaving:
            self.world.say(f"{self.process} gets SIGTERM")
            self._leaving = True
            self.later(0.0, lambda: self._drain(budget_s))

    def _drain(self, budget_s: float) -> None:
        self._check_after(budget_s, lambda: self._complain("P", f"{self.process} did not end within its budget"))
        self.feed(Drain(budget_s=budget_s))

    def _check_after(self, budget_s: float, check: Callable[[], None]) -> None:
        """Checks after a budget; a process that was frozen then gets a moment after the thaw."""
        self.later(budget_s + 0.5, lambda: self.later(0.1, check))

    def _complain(self, invariant: str, text: str) -> None:
        self.around.witness.complain(invariant, text)

    def give_up(self) -> None:
        """Stops by itself, with a message; its supervisor starts another process."""
        self.world.say(f"{self.process} stops: its sink hangs again")
        self._exit()

    def _exit(self) -> None:
        self.alive = False
        self.sink.killed()
        self.around.group.leave(self.session)

    # ---- group ------------------------------------------------------------------------------------------------------

    def _join(self) -> None:
        self.session = f"{self.process}/{self.world.now_s:.4f}"
        self.around.group.join(self.session, self)

    def given(self, partition: int) -> None:
        """A partition is assigned: restores its state, then reports it to the engine."""
        self._epoch += 1
        at = Assignment(topic=INPUT, partition=partition, epoch=self._epoch)
        self._restoring[partition] = at
        assigned_at_s = self.mono_s()
        self.later(self.world.between(0.0, 0.03), lambda: self._restore(at, assigned_at_s))

    def _restore(self, at: Assignment, assigned_at_s: float) -> None:
        """Fetches the marks first: they are answered only when the predecessor's transaction has ended."""
        if self._restoring.get(at.partition) != at:
            return
        if self.around.broker.is_pending(at.partition):
            self.world.count("restore waits for a transaction")
            self.later(0.02, lambda: self._restore(at, assigned_at_s))
            return
        owned = self._owned(at.partition, assigned_at_s)
        if self.session in self.around.group.members:  # else it may read, but cannot commit
            self.around.witness.restored(self.process, at)
        longest_s = SLOW_RESTORE_S if self.slow_reads else 0.03
        self.later(self.world.between(0.0, longest_s), lambda: self._report(at, owned))

    def _owned(self, partition: int, assigned_at_s: float) -> OwnedPartition:
        """Returns the partition's committed mark and state."""
        broker = self.around.broker
        mark = broker.marks.get(partition)
        start = 0 if mark is None else mark.position
        end = broker.logs[partition].last_stable
        if self.around.breaks.gate_open_at_once:
            end = start
        return OwnedPartition(
            mark=mark,
            assigned_at_s=assigned_at_s,
            committed=mark is not None,
            start=start,
            end=end,
            state_topic_id=STATE_TOPIC_ID,
            input_topic_id=broker.input_id,
            partitions=len(broker.logs),
            state=broker.state(partition),
        )

    def _report(self, at: Assignment, owned: OwnedPartition) -> None:
        """Feeds ``Assigned``, unless the partition has been taken away meanwhile; waits for the end of a revocation."""
        if self._restoring.get(at.partition) != at:
            return
        if self._revoking:  # the consumer's thread is inside the callback
            self.later(0.02, lambda: self._report(at, owned))
            return
        del self._restoring[at.partition]
        self.parts[at.partition] = at
        self._paused.add(at)
        self._positions[at] = owned.start
        self.feed(Assigned(parts={at: owned}))

    def asked_back(self, partitions: list[int]) -> None:
        """on_revoke: blocks the intake until the engine has released the partitions; the next revocation waits."""
        if self._revoking:
            session = self.session
            self.later(0.02, lambda: self.asked_back(partitions) if session == self.session else None)
            return
        early = [each for each in partitions if self._restoring.pop(each, None) is not None]
        held = tuple(self.parts[each] for each in partitions if each in self.parts)
        if early:
            self.around.group.handed_back(self.session, early)
        if not held:
            return
        budget_s = self.world.rng.choice([0.05, 0.5, 2.0])
        self._revoking = set(held)
        self._handing_back = [at.partition for at in held]
        self._check_after(budget_s, lambda: self._check_released(held))
        self.feed(Revoked(parts=held, lost=False, budget_s=budget_s))

    def _check_released(self, held: tuple[Assignment, ...]) -> None:
        late = self._revoking & set(held)
        if late:
            self._complain("P", f"{self.process} does not release {late} within the budget")
            self._release(frozenset(late))

    def _release(self, parts: frozenset[Assignment]) -> None:
        for at in parts & self._revoking:
            self._revoking.discard(at)
            self._forget(at)
        if not self._revoking and self._handing_back:
            partitions, self._handing_back = self._handing_back, []
            self.around.group.handed_back(self.session, partitions)
            self._kick()

    def _forget(self, at: Assignment) -> None:
        self.parts.pop(at.partition, None)
        self._paused.discard(at)
        self._positions.pop(at, None)

    def _lose(self, session: str) -> None:
        """on_lost, then joins the group again."""
        if session != self.session:
            return
        self.world.count("lost assignment")
        parts = tuple(self.parts.values())
        self._restoring.clear()
        self._revoking.clear()
        self._handing_back.clear()
        for at in parts:
            self._forget(at)
        if parts:
            self.feed(Revoked(parts=parts, lost=True))
        if not self._leaving:
            self.later(self.world.between(0.05, 0.2), self._join)

    # ---- the ordinary step ------------------------------------------------------------------------------------------

    def feed(self, it: Input) -> None:
        """Feeds the engine, carries out its effects, and schedules the next tick."""
        if not isinstance(it, Tick):
            self._idle_ticks = 0
        if isinstance(it, Answer):
            self._under_way.pop(it.call.id, None)
        effects = self.engine.feed(it, self.now())
        if self.world.trace is not None and (effects or not isinstance(it, Tick)):
            self.world.say(f"{self.process} <- {it}")
        if isinstance(it, Answer | Written):
            self.reached("answer heard" if isinstance(it, Answer) else "written heard")
        for effect in effects:
            if self.alive:
                if self.world.trace is not None:
                    self.world.say(f"{self.process} -> {effect}")
                self._perform(effect)
        if self.alive:
            self._arm()

    def _perform(self, effect: Effect) -> None:  # noqa: C901 - one arm per effect
        match effect:
            case Call():
                self._give_to_worker(effect)
            case Checkpoint():
                self._check_announced(effect)
                self.sink.write(effect)
                self.reached("checkpoint made")
            case Intake(pause=pause, resume=resume):
                self._paused = (self._paused | pause) - resume
                self._kick()
            case Drop(parts=parts):
                self.sink.drop(parts)
            case Released(parts=parts):
                self._release(parts)
            case Fetch(need=need):
                self.later(self.world.between(0.02, 0.2), lambda: self._fetch(need))
            case SideFetch():
                self.later(self.world.between(0.001, 0.05), lambda: self._read_beside(effect, self.world.now_s))
            case Notice() | Reread():
                pass
            case Stop(reason=reason, failed=failed):
                if failed or not self._leaving:
                    self._complain("P", f"{self.process} stops: {reason}")
                self._exit()

    def _give_to_worker(self, call: Call) -> None:
        if self._commands is not None and self._commands.forbids(call):
            self._complain("K", f"{self.process} makes {call.id} against the commands that it has read")
        self._under_way[call.id] = call
        wait_s = self.world.between(0.0, 0.5) if self.world.chance(self.busy_workers) else 0.0
        self.later(wait_s + self.world.between(0.0, 0.003), lambda: self._send(call))
        self.reached("call made")

    def _check_announced(self, checkpoint: Checkpoint) -> None:
        """Checks that, while an account is closed, only calls in flight are announced."""
        headers = [
            (output.key, slot.decode())
            for outputs in checkpoint.outputs.values()
            for output in outputs
            for name, slot in output.headers
            if name == "announced"
        ]
        if not headers:
            return
        self.world.count("announced")
        valve = self.engine.snapshot(self.now()).accounts["main"].valve
        under_way = {item.body.room.encode() for call in self._under_way.values() for item in call.items}
        idle = [header for header in headers if header[0] not in under_way]
        if idle and valve.startswith(("closed", "probing")):
            self._complain("U", f"{self.process} announces {idle} while {valve}")

    def _arm(self) -> None:
        """Wakes like the runner: when the engine asks for it, a little late."""
        wake_s = self.engine.wake_at_s()
        if wake_s == float("inf") or wake_s >= self._tick_at_s:
            return
        tick_at_s = max(wake_s + self._lost_s, self.world.now_s) + self.world.between(0.0, 0.002)
        self._tick_at_s = wake_s
        self.later(tick_at_s - self.world.now_s, lambda: self._tick(wake_s))

    def _tick(self, due_s: float) -> None:
        if due_s != self._tick_at_s:
            return
        self._tick_at_s = float("inf")
        self._idle_ticks += 1
        if self._idle_ticks > 20_000:
            self._complain("P", f"{self.process} ticks without end, wake_at_s {self.engine.wake_at_s()}")
            self.crash()
            return
        self.feed(Tick())

    # ---- source -----------------------------------------------------------------------------------------------------

    def _kick(self) -> None:
        if not self._poll_is_due and self.alive:
            self._poll_is_due = True
            self.later(self.world.between(0.001, 0.5 if self.slow_reads else 0.02), self._poll)

    def topics_seen(self) -> None:
        """Feeds the description of the topics, which the source requests every two seconds."""
        topic = Topic(id=self.around.broker.input_id, partitions=len(self.around.broker.logs))
        self.feed(TopicsSeen(topics={INPUT: topic}))

    @property
    def refusals(self) -> dict[int, str]:
        """Returns why each of its partitions is refused; empty if it is not."""
        return {part.partition: part.broken for part in self.engine.snapshot(self.world.now()).partitions}

    def input_moved(self, partition: int) -> None:
        if partition in self.parts:
            self._kick()

    def _poll(self) -> None:
        """Reads some records of each partition that is not paused."""
        self._poll_is_due = False
        if self._revoking:
            return
        records: list[Record] = []
        positions: dict[Assignment, int] = {}
        more = False
        for at in self.parts.values():
            log = self.around.broker.logs[at.partition]
            position = self._positions[at]
            if at in self._paused or position >= log.last_stable:
                continue
            end = min(log.last_stable, position + self.world.rng.randint(1, 2 if self.slow_reads else 12))
            more = more or end < log.last_stable
            for offset in range(position, end):
                one = log.entries[offset]
                if one.entry is EntryKind.RECORD:
                    record = Record(at=at, offset=offset, key=one.key, value=one.value, time_us=one.time_us)
                    records.append(record)
            self._positions[at] = positions[at] = end
        if positions:
            ends = {at: self.around.broker.logs[at.partition].last_stable for at in self.parts.values()}
            self._feed_within_bounds(Arrivals(records=records, positions=positions, ends=ends))
        if more:
            self._kick()

    def _feed_within_bounds(self, arrivals: Arrivals) -> None:
        """Checks that reading stops at the bounds, plus one turn; an opening gate gives every pending lane a turn."""
        policy, now = self.around.policy, self.now()
        before = self.engine.snapshot(now)
        self.feed(arrivals)
        after = self.engine.snapshot(now)
        if after.lanes_awake > max(before.lanes_awake, policy.max_awake + 1):
            self._complain("B", f"{self.process} has {after.lanes_awake} lanes awake, bound {policy.max_awake}")
        spare = 8 + 2 * after.lanes_undone
        if after.outputs_kept > max(before.outputs_kept, policy.max_outputs) + spare:
            self._complain("B", f"{self.process} keeps {after.outputs_kept} outputs, bound {policy.max_outputs}")

    def _fetch(self, need: Any) -> None:
        if self.world.chance(self.faults.registry):
            self.feed(Fetched(need=need, problem="the registry does not answer"))
        else:
            self.flow.schemas.add(need)
            self.feed(Fetched(need=need))

    # ---- side inputs ------------------------------------------------------------------------------------------------

    def _read_beside(self, fetch: SideFetch, since_s: float) -> None:
        """Answers a request; at the end of the log it waits for new records, for a second."""
        if self.around.side is None:
            return
        answer = self.around.side.answer(fetch)
        if answer is None and self.world.now_s - since_s < AT_END_S:
            self.later(0.1, lambda: self._read_beside(fetch, since_s))
            return
        self.world.count("side input answered")
        self.feed(answer or self.around.side.empty(fetch))

    def _check_live_goes_first(self, record: Record) -> None:
        assigned = self.engine._partitions[record.at] if isinstance(self.engine, Engine) else None
        if assigned is not None and assigned.partition.backlog:
            self._complain("L", f"{self.process} reads {record.offset} beside {record.at} before its live input")

    # ---- workers ----------------------------------------------------------------------------------------------------

    def _send(self, call: Call) -> None:
        """Checks lease and limit right before the call leaves."""
        if self.mono_s() > call.send_by_s and not self.around.breaks.lease_unchecked:
            self.world.count("lease had passed")
            self._hear(not_sent(call))
        elif self.around.api.unreachable():
            self.world.count("connection refused")
            self._hear(not_sent(call, failed=True))
        elif (at_s := self._turn_of(call)) > self.mono_s():
            self.world.count("waited for its turn")
            self.later(at_s - self.mono_s(), lambda: self._send(call))
        else:
            self.around.witness.left(self.process, call)
            run = self.run
            self.around.api.call(call, self.process, lambda answer: self._hear_of(run, answer))
            self.reached("call sent")

    def _turn_of(self, call: Call) -> float:
        """Returns the present time if the call may leave, else when to ask again."""
        now_s = self.mono_s()
        if call.limit_per_s is None or self.around.breaks.departures_uncounted:
            return now_s
        return self._departures[call.account].leave(now_s, call.limit_per_s)

    def _hear_of(self, run: int, answer: Answer) -> None:
        if run == self.run and self.alive:
            self._hear(self.around.breaks.answers(answer))

    def _hear(self, answer: Answer) -> None:
        self.later(self.world.between(0.0, 0.002), lambda: self.feed(answer))


class SimulatedTransactionalSink:
    """The sink thread: writes one checkpoint at a time until it is durable, without lost assignments."""

    def __init__(self, member: SimulatedProcess) -> None:
        self._member = member
        self._world = member.world
        self._broker = member.around.broker
        self._waiting: deque[Checkpoint] = deque()
        self._dead: set[Assignment] = set()
        self._now: Transaction | None = None
        self._offsets_are_in = False
        self._busy = False
        self._watch = SinkWatch(HANGS_AFTER_S)
        self._attempts = 0
        self._calling_since_s: float | None = None

    def write(self, checkpoint: Checkpoint) -> None:
        self._waiting.append(checkpoint)
        if not self._busy:
            self._busy = True
            self._member.later(0.0, self._attempt)

    def drop(self, parts: frozenset[Assignment]) -> None:
        if not self._member.around.breaks.keeps_the_dead:
            self._dead |= parts

    def killed(self) -> None:
        """A commit request on the wire arrives; otherwise the transaction stays open until its timeout or a restart."""
        transaction = self._now
        if transaction is not None and self._offsets_are_in and self._world.chance(0.5):
            self._world.count("crash after the commit left")

            def arrive() -> None:
                if not transaction.ended:
                    self._broker.land(transaction)

            self._world.after(self._world.between(0.0, 0.02), arrive)

    def _attempt(self) -> None:
        """Starts a transaction with the first waiting checkpoint, without the parts of lost assignments."""
        checkpoint = self._waiting[0]
        outputs = {at: out for at, out in checkpoint.outputs.items() if at not in self._dead}
        marks = {at: mark for at, mark in checkpoint.marks.items() if at not in self._dead}
        if not marks and not any(outputs.values()):
            self._done(Written(serial=checkpoint.serial, marks={}, sent_at_s=0.0))
            return
        member = self._member
        transaction = Transaction(outputs, marks, member.name, member.process, self._world.now_s)
        self._broker.begin(transaction)
        self._now, self._offsets_are_in = transaction, False
        if member.faults.hangs:
            member.faults.hangs -= 1
            self._hang(transaction)
        else:
            self._carry_out(transaction, checkpoint.serial, member.mono_s())

    def _carry_out(self, transaction: Transaction, serial: int, sent_at_s: float) -> None:
        """Sends the offsets, then the commit request; each may fail."""
        session, generation = self._member.session, self._member.generation
        fate = "well"
        if self._world.chance(self._member.faults.commits):
            fate = self._world.rng.choice(["retriable", "abortable", "end lost", "acknowledgement lost"])
            self._world.count(f"commit: {fate}")

        def offsets(fate: str) -> None:
            if transaction.ended:
                self._again("fenced: it was open too long", 0.05)
            elif fate == "retriable":
                self._member.later(0.1, lambda: offsets("well"))
            elif fate == "abortable" or not self._is_member(session, generation):
                self._broker.abort(transaction)
                self._again("aborted", 0.02)
            else:
                self._offsets_are_in = True
                self._member.reached("offsets sent")
                self._member.later(self._leg_s(), lambda: end(fate))

        def end(fate: str) -> None:
            if transaction.ended:
                self._again("fenced: it was open too long", 0.05)
            elif fate == "end lost":
                self._broker.abort(transaction)
                self._again("no answer, a new producer, the marks are not there", 0.5)
            else:
                self._broker.land(transaction)
                self._member.reached("landed")
                wait_s = 0.5 if fate == "acknowledgement lost" else self._leg_s()
                written = Written(serial=serial, marks=transaction.marks, sent_at_s=sent_at_s)
                self._member.later(wait_s, lambda: self._done(written))

        self._member.later(self._leg_s(), lambda: offsets(fate))

    # ---- a call that never returns ----------------------------------------------------------------------------------

    def _hang(self, transaction: Transaction) -> None:
        """Hangs before the offsets are sent, or after the commit request was sent, which may arrive late."""
        self._world.count("sink hangs")
        self._calling_since_s = self._member.mono_s()
        if self._world.chance(0.6) and self._is_member(self._member.session, self._member.generation):
            self._world.after(self._world.between(0.0, 2 * HANGS_AFTER_S), lambda: self._land_late(transaction))
        self._look(self._attempts)

    def _land_late(self, transaction: Transaction) -> None:
        """Commits late, unless the broker or a producer with the same id has ended the transaction."""
        if not transaction.ended and self._member.alive:
            self._broker.land(transaction)

    def _look(self, attempt: int) -> None:
        """Watches a call that hangs, and replaces the producer or stops the process like the runner."""
        if attempt != self._attempts:
            return
        match self._watch.look(self._calling_since_s, self._member.mono_s()):
            case SinkAction.FINE:
                self._member.later(0.1, lambda: self._look(attempt))
            case SinkAction.REPLACE:
                self._replace()
            case SinkAction.STOP:
                self._world.count("sink hangs again: stops")
                self._member.give_up()

    def _replace(self) -> None:
        """A producer with the same id ends the open transaction; then the committed marks are looked up."""
        hung, self._calling_since_s = self._now, None
        self._attempts += 1
        self._broker.end_all_of(self._member.name)
        self._member.later(self._leg_s(), lambda: self._after(hung))

    def _after(self, hung: Transaction | None) -> None:
        """Reports the checkpoint as durable if its transaction was committed, or else writes it again."""
        landed = hung is not None and hung.landed
        self._world.count(f"sink replaced, {'it had landed' if landed else 'nothing had landed'}")
        if hung is None or not landed or self._member.around.breaks.never_looks_whether_it_landed:
            self._again("a new producer, the marks are not there", 0.0)
        else:
            serial = self._waiting[0].serial
            self._done(Written(serial=serial, marks=hung.marks, sent_at_s=hung.sent_at_s))

    def _leg_s(self) -> float:
        return self._world.between(0.001, self._member.commit_s)

    def _is_member(self, session: str, generation: int) -> bool:
        group = self._member.around.group
        is_member = session in group.members and generation == group.generation
        if not is_member:
            self._world.count("commit refused to a stale member")
        return is_member

    def _again(self, why: str, wait_s: float) -> None:
        self._now = None
        self._world.count("checkpoint repeated")
        self._world.say(f"{self._member.process} writes checkpoint again: {why}")
        self._member.later(wait_s, self._attempt)

    def _done(self, written: Written) -> None:
        self._now = None
        self._watch.became_durable()
        self._waiting.popleft()
        if self._waiting:
            self._member.later(0.0, self._attempt)
        else:
            self._busy = False
        self._member.feed(written)


class SimulatedPlainSink(SimulatedTransactionalSink):
    """Without transactions: produces record by record; once all are there, the source commits the marks."""

    def killed(self) -> None:
        """Records that were not produced are lost."""

    def _attempt(self) -> None:
        self._member.later(self._leg_s(), lambda: self._produce(self._waiting[0]))

    def _produce(self, checkpoint: Checkpoint) -> None:
        """Produces the records; after a failure only some of them are there, and all are produced again."""
        outputs = {at: out for at, out in checkpoint.outputs.items() if at not in self._dead}
        failed = self._world.chance(self._member.faults.commits)
        if failed:
            self._world.count("some records are there")
            outputs = {at: out[: self._world.rng.randint(0, len(out))] for at, out in outputs.items()}
        self._land(outputs, {}, 0.0)
        self._member.reached("offsets sent")
        if failed:
            self._again("a record was not acknowledged", 0.1)
        else:
            self._member.later(self._leg_s(), lambda: self._commit(checkpoint))

    def _commit(self, checkpoint: Checkpoint) -> None:
        sent_at_s = self._member.mono_s()
        self._member.later(self._leg_s(), lambda: self._committed(checkpoint, sent_at_s))

    def _committed(self, checkpoint: Checkpoint, sent_at_s: float) -> None:
        """Commits the marks; a stale member's commit is rejected and repeated."""
        member = self._member
        marks = {at: mark for at, mark in checkpoint.marks.items() if at not in self._dead}
        if marks and not self._is_member(member.session, member.generation):
            member.later(0.05, lambda: self._commit(checkpoint))
            return
        self._land({}, marks, sent_at_s)
        member.reached("landed")
        member.later(
            self._leg_s(), lambda: self._done(Written(serial=checkpoint.serial, marks=marks, sent_at_s=sent_at_s))
        )

    def _land(
        self, outputs: Mapping[Assignment, tuple[Output, ...]], marks: Mapping[Assignment, Mark], sent_at_s: float
    ) -> None:
        self._broker.land(Transaction(outputs, marks, self._member.name, self._member.process, sent_at_s))
