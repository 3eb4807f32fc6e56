"""The part of a lane's turn that is about a cold start: waits for a sweep, and uses what it has shown. Pure."""

from connector.offers.cold_start import ColdStarts, ColdStartState
from connector.offers.events import Miss
from connector.offers.ledger import OfferLane
from connector.offers.policy import OfferTerms
from connector.offers.swept_identity import awaiting, given_up, is_waited_for, may_await, notes, proved, taken_over
from streams.flow import Cause, Restored


def step(lane: OfferLane, cause: Cause, terms: OfferTerms, cold: ColdStarts, now_us: int) -> OfferLane:
    """Returns the lane after sweeps that have ended were used or given up, and those were noted that it waits for."""
    if isinstance(cause, Restored) and not cold.is_clean(lane.partition):
        lane = taken_over(lane, now_us)
    for note in tuple(notes(lane)):
        lane = _settled(lane, note, terms, cold, now_us)
    if not lane.entries:
        return lane
    for place, (sweep_at_us, read_us, until_us) in cold.awaited(lane.partition).items():
        if now_us < until_us and may_await(lane, place, read_us, terms):
            lane = awaiting(lane, place, sweep_at_us, now_us, until_us)
            cold.waits(place)
    return lane


def ended(lane: OfferLane) -> OfferLane:
    """Returns the lane without waits for sweeps, which an earlier process began before they were turned off."""
    for note in tuple(notes(lane)):
        lane = given_up(lane, note)
    return lane


def _settled(lane: OfferLane, note: Miss, terms: OfferTerms, cold: ColdStarts, now_us: int) -> OfferLane:
    """Returns the lane after the sweep that it waits for has ended, or has taken too long; else the lane itself."""
    place = (note.account, note.storefront)
    if not is_waited_for(lane, note, terms):
        return given_up(lane, note)
    end = cold.end_of(lane.partition, place, note.since_us)
    if end is None:
        if now_us < note.next_check_at_us:
            return lane
        problem = f"it has not ended {(now_us - note.since_us) / 1e6:.0f} s after it began"
        cold.given_up(place, note.since_us, ColdStartState.TOO_SLOW, problem)
    elif end.sweep_at_us == note.since_us and not end.problem:
        known = proved(lane, note, terms, now_us)
        if known is not None:
            cold.identified(place, note.since_us)
            return known
    return given_up(lane, note)
