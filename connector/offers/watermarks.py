"""Watermarks: the newest event of each line per field; older events of the line are late. Pure.

A line is one source ordered by sequence, or all sources ordered by time. Events of two lines cannot be compared, so the
log decides between them. That alone would let a late event win over one that is newer by its own source, if an event of
another line lies between them. So an event is late once its line has brought a newer one, whatever the outcome of that
one; among events that are not late, the log decides. This orders all events of a field, by the log alone.
"""

from collections.abc import Sequence

from connector.marketplace.offers import Field
from connector.offers.event_order import EventOrder, Recency
from connector.offers.ledger import LedgerEntry, OfferLane, Watermark
from connector.offers.policy import OfferTerms
from streams.frozen import replace

MARKS = 64
"""The most watermarks kept per EAN, the last read ones: a source that changes its name must not fill the state."""


def mark(lane: OfferLane, entry: LedgerEntry, location: str | None, terms: OfferTerms) -> OfferLane:
    """Returns the lane with the watermarks of a new entry, if watermarks can decide anything under this policy."""
    if not terms.policy.mixes_orders:
        return replace(lane, marks=()) if lane.marks else lane
    if entry.order.by is EventOrder.LOG:
        return lane
    marks = lane.marks
    for asked in entry.open:
        of = location if asked.field is Field.STOCK else None
        new = Watermark(selectors=entry.selectors, location=of, field=asked.field, order=entry.order)
        old = next((one for one in marks if one.is_of(new)), None)
        if old is None or new.order > old.order:
            marks = (*(one for one in marks if one is not old), new)
    if len(marks) > MARKS:
        marks = tuple(sorted(marks, key=_offset)[-MARKS:])
    return lane if marks is lane.marks else replace(lane, marks=marks)


def newer_mark(marks: Sequence[Watermark], order: Recency) -> Recency | None:
    """Returns the newest watermark of the line that ``order`` belongs to, if it is newer; else None."""
    newer = [one.order for one in marks if one.order.agrees_with(order) and one.order > order]
    return max(newer) if newer else None


def marks_at(lane: OfferLane, entry: LedgerEntry, location: str | None) -> list[Watermark]:
    """The watermarks of the stock of a location, with the entry's selectors."""
    return [
        one
        for one in lane.marks
        if one.field is Field.STOCK and one.location == location and one.selectors == entry.selectors
    ]


def _offset(one: Watermark) -> int:
    return one.order.offset
