"""When an equal value need not be written, and what makes a fact certain or doubtful. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from connector.marketplace.offers import Field
from connector.offers.event_order import NO_SEQUENCE, OF_ANOTHER_EAN, Recency, newest
from connector.offers.events import Basis
from connector.offers.ledger import Fact, KnownUnit, LedgerEntry
from connector.offers.policy import OfferPolicy
from streams.frozen import replace

NOTHING_KNOWN = Fact(value=None, basis=Basis.OBSERVED, order=None, event_id=None, accepted_at_us=0, certain=False)
"""Of a field whose value no look-up and no answer has shown, once an order is to be kept for it."""


def group_of(units: Sequence[KnownUnit], unit: KnownUnit, field: Field) -> tuple[KnownUnit, ...]:
    """The units that a write of this field moves: linked ones, of one offer id of the account, share their stock."""
    if field is not Field.STOCK or unit.offer_id is None:
        return (unit,)
    return tuple(
        u
        for u in units
        if u.unit_id == unit.unit_id or (u.offer_id == unit.offer_id and u.account == unit.account and u.proved_at_us)
    )


def newest_accepted(facts: Sequence[Fact | None]) -> Fact | None:
    """The fact with the newest accepted order; without any order, the first there is."""
    ordered = [(fact, fact.order) for fact in facts if fact is not None and fact.order is not None]
    if not ordered:
        return next((fact for fact in facts if fact is not None), None)
    last = newest([order for _, order in ordered])
    return next(fact for fact, order in ordered if order is last)


def is_of_event(fact: Fact, entry: LedgerEntry) -> bool:
    """Whether it was accepted, or given up, for the event that is read again: earlier versions took another time of it
    for the order, and it is no newer than itself."""
    return fact.order is not None and fact.order.offset == entry.offset and fact.event_id in (None, entry.event_id)


def is_already_so(facts: Sequence[Fact | None], field: Field, value: int, policy: OfferPolicy, now_us: int) -> bool:
    """Every unit of a group is certain to hold the value, by an acceptance or a look-up that is still trusted."""
    trust_us = policy.trust_s[field] * 1_000_000
    for fact in facts:
        if fact is None or fact.value != value or not fact.certain or now_us - fact.accepted_at_us >= trust_us:
            return False
    return True


def doubted(fact: Fact | None, now_us: int) -> Fact:
    """Uncertain from now on: another value than the known one may have left."""
    return replace(fact or NOTHING_KNOWN, certain=False, doubted_at_us=now_us)


def accepted(prior: Fact | None, value: int, order: Recency, event_id: str | None, at_us: int) -> Fact:
    """The marketplace took the value for this event. An order never falls."""
    if prior is not None and prior.order is not None and prior.order > order:
        order, event_id = prior.order, prior.event_id
    return Fact(value=value, basis=Basis.ACCEPTED, order=order, event_id=event_id, accepted_at_us=at_us, certain=True)


def not_applied(prior: Fact | None, value: int, order: Recency, at_us: int) -> Fact:
    """The marketplace took the event, and shows another value. No event stands behind it: this one may try again."""
    if prior is not None and prior.order is not None and prior.order > order:
        order = prior.order
    return Fact(value=value, basis=Basis.OBSERVED, order=order, event_id=None, accepted_at_us=at_us, certain=True)


def given_up(fact: Fact | None, order: Recency) -> Fact:
    """The event may have been accepted, unheard: what is older must not follow, and it may itself try again."""
    if fact is None:
        fact = NOTHING_KNOWN
    if fact.order is not None and fact.order >= order:
        return fact
    return replace(fact, order=order, event_id=None)


def raised(fact: Fact, order: Recency, event_id: str | None) -> Fact:
    """A newer event asks for what is so: the order rises, trust does not."""
    return Fact(
        value=fact.value,
        basis=fact.basis,
        order=order,
        event_id=event_id,
        accepted_at_us=fact.accepted_at_us,
        certain=fact.certain,
    )


def observed(
    facts: Mapping[Field, Fact], values: Mapping[Field, int], sent_us: int, answered_us: int
) -> dict[Field, Fact]:
    """Facts after a look-up that was sent at ``sent_us``: what was accepted or doubted since is not its to say."""
    seen = dict(facts)
    for field, value in values.items():
        fact = seen.get(field)
        if fact is None:
            seen[field] = Fact(
                value=value, basis=Basis.OBSERVED, order=None, event_id=None, accepted_at_us=answered_us, certain=True
            )
        elif fact.accepted_at_us < sent_us and (fact.certain or fact.doubted_at_us < sent_us):
            basis = fact.basis if fact.value == value else Basis.OBSERVED
            seen[field] = replace(fact, value=value, basis=basis, accepted_at_us=answered_us, certain=True)
    return seen


def renewed(fact: Fact, value: int, sent_us: int, at_us: int) -> Fact:
    """A write's answer shows the field beside the written ones: trust is renewed, doubt stays.

    A linked unit's write may have been accepted since this one was sent, and the stock that this answer shows may be
    older: it is left out, as in ``observed``.
    """
    if not fact.certain or fact.accepted_at_us > sent_us:
        return fact
    return replace(fact, value=value, basis=fact.basis if fact.value == value else Basis.OBSERVED, accepted_at_us=at_us)


def written(units: Iterable[KnownUnit]) -> dict[str, int]:
    """The effective time of the newest event accepted for each field of an offer, as a release tells it."""
    newest: dict[str, int] = {}
    for unit in units:
        for name, fact in unit.facts.items():
            if fact.order is not None:
                key = _told_as(unit, name)
                newest[key] = max(fact.order.time_us, newest.get(key, fact.order.time_us))
    return newest


def written_before(unit: KnownUnit, accepted: Mapping[str, int]) -> dict[Field, Fact]:
    """Its facts, where another EAN wrote to it before: no older event of this one may follow."""
    facts = dict(unit.facts)
    for name in Field:
        if (at_us := accepted.get(_told_as(unit, name))) is not None:
            facts[name] = given_up(facts.get(name), Recency(at_us, NO_SEQUENCE, OF_ANOTHER_EAN))
    return facts


def _told_as(unit: KnownUnit, name: Field) -> str:
    """Stock is shared by the units of an offer, known here or not."""
    return name.value if name is Field.STOCK else f"{unit.unit_id}/{name.value}"
