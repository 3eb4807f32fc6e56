"""The daily budget of an account: which calls give way while it gets scarce, and the day that it is for. Pure.

What gives way first costs most for what it brings: a look-up is a call for one offer, an update carries up to 150
offers. Stock comes before price, because too much stock sells what is not there; stock to zero comes last. Shipments
and orders give way with stock decreases, just before stock to zero: they are few calls, orders that are not read are
not shipped, and a shipment that is confirmed late counts against the seller.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import IntEnum
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connector.marketplace.call_kinds import CallKind
from connector.marketplace.offers import Field, Update
from streams.flow import Want
from streams.quota import CallQuota, QuotaWindow


class BudgetTier(IntEnum):
    """What gives way together, the last first."""

    STOCK_TO_ZERO = 0
    STOCK_DECREASES = 1
    STOCK_INCREASES = 2
    PRICES = 3
    OTHERS = 4


NAMES: Final[Mapping[BudgetTier, str]] = {
    BudgetTier.STOCK_TO_ZERO: "stock to zero",
    BudgetTier.STOCK_DECREASES: "stock decreases, shipments and orders",
    BudgetTier.STOCK_INCREASES: "stock increases",
    BudgetTier.PRICES: "prices and handling times",
    BudgetTier.OTHERS: "look-ups, sweeps, replays and returns",
}

RESERVES: Final[Mapping[BudgetTier, float]] = {
    BudgetTier.STOCK_TO_ZERO: 0.0,
    BudgetTier.STOCK_DECREASES: 0.02,
    BudgetTier.STOCK_INCREASES: 0.05,
    BudgetTier.PRICES: 0.1,
    BudgetTier.OTHERS: 0.2,
}
"""The part of the budget that each tier leaves to those before it, at the day's start; it shrinks with the day."""

DECREASE_PRIORITY: Final = 1
"""The priority of a stock that goes down, or may."""
RECHECK_PRIORITY: Final = 7
"""From this priority on, updates repeat what was read before, as a replay does."""

_ORDERS_AND_SHIPMENTS: Final = frozenset(
    {
        CallKind.SEND,
        CallKind.PARCEL,
        CallKind.CARRIERS,
        CallKind.ORDER_UNIT,
        CallKind.ORDER,
        CallKind.ORDER_PAGE,
    }
)
_COUNTED: Final = frozenset(kind.value for kind in CallKind)


def counts(kind: str) -> bool:
    """Whether calls of a kind are requests to the marketplace; claims on units are not."""
    return kind.partition(":")[0] in _COUNTED


def tier_of(want: Want) -> int:
    """Returns the tier of a want that is not about stock to zero."""
    kind = CallKind.of(want.kind)
    if kind in _ORDERS_AND_SHIPMENTS:
        return BudgetTier.STOCK_DECREASES
    if kind is not CallKind.UPDATE or want.priority >= RECHECK_PRIORITY:
        return BudgetTier.OTHERS
    if want.priority <= DECREASE_PRIORITY:
        return BudgetTier.STOCK_DECREASES
    body: Update = want.body
    return BudgetTier.STOCK_INCREASES if Field.STOCK in body.values else BudgetTier.PRICES


def daily_budget(calls: int, zone: tzinfo) -> CallQuota:
    """Returns the budget of an account that may make so many calls on each day of a time zone."""
    return CallQuota(
        calls=calls,
        window_of=lambda wall_us: day_of(wall_us, zone),
        tier_of=tier_of,
        counts=counts,
        reserves=tuple(RESERVES[tier] for tier in BudgetTier),
        names=tuple(NAMES[tier] for tier in BudgetTier),
    )


def time_zone(name: str) -> tzinfo:
    """Returns a time zone by its name in the IANA database. Raises ValueError if the machine does not know it."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone that this machine knows, such as UTC or Europe/Berlin") from None


def day_of(wall_us: int, zone: tzinfo) -> QuotaWindow:
    """Returns the day of a moment; it may have 23 or 25 hours."""
    day = datetime.fromtimestamp(wall_us // 1_000_000, zone).date()
    start_us, end_us = (_midnight_us(day + timedelta(days=days), zone) for days in (0, 1))
    return QuotaWindow(number=day.toordinal(), start_us=start_us, end_us=end_us)


def _midnight_us(day: date, zone: tzinfo) -> int:
    return round(datetime.combine(day, time.min, zone).timestamp()) * 1_000_000
