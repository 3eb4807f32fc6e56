"""The values that each unit has had, from the rows of its events. Pure.

A row is decided when the last field of its event has ended, so one field may have been accepted long before. Two rules
find when. An event that one call carried was accepted when that call was answered. And of two accepted events of one
partition, the one that was read first was accepted first, because an older value is never written over a newer one;
and its call was answered before the other's left, because a unit has one call under way at a time.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeAlias

from connector.offers.events import Basis, FieldResult, FieldStatus, OfferResult, Origin, Sent, UnitState

Cell: TypeAlias = tuple[int, str]
"""unit_id and field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueChange:
    """A value that a unit has held since ``at_us``. ``result_id``: of the event that it was accepted for."""

    at_us: int
    value: Decimal
    currency: str | None
    basis: Basis
    result_id: str | None = None  # None: the marketplace showed it
    through_unit_id: int | None = None  # the linked unit that was written; None: this one


@dataclass(frozen=True, slots=True, kw_only=True)
class _Accepted:
    row: OfferResult
    field: FieldResult
    value: Decimal
    at_us: int
    is_repeated: bool  # read again, and written again


def value_changes(results: Iterable[OfferResult], units: Iterable[UnitState]) -> dict[Cell, tuple[ValueChange, ...]]:
    """Returns the changes of each unit and field, oldest first.

    ``results``: all rows of one EAN, also repeated ones. ``units``: those that are known now, to find linked ones.
    """
    rows = sorted(results, key=lambda row: (row.decided_at_us, row.input_partition, row.input_offset))
    accepted = _accepted(rows)
    changes: defaultdict[Cell, list[ValueChange]] = defaultdict(list)
    for cell, found in accepted.items():
        for one in _in_order(found):
            changes[cell].append(_change(one))
    for cell, found in accepted.items():
        for linked, change in _linked(cell, found, tuple(units)):
            changes[linked].append(change)
    for cell, change in _observed(rows, changes):
        changes[cell].append(change)
    return {cell: _without_repetitions(found) for cell, found in changes.items()}


def value_at(changes: Iterable[ValueChange], at_us: int) -> ValueChange | None:
    """Returns the last change by a time; None if no value is known by then."""
    return next((one for one in reversed(tuple(changes)) if one.at_us <= at_us), None)


def _accepted(rows: Iterable[OfferResult]) -> dict[Cell, list[_Accepted]]:
    """Returns each acceptance once, though later rows of the same event repeat it."""
    found: defaultdict[Cell, list[_Accepted]] = defaultdict(list)
    seen: set[tuple[str, str, int | None]] = set()
    known: set[tuple[str, str]] = set()
    for row in rows:
        for field in row.fields:
            if field.status is not FieldStatus.APPLIED or field.sent is None or row.unit_id is None:
                continue
            event = (row.result_id, field.field)
            sent_us = row.sent.sent_at_us if row.sent is not None else None
            again = event in known
            announced = row.origin in (Origin.RECHECK, Origin.RELEASE)
            if again and (announced or (*event, sent_us) in seen):
                continue
            known.add(event)
            seen.add((*event, sent_us))
            found[row.unit_id, field.field].append(
                _Accepted(row=row, field=field, value=field.sent, at_us=_answered_us(row), is_repeated=again)
            )
    return found


def _answered_us(row: OfferResult) -> int:
    """Returns when the event's only call was answered; of several calls, when the last field had ended."""
    if row.sent is None or len(row.sent.call_ids) != 1 or row.sent.answered_at_us is None:
        return row.decided_at_us
    return min(row.sent.answered_at_us, row.decided_at_us)


def _left_us(row: OfferResult, otherwise_us: int) -> int:
    """Returns when the event's only call left: no other call to the unit was under way then."""
    one_call = row.sent is not None and len(row.sent.call_ids) == 1
    return row.sent.sent_at_us if row.sent is not None and one_call else otherwise_us


def _in_order(found: Iterable[_Accepted]) -> list[_Accepted]:
    """Moves each acceptance before those of events that were read later in its partition."""
    ordered: list[_Accepted] = []
    earliest: dict[int, int] = {}
    first = sorted((one for one in found if not one.is_repeated), key=_offset, reverse=True)
    for one in first:
        at_us = min(one.at_us, earliest.get(one.row.input_partition, one.at_us))
        earliest[one.row.input_partition] = min(at_us, _left_us(one.row, at_us))
        ordered.append(replace(one, at_us=at_us))
    ordered.reverse()
    repeated = [one for one in found if one.is_repeated]
    return sorted([*ordered, *repeated], key=lambda one: one.at_us)  # stable: at equal times, the order of the offsets


def _offset(one: _Accepted) -> tuple[int, int]:
    return one.row.input_partition, one.row.input_offset


def _change(one: _Accepted) -> ValueChange:
    return ValueChange(
        at_us=one.at_us,
        value=one.value,
        currency=one.field.currency,
        basis=Basis.ACCEPTED,
        result_id=one.row.result_id,
    )


def _linked(cell: Cell, found: Iterable[_Accepted], units: tuple[UnitState, ...]) -> Iterator[tuple[Cell, ValueChange]]:
    """Yields the changes of other units whose linked stock moved with this one."""
    for one in found:
        if one.row.sent is not None and one.field.field == "stock":
            for unit in units:
                if unit.unit_id != cell[0] and _moved(unit, one.row.sent):
                    yield (unit.unit_id, "stock"), replace(_change(one), through_unit_id=cell[0])


def _moved(unit: UnitState, sent: Sent) -> bool:
    """Whether a write has moved the linked stock of a unit.

    ``storefronts_moved`` is not asked: it names the units that were known then, and the unit may have been found later.
    """
    return unit.account == sent.account and unit.offer_id is not None and unit.offer_id == sent.offer_id


def _observed(rows: Iterable[OfferResult], changes: Mapping[Cell, list[ValueChange]]) -> list[tuple[Cell, ValueChange]]:
    """Returns the values that the marketplace showed, where they differ from what was accepted before."""
    found: list[tuple[Cell, ValueChange]] = []
    known = {cell: sorted(one, key=lambda change: change.at_us) for cell, one in changes.items()}
    shown: dict[Cell, ValueChange] = {}
    for row in rows:
        for field in row.fields:
            if field.before is None or row.unit_id is None:
                continue
            cell = (row.unit_id, field.field)
            at_us = _seen_us(row, field, known.get(cell, ()))
            if at_us is None:
                continue
            candidates = [one for one in (value_at(known.get(cell, ()), at_us - 1), shown.get(cell)) if one is not None]
            last = max(candidates, key=lambda one: one.at_us, default=None)
            if last is None or last.value != field.before:
                shown[cell] = ValueChange(
                    at_us=at_us, value=field.before, currency=field.currency, basis=Basis.OBSERVED
                )
                found.append((cell, shown[cell]))
    return found


def _seen_us(row: OfferResult, field: FieldResult, changes: Iterable[ValueChange]) -> int | None:
    """Returns when the unit was known to hold ``before``; None where the row does not tell.

    A field that needed no call ended between the event's arrival and the decision, which is soon enough to tell what
    the unit held then, unless the value has changed in between.
    """
    if field.status is FieldStatus.UNCHANGED:
        changed = any(row.received_at_us < one.at_us <= row.decided_at_us for one in changes)
        return None if changed else row.decided_at_us
    one_call = row.sent is not None and len(row.sent.call_ids) == 1
    if row.sent is not None and one_call and field.status is FieldStatus.APPLIED:
        return row.sent.sent_at_us
    return None


def _without_repetitions(changes: Iterable[ValueChange]) -> tuple[ValueChange, ...]:
    """Orders the changes; of those at one time, what was accepted comes after what was shown."""
    return tuple(sorted(changes, key=lambda change: (change.at_us, change.basis is Basis.ACCEPTED)))
