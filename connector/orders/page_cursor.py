"""Reading a list that moves: pages, newest change first, down to a moment. Pure.

The laws of this file. Whatever changes while the list is read moves to its top, and only pushes what is below further
down: a row may be shown twice, none slips past. What changed since the first page was read carries a change no older
than the newest one on that page; therefore that one is the next cursor, and the next list begins an overlap before it.
All is by the marketplace's own clock, but for the start of the very first list.
"""

from collections.abc import Iterable, Sequence

from connector.orders.events import Listing, ListState
from connector.orders.policy import OrderPolicy, us
from streams.frozen import replace

LAP = 10
"""Rows of a page that the next one shows again: the order of rows of one second is not promised, and a row may go."""

AHEAD_US = 24 * 3600 * 1_000_000
"""A change dated so far ahead of our own clock is no cursor: it would shut out every real one."""


def begin(state: ListState, asked_from_us: int | None, policy: OrderPolicy, since_us: int, now_us: int) -> ListState:
    """The next list. A command's moment can only make it longer."""
    if state.cursor_us is None:
        start_us = now_us - us(policy.lookback_days * 24 * 3600)
    else:
        start_us = state.cursor_us - us(policy.overlap_s)
    if asked_from_us is not None:
        start_us = min(start_us, asked_from_us)
    return replace(state, listing=Listing(changed_from_us=max(0, start_us), since_us=since_us))


def turned(listing: Listing, changes_us: Sequence[int], rows: int, now_us: int) -> Listing:
    """After a page. ``changes_us``: of its rows that can be read; ``rows``: how many it had in all."""
    newest_us = listing.newest_us
    if listing.pages == 0:
        newest_us = max(_believable(changes_us, now_us), default=None)
    return replace(
        listing,
        offset=listing.offset + max(1, rows - LAP),
        pages=listing.pages + 1,
        newest_us=newest_us,
        again_at_us=None,
    )


def is_past(listing: Listing, changes_us: Sequence[int], rows: int) -> bool:
    """Whether a page shows that the list is at its end: nothing on it, or nothing that is young enough."""
    return rows == 0 or (len(changes_us) == rows and max(changes_us) < listing.changed_from_us)


def ended(state: ListState, listing: Listing) -> ListState:
    """The list was read to its end. A cursor never falls; of an empty first list it is where that began."""
    known = [at_us for at_us in (state.cursor_us, listing.newest_us) if at_us is not None]
    return ListState(cursor_us=max(known, default=listing.changed_from_us))


def _believable(changes_us: Iterable[int], now_us: int) -> Iterable[int]:
    return (at_us for at_us in changes_us if at_us <= now_us + AHEAD_US)
