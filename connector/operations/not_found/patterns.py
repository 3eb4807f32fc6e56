"""Groups the offers that are not found by what they have in common, the most valuable to mend first. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from connector.offers.events import OfferNotFound
from connector.operations.match_report.report import PREFIX_DIGITS
from connector.operations.not_found.reasons import LikelyReason, likely_reason

NAMES = frozenset({"target", "account", "storefront", "condition", "code", "prefix", "reason"})
"""What rows can be grouped by, beside the attributes of their events."""
ReasonOf = Callable[[OfferNotFound], LikelyReason]
"""Returns the likely reason of a row."""
NONE = "(none)"
"""Stands for an attribute that the event lacks."""


@dataclass(slots=True, kw_only=True)
class NotFoundPattern:
    """Offers that agree in the values by which they are grouped.

    ``pieces``: of the stocks that wait. ``worth``: price times stock, where both wait, by currency.
    """

    values: tuple[str, ...]
    offers: int = 0
    events: int = 0
    pending: int = 0
    pieces: Decimal = Decimal(0)
    worth: dict[str, Decimal] = field(default_factory=dict)
    oldest_us: int = 0
    reasons: Counter[LikelyReason] = field(default_factory=Counter)
    example: str = ""  # an EAN

    def add(self, row: OfferNotFound, reason: LikelyReason) -> None:
        if not self.offers or row.first_seen_at_us < self.oldest_us:
            self.oldest_us, self.example = row.first_seen_at_us, row.ean
        self.offers += 1
        self.events += row.times_seen
        self.pending += len(row.pending)
        self.pieces += sum((one.value for one in row.pending if one.field == "stock"), Decimal(0))
        self.reasons[reason] += 1
        self._add_worth(row)

    def _add_worth(self, row: OfferNotFound) -> None:
        values = {one.field: one for one in row.pending}
        price, stock = values.get("price"), values.get("stock")
        if price is not None and stock is not None and price.currency is not None:
            self.worth[price.currency] = self.worth.get(price.currency, Decimal(0)) + price.value * stock.value

    @property
    def reason(self) -> LikelyReason:
        """The reason of most of its offers; of equally many, the first in order of ``LikelyReason``."""
        return max(LikelyReason, key=lambda one: self.reasons[one])


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFoundReport:
    """What was counted. ``by``: the names that the values of each pattern belong to."""

    by: tuple[str, ...]
    total: NotFoundPattern
    patterns: tuple[NotFoundPattern, ...]


def report(rows: Iterable[OfferNotFound], by: Sequence[str], reason_of: ReasonOf = likely_reason) -> NotFoundReport:
    """Groups the rows. Order: most offers, then most pieces, most values and most events that wait."""
    total, groups = NotFoundPattern(values=()), dict[tuple[str, ...], NotFoundPattern]()
    for row in rows:
        reason = reason_of(row)
        values = tuple(value_of(row, name, reason) for name in by)
        total.add(row, reason)
        groups.setdefault(values, NotFoundPattern(values=values)).add(row, reason)
    ordered = sorted(groups.values(), key=lambda one: (-one.offers, -one.pieces, -one.pending, -one.events, one.values))
    return NotFoundReport(by=tuple(by), total=total, patterns=tuple(ordered))


def value_of(row: OfferNotFound, name: str, reason: LikelyReason) -> str:
    """Returns what a row has under a name of ``--by``: a part of its identity, its reason, or an attribute."""
    match name:
        case "target":
            return row.target_id
        case "account" | "storefront" | "condition" | "code":
            return str(getattr(row, name))
        case "prefix":
            return row.ean[:PREFIX_DIGITS]
        case "reason":
            return reason.value
        case _:
            return row.attributes.get(name, NONE)


def chosen(rows: Iterable[OfferNotFound], *, target: str | None, first_seen_us: int | None) -> Iterator[OfferNotFound]:
    """Yields the rows of a target, None: of all, that were first met at ``first_seen_us`` or later."""
    for row in rows:
        is_new = first_seen_us is None or row.first_seen_at_us >= first_seen_us
        if is_new and target in (None, row.target_id):
            yield row
