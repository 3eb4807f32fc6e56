"""A heap that tolerates dead entries. Pure.

A heap cannot remove an entry from its middle. To move something, push a new entry and make ``alive`` return False for
the old one. Dead entries are dropped when they reach the top, and a few at every push once they may be the majority;
never all at once, because with a million of them a single push would take a second.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T", bound=tuple[Any, ...])

SWEEP_AT_LEAST: Final = 1_000
"""Number of entries, dead ones included, below which no sweep starts."""

_A_PUSH: Final = 4  # entries examined at each push: a sweep ends before the entries have grown by a quarter


class Heap(Generic[T]):
    """A min-heap of tuples, of which no two may be equal. ``alive`` returns whether an entry still counts."""

    def __init__(self, alive: Callable[[T], bool]) -> None:
        self._alive = alive
        self._heap: list[T] = []
        self._unswept: list[T] = []  # also a heap: removing the last element of a heap leaves a heap
        self._sweep_at = SWEEP_AT_LEAST

    def __len__(self) -> int:
        """The number of entries, dead ones included."""
        return len(self._heap) + len(self._unswept)

    def push(self, entry: T) -> None:
        """Adds an entry, and sweeps a few when a sweep is in progress."""
        heappush(self._heap, entry)
        if self._unswept:
            self._sweep()
        elif len(self._heap) >= self._sweep_at:
            self._unswept, self._heap = self._heap, []

    def top(self) -> T | None:
        """Returns the least entry that is alive; None if there is none."""
        least = self._least()
        return least[0] if least is not None else None

    def pop(self) -> T:
        """Removes and returns the least entry that is alive. Raises IndexError if there is none."""
        least = self._least()
        if least is None:
            raise IndexError("pop from an empty heap")
        return heappop(least)

    def _least(self) -> list[T] | None:
        """Returns the one of the two heaps that has the least entry, after dropping dead ones from their tops."""
        for heap in (self._heap, self._unswept):
            while heap and not self._alive(heap[0]):
                heappop(heap)
        if not self._heap or not self._unswept:
            return self._heap or self._unswept or None
        return self._heap if self._heap[0] < self._unswept[0] else self._unswept

    def _sweep(self) -> None:
        """Moves a few entries that are alive from the unswept heap to the other one, and drops dead ones."""
        for entry in (self._unswept.pop() for _ in range(min(_A_PUSH, len(self._unswept)))):
            if self._alive(entry):
                heappush(self._heap, entry)
        if not self._unswept:
            self._sweep_at = max(SWEEP_AT_LEAST, 2 * len(self._heap))
