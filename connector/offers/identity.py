"""Finds the unit that an event means. Matches exactly, never by similarity. Pure.

Account, storefront, EAN (the lane's) and condition must all match. ``offer_id`` or ``unit_id`` may select one of
several matching units, or contradict the match. A look-up without an unambiguous match is stored as a *miss* per
account, storefront and condition; it is valid until its next check. The first miss is valid for a grace period only,
because a new unit takes minutes to become visible. The next intervals are 1, 2, 5, 15 and 60 minutes, and after those
the configured one.

An event that arrives after the last look-up may trigger another one earlier: if that look-up is older than a minute, or
if the event's stock is zero, because an offer that was listed meanwhile would sell stock that does not exist.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from connector.contracts.codes import Code
from connector.contracts.microseconds import us
from connector.offers.events import Announced, Miss
from connector.offers.ledger import KnownUnit, LedgerEntry, OfferLane
from connector.offers.policy import OfferPolicy
from streams.frozen import replace

NOT_YET_FOUND = "NOT_YET_FOUND"
"""A miss within its grace period."""
LOOKUP_FAILED = "LOOKUP_FAILED"
"""A look-up that failed; while this is valid, stock does not wait for another one to show linked units."""
READ_BACK = "READ_BACK"
"""The answer to an update was lost; when this is due, one look-up reads back what the marketplace holds."""
AWAITS_SWEEP = "AWAITS_SWEEP"
"""Until this is due, the units of the storefront are awaited from the sweep that began at its ``since_us``."""
UNSETTLED = "CREATE_UNSETTLED"
"""A unit may have been created without an answer. Until a look-up that is sent when this is due has not shown it, none
is created in its condition."""
NO_PRODUCT = "NO_PRODUCT"
"""No unit can be created because the catalogue lacks the product, as of the last look-up."""
ANY_CONDITION = ""
"""The condition of a miss that applies to the whole storefront, such as a look-up that showed no unit of the EAN."""

STEPS_S = (60.0, 120.0, 300.0, 900.0, 3600.0)
"""Seconds between look-ups of a missing offer, from its NOT_FOUND result on; then ``OfferPolicy.recheck_s``."""
OLD_S = 60.0
"""A look-up of at least this age, in seconds, is repeated for an event that arrives after it."""
SPACING_S = 5.0
"""The shortest interval in seconds between look-ups for stocks of zero, per EAN and storefront."""

_CREATION = frozenset((UNSETTLED, NO_PRODUCT))
_NOT_A_LOOK = frozenset((LOOKUP_FAILED, READ_BACK, AWAITS_SWEEP)) | _CREATION


@dataclass(frozen=True, slots=True)
class Proven:
    """Exactly one unit matches, and a look-up that is still valid has shown it."""

    unit: KnownUnit


@dataclass(frozen=True, slots=True)
class Unproven:
    """The unit is not known; a look-up is needed now."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not found, but the unit may not be visible yet, or another look-up is due soon."""

    until_us: int  # when to look it up again


@dataclass(frozen=True, slots=True)
class Missing:
    """Not found by two look-ups, the second after the grace period."""

    miss: Miss
    others: tuple[KnownUnit, ...]  # of the EAN on the storefront, in other conditions or with other ids
    code: Code = Code.OFFER_NOT_FOUND
    hint: str = ""  # why its unit is not created, if an event asks for that


@dataclass(frozen=True, slots=True)
class Unclear:
    """Several units match, or the event's ids contradict the match."""

    code: Code  # AMBIGUOUS_OFFER or IDENTITY_CONFLICT
    candidates: tuple[KnownUnit, ...]
    named: str  # what the event's ids select


Identity: TypeAlias = Proven | Unproven | Waiting | Missing | Unclear

UNPROVEN = Unproven()


class Named(Protocol):
    """What selects a unit among those of an EAN on a storefront: an entry or a watermark."""

    @property
    def condition(self) -> str | None: ...
    @property
    def offer_id(self) -> str | None: ...
    @property
    def unit_id(self) -> int | None: ...


def resolve(lane: OfferLane, account: str, storefront: str, entry: Named, now_us: int) -> Identity:
    """Returns what ``entry`` means by the units and misses that are known; misses due at ``now_us`` are not valid."""
    here = [u for u in lane.units if u.storefront == storefront and u.account == account and u.proved_at_us]
    pick = _pick(here, entry)
    if isinstance(pick, KnownUnit):
        return Proven(pick)
    miss = find_miss(lane.misses, account, storefront, entry.condition or "")
    if miss is None or now_us >= miss.next_check_at_us:
        return UNPROVEN
    if isinstance(pick, Unclear):
        return pick
    if miss.code == Code.OFFER_NOT_FOUND:
        return pick.otherwise or Missing(miss, tuple(here))
    return Waiting(miss.next_check_at_us)


def find_miss(misses: Iterable[Miss], account: str, storefront: str, condition: str) -> Miss | None:
    """Returns the miss of a look-up for this condition; notes of other things do not count."""
    for miss in misses:
        if (
            miss.storefront == storefront
            and miss.condition == condition
            and miss.account == account
            and miss.code not in _NOT_A_LOOK
        ):
            return miss
    return None


def find_note(lane: OfferLane, place: tuple[str, str]) -> Miss | None:
    """Returns the note that the lane waits for a sweep of an account and storefront; None if it does not."""
    for miss in lane.misses:
        if miss.code == AWAITS_SWEEP and (miss.account, miss.storefront) == place:
            return miss
    return None


def creation_note(lane: OfferLane, account: str, storefront: str, condition: str) -> Miss | None:
    """Returns the note that keeps creations back; None if there is none."""
    found = [m for m in lane.misses if m.code in _CREATION and (m.account, m.storefront) == (account, storefront)]
    return next((m for m in sorted(found, key=lambda m: m.code) if m.condition == condition), None)


def looked(lane: OfferLane, account: str, storefront: str) -> bool:
    """Whether a look-up of the EAN on this storefront was answered, and the answer is still valid."""
    for unit in lane.units:
        if unit.storefront == storefront and unit.account == account and unit.proved_at_us:
            return True
    return any(m.storefront == storefront and m.account == account and m.code not in _NOT_A_LOOK for m in lane.misses)


def asks_again_at_us(looked_at_us: int | None, entry: LedgerEntry, *, none_left: bool) -> int | None:
    """Returns when an event may trigger another look-up although the last one is still valid; None if it may not.

    ``looked_at_us`` is the time of the last look-up. ``none_left``: the event's stock is zero.
    """
    if entry.announced is Announced.NOT_FOUND:
        return None  # its look-ups are scheduled
    looked_at_us = looked_at_us or 0
    if entry.received_at_us <= looked_at_us:
        return None
    if none_left:
        return looked_at_us + us(SPACING_S)
    return looked_at_us if entry.received_at_us - looked_at_us >= us(OLD_S) else None


def recheck_after_us(miss: Miss, now_us: int, policy: OfferPolicy) -> int:
    """Returns how many microseconds after a look-up at ``now_us`` the next one is due.

    The interval depends on the age of the miss alone, so late look-ups, and those triggered by new events, do not
    cause further ones.
    """
    if miss.code == NOT_YET_FOUND:
        return us(policy.not_found_grace_s)
    age_us = now_us - miss.since_us - us(policy.not_found_grace_s)
    for step_s in STEPS_S:
        if age_us < us(step_s):
            return us(min(step_s, policy.recheck_s))
        age_us -= us(step_s)
    return us(policy.recheck_s)


def misses_without(lane: OfferLane, account: str, storefront: str, codes: frozenset[str]) -> tuple[Miss, ...]:
    """Returns the lane's misses without those of the storefront that have one of these codes."""
    return tuple(m for m in lane.misses if m.account != account or m.storefront != storefront or m.code not in codes)


@dataclass(frozen=True, slots=True)
class _NotSeen:
    """No unit matches; a unit with the event's offer id may become visible later."""

    otherwise: Unclear | None  # the identity if later look-ups do not show it either; None: Missing


def _pick(here: Sequence[KnownUnit], entry: Named) -> KnownUnit | Unclear | _NotSeen:
    """Selects among the units of a storefront by condition, then by ``unit_id``, then by ``offer_id``."""
    triple = [u for u in here if u.condition == entry.condition]
    matched = triple
    if entry.unit_id is not None:
        named = [u for u in here if u.unit_id == entry.unit_id]
        if (named and named[0] not in matched) or (not named and matched):
            return _conflict(f"unit {entry.unit_id}", named, matched)
        matched = named
    if entry.offer_id is not None:
        named = [u for u in here if u.offer_id == entry.offer_id]
        if not named:
            return _NotSeen(_conflict(f"offer id {entry.offer_id}", named, matched) if matched else None)
        both = [u for u in named if u in matched]
        if not both:
            return _conflict(f"offer id {entry.offer_id}", named, matched)
        matched = both
    if not matched:
        return _NotSeen(None)
    if len(matched) > 1:
        return Unclear(Code.AMBIGUOUS_OFFER, tuple(matched), "")
    return matched[0]


def _conflict(named: str, found: Sequence[KnownUnit], matched: Sequence[KnownUnit]) -> Unclear:
    """Returns the conflict between the units that an id selects (``found``) and those that match otherwise."""
    candidates = (*found, *(u for u in matched if u not in found))
    shown = f"{named} ({', '.join(map(describe, found)) or 'not of this EAN and storefront'})"
    return Unclear(Code.IDENTITY_CONFLICT, candidates, shown)


def describe(unit: KnownUnit) -> str:
    """Returns a unit's ids, storefront and condition for messages."""
    offer = f", offer id {unit.offer_id}" if unit.offer_id is not None else ""
    return f"unit {unit.unit_id} ({unit.storefront}, {unit.condition}{offer})"


def renew_misses(
    before: OfferLane,
    lane: OfferLane,
    account: str,
    storefront: str,
    entries: Sequence[LedgerEntry],
    now_us: int,
    policy: OfferPolicy,
    looked_at_us: int,
    call_ids: tuple[str, ...],
) -> tuple[Miss, ...]:
    """Returns the lane's misses after an answered look-up of ``storefront``.

    ``before`` is the lane with the misses so far, ``lane`` has the units that the look-up showed. ``entries`` are the
    undone entries for the storefront; ``looked_at_us`` is when the look-up was sent.
    """
    here = [u for u in lane.units if u.storefront == storefront and u.account == account and u.proved_at_us]
    rest = tuple(
        m
        for m in before.misses
        if m.storefront != storefront or m.account != account or _is_unsettled(m, before, here, looked_at_us)
    )
    asked = [m for m in before.misses if m.storefront == storefront and m.account == account]
    old = {m.condition: m for m in asked if m.condition != ANY_CONDITION and m.code not in _NOT_A_LOOK}
    wanted: dict[str, list[LedgerEntry]] = {condition: [] for condition in old}
    for entry in entries:
        wanted.setdefault(entry.condition or "", []).append(entry)
    renewed = []
    for condition, waiting in wanted.items():
        code = _miss_code(here, condition, waiting)
        if code is not None:
            miss = _next_miss(old.get(condition), account, storefront, condition, code, now_us, policy)
            renewed.append(replace(miss, looked_at_us=looked_at_us, call_ids=call_ids))
    if not here and not renewed:
        nothing = Miss(
            account=account,
            storefront=storefront,
            condition=ANY_CONDITION,
            code=Code.OFFER_NOT_FOUND,
            since_us=now_us,
            next_check_at_us=now_us,
            looked_at_us=looked_at_us,
            call_ids=call_ids,
        )
        return (*rest, nothing)
    return (*rest, *renewed) if renewed else rest


def _is_unsettled(note: Miss, before: OfferLane, here: Sequence[KnownUnit], looked_at_us: int) -> bool:
    """Whether it stays unknown, after a look-up that showed ``here``, whether a unit was created."""
    if note.code != UNSETTLED or looked_at_us >= note.next_check_at_us:
        return False
    known = {unit.unit_id for unit in before.units}
    return not any(unit.condition == note.condition and unit.unit_id not in known for unit in here)


def _miss_code(here: Sequence[KnownUnit], condition: str, waiting: Sequence[LedgerEntry]) -> str | None:
    """Returns the code of the condition's miss; None if its entries all have a unit."""
    picks = [_pick(here, entry) for entry in waiting]
    if any(isinstance(pick, _NotSeen) for pick in picks):
        return NOT_YET_FOUND
    for pick in picks:
        if isinstance(pick, Unclear):
            return pick.code
    count = sum(u.condition == condition for u in here)
    if count == 0:
        return NOT_YET_FOUND
    return Code.AMBIGUOUS_OFFER if count > 1 else None


def _next_miss(
    prior: Miss | None, account: str, storefront: str, condition: str, code: str, now_us: int, policy: OfferPolicy
) -> Miss:
    """Returns the miss after a look-up without an unambiguous match; ``prior`` is the one before.

    The first miss is NOT_YET_FOUND until the grace period ends; a look-up after that makes it OFFER_NOT_FOUND. If that
    look-up is overdue by ``recheck_s``, the grace period starts again. Misses with other codes are valid for
    ``recheck_s``, and keep their age while the code stays the same.
    """
    grace_us, recheck_us = us(policy.not_found_grace_s), us(policy.recheck_s)
    fresh = Miss(
        account=account,
        storefront=storefront,
        condition=condition,
        code=code,
        since_us=now_us,
        next_check_at_us=now_us + (grace_us if code == NOT_YET_FOUND else recheck_us),
    )
    if code != NOT_YET_FOUND:
        return (
            fresh
            if prior is None or prior.code != code
            else replace(fresh, since_us=prior.since_us, times_seen=prior.times_seen)
        )
    if prior is None or prior.code not in (NOT_YET_FOUND, Code.OFFER_NOT_FOUND):
        return fresh
    if prior.code == NOT_YET_FOUND:
        if now_us < prior.next_check_at_us:
            return prior
        if now_us >= prior.next_check_at_us + recheck_us:
            return fresh
    missing = replace(prior, code=Code.OFFER_NOT_FOUND)
    return replace(missing, next_check_at_us=now_us + recheck_after_us(missing, now_us, policy))
