"""Remembers when pieces were ordered, so that a stock that has fallen can be told from one that was edited.

The order flow notes the rows of the lists that it polls; a sweep looks them up for each unit that it sees. Nothing is
durable: a process that has taken over knows what its own lists show, which begin shortly before the durable cursor. So
each answer says from when on it is complete.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from connector.marketplace.orders import PageRow

MOST_OFFERS: Final = 100_000
"""Maximum number of remembered offers; those that were sold least recently are dropped."""
MOST_PIECES: Final = 100
"""Maximum number of remembered pieces of an offer, the newest."""
KEPT_US: Final = 2 * 24 * 3600 * 1_000_000
"""How long a piece is remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """The pieces of an offer that were ordered.

    All are known that were ordered from ``known_from_us`` until ``read_at_us``. ``read_at_us`` None: orders are not
    polled, or were not yet. ``known_from_us`` None: this process has not read a list to its end.
    """

    at_us: tuple[int, ...] = ()  # oldest first
    read_at_us: int | None = None
    known_from_us: int | None = None


NONE_KNOWN: Final = Ordered()


@dataclass(slots=True)
class _Lists:
    """How far an account's orders are known."""

    read_at_us: int | None = None  # when the last list that was read to its end was begun
    began_at_us: int = 0  # when the first page of the list under way was asked for
    from_us: int | None = None  # the start of the lists that this process has read to their end without interruption
    unreadable_us: int = 0  # rows that could not be read may be orders of this time, and of any before


class RecentSales:
    """Pieces that were ordered, by account and offer id. Units of one offer id share their stock, on any storefront."""

    def __init__(self) -> None:
        self._pieces: dict[tuple[str, str], dict[int, int]] = {}  # order unit id -> when it was created
        self._lists: dict[str, _Lists] = {}  # by account
        self._dropped_us = 0  # when the newest piece that was dropped for want of room was ordered

    def take_over(self) -> None:
        """Begins anew: another process may have polled since the last list, and what it has read is not known here."""
        self._lists.clear()

    def note_polled(self, account: str, at_us: int | None) -> None:
        """Records when a previous owner has read the account's orders to their end; None: it has not."""
        lists = self._lists.setdefault(account, _Lists())
        if lists.read_at_us is None:
            lists.read_at_us = at_us

    def note_page(
        self, account: str, rows: Iterable[PageRow], *, sent_us: int, is_first: bool, is_whole: bool, now_us: int
    ) -> None:
        """Remembers what a page of the list shows; ``is_whole``: whether all of its rows could be read."""
        lists = self._lists.setdefault(account, _Lists())
        if is_first:
            lists.began_at_us = sent_us
        pieces: dict[str, dict[int, int]] = {}
        for row in rows:
            if row.created_us is None:
                is_whole = False
            elif row.offer_id is not None and row.created_us > now_us - KEPT_US:
                pieces.setdefault(row.offer_id, {})[row.order_unit_id] = row.created_us
        if not is_whole:
            lists.unreadable_us = now_us
        for offer_id, sold in pieces.items():
            self._note(account, offer_id, sold)

    def note_end(self, account: str, from_us: int) -> None:
        """Records that the list of what has changed since ``from_us`` was read to its end."""
        lists = self._lists.setdefault(account, _Lists())
        lists.read_at_us = lists.began_at_us
        lists.from_us = from_us if lists.from_us is None else min(lists.from_us, from_us)

    def _note(self, account: str, offer_id: str, pieces: dict[int, int]) -> None:
        known = self._pieces.pop((account, offer_id), {})
        newest = sorted((known | pieces).items(), key=lambda piece: piece[1])[-MOST_PIECES:]
        self._pieces[account, offer_id] = dict(newest)
        if len(self._pieces) > MOST_OFFERS:
            dropped = self._pieces.pop(next(iter(self._pieces)))
            self._dropped_us = max(self._dropped_us, *dropped.values())

    def of(self, account: str, offer_id: str | None, now_us: int) -> Ordered:
        """Returns the remembered pieces of an offer. Orders do not tell what was sold of a unit without offer id."""
        lists = self._lists.get(account)
        if lists is None:
            return NONE_KNOWN
        pieces = self._pieces.get((account, offer_id), {}) if offer_id is not None else {}
        at_us = tuple(at_us for at_us in pieces.values() if at_us > now_us - KEPT_US)
        known_from_us = None
        if lists.from_us is not None:
            dropped_us = [lists.unreadable_us, now_us - KEPT_US, self._dropped_us]
            if len(pieces) >= MOST_PIECES:
                dropped_us.append(min(pieces.values()))
            if offer_id is None:
                dropped_us.append(now_us)
            known_from_us = max(lists.from_us, max(dropped_us) + 1)
        return Ordered(at_us=at_us, read_at_us=lists.read_at_us, known_from_us=known_from_us)
