"""The wants of all lanes of the process, in order of priority and age. One token takes the wants of one call.

Invariants: at most one call is in flight per slot and per exclusive key, over all lanes of the process and within a
call. Nothing overtakes priority 0. Background wants get their share of the calls, and no more while others are ready.
A retry keeps its age, and so its order. No want of a partition leaves before ``admit`` or after ``block``.

A ``once`` want may leave only when a record that announces it is durable, and is announced only when it is next to
leave. It waits in a separate queue until then; once announced, it joins the other wants, parked until the record is
durable. An announcement that is not used is withdrawn, and a want that is to be retried must be announced again.

A want that follows from a record of a side input leaves when the turn for that record is durable: a new owner would
otherwise send an older value over it before it has read that record again.

Where an account has a quota, a want whose tier must wait is *withheld*: its lane may sleep, and it leaves early only in
a call of its kind that is made anyway and is not full.

A want is queued as ready; whatever blocks it is found when it reaches the top of its queue. It is then parked under
the key that blocks it, so that no step has to look at all wants.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import count
from math import inf

from streams.control import Halted, nothing_halted
from streams.dispatch.queues import AccountQueues, Queue, SleepingKey
from streams.dispatch.retries import Retries
from streams.flow import BACKGROUND, Assignment, Retry, Waits, Want
from streams.lanes.lane import NO_TIERS, Lane, PendingWant, SleepingLane, WantState
from streams.lanes.sleeping_lanes import (
    QueueKey,
    SleepingLanes,
    combined,
    is_set_aside,
    is_urgent,
    queue_key,
    set_aside_key,
)
from streams.policy import SLEEP_FACTOR, Pace, Policy

NEAR_BACKGROUND = 4
"""Background wants of one account that are kept ready by waking lanes."""

_ROUNDING = 1e-9

_HALTED = "halted"
"""What wants are parked under that a control command keeps from leaving."""

_WITHHELD = "withheld"
"""What keeps wants from leaving whose tier must wait for the quota."""

AHEAD_S = 0.5
"""A ``once`` want is announced at most this long before it may leave: about the duration of a checkpoint on a slow
broker."""

GroupPace = Callable[[str | None], float]
"""Returns when the pace of a group of endpoints allows its next call; ``-inf`` for a group without its own pace."""

Ahead = Callable[[str | None], int]
"""Returns how many calls of a group of endpoints may be announced and not yet sent."""


def no_group_pace(_group: str | None) -> float:
    """A ``GroupPace`` for accounts whose groups have no pace of their own."""
    return -inf


def no_group(_kind: str) -> str | None:
    """Returns None: the kind belongs to no group of endpoints."""
    return None


_PLACED = frozenset({WantState.READY, WantState.DELAYED, WantState.PARKED, WantState.WITHHELD})


class Wants:
    """All wants of the process: added by lanes, admitted and barred by partitions, taken by tokens."""

    def __init__(
        self, policy: Policy, paces: dict[str, Pace], group_of: Callable[[str], str | None] = no_group
    ) -> None:
        near_at_most = policy.near_at_most(len(paces))
        self.accounts = {name: AccountQueues(pace, policy.near, near_at_most) for name, pace in paces.items()}
        self._step_us = max(1, round(policy.age_step_s * 1e6))
        self._background_per_call = policy.background_share / (1 - policy.background_share)
        self.retries = Retries(policy)
        self._tickets = count()
        self._open: set[Assignment] = set()
        self._busy: set[Hashable] = set()  # slots and exclusive keys of items in flight
        self._parked: dict[Hashable, list[tuple[int, PendingWant]]] = {}
        self._delays: list[tuple[float, int, PendingWant]] = []
        self._limits: dict[str, Callable[[str], int]] = {}
        self._group_of = group_of
        self._halted: Halted = nothing_halted
        self._scarce: set[str] = set()  # accounts of which some tiers must wait

    # ---- wants of a turn --------------------------------------------------------------------------------------------

    def update(
        self, at: Assignment, lane: Lane, wants: Iterable[Want], limit_of: Callable[[str], int], now_s: float
    ) -> None:
        """Replaces the lane's wants by those of a turn. A slot that is wanted again keeps its retry state, and its
        place if its order is the same.

        Raises ValueError for two wants of one slot, and for an account that is not configured; both are bugs of a flow.
        """
        self._limits.setdefault(at.topic, limit_of)
        before, lane.pending = lane.pending, {}
        for want in wants:
            if want.slot in lane.pending:
                raise ValueError(f"lane {lane.key} wants two things of slot {want.slot} at once")
            if want.account not in self.accounts:
                known = sorted(self.accounts)
                raise ValueError(f"a lane wants a call of account {want.account!r}; known are {known}")
            pending = before.pop(want.slot, None)
            if pending is None:
                pending = PendingWant(at, lane, want)
                self.accounts[want.account].tally.add(want.priority, want.since_us)
                self._enter(pending, now_s)
            else:
                self._renew(pending, want, now_s)
            lane.pending[want.slot] = pending
        for gone in before.values():
            self._withdraw(gone)
            self.retries.forget(gone)

    def _renew(self, pending: PendingWant, want: Want, now_s: float) -> None:
        """Replaces a pending want by the one that the lane's next turn returned for its slot."""
        old = pending.want
        if pending.follows < pending.lane.side_version and not _is_same_call(old, want):
            pending.follows = pending.lane.side_version
        if (
            pending.announced_in is not None
            and pending.state is not WantState.IN_FLIGHT
            and not _keeps_announcement(old, want)
        ):
            self._leave(pending)
            self._take_back(pending)
        keeps_place = pending.state is WantState.IN_FLIGHT or (
            pending.state is not WantState.UNPLACED and _same_place(old, want)
        )
        if not keeps_place:
            self._leave(pending)
        self.accounts[old.account].tally.remove(old.priority, old.since_us)
        pending.want = want
        self.accounts[want.account].tally.add(want.priority, want.since_us)
        if not keeps_place:
            self._enter(pending, now_s)

    def _withdraw(self, pending: PendingWant) -> None:
        """Removes a want that is no longer wanted; its call, if it is in flight, goes on."""
        self._leave(pending)
        if pending.announced_in is not None and pending.state is not WantState.IN_FLIGHT:
            self._take_back(pending)
        want = pending.want
        self.accounts[want.account].tally.remove(want.priority, want.since_us)
        pending.state = WantState.WITHDRAWN

    # ---- places -----------------------------------------------------------------------------------------------------

    def _enter(self, pending: PendingWant, now_s: float) -> None:
        """Adds a want to its queue, behind all others if it failed since its account closed; or to the delayed ones
        while it backs off."""
        pending.ticket = next(self._tickets)
        want, retried = pending.want, self.retries.of(pending)
        account = self.accounts[want.account]
        account.awake += 1
        if retried.not_before_s > now_s:
            pending.state = WantState.DELAYED
            heappush(self._delays, (retried.not_before_s, pending.ticket, pending))
            return
        pending.state = WantState.READY
        account.ready += 1
        account.ready_background += want.priority >= BACKGROUND
        if retried.closure == account.closure:
            order = set_aside_key(want.since_us)
        else:
            order = queue_key(want.priority, want.since_us, self._step_us)
        self._queue_of(pending, account, alone=retried.alone).push((order, pending.ticket, pending), now_s)

    def _leave(self, pending: PendingWant) -> None:
        """Removes a want from its place by taking its ticket away; its entries are dead without it."""
        if pending.state in _PLACED:
            account = self.accounts[pending.want.account]
            account.awake -= 1
            if pending.state is WantState.WITHHELD:
                del account.withheld[pending]
            elif pending.state is WantState.READY:
                account.ready -= 1
                account.ready_background -= pending.want.priority >= BACKGROUND
                self._queue_of(pending, account, alone=self.retries.of(pending).alone).ready -= 1
        pending.ticket = -1
        if pending.state is not WantState.IN_FLIGHT:
            pending.state = WantState.UNPLACED

    def _park(self, pending: PendingWant, why: Hashable) -> None:
        """Moves a want from its queue to those that wait for ``why`` (see ``_blocker``)."""
        account = self.accounts[pending.want.account]
        self._leave(pending)
        account.awake += 1
        if why is _WITHHELD:
            pending.state = WantState.WITHHELD
            account.withheld[pending] = None
            return
        pending.ticket = next(self._tickets)
        pending.state = WantState.PARKED
        self._parked.setdefault(why, []).append((pending.ticket, pending))

    def _unpark(self, why: Hashable, now_s: float) -> None:
        """Queues again all wants that wait for ``why``."""
        for ticket, pending in self._parked.pop(why, ()):
            if pending.ticket == ticket:
                self._leave(pending)
                self._enter(pending, now_s)

    def _queue_of(self, pending: PendingWant, account: AccountQueues, *, alone: bool) -> Queue:
        """Returns the queue of a want, which is made on first use; that of ``once`` wants until they are announced.

        ``alone``: of its retry state.
        """
        want = pending.want
        queues = account.unannounced if want.once and pending.announced_in is None else account.queues
        key = (want.kind, alone, want.priority >= BACKGROUND)
        queue = queues.get(key)
        if queue is None:
            limit = 1 if alone else self._limits[pending.at.topic](want.kind)
            queue = queues[key] = account.new_queue(want.kind, limit, self._group_of(want.kind), background=key[2])
        return queue

    def _blocker(self, pending: PendingWant, *, filling: bool = False) -> Hashable | None:
        """Returns what keeps a ready want from leaving (partition, halted kind, quota, slot, exclusive key or lane);
        None = nothing. ``filling``: a call is made anyway, which costs the quota nothing more."""
        if pending.at not in self._open:
            return pending.at
        if self.is_halted(pending.want):
            return _HALTED
        if self._scarce and not filling and self.is_withheld(pending.want):
            return _WITHHELD
        if pending.slot_key in self._busy:
            return pending.slot_key
        for key in pending.want.exclusive:
            if key in self._busy:
                return key
        if pending.lane.durable_version < max(pending.follows, pending.announced_in or 0):
            return (pending.at, pending.lane.key)
        return None

    def _top(self, queue: Queue) -> PendingWant | None:
        """Returns the queue's first want that nothing blocks; parks those before it."""
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
        """Lets the wants of a partition leave and its sleeping lanes be woken: its gate has opened."""
        self._open.add(at)
        self._unpark(at, now_s)

    def block(self, at: Assignment) -> None:
        """Stops new calls of a partition; none of its sleeping lanes is woken for a call any more."""
        self._open.discard(at)

    def halt(self, halted: Halted, now_s: float) -> None:
        """Replaces the condition under which wants must not leave. A halted want keeps its age and retry budget, and
        keeps its lane awake."""
        self._halted = halted
        self._unpark(_HALTED, now_s)

    def is_halted(self, want: Want) -> bool:
        """Whether a control command keeps the want from leaving."""
        return self._halted(want.account, want.kind)

    def limit(self, name: str, highest: int, now_s: float) -> None:
        """Sets the highest tier of this account that may leave; wants of the tiers above it wait."""
        account = self.accounts[name]
        if account.quota is None or highest == account.limit:
            return
        account.limit = highest
        if highest < account.quota.last:
            self._scarce.add(name)
        else:
            self._scarce.discard(name)
        for pending in tuple(account.withheld):
            self._leave(pending)
            self._enter(pending, now_s)

    def is_withheld(self, want: Want) -> bool:
        """Whether the quota of its account has no calls left for the want's tier."""
        account = self.accounts[want.account]
        return account.quota is not None and account.quota.tier(want) > account.limit

    def withholds_background(self, name: str) -> bool:
        """Whether the quota of this account has no calls left for background work, which is its last tier."""
        account = self.accounts[name]
        return account.quota is not None and account.limit < account.quota.last

    def withheld(self, name: str) -> int:
        """Returns how many wants of this account wait for the quota, awake; lanes asleep count as one each."""
        account = self.accounts[name]
        asleep = (lanes.tally for key, lanes in account.sleeping.items() if key[2] > account.limit)
        return len(account.withheld) + sum(sum(tally.by_priority.values()) for tally in asleep)

    def forget(self, at: Assignment, lanes: Iterable[Lane]) -> None:
        """Drops all wants of an assignment that has ended. Items in flight keep their slots and keys until they are
        over."""
        self.block(at)
        for account in self.accounts.values():
            for key in [key for key in account.sleeping if key[0] == at]:
                del account.sleeping[key]
        for lane in lanes:
            self._parked.pop((at, lane.key), None)
            for pending in lane.pending.values():
                self._withdraw(pending)
        self.retries.drop(at)
        self._parked.pop(at, None)

    def durable(self, at: Assignment, lane: Lane, now_s: float) -> None:
        """Lets the wants leave that the lane's durable record announces, or from which they follow."""
        if self._parked:
            self._unpark((at, lane.key), now_s)

    def release(self, keys: Iterable[Hashable], now_s: float) -> None:
        """Frees the slot and exclusive keys of an item that is over."""
        for key in keys:
            self._busy.discard(key)
            if key in self._parked:
                self._unpark(key, now_s)

    # ---- sleeping ---------------------------------------------------------------------------------------------------

    def may_sleep(self, lane: Lane, now_s: float) -> bool:
        """Whether each want of the lane is far from leaving: enough others wait before it, or it backs off."""
        for pending in lane.pending.values():
            account = self.accounts[pending.want.account]
            if pending.state is WantState.WITHHELD and len(account.withheld) > account.near:
                continue  # enough others stay awake to fill calls that are made anyway
            backing_off = pending.state is WantState.DELAYED and self.retries.of(pending).not_before_s > now_s + 1.0
            background = pending.want.priority >= BACKGROUND
            waiting, enough = account.awake, SLEEP_FACTOR * NEAR_BACKGROUND if background else account.may_sleep_above
            if pending.state is WantState.READY and pending.at in self._open:
                waiting = account.ready_background if background else account.ready - account.ready_background
            if waiting <= enough and not backing_off:
                return False
            if pending.state in (WantState.PARKED, WantState.WITHHELD) and pending.at in self._open:
                return False
        return True

    def put_to_sleep(self, sleeping: SleepingLane, lane: Lane, now_s: float) -> None:
        """Replaces the wants of a lane by the small entries of a sleeping one."""
        not_before: dict[str, float] = {}
        tiers: dict[str, int] = {}
        for pending in lane.pending.values():
            name = pending.want.account
            not_before[name] = min(not_before.get(name, inf), self.retries.of(pending).not_before_s)
            quota = self.accounts[name].quota
            if quota is not None:
                tiers[name] = min(tiers.get(name, quota.last), quota.tier(pending.want))
            self._withdraw(pending)
        lane.pending = {}
        sleeping.tiers = tiers or NO_TIERS
        self._add_sleeping(sleeping, not_before, now_s)

    def add_sleeping(self, sleeping: SleepingLane, now_s: float) -> None:
        """Adds the entries of a lane that was restored asleep."""
        self._add_sleeping(sleeping, {}, now_s)

    def wake(self, sleeping: SleepingLane) -> None:
        """Removes the entries of a lane that is being woken; its next turn adds its wants."""
        if sleeping.ticket != -1:
            for waits in sleeping.waits:
                if waits.account in self.accounts:
                    account = self.accounts[waits.account]
                    account.sleeping[_sleeping_key(account, sleeping, waits)].gone(waits)
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
            lanes_asleep = account.sleeping.setdefault(_sleeping_key(account, sleeping, waits), SleepingLanes())
            lanes_asleep.add(sleeping, waits, order, not_before.get(waits.account, -inf), now_s)

    def _sleeping(self, account: AccountQueues, limit: float) -> Iterator[tuple[bool, SleepingLanes]]:
        """Yields the entries of the partitions whose gate is open, up to this tier, and whether they are for background
        wants."""
        return (
            (background, lanes_asleep)
            for (at, background, tier), lanes_asleep in account.sleeping.items()
            if tier <= limit and at in self._open
        )

    def _first_asleep(
        self, account: AccountQueues, now_s: float, *, background: bool
    ) -> tuple[QueueKey, int, SleepingLane] | None:
        tops = (
            lanes_asleep.top(now_s)
            for is_background, lanes_asleep in self._sleeping(account, account.limit)
            if is_background == background
        )
        return min((top for top in tops if top is not None), default=None)

    def to_wake(self, name: str, now_s: float) -> SleepingLane | None:
        """Returns the sleeping lane to wake before the next call; None = none.

        A lane is woken while fewer than ``near`` wants are ready, or when it is more urgent than all of them; for
        background wants only to keep ``NEAR_BACKGROUND`` ready.
        """
        account = self.accounts[name]
        first = self._first_asleep(account, now_s, background=False)
        if first is not None:
            tops = [queue.heap[0][0] for queue in account.every_queue() if self._top(queue) is not None]
            if account.ready - account.ready_background < account.near or first[0] < min(tops, default=first[0]):
                return first[2]
        first = self._first_asleep(account, now_s, background=True)
        return first[2] if first is not None and account.ready_background < NEAR_BACKGROUND else None

    def waiting(self, name: str) -> tuple[dict[int, int], int | None]:
        """Returns how many wants wait by priority, asleep or awake, and since when (µs) the oldest one does, background
        work excluded."""
        account = self.accounts[name]
        return combined([account.tally, *(lanes_asleep.tally for _, lanes_asleep in self._sleeping(account, inf))])

    def background(self, name: str) -> int:
        """Returns how many background wants of this account wait, asleep or awake."""
        return sum(n for priority, n in self.waiting(name)[0].items() if priority >= BACKGROUND)

    # ---- calls ------------------------------------------------------------------------------------------------------

    def advance(self, now_s: float) -> None:
        """Queues the wants whose back-off is over."""
        while self._delays and self._delays[0][0] <= now_s:
            _, ticket, pending = heappop(self._delays)
            if pending.ticket == ticket:
                self._leave(pending)
                self._enter(pending, now_s)

    def next_s(self, name: str, now_s: float, *, urgent: bool = False, pace: GroupPace = no_group_pace) -> float:
        """Returns when this account has wants for a call, tokens aside: now, when a linger, a back-off of a sleeping
        lane or the wait for a group's pace ends, or ``inf``.

        ``urgent``: only priority 0 counts.
        """
        account = self.accounts[name]
        sleeping = self.to_wake(name, now_s)
        if sleeping is not None and (not urgent or any(w.priority <= 0 for w in sleeping.waits if w.account == name)):
            return now_s
        queues = (queue for queue in account.queues.values() if self._may_go(queue, urgent=urgent))
        moments = (max(now_s, queue.lingers_until_s(account.linger_s), pace(queue.group)) for queue in queues)
        later = (lanes_asleep.next_s() for _, lanes_asleep in self._sleeping(account, account.limit))
        return min(min(moments, default=inf), min(later, default=inf))

    def next_delay_s(self) -> float:
        """Returns when the next want stops backing off; ``inf`` = none does."""
        while self._delays and self._delays[0][1] != self._delays[0][2].ticket:
            heappop(self._delays)
        return self._delays[0][0] if self._delays else inf

    def take(
        self, name: str, now_s: float, *, urgent: bool = False, pace: GroupPace = no_group_pace
    ) -> list[PendingWant]:
        """Takes the wants of one call: the most urgent ready one and others of its kind. They hold their slots and keys
        from now on.

        ``urgent``: nothing is taken unless that want has priority 0.
        """
        queue = self._next_queue(self.accounts[name], now_s, urgent, pace)
        taken: list[PendingWant] = []
        while queue is not None and len(taken) < queue.limit:
            pending = self._top(queue)
            if pending is None:
                break
            heappop(queue.heap)
            self._leave(pending)
            if pending.announced_in is not None:
                self._unlist(pending)
            pending.state = WantState.IN_FLIGHT
            self._busy.update((pending.slot_key, *pending.want.exclusive))
            taken.append(pending)
        if self._scarce and queue is not None and len(taken) < queue.limit:
            self._fill(self.accounts[name], queue, taken)
        return taken

    def _fill(self, account: AccountQueues, queue: Queue, taken: list[PendingWant]) -> None:
        """Adds withheld wants of the same kind to a call that is made anyway: they cost nothing."""
        for pending in tuple(account.withheld):
            if len(taken) >= queue.limit:
                return
            alone = self.retries.of(pending).alone
            if pending.want.once or self._queue_of(pending, account, alone=alone) is not queue:
                continue
            if self._blocker(pending, filling=True) is None:
                self._leave(pending)
                pending.state = WantState.IN_FLIGHT
                self._busy.update((pending.slot_key, *pending.want.exclusive))
                taken.append(pending)

    def _next_queue(self, account: AccountQueues, now_s: float, urgent: bool, pace: GroupPace) -> Queue | None:
        """Returns the most urgent queue, or that of the background when a call is due to it by its share."""
        best = self._most_urgent(account, now_s, urgent, pace, background=False)
        background = self._most_urgent(account, now_s, urgent, pace, background=True)
        if best is None or background is None:
            return best or background
        if is_set_aside(best.heap[0][0]):
            return best if is_set_aside(background.heap[0][0]) else background
        if account.background_due < 1 - _ROUNDING or is_urgent(best.heap[0][0]):
            account.background_due = min(1.0, account.background_due + self._background_per_call)
            return best
        account.background_due = 0.0
        return background

    def _most_urgent(
        self, account: AccountQueues, now_s: float, urgent: bool, pace: GroupPace, *, background: bool
    ) -> Queue | None:
        best: Queue | None = None
        for queue in account.queues.values():
            if (
                queue.background is not background
                or not self._may_go(queue, urgent=urgent)
                or pace(queue.group) > now_s
            ):
                continue
            if queue.lingers_until_s(account.linger_s) > now_s:
                continue
            if best is None or queue.heap[0][:2] < best.heap[0][:2]:
                best = queue
        return best

    def _may_go(self, queue: Queue, *, urgent: bool) -> bool:
        """Whether the queue has a want that nothing blocks; with ``urgent``, one of priority 0."""
        return self._top(queue) is not None and (is_urgent(queue.heap[0][0]) or not urgent)

    # ---- once -------------------------------------------------------------------------------------------------------

    def announce(
        self, name: str, now_s: float, *, ahead: Ahead, urgent: bool = False, pace: GroupPace = no_group_pace
    ) -> list[PendingWant]:
        """Announces the ``once`` wants that are next to leave; they may leave when the next record of their lane is
        durable."""
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
        """Returns when this account has a want to announce: now, shortly before its group's pace allows a call, or
        ``inf``."""
        queues = self._in_turn(self.accounts[name], now_s, ahead, urgent, pace)
        return max(now_s, min((pace(queue.group) - AHEAD_S for queue in queues), default=inf))

    def _in_turn(
        self, account: AccountQueues, now_s: float, ahead: Ahead, urgent: bool, pace: GroupPace
    ) -> list[Queue]:
        """Returns the queues whose first want is to be announced: fewer than ``ahead`` calls of theirs are announced,
        and no want that needs no announcement comes before it."""
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
        """Withdraws the announcements of wants that have not left, and returns these wants; skips all others."""
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
        """Withdraws the announcement of a want that is in no queue."""
        self._unlist(pending)
        pending.take_back()

    def _unlist(self, pending: PendingWant) -> None:
        """Removes a want from those that are announced and not sent."""
        queue = self.accounts[pending.want.account].announced.pop(pending, None)
        if queue is not None:
            queue.announced -= 1

    # ---- answers ----------------------------------------------------------------------------------------------------

    def again(self, pending: PendingWant, now_s: float) -> None:
        """Queues a want again whose call was never sent."""
        if self._call_ended(pending):
            self._enter(pending, now_s)

    def retry(
        self, pending: PendingWant, reply: Retry, attempt: int, now_s: float, *, counts: bool, closed: bool = False
    ) -> bool:
        """Queues a want again after a failed attempt, with a back-off.

        Returns False when the retry budget of its oldest undone event is used up: then its lane must be told.
        ``closed``: the account is closed; until it reopens, the want is queued behind those that have not failed.
        """
        if not self._call_ended(pending):
            return True
        closure = self.accounts[pending.want.account].closure if closed else None
        if not self.retries.retry(pending, reply, attempt, now_s, counts=counts, closure=closure):
            return False
        self._enter(pending, now_s)
        return True

    def opened(self, name: str, now_s: float) -> None:
        """Requeues the wants that were set aside while the account was closed; it has reopened."""
        account = self.accounts[name]
        account.closure += 1
        for queue in account.every_queue():
            for order, ticket, pending in tuple(queue.heap):
                if is_set_aside(order) and pending.ticket == ticket:
                    self._leave(pending)
                    self._enter(pending, now_s)

    def answered(self, pending: PendingWant, attempt: int, *, lost: bool) -> None:
        """Records a settled or lost answer; the lane's next turn decides what it wants then."""
        if self._call_ended(pending):
            self.retries.answered(pending, attempt, lost=lost)

    def _call_ended(self, pending: PendingWant) -> bool:
        """Withdraws the announcement of a want whose call was answered. Returns whether it is still wanted."""
        if pending.announced_in is not None:
            pending.take_back()
        if pending.state is not WantState.IN_FLIGHT:
            return False
        pending.state = WantState.UNPLACED
        return True


def _sleeping_key(account: AccountQueues, sleeping: SleepingLane, waits: Waits) -> SleepingKey:
    """Returns which ``AccountQueues.sleeping`` holds the entry.

    The kinds that a restored lane waits for are not known: it may be woken in vain once.
    """
    tier = 0
    if account.quota is not None:
        known = sleeping.tiers.get(waits.account)
        tier = account.quota.tier_at_least(waits.priority) if known is None else known
    return sleeping.at, waits.priority >= BACKGROUND, tier


def _is_same_call(old: Want, new: Want) -> bool:
    return (old.account, old.kind, old.body) == (new.account, new.kind, new.body)


def _keeps_announcement(old: Want, new: Want) -> bool:
    """Whether an announcement of the old want is valid for the new one: the record's headers name only the slot, so the
    call must be the same."""
    return new.once and _is_same_call(old, new)


def _same_place(old: Want, new: Want) -> bool:
    """Whether the new want may take the old one's place in its queue."""
    if old is new:
        return True
    return (old.account, old.kind, old.priority, old.since_us, old.exclusive, old.once) == (
        new.account, new.kind, new.priority, new.since_us, new.exclusive, new.once,
    )  # fmt: skip
