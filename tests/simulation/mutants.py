"""Mutants: each disables one safety rule of the engine, and the simulation must notice.

``changes`` are patched for the duration of a ``with`` block; ``breaks``, ``flow`` and ``change`` configure the history.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any
from unittest.mock import patch

from streams.dispatch import rate_limiter
from streams.dispatch.dispatcher import Dispatcher
from streams.dispatch.in_flight import InFlight, SentItem
from streams.dispatch.rate_limiter import RateLimiter
from streams.dispatch.wants import Wants
from streams.engine import engine
from streams.engine.assignment import AssignedPartition
from streams.engine.engine import Engine
from streams.engine.open_side_input import OpenSideInput
from streams.engine.partition import Partition
from streams.engine.side_reading import SideReading
from streams.flow import Arrived, Assignment, Cause, Now, Restored, Retry, Turn
from streams.lanes.lanes import Lanes
from streams.messages import Checkpoint, Notice, OwnedPartition, SideRecords
from streams.policy import Pace, Policy
from streams.side_input import SidePosition
from tests.harness import toy_flow
from tests.harness.toy_flow import Device, Room, SetPoint, Setting, Thermostats
from tests.simulation.history import HistoryPlan
from tests.simulation.simulated_process import Breaks, SimulatedPlainSink

Change = tuple[object, str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """``goes_red``: invariants of which at least one must be violated; ``within``: number of seeds to try."""

    name: str
    goes_red: str
    changes: tuple[Change, ...] = ()
    breaks: Callable[[], Breaks] = Breaks
    flow: type[Thermostats] = Thermostats
    change: Callable[[HistoryPlan], HistoryPlan] = lambda plan: plan
    within: int = 300

    @contextmanager
    def alive(self) -> Iterator[None]:
        patches = [patch.object(owner, name, value) for owner, name, value in self.changes]
        for one in patches:
            one.start()
        try:
            yield
        finally:
            for one in patches:
                one.stop()


def _opens_without_the_commands(self: Partition, now_s: float) -> bool:
    before, self.awaits_control = self.awaits_control, False
    try:
        return _MAY_OPEN(self, now_s)
    finally:
        self.awaits_control = before


_MAY_OPEN = Partition.may_open


def hot(plan: HistoryPlan) -> HistoryPlan:
    """One slot, two values, many faults: an accepted value that is not durable soon meets an older event."""
    return replace(plan, partitions=1, rooms=1, devices=("heat",), values=2, faults=6, commit_s=0.2, events=30)


def aimed(plan: HistoryPlan) -> HistoryPlan:
    """A kill right after an answer, below which there are many events that the next owner cannot read for long."""
    policy, pace = replace(plan.policy, read_ahead=1_000), Pace(per_second=30.0)
    fast = replace(plan.habits, lost=0.0, slow=0.0, busy_item=0.0)
    return replace(
        hot(plan), members=1, rooms=4, events=150, faults=0, aimed=True, policy=policy, pace=pace, habits=fast
    )


def restless(plan: HistoryPlan) -> HistoryPlan:
    """Partitions move often, calls last long, and there is no wait after a drained hand-over."""
    policy = replace(plan.policy, drained_wait_s=0.0, call_deadline_s=2.0)
    habits = replace(plan.habits, slow=0.5, lost=0.3)
    pace = Pace(per_second=30.0)
    return replace(plan, partitions=2, members=3, rooms=2, faults=6, policy=policy, habits=habits, pace=pace)


def suspended(plan: HistoryPlan) -> HistoryPlan:
    """The machine is suspended while calls wait for a worker."""
    return replace(plan, suspensions=3, busy_workers=0.5, events=60)


def busy(plan: HistoryPlan) -> HistoryPlan:
    """Half of the calls wait for a worker, and more are wanted than the limit allows."""
    return replace(plan, busy_workers=0.5, members=1, faults=0, rooms=60, events=120, pace=Pace(per_second=12.0))


def refusing(plan: HistoryPlan) -> HistoryPlan:
    """The kill of ``aimed``, with a marketplace that refuses half of the events."""
    return replace(aimed(plan), rooms=15, events=100, lasts_s=6.0, refused=0.5, late=0.0, habits=plan.habits)


def quiet(plan: HistoryPlan) -> HistoryPlan:
    """Few events, and long repeated outages of the marketplace."""
    policy = replace(plan.policy, retry_budget=4, retry_cap_s=0.2)
    return replace(plan, events=3, rooms=3, policy=policy, outages=2, faults=0, lasts_s=7.0, refused=0.0)


def wishing(plan: HistoryPlan) -> HistoryPlan:
    """One room whose side input asks for many values, while checkpoints are slow and owners change."""
    return replace(hot(plan), members=2, events=12, side_rows=60, side_wishes=True)


# ---- side inputs ----------------------------------------------------------------------------------------------------


def _as_far_as_fetched(self: OpenSideInput) -> SidePosition:
    return SidePosition(position=self._fetched_to, delivered=self.delivered, topic_id=self._topic_id)


def _of_what_is_open(self: SideReading) -> Mapping[str, SidePosition]:
    return {one.spec.name: one.reached for one in self.open}


def _whatever_the_topic(self: OpenSideInput, answer: SideRecords) -> Iterator[Notice]:
    self._topic_id = answer.topic_id or self._topic_id
    return _TOOK(self, answer)


_TOOK = OpenSideInput._took


# ---- partition -------------------------------------------------------------------------------------------------------

_new_partition = Partition.__init__
_mark = Partition.mark
_became_durable = Partition.became_durable


def _reads_nothing_ahead(self: Partition, at: Assignment, owned: OwnedPartition, policy: Policy, now_s: float) -> None:
    _new_partition(self, at, owned, policy, now_s)
    self._target = owned.start


def _waits_for_nobody(self: Partition, at: Assignment, owned: OwnedPartition, policy: Policy, now_s: float) -> None:
    _new_partition(self, at, owned, policy, now_s)
    self._waits_until_s = now_s


def _always_drained(self: Partition, serial: int, held: int) -> Any:
    return _mark(self, serial, 0)


def _needs_no_mark(self: Partition, at: Assignment, owned: OwnedPartition, policy: Policy, now_s: float) -> None:
    _new_partition(self, at, owned, policy, now_s)
    self._marked = True


def _forgets_how_far_the_owner_before_read(self: Partition, serial: int, held: int) -> Any:
    mark = _mark(self, serial, held)
    drained = self.is_draining and held == 0
    return replace(mark, read_ahead=self._policy.read_ahead, drained=drained)


# ---- sending ---------------------------------------------------------------------------------------------------------

_calls = Dispatcher.calls


def _calls_without_lease(self: Dispatcher, now: Now, lease_until_s: float, wake: Any) -> Any:
    return _calls(self, now, inf, wake)


def _forgets_the_lost(self: InFlight, sent: SentItem, until_s: float) -> None:
    _lose(self, sent, 0.0)


def _asks_again_whatever_it_was(self: Dispatcher, sent: SentItem, reply: Any, *args: Any, **kwargs: Any) -> Any:
    reply = replace(reply, refused=True) if isinstance(reply, Retry) else reply
    return _item(self, sent, reply, *args, **kwargs)


_item = Dispatcher._item
_lose = InFlight.lose
_blocker = Wants._blocker


def _ignores_slots(self: Wants, pending: Any) -> Any:
    why = _blocker(self, pending)
    return None if why == pending.slot_key else why


def _ignores_exclusive_keys(self: Wants, pending: Any) -> Any:
    why = _blocker(self, pending)
    return None if why in pending.want.exclusive else why


def _does_not_wait_for_the_announcement(self: Wants, pending: Any) -> Any:
    why = _blocker(self, pending)
    return None if why == (pending.at, pending.lane.key) else why


def _commits_first(self: SimulatedPlainSink, checkpoint: Checkpoint) -> None:
    self._land({}, checkpoint.marks, self._world.now_s)
    self._member.later(self._leg_s(), lambda: _produce(self, checkpoint))


_produce = SimulatedPlainSink._produce


def _unlists_when_it_leaves(self: Wants, pending: Any) -> None:
    _unlist(self, pending)
    pending.lane.announced -= {pending.want.slot}


def _takes_nothing_back(self: Wants, those: Any, now_s: float) -> list[Any]:
    return []


_unlist = Wants._unlist


def _at_once(self: RateLimiter, now_s: float) -> float:
    return now_s


# ---- lanes -----------------------------------------------------------------------------------------------------------

_turn = Lanes._turn


def _does_not_say_restored(self: Lanes, lane: Any, cause: Cause, now: Now) -> Any:
    return () if isinstance(cause, Restored) else _turn(self, lane, cause, now)


def _forgets_what_may_have_left(self: Lanes, key: str, cause: Cause, now: Now, *, beside: bool = False) -> None:
    if key in self.sleeping:
        self.sleeping[key].announced = ()
    _take_turn(self, key, cause, now, beside=beside)


_take_turn = Lanes.turn


def _takes_side_inputs_for_live(self: Lanes, key: str, cause: Cause, now: Now, *, beside: bool = False) -> None:
    _take_turn(self, key, cause, now)


def _settles_too_early(self: Lanes, lane: Any, now_s: float) -> None:
    lane.durable_version = lane.version
    _settle(self, lane, now_s)


_settle = Lanes.settle


# ---- flow ------------------------------------------------------------------------------------------------------------

_merge = toy_flow.merge
_learn = toy_flow.learn


def _equal_is_enough(device: Device, event: SetPoint) -> tuple[Device, list[tuple[str, str]]]:
    """Ends an overtaking event as UNCHANGED if it equals the accepted value, though the overtaken one may be sent."""
    wanted = device.wanted
    if wanted is None or event.order <= device.newest_order or device.accepted != event.value:
        return _merge(device, event)
    device = replace(device, wanted=None, newest_order=event.order, accepted_order=event.order)
    return device, [(wanted.id, "SUPERSEDED"), (event.id, "UNCHANGED")]


def _certain_though_refused(device: Device, body: Setting, reply: Any) -> tuple[Device, list[tuple[str, str]]]:
    """Trusts the accepted value after a refusal, though calls of a predecessor may have been accepted."""
    device, ended = _learn(device, body, reply)
    return (replace(device, certain=True) if device.wanted is None else device), ended


def _last_come_wins(device: Device, event: SetPoint) -> tuple[Device, list[tuple[str, str]]]:
    return _merge(replace(device, newest_order=(0, -1)), event)


@dataclass(slots=True, kw_only=True)
class ForgetsPending(Thermostats):
    """Stores accepted values, but not pending ones."""

    seen: set[int] = field(default_factory=set)

    def store(self, lane: Room) -> Any:
        settled = tuple((name, replace(device, wanted=None)) for name, device in lane.devices)
        return Thermostats.store(self, replace(lane, devices=settled))

    def turn(self, lane: Room, cause: Cause, now: Now) -> Turn[Room]:
        if isinstance(cause, Arrived):
            self.seen.add(cause.event.order[1])
        return Thermostats.turn(self, lane, cause, now)


MUTANTS = (
    Mutant(
        name="the gate reads nothing ahead",
        goes_red="O",
        changes=((Partition, "__init__", _reads_nothing_ahead),),
        change=aimed,
    ),
    Mutant(name="the gate waits for nobody", goes_red="O", changes=((Partition, "__init__", _waits_for_nobody),)),
    Mutant(
        name="the gate needs no mark of its own",
        goes_red="O",
        changes=((Partition, "__init__", _needs_no_mark),),
        change=restless,
    ),
    Mutant(
        name="drained while calls are under way",
        goes_red="O",
        changes=((Partition, "mark", _always_drained),),
        change=restless,
    ),
    Mutant(
        name="revoked before the gate opened, the mark is overwritten",
        goes_red="O",
        changes=((Partition, "mark", _forgets_how_far_the_owner_before_read),),
        change=restless,
        within=1_000,
    ),
    Mutant(name="no read-ahead", goes_red="O", changes=((Partition, "limit", property(lambda self: 10**9)),)),
    Mutant(name="no lease when called", goes_red="O", changes=((Dispatcher, "calls", _calls_without_lease),)),
    Mutant(name="no lease when sent", goes_red="O", breaks=lambda: Breaks(lease_unchecked=True)),
    Mutant(
        name="calls that left late are not counted",
        goes_red="R",
        change=busy,
        breaks=lambda: Breaks(departures_uncounted=True),
    ),
    Mutant(name="no block after a lost answer", goes_red="O", changes=((InFlight, "lose", _forgets_the_lost),)),
    Mutant(name="a slot under way is sent again", goes_red="O", changes=((Wants, "_blocker", _ignores_slots),)),
    Mutant(name="exclusive keys are shared", goes_red="O", changes=((Wants, "_blocker", _ignores_exclusive_keys),)),
    Mutant(
        name="once leaves before it is announced",
        goes_red="O",
        changes=((Wants, "_blocker", _does_not_wait_for_the_announcement),),
        within=1_000,
    ),
    Mutant(
        name="once is announced no longer when it leaves",
        goes_red="O",
        changes=((Wants, "_unlist", _unlists_when_it_leaves),),
    ),
    Mutant(
        name="once is asked again whatever the reply proves",
        goes_red="O",
        changes=((Dispatcher, "_item", _asks_again_whatever_it_was),),
        within=1_000,
    ),
    Mutant(
        name="a new owner is not told what may have left",
        goes_red="O",
        changes=((Lanes, "turn", _forgets_what_may_have_left),),
    ),
    Mutant(
        name="an announcement outlives what it was made for",
        goes_red="U",
        changes=((Wants, "take_back", _takes_nothing_back),),
    ),
    Mutant(
        name="once is announced though its account is closed",
        goes_red="U",
        changes=((Dispatcher, "_announces_at", lambda self, limiter, now_s: now_s),),
    ),
    Mutant(name="a restored lane is not told", goes_red="O", changes=((Lanes, "_turn", _does_not_say_restored),)),
    Mutant(name="a lane sleeps before it is durable", goes_red="NO", changes=((Lanes, "settle", _settles_too_early),)),
    Mutant(
        name="a position in another topic is taken for ours",
        goes_red="N",
        changes=((engine, "unfit", lambda *_: None), (engine, "replaced_input", lambda *_: None)),
        change=lambda plan: replace(plan, recreated=True, late=0.0),
    ),
    Mutant(
        name="state of a newer version is carried on",
        goes_red="N",
        changes=((Lanes, "_problem", lambda *_: None),),
        change=lambda plan: replace(plan, versions=True, members=2, partitions=2),
    ),
    Mutant(
        name="a halted want leaves",
        goes_red="K",
        changes=((Wants, "is_halted", lambda *_: False),),
        change=lambda plan: replace(plan, halts=3),
    ),
    Mutant(
        name="a partition opens before the commands in force are known",
        goes_red="K",
        changes=((Partition, "may_open", _opens_without_the_commands),),
        change=lambda plan: replace(plan, halts=3),
    ),
    Mutant(
        name="the position of a side input is committed before the turn",
        goes_red="S",
        changes=((OpenSideInput, "reached", property(_as_far_as_fetched)),),
        change=lambda plan: replace(plan, side_rows=40),
    ),
    Mutant(
        name="the position of a side input is lost at a hand-over",
        goes_red="S",
        changes=((SideReading, "positions", lambda _self: {}),),
        change=lambda plan: replace(plan, side_rows=40, members=2, partitions=2, faults=4),
    ),
    Mutant(
        name="an owner that never opens a partition drops the positions of its side inputs",
        goes_red="S",
        changes=((SideReading, "positions", _of_what_is_open),),
        change=lambda plan: replace(plan, side_rows=40, members=3, partitions=2, faults=6),
    ),
    Mutant(
        name="a side input of another topic of the same name goes on at its position",
        goes_red="PS",
        changes=((OpenSideInput, "_took", _whatever_the_topic),),
        change=lambda plan: replace(plan, side_rows=60),
    ),
    Mutant(
        name="side inputs do not wait for live input",
        goes_red="L",
        changes=((AssignedPartition, "ready_beside", property(lambda self: self.side.ready)),),
        change=lambda plan: replace(plan, side_rows=60, policy=replace(plan.policy, read_ahead=2)),
    ),
    Mutant(
        name="what a side input asks for leaves before its turn is durable",
        goes_red="O",
        changes=((Lanes, "turn", _takes_side_inputs_for_live),),
        change=wishing,
    ),
    Mutant(
        name="no pace",
        breaks=lambda: Breaks(departures_uncounted=True),
        goes_red="R",
        changes=((RateLimiter, "_slot_at", _at_once),),
    ),
    Mutant(name="strict holds no slot", goes_red="R", changes=((RateLimiter, "_free_at", _at_once),)),
    Mutant(
        name="few calls tell of no outage",
        goes_red="E",
        changes=((rate_limiter, "FEW_IN_A_ROW", 10**9),),
        change=quiet,
    ),
    Mutant(name="reading knows no bounds", goes_red="B", changes=((Engine, "_room", lambda self: (10**9, 10**9)),)),
    Mutant(
        name="a clock stands still while the machine is suspended",
        goes_red="O",
        breaks=lambda: Breaks(clock_stands_still=True),
        change=suspended,
    ),
    Mutant(
        name="a sink that takes over does not look whether the checkpoint landed",
        goes_red="N",
        breaks=lambda: Breaks(never_looks_whether_it_landed=True),
        change=lambda plan: replace(plan, hangs=4),
    ),
    Mutant(name="the dead are written", goes_red="N", breaks=lambda: Breaks(keeps_the_dead=True)),
    Mutant(
        name="without transactions marks come first",
        goes_red="N",
        changes=((SimulatedPlainSink, "_produce", _commits_first),),
        change=lambda plan: replace(plan, transactions=False),
    ),
    Mutant(name="what is undone is not stored", goes_red="N", flow=ForgetsPending),
    Mutant(name="overtaken but certain", goes_red="E", changes=((toy_flow, "merge", _equal_is_enough),)),
    Mutant(
        name="refused but certain",
        goes_red="E",
        changes=((toy_flow, "learn", _certain_though_refused),),
        change=refusing,
        within=1_000,
    ),
    Mutant(name="the last to come wins", goes_red="OE", changes=((toy_flow, "merge", _last_come_wins),)),
)
