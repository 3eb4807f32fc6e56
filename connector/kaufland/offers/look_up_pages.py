"""Collects the pages of a look-up that has more units than fit on one page. Pure.

Each page is a call of its own and counts toward the rate limit. The list has neither a cursor nor a documented order,
so it is accepted only if every page reports the same total and the units add up to it; otherwise it is read again from
the beginning.
"""

from dataclasses import dataclass
from typing import TypeAlias

from connector.kaufland.bodies.pagination import PAGE_LIMIT
from connector.kaufland.offers.models import UnitsPage
from connector.marketplace.offers import Unit

FRESH_S = 60.0
"""A partly read list is read again from the beginning after this many seconds without another page."""

MAX_UNITS = 5_000
"""A longer list is not read: no seller has so many units of one EAN on one storefront."""

LookUpKey: TypeAlias = tuple[str, str, str]
"""Account, storefront and EAN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gathered:
    """The pages of a list that were read so far. ``at_s``: when the last one was read (monotonic clock)."""

    units: tuple[Unit, ...]
    ids: frozenset[int]  # of all listed units, including those that do not match the look-up
    total: int
    next_offset: int
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class More:
    """Another page is needed: repeat the look-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The list changed while it was read: repeat the look-up from the beginning."""


class LookUpPages:
    """Holds partly read lists.

    Thread-safe: an entry is replaced as a whole, and only one look-up of a key is in progress at a time.
    """

    def __init__(self) -> None:
        self._half_read: dict[LookUpKey, _Gathered] = {}

    def offset(self, key: LookUpKey, now_s: float) -> int:
        """Returns the offset of the next page of this look-up."""
        gathered = self._half_read.get(key)
        if gathered is not None and now_s - gathered.at_s > FRESH_S:
            self._half_read.pop(key, None)
            return 0
        return gathered.next_offset if gathered is not None else 0

    def take(
        self, key: LookUpKey, page: UnitsPage, units: tuple[Unit, ...], *, offset: int, now_s: float
    ) -> tuple[Unit, ...] | More | Moved | None:
        """Adds the page requested at ``offset``. Returns all units after the last page, else More or Moved.

        None if the page is longer than allowed, or has no usable total. The values of earlier pages may have been
        overwritten since, see ``Unit.read_at_us``.
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
    """Returns the length of a list without pagination, or None if it may go on: its page is full."""
    return len(page.data) if len(page.data) < PAGE_LIMIT else None


def _without_twins(units: tuple[Unit, ...]) -> tuple[Unit, ...]:
    """Keeps the last occurrence of each unit: a row that shifted to the next page is listed twice."""
    return tuple({unit.unit_id: unit for unit in units}.values())
