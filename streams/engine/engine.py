"""The state machine between source, flows, callers and sink: applies one input, then does all that it made possible.

It uses no I/O, clock, thread or randomness, and only coordinates. The rules are in ``partition`` (phase, gate, marks),
``lanes``, ``dispatch.wants``, ``dispatch.dispatcher`` (with ``rate_limiter``), ``checkpoint``, ``schema_fetch``,
``side_reading`` and ``stall_detector``.
"""

from collections.abc import Iterator, Mapping
from itertools import count
from math import inf
from typing import Any, Final

from streams.control import CommandHandler, ControlRead, RulesChanged
from streams.dead_letter import DeadLetters
from streams.dispatch.dispatcher import Dispatcher
from streams.dispatch.wants import Wants
from streams.engine.assignment import WOKEN, AssignedPartition
from streams.engine.checkpoint import Checkpoints
from streams.engine.partition import grown_topic, mismatch, replaced_input, replaced_state, unfit
from streams.engine.schema_fetch import SchemaFetch
from streams.engine.side_pace import SidePace
from streams.engine.side_reading import TURNS_PER_STEP, turns_allowed, why_held_up
from streams.engine.snapshot import Snapshot, account_of, partition_of
from streams.engine.stall_detector import StallDetector
from streams.flow import Answer, Assignment, Flow, Now
from streams.lanes.lane import SleepingLane
from streams.messages import (
    Arrivals,
    Assigned,
    Broken,
    Checkpoint,
    Delayed,
    Drain,
    Drop,
    Effect,
    Fetched,
    Input,
    Intake,
    Notice,
    OwnedPartition,
    Released,
    Revoked,
    SideRecords,
    Stop,
    Tick,
    TopicsSeen,
    Written,
)
from streams.policy import Pace, Policy, Share
from streams.quota import NOTHING_SPENT, SpentCalls
from streams.side_input import SideInputs

RESTORED_PER_STEP: Final = 2_000
"""Lanes restored in one step, which takes a few milliseconds. A partition may have any number of lanes; the bound
keeps the loop running, so that marks are committed in time."""

REVIEWED_PER_STEP: Final = 500
"""Lanes that take a turn in one step because of a control command."""

WOKEN_PER_STEP: Final = 500
"""Lanes woken by their timers in one step; each takes a turn. After a restore all undone lanes may be due at once."""


class Engine:
    """The engine of a process. Fed by one thread; after a ``Stop`` it returns no further effects."""

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
        control: CommandHandler | None = None,
        side_inputs: Mapping[str, SideInputs] | None = None,
    ) -> None:
        """``control``: None if there is no control topic; otherwise no partition sends before it was read.

        ``side_inputs``: by main topic.
        """
        self._flows = flows
        self._shares = shares
        self._policy = policy
        self._dead_letters = dead_letters
        self._wants = Wants(policy, dict(accounts), self._group)
        self._dispatcher = Dispatcher(policy, accounts, self._wants, f"{instance}-{boot_us:x}", self._group)
        self._checkpoints = Checkpoints(policy, boot_us)
        self._schema_fetch = SchemaFetch()
        self._stall_detector = StallDetector(policy)
        self._partitions: dict[Assignment, AssignedPartition] = {}
        self._control = control
        self._control_is_read = control is None
        self._control_is_read_anew = False
        self._control_is_known = control is None  # and not only given up on
        self._side_inputs = side_inputs or {}
        self._side_pace = SidePace(policy.side_per_second, TURNS_PER_STEP)
        self._side_shares = count(1)
        self._side_held_up_s = inf  # since when records of side inputs are there and no room is left for them
        self._has_rules = False  # the control topic has had a record, or rules have changed otherwise
        self._drain_by_s: float | None = None
        self._stopped = ""
        self._wake_at_s = inf

    def wake_at_s(self) -> float:
        """Returns when to feed a ``Tick`` at the latest (s, monotonic); ``inf`` = not before the next other input."""
        return self._wake_at_s

    def feed(self, message: Input, now: Now) -> list[Effect]:  # noqa: C901 - one arm per input
        """Applies one input and returns the resulting effects, in order.

        Raises what a flow raises, which is a bug and must end the process.
        """
        if self._stopped:
            return []
        effects: list[Effect] = []
        match message:
            case Arrivals():
                self._arrivals(message, now)
            case Answer():
                effects.extend(self._answer(message, now))
            case Written():
                effects.extend(self._written(message, now))
            case Assigned():
                effects.extend(self._assigned(message, now))
            case Revoked():
                effects.extend(self._revoked(message, now))
            case TopicsSeen():
                effects.extend(self._topics_seen(message, now))
            case Broken():
                effects.extend(self._broken(message, now))
            case Fetched():
                self._schema_fetch.fetched(message, self._partitions, now.mono_s)
            case ControlRead():
                self._control_read(message, now)
            case RulesChanged():
                self._rules_changed()
            case SideRecords():
                self._side_records(message, now)
            case Drain():
                self._drain(message, now)
            case Delayed():
                self._checkpoints.delayed(message, now.mono_s)
            case Tick():
                pass
        return self._until_stop(effects, now)

    def _until_stop(self, effects: list[Effect], now: Now) -> list[Effect]:
        """Appends what follows from any input; cuts off effects after a ``Stop``."""
        if not any(isinstance(effect, Stop) for effect in effects):
            effects.extend(self._follow_up(now))
        for at, effect in enumerate(effects):
            if isinstance(effect, Stop):
                self._stopped, self._wake_at_s = effect.reason, inf
                return effects[: at + 1]
        self._wake_at_s = self._next_s(now)
        return effects

    # ---- inputs -----------------------------------------------------------------------------------------------------

    def _arrivals(self, message: Arrivals, now: Now) -> None:
        for record in message.records:
            assigned = self._partitions.get(record.at)
            if assigned is not None and assigned.partition.reads:
                assigned.partition.arrived(record)
        self._ends(message, now)
        for at, position in message.positions.items():
            if at in self._partitions and self._partitions[at].partition.reads:
                self._partitions[at].partition.passed(position, now.mono_s)

    def _ends(self, message: Arrivals, now: Now) -> None:
        for at, end in message.ends.items():
            if at in self._partitions:
                self._partitions[at].partition.ends(end, now.mono_s)
        for at, log_end in message.log_ends.items():
            if at in self._partitions:
                self._partitions[at].partition.log_ends(log_end, now.mono_s)
        for at, why in message.leaderless.items():
            if at in self._partitions:
                self._partitions[at].partition.leaderless = why

    def _answer(self, message: Answer, now: Now) -> Iterator[Effect]:
        """Applies an answer to the limiters, and to the lanes of partitions that are still assigned."""
        answered = self._dispatcher.answered(message, now)
        current = [item for item in answered if item.sent.pending.at in self._partitions]
        if current and message.log:
            self._partitions[current[0].sent.pending.at].outbox.outputs.extend(message.log)
        for item in current:
            self._partitions[item.sent.pending.at].answered(item.sent, item.cause, now)
        if message.stop is not None:
            yield Stop(reason=message.stop)

    def _written(self, message: Written, now: Now) -> Iterator[Effect]:
        """Applies a durable checkpoint; stops partitions whose part could not be written."""
        for at, written in self._checkpoints.written(message, now.mono_s).items():
            if at in message.marks:
                self._partitions[at].became_durable(message.marks[at], written, now.mono_s)
            else:
                yield from self._refused(self._partitions[at], "its part of a checkpoint was refused", now)

    def _assigned(self, message: Assigned, now: Now) -> Iterator[Effect]:
        for at, owned in message.parts.items():
            problem = self._mismatch(at, owned)
            if problem is not None:
                yield Stop(reason=problem)
                return
            self._partitions[at] = self._assigned_partition(at, owned, now)
            self._partitions[at].partition.awaits_control = not self._control_is_read
            self._count_quotas(at, owned)
            if self._has_rules:
                self._partitions[at].review.ask_idle()  # what they wait for may be over since no process owned them
            if self._control is not None:
                self._partitions[at].review.tell(self._control.tells(now))  # the last owner may not have delivered them
            reason = unfit(owned, at, self._flows[at.topic].state_topic)
            if reason is not None:
                yield from self._refused(self._partitions[at], reason, now)
            if self._drain_by_s is not None:
                self._partitions[at].drain(self._drain_by_s, now)

    def _revoked(self, message: Revoked, now: Now) -> Iterator[Effect]:
        known = [self._partitions[at] for at in message.parts if at in self._partitions]
        if message.lost:
            yield from self._end(known, now)
            return
        for assigned in known:
            assigned.drain(now.mono_s + message.budget_s, now)
        unknown = frozenset(message.parts) - self._partitions.keys()
        if unknown:
            yield Released(parts=unknown)
        self._set_share(now)

    def _topics_seen(self, message: TopicsSeen, now: Now) -> Iterator[Effect]:
        """Detects topics that were replaced or got more partitions while they are read."""
        for at, assigned in self._partitions.items():
            state_topic = self._flows[at.topic].state_topic
            seen, state = message.topics.get(at.topic), message.topics.get(state_topic)
            replaced = seen and replaced_input(assigned.partition, seen, state_topic)
            if replaced:
                if assigned.partition.broken != replaced:
                    yield from self._refused(assigned, replaced, now)
                continue
            grown = seen and grown_topic(at, seen, self._shares[at.topic].partitions)
            problem = grown or (state and replaced_state(assigned.partition, state, state_topic))
            if problem:
                yield Stop(reason=problem)
                return

    def _broken(self, message: Broken, now: Now) -> Iterator[Effect]:
        assigned = self._partitions.get(message.at)
        if assigned is not None:
            yield from self._refused(assigned, message.reason, now)

    def _control_read(self, message: ControlRead, now: Now) -> None:
        """Applies records of the control topic; lanes take their turns in later steps."""
        if self._control is None:
            raise ValueError("records of a control topic, but no control was given to apply them")
        effect = self._control.apply(message, now)
        if effect.halted is not None:
            self._wants.halt(effect.halted, now.mono_s)
        self._control_is_read = self._control_is_read or message.complete
        self._control_is_read_anew = self._control_is_read_anew or message.anew
        self._control_is_known = self._control_is_known or (self._control_is_read_anew and message.complete)
        self._has_rules = self._has_rules or bool(message.records)
        for assigned in self._partitions.values():
            assigned.partition.awaits_control = not self._control_is_read
            assigned.review.tell(effect.tells)
            if effect.review:
                assigned.review.ask()
            if assigned.partition.sends:
                assigned.side.ask(knows_all=self._control_is_known)

    def _rules_changed(self) -> None:
        """Has lanes with pending work take a turn, now and after an assignment."""
        self._has_rules = True
        for assigned in self._partitions.values():
            assigned.review.ask()

    def _side_records(self, message: SideRecords, now: Now) -> None:
        assigned = self._partitions.get(message.fetch.at)
        if assigned is not None and assigned.partition.sends:
            assigned.side.answered(message, now.mono_s)

    def _drain(self, message: Drain, now: Now) -> None:
        self._drain_by_s = now.mono_s + message.budget_s
        for assigned in self._partitions.values():
            assigned.drain(self._drain_by_s, now)
        self._set_share(now)

    # ---- what follows from any input --------------------------------------------------------------------------------

    def _follow_up(self, now: Now) -> Iterator[Effect]:
        """Yields all effects that are possible now. The order matters: each step uses what the earlier ones did."""
        self._over(now)
        self._restore(now)
        self._review(now)
        self._wake_due(now)
        self._read(now)
        yield from self._open_gates(now)
        yield from self._read_beside(now)
        yield from self._schema_fetch.requests(self._partitions, now.mono_s)
        yield from self._unreadable(now)
        yield from self._dispatcher.calls(
            now, self._checkpoints.lease_until_s, lambda sleeping: self._wake(sleeping, now)
        )
        for pending in self._dispatcher.announcements(now, self._checkpoints.lease_until_s):
            self._partitions[pending.at].changed(pending.lane)
        yield from self._dispatcher.changes_of_accounts(now.mono_s)
        yield from self._unreadable(now)
        yield from self._checkpoint(now)
        yield from self._release(now)
        yield from self._intake(now)
        yield from self._stall_detector.check(
            self._partitions, self._dispatcher.in_flight, now, self._checkpoints.explain_delay
        )
        if self._drain_by_s is not None and not self._partitions:
            yield Stop(reason="drained", failed=False)

    def _changing(self) -> list[AssignedPartition]:
        """Returns the partitions that catch up, drain or are to be released. Most steps need only look at these."""
        return [assigned for assigned in self._partitions.values() if assigned.partition.is_changing]

    def _over(self, now: Now) -> None:
        """Ends lost calls that can no longer take effect."""
        for sent in self._dispatcher.in_flight.ended(now.mono_s):
            self._dispatcher.over(sent, now.mono_s)
            if sent.pending.at in self._partitions:
                self._partitions[sent.pending.at].lanes.settle(sent.pending.lane, now.mono_s)

    def _restore(self, now: Now) -> None:
        """Restores at most ``RESTORED_PER_STEP`` lanes."""
        left = RESTORED_PER_STEP
        for assigned in self._changing():
            if left and assigned.partition.is_restoring:
                before = assigned.lanes.to_restore
                assigned.restore(left, now)
                left -= before - assigned.lanes.to_restore

    def _review(self, now: Now) -> None:
        """Gives at most ``REVIEWED_PER_STEP`` lanes the turns that control commands ask for."""
        left = min(REVIEWED_PER_STEP, *self._room())
        for assigned in self._partitions.values():
            if left > 0 and assigned.has_review:
                left -= assigned.review.step(assigned.lanes, now, left)

    def _wake_due(self, now: Now) -> None:
        """Gives lanes whose timers are due their turns. Runs before records are read, because a backlog would use up
        the room."""
        left = min(WOKEN_PER_STEP, *self._room())
        for assigned in self._partitions.values():
            if left > 0:
                left -= assigned.wake_due(now, left)

    def _unreadable(self, now: Now) -> Iterator[Effect]:
        """Stops partitions with a lane that cannot be read; their turns since the last checkpoint are not written."""
        for assigned in self._partitions.values():
            if assigned.lanes.fault and assigned.partition.writes:
                yield from self._refused(assigned, assigned.lanes.fault, now)

    def _read(self, now: Now) -> None:
        """Gives lanes turns for arrived records as far as there is room."""
        arrived = [assigned for assigned in self._partitions.values() if assigned.partition.backlog]
        outputs, awake = self._room() if arrived else (0, 0)
        for assigned in arrived:
            kept, up = len(assigned.outbox), len(assigned.lanes.awake)
            assigned.read(now, outputs, awake)
            outputs, awake = outputs - len(assigned.outbox) + kept, awake - len(assigned.lanes.awake) + up

    def _read_beside(self, now: Now) -> Iterator[Effect]:
        """Gives lanes turns for records of side inputs, as far as live input leaves time and room; yields the fetches
        for more of them. The ones that have waited longest get their share first."""
        ready = [(each, side_input) for each in self._partitions.values() for side_input in each.ready_beside]
        room = self._room_beside(now.mono_s) if ready else 0
        left = min(self._side_pace.allowed(now.mono_s), room) if ready else 0
        self._side_held_up_s = min(self._side_held_up_s, now.mono_s) if ready and room <= 0 else inf
        ready.sort(key=lambda one: one[1].served)
        for others, (assigned, side_input) in zip(range(len(ready) - 1, -1, -1), ready, strict=True):
            turns = -(-left // (others + 1))
            if turns > 0:
                given = assigned.side.apply(side_input, assigned.lanes, turns, now)
                if assigned.side.takes_review():
                    assigned.review.ask()
                side_input.served = next(self._side_shares)
                self._side_pace.took(given)
                left -= given
        if room > 0 and any(one.is_ready for _, one in ready):
            self._side_pace.expect(now.mono_s)
        else:
            self._side_pace.pause()
        for assigned in self._partitions.values():
            if assigned.partition.sends:
                yield from assigned.side.fetches(now.mono_s)
            yield from assigned.side.take_notices()

    def _room_beside(self, now_s: float) -> int:
        return turns_allowed(self._policy, self._room(), self._dispatcher.background(now_s))

    def _held_up_beside(self, now_s: float) -> tuple[str, float]:
        """Returns why no record of a side input is applied, and for how long; empty = they are."""
        if self._side_held_up_s == inf:
            return "", 0.0
        return why_held_up(self._policy, self._dispatcher.background(now_s)), now_s - self._side_held_up_s

    def _beside_at_s(self, now_s: float) -> float:
        """Returns when side inputs may get turns, if by time alone; otherwise ``inf``."""
        if self._room_beside(now_s) <= 0:
            return inf
        return self._side_pace.ready_at_s(now_s)

    def _room(self) -> tuple[int, int]:
        """Returns how many more outputs may wait for a checkpoint, and how many more lanes may be awake."""
        awake = 0
        for assigned in self._partitions.values():
            awake += len(assigned.lanes.awake)
        return self._policy.max_outputs - self._checkpoints.size, self._policy.max_awake - awake

    def _open_gates(self, now: Now) -> Iterator[Effect]:
        opening = [assigned for assigned in self._changing() if assigned.partition.may_open(now.mono_s)]
        for assigned in opening:
            assigned.open(now, knows_all=self._control_is_known)
            yield _notice("partition_opened", assigned.at, f"{assigned.lanes.undone} lanes are undone", level="info")
        if opening:
            self._set_share(now)

    def _wake(self, sleeping: SleepingLane, now: Now) -> None:
        """Gives a sleeping lane a turn, so that its wants are added before the next call is made."""
        self._partitions[sleeping.at].lanes.turn(sleeping.key, WOKEN, now)

    def _checkpoint(self, now: Now) -> Iterator[Checkpoint]:
        """Yields a checkpoint if one is due, of the partitions with changes or urgent marks, or of all."""
        if self._checkpoints.due_at_s(urgent=any(map(self._is_urgent, self._changing()))) <= now.mono_s:
            writing = [assigned for assigned in self._partitions.values() if assigned.partition.writes]
            quotas = self._dispatcher.quotas
            everyone = bool(quotas) or self._checkpoints.all_marks_due(now.mono_s)
            for quota in quotas.values():
                quota.settle()
            within = [assigned for assigned in writing if everyone or assigned.outbox or self._is_urgent(assigned)]
            contents = {assigned.at: assigned.contents(now) for assigned in within}
            serial, held = self._checkpoints.next_serial(), self._dispatcher.in_flight.held
            marks = {
                assigned.at: assigned.mark(
                    serial, held(assigned.at), self._spent(assigned.at) if quotas else NOTHING_SPENT
                )
                for assigned in within
            }
            yield self._checkpoints.start(contents, marks, now.mono_s)

    def _is_urgent(self, assigned: AssignedPartition) -> bool:
        return assigned.partition.mark_is_urgent(self._dispatcher.in_flight.held(assigned.at))

    def _release(self, now: Now) -> Iterator[Effect]:
        """Ends and releases the partitions that are handed over."""
        done = [assigned for assigned in self._changing() if assigned.partition.is_handed_over(now.mono_s)]
        if done:
            for assigned in done:
                held = self._dispatcher.in_flight.held(assigned.at)
                message = f"{assigned.lanes.undone} lanes are undone, {held} under way"
                yield _notice("partition_released", assigned.at, message, level="info")
            yield from self._end(done, now)
            yield Released(parts=frozenset(assigned.at for assigned in done))

    def _intake(self, now: Now) -> Iterator[Effect]:
        """Pauses and resumes partitions, by their own need for records and by the room left in memory."""
        room = min(self._room()) > 0
        parts = [assigned.partition for assigned in self._partitions.values()]
        changed = [part for part in parts if part.resumed != (part.wants_more and room)]
        for part in changed:
            part.flow(on=not part.resumed, now_s=now.mono_s)
        if changed:
            yield Intake(
                pause=frozenset(part.at for part in changed if not part.resumed),
                resume=frozenset(part.at for part in changed if part.resumed),
            )

    def _next_s(self, now: Now) -> float:
        """Returns when something can become possible by time alone."""
        changing = self._changing()
        sending = [t for t in self._partitions.values() if t.partition.sends]
        due_us = (t.lanes.next_due_us() for t in sending) if min(self._room()) > 0 else ()
        moments = (
            self._dispatcher.next_s(now, self._checkpoints.lease_until_s),
            self._dispatcher.in_flight.next_s(),
            self._checkpoints.due_at_s(urgent=any(map(self._is_urgent, changing))),
            self._schema_fetch.next_s(),
            self._stall_detector.next_s() if self._partitions else inf,
            min((t.side.next_s() for t in sending), default=inf),
            self._beside_at_s(now.mono_s) if any(t.ready_beside for t in sending) else inf,
            now.mono_s if any(t.has_review for t in sending) and min(self._room()) > 0 else inf,
            now.mono_s if any(t.partition.is_restoring and t.partition.needs is None for t in changing) else inf,
            min((assigned.partition.gate_at_s() for assigned in changing), default=inf),
            min((assigned.partition.deadline_s for assigned in changing), default=inf),
            min((now.mono_s + (due - now.wall_us) / 1e6 for due in due_us if due is not None), default=inf),
        )
        return max(now.mono_s, min(moments))

    # ---- partitions come and go -------------------------------------------------------------------------------------

    def _mismatch(self, at: Assignment, owned: OwnedPartition) -> str | None:
        """Returns why the process must stop rather than read a newly assigned partition; None = it need not."""
        if at.topic not in self._flows:
            return f"{at.topic} was assigned and no flow reads it: the subscription and the flows differ"
        return mismatch(owned, self._shares[at.topic].partitions, at, self._flows[at.topic].state_topic)

    def _assigned_partition(self, at: Assignment, owned: OwnedPartition, now: Now) -> AssignedPartition:
        return AssignedPartition(
            at,
            owned,
            flow=self._flows[at.topic],
            policy=self._policy,
            wants=self._wants,
            outbox=self._checkpoints.outbox(at),
            dead_letters=self._dead_letters,
            sides=self._side_inputs.get(at.topic),
            now=now,
        )

    def _refused(self, assigned: AssignedPartition, reason: str, now: Now) -> Iterator[Effect]:
        """Stops a partition and discards what it has not written; the others continue."""
        assigned.refuse(reason)
        self._checkpoints.drop(assigned.at)
        self._set_share(now)
        yield _notice("partition_broken", assigned.at, reason)

    def _end(self, partitions: list[AssignedPartition], now: Now) -> Iterator[Effect]:
        """Ends assignments and drops all that is kept for them."""
        for assigned in partitions:
            assigned.end()
            self._checkpoints.drop(assigned.at)
            del self._partitions[assigned.at]
        self._set_share(now)
        if partitions:
            yield Drop(parts=frozenset(assigned.at for assigned in partitions))

    def _group(self, kind: str) -> str | None:
        """Returns the group of endpoints that the flows name for a kind; None = none does."""
        groups = (flow.group(kind) for flow in self._flows.values())
        return next((group for group in groups if group is not None), None)

    def _set_share(self, now: Now) -> None:
        """Sets this process's share of every account's ceiling: that of its partitions that may send, relative to all
        partitions of the enabled flows."""
        whole = sum(share.weight for share in self._shares.values())
        sending = [self._shares[at.topic] for at, assigned in self._partitions.items() if assigned.partition.sends]
        self._dispatcher.share(sum(share.weight / share.partitions for share in sending) / whole, now.mono_s)
        if self._dispatcher.quotas:
            those = frozenset(at for at, assigned in self._partitions.items() if assigned.partition.sends)
            for quota in self._dispatcher.quotas.values():
                quota.sending(those, frozenset(self._partitions), now)

    def _count_quotas(self, at: Assignment, owned: OwnedPartition) -> None:
        """Adds the part of every quota that a newly assigned partition brings; it counts when the partition sends."""
        share = self._shares[at.topic]
        part = share.weight / share.partitions / sum(each.weight for each in self._shares.values())
        was_drained = self._partitions[at].partition.is_clean
        found = owned.mark.spent if owned.mark is not None else NOTHING_SPENT
        for name, quota in self._dispatcher.quotas.items():
            quota.assigned(at, part, found.get(name), was_drained=was_drained)

    def _spent(self, at: Assignment) -> Mapping[str, SpentCalls]:
        """Returns the calls of every quota that are counted against a partition, for its mark."""
        found = ((name, quota.spent(at)) for name, quota in self._dispatcher.quotas.items())
        return {name: spent for name, spent in found if spent is not None}

    # ---- status -----------------------------------------------------------------------------------------------------

    def snapshot(self, now: Now) -> Snapshot:
        """Returns the current status. Visits partitions and accounts, never single lanes."""
        held, awake = (
            self._dispatcher.in_flight.held,
            [len(assigned.lanes.awake) for assigned in self._partitions.values()],
        )
        held_up = self._held_up_beside(now.mono_s)
        return Snapshot(
            partitions=tuple(
                partition_of(t.partition, t.lanes, t.side.open, held(t.at), now, held_up)
                for t in self._partitions.values()
            ),
            accounts={name: account_of(name, self._dispatcher, self._wants, now) for name in self._dispatcher.limiters},
            lanes_awake=sum(awake),
            lanes_asleep=sum(assigned.lanes.asleep for assigned in self._partitions.values()),
            lanes_undone=sum(assigned.lanes.undone for assigned in self._partitions.values()),
            outputs_kept=self._checkpoints.size,
            checkpoint_on_way=self._checkpoints.in_progress,
            checkpoint_age_s=now.mono_s - self._checkpoints.durable_at_s,
            lease_left_s=self._checkpoints.lease_until_s - now.mono_s,
            draining=self._drain_by_s is not None,
            stopped=self._stopped,
        )


def _notice(event: str, at: Assignment, reason: str, *, level: str = "error") -> Notice:
    return Notice(event=event, level=level, fields={"topic": at.topic, "partition": at.partition, "reason": reason})
