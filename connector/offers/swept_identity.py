"""Identifies offers by a sweep instead of look-ups: a lane waits for it, keeps what it shows, and uses it. Pure.

While a lane waits, a note among its misses (``AWAITS_SWEEP``) says for which sweep and until when, and the units that
the sweep shows are kept as not proven. They are used when the sweep has ended and is known to have seen every unit, and
only if each waiting event then has exactly one unit: absence, several matches and contradictions are left to a look-up.
A lane waits only where nothing is known of the EAN on the storefront, so it cannot have written to these units since.
"""

from collections.abc import Iterator

from connector.marketplace.offers import Field
from connector.offers.drift_values import values_seen
from connector.offers.events import Miss
from connector.offers.field_knowledge import doubted, observed
from connector.offers.identity import ANY_CONDITION, AWAITS_SWEEP, Proven, find_note, resolve
from connector.offers.ledger import KnownUnit, LedgerEntry, OfferLane
from connector.offers.policy import OfferTerms
from connector.reconciliation.events import UnitObserved
from connector.reconciliation.seen_units import Place
from streams.frozen import replace

NO_PLACES: frozenset[Place] = frozenset()


def unknown_places(lane: OfferLane, terms: OfferTerms) -> frozenset[Place]:
    """Returns accounts and storefronts on which open events need a look-up, and nothing was ever known of the EAN."""
    if not lane.entries:
        return NO_PLACES
    needed: set[Place] = set()
    for entry in lane.entries:
        place = _place_of(entry, terms) if entry.open else None
        if place is not None:
            needed.add(place)
        if place is not None and any(asked.field is Field.STOCK for asked in entry.open):
            needed.update((place[0], storefront) for storefront in terms.routing.storefronts_of(place[0]))
    return frozenset(place for place in needed if _is_unknown(lane, place))


def may_await(lane: OfferLane, place: Place, began_us: int, terms: OfferTerms) -> bool:
    """Whether a lane may wait for a sweep instead of looking the EAN up at a place.

    Events that arrived after ``began_us`` do not: the sweep may have passed their unit. Nor do comparisons for a
    command, which must see the marketplace as it is now.
    """
    waiting = [entry for entry in lane.entries if entry.open and _needs(entry, place, terms)]
    return (
        bool(waiting)
        and lane.managed
        and not terms.policy.dry_run
        and all(entry.received_at_us <= began_us and not entry.is_compared for entry in waiting)
        and _is_unknown(lane, place)
        and find_note(lane, place) is None
    )


def awaiting(lane: OfferLane, place: Place, sweep_at_us: int, now_us: int, until_us: int) -> OfferLane:
    """Returns the lane with the note that it waits for a sweep."""
    account, storefront = place
    note = Miss(
        account=account,
        storefront=storefront,
        condition=ANY_CONDITION,
        code=AWAITS_SWEEP,
        since_us=sweep_at_us,
        next_check_at_us=until_us,
        looked_at_us=now_us,
    )
    return replace(lane, misses=(*lane.misses, note))


def notes(lane: OfferLane) -> Iterator[Miss]:
    """Yields the notes of sweeps that the lane waits for."""
    return (miss for miss in lane.misses if miss.code == AWAITS_SWEEP)


def kept(lane: OfferLane, seen: UnitObserved, terms: OfferTerms, now_us: int, *, is_certain: bool) -> OfferLane | None:
    """Returns the lane with a unit of the sweep that it waits for; None if it does not wait for this sweep.

    ``is_certain``: whether no one can have written to the unit since without this lane's knowledge. Another EAN of the
    product can, so the values of such a unit are never certain.
    """
    note = find_note(lane, (seen.account, seen.storefront))
    if note is None or note.since_us != seen.sweep_at_us:
        return None
    facts = observed({}, values_seen(seen, terms), seen.requested_at_us, seen.observed_at_us)
    if seen.other_eans or not is_certain:
        facts = {field: doubted(fact, now_us) for field, fact in facts.items()}
    unit = KnownUnit(
        account=seen.account,
        storefront=seen.storefront,
        condition=seen.condition,
        unit_id=seen.unit_id,
        offer_id=seen.offer_id,
        status=seen.status,
        fulfilled_by_marketplace=seen.fulfilled_by_marketplace,
        proved_at_us=0,
        facts=facts,
        other_eans=seen.other_eans,
    )
    others = tuple(one for one in lane.units if (one.account, one.unit_id) != (unit.account, unit.unit_id))
    return replace(lane, units=(*others, unit))


def proved(lane: OfferLane, note: Miss, terms: OfferTerms, now_us: int) -> OfferLane | None:
    """Returns the lane with the kept units as proven, and without the note; None if they do not settle what is meant.

    They do if each waiting event has exactly one unit among those that the merchant fulfils, as in a look-up.
    """
    place = (note.account, note.storefront)
    shown = [unit for unit in lane.units if _is_at(unit, place)]
    if not shown or any(unit.fulfilled_by_marketplace for unit in shown):
        return None
    units = tuple(replace(unit, proved_at_us=now_us) if _is_at(unit, place) else unit for unit in lane.units)
    known = replace(lane, units=units, misses=_without(lane, note))
    waiting = (entry for entry in lane.entries if entry.open and _place_of(entry, terms) == place)
    if all(isinstance(resolve(known, *place, entry, now_us), Proven) for entry in waiting):
        return known
    return None


def given_up(lane: OfferLane, note: Miss) -> OfferLane:
    """Returns the lane without the note and what was kept under it, so that the EAN is looked up."""
    place = (note.account, note.storefront)
    units = tuple(unit for unit in lane.units if not _is_at(unit, place) or unit.proved_at_us or unit.stays_unshown)
    return replace(lane, units=units, misses=_without(lane, note))


def taken_over(lane: OfferLane, now_us: int) -> OfferLane:
    """Returns the lane at a new owner: the previous one may have used what it kept, and have written to the units."""
    places = {(note.account, note.storefront) for note in notes(lane)}
    if not places:
        return lane
    units = tuple(
        replace(unit, facts={field: doubted(fact, now_us) for field, fact in unit.facts.items()})
        if (unit.account, unit.storefront) in places and not unit.proved_at_us
        else unit
        for unit in lane.units
    )
    return replace(lane, units=units)


def is_waited_for(lane: OfferLane, note: Miss, terms: OfferTerms) -> bool:
    """Whether an open event still needs what the note waits for."""
    place = (note.account, note.storefront)
    return any(entry.open and _needs(entry, place, terms) for entry in lane.entries)


def _needs(entry: LedgerEntry, place: Place, terms: OfferTerms) -> bool:
    """Whether an event needs the units at a place: its own, or those that may share the stock that it sets."""
    own = _place_of(entry, terms)
    if own is None:
        return False
    return own == place or (own[0] == place[0] and any(asked.field is Field.STOCK for asked in entry.open))


def _place_of(entry: LedgerEntry, terms: OfferTerms) -> Place | None:
    target = terms.routing.find(entry.target_id)
    return None if target is None else (target.account, target.storefront)


def _is_unknown(lane: OfferLane, place: Place) -> bool:
    """Whether no look-up of the EAN at a place was ever answered or has failed; a note of a sweep does not count."""
    return not any(_is_at(unit, place) for unit in lane.units if not _is_kept(lane, unit)) and not any(
        (miss.account, miss.storefront) == place and miss.code != AWAITS_SWEEP for miss in lane.misses
    )


def _is_kept(lane: OfferLane, unit: KnownUnit) -> bool:
    return not unit.proved_at_us and find_note(lane, (unit.account, unit.storefront)) is not None


def _is_at(unit: KnownUnit, place: Place) -> bool:
    return (unit.account, unit.storefront) == place


def _without(lane: OfferLane, note: Miss) -> tuple[Miss, ...]:
    return tuple(miss for miss in lane.misses if miss is not note)
