"""The records of an order are derived from its units."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.marketplace.orders import SENT, TO_BE_SENT, Discount, OrderUnit, UnitStatus
from connector.orders.events import OrderDiscount, OrderObserved, OrderStatus, OrderUnitStatus
from connector.orders.results import CannotSay, digest, is_complete, observed, payout_waits, status_of
from tests.harness.order_harness import CZK, EUR, START_US, codecs, found, unit

STATUSES = st.lists(st.sampled_from(list(UnitStatus)), min_size=1, max_size=6)
CURRENCIES = {"EUR": EUR, "CZK": CZK}


def fact(*units: OrderUnit, now_us: int = START_US, **other: Any) -> OrderObserved:
    return observed("main", found(*units, **other), CURRENCIES, now_us)


@pytest.mark.parametrize(
    ("units", "status"),
    [
        ("open", "OPEN"),
        ("open cancelled", "OPEN"),
        ("need_to_be_sent", "NEED_TO_BE_SENT"),
        ("open need_to_be_sent", "NEED_TO_BE_SENT"),
        ("need_to_be_sent sent", "PARTLY_SENT"),
        ("open received", "PARTLY_SENT"),
        ("need_to_be_sent returned", "PARTLY_SENT"),
        ("sent", "SENT"),
        ("sent received", "SENT"),
        ("sent returned cancelled", "SENT"),
        ("received", "RECEIVED"),
        ("sent_and_autopaid", "RECEIVED"),
        ("received returned", "RECEIVED"),
        ("returned", "RETURNED"),
        ("returned returned_paid cancelled", "RETURNED"),
        ("cancelled", "CANCELLED"),
        ("cancelled cancelled", "CANCELLED"),
        ("teleported", "UNKNOWN"),
        ("teleported sent", "UNKNOWN"),
        ("teleported cancelled", "UNKNOWN"),
    ],
)
def test_the_status_of_an_order_is_that_of_its_units(units: str, status: str) -> None:
    given_units = [unit(number, status=word) for number, word in enumerate(units.split())]

    assert fact(*given_units).status == status


@given(STATUSES, st.randoms(use_true_random=False))
def test_neither_the_order_nor_the_number_of_equal_units_matters(statuses: list[UnitStatus], chance: Any) -> None:
    shuffled = statuses + statuses[:1]
    chance.shuffle(shuffled)

    assert status_of(shuffled) is status_of(statuses)


@given(STATUSES)
def test_status_completeness_and_pay_out_agree(statuses: list[UnitStatus]) -> None:
    status, every = status_of(statuses), set(statuses)

    assert (status is OrderStatus.UNKNOWN) == (UnitStatus.UNKNOWN in every)
    assert (status is OrderStatus.CANCELLED) == (every == {UnitStatus.CANCELLED})
    open_ones = bool(every & TO_BE_SENT)
    assert is_complete(statuses) == (not open_ones and UnitStatus.UNKNOWN not in every)
    assert payout_waits(statuses) == (open_ones and bool(every & SENT))
    assert not (payout_waits(statuses) and is_complete(statuses))
    if status is not OrderStatus.UNKNOWN:
        assert open_ones == (status in (OrderStatus.OPEN, OrderStatus.NEED_TO_BE_SENT, OrderStatus.PARTLY_SENT))
        assert payout_waits(statuses) == (status is OrderStatus.PARTLY_SENT)


@given(STATUSES)
def test_a_cancelled_unit_more_changes_only_what_was_nothing_else(statuses: list[UnitStatus]) -> None:
    assert status_of([*statuses, UnitStatus.CANCELLED]) is status_of(statuses)


def test_every_status_of_a_unit_has_a_symbol_in_the_schema() -> None:
    assert [status.value for status in OrderUnitStatus] == [status.value for status in UnitStatus]


def test_an_unknown_status_is_passed_on_as_text() -> None:
    (only,) = fact(unit(status="teleported")).units

    assert (only.status, only.status_raw) == (OrderUnitStatus.UNKNOWN, "teleported")


def test_an_incomplete_order_names_what_is_missing_and_since_when() -> None:
    order = fact(
        unit(3, status="need_to_be_sent", at_us=START_US + 5),
        unit(1, status="sent", at_us=START_US + 1),
        unit(2, status="open", at_us=START_US + 2),
    )

    assert order.units_open == (2, 3)
    assert order.open_since_us == START_US + 2
    assert order.payout_waits
    assert not order.complete
    assert [one.order_unit_id for one in order.units] == [1, 2, 3]
    assert order.changed_at_us == START_US + 5


@pytest.mark.parametrize(("status", "sent_us"), [("sent", START_US + 7), ("received", None), ("open", None)])
def test_a_unit_was_sent_when_it_changed_to_that_status(status: str, sent_us: int | None) -> None:
    (only,) = fact(unit(status=status, changed_us=START_US + 7)).units

    assert only.sent_at_us == sent_us


def test_a_complete_order_misses_nothing() -> None:
    order = fact(unit(1, status="sent"), unit(2, status="cancelled"))

    assert (order.units_open, order.open_since_us, order.complete, order.payout_waits) == ((), None, True, False)


@given(st.integers(-(10**13), 10**13), st.integers(0, 4))
def test_money_is_exact_in_the_currencys_minor_unit(minor: int, exponent: int) -> None:
    order = observed("main", found(unit(price=minor)), {"EUR": replace(EUR, exponent=exponent)}, START_US)

    assert order.units[0].price.scaleb(exponent) == minor
    codecs().encode_order(order)


def test_amounts_are_major_units_and_tax_is_per_cent() -> None:
    (only,) = fact(unit(price=1999, revenue_gross=5, revenue_net=None, shipping_rate=0, vat="7.7")).units

    assert (only.price, only.revenue_gross, only.revenue_net) == (Decimal("19.99"), Decimal("0.05"), None)
    assert (only.shipping_rate, only.vat) == (Decimal(0), Decimal("7.7"))


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"currency": "RON"}, "'RON' is not in the reference data"),
        ({"price": 10**30}, "price is too large"),
        ({"vat": "19,0"}, "vat"),
        ({"vat": "1.23456"}, "vat"),
        ({"vat": "NaN"}, "vat"),
        ({"order_unit_id": 1 << 63}, "64 bits"),
    ],
)
def test_a_value_that_the_schema_cannot_hold_is_reported_and_never_rounded(wrong: dict[str, Any], fault: str) -> None:
    with pytest.raises(CannotSay, match=fault):
        fact(replace(unit(), **wrong))


def test_an_order_without_units_gives_no_fact() -> None:
    with pytest.raises(CannotSay, match="no units"):
        fact()


def test_discounts_and_fees_are_in_major_units() -> None:
    of = fact(
        unit(
            discounts=(Discount(usage_type="voucher", amount=500),),
            eco_fee=19,
            packaging_fee=2,
            is_marketplace_deemed_supplier=True,
            delivery_time_min_days=3,
            delivery_time_max_days=6,
        )
    )

    (one,) = of.units
    assert one.discounts == (OrderDiscount(usage_type="voucher", amount=Decimal("5.00")),)
    assert (one.eco_fee, one.packaging_fee) == (Decimal("0.19"), Decimal("0.02"))
    assert one.is_marketplace_deemed_supplier is True
    assert (one.delivery_time_min_days, one.delivery_time_max_days) == (3, 6)


def test_the_digest_is_of_the_content_alone() -> None:
    one, two = unit(1, status="sent"), unit(2)

    assert fact(one, two).content_sha256 == fact(two, one, now_us=START_US + 99).content_sha256
    assert fact(replace(one, vat="19"), two).content_sha256 == fact(replace(one, vat="19.00"), two).content_sha256
    assert digest(replace(fact(one), content_sha256="x")) == fact(one).content_sha256


@pytest.mark.parametrize(
    "other", [{"price": 2000}, {"status_raw": "Open"}, {"vat": None}, {"changed_us": START_US + 1}, {"ean": None}]
)
def test_any_difference_of_content_is_another_digest(other: dict[str, Any]) -> None:
    assert fact(replace(unit(), **other)).content_sha256 != fact(unit()).content_sha256


def test_a_digest_never_changes() -> None:
    """Lanes store the digest: if it changed for the same content, every order would be written again."""
    assert fact(unit()).content_sha256 == "6a08e87d82385db8006b3b37202e971128d2d506e421a811207e14080bfdbea4"
