"""A list of rows that stays sorted by time, newest first, while rows are added and moved. Pure.

Positions are found by bisection and nothing is re-sorted, so reading a page of a changing list stays cheap.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class RecentFirst(Generic[T]):
    """Each row has one id and one timestamp in microseconds; among equal timestamps the higher id counts as newer."""

    def __init__(self) -> None:
        self._places: list[tuple[int, int]] = []  # timestamp and id, oldest first
        self._rows: dict[int, T] = {}
        self._moments_us: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._places)

    def put(self, row_id: int, moment_us: int, row: T) -> None:
        """Adds a row, or replaces it and moves it to its new timestamp."""
        if (before_us := self._moments_us.get(row_id)) is not None:
            del self._places[bisect_left(self._places, (before_us, row_id))]
        self._moments_us[row_id] = moment_us
        self._rows[row_id] = row
        insort(self._places, (moment_us, row_id))

    def page(
        self, *, offset: int, limit: int, from_us: int | None = None, keep: Callable[[T], bool] | None = None
    ) -> tuple[list[T], int]:
        """Returns a page of the rows since ``from_us`` that pass ``keep``, newest first, and how many there are."""
        start = 0 if from_us is None else bisect_left(self._places, (from_us, 0))
        if keep is None:
            last = len(self._places) - 1 - offset
            shown = range(last, max(last - limit, start - 1), -1)
            return [self._rows[self._places[place][1]] for place in shown], len(self._places) - start
        kept = [row for row in self._newest_first(start) if keep(row)]
        return kept[offset : offset + limit], len(kept)

    def _newest_first(self, start: int) -> Iterator[T]:
        for place in range(len(self._places) - 1, start - 1, -1):
            yield self._rows[self._places[place][1]]
