"""Decides which units of offers that were not found are created, and why others are not. Pure.

A unit is created only after two look-ups have not shown it, the second after the grace period, and only if everything
holds: the newest event with a listing asks for it, the target has the capability, the EAN is among those that may be
created, the values of all pending events together are complete, and no command or guard rail holds one of them. It is
never created twice: a note of the lane keeps further creations back while the outcome of one is not known.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from connector.contracts.capabilities import Capability
from connector.contracts.codes import Code
from connector.marketplace.offers import Condition, Field
from connector.offers.entry_draft import EntryDraft
from connector.offers.event_order import Recency
from connector.offers.events import FieldStatus, ListingAct
from connector.offers.field_knowledge import newest_accepted
from connector.offers.holding import Holding
from connector.offers.identity import NO_PRODUCT, UNSETTLED, Missing, creation_note
from connector.offers.ledger import Asked, KnownUnit, LedgerEntry
from connector.offers.look_ups import LookUps
from connector.offers.offer_draft import OfferDraft
from connector.offers.plan import LISTING_RANK, PlanDraft, PlannedCreation, PlannedUpdate
from connector.offers.policy import NOTHING_GIVEN
from connector.routing.table import Target

NOT_YET_A_UNIT = 0
"""The unit id of a unit that is to be created, where rules ask for the unit that a value is for."""

_Member = tuple[EntryDraft, Target, Missing]


@dataclass(frozen=True, slots=True)
class _Blocked:
    """Why nothing is created. ``hint``: for the not-found record; None: nothing is announced yet."""

    hint: str | None
    code: Code = Code.OFFER_NOT_FOUND


NOT_TO_ANNOUNCE: Final = _Blocked(None)
"""Of an offer that is created, or waits for that."""


class Creations:
    """The creations of one turn."""

    def __init__(self, draft: OfferDraft, plan: PlanDraft, look_ups: LookUps, holding: Holding | None) -> None:
        self._draft = draft
        self._plan = plan
        self._look_ups = look_ups
        self._holding = holding

    def plan(self) -> None:
        """Plans the creations of offers that are missing, and ends the events whose offer was to be deleted."""
        groups: dict[object, list[_Member]] = {}
        for member in self._look_ups.missing():
            groups.setdefault(member[0].entry.selectors, []).append(member)
        for group in groups.values():
            wished = [row for row, _, _ in group if row.listing is not None]
            if wished:
                self._of_offer(group, max(wished, key=lambda row: row.entry.order))

    def _of_offer(self, group: Sequence[_Member], newest: EntryDraft) -> None:
        _, target, missing = group[0]
        rows = [row for row, _, _ in group]
        if newest.listing is not None and newest.listing.wish == ListingAct.DELETE:
            if Capability.OFFERS_DELETE in target.capabilities:
                self._end_deleted(rows, newest)
            return
        blocked = self._create(rows, newest, target, missing)
        for row in rows:
            self._look_ups.explain(row.entry.result_id, blocked.code, blocked.hint)

    def _end_deleted(self, rows: Iterable[EntryDraft], newest: EntryDraft) -> None:
        """Ends a deletion whose unit is not there, and the older events of the offer."""
        for row in rows:
            for asked in tuple(row.open):
                if row is newest:
                    self._draft.end(row, asked.field, FieldStatus.UNCHANGED)
                elif row.entry.order < newest.entry.order:
                    by = newest.entry.result_id
                    self._draft.end(row, asked.field, FieldStatus.SUPERSEDED, superseded_by=by)

    def _create(self, rows: Sequence[EntryDraft], newest: EntryDraft, target: Target, missing: Missing) -> _Blocked:
        """Plans the creation; returns why there is none, or that nothing is announced while there may be one."""
        entry = newest.entry
        if (blocked := self._not_allowed(entry, target, missing)) is not None:
            return blocked
        future = _future_unit(entry, target, missing)
        values = dict(self._newest_of(rows))
        rule = self._draft.terms.policy.new_units.get(target.id, NOTHING_GIVEN).of(entry.attributes)
        lacks = {Field.PRICE, Field.STOCK, Field.HANDLING_TIME} - values.keys()
        if rule.handling_time_days is not None:
            lacks -= {Field.HANDLING_TIME}
        if lacks:
            return _Blocked(f"not created: no pending event has {', '.join(sorted(lacks))}")
        sends = [self._send(row, asked, future) for row, asked in values.values()]
        if self._waits(sends, future):
            return NOT_TO_ANNOUNCE
        if self._holds(sends, rows):
            return NOT_TO_ANNOUNCE
        if self._draft.terms.policy.dry_run:
            self._end_dry(rows, sends)
            return NOT_TO_ANNOUNCE
        self._plan.create(PlannedCreation(future, Condition(future.condition), rule, tuple(map(self._newer, sends))))
        return NOT_TO_ANNOUNCE

    def _not_allowed(self, entry: LedgerEntry, target: Target, missing: Missing) -> _Blocked | None:
        lane = self._draft.before
        note = creation_note(lane, target.account, target.storefront, entry.condition or "")
        if note is not None and note.code == UNSETTLED:
            return NOT_TO_ANNOUNCE
        if Capability.OFFERS_CREATE not in target.capabilities:
            return _Blocked(f"not created: {Capability.OFFERS_CREATE} is off for target {target.id}")
        if note is not None and note.code == NO_PRODUCT:
            return _Blocked("not created: the catalogue has no product with this EAN", Code.PRODUCT_NOT_IN_CATALOGUE)
        if target.create_eans is not None and lane.ean not in target.create_eans:
            return _Blocked(f"not created: the EAN is not among those that target {target.id} may create")
        if entry.offer_id is None or entry.unit_id is not None:
            return _Blocked("not created: the event must name an offer_id, and no unit_id")
        if any(u.offer_id == entry.offer_id for u in missing.others):
            return _Blocked("not created: another unit of the EAN has this offer_id")
        last = max(_orders_before(lane.units, entry, target), default=None)
        if last is not None and entry.order < last:
            return _Blocked("not created: a newer event than this one was accepted before the unit was gone")
        return None

    def _newest_of(self, rows: Iterable[EntryDraft]) -> Iterator[tuple[Field, tuple[EntryDraft, Asked]]]:
        """Yields the newest open value of each field."""
        found: dict[Field, tuple[EntryDraft, Asked]] = {}
        for row in rows:
            for asked in row.open:
                known = found.get(asked.field)
                if known is None or self._draft.order_of(*known) < self._draft.order_of(row, asked):
                    found[asked.field] = row, asked
        yield from found.items()

    def _send(self, row: EntryDraft, asked: Asked, future: KnownUnit) -> PlannedUpdate:
        total = self._draft.total(row, asked)
        value = self._draft.offered(row.entry, asked, total).value
        order = total.order if total is not None else row.entry.order
        return PlannedUpdate(row.entry, row.since_us, asked.field, value, order, future, LISTING_RANK)

    def _newer(self, send: PlannedUpdate) -> PlannedUpdate:
        """Returns the value to create with: of a stock that linked units share, the newest that they have."""
        if send.field is not Field.STOCK:
            return send
        linked = [u for u in self._draft.before.units if _is_linked(u, send.unit)]
        known = newest_accepted([self._draft.fact(unit, Field.STOCK) for unit in linked])
        if known is None or known.value is None or known.order is None or known.order <= send.order:
            return send
        return PlannedUpdate(
            send.entry, send.since_us, send.field, known.value, known.order, send.unit, send.rank, is_carried=False
        )

    def _waits(self, sends: Iterable[PlannedUpdate], future: KnownUnit) -> bool:
        """Whether the stock waits until it is known which units share it."""
        return any(
            self._look_ups.waits_for_links(future, send.rank, send.since_us)
            or self._look_ups.newer_may_be_linked(send.order, future)
            for send in sends
            if send.field is Field.STOCK
        )

    def _holds(self, sends: Sequence[PlannedUpdate], rows: Iterable[EntryDraft]) -> bool:
        """Whether a command or a guard rail holds a value; then the others wait with it, and nothing is created."""
        if self._holding is None:
            return False
        by_entry = {row.entry.result_id: row for row in rows}
        drafts = [(by_entry[send.entry.result_id], send) for send in sends]
        held = None
        for row, send in drafts:
            asked = next(one for one in row.open if one.field is send.field)
            if self._holding.holds(row, asked, send.value, send.unit, None):
                held = held or (row, send.field)
        if held is None:
            return False
        for row, send in drafts:
            row.unit = send.unit
            self._holding.hold_along(row, send.field, held)
        return True

    def _end_dry(self, rows: Iterable[EntryDraft], sends: Iterable[PlannedUpdate]) -> None:
        by_entry = {row.entry.result_id: row for row in rows}
        for send in sends:
            row = by_entry[send.entry.result_id]
            self._draft.end(row, send.field, FieldStatus.DRY_RUN, sent=send.value, code=Code.DRY_RUN)


def _future_unit(entry: LedgerEntry, target: Target, missing: Missing) -> KnownUnit:
    """Returns the unit that would be created, for rules that ask for the unit of a value."""
    return KnownUnit(
        account=target.account,
        storefront=target.storefront,
        condition=entry.condition or "",
        unit_id=NOT_YET_A_UNIT,
        offer_id=entry.offer_id,
        status=None,
        fulfilled_by_marketplace=False,
        proved_at_us=missing.miss.looked_at_us or 0,
        facts={},
    )


def _is_linked(unit: KnownUnit, future: KnownUnit) -> bool:
    return unit.account == future.account and unit.offer_id == future.offer_id and unit.storefront != future.storefront


def _orders_before(units: Iterable[KnownUnit], entry: LedgerEntry, target: Target) -> Iterator[Recency]:
    """Yields the orders of events that former units of the offer have accepted."""
    for unit in units:
        place = (unit.account, unit.storefront, unit.condition, unit.offer_id)
        if place == (target.account, target.storefront, entry.condition, entry.offer_id):
            yield from (fact.order for fact in unit.facts.values() if fact.order is not None)
