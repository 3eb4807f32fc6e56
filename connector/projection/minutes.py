"""What happened in each minute, counted from the rows of results and calls of all processes. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from connector.contracts.call_log_row import MarketplaceCalled
from connector.offers.events import OfferResult, Origin
from connector.offers.figures import is_not_applied
from connector.projection.facets import is_accepted
from connector.projection.rows import MinuteCount

MINUTE_US: Final = 60_000_000
TOO_MANY_REQUESTS: Final = 429

CALLS: Final = "calls"
SLOW_DOWNS: Final = "slow_downs"
RESULTS: Final = "results"
NOT_APPLIED: Final = "not_applied"
ACCEPTED: Final = "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """One minute, counted over all processes: calls by when they left, results by when they were decided."""

    number: int  # since the Unix epoch
    calls: int = 0
    slow_downs: int = 0  # answers 429
    results: int = 0
    not_applied: int = 0  # of the results: those with a value that was not changed though it should have been
    slowest_us: int = 0  # the longest time from an event to its result, of live events with an accepted value


def minute_of(at_us: int) -> int:
    """Returns the minute that a time is in."""
    return at_us // MINUTE_US


def counts_of_result(result: OfferResult) -> Iterator[MinuteCount]:
    """Yields what a result adds to the minute in which it was decided."""
    minute = minute_of(result.decided_at_us)
    yield MinuteCount("offer_results", minute, RESULTS)
    if is_not_applied(result):
        yield MinuteCount("offer_results", minute, NOT_APPLIED)
    if result.origin is Origin.LIVE and is_accepted(result):
        most = max(0, result.decided_at_us - result.received_at_us)
        yield MinuteCount("offer_results", minute, ACCEPTED, most=most)


def counts_of_call(call: MarketplaceCalled) -> Iterator[MinuteCount]:
    """Yields what a call adds to the minute in which it left."""
    minute = minute_of(call.sent_at_us)
    yield MinuteCount("marketplace_calls", minute, CALLS)
    if call.http_status == TOO_MANY_REQUESTS:
        yield MinuteCount("marketplace_calls", minute, SLOW_DOWNS)


def minutes(counts: Iterable[MinuteCount], first: int, after: int) -> Sequence[Minute]:
    """Returns each minute from ``first`` to before ``after``, beginning with the first of which anything is counted."""
    found = {(one.minute, one.name): one for one in counts}
    begin = max(first, min((minute for minute, _ in found), default=after))
    none = MinuteCount("", 0, "", count=0)

    def count(minute: int, name: str) -> int:
        return found.get((minute, name), none).count

    return [
        Minute(
            number=minute,
            calls=count(minute, CALLS),
            slow_downs=count(minute, SLOW_DOWNS),
            results=count(minute, RESULTS),
            not_applied=count(minute, NOT_APPLIED),
            slowest_us=found.get((minute, ACCEPTED), none).most,
        )
        for minute in range(begin, after)
    ]
