"""The last hours of a process: how fast it calls, how old the oldest undone event is, what results it writes. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from connector.console.facts import ProcessFacts

EVERY_S: Final = 10.0
"""How often a sample is taken."""
KEPT_S: Final = 6 * 3600.0
_MOST: Final = round(KEPT_S / EVERY_S)
POINTS: Final = 120
"""Points of a chart at most."""
_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at one time; counts are those since it began."""

    at_us: int
    calls: float
    slow_downs: float
    results: int
    failing: int  # of the results: those with a value that was not changed though it should have been
    oldest_s: float  # age of the oldest undone event
    limit: float  # calls per second that the accounts' limiters allow


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """One line of a chart. ``points``: microseconds since the epoch, and the value; None: not known then."""

    name: str
    unit: str
    points: tuple[tuple[int, float], ...]

    @property
    def last(self) -> float | None:
        return self.points[-1][1] if self.points else None

    @property
    def highest(self) -> float:
        return max((value for _, value in self.points), default=0.0)


class Trends:
    """Samples of the last hours. Written by one thread; others may read them meanwhile."""

    def __init__(self) -> None:
        self._samples: tuple[Sample, ...] = ()
        self._day: tuple[int, float] | None = None  # the day, and the answers 429 before it

    def add(self, facts: ProcessFacts, now_us: int) -> None:
        """Adds a sample."""
        one = sample(facts, now_us)
        day = now_us // _DAY_US
        if self._day is None:
            self._day = (day, 0.0)
        elif self._day[0] != day:
            self._day = (day, self._samples[-1].slow_downs if self._samples else 0.0)
        self._samples = (*self._samples, one)[-_MOST:]

    def slow_downs_today(self, facts: ProcessFacts, now_us: int) -> int:
        """Returns how many answers of this process were 429 since midnight UTC, or since it began."""
        if self._day is None:
            before = 0.0
        elif self._day[0] == now_us // _DAY_US:
            before = self._day[1]
        else:  # a new day without a sample yet
            before = self._samples[-1].slow_downs
        return round(sum(facts.slow_downs.values()) - before)

    def snapshot(self) -> Sequence[Sample]:
        """Returns the samples, oldest first."""
        return self._samples


def sample(facts: ProcessFacts, now_us: int) -> Sample:
    """Returns the sample of a process."""
    accounts = facts.snapshot.accounts.values() if facts.snapshot is not None else ()
    return Sample(
        at_us=now_us,
        calls=sum(facts.calls.values()),
        slow_downs=sum(facts.slow_downs.values()),
        results=sum(facts.figures.results.values()),
        failing=facts.figures.not_applied,
        oldest_s=max((account.oldest_age_s for account in accounts), default=0.0),
        limit=sum(account.rate for account in accounts),
    )


def calls_per_s(samples: Sequence[Sample]) -> Trend:
    """Returns how many calls left per second."""
    return Trend(name="calls", unit="per s", points=_rates(samples, lambda one: one.calls, 1.0))


def present_calls_per_s(samples: Sequence[Sample], over_s: float) -> float:
    """Returns how many calls left per second, from the first of the samples of the last ``over_s`` seconds on."""
    recent = [one for one in samples if samples[-1].at_us - one.at_us <= over_s * 1e6]
    rates = _rates((recent[0], recent[-1]) if recent else (), lambda one: one.calls, 1.0)
    return rates[-1][1] if rates else 0.0


def limits(samples: Sequence[Sample]) -> Trend:
    """Returns how many calls could leave per second."""
    return Trend(name="limit", unit="per s", points=_highest(samples, lambda one: one.limit))


def oldest_undone(samples: Sequence[Sample]) -> Trend:
    """Returns the age of the oldest undone event, in seconds."""
    return Trend(name="oldest undone", unit="s", points=_highest(samples, lambda one: one.oldest_s))


def results_per_min(samples: Sequence[Sample]) -> Trend:
    """Returns how many results were written per minute."""
    return Trend(name="results", unit="per min", points=_rates(samples, lambda one: one.results, 60.0))


def failing_per_min(samples: Sequence[Sample]) -> Trend:
    """Returns how many results per minute have a value that was not applied: REJECTED, FAILED, NOT_FOUND and so on."""
    return Trend(name="not applied", unit="per min", points=_rates(samples, lambda one: one.failing, 60.0))


def _rates(samples: Sequence[Sample], count: Callable[[Sample], float], per_s: float) -> tuple[tuple[int, float], ...]:
    """Returns the growth of a count between the points."""
    chosen = _thinned(samples)
    return tuple(
        (later.at_us, max(0.0, count(later) - count(earlier)) * 1e6 * per_s / (later.at_us - earlier.at_us))
        for earlier, later in pairwise(chosen)
        if later.at_us > earlier.at_us
    )


def _highest(samples: Sequence[Sample], value: Callable[[Sample], float]) -> tuple[tuple[int, float], ...]:
    """Returns the highest value of each group of samples, so that a short peak stays visible."""
    return tuple((group[-1].at_us, max(map(value, group))) for group in _groups(samples))


def _thinned(samples: Sequence[Sample]) -> Sequence[Sample]:
    return [group[-1] for group in _groups(samples)]


def _groups(samples: Sequence[Sample]) -> Iterable[Sequence[Sample]]:
    size = max(1, -(-len(samples) // POINTS))
    return (samples[max(0, end - size) : end] for end in _ends(len(samples), size))


def _ends(count: int, size: int) -> Sequence[int]:
    """Returns where groups end, counted from the newest sample, so that the newest group is whole."""
    return list(range(count, 0, -size))[::-1]
