"""Applies the replies to creations and deletions of units. Pure.

A creation whose answer is lost is never repeated before it is settled: a note keeps further ones back until a look-up
that was sent ``create_settle_s`` later has not shown the unit either.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import assert_never

from connector.contracts.codes import Code
from connector.contracts.microseconds import us
from connector.marketplace.offers import Accepted, Field, Gone, Refused, Unit
from connector.offers.call_bodies import Carried, OfferCreate, OfferDelete
from connector.offers.entry_draft import EntryDraft
from connector.offers.events import FieldStatus, ListingAct, ListingWish, Miss, Sent
from connector.offers.field_knowledge import accepted, doubted, group_of, not_applied
from connector.offers.identity import ANY_CONDITION, NO_PRODUCT, READ_BACK, UNSETTLED
from connector.offers.ledger import FieldOutcome, KnownUnit, LedgerEntry, OfferLane
from connector.offers.policy import OfferTerms
from connector.offers.refusal import Refusal, refuse, refused_by_marketplace
from streams.flow import Answered, GaveUp, Lost, Settled
from streams.frozen import replace

_SLOT = "create/"


def create_slot(account: str, storefront: str, condition: str) -> str:
    """Returns the slot of creations: one at a time for an account, storefront and condition."""
    return f"{_SLOT}{account}/{storefront}/{condition}"


def restored(lane: OfferLane, announced: Iterable[str], terms: OfferTerms, now_us: int) -> OfferLane:
    """Returns the lane at a new owner: of announced creations it is not known whether they were executed."""
    for slot in announced:
        if slot.startswith(_SLOT):
            account, storefront, condition = slot.removeprefix(_SLOT).rsplit("/", 2)
            lane = _unsettled(lane, account, storefront, condition, terms, now_us)
    return lane


# ---- creations ------------------------------------------------------------------------------------------------------


def after_create(lane: OfferLane, create: OfferCreate, answered: Answered, terms: OfferTerms, now_us: int) -> OfferLane:
    """Returns the lane after the reply to a creation."""
    account, storefront, condition = create.account, create.storefront, create.condition.value
    match answered.reply:
        case Settled(answer=Accepted(unit=Unit() as shown)):
            return _created(lane, create, shown, answered, terms, now_us)
        case Settled(answer=Refused() as refused):
            if refused.code == Code.PRODUCT_NOT_IN_CATALOGUE:
                return _noted(lane, _note(account, storefront, condition, NO_PRODUCT, now_us, now_us))
            if refused.code == Code.OFFER_ID_TAKEN and _was_sent(lane, create.carried):
                return _unsettled(
                    lane, account, storefront, condition, terms, now_us
                )  # by the one whose answer is lost
            why = refused_by_marketplace(refused, Code.CREATION_REFUSED, offer_id=create.offer_id)
            return _ended(lane, create.carried, FieldStatus.REJECTED, why)
        case Settled(answer=Gone()):
            return _noted(lane, _note(account, storefront, condition, NO_PRODUCT, now_us, now_us))
        case Lost():
            return _unsettled(lane, account, storefront, condition, terms, now_us)
        case GaveUp(reason=reason):
            lane = _ended(lane, create.carried, FieldStatus.FAILED, refuse(Code.GAVE_UP, reason=reason))
            return _unsettled(lane, account, storefront, condition, terms, now_us)
        case Settled(answer=other):
            raise TypeError(f"a creation is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


def _created(
    lane: OfferLane, create: OfferCreate, shown: Unit, answered: Answered, terms: OfferTerms, now_us: int
) -> OfferLane:
    """Adds the unit, with the values that it was created with, and ends the fields that asked for them.

    A look-up is due once it may be visible: it shows the product's other EANs.
    """
    at_us = answered.answered_us or answered.sent_us
    former = next((unit for unit in lane.units if _is_former(unit, create)), None)
    unit = KnownUnit(
        account=create.account,
        storefront=create.storefront,
        condition=create.condition.value,
        unit_id=shown.unit_id,
        offer_id=create.offer_id,
        status=shown.status,
        fulfilled_by_marketplace=False,
        proved_at_us=at_us,
        facts=dict(former.facts) if former is not None else {},
        created_at_us=at_us,
    )
    others = [one for one in lane.units if one is not former or one.claims]
    lane = replace(lane, units=(*others, unit))
    for field, value in create.values.items():
        lane = _with_value(lane, unit, field, shown.values.get(field, value), create, at_us)
    see_again_us = now_us + us(max(terms.policy.not_found_grace_s, terms.policy.read_back_s))
    look = _note(create.account, create.storefront, create.condition.value, READ_BACK, now_us, see_again_us)
    lane = replace(lane, misses=(*filter(partial(_outlasts, create), lane.misses), look))
    return _sent(lane, create.carried, unit, answered, ListingAct.CREATE, shown.values)


def _outlasts(create: OfferCreate, miss: Miss) -> bool:
    """Whether a creation leaves it in place: it is of another storefront, or notes another creation as unsettled."""
    if (miss.account, miss.storefront) != (create.account, create.storefront):
        return True
    return miss.code == UNSETTLED and miss.condition != create.condition.value


def _is_former(unit: KnownUnit, create: OfferCreate) -> bool:
    """Whether it is a unit of the same offer that no look-up shows any more."""
    place = (create.account, create.storefront, create.condition.value, create.offer_id)
    return not unit.proved_at_us and (unit.account, unit.storefront, unit.condition, unit.offer_id) == place


def _with_value(
    lane: OfferLane, created: KnownUnit, field: Field, value: int, create: OfferCreate, at_us: int
) -> OfferLane:
    """Notes the value of a field of the unit, and of the units that share it."""
    carried = next((one for one in create.carried if one.field is field), None)
    group = {unit.unit_id for unit in group_of(lane.units, created, field)} | {created.unit_id}

    def noted(unit: KnownUnit) -> KnownUnit:
        if unit.account != created.account or unit.unit_id not in group:
            return unit
        known = unit.facts.get(field)
        if carried is not None and value != carried.value:
            fact = not_applied(known, value, carried.order, at_us)
        elif carried is not None:
            fact = accepted(known, value, carried.order, carried.event_id, at_us, carried.conversion)
        else:
            fact = replace(doubted(known, at_us), value=value, certain=True, accepted_at_us=at_us)
        return replace(unit, facts={**unit.facts, field: fact})

    return replace(lane, units=tuple(map(noted, lane.units)))


def _unsettled(
    lane: OfferLane, account: str, storefront: str, condition: str, terms: OfferTerms, now_us: int
) -> OfferLane:
    """Notes that a unit may have been created, and has the storefront looked up soon and again."""
    until_us = now_us + us(max(terms.policy.create_settle_s, terms.policy.read_back_s))
    lane = _noted(lane, _note(account, storefront, condition, UNSETTLED, now_us, until_us))
    soon = _note(account, storefront, ANY_CONDITION, READ_BACK, now_us, now_us + us(terms.policy.read_back_s))
    lane = _noted(lane, soon)

    def marked(entry: LedgerEntry) -> LedgerEntry:
        target = terms.routing.find(entry.target_id)
        here = target is not None and (target.account, target.storefront) == (account, storefront)
        if not here or entry.condition != condition or entry.listing is None or entry.listing.wish != ListingAct.CREATE:
            return entry
        return replace(entry, listing=replace(entry.listing, was_sent=True))

    return replace(lane, entries=tuple(map(marked, lane.entries)))


def _note(account: str, storefront: str, condition: str, code: str, since_us: int, until_us: int) -> Miss:
    return Miss(
        account=account,
        storefront=storefront,
        condition=condition,
        code=code,
        since_us=since_us,
        next_check_at_us=until_us,
    )


def _noted(lane: OfferLane, note: Miss) -> OfferLane:
    """Returns the lane with a note in place of an earlier one of the same kind."""
    of = (note.account, note.storefront, note.condition, note.code)
    rest = [m for m in lane.misses if (m.account, m.storefront, m.condition, m.code) != of]
    return replace(lane, misses=(*rest, note))


def _was_sent(lane: OfferLane, carried: Iterable[Carried]) -> bool:
    ids = {one.result_id for one in carried}
    return any(e.listing is not None and e.listing.was_sent for e in lane.entries if e.result_id in ids)


# ---- deletions ------------------------------------------------------------------------------------------------------


def after_delete(lane: OfferLane, delete: OfferDelete, answered: Answered, now_us: int) -> OfferLane:
    """Returns the lane after the reply to a deletion."""
    unit = next((u for u in lane.units if (u.account, u.unit_id) == (delete.account, delete.unit_id)), None)
    if unit is None:
        raise ValueError(f"an answer for unit {delete.unit_id}, which the lane {lane.ean} never knew")
    match answered.reply:
        case Settled(answer=Accepted()):
            lane = _sent(lane, delete.carried, unit, answered, ListingAct.DELETE)
            return _unshown(lane, unit, now_us)
        case Settled(answer=Refused() as refused):
            why = refused_by_marketplace(refused, Code.DELETION_REFUSED, unit_id=str(delete.unit_id))
            return _ended(lane, delete.carried, FieldStatus.REJECTED, why)
        case Settled(answer=Gone()):
            return _unshown(lane, unit, now_us)
        case Lost():
            return _unshown(_with_wish_sent(lane, delete.carried), unit, now_us)
        case GaveUp(reason=reason):
            return _ended(lane, delete.carried, FieldStatus.FAILED, refuse(Code.GAVE_UP, reason=reason))
        case Settled(answer=other):
            raise TypeError(f"a deletion is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


def _unshown(lane: OfferLane, gone: KnownUnit, now_us: int) -> OfferLane:
    """Returns the lane with a unit that needs another look-up before it is used; its claims are to be released."""
    release_at_us = gone.release_at_us if gone.release_at_us is not None or not gone.claims else now_us
    place = (gone.account, gone.storefront)
    units = tuple(
        replace(unit, proved_at_us=0, created_at_us=None, release_at_us=release_at_us) if unit is gone else unit
        for unit in lane.units
    )
    misses = tuple(m for m in lane.misses if (m.account, m.storefront) != place or m.code == UNSETTLED)
    return replace(lane, units=units, misses=misses)


def _with_wish_sent(lane: OfferLane, carried: Iterable[Carried]) -> OfferLane:
    ids = {one.result_id for one in carried}
    entries = (
        replace(entry, listing=ListingWish(wish=entry.listing.wish, was_sent=True))
        if entry.listing is not None and entry.result_id in ids
        else entry
        for entry in lane.entries
    )
    return replace(lane, entries=tuple(entries))


# ---- both -----------------------------------------------------------------------------------------------------------


def _sent(
    lane: OfferLane,
    carried: Iterable[Carried],
    unit: KnownUnit,
    answered: Answered,
    done: ListingAct,
    shown: Mapping[Field, int] = MappingProxyType({}),
) -> OfferLane:
    """Ends the fields of a call that was accepted: APPLIED, or REJECTED where the answer shows another value."""
    rows = {entry.result_id: EntryDraft(entry) for entry in lane.entries}
    for one in carried:
        row = rows.get(one.result_id)
        if row is None or all(asked.field is not one.field for asked in row.open):
            continue
        row.unit = unit
        row.sent = _call(row.sent, unit, answered)
        if row.listing is not None and row.listing.wish == done:
            row.listing = replace(row.listing, was_sent=True)
        got = shown.get(one.field, one.value)
        fault = (
            refuse(Code.ACCEPTED_NOT_APPLIED, field=one.field, sent=one.value, got=got) if got != one.value else None
        )
        end = FieldOutcome(
            field=one.field,
            status=FieldStatus.APPLIED if fault is None else FieldStatus.REJECTED,
            code=None if fault is None else fault.code,
            sent=one.value,
            accepted=got,
        )
        row.end(end, None if fault is None else fault.problem)
    return replace(lane, entries=tuple(row.result() for row in rows.values()))


def _call(earlier: Sent | None, unit: KnownUnit, answered: Answered) -> Sent:
    """Returns the record of the sent calls with this one added, if it is not yet there."""
    if earlier is not None and earlier.call_ids and earlier.call_ids[-1] == answered.call_id:
        return earlier
    return Sent(
        account=unit.account,
        storefront=unit.storefront,
        offer_id=unit.offer_id,
        call_ids=(*(earlier.call_ids if earlier is not None else ()), answered.call_id),
        attempts=(earlier.attempts if earlier is not None else 0) + answered.attempts,
        sent_at_us=answered.sent_us,
        answered_at_us=answered.answered_us,
        unit_status=unit.status,
        storefronts_moved=earlier.storefronts_moved if earlier is not None else (),
    )


def _ended(lane: OfferLane, carried: Iterable[Carried], status: FieldStatus, fault: Refusal) -> OfferLane:
    """Ends the fields that a call carried."""
    rows = {entry.result_id: EntryDraft(entry) for entry in lane.entries}
    for one in carried:
        row = rows.get(one.result_id)
        if row is not None and any(asked.field is one.field for asked in row.open):
            row.end(FieldOutcome(field=one.field, status=status, code=fault.code), fault.problem)
    return replace(lane, entries=tuple(row.result() for row in rows.values()))
