"""A token frees a call: what leaves, and what an answer means for slots, pace and retries.

No call is made when the lease is over; each carries the lease's end, so that the worker checks it again at the socket.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from math import floor, inf

from streams.dispatch.in_flight import Flight, Flights, Sent
from streams.dispatch.rate_limiter import Valve
from streams.dispatch.wants import AHEAD_S, Ahead, Line, Wants, no_group
from streams.flow import Answer, Answered, Call, GaveUp, Item, Lost, NotSent, Now, Reply, Retry, Settled
from streams.frozen import quick
from streams.lanes.lane import Pending, Rest
from streams.messages import Notice
from streams.policy import Pace, Policy


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One item is answered: what its lane must hear, if anything."""

    sent: Sent
    cause: Answered | None


class Sending:
    def __init__(
        self,
        policy: Policy,
        paces: Mapping[str, Pace],
        wants: Wants,
        call_prefix: str,
        group_of: Callable[[str], str | None] = no_group,
    ) -> None:
        self.valves = {name: Valve(pace) for name, pace in paces.items()}
        self._lines = {  # by account and group of endpoints: a call takes a slot of its account's line and of this one
            (name, group): Valve(replace(pace, per_second=per_second, groups={}))
            for name, pace in paces.items()
            for group, per_second in pace.groups.items()
        }
        self.flights = Flights()
        self._policy = policy
        self._paces = paces
        self._wants = wants
        self._prefix = call_prefix
        self._group_of = group_of
        self._seq = count(1)
        self._said_open = dict.fromkeys(paces, True)

    def share(self, share: float, now_s: float) -> None:
        """This process's part of every account's ceiling, the command line's reserve taken off."""
        for name, valve in self.valves.items():
            ours = min(1.0, share) * (1 - self._paces[name].reserve)
            valve.set_share(ours, now_s)
            for account, group in self._lines:
                if account == name:
                    self._lines[account, group].set_share(ours, now_s)

    def calls(self, now: Now, lease_until_s: float, wake: Callable[[Rest], None]) -> Iterator[Call]:
        """All calls that may leave now. ``wake`` lets a sleeping lane say its wants."""
        if now.mono_s >= lease_until_s:
            return
        self._wants.advance(now.mono_s)
        for name, valve in self.valves.items():
            while not self._full and valve.ready_at(now.mono_s) <= now.mono_s:
                self._wake(name, now.mono_s, wake)
                urgent = self._only_urgent(valve, now.mono_s)
                taken = self._wants.take(name, now.mono_s, urgent=urgent, line=self._line(name, now.mono_s))
                if not taken:
                    break
                yield self._call(name, valve, taken, now.mono_s, lease_until_s)

    def announcements(self, now: Now, lease_until_s: float) -> Iterator[Pending]:
        """``once`` wants whose standing in their lane's record changed: told after ``calls``, which need no record.

        As many may stand announced as leave in about the time of a checkpoint, so that little is unknown after a crash;
        what cannot leave is taken back. While the account is closed nothing is announced, until its probe is due and
        nothing else is there to be it: then one call.
        """
        if now.mono_s >= lease_until_s:
            return
        for name, valve in self.valves.items():
            account = self._wants.accounts[name]
            if account.announced:
                yield from self._wants.take_back(self._stuck(account.announced, valve, now.mono_s), now.mono_s)
            if account.unannounced and not self._full and self._announces_at(valve, now.mono_s) <= now.mono_s:
                urgent, line = self._only_urgent(valve, now.mono_s), self._line(name, now.mono_s)
                ahead = self._ahead(name, valve, now.mono_s)
                yield from self._wants.announce(name, now.mono_s, ahead=ahead, urgent=urgent, line=line)

    def _stuck(self, announced: Iterable[Pending], valve: Valve, now_s: float) -> list[Pending]:
        if valve.is_shut(now_s):
            return list(announced)
        return [each for each in announced if each.want.rank > 0] if valve.reserved_until_s > now_s else []

    def _announces_at(self, valve: Valve, now_s: float) -> float:
        """Shortly before a call may leave; a closed account is not opened by what need not leave."""
        ready_s = valve.ready_at(now_s)
        return ready_s if not valve.is_open(now_s) else ready_s - AHEAD_S

    def _ahead(self, name: str, valve: Valve, now_s: float) -> Ahead:
        def calls(group: str | None) -> int:
            line = self._lines.get((name, group or ""))
            rate = valve.rate(now_s) if line is None else min(valve.rate(now_s), line.rate(now_s))
            return max(1, floor(rate * AHEAD_S))

        return calls

    @property
    def _full(self) -> bool:
        return len(self.flights) >= self._policy.max_calls

    def _only_urgent(self, valve: Valve, now_s: float) -> bool:
        """The last workers and the last of a quota are for the most harmful."""
        few_left = len(self.flights) >= self._policy.max_calls - self._policy.urgent_calls
        return few_left or valve.reserved_until_s > now_s

    def _line(self, name: str, now_s: float) -> Line:
        """When the pace of a group of endpoints allows its next call."""

        def ready_at(group: str | None) -> float:
            line = self._lines.get((name, group or ""))
            return -inf if line is None else line.ready_at(now_s)

        return ready_at

    def _line_of(self, call: Call) -> Valve | None:
        """That of its group, where it has one with a pace of its own."""
        return self._lines.get((call.account, self._group_of(call.kind) or ""))

    def _wake(self, name: str, now_s: float, wake: Callable[[Rest], None]) -> None:
        for _ in range(self._wants.accounts[name].near):
            rest = self._wants.to_wake(name, now_s)
            if rest is None:
                return
            wake(rest)

    def _call(self, name: str, valve: Valve, taken: list[Pending], now_s: float, lease_until_s: float) -> Call:
        sent = tuple(Sent(pending=p, want=p.want, attempt=self._wants.history.attempt(p)) for p in taken)
        call_id = f"{self._prefix}-{next(self._seq)}"
        valve.take(now_s, call_id)
        call = Call(
            id=call_id,
            account=name,
            kind=taken[0].want.kind,
            items=tuple(_item_of(item) for item in sent),
            send_by_s=lease_until_s,
            give_up_at_s=now_s + self._policy.call_deadline_s,
            tokens_left=valve.tokens_left(now_s),
        )
        line = self._line_of(call)
        if line is not None:
            line.take(now_s, call_id)
        self.flights.leave(Flight(call=call, items=sent))
        return call

    def answered(self, answer: Answer, now: Now) -> list[Heard]:
        """Slots are free again, retries are back in their place; what is final is for the lanes."""
        flight = self.flights.land(answer.call.id)
        if flight is None:
            return []
        if len(answer.replies) != len(flight.items):
            raise ValueError(f"call {answer.call.id} has {len(flight.items)} items, {len(answer.replies)} replies")
        valve = self.valves[answer.call.account]
        was_open = valve.is_open(now.mono_s)
        valve.answered(
            answer.call.id,
            now.mono_s,
            slow_down=answer.slow_down,
            failed=answer.failed,
            close_s=answer.close_account_s,
            because=answer.closed_because,
            reserve_until_s=answer.reserve_until_s,
            left=answer.sent_s is not None,
        )
        self._tell_line(answer, now.mono_s)
        is_open = valve.is_open(now.mono_s)
        if is_open and not was_open:
            self._wants.opened(answer.call.account, now.mono_s)
        counts = is_open and was_open
        heard = zip(flight.items, answer.replies, strict=True)
        return [
            Heard(sent=s, cause=self._item(s, reply, answer, now, counts=counts, closed=not is_open))
            for s, reply in heard
        ]

    def _item(
        self, sent: Sent, reply: Reply, answer: Answer, now: Now, *, counts: bool, closed: bool
    ) -> Answered | None:
        if sent.want.once and isinstance(reply, Retry) and not reply.refused:
            reply = Lost(reason=reply.reason)  # it may have been carried out
        if isinstance(reply, Lost):
            self.flights.lose(sent, answer.call.give_up_at_s + self._policy.grace_s)
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

    def _tell_line(self, answer: Answer, now_s: float) -> None:
        """Of slots and 429, which does not say whose limit it was; closing and probing are the account's."""
        line = self._line_of(answer.call)
        if line is not None:
            left = answer.sent_s is not None
            line.answered(
                answer.call.id, now_s, slow_down=answer.slow_down, failed=False, close_s=None, because="", left=left
            )

    def over(self, sent: Sent, now_s: float) -> None:
        self.flights.over(sent)
        self._wants.release(sent.keys, now_s)

    def news(self, now_s: float) -> Iterator[Notice]:
        """Accounts that closed or opened since it was last said."""
        for name, valve in self.valves.items():
            is_open = valve.is_open(now_s)
            if is_open != self._said_open[name]:
                self._said_open[name] = is_open
                event, level = ("account_opened", "info") if is_open else ("account_closed", "warning")
                yield Notice(event=event, level=level, fields={"account": name, "reason": valve.state(now_s)})

    def next_s(self, now_s: float, lease_until_s: float) -> float:
        """When something may leave, as far as it is known now."""
        if now_s >= lease_until_s or self._full:
            return inf
        moments = (self._next_s(name, valve, now_s) for name, valve in self.valves.items())
        return min(min(moments, default=inf), self._wants.next_delay_s())

    def _next_s(self, name: str, valve: Valve, now_s: float) -> float:
        urgent, line = self._only_urgent(valve, now_s), self._line(name, now_s)
        wanted_s = self._wants.next_s(name, now_s, urgent=urgent, line=line)
        if valve.reserved_until_s > now_s:
            wanted_s = min(wanted_s, valve.reserved_until_s)
        return min(max(wanted_s, valve.ready_at(now_s)), self._next_announcement_s(name, valve, now_s))

    def _next_announcement_s(self, name: str, valve: Valve, now_s: float) -> float:
        if not self._wants.accounts[name].unannounced:
            return inf
        urgent, line = self._only_urgent(valve, now_s), self._line(name, now_s)
        ahead = self._ahead(name, valve, now_s)
        first_s = self._wants.next_announcement_s(name, now_s, ahead=ahead, urgent=urgent, line=line)
        return max(first_s, self._announces_at(valve, now_s))


def _answered(sent: Sent, reply: Settled | Lost | GaveUp, answer: Answer) -> Answered:
    return Answered(
        want=sent.want,
        reply=reply,
        call_id=answer.call.id,
        attempts=sent.attempt,
        sent_us=answer.sent_us,
        answered_us=answer.answered_us,
    )


def _item_of(sent: Sent) -> Item:
    return Item(body=sent.want.body, attempt=sent.attempt, since_us=sent.want.since_us)
