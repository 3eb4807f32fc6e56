"""Holds fields that a command or an override covers or a guard rail stops, and ends those that were dropped. Pure.

Only what would be sent now is held: an event that ends as UNCHANGED or SUPERSEDED ends all the same. A held field stays
open, so newer events take its place; what holds it is stored with the entry, and holds it until that command is over,
whatever other commands come.

A guard rail holds a field as long as it trips it, until a person decides. The rail stays noted while a command holds
the field as well.

A drop ends every field that the command covers and that was pending then: those that were held, and those that were
not, for instance because their offer is not listed yet. An event that was written while the command was in force and is
read for the first time after the drop ends as well: after a crash, or when the state is rebuilt, events are read again.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from connector.contracts.codes import Code
from connector.contracts.event_time import moment
from connector.controls.commands import ControlCommand, ControlKind, ControlState
from connector.controls.in_force import CommandsInForce
from connector.controls.waiting import looks_again_at_us
from connector.marketplace.offers import Field
from connector.offers.entry_draft import EntryDraft
from connector.offers.events import Announced, FieldStatus, HeldField, Origin
from connector.offers.guard_rails import GuardRails
from connector.offers.ledger import Asked, Fact, FieldOutcome, KnownUnit, LedgerEntry, OfferLane
from connector.offers.offer_draft import OfferDraft
from connector.offers.plan import PlanDraft, PlannedHold
from connector.offers.rails import Tripped
from connector.offers.refusal import Refusal, refuse
from connector.offers.window_rails import NO_WINDOWS, WindowRails
from connector.routing.table import Target
from streams.frozen import replace

BY_OVERRIDE: Final = "override"
"""What results name as the holder of a field that an override holds."""


class Holding:
    """The holds and drops of one turn.

    ``fresh``: the result ids of the entries that this turn has added, with the timestamps of their records in
    microseconds. No call has carried their values yet.
    """

    def __init__(
        self,
        draft: OfferDraft,
        plan: PlanDraft,
        commands: CommandsInForce,
        fresh: Mapping[str, int],
        windows: WindowRails = NO_WINDOWS,
    ) -> None:
        self._draft = draft
        self._plan = plan
        self._commands = commands
        self._fresh = fresh
        self._rails = GuardRails(draft, commands, windows)
        self._last_drop_us = max((drop.at_us for drop in commands.drops), default=0)
        self._held: dict[tuple[str, Field], tuple[FieldOutcome, _Holder]] = {}  # by result id and field

    def end_dropped(self, row: EntryDraft, target: Target) -> None:
        """Ends the open fields of an entry that a drop concerns. No older event may be sent in their place."""
        entry = row.entry
        self._rails.note_releases(row, target)
        if not entry.held and self._fresh.get(entry.result_id, entry.received_at_us) >= self._last_drop_us:
            return
        for asked in tuple(row.open):
            fault = self._dropping(row, asked.field, target)
            if fault is None:
                continue
            row.unit = self._draft.unit_of(row, target)
            self._end(row, asked, fault)

    def _end(self, row: EntryDraft, asked: Asked, fault: Refusal) -> None:
        before = self._draft.fact(row.unit, asked.field) if row.unit is not None else None
        held = row.held_field(asked.field)
        rules = (held.held_by,) if held is not None else ()
        if row.entry.result_id not in self._fresh:
            self._draft.doubt(row, asked)
        self._draft.drop(row, asked)
        self._draft.end(row, asked.field, FieldStatus.SUPPRESSED, fault, before=before, rules=rules)

    def _dropping(self, row: EntryDraft, field: Field, target: Target) -> Refusal | None:
        """Returns why a field ends that a command dropped; None if none did."""
        entry, held = row.entry, row.held_field(field)
        if (fault := self._rails.dropped(row, field, target)) is not None:
            return fault
        if held is not None and self._state_of(held) is ControlState.DROPPED:
            return dropped_by(self._commands.by_id[held.held_by])
        written_us = self._fresh.get(entry.result_id)
        for drop in self._commands.drops:
            command = drop.command
            if written_us is None:
                was_pending = entry.received_at_us < drop.at_us
            else:
                was_pending = entry.origin is not Origin.REPLAY and command.issued_at_us <= written_us < drop.at_us
            if was_pending and command.scope.covers(self._draft.scoped(entry, field, target)):
                return dropped_by(command)
        return None

    def holds(self, row: EntryDraft, asked: Asked, value: int, unit: KnownUnit, known: Fact | None) -> bool:
        """Whether a field that would be sent now is held, or ends because a person dropped what trips a guard rail.

        ``known``: what the unit is known to hold. Age and retry budget of a value that is not held any more
        count from now.
        """
        field = asked.field
        held = row.held_field(field)
        before = known.value if known is not None else None
        holder = self._holder(held, row, field, value, unit, before)
        if isinstance(holder, Refusal):
            self._end(row, asked, holder)
            return True
        if holder is None:
            if held is not None:
                row.let_go(field)
                row.since_us = self._draft.now_us
            return False
        self._note(row, field, held, holder)
        outcome = FieldOutcome(
            field=field,
            status=FieldStatus.HELD,
            code=holder.fault.code,
            before=before,
            before_basis=known.basis if known is not None and before is not None else None,
            before_at_us=known.accepted_at_us if known is not None and before is not None else None,
            rules=(holder.name,),
        )
        self._held[row.entry.result_id, field] = outcome, holder
        if holder.ends_at_us is not None:
            self._plan.wake(holder.ends_at_us)
        self._plan.wake(looks_again_at_us(row.since_us, self._draft.now_us))
        return True

    def hold_along(self, row: EntryDraft, field: Field, held: tuple[EntryDraft, Field]) -> None:
        """Has a field wait with one that is held: a unit is created with both or not at all."""
        found = self._held.get((held[0].entry.result_id, held[1]))
        if found is not None:
            self._held.setdefault((row.entry.result_id, field), (replace(found[0], field=field), found[1]))

    def to_announce(self, rows: Iterable[EntryDraft]) -> Iterator[tuple[str, PlannedHold]]:
        """Yields, by result id, the entries for which a result HELD is due: one for each hold.

        It is due when nothing else of the entry is left to do, so that the result says how the other fields ended.
        """
        for row in rows:
            found = [self._held.get((row.entry.result_id, asked.field)) for asked in row.open]
            held = [one for one in found if one is not None]
            if row.unit is None or not held or len(held) < len(found):
                continue
            holders = [holder for _, holder in held]
            if _is_due(row.entry, holders):
                outcomes = tuple(outcome for outcome, _ in held)
                yield row.entry.result_id, PlannedHold(outcomes, row.unit, holders[0].name, holders[0].fault)

    def _note(self, row: EntryDraft, field: Field, held: HeldField | None, holder: "_Holder") -> None:
        """Stores with the entry what holds a field. A guard rail that waits for a decision stays noted."""
        never_sent = row.entry.result_id in self._fresh if held is None else held.never_sent
        guard, since_us = (None, None) if held is None else (held.guard, held.guarded_at_us)
        if holder.is_rail:
            guard, since_us = holder.name, since_us or self._draft.now_us
        new = HeldField(field=field, held_by=holder.name, never_sent=never_sent, guard=guard, guarded_at_us=since_us)
        if new != held:
            row.hold(new)

    def _holder(
        self, held: HeldField | None, row: EntryDraft, field: Field, value: int, unit: KnownUnit, known: int | None
    ) -> "_Holder | Refusal | None":
        """Returns what holds a field: a command, else an override of the offer, else a guard rail; or why it ends."""
        command = self._command(held, row.entry, field, unit)
        if command is not None:
            return _Holder(command.command_id, held_by(command), command.expires_at_us)
        override = self._draft.terms.overrides.hold(self._draft.before.ean, row.entry.target_id, field)
        if override is not None:
            return _Holder(BY_OVERRIDE, refuse(Code.HELD_BY_OVERRIDE, field=field, because=override.because))
        tripped = self._rails.tripped(row, field, value, unit, known)
        return _Holder(tripped.rail, tripped.fault, is_rail=True) if isinstance(tripped, Tripped) else tripped

    def _command(
        self, held: HeldField | None, entry: LedgerEntry, field: Field, unit: KnownUnit
    ) -> ControlCommand | None:
        """Returns the command that holds a field: the one that does already, or else the oldest that covers it."""
        if held is not None and self._state_of(held) is ControlState.IN_FORCE:
            return self._commands.by_id[held.held_by]
        if not self._commands.holds:
            return None
        return self._commands.hold_of(self._draft.scoped(entry, field, unit), self._draft.now_us)

    def _state_of(self, held: HeldField) -> ControlState:
        return self._commands.state_of(held.held_by, self._draft.now_us)


@dataclass(frozen=True, slots=True)
class _Holder:
    """What holds a field: its name (a command id, ``BY_OVERRIDE`` or a guard rail), why, and until when, if known."""

    name: str
    fault: Refusal
    ends_at_us: int | None = None
    is_rail: bool = False


def _is_due(entry: LedgerEntry, holders: Iterable[_Holder]) -> bool:
    """Whether no result HELD has named one of these yet, or the event was announced or read again since."""
    if entry.asked_again or entry.announced is not Announced.HELD:
        return True
    return all(holder.name != entry.held_by for holder in holders)


def taken_over(lane: OfferLane) -> OfferLane:
    """Returns the lane at a new owner: what the previous one has sent after its last checkpoint is not known."""
    if not any(held.never_sent for entry in lane.entries for held in entry.held):
        return lane
    return replace(
        lane,
        entries=tuple(
            replace(entry, held=tuple(replace(held, never_sent=False) for held in entry.held)) if entry.held else entry
            for entry in lane.entries
        ),
    )


# ---- in words -------------------------------------------------------------------------------------------------------


def held_by(command: ControlCommand) -> Refusal:
    """Returns why a field is held: who holds it with which command, why and until when."""
    return refuse(
        Code.PAUSED if command.kind is ControlKind.PAUSE else Code.HELD_BY_PERSON,
        command_id=command.command_id,
        by=command.issued_by,
        until="it is released" if command.expires_at_us is None else moment(command.expires_at_us),
        reason=command.reason or "no reason given",
    )


def dropped_by(command: ControlCommand) -> Refusal:
    """Returns why a field that was held ends without being sent."""
    return refuse(
        Code.HOLD_DROPPED,
        command_id=command.command_id,
        by=command.changed_by or "someone",
        reason=command.reason or "no reason given",
    )
