"""Runs the offer flow for one lane in memory: nothing is sent, produced or stored. Pure."""

from collections.abc import Sequence

from connector.offers.events import (
    OfferChanged,
    OfferDrifted,
    OfferFieldResult,
    OfferNotFound,
    OfferResult,
    OfferState,
    OfferWithdrawn,
)
from connector.offers.flow import OfferFlow, OfferSerdes
from connector.offers.ledger import OfferLane
from streams.flow import Answered, Arrived, BadRecord, Cause, NotYet, Now, Record, Want


class KeptResults:
    """The serializers of a flow whose outputs are looked at instead of produced; states are read by ``reading``."""

    def __init__(self, reading: OfferSerdes | None) -> None:
        """``reading`` None: there is no state to be read."""
        self._reading = reading
        self.results: list[OfferResult] = []

    def decode_changed(self, record: Record) -> OfferChanged | OfferWithdrawn | BadRecord | NotYet:
        return self._of_states.decode_changed(record)

    def glance_state(self, value: bytes) -> BadRecord | NotYet | None:
        return self._of_states.glance_state(value)

    def decode_state(self, value: bytes) -> OfferState | BadRecord | NotYet:
        return self._of_states.decode_state(value)

    def encode_state(self, value: OfferState, /) -> bytes:  # noqa: ARG002 - nothing is stored
        return b""

    def encode_result(self, value: OfferResult, /) -> bytes:
        self.results.append(value)
        return b""

    def encode_field_result(self, value: OfferFieldResult, /) -> bytes:  # noqa: ARG002 - its result says the same
        return b""

    def encode_drift(self, value: OfferDrifted, /) -> bytes:  # noqa: ARG002 - no sweep reaches this lane
        return b""

    def encode_not_found(self, value: OfferNotFound, /) -> bytes:  # noqa: ARG002 - its result says the same
        return b""

    def result_key(self, key: str, /) -> bytes:
        return key.encode()

    def not_found_key(self, key: str, /) -> bytes:
        return key.encode()

    @property
    def _of_states(self) -> OfferSerdes:
        if self._reading is None:
            raise LookupError("there is no state to be read")
        return self._reading


class LaneInMemory:
    """One lane, turned by hand. ``flow`` has ``kept`` as its serializers; ``stored``: the lane's state, if it has one.

    Raises Unreadable if the state cannot be read.
    """

    def __init__(self, flow: OfferFlow, kept: KeptResults, key: str, stored: bytes | None) -> None:
        self._flow = flow
        self._kept = kept
        self.before: OfferLane = flow.load(key, stored)
        self.lane = self.before
        self.wants: Sequence[Want] = ()
        self.wake_at_us: int | None = None

    @property
    def results(self) -> Sequence[OfferResult]:
        """The results of all turns so far."""
        return self._kept.results

    def arrive(self, event: OfferChanged, now: Now) -> None:
        """Takes the turn of an event."""
        self.take(Arrived(lane=self.lane.ean, event=event), now)

    def answer(self, answered: Answered, now: Now) -> None:
        """Takes the turn of an answered call."""
        self.take(answered, now)

    def take(self, cause: Cause, now: Now) -> None:
        """Takes the turn of any cause."""
        turn = self._flow.turn(self.lane, cause, now)
        self.lane, self.wants, self.wake_at_us = turn.lane, turn.wants, turn.wake_at_us
