"""An independent model of the outcome of offer events. It deliberately shares no code with ``connector.offers``.

Given the units of the marketplace at the start and every input record, ``expect`` returns the values that each field of
each unit may hold once all work is done, and the statuses with which each event may have ended. There are several where
timing decides: an older value may have been sent before a newer one was read, or a tombstone may have been read before
a value was sent. Any other outcome is an error.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

PRICE, STOCK, HANDLING_TIME = "price", "stock", "handling_time"
LOWEST_SEQUENCE = -(2**64)

Recency = tuple[int, int, int]
Cell = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelledStorefront:
    """A target of the routing table."""

    account: str
    storefront: str
    enabled: bool = True
    price_sync: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelledUnit:
    """A unit as the marketplace holds it at the start, with values in smallest units."""

    unit_id: int
    account: str
    storefront: str
    ean: str
    condition: str
    offer_id: str | None
    values: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRecord:
    """An input record.

    ``values`` are in smallest units; a value of None must be rejected. ``ok`` False: the event as a whole must be
    rejected (key, EAN, target, time). ``values`` None: a tombstone, whose ``occurred_at_us`` is its record's timestamp.
    """

    partition: int
    offset: int
    ean: str
    occurred_at_us: int
    recorded_at_us: int | None = None  # the record's timestamp, in whole milliseconds; None: not before the event
    sequence: int | None = None
    target_id: str | None = None
    condition: str | None = None
    offer_id: str | None = None
    unit_id: int | None = None
    values: Mapping[str, int | None] | None = field(default_factory=dict)
    ok: bool = True

    @property
    def order(self) -> Recency:
        time_us = self.occurred_at_us
        if self.recorded_at_us is not None and self.recorded_at_us + 1_000 <= time_us:
            time_us = self.recorded_at_us + 999  # the last moment of that millisecond
        return (time_us, LOWEST_SEQUENCE if self.sequence is None else self.sequence, self.offset)

    @property
    def position(self) -> tuple[int, int]:
        return (self.partition, self.offset)


@dataclass(slots=True, kw_only=True)
class Expected:
    """The outcomes that are allowed.

    ``values``: by unit id and field, the values that it may hold once all work is done. ``fields``: by position and
    field, the statuses with which it may end. ``statuses``: by position, those with which the event may end; an
    announced NOT_FOUND may be followed by one final result.
    """

    values: dict[tuple[int, str], frozenset[int]]
    fields: dict[tuple[tuple[int, int], str], frozenset[str]]
    statuses: dict[tuple[int, int], frozenset[str]]


def expect(
    units: Iterable[ModelledUnit], places: Mapping[str, ModelledStorefront], records: Sequence[InputRecord]
) -> Expected:
    reckoning = _Reckoning(units=list(units))
    expected = reckoning.expected
    for said in records:
        if (place := _outright(expected, said, places)) is not None:
            reckoning.sort(said, place)
    for unit in reckoning.units:
        for name, held in unit.values.items():
            expected.values[unit.unit_id, name] = frozenset({held})
    tombstones = _tombstones(records)
    for cell, asked in reckoning.cells.items():
        members = reckoning.members[cell]
        _settle(expected, cell[0], asked, members, tombstones.get(members[0].ean, ()))
    for asked_in_vain in reckoning.missing.values():
        _overtaken(expected, asked_in_vain, tombstones)
    for said in records:
        if said.values is not None and said.position not in expected.statuses:
            expected.statuses[said.position] = _statuses([expected.fields[said.position, name] for name in said.values])
    return expected


def _outright(
    expected: Expected, said: InputRecord, places: Mapping[str, ModelledStorefront]
) -> ModelledStorefront | None:
    """Returns the event's storefront, or None if it ends whatever units the marketplace has."""
    if said.values is None:
        expected.statuses[said.position] = frozenset({"UNMANAGED"} if said.ok else {"REJECTED"})
        return None
    place = places.get(said.target_id or "")
    if not said.ok or place is None:
        _all(expected, said, "REJECTED")
        return None
    if not place.enabled:
        _all(expected, said, "SUPPRESSED")
        return None
    return place


@dataclass(slots=True, kw_only=True)
class _Reckoning:
    units: list[ModelledUnit]
    expected: Expected = field(default_factory=lambda: Expected(values={}, fields={}, statuses={}))
    cells: dict[Cell, list[tuple[InputRecord, int]]] = field(default_factory=dict)
    members: dict[Cell, list[ModelledUnit]] = field(default_factory=dict)
    missing: dict[tuple[str, str, str], list[InputRecord]] = field(default_factory=dict)

    def sort(self, said: InputRecord, place: ModelledStorefront) -> None:
        outcome = _who(self.units, place, said)
        for name, value in (said.values or {}).items():
            if value is None:
                _field(self.expected, said, name, "REJECTED")
            elif name == PRICE and not place.price_sync:
                _field(self.expected, said, name, "SUPPRESSED")
            elif isinstance(outcome, str):
                _field(self.expected, said, name, outcome)
                self.missing.setdefault((repr(_selectors(said)), said.ean, name), []).append(said)
            else:
                cell = _cell(outcome, name)
                self.cells.setdefault(cell, []).append((said, value))
                self.members[cell] = _linked(self.units, outcome) if name == STOCK else [outcome]


# ---- which unit an event means --------------------------------------------------------------------------------------


def _who(units: Sequence[ModelledUnit], place: ModelledStorefront, said: InputRecord) -> ModelledUnit | str:
    here = [u for u in units if (u.account, u.storefront, u.ean) == (place.account, place.storefront, said.ean)]
    of_condition = {u.unit_id for u in here if u.condition == said.condition}
    by_offer = {u.unit_id for u in here if u.offer_id == said.offer_id} if said.offer_id is not None else of_condition
    by_unit = {u.unit_id for u in here if u.unit_id == said.unit_id} if said.unit_id is not None else of_condition
    meant = of_condition & by_offer & by_unit
    if len(meant) == 1:
        return next(u for u in here if u.unit_id in meant)
    if len(meant) > 1:
        return "AMBIGUOUS"
    return "CONFLICT" if of_condition | by_offer | by_unit else "NOT_FOUND"


def _selectors(said: InputRecord) -> tuple[str | None, str | None, str | None, int | None]:
    return (said.target_id, said.condition, said.offer_id, said.unit_id)


def _linked(units: Sequence[ModelledUnit], unit: ModelledUnit) -> list[ModelledUnit]:
    if unit.offer_id is None:
        return [unit]
    return [u for u in units if (u.account, u.offer_id) == (unit.account, unit.offer_id)]


def _cell(unit: ModelledUnit, name: str) -> Cell:
    if name == STOCK and unit.offer_id is not None:
        return (name, f"{unit.account}/{unit.offer_id}")
    return (name, str(unit.unit_id))


# ---- how it may end -------------------------------------------------------------------------------------------------


def _tombstones(records: Sequence[InputRecord]) -> dict[str, list[InputRecord]]:
    found: dict[str, list[InputRecord]] = {}
    for said in records:
        if said.values is None and said.ok:
            found.setdefault(said.ean, []).append(said)
    return found


def _withdrawn(said: InputRecord, tombstones: Iterable[InputRecord]) -> bool | None:
    """Whether a newer tombstone ends the event.

    True: it was read after the tombstone. None: it was read before it, and may have been sent in time. False: there is
    no newer tombstone.
    """
    newer = [t for t in tombstones if t.partition == said.partition and _before(said, t)]
    if any(t.offset < said.offset for t in newer):
        return True
    return None if newer else False


def _before(said: InputRecord, tombstone: InputRecord) -> bool:
    return said.order < (tombstone.occurred_at_us, LOWEST_SEQUENCE, tombstone.offset)


def _settle(
    expected: Expected,
    name: str,
    asked: list[tuple[InputRecord, int]],
    members: list[ModelledUnit],
    tombstones: Iterable[InputRecord],
) -> None:
    fate = {said.position: _withdrawn(said, tombstones) for said, _ in asked}
    certain = [(said, value) for said, value in asked if fate[said.position] is False]
    newest = max((said for said, _ in certain), key=lambda said: said.order, default=None)
    may_leave = [(said, value) for said, value in asked if fate[said.position] is not True]
    for said, _ in asked:
        ends: set[str] = set()
        if fate[said.position] is True:
            ends = {"UNMANAGED"}
        else:
            ends = {"APPLIED", "UNCHANGED"}
            if any(other.order > said.order for other, _ in may_leave):
                ends.add("SUPERSEDED")
            if fate[said.position] is None:
                ends.add("UNMANAGED")
        _field(expected, said, name, *ends)
    for unit in members:
        if newest is not None:
            held = frozenset(value for said, value in certain if said is newest)
        else:
            held = frozenset({unit.values[name], *(value for _, value in may_leave)})
        expected.values[unit.unit_id, name] = held


def _overtaken(expected: Expected, asked: list[InputRecord], tombstones: Mapping[str, Sequence[InputRecord]]) -> None:
    """Adds the statuses of an event that may be superseded or withdrawn while its offer is not found."""
    for said in asked:
        fate = _withdrawn(said, tombstones.get(said.ean, ()))
        for name in said.values or ():
            key = (said.position, name)
            ends = set(expected.fields[key])
            if not ends & {"NOT_FOUND", "AMBIGUOUS", "CONFLICT"}:
                continue
            if fate is True:
                ends = {"UNMANAGED"}
            elif fate is None:
                ends.add("UNMANAGED")
            if fate is not True and any(o.order > said.order and name in (o.values or {}) for o in asked):
                ends.add("SUPERSEDED")
            expected.fields[key] = frozenset(ends)


def _statuses(ends: Sequence[frozenset[str]]) -> frozenset[str]:
    """Returns the statuses of an event for all combinations of its fields' statuses, by the rule of the contract."""
    combined: set[frozenset[str]] = {frozenset()}
    for choices in ends:
        combined = {one | {choice} for one in combined for choice in choices}
    return frozenset(_status(one) for one in combined)


def _status(statuses: frozenset[str]) -> str:
    for identity in ("NOT_FOUND", "AMBIGUOUS", "CONFLICT"):
        if identity in statuses:
            return identity
    if statuses == {"APPLIED", "UNCHANGED"}:
        return "APPLIED"
    return next(iter(statuses)) if len(statuses) == 1 else "PARTIAL"


def _all(expected: Expected, said: InputRecord, status: str) -> None:
    expected.statuses[said.position] = frozenset({status})
    for name in said.values or ():
        _field(expected, said, name, status)


def _field(expected: Expected, said: InputRecord, name: str, *statuses: str) -> None:
    expected.fields[said.position, name] = frozenset(statuses)
