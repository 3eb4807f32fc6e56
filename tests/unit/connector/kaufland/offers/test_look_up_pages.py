"""Look-ups over several pages: the list is complete, or it is read again."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from connector.kaufland.offers import answers
from connector.kaufland.offers.look_up_pages import FRESH_S, MAX_UNITS, LookUpPages, More, Moved
from connector.kaufland.offers.models import UnitsPage
from connector.kaufland.reference import load_reference
from connector.marketplace.offers import Unit
from tests.unit.connector.kaufland.wants import EAN, look_up, page, unit

KEY = ("main", "de", EAN)
REFERENCE = load_reference()


def listed(first: int, last: int, *, total: int) -> tuple[UnitsPage, tuple[Unit, ...]]:
    """Returns a page with the units ``first`` to ``last`` of a list, and what is read of it."""
    return of(page(*(unit(number) for number in range(first, last + 1)), total=total))


def of(raw: dict[str, Any]) -> tuple[UnitsPage, tuple[Unit, ...]]:
    """Reads the body of a page."""
    read = answers.read_page(orjson.dumps(raw))
    assert read is not None
    return read, answers.units_of(read, look_up(), REFERENCE)


def ids(found: object) -> list[int]:
    """Returns the ids of the units; fails if the list is not complete."""
    assert isinstance(found, tuple)
    return [each.unit_id for each in found]


def test_one_page_is_the_whole_list() -> None:
    pages = LookUpPages()

    assert pages.offset(KEY, 0) == 0
    assert ids(pages.take(KEY, *listed(1, 100, total=100), offset=0, now_s=0)) == list(range(1, 101))
    assert ids(pages.take(KEY, *listed(1, 0, total=0), offset=0, now_s=0)) == []


def test_further_pages_are_requested_one_by_one_and_combined() -> None:
    pages = LookUpPages()

    assert pages.take(KEY, *listed(1, 100, total=201), offset=0, now_s=0) == More()
    assert pages.offset(KEY, 1) == 100
    assert pages.take(KEY, *listed(101, 200, total=201), offset=100, now_s=1) == More()
    assert pages.offset(KEY, 2) == 200
    found = pages.take(KEY, *listed(201, 201, total=201), offset=200, now_s=2)

    assert ids(found) == list(range(1, 202))
    assert pages.offset(KEY, 3) == 0


def test_units_of_earlier_pages_keep_their_values_and_the_time_of_their_own_call() -> None:
    pages = LookUpPages()
    first, units = listed(1, 100, total=101)
    pages.take(KEY, first, tuple(replace(unit, read_at_us=1) for unit in units), offset=0, now_s=0)

    last, units = listed(101, 101, total=101)
    found = pages.take(KEY, last, tuple(replace(unit, read_at_us=2) for unit in units), offset=100, now_s=1)

    assert isinstance(found, tuple)
    assert [unit.read_at_us for unit in found] == [1] * 100 + [2]
    assert all(unit.values for unit in found)


@pytest.mark.parametrize(
    ("second", "total"),
    [
        ((101, 101), 102),  # the list grew
        ((100, 100), 101),  # a row shifted: one unit is listed twice, and one not at all
    ],
)
def test_a_list_that_moved_is_read_from_the_beginning(second: tuple[int, int], total: int) -> None:
    pages = LookUpPages()
    pages.take(KEY, *listed(1, 100, total=101), offset=0, now_s=0)

    assert pages.take(KEY, *listed(*second, total=total), offset=100, now_s=1) == Moved()
    assert pages.offset(KEY, 2) == 0


def test_a_partly_read_list_is_dropped_after_a_while() -> None:
    pages = LookUpPages()
    pages.take(KEY, *listed(1, 100, total=101), offset=0, now_s=0)

    assert pages.offset(KEY, FRESH_S + 1) == 0
    assert pages.take(KEY, *listed(101, 101, total=101), offset=100, now_s=FRESH_S + 1) == Moved()


def test_a_list_with_more_rows_than_shown_proves_no_absence() -> None:
    assert LookUpPages().take(KEY, *listed(1, 0, total=3), offset=0, now_s=0) == Moved()


def test_a_page_that_contradicts_itself_is_refused() -> None:
    without = page(*(unit(number) for number in range(1, 101)))
    del without["pagination"]

    assert LookUpPages().take(KEY, *of(without), offset=0, now_s=0) is None
    assert LookUpPages().take(KEY, *listed(1, 101, total=101), offset=0, now_s=0) is None
    assert LookUpPages().take(KEY, *listed(1, 100, total=MAX_UNITS + 1), offset=0, now_s=0) is None


def test_a_short_page_without_pagination_is_the_whole_list() -> None:
    without = page(unit(1))
    del without["pagination"]

    assert ids(LookUpPages().take(KEY, *of(without), offset=0, now_s=0)) == [1]
