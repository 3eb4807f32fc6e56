"""A look-up of more units than a page holds, gathered over several calls, each of which pays the limit. Pure.

The list has no cursor and no order that is promised, so it is believed only when every page came from a list of the
same length and the units counted make up that length; else it is read from the beginning.
"""

from dataclasses import dataclass
from typing import TypeAlias

from connector.kaufland.offers.mapping import PAGE_LIMIT
from connector.kaufland.offers.models import UnitsPage
from connector.marketplace.offers import Unit

FRESH_S = 60.0
"""A list half read is begun anew after this long."""

MAX_UNITS = 5_000
"""No list is read further: nobody has so many units of one EAN on one storefront."""

Key: TypeAlias = tuple[str, str, str]  # account, storefront, EAN


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gathered:
    units: tuple[Unit, ...]
    ids: frozenset[int]  # of all units listed, those that are not believed included
    total: int
    next_offset: int
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class More:
    """Another page is needed: the same look-up again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The list changed while it was read: the same look-up again, from the beginning."""


class Pages:
    """Lists half read. Any thread: an entry is replaced, never changed; one look-up of a key is under way at a time."""

    def __init__(self) -> None:
        self._half_read: dict[Key, _Gathered] = {}

    def offset(self, key: Key, now_s: float) -> int:
        """Where the next page of this look-up begins."""
        gathered = self._half_read.get(key)
        if gathered is not None and now_s - gathered.at_s > FRESH_S:
            self._half_read.pop(key, None)
            return 0
        return gathered.next_offset if gathered is not None else 0

    def take(
        self, key: Key, page: UnitsPage, units: tuple[Unit, ...], *, offset: int, now_s: float
    ) -> tuple[Unit, ...] | More | Moved | None:
        """Add the page asked for at ``offset``. All units, or More, Moved; None = the page contradicts itself.

        Values of earlier pages are as old as those: they may have been written since, see ``Unit.read_at_us``.
        """
        before = self._half_read.pop(key, None) if offset else None
        total = page.pagination.total if page.pagination is not None else _total_without(page)
        if total is None or total > MAX_UNITS or len(page.data) > PAGE_LIMIT:
            return None
        if offset and (before is None or before.next_offset != offset or before.total != total):
            return Moved()
        ids = frozenset(unit.id_unit for unit in page.data) | (before.ids if before is not None else frozenset())
        gathered = before.units if before is not None else ()
        everything = _without_twins((*gathered, *units))
        if offset + PAGE_LIMIT >= total:
            return everything if len(ids) == total else Moved()
        self._half_read[key] = _Gathered(
            units=everything, ids=ids, total=total, next_offset=offset + PAGE_LIMIT, at_s=now_s
        )
        return More()


def _total_without(page: UnitsPage) -> int | None:
    return len(page.data) if len(page.data) < PAGE_LIMIT else None


def _without_twins(units: tuple[Unit, ...]) -> tuple[Unit, ...]:
    """The latest word on each unit, for a row that shifted to the next page is listed twice."""
    return tuple({unit.unit_id: unit for unit in units}.values())
