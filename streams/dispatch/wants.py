"""What lanes want, ranked by harm and age; a token takes one call's worth.

The laws of this file: one call under way per slot and per exclusive key, over all lanes of the process and within a
call. Rank 0 is never overtaken. While others are ready, the background has its share of the calls and no more. A retry
keeps its place and its age. Nothing of a partition leaves before it was admitted, nor after it was barred.

A ``once`` want leaves only after a record that announces it is durable, and is announced only when its turn to leave
has come. So it stands in a queue of its own first; announced and durable, it takes its place among the others. What
does not leave after all is taken back, and what comes back must be announced anew.

A want stands in its queue as ready; what still blocks it is found when it comes up, and then it is parked under the
name of what blocks it, so that no step looks at all wants.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import count
from math import inf

from streams.dispatch.queues import Account, Queue
from streams.dispatch.retries import History
from streams.flow import BACKGROUND, Assignment, Retry, Waits, Want
from streams.lanes.lane import Lane, Pending, Rest, Where
from streams.lanes.sleeping_lanes import Harm, Sleepers, aside, harm, is_aside, is_urgent, together
from streams.policy import DOZE, Pace, Policy

NEAR_BEHIND = 4
"""Wants of the background of one account kept ready."""

_ROUNDING = 1e-9

AHEAD_S = 0.5
"""How long before its turn a ``once`` want is announced, at most: about what a checkpoint takes on a slow broker."""

Line = Callable[[str | None], float]
"""When a call of a group of endpoints may leave, as far as that group's own pace goes."""

Ahead = Callable[[str | None], int]
"""How many calls of a group of endpoints may stand announced."""


def no_line(_group: str | None) -> float:
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
        self.accounts = {name: Account(pace, policy.near, near_at_most) for name, pace in paces.items()}
        self._step_us = max(1, round(policy.age_step_s * 1e6))
        self._owed_a_call = policy.background_share / (1 - policy.background_share)
        self.history = History(policy)
        self._tickets = count()
        self._open: set[Assignment] = set()
        self._busy: set[Hashable] = set()  # slots and exclusive keys of what is under way
        self._parked: dict[Hashable, list[tuple[int, Pending]]] = {}
        self._delays: list[tuple[float, int, Pending]] = []
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
                pending = Pending(at, lane, want)
                self._tally(pending, 1)
                self._enter(pending, now_s)
            else:
                self._renew(pending, want, now_s)
            lane.pending[want.slot] = pending
        for gone in before.values():
            self._withdraw(gone)
            self.history.forget(gone)

    def _renew(self, pending: Pending, want: Want, now_s: float) -> None:
        old = pending.want
        if pending.announced_in is not None and not _same_call(old, want) and pending.where is not Where.FLYING:
            self._leave(pending)
            self._take_back(pending)
        if pending.where is Where.FLYING or (pending.where is not Where.OUT and _same_place(old, want)):
            self._tally(pending, -1)
            pending.want = want
            self._tally(pending, 1)
            return
        self._leave(pending)
        self._tally(pending, -1)
        pending.want = want
        self._tally(pending, 1)
        self._enter(pending, now_s)

    def _withdraw(self, pending: Pending) -> None:
        self._leave(pending)
        if pending.announced_in is not None and pending.where is not Where.FLYING:
            self._take_back(pending)
        self._tally(pending, -1)
        pending.where = Where.GONE

    # ---- places -----------------------------------------------------------------------------------------------------

    def _enter(self, pending: Pending, now_s: float) -> None:
        """Into its queue, or, backing off, aside until its moment."""
        pending.ticket = next(self._tickets)
        account = self._account(pending.want.account)
        account.awake += 1
        not_before_s = self.history.not_before_s(pending)
        if not_before_s > now_s:
            pending.where = Where.DELAYED
            heappush(self._delays, (not_before_s, pending.ticket, pending))
            return
        pending.where = Where.READY
        account.ready += 1
        account.ready_behind += _is_behind(pending.want)
        queue = self._queue_of(pending, account)
        queue.push((self._worth(pending, account), pending.ticket, pending), now_s)

    def _worth(self, pending: Pending, account: Account) -> Harm:
        if self.history.failed_in(pending, account.closure):
            return aside(pending.want.since_us)
        return harm(pending.want.rank, pending.want.since_us, self._step_us)

    def _leave(self, pending: Pending) -> None:
        """Out of wherever it stands; its entries die with its ticket."""
        if pending.where in (Where.READY, Where.DELAYED, Where.PARKED):
            account = self._account(pending.want.account)
            account.awake -= 1
            if pending.where is Where.READY:
                account.ready -= 1
                account.ready_behind -= _is_behind(pending.want)
                self._queue_of(pending, account).ready -= 1
        pending.ticket = -1
        if pending.where is not Where.FLYING:
            pending.where = Where.OUT

    def _park(self, pending: Pending, why: Hashable) -> None:
        self._leave(pending)
        self._account(pending.want.account).awake += 1
        pending.ticket = next(self._tickets)
        pending.where = Where.PARKED
        self._parked.setdefault(why, []).append((pending.ticket, pending))

    def _unpark(self, why: Hashable, now_s: float) -> None:
        for ticket, pending in self._parked.pop(why, ()):
            if pending.ticket == ticket:
                self._leave(pending)
                self._enter(pending, now_s)

    def _queue_of(self, pending: Pending, account: Account) -> Queue:
        alone, limit_of = self.history.is_alone(pending), self._limits[pending.at.topic]
        behind, announced = _is_behind(pending.want), not pending.is_unannounced
        return account.queue(pending.want.kind, alone, behind, limit_of, self._group_of, announced=announced)

    def _account(self, name: str) -> Account:
        try:
            return self.accounts[name]
        except KeyError:
            raise ValueError(f"a lane wants a call of account {name!r}; known are {sorted(self.accounts)}") from None

    def _tally(self, pending: Pending, n: int) -> None:
        self._account(pending.want.account).tally.add(pending.want.rank, pending.want.since_us, n)

    def _blocker(self, pending: Pending) -> Hashable | None:
        if pending.at not in self._open:
            return pending.at
        if pending.slot_key in self._busy:
            return pending.slot_key
        for key in pending.want.exclusive:
            if key in self._busy:
                return key
        if pending.announced_in is not None and pending.lane.durable < pending.announced_in:
            return (pending.at, pending.lane.key)
        return None

    def _top(self, queue: Queue) -> Pending | None:
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
        """The gate of a partition opened: its wants may leave, its sleepers may be woken."""
        self._open.add(at)
        self._unpark(at, now_s)

    def bar(self, at: Assignment) -> None:
        """No new call of this partition, and no sleeper of it is woken."""
        self._open.discard(at)

    def forget(self, at: Assignment, lanes: Iterable[Lane]) -> None:
        """The assignment died. What is under way keeps its slot and keys until it is answered."""
        self.bar(at)
        for account in self.accounts.values():
            for behind in (False, True):
                account.sleepers.pop((at, behind), None)
        for lane in lanes:
            self._parked.pop((at, lane.key), None)
            for pending in lane.pending.values():
                self._withdraw(pending)
        self.history.drop(at)
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

    def may_rest(self, lane: Lane, now_s: float) -> bool:
        """Whether so many others wait that this lane's wants are not near."""
        for pending in lane.pending.values():
            account = self._account(pending.want.account)
            backing_off = pending.where is Where.DELAYED and self.history.not_before_s(pending) > now_s + 1.0
            behind = _is_behind(pending.want)
            waiting, enough = account.awake, DOZE * NEAR_BEHIND if behind else account.may_doze
            if pending.where is Where.READY and pending.at in self._open:
                waiting = account.ready_behind if behind else account.ready - account.ready_behind
            if waiting <= enough and not backing_off:
                return False
            if pending.where is Where.PARKED and pending.at in self._open:
                return False
        return True

    def rest(self, rest: Rest, lane: Lane, now_s: float) -> None:
        """The lane sleeps: small entries stand for its wants, which are gone."""
        not_before: dict[str, float] = {}
        for pending in lane.pending.values():
            name = pending.want.account
            not_before[name] = min(not_before.get(name, inf), self.history.not_before_s(pending))
            self._withdraw(pending)
        lane.pending = {}
        self._add_sleeper(rest, not_before, now_s)

    def lay(self, rest: Rest, now_s: float) -> None:
        """A lane that sleeps since before this assignment."""
        self._add_sleeper(rest, {}, now_s)

    def rise(self, rest: Rest) -> None:
        """The lane is awake again and will say its wants itself."""
        if rest.ticket != -1:
            for waits in rest.waits:
                if waits.account in self.accounts:
                    self.accounts[waits.account].sleepers[_whose(rest, waits)].gone(waits)
            rest.ticket = -1

    def _add_sleeper(self, rest: Rest, not_before: dict[str, float], now_s: float) -> None:
        if not rest.waits:
            return
        rest.ticket = next(self._tickets)
        for waits in rest.waits:
            account = self.accounts.get(waits.account)
            if account is None:
                continue
            worth = harm(waits.rank, waits.since_us, self._step_us)
            sleepers = account.sleepers.setdefault(_whose(rest, waits), Sleepers())
            sleepers.add(rest, waits, worth, not_before.get(waits.account, -inf), now_s)

    def _sleepers(self, account: Account) -> Iterator[tuple[bool, Sleepers]]:
        """Of the partitions that are open; whether they are of the background."""
        return ((behind, sleepers) for (at, behind), sleepers in account.sleepers.items() if at in self._open)

    def _first_asleep(self, account: Account, now_s: float, *, behind: bool) -> tuple[Harm, int, Rest] | None:
        tops = (sleepers.top(now_s) for is_behind, sleepers in self._sleepers(account) if is_behind == behind)
        return min((top for top in tops if top is not None), default=None)

    def to_wake(self, name: str, now_s: float) -> Rest | None:
        """The sleeper who should speak before the next call is made: few are awake, or none awake is as harmful. Of
        the background only as many as are needed to have some ready."""
        account = self.accounts[name]
        first = self._first_asleep(account, now_s, behind=False)
        if first is not None:
            tops = [queue.heap[0][0] for queue in account.every_queue() if self._top(queue) is not None]
            if account.ready - account.ready_behind < account.near or first[0] < min(tops, default=first[0]):
                return first[2]
        first = self._first_asleep(account, now_s, behind=True)
        return first[2] if first is not None and account.ready_behind < NEAR_BEHIND else None

    def waiting(self, name: str) -> tuple[dict[int, int], int | None]:
        """How many wants wait by rank, asleep or awake, and since when (µs) the oldest does."""
        account = self.accounts[name]
        return together([account.tally, *(sleepers.tally for _, sleepers in self._sleepers(account))])

    # ---- calls ------------------------------------------------------------------------------------------------------

    def advance(self, now_s: float) -> None:
        """Those whose moment has come stop backing off."""
        while self._delays and self._delays[0][0] <= now_s:
            _, ticket, pending = heappop(self._delays)
            if pending.ticket == ticket:
                self._leave(pending)
                self._enter(pending, now_s)

    def next_s(self, name: str, now_s: float, *, urgent: bool = False, line: Line = no_line) -> float:
        """When this account has something for a token: now, when a wait for company or for a group ends, or never.

        ``urgent``: only what is most harmful counts.
        """
        account = self.accounts[name]
        rest = self.to_wake(name, now_s)
        if rest is not None and (not urgent or any(w.rank <= 0 for w in rest.waits if w.account == name)):
            return now_s
        queues = (queue for queue in account.queues.values() if self._may_go(queue, urgent=urgent))
        moments = (max(now_s, queue.lingers_until_s(account.linger_s), line(queue.group)) for queue in queues)
        later = (sleepers.next_s() for _, sleepers in self._sleepers(account))
        return min(min(moments, default=inf), min(later, default=inf))

    def next_delay_s(self) -> float:
        """When the next one stops backing off."""
        while self._delays and self._delays[0][1] != self._delays[0][2].ticket:
            heappop(self._delays)
        return self._delays[0][0] if self._delays else inf

    def take(self, name: str, now_s: float, *, urgent: bool = False, line: Line = no_line) -> list[Pending]:
        """One call's worth: the most harmful ready want and its company. They hold slots and keys from now on.

        ``urgent``: nothing, unless that want is of the first rank.
        """
        queue = self._whose_turn(self.accounts[name], now_s, urgent, line)
        taken: list[Pending] = []
        while queue is not None and len(taken) < queue.limit:
            pending = self._top(queue)
            if pending is None:
                break
            heappop(queue.heap)
            self._leave(pending)
            self._unlist(pending)
            pending.where = Where.FLYING
            self._busy.update((pending.slot_key, *pending.want.exclusive))
            taken.append(pending)
        return taken

    def _whose_turn(self, account: Account, now_s: float, urgent: bool, line: Line) -> Queue | None:
        """The most harmful, or the background when as many calls as its share allows have left without it."""
        best = self._most_harmful(account, now_s, urgent, line, behind=False)
        behind = self._most_harmful(account, now_s, urgent, line, behind=True)
        if best is None or behind is None:
            return best or behind
        if is_aside(best.heap[0][0]):
            return best if is_aside(behind.heap[0][0]) else behind
        if account.owed_behind < 1 - _ROUNDING or is_urgent(best.heap[0][0]):
            account.owed_behind = min(1.0, account.owed_behind + self._owed_a_call)
            return best
        account.owed_behind = 0.0
        return behind

    def _most_harmful(self, account: Account, now_s: float, urgent: bool, line: Line, *, behind: bool) -> Queue | None:
        best: Queue | None = None
        for queue in account.queues.values():
            if queue.behind is not behind or not self._may_go(queue, urgent=urgent) or line(queue.group) > now_s:
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
        self, name: str, now_s: float, *, ahead: Ahead, urgent: bool = False, line: Line = no_line
    ) -> list[Pending]:
        """Those whose turn has come: they may leave when the next record of their lane is durable."""
        account = self.accounts[name]
        announced: list[Pending] = []
        for queue in self._in_turn(account, now_s, ahead, urgent, line):
            if line(queue.group) > now_s + AHEAD_S:
                continue
            while queue in self._in_turn(account, now_s, ahead, urgent, line):
                pending = heappop(queue.heap)[2]
                self._leave(pending)
                pending.announce()
                account.announced[pending] = queue
                queue.announced += 1
                self._enter(pending, now_s)
                announced.append(pending)
        return announced

    def next_announcement_s(
        self, name: str, now_s: float, *, ahead: Ahead, urgent: bool = False, line: Line = no_line
    ) -> float:
        """When this account has one to announce: now, when it is near its group's turn, or never."""
        queues = self._in_turn(self.accounts[name], now_s, ahead, urgent, line)
        return max(now_s, min((line(queue.group) - AHEAD_S for queue in queues), default=inf))

    def _in_turn(self, account: Account, now_s: float, ahead: Ahead, urgent: bool, line: Line) -> list[Queue]:
        """Queues whose first would be announced: few of it are, and nothing that needs no announcement goes before."""
        others = (
            queue.heap[0][0]
            for queue in account.queues.values()
            if self._may_go(queue, urgent=urgent) and not queue.heap[0][2].want.once and line(queue.group) <= now_s
        )
        first = min(others, default=None)
        return [
            queue
            for queue in account.unannounced.values()
            if queue.announced < ahead(queue.group) * queue.limit
            and self._may_go(queue, urgent=urgent)
            and (first is None or queue.heap[0][0] <= first)
        ]

    def take_back(self, those: Iterable[Pending], now_s: float) -> list[Pending]:
        """What was announced and has not left is as if it had not been; the others are passed over."""
        back = [pending for pending in those if pending.announced_in is not None and pending.where is not Where.FLYING]
        for pending in back:
            self._leave(pending)
            self._take_back(pending)
            self._enter(pending, now_s)
        return back

    def _take_back(self, pending: Pending) -> None:
        """It stands nowhere."""
        self._unlist(pending)
        pending.take_back()

    def _unlist(self, pending: Pending) -> None:
        """It is no longer among those that are announced and have not left."""
        queue = self._account(pending.want.account).announced.pop(pending, None)
        if queue is not None:
            queue.announced -= 1

    # ---- answers ----------------------------------------------------------------------------------------------------

    def again(self, pending: Pending, now_s: float) -> None:
        """It never left: back to its place, unharmed."""
        if self._landed(pending):
            self._enter(pending, now_s)

    def retry(
        self, pending: Pending, said: Retry, attempt: int, now_s: float, *, counts: bool, closed: bool = False
    ) -> bool:
        """Not now. False when the budget of the oldest undone event is used up: then its lane must hear of it.

        ``closed``: its account is; until that opens, it stands behind those that have not failed.
        """
        if not self._landed(pending):
            return True
        closure = self._account(pending.want.account).closure if closed else None
        if not self.history.retry(pending, said, attempt, now_s, counts=counts, closure=closure):
            return False
        self._enter(pending, now_s)
        return True

    def opened(self, name: str, now_s: float) -> None:
        """The account did: what stood aside has its place again."""
        account = self.accounts[name]
        account.closure += 1
        for queue in account.every_queue():
            for worth, ticket, pending in tuple(queue.heap):
                if is_aside(worth) and pending.ticket == ticket:
                    self._leave(pending)
                    self._enter(pending, now_s)

    def answered(self, pending: Pending, attempt: int, *, lost: bool) -> None:
        """Settled or lost: its lane speaks next."""
        if self._landed(pending):
            self.history.answered(pending, attempt, lost=lost)

    def _landed(self, pending: Pending) -> bool:
        """Whether it is still wanted. The lane's next record says no longer that it may be under way."""
        if pending.announced_in is not None:
            pending.take_back()
        if pending.where is not Where.FLYING:
            return False
        pending.where = Where.OUT
        return True


def _is_behind(want: Want) -> bool:
    return want.rank >= BACKGROUND


def _whose(rest: Rest, waits: Waits) -> tuple[Assignment, bool]:
    """Where it sleeps: in which partition, and whether in the background."""
    return rest.at, waits.rank >= BACKGROUND


def _same_call(old: Want, new: Want) -> bool:
    """Whether what announced the one announces the other: a record names a slot, and its value what that is to do."""
    return new.once and (old.account, old.kind, old.body) == (new.account, new.kind, new.body)


def _same_place(old: Want, new: Want) -> bool:
    """Whether the newer want may stand where the older one stood."""
    if old is new:
        return True
    return (old.account, old.kind, old.rank, old.since_us, old.exclusive, old.once) == (
        new.account, new.kind, new.rank, new.since_us, new.exclusive, new.once,
    )  # fmt: skip
