"""Sleeping lanes of one account, by harm: whom to wake when a token is near. Bytes and one small entry each."""

from collections.abc import Sequence
from math import inf

from streams.flow import BACKGROUND, Waits
from streams.lanes.heap import Heap
from streams.lanes.lane import Rest

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


def together(tallies: Sequence[Tally]) -> tuple[dict[int, int], int | None]:
    """How many wait by rank in all of them, and since when the oldest does."""
    by_rank: dict[int, int] = {}
    for tally in tallies:
        for rank, count in tally.by_rank.items():
            by_rank[rank] = by_rank.get(rank, 0) + count
    oldest = [since_us for tally in tallies if (since_us := tally.oldest_us()) is not None]
    return by_rank, min(oldest, default=None)


class Sleepers:
    """Those of one account in one partition. Entries die with the ticket of their ``Rest``.

    A lane that hears of much while its account is paused goes to sleep as often, and none of its entries comes up.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self._ready: Heap[tuple[Harm, int, Rest]] = Heap(lambda entry: entry[1] == entry[2].ticket)
        self._later: Heap[tuple[float, int, Harm, Rest]] = Heap(lambda entry: entry[1] == entry[3].ticket)

    def __len__(self) -> int:
        """Entries, dead ones among them."""
        return len(self._ready) + len(self._later)

    def add(self, rest: Rest, waits: Waits, worth: Harm, not_before_s: float, now_s: float) -> None:
        """It waits with its ticket of now; backing off until ``not_before_s``."""
        self.tally.add(waits.rank, waits.since_us)
        if not_before_s > now_s:
            self._later.push((not_before_s, rest.ticket, worth, rest))
        else:
            self._ready.push((worth, rest.ticket, rest))

    def gone(self, waits: Waits) -> None:
        """One that waited so is awake."""
        self.tally.remove(waits.rank, waits.since_us)

    def top(self, now_s: float) -> tuple[Harm, int, Rest] | None:
        """The most harmful that may go now, with its ticket."""
        while (later := self._later.top()) is not None and later[0] <= now_s:
            _, ticket, worth, rest = self._later.pop()
            self._ready.push((worth, ticket, rest))
        return self._ready.top()

    def next_s(self) -> float:
        """When the next one stops backing off."""
        later = self._later.top()
        return later[0] if later is not None else inf
