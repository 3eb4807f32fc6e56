"""A heap whose entries may die where they stand. Pure.

Whoever moves something pushes a new entry and lets the old one die: a heap cannot take one out of its middle. Dead
entries are dropped when they come up, and a few at every push once they may be the larger part; never all at once,
because a million of them would hold up whoever pushes for a second.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T", bound=tuple[Any, ...])

SWEEP_AT_LEAST: Final = 1_000
"""Entries, dead ones among them, below which nothing is swept."""

_A_PUSH: Final = 4  # entries looked at: so a sweep ends before the entries have grown by a quarter


class Heap(Generic[T]):
    """Entries are compared as they are; no two may be equal. ``alive`` says whether one still counts."""

    def __init__(self, alive: Callable[[T], bool]) -> None:
        self._alive = alive
        self._heap: list[T] = []
        self._unswept: list[T] = []  # a heap as well: taking the last one off a heap leaves a heap
        self._sweep_at = SWEEP_AT_LEAST

    def __len__(self) -> int:
        """Entries, dead ones among them."""
        return len(self._heap) + len(self._unswept)

    def push(self, entry: T) -> None:
        heappush(self._heap, entry)
        if self._unswept:
            self._sweep()
        elif len(self._heap) >= self._sweep_at:
            self._unswept, self._heap = self._heap, []

    def top(self) -> T | None:
        """The least that is alive."""
        least = self._least()
        return least[0] if least is not None else None

    def pop(self) -> T:
        """Take off what ``top`` returns. Raises IndexError where there is none."""
        least = self._least()
        if least is None:
            raise IndexError("pop from an empty heap")
        return heappop(least)

    def _least(self) -> list[T] | None:
        """The heap whose first entry is the least of all."""
        for heap in (self._heap, self._unswept):
            while heap and not self._alive(heap[0]):
                heappop(heap)
        if not self._heap or not self._unswept:
            return self._heap or self._unswept or None
        return self._heap if self._heap[0] < self._unswept[0] else self._unswept

    def _sweep(self) -> None:
        for entry in (self._unswept.pop() for _ in range(min(_A_PUSH, len(self._unswept)))):
            if self._alive(entry):
                heappush(self._heap, entry)
        if not self._unswept:
            self._sweep_at = max(SWEEP_AT_LEAST, 2 * len(self._heap))
