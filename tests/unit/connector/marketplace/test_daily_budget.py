"""What gives way while a daily budget gets scarce, and when its day begins."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.marketplace.call_kinds import CallKind
from connector.marketplace.daily_budget import NAMES, RESERVES, BudgetTier, daily_budget, day_of, time_zone
from connector.offers.call_bodies import CLAIM, RELEASE
from connector.orders.wants import RANK as ORDER_RANK
from connector.reconciliation.wants import RANK as SWEEP_RANK
from connector.shipments.plan import RANK as SHIPMENT_RANK
from connector.shipments.plan import RECHECK_RANK
from streams.flow import Want
from streams.quota import NOTHING
from tests.harness.offer_harness import DE, OfferHarness, flow_of, unit

BUDGET = daily_budget(1_000, UTC)
MORNING_US = 1_760_000_000_000_000
ZONES = ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Africa/Cairo")


def tier(want: Want) -> int:
    return BUDGET.tier(want)


def call(kind: str, priority: int) -> Want:
    return Want(slot="s", account="main", kind=kind, priority=priority, since_us=0, body=None)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"stock": 0}, BudgetTier.STOCK_TO_ZERO),
        ({"stock": 0, "price": "12.00"}, BudgetTier.STOCK_TO_ZERO),
        ({"stock": 2}, BudgetTier.STOCK_DECREASES),
        ({"stock": 9}, BudgetTier.STOCK_INCREASES),
        ({"stock": 9, "price": "12.00"}, BudgetTier.STOCK_INCREASES),
        ({"price": "12.00"}, BudgetTier.PRICES),
        ({"handling_time_days": 5}, BudgetTier.PRICES),
    ],
)
def test_an_update_gives_way_by_the_most_urgent_of_its_values(event: dict[str, object], expected: BudgetTier) -> None:
    shop = OfferHarness(flow_of(DE)).known(unit(7, price=1000, stock=3))
    shop.event(**event)

    assert tier(shop.want("update:de")) == expected


def test_a_look_up_gives_way_first_unless_a_stock_of_zero_waits_for_it() -> None:
    shop, sold_out = OfferHarness(flow_of(DE)), OfferHarness(flow_of(DE))
    shop.event(stock=2, price="12.00")
    sold_out.event(stock=0)

    assert tier(shop.want("lookup:de")) == BudgetTier.OTHERS
    assert tier(sold_out.want("lookup:de")) == BudgetTier.STOCK_TO_ZERO


@pytest.mark.parametrize(
    ("kind", "priority", "expected"),
    [
        (CallKind.SEND, SHIPMENT_RANK, BudgetTier.STOCK_DECREASES),
        (CallKind.PARCEL, SHIPMENT_RANK, BudgetTier.STOCK_DECREASES),
        (CallKind.CARRIERS, SHIPMENT_RANK, BudgetTier.STOCK_DECREASES),
        (CallKind.ORDER_UNIT, RECHECK_RANK, BudgetTier.STOCK_DECREASES),
        (CallKind.ORDER, ORDER_RANK, BudgetTier.STOCK_DECREASES),
        (CallKind.ORDER_PAGE, ORDER_RANK, BudgetTier.STOCK_DECREASES),
        (CallKind.RETURN_PAGE, ORDER_RANK, BudgetTier.OTHERS),
        (CallKind.RETURN, ORDER_RANK, BudgetTier.OTHERS),
        (CallKind.SUBSCRIPTIONS, ORDER_RANK, BudgetTier.OTHERS),
        (CallKind.UNIT_PAGE, SWEEP_RANK, BudgetTier.OTHERS),
        (CallKind.UPDATE.on("de"), 8, BudgetTier.OTHERS),
        (CLAIM, 0, NOTHING),
        (RELEASE, 7, NOTHING),
    ],
)
def test_every_kind_of_call_has_its_place(kind: str, priority: int, expected: int) -> None:
    assert tier(call(kind, priority)) == expected


@given(kind=st.sampled_from(list(CallKind)), priority=st.integers(7, 30))
def test_no_kind_of_call_is_forgotten(kind: CallKind, priority: int) -> None:
    assert tier(call(kind.value, priority)) in list(BudgetTier)


def test_every_tier_has_a_name_and_a_reserve() -> None:
    assert list(NAMES) == list(RESERVES) == list(BudgetTier)


@given(
    zone=st.sampled_from(ZONES),
    wall_us=st.integers(min_value=1_600_000_000_000_000, max_value=1_900_000_000_000_000),
)
def test_days_follow_each_other_without_a_gap(zone: str, wall_us: int) -> None:
    day = day_of(wall_us, time_zone(zone))

    assert day.start_us <= wall_us < day.end_us
    assert 22 <= (day.end_us - day.start_us) / 3_600_000_000 <= 26
    following = day_of(day.end_us, time_zone(zone))
    assert (following.number, following.start_us) == (day.number + 1, day.end_us)


def test_a_day_begins_at_midnight_of_its_time_zone() -> None:
    began = day_of(MORNING_US, time_zone("Europe/Berlin")).start_us

    assert datetime.fromtimestamp(began / 1e6, ZoneInfo("Europe/Berlin")).isoformat() == "2025-10-09T00:00:00+02:00"


@pytest.mark.parametrize("name", ["Mars", "", "../etc/passwd", "Europe"])
def test_an_unknown_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone"):
        time_zone(name)
