"""The state machine between source, flows, callers and sink: routes each input, then does what has become possible.

No I/O, clock, thread or chance, and no rule of its own: rules live in ``partition`` (phase, gate, marks), ``lanes``,
``wants``, ``sending`` (with ``valve``), ``checkpoint``, ``fetching`` and ``stall``.
"""

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any, Final

from streams.dead_letter import DeadLetters
from streams.dispatch.dispatcher import Sending
from streams.dispatch.wants import Wants
from streams.engine.assignment import WOKEN, Tenure
from streams.engine.checkpoint import Checkpoints
from streams.engine.partition import misfit, outgrown, replaced_input, replaced_state, unfit
from streams.engine.schema_fetch import Fetching
from streams.engine.snapshot import Snapshot, account_of, partition_of
from streams.engine.stall_detector import Watch
from streams.flow import Answer, Assignment, Flow, Now, Told
from streams.lanes.lane import Rest
from streams.messages import (
    Arrivals,
    Assigned,
    Broken,
    Checkpoint,
    Delayed,
    Died,
    Drain,
    Effect,
    Fetched,
    Input,
    Intake,
    Notice,
    Owned,
    Released,
    Revoked,
    Stop,
    Tick,
    TopicsSeen,
    Written,
)
from streams.policy import Pace, Policy, Share

RESTORED_A_STEP: Final = 2_000
"""Lanes: a few milliseconds. However many a partition has, the loop comes round, and marks go out in time."""

WOKEN_A_STEP: Final = 500
"""Lanes whose timers have come; each takes a turn. After a restore all that stands undone may be due at once."""


class Engine:
    """Fed by one thread. After ``Stop`` it says nothing more."""

    def __init__(
        self,
        *,
        flows: Mapping[str, Flow[Any]],
        shares: Mapping[str, Share],
        accounts: Mapping[str, Pace],
        policy: Policy,
        instance: str,
        boot_us: int,
        dead_letters: DeadLetters,
    ) -> None:
        self._flows = flows
        self._shares = shares
        self._policy = policy
        self._dead_letters = dead_letters
        self._wants = Wants(policy, dict(accounts), self._group)
        self._sending = Sending(policy, accounts, self._wants, f"{instance}-{boot_us:x}", self._group)
        self._checkpoints = Checkpoints(policy, boot_us)
        self._fetching = Fetching()
        self._watch = Watch(policy)
        self._tenures: dict[Assignment, Tenure] = {}
        self._drain_by_s: float | None = None
        self._stopped = ""
        self._wake_at_s = inf

    def wake_at_s(self) -> float:
        """When to feed a ``Tick`` at the latest; ``inf`` = not before something happens."""
        return self._wake_at_s

    def feed(self, said: Input, now: Now) -> list[Effect]:  # noqa: C901 - one arm per input
        """One input, and all that follows from it. Raises what a flow raises: that is a bug, and the end."""
        if self._stopped:
            return []
        effects: list[Effect] = []
        match said:
            case Arrivals():
                self._arrivals(said, now)
            case Answer():
                effects.extend(self._answer(said, now))
            case Written():
                effects.extend(self._written(said, now))
            case Assigned():
                effects.extend(self._assigned(said, now))
            case Revoked():
                effects.extend(self._revoked(said, now))
            case TopicsSeen():
                effects.extend(self._topics_seen(said, now))
            case Broken():
                effects.extend(self._broken(said, now))
            case Fetched():
                self._fetching.fetched(said, self._tenures, now.mono_s)
            case Told():
                self._told(said, now)
            case Drain():
                self._drain(said, now)
            case Delayed():
                self._checkpoints.delayed(said, now.mono_s)
            case Tick():
                pass
        return self._until_stop(effects, now)

    def _until_stop(self, effects: list[Effect], now: Now) -> list[Effect]:
        """What follows; nothing after a ``Stop``."""
        if not any(isinstance(effect, Stop) for effect in effects):
            effects.extend(self._go_on(now))
        for at, effect in enumerate(effects):
            if isinstance(effect, Stop):
                self._stopped, self._wake_at_s = effect.reason, inf
                return effects[: at + 1]
        self._wake_at_s = self._next_s(now)
        return effects

    # ---- inputs -----------------------------------------------------------------------------------------------------

    def _arrivals(self, said: Arrivals, now: Now) -> None:
        for record in said.records:
            tenure = self._tenures.get(record.at)
            if tenure is not None and tenure.partition.reads:
                tenure.partition.arrived(record)
        self._ends(said, now)
        for at, position in said.positions.items():
            if at in self._tenures and self._tenures[at].partition.reads:
                self._tenures[at].partition.passed(position, now.mono_s)

    def _ends(self, said: Arrivals, now: Now) -> None:
        for at, end in said.ends.items():
            if at in self._tenures:
                self._tenures[at].partition.ends(end, now.mono_s)
        for at, log_end in said.log_ends.items():
            if at in self._tenures:
                self._tenures[at].partition.log_ends(log_end, now.mono_s)
        for at, why in said.leaderless.items():
            if at in self._tenures:
                self._tenures[at].partition.leaderless = why

    def _answer(self, said: Answer, now: Now) -> Iterator[Effect]:
        heard = self._sending.answered(said, now)
        living = [item for item in heard if item.sent.at in self._tenures]
        if living and said.log:
            self._tenures[living[0].sent.at].part.outputs.extend(said.log)
        for item in living:
            self._tenures[item.sent.at].hear(item.sent, item.cause, now)
        if said.stop is not None:
            yield Stop(reason=said.stop)

    def _written(self, said: Written, now: Now) -> Iterator[Effect]:
        for at, handed in self._checkpoints.written(said, now.mono_s).items():
            if at in said.marks:
                self._tenures[at].became_durable(said.marks[at], handed, now.mono_s)
            else:
                yield from self._refused(self._tenures[at], "its part of a checkpoint was refused", now)

    def _assigned(self, said: Assigned, now: Now) -> Iterator[Effect]:
        for at, owned in said.parts.items():
            problem = self._misfit(at, owned)
            if problem is not None:
                yield Stop(reason=problem)
                return
            self._tenures[at] = self._tenure(at, owned, now)
            reason = unfit(owned, at, self._flows[at.topic].state_topic)
            if reason is not None:
                yield from self._refused(self._tenures[at], reason, now)
            if self._drain_by_s is not None:
                self._tenures[at].drain(self._drain_by_s, now)

    def _revoked(self, said: Revoked, now: Now) -> Iterator[Effect]:
        known = [self._tenures[at] for at in said.parts if at in self._tenures]
        if said.lost:
            yield from self._end(known, now)
            return
        for tenure in known:
            tenure.drain(now.mono_s + said.budget_s, now)
        unknown = frozenset(said.parts) - self._tenures.keys()
        if unknown:
            yield Released(parts=unknown)
        self._set_share(now)

    def _topics_seen(self, said: TopicsSeen, now: Now) -> Iterator[Effect]:
        """Topics may be replaced, or get partitions, while they are read; nothing else would notice."""
        for at, tenure in self._tenures.items():
            state_topic = self._flows[at.topic].state_topic
            seen, state = said.topics.get(at.topic), said.topics.get(state_topic)
            replaced = seen and replaced_input(tenure.partition, seen, state_topic)
            if replaced:
                if tenure.partition.broken != replaced:
                    yield from self._refused(tenure, replaced, now)
                continue
            grown = seen and outgrown(at, seen, self._shares[at.topic].partitions)
            problem = grown or (state and replaced_state(tenure.partition, state, state_topic))
            if problem:
                yield Stop(reason=problem)
                return

    def _broken(self, said: Broken, now: Now) -> Iterator[Effect]:
        tenure = self._tenures.get(said.at)
        if tenure is not None:
            yield from self._refused(tenure, said.reason, now)

    def _told(self, said: Told, now: Now) -> None:
        for tenure in self._tenures.values():
            tenure.tell(said, now)

    def _drain(self, said: Drain, now: Now) -> None:
        self._drain_by_s = now.mono_s + said.budget_s
        for tenure in self._tenures.values():
            tenure.drain(self._drain_by_s, now)
        self._set_share(now)

    # ---- what follows from any input --------------------------------------------------------------------------------

    def _go_on(self, now: Now) -> Iterator[Effect]:
        self._over(now)
        self._restore(now)
        self._wake_due(now)
        yield from self._read(now)
        yield from self._open_gates(now)
        yield from self._unreadable(now)
        yield from self._sending.calls(now, self._checkpoints.lease_until_s, lambda rest: self._wake(rest, now))
        for pending in self._sending.announcements(now, self._checkpoints.lease_until_s):
            self._tenures[pending.at].changed(pending.lane)
        yield from self._sending.news(now.mono_s)
        yield from self._unreadable(now)
        yield from self._checkpoint(now)
        yield from self._release(now)
        yield from self._intake(now)
        yield from self._watch.look(self._tenures, self._sending.flights, now, self._checkpoints.words)
        if self._drain_by_s is not None and not self._tenures:
            yield Stop(reason="drained", failed=False)

    def _changing(self) -> list[Tenure]:
        """Those that catch up or drain. All else is steady, and most steps need not look at it."""
        return [tenure for tenure in self._tenures.values() if tenure.partition.is_changing]

    def _over(self, now: Now) -> None:
        """Lost calls whose effect can no longer come."""
        for sent in self._sending.flights.ended(now.mono_s):
            self._sending.over(sent, now.mono_s)
            if sent.at in self._tenures:
                self._tenures[sent.at].lanes.settle(sent.pending.lane, now.mono_s)

    def _restore(self, now: Now) -> None:
        left = RESTORED_A_STEP
        for tenure in self._changing():
            if left and tenure.partition.is_restoring:
                before = tenure.lanes.to_restore
                tenure.restore(left, now)
                left -= before - tenure.lanes.to_restore

    def _wake_due(self, now: Now) -> None:
        """Before anything is read: a backlog would leave no room for them."""
        left = min(WOKEN_A_STEP, *self._room())
        for tenure in self._tenures.values():
            if left > 0:
                left -= tenure.wake_due(now, left)

    def _unreadable(self, now: Now) -> Iterator[Effect]:
        """A partition with a lane that cannot be read: what it did since its last checkpoint is not written."""
        for tenure in self._tenures.values():
            if tenure.lanes.fault and tenure.partition.writes:
                yield from self._refused(tenure, tenure.lanes.fault, now)

    def _read(self, now: Now) -> Iterator[Effect]:
        arrived = [tenure for tenure in self._tenures.values() if tenure.partition.backlog]
        outputs, awake = self._room() if arrived else (0, 0)
        for tenure in arrived:
            kept, up = len(tenure.part), len(tenure.lanes.awake)
            tenure.read(now, outputs, awake)
            outputs, awake = outputs - len(tenure.part) + kept, awake - len(tenure.lanes.awake) + up
        yield from self._fetching.requests(self._tenures, now.mono_s)

    def _room(self) -> tuple[int, int]:
        """How much more may be kept back, and how many more lanes may be awake."""
        awake = sum(len(tenure.lanes.awake) for tenure in self._tenures.values())
        return self._policy.max_outputs - self._checkpoints.size, self._policy.max_awake - awake

    def _open_gates(self, now: Now) -> Iterator[Effect]:
        opening = [tenure for tenure in self._changing() if tenure.partition.may_open(now.mono_s)]
        for tenure in opening:
            tenure.open(now)
            yield _notice("partition_opened", tenure.at, f"{tenure.lanes.undone} lanes are undone", level="info")
        if opening:
            self._set_share(now)

    def _wake(self, rest: Rest, now: Now) -> None:
        self._tenures[rest.at].lanes.turn(rest.key, WOKEN, now)

    def _checkpoint(self, now: Now) -> Iterator[Checkpoint]:
        if self._checkpoints.due_at_s(urgent=any(map(self._is_urgent, self._changing()))) <= now.mono_s:
            writing = [tenure for tenure in self._tenures.values() if tenure.partition.writes]
            everyone = self._checkpoints.all_marks_due(now.mono_s)
            within = [tenure for tenure in writing if everyone or tenure.part or self._is_urgent(tenure)]
            contents = {tenure.at: tenure.contents() for tenure in within}
            serial, held = self._checkpoints.next_serial(), self._sending.flights.held
            marks = {tenure.at: tenure.partition.mark(serial, held(tenure.at)) for tenure in within}
            yield self._checkpoints.start(contents, marks, now.mono_s)

    def _is_urgent(self, tenure: Tenure) -> bool:
        return tenure.partition.mark_is_urgent(self._sending.flights.held(tenure.at))

    def _release(self, now: Now) -> Iterator[Effect]:
        done = [tenure for tenure in self._changing() if tenure.partition.is_handed_over(now.mono_s)]
        if done:
            for tenure in done:
                words = f"{tenure.lanes.undone} lanes are undone, {self._sending.flights.held(tenure.at)} under way"
                yield _notice("partition_released", tenure.at, words, level="info")
            yield from self._end(done, now)
            yield Released(parts=frozenset(tenure.at for tenure in done))

    def _intake(self, now: Now) -> Iterator[Effect]:
        room = min(self._room()) > 0
        parts = [tenure.partition for tenure in self._tenures.values()]
        changed = [part for part in parts if part.flowing != (part.wants_more and room)]
        for part in changed:
            part.flow(on=not part.flowing, now_s=now.mono_s)
        if changed:
            yield Intake(
                pause=frozenset(part.at for part in changed if not part.flowing),
                resume=frozenset(part.at for part in changed if part.flowing),
            )

    def _next_s(self, now: Now) -> float:
        changing = self._changing()
        sending = (t for t in self._tenures.values() if t.partition.sends)
        due_us = (t.lanes.next_due_us() for t in sending) if min(self._room()) > 0 else ()
        moments = (
            self._sending.next_s(now.mono_s, self._checkpoints.lease_until_s),
            self._sending.flights.next_s(),
            self._checkpoints.due_at_s(urgent=any(map(self._is_urgent, changing))),
            self._fetching.next_s(),
            self._watch.next_s() if self._tenures else inf,
            now.mono_s if any(t.partition.is_restoring and t.partition.needs is None for t in changing) else inf,
            min((tenure.partition.gate_at_s() for tenure in changing), default=inf),
            min((tenure.partition.deadline_s for tenure in changing), default=inf),
            min((now.mono_s + (due - now.wall_us) / 1e6 for due in due_us if due is not None), default=inf),
        )
        return max(now.mono_s, min(moments))

    # ---- partitions come and go -------------------------------------------------------------------------------------

    def _misfit(self, at: Assignment, owned: Owned) -> str | None:
        if at.topic not in self._flows:
            return f"{at.topic} was assigned and no flow reads it: the subscription and the flows differ"
        return misfit(owned, self._shares[at.topic].partitions, at, self._flows[at.topic].state_topic)

    def _tenure(self, at: Assignment, owned: Owned, now: Now) -> Tenure:
        return Tenure(
            at,
            owned,
            flow=self._flows[at.topic],
            policy=self._policy,
            wants=self._wants,
            part=self._checkpoints.part(at),
            dead_letters=self._dead_letters,
            now=now,
        )

    def _refused(self, tenure: Tenure, reason: str, now: Now) -> Iterator[Effect]:
        tenure.refuse(reason)
        self._checkpoints.drop(tenure.at)
        self._set_share(now)
        yield _notice("partition_broken", tenure.at, reason)

    def _end(self, tenures: list[Tenure], now: Now) -> Iterator[Effect]:
        for tenure in tenures:
            tenure.end()
            self._checkpoints.drop(tenure.at)
            del self._tenures[tenure.at]
        self._set_share(now)
        if tenures:
            yield Died(parts=frozenset(tenure.at for tenure in tenures))

    def _group(self, kind: str) -> str | None:
        groups = (flow.group(kind) for flow in self._flows.values())
        return next((group for group in groups if group is not None), None)

    def _set_share(self, now: Now) -> None:
        """The part of the ceilings of all partitions that may send, scaled to the flows that are on."""
        whole = sum(share.weight for share in self._shares.values())
        sending = [self._shares[at.topic] for at, tenure in self._tenures.items() if tenure.partition.sends]
        self._sending.share(sum(share.weight / share.partitions for share in sending) / whole, now.mono_s)

    # ---- for a person -----------------------------------------------------------------------------------------------

    def snapshot(self, now: Now) -> Snapshot:
        """What it is doing. Looks at partitions and accounts, never at lanes."""
        held, awake = self._sending.flights.held, [len(tenure.lanes.awake) for tenure in self._tenures.values()]
        return Snapshot(
            partitions=tuple(partition_of(t.partition, t.lanes, held(t.at), now) for t in self._tenures.values()),
            accounts={name: account_of(name, self._sending, self._wants, now) for name in self._sending.valves},
            lanes_awake=sum(awake),
            lanes_asleep=sum(tenure.lanes.asleep for tenure in self._tenures.values()),
            lanes_undone=sum(tenure.lanes.undone for tenure in self._tenures.values()),
            outputs_kept=self._checkpoints.size,
            checkpoint_on_way=self._checkpoints.on_way,
            checkpoint_age_s=now.mono_s - self._checkpoints.durable_at_s,
            lease_left_s=self._checkpoints.lease_until_s - now.mono_s,
            draining=self._drain_by_s is not None,
            stopped=self._stopped,
        )


def _notice(event: str, at: Assignment, reason: str, *, level: str = "error") -> Notice:
    return Notice(event=event, level=level, fields={"topic": at.topic, "partition": at.partition, "reason": reason})
