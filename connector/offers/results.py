"""Builds results, not-found records, and the tombstones that delete not-found records. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeAlias

from connector.contracts.codes import Code, explain
from connector.contracts.event_time import NO_SEQUENCE
from connector.contracts.problem import Problem
from connector.marketplace.offers import Field
from connector.offers.events import (
    Announced,
    Candidate,
    FieldResult,
    FieldStatus,
    ListingAct,
    Miss,
    OfferDrifted,
    OfferNotFound,
    OfferResult,
    Origin,
    Pending,
    Status,
    not_found_key,
)
from connector.offers.identity import Missing, Unclear, describe, find_miss
from connector.offers.ledger import Asked, FieldOutcome, KnownUnit, LedgerEntry, OfferLane, to_major
from connector.offers.plan import OfferPlan, PlannedHold
from connector.offers.policy import OfferTerms
from connector.offers.stock import buffer_problem, clamp_problem
from connector.routing.table import Target
from streams.frozen import replace


@dataclass(frozen=True, slots=True)
class Cleared:
    """The tombstone of a not-found record."""

    key: str


OfferRow: TypeAlias = OfferResult | OfferNotFound | OfferDrifted | Cleared
"""What an output record says."""

OfferOutput: TypeAlias = tuple[OfferRow, LedgerEntry | None]
"""An output record, and the entry whose trace context it carries."""

_SENT = frozenset((FieldStatus.APPLIED, FieldStatus.DRY_RUN))
"""Statuses of a value that was sent, or would have been: beside these, UNCHANGED does not count."""
_AS_WANTED = frozenset((FieldStatus.APPLIED, FieldStatus.UNCHANGED))
_IDENTITY = (FieldStatus.NOT_FOUND, FieldStatus.AMBIGUOUS, FieldStatus.CONFLICT)
"""Statuses of an event whose offer could not be identified; one such field decides the event's status."""
_BY_LOOK_UP = frozenset(Status(status.value) for status in _IDENTITY)
_LISTED: Final[Mapping[str, Status]] = {ListingAct.CREATE: Status.CREATED, ListingAct.DELETE: Status.DELETED}
_NO_PROBLEM = frozenset((Status.APPLIED, Status.UNCHANGED, *_LISTED.values()))
_ADJUSTED = frozenset((Code.CLAMPED, Code.BUFFER_OVERRIDDEN))
"""Codes of a stock that was sent as another value than the event's."""


def build(
    before: OfferLane, lane: OfferLane, plan: OfferPlan, terms: OfferTerms, now_us: int
) -> tuple[OfferLane, list[OfferOutput]]:
    """Returns the lane without finished entries, and the output records. ``before`` is the lane before the turn."""
    outputs: list[OfferOutput] = []
    kept: list[LedgerEntry] = []
    announced_before: dict[str, None] = {}  # keys of not-found records
    missing, unclear, held = dict(plan.missing), dict(plan.unclear), dict(plan.held)
    misses = lane.misses
    for entry in lane.entries:
        if entry.announced is Announced.NOT_FOUND:
            announced_before[_key_of(entry, lane.ean)] = None
        if not entry.open:
            outputs.append((_final(lane, entry, terms, now_us), entry))
            if entry.result_id in unclear:
                misses, row = _unclear_row(replace(lane, misses=misses), entry, unclear[entry.result_id], terms)
                outputs += [(row, entry)] if row is not None else []
        elif entry.result_id in missing:
            announced, not_found, result = _announce(lane, entry, missing[entry.result_id], terms, now_us)
            outputs += [(result, entry), (not_found, entry)]
            kept.append(announced)
        elif entry.result_id in held:
            announced, result = _announce_held(lane, entry, held[entry.result_id], terms, now_us)
            outputs.append((result, entry))
            kept.append(announced)
        else:
            kept.append(entry)
    cleared = [*announced_before]
    if lane.misses is not before.misses:
        cleared += _resolved(before.misses, lane.misses, lane.ean, terms)
    if cleared:
        standing = {_key_of(e, lane.ean) for e in kept if e.announced is Announced.NOT_FOUND}
        standing |= {row.key for row, _ in outputs if isinstance(row, OfferNotFound)}
        outputs += [(Cleared(key), None) for key in cleared if key not in standing]
    if len(kept) == len(lane.entries) and not missing and not held:
        return lane, outputs
    return replace(lane, entries=tuple(kept), misses=misses), outputs


def status_of(entry: LedgerEntry) -> Status:
    """Returns the status of a processing, from the outcomes of its fields."""
    if entry.refused is not None:
        return Status.REJECTED
    if not entry.asked:
        return Status.UNMANAGED
    statuses = {end.status for end in entry.ended}
    if entry.listing is not None and entry.listing.was_sent and statuses <= _AS_WANTED:
        return _LISTED[entry.listing.wish]
    if len(statuses) > 1:
        for status in _IDENTITY:
            if status in statuses:
                return Status(status.value)
        statuses.discard(FieldStatus.UNCHANGED)
        if len(statuses) > 1 or statuses.isdisjoint(_SENT):
            return Status.PARTIAL
    return Status(statuses.pop().value)


def _final(lane: OfferLane, entry: LedgerEntry, terms: OfferTerms, now_us: int) -> OfferResult:
    """Returns the result of an entry whose fields have all ended."""
    status = status_of(entry)
    code, problem = _why(lane, entry, status, terms)
    if status is Status.UNMANAGED and problem is None:
        problem = explain(Code.TOMBSTONE, ean=lane.ean)
    return _result(lane, entry, status, code, entry.ended, problem, terms, now_us)


def _why(lane: OfferLane, entry: LedgerEntry, status: Status, terms: OfferTerms) -> tuple[str | None, Problem | None]:
    """Returns code and problem of a result.

    They are those of a field that did not succeed, or say what was done with the others. The code is that of the first
    field with the result's status, or else of the first one that did not come late, as the entry's problem is.
    """
    codes = [end.code for end in entry.ended]
    if status in _NO_PROBLEM:
        return (None, None) if _ADJUSTED.isdisjoint(codes) else _adjusted(lane, entry, terms)
    if entry.refused is not None:
        return entry.refused, entry.problem
    if not entry.asked:
        return Code.TOMBSTONE, entry.problem
    if status is Status.DRY_RUN and Code.DIFFERS not in codes:
        return Code.DRY_RUN, explain(Code.DRY_RUN)
    told = [end for end in entry.ended if end.code is not None and end.code not in (*_ADJUSTED, Code.DRY_RUN)]
    if not told and not _ADJUSTED.isdisjoint(codes):
        return _adjusted(lane, entry, terms)
    matching = [end for end in told if end.status.value == status.value]
    graver = [end for end in told if end.code != Code.OUT_OF_ORDER]  # the entry's problem is of the first of these
    return (matching or graver or told)[0].code if told else None, entry.problem


def _adjusted(lane: OfferLane, entry: LedgerEntry, terms: OfferTerms) -> tuple[str | None, Problem | None]:
    """Returns code and problem of a result whose stock was sent as another value than the event's."""
    code = next(end.code for end in entry.ended if end.code in _ADJUSTED)
    stock = next(asked for asked in entry.asked if asked.field is Field.STOCK)
    if code == Code.BUFFER_OVERRIDDEN:
        override = terms.overrides.buffer(lane.ean, entry.target_id)
        return code, buffer_problem(int(stock.requested), override) if override is not None else None
    return code, clamp_problem(terms.policy, int(stock.requested))


def _announce(
    lane: OfferLane, entry: LedgerEntry, missing: Missing, terms: OfferTerms, now_us: int
) -> tuple[LedgerEntry, OfferNotFound, OfferResult]:
    """Returns the entry, which stays undone, its not-found record, and the NOT_FOUND result."""
    storefront = missing.miss.storefront
    code = missing.code
    problem = explain(code, ean=lane.ean, condition=entry.condition, storefront=storefront)
    ends = (*entry.ended, *(_missed(asked, code) for asked in entry.open))
    result = _result(lane, entry, Status.NOT_FOUND, code, ends, problem, terms, now_us)
    hint = "; ".join(filter(None, (missing.hint, _hint(entry, missing.others)))) or None
    row = _row(lane, entry, code, problem, missing.others, missing.miss, hint, terms)
    return replace(entry, announced=Announced.NOT_FOUND, asked_again=False), row, result


def _announce_held(
    lane: OfferLane, entry: LedgerEntry, held: PlannedHold, terms: OfferTerms, now_us: int
) -> tuple[LedgerEntry, OfferResult]:
    """Returns the entry, which stays undone, and the HELD result."""
    fault = held.fault
    entry = replace(entry, resolved=held.unit)
    ends = (*entry.ended, *held.outcomes)
    result = _result(lane, entry, Status.HELD, fault.code, ends, fault.problem, terms, now_us)
    return (
        replace(entry, announced=Announced.HELD, held_by=held.held_by, asked_again=False),
        replace(result, held_by=held.held_by),
    )


def _missed(asked: Asked, code: Code) -> FieldOutcome:
    return FieldOutcome(field=asked.field, status=FieldStatus.NOT_FOUND, code=code)


def _result(
    lane: OfferLane,
    entry: LedgerEntry,
    status: Status,
    code: str | None,
    ends: Iterable[FieldOutcome],
    problem: Problem | None,
    terms: OfferTerms,
    now_us: int,
) -> OfferResult:
    target = terms.routing.find(entry.target_id)
    unit, sequence = entry.resolved, entry.order.sequence
    return OfferResult(
        result_id=entry.result_id,
        event_id=entry.event_id,
        origin=_origin(entry),
        status=status,
        code=code,
        ean=lane.ean,
        target_id=entry.target_id,
        condition=entry.condition,
        unit_id=(unit.unit_id or None) if unit is not None else entry.unit_id,
        fields=_fields(entry, ends, terms.exponent(target.storefront) if target is not None else 2),
        input_topic=terms.topic,
        input_partition=entry.partition,
        input_offset=entry.offset,
        occurred_at_us=entry.occurred_at_us,
        received_at_us=entry.received_at_us,
        decided_at_us=now_us,
        sent=entry.sent,
        problem=problem,
        lookup_call_ids=_lookup_call_ids(lane, entry, status, target),
        command_id=entry.command_id,
        command_results=_command_results(lane, entry) if entry.command_id is not None else None,
        account=target.account if target is not None else None,
        storefront=target.storefront if target is not None else None,
        offer_id=unit.offer_id if unit is not None else entry.offer_id,
        source=entry.order.source or None,
        sequence=None if sequence == NO_SEQUENCE else sequence,
        attributes=entry.attributes,
        replay_id=entry.command_id if entry.origin is Origin.REPLAY else None,
    )


def _command_results(lane: OfferLane, entry: LedgerEntry) -> int | None:
    """Returns how many results the entry's command has; None if it was forgotten."""
    return next((begun.results for begun in lane.commands if begun.command_id == entry.command_id), None)


def _origin(entry: LedgerEntry) -> Origin:
    """Returns why a result is written now: an announced event has had one for its own processing already."""
    if entry.asked_again:
        return entry.origin
    match entry.announced:
        case Announced.NOT_FOUND:
            return Origin.RECHECK
        case Announced.HELD:
            return Origin.RELEASE
        case _:
            return entry.origin


def _lookup_call_ids(lane: OfferLane, entry: LedgerEntry, status: Status, target: Target | None) -> tuple[str, ...]:
    """Returns the look-ups made for the event or, if there were none, the earlier one whose answer decided it."""
    if entry.lookup_call_ids or status not in _BY_LOOK_UP:
        return entry.lookup_call_ids
    if target is None:
        return ()
    miss = find_miss(lane.misses, target.account, target.storefront, entry.condition or "")
    return miss.call_ids if miss is not None else ()


def _fields(entry: LedgerEntry, outcomes: Iterable[FieldOutcome], exponent: int) -> tuple[FieldResult, ...]:
    """Returns the results of all fields of an entry, in the order in which they were asked for."""
    ends: dict[Field, FieldOutcome] = {}
    for end in outcomes:
        ends[end.field] = end
    fields: list[FieldResult] = []
    for asked in entry.asked:
        end, field = ends[asked.field], asked.field
        before, sent, accepted = end.before, end.sent, end.accepted
        result = FieldResult(
            field=field.value,
            status=end.status,
            requested=asked.requested,
            before=None if before is None else to_major(field, before, exponent),
            sent=None if sent is None else to_major(field, sent, exponent),
            currency=asked.currency,
            code=end.code,
            superseded_by=end.superseded_by,
            before_basis=end.before_basis,
            before_at_us=end.before_at_us,
            accepted=None if accepted is None else to_major(field, accepted, exponent),
            units_moved=end.units_moved,
            storefronts_moved=end.storefronts_moved,
            rules=end.rules,
            winner=end.winner or end.superseded_by,  # an earlier version stored no winner
            conversion=asked.conversion,
        )
        fields.append(result)
    return tuple(fields)


def _major(field: Field, value: int | None, exponent: int) -> Decimal | None:
    return None if value is None else to_major(field, value, exponent)


def _unclear_row(
    lane: OfferLane, entry: LedgerEntry, unclear: Unclear, terms: OfferTerms
) -> tuple[tuple[Miss, ...], OfferNotFound | None]:
    """Returns the misses with the event counted, and the not-found record of an ambiguous event.

    A conflict has no such record (None): it is an error in the event, which its result describes fully. The record
    names no next check, because the entry has ended; the next event triggers a look-up.
    """
    target = terms.routing.find(entry.target_id)
    if unclear.code is not Code.AMBIGUOUS_OFFER or target is None or entry.problem is None:
        return lane.misses, None
    miss = find_miss(lane.misses, target.account, target.storefront, entry.condition or "")
    if miss is None:
        return lane.misses, None
    counted = replace(miss, times_seen=miss.times_seen + 1)
    row = _row(lane, entry, unclear.code, entry.problem, unclear.candidates, counted, None, terms)
    row = replace(row, times_seen=counted.times_seen, next_check_at_us=None)
    return tuple(counted if one is miss else one for one in lane.misses), row


def _row(
    lane: OfferLane,
    entry: LedgerEntry,
    code: Code,
    problem: Problem,
    candidates: Sequence[KnownUnit],
    miss: Miss,
    hint: str | None,
    terms: OfferTerms,
) -> OfferNotFound:
    exponent = terms.exponent(miss.storefront)
    return OfferNotFound(
        result_id=entry.result_id,
        event_id=entry.event_id or "",
        code=code,
        message=problem.message,
        advice=problem.advice,
        target_id=entry.target_id or "",
        account=miss.account,
        storefront=miss.storefront,
        ean=lane.ean,
        condition=entry.condition or "",
        offer_id=entry.offer_id,
        hint=hint,
        candidates=tuple(
            Candidate(unit_id=u.unit_id, storefront=u.storefront, condition=u.condition, offer_id=u.offer_id)
            for u in candidates
        ),
        attributes=entry.attributes,
        pending=tuple(
            Pending(
                field=asked.field.value,
                value=_major(asked.field, asked.value, exponent) or asked.requested,
                currency=asked.currency,
                event_time_us=entry.order.time_us,
                event_id=entry.event_id or "",
            )
            for asked in entry.open
        ),
        first_seen_at_us=miss.since_us,
        last_seen_at_us=entry.received_at_us,
        times_seen=entry.times_seen,
        next_check_at_us=miss.next_check_at_us,
        unit_id=entry.unit_id,
    )


def _hint(entry: LedgerEntry, others: Sequence[KnownUnit]) -> str | None:
    """Returns a sentence that names other units of the EAN; None if there are none. It is information only."""
    if not others:
        return None
    return f"{entry.condition} was wanted; the same EAN has {'; '.join(map(describe, others))}"


def _key_of(entry: LedgerEntry, ean: str) -> str:
    """Returns the key of the entry's not-found record."""
    return not_found_key(entry.target_id or "", entry.condition or "", entry.offer_id, ean)


def _resolved(before: Sequence[Miss], after: Sequence[Miss], ean: str, terms: OfferTerms) -> list[str]:
    """Returns the keys of not-found records of offers that are no longer ambiguous."""
    still = {(m.account, m.storefront, m.condition) for m in after}
    places = {(t.account, t.storefront): t.id for t in terms.routing.targets.values()}
    return [
        not_found_key(places[m.account, m.storefront], m.condition, None, ean)
        for m in before
        if m.code == Code.AMBIGUOUS_OFFER
        and (m.account, m.storefront, m.condition) not in still
        and (m.account, m.storefront) in places
    ]
