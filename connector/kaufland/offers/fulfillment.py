"""Extends look-ups to offers that the marketplace fulfils itself, with a second call only where it is needed. Pure.

By default, ``GET /units`` lists only what the merchant fulfils, so an offer that the marketplace fulfils would not be
found. Requesting both in one call would take a list in one parameter, whose format the API's document leaves open; a
wrong guess would break every look-up. So a second call is made, but only if the first one lacks a condition that is
looked for, and the seller has offers fulfilled by the marketplace on that storefront. Whether there are any is checked
once per hour: a seller without such offers pays one call per hour and storefront, and none per missing EAN.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from connector.kaufland.offers.look_up_pages import FRESH_S, LookUpKey
from connector.marketplace.offers import LookUp, Unit

KNOWN_FOR_S = 3600.0
"""For how many seconds it is remembered whether a seller has offers on a storefront that the marketplace fulfils."""
FAULT_FOR_S = 60.0
"""For how many seconds that is not checked again after one failed call: a lost response or a server error."""


class LookUpStep(Enum):
    """The calls of a look-up, in their order."""

    MERCHANT = auto()  # lists the units that the merchant fulfils
    ANY_OF_MARKETPLACE = auto()  # checks whether the marketplace fulfils any offer on the storefront
    MARKETPLACE = auto()  # lists the units that the marketplace fulfils


@dataclass(frozen=True, slots=True, kw_only=True)
class _MerchantUnits:
    """The result of a look-up's first step, and when it was read (monotonic clock)."""

    units: tuple[Unit, ...]
    at_s: float


class LookUpProgress:
    """The state of look-ups between their calls.

    Thread-safe: an entry is replaced as a whole, and only one look-up of a key is in progress at a time.
    """

    def __init__(self) -> None:
        self._halves: dict[LookUpKey, _MerchantUnits] = {}
        self._has_any: dict[tuple[str, str], tuple[bool, float]] = {}  # account, storefront -> whether, until when

    def next_step(self, key: LookUpKey, now_s: float) -> LookUpStep:
        """Returns the next call of a look-up. A look-up begun more than FRESH_S ago starts again."""
        half = self._halves.get(key)
        if half is not None and now_s - half.at_s > FRESH_S:
            del self._halves[key]
            half = None
        if half is None:
            return LookUpStep.MERCHANT
        return LookUpStep.ANY_OF_MARKETPLACE if self._known(key, now_s) is None else LookUpStep.MARKETPLACE

    def first(self, key: LookUpKey, asked: LookUp, units: tuple[Unit, ...], now_s: float) -> tuple[Unit, ...] | None:
        """Records the units that the merchant fulfils. Returns the result, or None if another call is needed."""
        lacking = asked.conditions - {unit.condition for unit in units} if units else asked.conditions or {""}
        if not lacking or self._known(key, now_s) is False:
            return units
        self._halves[key] = _MerchantUnits(units=units, at_s=now_s)
        return None

    def probed(self, key: LookUpKey, *, has_any: bool, now_s: float) -> tuple[Unit, ...] | None:
        """Records whether the marketplace fulfils any offer. Returns the result, or None if another call is needed."""
        self._has_any[key[0], key[1]] = (has_any, now_s + KNOWN_FOR_S)
        return None if has_any else self.without(key)

    def unanswered(self, key: LookUpKey, now_s: float, *, refused: bool) -> tuple[Unit, ...]:
        """Ends the look-up after an optional call without an answer; returns the units that the merchant fulfils.

        ``refused``: the marketplace refuses the parameter, which it has deprecated, so that it is not used for an hour.
        Otherwise one call failed, and it is used again after a minute.
        """
        self._has_any[key[0], key[1]] = (False, now_s + (KNOWN_FOR_S if refused else FAULT_FOR_S))
        return self.without(key)

    def whole(self, key: LookUpKey, others: Iterable[Unit]) -> tuple[Unit, ...]:
        """Ends the look-up; returns the units of both calls. Where both have a condition, the merchant's units win.

        The values of the first call may have been overwritten since, see ``Unit.read_at_us``.
        """
        own = self.without(key)
        taken = {unit.condition for unit in own}
        return (*own, *(unit for unit in others if unit.condition not in taken))

    def without(self, key: LookUpKey) -> tuple[Unit, ...]:
        """Ends the look-up; returns the units that the merchant fulfils."""
        half = self._halves.pop(key, None)
        return half.units if half is not None else ()

    def _known(self, key: LookUpKey, now_s: float) -> bool | None:
        has_any, until_s = self._has_any.get((key[0], key[1]), (False, float("-inf")))
        return has_any if now_s <= until_s else None
