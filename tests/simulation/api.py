"""A model of the marketplace API: stores a value per slot, executes calls late or never, and may lose the answer.

It knows nothing of group members or partitions. The checker reads what it accepted, in the order of acceptance.
"""

from bisect import bisect_right
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from streams.flow import Answer, Call, Lost, NotSent, Output, Reply, Retry, Settled
from tests.harness.toy_flow import Setting, Shown
from tests.simulation.checker import AcceptedValue
from tests.simulation.world import SimulatedWorld


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How the API behaves in one history. Probabilities are per call, unless noted."""

    limit: int  # calls in a sliding second, by arrival
    latency_s: float = 0.05  # typical; the slowest reach the deadline
    slow: float = 0.05
    lost: float = 0.05  # the answer never arrives; some of these calls are executed, some of them late
    refused_connection: float = 0.02
    busy_item: float = 0.05  # per item: temporarily refused
    retry_after: float = 0.5  # share of the 429 responses


@dataclass(slots=True, kw_only=True)
class CallRecord:
    """A call that has left its process."""

    call: Call
    process: str
    sent_s: float
    arrives_s: float
    answered_s: float | None = None  # when a definite answer reached the process


@dataclass(slots=True)
class Outages:
    """Failures that last for a while."""

    storm: bool = False  # 429 to everything
    outage: bool = False  # 500 to everything


Hear = Callable[[Answer], None]


@dataclass(slots=True)
class ModelApi:
    """One marketplace with a limit per account."""

    world: SimulatedWorld
    habits: Habits
    grace_s: float
    refused: set[str] = field(default_factory=set)  # ids of events that it rejects
    poison: set[str] = field(default_factory=set)  # ids of events that fail every call with several items
    outages: Outages = field(default_factory=Outages)
    sent: list[CallRecord] = field(default_factory=list)
    arrivals: dict[str, list[float]] = field(default_factory=dict)
    accepted: list[AcceptedValue] = field(default_factory=list)
    rung: list[tuple[Hashable, float]] = field(default_factory=list)
    values: dict[Hashable, int] = field(default_factory=dict)
    at_fault: set[tuple[str, str]] = field(default_factory=set)  # slots temporarily refused, or in a poisoned call
    may_execute: int = 0  # calls that may still be executed

    def call(self, call: Call, process: str, hear: Hear) -> CallRecord:
        """Sends a call. ``hear`` is called when its answer reaches the caller, at the deadline at the latest."""
        world = self.world
        sent = CallRecord(call=call, process=process, sent_s=world.now_s, arrives_s=world.now_s + self._way_s())
        self.sent.append(sent)
        self.may_execute += 1
        if world.trace is not None:
            world.say(f"{process} sends {call.id}: {[item.body for item in call.items]}")
        world.at(sent.arrives_s, lambda: self._arrived(sent, hear))
        return sent

    def unreachable(self) -> bool:
        """Whether this connection is refused, so that nothing is sent."""
        return self.world.chance(self.habits.refused_connection)

    def _way_s(self) -> float:
        return self.world.between(0.001, self.habits.latency_s)

    def _arrived(self, sent: CallRecord, hear: Hear) -> None:
        """Decides what happens to a call: throttled, failed, lost or served."""
        world, call = self.world, sent.call
        arrivals = self.arrivals.setdefault(call.account, [])
        arrivals.append(world.now_s)
        held = len(arrivals) - bisect_right(arrivals, world.now_s - 1.0)
        if self.outages.storm or held > self.habits.limit:
            self._throttle(sent, hear)
        elif self.outages.outage:
            world.count("500")
            if world.chance(0.3):
                world.count("500 and executed")
                self._execute(sent)
            self._answer(sent, hear, self._all(call, Retry(reason="500")), failed=True)
        elif len(call.items) > 1 and any(item.body.event_id in self.poison for item in call.items):
            world.count("poisoned call")
            self.at_fault.update((item.body.room, item.body.device) for item in call.items)
            self._answer(sent, hear, self._all(call, Retry(reason="400", alone=True)))
        elif world.chance(self.habits.lost):
            self._lose(sent, hear)
        else:
            self._serve(sent, hear)

    def _throttle(self, sent: CallRecord, hear: Hear) -> None:
        """Answers 429, often with Retry-After."""
        self.world.count("429")
        close_s = self.world.between(0.1, 2.0) if self.world.chance(self.habits.retry_after) else None
        replies = self._all(sent.call, Retry(reason="429", counts=False, refused=True))
        self._answer(sent, hear, replies, slow_down=True, close_s=close_s)

    def _lose(self, sent: CallRecord, hear: Hear) -> None:
        """Loses the answer; the call is not executed, executed now, or executed late, within the grace period."""
        world, call = self.world, sent.call
        world.count("lost answer")
        if world.chance(0.4):
            self.may_execute -= 1
            world.count("lost and not executed")
        elif world.chance(0.5):
            self._execute(sent)
            self.may_execute -= 1
        else:
            world.count("executed late")
            world.at(world.between(world.now_s, call.give_up_at_s + self.grace_s - 0.001), lambda: self._late(sent))
        world.at(call.give_up_at_s, lambda: hear(lost(sent)))

    def _late(self, sent: CallRecord) -> None:
        self.may_execute -= 1
        self._execute(sent)

    def _serve(self, sent: CallRecord, hear: Hear) -> None:
        """Executes a call after a while and answers it; an answer that would be too late is lost."""
        world, call = self.world, sent.call
        left_s = call.give_up_at_s - world.now_s
        takes_s = world.between(0, left_s) if world.chance(self.habits.slow) else self._way_s()

        def execute() -> None:
            replies = self._execute(sent)
            back_s = self._way_s()
            if world.now_s + back_s >= call.give_up_at_s:
                world.count("answer after the deadline")
                self.may_execute -= 1
                world.at(call.give_up_at_s, lambda: hear(lost(sent)))
            else:
                self._answer(sent, hear, replies, back_s=back_s)

        world.after(min(takes_s, left_s), execute)

    def _execute(self, sent: CallRecord) -> tuple[Reply, ...]:
        """Applies the items of a call and returns their replies: accepted, refused or temporarily refused."""
        replies: list[Reply] = []
        for item in sent.call.items:
            body: Setting = item.body
            if body.event_id in self.refused or body.event_id in self.poison:
                replies.append(Settled(answer=Shown(ok=False)))
            elif self.world.chance(self.habits.busy_item):
                self.world.count("busy item")
                self.at_fault.add((body.room, body.device))
                proven = self.world.chance(0.5)
                replies.append(Retry(reason="locked", after_s=self.world.between(0, 0.3), refused=proven))
            else:
                self._take(body)
                replies.append(Settled(answer=Shown()))
        if self.world.trace is not None:
            self.world.say(f"api executes {sent.call.id}: {replies}")
        return tuple(replies)

    def _take(self, body: Setting) -> None:
        """Accepts an item."""
        if body.chime:
            self.rung.append((body.event_id, self.world.now_s))
            return
        slot = (body.room, body.device)
        self.values[slot] = body.value
        self.accepted.append(AcceptedValue(at_s=self.world.now_s, slot=slot, order=body.order, value=body.value))

    def _all(self, call: Call, reply: Reply) -> tuple[Reply, ...]:
        return (reply,) * len(call.items)

    def _answer(
        self,
        sent: CallRecord,
        hear: Hear,
        replies: tuple[Reply, ...],
        *,
        back_s: float | None = None,
        slow_down: bool = False,
        failed: bool = False,
        close_s: float | None = None,
    ) -> None:
        """Sends the answer back; it arrives after ``back_s``, at the call's deadline at the latest."""
        back_s = self._way_s() if back_s is None else back_s
        at_s = min(self.world.now_s + back_s, sent.call.give_up_at_s)
        self.may_execute -= 1

        def arrive() -> None:
            sent.answered_s = self.world.now_s
            hear(
                Answer(
                    call=sent.call,
                    replies=replies,
                    log=(logged(sent.call),),
                    sent_s=sent.sent_s,
                    answered_s=self.world.now_s,
                    sent_us=self.world.wall_us(),
                    answered_us=self.world.wall_us(),
                    slow_down=slow_down,
                    close_account_s=close_s,
                    closed_because="429" if slow_down else "",
                    failed=failed,
                )
            )

        self.world.at(at_s, arrive)


def lost(sent: CallRecord) -> Answer:
    """Returns a caller's answer at the deadline."""
    replies: tuple[Reply, ...] = (Lost(reason="deadline"),) * len(sent.call.items)
    return Answer(call=sent.call, replies=replies, log=(logged(sent.call),), sent_s=sent.sent_s, failed=True)


def not_sent(call: Call, *, failed: bool = False) -> Answer:
    """Returns a caller's answer for a call that was not sent."""
    reply = NotSent(reason="refused" if failed else "lease")
    return Answer(call=call, replies=(reply,) * len(call.items), failed=failed)


def logged(call: Call) -> Output:
    return Output(topic="calls", key=call.account.encode(), value=call.id.encode())
