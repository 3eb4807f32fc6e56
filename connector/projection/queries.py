"""Reads the projection: the history of an EAN, and the offers that were not found."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

from connector.contracts.call_log_row import MarketplaceCalled
from connector.offers.events import OfferNotFound, OfferResult, OfferState
from connector.projection.codecs import ProjectionCodecs
from connector.projection.database import ProjectionFile
from connector.projection.ean_history import EanHistory
from connector.projection.rows import place_of
from connector.reconciliation.events import UnitObserved
from streams.flow import BadRecord, NotYet

T = TypeVar("T")
_MOST_VALUES: Final = 500
"""Parameters of one statement; SQLite limits them."""


class ProjectionReader:
    """Decodes what the file has. Raises as ``ProjectionFile`` and ``fetch``."""

    def __init__(self, file: ProjectionFile, codecs: ProjectionCodecs, fetch: Callable[[int], None]) -> None:
        """``fetch``: fetches a schema into the cache that the codecs look into."""
        self._file = file
        self._codecs = codecs
        self._fetch = fetch

    def history(self, ean: str, other_forms: Sequence[str] = ()) -> EanHistory:
        """Returns what is known of an EAN. ``other_forms``: how results may have it as well."""
        problems: list[str] = []
        marks = ", ".join("?" * (1 + len(other_forms)))
        found = self._file.query(f"SELECT value FROM results WHERE ean IN ({marks})", ean, *other_forms)  # noqa: S608 - marks only
        results = tuple(self._decoded(self._codecs.result, found, "a result", problems))
        states = tuple(self._decoded(self._codecs.state, self._newest("offer_state", ean), "the state", problems))
        return EanHistory(
            ean=ean,
            results=results,
            states=states,
            not_found=tuple(self._not_found(self._newest("offers_not_found", ean), problems)),
            calls=self._calls(_call_ids(results, states), problems),
            commands=tuple(self._decoded(self._codecs.command, self._newest("controls", ""), "a command", problems)),
            replays=tuple(self._decoded(self._codecs.replay, self._newest("replays", ""), "a replay", problems)),
            shown=tuple(self._decoded(self._codecs.unit, self._newest("units", ean), "a swept unit", problems)),
            drifts=tuple(self._decoded(self._codecs.drift, self._all("drift", ean), "a drift", problems)),
            begins_us=self._begins_us(),
            unreadable=(*problems, *self._unreadable()),
        )

    def not_found(self) -> tuple[list[OfferNotFound], tuple[str, ...]]:
        """Returns every offer that is not found now, and what could not be decoded, as sentences."""
        problems: list[str] = []
        rows = self._file.query("SELECT value FROM newest WHERE dataset = 'offers_not_found' ORDER BY key, partition")
        return list(self._not_found(rows, problems)), (*problems, *self._unreadable())

    def units(self) -> tuple[Iterator[UnitObserved], Iterable[str]]:
        """Returns every unit as sweeps saw it last, and what could not be decoded, once the units were read."""
        problems: list[str] = []
        rows = self._file.query("SELECT value FROM newest WHERE dataset = 'units' ORDER BY ean, key, partition")
        problems += self._unreadable()
        return self._decoded(self._codecs.unit, rows, "a swept unit", problems), problems

    def units_of(self, eans: Sequence[str]) -> dict[str, tuple[UnitObserved, ...]]:
        """Returns the units of these EANs as sweeps saw them last."""
        found: dict[str, tuple[UnitObserved, ...]] = {}
        for some in (eans[first : first + _MOST_VALUES] for first in range(0, len(eans), _MOST_VALUES)):
            marks = ", ".join("?" * len(some))
            rows = self._file.query(
                f"SELECT value FROM newest WHERE dataset = 'units' AND ean IN ({marks}) ORDER BY key",  # noqa: S608 - marks only
                *some,
            )
            for unit in self._decoded(self._codecs.unit, rows, "a swept unit", []):
                found[unit.ean] = (*found.get(unit.ean, ()), unit)
        return found

    def _newest(self, dataset: str, ean: str) -> list[tuple[Any, ...]]:
        return self._file.query("SELECT value FROM newest WHERE dataset = ? AND ean = ?", dataset, ean)

    def _all(self, dataset: str, ean: str) -> list[tuple[Any, ...]]:
        return self._file.query("SELECT value FROM records WHERE dataset = ? AND ean = ? ORDER BY place", dataset, ean)

    def _not_found(self, rows: Iterable[tuple[Any, ...]], problems: list[str]) -> Iterator[OfferNotFound]:
        return self._decoded(self._codecs.not_found, rows, "an offer that was not found", problems)

    def _calls(self, call_ids: Iterable[str], problems: list[str]) -> dict[str, tuple[MarketplaceCalled, ...]]:
        found: dict[str, tuple[MarketplaceCalled, ...]] = {}
        asked = sorted(set(call_ids))
        for some in (asked[first : first + _MOST_VALUES] for first in range(0, len(asked), _MOST_VALUES)):
            marks = ", ".join("?" * len(some))
            rows = self._file.query(f"SELECT value FROM calls WHERE call_id IN ({marks}) ORDER BY place", *some)  # noqa: S608 - marks only
            for call in self._decoded(self._codecs.call, rows, "a call", problems):
                if call not in found.get(call.call_id, ()):
                    found[call.call_id] = (*found.get(call.call_id, ()), call)
        return found

    def _begins_us(self) -> int | None:
        """Returns when the first result of a partition was decided, the earliest of these."""
        partitions = {partition for _, partition in self._file.positions()}
        first = (
            self._file.query(
                "SELECT decided_at_us FROM results WHERE place >= ? ORDER BY place LIMIT 1", place_of(one, 0)
            )
            for one in partitions
        )
        return min((rows[0][0] for rows in first if rows), default=None)

    def _unreadable(self) -> Iterator[str]:
        for dataset, count, reason in self._file.unreadable():
            records = f"{count:,} record{'' if count == 1 else 's'} of {dataset}"
            yield f"{records} cannot be read, such as: {reason}; --rebuild tries again"

    def _decoded(
        self,
        decode: Callable[[bytes], T | BadRecord | NotYet],
        rows: Iterable[tuple[Any, ...]],
        what: str,
        problems: list[str],
    ) -> Iterator[T]:
        for (value,) in rows:
            while isinstance(found := decode(value), NotYet):
                self._fetch(found.need)
            if isinstance(found, BadRecord):
                problems.append(f"{what} cannot be read: {found.code}, {found.text}")
            else:
                yield found


def _call_ids(results: Iterable[OfferResult], states: Iterable[OfferState]) -> Iterator[str]:
    for result in results:
        yield from result.lookup_call_ids
        yield from result.sent.call_ids if result.sent is not None else ()
    for state in states:
        for undone in state.undone:
            yield from undone.lookup_call_ids
            yield from undone.sent.call_ids if undone.sent is not None else ()
        for miss in state.misses:
            yield from miss.call_ids
