"""The lines of the charts over all processes, of the minutes that the projection has counted. Pure."""

from collections.abc import Callable, Sequence
from typing import Final

from connector.console.trends import KEPT_S, POINTS, Trend
from connector.projection.minutes import MINUTE_US, Minute, minute_of

KEPT: Final = round(KEPT_S / 60)
"""Minutes of a chart."""
_DAY_US: Final = 86_400_000_000
_READ_US: Final = 15_000_000


def midnight_us(now_us: int) -> int:
    """Returns when the present day began, in UTC."""
    return now_us // _DAY_US * _DAY_US


def slow_downs_today(minutes: Sequence[Minute], now_us: int) -> int:
    """Returns how many answers were 429 since midnight UTC."""
    first = minute_of(midnight_us(now_us))
    return sum(one.slow_downs for one in minutes if one.number >= first)


def whole(minutes: Sequence[Minute], now_us: int) -> Sequence[Minute]:
    """Returns the minutes of the charts that have ended and were read: the projection reads every few seconds."""
    after = minute_of(now_us - _READ_US)
    return [one for one in minutes if after - KEPT <= one.number < after]


def calls_per_s(minutes: Sequence[Minute]) -> Trend:
    """Returns how many calls left per second."""
    return Trend(name="calls", unit="per s", points=_means(minutes, lambda one: one.calls, 1 / 60))


def slow_downs_per_s(minutes: Sequence[Minute]) -> Trend:
    """Returns how many answers per second were 429."""
    return Trend(name="answers 429", unit="per s", points=_means(minutes, lambda one: one.slow_downs, 1 / 60))


def results_per_min(minutes: Sequence[Minute]) -> Trend:
    """Returns how many results were written per minute."""
    return Trend(name="results", unit="per min", points=_means(minutes, lambda one: one.results, 1.0))


def failing_per_min(minutes: Sequence[Minute]) -> Trend:
    """Returns how many results per minute have a value that was not applied: REJECTED, FAILED, NOT_FOUND and so on."""
    return Trend(name="not applied", unit="per min", points=_means(minutes, lambda one: one.not_applied, 1.0))


def slowest(minutes: Sequence[Minute]) -> Trend:
    """Returns the longest time from an event to its result, in seconds, of events with an accepted value."""
    points = tuple((_end_us(some), max(one.slowest_us for one in some) / 1e6) for some in _groups(minutes))
    return Trend(name="slowest", unit="s", points=points)


def _means(minutes: Sequence[Minute], count: Callable[[Minute], int], scale: float) -> tuple[tuple[int, float], ...]:
    return tuple((_end_us(some), sum(map(count, some)) * scale / len(some)) for some in _groups(minutes))


def _end_us(minutes: Sequence[Minute]) -> int:
    return (minutes[-1].number + 1) * MINUTE_US


def _groups(minutes: Sequence[Minute]) -> list[Sequence[Minute]]:
    """Returns groups of the same size, counted from the newest minute, so that the newest group is whole."""
    size = max(1, -(-len(minutes) // POINTS))
    return [minutes[max(0, end - size) : end] for end in range(len(minutes), 0, -size)][::-1]
