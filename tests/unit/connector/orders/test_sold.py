"""What the polls tell the sweeps of pieces that were sold, and from when on they tell of all."""

from connector.orders.policy import OrderPolicy
from connector.reconciliation.recent_sales import Ordered, RecentSales
from connector.reconciliation.sweep_lane import SweepTerms
from tests.harness.order_harness import OrderHarness, flow_of

POLICY = OrderPolicy(accounts=frozenset({"main"}))
OVERLAP_US = int(POLICY.overlap_s * 1_000_000)


def polling(harness: OrderHarness | None = None) -> tuple[OrderHarness, RecentSales]:
    """Returns a process that owns the polls; with ``harness``: one that takes over from there."""
    sales = RecentSales()
    flow = flow_of(POLICY, sweeps=SweepTerms(sales=sales))
    flow.assigned(0, 0)
    if harness is None:
        return OrderHarness(flow=flow).open(), sales
    harness.flow = flow
    harness.crash()
    return harness, sales


def sell(harness: OrderHarness, order_id: str, offer_id: str = "sku") -> int:
    """Has a piece ordered now; returns when, by the marketplace's clock."""
    harness.market.create(order_id, offer_id=offer_id)
    return harness.market.second_us


def poll(harness: OrderHarness) -> None:
    """Reads what is wanted now, and what is polled in the next hour."""
    harness.answer_all()
    harness.pass_s(3_600)


def ordered(harness: OrderHarness, sales: RecentSales) -> Ordered:
    return sales.of("main", "sku", harness.market.now_us)


def test_a_piece_is_known_once_the_list_has_shown_it_although_its_order_is_not_read_yet() -> None:
    harness, sales = polling()
    sold_us = sell(harness, "M1")
    assert ordered(harness, sales) == Ordered()

    harness.answer()

    assert harness.orders == []
    known = ordered(harness, sales)
    assert (known.at_us, known.read_at_us) == ((sold_us,), harness.now_us)
    assert known.known_from_us is not None


def test_a_new_owner_knows_what_was_ordered_since_the_start_of_its_first_list() -> None:
    harness, _ = polling()
    sell(harness, "M1")
    poll(harness)
    last_us = sell(harness, "M2")
    poll(harness)
    read_at_us = harness.poll_state().polled_at_us
    harness.checkpoint()

    harness, sales = polling(harness)

    assert ordered(harness, sales) == Ordered(read_at_us=read_at_us)
    poll(harness)
    assert ordered(harness, sales).at_us == (last_us,)
    assert ordered(harness, sales).known_from_us == last_us - OVERLAP_US


def test_an_owner_that_has_the_polls_back_does_not_know_what_was_ordered_meanwhile() -> None:
    harness, sales = polling()
    sell(harness, "M1")
    poll(harness)
    harness.checkpoint()

    harness.flow.assigned(0, 1)
    harness.crash()

    assert ordered(harness, sales).known_from_us is None
    poll(harness)
    assert ordered(harness, sales).known_from_us is not None
