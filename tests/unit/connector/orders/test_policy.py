"""The settings of the order flow are checked when its policy is built."""

from typing import Any

import pytest

from connector.orders.policy import OrderPolicy, wait_us

MAIN = frozenset({"main"})


def test_the_defaults_are_a_poll_a_minute_over_thirty_days_and_nothing_personal() -> None:
    policy = OrderPolicy(accounts=MAIN)

    assert (policy.interval_s, policy.overlap_s, policy.lookback_days) == (60.0, 300.0, 30)
    assert not policy.contacts
    assert not policy.create_sales_orders
    assert not policy.returns


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"interval_s": 4.9}, "interval_s"),
        ({"interval_s": 86_401.0}, "interval_s"),
        ({"interval_s": float("nan")}, "interval_s"),
        ({"intervals_s": {"main": 4.0}}, "got 4.0 for main"),
        ({"overlap_s": -1.0}, "overlap_s"),
        ({"overlap_s": 8 * 86_400.0}, "overlap_s"),
        ({"lookback_days": 0}, "lookback_days"),
        ({"lookback_days": 3651}, "lookback_days"),
        ({"customer_number": " "}, "customer_number"),
        ({"sales_order_memory_s": 60.0}, "sales_order_memory_s"),
        ({"accounts": frozenset({"a/b"})}, "slash"),
        ({"accounts": frozenset({""})}, "empty"),
    ],
)
def test_nonsense_is_refused_by_name(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        OrderPolicy(**{"accounts": MAIN, **wrong})


@pytest.mark.parametrize("interval_s", [5.0, 86_400.0])
def test_the_bounds_of_the_interval_are_within_it(interval_s: float) -> None:
    assert OrderPolicy(accounts=MAIN, interval_s=interval_s).interval_s == interval_s


def test_completed_orders_are_remembered_longer_than_polls_list_them() -> None:
    for policy in (
        OrderPolicy(accounts=MAIN),
        OrderPolicy(accounts=MAIN, interval_s=86_400),
        OrderPolicy(accounts=MAIN, intervals_s={"main": 86_400}),
        OrderPolicy(accounts=MAIN, overlap_s=7 * 86_400),
    ):
        assert policy.memory_s / 2 > 1.1 * policy.interval_of("main")
        assert policy.memory_s > policy.overlap_s


def test_waits_double_up_to_their_cap() -> None:
    assert [wait_us(60, 3600, tries) // 60_000_000 for tries in (1, 2, 3, 6, 7, 1000)] == [1, 2, 4, 32, 60, 60]
