"""Prints the explanation of an event."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from rich.console import Console

from connector.contracts.event_time import moment
from connector.operations.explain.explanation import WAIT, CandidateUnit, EventExplanation, FieldDecision


def show(console: Console, explained: EventExplanation) -> None:
    """Prints the event as it was understood, the candidates, the rule that chose the unit, and the decisions."""
    for line in _lines(explained):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def document(explained: EventExplanation) -> dict[str, Any]:
    """Returns the explanation as ``--json`` prints it."""
    event, offer, target, problem = explained.event, explained.offer, explained.target, explained.problem
    return {
        "event": {
            "event_id": event.event_id,
            "source": event.source,
            "key": event.key,
            "ean": offer.ean,
            "target_id": offer.target_id,
            "condition": offer.condition,
            "offer_id": offer.offer_id,
            "unit_id": offer.unit_id,
            "occurred_at": moment(event.occurred_at_us),
            "partition": event.partition,
            "offset": event.offset,
            "origin": explained.origin,
        },
        "account": target.account if target is not None else None,
        "storefront": target.storefront if target is not None else None,
        "candidates": [_candidate_document(one) for one in explained.candidates],
        "identity": explained.identity,
        "fields": [_field_document(one) for one in explained.fields],
        "pending_events": explained.pending,
        "status": explained.status,
        "result_id": explained.result_id,
        "message": problem.message if problem is not None else None,
        "advice": problem.advice if problem is not None else None,
    }


def _lines(explained: EventExplanation) -> Iterator[str]:
    event, offer, target = explained.event, explained.offer, explained.target
    yield f"event {event.event_id} from {event.source}, {moment(event.occurred_at_us)}"
    place = f"account {target.account}, storefront {target.storefront}" if target is not None else "not configured"
    yield f"  EAN {offer.ean}, {offer.condition or 'no condition'}, target {offer.target_id} ({place})"
    named = {"offer_id": offer.offer_id, "unit_id": offer.unit_id}
    selectors = ", ".join(f"{name} {value}" for name, value in named.items() if value is not None)
    if selectors:
        yield f"  {selectors}"
    read = "read again" if explained.origin == "REPLAY" else "read for the first time"
    yield f"  partition {event.partition}, offset {event.offset}: {read}"
    if explained.pending:
        yield f"  other events of this EAN without a result: {explained.pending}"
    if target is not None:
        yield f"candidates on {target.storefront}: {len(explained.candidates) or 'none'}"
        yield from map(_candidate, explained.candidates)
        yield f"identity: {explained.identity}"
    yield "decision" + (f": {explained.status}" if explained.status is not None else "")
    yield from map(_field, explained.fields)
    if explained.problem is not None:
        yield f"  {explained.problem.message}"
        yield f"  {explained.problem.advice}"


def _candidate(candidate: CandidateUnit) -> str:
    unit = candidate.unit
    known = (unit.condition, f"offer id {unit.offer_id}" if unit.offer_id is not None else "", unit.status)
    proved = f"looked up {moment(unit.proved_at_us)}" if unit.proved_at_us else ""
    return f"  unit {unit.unit_id}: {', '.join(filter(None, (*known, proved)))}: {candidate.verdict}"


def _field(decided: FieldDecision) -> str:
    requested = f"{decided.field} {_number(decided.requested)} {decided.currency or ''}".rstrip()
    value = f" {decided.value} to unit {decided.unit_id}" if decided.value is not None else ""
    if decided.decision == WAIT:
        return f"  {requested}: waits {decided.rule}"
    rule = ": ".join(filter(None, (decided.code, decided.rule)))
    return f"  {requested}: {decided.decision}{value}" + (f"; {rule}" if rule else "")


def _number(number: Decimal) -> str:
    return format(number.normalize(), "f")


def _candidate_document(candidate: CandidateUnit) -> dict[str, Any]:
    unit = candidate.unit
    return {
        "unit_id": unit.unit_id,
        "condition": unit.condition,
        "offer_id": unit.offer_id,
        "status": unit.status,
        "looked_up_at": moment(unit.proved_at_us) if unit.proved_at_us else None,
        "verdict": candidate.verdict,
    }


def _field_document(decided: FieldDecision) -> dict[str, Any]:
    return {
        "field": decided.field,
        "requested": decided.requested,
        "currency": decided.currency,
        "decision": decided.decision,
        "rule": decided.rule,
        "code": decided.code,
        "unit_id": decided.unit_id,
        "value": decided.value,
    }
