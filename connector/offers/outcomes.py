"""Applies the reply to a call: updates what is known of units, and ends the fields that were sent. Pure."""

from connector.offers.call_bodies import OfferClaim, OfferCreate, OfferDelete, OfferLookUp, OfferRelease, OfferUpdate
from connector.offers.claim_answers import after_claim, after_release
from connector.offers.ledger import OfferLane
from connector.offers.listing_answers import after_create, after_delete
from connector.offers.look_up_answers import after_look_up
from connector.offers.policy import OfferTerms
from connector.offers.update_answers import after_update
from streams.flow import Answered


def apply_answer(lane: OfferLane, answered: Answered, terms: OfferTerms, now_us: int) -> OfferLane:
    """Returns the lane after the reply to one of its calls.

    Raises TypeError for the reply to a call that an offer lane never makes.
    """
    match answered.want.body:
        case OfferLookUp() as look_up:
            return after_look_up(lane, look_up, answered, terms, now_us)
        case OfferUpdate() as update:
            return after_update(lane, update, answered, terms, now_us)
        case OfferCreate() as create:
            return after_create(lane, create, answered, terms, now_us)
        case OfferDelete() as delete:
            return after_delete(lane, delete, answered, now_us)
        case OfferClaim() as claim:
            return after_claim(lane, claim, answered, now_us)
        case OfferRelease() as release:
            return after_release(lane, release, answered)
        case other:
            raise TypeError(f"an offer lane never wants {other!r}")
