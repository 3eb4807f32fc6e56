"""Applies the reply to a claim or a release: which EAN may write to a unit. Pure."""

from collections.abc import Callable
from typing import assert_never

from connector.offers.call_bodies import OfferClaim, OfferRelease, Owner, ReleasedClaims
from connector.offers.field_knowledge import written_before
from connector.offers.ledger import KnownUnit, OfferLane
from streams.flow import Answered, GaveUp, Lost, Settled
from streams.frozen import replace


def after_claim(lane: OfferLane, claim: OfferClaim, answered: Answered, now_us: int) -> OfferLane:
    """Returns the lane after the reply to a claim. Raises TypeError for the answer of another kind of call."""
    match answered.reply:
        case Settled(answer=Owner() as owner):
            return _with_unit(
                lane, claim, lambda unit: _owned(_claimed(unit, claim, lane, now_us), owner, claim, now_us)
            )
        case Lost() | GaveUp():  # the claim may have been written, and is still wanted
            return _with_unit(lane, claim, lambda unit: _claimed(unit, claim, lane, now_us))
        case Settled(answer=other):
            raise TypeError(f"a claim is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


def _claimed(unit: KnownUnit, claim: OfferClaim, lane: OfferLane, now_us: int) -> KnownUnit:
    """Returns the unit with the claim, which was or may have been written.

    The claim is to be released at once if the lane was withdrawn or the unit's names changed in the meantime.
    """
    claims = (*unit.claims, *(name for name in claim.names if name not in unit.claims))
    kept = lane.managed and unit.names == claim.names
    return replace(unit, claims=claims, release_at_us=unit.release_at_us if kept else now_us)


def _owned(unit: KnownUnit, owner: Owner, claim: OfferClaim, now_us: int) -> KnownUnit:
    """Returns the unit with its owner, unless its names changed in the meantime."""
    if unit.names != claim.names:
        return unit
    return replace(
        unit,
        owner=owner.ean,
        owner_asked_us=now_us,
        facts=written_before(unit, owner.accepted) if owner.ean == claim.ean else unit.facts,
    )


def after_release(lane: OfferLane, release: OfferRelease, answered: Answered) -> OfferLane:
    """Returns the lane after the reply to a release: without the claims, and without units kept for them alone.

    Raises TypeError for the answer of another kind of call.
    """
    match answered.reply:
        case Settled(answer=ReleasedClaims()):
            lane = _with_unit(lane, release, _let_go)
            kept = tuple(u for u in lane.units if u.proved_at_us or u.stays_unshown)
            return replace(lane, units=kept)
        case Lost() | GaveUp():
            return lane  # the release is still wanted
        case Settled(answer=other):
            raise TypeError(f"a release is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


def _let_go(unit: KnownUnit) -> KnownUnit:
    """Returns the unit without claims and owner."""
    return replace(unit, owner=None, owner_asked_us=None, claims=(), release_at_us=None)


def _with_unit(
    lane: OfferLane, about: OfferClaim | OfferRelease, change: Callable[[KnownUnit], KnownUnit]
) -> OfferLane:
    """Returns the lane with a change of the unit that the claim or release is about."""
    named = (about.account, about.unit_id)
    units = tuple(change(unit) if (unit.account, unit.unit_id) == named else unit for unit in lane.units)
    return replace(lane, units=units)
