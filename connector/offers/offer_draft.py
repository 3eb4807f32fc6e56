"""The working copy of a lane during one turn: entries and facts change in place; ``lane`` then makes the lane."""

from operator import is_ as _is

from connector.contracts.codes import Code
from connector.controls.commands import ScopedField
from connector.marketplace.offers import Field
from connector.offers.entry_draft import EntryDraft
from connector.offers.event_order import Recency
from connector.offers.events import FieldStatus, Origin
from connector.offers.field_knowledge import doubted, given_up, group_of
from connector.offers.identity import Proven, resolve
from connector.offers.ledger import Asked, Fact, FieldOutcome, KnownUnit, LedgerEntry, OfferLane, Watermark
from connector.offers.locations import Total, not_counted, total_for
from connector.offers.policy import OfferTerms
from connector.offers.refusal import Refusal, refuse
from connector.offers.stock import Offered, offered
from connector.offers.watermarks import with_mark
from connector.routing.table import Target
from streams.frozen import replace


class OfferDraft:
    """The lane before the turn, with the turn's changes to entries and facts."""

    def __init__(self, before: OfferLane, terms: OfferTerms, now_us: int) -> None:
        self.before = before
        self.terms = terms
        self.now_us = now_us
        self.rows = [EntryDraft(entry) for entry in before.entries]
        self._facts: dict[int, dict[Field, Fact]] = {}  # unit id -> facts that have changed

    def lane(self) -> OfferLane:
        """Returns the lane after the turn; the same object if nothing changed."""
        lane = self.before
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

    def scoped(self, entry: LedgerEntry, field: Field, at: Target | KnownUnit) -> ScopedField:
        """Returns a field of an entry as the scopes of commands see it; ``at``: where it is to be sent."""
        return ScopedField(
            account=at.account,
            target_id=entry.target_id,
            storefront=at.storefront,
            ean=self.before.ean,
            attributes=entry.attributes,
            field=field,
        )

    # -- facts

    def fact(self, unit: KnownUnit, field: Field) -> Fact | None:
        """Returns the fact as changed in this turn so far."""
        changed = self._facts.get(unit.unit_id)
        return (changed.get(field) if changed is not None else None) or unit.facts.get(field)

    def put(self, unit: KnownUnit, field: Field, fact: Fact) -> None:
        self._facts.setdefault(unit.unit_id, {})[field] = fact

    def doubt(self, row: EntryDraft, asked: Asked, newer: Recency | None = None) -> None:
        """Updates the facts of a field whose value is dropped without an answer.

        The value may have been sent, so no older one may follow it, whatever becomes of its successor. The known value
        becomes uncertain if the dropped one differs from it, and always if the dropped one is a total, because an
        earlier total may have been sent. Nothing changes if no call has carried it, because it was held from the first
        moment. ``newer`` is the order of the successor, which must not be shut out.
        """
        held = row.entry.held_field(asked.field)
        if row.unit is None or (held is not None and held.never_sent):
            return
        total = self.total(row, asked)
        order = total.order if total is not None else row.entry.order
        value = self.offered(row.entry, asked, total).value
        for member in group_of(self.before.units, row.unit, asked.field):
            fact = self.fact(member, asked.field)
            if (
                fact is not None
                and fact.order is not None
                and (order < fact.order or (order == fact.order and not total))
            ):
                continue
            known = given_up(fact, order) if newer is None or newer > order else fact
            same = total is None and fact is not None and fact.value == value
            self.put(member, asked.field, known if known is not None and same else doubted(known, self.now_us))

    def drop(self, row: EntryDraft, asked: Asked) -> None:
        """Notes that a person dropped a field: no older event may win over that, and its stock does not count.

        A repeated acceptance has the order of the event that was accepted, so it leaves nothing.
        """
        entry, lane = row.entry, self.before
        if entry.origin is Origin.RESEND:
            return
        orders: list[tuple[str | None, Recency]] = []
        if asked.field is Field.STOCK:
            lane = not_counted(lane, entry, row.unit.facts.get(Field.STOCK) if row.unit is not None else None)
            orders = [(row.location, row.order) for row in self.before.locations if row not in lane.locations]
        for location, order in orders or [(None, entry.order)]:
            mark = Watermark(
                selectors=entry.selectors, location=location, field=asked.field, order=order, is_dropped=True
            )
            lane = with_mark(lane, mark)
        self.before = lane

    # -- entries

    def offered(self, entry: LedgerEntry, asked: Asked, total: Total | None) -> Offered:
        """Returns what is sent for a field of an entry."""
        is_stock = asked.field is Field.STOCK
        buffer = self.terms.overrides.buffer(self.before.ean, entry.target_id) if is_stock else None
        return offered(self.terms.policy, entry, asked, total, buffer)

    def total(self, row: EntryDraft, asked: Asked) -> Total | None:
        """Returns the total of all locations to send for a stock; None if the entry's own value applies."""
        return total_for(self.before, row.entry, asked)

    def order_of(self, row: EntryDraft, asked: Asked) -> Recency:
        """Returns the order of the value to send: that of the total or of the entry."""
        total = self.total(row, asked)
        return total.order if total is not None else row.entry.order

    def unit_of(self, row: EntryDraft, target: Target) -> KnownUnit | None:
        """Returns the entry's unit if it is proven."""
        identity = resolve(self.before, target.account, target.storefront, row.entry, self.now_us)
        return identity.unit if isinstance(identity, Proven) else None

    def withdraw(self, row: EntryDraft) -> None:
        """Ends the open fields of an entry by a tombstone; facts become uncertain if its values may have been sent."""
        target = self.terms.routing.find(row.entry.target_id)
        row.unit = self.unit_of(row, target) if target is not None else None
        fault = refuse(Code.TOMBSTONE, ean=self.before.ean)
        for asked in row.open:
            self.doubt(row, asked)
        self.end_all(row, FieldStatus.UNMANAGED, fault)

    def end_all(self, row: EntryDraft, status: FieldStatus, fault: Refusal) -> None:
        for asked in row.open:
            self.end(row, asked.field, status, fault)

    def end(
        self,
        row: EntryDraft,
        field: Field,
        status: FieldStatus,
        fault: Refusal | None = None,
        *,
        superseded_by: str | None = None,
        before: Fact | None = None,
        sent: int | None = None,
        code: Code | None = None,
        rules: tuple[str, ...] = (),
    ) -> None:
        """Ends a field of an entry. ``before``: what is known of the unit until then.

        Who takes its place wins over the entries that lost to it as well, as far as their results are not written.
        """
        is_known = before is not None and before.value is not None
        end = FieldOutcome(
            field=field,
            status=status,
            code=fault.code if fault is not None else code,
            superseded_by=superseded_by,
            winner=superseded_by,
            before=before.value if before is not None else None,
            before_basis=before.basis if before is not None and is_known else None,
            before_at_us=before.accepted_at_us if before is not None and is_known else None,
            sent=sent,
            rules=rules,
        )
        row.end(end, fault.problem if fault is not None else None)
        if superseded_by is not None:
            for other in self.rows:
                other.lost_further(field, row.entry.result_id, superseded_by)
