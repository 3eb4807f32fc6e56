"""Prices are converted exactly, and rounded as the rule says; a rate that cannot be used rejects them."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.contracts.codes import Code
from connector.mappings.rates import Rate, Rates
from connector.marketplace.offers import Currency
from connector.offers.conversion import DEFAULT_RULE, ConversionRule, Rounding, converted, jump
from connector.offers.events import Conversion, Price
from connector.offers.refusal import Refusal
from tests.harness.effort import examples

HOUR_US = 3_600_000_000
NOW_US = 1_760_000_000_000_000
MINUTE_US = 60_000_000
PLN = Currency(code="PLN", exponent=2, ceiling=450_000_000)
YEN = Currency(code="JPY", exponent=0, ceiling=450_000_000)

AMOUNTS = st.decimals(min_value=0, max_value=10**13, places=4)
RATES = st.decimals(min_value=Decimal("0.000000001"), max_value=999_999_999, places=9)
RULES = st.builds(ConversionRule, rounding=st.sampled_from(Rounding), step=st.integers(1, 1000))


def rates(value: Decimal | str, *, age_us: int = 0) -> Rates:
    rate = Rate(value=Decimal(value), at_us=NOW_US - age_us, source="ECB")
    return Rates({("EUR", "PLN"): rate, ("EUR", "JPY"): rate})


def price_in(
    currency: Currency, amount: Decimal | str, rate: Decimal | str, rule: ConversionRule
) -> tuple[int, Conversion]:
    found = converted(Price(amount=Decimal(amount), currency="EUR"), currency, rates(rate), rule, NOW_US, MINUTE_US)
    assert not isinstance(found, Refusal)
    return found


def refusal(rates: Rates, rule: ConversionRule = DEFAULT_RULE, currency: str = "EUR") -> Refusal:
    found = converted(Price(amount=Decimal(1), currency=currency), PLN, rates, rule, NOW_US, MINUTE_US)
    assert isinstance(found, Refusal)
    return found


@pytest.mark.parametrize(
    ("rounding", "amount", "rate", "step", "expected"),
    [
        (Rounding.HALF_UP, "10.00", "4.2731", 1, 4273),
        (Rounding.HALF_UP, "1.00", "4.2750", 1, 428),
        (Rounding.HALF_UP, "0.50", "4.27", 1, 214),
        (Rounding.HALF_EVEN, "0.50", "4.27", 1, 214),
        (Rounding.HALF_EVEN, "0.50", "4.25", 1, 212),
        (Rounding.UP, "1.00", "4.270000001", 1, 428),
        (Rounding.UP, "1.00", "4.27", 1, 427),
        (Rounding.DOWN, "1.00", "4.279999999", 1, 427),
        (Rounding.HALF_UP, "1.00", "4.275", 5, 430),
        (Rounding.HALF_EVEN, "1.00", "4.275", 5, 430),
        (Rounding.HALF_EVEN, "1.00", "4.225", 5, 420),
        (Rounding.DOWN, "1.00", "4.279", 5, 425),
        (Rounding.UP, "1.00", "4.21", 100, 500),
    ],
)
def test_a_price_is_rounded_as_the_rule_says(
    rounding: Rounding, amount: str, rate: str, step: int, expected: int
) -> None:
    value, how = price_in(PLN, amount, rate, ConversionRule(rounding=rounding, step=step))

    assert value == expected
    assert how == Conversion(
        amount=Decimal(amount),
        currency="EUR",
        rate=f"{Decimal(rate).normalize():f}",
        rate_at_us=NOW_US,
        rate_source="ECB",
        rounding=rounding.value if step == 1 else f"{rounding.value}/{step}",
    )


def test_the_minor_unit_is_that_of_the_currency() -> None:
    assert price_in(YEN, "10.00", "163.25", ConversionRule())[0] == 1633


@settings(max_examples=examples(500))
@given(AMOUNTS, RATES, RULES)
def test_a_converted_price_is_the_allowed_amount_next_to_the_exact_one(
    amount: Decimal, rate: Decimal, rule: ConversionRule
) -> None:
    value, _ = price_in(PLN, amount, rate, rule)
    off = value - Fraction(amount) * Fraction(rate) * 100

    assert value % rule.step == 0
    match rule.rounding:
        case Rounding.HALF_UP:
            assert Fraction(-rule.step, 2) < off <= Fraction(rule.step, 2)
        case Rounding.HALF_EVEN:
            assert abs(off) < Fraction(rule.step, 2) or (value // rule.step % 2 == 0 and abs(off) * 2 == rule.step)
        case Rounding.UP:
            assert 0 <= off < rule.step
        case Rounding.DOWN:
            assert -rule.step < off <= 0


@settings(max_examples=examples(200))
@given(AMOUNTS, AMOUNTS, RATES, RULES)
def test_a_higher_price_never_becomes_a_lower_one(
    one: Decimal, other: Decimal, rate: Decimal, rule: ConversionRule
) -> None:
    low, high = sorted((one, other))

    assert price_in(PLN, low, rate, rule)[0] <= price_in(PLN, high, rate, rule)[0]


def test_a_rate_counts_as_long_as_the_rule_says_and_not_from_the_future() -> None:
    rule = ConversionRule(max_age_s=24 * 3600)
    euro = Price(amount=Decimal(1), currency="EUR")

    for age_us in (24 * HOUR_US, -MINUTE_US):
        assert converted(euro, PLN, rates("4.27", age_us=age_us), rule, NOW_US, MINUTE_US)
        assert not isinstance(converted(euro, PLN, rates("4.27", age_us=age_us), rule, NOW_US, MINUTE_US), Refusal)

    old = refusal(rates("4.27", age_us=24 * HOUR_US + 1), rule)
    assert (old.code, old.problem.message) == (
        Code.RATE_TOO_OLD,
        "The price is not converted: the rate EUR/PLN is of 2025-10-08T08:53:19.999999Z (ECB), and counts for 24 hours",
    )
    assert refusal(rates("4.27", age_us=-MINUTE_US - 1)).code is Code.RATE_IN_FUTURE
    assert refusal(rates("4.27"), currency="CZK").problem.message == (
        "The price is not converted: the file of rates has no rate CZK/PLN"
    )


def how(rate: str, currency: str = "EUR") -> Conversion:
    return Conversion(
        amount=Decimal(1),
        currency=currency,
        rate=rate,
        rate_at_us=NOW_US,
        rate_source="ECB",
        rounding="half_up",
    )


@pytest.mark.parametrize(
    ("last", "now", "is_held"),
    [
        ("4.00", "4.20", False),
        ("4.00", "4.200000001", True),
        ("4.00", "3.80", False),
        ("4.00", "3.799999999", True),
        ("4.00", "42.0", True),
    ],
)
def test_a_rate_that_jumped_is_held(last: str, now: str, *, is_held: bool) -> None:
    assert (jump(how(last), how(now), ConversionRule()) is not None) is is_held


def test_a_first_rate_and_that_of_another_currency_are_not_compared() -> None:
    assert jump(None, how("4"), ConversionRule()) is None
    assert jump(how("0.04", "CZK"), how("4"), ConversionRule()) is None
    held = jump(how("40"), how("420"), ConversionRule(jump_pct=Decimal("2.50")))
    assert held is not None
    assert held.problem.message == (
        "The guard rail rate_jump holds this price: a EUR counts as 420 (ECB), which is 950.0 % away from 40 of "
        "2025-10-09T08:53:20Z, the rate of the price before; at most 2.5 % is allowed"
    )


@pytest.mark.parametrize("wrong", [{"step": 0}, {"max_age_s": 0.0}, {"jump_pct": Decimal(0)}])
def test_a_rule_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ConversionRule(**wrong)
