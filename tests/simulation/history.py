"""Runs one seeded history: input events, faults, recovery, then a check of all invariants.

A history runs several processes with the real engine and the toy flow of ``tests.harness.toy_flow`` against a model
broker (``broker.py``) and a model API (``api.py``), in virtual time. The seed determines everything: the plan
(``HistoryPlan.draw``), the events, the faults and every delay. So the order of random draws must not change, or seeds
of known regressions lose their meaning. ``python -m tests.simulation SEED`` runs a seed and prints its trace.

Invariants are checked while the history runs (``Evidence``) and at the end (``_judge``); ``checker.py`` lists them.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from streams.dispatch.rate_limiter import MARGIN
from streams.flow import Assignment, Call
from streams.policy import Pace, Policy
from tests.harness.toy_flow import Order, Thermostats, decode
from tests.simulation import checker
from tests.simulation.api import Habits, ModelApi
from tests.simulation.broker import INPUT, EntryKind, GroupCoordinator, LogEntry, ModelBroker, Transaction
from tests.simulation.checker import CallInterval, Landed, Violation
from tests.simulation.control import HaltCommands, ModelControl
from tests.simulation.engines import Build, build_engine
from tests.simulation.side_topics import ID_PREFIX, WISH_PREFIX, WISHED, SideTopics
from tests.simulation.simulated_process import STEPS, Breaks, SimulatedEnvironment, SimulatedProcess
from tests.simulation.world import EPOCH_US, START_S, SimulatedWorld

REST_WITHIN_S = 120.0  # after the last fault


@dataclass(frozen=True, slots=True, kw_only=True)
class InputEvent:
    """An input event, as the checker knows it."""

    partition: int
    offset: int
    event_id: str
    slot: tuple[str, str] | None = None  # None: sets no value (a chime, a reminder, an unreadable record)
    order: Order = (0, 0)
    value: int = 0
    zone: bool = False
    boiler: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPlan:
    """The parameters of a history, drawn before it starts."""

    partitions: int
    members: int
    events: int
    lasts_s: float
    pace: Pace
    policy: Policy
    habits: Habits
    faults: int
    rooms: int
    items: int  # maximum in one call
    busy_workers: float
    devices: tuple[str, ...]
    values: int
    late: float  # share of events that arrive after newer ones
    slow_reads: bool
    commit_s: float  # typical duration of each step of a commit
    refused: float = 0.03  # share of events that the API rejects
    aimed: bool = False  # one targeted kill, in addition to the faults
    outages: int = 0  # in addition to the faults
    hangs: int = 0  # calls of a sink that never return, in addition to the faults
    suspensions: int = 0  # of the machine that runs all processes, in addition to the faults
    recreated: bool = False  # the input topic is created again; in the end an operator applies the remedy
    versions: bool = False  # two connector versions at once, until the last fault is over
    halts: int = 0  # of all sets, by a control topic, in addition to the faults
    side_rows: int = 0  # records in topics that are read beside the input
    side_wishes: bool = False  # each of them asks for a set-point
    transactions: bool = True  # False: records become durable one by one, then the marks
    steady_clocks: bool = False  # no wall clock is set; a quota counts by the process's own

    @staticmethod
    def draw(rng: Random) -> "HistoryPlan":
        per_second = rng.choice([6.0, 12.0, 30.0])
        items = rng.choice([1, 2, 5])
        near = 2 * items  # wants kept in memory to fill calls; lanes go to sleep beyond four times as many
        return HistoryPlan(
            partitions=rng.choice([1, 1, 2, 3]),
            members=rng.choice([1, 1, 2, 2, 3]),
            events=rng.choice([12, 30, 60]),
            lasts_s=rng.choice([1.5, 4.0, 7.0]),
            pace=Pace(per_second=per_second, strict=rng.random() < 0.3, linger_s=rng.choice([0.0, 0.0, 0.05])),
            policy=Policy(
                session_s=3.0,
                lease_s=0.9,
                call_deadline_s=rng.choice([1.2, 2.0]),
                grace_s=0.3,
                read_ahead=rng.choice([2, 5, 20, 1_000]),
                drained_wait_s=1.0,
                checkpoint_min_s=0.02,
                max_outputs=rng.choice([6, 20_000, 20_000]),
                max_awake=rng.choice([4 * near + 2, 50_000]),
                kept_decoded={6.0: 0, 12.0: 1, 30.0: 256}[per_second],
                near=1,  # so that waiting lanes go to sleep as soon as there are a dozen of them
                retry_budget=rng.choice([2, 8]),
                retry_base_s=0.05,
                retry_cap_s=1.0,
                age_step_s=1.0,
                stall_s=60.0,
            ),
            habits=Habits(
                limit=int(per_second) + 2 * MARGIN + 4,
                lost=rng.choice([0.0, 0.05, 0.25]),
                slow=rng.choice([0.0, 0.1, 0.4]),
                refused_connection=rng.choice([0.0, 0.05]),
            ),
            faults=rng.choice([0, 1, 2, 4, 6]),
            rooms=rng.choice([1, 2, 5, 15]),
            items=items,
            busy_workers=rng.choice([0.0, 0.0, 0.3]),
            devices=rng.choice([("heat",), ("heat", "fan")]),
            values=rng.choice([2, 3]),
            late=rng.choice([0.0, 0.25]),
            slow_reads=rng.random() < 0.2,
            commit_s=rng.choice([0.02, 0.02, 0.2]),
        )


@dataclass(slots=True)
class Evidence:
    """Collects what happens in a history; the broker's ``CommitListener`` and the processes' ``Witness``."""

    world: SimulatedWorld
    broker: ModelBroker
    policy: Policy
    repeats: bool = False  # without transactions, results may be duplicated
    side: SideTopics | None = None
    said: dict[int, dict[int, InputEvent]] = field(default_factory=dict)  # partition -> offset -> event
    by_id: dict[str, InputEvent] = field(default_factory=dict)
    answered: dict[int, dict[int, int]] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    heard: dict[str, int] = field(default_factory=dict)
    owner: dict[int, tuple[str, Assignment]] = field(default_factory=dict)
    leases: dict[str, float] = field(default_factory=dict)  # process -> end of its lease
    violations: list[Violation] = field(default_factory=list)
    before: frozenset[str] = frozenset()  # events of the deleted input topic
    mended: bool = True  # state and offsets belong to the current input topic
    notes: dict[str, frozenset[str]] = field(default_factory=dict)  # fields of a newer version, by room
    _open: dict[int, set[int]] = field(default_factory=dict)  # offsets below the position without a result
    _checked_to: dict[int, int] = field(default_factory=dict)

    def complain(self, invariant: str, text: str) -> None:
        self.violations.append(Violation(invariant=invariant, text=text))
        self.world.say(f"VIOLATION {invariant}: {text}")

    def say(self, said: InputEvent) -> None:
        self.said.setdefault(said.partition, {})[said.offset] = said
        self.by_id[said.event_id] = said

    def recreated(self) -> None:
        """The input topic was created again: known offsets refer to the old one."""
        self.before, self.mended = frozenset(self.by_id), False
        self.said.clear()
        self._anew()

    def reset(self) -> None:
        """State and offsets were reset: events get their results again."""
        self.mended = True
        self._anew()

    def _anew(self) -> None:
        """Forgets all results, because offsets are counted or processed again."""
        for known in (self.answered, self.heard, self._open, self._checked_to):
            known.clear()

    # ---- from the processes -----------------------------------------------------------------------------------------

    def restored(self, process: str, at: Assignment) -> None:
        self.owner[at.partition] = (process.split(".")[0], at)

    def left(self, process: str, call: Call) -> None:
        """Checks a call when it leaves.

        A successor must first read every event that its predecessor may have sent: the position and read-ahead of the
        mark tell how far. And it waits for one lease from the send time of the predecessor's last successful commit.
        """
        if self.world.now_s > self.leases.get(process, 0.0) + checker.ROUNDING_S:
            self.complain("O", f"{process} sends {call.id} without a lease")
        for item in call.items:
            if item.body.event_id.startswith(WISH_PREFIX):
                continue  # the gate says nothing of side inputs
            said = self.by_id[item.body.event_id]
            mark = self.broker.marks.get(said.partition)
            if not self.mended:
                continue  # until the new topic is noticed, offsets of two topics are mixed
            if mark is None:
                self.complain("O", f"{process} sends {said.event_id} before its partition has a mark")
            elif said.offset >= mark.position + mark.read_ahead:
                text = f"{process} sends offset {said.offset} beyond {mark.position} + {mark.read_ahead}"
                self.complain("O", text)
            elif mark.drained:
                self.complain("O", f"{process} sends {said.event_id} while its mark says drained")

    # ---- from the broker --------------------------------------------------------------------------------------------

    def landed(self, transaction: Transaction) -> None:
        """Checks a committed transaction: its owners, drained marks, results, and that nothing is lost."""
        if transaction.marks:
            self.leases[transaction.run] = transaction.sent_at_s + self.policy.lease_s
        for at in {*transaction.marks, *transaction.outputs}:
            if self.owner.get(at.partition) != (transaction.process, at) and (
                transaction.outputs.get(at) or at in transaction.marks
            ):
                text = f"{transaction.process} commits for {at} after {self.owner.get(at.partition)} has restored it"
                self.complain("N", text)
        for at in (at for at, mark in transaction.marks.items() if mark.drained):
            announced = {key: one.announced for key, one in self.broker.state(at.partition).items() if one.announced}
            if announced:
                self.complain("U", f"{at} is handed over, and what may still leave is {announced}")
        self._outputs(transaction)
        for partition in transaction.partitions:
            self._check(partition)
        if self.side is not None:
            self.side.landed(transaction.outputs, transaction.marks)
            self.violations.extend(self.side.check(transaction.partitions))

    def _outputs(self, transaction: Transaction) -> None:
        """Counts results and dead letters, and checks the lanes' records."""
        for outputs in transaction.outputs.values():
            for output in outputs:
                if output.topic == "rooms" and output.key is not None:
                    self._noted(output.key.decode(), output.value)
                if output.topic == "settings" and output.value is not None:
                    self._result(json.loads(output.value))
                elif output.topic == f"{INPUT}.dlq" and not self.before:
                    where = dict(output.headers)
                    partition, offset = (int(where[f"__connect.errors.{name}"]) for name in ("partition", "offset"))
                    self._count(partition, offset)

    def _noted(self, room: str, value: bytes | None) -> None:
        """Checks that an older version keeps the fields of a newer one."""
        kept = frozenset(() if value is None else decode(room, value).notes)
        lost = self.notes.get(room, frozenset()) - kept
        if lost:
            self.complain("N", f"the record of {room} is written without {sorted(lost)}")
        if kept:
            self.world.count("kept by a newer version")
            self.notes[room] = kept

    def _result(self, raw: dict[str, str]) -> None:
        if raw["id"].startswith((ID_PREFIX, WISH_PREFIX)):
            return
        said = self.by_id[raw["id"]]
        if said.event_id in self.before:
            return
        if raw["status"] == "HEARD":
            self.heard[said.event_id] = self.heard.get(said.event_id, 0) + 1
            return
        self.status[said.event_id] = raw["status"]
        self.world.count(f"result {raw['status']}")
        self._count(said.partition, said.offset)

    def _count(self, partition: int, offset: int) -> None:
        """Counts a result of an event; a second one is a violation, except without transactions."""
        answered = self.answered.setdefault(partition, {})
        answered[offset] = answered.get(offset, 0) + 1
        if answered[offset] > 1 and self.repeats:
            self.world.count("answered again")
        elif answered[offset] > 1:
            self.complain("N", f"{partition}@{offset} is answered {answered[offset]} times")

    def _check(self, partition: int) -> None:
        """Checks that every event below the committed position has a result or is pending in a lane's record."""
        if not self.mended:
            return
        position = self.broker.position(partition)
        said = self.said.get(partition, {})
        answered = self.answered.setdefault(partition, {})
        unanswered = self._open.setdefault(partition, set())
        unanswered.update(offset for offset in range(self._checked_to.get(partition, 0), position) if offset in said)
        self._checked_to[partition] = max(position, self._checked_to.get(partition, 0))
        unanswered.difference_update(answered)
        if unanswered:
            landed = Landed(position=position, answered=answered, undone=self._undone(partition))
            self.violations.extend(checker.nothing_lost(f"partition {partition}", sorted(unanswered), landed))

    def _undone(self, partition: int) -> frozenset[int]:
        """Returns the offsets of events that are pending in the durable records of lanes."""
        ids: set[str] = set()
        for key, output in self.broker.states[partition].items():
            if ("undone", b"1") in output.headers and output.value is not None:
                ids.update(undone_ids(decode(key, output.value)))
        return frozenset(self.by_id[event_id].offset for event_id in ids if not event_id.startswith(WISH_PREFIX))


def undone_ids(room: Any) -> Iterable[str]:
    """Yields the ids of the events that a lane's record still holds."""
    yield from (device.wanted.id for _, device in room.devices if device.wanted)
    yield from (chime.id for chime in room.chimes)
    yield from (event_id for _, event_id in room.reminders)


@dataclass(slots=True, kw_only=True)
class HistoryOutcome:
    """The result of a history."""

    seed: int
    violations: list[Violation]
    seen: dict[str, int]
    trace: list[str]
    lasted_s: float

    def report(self, lines: int = 80) -> str:
        said = "\n".join(f"  {violation}" for violation in self.violations[:10])
        trace = "\n".join(self.trace[-lines:]) if lines else ""
        return f"seed {self.seed} (python -m tests.simulation {self.seed}):\n{said}\n{trace}"


class SeededHistory:
    """Builds a history from a seed, runs it until nothing is left to do, and checks the invariants."""

    def __init__(
        self,
        seed: int,
        *,
        breaks: Breaks | None = None,
        build: Build = build_engine,
        flow: Callable[..., Thermostats] = Thermostats,
        change: Callable[[HistoryPlan], HistoryPlan] = lambda plan: plan,
        trace: bool = False,
    ) -> None:
        self.world = SimulatedWorld(seed)
        if trace:
            self.world.trace = []
        self.plan = plan = change(HistoryPlan.draw(self.world.rng))
        self.broker = ModelBroker(self.world, plan.partitions)
        self.group = GroupCoordinator(self.world, plan.partitions)
        self.api = ModelApi(self.world, plan.habits, plan.policy.grace_s)
        self.side = SideTopics(self.world, plan.partitions, plan.side_wishes) if plan.side_rows else None
        self.evidence = Evidence(self.world, self.broker, plan.policy, repeats=not plan.transactions, side=self.side)
        self.broker.listeners.append(self.evidence)
        self.control = ModelControl() if plan.halts else None
        around = SimulatedEnvironment(
            world=self.world,
            broker=self.broker,
            group=self.group,
            api=self.api,
            witness=self.evidence,
            policy=plan.policy,
            build=lambda toy, name, boot_us, sides: build(
                toy,
                plan.policy,
                plan.pace,
                plan.partitions,
                name,
                boot_us,
                HaltCommands() if plan.halts else None,
                sides,
            ),
            flow=lambda: flow(limits={"set": plan.items, "chime": 1}),
            transactions=plan.transactions,
            breaks=breaks or Breaks(),
            control=self.control,
            side=self.side,
        )
        self.members = [SimulatedProcess(f"m{number}", around) for number in range(plan.members)]
        for number, member in enumerate(self.members):
            member.state_version = 2 if plan.versions and number == 0 else 1
            member.busy_workers = plan.busy_workers
            member.slow_reads = plan.slow_reads
            member.commit_s = plan.commit_s
            self.broker.when_appended.append(member.input_moved)

    def run(self) -> HistoryOutcome:
        """Runs the history to its end and returns what it violated."""
        self._events()
        self._faults()
        for number, member in enumerate(self.members):
            self.world.after(0.0 if number == 0 else self.world.between(0, self.plan.lasts_s), member.start)
        heal_s = START_S + self.plan.lasts_s + 1.5
        self.world.run_until(heal_s)
        self._heal()
        if self.plan.recreated:
            self._mend()
        self._rest()
        self._judge()
        return HistoryOutcome(
            seed=self.world.seed,
            violations=self.evidence.violations,
            seen=self.world.seen,
            trace=self.world.trace or [],
            lasted_s=self.world.now_s - START_S,
        )

    # ---- events -----------------------------------------------------------------------------------------------------

    def _events(self) -> None:
        rng, plan = self.world.rng, self.plan
        rooms = [(f"room{number}", number % plan.partitions) for number in range(plan.rooms)]
        for number in range(plan.events):
            room, partition = rng.choice(rooms)
            self.world.after(rng.random() * plan.lasts_s, self._event(f"e{number}", room, partition))
        for _ in range(rng.choice([0, 0, 1, 3])):
            partition = rng.randrange(plan.partitions)
            self.world.after(rng.random() * plan.lasts_s, lambda p=partition: self._upstream(p))  # type: ignore[misc]
        if self.side is not None:
            self.side.schedule(plan.side_rows, rooms, plan.lasts_s)

    def _event(self, event_id: str, room: str, partition: int) -> Callable[[], None]:
        def append() -> None:
            self._append(event_id, room, partition)

        return append

    def _append(self, event_id: str, room: str, partition: int) -> None:
        """Appends a random input record: mostly a set point, sometimes a chime, a reminder or an unreadable record."""
        world, rng = self.world, self.world.rng
        late_us = rng.randint(0, 2_000_000) if rng.random() < self.plan.late else 0
        raw: dict[str, Any] = {
            "id": event_id,
            "at": world.wall_us() - late_us,
            "device": rng.choice(self.plan.devices),
            "value": rng.randrange(self.plan.values),
            "rank": rng.randint(0, 5),
        }
        kind = 1.0 if self.evidence.before else rng.random()
        slot: tuple[str, str] | None = (room, raw["device"])
        if kind < 0.04:
            raw["chime"], slot = "ding", None
        elif kind < 0.07:
            raw["remind_us"], slot = world.wall_us() + rng.randint(0, 2_000_000), None
        elif kind < 0.12:
            raw["schema"] = rng.randint(1, 3)
        elif kind < 0.2:
            raw["zone"] = "z"
        elif kind < 0.2 + self.plan.refused:
            self.api.refused.add(event_id)
        elif kind < 0.23 + self.plan.refused:
            self.api.poison.add(event_id)
        if rng.random() < 0.2:
            raw["boiler"] = f"boiler{partition}"
        key: bytes | None = room.encode()
        value = json.dumps(raw).encode()
        if rng.random() < 0.04 and not self.evidence.before:
            key, value, slot = rng.choice([(None, value, None), (key, b"{", None), (key, b'{"id": "x"}', None)])
            raw.pop("zone", None)
        offset = len(self.broker.logs[partition].entries)
        order = (raw["at"], offset)
        self.evidence.say(
            InputEvent(
                partition=partition,
                offset=offset,
                event_id=event_id,
                slot=slot,
                order=order,
                value=raw["value"],
                zone="zone" in raw,
                boiler="" if "chime" in raw else raw.get("boiler", ""),
            )
        )
        world.say(f"event {event_id} {partition}@{offset} {room} {raw}")
        self.broker.append(partition, LogEntry(entry=EntryKind.RECORD, key=key, value=value, time_us=world.wall_us()))

    def _upstream(self, partition: int) -> None:
        """A producer's transaction stays open for a while, then is aborted; a control record follows its records."""
        log = self.broker.logs[partition]
        if log.open_from is not None:
            return
        self.world.count("hung upstream transaction")
        log.open_from = len(log.entries)
        for _ in range(self.world.rng.randint(1, 3)):
            log.entries.append(LogEntry(entry=EntryKind.ABORTED))

        def end() -> None:
            log.open_from = None
            self.broker.append(partition, LogEntry(entry=EntryKind.CONTROL))

        self.world.after(self.world.between(0.05, 3.0), end)

    # ---- faults -----------------------------------------------------------------------------------------------------

    def _faults(self) -> None:
        """Schedules the faults of the plan."""
        rng = self.world.rng
        kinds = [self._crash, self._freeze, self._stop, self._move]
        kinds += [self._cut_off] if self.plan.transactions else []
        kinds += [self._ambush] * 3 + [self._aim]
        kinds += [self._storm, self._outage, self._commits_fail, self._clock, self._registry_down]
        for _ in range(self.plan.faults):
            self.world.after(rng.random() * (self.plan.lasts_s + 0.5), rng.choice(kinds))
        for _ in range(self.plan.outages):
            self.world.after(rng.random() * self.plan.lasts_s, self._outage)
        for _ in range(self.plan.hangs):
            self.world.after(rng.random() * self.plan.lasts_s, self._sink_hangs)
        for _ in range(self.plan.suspensions):
            self.world.after(rng.random() * self.plan.lasts_s, self._suspend)
        for _ in range(self.plan.halts):
            self.world.after(rng.random() * self.plan.lasts_s, self._halt)
        if self.plan.recreated:
            self.world.after(self.world.between(0.3, 0.8) * self.plan.lasts_s, self._recreate)
        if self.plan.aimed:
            self.world.after(self.world.between(0.5, 1.0) * self.plan.lasts_s, self._aim)

    def _anyone(self) -> SimulatedProcess:
        return self.world.rng.choice(self.members)

    def _crash(self) -> None:
        self._kill(self._anyone())

    def _kill(self, member: SimulatedProcess) -> None:
        member.crash()
        self.world.after(self.world.between(0.01, 3.0), member.start)

    def _freeze(self) -> None:
        self._anyone().freeze(self._frozen_s())

    def _sink_hangs(self) -> None:
        self._anyone().faults.hangs += 1

    def _halt(self) -> None:
        """Halts all sets for a while."""
        self._command(on=True)
        self.world.after(self.world.between(0.1, 5.0), lambda: self._command(on=False))

    def _command(self, *, on: bool) -> None:
        self.world.count("halted" if on else "halt ended")
        if self.control is not None:
            self.control.halt(on=on)
        for member in self.members:
            member.commanded()

    def _suspend(self) -> None:
        """Suspends the machine that runs all processes; everything else continues."""
        self.world.count("suspension")
        for_s = self._frozen_s()
        for member in self.members:
            member.freeze(for_s)

    def _frozen_s(self) -> float:
        """Without transactions, only the lease keeps a frozen owner from writing when it thaws."""
        return self.world.rng.choice([0.3, 1.0, 3.5, 5.0] if self.plan.transactions else [0.3, 1.0])

    def _ambush(self) -> None:
        """The next time a process reaches a certain step, it is killed or frozen there."""
        member, kills = self._anyone(), self.world.chance(0.7)
        step = self.world.rng.choice(STEPS)
        member.ambushes[step] = self._kill_of(member) if kills else lambda: member.freeze(self._frozen_s())

    def _recreate(self) -> None:
        """Deletes the input topic and creates it again.

        Its readers are told within 2.5 s; a process that starts later finds another topic id than in the mark.
        """
        self.world.count("input created again")
        self.broker.recreate_input()
        self.evidence.recreated()
        for member in self.members:
            member.later(self.world.between(0.0, 2.5), member.topics_seen)

    def _aim(self) -> None:
        """Kills a process that has an answer which is not durable; the next owner cannot read that far for long."""
        self.world.count("aimed kill")
        self._registry_down_for(self.world.between(5.0, 7.0))
        for member in self.members:
            member.ambushes["answer heard"] = self._kill_of(member)

    def _kill_of(self, member: SimulatedProcess) -> Callable[[], None]:
        return lambda: self._kill(member)

    def _cut_off(self) -> None:
        self._anyone().cut_off()

    def _stop(self) -> None:
        member = self._anyone()
        self.world.count("stop")
        member.stop(self.world.rng.choice([0.2, 2.0]))
        self.world.after(self.world.between(2.6, 4.0), member.start)

    def _move(self) -> None:
        self.world.count("rebalance")
        self.group.rebalance()

    def _storm(self) -> None:
        self.api.outages.storm = True

        def end() -> None:
            self.api.outages.storm = False

        self.world.after(self.world.between(0.1, 1.5), end)

    def _outage(self) -> None:
        self.api.outages.outage = True

        def end() -> None:
            self.api.outages.outage = False

        self.world.after(self.world.between(0.1, 2.5), end)

    def _commits_fail(self) -> None:
        for member in self.members:
            member.faults.commits = self.world.rng.choice([0.3, 0.8])

        def end() -> None:
            for member in self.members:
                member.faults.commits = 0.0

        self.world.after(self.world.between(0.2, 3.0), end)

    def _registry_down(self) -> None:
        self._registry_down_for(self.world.between(0.5, 5.0))

    def _registry_down_for(self, down_s: float) -> None:
        """Takes the registry down; this may outlast all other faults."""
        self.world.count("registry down")
        for member in self.members:
            member.faults.registry = 1.0

        def end() -> None:
            for member in self.members:
                member.faults.registry = 0.3

        self.world.after(down_s, end)

    def _clock(self) -> None:
        if self.plan.steady_clocks:
            return
        self.world.count("clock step")
        self._anyone().clock_error_us = self.world.rng.choice([-1, 1]) * 3_600_000_000

    # ---- recovery and check -----------------------------------------------------------------------------------------

    def _heal(self) -> None:
        """Ends all faults and starts stopped processes; processes of the older version are upgraded."""
        self.api.outages.storm = self.api.outages.outage = False
        if self.control is not None:
            self._command(on=False)
        if self.side is not None:
            self.side.heal()
        for member in self.members:
            member.faults.commits = member.busy_workers = 0.0
            member.faults.hangs = 0
            member.ambushes.clear()
            member.clock_error_us = 0
        self._start_the_dead()

        for member in self.members:
            if self.plan.versions and member.state_version < 2:
                member.state_version = 2
                self._kill(member)

    def _mend(self) -> None:
        """Applies the remedy for a refused partition: stop every process, reset state and offsets."""
        self.world.run_until(self.world.now_s + 8.0)
        for member in self.members:
            refusals = member.refusals if member.alive else {}
            going_on = [n for n in self.broker.marked_before & refusals.keys() if "created again" not in refusals[n]]
            if going_on:
                self.evidence.complain(
                    "N", f"{member.process} goes on with {len(going_on)} partitions of another topic"
                )
            for _ in filter(None, refusals.values()):
                self.world.count("partition refused")
            member.crash()
        self.world.run_until(self.world.now_s + 6.0)
        for member in self.members:
            member.crash()  # a process whose start was scheduled
        self.broker.forget_all()
        self.evidence.reset()
        self._start_the_dead()

    def _start_the_dead(self) -> None:
        for member in self.members:
            if not member.alive:
                member.start()

    def _rest(self) -> None:
        """Runs until every event has a durable result and no call may still be executed."""
        until_s = self.world.now_s + REST_WITHIN_S
        while not self._at_rest():
            if self.world.now_s > until_s or len(self.evidence.violations) > 5:
                self._unrest()
                return
            self._start_the_dead()
            self.world.run_until(self.world.now_s + 0.25)
        self.world.run_until(self.world.now_s + 1.0)

    def _at_rest(self) -> bool:
        return (
            self.api.may_execute == 0
            and all(self.broker.position(p) == len(log.entries) for p, log in enumerate(self.broker.logs))
            and next(iter(self.broker.undone()), None) is None
            and (self.side is None or self.side.is_done())
        )

    def _unrest(self) -> None:
        """Reports what is still to be done when the time for it is over."""
        positions = {p: (self.broker.position(p), len(log.entries)) for p, log in enumerate(self.broker.logs)}
        text = (
            f"no rest {REST_WITHIN_S} s after the last fault: position and end {positions},"
            f" undone {list(self.broker.undone())}, {self.api.may_execute} calls may still be executed,"
            f" side inputs at {self.side.reached if self.side is not None else {}}"
        )
        self.evidence.complain("P", text)

    def _judge(self) -> None:
        """Checks all invariants of the end state and of the whole history."""
        evidence, found = self.evidence, self.evidence.violations
        for partition, said in evidence.said.items():
            answered = evidence.answered.get(partition, {})
            repeats = evidence.repeats
            found.extend(checker.all_answered(f"partition {partition}", said, answered, repeats=repeats))
            for one in said.values():
                times = evidence.heard.get(one.event_id, 0)
                if one.zone and (times < 1 or (times > 1 and not repeats)):
                    found.append(Violation(invariant="N", text=f"the zone heard {times} times of {one.event_id}"))
        found.extend(checker.never_back(self.api.accepted))
        found.extend(checker.never_two_at_once(self._under_way()))
        if not evidence.before:  # a chime rings again if the record that announced it was dropped
            found.extend(checker.executed_once(self.api.rung))
        found.extend(self._ended_by_others())
        found.extend(self._rates())
        found.extend(self._quota())
        found.extend(self._ends())

    def _ended_by_others(self) -> Iterable[Violation]:
        """An outage closes the account before it uses up a retry budget of more than two attempts."""
        for event_id, status in self.evidence.status.items():
            slot = self.evidence.by_id[event_id].slot
            if status == "FAILED" and self.plan.policy.retry_budget > 2 and slot not in self.api.at_fault:
                yield Violation(invariant="E", text=f"{event_id} of {slot} ended FAILED by what was not its fault")

    def _under_way(self) -> Iterable[CallInterval]:
        """Yields all calls with the time during which each may have had an effect."""
        for sent in self.api.sent:
            bodies = [item.body for item in sent.call.items]
            until_s = sent.answered_s
            yield CallInterval(
                call_id=sent.call.id,
                process=sent.process,
                from_s=sent.sent_s,
                until_s=sent.call.give_up_at_s + self.plan.policy.grace_s if until_s is None else until_s,
                slots=tuple((body.room, body.device or "chime") for body in bodies),
                exclusive=tuple(
                    said.boiler for body in bodies if (said := self.evidence.by_id.get(body.event_id)) and said.boiler
                ),
            )

    def _rates(self) -> Iterable[Violation]:
        """Strict accounts: by arrival, without margin. Others: by departure, with the margin of each process."""
        per_second = self.plan.pace.per_second
        for account, arrivals in self.api.arrivals.items():
            if self.plan.pace.strict:
                yield from checker.within_limit(f"{account} (strict)", arrivals, per_second)
            else:
                left = [sent.sent_s for sent in self.api.sent if sent.call.account == account]
                limit = per_second + MARGIN * len(self.members)
                yield from checker.within_limit(account, left, limit, window_s=0.99)

    def _quota(self) -> Iterable[Violation]:
        """No window has more calls than the quota; a process that crashed may have exceeded its rate by the margin."""
        quota = self.plan.pace.quota
        if quota is None:
            return
        made = Counter(quota.window_of(self._made_us(sent.call)).number for sent in self.api.sent)
        crashes = self.world.seen.get("crash", 0) + self.world.seen.get("freeze beyond the session", 0)
        limit = quota.calls * (1 - self.plan.pace.reserve) + MARGIN * (crashes + self.world.seen.get("cut off", 0))
        for window, calls in made.items():
            if calls >= quota.calls * (1 - self.plan.pace.reserve) - 1:
                self.world.count("quota used up")
            if calls > limit:
                yield Violation(invariant="Q", text=f"{calls} calls in window {window}, the quota is {quota.calls}")

    def _made_us(self, call: Call) -> int:
        """Returns when the engine made a call."""
        made_s = call.give_up_at_s - self.plan.policy.call_deadline_s
        return EPOCH_US + round((made_s - START_S) * 1e6)

    def _ends(self) -> Iterable[Violation]:
        """Checks that every slot holds the value of its newest event, unless that was refused, failed or dropped."""
        newest: dict[Any, InputEvent] = {}
        for said in self.evidence.by_id.values():
            if said.slot is not None and (said.slot not in newest or said.order > newest[said.slot].order):
                newest[said.slot] = said
        excused = frozenset(
            slot for slot, said in newest.items() if self.evidence.status.get(said.event_id) in {"REFUSED", "FAILED"}
        )
        excused |= {
            slot for slot, said in newest.items() if said.event_id in self.evidence.before
        }  # dropped while pending
        values = {slot: said.value for slot, said in newest.items()}
        wished = {slot for slot in self.api.values if isinstance(slot, tuple) and slot[1] == WISHED}
        actual = {slot: value for slot, value in self.api.values.items() if slot not in wished}
        yield from checker.newest_everywhere(values, actual, excused)
        ids = {slot: said.event_id for slot, said in newest.items()}
        yield from checker.newest_is_never_superseded(ids, self.evidence.status)
