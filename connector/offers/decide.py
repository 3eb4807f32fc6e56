"""Every open field of a lane is settled, as far as what is known allows; what is left is the plan. Pure.

Events that mean the same field of the same unit (for stock: of the same group of linked units) form a *cell*, in which
the newest order wins; before identity is known, the cell is that of equal selectors. Nothing is kept from turn to turn
but the ledger: the plan is derived anew.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from operator import is_ as _is
from typing import TypeAlias

from connector.contracts.codes import Code
from connector.contracts.result_ids import result_id
from connector.marketplace.offers import Field
from connector.offers.entry_draft import EntryDraft
from connector.offers.event_order import EventOrder, Recency, newest
from connector.offers.events import Announced, FieldStatus, Miss, Origin
from connector.offers.field_knowledge import (
    accepted,
    doubted,
    given_up,
    group_of,
    is_already_so,
    is_of_event,
    newest_accepted,
    raised,
)
from connector.offers.guards import Refusal, refuse
from connector.offers.identity import (
    LOOKUP_FAILED,
    READ_BACK,
    UNPROVEN,
    Identity,
    Missing,
    Proven,
    Unclear,
    Unproven,
    Waiting,
    asks_again_at_us,
    describe,
    find_miss,
    looked,
    resolve,
)
from connector.offers.late import out_of_order
from connector.offers.ledger import Asked, Fact, FieldOutcome, KnownUnit, LedgerEntry, OfferLane, Watermark
from connector.offers.locations import Total, stands, total_for
from connector.offers.policy import OfferTerms, us
from connector.offers.stock import offered, refused_above
from connector.offers.watermarks import newer_mark
from connector.routing.table import Target
from streams.flow import BACKGROUND
from streams.frozen import quick, replace

RECHECK_RANK = 7
REPLAY_RANK = 8


@quick
@dataclass(frozen=True, slots=True)
class PlannedUpdate:
    """A field of an event that may leave now, for a unit that is proved."""

    entry: LedgerEntry
    since_us: int
    field: Field
    value: int
    order: Recency
    unit: KnownUnit
    rank: int


@dataclass(frozen=True, slots=True)
class PlannedLookUp:
    """A storefront that has to be looked up now, with the rank and age of what waits for it."""

    account: str
    storefront: str
    rank: int
    since_us: int
    conditions: frozenset[str] = frozenset()  # that are looked for


@dataclass(frozen=True, slots=True)
class PlannedClaim:
    """A unit whose claim is to be made or released now, with the rank and age of what waits for it."""

    unit: KnownUnit
    rank: int
    since_us: int


@quick
@dataclass(frozen=True, slots=True)
class OfferPlan:
    """What a settled lane still has to do."""

    sends: tuple[PlannedUpdate, ...] = ()
    looks: tuple[PlannedLookUp, ...] = ()
    claims: tuple[PlannedClaim, ...] = ()
    releases: tuple[PlannedClaim, ...] = ()
    missing: tuple[tuple[str, Missing], ...] = ()  # result_id -> of entries to be announced as not found
    unclear: tuple[tuple[str, Unclear], ...] = ()  # result_id -> of entries that ended so
    wake_at_us: int | None = None


NOTHING = OfferPlan()


def settle(lane: OfferLane, terms: OfferTerms, now_us: int) -> tuple[OfferLane, OfferPlan]:
    """End what can be ended by what is known; the plan says what the rest needs."""
    if not lane.entries and not lane.misses and all(unit.release_at_us is None for unit in lane.units):
        return lane, NOTHING
    desk = OfferDraft(lane, terms, now_us)
    desk.identify()
    desk.merge()
    desk.release()
    return desk.lane(), desk.plan()


_Cell: TypeAlias = tuple[Hashable, ...]


class OfferDraft:
    """The working copy of one turn: rows and facts change in place; the lane is made once, at the end."""

    def __init__(self, lane: OfferLane, terms: OfferTerms, now_us: int) -> None:
        self._lane = lane
        self._terms = terms
        self._now_us = now_us
        self.rows = [EntryDraft(entry) for entry in lane.entries]
        self._cells: dict[_Cell, list[tuple[EntryDraft, Asked]]] = {}
        self._facts: dict[int, dict[Field, Fact]] = {}  # unit id -> what has changed
        self._marks: dict[_Cell, list[Watermark]] = {}  # what has been read for a cell
        self._unproven: list[tuple[EntryDraft, Target, Identity]] = []
        self._sends: list[PlannedUpdate] = []
        self._looks: dict[tuple[str, str], PlannedLookUp] = {}
        self._claims: dict[tuple[str, int], PlannedClaim] = {}  # by account and unit
        self._releases: dict[tuple[str, int], PlannedClaim] = {}
        self._unclear: list[tuple[str, Unclear]] = []
        self._wake_at_us: int | None = None

    # -- who is meant

    def identify(self) -> None:
        for row in self.rows:
            if not row.open:
                continue
            target = self._terms.routing.find(row.entry.target_id)
            if target is None:
                self._end_all(row, FieldStatus.REJECTED, self._unknown_target(row.entry))
                continue
            self._switches(row, target)
            if row.open:
                self._identify(row, target)

    def _identify(self, row: EntryDraft, target: Target) -> None:
        identity = resolve(self._lane, target.account, target.storefront, row.entry, self._now_us)
        if not isinstance(identity, Proven | Unproven):
            identity = self._asked_again(row, target, identity)
        match identity:
            case Proven(unit):
                row.unit = unit
                for asked in row.open:
                    self._cells.setdefault(_cell_of(unit, asked.field), []).append((row, asked))
            case Unclear():
                self._not_clear(row, identity, target)
            case Unproven() | Waiting() | Missing():
                self._unproven.append((row, target, identity))
                for asked in row.open:
                    self._cells.setdefault((asked.field, *row.entry.selectors), []).append((row, asked))

    def _asked_again(self, row: EntryDraft, target: Target, identity: Identity) -> Identity:
        """What the last look found is not believed by every event that came after it."""
        miss = self._miss_of(row, target)
        if miss is None:
            return identity
        none_left = any(self._rank_unproven(row.entry, asked) == 0 for asked in row.open)
        at_us = asks_again_at_us(miss.looked_at_us, row.entry, none_left=none_left)
        if at_us is None:
            return identity
        return UNPROVEN if self._now_us >= at_us else Waiting(at_us)

    def _miss_of(self, row: EntryDraft, target: Target) -> Miss | None:
        return find_miss(self._lane.misses, target.account, target.storefront, row.entry.condition or "")

    def _unknown_target(self, entry: LedgerEntry) -> Refusal:
        known = ", ".join(sorted(self._terms.routing.targets)) or "none"
        return refuse(Code.TARGET_UNKNOWN, target_id=entry.target_id, known=known)

    def _switches(self, row: EntryDraft, target: Target) -> None:
        if not target.enabled:
            self._suppress(row, row.open, target, refuse(Code.TARGET_DISABLED, target_id=target.id))
        elif target.allow_eans is not None and self._lane.ean not in target.allow_eans:
            fault = refuse(Code.EAN_NOT_ALLOWED, ean=self._lane.ean, target_id=target.id)
            self._suppress(row, row.open, target, fault)
        elif not target.price_sync and (prices := [a for a in row.open if a.field is Field.PRICE]):
            self._suppress(row, prices, target, refuse(Code.PRICE_SYNC_OFF, target_id=target.id))

    def _suppress(self, row: EntryDraft, fields: Iterable[Asked], target: Target, fault: Refusal) -> None:
        """What stood undone before its switch was turned may have left."""
        if row.entry.received_at_us < self._now_us:
            row.unit = self._unit_of(row, target)
        for asked in fields:
            self._doubt(row, asked)
            self._end(row, asked.field, FieldStatus.SUPPRESSED, fault)

    def _unit_of(self, row: EntryDraft, target: Target) -> KnownUnit | None:
        identity = resolve(self._lane, target.account, target.storefront, row.entry, self._now_us)
        return identity.unit if isinstance(identity, Proven) else None

    def _not_clear(self, row: EntryDraft, unclear: Unclear, target: Target) -> None:
        shown = "; ".join(map(describe, unclear.candidates)) or "none"
        self._unclear.append((row.entry.result_id, unclear))
        if unclear.code is not Code.AMBIGUOUS_OFFER:
            fault = refuse(unclear.code, named=unclear.named, matched=shown)
            self._end_all(row, FieldStatus.CONFLICT, fault)
            return
        fault = refuse(
            unclear.code,
            count=len(unclear.candidates),
            ean=self._lane.ean,
            condition=row.entry.condition,
            storefront=target.storefront,
            candidates=shown,
        )
        self._end_all(row, FieldStatus.AMBIGUOUS, fault)

    # -- who wins, and whether it is news

    def merge(self) -> None:
        self._sort_marks()
        for held in self._cells.values():
            winner, asked = held[0]
            if len(held) > 1:
                winner, asked = self._newest(self._not_late(held) or held)
                losers = [loser for loser in held if loser[0] is not winner]
                if winner.unit is None and self._marks:
                    losers = [loser for loser in losers if self._loses_for_certain(loser, (winner, asked))]
                self._supersede(losers, winner, asked)
            if winner.unit is not None:
                self._decide(winner, asked, winner.unit)
        for row, target, identity in self._unproven:
            if row.open:
                self._await(row, target, identity)
        self._scheduled()

    def _sort_marks(self) -> None:
        """By the cell that they are of today: events may have named one unit in several ways."""
        for mark in self._lane.marks:
            cell: _Cell = (mark.field, *mark.selectors)
            if (target := self._terms.routing.find(mark.selectors[0])) is not None:
                identity = resolve(self._lane, target.account, target.storefront, mark, self._now_us)
                if isinstance(identity, Proven):
                    cell = _cell_of(identity.unit, mark.field)
            self._marks.setdefault(cell, []).append(mark)

    def _loses_for_certain(self, loser: tuple[EntryDraft, Asked], winner: tuple[EntryDraft, Asked]) -> bool:
        """Before the unit is known: where the log alone decides, the winner may turn out to have come too late, by an
        event that names the unit otherwise. Then the loser is wanted."""
        order, newer = self._order_of(loser), self._order_of(winner)
        return newer.by is EventOrder.LOG or newer.agrees_with(order) or self._newer_than(*loser) is not None

    def _not_late(self, held: Sequence[tuple[EntryDraft, Asked]]) -> list[tuple[EntryDraft, Asked]]:
        return [(row, asked) for row, asked in held if self._newer_than(row, asked) is None]

    def _newer_than(self, row: EntryDraft, asked: Asked) -> Recency | None:
        """What a field has come too late for: a newer event of its line, or one that was accepted."""
        known = None
        if row.unit is not None:
            group = group_of(self._lane.units, row.unit, asked.field)
            known = newest_accepted([self._fact(member, asked.field) for member in group])
        return self._late_for(row, asked, total_for(self._lane, row.entry, asked), known)

    def _late_for(self, row: EntryDraft, asked: Asked, total: Total | None, known: Fact | None) -> Recency | None:
        order = total.order if total is not None else row.entry.order
        if known is not None and known.order is not None and known.order > order:
            itself = total is None and is_of_event(known, row.entry)
            return None if itself else known.order
        return self._marked(row, asked) if total is None else None

    def _marked(self, row: EntryDraft, asked: Asked) -> Recency | None:
        """A newer event of the same line, which was read for the same field; a location has its own."""
        if not self._marks:
            return None
        cell = _cell_of(row.unit, asked.field) if row.unit is not None else (asked.field, *row.entry.selectors)
        marks = [mark for mark in self._marks.get(cell, ()) if mark.location is None]
        return newer_mark(marks, row.entry.order)

    def _newest(self, held: Sequence[tuple[EntryDraft, Asked]]) -> tuple[EntryDraft, Asked]:
        """Of one total the last, which completed it."""
        orders = [self._order_of(one) for one in held]
        last = newest(orders)
        return next(one for one, order in zip(reversed(held), reversed(orders), strict=True) if order == last)

    def _supersede(self, losers: Iterable[tuple[EntryDraft, Asked]], winner: EntryDraft, won: Asked) -> None:
        order = self._order_of((winner, won))
        for loser, asked in losers:
            winner.since_us = min(winner.since_us, loser.since_us)
            self._doubt(loser, asked, newer=order)
            self._give_way(loser, asked.field, order, winner.entry.result_id)

    def _said_by(self, order: Recency) -> str | None:
        """The result_id of the event with this order; None where another EAN's stands in its place."""
        if order.offset < 0:
            return None
        return result_id(self._terms.cluster_id, self._terms.topic, self._lane.partition, order.offset)

    def _give_way(
        self, row: EntryDraft, field: Field, newer: Recency, superseded_by: str | None, *, before: int | None = None
    ) -> None:
        problem = out_of_order(row.entry.order, newer)
        late = Refusal(Code.OUT_OF_ORDER, problem) if problem is not None else None
        self._end(row, field, FieldStatus.SUPERSEDED, late, superseded_by=superseded_by, before=before)

    def _decide(self, row: EntryDraft, asked: Asked, unit: KnownUnit) -> None:
        entry, field, policy = row.entry, asked.field, self._terms.policy
        group = group_of(self._lane.units, unit, field)
        if not self._may_write(row, asked, group):
            return
        facts = [self._fact(member, field) for member in group]
        total = total_for(self._lane, entry, asked)
        order = total.order if total is not None else entry.order
        offer = offered(policy, entry, asked, total)
        value, clamped = offer.value, Code.CLAMPED if offer.clamped else None
        known = newest_accepted(facts)
        before = known.value if known is not None else None
        by_marketplace = [member for member in group if member.fulfilled_by_marketplace] if field is Field.STOCK else ()
        if by_marketplace and self._looks_at_fulfilment(row, value, by_marketplace):
            return
        if by_marketplace:
            fault = refuse(Code.FULFILLED_BY_MARKETPLACE, unit_id=unit.unit_id)
            self._end(row, field, FieldStatus.REJECTED, fault, before=before)
        elif total is not None and (top := self._refused_above(total)) is not None:
            fault = refuse(Code.STOCK_OUT_OF_RANGE, stock=total.pieces, maximum=top)
            self._end(row, field, FieldStatus.REJECTED, fault, before=before)
        elif (newer := self._late_for(row, asked, total, known)) is not None:
            self._give_way(row, field, newer, self._said_by(newer), before=before)
        elif (
            known is not None
            and known.order is not None
            and (known.order == order or (known.order > order and is_of_event(known, entry)))
            and known.event_id is not None
            and (stands(known, value) or (total is None and not known.certain))
        ):
            self._end(row, field, FieldStatus.UNCHANGED, before=before, code=clamped)
        elif is_already_so(facts, field, value, policy, self._now_us):
            for member, fact in zip(group, facts, strict=True):
                if fact is not None:
                    self._put(member, field, raised(fact, order, entry.event_id))
            self._end(row, field, FieldStatus.UNCHANGED, before=before, code=clamped)
        else:
            rank = _rank(field, value, known, entry)
            self._send(row, PlannedUpdate(entry, row.since_us, field, value, order, unit, rank), before, group)

    def _send(self, row: EntryDraft, send: PlannedUpdate, before: int | None, group: Sequence[KnownUnit]) -> None:
        field, value, order = send.field, send.value, send.order
        if field is Field.STOCK and (
            self._waits_for_links(send.unit, send.rank, row.since_us) or self._newer_may_be_linked(order, send.unit)
        ):
            return
        if not self._terms.policy.dry_run:
            self._sends.append(send)
            return
        for member in group:
            fact = accepted(self._fact(member, field), value, order, row.entry.event_id, self._now_us)
            self._put(member, field, fact)
        self._end(row, field, FieldStatus.DRY_RUN, refuse(Code.DRY_RUN), before=before, sent=value)

    # -- which EAN may write

    def _may_write(self, row: EntryDraft, asked: Asked, group: Sequence[KnownUnit]) -> bool:
        """Whether this EAN owns every unit that a write would move.

        Asks where that is not known, and ends the field where another EAN owns one.
        """
        if self._terms.policy.dry_run:
            return True
        free = True
        releasing = {
            (u.account, name)
            for u in self._lane.units
            if u.release_at_us is not None
            for name in self._lane.released_with(u)
        }
        for unit in group:
            if unit.release_at_us is not None or any((unit.account, name) in releasing for name in unit.names):
                free = False
            elif unit.owner == self._lane.ean or not (unit.other_eans or unit.owner):
                continue
            elif self._is_others(unit):
                fault = refuse(Code.ALIAS_EAN, ean=self._lane.ean, unit_id=unit.unit_id, first=unit.owner)
                self._end(row, asked.field, FieldStatus.REJECTED, fault)
                return False
            else:
                self._ask_for(unit, self._rank_unproven(row.entry, asked), row.since_us)
                free = False
        return free

    def _is_others(self, unit: KnownUnit) -> bool:
        """Whether another EAN was said to own it, so lately that it is not asked again."""
        again_us = (unit.owner_asked_us or 0) + us(self._terms.policy.owner_recheck_s)
        return unit.owner is not None and self._now_us < again_us

    def _ask_for(self, unit: KnownUnit, rank: int, since_us: int) -> None:
        """Where another EAN was the owner, the unit is looked up before it is claimed again: its names may differ."""
        refused = unit.owner is not None and unit.owner_asked_us is not None
        is_old = refused and unit.proved_at_us <= (unit.owner_asked_us or 0)
        if is_old and not self._look_failed(unit.account, unit.storefront):
            self._look(unit.account, unit.storefront, rank, since_us, unit.condition)
        else:
            self._claim(unit, rank, since_us)

    def _claim(self, unit: KnownUnit, rank: int, since_us: int) -> None:
        key = (unit.account, unit.unit_id)
        if (other := self._claims.get(key)) is not None:
            rank, since_us = min(rank, other.rank), min(since_us, other.since_us)
        self._claims[key] = PlannedClaim(unit, rank, since_us)

    def release(self) -> None:
        """Claims that are not needed any more, when it is time."""
        for unit in self._lane.units:
            if unit.release_at_us is None:
                continue
            if self._now_us >= unit.release_at_us:
                self._releases[unit.account, unit.unit_id] = PlannedClaim(unit, RECHECK_RANK, unit.release_at_us)
            else:
                self._wake(unit.release_at_us)

    # -- what the rest waits for

    def _looks_at_fulfilment(self, row: EntryDraft, value: int, members: Sequence[KnownUnit]) -> bool:
        """Who fulfils a unit may have changed since it was looked up; what came after that has it looked up again."""
        for member in members:
            at_us = asks_again_at_us(member.proved_at_us, row.entry, none_left=value == 0)
            if at_us is None or self._look_failed(member.account, member.storefront):
                continue
            if self._now_us < at_us:
                self._wake(at_us)
            else:
                rank = BACKGROUND if value == 0 else BACKGROUND + 1
                self._look(member.account, member.storefront, rank, row.since_us)
            return True
        return False

    def _waits_for_links(self, unit: KnownUnit, rank: int, since_us: int) -> bool:
        """Before stock is written, every storefront of the account is looked up: units may share their stock."""
        unknown = [
            storefront
            for storefront in self._terms.routing.storefronts_of(unit.account)
            if not looked(self._lane, unit.account, storefront) and not self._look_failed(unit.account, storefront)
        ]
        for storefront in unknown:
            self._look(unit.account, storefront, rank, since_us)
        patience_us = unit.proved_at_us + us(self._terms.policy.link_wait_s)
        if not unknown or self._now_us >= patience_us:
            return False
        self._wake(patience_us)
        return True

    def _newer_may_be_linked(self, order: Recency, unit: KnownUnit) -> bool:
        """A newer stock of the account waits for its first look-up, which may show that both are one stock.

        That needs no end: the look-up is wanted by the newer one, and ends it when it fails. To go first would be to go
        back, if the newer one was written by an owner before whose look-up did not become durable.
        """
        return unit.offer_id is not None and any(
            target.account == unit.account
            and any(asked.field is Field.STOCK and self._order_of((row, asked)) > order for asked in row.open)
            and not looked(self._lane, target.account, target.storefront)
            for row, target, _ in self._unproven
        )

    def _look_failed(self, account: str, storefront: str) -> bool:
        return any(
            m.code == LOOKUP_FAILED
            and m.storefront == storefront
            and m.account == account
            and self._now_us < m.next_check_at_us
            for m in self._lane.misses
        )

    def _await(self, row: EntryDraft, target: Target, identity: Identity) -> None:
        match identity:
            case Unproven():
                rank, since_us = min(self._rank_unproven(row.entry, asked) for asked in row.open), row.since_us
                miss = self._miss_of(row, target)
                if miss is not None:
                    rank, since_us = _rank_missed(row, miss, none_left=rank == 0)
                self._look(target.account, target.storefront, rank, since_us, row.entry.condition)
            case Waiting(until_us):
                self._wake(until_us)
            case Missing(miss, _):
                self._wake(miss.next_check_at_us)
            case Proven() | Unclear():  # settled before
                pass

    def _scheduled(self) -> None:
        """Read-backs of lost writes, when they are due."""
        for miss in self._lane.misses:
            if miss.code == READ_BACK:
                if self._now_us >= miss.next_check_at_us:
                    self._look(miss.account, miss.storefront, RECHECK_RANK, miss.since_us)
                else:
                    self._wake(miss.next_check_at_us)

    # -- the small moves

    def _refused_above(self, total: Total) -> int | None:
        return refused_above(self._terms.policy, total.pieces, self._terms.reference.max_stock)

    def _order_of(self, one: tuple[EntryDraft, Asked]) -> Recency:
        row, asked = one
        total = total_for(self._lane, row.entry, asked)
        return total.order if total is not None else row.entry.order

    def _rank_unproven(self, entry: LedgerEntry, asked: Asked) -> int:
        value = offered(self._terms.policy, entry, asked, total_for(self._lane, entry, asked)).value
        return _rank(asked.field, value, None, entry)

    def _fact(self, unit: KnownUnit, field: Field) -> Fact | None:
        changed = self._facts.get(unit.unit_id)
        return (changed.get(field) if changed is not None else None) or unit.facts.get(field)

    def _put(self, unit: KnownUnit, field: Field, fact: Fact) -> None:
        self._facts.setdefault(unit.unit_id, {})[field] = fact

    def _doubt(self, row: EntryDraft, asked: Asked, newer: Recency | None = None) -> None:
        """An undone value goes without an answer, and may have left: what is older must not follow, whatever becomes of
        its successor. If it differs from the known one, that is in doubt; so it always is of a total, of which an
        earlier one may have left. ``newer``: that of its successor, which must follow."""
        if row.unit is None:
            return
        total = total_for(self._lane, row.entry, asked)
        order = total.order if total is not None else row.entry.order
        value = offered(self._terms.policy, row.entry, asked, total).value
        for member in group_of(self._lane.units, row.unit, asked.field):
            fact = self._fact(member, asked.field)
            if (
                fact is not None
                and fact.order is not None
                and (order < fact.order or (order == fact.order and not total))
            ):
                continue
            known = given_up(fact, order) if newer is None or newer > order else fact
            same = total is None and fact is not None and fact.value == value
            self._put(member, asked.field, known if known is not None and same else doubted(known, self._now_us))

    def withdraw(self, row: EntryDraft) -> None:
        """A tombstone ends what is open of the row; what of it may have left is in doubt."""
        target = self._terms.routing.find(row.entry.target_id)
        row.unit = self._unit_of(row, target) if target is not None else None
        fault = refuse(Code.TOMBSTONE, ean=self._lane.ean)
        for asked in row.open:
            self._doubt(row, asked)
        self._end_all(row, FieldStatus.UNMANAGED, fault)

    def _end_all(self, row: EntryDraft, status: FieldStatus, fault: Refusal) -> None:
        for asked in row.open:
            self._end(row, asked.field, status, fault)

    def _end(
        self,
        row: EntryDraft,
        field: Field,
        status: FieldStatus,
        fault: Refusal | None = None,
        *,
        superseded_by: str | None = None,
        before: int | None = None,
        sent: int | None = None,
        code: Code | None = None,
    ) -> None:
        code = fault.code if fault is not None else code
        end = FieldOutcome(field=field, status=status, code=code, superseded_by=superseded_by, before=before, sent=sent)
        row.end(end, fault.problem if fault is not None else None)

    def _look(self, account: str, storefront: str, rank: int, since_us: int, condition: str | None = None) -> None:
        conditions = frozenset({condition} if condition else ()) | self._of_marketplace(account, storefront)
        other = self._looks.get((account, storefront))
        if other is not None:
            rank, since_us = min(rank, other.rank), min(since_us, other.since_us)
            conditions |= other.conditions
        self._looks[account, storefront] = PlannedLookUp(account, storefront, rank, since_us, conditions)

    def _of_marketplace(self, account: str, storefront: str) -> frozenset[str]:
        """Conditions of units that the marketplace was seen to fulfil: a look-up must not pass them over."""
        return frozenset(
            unit.condition
            for unit in self._lane.units
            if unit.fulfilled_by_marketplace and unit.account == account and unit.storefront == storefront
        )

    def _wake(self, at_us: int) -> None:
        self._wake_at_us = at_us if self._wake_at_us is None else min(at_us, self._wake_at_us)

    # -- what comes of it

    def lane(self) -> OfferLane:
        """The very same lane where nothing changed."""
        lane = self._lane
        entries = tuple([row.result() for row in self.rows])
        if all(map(_is, entries, lane.entries)):
            entries = lane.entries
        units = lane.units
        if self._facts:
            units = tuple(
                replace(unit, facts={**unit.facts, **changed}) if (changed := self._facts.get(unit.unit_id)) else unit
                for unit in units
            )
        return lane if entries is lane.entries and units is lane.units else replace(lane, units=units, entries=entries)

    def plan(self) -> OfferPlan:
        missing = tuple(
            (row.entry.result_id, identity)
            for row, _, identity in self._unproven
            if isinstance(identity, Missing) and row.open and _is_news(row.entry, identity.miss)
        )
        return OfferPlan(
            sends=tuple(self._sends),
            looks=tuple(self._looks.values()),
            claims=tuple(self._claims.values()),
            releases=tuple(self._releases.values()),
            missing=missing,
            unclear=tuple(self._unclear),
            wake_at_us=self._wake_at_us,
        )


def _is_news(entry: LedgerEntry, miss: Miss) -> bool:
    """Whether it is to be said that the entry was not found: for the first time, or again because it was read again."""
    if entry.asked_again:
        return (miss.looked_at_us or 0) >= entry.received_at_us
    return entry.announced is Announced.NONE


def _cell_of(unit: KnownUnit, field: Field) -> _Cell:
    if field is Field.STOCK and unit.offer_id is not None:
        return (field, unit.account, unit.offer_id)
    return (field, unit.unit_id)


def _rank_missed(row: EntryDraft, miss: Miss, *, none_left: bool) -> tuple[int, int]:
    """Rank and age of looking again for what was not there: in the background, a stock of zero first. A scheduled look
    is as old as its schedule; its event may have come many hours before."""
    if row.entry.announced is not Announced.NONE:
        return BACKGROUND + 2, miss.next_check_at_us
    return BACKGROUND if none_left else BACKGROUND + 1, row.since_us


def _rank(field: Field, value: int | None, known: Fact | None, entry: LedgerEntry) -> int:
    """Harm of waiting, 0 the worst: stock to zero, stock down, price, stock up, handling time; replays at the end."""
    if field is Field.STOCK and value == 0:
        return 0
    if entry.origin is Origin.REPLAY:
        return REPLAY_RANK
    match field:
        case Field.STOCK:
            held = known.value if known is not None and known.certain else None
            up = held is not None and value is not None and value > held
            return 4 if up else 1
        case Field.PRICE:
            return 3
        case Field.HANDLING_TIME:
            return 5
