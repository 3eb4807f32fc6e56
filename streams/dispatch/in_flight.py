"""Calls under way, and the lost ones whose effect may still come.

What left is frozen. A slot and its exclusive keys are free again when the answer is there; when the answer was lost,
when the call's deadline and the grace are over. That holds also when the partition it belonged to is gone.
"""

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from math import inf

from streams.flow import Assignment, Call, Want
from streams.frozen import quick
from streams.lanes.lane import PendingWant


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class SentItem:
    """One item under way: the want as it left."""

    pending: PendingWant
    want: Want
    attempt: int

    @property
    def at(self) -> Assignment:
        return self.pending.at

    @property
    def keys(self) -> tuple[Hashable, ...]:
        slot = (self.at.topic, self.pending.lane.key, self.want.slot)
        return (slot, *self.want.exclusive)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInFlight:
    call: Call
    items: tuple[SentItem, ...]


class InFlight:
    def __init__(self) -> None:
        self._calls: dict[str, CallInFlight] = {}
        self._lost: list[tuple[float, int, SentItem]] = []
        self._seq = count()
        self._held: Counter[Assignment] = Counter()

    def __iter__(self) -> Iterator[CallInFlight]:
        """Oldest first."""
        return iter(self._calls.values())

    def __len__(self) -> int:
        """Calls under way."""
        return len(self._calls)

    def held(self, at: Assignment) -> int:
        """Items of this assignment that may still have an effect outside."""
        return self._held[at]

    def leave(self, call: CallInFlight) -> None:
        self._calls[call.call.id] = call
        for sent in call.items:
            sent.pending.lane.held += 1
            self._held[sent.at] += 1

    def land(self, call_id: str) -> CallInFlight | None:
        """None: it is not under way (answered twice)."""
        return self._calls.pop(call_id, None)

    def lose(self, sent: SentItem, until_s: float) -> None:
        """Its answer was lost: it may still be carried out until then."""
        heappush(self._lost, (until_s, next(self._seq), sent))

    def over(self, sent: SentItem) -> None:
        """It can have no further effect."""
        sent.pending.lane.held -= 1
        self._held[sent.at] -= 1
        if not self._held[sent.at]:
            del self._held[sent.at]

    def ended(self, now_s: float) -> Iterator[SentItem]:
        """Lost ones whose time is over."""
        while self._lost and self._lost[0][0] <= now_s:
            yield heappop(self._lost)[2]

    def next_s(self) -> float:
        return self._lost[0][0] if self._lost else inf
