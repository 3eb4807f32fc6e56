"""Rules for the facts of a unit's fields: when an equal value need not be sent, and when a fact is certain. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from connector.contracts.event_time import NO_SEQUENCE
from connector.marketplace.offers import Field, Unit
from connector.offers.event_order import OF_ANOTHER_EAN, Recency, newest
from connector.offers.events import Basis, Conversion
from connector.offers.ledger import Fact, KnownUnit, LedgerEntry
from connector.offers.policy import OfferPolicy
from streams.frozen import replace

NOTHING_KNOWN = Fact(value=None, basis=Basis.OBSERVED, order=None, event_id=None, accepted_at_us=0, certain=False)
"""The fact of a field whose value no look-up and no answer has shown; ``given_up`` adds an order to it."""


def group_of(units: Sequence[KnownUnit], unit: KnownUnit, field: Field) -> tuple[KnownUnit, ...]:
    """Returns the units that an update of this field changes.

    For stock, that is every known unit of the account with the same offer id, because they share their stock.
    """
    if field is not Field.STOCK or unit.offer_id is None:
        return (unit,)
    return tuple(
        u
        for u in units
        if u.unit_id == unit.unit_id or (u.offer_id == unit.offer_id and u.account == unit.account and u.proved_at_us)
    )


def newest_accepted(facts: Sequence[Fact | None]) -> Fact | None:
    """Returns the fact with the newest accepted order; if none has an order, the first fact, or None."""
    known = [fact for fact in facts if fact is not None]
    if len(known) < 2:
        return known[0] if known else None
    ordered = [(fact, fact.order) for fact in known if fact.order is not None]
    if not ordered:
        return known[0]
    last = newest([order for _, order in ordered])
    return next(fact for fact, order in ordered if order is last)


def is_of_event(fact: Fact, entry: LedgerEntry) -> bool:
    """Whether the fact comes from the entry's own event, which is then being read again.

    Events are compared by offset, because earlier versions ordered them by another time.
    """
    return fact.order is not None and fact.order.offset == entry.offset and fact.event_id in (None, entry.event_id)


def is_already_so(facts: Sequence[Fact | None], field: Field, value: int, policy: OfferPolicy, now_us: int) -> bool:
    """Whether every unit of a group certainly holds the value, shown by an answer or a look-up that is still trusted.

    Trust ends ``policy.trust_s`` after the answer or look-up; then an equal value is sent again.
    """
    trust_us = policy.trust_s[field] * 1_000_000
    for fact in facts:
        if fact is None or fact.value != value or not fact.certain or now_us - fact.accepted_at_us >= trust_us:
            return False
    return True


def doubted(fact: Fact | None, now_us: int) -> Fact:
    """Returns the fact as uncertain, because another value may have been sent."""
    return replace(fact or NOTHING_KNOWN, certain=False, doubted_at_us=now_us)


def accepted(
    prior: Fact | None,
    value: int,
    order: Recency,
    event_id: str | None,
    at_us: int,
    conversion: Conversion | None = None,
) -> Fact:
    """Returns the fact after the marketplace accepted the value of this event. The order never decreases."""
    if prior is not None and prior.order is not None and prior.order > order:
        order, event_id, conversion = prior.order, prior.event_id, prior.conversion
    return Fact(
        value=value,
        basis=Basis.ACCEPTED,
        order=order,
        event_id=event_id,
        accepted_at_us=at_us,
        certain=True,
        conversion=conversion,
    )


def not_applied(prior: Fact | None, value: int, order: Recency, at_us: int) -> Fact:
    """Returns the fact after an accepted update whose answer shows another value. The event may be sent again."""
    if prior is not None and prior.order is not None and prior.order > order:
        order = prior.order
    return Fact(
        value=value,
        basis=Basis.OBSERVED,
        order=order,
        event_id=None,
        accepted_at_us=at_us,
        certain=True,
        conversion=prior.conversion if prior is not None else None,
    )


def given_up(fact: Fact | None, order: Recency) -> Fact:
    """Returns the fact after an event that may have been accepted although no answer came.

    Older events may no longer be sent; this one may be sent again.
    """
    if fact is None:
        fact = NOTHING_KNOWN
    if fact.order is not None and fact.order >= order:
        return fact
    return replace(fact, order=order, event_id=None, accepted_value=None)


def raised(fact: Fact, order: Recency, event_id: str | None, conversion: Conversion | None = None) -> Fact:
    """Returns the fact with the order of a newer event that asks for the value already held. Trust is not renewed."""
    return Fact(
        value=fact.value,
        basis=fact.basis,
        order=order,
        event_id=event_id,
        accepted_at_us=fact.accepted_at_us,
        certain=fact.certain,
        conversion=conversion,
    )


def observed(
    facts: Mapping[Field, Fact], values: Mapping[Field, int], sent_us: int, answered_us: int
) -> dict[Field, Fact]:
    """Returns the facts after a look-up that was sent at ``sent_us`` and showed ``values``.

    Facts accepted or doubted after the look-up was sent are left alone: what it shows may be older.
    """
    seen = dict(facts)
    for field, value in values.items():
        fact = seen.get(field)
        if fact is None:
            seen[field] = Fact(
                value=value, basis=Basis.OBSERVED, order=None, event_id=None, accepted_at_us=answered_us, certain=True
            )
        elif fact.accepted_at_us < sent_us and (fact.certain or fact.doubted_at_us < sent_us):
            seen[field] = replace(_shown(fact, value), accepted_at_us=answered_us, certain=True)
    return seen


def believed(units: Iterable[KnownUnit], unit: KnownUnit | None, shown: Unit) -> dict[Field, int]:
    """Returns the values that a look-up shows to a dry run: the values that it decided to send count as written.

    The marketplace does not show them, because nothing was sent. ``units``: those of the account, whose stock the unit
    may share. ``unit``: the unit as it was known before.
    """
    values = dict(shown.values)
    linked = [one for one in units if one.offer_id is not None and one.offer_id == shown.offer_id]
    for field in values:
        known = linked if field is Field.STOCK and linked else [unit] if unit is not None else []
        fact = newest_accepted([one.facts.get(field) for one in known])
        if fact is not None and fact.basis is Basis.ACCEPTED and fact.value is not None:
            values[field] = fact.value
    return values


def _shown(fact: Fact, value: int) -> Fact:
    """Returns the fact with a value that the marketplace has shown; what its event was accepted with is kept."""
    if fact.value == value:
        return fact
    wanted = wanted_by_event(fact)
    return replace(fact, value=value, basis=Basis.OBSERVED, accepted_value=None if wanted == value else wanted)


def wanted_by_event(fact: Fact) -> int | None:
    """Returns what the last accepted event was accepted with; None if there is none, or if that is not known."""
    if fact.order is None or fact.event_id is None:
        return None
    return fact.value if fact.accepted_value is None else fact.accepted_value


def renewed(fact: Fact, value: int, sent_us: int, at_us: int) -> Fact:
    """Returns a fact that an update's answer shows although the update did not carry the field: its trust is renewed.

    An uncertain fact stays as it is. So does one accepted after the update was sent, as in ``observed``: an update of a
    linked unit may have changed the stock since, so what this answer shows may be older.
    """
    if not fact.certain or fact.accepted_at_us > sent_us:
        return fact
    return replace(_shown(fact, value), accepted_at_us=at_us)


def written(units: Iterable[KnownUnit]) -> dict[str, int]:
    """Returns the effective time of the newest accepted event per field, in microseconds, for a release.

    The keys are those of ``AcceptedTimes``.
    """
    newest: dict[str, int] = {}
    for unit in units:
        for name, fact in unit.facts.items():
            if fact.order is not None:
                key = _told_as(unit, name)
                newest[key] = max(fact.order.time_us, newest.get(key, fact.order.time_us))
    return newest


def written_before(unit: KnownUnit, accepted: Mapping[str, int]) -> dict[Field, Fact]:
    """Returns the unit's facts after other EANs wrote to it: no older event of this EAN may follow.

    ``accepted`` is the effective time of the newest accepted event by field, as in ``written``.
    """
    facts = dict(unit.facts)
    for name in Field:
        if (at_us := accepted.get(_told_as(unit, name))) is not None:
            facts[name] = given_up(facts.get(name), Recency(at_us, NO_SEQUENCE, OF_ANOTHER_EAN))
    return facts


def _told_as(unit: KnownUnit, name: Field) -> str:
    """Returns the field's key in a release. Units of one offer share their stock, so its key has no unit id."""
    return name.value if name is Field.STOCK else f"{unit.unit_id}/{name.value}"
