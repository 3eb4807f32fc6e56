"""Converts prices to the currency of their storefront, exactly: no number passes through floating point. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from math import ceil, floor
from typing import Final, TypeAlias

from connector.contracts.codes import Code
from connector.contracts.event_time import moment
from connector.contracts.microseconds import us
from connector.mappings.rates import Rates
from connector.marketplace.offers import Currency
from connector.offers.events import Conversion, Price
from connector.offers.refusal import Refusal, refuse


class Rounding(StrEnum):
    """How an amount between two that are allowed is rounded."""

    HALF_UP = "half_up"  # to the nearer one; from the middle up
    HALF_EVEN = "half_even"  # to the nearer one; from the middle to the even one
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionRule:
    """How the prices of a target are converted."""

    rounding: Rounding = Rounding.HALF_UP
    step: int = 1  # a converted price is a multiple of so many minor units
    max_age_s: float = 96 * 3600.0  # an older rate converts nothing
    jump_pct: Decimal = Decimal(5)  # a rate that is further from the one used last, in per cent of that, is held

    def __post_init__(self) -> None:
        if self.step < 1:
            raise ValueError(f"step must be 1 or more, got {self.step}")
        if not self.max_age_s > 0:
            raise ValueError(f"max_age_s must be above 0, got {self.max_age_s}")
        if not self.jump_pct > 0:
            raise ValueError(f"jump_pct must be above 0, got {self.jump_pct}")

    def rounded(self, amount: Fraction) -> int:
        """Returns an amount of minor units, 0 or more, as a multiple of the step."""
        steps = amount / self.step
        match self.rounding:
            case Rounding.HALF_UP:
                whole = floor(steps + Fraction(1, 2))
            case Rounding.HALF_EVEN:
                whole = round(steps)
            case Rounding.UP:
                whole = ceil(steps)
            case Rounding.DOWN:
                whole = floor(steps)
        return whole * self.step

    @property
    def told(self) -> str:
        """The rounding as results name it: ``half_up``, or ``half_up/5`` to multiples of five minor units."""
        return self.rounding.value if self.step == 1 else f"{self.rounding.value}/{self.step}"


Converted: TypeAlias = tuple[int, Conversion]
"""A price in minor units of the storefront's currency, and how it was converted."""

DEFAULT_RULE: Final = ConversionRule()


def converted(
    price: Price, currency: Currency, rates: Rates, rule: ConversionRule, now_us: int, ahead_us: int
) -> Converted | Refusal:
    """Returns a price in minor units of ``currency``, and how it was converted; or why it is rejected.

    ``ahead_us``: how far a rate may be ahead of the clock.
    """
    rate = rates.find(price.currency, currency.code)
    pair = f"{price.currency}/{currency.code}"
    if rate is None:
        return refuse(Code.RATE_MISSING, pair=pair)
    if rate.at_us > now_us + ahead_us:
        return refuse(Code.RATE_IN_FUTURE, pair=pair, at=moment(rate.at_us))
    if now_us - rate.at_us > us(rule.max_age_s):
        hours = f"{rule.max_age_s / 3600:g}"
        return refuse(Code.RATE_TOO_OLD, pair=pair, at=moment(rate.at_us), source=rate.source, hours=hours)
    exact = Fraction(price.amount) * Fraction(rate.value) * 10**currency.exponent
    conversion = Conversion(
        amount=price.amount,
        currency=price.currency,
        rate=f"{rate.value.normalize():f}",
        rate_at_us=rate.at_us,
        rate_source=rate.source,
        rounding=rule.told,
    )
    return rule.rounded(exact), conversion


def jump(last: Conversion | None, new: Conversion, rule: ConversionRule) -> Refusal | None:
    """Returns why a price is held whose rate is too far from the one used last for its unit; None if it is not."""
    if last is None or last.currency != new.currency:
        return None
    change_pct = abs(Fraction(new.rate) - Fraction(last.rate)) * 100 / Fraction(last.rate)
    if change_pct <= Fraction(rule.jump_pct):
        return None
    return refuse(
        Code.RATE_JUMPED,
        currency=new.currency,
        rate=new.rate,
        known=last.rate,
        known_at=moment(last.rate_at_us),
        change=f"{float(change_pct):.1f}",
        limit=f"{rule.jump_pct.normalize():f}",
        source=new.rate_source,
    )
