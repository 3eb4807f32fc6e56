"""An event that can be read but must not be sent ends with a code, a sentence and advice; nothing of it is sent."""

from decimal import Decimal
from typing import Any

import pytest

from connector.contracts.codes import Code
from connector.marketplace.offers import Condition
from connector.offers.events import FieldStatus, OfferChanged, Price, Status
from connector.offers.policy import NegativeStock, OfferPolicy, StockAboveMax
from streams.flow import Arrived
from tests.harness.offer_harness import AT, CZ, DE, EAN, OTHER_EAN, SECOND, START_US, OfferHarness, flow_of, unit


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"target_id": "shop-fr"}, Code.TARGET_UNKNOWN),
        ({"target_id": None}, Code.TARGET_MISSING),
        ({"condition": None}, Code.CONDITION_MISSING),
        ({"condition": "new"}, Code.CONDITION_UNKNOWN),
        ({"condition": "UNKNOWN"}, Code.CONDITION_UNKNOWN),
        ({"ean": ""}, Code.EAN_MISSING),
        ({"ean": "4006381333932"}, Code.EAN_INVALID),
        ({"ean": OTHER_EAN}, Code.KEY_CONTRADICTS_EAN),
        ({"ean": "0" + EAN, "key": "0" + EAN}, Code.KEY_NOT_NORMAL),
        ({"ean": EAN, "key": "0" + EAN}, Code.KEY_NOT_NORMAL),
        ({"ean": "nonsense", "key": "nonsense"}, Code.EAN_INVALID),
        ({"stock": None}, Code.NOTHING_CARRIED),
        ({"occurred_at_us": START_US + 301 * SECOND}, Code.EVENT_TIME_IN_FUTURE),
        ({"record_time_us": START_US + 301 * SECOND}, Code.EVENT_TIME_IN_FUTURE),
    ],
)
def test_an_event_that_must_not_be_sent_is_rejected_with_a_message(said: dict[str, Any], code: Code) -> None:
    shop = OfferHarness(flow_of(), ean=said.get("key", EAN))

    shop.event(**{"stock": 4, **said})

    assert [r.status for r in shop.results] == [Status.REJECTED]
    assert shop.last.code == code
    assert shop.last.problem is not None
    assert shop.last.problem.message
    assert shop.last.problem.advice
    assert not shop.wants


def test_an_event_within_the_limit_of_the_future_is_taken() -> None:
    shop = OfferHarness(flow_of())

    shop.event(stock=4, occurred_at_us=START_US + 300 * SECOND)

    assert shop.kinds == ["lookup:de"]


def test_a_future_event_supersedes_no_later_one() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))

    shop.event(stock=9, occurred_at_us=START_US + 10_000 * SECOND)
    shop.event(stock=4)
    shop.accept()

    assert shop.statuses == ["REJECTED", "APPLIED"]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"price": Price(amount=Decimal("19.99"), currency="CZK")}, Code.CURRENCY_MISMATCH),
        ({"price": Price(amount=Decimal("19.99"), currency="eur")}, Code.CURRENCY_MISMATCH),
        ({"price": "19.999"}, Code.PRICE_NOT_IN_MINOR_UNITS),
        ({"price": "0"}, Code.PRICE_NOT_POSITIVE),
        ({"price": "-1"}, Code.PRICE_NOT_POSITIVE),
        ({"price": "1000000.01"}, Code.PRICE_ABOVE_CEILING),
        ({"handling_time_days": -1}, Code.HANDLING_TIME_OUT_OF_RANGE),
        ({"handling_time_days": 100}, Code.HANDLING_TIME_OUT_OF_RANGE),
    ],
)
def test_a_rejected_field_never_holds_back_a_stock_of_zero(said: dict[str, Any], code: Code) -> None:
    shop = OfferHarness(flow_of()).known(unit(7))

    shop.event(stock=0, **said)
    update = shop.accept()

    assert update.body.values == {"stock": 0}
    assert shop.statuses == ["PARTIAL"]
    assert {f.field: f.status for f in shop.last.fields}["stock"] is FieldStatus.APPLIED
    assert shop.last.code == code
    assert shop.last.problem is not None


@pytest.mark.parametrize("stock", [-1, 100_000])
def test_a_stock_rejected_by_configuration_does_not_hold_back_the_price(stock: int) -> None:
    policy = OfferPolicy(negative_stock=NegativeStock.REJECT, max_stock=99_999, stock_above_max=StockAboveMax.REJECT)
    shop = OfferHarness(flow_of(policy=policy)).known(unit(7))

    shop.event(stock=stock, price="11.00")
    update = shop.accept()

    assert update.body.values == {"price": 1100}
    assert shop.last.code == Code.STOCK_OUT_OF_RANGE


@pytest.mark.parametrize(("price", "minor"), [("1000000.00", 100_000_000), ("0.01", 1), ("19.9900", 1999), ("5", 500)])
def test_a_price_is_exact_in_minor_units(price: str, minor: int) -> None:
    shop = OfferHarness(flow_of()).known(unit(7))

    shop.event(price=price)

    assert shop.want("update:de").body.values == {"price": minor}


@pytest.mark.parametrize(("target", "currency"), [(DE, "EUR"), (AT, "EUR"), (CZ, "CZK")])
def test_each_storefront_accepts_its_own_currency_only(target: Any, currency: str) -> None:
    for got in ("EUR", "CZK", "PLN"):
        shop = OfferHarness(flow_of(target))

        shop.event(target_id=target.id, price=Price(amount=Decimal(7), currency=got))

        assert bool(shop.wants) == (got == currency)
        if got != currency:
            assert shop.last.problem is not None
            assert currency in shop.last.problem.message
            assert got in shop.last.problem.message


def test_a_rejected_value_supersedes_nothing() -> None:
    shop = OfferHarness(flow_of())
    older = shop.event(price="10.00")

    shop.event(price="10.001")
    shop.found(unit(7, price=5))
    shop.accept()

    assert [r.status for r in shop.of(older)] == [Status.APPLIED]


def test_condition_and_target_default_only_when_configured() -> None:
    policy = OfferPolicy(default_condition=Condition.NEW, default_target="shop-de")
    shop = OfferHarness(flow_of(policy=policy))

    shop.event(stock=3, condition=None, target_id=None)
    shop.found(unit(7, stock=1))
    shop.accept()

    assert (shop.last.status, shop.last.condition, shop.last.target_id) == (Status.APPLIED, "NEW", "shop-de")


def test_a_record_with_a_wrong_key_stays_in_its_own_lane_and_leaves_no_fact() -> None:
    shop = OfferHarness(flow_of(), ean=OTHER_EAN)

    event = shop.make(stock=1, ean=EAN)
    shop.hear(Arrived(lane=event.key, event=event))

    assert isinstance(event, OfferChanged)
    assert shop.last.ean == OTHER_EAN
    assert not shop.lane.units
    assert not shop.flow.store(shop.lane).undone


def test_a_rejected_record_that_is_read_again_is_recognized() -> None:
    shop = OfferHarness(flow_of(), ean=OTHER_EAN)
    event = shop.make(stock=1, ean=EAN)

    for _ in range(2):
        shop.hear(Arrived(lane=event.key, event=event))
        shop.restart()

    assert [(row.status, row.origin) for row in shop.results] == [("REJECTED", "LIVE"), ("REJECTED", "REPLAY")]


@pytest.mark.parametrize(
    "nonsense",
    [{"max_stock": -1}, {"recheck_s": 0.0}, {"link_wait_s": -1.0}, {"trust_s": {}}],
)
def test_an_invalid_policy_is_refused(nonsense: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        OfferPolicy(**nonsense)
