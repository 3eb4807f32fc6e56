"""Says which unit an offer means, as the flow would decide it once it has looked for good. Pure.

For reports before anything is sent: the flow itself waits and looks again before it says NOT_FOUND.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from connector.contracts.codes import Code
from connector.offers.events import Miss, OfferChanged
from connector.offers.guards import key_fault, selector_fault
from connector.offers.identity import Missing, Proven, Unclear, Unproven, Waiting, describe, resolve
from connector.offers.ledger import KnownUnit, OfferLane
from connector.offers.policy import OfferTerms
from connector.routing.table import Target
from streams.frozen import replace

_NEVER_US = 2**63 - 1


class MatchOutcome(StrEnum):
    """What a marketplace has for an offer."""

    FOUND = "found"  # exactly one unit
    OTHER_CONDITION = "other_condition"  # none, but the EAN has units in other conditions
    AMBIGUOUS = "ambiguous"  # several units
    CONFLICTING = "conflicting"  # the offer's offer_id or unit_id contradicts its EAN, condition or storefront
    NOWHERE = "nowhere"  # no unit of the EAN on the storefront
    REJECTED = "rejected"  # nothing is looked up: the EAN, target or condition is missing or invalid
    NOT_LOOKED_UP = "not_looked_up"  # the look-up failed
    UNREADABLE = "unreadable"  # a record or row that names no offer at all


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedOffer:
    """An offer as an event or a row names it. ``place``: where it was read, for messages."""

    ean: str
    target_id: str | None = None
    condition: str | None = None
    offer_id: str | None = None
    unit_id: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict, compare=False)
    place: str = field(default="", compare=False)

    @classmethod
    def of(cls, event: OfferChanged, place: str = "") -> "NamedOffer":
        """Returns the offer that an event names. ``place``: where the event was read."""
        return cls(
            ean=event.ean,
            target_id=event.target_id,
            condition=event.condition,
            offer_id=event.offer_id,
            unit_id=event.unit_id,
            attributes=event.attributes,
            place=place,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferMatch:
    """What a marketplace has for an offer, in a word and a sentence. ``unit``: of FOUND only."""

    outcome: MatchOutcome
    message: str = ""
    unit: KnownUnit | None = None


def with_defaults(offer: NamedOffer, terms: OfferTerms) -> NamedOffer:
    """Returns the offer with the configured target and condition where it names none."""
    policy = terms.policy
    return replace(
        offer, target_id=offer.target_id or policy.default_target, condition=offer.condition or policy.default_condition
    )


def rejected(offer: NamedOffer, key: str, terms: OfferTerms) -> OfferMatch | None:
    """Returns why an event of this offer would be rejected, whatever it carries; None if it would not.

    ``offer`` has its defaults; ``key`` is the record's key.
    """
    target = terms.routing.find(offer.target_id)
    fault = key_fault(key, offer.ean) or selector_fault(offer.target_id, target, offer.condition, terms)
    return None if fault is None else OfferMatch(outcome=MatchOutcome.REJECTED, message=fault.problem.message)


def known_match(lane: OfferLane, target: Target, offer: NamedOffer, now_us: int) -> OfferMatch | None:
    """Returns what the state already knows of an offer; None if a look-up is needed."""
    identity = resolve(lane, target.account, target.storefront, offer, now_us)
    return None if isinstance(identity, Unproven | Waiting) else _match(identity, target)


def shown_match(lane: OfferLane, target: Target, offer: NamedOffer) -> OfferMatch:
    """Returns what an offer means if the marketplace has the lane's units on its storefront, and no others."""
    absent = Miss(
        account=target.account,
        storefront=target.storefront,
        condition=offer.condition or "",
        code=Code.OFFER_NOT_FOUND,
        since_us=0,
        next_check_at_us=_NEVER_US,
    )
    identity = resolve(replace(lane, misses=(absent,)), target.account, target.storefront, offer, 0)
    if isinstance(identity, Unproven | Waiting):
        raise TypeError(f"{identity!r} although no further look-up is due")
    return _match(identity, target)


def _match(identity: Proven | Unclear | Missing, target: Target) -> OfferMatch:
    match identity:
        case Proven(unit):
            return OfferMatch(outcome=MatchOutcome.FOUND, message=describe(unit), unit=unit)
        case Unclear(code=Code.AMBIGUOUS_OFFER, candidates=candidates):
            return OfferMatch(
                outcome=MatchOutcome.AMBIGUOUS, message=f"{len(candidates)} units match: {_shown(candidates)}"
            )
        case Unclear(candidates=candidates, named=named):
            return OfferMatch(
                outcome=MatchOutcome.CONFLICTING, message=f"it names {named}; there is {_shown(candidates)}"
            )
        case Missing(others=()):
            message = f"there is no unit of this EAN on {target.storefront}"
            return OfferMatch(outcome=MatchOutcome.NOWHERE, message=message)
        case Missing(others=others):
            return OfferMatch(outcome=MatchOutcome.OTHER_CONDITION, message=f"there is {_shown(others)}")
        case unreachable:
            assert_never(unreachable)


def _shown(units: Sequence[KnownUnit]) -> str:
    return "; ".join(map(describe, units)) or "none"
