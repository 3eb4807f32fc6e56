"""Collects the offers of a match report, and the look-ups that they need. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from connector.contracts.codes import Code
from connector.marketplace.call_kinds import CallKind
from connector.marketplace.offers import Refused
from connector.offers.call_bodies import OfferLookUp
from connector.offers.ledger import OfferLane
from connector.offers.look_up_answers import after_look_up
from connector.offers.match import (
    MatchOutcome,
    NamedOffer,
    OfferMatch,
    known_match,
    rejected,
    shown_match,
    with_defaults,
)
from connector.offers.policy import OfferTerms
from connector.offers.refusal import refused_by_marketplace
from connector.operations.match_report.offer_list import UnreadableOffer
from streams.dispatch.command_calls import CallOutcome, CommandCall
from streams.flow import GaveUp, Settled


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedOffer:
    """An offer with its match. ``storefront``: of its target; empty if its target is not configured."""

    offer: NamedOffer
    match: OfferMatch
    account: str = ""
    storefront: str = ""
    from_state: bool = False  # known from the state topic, without a look-up


class MatchPlan:
    """The offers of one report. A later event of the same offer replaces its attributes."""

    def __init__(self, terms: OfferTerms, now_us: int) -> None:
        self._terms = terms
        self._now_us = now_us
        self._offers: dict[str, dict[NamedOffer, NamedOffer]] = {}  # by key of their records
        self._unreadable: list[UnreadableOffer] = []
        self._known: dict[str, dict[NamedOffer, OfferMatch]] = {}
        self._shown: dict[NamedOffer, OfferMatch] = {}

    def add(self, key: str, offer: NamedOffer) -> None:
        """Adds an offer that a record with this key, or a row, names."""
        whole = with_defaults(offer, self._terms)
        self._offers.setdefault(key, {}).pop(whole, None)
        self._offers[key][whole] = whole

    def withdraw(self, key: str) -> None:
        """Removes the offers of a key, after a tombstone."""
        self._offers.pop(key, None)

    def unreadable(self, what: UnreadableOffer) -> None:
        self._unreadable.append(what)

    def is_asked(self, key: str) -> bool:
        """Whether an offer of this key is to be judged."""
        return key in self._offers

    @property
    def offers(self) -> int:
        """The number of offers, those that could not be read included."""
        return sum(map(len, self._offers.values())) + len(self._unreadable)

    @property
    def without_look_up(self) -> int:
        """The number of offers whose match is known without a look-up."""
        known = (self._without_look_up(key, offer) for key, offers in self._offers.items() for offer in offers)
        return sum(match is not None for match in known) + len(self._unreadable)

    def state(self, key: str, lane: OfferLane) -> None:
        """Takes the offers of a key from its newest state, as far as it knows them; it replaces an earlier state."""
        self._known[key] = {
            offer: match
            for offer in self._offers.get(key, ())
            if (target := self._terms.routing.find(offer.target_id)) is not None
            and (match := known_match(lane, target, offer, self._now_us)) is not None
        }

    def look_ups(self) -> Iterator[CommandCall]:
        """Yields a look-up for each EAN and storefront with an offer that is not known."""
        wanted: dict[tuple[str, str, str], set[str]] = {}
        for key, offers in self._offers.items():
            for offer in offers:
                target = self._terms.routing.find(offer.target_id)
                if target is not None and self._without_look_up(key, offer) is None:
                    place = target.account, target.storefront, offer.ean
                    wanted.setdefault(place, set()).add(offer.condition or "")
        for (account, storefront, ean), conditions in wanted.items():
            body = OfferLookUp(account=account, storefront=storefront, ean=ean, conditions=frozenset(conditions))
            yield CommandCall(account=account, kind=CallKind.LOOK_UP.on(storefront), body=body)

    def answered(self, outcome: CallOutcome) -> None:
        """Takes the outcome of a look-up."""
        look_up: OfferLookUp = outcome.call.body
        failure = _failure(outcome, look_up)
        lane = OfferLane(ean=look_up.ean)
        if failure is None:
            lane = after_look_up(lane, look_up, outcome.answered(), self._terms, self._now_us)
        for offer in self._offers.get(look_up.ean, ()):
            target = self._terms.routing.find(offer.target_id)
            if target is not None and (target.account, target.storefront) == (look_up.account, look_up.storefront):
                self._shown[offer] = failure or shown_match(lane, target, offer)

    def judged(self) -> Iterator[JudgedOffer]:
        """Yields every offer with its match, by key, and then what could not be read."""
        for key in sorted(self._offers):
            for offer, newest in self._offers[key].items():
                target = self._terms.routing.find(offer.target_id)
                without = self._without_look_up(key, offer)
                yield JudgedOffer(
                    offer=newest,
                    match=without or self._shown.get(offer, _NOT_ASKED),
                    account=target.account if target is not None else "",
                    storefront=target.storefront if target is not None else "",
                    from_state=offer in self._known.get(key, ()),
                )
        for what in self._unreadable:
            unreadable = OfferMatch(outcome=MatchOutcome.UNREADABLE, message=what.message)
            yield JudgedOffer(offer=NamedOffer(ean="", place=what.place), match=unreadable)

    def _without_look_up(self, key: str, offer: NamedOffer) -> OfferMatch | None:
        return rejected(offer, key, self._terms) or self._known.get(key, {}).get(offer)


_NOT_ASKED = OfferMatch(outcome=MatchOutcome.NOT_LOOKED_UP, message="the look-ups ended before")


def _failure(outcome: CallOutcome, look_up: OfferLookUp) -> OfferMatch | None:
    """Returns the match of offers whose look-up failed; None if it was answered."""
    match outcome.reply:
        case GaveUp(reason=reason):
            return OfferMatch(outcome=MatchOutcome.NOT_LOOKED_UP, message=reason)
        case Settled(answer=Refused() as refused):
            refusal = refused_by_marketplace(
                refused, Code.LOOKUP_REFUSED, ean=look_up.ean, storefront=look_up.storefront
            )
            return OfferMatch(outcome=MatchOutcome.NOT_LOOKED_UP, message=refusal.problem.message)
        case Settled():
            return None
