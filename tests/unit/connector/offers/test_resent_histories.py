"""Random histories of one lane as in ``test_random``, with edits in the portal and commands to compare and resend.

Invariants: an older value never follows a newer one; a comparison sends nothing; each result of a command comes once,
and there are as many as they say; after a last resend that names every field, the marketplace holds what was accepted.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.controls.commands import ControlKind
from connector.marketplace.offers import Field, Unit
from streams.flow import Now, Restored, Told, Want
from tests.harness.commands import CommandDesk
from tests.harness.effort import examples
from tests.harness.offer_harness import EAN, START_US
from tests.unit.connector.offers.model import InputRecord
from tests.unit.connector.offers.test_random import GENTLE, MOVES, UNITS, OfferHistory, move, records


@dataclass
class ResentHistory(OfferHistory):
    """A history with a desk that gives commands. ``wanted``: the accepted value by unit and field."""

    desk: CommandDesk = field(default_factory=lambda: CommandDesk(now_us=START_US))
    wanted: dict[tuple[int, str], int] = field(default_factory=dict)
    untold: list[Told] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.commands = self.desk
        super().__post_init__()

    def apply(self, want: Want) -> Unit:
        """Executes an update; asserts that no older event is accepted after a newer one."""
        for carried in want.body.carried:
            event = next(said for said in self.said if said.offset == carried.order.offset)
            linked = [u for u in UNITS if u.offer_id == want.body.offer_id] if carried.field is Field.STOCK else []
            for unit_id in {want.body.unit_id, *(unit.unit_id for unit in linked)}:
                key = (unit_id, str(carried.field))
                assert event.order >= self.accepted.get(key, event.order), f"older over newer: {event}"
                self.accepted[key] = event.order
                self.held[unit_id][carried.field] = self.wanted[key] = carried.value
        return self.shown(want.body.unit_id)

    def crash(self, draw: Any) -> None:
        """Restarts; the new process is told of every command in force."""
        super().crash(draw)
        self.desk.now_us = self.now_us
        self.desk.restart()
        self.hear(Restored())
        self.untold = list(self.desk.controls.tells(Now(mono_s=0.0, wall_us=self.now_us)))
        self.tell()

    def deliver(self) -> None:
        super().deliver()
        self.tell()

    def tell(self) -> None:
        """Delivers messages once everything is read again that was read before, to a lane that exists by then."""
        if self.position >= self.read_before:
            while self.untold:
                told = self.untold.pop(0)
                if self.lane.last_offset >= 0:
                    self.hear(told)

    def edit(self, unit_id: int, name: str, value: int) -> None:
        self.held[unit_id][name] = value

    def command(self, kind: ControlKind, *fields: str) -> None:
        self.now_us += 1
        self.desk.now_us = self.now_us
        name = f"command-{len(self.desk.commands)}"
        self.untold += self.desk.give(name, kind=kind, eans=(EAN,), fields=fields).tells
        self.tell()


def step(history: ResentHistory, name: str, data: st.DataObject) -> None:
    match name:
        case "edit":
            unit = data.draw(st.sampled_from(UNITS))
            history.edit(unit.unit_id, *data.draw(st.sampled_from([("price", 777), ("stock", 9), ("stock", 1)])))
        case "resend":
            history.command(ControlKind.RESEND, *data.draw(st.sampled_from([(), ("price",), ("stock", "price")])))
        case "verify":
            history.command(ControlKind.VERIFY)
        case _:
            move(history, name, data, GENTLE)


def check_results(history: ResentHistory) -> None:
    of_commands = [row for row in history.codecs.results if row.command_id is not None]
    assert max(Counter(row.result_id for row in of_commands).values(), default=1) == 1
    for name in {row.command_id for row in of_commands}:
        rows = [row for row in of_commands if row.command_id == name]
        assert {row.command_results for row in rows} <= {len(rows), None}
        if history.desk.commands[name or ""].kind is ControlKind.VERIFY:
            assert all(row.sent is None for row in rows)


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records(), st.data())
def test_whatever_is_edited_resent_and_lost_the_last_resend_restores_what_was_accepted(
    said: list[InputRecord], data: st.DataObject
) -> None:
    history = ResentHistory([one for one in said if one.values is not None])
    for _ in range(data.draw(st.integers(0, 40))):
        step(history, data.draw(st.sampled_from([*MOVES, "edit", "resend", "verify"])), data)
    history.drain()
    for unit in UNITS:
        if (unit.unit_id, "price") in history.wanted:
            history.edit(unit.unit_id, "price", 555)
    history.command(ControlKind.RESEND, "price", "stock")
    history.drain()

    assert {key: history.held[key[0]][key[1]] for key in history.wanted} == history.wanted
    check_results(history)
