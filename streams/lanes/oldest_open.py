"""Counts the keys that have an age and keeps the oldest one up to date, without ever scanning them all."""

from itertools import count

from streams.lanes.heap import Heap


class OldestOpen:
    """Entries that a key has moved away from die where they are."""

    def __init__(self) -> None:
        self._newest: dict[str, tuple[int, int, str]] = {}  # the entry of each key: since when (µs), a number, the key
        self._heap: Heap[tuple[int, int, str]] = Heap(lambda entry: self._newest.get(entry[2]) is entry)
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._newest)

    def of(self, key: str) -> int | None:
        entry = self._newest.get(key)
        return entry[0] if entry is not None else None

    def put(self, key: str, since_us: int | None) -> None:
        """None: it has no age any more."""
        if since_us == self.of(key):
            return
        if since_us is None:
            del self._newest[key]
            return
        entry = self._newest[key] = since_us, next(self._numbers), key
        self._heap.push(entry)

    def oldest_us(self) -> int | None:
        oldest = self._heap.top()
        return oldest[0] if oldest is not None else None
