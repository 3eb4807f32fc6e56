"""Formats values, calls, commands and events in words. Pure."""

from decimal import Decimal

from connector.contracts.call_log_row import MarketplaceCalled
from connector.contracts.event_time import moment
from connector.controls.commands import ControlCommand
from connector.offers.holding import BY_OVERRIDE
from connector.offers.rails import RAIL_NAMES
from connector.operations.dlq.texts import printable
from connector.operations.why.outcomes import EventOutcome, LosingEvent
from connector.operations.why.timeline import EventCall

CENTS = Decimal("0.01")


def amount(value: Decimal | None, currency: str | None) -> str:
    """Formats a value exactly; a price has at least two decimals."""
    if value is None:
        return "not known"
    if currency is None:
        return format(value.normalize(), "f")
    exact = value.quantize(CENTS) if value == value.quantize(CENTS) else value.normalize()
    return f"{exact:f} {printable(currency)}"


def event_name(event_id: str | None) -> str:
    """Returns how an event is called; one without an id is a tombstone."""
    return "the tombstone" if event_id is None else f"event {printable(event_id)}"


def named(outcome: EventOutcome) -> str:
    """Returns an event with the position of its record."""
    row = outcome.counts
    return f"{event_name(row.event_id)} ({row.input_partition}:{row.input_offset})"


def lost(loser: LosingEvent, names: dict[str, str]) -> str:
    """Returns a losing event and how it lost. ``names``: event names by result_id."""
    late = f", {loser.code}: read after a newer one" if loser.code == "OUT_OF_ORDER" else ""
    through = [names.get(result_id, f"result {result_id}") for result_id in loser.chain[:-1]]
    by = f" (lost to {', then '.join(through)} before)" if through else ""
    return f"{event_name(loser.outcome.counts.event_id)}{by}{late}"


def call_line(call: EventCall, unit_id: int | None) -> str:
    """Returns a call with its answer; with ``unit_id``, also what the answer says of this unit."""
    what = "look-up" if call.is_look_up else "call"
    row = call.row
    if row is None:
        return (
            f"{what} {printable(call.call_id)}: no row: it was under way when a process was killed, or the topic's "
            "retention has removed it"
        )
    took = f"{row.duration_us / 1000:,.0f} ms"
    answer = str(row.http_status) if row.http_status is not None else f"no answer ({row.transport_error})"
    return (
        f"{what} {printable(row.call_id)}: {row.method} {printable(row.path)}, {moment(row.sent_at_us)}: "
        f"{answer}{_item(row, unit_id)}, {row.outcome}, {took}"
    )


def _item(row: MarketplaceCalled, unit_id: int | None) -> str:
    for item in row.items:
        if item.unit_id == unit_id and len(row.items) > 1:
            status = "" if item.status_code is None else f" {item.status_code}"
            code = "" if item.code is None else f" {item.code}"
            return f" with{status or code or ' no status'} for this unit, one of {len(row.items)}"
    return ""


def command_line(command: ControlCommand | str) -> str:
    """Returns a command with who gave it, why and for how long; or, of a text, the guard rail, override or lost id."""
    if command == BY_OVERRIDE:
        return "an override, in the file of mappings.overrides_file"
    if isinstance(command, str) and command in RAIL_NAMES:
        return f"the guard rail {command}"
    if isinstance(command, str):
        return f"{printable(command)} (its record is gone)"
    ends = (
        f"{command.state.value.lower()} {moment(command.changed_at_us)} by {printable(command.changed_by or 'nobody')}"
        if command.changed_at_us is not None
        else "until it is released"
        if command.expires_at_us is None
        else f"until {moment(command.expires_at_us)}"
    )
    reason = f"{printable(command.reason)}; " if command.reason else ""
    return (
        f"{printable(command.command_id)} ({reason}{printable(command.issued_by)}, since "
        f"{moment(command.issued_at_us)}, {ends})"
    )
