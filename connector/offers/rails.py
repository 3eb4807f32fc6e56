"""The guard rails of prices: the largest step, a floor and a ceiling. A price that trips one is held. Pure.

A rail is compared when the price would be sent: with what the marketplace is known to hold, and with the limits of the
event's target and attributes. So a newer price within the limits takes the place of a held one, and is sent.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final

from connector.contracts.codes import Code
from connector.mappings.overrides import Override
from connector.offers.attribute_rules import rule_for
from connector.offers.refusal import Refusal, refuse


class Rail(StrEnum):
    """The name of a guard rail, as results and commands name it."""

    PRICE_STEP = "price_step"
    PRICE_FLOOR = "price_floor"
    PRICE_CEILING = "price_ceiling"
    RATE_JUMP = "rate_jump"
    ZEROED_SHARE = "zeroed_share"
    CHANGED_PRICE_SHARE = "changed_price_share"


RAIL_NAMES: Final = frozenset(rail.value for rail in Rail)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLimits:
    """The limits of a price, in major units of its currency; None = no limit."""

    step_pct: float | None = None  # largest change, in per cent of what the marketplace holds
    floor: Decimal | None = None
    ceiling: Decimal | None = None

    def __post_init__(self) -> None:
        if self.step_pct is not None and not self.step_pct > 0:
            raise ValueError(f"step_pct must be above 0, got {self.step_pct}")
        if self.floor is not None and self.ceiling is not None and self.floor > self.ceiling:
            raise ValueError(f"floor must not be above ceiling, got {self.floor} and {self.ceiling}")

    @property
    def is_off(self) -> bool:
        """Whether no price trips them."""
        return self.step_pct is None and self.floor is None and self.ceiling is None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRails:
    """The limits of a target, and overrides for events with certain attributes; the first that matches applies."""

    limits: PriceLimits = field(default_factory=PriceLimits)
    overrides: tuple[tuple[Mapping[str, str], PriceLimits], ...] = ()  # attributes that must all match -> limits

    def of(self, attributes: Mapping[str, str]) -> PriceLimits:
        """Returns the limits for an event with these attributes."""
        return rule_for(attributes, self.overrides, self.limits)

    @property
    def is_off(self) -> bool:
        """Whether no price trips them."""
        return self.limits.is_off and all(limits.is_off for _, limits in self.overrides)


@dataclass(frozen=True, slots=True)
class Tripped:
    """A rail that holds a value, and why: the rule with its numbers."""

    rail: Rail
    fault: Refusal


def tripped_by(
    limits: PriceLimits, price: Decimal, known: Decimal | None, currency: str, override: Override | None = None
) -> Iterator[Tripped]:
    """Yields every rail that a price trips: floor or ceiling first, then the step.

    ``known``: what the marketplace holds; None or zero: there is no step to compare. ``override``: the one that has the
    offer's own floor, in place of that of the limits.
    """
    shown = {"price": price, "currency": currency}
    if override is not None and override.floor is not None:
        if price < override.floor:
            own = refuse(Code.PRICE_BELOW_OWN_FLOOR, floor=override.floor, because=override.because, **shown)
            yield Tripped(Rail.PRICE_FLOOR, own)
    elif limits.floor is not None and price < limits.floor:
        yield Tripped(Rail.PRICE_FLOOR, refuse(Code.PRICE_BELOW_FLOOR, floor=limits.floor, **shown))
    if limits.ceiling is not None and price > limits.ceiling:
        yield Tripped(Rail.PRICE_CEILING, refuse(Code.PRICE_OVER_RAIL, ceiling=limits.ceiling, **shown))
    if limits.step_pct is None or not known:
        return
    step_pct = float(abs(price - known) * 100 / known)
    if step_pct <= limits.step_pct:
        return
    words = {"known": known, "step": f"{step_pct:.1f}", "limit": f"{limits.step_pct:g}"}
    yield Tripped(Rail.PRICE_STEP, refuse(Code.PRICE_STEP_TOO_LARGE, **words, **shown))
