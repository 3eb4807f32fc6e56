"""Tells why the marketplace shows another value than the one known before, as far as it can be told. Pure."""

from collections.abc import Iterable

from connector.contracts.microseconds import us
from connector.marketplace.offers import Field
from connector.offers.events import Basis, DriftCause
from connector.offers.field_knowledge import wanted_by_event
from connector.offers.ledger import Fact, KnownUnit
from connector.reconciliation.events import UnitObserved

MARGIN_S = 10.0
"""Seconds by which two times must differ to be told apart: the marketplace's clock is not ours, and an accepted value
took effect some time before its answer came."""
_SECOND_US = 1_000_000


def cause_of(
    seen: UnitObserved, unit: KnownUnit, group: Iterable[KnownUnit], field: Field, fact: Fact, value: int
) -> DriftCause:
    """Returns why a field that held ``fact.value`` holds ``value`` now.

    ``group``: the units that an update of the field changes. One that shows the same value has moved this one only if
    that is drift of its own, which is reported and repaired there. A unit that was last edited before the value was
    accepted has lost the write. One that was edited after everything that is known to be accepted was edited by someone
    else; but a stock that fell may have been sold, unless every order since is known.
    """
    if field is Field.STOCK and is_sold(seen, fact, value):
        return DriftCause.SOLD
    if field is Field.STOCK and any(_drifted_to(member, value) for member in group if member is not unit):
        return DriftCause.LINKED_UNIT
    if seen.changed_at_us is None:
        return DriftCause.UNKNOWN
    if seen.changed_at_us < fact.accepted_at_us - us(MARGIN_S):
        return DriftCause.LOST_WRITE
    if field is Field.STOCK and fell(fact, value) and not are_orders_known(seen, fact):
        return DriftCause.UNKNOWN
    if seen.changed_at_us > _last_write_us(unit, group) + us(MARGIN_S):
        return DriftCause.EDITED_OUTSIDE
    return DriftCause.UNKNOWN


def is_sold(seen: UnitObserved, fact: Fact, value: int) -> bool:
    """Whether a stock fell by no more than the pieces ordered since it was last known to be right."""
    return fact.value is not None and 0 < fact.value - value <= pieces_sold(seen, fact)


def pieces_sold(seen: UnitObserved, fact: Fact) -> int:
    """Returns how many pieces are known to be ordered since the stock was last known to be right.

    The marketplace tells whole seconds, so a piece of the same second may have been ordered after it.
    """
    return sum(at_us + _SECOND_US > fact.accepted_at_us for at_us in seen.ordered_at)


def is_certainly_unsold(seen: UnitObserved, fact: Fact) -> bool:
    """Whether no piece was ordered since the stock was last known to be right, by clocks that differ.

    The accepted value took effect before its answer came, so a piece that seems to be ordered shortly before the answer
    may have been sold from it.
    """
    since_us = fact.accepted_at_us - us(MARGIN_S)
    return are_orders_known(seen, fact) and all(at_us <= since_us for at_us in seen.ordered_at)


def fell(fact: Fact, value: int) -> bool:
    """Whether a stock is lower than it was known to be."""
    return fact.value is not None and value < fact.value


def are_orders_known(seen: UnitObserved, fact: Fact) -> bool:
    """Whether no piece can have been ordered unseen since the stock was last known to be right."""
    known_us = seen.orders_known_from_us
    return known_us is not None and known_us <= fact.accepted_at_us - us(MARGIN_S)


def _drifted_to(unit: KnownUnit, stock: int) -> bool:
    """Whether a unit shows this stock, and an event that was accepted for it wants another one."""
    fact = unit.facts.get(Field.STOCK)
    return fact is not None and fact.value == stock and wanted_by_event(fact) not in (None, stock)


def _last_write_us(unit: KnownUnit, group: Iterable[KnownUnit]) -> int:
    """Returns when a value was last accepted for the unit, or for one that shares the field with it."""
    facts = (fact for one in (unit, *group) for fact in one.facts.values() if fact.basis is Basis.ACCEPTED)
    return max((fact.accepted_at_us for fact in facts), default=0)
