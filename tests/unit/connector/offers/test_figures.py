"""What the flow counts by target: events, results, changes, held and late values, and the ages of undone events."""

from dataclasses import replace

import pytest

from connector.marketplace.offers import Refused
from connector.offers.figures import COUNTED_FROM_ZERO, DIRECTIONS, HOLDING, UNKNOWN_TARGET, OfferFigures
from streams.flow import Restored
from tests.harness.offer_harness import AT, DE, SECOND, START_US, OfferHarness, flow_of, unit

PARTITION = 0


def shop_of(price: int = 1000, stock: int = 3) -> OfferHarness:
    return OfferHarness(flow_of(DE, AT)).known(unit(7, price=price, stock=stock))


def figures(shop: OfferHarness) -> OfferFigures:
    return shop.flow.figures({PARTITION})


def grown(before: OfferFigures, after: OfferFigures, name: str) -> dict[object, int]:
    """Returns by how much each count of a figure has grown."""
    old, new = getattr(before, name), getattr(after, name)
    return {key: count - old.get(key, 0) for key, count in new.items() if count != old.get(key, 0)}


def test_every_target_of_the_routing_is_counted_from_zero_so_that_an_alert_sees_the_first() -> None:
    found = flow_of(DE, AT).figures(())

    for target in ("shop-de", "shop-at"):
        assert {(status, code) for name, status, code in found.results if name == target} == {
            (status.value, code) for status, code in COUNTED_FROM_ZERO
        }
        assert {code for name, code in found.held if name == target} == {code.value for code in HOLDING}
        assert {direction for name, direction in found.price_changes if name == target} == set(DIRECTIONS)
        assert (found.stock_to_zero[target], found.clamped[target], found.undone_since_us[target]) == (0, 0, 0)
    assert {*found.results.values(), *found.held.values(), *found.price_changes.values()} == {0}


def test_a_result_is_counted_by_target_status_and_code_and_notes_when_a_value_was_accepted() -> None:
    shop = shop_of()
    before = figures(shop)
    shop.event(price="12.00")
    shop.accept()

    assert grown(before, figures(shop), "results") == {("shop-de", "APPLIED", ""): 1}
    assert grown(before, figures(shop), "events") == {("shop-de", "LIVE"): 1}
    assert figures(shop).applied_at_us == {"shop-de": shop.last.decided_at_us}
    assert figures(shop).not_applied == 0


def test_an_event_of_a_target_that_is_not_configured_makes_no_label_of_its_own() -> None:
    shop = shop_of()
    before = figures(shop)
    for number in range(30):
        shop.event(price="12.00", target_id=f"made-up-{number}")

    assert grown(before, figures(shop), "results") == {(UNKNOWN_TARGET, "REJECTED", "TARGET_UNKNOWN"): 30}
    assert grown(before, figures(shop), "events") == {(UNKNOWN_TARGET, "LIVE"): 30}
    assert figures(shop).not_applied == 30


@pytest.mark.parametrize(("price", "direction"), [("12.00", "up"), ("8.00", "down")])
def test_a_price_change_is_counted_by_direction_and_a_price_that_stays_is_not(price: str, direction: str) -> None:
    shop = shop_of(price=1000)
    before = figures(shop)
    shop.event(price="10.00")
    shop.event(price=price)
    shop.accept()

    assert grown(before, figures(shop), "price_changes") == {("shop-de", direction): 1}
    assert grown(before, figures(shop), "stock_to_zero") == {}


def test_a_stock_that_becomes_zero_is_counted_once_and_so_is_what_was_out_of_bounds() -> None:
    shop = OfferHarness(flow_of(DE)).known(unit(7, stock=3))
    before = figures(shop)
    shop.event(stock=-3)
    shop.accept()
    shop.event(stock=0)

    assert grown(before, figures(shop), "stock_to_zero") == {"shop-de": 1}
    assert grown(before, figures(shop), "clamped") == {"shop-de": 1}


def test_a_row_with_one_value_that_was_not_applied_is_counted_although_it_is_partial() -> None:
    shop = OfferHarness(flow_of(DE)).known(unit(7))
    shop.event(price="12.00", stock=5)
    shop.event(stock=6)  # the stock of the first event is superseded, its price goes on
    while shop.wants:
        shop.refuse(Refused(code="VALIDATION", http_status=400, type=None, message="no"))

    statuses = [(row.status.value, sorted(one.status.value for one in row.fields)) for row in shop.results]
    assert ("PARTIAL", ["REJECTED", "SUPERSEDED"]) in statuses
    assert figures(shop).not_applied == 2


def test_the_oldest_undone_event_of_each_target_is_known_until_its_result_is_written() -> None:
    shop = shop_of()
    since_us = shop.now_us
    shop.event(price="12.00")
    shop.pass_s(30)
    shop.event(stock=9)

    waiting = figures(shop).undone_since_us
    assert waiting["shop-de"] == since_us // SECOND * SECOND
    assert waiting["shop-at"] == 0
    shop.accept()
    while shop.wants:
        shop.accept()

    assert figures(shop).undone_since_us["shop-de"] == 0


def test_an_event_that_is_not_found_or_whose_partition_is_another_processes_does_not_age() -> None:
    shop = OfferHarness(flow_of(DE))
    shop.event(price="12.00")
    assert figures(shop).undone_since_us["shop-de"] == START_US
    assert shop.flow.figures({PARTITION + 1}).undone_since_us["shop-de"] == 0

    shop.found()
    shop.pass_s(61)
    shop.found()

    assert shop.last.status == "NOT_FOUND"
    assert figures(shop).undone_since_us["shop-de"] == 0


def test_the_age_is_taken_over_with_the_lane_and_forgotten_with_the_partition() -> None:
    before = shop_of()
    before.event(price="12.00")
    heir = replace(before, flow=flow_of(DE, AT))
    heir.lane = heir.flow.load(heir.ean, before.flow.store(before.lane).value)
    assert figures(heir).undone_since_us["shop-de"] == 0

    heir.hear(Restored())

    assert figures(heir).undone_since_us["shop-de"] == START_US // SECOND * SECOND
    heir.flow.assigned(PARTITION, 1)
    assert figures(heir).undone_since_us["shop-de"] == 0
