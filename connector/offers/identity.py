"""Which unit an event means: proven, not proven yet, not there, or not clear. No fuzzy matching, ever. Pure.

A unit is meant by account, storefront, EAN (the lane's) and condition, all of them; ``offer_id`` or ``unit_id`` may
pick one of several, and may contradict. What was not clear is remembered as a *miss* per account, storefront and
condition, and believed until its next check; a first miss is believed for the grace only, because a new unit becomes
visible after minutes. Then the checks step up: a minute, 2, 5, 15, 60, and from there as often as is configured.

An event that comes after the last look may ask again before that: when the look is older than a minute, and a stock
of zero in any case, because an offer that was listed meanwhile sells what is not there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from connector.contracts.codes import Code
from connector.offers.events import Announced, Miss
from connector.offers.ledger import KnownUnit, LedgerEntry, OfferLane
from connector.offers.policy import OfferPolicy, us
from streams.frozen import replace

NOT_YET_FOUND = "NOT_YET_FOUND"
"""A miss within its grace."""
LOOKUP_FAILED = "LOOKUP_FAILED"
"""A look-up for links alone that failed: stock does not wait for it."""
READ_BACK = "READ_BACK"
"""A write's answer was lost: the marketplace is asked what it holds, once."""
ANY_CONDITION = ""
"""Of a miss that says: looked, and nothing of this EAN is there."""

STEPS_S = (60.0, 120.0, 300.0, 900.0, 3600.0)
"""Between two checks of what was not found, from the moment it is said; then ``OfferPolicy.recheck_s``."""
OLD_S = 60.0
"""A look so old is not believed by an event that came after it."""
SPACING_S = 5.0
"""Between two looks for stocks of zero, of one EAN and storefront."""

_NOT_A_LOOK = frozenset((LOOKUP_FAILED, READ_BACK))


@dataclass(frozen=True, slots=True)
class Proven:
    unit: KnownUnit


@dataclass(frozen=True, slots=True)
class Unproven:
    """A look-up is needed now."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not found, and may only not be visible yet."""

    until_us: int


@dataclass(frozen=True, slots=True)
class Missing:
    """Not there, looked up twice."""

    miss: Miss
    others: tuple[KnownUnit, ...]  # of the EAN on the storefront, in other conditions or with other ids


@dataclass(frozen=True, slots=True)
class Unclear:
    code: Code  # AMBIGUOUS_OFFER or IDENTITY_CONFLICT
    candidates: tuple[KnownUnit, ...]
    named: str  # by the event's ids


Identity: TypeAlias = Proven | Unproven | Waiting | Missing | Unclear

UNPROVEN = Unproven()


class Named(Protocol):
    """How an offer is named on a storefront."""

    @property
    def condition(self) -> str | None: ...
    @property
    def offer_id(self) -> str | None: ...
    @property
    def unit_id(self) -> int | None: ...


def resolve(lane: OfferLane, account: str, storefront: str, entry: Named, now_us: int) -> Identity:
    """``now_us`` decides whether a miss is still believed."""
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
    for miss in misses:
        if (
            miss.storefront == storefront
            and miss.condition == condition
            and miss.account == account
            and miss.code not in _NOT_A_LOOK
        ):
            return miss
    return None


def looked(lane: OfferLane, account: str, storefront: str) -> bool:
    """Whether a look-up of the EAN on this storefront was answered, and its answer is still believed."""
    for unit in lane.units:
        if unit.storefront == storefront and unit.account == account and unit.proved_at_us:
            return True
    return any(m.storefront == storefront and m.account == account and m.code not in _NOT_A_LOOK for m in lane.misses)


def asks_again_at_us(looked_at_us: int | None, entry: LedgerEntry, *, none_left: bool) -> int | None:
    """When an event may have the marketplace asked again although the last look is still believed; None = it believes.

    ``none_left``: its stock is zero.
    """
    if entry.announced is not Announced.NONE:
        return None  # it has its schedule
    looked_at_us = looked_at_us or 0
    if entry.received_at_us <= looked_at_us:
        return None
    if none_left:
        return looked_at_us + us(SPACING_S)
    return looked_at_us if entry.received_at_us - looked_at_us >= us(OLD_S) else None


def recheck_after_us(miss: Miss, now_us: int, policy: OfferPolicy) -> int:
    """How long after a look at ``now_us`` the next one is due. It hangs on the age alone: looks that came late, or that
    new events asked for, make no more of them."""
    if miss.code == NOT_YET_FOUND:
        return us(policy.not_found_grace_s)
    age_us = now_us - miss.since_us - us(policy.not_found_grace_s)
    for step_s in STEPS_S:
        if age_us < us(step_s):
            return us(min(step_s, policy.recheck_s))
        age_us -= us(step_s)
    return us(policy.recheck_s)


def misses_without(lane: OfferLane, account: str, storefront: str, codes: frozenset[str]) -> tuple[Miss, ...]:
    """The lane's misses, less those of the storefront with one of these codes."""
    return tuple(m for m in lane.misses if m.account != account or m.storefront != storefront or m.code not in codes)


@dataclass(frozen=True, slots=True)
class _NotSeen:
    otherwise: Unclear | None  # what it is if it is not seen later either


def _pick(here: Sequence[KnownUnit], entry: Named) -> KnownUnit | Unclear | _NotSeen:
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
    candidates = (*found, *(u for u in matched if u not in found))
    shown = f"{named} ({', '.join(map(describe, found)) or 'not of this EAN and storefront'})"
    return Unclear(Code.IDENTITY_CONFLICT, candidates, shown)


def describe(unit: KnownUnit) -> str:
    """A unit in a sentence."""
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
    """The lane's misses after a look-up of ``storefront`` was answered; ``entries`` are those that mean it."""
    here = [u for u in lane.units if u.storefront == storefront and u.account == account and u.proved_at_us]
    rest = tuple(m for m in before.misses if m.storefront != storefront or m.account != account)
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


def _miss_code(here: Sequence[KnownUnit], condition: str, waiting: Sequence[LedgerEntry]) -> str | None:
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
