"""Random histories of one lane as in ``test_random``, with holds that are given, released, dropped, and expire.

Invariants: a held value is not wanted; after the release the newest value is sent, once; each event has one result HELD
for each hold at most and one final result; what was dropped is never sent; an older value never follows a newer one.
"""

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.controls.commands import ControlState
from streams.flow import Restored, Want, Woken
from tests.harness.commands import CommandDesk
from tests.harness.effort import examples
from tests.harness.offer_harness import SECOND, START_US
from tests.unit.connector.offers import model
from tests.unit.connector.offers.model import InputRecord
from tests.unit.connector.offers.test_random import (
    GENTLE,
    OUTCOMES,
    PLACES,
    UNITS,
    OfferHistory,
    check_end_state,
    move,
    records,
)

SCOPES: list[dict[str, Any]] = [
    {},
    {"accounts": ("main",)},
    {"target_ids": ("shop-de",)},
    {"storefronts": ("at",)},
    {"fields": ("price",)},
    {"fields": ("stock",), "target_ids": ("shop-de",)},
]
LONG_AGO_US = START_US - 600 * SECOND
"""When every hold was given by the clock of who gave it: before any record of the history was written."""


@dataclass
class HeldHistory(OfferHistory):
    """A history with a desk that gives commands. ``dropped``: fields that must never be sent from then on."""

    now_us: int = START_US + 10 * SECOND  # after every record was written
    desk: CommandDesk = field(default_factory=lambda: CommandDesk(now_us=LONG_AGO_US))
    dropped: set[tuple[str, str]] = field(default_factory=set)
    sent: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.commands = self.desk
        super().__post_init__()

    def hear(self, cause: Any) -> None:
        super().hear(cause)
        for said, name in self._carried(self.wants):
            assert not self._is_covered(said, name), f"{name} of {said} is held, and wanted"

    def apply(self, want: Want) -> Any:
        for carried in want.body.carried:
            key = (carried.result_id, str(carried.field))
            assert key not in self.dropped, f"{key} was dropped, and sent"
            self.sent[key] += 1
        return super().apply(want)

    def crash(self, draw: Any) -> None:
        """Restarts; the new process reads the commands again, and its lane hears that it has a new owner."""
        in_flight = {self._key(carried) for want in self.in_flight for carried in getattr(want.body, "carried", ())}
        self.dropped -= in_flight
        self.desk.now_us = self.now_us
        self.desk.restart()
        super().crash(draw)
        self.hear(Restored())

    # -- commands

    def give(self, scope: dict[str, Any], for_s: int | None) -> None:
        self.desk.now_us = LONG_AGO_US
        name = f"hold-{len(self.desk.commands)}"
        ends_us = None if for_s is None else self.now_us - LONG_AGO_US + for_s * SECOND
        self.desk.give(name, for_us=ends_us, **scope)

    def end(self, name: str, *, drop: bool) -> None:
        """Releases or drops a hold. What it holds and is not in flight must not be sent after a drop."""
        self.desk.now_us = self.now_us
        if not drop:
            self.desk.release(name)
            return
        self.desk.drop(name)
        in_flight = {self._key(carried) for want in self.in_flight for carried in getattr(want.body, "carried", ())}
        for entry in self.lane.entries:
            for held in entry.held:
                if held.held_by == name and (entry.result_id, held.field) not in in_flight:
                    self.dropped.add((entry.result_id, held.field))

    def in_force(self) -> list[str]:
        return [
            name
            for name, command in self.desk.commands.items()
            if command.state_at(self.now_us) is ControlState.IN_FORCE
        ]

    def _is_covered(self, said: InputRecord, name: str) -> bool:
        """Whether a hold in force covers a field of an event. Shares no code with the connector."""
        storefront = {"shop-de": "de", "shop-at": "at"}[said.target_id or ""]
        for command_id in self.in_force():
            scope = self.desk.commands[command_id].scope
            if (
                said.target_id in (scope.target_ids or (said.target_id,))
                and storefront in (scope.storefronts or (storefront,))
                and name in (scope.fields or (name,))
            ):
                return True
        return False

    def _carried(self, wants: tuple[Want, ...]) -> list[tuple[InputRecord, str]]:
        carried = [one for want in wants for one in getattr(want.body, "carried", ())]
        return [(self.said[one.order.offset], str(one.field)) for one in carried]

    @staticmethod
    def _key(carried: Any) -> tuple[str, str]:
        return (carried.result_id, str(carried.field))


COMMANDS = ["hold", "hold", "release", "drop", "review"]
CALM = ["deliver", "deliver", "send", "send", "answer", "answer", "save", "reload", "wait"]
STORMY = [*CALM, "crash", "crash"]


def play(
    said: list[InputRecord], data: st.DataObject, moves: list[str], outcomes: list[str], *, drops: bool
) -> HeldHistory:
    history = HeldHistory(said, hides=data.draw(st.booleans()))
    for _ in range(data.draw(st.integers(0, 40))):
        name = data.draw(st.sampled_from([*moves, *COMMANDS]))
        if name in COMMANDS:
            command(history, name, data, drops=drops)
        else:
            move(history, name, data, outcomes)
    for name in history.in_force():
        history.end(name, drop=drops and data.draw(st.booleans()))
    history.hear(Woken())
    history.drain()
    return history


def command(history: HeldHistory, name: str, data: st.DataObject, *, drops: bool) -> None:
    """Gives or ends a hold. The lane is reviewed at once, or hears of it later."""
    match name:
        case "hold":
            history.give(data.draw(st.sampled_from(SCOPES)), data.draw(st.sampled_from([None, None, 3, 10])))
        case "release" | "drop" if in_force := history.in_force():
            history.end(data.draw(st.sampled_from(in_force)), drop=drops and name == "drop")
        case _:
            pass
    if data.draw(st.booleans()):
        history.hear(Woken())


def check_rows(history: HeldHistory, expected: model.Expected | None) -> None:
    """Checks the results of each event; ``expected`` None: their statuses depend on what was dropped."""
    for said in history.said:
        mine = [row for row in history.codecs.results if row.input_offset == said.offset]
        held = Counter(row.held_by for row in mine if row.status == "HELD")
        missed = sum(row.status == "NOT_FOUND" and row is not mine[-1] for row in mine)
        assert all(count <= 1 + missed for count in held.values()), f"held twice by one hold: {mine}"
        assert all((row.held_by is not None) == (row.status == "HELD") for row in mine)
        final = [row for row in mine if row.status not in ("HELD", "NOT_FOUND")]
        assert len(final) <= 1, f"more than one final result: {mine}"
        assert mine, f"no result: {said}"
        assert mine[-1].status != "HELD", f"nothing holds it any more: {mine}"
        assert not final or mine[-1] is final[0], f"a result after the final one: {mine}"
        for before, after in pairwise(mine):
            assert after.origin == ("RELEASE" if before.status == "HELD" else "RECHECK")
        if expected is not None and not history.failed:
            assert {row.status.value for row in mine} - {"HELD"} <= expected.statuses[said.position], (mine, said)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records(), st.data())
def test_after_every_hold_was_released_the_end_is_that_of_a_history_without_holds(
    said: list[InputRecord], data: st.DataObject
) -> None:
    history = play(said, data, STORMY, GENTLE, drops=False)
    expected = model.expect(UNITS, PLACES, said)

    check_rows(history, expected)
    check_end_state(history, expected)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records(), st.data())
def test_without_losses_every_value_that_was_held_is_sent_once_or_never(
    said: list[InputRecord], data: st.DataObject
) -> None:
    history = play(said, data, CALM, ["accepted"], drops=False)

    assert [key for key, times in history.sent.items() if times > 1] == []
    check_rows(history, model.expect(UNITS, PLACES, said))


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records(), st.data())
def test_whatever_is_lost_refused_and_dropped_nothing_held_or_dropped_is_sent_and_every_event_ends_once(
    said: list[InputRecord], data: st.DataObject
) -> None:
    history = play(said, data, STORMY, OUTCOMES, drops=True)

    check_rows(history, None)
