"""How many keys have an age, and which moment is the oldest: kept as they change, so that none looks at them all."""

from heapq import heapify, heappop, heappush


class Ages:
    """Entries that a key has moved away from die where they are: found dead when they come up, or swept."""

    SWEEP_AT_LEAST = 1_000

    def __init__(self) -> None:
        self._since_us: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._since_us)

    def of(self, key: str) -> int | None:
        return self._since_us.get(key)

    def put(self, key: str, since_us: int | None) -> None:
        """None: it has no age any more."""
        if since_us == self._since_us.get(key):
            return
        if since_us is None:
            del self._since_us[key]
            return
        self._since_us[key] = since_us
        if len(self._heap) >= max(self.SWEEP_AT_LEAST, 2 * len(self._since_us)):
            self._heap = [(at_us, name) for name, at_us in self._since_us.items()]
            heapify(self._heap)
        else:
            heappush(self._heap, (since_us, key))

    def oldest_us(self) -> int | None:
        while self._heap and self._since_us.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None
