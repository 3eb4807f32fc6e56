"""Offers that the marketplace fulfils itself: a look-up asks for them only where it may matter. Pure.

``GET /units`` lists what the merchant fulfils, unless it is asked for the other way; so an offer that the marketplace
fulfils would be not found. Both ways in one call would need a list in one parameter, whose spelling the API's document
leaves open; a wrong guess would spoil every look-up. So a second call is made, and only when the first one lacks a
condition that is looked for, and the seller has such offers on the storefront at all. That is asked once an hour, so a
seller who has none pays a call an hour for a storefront, and none for each EAN that is not there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from connector.kaufland.offers.pages import FRESH_S, Key
from connector.marketplace.offers import LookUp, Unit

KNOWN_FOR_S = 3600.0
"""How long it is believed whether a seller has offers on a storefront that the marketplace fulfils."""
FAULT_FOR_S = 60.0
"""How long that is not asked again after a fault of one call: a lost answer, a server error."""


class LookUpStep(Enum):
    """What the next call of a look-up asks for."""

    MERCHANT = auto()
    ANY_OF_MARKETPLACE = auto()  # whether there is any such offer on the storefront
    MARKETPLACE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class _MerchantUnits:
    """A look-up whose first way was read."""

    units: tuple[Unit, ...]
    at_s: float


class LookUpProgress:
    """What is known between the calls of a look-up.

    Any thread: an entry is replaced, never changed; one look-up of a key is under way at a time.
    """

    def __init__(self) -> None:
        self._halves: dict[Key, _MerchantUnits] = {}
        self._has_any: dict[tuple[str, str], tuple[bool, float]] = {}  # account, storefront -> whether, until when

    def way(self, key: Key, now_s: float) -> LookUpStep:
        half = self._halves.get(key)
        if half is not None and now_s - half.at_s > FRESH_S:
            del self._halves[key]
            half = None
        if half is None:
            return LookUpStep.MERCHANT
        return LookUpStep.ANY_OF_MARKETPLACE if self._known(key, now_s) is None else LookUpStep.MARKETPLACE

    def first(self, key: Key, asked: LookUp, units: tuple[Unit, ...], now_s: float) -> tuple[Unit, ...] | None:
        """After the merchant's own units. None = the look-up goes on."""
        lacking = asked.conditions - {unit.condition for unit in units} if units else asked.conditions or {""}
        if not lacking or self._known(key, now_s) is False:
            return units
        self._halves[key] = _MerchantUnits(units=units, at_s=now_s)
        return None

    def probed(self, key: Key, *, has_any: bool, now_s: float) -> tuple[Unit, ...] | None:
        """After the question whether there is any. None = the look-up goes on."""
        self._has_any[key[0], key[1]] = (has_any, now_s + KNOWN_FOR_S)
        return None if has_any else self.without(key)

    def unanswered(self, key: Key, now_s: float, *, refused: bool) -> tuple[Unit, ...]:
        """The look-up ends with the merchant's own units. ``refused``: the marketplace does not answer that question,
        which it calls deprecated, so nobody asks it for an hour; else one call failed, and it is asked a minute later.
        """
        self._has_any[key[0], key[1]] = (False, now_s + (KNOWN_FOR_S if refused else FAULT_FOR_S))
        return self.without(key)

    def whole(self, key: Key, others: Iterable[Unit]) -> tuple[Unit, ...]:
        """Both ways together. A unit of the merchant's is meant before one of the same condition that is not his.

        Values of the first call are as old as that call: they may have been written since, see ``Unit.read_at_us``.
        """
        own = self.without(key)
        taken = {unit.condition for unit in own}
        return (*own, *(unit for unit in others if unit.condition not in taken))

    def without(self, key: Key) -> tuple[Unit, ...]:
        """The merchant's own units; the look-up is over."""
        half = self._halves.pop(key, None)
        return half.units if half is not None else ()

    def _known(self, key: Key, now_s: float) -> bool | None:
        has_any, until_s = self._has_any.get((key[0], key[1]), (False, float("-inf")))
        return has_any if now_s <= until_s else None
