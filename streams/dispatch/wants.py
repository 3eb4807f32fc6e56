"""The wants of all lanes of the process, in order of priority and age. One token takes the wants of one call.

Invariants: at most one call in flight per slot and per exclusive key, across all lanes of the process and within a
call. Nothing overtakes priority 0. Background wants get their share of the calls, and no more while others are ready.
A retry keeps its place and age. No want of a partition leaves before ``admit`` or after ``bar``.

A ``once`` want may leave only when a record that announces it is durable, and is announced only when it is its turn
to leave. It waits in a separate queue first; once announced and durable, it joins the other wants. An announcement
that is not used is taken back, and a want that comes back must be announced again.

A want is queued as ready; whatever blocks it is found when it reaches the top of its queue. It is then parked under
the key that blocks it, so that no step has to look at all wants.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import count
from math import inf

from streams.dispatch.queues import AccountQueues, Queue
from streams.dispatch.retries import Retries
from streams.flow import BACKGROUND, Assignment, Retry, Waits, Want
from streams.lanes.lane import Lane, PendingWant, SleepingLane, WantState
from streams.lanes.sleeping_lanes import (
    QueueKey,
    SleepingLanes,
    is_set_aside,
    is_urgent,
    queue_key,
    set_aside_key,
    together,
)
from streams.policy import DOZE, Pace, Policy

NEAR_BACKGROUND = 4
"""Wants of the background of one account kept ready."""

_ROUNDING = 1e-9

AHEAD_S = 0.5
"""How long before its turn a ``once`` want is announced, at most: about what a checkpoint takes on a slow broker."""

GroupPace = Callable[[str | None], float]
"""When a call of a group of endpoints may leave, as far as that group's own pace goes."""

Ahead = Callable[[str | None], int]
"""How many calls of a group of endpoints may stand announced."""


def no_group_pace(_group: str | None) -> float:
    """No group has a pace of its own."""
    return -inf


def no_group(_kind: str) -> str | None:
    return None


class Wants:
    """All wants of the process. Lanes say them, partitions admit and bar them, a token takes them."""

    def __init__(
        self, policy: Policy, paces: dict[str, Pace], group_of: Callable[[str], str | None] = no_group
    ) -> None:
        near_at_most = policy.near_at_most(len(paces))
        self.accounts = {name: AccountQueues(pace, policy.near, near_at_most) for name, pace in paces.items()}
        self._step_us = max(1, round(policy.age_step_s * 1e6))
        self._owed_a_call = policy.background_share / (1 - policy.background_share)
        self.retries = Retries(policy)
        self._tickets = count()
        self._open: set[Assignment] = set()
        self._busy: set[Hashable] = set()  # slots and exclusive keys of what is under way
        self._parked: dict[Hashable, list[tuple[int, PendingWant]]] = {}
        self._delays: list[tuple[float, int, PendingWant]] = []
        self._limits: dict[str, Callable[[str], int]] = {}
        self._group_of = group_of

    # ---- said by lanes ----------------------------------------------------------------------------------------------

    def say(
        self, at: Assignment, lane: Lane, wants: Iterable[Want], limit_of: Callable[[str], int], now_s: float
    ) -> None:
        """A turn's wants replace what the lane wanted; what stays keeps its place, its age and what it went through.

        Raises ValueError for two wants of one slot, and for an account that nobody configured: a flow's bug.
        """
        self._limits.setdefault(at.topic, limit_of)
        before, lane.pending = lane.pending, {}
        for want in wants:
            if want.slot in lane.pending:
                raise ValueError(f"lane {lane.key} wants two things of slot {want.slot} at once")
            pending = before.pop(want.slot, None)
            if pending is None:
                pending = PendingWant(at, lane, want)
                self._tally(pending, 1)
                self._enter(pending, now_s)
            else:
                self._renew(pending, want, now_s)
            lane.pending[want.slot] = pending
        for gone in before.values():
            self._withdraw(gone)
            self.retries.forget(gone)

    def _renew(self, pending: PendingWant, want: Want, now_s: float) -> None:
        old = pending.want
        if pending.announced_in is not None and not _same_call(old, want) and pending.state is not WantState.IN_FLIGHT:
            self._leave(pending)
            self._take_back(pending)
        if pending.state is WantState.IN_FLIGHT or (pending.state is not WantState.UNPLACED and _same_place(old, want)):
            self._tally(pending, -1)
            pending.want = want
            self._tally(pending, 1)
            return
        self._leave(pending)
        self._tally(pending, -1)
        pending.want = want
        self._tally(pending, 1)
        self._enter(pending, now_s)

    def _withdraw(self, pending: PendingWant) -> None:
        self._leave(pending)
        if pending.announced_in is not None and pending.state is not WantState.IN_FLIGHT:
            self._take_back(pending)
        self._tally(pending, -1)
        pending.state = WantState.WITHDRAWN

    # ---- places -----------------------------------------------------------------------------------------------------

    def _enter(self, pending: PendingWant, now_s: float) -> None:
        """Into its queue, or, backing off, aside until its moment."""
        pending.ticket = next(self._tickets)
        account = self._account(pending.want.account)
        account.awake += 1
        not_before_s = self.retries.not_before_s(pending)
        if not_before_s > now_s:
            pending.state = WantState.DELAYED
            heappush(self._delays, (not_before_s, pending.ticket, pending))
            return
        pending.state = WantState.READY
        account.ready += 1
        account.ready_background += _is_background(pending.want)
        queue = self._queue_of(pending, account)
        queue.push((self._key_of(pending, account), pending.ticket, pending), now_s)

    def _key_of(self, pending: PendingWant, account: AccountQueues) -> QueueKey:
        if self.retries.failed_in(pending, account.closure):
            return set_aside_key(pending.want.since_us)
        return queue_key(pending.want.priority, pending.want.since_us, self._step_us)

    def _leave(self, pending: PendingWant) -> None:
        """Out of wherever it stands; its entries die with its ticket."""
        if pending.state in (WantState.READY, WantState.DELAYED, WantState.PARKED):
            account = self._account(pending.want.account)
            account.awake -= 1
            if pending.state is WantState.READY:
                account.ready -= 1
                account.ready_background -= _is_background(pending.want)
                self._queue_of(pending, account).ready -= 1
        pending.ticket = -1
        if pending.state is not WantState.IN_FLIGHT:
            pending.state = WantState.UNPLACED

    def _park(self, pending: PendingWant, why: Hashable) -> None:
        self._leave(pending)
        self._account(pending.want.account).awake += 1
        pending.ticket = next(self._tickets)
        pending.state = WantState.PARKED
        self._parked.setdefault(why, []).append((pending.ticket, pending))

    def _unpark(self, why: Hashable, now_s: float) -> None:
        for ticket, pending in self._parked.pop(why, ()):
            if pending.ticket == ticket:
                self._leave(pending)
                self._enter(pending, now_s)

    def _queue_of(self, pending: PendingWant, account: AccountQueues) -> Queue:
        alone, limit_of = self.retries.is_alone(pending), self._limits[pending.at.topic]
        behind, announced = _is_background(pending.want), not pending.is_unannounced
        return account.queue(pending.want.kind, alone, behind, limit_of, self._group_of, announced=announced)

    def _account(self, name: str) -> AccountQueues:
        try:
            return self.accounts[name]
        except KeyError:
            raise ValueError(f"a lane wants a call of account {name!r}; known are {sorted(self.accounts)}") from None

    def _tally(self, pending: PendingWant, n: int) -> None:
        self._account(pending.want.account).tally.add(pending.want.priority, pending.want.since_us, n)

    def _blocker(self, pending: PendingWant) -> Hashable | None:
        if pending.at not in self._open:
            return pending.at
        if pending.slot_key in self._busy:
            return pending.slot_key
        for key in pending.want.exclusive:
            if key in self._busy:
                return key
        if pending.announced_in is not None and pending.lane.durable_version < pending.announced_in:
            return (pending.at, pending.lane.key)
        return None

    def _top(self, queue: Queue) -> PendingWant | None:
        """The queue's first that nothing blocks; those before it are parked."""
        while queue.heap:
            _, ticket, pending = queue.heap[0]
            if pending.ticket != ticket:
                heappop(queue.heap)
                continue
            why = self._blocker(pending)
            if why is None:
                return pending
            heappop(queue.heap)
            self._park(pending, why)
        return None

    # ---- partitions and lanes ---------------------------------------------------------------------------------------

    def admit(self, at: Assignment, now_s: float) -> None:
        """The gate of a partition opened: its wants may leave, its lanes_asleep may be woken."""
        self._open.add(at)
        self._unpark(at, now_s)

    def bar(self, at: Assignment) -> None:
        """No new call of this partition, and no sleeping lane of it is woken."""
        self._open.discard(at)

    def forget(self, at: Assignment, lanes: Iterable[Lane]) -> None:
        """The assignment died. What is under way keeps its slot and keys until it is answered."""
        self.bar(at)
        for account in self.accounts.values():
            for behind in (False, True):
                account.sleeping.pop((at, behind), None)
        for lane in lanes:
            self._parked.pop((at, lane.key), None)
            for pending in lane.pending.values():
                self._withdraw(pending)
        self.retries.drop(at)
        self._parked.pop(at, None)

    def durable(self, at: Assignment, lane: Lane, now_s: float) -> None:
        """All that the lane announced up to its last durable turn may leave."""
        if self._parked:
            self._unpark((at, lane.key), now_s)

    def release(self, keys: Iterable[Hashable], now_s: float) -> None:
        """A call's item is over: slot and exclusive keys are free again."""
        for key in keys:
            self._busy.discard(key)
            self._unpark(key, now_s)

    # ---- sleeping ---------------------------------------------------------------------------------------------------

    def may_sleep(self, lane: Lane, now_s: float) -> bool:
        """Whether so many others wait that this lane's wants are not near."""
        for pending in lane.pending.values():
            account = self._account(pending.want.account)
            backing_off = pending.state is WantState.DELAYED and self.retries.not_before_s(pending) > now_s + 1.0
            behind = _is_background(pending.want)
            waiting, enough = account.awake, DOZE * NEAR_BACKGROUND if behind else account.may_sleep_above
            if pending.state is WantState.READY and pending.at in self._open:
                waiting = account.ready_background if behind else account.ready - account.ready_background
            if waiting <= enough and not backing_off:
                return False
            if pending.state is WantState.PARKED and pending.at in self._open:
                return False
        return True

    def put_to_sleep(self, sleeping: SleepingLane, lane: Lane, now_s: float) -> None:
        """The lane sleeps: small entries stand for its wants, which are gone."""
        not_before: dict[str, float] = {}
        for pending in lane.pending.values():
            name = pending.want.account
            not_before[name] = min(not_before.get(name, inf), self.retries.not_before_s(pending))
            self._withdraw(pending)
        lane.pending = {}
        self._add_sleeping(sleeping, not_before, now_s)

    def add_sleeping(self, sleeping: SleepingLane, now_s: float) -> None:
        """A lane that sleeps since before this assignment."""
        self._add_sleeping(sleeping, {}, now_s)

    def wake(self, sleeping: SleepingLane) -> None:
        """The lane is awake again and will say its wants itself."""
        if sleeping.ticket != -1:
            for waits in sleeping.waits:
                if waits.account in self.accounts:
                    self.accounts[waits.account].sleeping[_whose(sleeping, waits)].gone(waits)
            sleeping.ticket = -1

    def _add_sleeping(self, sleeping: SleepingLane, not_before: dict[str, float], now_s: float) -> None:
        if not sleeping.waits:
            return
        sleeping.ticket = next(self._tickets)
        for waits in sleeping.waits:
            account = self.accounts.get(waits.account)
            if account is None:
                continue
            order = queue_key(waits.priority, waits.since_us, self._step_us)
            lanes_asleep = account.sleeping.setdefault(_whose(sleeping, waits), SleepingLanes())
            lanes_asleep.add(sleeping, waits, order, not_before.get(waits.account, -inf), now_s)

    def _sleeping(self, account: AccountQueues) -> Iterator[tuple[bool, SleepingLanes]]:
        """Of the partitions that are open; whether they are of the background."""
        return ((behind, lanes_asleep) for (at, behind), lanes_asleep in account.sleeping.items() if at in self._open)

    def _first_asleep(
        self, account: AccountQueues, now_s: float, *, behind: bool
    ) -> tuple[QueueKey, int, SleepingLane] | None:
        tops = (
            lanes_asleep.top(now_s)
            for is_background, lanes_asleep in self._sleeping(account)
            if is_background == behind
        )
        return min((top for top in tops if top is not None), default=None)

    def to_wake(self, name: str, now_s: float) -> SleepingLane | None:
        """The sleeping lane to wake before the next call: few are awake, or none awake is as urgent. Of
        the background only as many as are needed to have some ready."""
        account = self.accounts[name]
        first = self._first_asleep(account, now_s, behind=False)
        if first is not None:
            tops = [queue.heap[0][0] for queue in account.every_queue() if self._top(queue) is not None]
            if account.ready - account.ready_background < account.near or first[0] < min(tops, default=first[0]):
                return first[2]
        first = self._first_asleep(account, now_s, behind=True)
        return first[2] if first is not None and account.ready_background < NEAR_BACKGROUND else None

    def waiting(self, name: str) -> tuple[dict[int, int], int | None]:
        """How many wants wait by priority, asleep or awake, and since when (µs) the oldest does."""
        account = self.accounts[name]
        return together([account.tally, *(lanes_asleep.tally for _, lanes_asleep in self._sleeping(account))])

    # ---- calls ------------------------------------------------------------------------------------------------------

    def advance(self, now_s: float) -> None:
        """Those whose moment has come stop backing off."""
        while self._delays and self._delays[0][0] <= now_s:
            _, ticket, pending = heappop(self._delays)
            if pending.ticket == ticket:
                self._leave(pending)
                self._enter(pending, now_s)

    def next_s(self, name: str, now_s: float, *, urgent: bool = False, pace: GroupPace = no_group_pace) -> float:
        """When this account has something for a token: now, when a wait for company or for a group ends, or never.

        ``urgent``: only priority 0 counts.
        """
        account = self.accounts[name]
        sleeping = self.to_wake(name, now_s)
        if sleeping is not None and (not urgent or any(w.priority <= 0 for w in sleeping.waits if w.account == name)):
            return now_s
        queues = (queue for queue in account.queues.values() if self._may_go(queue, urgent=urgent))
        moments = (max(now_s, queue.lingers_until_s(account.linger_s), pace(queue.group)) for queue in queues)
        later = (lanes_asleep.next_s() for _, lanes_asleep in self._sleeping(account))
        return min(min(moments, default=inf), min(later, default=inf))

    def next_delay_s(self) -> float:
        """When the next one stops backing off."""
        while self._delays and self._delays[0][1] != self._delays[0][2].ticket:
            heappop(self._delays)
        return self._delays[0][0] if self._delays else inf

    def take(
        self, name: str, now_s: float, *, urgent: bool = False, pace: GroupPace = no_group_pace
    ) -> list[PendingWant]:
        """The wants of one call: the most urgent ready one and others of its kind. They hold slots and keys from now.

        ``urgent``: nothing, unless that want has priority 0.
        """
        queue = self._whose_turn(self.accounts[name], now_s, urgent, pace)
        taken: list[PendingWant] = []
        while queue is not None and len(taken) < queue.limit:
            pending = self._top(queue)
            if pending is None:
                break
            heappop(queue.heap)
            self._leave(pending)
            self._unlist(pending)
            pending.state = WantState.IN_FLIGHT
            self._busy.update((pending.slot_key, *pending.want.exclusive))
            taken.append(pending)
        return taken

    def _whose_turn(self, account: AccountQueues, now_s: float, urgent: bool, pace: GroupPace) -> Queue | None:
        """The most urgent queue, or the background when as many calls as its share allows have left without it."""
        best = self._most_urgent(account, now_s, urgent, pace, behind=False)
        behind = self._most_urgent(account, now_s, urgent, pace, behind=True)
        if best is None or behind is None:
            return best or behind
        if is_set_aside(best.heap[0][0]):
            return best if is_set_aside(behind.heap[0][0]) else behind
        if account.owed_background < 1 - _ROUNDING or is_urgent(best.heap[0][0]):
            account.owed_background = min(1.0, account.owed_background + self._owed_a_call)
            return best
        account.owed_background = 0.0
        return behind

    def _most_urgent(
        self, account: AccountQueues, now_s: float, urgent: bool, pace: GroupPace, *, behind: bool
    ) -> Queue | None:
        best: Queue | None = None
        for queue in account.queues.values():
            if queue.behind is not behind or not self._may_go(queue, urgent=urgent) or pace(queue.group) > now_s:
                continue
            if queue.lingers_until_s(account.linger_s) > now_s:
                continue
            if best is None or queue.heap[0][:2] < best.heap[0][:2]:
                best = queue
        return best

    def _may_go(self, queue: Queue, *, urgent: bool) -> bool:
        return self._top(queue) is not None and (is_urgent(queue.heap[0][0]) or not urgent)

    # ---- once -------------------------------------------------------------------------------------------------------

    def announce(
        self, name: str, now_s: float, *, ahead: Ahead, urgent: bool = False, pace: GroupPace = no_group_pace
    ) -> list[PendingWant]:
        """Those whose turn has come: they may leave when the next record of their lane is durable."""
        account = self.accounts[name]
        announced: list[PendingWant] = []
        for queue in self._in_turn(account, now_s, ahead, urgent, pace):
            if pace(queue.group) > now_s + AHEAD_S:
                continue
            while queue in self._in_turn(account, now_s, ahead, urgent, pace):
                pending = heappop(queue.heap)[2]
                self._leave(pending)
                pending.announce()
                account.announced[pending] = queue
                queue.announced += 1
                self._enter(pending, now_s)
                announced.append(pending)
        return announced

    def next_announcement_s(
        self, name: str, now_s: float, *, ahead: Ahead, urgent: bool = False, pace: GroupPace = no_group_pace
    ) -> float:
        """When this account has one to announce: now, when it is near its group's turn, or never."""
        queues = self._in_turn(self.accounts[name], now_s, ahead, urgent, pace)
        return max(now_s, min((pace(queue.group) - AHEAD_S for queue in queues), default=inf))

    def _in_turn(
        self, account: AccountQueues, now_s: float, ahead: Ahead, urgent: bool, pace: GroupPace
    ) -> list[Queue]:
        """Queues whose first would be announced: few of it are, and nothing that needs no announcement goes before."""
        others = (
            queue.heap[0][0]
            for queue in account.queues.values()
            if self._may_go(queue, urgent=urgent) and not queue.heap[0][2].want.once and pace(queue.group) <= now_s
        )
        first = min(others, default=None)
        return [
            queue
            for queue in account.unannounced.values()
            if queue.announced < ahead(queue.group) * queue.limit
            and self._may_go(queue, urgent=urgent)
            and (first is None or queue.heap[0][0] <= first)
        ]

    def take_back(self, those: Iterable[PendingWant], now_s: float) -> list[PendingWant]:
        """What was announced and has not left is as if it had not been; the others are passed over."""
        back = [
            pending
            for pending in those
            if pending.announced_in is not None and pending.state is not WantState.IN_FLIGHT
        ]
        for pending in back:
            self._leave(pending)
            self._take_back(pending)
            self._enter(pending, now_s)
        return back

    def _take_back(self, pending: PendingWant) -> None:
        """It stands nowhere."""
        self._unlist(pending)
        pending.take_back()

    def _unlist(self, pending: PendingWant) -> None:
        """It is no longer among those that are announced and have not left."""
        queue = self._account(pending.want.account).announced.pop(pending, None)
        if queue is not None:
            queue.announced -= 1

    # ---- answers ----------------------------------------------------------------------------------------------------

    def again(self, pending: PendingWant, now_s: float) -> None:
        """The call never left: the want returns to its place."""
        if self._landed(pending):
            self._enter(pending, now_s)

    def retry(
        self, pending: PendingWant, said: Retry, attempt: int, now_s: float, *, counts: bool, closed: bool = False
    ) -> bool:
        """Not now. False when the budget of the oldest undone event is used up: then its lane must hear of it.

        ``closed``: its account is; until that opens, it stands behind those that have not failed.
        """
        if not self._landed(pending):
            return True
        closure = self._account(pending.want.account).closure if closed else None
        if not self.retries.retry(pending, said, attempt, now_s, counts=counts, closure=closure):
            return False
        self._enter(pending, now_s)
        return True

    def opened(self, name: str, now_s: float) -> None:
        """The account reopened: requeues the wants that were set aside."""
        account = self.accounts[name]
        account.closure += 1
        for queue in account.every_queue():
            for order, ticket, pending in tuple(queue.heap):
                if is_set_aside(order) and pending.ticket == ticket:
                    self._leave(pending)
                    self._enter(pending, now_s)

    def answered(self, pending: PendingWant, attempt: int, *, lost: bool) -> None:
        """Settled or lost: its lane speaks next."""
        if self._landed(pending):
            self.retries.answered(pending, attempt, lost=lost)

    def _landed(self, pending: PendingWant) -> bool:
        """Whether it is still wanted. The lane's next record says no longer that it may be under way."""
        if pending.announced_in is not None:
            pending.take_back()
        if pending.state is not WantState.IN_FLIGHT:
            return False
        pending.state = WantState.UNPLACED
        return True


def _is_background(want: Want) -> bool:
    return want.priority >= BACKGROUND


def _whose(sleeping: SleepingLane, waits: Waits) -> tuple[Assignment, bool]:
    """Where it sleeps: in which partition, and whether in the background."""
    return sleeping.at, waits.priority >= BACKGROUND


def _same_call(old: Want, new: Want) -> bool:
    """Whether what announced the one announces the other: a record names a slot, and its value what that is to do."""
    return new.once and (old.account, old.kind, old.body) == (new.account, new.kind, new.body)


def _same_place(old: Want, new: Want) -> bool:
    """Whether the newer want may stand where the older one stood."""
    if old is new:
        return True
    return (old.account, old.kind, old.priority, old.since_us, old.exclusive, old.once) == (
        new.account, new.kind, new.priority, new.since_us, new.exclusive, new.once,
    )  # fmt: skip
