"""Lists and counts the rows of the projection: units, offers that are not found, open orders, held events."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from connector.controls.commands import ControlCommand
from connector.offers.events import OfferDrifted, OfferNotFound, OfferResult
from connector.orders.events import OrderObserved
from connector.projection.facets import NOT_LIVE, OPEN
from connector.projection.minutes import Minute, minutes
from connector.projection.queries import ProjectionReader
from connector.projection.rows import MinuteCount
from connector.reconciliation.events import UnitObserved
from connector.replays.progress import ReplayProgress
from streams.flow import BadRecord, NotYet

T = TypeVar("T")

PART: Final = 50
"""Rows of a part of a list."""
_ACCEPTED: Final = "EXISTS (SELECT 1 FROM results WHERE accepted_unit IS NOT NULL AND accepted_unit = newest.unit_id)"
"""Whether the marketplace has accepted a value for the unit, whichever EAN of its product the event had."""
_HELD: Final = (
    "FROM results WHERE status = 'HELD' AND NOT EXISTS (SELECT 1 FROM results later WHERE later.ean = results.ean "
    "AND later.result_id = results.result_id AND later.place > results.place)"
)
"""The newest result of each event that is held: an event has one for each of its holds, and may have ended before it
was read again. Results of one EAN are in one partition, where a later one has a higher place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPart(Generic[T]):
    """A part of a list. ``after``: where the next part begins; None: this is the last one."""

    rows: Sequence[T]
    after: str | None
    unreadable: Sequence[str] = ()


class ListingReader(ProjectionReader):
    """Decodes the rows of a projection with facets. Raises as ``ProjectionReader``; ValueError for a bad position."""

    # ---- counts -----------------------------------------------------------------------------------------------------

    def counts(self, dataset: str) -> dict[str, int]:
        """Returns the number of rows of each facet."""
        return dict(
            self._file.query(
                "SELECT facet, count(*) FROM newest WHERE dataset = ? AND facet IS NOT NULL GROUP BY facet", dataset
            )
        )

    def accepted_not_live(self) -> int:
        """Returns for how many units that are not live the marketplace has accepted a value."""
        return self._count(f"FROM newest WHERE dataset = 'units' AND facet = ? AND {_ACCEPTED}", NOT_LIVE)

    def held(self) -> int:
        """Returns how many events are held now."""
        return self._count(_HELD)

    def oldest_open_us(self) -> int | None:
        """Returns since when the oldest open order has waited."""
        found = self._file.query("SELECT min(since_us) FROM newest WHERE dataset = 'orders' AND facet = ?", OPEN)
        return None if found[0][0] is None else int(found[0][0])

    def minutes(self, first: int, after: int) -> Sequence[Minute]:
        """Returns what was counted in each minute from ``first`` to before ``after``, over all processes."""
        rows = self._file.query(
            "SELECT dataset, minute, name, count, most FROM minutes WHERE minute >= ? AND minute < ?", first, after
        )
        return minutes((MinuteCount(*row) for row in rows), first, after)

    # ---- lists ------------------------------------------------------------------------------------------------------

    def listed_units(
        self, facet: str, place: str | None, after: str | None, *, accepted: bool = False
    ) -> ListedPart[UnitObserved]:
        """Returns units, those that were seen the longest ago first. ``accepted``: only with an accepted value."""
        extra = f" AND {_ACCEPTED}" if accepted else ""
        return self._part(self._codecs.unit, "units", facet, place, after, extra)

    def listed_not_found(self, code: str | None, place: str | None, after: str | None) -> ListedPart[OfferNotFound]:
        """Returns offers that are not found, the first met first."""
        return self._part(self._codecs.not_found, "offers_not_found", code, place, after)

    def open_orders(self, place: str | None, after: str | None) -> ListedPart[OrderObserved]:
        """Returns orders with units that are still to be sent, the oldest first."""
        return self._part(self._codecs.order, "orders", OPEN, place, after)

    def held_results(self, after: str | None) -> ListedPart[OfferResult]:
        """Returns the newest announcement of each event that is held now, the oldest first."""
        since_us, place = _cursor(after)
        found = self._file.query(
            f"SELECT decided_at_us, place, value {_HELD} AND (decided_at_us, place) > (?, ?) "
            "ORDER BY decided_at_us, place LIMIT ?",
            since_us,
            place,
            PART + 1,
        )
        return self._listed(self._codecs.result, found)

    def newest_drifts(self, most: int) -> Sequence[OfferDrifted]:
        """Returns the drifts that were detected last, newest first."""
        found: list[OfferDrifted] = []
        for first, last in self._bounds("drift"):
            rows = self._file.query(
                "SELECT value FROM records WHERE dataset = 'drift' AND place BETWEEN ? AND ? "
                "ORDER BY place DESC LIMIT ?",
                first,
                last,
                most,
            )
            found += self._decoded(self._codecs.drift, rows, "a drift", [])
        return sorted(found, key=lambda drift: -drift.detected_at_us)[:most]

    def commands(self) -> Sequence[ControlCommand]:
        """Returns every command of people, oldest first."""
        found = self._decoded(self._codecs.command, self._newest("controls", ""), "a command", [])
        return sorted(found, key=lambda command: (command.issued_at_us, command.command_id))

    def replays(self) -> Sequence[ReplayProgress]:
        """Returns how far each replay has come in each partition."""
        return tuple(self._decoded(self._codecs.replay, self._newest("replays", ""), "a replay", []))

    # ---- keys -------------------------------------------------------------------------------------------------------

    def eans_of(self, offer_id: str) -> Sequence[str]:
        """Returns the EANs that were met together with an offer id, sorted."""
        found = self._file.query("SELECT ean FROM offer_ids WHERE offer_id = ? ORDER BY ean LIMIT 50", offer_id)
        return [str(row[0]) for row in found]

    def order(self, order_id: str) -> OrderObserved | None:
        """Returns an order as it was read last; None if the topic does not have it."""
        rows = self._file.query(
            "SELECT value FROM newest WHERE dataset = 'orders' AND ean = '' AND key = ? LIMIT 1", order_id
        )
        return next(self._decoded(self._codecs.order, rows, "an order", []), None)

    def _part(
        self,
        decode: Callable[[bytes], T | BadRecord | NotYet],
        dataset: str,
        facet: str | None,
        place: str | None,
        after: str | None,
        extra: str = "",
    ) -> ListedPart[T]:
        conditions = ["facet IS NOT NULL" if facet is None else "facet = ?", *(("place = ?",) if place else ())]
        chosen = [one for one in (facet, place) if one]
        since_us, row_id = _cursor(after)
        found = self._file.query(
            f"SELECT since_us, rowid, value FROM newest WHERE dataset = ? AND {' AND '.join(conditions)}{extra} "  # noqa: S608 - our names
            "AND (since_us, rowid) > (?, ?) ORDER BY since_us, rowid LIMIT ?",
            dataset,
            *chosen,
            since_us,
            row_id,
            PART + 1,
        )
        return self._listed(decode, found)

    def _listed(
        self, decode: Callable[[bytes], T | BadRecord | NotYet], found: Sequence[tuple[Any, ...]]
    ) -> ListedPart[T]:
        problems: list[str] = []
        rows = tuple(self._decoded(decode, [(value,) for _, _, value in found[:PART]], "a row", problems))
        last = found[PART - 1] if len(found) > PART else None
        return ListedPart(rows=rows, after=None if last is None else f"{last[0]}.{last[1]}", unreadable=problems)

    def _count(self, what: str, *values: object) -> int:
        return int(self._file.query(f"SELECT count(*) {what}", *values)[0][0])

    def _bounds(self, dataset: str) -> Iterable[tuple[int, int]]:
        """Yields the first and last place of each partition that has records."""
        found = self._file.query(
            "SELECT min(place), max(place) FROM records WHERE dataset = ? GROUP BY place >> 48", dataset
        )
        return [(int(first), int(last)) for first, last in found]


def _cursor(after: str | None) -> tuple[int, int]:
    """Returns where a part begins. Raises ValueError for a text that is not of ``ListedPart.after``."""
    if after is None:
        return (-1, -1)
    since_us, _, row_id = after.partition(".")
    return int(since_us), int(row_id)
