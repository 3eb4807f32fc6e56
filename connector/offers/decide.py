"""Ends every field of a lane that can end by what is known, and plans the calls that the others need. Pure.

Events that ask for the same field of the same unit (for stock: of the same group of linked units) form a *cell*; in
each cell the newest event wins. As long as the unit is not known, events with equal selectors form a cell. The plan is
derived anew at each turn: only the ledger is kept between turns.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from connector.contracts.codes import Code
from connector.contracts.result_ids import result_id
from connector.controls.in_force import NO_COMMANDS, CommandsInForce
from connector.marketplace.offers import Field
from connector.offers.converted_events import priced_again
from connector.offers.creations import Creations
from connector.offers.entry_draft import EntryDraft
from connector.offers.event_order import EventOrder, Recency, newest
from connector.offers.events import FieldStatus, ListingAct, Origin
from connector.offers.field_knowledge import (
    accepted,
    group_of,
    is_already_so,
    is_of_event,
    newest_accepted,
    raised,
)
from connector.offers.holding import Holding
from connector.offers.identity import Identity, Missing, Proven, Unclear, Unproven, Waiting, describe, resolve
from connector.offers.late import out_of_order
from connector.offers.ledger import Asked, Fact, KnownUnit, LedgerEntry, OfferLane, Watermark
from connector.offers.locations import Total, stands
from connector.offers.look_ups import LookUps
from connector.offers.offer_draft import OfferDraft
from connector.offers.ownership import Ownership
from connector.offers.plan import LISTING_RANK, NOTHING, OfferPlan, PlanDraft, PlannedUpdate, rank_of
from connector.offers.policy import OfferTerms
from connector.offers.refusal import Refusal, refuse
from connector.offers.resend import Comparison
from connector.offers.stock import Offered, refused_above
from connector.offers.unaccepted import cell_of, newer_than
from connector.offers.watermarks import newer_mark
from connector.offers.window_rails import NO_WINDOWS, WindowRails
from connector.routing.table import Target, may_delete


def decide(
    lane: OfferLane,
    terms: OfferTerms,
    now_us: int,
    commands: CommandsInForce = NO_COMMANDS,
    fresh: Mapping[str, int] = MappingProxyType({}),
    windows: WindowRails = NO_WINDOWS,
) -> tuple[OfferLane, OfferPlan]:
    """Returns the lane in which every field that can end has ended, and the plan for the others.

    ``fresh``: the entries that this turn has added, as for ``Holding``; may be empty without holds, drops and guard
    rails. ``windows`` counts what is planned.
    """
    if lane.is_settled:
        return lane, NOTHING
    settling = _OfferDecision(lane, terms, now_us, commands, fresh, windows)
    settling.identify()
    settling.choose_winners()
    return settling.result()


_Cell: TypeAlias = tuple[Hashable, ...]


class _OfferDecision:
    """One run of ``decide``."""

    def __init__(
        self,
        lane: OfferLane,
        terms: OfferTerms,
        now_us: int,
        commands: CommandsInForce,
        fresh: Mapping[str, int],
        windows: WindowRails,
    ) -> None:
        self._lane = lane
        self._terms = terms
        self._now_us = now_us
        self._draft = OfferDraft(lane, terms, now_us)
        self._plan = PlanDraft(lane)
        self._look_ups = LookUps(self._draft, self._plan)
        self._ownership = Ownership(self._draft, self._plan, self._look_ups)
        self._holding: Holding | None = None  # most turns have nothing to do with a hold
        has_rails = terms.policy.has_rails or terms.overrides.concerns(lane.ean)
        if has_rails or commands.holds or commands.drops or lane.has_holds:
            self._holding = Holding(self._draft, self._plan, commands, fresh, windows)
        self._creations = Creations(self._draft, self._plan, self._look_ups, self._holding)
        self._comparison = Comparison(self._draft, self._plan, commands)
        self._cells: dict[_Cell, list[tuple[EntryDraft, Asked]]] = {}
        self._marks: dict[_Cell, list[Watermark]] = {}

    def result(self) -> tuple[OfferLane, OfferPlan]:
        """Returns the lane and the plan."""
        held = tuple(self._holding.to_announce(self._draft.rows)) if self._holding is not None else ()
        return self._draft.lane(), self._plan.plan(self._look_ups.to_announce(), held)

    # -- which unit each entry means

    def identify(self) -> None:
        """Finds each entry's unit and sorts the open fields into cells.

        Ends entries whose target is unknown or switched off, and entries without an unambiguous unit.
        """
        for row in self._draft.rows:
            if not row.open:
                continue
            target = self._terms.routing.find(row.entry.target_id)
            if target is None:
                self._draft.end_all(row, FieldStatus.REJECTED, self._unknown_target(row.entry))
                continue
            self._apply_switches(row, target)
            if self._holding is not None:
                self._holding.end_dropped(row, target)
            if row.open:
                self._identify(row, target)

    def _identify(self, row: EntryDraft, target: Target) -> None:
        identity: Identity = resolve(self._lane, target.account, target.storefront, row.entry, self._now_us)
        if not isinstance(identity, Proven | Unproven):
            identity = self._look_ups.asked_again(row, target, identity)
        match identity:
            case Proven(unit):
                row.unit = unit
                self._convert_again(row, target)
                for asked in row.open:
                    self._cells.setdefault(cell_of(unit, asked.field), []).append((row, asked))
            case Unclear():
                self._end_unclear(row, identity, target)
            case Waiting() | Missing() if row.entry.is_compared:
                self._comparison.not_found(row, target)
            case Unproven() | Waiting() | Missing():
                self._look_ups.unproven(row, target, identity)
                for asked in row.open:
                    self._cells.setdefault((asked.field, *row.entry.selectors), []).append((row, asked))

    def _convert_again(self, row: EntryDraft, target: Target) -> None:
        """Converts a price again that a guard rail holds, once the rates have changed: they may have been wrong.

        No call carries it. A rate that cannot be used now leaves it as it is.
        """
        held = row.held_field(Field.PRICE)
        if held is None or held.guard is None:
            return
        asked = next((one for one in row.open if one.field is Field.PRICE), None)
        if asked is None or asked.conversion is None:
            return
        again = priced_again(asked.conversion, target, self._terms, self._now_us)
        if again is not None and again != asked:
            self._draft.doubt(row, asked)
            row.ask(again)

    def _unknown_target(self, entry: LedgerEntry) -> Refusal:
        known = ", ".join(sorted(self._terms.routing.targets)) or "none"
        return refuse(Code.TARGET_UNKNOWN, target_id=entry.target_id, known=known)

    def _apply_switches(self, row: EntryDraft, target: Target) -> None:
        if not target.enabled:
            self._suppress(row, row.open, target, refuse(Code.TARGET_DISABLED, target_id=target.id))
        elif target.allow_eans is not None and self._lane.ean not in target.allow_eans:
            fault = refuse(Code.EAN_NOT_ALLOWED, ean=self._lane.ean, target_id=target.id)
            self._suppress(row, row.open, target, fault)
        elif not target.price_sync and (prices := [a for a in row.open if a.field is Field.PRICE]):
            self._suppress(row, prices, target, refuse(Code.PRICE_SYNC_OFF, target_id=target.id))

    def _suppress(self, row: EntryDraft, fields: Iterable[Asked], target: Target, fault: Refusal) -> None:
        """Ends fields that a setting forbids to send.

        An entry of an earlier turn may have been sent already, so what is known of its unit becomes uncertain.
        """
        if row.entry.received_at_us < self._now_us:
            row.unit = self._draft.unit_of(row, target)
        for asked in fields:
            self._draft.doubt(row, asked)
            self._draft.end(row, asked.field, FieldStatus.SUPPRESSED, fault)

    def _end_unclear(self, row: EntryDraft, unclear: Unclear, target: Target) -> None:
        """Ends an entry that matches several units (AMBIGUOUS), or whose ids contradict the match (CONFLICT)."""
        shown = "; ".join(map(describe, unclear.candidates)) or "none"
        self._plan.unclear(row.entry.result_id, unclear)
        if unclear.code is not Code.AMBIGUOUS_OFFER:
            fault = refuse(unclear.code, named=unclear.named, matched=shown)
            self._draft.end_all(row, FieldStatus.CONFLICT, fault)
            return
        fault = refuse(
            unclear.code,
            count=len(unclear.candidates),
            ean=self._lane.ean,
            condition=row.entry.condition,
            storefront=target.storefront,
            candidates=shown,
        )
        self._draft.end_all(row, FieldStatus.AMBIGUOUS, fault)

    # -- which event wins a cell

    def choose_winners(self) -> None:
        """Chooses the winning event of each cell and supersedes the others; ends the winner or plans its calls."""
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
        self._creations.plan()
        self._look_ups.plan_unproven()
        self._look_ups.plan_read_backs()
        self._ownership.plan_releases()

    def _sort_marks(self) -> None:
        """Sorts the watermarks into cells by the units known now: events may select one unit in several ways.

        If all sources are ordered by time, only those of dropped events decide between live events.
        """
        mixes_orders = self._terms.policy.mixes_orders
        for mark in self._draft.before.marks:
            if not (mixes_orders or mark.is_dropped):
                continue
            cell: _Cell = (mark.field, *mark.selectors)
            if (target := self._terms.routing.find(mark.selectors[0])) is not None:
                identity = resolve(self._lane, target.account, target.storefront, mark, self._now_us)
                if isinstance(identity, Proven):
                    cell = cell_of(identity.unit, mark.field)
            self._marks.setdefault(cell, []).append(mark)

    def _loses_for_certain(self, loser: tuple[EntryDraft, Asked], winner: tuple[EntryDraft, Asked]) -> bool:
        """Whether a loser may end although the unit is not known yet.

        If the log alone decides between the two, an event that selects the unit in another way may still show that the
        winner is late. Then the loser wins, so it must be kept.
        """
        order, newer = self._draft.order_of(*loser), self._draft.order_of(*winner)
        return newer.by is EventOrder.LOG or newer.agrees_with(order) or self._newer_than(*loser) is not None

    def _not_late(self, held: Sequence[tuple[EntryDraft, Asked]]) -> list[tuple[EntryDraft, Asked]]:
        """Returns the fields of a cell that no newer order makes late."""
        return [(row, asked) for row, asked in held if self._newer_than(row, asked) is None]

    def _newer_than(self, row: EntryDraft, asked: Asked) -> Recency | None:
        """Returns the newer order that makes a field late; None if it is not late.

        It is the order of an accepted event, or of one of the same line that was read before.
        """
        known = None
        if row.unit is not None:
            group = group_of(self._lane.units, row.unit, asked.field)
            known = newest_accepted([self._draft.fact(member, asked.field) for member in group])
        return self._late_for(row, asked, self._draft.total(row, asked), known)

    def _late_for(self, row: EntryDraft, asked: Asked, total: Total | None, known: Fact | None) -> Recency | None:
        order = total.order if total is not None else row.entry.order
        if known is not None and known.order is not None and known.order > order:
            itself = total is None and is_of_event(known, row.entry)
            return None if itself else known.order
        if row.entry.origin is Origin.REPLAY and row.unit is not None and self._lane.marks:
            newer = newer_than(self._lane, row.entry, row.unit, asked.field, order, self._terms, self._now_us)
            if newer is not None:
                return newer
        if total is not None or row.entry.is_compared:
            return None  # of a comparison: a later event of its line may have ended without being accepted
        return self._newer_mark(row, asked)

    def _newer_mark(self, row: EntryDraft, asked: Asked) -> Recency | None:
        """Returns a newer order among the field's watermarks; those of locations concern their location only."""
        if not self._marks:
            return None
        cell = cell_of(row.unit, asked.field) if row.unit is not None else (asked.field, *row.entry.selectors)
        marks = [mark for mark in self._marks.get(cell, ()) if mark.location is None]
        return newer_mark(marks, row.entry.order)

    def _newest(self, held: Sequence[tuple[EntryDraft, Asked]]) -> tuple[EntryDraft, Asked]:
        """Returns the newest of a cell. Of several entries with the same total, it is the last, which completed it."""
        orders = [self._draft.order_of(*one) for one in held]
        last = newest(orders)
        return next(one for one, order in zip(reversed(held), reversed(orders), strict=True) if order == last)

    def _supersede(self, losers: Iterable[tuple[EntryDraft, Asked]], winner: EntryDraft, won: Asked) -> None:
        """Ends the losers as SUPERSEDED; the winner takes over the age of the oldest that was not held."""
        order = self._draft.order_of(winner, won)
        for loser, asked in losers:
            winner.inherit_listing(loser)
            if loser.entry.held_field(asked.field) is None:
                winner.since_us = min(winner.since_us, loser.since_us)
            self._draft.doubt(loser, asked, newer=order)
            self._end_superseded(loser, asked.field, order, winner.entry.result_id)

    def _result_id_of(self, order: Recency) -> str | None:
        """Returns the result_id of the event with this order; None if it is of another EAN, or has no known offset."""
        if order.offset < 0:
            return None
        return result_id(self._terms.cluster_id, self._terms.topic, self._lane.partition, order.offset)

    def _end_superseded(
        self, row: EntryDraft, field: Field, newer: Recency, superseded_by: str | None, *, before: Fact | None = None
    ) -> None:
        problem = out_of_order(row.entry.order, newer)
        late = Refusal(Code.OUT_OF_ORDER, problem) if problem is not None else None
        self._draft.end(row, field, FieldStatus.SUPERSEDED, late, superseded_by=superseded_by, before=before)

    # -- how a winner ends, or what is sent for it

    def _decide(self, row: EntryDraft, asked: Asked, unit: KnownUnit) -> None:
        """Ends the field of a winning event, or plans the update.

        Checked in this order: whether the EAN owns the units; whether the marketplace fulfils them; the bounds of a
        total; whether the event is late, was accepted before, or asks for what the units already hold.
        """
        entry, field, policy = row.entry, asked.field, self._terms.policy
        group = group_of(self._lane.units, unit, field)
        if not self._ownership.may_write(row, asked, group):
            return
        facts = [self._draft.fact(member, field) for member in group]
        total = self._draft.total(row, asked)
        order = total.order if total is not None else entry.order
        offer = self._draft.offered(entry, asked, total)
        value = offer.value
        known = newest_accepted(facts)
        by_marketplace = _counted_by_marketplace(group, field)
        if by_marketplace and self._look_ups.waits_for_fulfilment(row, value, by_marketplace):
            return
        if (fault := self._refused(unit, total, is_fulfilled=bool(by_marketplace))) is not None:
            self._draft.end(row, field, FieldStatus.REJECTED, fault, before=known)
        elif (newer := self._late_for(row, asked, total, known)) is not None:
            if entry.origin is Origin.REPLAY and entry.received_at_us < self._now_us:
                self._draft.doubt(row, asked, newer=newer)  # a newer event was refused while this one was sent
            self._end_superseded(row, field, newer, self._result_id_of(newer), before=known)
        elif entry.is_compared:
            if self._comparison.differs(row, asked, unit):
                self._send(row, asked, offer, order, unit, known, group)
        elif (
            known is not None
            and _is_accepted_event(known, entry, order, total, value)
            and not self._deletes(row, field, value)
        ):
            self._draft.end(row, field, FieldStatus.UNCHANGED, before=known, code=offer.code, rules=offer.rules)
        elif is_already_so(facts, field, value, policy, self._now_us):
            self._raise_orders(group, asked, order, entry.event_id)
            self._end_unchanged(row, asked, offer, order, unit, known)
        else:
            self._send(row, asked, offer, order, unit, known, group)

    def _deletes(self, row: EntryDraft, field: Field, value: int) -> bool:
        """Whether an event asks for its unit to be deleted, once its stock is zero, and may have that done."""
        wishes = row.listing is not None and row.listing.wish == ListingAct.DELETE
        return wishes and field is Field.STOCK and value == 0 and may_delete(self._terms.routing, row.entry.target_id)

    def _end_unchanged(
        self, row: EntryDraft, asked: Asked, offer: Offered, order: Recency, unit: KnownUnit, known: Fact | None
    ) -> None:
        """Ends a field that the unit already has, or plans the deletion that its event asks for."""
        if self._deletes(row, asked.field, offer.value):
            self._delete(row, asked, order, unit, known)
        else:
            self._draft.end(row, asked.field, FieldStatus.UNCHANGED, before=known, code=offer.code, rules=offer.rules)

    def _delete(self, row: EntryDraft, asked: Asked, order: Recency, unit: KnownUnit, known: Fact | None) -> None:
        """Plans the deletion of a unit, unless a command holds the field. A dry run ends the field instead."""
        if self._holding is not None and self._holding.holds(row, asked, 0, unit, known):
            return
        if self._terms.policy.dry_run:
            self._draft.end(row, asked.field, FieldStatus.DRY_RUN, before=known, sent=0, code=Code.DRY_RUN)
            return
        self._plan.delete(PlannedUpdate(row.entry, row.since_us, asked.field, 0, order, unit, LISTING_RANK))

    def _raise_orders(self, group: Sequence[KnownUnit], asked: Asked, order: Recency, event_id: str | None) -> None:
        """Notes that the units hold what a newer event wants."""
        for member in group:
            if (fact := self._draft.fact(member, asked.field)) is not None:
                self._draft.put(member, asked.field, raised(fact, order, event_id, asked.conversion))

    def _send(
        self,
        row: EntryDraft,
        asked: Asked,
        offer: Offered,
        order: Recency,
        unit: KnownUnit,
        known: Fact | None,
        group: Sequence[KnownUnit],
    ) -> None:
        """Plans the update, unless a command holds the field, or stock still waits for its linked units.

        A dry run plans nothing, and treats the value as accepted.
        """
        field, value = asked.field, offer.value
        if self._holding is not None and self._holding.holds(row, asked, value, unit, known):
            return
        if row.entry.origin is Origin.RESEND and not self._may_resend(row, field, unit):
            return
        rank = rank_of(field, value, known, row.entry)
        if field is Field.STOCK and (
            self._look_ups.waits_for_links(unit, rank, row.since_us) or self._look_ups.newer_may_be_linked(order, unit)
        ):
            return
        if not self._terms.policy.dry_run:
            self._plan.update(PlannedUpdate(row.entry, row.since_us, field, value, order, unit, rank))
            return
        for member in group:
            before = self._draft.fact(member, field)
            fact = accepted(before, value, order, row.entry.event_id, self._now_us, asked.conversion)
            self._draft.put(member, field, fact)
        code = offer.code or Code.DRY_RUN
        self._draft.end(row, field, FieldStatus.DRY_RUN, before=known, sent=value, code=code, rules=offer.rules)

    def _may_resend(self, row: EntryDraft, field: Field, unit: KnownUnit) -> bool:
        """Whether an accepted value that differs may be sent now, as far as time has passed since it was compared."""
        asked = next(one for one in row.open if one.field is field)
        if self._comparison.is_outdated(row, asked, unit):
            return False
        return row.entry.is_compared or not self._comparison.is_raised_by_repair(row, asked, unit)

    def _refused(self, unit: KnownUnit, total: Total | None, *, is_fulfilled: bool) -> Refusal | None:
        """Returns why a stock is rejected: the marketplace counts it itself, or the total is too high; None if not."""
        if is_fulfilled:
            return refuse(Code.FULFILLED_BY_MARKETPLACE, unit_id=unit.unit_id)
        if total is None:
            return None
        top = refused_above(self._terms.policy, total.pieces, self._terms.reference.max_stock)
        return None if top is None else refuse(Code.STOCK_OUT_OF_RANGE, stock=total.pieces, maximum=top)


def _is_accepted_event(known: Fact, entry: LedgerEntry, order: Recency, total: Total | None, value: int) -> bool:
    """Whether the event has been accepted already and is now read again; a resend is sent again all the same."""
    return (
        entry.origin is not Origin.RESEND
        and known.order is not None
        and (known.order == order or (known.order > order and is_of_event(known, entry)))
        and known.event_id is not None
        and (stands(known, value) or (total is None and not known.certain))
    )


def _counted_by_marketplace(group: Sequence[KnownUnit], field: Field) -> list[KnownUnit]:
    """Returns the units of a group whose stock the marketplace counts itself; empty for other fields."""
    if field is not Field.STOCK:
        return []
    return [member for member in group if member.fulfilled_by_marketplace]
