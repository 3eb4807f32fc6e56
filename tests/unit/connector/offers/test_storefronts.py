"""Every storefront of the reference data has its own currency, bounds, units and switches."""

from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from connector.contracts.codes import Code
from connector.kaufland.reference import load_reference, parse_reference
from connector.marketplace.offers import Condition, Currency, Field
from connector.offers.events import Price
from connector.offers.policy import OfferPolicy
from connector.routing.table import Target
from tests.harness.offer_harness import AT, DE, EAN, OTHER_EAN, OfferHarness, flow_of, unit
from tests.harness.pages import block

ROMANIA = block("docs/configuration.md", "text", '"ro"').body.encode()
"""A storefront that the marketplace's document does not have yet, as an operator adds it to a running process."""
REFERENCE = parse_reference(ROMANIA, since=load_reference()).reference
CURRENCIES = sorted({currency.code for currency in REFERENCE.storefronts.values()} | {"USD"})
EVERYWHERE = sorted(REFERENCE.storefronts.items())


def shop_on(storefront: str, currency: Currency) -> OfferHarness:
    target = Target(id="here", account="main", storefront=storefront, currency=currency.code)
    return OfferHarness(flow_of(target, reference=REFERENCE))


def written(shop: OfferHarness, storefront: str, **said: Any) -> dict[Field, int] | None:
    """Returns the values that an event for a known unit would send; None: nothing is sent."""
    shop.event(target_id="here", **said)
    if f"lookup:{storefront}" in shop.kinds:
        shop.found(unit(7, storefront, price=1, stock=1, days=1), storefront=storefront)
    kinds = shop.kinds
    return dict(shop.want(f"update:{storefront}").body.values) if f"update:{storefront}" in kinds else None


@pytest.mark.parametrize(("storefront", "own"), EVERYWHERE)
@pytest.mark.parametrize("currency", CURRENCIES)
def test_a_storefront_takes_prices_in_its_own_currency_alone(storefront: str, own: Currency, currency: str) -> None:
    shop = shop_on(storefront, own)

    sent = written(shop, storefront, price=Price(amount=Decimal("12.34"), currency=currency))

    assert sent == ({Field.PRICE: 1234} if currency == own.code else None)
    if currency != own.code:
        assert shop.last.code == Code.CURRENCY_MISMATCH
        assert shop.last.problem is not None
        assert {own.code, currency} <= set(shop.last.problem.message.replace(",", "").split())


@pytest.mark.parametrize(("storefront", "own"), EVERYWHERE)
def test_bounds_of_a_storefront_hold_to_the_last_minor_unit(storefront: str, own: Currency) -> None:
    ceiling = Decimal(own.ceiling).scaleb(-own.exponent)
    step = Decimal(1).scaleb(-own.exponent)
    cases: list[tuple[dict[str, Any], dict[Field, int] | None, Code | None]] = [
        ({"price": Price(amount=ceiling, currency=own.code)}, {Field.PRICE: own.ceiling}, None),
        ({"price": Price(amount=ceiling + step, currency=own.code)}, None, Code.PRICE_ABOVE_CEILING),
        ({"price": Price(amount=step * 2, currency=own.code)}, {Field.PRICE: 2}, None),
        ({"price": Price(amount=Decimal(0), currency=own.code)}, None, Code.PRICE_NOT_POSITIVE),
        ({"price": Price(amount=-step, currency=own.code)}, None, Code.PRICE_NOT_POSITIVE),
        ({"price": Price(amount=1 + step / 10, currency=own.code)}, None, Code.PRICE_NOT_IN_MINOR_UNITS),
        ({"stock": 0}, {Field.STOCK: 0}, None),
        ({"stock": 2**31 - 1}, {Field.STOCK: 2**31 - 1}, None),
        ({"stock": 2**31}, None, Code.STOCK_OUT_OF_RANGE),
        ({"stock": -1}, {Field.STOCK: 0}, None),
        ({"handling_time_days": 0}, {Field.HANDLING_TIME: 0}, None),
        ({"handling_time_days": 100}, {Field.HANDLING_TIME: 100}, None),
        ({"handling_time_days": 101}, None, Code.HANDLING_TIME_OUT_OF_RANGE),
        ({"handling_time_days": -1}, None, Code.HANDLING_TIME_OUT_OF_RANGE),
    ]
    for said, sent, code in cases:
        shop = shop_on(storefront, own)

        assert written(shop, storefront, **said) == sent, said
        assert (shop.last.code if shop.results else None) == code, said


@pytest.mark.parametrize(("ean", "condition", "storefront"), list(product([True, False], repeat=3)))
def test_only_all_three_of_ean_condition_and_storefront_make_a_match(
    ean: bool, condition: bool, storefront: bool
) -> None:
    there = unit(
        7,
        "de" if storefront else "at",
        Condition.NEW if condition else Condition.USED_GOOD,
        eans=(EAN if ean else OTHER_EAN,),
    )
    shop = OfferHarness(flow_of(DE, AT))

    shop.event(price="5.00")
    shop.found(there)

    assert ("update:de" in shop.kinds) == (ean and condition and storefront)
    assert "update:at" not in shop.kinds


def test_a_storefront_without_the_unit_is_named_and_the_one_that_has_it_is_untouched() -> None:
    shop = OfferHarness(flow_of(DE, AT))

    shop.event(stock=9, target_id="shop-at")
    for _ in range(2):
        for storefront, units in (("at", ()), ("de", (unit(7, "de"),))):
            if f"lookup:{storefront}" in shop.kinds:
                shop.found(*units, storefront=storefront)
        shop.pass_s(61)

    assert (shop.last.status, shop.last.target_id) == ("NOT_FOUND", "shop-at")
    [row] = [row for row in shop.not_found.values() if row is not None]
    assert row.storefront == "at"
    assert not [kind for kind in shop.kinds if kind.startswith("update")]


def test_a_disabled_target_does_not_affect_the_others() -> None:
    off = Target(id="shop-de", account="main", storefront="de", currency="EUR", enabled=False)
    shop = OfferHarness(flow_of(off, AT))

    shop.event(price="5.00", target_id="shop-de")
    shop.event(price="5.00", target_id="shop-at")
    shop.found(unit(8, "at"), storefront="at")
    shop.accept("at")

    assert shop.statuses == ["SUPPRESSED", "APPLIED"]


def test_calls_of_two_storefronts_are_of_two_kinds_and_never_shared() -> None:
    shop = OfferHarness(flow_of(DE, AT))

    shop.event(price="5.00", target_id="shop-de")
    shop.event(price="5.00", target_id="shop-at")

    assert shop.kinds == ["lookup:at", "lookup:de"]


def test_the_target_of_the_event_goes_before_the_default() -> None:
    policy = OfferPolicy(default_target="shop-de", default_condition=Condition.NEW)
    shop = OfferHarness(flow_of(DE, AT, policy=policy))

    shop.event(price="5.00", target_id="shop-at", condition="USED_GOOD")
    shop.found(unit(8, "at", Condition.USED_GOOD), storefront="at")
    shop.accept("at")

    assert (shop.last.status, shop.last.target_id, shop.last.condition) == ("APPLIED", "shop-at", "USED_GOOD")
