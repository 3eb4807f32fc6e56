"""Applies the reply to a look-up: the units of the EAN on a storefront, and the misses. Pure."""

from collections.abc import Sequence
from typing import assert_never

from connector.contracts.codes import Code
from connector.contracts.microseconds import us
from connector.marketplace.offers import Found, Gone, Refused, Unit
from connector.offers.call_bodies import OfferLookUp
from connector.offers.entry_draft import EntryDraft
from connector.offers.events import Announced, FieldStatus, Miss
from connector.offers.field_knowledge import believed, observed
from connector.offers.gtin import GtinError, normal_form
from connector.offers.identity import (
    ANY_CONDITION,
    AWAITS_SWEEP,
    LOOKUP_FAILED,
    READ_BACK,
    Proven,
    misses_without,
    recheck_after_us,
    renew_misses,
    resolve,
)
from connector.offers.ledger import FieldOutcome, KnownUnit, LedgerEntry, OfferLane
from connector.offers.policy import OfferTerms
from connector.offers.refusal import Refusal, refuse, refused_by_marketplace
from connector.offers.resend import waits_for_look_up
from streams.flow import Answered, GaveUp, Lost, Settled
from streams.frozen import replace


def after_look_up(
    lane: OfferLane, look_up: OfferLookUp, answered: Answered, terms: OfferTerms, now_us: int
) -> OfferLane:
    match answered.reply:
        case Settled(answer=Found(units=units)):
            return _found(lane, look_up, units, answered, terms, now_us)
        case Settled(answer=Gone()):
            return _found(lane, look_up, (), answered, terms, now_us)
        case Settled(answer=Refused() as refused):
            refusal = refused_by_marketplace(refused, Code.LOOKUP_REFUSED, ean=lane.ean, storefront=look_up.storefront)
            return _not_looked(_looked(lane, look_up, answered, terms), look_up, refusal, terms, now_us)
        case GaveUp(reason=reason):
            refusal = refuse(Code.GAVE_UP, reason=reason)
            return _not_looked(_looked(lane, look_up, answered, terms), look_up, refusal, terms, now_us)
        case Lost():
            return lane
        case Settled(answer=other):
            raise TypeError(f"a look-up is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


def _found(
    lane: OfferLane,
    look_up: OfferLookUp,
    shown: Sequence[Unit],
    answered: Answered,
    terms: OfferTerms,
    now_us: int,
) -> OfferLane:
    account, storefront = look_up.account, look_up.storefront
    own = [unit for unit in shown if unit.storefront == storefront and _is_of(lane.ean, unit)]
    before = lane = _looked(lane, look_up, answered, terms)
    release_at_us = now_us + us(terms.policy.read_back_s)
    if terms.policy.dry_run:
        own = [_as_decided(lane, account, unit) for unit in own]
    settle_us = us(terms.policy.create_settle_s)
    lane = replace(lane, units=_units_after(lane, account, storefront, own, answered, release_at_us, settle_us))
    meaning = _meaning(lane, account, storefront, terms)
    misses = renew_misses(
        before, lane, account, storefront, meaning, now_us, terms.policy, answered.sent_us, _calls_of(answered)
    )
    return replace(lane, misses=misses)


def _as_decided(lane: OfferLane, account: str, shown: Unit) -> Unit:
    """Returns a unit as the marketplace would show it if a dry run had sent what it decided to send."""
    units = [unit for unit in lane.units if unit.account == account]
    prior = next((unit for unit in units if unit.unit_id == shown.unit_id), None)
    return replace(shown, values=believed(units, prior, shown))


def _looked(lane: OfferLane, look_up: OfferLookUp, answered: Answered, terms: OfferTerms) -> OfferLane:
    """Returns the lane with the look-up's call ids in every entry that it was for, so that their results name it."""
    meant = {entry.result_id for entry in _meaning(lane, look_up.account, look_up.storefront, terms)}
    entries = tuple(
        replace(entry, lookup_call_ids=(*entry.lookup_call_ids, *_calls_of(answered))[-_CALLS_NAMED:])
        if entry.result_id in meant
        else entry
        for entry in lane.entries
    )
    return replace(lane, entries=entries) if meant else lane


def _calls_of(answered: Answered) -> tuple[str, ...]:
    """Returns the ids of the calls behind the answer; a look-up may need several."""
    match answered.reply:
        case Settled(answer=Found(call_ids=call_ids)) if call_ids:
            return call_ids
        case _:
            return (answered.call_id,)


_CALLS_NAMED = 6
"""The most look-ups that a result names, the last ones: an offer may be looked up again for months."""


def _is_of(ean: str, unit: Unit) -> bool:
    """Whether the unit belongs to the EAN: if the answer lists EANs of the unit, this one must be among them."""
    return not unit.eans or any(_same(ean, other) for other in unit.eans)


def _same(ean: str, other: str) -> bool:
    """Whether ``other`` is the same EAN in any form; ``ean`` is a normal form."""
    try:
        return normal_form(other) == ean
    except GtinError:
        return False


def _units_after(
    lane: OfferLane,
    account: str,
    storefront: str,
    shown: Sequence[Unit],
    answered: Answered,
    release_at_us: int,
    settle_us: int,
) -> tuple[KnownUnit, ...]:
    """Returns the lane's units after a look-up of one storefront that showed ``shown``.

    ``release_at_us`` is when to release the claims on units that were renamed or are not shown any more. By then, this
    turn is durable. ``settle_us``: how long a created unit may be missing.
    """
    at_us = answered.answered_us or answered.sent_us
    known = {u.unit_id: u for u in lane.units if u.account == account and u.storefront == storefront}
    renamed = {
        before.offer_id
        for unit in shown
        if (before := known.get(unit.unit_id)) is not None and before.offer_id != unit.offer_id
    }
    units = [
        _to_be_looked_up(u, renamed) if u.account == account else u
        for u in lane.units
        if u.account != account or u.storefront != storefront
    ]
    gone = {unit_id: u for unit_id, u in known.items() if all(s.unit_id != unit_id for s in shown)}
    for unit in shown:
        prior = known.get(unit.unit_id) or _taken_over(unit, gone)
        claimed = known.get(unit.unit_id)
        other_eans = _other_eans(lane.ean, unit)
        is_renamed = claimed is not None and claimed.offer_id != unit.offer_id
        if is_renamed:
            claimed = None  # it is claimed again once the claims on its former names are released
        owner = claimed.owner if claimed is not None and (other_eans or claimed.owner == lane.ean) else None
        units.append(
            KnownUnit(
                account=account,
                storefront=storefront,
                condition=unit.condition.value,
                unit_id=unit.unit_id,
                offer_id=unit.offer_id,
                status=unit.status,
                fulfilled_by_marketplace=unit.fulfilled_by_marketplace,
                proved_at_us=at_us,
                facts=observed(
                    prior.facts if prior is not None else {}, unit.values, unit.read_at_us or answered.sent_us, at_us
                ),
                other_eans=other_eans,
                owner=owner,
                owner_asked_us=claimed.owner_asked_us if claimed is not None else None,
                claims=prior.claims if prior is not None else (),
                release_at_us=_release_at_us(prior, release_at_us if is_renamed else None),
            )
        )
    for old in gone.values():
        if old.created_at_us is not None and answered.sent_us < old.created_at_us + settle_us:
            units.append(replace(old, proved_at_us=at_us))
        elif old.stays_unshown:
            units.append(_no_longer_shown(old, release_at_us))
    return tuple(units)


def _to_be_looked_up(unit: KnownUnit, renamed: set[str | None]) -> KnownUnit:
    """Marks a unit of another storefront for a look-up if the offer id that it shared was changed in this one.

    Units that share an offer id are usually renamed together.
    """
    return replace(unit, proved_at_us=0) if unit.offer_id is not None and unit.offer_id in renamed else unit


def _release_at_us(prior: KnownUnit | None, from_us: int | None) -> int | None:
    """Returns when to release the unit's claims: as planned before, or else at ``from_us``; None: they are kept."""
    if prior is None or not prior.claims or prior.release_at_us is not None:
        return prior.release_at_us if prior is not None else None
    return from_us


def _other_eans(ean: str, unit: Unit) -> tuple[str, ...]:
    """Returns the unit's EANs except this one, sorted."""
    return tuple(sorted({other for other in unit.eans if not _same(ean, other)}))


def _no_longer_shown(unit: KnownUnit, release_at_us: int) -> KnownUnit:
    """Returns the unit as unproven, with its claims to be released."""
    return replace(unit, proved_at_us=0, created_at_us=None, release_at_us=_release_at_us(unit, release_at_us))


def _taken_over(unit: Unit, gone: dict[int, KnownUnit]) -> KnownUnit | None:
    """Takes out of ``gone`` the former unit with the same offer id and condition; None if there is none.

    A unit that was recreated keeps the order of the events that its predecessor accepted.
    """
    for old in gone.values():
        if unit.offer_id is not None and (old.offer_id, old.condition) == (unit.offer_id, unit.condition.value):
            return gone.pop(old.unit_id)
    return None


def _meaning(lane: OfferLane, account: str, storefront: str, terms: OfferTerms) -> list[LedgerEntry]:
    """Returns the undone entries for this storefront."""
    meant = []
    for entry in lane.entries:
        target = terms.routing.find(entry.target_id)
        if entry.open and target is not None and (target.account, target.storefront) == (account, storefront):
            meant.append(entry)
    return meant


def _not_looked(lane: OfferLane, look_up: OfferLookUp, fault: Refusal, terms: OfferTerms, now_us: int) -> OfferLane:
    """Returns the lane after a look-up that failed or was refused.

    Fails the entries that need this storefront's units, except announced ones, which wait for their next check; and
    those that wait to be compared with what it would have shown. Stock of other storefronts is sent without waiting for
    linked units of this one.
    """
    account, storefront = look_up.account, look_up.storefront
    meant = {
        e.result_id
        for e in _meaning(lane, account, storefront, terms)
        if e.announced is not Announced.NOT_FOUND
        and (not _is_proven(lane, e, terms, now_us) or waits_for_look_up(lane, e, now_us))
    }
    lane = _end_replays(_end_entries(lane, meant, FieldStatus.FAILED, fault), account, storefront, fault, terms)
    failed = Miss(
        account=account,
        storefront=storefront,
        condition=ANY_CONDITION,
        code=LOOKUP_FAILED,
        since_us=now_us,
        next_check_at_us=now_us + us(terms.policy.lookup_failed_s),
    )
    rest = (
        replace(m, next_check_at_us=max(m.next_check_at_us, now_us + recheck_after_us(m, now_us, terms.policy)))
        if (m.account, m.storefront) == (account, storefront)
        else m
        for m in misses_without(lane, account, storefront, _SCHEDULED)
    )
    return replace(lane, misses=(*rest, failed))


_SCHEDULED = frozenset((LOOKUP_FAILED, READ_BACK, AWAITS_SWEEP))


def _is_proven(lane: OfferLane, entry: LedgerEntry, terms: OfferTerms, now_us: int) -> bool:
    target = terms.routing.find(entry.target_id)
    return target is not None and isinstance(resolve(lane, target.account, target.storefront, entry, now_us), Proven)


def _end_entries(lane: OfferLane, result_ids: set[str], status: FieldStatus, fault: Refusal) -> OfferLane:
    if not result_ids:
        return lane
    entries = tuple(_end_open(e, status, fault) if e.result_id in result_ids else e for e in lane.entries)
    return replace(lane, entries=entries)


def _end_replays(lane: OfferLane, account: str, storefront: str, fault: Refusal, terms: OfferTerms) -> OfferLane:
    """Ends the replays of announced entries as FAILED; the announced entries themselves stay undone."""
    entries: list[LedgerEntry] = []
    meant = {
        entry.result_id
        for entry in _meaning(lane, account, storefront, terms)
        if entry.asked_again and entry.announced is Announced.NOT_FOUND
    }
    for entry in lane.entries:
        if entry.result_id not in meant:
            entries.append(entry)
            continue
        replay = replace(entry, announced=Announced.NONE, asked_again=False)
        entries += [_end_open(replay, FieldStatus.FAILED, fault), replace(entry, asked_again=False)]
    return replace(lane, entries=tuple(entries)) if meant else lane


def _end_open(entry: LedgerEntry, status: FieldStatus, fault: Refusal) -> LedgerEntry:
    row = EntryDraft(entry)
    for asked in entry.open:
        row.end(FieldOutcome(field=asked.field, status=status, code=fault.code), fault.problem)
    return row.result()
