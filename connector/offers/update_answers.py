"""Applies the reply to an update: ends the fields that were sent, and updates what is known of the unit. Pure."""

from collections.abc import Iterator
from typing import assert_never

from connector.contracts.codes import Code
from connector.contracts.microseconds import us
from connector.marketplace.offers import Accepted, Field, Gone, Refused, Unit
from connector.offers.call_bodies import Carried, OfferUpdate
from connector.offers.entry_draft import EntryDraft
from connector.offers.events import FieldStatus, ListingAct, Miss, Sent
from connector.offers.field_knowledge import accepted, doubted, given_up, group_of, not_applied, renewed
from connector.offers.identity import READ_BACK, UNSETTLED, misses_without
from connector.offers.ledger import Fact, FieldOutcome, KnownUnit, LedgerEntry, OfferLane
from connector.offers.locations import total_for
from connector.offers.policy import OfferTerms
from connector.offers.refusal import Refusal, refuse, refused_by_marketplace
from connector.offers.stock import offered
from connector.routing.table import may_delete
from streams.flow import Answered, GaveUp, Lost, Settled
from streams.frozen import replace


def after_update(lane: OfferLane, update: OfferUpdate, answered: Answered, terms: OfferTerms, now_us: int) -> OfferLane:
    """Returns the lane after the reply to an update.

    Raises ValueError for a unit that the lane does not know, and TypeError for the answer of another kind of call.
    """
    unit = lane.unit(update.account, update.unit_id)
    if unit is None:
        raise ValueError(f"an answer for unit {update.unit_id}, which the lane {lane.ean} never knew")
    ledger = UpdateAnswerDraft(lane, unit, update, answered, terms)
    match answered.reply:
        case Settled(answer=Accepted(unit=shown)):
            ledger.accept(shown)
        case Settled(answer=Refused() as refused):
            ledger.refuse(refused)
        case Settled(answer=Gone()):
            ledger.gone()
        case Lost():
            ledger.lose(now_us, us(terms.policy.read_back_s))
        case GaveUp(reason=reason):
            ledger.give_up(reason, now_us)
        case Settled(answer=other):
            raise TypeError(f"an update is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)
    return ledger.lane()


class UpdateAnswerDraft:
    """The working copy of a lane while the reply to one update is applied.

    Its entries and facts change in place; ``lane`` then makes the lane.
    """

    def __init__(
        self, lane: OfferLane, unit: KnownUnit, update: OfferUpdate, answered: Answered, terms: OfferTerms
    ) -> None:
        self._lane = lane
        self._terms = terms
        self._unit = unit
        self._update = update
        self._answered = answered
        self._at_us = answered.answered_us or answered.sent_us
        self._units = {(u.account, u.unit_id): u for u in lane.units}
        self._facts: dict[tuple[str, int], dict[Field, Fact]] = {}  # of the units whose facts change
        self._misses = lane.misses
        self._before = {c.field: unit.facts.get(c.field) for c in update.carried}
        self._moved: tuple[KnownUnit, ...] = ()  # other units whose linked stock the update changed
        if Field.STOCK in update.values:
            linked = [one for one in group_of(lane.units, unit, Field.STOCK) if one.unit_id != unit.unit_id]
            self._moved = tuple(sorted(linked, key=lambda one: one.storefront))
        self._rows = {entry.result_id: EntryDraft(entry) for entry in lane.entries}
        sent_for = dict.fromkeys([c.result_id for c in update.carried])
        self._carried_rows = [row for of in sent_for if (row := self._rows.get(of)) is not None]  # if still undone
        for row in self._carried_rows:
            row.unit, row.sent = unit, self._sent(row.entry)

    def lane(self) -> OfferLane:
        """Returns the lane with the changed units, misses and entries."""
        for key, facts in self._facts.items():
            self._units[key] = replace(self._units[key], facts=facts)
        return replace(
            self._lane,
            units=tuple(self._units.values()),
            misses=self._misses,
            entries=tuple(map(EntryDraft.result, self._rows.values())),
        )

    def accept(self, shown: Unit | None) -> None:
        """Ends the fields as APPLIED, or as REJECTED where the answer shows another value than the one sent.

        ``shown`` is the unit as the answer returned it; None: it returned none, and the values count as applied.
        """
        values = shown.values if shown is not None else {}
        for carried in self._update.carried:
            field = carried.field
            got = values.get(field, carried.value)
            for facts in self._group_facts(field):
                if got == carried.value:
                    facts[field] = accepted(
                        facts.get(field), got, carried.order, carried.event_id, self._at_us, carried.conversion
                    )
                else:
                    facts[field] = not_applied(facts.get(field), got, carried.order, self._at_us)
            if got == carried.value:
                self._end(carried, FieldStatus.APPLIED, accepted=got)
            else:
                fault = refuse(Code.ACCEPTED_NOT_APPLIED, field=field, sent=carried.value, got=got)
                self._end(carried, FieldStatus.REJECTED, fault, accepted=got)
        if shown is not None:
            self._update_other_facts(shown)

    def _update_other_facts(self, shown: Unit) -> None:
        """Updates the unit's other facts and its status by the answer; has a unit with a new offer id looked up."""
        facts = self._facts_of(self._unit)
        for field, value in shown.values.items():
            if field not in self._before and (fact := facts.get(field)) is not None:
                facts[field] = renewed(fact, value, self._answered.sent_us, self._at_us)
        renamed = shown.offer_id is not None and shown.offer_id != self._unit.offer_id
        if renamed or shown.status != self._unit.status:
            # with another offer id, the unit's links and owner may have changed
            proved_at_us = 0 if renamed else self._unit.proved_at_us
            self._put(replace(self._unit, status=shown.status, proved_at_us=proved_at_us))
        for row in self._carried_rows:
            if row.sent is not None:
                row.sent = replace(row.sent, unit_status=shown.status)

    def refuse(self, refused: Refused) -> None:
        """Rejects the fields that the refusal names.

        If it names none and several were sent, they are sent again one by one, stock first.
        """
        named = {error.field for error in refused.errors if error.field is not None}
        rejected = [c for c in self._update.carried if c.field in named]
        if not rejected and len(self._update.values) == 1:
            rejected = list(self._update.carried)
        for carried in rejected:
            facts = {"fields": carried.field, "storefront": self._unit.storefront}
            self._end(carried, FieldStatus.REJECTED, refused_by_marketplace(refused, Code.MARKETPLACE_REFUSED, **facts))
        if not rejected:
            for row in self._carried_rows:
                row.one_by_one = True

    def gone(self) -> None:
        """Has all units of the storefront looked up again. Fails the fields if that was done for their entry before."""
        for carried in self._update.carried:
            row = self._rows.get(carried.result_id)
            if row is not None and row.proved_again:
                self._end(carried, FieldStatus.FAILED, refuse(Code.UNIT_GONE, unit_id=self._update.unit_id))
        for row in self._carried_rows:
            row.proved_again = True
        place = (self._unit.account, self._unit.storefront)
        for unit in self._lane.units:
            if (unit.account, unit.storefront) == place:
                self._put(replace(unit, proved_at_us=0))
        self._misses = tuple(m for m in self._misses if (m.account, m.storefront) != place or m.code == UNSETTLED)

    def lose(self, now_us: int, read_back_us: int) -> None:
        """Makes the fields uncertain, so that the newest value is sent again, and schedules a look-up to read back.

        ``read_back_us``: microseconds until that look-up, by which the lost call can no longer be executed.
        """
        self._doubt(now_us)
        self._block_older_events()
        read_back = Miss(
            account=self._unit.account,
            storefront=self._unit.storefront,
            condition=self._unit.condition,
            code=READ_BACK,
            since_us=now_us,
            next_check_at_us=now_us + read_back_us,
        )
        rest = misses_without(self._lane, self._unit.account, self._unit.storefront, frozenset((READ_BACK,)))
        self._misses = (*rest, read_back)

    def give_up(self, reason: str, now_us: int) -> None:
        """Ends the fields as FAILED. Their facts become uncertain, because any attempt may have been executed."""
        self._doubt(now_us)
        self._block_older_events()
        for carried in self._update.carried:
            self._end(carried, FieldStatus.FAILED, refuse(Code.GAVE_UP, reason=reason))

    # -- helpers

    def _block_older_events(self) -> None:
        """Keeps older events from being sent: the values may have been accepted although no answer came."""
        for carried in self._update.carried:
            for facts in self._group_facts(carried.field):
                facts[carried.field] = given_up(facts.get(carried.field), carried.order)

    def _doubt(self, now_us: int) -> None:
        for field in self._update.values:
            for facts in self._group_facts(field):
                facts[field] = doubted(facts.get(field), now_us)

    def _group_facts(self, field: Field) -> Iterator[dict[Field, Fact]]:
        """Returns the facts of all units that an update of this field changes; changes to them are kept."""
        return map(self._facts_of, group_of(self._lane.units, self._unit, field))

    def _facts_of(self, unit: KnownUnit) -> dict[Field, Fact]:
        key = (unit.account, unit.unit_id)
        if key not in self._facts:
            self._facts[key] = dict(unit.facts)
        return self._facts[key]

    def _put(self, unit: KnownUnit) -> None:
        self._units[unit.account, unit.unit_id] = unit

    def _end(
        self, carried: Carried, status: FieldStatus, fault: Refusal | None = None, accepted: int | None = None
    ) -> None:
        """Ends the field of the event that the value was sent for, if it still asks for that value.

        ``accepted``: the value that the marketplace holds now; None if it took none.
        """
        row = self._rows.get(carried.result_id)
        asked = row.asked(carried.field) if row is not None else None
        if row is None or asked is None:
            return
        if status is FieldStatus.APPLIED and asked.field is Field.STOCK and self._is_to_be_deleted(row):
            return  # the field ends when the unit is deleted
        total = total_for(self._lane, row.entry, asked)
        buffer = self._terms.overrides.buffer(self._lane.ean, row.entry.target_id)
        offer = offered(self._terms.policy, row.entry, asked, total, buffer)
        is_still_so = offer.value == carried.value  # the rules may have changed since it was sent
        if total is not None and not is_still_so:
            return  # the total has changed since, by a tombstone
        code = offer.code if is_still_so else None
        known = self._before[carried.field]
        is_known = known is not None and known.value is not None
        has_moved = accepted is not None and carried.field is Field.STOCK
        moved = self._moved if has_moved else ()
        end = FieldOutcome(
            field=carried.field,
            status=status,
            code=fault.code if fault is not None else code,
            before=known.value if known is not None else None,
            before_basis=known.basis if known is not None and is_known else None,
            before_at_us=known.accepted_at_us if known is not None and is_known else None,
            sent=carried.value,
            accepted=accepted,
            units_moved=tuple([one.unit_id for one in moved]) if moved else (),
            storefronts_moved=tuple([one.storefront for one in moved]) if moved else (),
            rules=offer.rules if is_still_so else (),
        )
        row.end(end, fault.problem if fault is not None else None)

    def _is_to_be_deleted(self, row: EntryDraft) -> bool:
        wishes = row.listing is not None and row.listing.wish == ListingAct.DELETE
        return wishes and may_delete(self._terms.routing, row.entry.target_id)

    def _sent(self, entry: LedgerEntry) -> Sent:
        """Returns the entry's record of sent calls, with this call added."""
        earlier = entry.sent
        answered = self._answered
        moved = tuple([one.storefront for one in self._moved]) if self._moved else ()
        return Sent(
            account=self._unit.account,
            storefront=self._unit.storefront,
            offer_id=self._unit.offer_id,
            call_ids=(*(earlier.call_ids if earlier is not None else ()), answered.call_id),
            attempts=(earlier.attempts if earlier is not None else 0) + answered.attempts,
            sent_at_us=answered.sent_us,
            answered_at_us=answered.answered_us,
            unit_status=earlier.unit_status if earlier is not None else None,
            storefronts_moved=moved if moved or earlier is None else earlier.storefronts_moved,
        )
