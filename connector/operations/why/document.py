"""What is known of an EAN, as ``--json`` prints it. Values are texts with their exact decimals. Pure."""

from decimal import Decimal
from typing import Any

from connector.contracts.event_time import moment
from connector.controls.commands import ControlCommand
from connector.offers.events import OfferDrifted, OfferNotFound
from connector.operations.why.advice import advice
from connector.operations.why.outcomes import EventOutcome, LosingEvent
from connector.operations.why.replays import TouchingReplay
from connector.operations.why.timeline import EventCall, KnownOffer, KnownValue, OfferTimeline, WaitingEvent
from connector.operations.why.values import ValueChange
from connector.reconciliation.events import UnitObserved


def document(found: OfferTimeline) -> dict[str, Any]:
    """Returns the whole answer."""
    return {
        "ean": found.ean,
        "at": moment(found.at_us),
        "now": found.is_now,
        "results_begin_at": _moment(found.begins_us),
        "managed": found.managed,
        "units": [_unit_document(unit) for unit in found.units],
        "waiting": [_waiting_document(one) for one in found.waiting],
        "not_found": [_missing_document(one) for one in found.missing],
        "swept": [_shown_document(one) for one in found.shown],
        "drifts": [_drift_document(one, found) for one in found.drifts],
        "replays": [_replay_document(one) for one in found.replays],
        "events": [_event_document(one, found) for one in found.events],
        "unreadable": list(found.unreadable),
        "advice": advice(found),
    }


def _unit_document(unit: KnownOffer) -> dict[str, Any]:
    return {
        "target_id": unit.target_id,
        "account": unit.account,
        "storefront": unit.storefront,
        "unit_id": unit.unit_id,
        "condition": unit.condition,
        "offer_id": unit.offer_id,
        "status": unit.status,
        "looked_up_at": _moment(unit.proved_us),
        "owner": unit.owner,
        "fields": [_value_document(field) for field in unit.fields],
    }


def _value_document(field: KnownValue) -> dict[str, Any]:
    return {
        "field": field.field,
        "value": _number(field.value),
        "currency": field.currency,
        "basis": field.basis.value,
        "since": _moment(field.since_us),
        "certain": field.certain,
        "event_id": field.event_id,
        "result_id": field.winner.result_id if field.winner is not None else None,
        "written_by_result_id": field.written_by.result_id if field.written_by is not None else None,
        "won_over": [_loser_document(loser) for loser in field.losers],
        "changes": [_change_document(change) for change in field.changes],
    }


def _loser_document(loser: LosingEvent) -> dict[str, Any]:
    return {
        "result_id": loser.outcome.result_id,
        "event_id": loser.outcome.counts.event_id,
        "code": loser.code,
        "superseded_by": list(loser.chain),
    }


def _change_document(change: ValueChange) -> dict[str, Any]:
    return {
        "at": moment(change.at_us),
        "value": _number(change.value),
        "currency": change.currency,
        "basis": change.basis.value,
        "result_id": change.result_id,
        "through_unit_id": change.through_unit_id,
    }


def _waiting_document(waiting: WaitingEvent) -> dict[str, Any]:
    return {
        "result_id": waiting.result_id,
        "event_id": waiting.event_id,
        "target_id": waiting.target_id,
        "condition": waiting.condition,
        "unit_id": waiting.unit_id,
        "received_at": moment(waiting.received_us),
        "fields": [
            {"field": field, "value": _number(value), "currency": currency} for field, value, currency in waiting.fields
        ],
        "announced": waiting.announced,
        "held_by": [_command_document(command) for command in waiting.held_by],
        "writes_stopped_by": [_command_document(command) for command in waiting.stopped_by],
        "next_check_at": _moment(waiting.next_check_us),
        "awaited_sweep_at": _moment(waiting.sweep_us),
        "awaited_sweep_until": _moment(waiting.sweep_until_us),
        "calls": [_call_document(call) for call in waiting.calls],
        "ended": None if waiting.ended is None else waiting.ended.counts.status.value,
    }


def _command_document(command: ControlCommand | str) -> dict[str, Any]:
    if isinstance(command, str):
        return {"command_id": command}
    return {
        "command_id": command.command_id,
        "kind": command.kind.value,
        "reason": command.reason,
        "issued_by": command.issued_by,
        "issued_at": moment(command.issued_at_us),
        "expires_at": _moment(command.expires_at_us),
        "changed_at": _moment(command.changed_at_us),
    }


def _missing_document(row: OfferNotFound) -> dict[str, Any]:
    return {
        "target_id": row.target_id,
        "condition": row.condition,
        "offer_id": row.offer_id,
        "code": row.code,
        "advice": row.advice,
        "hint": row.hint,
        "first_seen_at": moment(row.first_seen_at_us),
        "last_seen_at": moment(row.last_seen_at_us),
        "times_seen": row.times_seen,
        "next_check_at": _moment(row.next_check_at_us),
    }


def _shown_document(unit: UnitObserved) -> dict[str, Any]:
    return {
        "account": unit.account,
        "storefront": unit.storefront,
        "unit_id": unit.unit_id,
        "condition": unit.condition,
        "offer_id": unit.offer_id,
        "other_eans": list(unit.other_eans),
        "status": unit.status,
        "live": unit.is_live,
        "price": _number(unit.price),
        "currency": unit.currency,
        "stock": _number(None if unit.stock is None else Decimal(unit.stock)),
        "handling_time": _number(None if unit.handling_time_days is None else Decimal(unit.handling_time_days)),
        "changed_at": _moment(unit.changed_at_us),
        "observed_at": moment(unit.observed_at_us),
        "sweep_at": moment(unit.sweep_at_us),
    }


def _drift_document(drift: OfferDrifted, found: OfferTimeline) -> dict[str, Any]:
    repair = None if drift.result_id is None else found.outcome(drift.result_id)
    return {
        "drift_id": drift.drift_id,
        "account": drift.account,
        "storefront": drift.storefront,
        "unit_id": drift.unit_id,
        "field": drift.field,
        "accepted": _number(drift.accepted_value),
        "observed": _number(drift.observed_value),
        "currency": drift.currency,
        "event_id": drift.accepted_event_id,
        "accepted_at": moment(drift.accepted_at_us),
        "observed_at": moment(drift.observed_at_us),
        "detected_at": moment(drift.detected_at_us),
        "changed_at": _moment(drift.changed_at_us),
        "cause": drift.cause.value,
        "action": drift.action.value,
        "result_id": drift.result_id,
        "repair_status": None if repair is None else repair.counts.status.value,
    }


def _replay_document(replay: TouchingReplay) -> dict[str, Any]:
    return {
        "replay_id": replay.replay_id,
        "command": None if replay.command is None else _command_document(replay.command),
        "result_ids": list(replay.result_ids),
        "partitions": [
            {
                "partition": one.partition,
                "state": one.state.value,
                "start": one.start,
                "position": one.position,
                "end": one.end,
            }
            for one in replay.progress
        ],
    }


def _event_document(outcome: EventOutcome, found: OfferTimeline) -> dict[str, Any]:
    row = outcome.counts
    return {
        "result_id": row.result_id,
        "event_id": row.event_id,
        "target_id": row.target_id,
        "unit_id": row.unit_id,
        "input": f"{row.input_topic}/{row.input_partition}/{row.input_offset}",
        "occurred_at": _moment(row.occurred_at_us),
        "received_at": moment(row.received_at_us),
        "decided_at": moment(row.decided_at_us),
        "origin": row.origin.value,
        "status": row.status.value,
        "code": row.code,
        "message": row.problem.message if row.problem is not None else None,
        "held_by": row.held_by,
        "fields": [
            {
                "field": one.field,
                "status": one.status.value,
                "requested": _number(one.requested),
                "before": _number(one.before),
                "sent": _number(one.sent),
                "currency": one.currency,
                "code": one.code,
                "superseded_by": one.superseded_by,
            }
            for one in row.fields
        ],
        "rows": [
            {"origin": one.origin.value, "status": one.status.value, "decided_at": moment(one.decided_at_us)}
            for one in outcome.rows
        ],
        "calls": [_call_document(call) for call in found.calls.get(row.result_id, ())],
    }


def _call_document(call: EventCall) -> dict[str, Any]:
    row = call.row
    return {
        "call_id": call.call_id,
        "look_up": call.is_look_up,
        "method": row.method if row is not None else None,
        "path": row.path if row is not None else None,
        "sent_at": moment(row.sent_at_us) if row is not None else None,
        "answered_at": _moment(row.answered_at_us) if row is not None else None,
        "http_status": row.http_status if row is not None else None,
        "outcome": row.outcome if row is not None else None,
    }


def _moment(at_us: int | None) -> str | None:
    return None if at_us is None else moment(at_us)


def _number(value: Decimal | None) -> str | None:
    return None if value is None else format(value.normalize(), "f")
