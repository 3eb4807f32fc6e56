"""A state that is rebuilt from the input equals the former one, whether the input was read as it came or all at once.

There is one exception: whether an event that a tombstone withdrew was sent before depends on timing. So in these
histories, events for every unit follow each tombstone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.offers.events import OfferState
from connector.operations.digest import comparable
from streams.flow import Answered, GaveUp, Lost, Settled, Want, Woken
from tests.harness.effort import examples
from tests.harness.offer_harness import EAN, SECOND
from tests.unit.connector.offers.model import InputRecord
from tests.unit.connector.offers.test_random import GENTLE, MOVES, OfferHistory, move, records

Reply: TypeAlias = Settled | Lost | GaveUp

EVERY_UNIT = (
    ("shop-de", "NEW", None),
    ("shop-at", "NEW", None),
    ("shop-de", "USED_GOOD", None),
    ("shop-at", "USED_GOOD", "v"),
    ("shop-at", "USED_GOOD", "w"),
)
WAITS_S = (0.2, 3, 6, 31)
"""Seconds, shorter and longer than stock waits for linked units, and than a lost update waits to be read back."""


def with_everything_after_a_tombstone(said: Iterable[InputRecord]) -> list[InputRecord]:
    made: list[InputRecord] = []
    for one in said:
        made.append(replace(one, offset=len(made)))
        if one.values is None:
            for target, condition, offer_id in EVERY_UNIT:
                made.append(
                    InputRecord(
                        partition=0,
                        offset=len(made),
                        ean=EAN,
                        occurred_at_us=one.occurred_at_us + 1,
                        recorded_at_us=one.occurred_at_us + 1,
                        target_id=target,
                        condition=condition,
                        offer_id=offer_id,
                        values={"price": 100 + len(made) % 3, "stock": len(made) % 4},
                    )
                )
    return made


@dataclass
class Overtaking(OfferHistory):
    """A history in which a call may be executed long before its answer arrives, so that calls overtake each other."""

    left_us: dict[int, int] = field(default_factory=dict)  # by the want's id
    done: dict[int, Reply] = field(default_factory=dict)

    def carry_out(self, want: Want) -> None:
        self.done.setdefault(id(want), self.reply(want, "accepted"))

    def note_what_left(self) -> None:
        self.now_us += 1000
        for want in self.in_flight:
            self.left_us.setdefault(id(want), self.now_us)

    def answer(self, want: Want, outcome: str) -> None:
        reply = self.done.pop(id(want), None) or self.reply(want, outcome)
        self.in_flight.remove(want)
        sent_us = self.left_us.pop(id(want), self.now_us)
        self.now_us += 1000
        self.hear(Answered(want=want, reply=reply, call_id="c", attempts=1, sent_us=sent_us, answered_us=self.now_us))

    def crash(self, draw: Any) -> None:
        super().crash(draw)
        self.left_us.clear()
        self.done.clear()


def played(said: list[InputRecord], data: st.DataObject) -> OfferHistory:
    """Plays random steps (deliver, send, execute, answer, lose, crash, wait) until nothing is left."""
    history = Overtaking(said)
    for _ in range(data.draw(st.integers(0, 40))):
        name = data.draw(st.sampled_from([*MOVES, "wait", "send", "answer", "carry out"]))
        if name == "wait":
            history.now_us += int(data.draw(st.sampled_from(WAITS_S)) * SECOND)
            history.hear(Woken())
        elif name == "carry out" and history.in_flight:
            history.carry_out(data.draw(st.sampled_from(history.in_flight)))
        else:
            move(history, name, data, GENTLE)
        history.note_what_left()
    history.drain()
    return history


def rebuilt(history: OfferHistory) -> OfferHistory:
    """Returns a history without state, with the marketplace as it is now; all input is read before anything is sent."""
    again = OfferHistory(history.said, held=history.held)
    again.now_us = history.now_us + SECOND
    again.read_before = len(again.said)
    again.drain()
    return again


def essence_of(history: OfferHistory) -> dict[str, Any] | None:
    stored = history.flow.store(history.lane).value
    if stored is None:
        return None
    state = history.codecs.decode_state(stored)
    assert isinstance(state, OfferState)
    return comparable(state)


@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records(), st.data())
def test_a_rebuild_restores_the_same_state_whatever_the_timing_of_events(
    said: list[InputRecord], data: st.DataObject
) -> None:
    history = played(with_everything_after_a_tombstone(said), data)

    assert essence_of(rebuilt(history)) == essence_of(history)
