"""What the offer flow counts for metrics and the console, by target. Pure.

The engine thread counts; any thread may read a copy. Label values are bounded: targets come from the routing (an event
may name any other: ``UNKNOWN_TARGET``), statuses, codes and origins are closed lists, and of sources, whose names
producers choose, only the first ``NAMED_SOURCES`` are named.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

from connector.contracts.codes import Code
from connector.marketplace.offers import Field
from connector.offers.events import Announced, DriftCause, FieldResult, FieldStatus, OfferDrifted, OfferResult, Status
from connector.offers.ledger import LedgerEntry

HOLDING: Final = (
    Code.HELD_BY_PERSON,
    Code.PAUSED,
    Code.PRICE_STEP_TOO_LARGE,
    Code.PRICE_BELOW_FLOOR,
    Code.PRICE_OVER_RAIL,
    Code.RATE_JUMPED,
    Code.TOO_MANY_ZEROED,
    Code.TOO_MANY_PRICES_CHANGED,
    Code.PRICE_BELOW_OWN_FLOOR,
    Code.HELD_BY_OVERRIDE,
)
"""Codes of held changes, counted from zero: an alert sees the first of them as an increase."""
COUNTED_FROM_ZERO: Final = (
    (Status.APPLIED, ""),
    (Status.UNCHANGED, ""),
    (Status.NOT_FOUND, Code.OFFER_NOT_FOUND.value),
)
"""Statuses of results, each with its usual code, that are counted from zero for each target."""
NAMED_SOURCES: Final = 20
OTHER_SOURCES: Final = "(other)"
"""The name under which all further sources are counted."""
UNKNOWN_TARGET: Final = "(unknown)"
"""Counts events that name no target of the routing."""
UP: Final = "up"
DOWN: Final = "down"
FIRST: Final = "first"
DIRECTIONS: Final = (UP, DOWN, FIRST)
"""Where a price went; FIRST: the price before was not known."""
NOT_APPLIED: Final = frozenset(
    {FieldStatus.REJECTED, FieldStatus.FAILED, FieldStatus.NOT_FOUND, FieldStatus.AMBIGUOUS, FieldStatus.CONFLICT}
)
"""Statuses that say that a value was not changed though it should have been."""
_BUCKET_US: Final = 1_000_000

_Key = TypeVar("_Key", str, tuple[str, ...])
ByTarget: TypeAlias = Mapping[str, int]
ByTargetAnd: TypeAlias = Mapping[tuple[str, ...], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferFigures:
    """The counts since the start of the process, and two times by target."""

    events: ByTargetAnd = field(default_factory=dict)  # by target and origin
    results: ByTargetAnd = field(default_factory=dict)  # by target, status and code
    not_applied: int = 0  # results with a value that was not changed though it should have been
    price_changes: ByTargetAnd = field(default_factory=dict)  # by target and direction
    stock_to_zero: ByTarget = field(default_factory=dict)
    clamped: ByTarget = field(default_factory=dict)
    held: ByTargetAnd = field(default_factory=dict)  # values, by target and code
    out_of_order: ByTargetAnd = field(default_factory=dict)  # results, by target and source
    drifts: Mapping[str, int] = field(default_factory=dict)  # values, by cause
    applied_at_us: ByTarget = field(default_factory=dict)  # when a value was accepted last
    undone_since_us: ByTarget = field(default_factory=dict)  # of the oldest undone event; 0: there is none


def is_not_applied(result: OfferResult) -> bool:
    """Whether a result says that a value was not changed though it should have been.

    The statuses of its fields count, as the row is PARTIAL where they differ; an event that is refused as a whole has
    none.
    """
    return result.status.value in NOT_APPLIED or not NOT_APPLIED.isdisjoint([one.status for one in result.fields])


def summed(counts: ByTargetAnd, place: int) -> dict[str, int]:
    """Returns the counts by one part of their keys."""
    found: dict[str, int] = {}
    for key, count in counts.items():
        found[key[place]] = found.get(key[place], 0) + count
    return found


class FigureCounter:
    """Counts. Written by one thread; ``figures`` may be called from any."""

    def __init__(self, targets: Iterable[str]) -> None:
        self._targets: frozenset[str] = frozenset()
        self._events: dict[tuple[str, ...], int] = {}
        self._results: dict[tuple[str, ...], int] = {}
        self._not_applied = 0
        self._price_changes: dict[tuple[str, ...], int] = {}
        self._stock_to_zero: dict[str, int] = {}
        self._clamped: dict[str, int] = {}
        self._held: dict[tuple[str, ...], int] = {}
        self._out_of_order: dict[tuple[str, ...], int] = {}
        self._sources: set[str] = set()
        self._drifts: dict[str, int] = {cause.value: 0 for cause in DriftCause}
        self._applied_at_us: dict[str, int] = {}
        self._undone = UndoneAges()
        self.route(targets)

    def route(self, targets: Iterable[str]) -> None:
        """Sets the targets of the routing; counts those of a new one from zero."""
        self._targets = frozenset(targets)
        for target in sorted(self._targets):
            for status, code in COUNTED_FROM_ZERO:
                self._results.setdefault((target, status.value, code), 0)
            for code in HOLDING:
                self._held.setdefault((target, code.value), 0)
            for direction in DIRECTIONS:
                self._price_changes.setdefault((target, direction), 0)
            self._stock_to_zero.setdefault(target, 0)
            self._clamped.setdefault(target, 0)

    def assigned(self, partition: int) -> None:
        """Forgets what an earlier assignment of the partition has left undone."""
        self._undone.assigned(partition)

    def added(self, before: Sequence[LedgerEntry], after: Sequence[LedgerEntry]) -> None:
        """Counts the events that a cause has added to a lane."""
        known = {entry.result_id for entry in before} if before else ()
        for entry in after:
            if entry.result_id not in known:
                _add(self._events, (self._name(entry.target_id), entry.origin.value))

    def moved(self, partition: int, before: Sequence[LedgerEntry], after: Sequence[LedgerEntry]) -> None:
        """Notes what a turn has left undone in a lane."""
        if before:
            self._undone.removed(partition, self._undone_of(before))
        if after:
            self._undone.added(partition, self._undone_of(after))

    def restored(self, partition: int, entries: Iterable[LedgerEntry]) -> None:
        """Notes the undone events of a lane that another owner of the partition has left."""
        self._undone.added(partition, self._undone_of(entries))

    def result(self, result: OfferResult, source: str) -> None:
        """Counts a result that is written. ``source``: of its event."""
        target = self._name(result.target_id)
        _add(self._results, (target, result.status.value, result.code or ""))
        self._not_applied += is_not_applied(result)
        for one in result.fields:
            self._value(target, one, result.decided_at_us)
        if Code.OUT_OF_ORDER in [one.code for one in result.fields]:
            _add(self._out_of_order, (target, self._named(source)))

    def drift(self, drifted: OfferDrifted) -> None:
        """Counts a value that has drifted."""
        _add(self._drifts, drifted.cause.value)

    def figures(self, partitions: Collection[int]) -> OfferFigures:
        """Returns a copy. ``partitions``: those that this process has; only their undone events count."""
        targets = self._targets
        since_us = self._undone.oldest_us(partitions)
        return OfferFigures(
            events=self._events.copy(),
            results=self._results.copy(),
            not_applied=self._not_applied,
            price_changes=self._price_changes.copy(),
            stock_to_zero=self._stock_to_zero.copy(),
            clamped=self._clamped.copy(),
            held=self._held.copy(),
            out_of_order=self._out_of_order.copy(),
            drifts=self._drifts.copy(),
            applied_at_us=self._applied_at_us.copy(),
            undone_since_us={**dict.fromkeys(sorted(targets), 0), **since_us},
        )

    def _value(self, target: str, one: FieldResult, decided_at_us: int) -> None:
        if one.code == Code.CLAMPED:
            _add(self._clamped, target)
        if one.status is FieldStatus.HELD and one.code is not None:
            _add(self._held, (target, one.code))
        if one.status is not FieldStatus.APPLIED:
            return
        self._applied_at_us[target] = decided_at_us
        value = one.sent if one.accepted is None else one.accepted
        if value is None or value == one.before:
            return
        if one.field == Field.PRICE.value:
            direction = FIRST if one.before is None else UP if value > one.before else DOWN
            _add(self._price_changes, (target, direction))
        elif one.field == Field.STOCK.value and value == 0:
            _add(self._stock_to_zero, target)

    def _undone_of(self, entries: Iterable[LedgerEntry]) -> list[tuple[str, int]]:
        """Returns target and age of each event that waits for a call; announced ones wait for a person or an offer."""
        return [
            (self._name(entry.target_id), entry.since_us)
            for entry in entries
            if entry.announced is Announced.NONE and entry.open
        ]

    def _name(self, target: str | None) -> str:
        return target if target in self._targets and target is not None else UNKNOWN_TARGET

    def _named(self, source: str) -> str:
        if source in self._sources or len(self._sources) < NAMED_SOURCES:
            self._sources.add(source)
            return source
        return OTHER_SOURCES


class UndoneAges:
    """Since when events are undone, by partition and target, to within a second."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, str], dict[int, int]] = {}

    def assigned(self, partition: int) -> None:
        """Forgets a partition."""
        for key in [key for key in self._counts if key[0] == partition]:
            del self._counts[key]

    def removed(self, partition: int, undone: Iterable[tuple[str, int]]) -> None:
        """Removes events, given by target and time."""
        for target, since_us in undone:
            counts = self._counts.get((partition, target), {})
            bucket = since_us // _BUCKET_US
            if (left := counts.get(bucket, 0) - 1) > 0:
                counts[bucket] = left
            else:
                counts.pop(bucket, None)

    def added(self, partition: int, undone: Iterable[tuple[str, int]]) -> None:
        """Adds events, given by target and time."""
        for target, since_us in undone:
            counts = self._counts.setdefault((partition, target), {})
            bucket = since_us // _BUCKET_US
            counts[bucket] = counts.get(bucket, 0) + 1

    def oldest_us(self, partitions: Collection[int]) -> dict[str, int]:
        """Returns, by target, since when the oldest event of these partitions is undone."""
        found: dict[str, int] = {}
        for (partition, target), counts in self._counts.copy().items():
            if partition in partitions and (buckets := tuple(counts.copy())):
                since_us = min(buckets) * _BUCKET_US
                found[target] = min(since_us, found.get(target, since_us))
        return found


def _add(counts: dict[_Key, int], key: _Key) -> None:
    counts[key] = counts.get(key, 0) + 1
