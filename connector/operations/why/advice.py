"""One line of advice for an EAN: the most important thing that a person can do about it. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from connector.contracts.event_time import moment
from connector.controls.commands import ControlCommand
from connector.offers.events import Basis, DriftAction, DriftCause, OfferNotFound, Status
from connector.offers.gtin import problem_of
from connector.offers.holding import BY_OVERRIDE
from connector.offers.rails import RAIL_NAMES
from connector.operations.why.timeline import KnownOffer, KnownValue, OfferTimeline, WaitingEvent
from connector.reconciliation.events import UnitObserved
from connector.replays.progress import ReplayState

NOTHING: Final = "Nothing to do: every event has its final result, and the values are those of the newest events."
CAUSES: Final[Mapping[DriftCause, str]] = {
    DriftCause.LOST_WRITE: "the accepted write was lost",
    DriftCause.EDITED_OUTSIDE: "it was edited outside",
    DriftCause.SOLD: "pieces were sold",
    DriftCause.LINKED_UNIT: "a linked unit has moved it",
    DriftCause.UNKNOWN: "the cause is not known",
}
"""The cause of a drift in words."""
_FAILED: Final = frozenset({"FAILED", "REJECTED", "CONFLICT", "SUPPRESSED", "AMBIGUOUS"})
"""Statuses of results and fields that did not succeed."""


def advice(found: OfferTimeline) -> str:
    """Returns the first advice that applies. About an earlier time there is none."""
    if not found.is_now:
        return f"This is how it was. For advice on how it is: connector why {found.ean}"
    return next(one for rule in _RULES for one in rule(found))


def _stopped(found: OfferTimeline) -> Iterator[str]:
    for waiting in found.waiting:
        for command in waiting.stopped_by:
            account = f" --account {command.scope.accounts[0]}" if command.scope.accounts else ""
            yield f"Writes are stopped by {command.command_id}. To send what waits: connector writes resume{account}"


def _held(found: OfferTimeline) -> Iterator[str]:
    for waiting in found.waiting:
        for command in waiting.held_by:
            command_id = command.command_id if isinstance(command, ControlCommand) else command
            if command_id == BY_OVERRIDE:
                yield "Held by an override. To send the newest value: correct the file of mappings.overrides_file"
                continue
            if command_id in RAIL_NAMES:
                scope = f"--rail {command_id} --ean {found.ean} --reason WHY"
                yield (
                    f"Held by the guard rail {command_id}. To send the newest values: connector guard release {scope}; "
                    f"to discard them: connector guard drop {scope}"
                )
                continue
            yield (
                f"Held by {command_id}. To send the newest values: connector hold release {command_id}; "
                f"to discard them: connector hold drop {command_id}"
            )


def _not_found(found: OfferTimeline) -> Iterator[str]:
    for row in found.missing:
        here = [one for one in found.shown if (one.account, one.storefront) == (row.account, row.storefront)]
        for unit in here:
            if _is_wanted(row, unit):
                yield (
                    f"The sweep of {moment(unit.sweep_at_us)} shows unit {unit.unit_id} for it, which is looked up "
                    "next. If the offer stays not found, name the unit in the events, by unit_id"
                )
        other = f" {row.hint}." if row.hint is not None else ""
        swept = "".join(
            f" The sweep of {moment(unit.sweep_at_us)} shows unit {unit.unit_id} here, condition {unit.condition}"
            + ("." if unit.offer_id is None else f", offer id {unit.offer_id}.")
            for unit in here[:1]
            if row.hint is None
        )
        yield f"{row.advice}{other}{swept}"
    waiting = {one.result_id for one in found.waiting if one.announced == "NOT_FOUND"}
    for event in found.events:
        if event.result_id in waiting and event.counts.problem is not None:
            yield event.counts.problem.advice


def _waits(found: OfferTimeline) -> Iterator[str]:
    for waiting in found.waiting:
        if waiting.sweep_us is not None and waiting.sweep_until_us is not None:
            yield (
                f"{_named(waiting)} waits for the sweep of {moment(waiting.sweep_us)} to show its offer; it is looked "
                f"up at {moment(waiting.sweep_until_us)} at the latest. How far the sweep is: connector reconcile "
                "status, and cold_start of /status"
            )
            continue
        yield (
            f"{_named(waiting)} waits for a call. If it has waited for minutes: connector check, and /status of the "
            "processes, which says what waits for the daily budget (quota, waiting)"
        )


def _unmanaged(found: OfferTimeline) -> Iterator[str]:
    if found.managed is False:
        yield "A tombstone has ended the management of this EAN; the next event for it starts it again"


def _failed(found: OfferTimeline) -> Iterator[str]:
    """Yields the advice about the newest event of each target, if it did not succeed."""
    seen: set[str | None] = set()
    for event in found.events:
        row = event.counts
        if row.target_id in seen or row.status is Status.SUPERSEDED:
            continue
        seen.add(row.target_id)
        if row.status in _FAILED or any(field.status in _FAILED for field in row.fields):
            problem = row.problem.advice if row.problem is not None else ""
            yield problem or f"The newest event ended as {row.status.value}; docs/codes.md explains {row.code}"


def _owned(found: OfferTimeline) -> Iterator[str]:
    for unit in found.units:
        if unit.owner is not None and unit.owner != found.ean:
            yield f"Unit {unit.unit_id} is written by another EAN of its product: connector why {unit.owner}"


def _uncertain(found: OfferTimeline) -> Iterator[str]:
    for unit in found.units:
        for field in unit.fields:
            if not field.certain:
                yield (
                    f"It is not certain what unit {unit.unit_id} holds as {field.field}: a call was not answered. The "
                    "next event is sent even if it asks for the same value"
                )


def _observed(found: OfferTimeline) -> Iterator[str]:
    for unit in found.units:
        for field in unit.fields:
            if field.basis is Basis.OBSERVED and field.winner is not None:
                yield _drifted(found, unit, field)


def _drifted(found: OfferTimeline, unit: KnownOffer, field: KnownValue) -> str:
    """Returns what to do about a value that is not the accepted one, by the cause that a sweep could tell."""
    shows = f"Unit {unit.unit_id} shows another {field.field} than was accepted for event {field.event_id}"
    drift = found.drift_of(unit.unit_id, field.field)
    if drift is None or drift.observed_value != field.value:
        return f"{shows}: it was changed outside. The next event sends its own value"
    if drift.action is DriftAction.REPAIRED:
        return f"{shows}. The accepted value is sent again, as result {drift.result_id}"
    match drift.cause:
        case DriftCause.SOLD:
            return f"{shows}: pieces were sold, by known orders. The next event sends its own value"
        case DriftCause.LINKED_UNIT:
            return f"{shows}: a linked unit has moved it. To mend both: connector resend {found.ean}"
        case cause:
            return f"{shows}: {CAUSES[cause]}. To send the accepted value again: connector resend {found.ean}"


def _on_hold(found: OfferTimeline) -> Iterator[str]:
    for unit in found.units:
        if unit.status in ("ONHOLD", "INCOMPLETE"):
            yield f"Unit {unit.unit_id} is {unit.status}: it takes values but is not on sale. See the seller portal"
    for shown in found.shown:
        if shown.is_live is False:
            stock = "not told" if shown.stock is None else shown.stock
            yield (
                f"Unit {shown.unit_id} is not live, as the sweep of {moment(shown.sweep_at_us)} shows: status "
                f"{shown.status or 'not told'}, stock {stock}. See the seller portal"
            )


def _replayed(found: OfferTimeline) -> Iterator[str]:
    for replay in found.replays:
        if any(one.state is ReplayState.RUNNING for one in replay.progress):
            yield (
                f"{replay.replay_id} still reads events of this partition again. To see how far it is: connector "
                f"replay status {replay.replay_id}"
            )


def _nothing(found: OfferTimeline) -> Iterator[str]:
    if not (found.units or found.events):
        if (problem := problem_of(found.ean)) is not None:
            yield f"It is no EAN: {problem}, and no event had it. A spreadsheet may have shortened it"
        yield (
            "No topic knows this EAN: no event for it was read while the topics have kept their records. If one was "
            "sent, look for it among the dead letters: connector dlq list"
        )
    yield NOTHING


def _is_wanted(row: OfferNotFound, unit: UnitObserved) -> bool:
    """Whether the offer that is not found is the unit, which a sweep has shown after the event was read."""
    return (
        unit.condition == row.condition
        and row.offer_id in (None, unit.offer_id)
        and unit.requested_at_us > row.last_seen_at_us
    )


def _named(waiting: WaitingEvent) -> str:
    return f"Event {waiting.event_id}" if waiting.event_id is not None else "The tombstone"


_RULES: Final[tuple[Callable[[OfferTimeline], Iterator[str]], ...]] = (
    _stopped,
    _held,
    _not_found,
    _waits,
    _unmanaged,
    _failed,
    _owned,
    _uncertain,
    _observed,
    _on_hold,
    _replayed,
    _nothing,
)
