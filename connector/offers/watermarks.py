"""Watermarks: the newest event of each line per field; older events of the line are late. Pure.

A line is one source ordered by sequence, or all sources ordered by time. Events of two lines cannot be compared, so the
log decides between them. By that rule alone, an event could win over a newer one of its own source if an event of
another line lies between them. So an event is late once a newer event of its line was read, whatever the outcome of
that one; among events that are not late, the log decides. The outcome depends on the log alone, so a replay gives the
same.
"""

from collections.abc import Sequence

from connector.marketplace.offers import Field
from connector.offers.event_order import EventOrder, Recency
from connector.offers.ledger import LedgerEntry, OfferLane, Watermark
from connector.offers.policy import OfferTerms
from streams.frozen import replace

MARKS = 64
"""The most watermarks kept per EAN, those read last: sources that change their names must not fill the state."""


def mark(lane: OfferLane, entry: LedgerEntry, location: str | None, terms: OfferTerms) -> OfferLane:
    """Returns the lane with the watermarks of a new entry's open fields.

    It gets none if all sources are ordered by time, because they then decide nothing between live events.
    """
    if not terms.policy.mixes_orders or entry.order.by is EventOrder.LOG:
        return lane
    for asked in entry.open:
        of = location if asked.field is Field.STOCK else None
        lane = with_mark(lane, Watermark(selectors=entry.selectors, location=of, field=asked.field, order=entry.order))
    return lane


def with_mark(lane: OfferLane, new: Watermark) -> OfferLane:
    """Returns the lane with a watermark, unless it has a newer one of the same line."""
    old = next((one for one in lane.marks if one.is_of(new)), None)
    if old is not None and not new.order > old.order:
        return lane
    marks = (*(one for one in lane.marks if one is not old), new)
    if len(marks) > MARKS:
        marks = tuple(sorted(marks, key=_offset)[-MARKS:])
    return replace(lane, marks=marks)


def newer_mark(marks: Sequence[Watermark], order: Recency) -> Recency | None:
    """Returns the order of the newest watermark in the line of ``order``, if it is newer; otherwise None."""
    newer = [one.order for one in marks if one.order.agrees_with(order) and one.order > order]
    return max(newer) if newer else None


def marks_at(lane: OfferLane, entry: LedgerEntry, location: str | None) -> list[Watermark]:
    """Returns the watermarks of the stock of a location, among those with the entry's selectors.

    One of a stock without a location that was dropped counts as well: it had replaced all older ones.
    """
    return [
        one
        for one in lane.marks
        if one.field is Field.STOCK
        and one.selectors == entry.selectors
        and (one.location == location or (one.is_dropped and one.location is None))
    ]


def _offset(one: Watermark) -> int:
    return one.order.offset
