"""Compares the decisions of a dry run with the units that the marketplace shows. Pure.

An observation counts for a value only if its call was sent more than ``settle_us`` after the dry run had decided it:
the other system needs time as well. What was observed earlier is not comparable yet, whether it is equal or not.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeAlias

from connector.marketplace.offers import Field
from connector.offers.events import Status
from connector.operations.shadow.decisions import DecidedOffer, WantedValue
from connector.reconciliation.events import UnitObserved
from connector.routing.table import Routing, Target

_Place: TypeAlias = tuple[str, str, str, str]  # account, storefront, EAN, condition
_UnitPlace: TypeAlias = tuple[str, int]  # account, unit id


class ShadowOutcome(StrEnum):
    """What the comparison of a value, or of an offer as a whole, found."""

    AGREES = "AGREES"
    PRICE_DIFFERS = "PRICE_DIFFERS"
    STOCK_LOWER = "STOCK_LOWER"
    STOCK_HIGHER = "STOCK_HIGHER"
    HANDLING_TIME_DIFFERS = "HANDLING_TIME_DIFFERS"
    NOT_LISTED = "NOT_LISTED"
    NOT_IDENTIFIED = "NOT_IDENTIFIED"
    NOT_YET = "NOT_YET"
    NOT_COMPARED = "NOT_COMPARED"
    NO_EVENT = "NO_EVENT"


DIFFERENCES: Final = (
    ShadowOutcome.PRICE_DIFFERS,
    ShadowOutcome.STOCK_LOWER,
    ShadowOutcome.STOCK_HIGHER,
    ShadowOutcome.HANDLING_TIME_DIFFERS,
    ShadowOutcome.NOT_LISTED,
    ShadowOutcome.NOT_IDENTIFIED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowFinding:
    """What was found of one value, or of an offer (``field`` None)."""

    outcome: ShadowOutcome
    field: str | None = None
    wanted: Decimal | None = None
    there: Decimal | None = None
    event_id: str | None = None
    decided_at_us: int | None = None
    requested_at_us: int | None = None  # of the call that observed it

    @property
    def weight(self) -> Decimal:
        """How bad a difference is, to compare it with others of its kind: prices by share, stock by pieces."""
        if self.wanted is None or self.there is None:
            return Decimal(0)
        distance = abs(self.wanted - self.there)
        return distance / self.wanted if self.field == Field.PRICE and self.wanted > 0 else distance


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedOffer:
    """An offer with what was found of its values; at least one finding."""

    ean: str
    target_id: str
    condition: str
    unit_id: int | None
    findings: tuple[ShadowFinding, ...]
    status: Status | None = None  # of the newest event of the dry run; None: no event means the unit
    code: str | None = None
    has_failed: bool = False  # in the dry run

    @property
    def outcome(self) -> ShadowOutcome:
        """The first difference; without one, what keeps the offer from being compared; else that it agrees."""
        found = {one.outcome for one in self.findings}
        others = (ShadowOutcome.NOT_YET, ShadowOutcome.AGREES, ShadowOutcome.NO_EVENT, ShadowOutcome.NOT_COMPARED)
        return next(one for one in (*DIFFERENCES, *others) if one in found)


@dataclass(slots=True)
class ObservedUnits:
    """The newest observation of each unit, and the beginnings of the sweeps."""

    _units: dict[tuple[str, int], UnitObserved] = field(default_factory=dict)
    _sweeps: dict[tuple[str, str], set[int]] = field(default_factory=dict)

    def take(self, row: UnitObserved) -> None:
        known = self._units.get((row.account, row.unit_id))
        if known is None or known.requested_at_us <= row.requested_at_us:
            self._units[row.account, row.unit_id] = row
        self._sweeps.setdefault((row.account, row.storefront), set()).add(row.sweep_at_us)

    def finished_sweep_us(self, account: str, storefront: str) -> int | None:
        """Returns when the last sweep began that has ended for certain, because a later one has begun; None: none."""
        begun = sorted(self._sweeps.get((account, storefront), ()))
        return begun[-2] if len(begun) > 1 else None

    def unit(self, target: Target, unit_id: int) -> UnitObserved | None:
        row = self._units.get((target.account, unit_id))
        return row if row is not None and row.storefront == target.storefront else None

    def all(self) -> Iterable[UnitObserved]:
        return self._units.values()


def compare(
    offers: Iterable[DecidedOffer], units: ObservedUnits, routing: Routing, settle_us: int
) -> Iterator[ComparedOffer]:
    """Yields every offer of the dry run, and then the live units that none of its events means."""
    live = {place: row for row in units.all() if row.is_live for place in _places(row)}
    meant: set[_Place | _UnitPlace] = set()
    decided = list(offers)
    shared = _shared_stocks(decided, units, routing)
    for offer in decided:
        target = routing.find(offer.target_id)
        if target is None or not target.enabled:
            continue
        place = target.account, target.storefront, offer.ean, offer.condition
        meant.add(place if offer.unit_id is None else (target.account, offer.unit_id))
        there = live.get(place)
        yield ComparedOffer(
            ean=offer.ean,
            target_id=offer.target_id,
            condition=offer.condition,
            unit_id=there.unit_id if offer.unit_id is None and there is not None else offer.unit_id,
            findings=tuple(
                _findings(_with_shared_stock(offer, target, units, shared), target, units, there, settle_us)
            ),
            status=offer.status,
            code=offer.code,
            has_failed=offer.has_failed,
        )
    yield from _without_event(units, meant, routing)


def _shared_stocks(
    offers: Iterable[DecidedOffer], units: ObservedUnits, routing: Routing
) -> dict[tuple[str, str], WantedValue]:
    """Returns by account and offer id the stock that was decided last of the units that share it."""
    newest: dict[tuple[str, str], WantedValue] = {}
    for offer in offers:
        place, wanted = _offer_place(offer, routing.find(offer.target_id), units), offer.values.get(Field.STOCK)
        if place is not None and wanted is not None:
            known = newest.get(place)
            if known is None or known.decided_at_us <= wanted.decided_at_us:
                newest[place] = wanted
    return newest


def _with_shared_stock(
    offer: DecidedOffer, target: Target, units: ObservedUnits, shared: Mapping[tuple[str, str], WantedValue]
) -> DecidedOffer:
    """Returns the offer with the stock that units of the same offer id share; without one if its own is kept back."""
    place = _offer_place(offer, target, units)
    stock = shared.get(place) if place is not None else None
    if stock is None or (Field.STOCK not in offer.values and offer.status is not Status.SUPERSEDED):
        return offer
    return replace(offer, values={**offer.values, Field.STOCK: stock})


def _offer_place(offer: DecidedOffer, target: Target | None, units: ObservedUnits) -> tuple[str, str] | None:
    """Returns account and offer id of the unit, as a sweep has shown them; None if that is not known."""
    row = units.unit(target, offer.unit_id) if target is not None and offer.unit_id is not None else None
    return (row.account, row.offer_id) if row is not None and row.offer_id is not None else None


def _without_event(units: ObservedUnits, meant: set[_Place | _UnitPlace], routing: Routing) -> Iterator[ComparedOffer]:
    targets = {(one.account, one.storefront): one for one in routing.targets.values() if one.enabled}
    for row in units.all():
        target = targets.get((row.account, row.storefront))
        if target is None or not row.is_live or not meant.isdisjoint(((row.account, row.unit_id), *_places(row))):
            continue
        yield ComparedOffer(
            ean=row.ean,
            target_id=target.id,
            condition=row.condition,
            unit_id=row.unit_id,
            findings=(ShadowFinding(outcome=ShadowOutcome.NO_EVENT, requested_at_us=row.requested_at_us),),
        )


def _findings(
    offer: DecidedOffer, target: Target, units: ObservedUnits, there: UnitObserved | None, settle_us: int
) -> Iterator[ShadowFinding]:
    if not offer.is_identified:
        yield _unidentified(offer, there, settle_us)
    elif offer.unit_id is None or not offer.values:
        yield ShadowFinding(outcome=ShadowOutcome.NOT_COMPARED, decided_at_us=offer.decided_at_us)
    else:
        row = units.unit(target, offer.unit_id)
        ended_us = units.finished_sweep_us(target.account, target.storefront)
        for name, wanted in sorted(offer.values.items()):
            if row is None or (ended_us is not None and row.sweep_at_us < ended_us):
                since = ended_us if ended_us is not None and ended_us > wanted.decided_at_us + settle_us else None
                outcome = ShadowOutcome.NOT_YET if since is None else ShadowOutcome.NOT_LISTED
                yield _finding(outcome, name, wanted, None, since)
            else:
                yield _value(name, wanted, row, settle_us)


def _unidentified(offer: DecidedOffer, there: UnitObserved | None, settle_us: int) -> ShadowFinding:
    outcome = ShadowOutcome.NOT_COMPARED
    if there is not None:
        is_late = there.requested_at_us > offer.decided_at_us + settle_us
        outcome = ShadowOutcome.NOT_IDENTIFIED if is_late else ShadowOutcome.NOT_YET
    return ShadowFinding(
        outcome=outcome,
        decided_at_us=offer.decided_at_us,
        requested_at_us=there.requested_at_us if there is not None else None,
    )


def _value(name: str, wanted: WantedValue, row: UnitObserved, settle_us: int) -> ShadowFinding:
    there = _shown(name, wanted, row)
    if there is None:
        outcome = ShadowOutcome.NOT_COMPARED
    elif row.requested_at_us <= wanted.decided_at_us + settle_us:
        outcome = ShadowOutcome.NOT_YET
    elif there == wanted.value:
        outcome = ShadowOutcome.AGREES
    elif name == Field.STOCK:
        outcome = ShadowOutcome.STOCK_LOWER if there < wanted.value else ShadowOutcome.STOCK_HIGHER
    else:
        outcome = ShadowOutcome.PRICE_DIFFERS if name == Field.PRICE else ShadowOutcome.HANDLING_TIME_DIFFERS
    return _finding(outcome, name, wanted, there, row.requested_at_us)


def _shown(name: str, wanted: WantedValue, row: UnitObserved) -> Decimal | None:
    """Returns the observed value; None if it is not shown, in another currency, or counted by the marketplace."""
    match name:
        case Field.PRICE:
            return row.price if row.currency == wanted.currency else None
        case Field.STOCK:
            return None if row.stock is None or row.fulfilled_by_marketplace else Decimal(row.stock)
        case _:
            return None if row.handling_time_days is None else Decimal(row.handling_time_days)


def _finding(
    outcome: ShadowOutcome, name: str, wanted: WantedValue, there: Decimal | None, requested_at_us: int | None
) -> ShadowFinding:
    return ShadowFinding(
        outcome=outcome,
        field=name,
        wanted=wanted.value,
        there=there,
        event_id=wanted.event_id,
        decided_at_us=wanted.decided_at_us,
        requested_at_us=requested_at_us,
    )


def _places(row: UnitObserved) -> tuple[_Place, ...]:
    return tuple((row.account, row.storefront, ean, row.condition) for ean in (row.ean, *row.other_eans))
