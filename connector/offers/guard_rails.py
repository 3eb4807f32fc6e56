"""What guard rails say of the values of a turn, and what people have decided on them. Pure, except for windows.

What a drop concerns was read before it. What a release concerns was held by a guard rail before it: nobody has seen
what was not. A rail that a person released, or a window that counted the value, does not judge the entry again.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from connector.contracts.codes import Code
from connector.controls.commands import ControlCommand, ControlState
from connector.controls.in_force import CommandsInForce
from connector.marketplace.offers import Field
from connector.offers.conversion import jump
from connector.offers.entry_draft import EntryDraft
from connector.offers.events import Origin
from connector.offers.ledger import KnownUnit, LedgerEntry, to_major
from connector.offers.offer_draft import OfferDraft
from connector.offers.rails import PriceLimits, Rail, Tripped, tripped_by
from connector.offers.refusal import Refusal, refuse
from connector.offers.window_rails import WindowRails
from connector.routing.table import Target
from streams.frozen import replace

_RAILS_OF: Final[Mapping[Field, tuple[Rail, ...]]] = {
    Field.PRICE: (
        Rail.RATE_JUMP,
        Rail.PRICE_STEP,
        Rail.PRICE_FLOOR,
        Rail.PRICE_CEILING,
        Rail.CHANGED_PRICE_SHARE,
    ),
    Field.STOCK: (Rail.ZEROED_SHARE,),
    Field.HANDLING_TIME: (),
}


class GuardRails:
    """The guard rails of one turn."""

    def __init__(self, draft: OfferDraft, commands: CommandsInForce, windows: WindowRails) -> None:
        self._draft = draft
        self._commands = commands
        self._windows = windows

    def note_releases(self, row: EntryDraft, target: Target) -> None:
        """Notes the rails from which a person has released the entry's held fields, whatever else holds them now."""
        for asked in row.open:
            field, held = asked.field, row.held_field(asked.field)
            if held is None or held.guard is None or held.guarded_at_us is None:
                continue
            released = tuple(
                rail
                for rail in _RAILS_OF[field]
                if rail not in row.passed
                and _is(ControlState.RELEASED, self._decision(rail, held.guarded_at_us, row.entry, field, target))
            )
            if released:
                row.passed = (*row.passed, *released)
            if held.guard in row.passed:
                row.hold(replace(held, guard=None, guarded_at_us=None))

    def dropped(self, row: EntryDraft, field: Field, target: Target) -> Refusal | None:
        """Returns why a field ends that a guard rail holds and a person dropped, whatever else holds it now."""
        held = row.held_field(field)
        if held is None or held.guard is None:
            return None
        return self._dropped(held.guard, row.entry, field, target)

    def tripped(
        self, row: EntryDraft, field: Field, value: int, unit: KnownUnit, known: int | None
    ) -> Tripped | Refusal | None:
        """Returns the first undecided rail that a value trips, or why it ends if a person dropped it; None to send it.

        ``known``: what the marketplace holds. To write the same again changes nothing, so it trips nothing; nor does
        what a command sends again, because it was accepted before.
        """
        if value == known or row.entry.origin is Origin.RESEND:
            return None
        judged = (*self._by_rate(row, field, unit), *self._by_price(row.entry, field, value, unit, known))
        found = [one for one in judged if one.rail not in row.passed]
        for one in found:
            if (fault := self._dropped(one.rail, row.entry, field, unit)) is not None:
                return fault
        return found[0] if found else self._by_window(row, field, value, unit)

    def _by_rate(self, row: EntryDraft, field: Field, unit: KnownUnit) -> Iterator[Tripped]:
        """Yields the rail of a rate that is too far from the one with which the unit's last price was converted."""
        rule = self._draft.terms.policy.conversions.get(row.entry.target_id or "")
        used = row.entry.conversion_of(field)
        fact = self._draft.fact(unit, field)
        if rule is None or used is None or fact is None:
            return
        if (fault := jump(fact.conversion, used, rule)) is not None:
            yield Tripped(Rail.RATE_JUMP, fault)

    def _by_price(
        self, entry: LedgerEntry, field: Field, value: int, unit: KnownUnit, known: int | None
    ) -> Iterator[Tripped]:
        terms = self._draft.terms
        if field is not Field.PRICE:
            return
        exponent, currency = terms.exponent(unit.storefront), terms.currency(unit.storefront) or ""
        override = terms.overrides.floor(self._draft.before.ean, entry.target_id, currency)
        rails = terms.policy.price_rails.get(entry.target_id or "")
        if rails is None and override is None:
            return
        limits = rails.of(entry.attributes) if rails is not None else PriceLimits()
        was = None if known is None else to_major(field, known, exponent)
        yield from tripped_by(limits, to_major(field, value, exponent), was, currency, override)

    def _by_window(self, row: EntryDraft, field: Field, value: int, unit: KnownUnit) -> Tripped | Refusal | None:
        """Has the field's window count a value once; returns as ``tripped``."""
        rail = Rail.CHANGED_PRICE_SHARE if field is Field.PRICE else Rail.ZEROED_SHARE
        is_counted = field is Field.PRICE or (field is Field.STOCK and value == 0)
        if not is_counted or rail not in self._windows.limits or rail in row.passed:
            return None
        lane, entry, source = self._draft.before, row.entry, row.entry.order.source
        if self._windows.stopped_at(rail, lane.partition, source, entry.received_at_us):
            fault = self._dropped(rail, entry, field, unit)
            if fault is not None:
                return fault
        tripped = self._windows.tripped_by(rail, lane.partition, source, lane.ean, self._draft.now_us, self._commands)
        if tripped is None:
            row.passed = (*row.passed, rail)
        return tripped

    def _dropped(self, rail: str, entry: LedgerEntry, field: Field, at: Target | KnownUnit) -> Refusal | None:
        decision = self._decision(rail, entry.received_at_us, entry, field, at)
        if decision is None or decision.state is not ControlState.DROPPED:
            return None
        return refuse(
            Code.GUARD_DROPPED,
            rail=rail,
            command_id=decision.command_id,
            by=decision.issued_by,
            reason=decision.reason or "no reason given",
        )

    def _decision(
        self, rail: str, since_us: int, entry: LedgerEntry, field: Field, at: Target | KnownUnit
    ) -> ControlCommand | None:
        """Returns the newest decision since then on a field that a guard rail holds; None while there is none."""
        return self._commands.decision_on(rail, since_us, self._draft.scoped(entry, field, at))


def _is(state: ControlState, decision: ControlCommand | None) -> bool:
    return decision is not None and decision.state is state
