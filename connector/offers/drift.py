"""Compares what a sweep saw of a unit with what its lane knows: drift, and offers that were missing. Pure.

What a sweep saw counts only if its call was sent after everything that is known of the field, plus a while in which the
marketplace may still show an old value, and if no write of the field is under way. A value that differs from the
last accepted one is drift. The lane then knows the new value, so each change is reported once. A field that is
uncertain is not compared: a look-up reads it back.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from connector.contracts.codes import Code
from connector.contracts.microseconds import us
from connector.marketplace.offers import Field
from connector.offers.drift_cause import MARGIN_S, cause_of, fell, is_certainly_unsold, is_sold
from connector.offers.drift_values import values_seen
from connector.offers.events import Announced, Basis, DriftAction, DriftCause, Miss, OfferDrifted, Origin
from connector.offers.field_knowledge import group_of, observed, wanted_by_event
from connector.offers.identity import ANY_CONDITION, NOT_YET_FOUND
from connector.offers.ledger import Asked, Fact, KnownUnit, LedgerEntry, OfferLane, to_major
from connector.offers.policy import OfferTerms
from connector.reconciliation.events import UnitObserved
from connector.routing.table import Target
from streams.frozen import replace

_DRIFTS = uuid5(NAMESPACE_URL, "kaufland-stream-connector/drift")
_REPAIRS = uuid5(NAMESPACE_URL, "kaufland-stream-connector/repair")
"""The namespaces of the ids of drifts and of the results of repairs; must never change."""

_NOT_FOUND = frozenset((NOT_YET_FOUND, Code.OFFER_NOT_FOUND))


@dataclass(frozen=True, slots=True)
class _Change:
    """A field whose value has changed at the marketplace."""

    field: Field
    fact: Fact  # before
    value: int


def compare(
    lane: OfferLane, seen: UnitObserved, terms: OfferTerms, now_us: int
) -> tuple[OfferLane, tuple[OfferDrifted, ...]]:
    """Returns the lane after a sweep saw one of the EAN's units, and a record for each field that has drifted."""
    unit = next((one for one in lane.units if _is_it(one, seen)), None)
    if unit is None or not unit.proved_at_us:
        return _looked_for(lane, seen, now_us), ()
    target = _target_of(unit, terms)
    if target is None or not lane.managed or unit.owner not in (None, lane.ean):
        return lane, ()
    comparison = _UnitComparison(lane, unit, target, seen, terms, now_us)
    return comparison.result()


class _UnitComparison:
    """The comparison of one proven unit with what a sweep saw of it."""

    def __init__(
        self, lane: OfferLane, unit: KnownUnit, target: Target, seen: UnitObserved, terms: OfferTerms, now_us: int
    ) -> None:
        self._lane = lane
        self._unit = unit
        self._target = target
        self._seen = seen
        self._terms = terms
        self._now_us = now_us
        self._exponent = terms.exponent(unit.storefront)

    def result(self) -> tuple[OfferLane, tuple[OfferDrifted, ...]]:
        """Returns the lane with the values that were seen and the repairs, and the records of drift."""
        changes = tuple(self._changes())
        if not changes:
            return self._lane, ()
        drifts = tuple(self._drifted(change) for change in changes if self._is_drift(change))
        repairs = tuple(
            self._repair(drift, change)
            for drift in drifts
            if drift.result_id is not None
            for change in changes
            if change.field == drift.field
        )
        units = tuple(self._shown(changes) if one is self._unit else one for one in self._lane.units)
        return replace(self._lane, units=units, entries=(*self._lane.entries, *repairs)), drifts

    # ---- what has changed -------------------------------------------------------------------------------------------

    def _changes(self) -> Iterator[_Change]:
        for field, value in values_seen(self._seen, self._terms).items():
            fact = self._unit.facts.get(field)
            if fact is None or not fact.certain or fact.value == value or not self._counts(field):
                continue
            change = _Change(field, fact, value)
            if not self._waits_for_orders(change):
                yield change

    def _counts(self, field: Field) -> bool:
        """Whether the call that saw the field was sent late enough, and no write of it is under way."""
        settle_us = us(self._terms.policy.drift.settle_s)
        for member in self._group(field):
            fact = member.facts.get(field)
            if fact is None or (fact.basis is not Basis.ACCEPTED and member is not self._unit):
                continue
            known_us = fact.accepted_at_us + (settle_us if fact.basis is Basis.ACCEPTED else 0)
            if self._seen.requested_at_us <= known_us:
                return False
        return not any(self._is_under_way(entry, field) for entry in self._lane.entries)

    def _is_under_way(self, entry: LedgerEntry, field: Field) -> bool:
        """Whether an update of the field may be in flight for the entry; held and missing ones are not sent."""
        if all(asked.field is not field for asked in entry.open) or entry.announced is Announced.NOT_FOUND:
            return False
        held = entry.held_field(field)
        if held is not None and held.never_sent:
            return False
        target = self._terms.routing.find(entry.target_id)
        if target is None or target.account != self._unit.account:
            return False
        return field is Field.STOCK or target.storefront == self._unit.storefront

    def _waits_for_orders(self, change: _Change) -> bool:
        """Whether an order that is not read yet may explain that a stock fell; then the next sweep decides."""
        read_us, changed_us = self._seen.orders_read_at_us, self._seen.changed_at_us
        if change.field is not Field.STOCK or read_us is None or not fell(change.fact, change.value):
            return False
        is_recent = changed_us is None or changed_us > read_us - us(MARGIN_S)
        may_be_read_yet = is_recent or self._seen.orders_known_from_us is None
        return may_be_read_yet and not is_sold(self._seen, change.fact, change.value)

    def _group(self, field: Field) -> tuple[KnownUnit, ...]:
        return group_of(self._lane.units, self._unit, field)

    def _shown(self, changes: Sequence[_Change]) -> KnownUnit:
        """Returns the unit with the values that the sweep saw."""
        values = {change.field: change.value for change in changes}
        facts = observed(self._unit.facts, values, self._seen.requested_at_us, self._seen.observed_at_us)
        return replace(self._unit, facts=facts)

    # ---- drift ------------------------------------------------------------------------------------------------------

    def _is_drift(self, change: _Change) -> bool:
        """Whether an event wants another value. The marketplace itself counts the stock of what it fulfils."""
        is_counted_there = self._seen.fulfilled_by_marketplace or self._unit.fulfilled_by_marketplace
        if change.field is Field.STOCK and is_counted_there:
            return False
        return wanted_by_event(change.fact) not in (None, change.value)

    def _drifted(self, change: _Change) -> OfferDrifted:
        lane, unit, seen, fact = self._lane, self._unit, self._seen, change.fact
        wanted, order = wanted_by_event(fact), fact.order
        if wanted is None or order is None:
            raise ValueError("no accepted event wants the field: it cannot drift")
        drift_id = str(
            uuid5(_DRIFTS, f"{unit.account}/{unit.unit_id}/{change.field}/{lane.ean}/{seen.requested_at_us}")
        )
        cause = cause_of(seen, unit, self._group(change.field), change.field, fact, change.value)
        is_repaired = self._is_to_be_repaired(change, cause, wanted)
        return OfferDrifted(
            drift_id=drift_id,
            ean=lane.ean,
            account=unit.account,
            storefront=unit.storefront,
            unit_id=unit.unit_id,
            condition=unit.condition,
            offer_id=unit.offer_id,
            field=change.field.value,
            currency=seen.currency if change.field is Field.PRICE else None,
            accepted_value=to_major(change.field, wanted, self._exponent),
            accepted_event_at_us=order.time_us,
            accepted_event_id=fact.event_id,
            accepted_at_us=fact.accepted_at_us,
            observed_value=to_major(change.field, change.value, self._exponent),
            requested_at_us=seen.requested_at_us,
            observed_at_us=seen.observed_at_us,
            changed_at_us=seen.changed_at_us,
            sweep_at_us=seen.sweep_at_us,
            cause=cause,
            action=DriftAction.REPAIRED if is_repaired else DriftAction.REPORTED,
            result_id=str(uuid5(_REPAIRS, drift_id)) if is_repaired else None,
            detected_at_us=self._now_us,
            target_id=self._target.id,
        )

    # ---- repair -----------------------------------------------------------------------------------------------------

    def _is_to_be_repaired(self, change: _Change, cause: DriftCause, wanted: int) -> bool:
        """Whether the policy repairs the field. What a linked unit has moved is repaired with that unit."""
        drift, order = self._terms.policy.drift, change.fact.order
        if change.field not in drift.repair or cause in (DriftCause.SOLD, DriftCause.LINKED_UNIT):
            return False
        if order is None or order.offset < 0 or self._unit.release_at_us is not None:
            return False
        return change.field is not Field.STOCK or change.value > wanted or self._may_raise(change, wanted)

    def _may_raise(self, change: _Change, wanted: int) -> bool:
        """Whether a stock may be raised to what was accepted: certainly, no piece was sold since.

        The stock that was known before may be lower than accepted itself, because pieces were sold then.
        """
        seen, fact = self._seen, change.fact
        return (
            self._terms.policy.drift.repair_lower_stock
            and is_certainly_unsold(seen, fact)
            and fact.value is not None
            and fact.value >= wanted
        )

    def _repair(self, drift: OfferDrifted, change: _Change) -> LedgerEntry:
        """Returns an entry that wants the accepted value again, with the order of its event: a newer one wins."""
        unit, fact, now_us = self._unit, change.fact, self._now_us
        if fact.order is None or drift.result_id is None:
            raise ValueError("only the value of an accepted event is repaired")
        asked = Asked(
            field=change.field,
            value=wanted_by_event(fact),
            requested=drift.accepted_value,
            currency=drift.currency,
            conversion=fact.conversion,
        )
        return LedgerEntry(
            result_id=drift.result_id,
            event_id=fact.event_id,
            target_id=self._target.id,
            condition=unit.condition,
            offer_id=None,
            unit_id=unit.unit_id,
            partition=self._lane.partition,
            offset=fact.order.offset,
            occurred_at_us=fact.order.time_us,
            order=fact.order,
            received_at_us=now_us,
            since_us=now_us,
            asked=(asked,),
            origin=Origin.RESEND,
        )


# ---- offers that were missing ---------------------------------------------------------------------------------------


def _looked_for(lane: OfferLane, seen: UnitObserved, now_us: int) -> OfferLane:
    """Returns the lane with its misses due now, if a pending event waits for the unit that the sweep saw.

    The unit is looked up, not used: the row of one unit cannot show that no other one matches.
    """
    if not any(_is_waited_for(entry, seen) for entry in lane.entries):
        return lane
    if not any(_is_contradicted(miss, seen, now_us) for miss in lane.misses):
        return lane
    return replace(
        lane,
        misses=tuple(
            replace(miss, next_check_at_us=now_us) if _is_contradicted(miss, seen, now_us) else miss
            for miss in lane.misses
        ),
    )


def _is_waited_for(entry: LedgerEntry, seen: UnitObserved) -> bool:
    return (
        bool(entry.open)
        and entry.condition == seen.condition
        and entry.offer_id in (None, seen.offer_id)
        and entry.unit_id in (None, seen.unit_id)
    )


def _is_contradicted(miss: Miss, seen: UnitObserved, now_us: int) -> bool:
    """Whether the sweep saw a unit after the look-up that did not show it."""
    return (
        (miss.account, miss.storefront) == (seen.account, seen.storefront)
        and miss.code in _NOT_FOUND
        and miss.condition in (ANY_CONDITION, seen.condition)
        and (miss.looked_at_us or 0) < seen.requested_at_us
        and miss.next_check_at_us > now_us
    )


def _is_it(unit: KnownUnit, seen: UnitObserved) -> bool:
    return (unit.account, unit.storefront, unit.unit_id) == (seen.account, seen.storefront, seen.unit_id)


def _target_of(unit: KnownUnit, terms: OfferTerms) -> Target | None:
    """Returns the enabled target of the unit's account and storefront; None if there is none."""
    for target in terms.routing.targets.values():
        if target.enabled and (target.account, target.storefront) == (unit.account, unit.storefront):
            return target
    return None
