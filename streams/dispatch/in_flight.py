"""Calls in flight, and lost items that may still take effect.

An item is kept as it was sent. It holds its slot and exclusive keys until its answer arrives or, when the answer was
lost, until the call's deadline and the grace period are over, even when its partition's assignment has ended.
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
    """One item of a call in flight: the want as it was sent."""

    pending: PendingWant
    want: Want
    attempt: int

    @property
    def keys(self) -> tuple[Hashable, ...]:
        """Its slot and exclusive keys, which it holds."""
        return (self.pending.slot_key, *self.want.exclusive)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInFlight:
    """A call that was handed to a worker and is not answered."""

    call: Call
    items: tuple[SentItem, ...]


class InFlight:
    """The calls in flight and lost items of the process."""

    def __init__(self) -> None:
        self._calls: dict[str, CallInFlight] = {}
        self._lost: list[tuple[float, int, SentItem]] = []  # a heap, by when they can no longer take effect
        self._seq = count()
        self._held: Counter[Assignment] = Counter()

    def __iter__(self) -> Iterator[CallInFlight]:
        """Oldest first."""
        return iter(self._calls.values())

    def __len__(self) -> int:
        """How many calls are in flight."""
        return len(self._calls)

    def held(self, at: Assignment) -> int:
        """Returns how many items of this assignment may still have an effect outside."""
        return self._held[at]

    def leave(self, call: CallInFlight) -> None:
        """Adds a call that is being handed to a worker."""
        self._calls[call.call.id] = call
        for sent in call.items:
            sent.pending.lane.held += 1
            self._held[sent.pending.at] += 1

    def take(self, call_id: str) -> CallInFlight | None:
        """Removes a call that was answered and returns it; None = it is not in flight (answered twice).

        Its items stay held until each is passed to ``over``.
        """
        return self._calls.pop(call_id, None)

    def lose(self, sent: SentItem, until_s: float) -> None:
        """Keeps an item whose answer was lost: it may still take effect until ``until_s``."""
        heappush(self._lost, (until_s, next(self._seq), sent))

    def over(self, sent: SentItem) -> None:
        """Stops holding an item that can take no further effect."""
        at = sent.pending.at
        sent.pending.lane.held -= 1
        self._held[at] -= 1
        if not self._held[at]:
            del self._held[at]

    def ended(self, now_s: float) -> Iterator[SentItem]:
        """Yields and removes the lost items that can no longer take effect."""
        while self._lost and self._lost[0][0] <= now_s:
            yield heappop(self._lost)[2]

    def next_s(self) -> float:
        """Returns when the next lost item ends; ``inf`` = there is none."""
        return self._lost[0][0] if self._lost else inf
