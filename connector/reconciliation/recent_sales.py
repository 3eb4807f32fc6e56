"""Remembers when pieces were ordered, so that a stock that has fallen can be told from one that was edited.

The order flow notes the orders that it reads; a sweep looks them up for each unit that it sees. Nothing is durable: a
process that has taken over knows the orders that it has read itself, and a sale that it does not know is reported as a
change of unknown cause.
"""

from collections.abc import Iterable
from typing import Final

MOST_OFFERS: Final = 100_000
"""Maximum number of remembered offers; those that were sold least recently are dropped."""
MOST_PIECES: Final = 100
"""Maximum number of remembered pieces of an offer, the newest."""
KEPT_US: Final = 2 * 24 * 3600 * 1_000_000
"""How long a piece is remembered."""


class RecentSales:
    """Pieces that were ordered, by account and offer id. Units of one offer id share their stock, on any storefront."""

    def __init__(self) -> None:
        self._pieces: dict[tuple[str, str], dict[int, int]] = {}  # order unit id -> when it was created
        self._read_at_us: dict[str, int | None] = {}  # by account

    def note_read(self, account: str, at_us: int | None) -> None:
        """Records when the account's orders were last read to their end; None: not yet."""
        self._read_at_us[account] = at_us

    def read_at_us(self, account: str) -> int | None:
        """Returns when the account's orders were last read to their end; None if they are not polled, or not yet."""
        return self._read_at_us.get(account)

    def note(self, account: str, offer_id: str, pieces: Iterable[tuple[int, int]], now_us: int) -> None:
        """Remembers pieces by order unit id and creation time; those that are known or too old change nothing."""
        fresh = {unit_id: at_us for unit_id, at_us in pieces if at_us > now_us - KEPT_US}
        if not fresh:
            return
        known = self._pieces.pop((account, offer_id), {})
        newest = sorted((known | fresh).items(), key=lambda piece: piece[1])[-MOST_PIECES:]
        self._pieces[account, offer_id] = dict(newest)
        if len(self._pieces) > MOST_OFFERS:
            del self._pieces[next(iter(self._pieces))]

    def of(self, account: str, offer_id: str | None, now_us: int) -> tuple[int, ...]:
        """Returns when the remembered pieces of an offer were ordered, oldest first."""
        pieces = self._pieces.get((account, offer_id), {}) if offer_id is not None else {}
        return tuple(at_us for at_us in pieces.values() if at_us > now_us - KEPT_US)
