"""An event goes in; then every open field is settled as far as what is known allows. Pure.

Events that mean the same field of the same unit (for stock: of the same group of linked units) form a *cell*, in which
the newest order wins; before identity is known, the cell is that of equal selectors. What is left open after ``settle``
is what the lane still has to do, and ``Plan`` says it.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from connector.codes import Code
from connector.events import Announced, FieldStatus, OfferChanged, OfferWithdrawn, Origin, Problem, result_id
from connector.marketplace import Field
from connector.offers.guards import Refusal, examine, future_fault, key_fault, refuse
from connector.offers.identity import (
    LOOKUP_FAILED,
    READ_BACK,
    Identity,
    Missing,
    Proven,
    Unclear,
    Unproven,
    Waiting,
    describe,
    looked,
    resolve,
)
from connector.offers.ledger import NO_SEQUENCE, Asked, End, Entry, Fact, KnownUnit, OfferLane
from connector.offers.policy import OfferPolicy, Terms, us
from connector.offers.trust import accepted, doubted, group_of, is_already_so, newest_accepted, raised
from connector.routing import Target

RECHECK_RANK = 7
REPLAY_RANK = 8


@dataclass(frozen=True, slots=True)
class Send:
    """A field of an event that may leave now, for a unit that is proved."""

    entry: Entry
    field: Field
    value: int
    unit: KnownUnit
    rank: int


@dataclass(frozen=True, slots=True)
class Look:
    """A storefront that has to be looked up now, with the rank and age of what waits for it."""

    account: str
    storefront: str
    rank: int
    since_us: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a settled lane still has to do."""

    sends: tuple[Send, ...] = ()
    looks: tuple[Look, ...] = ()
    missing: tuple[tuple[str, Missing], ...] = ()  # result_id -> of entries to be announced as not found
    unclear: tuple[tuple[str, Unclear], ...] = ()  # result_id -> of entries that ended so
    wake_at_us: int | None = None


NOTHING = Plan()


# ---- an event goes in -----------------------------------------------------------------------------------------------


def take(lane: OfferLane, event: OfferChanged, terms: Terms, now_us: int) -> OfferLane:
    """The event as an entry of the ledger; absorbed, when it stands there undone already."""
    identifier = result_id(terms.cluster_id, terms.topic, event.partition, event.offset)
    again = event.offset <= lane.last_offset
    if again:
        for standing in lane.entries:
            if standing.result_id == identifier and standing.event_id == event.event_id:
                return _look_again(lane, standing, terms, now_us)
    found = examine(event, terms, now_us)
    entry = Entry(
        result_id=identifier,
        event_id=event.event_id,
        target_id=found.target_id,
        condition=found.condition,
        offer_id=event.offer_id,
        unit_id=event.unit_id,
        partition=event.partition,
        offset=event.offset,
        occurred_at_us=event.occurred_at_us,
        sequence=event.sequence,
        received_at_us=now_us,
        since_us=now_us,
        asked=found.asked,
        ended=found.ended,
        origin=Origin.REPLAY if again else Origin.LIVE,
        attributes=event.attributes,
        traceparent=event.traceparent,
        refused=found.refusal.code if found.refusal is not None else None,
        problem=found.problem,
    )
    lane = replace(lane, partition=event.partition, last_offset=max(lane.last_offset, event.offset))
    if found.refusal is not None:
        return replace(lane, entries=(*lane.entries, entry))
    if lane.unmanaged_at_us is not None and event.occurred_at_us < lane.unmanaged_at_us:
        return replace(lane, entries=(*lane.entries, _withdrawn(entry, lane.ean)))
    for standing in lane.entries:
        if standing.announced is Announced.NOT_FOUND and standing.selectors == entry.selectors:
            entry = replace(entry, times_seen=standing.times_seen + 1)
    return replace(lane, managed=True, entries=(*lane.entries, entry))


def withdraw(lane: OfferLane, event: OfferWithdrawn, terms: Terms, now_us: int) -> OfferLane:
    """A tombstone: what is older and still undone ends, and nothing is sent until a newer event comes."""
    at_us = min(event.record_time_us, now_us)
    fault = key_fault(event.key, event.key) or future_fault(at_us, event.record_time_us, terms, now_us)
    tombstone = Entry(
        result_id=result_id(terms.cluster_id, terms.topic, event.partition, event.offset),
        event_id=None,
        target_id=None,
        condition=None,
        offer_id=None,
        unit_id=None,
        partition=event.partition,
        offset=event.offset,
        occurred_at_us=at_us,
        sequence=None,
        received_at_us=now_us,
        since_us=now_us,
        origin=Origin.REPLAY if event.offset <= lane.last_offset else Origin.LIVE,
        traceparent=event.traceparent,
        refused=fault.code if fault is not None else None,
        problem=fault.problem if fault is not None else None,
    )
    lane = replace(lane, partition=event.partition, last_offset=max(lane.last_offset, event.offset))
    if fault is not None:
        return replace(lane, entries=(*lane.entries, tombstone))
    order = (at_us, NO_SEQUENCE, event.offset)
    desk = _Desk(lane, terms, now_us)
    for index, entry in enumerate(lane.entries):
        if entry.open and entry.order < order:
            desk.withdraw(index)
    newer = any(entry.open and entry.order > order for entry in desk.entries) or any(
        fact.order is not None and fact.order > order for unit in lane.units for fact in unit.facts.values()
    )
    return replace(
        lane,
        managed=newer,
        unmanaged_at_us=max(at_us, lane.unmanaged_at_us or 0),
        units=tuple(desk.units),
        entries=(*desk.entries, tombstone),
    )


def _look_again(lane: OfferLane, entry: Entry, terms: Terms, now_us: int) -> OfferLane:
    """Reading an announced entry again is asking for its re-check."""
    target = terms.routing.find(entry.target_id)
    if entry.announced is not Announced.NOT_FOUND or target is None:
        return lane
    misses = tuple(
        replace(m, next_check_at_us=min(m.next_check_at_us, now_us))
        if (m.account, m.storefront, m.condition) == (target.account, target.storefront, entry.condition)
        else m
        for m in lane.misses
    )
    return replace(lane, misses=misses)


def _withdrawn(entry: Entry, ean: str) -> Entry:
    fault = refuse(Code.TOMBSTONE, ean=ean)
    ends = tuple(End(field=a.field, status=FieldStatus.UNMANAGED, code=fault.code) for a in entry.open)
    return replace(entry, ended=(*entry.ended, *ends), problem=entry.problem or fault.problem)


# ---- every open field is settled ------------------------------------------------------------------------------------


def settle(lane: OfferLane, terms: Terms, now_us: int) -> tuple[OfferLane, Plan]:
    """End what can be ended by what is known; the plan says what the rest needs. Derived anew at each turn."""
    if not lane.entries and not lane.misses:
        return lane, NOTHING
    desk = _Desk(lane, terms, now_us)
    desk.identify()
    desk.merge()
    return desk.result()


_Cell: TypeAlias = tuple[Hashable, ...]


class _Desk:
    """The working copy of one ``settle``: entries and units are replaced in place, the lane is made once at the end."""

    def __init__(self, lane: OfferLane, terms: Terms, now_us: int) -> None:
        self.lane = lane
        self.terms = terms
        self.now_us = now_us
        self.entries = list(lane.entries)
        self.units = list(lane.units)
        self.cells: dict[_Cell, list[tuple[int, Asked]]] = {}
        self.proven: dict[int, int] = {}  # entry index -> unit id
        self.unproven: dict[int, tuple[Target, Identity]] = {}
        self.sends: list[Send] = []
        self.looks: dict[tuple[str, str], Look] = {}
        self.unclear: list[tuple[str, Unclear]] = []
        self.wake_at_us: int | None = None

    # -- who is meant

    def identify(self) -> None:
        for index, entry in enumerate(self.entries):
            if not entry.open:
                continue
            target = self.terms.routing.find(entry.target_id)
            if target is None:
                self._end_all(index, FieldStatus.REJECTED, self._unknown_target(entry))
                continue
            self._switches(index, target)
            if not self.entries[index].open:
                continue
            identity = resolve(self.lane, target.account, target.storefront, entry, self.now_us)
            match identity:
                case Proven(unit):
                    self._prove(index, unit)
                case Unclear():
                    self._not_clear(index, identity, target)
                case Unproven() | Waiting() | Missing():
                    self.unproven[index] = (target, identity)
                    for asked in self.entries[index].open:
                        self.cells.setdefault((asked.field, *entry.selectors), []).append((index, asked))

    def _unknown_target(self, entry: Entry) -> Refusal:
        known = ", ".join(sorted(self.terms.routing.targets)) or "none"
        return refuse(Code.TARGET_UNKNOWN, target_id=entry.target_id, known=known)

    def _switches(self, index: int, target: Target) -> None:
        if not target.enabled:
            self._end_all(index, FieldStatus.SUPPRESSED, refuse(Code.TARGET_DISABLED, target_id=target.id))
        elif target.allow_eans is not None and self.lane.ean not in target.allow_eans:
            fault = refuse(Code.EAN_NOT_ALLOWED, ean=self.lane.ean, target_id=target.id)
            self._end_all(index, FieldStatus.SUPPRESSED, fault)
        elif not target.price_sync:
            for asked in self.entries[index].open:
                if asked.field is Field.PRICE:
                    fault = refuse(Code.PRICE_SYNC_OFF, target_id=target.id)
                    self._end(index, asked.field, FieldStatus.SUPPRESSED, fault=fault)

    def _prove(self, index: int, unit: KnownUnit) -> None:
        entry = self.entries[index]
        self.proven[index] = unit.unit_id
        if entry.resolved_unit_id != unit.unit_id:
            self.entries[index] = replace(entry, resolved_unit_id=unit.unit_id)
        for asked in entry.open:
            if asked.field is Field.STOCK and unit.offer_id is not None:
                cell: _Cell = (asked.field, unit.account, unit.offer_id)
            else:
                cell = (asked.field, unit.unit_id)
            self.cells.setdefault(cell, []).append((index, asked))

    def _not_clear(self, index: int, unclear: Unclear, target: Target) -> None:
        entry = self.entries[index]
        shown = "; ".join(map(describe, unclear.candidates)) or "none"
        if unclear.code is Code.AMBIGUOUS_OFFER:
            status = FieldStatus.AMBIGUOUS
            fault = refuse(
                unclear.code,
                count=len(unclear.candidates),
                ean=self.lane.ean,
                condition=entry.condition,
                storefront=target.storefront,
                candidates=shown,
            )
        else:
            status = FieldStatus.CONFLICT
            fault = refuse(unclear.code, named=unclear.named, matched=shown)
        self.unclear.append((entry.result_id, unclear))
        self._end_all(index, status, fault)

    # -- who wins, and whether it is news

    def merge(self) -> None:
        for held in self.cells.values():
            winner, asked = held[0]
            if len(held) > 1:
                winner, asked = max(held, key=lambda one: self.entries[one[0]].order)
                self._supersede([index for index, _ in held if index != winner], winner, asked.field)
            if winner in self.proven:
                self._decide(winner, asked)
        for index, (target, identity) in self.unproven.items():
            if self.entries[index].open:
                self._await(index, target, identity)
        self._scheduled()

    def _supersede(self, losers: Sequence[int], winner: int, field: Field) -> None:
        successor = self.entries[winner]
        since_us = min(self.entries[index].since_us for index in losers)
        if since_us < successor.since_us:
            self.entries[winner] = replace(successor, since_us=since_us)
        for index in losers:
            self._doubt(index, field)
            self._end(index, field, FieldStatus.SUPERSEDED, superseded_by=successor.result_id)

    def _decide(self, index: int, asked: Asked) -> None:
        entry, field = self.entries[index], asked.field
        unit = self._unit(self.proven[index])
        group = group_of(self.units, unit, field)
        value = self._value(unit.account, asked)
        known = newest_accepted(group, field)
        before = known.value if known is not None else None
        if field is Field.STOCK and any(u.fulfilled_by_marketplace for u in group):
            fault = refuse(Code.FULFILLED_BY_MARKETPLACE, unit_id=unit.unit_id)
            self._end(index, field, FieldStatus.REJECTED, fault=fault, before=before)
        elif known is not None and known.order is not None and known.order > entry.order:
            newer = result_id(self.terms.cluster_id, self.terms.topic, entry.partition, known.order[2])
            self._end(index, field, FieldStatus.SUPERSEDED, superseded_by=newer, before=before)
        elif known is not None and known.order == entry.order and known.event_id is not None:
            self._end(index, field, FieldStatus.UNCHANGED, before=before)
        elif is_already_so(group, field, value, self.terms.policy, self.now_us):
            for member in group:
                self._put(raised(member, field, entry.order, entry.event_id))
            self._end(index, field, FieldStatus.UNCHANGED, before=before)
        else:
            self._send(index, field, value, unit, known, group)

    def _send(
        self, index: int, field: Field, value: int, unit: KnownUnit, known: Fact | None, group: Sequence[KnownUnit]
    ) -> None:
        entry = self.entries[index]
        rank = _rank(field, value, known, entry)
        if field is Field.STOCK and self._waits_for_links(unit, rank, entry.since_us):
            return
        if not self.terms.policy.dry_run:
            self.sends.append(Send(entry, field, value, unit, rank))
            return
        for member in group:
            self._put(accepted(member, field, value, entry.order, entry.event_id, self.now_us))
        before = known.value if known is not None else None
        self._end(index, field, FieldStatus.DRY_RUN, fault=refuse(Code.DRY_RUN), before=before, sent=value)

    def _waits_for_links(self, unit: KnownUnit, rank: int, since_us: int) -> bool:
        """Before stock is written, every storefront of the account is looked up: units may share their stock."""
        unknown = [
            storefront
            for storefront in self.terms.routing.storefronts_of(unit.account)
            if not looked(self.lane, unit.account, storefront) and not self._look_failed(unit.account, storefront)
        ]
        for storefront in unknown:
            self._look(unit.account, storefront, rank, since_us)
        patience_us = unit.proved_at_us + us(self.terms.policy.link_wait_s)
        if not unknown or self.now_us >= patience_us:
            return False
        self._wake(patience_us)
        return True

    def _look_failed(self, account: str, storefront: str) -> bool:
        return any(
            m.code == LOOKUP_FAILED
            and m.storefront == storefront
            and m.account == account
            and self.now_us < m.next_check_at_us
            for m in self.lane.misses
        )

    def _await(self, index: int, target: Target, identity: Identity) -> None:
        entry = self.entries[index]
        match identity:
            case Unproven():
                announced = entry.announced is not Announced.NONE
                rank = RECHECK_RANK if announced else min(_rank(a.field, a.value, None, entry) for a in entry.open)
                self._look(target.account, target.storefront, rank, entry.since_us)
            case Waiting(until_us):
                self._wake(until_us)
            case Missing(miss, _):
                self._wake(miss.next_check_at_us)
            case Proven() | Unclear():  # settled before
                pass

    def _scheduled(self) -> None:
        """Read-backs of lost writes, when they are due."""
        for miss in self.lane.misses:
            if miss.code == READ_BACK:
                if self.now_us >= miss.next_check_at_us:
                    self._look(miss.account, miss.storefront, RECHECK_RANK, miss.since_us)
                else:
                    self._wake(miss.next_check_at_us)

    # -- the small moves

    def _value(self, account: str, asked: Asked) -> int:
        if asked.value is None:
            raise ValueError(f"{asked.field} has no value in smallest units and should have ended")
        return offered(self.terms.policy, account, asked.field, asked.value)

    def _unit(self, unit_id: int) -> KnownUnit:
        return next(u for u in self.units if u.unit_id == unit_id)

    def _put(self, unit: KnownUnit) -> None:
        for place, known in enumerate(self.units):
            if known.unit_id == unit.unit_id and known.account == unit.account:
                self.units[place] = unit

    def _doubt(self, index: int, field: Field) -> None:
        """An undone value goes without an answer: if it differs from the known one, it may have left."""
        entry = self.entries[index]
        if index not in self.proven:
            return
        unit = self._unit(self.proven[index])
        asked = next(a for a in entry.asked if a.field is field)
        value = self._value(unit.account, asked)
        for member in group_of(self.units, unit, field):
            fact = member.facts.get(field)
            if fact is not None and fact.value != value and (fact.order is None or entry.order > fact.order):
                self._put(doubted(member, field, self.now_us))

    def withdraw(self, index: int) -> None:
        entry = self.entries[index]
        target = self.terms.routing.find(entry.target_id)
        if target is not None:
            identity = resolve(self.lane, target.account, target.storefront, entry, self.now_us)
            if isinstance(identity, Proven):
                self.proven[index] = identity.unit.unit_id
                for asked in entry.open:
                    self._doubt(index, asked.field)
        self.entries[index] = _withdrawn(entry, self.lane.ean)

    def _end_all(self, index: int, status: FieldStatus, fault: Refusal) -> None:
        for asked in self.entries[index].open:
            self._end(index, asked.field, status, fault=fault)

    def _end(
        self,
        index: int,
        field: Field,
        status: FieldStatus,
        *,
        fault: Refusal | None = None,
        superseded_by: str | None = None,
        before: int | None = None,
        sent: int | None = None,
    ) -> None:
        code = fault.code if fault is not None else None
        end = End(field=field, status=status, code=code, superseded_by=superseded_by, before=before, sent=sent)
        self.entries[index] = ended(self.entries[index], end, fault.problem if fault is not None else None)

    def _look(self, account: str, storefront: str, rank: int, since_us: int) -> None:
        other = self.looks.get((account, storefront))
        if other is not None:
            rank, since_us = min(rank, other.rank), min(since_us, other.since_us)
        self.looks[account, storefront] = Look(account, storefront, rank, since_us)

    def _wake(self, at_us: int) -> None:
        self.wake_at_us = at_us if self.wake_at_us is None else min(at_us, self.wake_at_us)

    def result(self) -> tuple[OfferLane, Plan]:
        missing = tuple(
            (self.entries[index].result_id, identity)
            for index, (_, identity) in self.unproven.items()
            if isinstance(identity, Missing)
            and self.entries[index].announced is Announced.NONE
            and self.entries[index].open
        )
        plan = Plan(tuple(self.sends), tuple(self.looks.values()), missing, tuple(self.unclear), self.wake_at_us)
        return replace(self.lane, units=tuple(self.units), entries=tuple(self.entries)), plan


def ended(entry: Entry, end: End, problem: Problem | None) -> Entry:
    """The entry with one field more that ended; the first problem is the one that its result tells."""
    return replace(entry, ended=(*entry.ended, end), problem=entry.problem or problem)


def offered(policy: OfferPolicy, account: str, field: Field, value: int) -> int:
    """What is sent for a value: stock less the account's buffer, rounded down."""
    if field is not Field.STOCK or not (pct := policy.buffer_pct.get(account, 0)):
        return value
    return value * (100 - pct) // 100


def _rank(field: Field, value: int | None, known: Fact | None, entry: Entry) -> int:
    """Harm of waiting, 0 the worst: stock to zero, stock down, price, stock up, handling time; replays at the end."""
    if field is Field.STOCK and value == 0:
        return 0
    if entry.origin is Origin.REPLAY:
        return REPLAY_RANK
    match field:
        case Field.STOCK:
            up = known is not None and known.certain and value is not None and value > known.value
            return 4 if up else 1
        case Field.PRICE:
            return 3
        case Field.HANDLING_TIME:
            return 5
