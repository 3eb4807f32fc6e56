"""Compares accepted values with the marketplace by command (RESEND, VERIFY), and has those sent that differ. Pure.

``begin`` makes one entry for each event of each unit whose value was accepted, with the order of that event: newer
events win as always. The compared values count as uncertain, so that the unit is looked up first; the unit stays proven
for everything else. ``Comparison`` then ends the fields that are as the events want, and those that must not be sent.

A command is carried out once: the lane remembers it until it expires, after which no process delivers it any more. What
has not ended when the command is over ends then.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from connector.contracts.codes import Code
from connector.contracts.microseconds import us
from connector.contracts.result_ids import result_id, result_id_of_command
from connector.controls.commands import COMPARING_EXPIRES_S, ControlCommand, ControlKind, ControlState
from connector.controls.in_force import CommandsInForce
from connector.marketplace.call_kinds import CallKind
from connector.marketplace.offers import Field
from connector.offers.entry_draft import EntryDraft
from connector.offers.event_order import Recency
from connector.offers.events import BegunCommand, FieldStatus, Origin
from connector.offers.field_knowledge import doubted, group_of, newest_accepted, wanted_by_event
from connector.offers.identity import OLD_S
from connector.offers.ledger import Asked, Fact, KnownUnit, LedgerEntry, OfferLane, to_major
from connector.offers.offer_draft import OfferDraft
from connector.offers.plan import PlanDraft
from connector.offers.policy import OfferTerms
from connector.offers.refusal import refuse
from connector.routing.table import Target
from streams.frozen import replace

CALLS: Final = 6
"""After this many calls of look-ups, a value that the marketplace does not show counts as different."""
RANK: Final = 1
"""The priority of a repeated look-up: a person waits for it."""


# ---- the entries of a command ---------------------------------------------------------------------------------------


def begin(lane: OfferLane, command: ControlCommand, terms: OfferTerms, now_us: int) -> OfferLane:
    """Returns the lane with the entries of a command; unchanged if it was begun before, or is over.

    If no accepted event is concerned, there is one entry, and it is refused.
    """
    ends_at_us = command.ends_at_us or now_us + us(COMPARING_EXPIRES_S)
    is_over = now_us >= ends_at_us or command.state_at(now_us) is not ControlState.IN_FORCE
    if is_over or any(begun.command_id == command.command_id for begun in lane.commands):
        return lane
    entries = tuple(_entries(lane, command, terms, now_us)) or (_refused(lane, command, terms, now_us),)
    meant = {entry.unit_id for entry in entries}
    begun = BegunCommand(command_id=command.command_id, results=len(entries), expires_at_us=ends_at_us)
    return replace(
        lane,
        units=_doubting(lane, entries, now_us),
        misses=tuple(
            replace(miss, next_check_at_us=min(miss.next_check_at_us, now_us))
            if any(_is_at(unit, miss.account, miss.storefront) for unit in lane.units if unit.unit_id in meant)
            else miss
            for miss in lane.misses
        ),
        entries=(*lane.entries, *entries),
        commands=(*(one for one in lane.commands if one.expires_at_us > now_us), begun),
    )


def _entries(lane: OfferLane, command: ControlCommand, terms: OfferTerms, now_us: int) -> Iterator[LedgerEntry]:
    """Yields an entry for each event that was accepted for a unit within the command's scope."""
    for target in terms.routing.targets.values():
        if not command.scope.covers_target(target.account, target.id, target.storefront):
            continue
        for unit in lane.units:
            if not _is_at(unit, target.account, target.storefront):
                continue
            by_event: dict[tuple[Recency, str | None], list[Asked]] = {}
            for field, fact in _accepted(lane, unit):
                if fact.order is not None and (command.scope.fields == () or field.value in command.scope.fields):
                    asked = _asked(field, fact, target, terms)
                    by_event.setdefault((fact.order, fact.event_id), []).append(asked)
            for (order, event_id), fields in by_event.items():
                entry = _entry(lane, command, terms, now_us, target.id, unit, order, event_id, tuple(fields))
                is_alone = sum(other.offset == order.offset for other, _ in by_event) == 1
                yield entry if is_alone else _with_own_id(entry)


def _with_own_id(entry: LedgerEntry) -> LedgerEntry:
    """Returns one of several entries of an event with an id of its own.

    The total of all locations has another order than the event that completed it, so it has its own entry.
    """
    fields = "/".join(sorted(asked.field.value for asked in entry.asked))
    return replace(entry, result_id=result_id_of_command(entry.result_id, entry.command_id or "", fields))


def _accepted(lane: OfferLane, unit: KnownUnit) -> Iterator[tuple[Field, Fact]]:
    """Yields the fields of a unit for which an event was accepted, with that fact.

    The stock of linked units is yielded once, for the unit with the newest fact. Events of another EAN, and those that
    a tombstone has replaced, do not count.
    """
    for field, own in unit.facts.items():
        members = group_of(lane.units, unit, field)
        fact = newest_accepted([member.facts.get(field) for member in members])
        owner = next((member for member in members if member.facts.get(field) is fact), unit)
        if fact is not own or owner.unit_id != unit.unit_id or wanted_by_event(own) is None:
            continue
        if own.order is not None and own.order.offset >= 0 and _is_managed(lane, own.order):
            yield field, own


def _is_managed(lane: OfferLane, order: Recency) -> bool:
    return lane.managed and (lane.withdrawn is None or order > lane.withdrawn)


def _entry(
    lane: OfferLane,
    command: ControlCommand,
    terms: OfferTerms,
    now_us: int,
    target_id: str | None,
    unit: KnownUnit | None,
    order: Recency,
    event_id: str | None,
    asked: tuple[Asked, ...],
) -> LedgerEntry:
    of_event = result_id(terms.cluster_id, terms.topic, lane.partition, order.offset)
    name = f"{unit.account}/{unit.unit_id}" if unit is not None else ""
    return LedgerEntry(
        result_id=result_id_of_command(of_event, command.command_id, name),
        event_id=event_id,
        target_id=target_id,
        condition=unit.condition if unit is not None else None,
        offer_id=None,
        unit_id=unit.unit_id if unit is not None else None,
        partition=lane.partition,
        offset=order.offset,
        occurred_at_us=order.time_us,
        order=order,
        received_at_us=now_us,
        since_us=now_us,
        asked=asked,
        origin=Origin.RESEND,
        command_id=command.command_id,
    )


def _refused(lane: OfferLane, command: ControlCommand, terms: OfferTerms, now_us: int) -> LedgerEntry:
    fault = refuse(Code.NOTHING_ACCEPTED, ean=lane.ean, command_id=command.command_id)
    target_id = command.scope.target_ids[0] if command.scope.target_ids else None
    last = Recency(lane.updated_at_us, 0, lane.last_offset)
    entry = _entry(lane, command, terms, now_us, target_id, None, last, None, ())
    return replace(entry, refused=fault.code, problem=fault.problem)


def _asked(field: Field, fact: Fact, target: Target, terms: OfferTerms) -> Asked:
    value = wanted_by_event(fact) or 0
    return Asked(
        field=field,
        value=value,
        requested=to_major(field, value, terms.exponent(target.storefront)),
        currency=terms.currency(target.storefront) if field is Field.PRICE else None,
        conversion=fact.conversion,
    )


def _doubting(lane: OfferLane, entries: Iterable[LedgerEntry], now_us: int) -> tuple[KnownUnit, ...]:
    """Returns the lane's units with the compared values uncertain: only a look-up sent from now on shows them."""
    compared = {(entry.unit_id, asked.field) for entry in entries for asked in entry.asked}
    return tuple(
        replace(
            unit,
            facts={
                field: doubted(fact, now_us) if (unit.unit_id, field) in compared else fact
                for field, fact in unit.facts.items()
            },
        )
        if any(unit.unit_id == unit_id for unit_id, _ in compared)
        else unit
        for unit in lane.units
    )


def _is_at(unit: KnownUnit, account: str, storefront: str) -> bool:
    return (unit.account, unit.storefront) == (account, storefront)


# ---- what becomes of them -------------------------------------------------------------------------------------------


class Comparison:
    """Decides the fields of one turn that a command compares."""

    def __init__(self, draft: OfferDraft, plan: PlanDraft, commands: CommandsInForce) -> None:
        self._draft = draft
        self._plan = plan
        self._commands = commands

    def not_found(self, row: EntryDraft, target: Target) -> None:
        """Ends an entry whose unit a look-up does not show any more: a command does not wait for it."""
        fault = refuse(
            Code.OFFER_NOT_FOUND,
            ean=self._draft.before.ean,
            condition=row.entry.condition,
            storefront=target.storefront,
        )
        self._draft.end_all(row, FieldStatus.NOT_FOUND, fault)

    def differs(self, row: EntryDraft, asked: Asked, unit: KnownUnit) -> bool:
        """Whether the unit shows another value than the event wants, and it is to be sent.

        Otherwise ends the field, or plans another look-up if the last one was sent before the command came.
        """
        fact = self._draft.fact(unit, asked.field)
        shown = fact.value if fact is not None and fact.certain else None
        if shown is not None and shown == asked.value:
            self._draft.end(row, asked.field, FieldStatus.UNCHANGED, before=fact)
            return False
        if self._is_over(row, asked, unit, shown):
            return False
        if shown is None and len(row.entry.lookup_call_ids) < CALLS:
            self._plan.look_up(unit.account, unit.storefront, RANK, row.since_us, unit.condition)
            return False
        return self._may_send(row, asked, fact if shown is not None else None)

    def _is_over(self, row: EntryDraft, asked: Asked, unit: KnownUnit, shown: int | None) -> bool:
        """Whether the command is over; then ends the field. If it is not, has the lane woken when it will be.

        A call may be under way unless the field was held before it could be sent: then the value becomes uncertain.
        """
        command_id = row.entry.command_id or ""
        command = self._commands.by_id.get(command_id)
        if command is not None and command.state_at(self._draft.now_us) is ControlState.IN_FORCE:
            self._plan.wake(command.ends_at_us or self._draft.now_us + us(COMPARING_EXPIRES_S))
            return False
        held = row.entry.held_field(asked.field)
        if shown is not None and (held is None or not held.never_sent):
            for member in group_of(self._draft.before.units, unit, asked.field):
                self._draft.put(member, asked.field, doubted(self._draft.fact(member, asked.field), self._draft.now_us))
        fault = refuse(Code.COMMAND_OVER, command_id=command_id, ean=self._draft.before.ean)
        fact = self._draft.fact(unit, asked.field) if shown is not None else None
        self._draft.end(row, asked.field, FieldStatus.SUPPRESSED, fault, before=fact)
        return True

    def _may_send(self, row: EntryDraft, asked: Asked, fact: Fact | None) -> bool:
        """Whether the command sends the value; ends the field if it does not. ``fact``: what a look-up has shown."""
        shown = fact.value if fact is not None else None
        names = {"command_id": row.entry.command_id, "ean": self._draft.before.ean}
        command = self._commands.by_id[row.entry.command_id or ""]
        if command.kind is not ControlKind.RESEND:
            fault = refuse(Code.DIFFERS, **names)
            self._draft.end(row, asked.field, FieldStatus.DRY_RUN, fault, before=fact, sent=asked.value)
            return False
        is_raised = asked.field is Field.STOCK and (shown is None or (asked.value or 0) > shown)
        if is_raised and Field.STOCK.value not in command.scope.fields:
            fault = refuse(Code.STOCK_NOT_RAISED, shown=shown, wanted=asked.value, **names)
            self._draft.end(row, asked.field, FieldStatus.SUPPRESSED, fault, before=fact)
            return False
        return True

    def is_outdated(self, row: EntryDraft, asked: Asked, unit: KnownUnit) -> bool:
        """Whether a value to be written again was compared too long ago, for example because it was held since.

        Plans a look-up, whose answer has it compared again. While writes are stopped, there is none.
        """
        now_us = self._draft.now_us
        if is_fresh(unit, self._draft.fact(unit, asked.field), now_us):
            return False
        if not self._commands.stops_writes(unit.account, CallKind.UPDATE.on(unit.storefront)):
            self._plan.look_up(unit.account, unit.storefront, RANK, row.since_us, unit.condition)
            return True
        return False

    def is_raised_by_repair(self, row: EntryDraft, asked: Asked, unit: KnownUnit) -> bool:
        """Whether the repair of a drift would raise a stock that was looked up since; then ends the field.

        Pieces may have been sold since the drift was found, and a look-up does not tell.
        """
        fact = self._draft.fact(unit, asked.field)
        if asked.field is not Field.STOCK or fact is None or fact.value is None:
            return False
        if fact.accepted_at_us <= row.entry.received_at_us or (asked.value or 0) <= fact.value:
            return False
        fault = refuse(Code.REPAIR_OUTDATED, shown=fact.value, wanted=asked.value, ean=self._draft.before.ean)
        self._draft.end(row, asked.field, FieldStatus.SUPPRESSED, fault, before=fact)
        return True


def is_fresh(unit: KnownUnit, fact: Fact | None, now_us: int) -> bool:
    """Whether what is known of a unit's field was shown recently enough to write an accepted value again."""
    shown_us = max(unit.proved_at_us, fact.accepted_at_us if fact is not None else 0)
    return now_us - shown_us < us(OLD_S)


def waits_for_look_up(lane: OfferLane, entry: LedgerEntry, now_us: int) -> bool:
    """Whether an accepted value is to be written again, but must be compared first."""
    if entry.origin is not Origin.RESEND:
        return False
    unit = next((one for one in lane.units if one.unit_id == entry.unit_id), None)
    facts = [(asked.field, unit.facts.get(asked.field)) for asked in entry.open] if unit is not None else []
    return any(
        entry.held_field(field) is None
        and unit is not None
        and (fact is None or not fact.certain or not is_fresh(unit, fact, now_us))
        for field, fact in facts
    )


def is_uncompared(lane: OfferLane, entry: LedgerEntry) -> bool:
    """Whether no value of a command's entry can have been sent, because no look-up has shown any of them yet."""
    unit = next((one for one in lane.units if one.unit_id == entry.unit_id), None)
    if unit is None or len(entry.lookup_call_ids) >= CALLS:
        return False
    facts = (unit.facts.get(asked.field) for asked in entry.open)
    return not any(fact is not None and fact.certain for fact in facts)
