"""Microseconds to make the request of a full bulk update: each update validated once, as it is, and validated twice.

``unit_change`` builds the changed fields of an update and validates them; ``bulk`` serializes the results. The request
with a second pass of ``unit_change`` shows what validating again, before serializing, would cost. Both are measured in
turn, in one process, as processor time of the thread, and each figure is the median.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.report import ReportSection, at_most
from connector.kaufland.http.exchange import ApiRequest
from connector.kaufland.offers.requests import UnitChange, bulk, unit_change
from connector.marketplace.offers import Field, Update

UNITS: Final = 150
"""The most units that one bulk call can have."""
STOREFRONT: Final = "de"
GOAL_SHARE: Final = 0.6
_REQUESTS_A_ROUND: Final = 10


def measure(rounds: int) -> ReportSection:
    """Measures both in ``rounds`` rounds of a few requests each."""
    updates = made_up_updates()
    once_us, twice_us = _fastest_us(rounds, lambda: validated_once(updates), lambda: validated_twice(updates))
    return ReportSection(
        title=f"µs per bulk request of {UNITS} units",
        head=("each update is", "µs per request", "of validated twice"),
        rows=[
            ("validated once", f"{once_us:,.0f}", f"{once_us / twice_us:.2f}"),
            ("validated twice", f"{twice_us:,.0f}", "1.00"),
        ],
        notes=["price, stock and handling time of each unit; making the request only, without signing and sending it"],
        goals=[at_most("validated once, as a share of validated twice", once_us / twice_us, GOAL_SHARE)],
    )


def made_up_updates() -> Sequence[Update]:
    """Returns updates of all three fields, as many as one bulk call can have."""
    return [
        Update(
            unit_id=100_000 + number,
            storefront=STOREFRONT,
            values={Field.PRICE: 1_999 + number, Field.STOCK: 7, Field.HANDLING_TIME: 2},
        )
        for number in range(UNITS)
    ]


def validated_once(updates: Sequence[Update]) -> ApiRequest:
    """Makes the request as the connector does."""
    return bulk(STOREFRONT, _changes(updates))


def validated_twice(updates: Sequence[Update]) -> ApiRequest:
    """Makes the same request, with a second pass that builds and validates every update again."""
    return bulk(STOREFRONT, _changes([change.update for change in _changes(updates)]))


def _changes(updates: Sequence[Update]) -> list[UnitChange]:
    return [unit_change(update) for update in updates]


def _fastest_us(rounds: int, *ways: Callable[[], ApiRequest]) -> list[float]:
    """Returns the fastest round of each way as the time of one request. The ways take turns."""
    spent_us: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds):
        for way, spent in zip(ways, spent_us, strict=True):
            begin_s = time.thread_time()
            for _ in range(_REQUESTS_A_ROUND):
                way()
            spent.append((time.thread_time() - begin_s) * 1e6 / _REQUESTS_A_ROUND)
    return [min(spent) for spent in spent_us]
