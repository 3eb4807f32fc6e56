"""Drives one engine in virtual time; the test plays its source, sink and workers, step by step."""

import json
from typing import Any

from streams.control import CommandHandler
from streams.dead_letter import DeadLetters
from streams.engine.engine import Engine
from streams.flow import Answer, Assignment, Call, Cause, Flow, Now, Record, Reply, Settled, Stored, Turn
from streams.lanes.record_headers import stored_of
from streams.messages import (
    Arrivals,
    Assigned,
    Checkpoint,
    Drain,
    Drop,
    Effect,
    Fetch,
    Input,
    Intake,
    Mark,
    Notice,
    OwnedPartition,
    Released,
    Revoked,
    SideFetch,
    Stop,
    Tick,
    Written,
)
from streams.policy import Pace, Policy, Share
from streams.side_input import SideInputs
from streams.telemetry import Telemetry
from tests.harness.toy_flow import Room, Shown, Thermostats
from tests.harness.toy_side_inputs import PROGRESS, SideLog

WALL_US = 1_700_000_000_000_000
OK = Settled(answer=Shown())


class EngineDriver:
    """Collects effects by kind. A checkpoint becomes durable by ``write``, or immediately with ``auto``."""

    def __init__(
        self,
        *,
        flow: Flow[Any] | None = None,
        flows: dict[str, Flow[Any]] | None = None,
        shares: dict[str, Share] | None = None,
        policy: Policy | None = None,
        paces: dict[str, Pace] | None = None,
        instance: str = "one",
        boot_us: int = 0,
        auto: bool = True,
        control: CommandHandler | None = None,
        side_inputs: SideInputs | None = None,
        sides: dict[str, SideInputs] | None = None,
        observer: Telemetry | None = None,
    ) -> None:
        """``side_inputs``: beside every topic. ``sides``: by topic instead. ``observer`` hears what a runner says."""
        flow = flow or Thermostats()
        self.flows = flows or {flow.topic: flow}
        self.policy = policy or Policy()
        self.engine = Engine(
            flows=self.flows,
            shares=shares or {topic: Share(weight=1.0, partitions=1) for topic in self.flows},
            accounts=paces or {"main": Pace(), "other": Pace()},
            policy=self.policy,
            instance=instance,
            boot_us=boot_us,
            dead_letters=DeadLetters(topics={t: f"{t}.dlq" for t in self.flows}, instance=instance),
            control=control,
            side_inputs=dict.fromkeys(self.flows, side_inputs) if side_inputs is not None else sides or {},
        )
        self.auto = auto
        self.observer = observer
        self.now = Now(mono_s=100.0, wall_us=WALL_US)
        self.calls: list[Call] = []
        self.checkpoints: list[Checkpoint] = []
        self.written: list[Checkpoint] = []
        self.effects: list[Effect] = []
        self.topics: dict[str, list[tuple[bytes | None, Any]]] = {}
        self.state: dict[str, Stored] = {}
        self.marks: dict[Assignment, Mark] = {}
        self.next_offset = 0
        self.epochs = 0
        self.side_logs: dict[tuple[str, int], SideLog] = {}
        self.side_fetches: list[SideFetch] = []  # not answered yet

    # ---- time -------------------------------------------------------------------------------------------------------

    def feed(self, said: Input) -> list[Effect]:
        """Feeds an input to the engine, and records and returns its effects."""
        if self.observer is not None:
            self.observer.on_input(said, self.now)
        effects = self.engine.feed(said, self.now)
        if self.observer is not None:
            for effect in effects:
                self.observer.on_effect(effect, self.now)
        self.effects.extend(effects)
        self.calls.extend(e for e in effects if isinstance(e, Call))
        self.side_fetches.extend(e for e in effects if isinstance(e, SideFetch))
        made = [e for e in effects if isinstance(e, Checkpoint)]
        self.checkpoints.extend(made)
        if self.auto:
            for checkpoint in made:
                self.write(checkpoint)
        return effects

    def step(self, seconds: float) -> None:
        """Advances the time in one step, then ticks."""
        wall_us = self.now.wall_us + round(seconds * 1e6)
        self.now = Now(mono_s=self.now.mono_s + seconds, wall_us=wall_us)
        self.feed(Tick())

    def run(self, seconds: float, *, answer: Reply | None = OK) -> None:
        """Advances the time in the steps that the engine asks for. Answers calls immediately, unless with None."""
        until_s = self.now.mono_s + seconds
        for _ in range(100_000):
            if answer is not None:
                self.answer_all(answer)
            self.serve_side_inputs()
            at_s = min(until_s, self.engine.wake_at_s())
            if self.now.mono_s >= until_s:
                return
            self.step(max(at_s - self.now.mono_s, 0.0005))
        raise AssertionError("the engine wants to be woken again and again")

    # ---- source -----------------------------------------------------------------------------------------------------

    def assign(
        self,
        *,
        topic: str = "setpoints",
        partition: int = 0,
        mark: Mark | None = None,
        end: int | None = None,
        state: dict[str, Stored] | None = None,
        partitions: int = 1,
        state_topic_id: str = "state-1",
        input_topic_id: str = "input-1",
        committed: int | None = None,
        skips: bool = False,
        restored_in_s: float | None = None,
    ) -> Assignment:
        """``committed``: a committed position without a mark. ``skips``: no position, and the start skips records."""
        self.epochs += 1
        at = Assignment(topic=topic, partition=partition, epoch=self.epochs)
        start = mark.position if mark else committed or 0
        self.next_offset = max(self.next_offset, start)
        owned = OwnedPartition(
            mark=mark,
            start=start,
            end=start if end is None else end,
            state_topic_id=state_topic_id,
            input_topic_id=input_topic_id,
            partitions=partitions,
            state=dict(state or {}),
            committed=mark is not None or committed is not None,
            skips=skips,
            assigned_at_s=None if restored_in_s is None else self.now.mono_s - restored_in_s,
        )
        self.feed(Assigned(parts={at: owned}))
        return at

    def opened(self, **kwargs: Any) -> Assignment:
        """Assigns a partition and runs until it has caught up and its gate is open."""
        at = self.assign(**kwargs)
        self.run(self.policy.drained_wait_s + 0.1, answer=None)
        assert self.engine.snapshot(self.now).partitions[-1].phase == "open"
        return at

    def record(
        self, at: Assignment, /, room: str | None = "kitchen", *, raw: bytes | None = None, **event: Any
    ) -> Record:
        offset = self.next_offset
        self.next_offset += 1
        said = {"id": f"e{offset}", "at": offset, "value": offset} | event
        return Record(
            at=at,
            offset=offset,
            key=None if room is None else room.encode(),
            value=json.dumps(said).encode() if raw is None else raw,
            time_us=self.now.wall_us,
        )

    def event(self, at: Assignment, /, room: str = "kitchen", **event: Any) -> list[Effect]:
        return self.arrive(self.record(at, room, **event))

    def arrive(self, *records: Record, end: int | None = None) -> list[Effect]:
        positions = {record.at: record.offset + 1 for record in records}
        ends = {record.at: end if end is not None else record.offset + 1 for record in records}
        return self.feed(Arrivals(records=records, positions=positions, ends=ends))

    def revoke(self, at: Assignment, *, budget_s: float = 5.0) -> None:
        self.feed(Revoked(parts=(at,), lost=False, budget_s=budget_s))

    def lose(self, at: Assignment) -> None:
        self.feed(Revoked(parts=(at,), lost=True))

    def drain(self, budget_s: float = 5.0) -> None:
        self.feed(Drain(budget_s=budget_s))

    # ---- side inputs ------------------------------------------------------------------------------------------------

    def side_log(self, topic: str = "side", partition: int = 0) -> SideLog:
        """Returns a partition that is read beside others, created on first use."""
        return self.side_logs.setdefault((topic, partition), SideLog())

    def serve_side_inputs(self) -> None:
        """Answers the requests for which there is something to read."""
        waiting, self.side_fetches = self.side_fetches, []
        for fetch in waiting:
            answer = self.side_log(fetch.topic, fetch.partition).answer(fetch)
            if answer is None:
                self.side_fetches.append(fetch)
            else:
                self.feed(answer)

    @property
    def progress(self) -> list[dict[str, Any]]:
        """Returns the durable reports of progress of side inputs, each with its ``name``."""
        rows = self.topics.get(PROGRESS, [])
        return [{"name": (key or b"").decode(), **json.loads(value)} for key, value in rows]

    # ---- sink -------------------------------------------------------------------------------------------------------

    def write(self, checkpoint: Checkpoint | None = None, *, without: tuple[Assignment, ...] = ()) -> list[Effect]:
        """Makes a checkpoint durable, except for the assignments in ``without``; by default the newest checkpoint."""
        checkpoint = checkpoint or self.checkpoints[-1]
        self.written.append(checkpoint)
        for at, outputs in checkpoint.outputs.items():
            if at in without:
                continue
            for output in outputs:
                self.topics.setdefault(output.topic, []).append((output.key, output.value))
                if output.topic == self.flows[at.topic].state_topic and output.key is not None:
                    self.state[output.key.decode()] = stored_of(output.value, output.headers)
        marks = {at: mark for at, mark in checkpoint.marks.items() if at not in without}
        self.marks.update(marks)
        return self.feed(Written(serial=checkpoint.serial, marks=marks, sent_at_s=self.now.mono_s))

    # ---- workers ----------------------------------------------------------------------------------------------------

    def answer(self, call: Call, *replies: Reply, sent: bool = True, **said: Any) -> list[Effect]:
        """Answers a call with one reply for all items, or with one for each."""
        if call in self.calls:
            self.calls.remove(call)
        each = replies * len(call.items) if len(replies) == 1 else replies
        stamps: dict[str, Any] = {"sent_s": self.now.mono_s, "answered_s": self.now.mono_s} if sent else {}
        stamps |= {"sent_us": self.now.wall_us, "answered_us": self.now.wall_us} if sent else {}
        return self.feed(Answer(call=call, replies=each, **(stamps | said)))

    def answer_all(self, reply: Reply = OK) -> None:
        while self.calls:
            self.answer(self.calls[0], reply)

    # ---- outcome ----------------------------------------------------------------------------------------------------

    def of(self, kind: type[Any]) -> list[Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def results(self) -> list[tuple[str, str]]:
        """Returns the durable results: (event id, status)."""
        rows = [json.loads(value) for _, value in self.topics.get("settings", [])]
        return [(row["id"], row["status"]) for row in rows]

    @property
    def stops(self) -> list[Stop]:
        return self.of(Stop)

    @property
    def notices(self) -> list[Notice]:
        """Returns the notices of level error."""
        return [notice for notice in self.of(Notice) if notice.level == "error"]

    @property
    def paused(self) -> set[Assignment]:
        """Returns the assignments that the source was told to pause, or never to resume."""
        flowing: set[Assignment] = set()
        known: set[Assignment] = set()
        for effect in self.effects:
            if isinstance(effect, Intake):
                flowing = (flowing - effect.pause) | effect.resume
                known |= effect.pause | effect.resume
        return known - flowing

    @property
    def released(self) -> set[Assignment]:
        return {at for effect in self.of(Released) for at in effect.parts}

    @property
    def died(self) -> set[Assignment]:
        return {at for effect in self.of(Drop) for at in effect.parts}

    @property
    def fetches(self) -> list[Any]:
        return [effect.need for effect in self.of(Fetch)]


class RecordingThermostats(Thermostats):
    """Records the causes of its lanes' turns: (lane, name of the cause)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heard: list[tuple[str, str]] = []

    def turn(self, lane: Room, cause: Cause, now: Now) -> Turn[Room]:
        self.heard.append((lane.key, type(cause).__name__))
        return super().turn(lane, cause, now)


def values(call: Call) -> list[int]:
    return [item.body.value for item in call.items]


def rooms(call: Call) -> list[str]:
    return [item.body.room for item in call.items]


__all__ = ["OK", "WALL_US", "EngineDriver", "RecordingThermostats", "rooms", "values"]
