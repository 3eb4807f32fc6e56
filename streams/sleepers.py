"""Sleeping lanes of one account, by harm: whom to wake when a token is near. Bytes and one small entry each."""

from heapq import heapify, heappop, heappush

from streams.flow import BACKGROUND
from streams.lane import Rest

Harm = tuple[int, int]

BACKGROUND_STEPS = 60
"""Steps of age that a rank of the background is worth: its backlog may be long, and its first rank must not wait
behind all of it."""


def harm(rank: int, since_us: int, age_step_us: int) -> Harm:
    """Less comes first. Rank 0 before all else; the others gain one rank for each step of age. The background comes
    behind them at any age.

    Rank falls continuously with age, so two wants keep their order for ever and the key needs no clock.
    """
    if rank >= BACKGROUND:
        return (2, since_us + (rank - BACKGROUND) * BACKGROUND_STEPS * age_step_us)
    return (0, since_us) if rank <= 0 else (1, since_us + rank * age_step_us)


def aside(since_us: int) -> Harm:
    """Behind all else: what failed since its account closed is not what finds out whether it may open."""
    return (3, since_us)


def is_aside(worth: Harm) -> bool:
    return worth[0] > 2


def is_urgent(worth: Harm) -> bool:
    """Of the first rank."""
    return worth[0] == 0


class Tally:
    """How many wait by rank, and how old the oldest is that is not of the background, to within ``BUCKET_US``."""

    BUCKET_US = 1_000_000

    def __init__(self) -> None:
        self.by_rank: dict[int, int] = {}
        self._by_age: dict[int, int] = {}

    def add(self, rank: int, since_us: int, n: int = 1) -> None:
        counted = [(self.by_rank, rank)]
        if rank < BACKGROUND:
            counted.append((self._by_age, since_us // self.BUCKET_US))
        for counts, key in counted:
            counts[key] = counts.get(key, 0) + n
            if not counts[key]:
                del counts[key]

    def remove(self, rank: int, since_us: int) -> None:
        self.add(rank, since_us, -1)

    def oldest_us(self) -> int | None:
        return min(self._by_age) * self.BUCKET_US if self._by_age else None


class Sleepers:
    """Entries die with the ticket of their ``Rest``; they are found dead when they come up, or are swept.

    A lane that hears of much while its account is paused goes to sleep as often, and none of its entries comes up.
    """

    SWEEP_AT_LEAST = 1_000

    def __init__(self) -> None:
        self._heap: list[tuple[Harm, int, Rest]] = []
        self._later: list[tuple[float, int, Harm, Rest]] = []  # backing off until a moment (s)
        self._sweep_at = self.SWEEP_AT_LEAST

    def __len__(self) -> int:
        """Entries, dead ones among them."""
        return len(self._heap) + len(self._later)

    def add(self, rest: Rest, ticket: int, worth: Harm, not_before_s: float, now_s: float) -> None:
        if len(self) >= self._sweep_at:
            self._sweep()
        if not_before_s > now_s:
            heappush(self._later, (not_before_s, ticket, worth, rest))
        else:
            heappush(self._heap, (worth, ticket, rest))

    def top(self, now_s: float) -> tuple[Harm, Rest] | None:
        """The most harmful that may go now."""
        while self._later and self._later[0][0] <= now_s:
            _, ticket, worth, rest = heappop(self._later)
            heappush(self._heap, (worth, ticket, rest))
        while self._heap and self._heap[0][1] != self._heap[0][2].ticket:
            heappop(self._heap)
        return (self._heap[0][0], self._heap[0][2]) if self._heap else None

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if entry[1] == entry[2].ticket]
        self._later = [entry for entry in self._later if entry[1] == entry[3].ticket]
        heapify(self._heap)
        heapify(self._later)
        self._sweep_at = max(self.SWEEP_AT_LEAST, 2 * len(self))

    def next_s(self) -> float:
        """When the next one stops backing off."""
        while self._later and self._later[0][1] != self._later[0][3].ticket:
            heappop(self._later)
        return self._later[0][0] if self._later else float("inf")
