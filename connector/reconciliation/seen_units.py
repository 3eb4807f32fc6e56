"""Tells whether a sweep has seen every unit that the merchant fulfils, so that an EAN's units are all of them.

The list has no documented order and may change between two pages. So its total must have been the same on every page,
and as many different units must have been seen. Nothing is durable: a sweep that another process began is not proven to
be whole. Memory: 8 bytes for each unit while a sweep is under way, and more for a moment at its end if the list is not
sorted by unit id.
"""

from array import array
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from connector.marketplace.offers import UnitPage
from connector.reconciliation.events import RunningSweep

Place: TypeAlias = tuple[str, str]
"""Account and storefront."""

CONTINUED: Final = "another process began it, or this one before a restart"
NO_TOTAL: Final = "the marketplace does not say how many units there are"


@dataclass(slots=True)
class _Listing:
    """What the pages of one sweep have shown so far. ``next_offset``: of the page that was not seen yet."""

    sweep_at_us: int
    total: int | None
    next_offset: int = 0
    ids: "array[int]" = field(default_factory=lambda: array("q"))
    is_sorted: bool = True
    nameless: int = 0  # rows without a record: unreadable, or without EAN
    problem: str = ""


class SeenUnits:
    """What the sweeps of this process have seen, by account and storefront."""

    def __init__(self) -> None:
        self._listings: dict[Place, _Listing] = {}

    def note(self, place: Place, running: RunningSweep, page: UnitPage, written: int) -> None:
        """Adds a page of the units that the merchant fulfils. ``written``: of how many of its units there are records.

        ``running`` is the sweep before the page.
        """
        if running.by_marketplace:
            return
        if running.pages == 0:
            self._listings[place] = _Listing(running.sweep_at_us, page.total)
        listing = self._listings.get(place)
        if listing is None or listing.sweep_at_us != running.sweep_at_us or listing.problem:
            return
        if running.offset != listing.next_offset:
            listing.problem = CONTINUED
        elif page.total is None:
            listing.problem = NO_TOTAL
        elif page.total != listing.total:
            listing.problem = f"the list changed while it was read, from {listing.total:,} to {page.total:,} units"
        listing.nameless += page.rows - written
        listing.next_offset += page.rows
        for unit in page.units:
            listing.is_sorted = listing.is_sorted and (not listing.ids or unit.unit_id > listing.ids[-1])
            listing.ids.append(unit.unit_id)

    def problem(self, place: Place, sweep_at_us: int) -> str:
        """Forgets a sweep that has ended, and returns why it may have missed a unit; empty = it has seen all."""
        listing = self._listings.pop(place, None)
        if listing is None or listing.sweep_at_us != sweep_at_us:
            return CONTINUED
        if listing.problem:
            return listing.problem
        if listing.nameless:
            return f"{listing.nameless:,} rows were unreadable or had no EAN"
        seen = len(listing.ids) if listing.is_sorted else len(set(listing.ids))
        if seen != listing.total:
            return f"{seen:,} different units were seen of {listing.total:,}"
        return ""
