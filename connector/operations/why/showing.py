"""Prints what is known of an EAN, in words."""

from collections.abc import Iterator
from typing import Final

from rich.console import Console

from connector.contracts.event_time import moment
from connector.offers.events import Basis, DriftAction, OfferDrifted, OfferNotFound
from connector.operations.dlq.texts import printable
from connector.operations.why.advice import CAUSES, advice
from connector.operations.why.outcomes import EventOutcome
from connector.operations.why.replays import TouchingReplay
from connector.operations.why.texts import amount, call_line, command_line, event_name, lost, named
from connector.operations.why.timeline import KnownOffer, KnownValue, OfferTimeline, WaitingEvent
from connector.operations.why.values import ValueChange
from connector.reconciliation.events import UnitObserved

_MOST_EVENTS: Final = 10
_MOST_LOSERS: Final = 5
_MOST_CHANGES: Final = 3
_MOST_DRIFTS: Final = 5


def show(console: Console, found: OfferTimeline) -> None:
    """Prints the answer. ``--json`` has all of it; of long lists, this has the newest entries."""
    for line in lines(found):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def lines(found: OfferTimeline) -> Iterator[str]:
    """Yields the answer line by line; what belongs to a line is indented by two more spaces."""
    names = {one.result_id: event_name(one.counts.event_id) for one in found.events}
    yield f"EAN {printable(found.ean)}, {'now' if found.is_now else f'at {moment(found.at_us)}'}"
    if found.begins_us is not None and found.at_us < found.begins_us:
        yield f"  The results begin at {moment(found.begins_us)}; what was before then is not known any more."
    if found.managed is False:
        since = "" if found.unmanaged_us is None else f" since {moment(found.unmanaged_us)}"
        yield f"  not managed{since}: a tombstone ended it"
    for unit in found.units:
        yield from _unit(unit, found, names)
    yield from map(_shown, found.shown)
    yield from _drifts(found)
    for row in found.missing:
        yield from _missing(row)
    if found.waiting:
        yield "waits"
    for waiting in found.waiting:
        yield from _waiting(waiting, found)
    yield from map(_replay, found.replays)
    if found.events:
        yield f"events: {len(found.events):,}, newest first"
    yield from map(_event, found.events[:_MOST_EVENTS])
    if (more := len(found.events) - _MOST_EVENTS) > 0:
        yield f"  and {more:,} older; --json has them all"
    yield from (f"not readable: {printable(problem)}" for problem in found.unreadable)
    yield f"advice: {printable(advice(found))}"


def _unit(unit: KnownOffer, found: OfferTimeline, names: dict[str, str]) -> Iterator[str]:
    place = printable(unit.target_id or f"account {unit.account}")
    offer_id = f"offer id {printable(unit.offer_id)}" if unit.offer_id is not None else ""
    looked_up = f"looked up {moment(unit.proved_us)}" if unit.proved_us is not None else ""
    known = ", ".join(filter(None, (unit.storefront, unit.condition, offer_id, unit.status, looked_up)))
    yield f"{place}: unit {unit.unit_id}: {known}"
    for field in unit.fields:
        yield from _value(field, unit, found, names)


def _value(field: KnownValue, unit: KnownOffer, found: OfferTimeline, names: dict[str, str]) -> Iterator[str]:
    since = "" if field.since_us is None else f" since {moment(field.since_us)}"
    doubt = "" if field.certain else "; NOT CERTAIN: a call that carried another value was not answered"
    yield f"  {field.field} {amount(field.value, field.currency)}{since}: {_basis(field)}{doubt}"
    writer = field.written_by or field.winner
    if field.written_by is not None:
        yield f"    written for {named(field.written_by)}, which asked for the same value"
    if writer is not None and field.basis is Basis.ACCEPTED:
        for call in found.calls.get(writer.result_id, ()):
            if not call.is_look_up:
                yield f"    {call_line(call, unit.unit_id)}"
    for loser in field.losers[-_MOST_LOSERS:]:
        yield f"    won over {lost(loser, names)}"
    if (more := len(field.losers) - _MOST_LOSERS) > 0:
        yield f"    and over {more:,} older"
    is_last = bool(field.changes) and field.changes[-1].value == field.value
    earlier = field.changes[:-1] if is_last else field.changes
    for change in reversed(earlier[-_MOST_CHANGES:]):
        yield f"    before: {_change(change, names)}"


def _basis(field: KnownValue) -> str:
    event = named(field.winner) if field.winner is not None else None
    if event is None and field.event_id is not None:
        event = f"{event_name(field.event_id)}, whose result is gone"
    if field.basis is Basis.ACCEPTED:
        return f"accepted for {event or 'an event whose result is gone'}"
    shown = "shown by the marketplace"
    return f"{shown}; {event} asked for it" if event is not None else f"{shown}; no event has changed it"


def _change(change: ValueChange, names: dict[str, str]) -> str:
    by = names.get(change.result_id, "an event") if change.result_id is not None else "shown by the marketplace"
    through = f", through linked unit {change.through_unit_id}" if change.through_unit_id is not None else ""
    return f"{amount(change.value, change.currency)} since {moment(change.at_us)} ({by}{through})"


def _shown(unit: UnitObserved) -> str:
    values = {
        "price": None if unit.price is None else amount(unit.price, unit.currency),
        "stock": None if unit.stock is None else str(unit.stock),
        "handling_time": None if unit.handling_time_days is None else str(unit.handling_time_days),
    }
    told = ", ".join(f"{field} {value}" for field, value in values.items() if value is not None)
    live = {True: "live", False: "NOT LIVE", None: ""}[unit.is_live]
    offer_id = f"offer id {printable(unit.offer_id)}" if unit.offer_id is not None else ""
    known = (unit.storefront, unit.condition, offer_id, printable(unit.status or ""), live)
    return (
        f"sweep of {moment(unit.sweep_at_us)}: unit {unit.unit_id}: {', '.join(filter(None, known))}"
        f"{f': {told}' if told else ''}"
    )


def _drifts(found: OfferTimeline) -> Iterator[str]:
    yield from (_drift(drift, found) for drift in found.drifts[:_MOST_DRIFTS])
    if (more := len(found.drifts) - _MOST_DRIFTS) > 0:
        yield f"and {more:,} older drifts; --json has them all"


def _drift(drift: OfferDrifted, found: OfferTimeline) -> str:
    event = "an event" if drift.accepted_event_id is None else event_name(drift.accepted_event_id)
    done = "reported"
    if drift.action is DriftAction.REPAIRED:
        repair = found.outcome(drift.result_id or "")
        done = f"the accepted value is sent again: {'no result yet' if repair is None else repair.counts.status.value}"
    return (
        f"drift of {moment(drift.observed_at_us)}: unit {drift.unit_id}: {drift.field} "
        f"{amount(drift.observed_value, drift.currency)} instead of {amount(drift.accepted_value, drift.currency)} "
        f"({event}): {drift.cause.value}, {CAUSES[drift.cause]}; {done}"
    )


def _replay(replay: TouchingReplay) -> str:
    command = command_line(replay.replay_id if replay.command is None else replay.command)
    count = len(replay.result_ids)
    progress = "".join(
        f"; partition {one.partition}: {one.state.value}, {one.position - one.start:,} of {one.end - one.start:,} "
        "offsets"
        for one in replay.progress
    )
    return f"replayed by {command}: {count:,} event{'' if count == 1 else 's'} of this EAN{progress}"


def _missing(row: OfferNotFound) -> Iterator[str]:
    check = "with the next event" if row.next_check_at_us is None else moment(row.next_check_at_us)
    yield (
        f"{printable(row.target_id)}: {row.code} since {moment(row.first_seen_at_us)}: {row.storefront}, "
        f"{printable(row.condition)}; asked for by {row.times_seen:,} event{'' if row.times_seen == 1 else 's'}, "
        f"looked up next: {check}"
    )
    for candidate in row.candidates:
        offer_id = "" if candidate.offer_id is None else f", offer id {printable(candidate.offer_id)}"
        yield f"  there is unit {candidate.unit_id} ({candidate.storefront}, {candidate.condition}{offer_id})"


def _waiting(waiting: WaitingEvent, found: OfferTimeline) -> Iterator[str]:
    values = ", ".join(f"{field} {amount(value, currency)}" for field, value, currency in waiting.fields)
    target = f" for {printable(waiting.target_id)}" if waiting.target_id is not None else ""
    yield f"  {event_name(waiting.event_id)}{target}, received {moment(waiting.received_us)}: {values or 'no value'}"
    announced = found.outcome(waiting.result_id)
    for command in waiting.held_by:
        yield f"    held by {command_line(command)}"
        if announced is not None and announced.counts.held_by == command and announced.counts.problem is not None:
            yield f"      {printable(announced.counts.problem.message)}"
    yield from (f"    writes are stopped by {command_line(command)}" for command in waiting.stopped_by)
    if waiting.announced == "NOT_FOUND":
        check = "" if waiting.next_check_us is None else f"; looked up next: {moment(waiting.next_check_us)}"
        yield f"    its offer was not found{check}"
    elif waiting.sweep_us is not None and waiting.sweep_until_us is not None:
        until = moment(waiting.sweep_until_us)
        yield f"    waits for the sweep of {moment(waiting.sweep_us)} to show its offer, at the latest until {until}"
    elif not waiting.held_by and not waiting.stopped_by:
        yield "    waits for a call"
    yield from (f"    {call_line(call, waiting.unit_id)}" for call in waiting.calls)
    if waiting.ended is not None:
        row = waiting.ended.counts
        yield f"    ended later: {row.status.value}, {moment(row.decided_at_us)}"


def _event(outcome: EventOutcome) -> str:
    row = outcome.counts
    fields = ", ".join(
        f"{one.field} {amount(one.requested, one.currency)}"
        + (f" {one.status.value}" if one.status.value != row.status.value else "")
        for one in row.fields
    )
    target = f" {printable(row.target_id)}" if row.target_id is not None else ""
    code = f" {row.code}" if row.code is not None else ""
    again = len(outcome.rows) - 1
    more = f"; {again} more row{'' if again == 1 else 's'}" if again else ""
    return (
        f"  {moment(row.received_at_us)} {named(outcome)}{target}: {row.status.value}{code}"
        f"{f': {fields}' if fields else ''} [{row.origin.value}{more}]"
    )
