"""Says what the flow made of an event: the units it may mean, the decision for each field, and the rule. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from connector.contracts.event_time import moment
from connector.contracts.problem import Problem
from connector.contracts.result_ids import result_id
from connector.marketplace.offers import Field
from connector.offers.call_bodies import OfferClaim, OfferLookUp, OfferUpdate
from connector.offers.events import FieldResult, FieldStatus, OfferChanged, OfferResult
from connector.offers.field_knowledge import group_of, is_already_so, newest_accepted
from connector.offers.identity import Missing, Proven, Unclear, Unproven, Waiting, resolve
from connector.offers.ledger import Asked, Fact, KnownUnit, LedgerEntry, OfferLane, to_major
from connector.offers.match import NamedOffer
from connector.offers.policy import OfferTerms
from connector.operations.explain.lane_in_memory import LaneInMemory
from connector.routing.table import Target
from streams.flow import Want

SEND = "SEND"
"""The decision for a value that would be sent now."""
WAIT = "WAIT"
"""The decision for a field that waits for a call or a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateUnit:
    """A unit of the EAN on the event's storefront, and whether the event means it."""

    unit: KnownUnit
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDecision:
    """What becomes of one field. ``decision``: a status of results, ``SEND`` or ``WAIT``."""

    field: str
    requested: Decimal
    decision: str
    rule: str  # empty where the code says it; for ``WAIT``, what it waits for
    currency: str | None = None
    unit_id: int | None = None
    value: Decimal | None = None  # to be sent; it may differ from the requested one, by the rules for stock
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventExplanation:
    """An event as the flow understands it, and its decision."""

    event: OfferChanged
    result_id: str
    origin: str
    offer: NamedOffer  # with defaults
    target: Target | None
    pending: int  # other events of the EAN that have no result yet
    candidates: tuple[CandidateUnit, ...]
    identity: str  # the rule that chose the unit, or why none is chosen
    fields: tuple[FieldDecision, ...]
    waits: str  # what the open fields wait for; empty if there are none
    status: str | None  # of the result, if it has one already
    problem: Problem | None


def explain_event(
    event: OfferChanged, offer: NamedOffer, turned: LaneInMemory, terms: OfferTerms, now_us: int
) -> EventExplanation:
    """Returns the explanation of an event whose turns were taken. ``offer``: the event's, with its defaults."""
    id_ = result_id(terms.cluster_id, terms.topic, event.partition, event.offset)
    result = next((one for one in reversed(turned.results) if one.result_id == id_), None)
    entry = next((one for one in turned.lane.entries if one.result_id == id_), None)
    target = terms.routing.find(offer.target_id)
    waits = _waits(turned) if entry is not None else ""
    return EventExplanation(
        event=event,
        result_id=id_,
        origin=entry.origin if entry is not None else result.origin if result is not None else "",
        offer=offer,
        target=target,
        pending=sum(one.result_id != id_ for one in turned.before.entries),
        candidates=tuple(_candidates(turned.lane, target, offer)) if target is not None else (),
        identity=_identity(turned.lane, target, offer, now_us) if target is not None else "",
        fields=tuple(_fields(result, entry, turned, waits, terms, now_us)),
        waits=waits,
        status=result.status if result is not None else None,
        problem=result.problem if result is not None else None,
    )


# ---- which unit -----------------------------------------------------------------------------------------------------


def _candidates(lane: OfferLane, target: Target, offer: NamedOffer) -> Iterator[CandidateUnit]:
    for unit in lane.units:
        if (unit.account, unit.storefront) == (target.account, target.storefront):
            yield CandidateUnit(unit=unit, verdict=_verdict(unit, offer))


def _verdict(unit: KnownUnit, offer: NamedOffer) -> str:
    if not unit.proved_at_us:
        return "the last look-up did not show it"
    if unit.condition != offer.condition:
        return "another condition"
    if offer.unit_id is not None and unit.unit_id != offer.unit_id:
        return "another unit_id"
    if offer.offer_id is not None and unit.offer_id != offer.offer_id:
        return "another offer_id"
    return "matches"


def _identity(lane: OfferLane, target: Target, offer: NamedOffer, now_us: int) -> str:
    """Returns the rule that chose the unit, or why none is chosen (yet)."""
    named = [name for name in ("offer_id", "unit_id") if getattr(offer, name) is not None]
    match resolve(lane, target.account, target.storefront, offer, now_us):
        case Proven(unit):
            by = f", and the event's {' and '.join(named)}" if named else ""
            place = f"on {target.storefront} in condition {offer.condition}"
            return f"unit {unit.unit_id} is the only one of this EAN {place}{by}"
        case Unproven():
            return f"no valid look-up of this EAN on {target.storefront} is known; one is made first"
        case Waiting(until_us):
            return (
                f"the last look-up showed no such unit; a new one may not be visible yet, so it is looked up again at "
                f"{moment(until_us)}"
            )
        case Missing(miss, _):
            return f"two look-ups showed no such unit; the next one is due at {moment(miss.next_check_at_us)}"
        case Unclear(candidates=candidates, named=""):
            return f"{len(candidates)} units of this EAN on {target.storefront} are in condition {offer.condition}"
        case Unclear(named=contradiction):
            return f"the event names {contradiction}, which contradicts its EAN, condition or storefront"


# ---- what becomes of each field -------------------------------------------------------------------------------------


def _fields(
    result: OfferResult | None,
    entry: LedgerEntry | None,
    turned: LaneInMemory,
    waits: str,
    terms: OfferTerms,
    now_us: int,
) -> Iterator[FieldDecision]:
    """Yields the decisions: those of the result if there is one, else those of the entry that has none yet."""
    if result is not None:
        yield from (_of_result(field, result) for field in result.fields)
    elif entry is not None:
        ends = {end.field: end for end in entry.ended}
        for asked in entry.asked:
            end = ends.get(asked.field)
            sent = None if end is not None else _sent(asked, entry, turned, terms, now_us)
            yield sent or FieldDecision(
                field=asked.field,
                requested=asked.requested,
                currency=asked.currency,
                decision=end.status if end is not None else WAIT,
                rule=_RULES.get(end.status, "") if end is not None else waits,
                code=end.code if end is not None else None,
            )


_RULES: Final[Mapping[FieldStatus, str]] = {
    FieldStatus.UNCHANGED: "the unit holds the value already, as far as it is known and trusted",
    FieldStatus.SUPERSEDED: "a newer event has the field",
}


def _of_result(field: FieldResult, result: OfferResult) -> FieldDecision:
    rule = _RULES.get(field.status, "")
    if field.superseded_by is not None:
        rule = f"{rule}: {field.superseded_by}"
    return FieldDecision(
        field=field.field,
        requested=field.requested or Decimal(0),
        currency=field.currency,
        decision=field.status,
        rule=rule,
        unit_id=result.unit_id,
        code=field.code,
    )


def _sent(
    asked: Asked, entry: LedgerEntry, turned: LaneInMemory, terms: OfferTerms, now_us: int
) -> FieldDecision | None:
    """Returns the decision for a field that an update carries; None if none does."""
    updates = [want.body for want in turned.wants if isinstance(want.body, OfferUpdate)]
    for update in updates:
        for carried in update.carried:
            if (carried.result_id, carried.field) == (entry.result_id, asked.field):
                return _of_update(asked, entry, update, carried.value, turned.lane, terms, now_us)
    return None


def _of_update(
    asked: Asked,
    entry: LedgerEntry,
    update: OfferUpdate,
    value: int,
    lane: OfferLane,
    terms: OfferTerms,
    now_us: int,
) -> FieldDecision:
    unit = next(one for one in lane.units if (one.account, one.unit_id) == (update.account, update.unit_id))
    facts = [member.facts.get(asked.field) for member in group_of(lane.units, unit, asked.field)]
    exponent = terms.exponent(update.storefront)
    return FieldDecision(
        field=asked.field,
        requested=asked.requested,
        currency=asked.currency,
        decision=SEND,
        rule=_why_sent(asked.field, value, facts, exponent, terms, now_us) + _buffered(asked, entry, lane, terms),
        unit_id=update.unit_id,
        value=to_major(asked.field, value, exponent),
    )


def _buffered(asked: Asked, entry: LedgerEntry, lane: OfferLane, terms: OfferTerms) -> str:
    """Returns what an override does to a stock; empty if there is none."""
    override = terms.overrides.buffer(lane.ean, entry.target_id) if asked.field is Field.STOCK else None
    if override is None:
        return ""
    return f"; an override keeps back {override.buffer} in place of the target's rules ({override.because})"


def _why_sent(
    field: Field, value: int, facts: Sequence[Fact | None], exponent: int, terms: OfferTerms, now_us: int
) -> str:
    known = newest_accepted(facts)
    if known is None or known.value is None:
        return "what the unit holds is not known"
    held = f"{to_major(field, known.value, exponent)} since {moment(known.accepted_at_us)}"
    if any(fact is None or fact.value != value for fact in facts):
        return f"the unit holds another value: {held}"
    if not all(fact is not None and fact.certain for fact in facts):
        return f"the unit may hold another value than {held}: a call may have changed it since"
    if not is_already_so(facts, field, value, terms.policy, now_us):
        return f"the unit held this value at {moment(known.accepted_at_us)}, longer ago than is trusted"
    return f"the unit holds {held}"


# ---- what it waits for ----------------------------------------------------------------------------------------------


def _waits(turned: LaneInMemory) -> str:
    """Returns the calls that come before the decision, and when the lane goes on without them."""
    calls = " and ".join(filter(None, map(_need, turned.wants)))
    until = moment(turned.wake_at_us) if turned.wake_at_us is not None else ""
    if not calls:
        return f"until {until}" if until else ""
    return f"for {calls}" + (f", until {until} at the latest" if until else "")


def _need(want: Want) -> str:
    match want.body:
        case OfferLookUp(storefront=storefront):
            return f"a look-up of the EAN on {storefront}"
        case OfferClaim(unit_id=unit_id):
            return f"the claim on unit {unit_id}, because its product has several EANs"
        case _:
            return ""
