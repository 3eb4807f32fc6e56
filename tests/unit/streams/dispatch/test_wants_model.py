"""``Wants`` against a model: after any sequence of operations, a token takes the same wants as from a plain list."""

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams.dispatch.wants import Wants
from streams.flow import BACKGROUND, Assignment, Retry, Want
from streams.lanes.lane import Lane, PendingWant, SleepingLane
from streams.lanes.record_headers import waits_of
from streams.policy import Pace, Policy
from tests.harness.effort import examples

AT = (Assignment(topic="in", partition=0, epoch=1), Assignment(topic="in", partition=1, epoch=2))
LANES = [(AT[0], "a"), (AT[0], "b"), (AT[1], "c")]
SLOTS = ("s", "t")
LIMITS = {"k": 3, "single": 1}
STEP_S = 10.0
AHEAD = 2  # calls that may be announced and not yet sent


@dataclass
class ModelledWant:
    """One want in the model's list."""

    at: Assignment
    lane: str
    want: Want
    announced_in: int | None = None
    not_before_s: float = 0.0
    alone: bool = False
    attempts: int = 0

    @property
    def behind(self) -> bool:
        return self.want.priority >= BACKGROUND

    @property
    def queue_key(self) -> tuple[int, float]:
        priority, since_us = self.want.priority, self.want.since_us
        if self.behind:
            return (2, since_us + (priority - BACKGROUND) * 60 * STEP_S * 1e6)
        return (0, since_us) if priority == 0 else (1, since_us + priority * STEP_S * 1e6)


@dataclass
class Left:
    """One call in flight: the wants that were taken, and the model's rows for them."""

    taken: list[PendingWant]
    rows: list[ModelledWant]
    keys: set[object] = field(default_factory=set)


class WantsAgainstAList(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.wants = Wants(Policy(age_step_s=STEP_S, retry_budget=10_000), {"x": Pace(), "y": Pace()})
        self.lanes = {name: Lane(name, None) for _, name in LANES}
        self.rows: list[ModelledWant] = []
        self.open: set[Assignment] = set()
        self.left: list[Left] = []
        self.left_without = dict.fromkeys("xy", 0)  # calls since the last background one, while such wants were ready

    # ---- operations -------------------------------------------------------------------------------------------------

    @rule(
        which=st.sampled_from(LANES),
        wanted=st.dictionaries(
            st.sampled_from(SLOTS),
            st.tuples(
                st.sampled_from("xy"),
                st.sampled_from(sorted(LIMITS)),
                st.sampled_from([0, 1, 2, 3, 4, BACKGROUND, BACKGROUND + 1]),
                st.sampled_from([0, 10, 25]),
                st.sampled_from(["", "e", "f"]),
                st.booleans(),
            ),
        ),
    )
    def a_turn_replaces_the_wants_of_a_lane(
        self, which: tuple[Assignment, str], wanted: dict[str, tuple[str, str, int, int, str, bool]]
    ) -> None:
        at, name = which
        lane = self.lanes[name]
        lane.version += 1
        wants = tuple(
            Want(
                slot=slot, account=account, kind=kind, priority=priority, since_us=since_s * 1_000_000,
                body=(priority, since_s), exclusive=(key,) if key else (), once=once,
            )
            for slot, (account, kind, priority, since_s, key, once) in wanted.items()
        )  # fmt: skip
        lane.wants = wants
        self.wants.update(at, lane, wants, LIMITS.__getitem__, self.now_s)
        before = {row.want.slot: row for row in self.rows if row.lane == name}
        self.rows = [row for row in self.rows if row.lane != name]
        self.rows.extend(self._renewed(before.get(want.slot), at, lane, want) for want in wants)

    def _renewed(self, old: ModelledWant | None, at: Assignment, lane: Lane, want: Want) -> ModelledWant:
        row = ModelledWant(at=at, lane=lane.key, want=want)
        if old is not None and want.once and _call(old.want) == _call(want):
            row.announced_in = old.announced_in
        if old is not None and old.want.since_us == want.since_us:
            row.not_before_s, row.alone, row.attempts = old.not_before_s, old.alone, old.attempts
        return row

    @rule(which=st.sampled_from(LANES))
    def a_lane_becomes_durable(self, which: tuple[Assignment, str]) -> None:
        lane = self.lanes[which[1]]
        lane.durable_version = lane.version
        self.wants.durable(which[0], lane, self.now_s)

    @rule(at=st.sampled_from(AT))
    def a_partition_opens(self, at: Assignment) -> None:
        if at not in self.open:
            self.open.add(at)
            self.wants.admit(at, self.now_s)

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds
        self.wants.advance(self.now_s)

    @rule(account=st.sampled_from("xy"))
    def a_token_is_near(self, account: str) -> None:
        """Announces ``once`` wants: of each queue at most ``AHEAD`` calls' worth, the most urgent first."""
        expected = {id(row) for row in self._to_announce(account)}
        announced = self.wants.announce(account, self.now_s, ahead=lambda _: AHEAD)
        rows = {(row.lane, row.want.slot): row for row in self.rows}
        found = [rows[pending.lane.key, pending.want.slot] for pending in announced]
        assert {id(row) for row in found} == expected
        for row, pending in zip(found, announced, strict=True):
            row.announced_in = pending.announced_in
            assert row.want.slot in self.lanes[row.lane].announced

    def _to_announce(self, account: str) -> list[ModelledWant]:
        busy = self._busy()
        once = [row for row in self.rows if row.want.account == account and row.want.once]
        order = {id(row): self._ticket(row) for row in once}
        chosen: list[ModelledWant] = []
        first = self._first_that_needs_none(account, busy)
        standing = Counter(_queue(row) for row in once if row.announced_in is not None and not self._flies(row))
        for row in sorted(once, key=lambda each: (each.queue_key, order[id(each)])):
            limit = 1 if row.alone else LIMITS[row.want.kind]
            blocked = row.at not in self.open or row.not_before_s > self.now_s or busy & set(_keys(row))
            in_turn = first is None or row.queue_key <= first
            if row.announced_in is None and not blocked and in_turn and standing[_queue(row)] < AHEAD * limit:
                standing[_queue(row)] += 1
                chosen.append(row)
        return chosen

    def _first_that_needs_none(self, account: str, busy: set[object]) -> tuple[int, float] | None:
        """Returns the smallest key among the first wants of all queues, without ``once`` wants."""
        heads: dict[tuple[object, ...], ModelledWant] = {}
        order = {id(row): self._ticket(row) for row in self.rows}
        for row in sorted(self.rows, key=lambda each: (each.queue_key, order[id(each)])):
            if row.want.account == account and self._ready(row, busy):
                heads.setdefault(_queue(row), row)
        return min((row.queue_key for row in heads.values() if not row.want.once), default=None)

    def _flies(self, row: ModelledWant) -> bool:
        return any(row.want.slot == p.want.slot and p.lane.key == row.lane for left in self.left for p in left.taken)

    @rule()
    def an_account_closes(self) -> None:
        """Withdraws the announcements of wants that have not left."""
        for account in self.wants.accounts.values():
            self.wants.take_back(tuple(account.announced), self.now_s)
        for row in self.rows:
            if not self._flies(row):
                row.announced_in = None

    @rule(account=st.sampled_from("xy"))
    def a_token_comes(self, account: str) -> None:
        expected = self._expected(account)
        taken = self.wants.take(account, self.now_s)
        assert [_key(row.at, row.lane, row.want) for row in expected] == [
            _key(pending.at, pending.lane.key, pending.want) for pending in taken
        ]
        for row, pending in zip(expected, taken, strict=True):
            assert self.wants.retries.attempt(pending) == 1 or row.attempts
        if taken:
            keys = {key for row in expected for key in _keys(row)}
            self.left.append(Left(taken=taken, rows=expected, keys=keys))

    @precondition(lambda self: self.left)
    @rule(data=st.data())
    def a_call_is_answered(self, data: st.DataObject) -> None:
        left = self.left.pop(data.draw(st.integers(0, len(self.left) - 1)))
        for pending, row in zip(left.taken, left.rows, strict=True):
            self.wants.release(_keys(row), self.now_s)
            now = next((r for r in self.rows if (r.lane, r.want.slot) == (row.lane, row.want.slot)), None)
            if now is not None and pending.lane.pending.get(row.want.slot) is pending:
                now.announced_in = None
            wait_s = data.draw(st.sampled_from([None, 0.0, 2.0]))
            if wait_s is None:
                self.wants.again(pending, self.now_s)
                continue
            alone = data.draw(st.booleans())
            wants = Retry(reason="busy", after_s=wait_s, alone=alone)
            self.wants.retry(pending, wants, row.attempts + 1, self.now_s, counts=True)
            if now is not None and pending.lane.pending.get(row.want.slot) is pending:
                now.not_before_s, now.alone, now.attempts = self.now_s + wait_s, alone, row.attempts + 1

    # ---- the model --------------------------------------------------------------------------------------------------

    def _busy(self) -> set[object]:
        return {key for left in self.left for key in left.keys}

    def _ready(self, row: ModelledWant, busy: set[object]) -> bool:
        if row.at not in self.open or row.not_before_s > self.now_s or busy & set(_keys(row)):
            return False
        if row.want.once:
            return row.announced_in is not None and self.lanes[row.lane].durable_version >= row.announced_in
        return True

    def _expected(self, account: str) -> list[ModelledWant]:
        """Returns the most urgent ready want and the next ones of its queue, no two with the same exclusive key."""
        busy = self._busy()
        # of equal sort keys, the want that was queued first, which has the lower ticket
        order = {id(row): self._ticket(row) for row in self.rows}
        mine = sorted((r for r in self.rows if r.want.account == account), key=lambda r: (r.queue_key, order[id(r)]))
        ready = [row for row in mine if self._ready(row, busy)]
        first = self._whose_turn(account, ready)
        taken: list[ModelledWant] = []
        for row in mine:
            same = first is not None and _queue(row) == _queue(first)
            limit = 1 if row.alone else LIMITS[row.want.kind]
            if same and len(taken) < limit and self._ready(row, busy):
                taken.append(row)
                busy |= set(_keys(row))
        return taken

    def _whose_turn(self, account: str, ready: list[ModelledWant]) -> ModelledWant | None:
        """Returns the want whose queue is next: one call in ten is for background work while both are ready, but
        priority 0 does not wait for it."""
        behind = next((row for row in ready if row.behind), None)
        first = ready[0] if ready else None
        if first is None or behind is None or first is behind:
            return first
        if self.left_without[account] < 9 or first.want.priority == 0:
            self.left_without[account] += 1
            return first
        self.left_without[account] = 0
        return behind

    def _ticket(self, row: ModelledWant) -> int:
        return self.lanes[row.lane].pending[row.want.slot].ticket

    # ---- invariants -------------------------------------------------------------------------------------------------

    @invariant()
    def nothing_under_way_shares_a_key(self) -> None:
        keys = [key for left in self.left for row in left.rows for key in set(_keys(row))]
        assert len(keys) == len(set(keys))

    @invariant()
    def all_that_wait_are_counted(self) -> None:
        for name, account in self.wants.accounts.items():
            rows = [row for row in self.rows if row.want.account == name]
            assert sum(account.tally.by_priority.values()) == len(rows)
            ready = [p for lane in self.lanes.values() for p in lane.pending.values() if p.state.name == "READY"]
            assert account.ready == sum(pending.want.account == name for pending in ready)
            assert sum(queue.ready for queue in account.every_queue()) == account.ready

    @invariant()
    def a_lane_announces_what_may_leave_or_has_left(self) -> None:
        for queue in (queue for account in self.wants.accounts.values() for queue in account.unannounced.values()):
            assert queue.announced == sum(
                q is queue for a in self.wants.accounts.values() for q in a.announced.values()
            )
        for name, lane in self.lanes.items():
            waiting = {p.want.slot for p in lane.pending.values() if p.announced_in is not None}
            flying = {p.want.slot for left in self.left for p in left.taken if p.lane.key == name and p.announced_in}
            assert lane.announced == waiting | flying

    @rule(which=st.sampled_from(LANES))
    def a_lane_sleeps_and_wakes(self, which: tuple[Assignment, str]) -> None:
        """Puts a lane to sleep and wakes it; its attempts and back-off are kept."""
        at, name = which
        lane = self.lanes[name]
        pending = list(lane.pending.values())
        if not pending or lane.announced or any(p.state.name == "IN_FLIGHT" for p in pending):
            return
        rest = SleepingLane(at, name, True, None, waits_of(lane.wants), restored=False)
        self.wants.put_to_sleep(rest, lane, self.now_s)
        self.wants.wake(rest)
        self.wants.update(at, lane, lane.wants, LIMITS.__getitem__, self.now_s)


def _keys(row: ModelledWant) -> tuple[object, ...]:
    return (("in", row.lane, row.want.slot), *row.want.exclusive)


def _call(want: Want) -> tuple[object, ...]:
    return (want.account, want.kind, want.body)


def _queue(row: ModelledWant) -> tuple[object, ...]:
    return (row.want.kind, row.alone, row.behind)


def _key(at: Assignment, lane: str, want: Want) -> tuple[object, ...]:
    return (at, lane, want)


TestWantsAgainstAList = WantsAgainstAList.TestCase
TestWantsAgainstAList.settings = settings(max_examples=examples(80), stateful_step_count=40, deadline=None)
