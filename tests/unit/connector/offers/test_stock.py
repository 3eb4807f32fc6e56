"""Which stock is sent: bounds (zero and ``max_stock``), and the seller's reserve."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.contracts.codes import Code
from connector.marketplace.offers import Field
from connector.offers.event_order import Recency
from connector.offers.events import FieldResult, FieldStatus, Status
from connector.offers.ledger import Asked, LedgerEntry
from connector.offers.locations import Total
from connector.offers.policy import (
    Locations,
    NegativeStock,
    OfferPolicy,
    StockAboveMax,
    StockRule,
    StockRules,
)
from connector.offers.stock import offered
from tests.harness.offer_harness import AT, DE, OfferHarness, flow_of, unit

SUM = OfferPolicy(locations=Locations.SUM)
REJECT = OfferPolicy(negative_stock=NegativeStock.REJECT)


def shop_of(policy: OfferPolicy, stock: int = 3) -> OfferHarness:
    return OfferHarness(flow_of(policy=policy)).known(unit(7, stock=stock))


def stock_of(shop: OfferHarness) -> FieldResult:
    return next(field for field in shop.last.fields if field.field == "stock")


def wanted(shop: OfferHarness) -> int:
    return int(shop.want("update:de").body.values[Field.STOCK])


def keeping(**numbers: int) -> OfferPolicy:
    return OfferPolicy(stock_rules={"shop-de": StockRules(rule=StockRule(**numbers))})


# ---- below zero -----------------------------------------------------------------------------------------------------


def test_stock_below_zero_is_sent_as_zero_and_clamped_with_both_numbers() -> None:
    shop = shop_of(OfferPolicy(), stock=6)

    shop.event(stock=-3)
    shop.accept()

    stock = stock_of(shop)
    assert (stock.status, stock.code) == (FieldStatus.APPLIED, Code.CLAMPED)
    assert (stock.requested, stock.before, stock.sent) == (Decimal(-3), Decimal(6), Decimal(0))
    assert (shop.last.status, shop.last.code) == (Status.APPLIED, Code.CLAMPED)
    assert shop.last.problem is not None
    assert shop.last.problem.message == "Stock -3 is below zero; it counts as 0"


def test_stock_below_zero_of_an_empty_offer_is_unchanged_and_clamped() -> None:
    shop = shop_of(OfferPolicy(), stock=0)

    shop.event(stock=-3)

    assert not shop.wants
    assert (stock_of(shop).status, stock_of(shop).code) == (FieldStatus.UNCHANGED, Code.CLAMPED)
    assert shop.last.problem is not None


def test_stock_below_zero_is_as_urgent_as_stock_zero() -> None:
    shop = OfferHarness(flow_of())

    shop.event(stock=-3)

    assert [want.priority for want in shop.wants] == [0]


def test_a_refused_price_takes_precedence_over_a_clamped_stock_in_the_result() -> None:
    shop = shop_of(OfferPolicy())

    shop.event(stock=-1, price="0")
    shop.accept()

    assert (shop.last.status, shop.last.code) == (Status.PARTIAL, Code.PRICE_NOT_POSITIVE)
    assert stock_of(shop).code == Code.CLAMPED


def test_stock_below_zero_is_rejected_where_that_is_configured() -> None:
    shop = shop_of(REJECT, stock=6)

    shop.event(stock=-3)

    assert not shop.wants
    assert (stock_of(shop).status, stock_of(shop).code) == (FieldStatus.REJECTED, Code.STOCK_OUT_OF_RANGE)


@pytest.mark.parametrize("policy", [SUM, replace(SUM, negative_stock=NegativeStock.REJECT)])
def test_a_location_below_zero_counts_as_none_whatever_is_configured(policy: OfferPolicy) -> None:
    shop = shop_of(policy, stock=99)
    shop.event(stock=4, location="A")
    shop.accept()
    shop.event(stock=2, location="B")
    shop.accept()

    shop.event(stock=-3, location="B")

    assert wanted(shop) == 4
    shop.accept()
    assert (stock_of(shop).requested, stock_of(shop).sent) == (Decimal(-3), Decimal(4))
    assert stock_of(shop).code == Code.CLAMPED
    shop.event(stock=1, location="B")
    assert wanted(shop) == 5


# ---- the maximum ----------------------------------------------------------------------------------------------------


def test_without_a_maximum_any_stock_that_the_api_can_take_is_sent() -> None:
    shop = shop_of(OfferPolicy())

    shop.event(stock=2_000_000)

    assert wanted(shop) == 2_000_000


def test_a_stock_above_the_maximum_is_capped_with_both_numbers() -> None:
    shop = shop_of(OfferPolicy(max_stock=500))

    shop.event(stock=9_999_999)
    shop.accept()

    assert (stock_of(shop).requested, stock_of(shop).sent) == (Decimal(9_999_999), Decimal(500))
    assert stock_of(shop).code == Code.CLAMPED
    assert shop.last.problem is not None
    assert shop.last.problem.message == "Stock 9999999 is above offers.max_stock; it counts as 500"


def test_a_stock_above_the_maximum_is_rejected_where_that_is_configured() -> None:
    shop = shop_of(OfferPolicy(max_stock=500, stock_above_max=StockAboveMax.REJECT))

    shop.event(stock=501)

    assert (stock_of(shop).status, stock_of(shop).code) == (FieldStatus.REJECTED, Code.STOCK_OUT_OF_RANGE)
    shop.event(stock=500)
    assert wanted(shop) == 500


def test_the_total_of_all_locations_is_capped_too() -> None:
    shop = shop_of(replace(SUM, max_stock=500), stock=99)
    shop.event(stock=300, location="A")
    shop.accept()

    shop.event(stock=300, location="B")
    shop.accept()

    assert (stock_of(shop).sent, stock_of(shop).code) == (Decimal(500), Code.CLAMPED)
    assert shop.last.problem is not None
    assert "The stock of all locations together" in shop.last.problem.message


# ---- the reserve ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stock", "sent"), [(0, 0), (1, 0), (2, 0), (3, 1), (10, 8)])
def test_the_last_pieces_are_never_offered(stock: int, sent: int) -> None:
    shop = OfferHarness(flow_of(policy=keeping(keep=2)))

    shop.event(stock=stock)
    shop.found(unit(7, stock=99))

    assert wanted(shop) == sent


def test_show_at_most_limits_the_stock_without_clamping() -> None:
    shop = shop_of(keeping(show_at_most=5))

    shop.event(stock=80)
    shop.accept()

    assert (stock_of(shop).requested, stock_of(shop).sent, stock_of(shop).code) == (Decimal(80), Decimal(5), None)


def test_equal_offers_after_the_rules_are_not_sent_again() -> None:
    shop = shop_of(keeping(show_at_most=5), stock=5)

    shop.event(stock=80)
    shop.event(stock=70)

    assert shop.statuses == ["UNCHANGED", "UNCHANGED"]


def test_stock_rules_apply_percent_then_pieces_then_the_maximum_shown() -> None:
    shop = OfferHarness(flow_of(policy=keeping(buffer_pct=10, keep=2, show_at_most=15)))
    shop.event(stock=99)
    shop.found(unit(7, stock=99))
    assert wanted(shop) == 15

    shop.event(stock=11)  # 9.9, rounded down to 9, less 2

    assert wanted(shop) == 7


def test_an_attribute_of_the_event_chooses_another_rule_and_each_target_has_its_own() -> None:
    rules = StockRules(
        rule=StockRule(keep=2),
        overrides=(({"brand": "Acme", "class": "bulky"}, StockRule(keep=9)), ({"brand": "Acme"}, StockRule(keep=5))),
    )
    policy = OfferPolicy(stock_rules={"shop-de": rules})
    asked = Asked(field=Field.STOCK, value=10, requested=Decimal(10))

    def sent(target_id: str, **attributes: str) -> int:
        return offered(policy, entry(target_id, attributes), asked, None).value

    assert sent("shop-de") == 8
    assert sent("shop-de", brand="Other") == 8
    assert sent("shop-de", brand="Acme") == 5
    assert sent("shop-de", brand="Acme", **{"class": "bulky"}) == 1
    assert sent("shop-at", brand="Acme") == 10


def test_the_rule_of_an_attribute_holds_after_a_restart_too() -> None:
    rules = StockRules(overrides=(({"brand": "Acme"}, StockRule(keep=5)),))
    shop = shop_of(OfferPolicy(stock_rules={"shop-de": rules}))
    shop.event(stock=9, attributes={"brand": "Acme"})

    shop.restart()
    shop.pass_s(0)
    shop.accept()

    assert stock_of(shop).sent == 4


def test_the_same_event_read_again_under_another_rule_sends_what_the_rule_says_now() -> None:
    shop = shop_of(OfferPolicy(), stock=99)
    first = shop.make(stock=9)
    shop.event(stock=9, offset=first.offset, event_id=first.event_id)
    shop.accept()

    shop.flow = flow_of(policy=keeping(keep=2))
    shop.restart()
    shop.event(stock=9, offset=first.offset, event_id=first.event_id, occurred_at_us=first.occurred_at_us)

    assert wanted(shop) == 7


def entry(target_id: str, attributes: dict[str, str]) -> LedgerEntry:
    return LedgerEntry(
        result_id="r", event_id="e", target_id=target_id, condition="NEW", offer_id=None, unit_id=None, partition=0,
        offset=0, occurred_at_us=0, order=Recency(0, 0, 0), received_at_us=0, since_us=0, attributes=attributes,
    )  # fmt: skip


@given(
    st.integers(-(2**31), 2**31 - 1),
    st.none() | st.integers(0, 2**31 - 1),
    st.none() | st.integers(0, 2**31 - 1),
    st.builds(
        StockRule, buffer_pct=st.integers(0, 100), keep=st.integers(0, 50), show_at_most=st.none() | st.integers(0, 99)
    ),
)
def test_the_offered_stock_is_between_zero_and_the_stock(
    stock: int, pieces: int | None, top: int | None, rule: StockRule
) -> None:
    policy = OfferPolicy(max_stock=top, stock_rules={"shop-de": StockRules(rule=rule)})
    total = Total(pieces, Recency(0, 0, 0)) if pieces is not None else None
    asked = Asked(field=Field.STOCK, value=stock, requested=Decimal(stock))

    offer = offered(policy, entry("shop-de", {}), asked, total)

    there = max(0, stock if pieces is None else pieces)
    assert 0 <= offer.value <= max(0, there - rule.keep)
    assert offer.value <= min(top if top is not None else there, rule.show_at_most or there, there) or offer.value == 0


def test_linked_offers_share_one_stock_and_the_newest_events_rule_holds() -> None:
    policy = OfferPolicy(stock_rules={"shop-at": StockRules(rule=StockRule(keep=4))})
    shop = OfferHarness(flow_of(DE, AT, policy=policy))
    shop.event(stock=9)
    shop.found(unit(7, offer_id="a"))
    shop.found(unit(8, "at", offer_id="a"), storefront="at")
    shop.accept(offer_id="a")

    shop.event(stock=9, target_id="shop-at")

    assert shop.want("update:at").body.values == {Field.STOCK: 5}
