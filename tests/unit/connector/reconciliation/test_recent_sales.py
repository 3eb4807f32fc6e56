"""The memory of what was ordered, and from when on it is complete."""

from collections.abc import Iterable

from connector.marketplace.orders import PageRow
from connector.reconciliation import recent_sales
from connector.reconciliation.recent_sales import KEPT_US, MOST_PIECES, RecentSales

NOW_US = 1_790_000_000_000_000
FROM_US = NOW_US - 600_000_000


def row(number: int, offer_id: str | None, at_us: int | None) -> PageRow:
    return PageRow(
        order_id="M1",
        order_unit_id=number,
        status_raw="open",
        changed_us=at_us or NOW_US,
        created_us=at_us,
        offer_id=offer_id,
    )


def polled(*rows: PageRow, from_us: int = FROM_US) -> RecentSales:
    """Returns what a process knows after a list of one page."""
    sales = RecentSales()
    read(sales, rows)
    sales.note_end("main", from_us)
    return sales


def read(sales: RecentSales, rows: Iterable[PageRow], *, is_first: bool = True, is_whole: bool = True) -> None:
    sales.note_page("main", rows, sent_us=NOW_US - 9, is_first=is_first, is_whole=is_whole, now_us=NOW_US)


def at_us(sales: RecentSales, offer_id: str, now_us: int = NOW_US) -> tuple[int, ...]:
    return sales.of("main", offer_id, now_us).at_us


def known_from_us(sales: RecentSales, offer_id: str | None = "sku", now_us: int = NOW_US) -> int | None:
    return sales.of("main", offer_id, now_us).known_from_us


def test_pieces_are_found_by_account_and_offer_id_oldest_first() -> None:
    sales = polled(row(2, "sku", NOW_US - 1), row(1, "sku", NOW_US - 5), row(3, None, NOW_US))

    assert at_us(sales, "sku") == (NOW_US - 5, NOW_US - 1)
    assert sales.of("other", "sku", NOW_US).at_us == ()
    assert sales.of("main", None, NOW_US).at_us == ()


def test_an_order_unit_that_is_read_again_counts_once() -> None:
    sales = RecentSales()
    for _ in range(3):
        read(sales, [row(1, "sku", NOW_US)])

    assert at_us(sales, "sku") == (NOW_US,)


def test_pieces_are_forgotten_after_two_days() -> None:
    sales = polled(row(1, "sku", NOW_US), row(2, "old", NOW_US - KEPT_US), from_us=0)

    assert at_us(sales, "sku", NOW_US + KEPT_US - 1) == (NOW_US,)
    assert at_us(sales, "sku", NOW_US + KEPT_US) == ()
    assert at_us(sales, "old") == ()
    assert known_from_us(sales) == NOW_US - KEPT_US + 1


def test_the_newest_pieces_and_the_offers_sold_last_are_kept() -> None:
    sales = polled(*(row(n, "sku", FROM_US + n) for n in range(MOST_PIECES + 10)))
    assert at_us(sales, "sku") == tuple(FROM_US + n for n in range(10, MOST_PIECES + 10))
    assert known_from_us(sales) == FROM_US + 11, "pieces of the same time may be dropped"
    assert known_from_us(sales, "other") == FROM_US

    read(sales, [row(n, str(n), NOW_US) for n in range(recent_sales.MOST_OFFERS)])
    assert at_us(sales, "sku") == ()
    assert at_us(sales, "0") == (NOW_US,)
    assert known_from_us(sales, "other") == FROM_US + MOST_PIECES + 10


def test_orders_are_known_from_the_start_of_the_first_list_that_was_read_to_its_end() -> None:
    sales = RecentSales()
    sales.note_polled("main", NOW_US - 50)
    read(sales, [])
    assert known_from_us(sales) is None
    assert sales.of("main", "sku", NOW_US).read_at_us == NOW_US - 50

    sales.note_end("main", FROM_US)
    sales.note_end("main", NOW_US)

    assert known_from_us(sales) == FROM_US
    assert sales.of("main", "sku", NOW_US).read_at_us == NOW_US - 9, "later orders may have come before its first page"


def test_a_list_is_as_new_as_its_first_page() -> None:
    sales = RecentSales()
    read(sales, [])
    sales.note_page("main", [], sent_us=NOW_US + 99, is_first=False, is_whole=True, now_us=NOW_US + 100)
    sales.note_end("main", FROM_US)

    assert sales.of("main", "sku", NOW_US).read_at_us == NOW_US - 9


def test_a_new_owner_does_not_know_what_was_ordered_before_its_own_lists() -> None:
    sales = polled(row(1, "sku", NOW_US))
    sales.take_over()
    sales.note_polled("main", NOW_US)

    assert known_from_us(sales) is None
    sales.note_end("main", NOW_US + 5)
    assert known_from_us(sales) == NOW_US + 5


def test_rows_that_cannot_be_read_may_be_orders_of_anything_until_then() -> None:
    sales = polled()
    read(sales, [], is_whole=False)
    assert known_from_us(sales) == NOW_US + 1
    assert known_from_us(polled(row(1, "sku", None))) == NOW_US + 1


def test_what_was_sold_of_a_unit_without_offer_id_is_never_known() -> None:
    assert known_from_us(polled(), None) == NOW_US + 1
