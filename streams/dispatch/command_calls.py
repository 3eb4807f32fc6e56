"""Makes the calls of a command at the pace of their accounts, and repeats each until it is answered. Pure.

A command has no lanes: its calls are made once each, in the order in which they were added, and none waits for a
checkpoint. Only calls that may be repeated belong here, since one whose answer was lost is sent again.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Any, assert_never

from streams.dispatch.backoff import Backoff, spread
from streams.dispatch.rate_limiter import RateLimiter
from streams.flow import Answer, Answered, Call, GaveUp, Item, Lost, NotSent, Now, Reply, Retry, Settled, Want
from streams.policy import Pace, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandCall:
    """A call that a command wants answered."""

    account: str
    kind: str
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOutcome:
    """How a call ended; it may have been sent several times. ``sent_us``: 0 if it was never sent."""

    call: CommandCall
    reply: Settled | GaveUp
    call_id: str = ""
    sent_us: int = 0
    answered_us: int | None = None

    def answered(self) -> Answered:
        """Returns the outcome as a flow gets the answer to a want."""
        call = self.call
        want = Want(slot="", account=call.account, kind=call.kind, priority=0, since_us=0, body=call.body)
        return Answered(
            want=want,
            reply=self.reply,
            call_id=self.call_id,
            attempts=1,
            sent_us=self.sent_us,
            answered_us=self.answered_us,
        )


@dataclass(slots=True, kw_only=True)
class _Pending:
    """A call that has no outcome yet."""

    call: CommandCall
    attempts: int = 0
    counted: int = 0  # failures that count against the budget


@dataclass(slots=True)
class _AccountQueue:
    """The pending calls of an account that are not in flight."""

    limiter: RateLimiter
    ready: deque[_Pending] = field(default_factory=deque)
    later: list[tuple[float, int, _Pending]] = field(default_factory=list)  # heap: not before, sequence number
    closed_since_s: float | None = None


class CommandCalls:
    """The calls of one command. ``shares``: the part of each account's rate that the command may use, 0 to 1."""

    def __init__(
        self, paces: Mapping[str, Pace], shares: Mapping[str, float], policy: Policy, *, prefix: str, patience_s: float
    ) -> None:
        """``patience_s``: how long an account may stay closed before its calls are given up."""
        self._accounts = {name: _AccountQueue(RateLimiter(pace)) for name, pace in paces.items()}
        for name, account in self._accounts.items():
            account.limiter.set_share(shares[name], 0.0)
        self._policy = policy
        self._backoff = Backoff(base_s=policy.retry_base_s, cap_s=policy.retry_cap_s, budget=policy.retry_budget)
        self._prefix = prefix
        self._patience_s = patience_s
        self._in_flight: dict[str, _Pending] = {}
        self._numbers = count(1)
        self.made = 0  # calls, repetitions included

    def add(self, call: CommandCall) -> None:
        """Adds a call. Raises KeyError for an unknown account."""
        self._accounts[call.account].ready.append(_Pending(call=call))

    @property
    def left(self) -> int:
        """The number of calls without an outcome."""
        waiting = sum(len(account.ready) + len(account.later) for account in self._accounts.values())
        return waiting + len(self._in_flight)

    def calls(self, now: Now) -> Iterator[Call]:
        """Yields all calls that may leave now."""
        for name, account in self._accounts.items():
            while account.later and account.later[0][0] <= now.mono_s:
                account.ready.appendleft(heappop(account.later)[2])
            while account.ready and not self._full and account.limiter.ready_at(now.mono_s) <= now.mono_s:
                yield self._leave(name, account, account.ready.popleft(), now.mono_s)

    def answered(self, answer: Answer, now: Now) -> Iterator[CallOutcome]:
        """Applies an answer; yields the outcome unless the call is to be repeated."""
        pending = self._in_flight.pop(answer.call.id)
        account = self._accounts[answer.call.account]
        was_open = account.limiter.is_open(now.mono_s)
        account.limiter.answered(
            answer.call.id,
            now.mono_s,
            slow_down=answer.slow_down,
            failed=answer.failed,
            close_s=answer.close_account_s,
            because=answer.closed_because,
            reserve_until_s=answer.reserve_until_s,
            left=answer.sent_s is not None,
        )
        is_open = account.limiter.is_open(now.mono_s)
        if is_open or account.closed_since_s is None:
            account.closed_since_s = None if is_open else now.mono_s
        (reply,) = answer.replies
        if (reason := self._given_up(pending, reply, account, now.mono_s, counts=is_open and was_open)) is None:
            return
        yield CallOutcome(
            call=pending.call,
            reply=reply if isinstance(reply, Settled) else GaveUp(reason=reason),
            call_id=answer.call.id,
            sent_us=answer.sent_us,
            answered_us=answer.answered_us,
        )

    def overdue(self, now_s: float) -> Iterator[CallOutcome]:
        """Yields the calls of accounts that have been closed for too long, as given up."""
        for account in self._accounts.values():
            since_s = account.closed_since_s
            if since_s is None or now_s < since_s + self._patience_s or account.limiter.probing:
                continue
            reason = account.limiter.state(now_s)
            waiting = [*account.ready, *(pending for _, _, pending in account.later)]
            account.ready.clear()
            account.later.clear()
            for pending in waiting:
                yield CallOutcome(call=pending.call, reply=GaveUp(reason=reason))

    def next_s(self, now_s: float) -> float:
        """Returns when something may leave or be given up; ``inf``: not before an answer."""
        return min((self._next_s(account, now_s) for account in self._accounts.values()), default=inf)

    def closed(self, now_s: float) -> dict[str, str]:
        """Returns the state in words of each account that is closed and has calls left."""
        return {
            name: account.limiter.state(now_s)
            for name, account in self._accounts.items()
            if account.closed_since_s is not None and (account.ready or account.later or account.limiter.probing)
        }

    @property
    def most(self) -> int:
        """The most calls that are in flight at once."""
        return self._policy.max_calls

    @property
    def _full(self) -> bool:
        return len(self._in_flight) >= self._policy.max_calls

    def _leave(self, name: str, account: _AccountQueue, pending: _Pending, now_s: float) -> Call:
        pending.attempts += 1
        self.made += 1
        call = Call(
            id=f"{self._prefix}-{next(self._numbers)}",
            account=name,
            kind=pending.call.kind,
            items=(Item(body=pending.call.body, attempt=pending.attempts),),
            send_by_s=now_s + self._policy.call_deadline_s,
            give_up_at_s=now_s + self._policy.call_deadline_s,
            tokens_left=account.limiter.tokens_left(now_s),
            limit_per_s=account.limiter.open_rate(now_s),
        )
        account.limiter.take(now_s, call.id)
        self._in_flight[call.id] = pending
        return call

    def _given_up(
        self, pending: _Pending, reply: Reply, account: _AccountQueue, now_s: float, *, counts: bool
    ) -> str | None:
        """Returns None if the call is to be repeated, and then queues it; else why it ends ("" if it is settled)."""
        match reply:
            case Settled():
                return ""
            case NotSent():
                account.ready.appendleft(pending)
                return None
            case Retry(reason=reason, after_s=after_s):
                pending.counted += reply.counts and counts
            case Lost(reason=reason):
                after_s = None
                pending.counted += counts
            case unreachable:
                assert_never(unreachable)
        if self._backoff.used_up(pending.counted):
            return reason
        if after_s is None:
            after_s = self._backoff.wait_s(max(1, pending.counted), spread(pending.call.account, pending.attempts))
        heappush(account.later, (now_s + after_s, next(self._numbers), pending))
        return None

    def _next_s(self, account: _AccountQueue, now_s: float) -> float:
        if not account.ready and not account.later:
            return inf
        wanted_s = now_s if account.ready else account.later[0][0]
        leaves_s = inf if self._full else max(wanted_s, account.limiter.ready_at(now_s))
        if account.closed_since_s is None or account.limiter.probing:
            return leaves_s
        return min(leaves_s, account.closed_since_s + self._patience_s)
