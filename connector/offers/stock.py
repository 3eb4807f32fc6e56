"""Computes the stock that is sent to the marketplace. Pure.

The rules apply in this order; the result is compared with what the marketplace holds:

1. A stock below zero counts as 0 (or was REJECTED before: ``refused_below``).
2. The stocks of all locations are added up.
3. A stock above ``max_stock`` counts as ``max_stock`` (or is REJECTED).
4. ``buffer_pct`` per cent are kept back; the rest is rounded down.
5. The last ``keep`` pieces are kept back.
6. No more than ``show_at_most`` pieces are offered.

The buffer of an override of the offer takes the place of rules 4 and 5.

Rules 1 and 3 replace a value that is out of bounds, and the result then has the code CLAMPED. Rules 4 to 6 are the
seller's own reserve, configured by target and by attributes of the event.
"""

from dataclasses import dataclass, replace
from typing import Final

from connector.contracts.codes import Code, explain
from connector.contracts.problem import Problem
from connector.mappings.overrides import Override
from connector.marketplace.offers import Field
from connector.offers.events import Origin
from connector.offers.ledger import Asked, LedgerEntry
from connector.offers.locations import Total
from connector.offers.policy import WHOLE_STOCK, NegativeStock, OfferPolicy, StockAboveMax, StockRule
from streams.frozen import quick

LOCATIONS: Final = "locations"
NEGATIVE_STOCK: Final = "negative_stock"
MAX_STOCK: Final = "max_stock"
RESERVE: Final = "stock_rule"
OVERRIDE: Final = "override"
"""What results name as the rules of a stock."""


@quick
@dataclass(frozen=True, slots=True)
class Offered:
    """The value that is sent, and whether it replaces one that was out of bounds."""

    value: int
    code: Code | None = None  # CLAMPED, or BUFFER_OVERRIDDEN if an override changed the value
    rules: tuple[str, ...] = ()  # what made it another value than the event's, by name, in the order of application


def offered(
    policy: OfferPolicy, entry: LedgerEntry, asked: Asked, total: Total | None, override: Override | None = None
) -> Offered:
    """Returns what is sent for a field of an event. ``total``: the stock of all locations, if they are added up.

    ``override``: the one that has the offer's buffer.

    A resend asks for what was sent before, so no rule applies to it again. Raises ValueError for a field without a
    value in smallest units, which should have ended.
    """
    if asked.value is None:
        raise ValueError(f"{asked.field} has no value in smallest units and should have ended")
    if asked.field is not Field.STOCK or entry.origin is Origin.RESEND:
        return Offered(asked.value)
    pieces = total.pieces if total is not None else asked.value
    counted = counted_as(policy, pieces)
    clamped = counted != pieces or counted_as(policy, asked.value) != asked.value
    rule = policy.stock_rules.get(entry.target_id or "", WHOLE_STOCK).of(entry.attributes)
    code = Code.CLAMPED if clamped else None
    by_rule = _less_reserve(counted, rule)
    if override is None:
        return Offered(by_rule, code, _rules(asked.value, pieces, counted, by_rule, RESERVE))
    value = _less_reserve(counted, replace(rule, buffer_pct=0, keep=override.buffer or 0))
    code = code or (Code.BUFFER_OVERRIDDEN if value != by_rule else None)
    return Offered(value, code, _rules(asked.value, pieces, counted, value, OVERRIDE))


def _rules(asked: int, pieces: int, counted: int, value: int, reserve: str) -> tuple[str, ...]:
    """Returns the names of what made a stock another value, step by step; ``reserve``: the name of the last step."""
    steps = (
        (LOCATIONS, pieces != asked),
        (NEGATIVE_STOCK, counted > pieces),
        (MAX_STOCK, counted < pieces),
        (reserve, value != counted),
    )
    return tuple([name for name, applies in steps if applies])


def counted_as(policy: OfferPolicy, pieces: int) -> int:
    """Returns the stock within the bounds of rules 1 and 3."""
    pieces = max(0, pieces)
    return pieces if policy.max_stock is None else min(pieces, policy.max_stock)


def refused_above(policy: OfferPolicy, pieces: int, marketplace_max: int) -> int | None:
    """Returns the maximum if the stock is REJECTED for exceeding it, otherwise None.

    Stock above the marketplace's own maximum is always REJECTED, never capped to it.
    """
    top = policy.max_stock
    if top is not None and pieces > top and policy.stock_above_max is StockAboveMax.REJECT:
        return top
    return marketplace_max if counted_as(policy, pieces) > marketplace_max else None


def refused_below(policy: OfferPolicy, pieces: int, *, of_location: bool) -> bool:
    """Whether a stock below zero is REJECTED.

    The stock of a location never is: otherwise the total would keep counting the location's last stock, and oversell.
    """
    return pieces < 0 and policy.negative_stock is NegativeStock.REJECT and not of_location


def clamp_problem(policy: OfferPolicy, requested: int) -> Problem:
    """Returns the problem of a stock that was clamped, with the requested and the counted number."""
    if requested < 0:
        return explain(Code.CLAMPED, what=f"Stock {requested}", bound="below zero", counted=0)
    top = policy.max_stock
    over = top is not None and requested > top
    what = f"Stock {requested}" if over else "The stock of all locations together"
    return explain(Code.CLAMPED, what=what, bound="above offers.max_stock", counted=top)


def buffer_problem(requested: int, override: Override) -> Problem:
    """Returns the problem of a stock that was sent with the buffer of an override."""
    return explain(Code.BUFFER_OVERRIDDEN, requested=requested, buffer=override.buffer, because=override.because)


def _less_reserve(pieces: int, rule: StockRule) -> int:
    """Applies rules 4 to 6."""
    pieces = max(0, pieces * (100 - rule.buffer_pct) // 100 - rule.keep)
    return pieces if rule.show_at_most is None else min(pieces, rule.show_at_most)
