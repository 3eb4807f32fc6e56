"""Counts the lanes with something open and keeps the oldest one up to date, without ever scanning them all."""

from itertools import count

from streams.lanes.heap import Heap


class OldestOpen:
    """The keys with something open, and since when. A key that changes leaves a dead entry in the heap."""

    def __init__(self) -> None:
        self._newest: dict[str, tuple[int, int, str]] = {}  # the entry of each key: since when (µs), a number, the key
        self._heap: Heap[tuple[int, int, str]] = Heap(lambda entry: self._newest.get(entry[2]) is entry)
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._newest)

    def of(self, key: str) -> int | None:
        """Returns since when a key has something open (µs); None = it has nothing."""
        entry = self._newest.get(key)
        return entry[0] if entry is not None else None

    def put(self, key: str, since_us: int | None) -> None:
        """Sets since when a key has something open (µs); None removes it."""
        before = self._newest.get(key)
        if since_us is None:
            if before is not None:
                del self._newest[key]
            return
        if before is not None and before[0] == since_us:
            return
        entry = self._newest[key] = since_us, next(self._numbers), key
        self._heap.push(entry)

    def oldest_us(self) -> int | None:
        """Returns the oldest time of all keys (µs); None = there is no key."""
        oldest = self._heap.top()
        return oldest[0] if oldest is not None else None
