"""One line of advice for an EAN: the most important thing that a person can do about it. Pure."""

from collections.abc import Callable, Iterator
from typing import Final

from connector.controls.commands import ControlCommand
from connector.offers.events import Basis, Status
from connector.operations.why.timeline import OfferTimeline, WaitingEvent

NOTHING: Final = "Nothing to do: every event has its final result, and the values are those of the newest events."
_FAILED: Final = frozenset({Status.FAILED, Status.REJECTED, Status.PARTIAL, Status.CONFLICT, Status.SUPPRESSED})


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
            yield (
                f"Held by {command_id}. To send the newest values: connector hold release {command_id}; "
                f"to discard them: connector hold drop {command_id}"
            )


def _not_found(found: OfferTimeline) -> Iterator[str]:
    for row in found.missing:
        other = f" {row.hint}." if row.hint is not None else ""
        yield f"{row.advice}{other}"
    waiting = {one.result_id for one in found.waiting if one.announced == "NOT_FOUND"}
    for event in found.events:
        if event.result_id in waiting and event.counts.problem is not None:
            yield event.counts.problem.advice


def _waits(found: OfferTimeline) -> Iterator[str]:
    for waiting in found.waiting:
        yield (
            f"{_named(waiting)} waits for a call. If it has waited for minutes: connector check, and /status of the "
            "processes"
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
        if row.status in _FAILED or row.status is Status.AMBIGUOUS:
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
                yield (
                    f"Unit {unit.unit_id} shows another {field.field} than was accepted for event "
                    f"{field.event_id}: it was changed outside. The next event sends its own value"
                )


def _on_hold(found: OfferTimeline) -> Iterator[str]:
    for unit in found.units:
        if unit.status in ("ONHOLD", "INCOMPLETE"):
            yield f"Unit {unit.unit_id} is {unit.status}: it takes values but is not on sale. See the seller portal"


def _nothing(found: OfferTimeline) -> Iterator[str]:
    if not (found.units or found.events):
        yield (
            "No topic knows this EAN: no event for it was read while the topics have kept their records. If one was "
            "sent, look for it among the dead letters: connector dlq list"
        )
    yield NOTHING


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
    _nothing,
)
