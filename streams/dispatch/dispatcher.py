"""Dispatches calls as the rate limiters allow, and applies answers to slots, rate limiters and retries.

No call is made after the lease has expired. Each carries the lease's end, so that the worker checks it again right
before sending.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, count
from math import floor, inf

from streams.dispatch.in_flight import CallInFlight, InFlight, SentItem
from streams.dispatch.quota_meter import QuotaMeter
from streams.dispatch.rate_limiter import RateLimiter
from streams.dispatch.wants import AHEAD_S, Ahead, GroupPace, Wants, no_group
from streams.flow import Answer, Answered, Call, GaveUp, Item, Lost, NotSent, Now, Reply, Retry, Settled
from streams.frozen import quick
from streams.lanes.lane import PendingWant, SleepingLane
from streams.messages import Notice
from streams.policy import Pace, Policy


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredItem:
    """One answered item; ``cause`` is for its lane's next turn, None = the want stays and the lane gets no turn."""

    sent: SentItem
    cause: Answered | None


class Dispatcher:
    """Makes calls of wants, for all accounts of the process."""

    def __init__(
        self,
        policy: Policy,
        paces: Mapping[str, Pace],
        wants: Wants,
        call_prefix: str,
        group_of: Callable[[str], str | None] = no_group,
    ) -> None:
        self.limiters = {name: RateLimiter(pace) for name, pace in paces.items()}
        # by account and group of endpoints: a call of the group takes a slot of this limiter and of its account's
        self._group_limiters = {
            (name, group): RateLimiter(replace(pace, per_second=per_second, groups={}))
            for name, pace in paces.items()
            for group, per_second in pace.groups.items()
        }
        self.quotas = {
            name: QuotaMeter(pace.quota, 1 - pace.reserve, pace.per_second, policy.lease_s)
            for name, pace in paces.items()
            if pace.quota is not None
        }
        self.in_flight = InFlight()
        self._policy = policy
        self._paces = paces
        self._wants = wants
        self._prefix = call_prefix
        self._group_of = group_of
        self._seq = count(1)
        self._reported_open = dict.fromkeys(paces, True)

    def share(self, share: float, now_s: float) -> None:
        """Sets this process's share of every account's ceiling, less the reserve of the command line."""
        for name, limiter in self.limiters.items():
            own_share = min(1.0, share) * (1 - self._paces[name].reserve)
            limiter.set_share(own_share, now_s)
            for account, group in self._group_limiters:
                if account == name:
                    self._group_limiters[account, group].set_share(own_share, now_s)

    def background(self, now_s: float) -> int:
        """Returns how many background wants wait that can leave: those of accounts that are not closed, and whose quota
        has calls left for them."""
        return sum(
            self._wants.background(name)
            for name, limiter in self.limiters.items()
            if limiter.is_open(now_s) and not self._wants.withholds_background(name)
        )

    def calls(self, now: Now, lease_until_s: float, wake: Callable[[SleepingLane], None]) -> Iterator[Call]:
        """Yields all calls that may leave now. ``wake`` wakes a sleeping lane, so that its wants are added."""
        if now.mono_s >= lease_until_s:
            return
        self._wants.advance(now.mono_s)
        if self.quotas:
            self._apply_quotas(now)
        for name, limiter in self.limiters.items():
            while not self._full and limiter.ready_at(now.mono_s) <= now.mono_s:
                self._wake(name, now.mono_s, wake)
                urgent = self._only_urgent(limiter, now.mono_s)
                taken = self._wants.take(name, now.mono_s, urgent=urgent, pace=self._group_pace(name, now.mono_s))
                if not taken:
                    break
                yield self._call(name, limiter, taken, now.mono_s, lease_until_s)
                if self.quotas:
                    self._count(name, taken[0].want.kind, now)

    def _apply_quotas(self, now: Now) -> None:
        for name, quota in self.quotas.items():
            quota.refresh(now)
            self._wants.limit(name, quota.limit, now.mono_s)

    def _count(self, name: str, kind: str, now: Now) -> None:
        """Counts a call against the quota of its account, after which further tiers may have to wait."""
        quota = self.quotas.get(name)
        if quota is not None:
            quota.take(kind, now)
            self._wants.limit(name, quota.limit, now.mono_s)

    def announcements(self, now: Now, lease_until_s: float) -> Iterator[PendingWant]:
        """Yields ``once`` wants that are announced or whose announcement is withdrawn; their lanes' records change.

        To be called after ``calls``, whose wants need no announcement. At most as many calls are announced as leave in
        about the time of a checkpoint, so that little is unknown after a crash; announcements of calls that cannot
        leave are withdrawn. While the account is closed nothing is announced, except one call when the probe is due
        and no other want can be the probe.
        """
        if now.mono_s >= lease_until_s:
            return
        for name, limiter in self.limiters.items():
            account = self._wants.accounts[name]
            if account.announced:
                yield from self._wants.take_back(self._stuck(account.announced, limiter, now.mono_s), now.mono_s)
            if account.unannounced and not self._full and self._announces_at(limiter, now.mono_s) <= now.mono_s:
                urgent, pace = self._only_urgent(limiter, now.mono_s), self._group_pace(name, now.mono_s)
                ahead = self._ahead(name, limiter, now.mono_s)
                yield from self._wants.announce(name, now.mono_s, ahead=ahead, urgent=urgent, pace=pace)

    def _stuck(self, announced: Iterable[PendingWant], limiter: RateLimiter, now_s: float) -> list[PendingWant]:
        """Returns the announced wants that cannot leave: all while closed, those above priority 0 while reserved, and
        those that a control command halts or that must wait for the quota."""
        if limiter.is_shut(now_s):
            return list(announced)
        reserved = limiter.reserved_until_s > now_s
        return [
            each
            for each in announced
            if (reserved and each.want.priority > 0)
            or self._wants.is_halted(each.want)
            or (self.quotas and self._wants.is_withheld(each.want))
        ]

    def _announces_at(self, limiter: RateLimiter, now_s: float) -> float:
        """Returns when to announce: shortly before a call may leave, or, with a closed account, when its probe may."""
        ready_s = limiter.ready_at(now_s)
        return ready_s if not limiter.is_open(now_s) else ready_s - AHEAD_S

    def _ahead(self, name: str, limiter: RateLimiter, now_s: float) -> Ahead:
        """Returns a function of a group of endpoints: how many calls leave within ``AHEAD_S``, at least one."""

        def calls(group: str | None) -> int:
            group_limiter = self._group_limiters.get((name, group or ""))
            rate = limiter.rate(now_s) if group_limiter is None else min(limiter.rate(now_s), group_limiter.rate(now_s))
            return max(1, floor(rate * AHEAD_S))

        return calls

    @property
    def _full(self) -> bool:
        return len(self.in_flight) >= self._policy.max_calls

    def _only_urgent(self, limiter: RateLimiter, now_s: float) -> bool:
        """Whether only priority 0 may leave: the last workers and the rest of a quota are reserved for it."""
        few_left = len(self.in_flight) >= self._policy.max_calls - self._policy.urgent_calls
        return few_left or limiter.reserved_until_s > now_s

    def _group_pace(self, name: str, now_s: float) -> GroupPace:
        """Returns a function of a group of endpoints: when the group's pace allows its next call."""

        def ready_at(group: str | None) -> float:
            group_limiter = self._group_limiters.get((name, group or ""))
            return -inf if group_limiter is None else group_limiter.ready_at(now_s)

        return ready_at

    def _group_limiter(self, call: Call) -> RateLimiter | None:
        """Returns the limiter of the call's group of endpoints; None if the group has no pace of its own."""
        return self._group_limiters.get((call.account, self._group_of(call.kind) or ""))

    def _wake(self, name: str, now_s: float, wake: Callable[[SleepingLane], None]) -> None:
        """Wakes sleeping lanes until enough wants are ready for the next call."""
        for _ in range(self._wants.accounts[name].near):
            sleeping = self._wants.to_wake(name, now_s)
            if sleeping is None:
                return
            wake(sleeping)

    def _call(
        self, name: str, limiter: RateLimiter, taken: list[PendingWant], now_s: float, lease_until_s: float
    ) -> Call:
        sent = [SentItem(pending=p, want=p.want, attempt=self._wants.retries.attempt(p)) for p in taken]
        call_id = f"{self._prefix}-{next(self._seq)}"
        limiter.take(now_s, call_id)
        call = Call(
            id=call_id,
            account=name,
            kind=taken[0].want.kind,
            items=tuple([Item(body=one.want.body, attempt=one.attempt, since_us=one.want.since_us) for one in sent]),
            send_by_s=lease_until_s,
            give_up_at_s=now_s + self._policy.call_deadline_s,
            tokens_left=limiter.tokens_left(now_s),
            limit_per_s=limiter.open_rate(now_s),
        )
        group_limiter = self._group_limiter(call)
        if group_limiter is not None:
            group_limiter.take(now_s, call_id)
        self.in_flight.leave(CallInFlight(call=call, items=tuple(sent)))
        return call

    def answered(self, answer: Answer, now: Now) -> list[AnsweredItem]:
        """Applies an answer: frees slots, queues retries again, adapts the rate limiters.

        Returns its items; empty for a call that is not in flight. Raises ValueError when the number of replies is not
        the number of items.
        """
        call = self.in_flight.take(answer.call.id)
        if call is None:
            return []
        if len(answer.replies) != len(call.items):
            raise ValueError(f"call {answer.call.id} has {len(call.items)} items, {len(answer.replies)} replies")
        if self.quotas and answer.sent_s is None and answer.call.account in self.quotas:
            taken_s = answer.call.give_up_at_s - self._policy.call_deadline_s
            self.quotas[answer.call.account].not_sent(answer.call.kind, taken_s)
        limiter = self.limiters[answer.call.account]
        was_open = limiter.is_open(now.mono_s)
        limiter.answered(
            answer.call.id,
            now.mono_s,
            slow_down=answer.slow_down,
            failed=answer.failed,
            close_s=answer.close_account_s,
            because=answer.closed_because,
            reserve_until_s=answer.reserve_until_s,
            left=answer.sent_s is not None,
        )
        self._apply_to_group(answer, now.mono_s)
        is_open = limiter.is_open(now.mono_s)
        if is_open and not was_open:
            self._wants.opened(answer.call.account, now.mono_s)
        counts = is_open and was_open
        replies = zip(call.items, answer.replies, strict=True)
        return [
            AnsweredItem(sent=s, cause=self._item(s, reply, answer, now, counts=counts, closed=not is_open))
            for s, reply in replies
        ]

    def _item(
        self, sent: SentItem, reply: Reply, answer: Answer, now: Now, *, counts: bool, closed: bool
    ) -> Answered | None:
        """Applies the reply to one item. Returns the cause for its lane's turn; None = the want is queued again."""
        if sent.want.once and isinstance(reply, Retry) and not reply.refused:
            reply = Lost(reason=reply.reason)  # it may have taken effect
        if isinstance(reply, Lost):
            self.in_flight.lose(sent, answer.call.give_up_at_s + self._policy.grace_s)
        else:
            self.over(sent, now.mono_s)
        match reply:
            case Settled() | Lost():
                self._wants.answered(sent.pending, sent.attempt, lost=isinstance(reply, Lost))
                return _answered(sent, reply, answer)
            case NotSent():
                self._wants.again(sent.pending, now.mono_s)
                return None
            case Retry():
                counts = counts and reply.counts
                if self._wants.retry(sent.pending, reply, sent.attempt, now.mono_s, counts=counts, closed=closed):
                    return None
                return _answered(sent, GaveUp(reason=reply.reason), answer)

    def _apply_to_group(self, answer: Answer, now_s: float) -> None:
        """Applies an answer to its group's limiter: the slot, and a 429, which does not say whose limit was exceeded.
        Closing and probing are left to the account's limiter."""
        group_limiter = self._group_limiter(answer.call)
        if group_limiter is not None:
            left = answer.sent_s is not None
            group_limiter.answered(
                answer.call.id, now_s, slow_down=answer.slow_down, failed=False, close_s=None, because="", left=left
            )

    def over(self, sent: SentItem, now_s: float) -> None:
        """Frees the slot and exclusive keys of an item that can take no further effect."""
        self.in_flight.over(sent)
        self._wants.release(sent.keys, now_s)

    def changes_of_accounts(self, now_s: float) -> Iterator[Notice]:
        """Yields a notice for each account that closed or reopened since the last call, and those of its quota."""
        for name, limiter in self.limiters.items():
            is_open = limiter.is_open(now_s)
            if is_open != self._reported_open[name]:
                self._reported_open[name] = is_open
                fields = {"account": name, "reason": limiter.state(now_s)}
                if is_open:
                    yield Notice(event="account_opened", fields=fields)
                else:
                    yield Notice(event="account_closed", level="warning", fields=fields)
        if self.quotas:
            for name, quota in self.quotas.items():
                yield from quota.notices(name)

    def next_s(self, now: Now, lease_until_s: float) -> float:
        """Returns when something may leave or be announced, as far as is known now; ``inf`` = not known."""
        now_s = now.mono_s
        if now_s >= lease_until_s or self._full:
            return inf
        moments: Iterator[float] = (self._next_s(name, limiter, now_s) for name, limiter in self.limiters.items())
        if self.quotas:
            moments = chain(moments, (quota.next_s(now) for quota in self.quotas.values()))
        return min(min(moments, default=inf), self._wants.next_delay_s())

    def _next_s(self, name: str, limiter: RateLimiter, now_s: float) -> float:
        urgent, pace = self._only_urgent(limiter, now_s), self._group_pace(name, now_s)
        wanted_s = self._wants.next_s(name, now_s, urgent=urgent, pace=pace)
        if limiter.reserved_until_s > now_s:
            wanted_s = min(wanted_s, limiter.reserved_until_s)
        return min(max(wanted_s, limiter.ready_at(now_s)), self._next_announcement_s(name, limiter, now_s))

    def _next_announcement_s(self, name: str, limiter: RateLimiter, now_s: float) -> float:
        if not self._wants.accounts[name].unannounced:
            return inf
        urgent, pace = self._only_urgent(limiter, now_s), self._group_pace(name, now_s)
        ahead = self._ahead(name, limiter, now_s)
        first_s = self._wants.next_announcement_s(name, now_s, ahead=ahead, urgent=urgent, pace=pace)
        return max(first_s, self._announces_at(limiter, now_s))


def _answered(sent: SentItem, reply: Settled | Lost | GaveUp, answer: Answer) -> Answered:
    return Answered(
        want=sent.want,
        reply=reply,
        call_id=answer.call.id,
        attempts=sent.attempt,
        sent_us=answer.sent_us,
        answered_us=answer.answered_us,
    )
