"""Where the seller's offers stand, as the first page of the console counts it from the projection."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from connector.operations.not_found.patterns import NotFoundPattern, report
from connector.operations.not_found.reasons import REMEDIES, TEXTS
from connector.operations.not_found.swept import with_swept
from connector.projection.facets import LIVE, NOT_LIVE, NOT_TOLD, OPEN
from connector.projection.listings import ListingReader

NAME = "standing"
"""The name under which the projection keeps it."""
READ_AT = "read_at"
"""The name under which the projection keeps when the topics were read to their ends last, in microseconds."""
PATTERN_NAMES = ("brand", "target", "code")
"""By what offers that are not found are grouped, as ``connector not-found`` does without ``--by``."""
_PATTERNS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingPattern:
    """Offers that are not found and have something in common. ``worth``: amounts that wait, by currency."""

    values: Sequence[str]  # of PATTERN_NAMES
    offers: int
    pieces: str
    worth: Mapping[str, str]
    reason: str
    remedy: str
    example: str  # an EAN
    oldest_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What was counted at a time. Units are counted as the last sweeps saw them."""

    at_us: int
    live: int
    not_live: int
    accepted_not_live: int  # the marketplace has accepted a value for them
    not_told: int  # a sweep could not tell whether they are live
    not_found: int
    held: int  # events
    open_orders: int
    oldest_open_us: int | None
    patterns: Sequence[StandingPattern]  # the most valuable to mend first
    more_patterns: int
    unreadable: Sequence[str]

    def text(self) -> str:
        """Returns it as it is kept."""
        return orjson.dumps(asdict(self)).decode()


def standing_of(text: str) -> Standing:
    """Returns what ``text`` of this version of the connector has kept."""
    read: dict[str, Any] = orjson.loads(text)
    return Standing(**{**read, "patterns": tuple(StandingPattern(**one) for one in read["patterns"])})


def count(reader: ListingReader, now_us: int) -> Standing:
    """Counts everything. Takes seconds with a million offers. Raises as ``ListingReader``."""
    units, orders = reader.counts("units"), reader.counts("orders")
    rows, unreadable = reader.not_found()
    found = report(with_swept(rows, reader.units_of(sorted({row.ean for row in rows}))), PATTERN_NAMES)
    return Standing(
        at_us=now_us,
        live=units.get(LIVE, 0),
        not_live=units.get(NOT_LIVE, 0),
        accepted_not_live=reader.accepted_not_live(),
        not_told=units.get(NOT_TOLD, 0),
        not_found=found.total.offers,
        held=reader.held(),
        open_orders=orders.get(OPEN, 0),
        oldest_open_us=reader.oldest_open_us(),
        patterns=tuple(map(_pattern, found.patterns[:_PATTERNS])),
        more_patterns=max(0, len(found.patterns) - _PATTERNS),
        unreadable=tuple(unreadable),
    )


def _pattern(pattern: NotFoundPattern) -> StandingPattern:
    return StandingPattern(
        values=pattern.values,
        offers=pattern.offers,
        pieces=f"{pattern.pieces.normalize():f}",
        worth={currency: f"{worth:,.2f}" for currency, worth in sorted(pattern.worth.items())},
        reason=TEXTS[pattern.reason],
        remedy=REMEDIES[pattern.reason],
        example=pattern.example,
        oldest_us=pattern.oldest_us,
    )
