"""The memory of what was ordered."""

from connector.reconciliation import recent_sales
from connector.reconciliation.recent_sales import KEPT_US, MOST_PIECES, RecentSales

NOW_US = 1_790_000_000_000_000


def test_pieces_are_found_by_account_and_offer_id_oldest_first() -> None:
    sales = RecentSales()
    sales.note("main", "sku", [(2, NOW_US - 1), (1, NOW_US - 5)], NOW_US)

    assert sales.of("main", "sku", NOW_US) == (NOW_US - 5, NOW_US - 1)
    assert sales.of("other", "sku", NOW_US) == ()
    assert sales.of("main", None, NOW_US) == ()


def test_an_order_unit_that_is_read_again_counts_once() -> None:
    sales = RecentSales()
    for _ in range(3):
        sales.note("main", "sku", [(1, NOW_US)], NOW_US)

    assert sales.of("main", "sku", NOW_US) == (NOW_US,)


def test_pieces_are_forgotten_after_two_days() -> None:
    sales = RecentSales()
    sales.note("main", "sku", [(1, NOW_US)], NOW_US)
    sales.note("main", "old", [(2, NOW_US - KEPT_US)], NOW_US)

    assert sales.of("main", "sku", NOW_US + KEPT_US - 1) == (NOW_US,)
    assert sales.of("main", "sku", NOW_US + KEPT_US) == ()
    assert sales.of("main", "old", NOW_US) == ()


def test_the_newest_pieces_and_the_offers_sold_last_are_kept() -> None:
    sales = RecentSales()
    sales.note("main", "sku", [(n, NOW_US + n) for n in range(MOST_PIECES + 10)], NOW_US)
    assert sales.of("main", "sku", NOW_US) == tuple(NOW_US + n for n in range(10, MOST_PIECES + 10))

    for number in range(recent_sales.MOST_OFFERS):
        sales.note("main", str(number), [(1, NOW_US)], NOW_US)
    assert sales.of("main", "sku", NOW_US) == ()
    assert sales.of("main", "0", NOW_US) == (NOW_US,)
