"""Adds up stock by location: events carry the stock of a location, and the marketplace gets the total. Pure.

The total sums the newest stock of each location, in whatever order the events are read. It leaves out locations that a
newer stock without a location has replaced. An event that is older than the stocks of other locations still changes the
total, if it is the newest of its own. So the total has the order of the newest stock, with the highest offset of all:
nothing older can win over it, and a total that such an event has changed is still sent.
"""

from dataclasses import dataclass

from connector.contracts.codes import Code
from connector.contracts.result_ids import result_id
from connector.marketplace.offers import Field
from connector.offers.event_order import EventOrder, Recency, newest
from connector.offers.events import Basis, FieldStatus, Origin
from connector.offers.late import out_of_order
from connector.offers.ledger import Asked, Fact, FieldOutcome, LedgerEntry, Located, OfferLane, Selectors
from connector.offers.policy import Locations, OfferTerms
from connector.offers.watermarks import marks_at, newer_mark
from streams.frozen import replace


@dataclass(frozen=True, slots=True)
class Total:
    """The stock of all locations in pieces, before the bounds and reserves of ``stock`` apply, and its order."""

    pieces: int
    order: Recency


def count(
    lane: OfferLane, entry: LedgerEntry, location: str | None, terms: OfferTerms
) -> tuple[OfferLane, LedgerEntry]:
    """Stores the stock of a new entry as that of its location, or ends it as SUPERSEDED if a newer one is known.

    Returns the lane and the entry. ``location`` None: the stock is the total, and replaces all older ones.
    """
    asked = next((asked for asked in entry.open if asked.field is Field.STOCK), None)
    if asked is None or asked.value is None:
        return lane, entry
    rows = [row for row in lane.locations if row.selectors == entry.selectors]
    if location is None and not rows and terms.policy.locations is Locations.REFUSE:
        return lane, entry
    if any(
        (row.location, row.stock, row.order.offset) == (location, max(0, asked.value), entry.offset) for row in rows
    ):
        return lane, entry  # stored by this very event, possibly under another time by an earlier version
    rival = _newer(lane, entry, location, rows, terms)
    if rival is not None:
        newer = result_id(terms.cluster_id, terms.topic, entry.partition, rival.offset)
        late = out_of_order(entry.order, rival)
        code = Code.OUT_OF_ORDER if late is not None else None
        end = FieldOutcome(
            field=Field.STOCK, status=FieldStatus.SUPERSEDED, code=code, superseded_by=newer, winner=newer
        )
        return lane, replace(entry, ended=(*entry.ended, end), problem=entry.problem or late)
    counted = Located(selectors=entry.selectors, location=location, stock=max(0, asked.value), order=entry.order)
    kept = (row for row in lane.locations if row.selectors != entry.selectors or not _replaces(counted, row))
    before = lane.locations_before
    if not any(_holds_stock_of(standing, entry.selectors) for standing in lane.entries):
        before = (*(row for row in before if row.selectors != entry.selectors), *rows)
    return replace(lane, locations=(*kept, counted), locations_before=before), entry


def not_counted(lane: OfferLane, entry: LedgerEntry, accepted: Fact | None) -> OfferLane:
    """Returns the lane after the stock of an entry was dropped: what counted before it was held counts again.

    If that is not known, because it was not held from the first moment, only what may have been accepted counts: other
    stocks that were read no later than the last accepted total. ``accepted``: what is known of the unit's stock.
    """
    rows = [row for row in lane.locations if row.selectors == entry.selectors]
    if not rows:
        return lane
    counted = [row for row in lane.locations_before if row.selectors == entry.selectors]
    if not counted and accepted is not None and (order := accepted.order) is not None:
        counted = [row for row in rows if row.order.offset != entry.offset and row.order.offset <= order.offset]
    others = (row for row in lane.locations if row.selectors != entry.selectors)
    return replace(lane, locations=(*others, *counted))


def settled(lane: OfferLane) -> OfferLane:
    """Returns the lane without the earlier stocks of locations that no drop can bring back any more."""
    if not lane.locations_before:
        return lane
    before = tuple(
        row for row in lane.locations_before if any(_holds_stock_of(entry, row.selectors) for entry in lane.entries)
    )
    return lane if len(before) == len(lane.locations_before) else replace(lane, locations_before=before)


def _holds_stock_of(entry: LedgerEntry, selectors: Selectors) -> bool:
    return entry.selectors == selectors and entry.held_field(Field.STOCK) is not None


def _newer(
    lane: OfferLane, entry: LedgerEntry, location: str | None, rows: list[Located], terms: OfferTerms
) -> Recency | None:
    """Returns the newer order that makes the stock of a location late; None if it is not late."""
    marks = marks_at(lane, entry, location) if lane.marks else []
    dropped = [mark.order for mark in marks if mark.is_dropped and mark.order > entry.order]
    if dropped:
        return newest(dropped)
    if terms.policy.mixes_orders and (marked := newer_mark(marks, entry.order)) is not None:
        return marked
    last = newest([*(row.order for row in rows if row.location in (location, None)), entry.order])
    return None if last == entry.order else last


def total_for(lane: OfferLane, entry: LedgerEntry, asked: Asked) -> Total | None:
    """Returns the total to send for a field of an entry; None if the entry's own value and order apply.

    That is so for a resend: it asks for what was accepted before, which was the total.
    """
    if asked.field is not Field.STOCK or not lane.locations or entry.origin is Origin.RESEND:
        return None
    rows = [row for row in lane.locations if row.selectors == entry.selectors]
    withdrawn = lane.withdrawn
    counting = [row for row in rows if withdrawn is None or not row.order < withdrawn]
    located = [row for row in counting if row.location is not None] or counting
    if not located:
        return None
    order = replace(newest([row.order for row in rows]), offset=max(row.order.offset for row in rows))
    if any(mark.order.by is not EventOrder.EVENT_TIME for mark in lane.marks):
        order = replace(
            order, by=EventOrder.LOG
        )  # stocks of several lines make up one total, which the last event read has completed
    return Total(sum(row.stock for row in located), order) if order >= entry.order else None


def stands(known: Fact, value: int) -> bool:
    """Whether the last accepted value still holds for this total, whose order several totals may share.

    A certain value that only a look-up has shown was set by someone else: it is left alone, as it is whenever an
    accepted event is read again.
    """
    return known.certain and (known.value == value or known.basis is not Basis.ACCEPTED)


def _replaces(newer: Located, row: Located) -> bool:
    """Whether a new stock replaces a stored one: that of its location or, without a location, every older one."""
    return row.location == newer.location or (newer.location is None and row.order < newer.order)
