"""The newest event that each line of events has brought for a field: what is older in its line is late. Pure.

Sources that count and sources by time say nothing about each other, so the log decides between their events. Were that
all, an event that came late could win over one that is newer by its own source, if another source's event lies between
them. So an event is late once its line has brought a newer one, whatever that led to; among those that are not late the
log decides. That is an order of all events of a field, and a function of the log alone.
"""

from collections.abc import Sequence

from connector.marketplace.offers import Field
from connector.offers.event_order import EventOrder, Recency
from connector.offers.ledger import LedgerEntry, OfferLane, Watermark
from connector.offers.policy import OfferTerms
from streams.frozen import replace

MARKS = 64
"""Kept of an EAN, the last read first: a source that names itself anew each time must not fill the state."""


def mark(lane: OfferLane, entry: LedgerEntry, location: str | None, terms: OfferTerms) -> OfferLane:
    """The lane with what a new entry asks marked as read, as far as that will decide anything."""
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
    """The newest event of the same line, where the one with ``order`` is older; else None."""
    newer = [one.order for one in marks if one.order.agrees_with(order) and one.order > order]
    return max(newer) if newer else None


def marks_at(lane: OfferLane, entry: LedgerEntry, location: str | None) -> list[Watermark]:
    """Of the stock of a location, as events name it alike."""
    return [
        one
        for one in lane.marks
        if one.field is Field.STOCK and one.location == location and one.selectors == entry.selectors
    ]


def _offset(one: Watermark) -> int:
    return one.order.offset
