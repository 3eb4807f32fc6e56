"""Computes what is known of an EAN at a time, from its records. Pure.

What is there now comes from the state topic. What was there earlier comes from the results, because the state topic
keeps only the newest record of an EAN. What a sweep has shown is known of the last sweep only, for the same reason.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from connector.contracts.call_log_row import MarketplaceCalled
from connector.controls.commands import ControlCommand, ControlKind, ControlState
from connector.offers.events import (
    Announced,
    Basis,
    FieldResult,
    FieldState,
    FieldStatus,
    Miss,
    OfferDrifted,
    OfferNotFound,
    OfferResult,
    OfferState,
    Undone,
    UnitState,
)
from connector.offers.identity import AWAITS_SWEEP
from connector.operations.why.outcomes import EventOutcome, LosingEvent, losers_by_winner, outcomes
from connector.operations.why.replays import TouchingReplay, touching
from connector.operations.why.values import Cell, ValueChange, value_at, value_changes
from connector.projection.ean_history import EanHistory
from connector.reconciliation.events import UnitObserved

FIELDS = ("price", "stock", "handling_time")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCall:
    """A call that an event names. ``row`` None: the topic has no row of it."""

    call_id: str
    row: MarketplaceCalled | None
    is_look_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownValue:
    """What a unit holds in one field at the time, as far as it is known."""

    field: str
    value: Decimal | None  # None: not known
    currency: str | None
    basis: Basis
    since_us: int | None
    certain: bool
    winner: EventOutcome | None  # the event that it was accepted for; None: none, or its result is gone
    event_id: str | None = None  # of that event
    written_by: EventOutcome | None  # whose call wrote it, where that is another event that asked for the same value
    losers: tuple[LosingEvent, ...]
    changes: tuple[ValueChange, ...]  # up to the time, oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownOffer:
    """A unit at the time. Of an earlier time only what results tell: status and look-up are None then."""

    target_id: str | None  # None: no configured target means its account and storefront
    account: str
    storefront: str
    unit_id: int
    condition: str
    offer_id: str | None
    status: str | None
    proved_us: int | None
    owner: str | None  # the EAN that may write to it
    fields: tuple[KnownValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingEvent:
    """An event without its final result at the time."""

    result_id: str
    event_id: str | None
    target_id: str | None
    condition: str | None
    unit_id: int | None
    received_us: int
    fields: tuple[tuple[str, Decimal | None, str | None], ...]  # what waits: field, value, currency
    announced: str | None  # NOT_FOUND, HELD; None: no result yet
    held_by: tuple[ControlCommand | str, ...]  # a text: an id of which there is no command
    next_check_us: int | None
    stopped_by: tuple[ControlCommand, ...]  # commands that stop the writes of its account
    calls: tuple[EventCall, ...]
    ended: EventOutcome | None  # how it ended later, of an earlier time
    sweep_us: int | None = None  # start of the sweep that is to identify its offer; None: it waits for none
    sweep_until_us: int | None = None  # when its offer is looked up instead, at the latest


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferTimeline:
    """The answer: what is known of an EAN at ``at_us``. ``is_now``: no earlier time was asked for."""

    ean: str
    at_us: int
    is_now: bool
    managed: bool | None  # None: not known
    unmanaged_us: int | None
    units: tuple[KnownOffer, ...]
    waiting: tuple[WaitingEvent, ...]  # oldest first
    missing: tuple[OfferNotFound, ...]
    misses: tuple[Miss, ...]
    events: tuple[EventOutcome, ...]  # newest first
    calls: Mapping[str, tuple[EventCall, ...]]  # by result_id
    shown: tuple[UnitObserved, ...] = ()  # units as sweeps saw them last; none for an earlier time
    drifts: tuple[OfferDrifted, ...] = ()  # newest first
    replays: tuple[TouchingReplay, ...] = ()
    begins_us: int | None
    unreadable: tuple[str, ...]

    @property
    def is_known(self) -> bool:
        """Whether anything was known of the EAN at the time."""
        seen = self.shown or self.drifts
        return bool(self.units or self.waiting or self.missing or self.misses or self.events or seen)

    def outcome(self, result_id: str) -> EventOutcome | None:
        """Returns what became of an event; None if there is none with this id."""
        return next((one for one in self.events if one.result_id == result_id), None)

    def drift_of(self, unit_id: int, field: str) -> OfferDrifted | None:
        """Returns the newest drift of a field; None if none is known."""
        return next((one for one in self.drifts if (one.unit_id, one.field) == (unit_id, field)), None)


def timeline(
    history: EanHistory, targets: Mapping[tuple[str, str], str], now_us: int, at_us: int | None, target: str | None
) -> OfferTimeline:
    """Returns what is known at ``at_us``; None, or a time that is still to come: now.

    ``targets``: (account, storefront) -> target id. ``target``: leave out what other targets have.
    """
    return _Asked(history, targets, now_us, at_us, target).answer()


class _Asked:
    """One question: the history as far as it was known at the time."""

    def __init__(
        self,
        history: EanHistory,
        targets: Mapping[tuple[str, str], str],
        now_us: int,
        at_us: int | None,
        target: str | None,
    ) -> None:
        self._is_now = at_us is None or at_us >= now_us
        self._at_us = now_us if at_us is None or self._is_now else at_us
        self._history = history
        self._targets = targets
        self._places = {name: place for place, name in targets.items()}
        self._target = target
        self._state = history.state
        self._commands = {command.command_id: command for command in history.commands}
        # A row decided on a machine with a fast clock may be ahead of this one's: now means all of them.
        self._until_us = max((row.decided_at_us for row in history.results), default=0) if self._is_now else self._at_us
        self._events = outcomes(history.results, self._until_us)
        self._losers = {field: losers_by_winner(self._events, field) for field in FIELDS}
        self._changes = value_changes(history.results, self._state.units if self._state is not None else ())

    def answer(self) -> OfferTimeline:
        state = self._state if self._is_now else None
        shown = [one for one in self._events.values() if self._is_meant(one.counts.target_id)]
        events = sorted(shown, key=lambda one: (one.counts.received_at_us, one.counts.input_offset), reverse=True)
        return OfferTimeline(
            ean=self._history.ean,
            at_us=self._at_us,
            is_now=self._is_now,
            managed=state.managed if state is not None else None,
            unmanaged_us=state.unmanaged_at_us if state is not None else None,
            units=tuple(self._units(state)),
            waiting=tuple(sorted(self._waiting(state), key=lambda one: one.received_us)),
            missing=tuple(one for one in self._history.not_found if self._is_now and self._is_meant(one.target_id)),
            misses=tuple(self._misses(state)),
            events=tuple(events),
            calls={one.result_id: self._calls_of(one.counts) for one in events},
            shown=tuple(self._shown()),
            drifts=tuple(self._drifts()),
            replays=touching(shown, self._commands, self._history.replays),
            begins_us=self._history.begins_us,
            unreadable=self._history.unreadable,
        )

    def _is_meant(self, target_id: str | None) -> bool:
        """Whether the target was asked for. What names no target, such as a tombstone, is about every target."""
        return self._target is None or target_id is None or target_id == self._target

    # ---- what is there ----------------------------------------------------------------------------------------------

    def _units(self, state: OfferState | None) -> Iterator[KnownOffer]:
        if state is not None:
            for unit in state.units:
                if self._is_meant(self._targets.get((unit.account, unit.storefront), "")):
                    yield self._unit_now(unit, state)
            return
        known = {unit.unit_id: unit for unit in (self._state.units if self._state is not None else ())}
        for unit_id in sorted({unit_id for unit_id, _ in self._changes}):
            then = self._unit_then(unit_id, known.get(unit_id))
            if then is not None and self._is_meant(then.target_id or ""):
                yield then

    def _unit_now(self, unit: UnitState, state: OfferState) -> KnownOffer:
        return KnownOffer(
            target_id=self._targets.get((unit.account, unit.storefront)),
            account=unit.account,
            storefront=unit.storefront,
            unit_id=unit.unit_id,
            condition=unit.condition,
            offer_id=unit.offer_id,
            status=unit.unit_status,
            proved_us=unit.proved_at_us or None,
            owner=unit.owner,
            fields=tuple(self._value_now(unit, one, state) for one in unit.fields),
        )

    def _value_now(self, unit: UnitState, known: FieldState, state: OfferState) -> KnownValue:
        changes = self._until(unit.unit_id, known.field)
        winner = None
        if known.input_offset is not None:
            winner = self._event_at(state.input_partition, known.input_offset)
        written_by = self._writer(changes, known.value, known.basis) if known.value_known else None
        return KnownValue(
            field=known.field,
            value=known.value if known.value_known else None,
            currency=known.currency,
            basis=known.basis,
            since_us=known.accepted_at_us,
            certain=known.certain,
            winner=winner,
            event_id=winner.counts.event_id if winner is not None else known.event_id or None,
            written_by=written_by if written_by is not winner else None,
            losers=self._losers_of(known.field, winner),
            changes=changes,
        )

    def _unit_then(self, unit_id: int, unit: UnitState | None) -> KnownOffer | None:
        """Returns a unit at an earlier time; None if nothing was known of it by then."""
        fields = tuple(one for field in FIELDS if (one := self._value_then(unit_id, field)) is not None)
        row = next((one.counts for one in self._events.values() if one.counts.unit_id == unit_id), None)
        if not fields or (row is None and unit is None):
            return None
        account, storefront = self._place(unit, row)
        sent = row.sent if row is not None else None
        return KnownOffer(
            target_id=self._targets.get((account, storefront), row.target_id if row is not None else None),
            account=account,
            storefront=storefront,
            unit_id=unit_id,
            condition=unit.condition if unit is not None else (row.condition if row is not None else None) or "",
            offer_id=unit.offer_id if unit is not None else sent.offer_id if sent is not None else None,
            status=None,
            proved_us=None,
            owner=None,
            fields=fields,
        )

    def _value_then(self, unit_id: int, field: str) -> KnownValue | None:
        changes = self._until(unit_id, field)
        last = value_at(changes, self._at_us)
        if last is None:
            return None
        written_by = self._events.get(last.result_id) if last.result_id is not None else None
        winner = self._newest_confirming(unit_id, field, last, written_by)
        return KnownValue(
            field=field,
            value=last.value,
            currency=last.currency,
            basis=last.basis,
            since_us=last.at_us,
            certain=not self._may_have_changed(unit_id, field, last.at_us),
            winner=winner,
            event_id=winner.counts.event_id if winner is not None else None,
            written_by=written_by if written_by is not winner else None,
            losers=self._losers_of(field, winner),
            changes=changes,
        )

    def _newest_confirming(
        self, unit_id: int, field: str, last: ValueChange, written_by: EventOutcome | None
    ) -> EventOutcome | None:
        """Returns the newest event that asked for the value while it was there; at least the one that wrote it."""
        found = written_by
        for one in self._events.values():
            ended, row = one.field(field), one.counts
            if row.unit_id != unit_id or ended is None or ended.status is not FieldStatus.UNCHANGED:
                continue
            if row.decided_at_us >= last.at_us and (found is None or _read_after(row, found.counts)):
                found = one
        return found

    def _may_have_changed(self, unit_id: int, field: str, since_us: int) -> bool:
        """Whether a call has carried another value since, without an answer that tells what became of it."""
        for one in self._events.values():
            ended, row = one.field(field), one.counts
            lost = ended is not None and ended.status is FieldStatus.FAILED and row.sent is not None
            if row.unit_id == unit_id and lost and row.decided_at_us > since_us:
                return True
        return False

    def _place(self, unit: UnitState | None, row: OfferResult | None) -> tuple[str, str]:
        if unit is not None:
            return unit.account, unit.storefront
        if row is not None and row.sent is not None:
            return row.sent.account, row.sent.storefront
        return self._places.get((row.target_id if row is not None else None) or "", ("", ""))

    def _until(self, unit_id: int, field: str) -> tuple[ValueChange, ...]:
        cell: Cell = (unit_id, field)
        found = self._changes.get(cell, ())
        return found if self._is_now else tuple(one for one in found if one.at_us <= self._at_us)

    def _writer(self, changes: Sequence[ValueChange], value: Decimal, basis: Basis) -> EventOutcome | None:
        """Returns the event whose call wrote the value that is there now."""
        last = next((one for one in reversed(changes) if one.basis is Basis.ACCEPTED), None)
        if basis is not Basis.ACCEPTED or last is None or last.value != value or last.result_id is None:
            return None
        return self._events.get(last.result_id)

    def _losers_of(self, field: str, winner: EventOutcome | None) -> tuple[LosingEvent, ...]:
        return self._losers[field].get(winner.result_id, ()) if winner is not None else ()

    def _event_at(self, partition: int, offset: int) -> EventOutcome | None:
        for one in self._events.values():
            if (one.counts.input_partition, one.counts.input_offset) == (partition, offset):
                return one
        return None

    # ---- what sweeps saw --------------------------------------------------------------------------------------------

    def _shown(self) -> Iterator[UnitObserved]:
        for one in sorted(self._history.shown, key=lambda one: (one.account, one.storefront, one.unit_id)):
            if self._is_now and self._is_meant(self._targets.get((one.account, one.storefront), "")):
                yield one

    def _drifts(self) -> Iterator[OfferDrifted]:
        """Yields the drifts by the time, newest first; one that was written twice once."""
        once = {one.drift_id: one for one in self._history.drifts}
        for one in sorted(once.values(), key=lambda one: (one.detected_at_us, one.drift_id), reverse=True):
            is_then = self._is_now or one.detected_at_us <= self._at_us
            if is_then and self._is_meant(self._targets.get((one.account, one.storefront), "")):
                yield one

    # ---- what waits -------------------------------------------------------------------------------------------------

    def _waiting(self, state: OfferState | None) -> Iterator[WaitingEvent]:
        if state is not None:
            yield from (self._undone(one, state) for one in state.undone if self._is_meant(one.target_id))
            return
        if not self._is_now:
            yield from self._waited()

    def _undone(self, undone: Undone, state: OfferState) -> WaitingEvent:
        ended = {one.field for one in undone.ended}
        held = dict.fromkeys(name for one in undone.held for name in (one.held_by, one.guard) if name is not None)
        account, storefront = self._places.get(undone.target_id, ("", ""))
        checks = (
            miss.next_check_at_us
            for miss in state.misses
            if (miss.account, miss.storefront, miss.condition) == (account, storefront, undone.condition)
        )
        awaited = self._awaited_sweep(undone, state, account, storefront)
        lookups = tuple(self._calls(undone.lookup_call_ids, is_look_up=True))
        sent = tuple(self._calls(undone.sent.call_ids if undone.sent is not None else (), is_look_up=False))
        return WaitingEvent(
            result_id=undone.result_id,
            event_id=undone.event_id,
            target_id=undone.target_id,
            condition=undone.condition,
            unit_id=undone.unit_id,
            received_us=undone.received_at_us,
            fields=tuple((one.field, one.value, one.currency) for one in undone.fields if one.field not in ended),
            announced=undone.announced.value if undone.announced.value in ("NOT_FOUND", "HELD") else None,
            held_by=tuple(self._commands.get(one, one) for one in held),
            next_check_us=next(checks, None) if undone.announced.value == "NOT_FOUND" else None,
            stopped_by=tuple(self._stops(account)),
            calls=(*lookups, *sent),
            ended=None,
            sweep_us=awaited.since_us if awaited is not None else None,
            sweep_until_us=awaited.next_check_at_us if awaited is not None else None,
        )

    def _awaited_sweep(self, undone: Undone, state: OfferState, account: str, storefront: str) -> Miss | None:
        """Returns the note of the sweep that an event waits for: of its storefront, or for stock, which units may
        share, of any other of the account. A stock of zero waits for none."""
        stock = [one.value for one in undone.fields if one.field == "stock"]
        if 0 in stock or undone.announced is not Announced.NONE:
            return None
        found = [
            miss
            for miss in state.misses
            if miss.code == AWAITS_SWEEP
            and miss.account == account
            and (stock or miss.storefront == storefront)
            and self._at_us < miss.next_check_at_us
        ]
        return max(found, key=lambda miss: miss.next_check_at_us, default=None)

    def _waited(self) -> Iterator[WaitingEvent]:
        """Yields the events that had been received at the time, and had their final result later or not at all."""
        final = outcomes(self._history.results, max((row.decided_at_us for row in self._history.results), default=0))
        for result_id, later in final.items():
            then = self._events.get(result_id)
            row = then.counts if then is not None else later.counts
            is_over = then is not None and then.is_final
            if is_over or row.received_at_us > self._at_us or not self._is_meant(row.target_id):
                continue
            account, _ = self._places.get(row.target_id or "", ("", ""))
            yield WaitingEvent(
                result_id=result_id,
                event_id=row.event_id,
                target_id=row.target_id,
                condition=row.condition,
                unit_id=row.unit_id,
                received_us=row.received_at_us,
                fields=tuple((one.field, one.requested, one.currency) for one in row.fields if _waits(one, then)),
                announced=row.status.value if then is not None else None,
                held_by=(self._commands.get(row.held_by, row.held_by),) if then is not None and row.held_by else (),
                next_check_us=None,
                stopped_by=tuple(self._stops(account)),
                calls=self._calls_of(row) if then is not None else (),
                ended=later if later.is_final and later is not then else None,
            )

    def _stops(self, account: str) -> Iterator[ControlCommand]:
        for command in self._history.commands:
            covers = not command.scope.accounts or account in command.scope.accounts
            if command.kind is ControlKind.STOP_WRITES and covers and is_in_force(command, self._at_us):
                yield command

    def _misses(self, state: OfferState | None) -> Iterator[Miss]:
        for miss in state.misses if state is not None else ():
            if self._is_meant(self._targets.get((miss.account, miss.storefront), "")):
                yield miss

    # ---- calls ------------------------------------------------------------------------------------------------------

    def _calls_of(self, row: OfferResult) -> tuple[EventCall, ...]:
        sent = row.sent.call_ids if row.sent is not None else ()
        return (
            *self._calls(row.lookup_call_ids, is_look_up=True),
            *self._calls(sent, is_look_up=False),
        )

    def _calls(self, call_ids: Iterable[str], *, is_look_up: bool) -> Iterator[EventCall]:
        for call_id in call_ids:
            rows = self._history.calls.get(call_id, ())
            for row in rows or (None,):
                yield EventCall(call_id=call_id, row=row, is_look_up=is_look_up)


def is_in_force(command: ControlCommand, at_us: int) -> bool:
    """Whether a command was in force at a time. A record has only the last change of its state, which suffices."""
    expires = command.kind is not ControlKind.STOP_WRITES and command.expires_at_us is not None
    is_over = command.state is not ControlState.IN_FORCE and command.changed_at_us is not None
    ends_us = (command.expires_at_us if expires else None, command.changed_at_us if is_over else None)
    return command.issued_at_us <= at_us and all(end_us is None or at_us < end_us for end_us in ends_us)


def _waits(field: FieldResult, then: EventOutcome | None) -> bool:
    """Whether a field of an event is still wanted: an announced row says how the others ended."""
    return then is None or field.status in (FieldStatus.NOT_FOUND, FieldStatus.HELD)


def _read_after(row: OfferResult, other: OfferResult) -> bool:
    return (row.input_partition, row.input_offset) > (other.input_partition, other.input_offset)
