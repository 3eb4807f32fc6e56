"""Pages through a list that changes while it is read: newest change first, down to a point in time. Pure.

Why no change is lost: a row that changes while the list is read moves to the top and pushes the others down, so a row
may be shown twice, but none is skipped. A change made after the first page was read is no older than the newest change
on that page. So the time of the latter becomes the next cursor, and the next list begins an overlap before it. All
times are by the marketplace's clock, except the start of the very first list.
"""

from collections.abc import Iterable, Sequence

from connector.contracts.microseconds import us
from connector.orders.events import Listing, ListState
from connector.orders.policy import OrderPolicy
from streams.frozen import replace

PAGE_OVERLAP = 10
"""Rows by which consecutive pages overlap: rows of the same second have no fixed order, and a row may disappear."""

AHEAD_US = 24 * 3600 * 1_000_000
"""A change dated further ahead of the local clock is not used as cursor: it would hide all real changes."""


def begin(state: ListState, asked_from_us: int | None, policy: OrderPolicy, since_us: int, now_us: int) -> ListState:
    """Returns the state with the next list begun, from an overlap before the cursor.

    ``asked_from_us``, the start that a command asks for, can only make the list longer. ``since_us`` is when the list
    became due.
    """
    if state.cursor_us is None:
        start_us = now_us - us(policy.lookback_days * 24 * 3600)
    else:
        start_us = state.cursor_us - us(policy.overlap_s)
    if asked_from_us is not None:
        start_us = min(start_us, asked_from_us)
    return replace(state, listing=Listing(changed_from_us=max(0, start_us), since_us=since_us))


def after_page(listing: Listing, changes_us: Sequence[int], rows: int, now_us: int) -> Listing:
    """Returns the list after a page was read.

    ``changes_us`` are the times of the page's readable rows; ``rows`` is the number of all its rows.
    """
    newest_us = listing.newest_us
    if listing.pages == 0:
        newest_us = max(_believable(changes_us, now_us), default=None)
    return replace(
        listing,
        offset=listing.offset + max(1, rows - PAGE_OVERLAP),
        pages=listing.pages + 1,
        newest_us=newest_us,
        again_at_us=None,
    )


def is_past(listing: Listing, changes_us: Sequence[int], rows: int) -> bool:
    """Whether the list ends with this page: it is empty, or all its rows are older than the list's start."""
    return rows == 0 or (len(changes_us) == rows and max(changes_us) < listing.changed_from_us)


def ended(state: ListState, listing: Listing) -> ListState:
    """Returns the state after the last page: without list, and with the next cursor, which is never earlier.

    If no change was ever seen, the cursor is the start of the list.
    """
    known = [at_us for at_us in (state.cursor_us, listing.newest_us) if at_us is not None]
    return ListState(cursor_us=max(known, default=listing.changed_from_us))


def _believable(changes_us: Iterable[int], now_us: int) -> Iterable[int]:
    """Returns the times that are not further ahead of the local clock than ``AHEAD_US``."""
    return (at_us for at_us in changes_us if at_us <= now_us + AHEAD_US)
