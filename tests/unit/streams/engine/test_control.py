"""The engine and its control topic: it is read before anything is sent; wants are halted, lanes reviewed and told."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.control import ControlEffect, ControlRead, ControlRecord, RulesChanged
from streams.engine import engine
from streams.flow import Cause, Now, Told, Turn
from tests.harness.effort import examples
from tests.harness.engine_driver import EngineDriver, RecordingThermostats
from tests.harness.toy_flow import Room, Thermostats

ALL = ControlRead(anew=True, complete=True)


class ToyCommands:
    """The commands of the test: ``{"halt": [kinds]}``, ``{"review": true}``, ``{"tell": [room, message]}``."""

    def __init__(self) -> None:
        self.halted: frozenset[str] = frozenset()
        self.told: list[Told] = []

    def apply(self, read: ControlRead, now: Now) -> ControlEffect:
        review, tells = False, []
        for record in read.records:
            command = json.loads(record.value or b"{}")
            self.halted = frozenset(command.get("halt", self.halted))
            review = review or command.get("review", False)
            if "tell" in command:
                room, message = command["tell"]
                tells.append(Told(lane=room, message=message))
        self.told += tells
        return ControlEffect(review=review, halted=self.is_halted, tells=tuple(tells))

    def tells(self, now: Now) -> tuple[Told, ...]:
        return tuple(self.told)

    def is_halted(self, _account: str, kind: str) -> bool:
        return kind in self.halted


class HeldThermostats(RecordingThermostats):
    """A flow that wants nothing while ``held`` is set, and then waits to be reviewed."""

    held = False

    def turn(self, lane: Room, cause: Cause, now: Now) -> Turn[Room]:
        turn = super().turn(lane, cause, now)
        if not self.held:
            return turn
        return Turn(lane=turn.lane, outputs=turn.outputs, wake_at_us=now.wall_us + 3_600_000_000)


def commanded(flow: Thermostats | None = None, **kwargs: Any) -> EngineDriver:
    """Returns a driver with a control topic that was read to its end."""
    driver = EngineDriver(flow=flow, control=ToyCommands(), **kwargs)
    driver.feed(ALL)
    return driver


def command(driver: EngineDriver, *commands: dict[str, Any]) -> None:
    """Feeds records of the control topic."""
    records = [
        ControlRecord(key="k", value=json.dumps(each).encode(), offset=n, time_us=0) for n, each in enumerate(commands)
    ]
    driver.feed(ControlRead(records=records))


def test_no_partition_opens_before_the_control_topic_was_read_to_its_end() -> None:
    driver = EngineDriver(control=ToyCommands())
    at = driver.assign()
    driver.event(at)
    driver.run(30.0)
    assert driver.engine.snapshot(driver.now).partitions[0].gate == (
        "the control topic has not been read to its end yet",
    )
    assert driver.results == []

    command(driver, {"halt": []})
    driver.run(5.0)
    assert driver.results == [], "the first records are not the end"

    driver.feed(ControlRead(complete=True))
    driver.run(2.0)
    assert driver.results == [("e0", "APPLIED")]


def test_a_partition_that_is_assigned_later_does_not_wait_for_the_control_topic_again() -> None:
    driver = commanded()
    driver.opened()


def test_a_halted_kind_does_not_leave_and_leaves_when_it_is_not_halted_any_more() -> None:
    driver = commanded()
    at = driver.opened()
    command(driver, {"halt": ["set"]})
    driver.event(at)
    driver.event(at, chime=True, id="bell")
    driver.run(20.0)
    assert driver.results == [("bell", "RUNG")], "other kinds go on, and so does reading"

    command(driver, {"halt": []})
    driver.run(1.0)
    assert driver.results == [("bell", "RUNG"), ("e0", "APPLIED")]


def test_a_halt_stops_what_was_about_to_leave() -> None:
    driver = commanded()
    at = driver.opened()
    driver.arrive(*(driver.record(at, f"room-{n}") for n in range(50)))
    before = len(driver.calls)
    command(driver, {"halt": ["set"]})
    driver.run(10.0, answer=None)

    assert len(driver.calls) == before, "only calls in flight go on"


def test_an_announcement_is_withdrawn_when_its_kind_is_halted() -> None:
    driver = commanded(auto=False)
    at = driver.assign()
    driver.write()
    driver.run(1.2, answer=None)
    driver.event(at, chime=True)
    driver.run(0.1, answer=None)
    assert driver.engine._partitions[at].lanes.awake["kitchen"].announced

    command(driver, {"halt": ["chime"]})
    driver.write()  # the announcement
    driver.run(0.1, answer=None)
    assert not driver.engine._partitions[at].lanes.awake["kitchen"].announced
    assert driver.calls == []


def test_a_review_gives_every_lane_with_pending_work_a_turn_and_no_other() -> None:
    flow = HeldThermostats()
    driver = commanded(flow)
    at = driver.opened()
    driver.event(at, "finished")
    driver.run(1.0)
    flow.held = True
    driver.arrive(*(driver.record(at, f"room-{n}", id=f"w{n}") for n in range(10)))
    driver.run(30.0)
    assert driver.engine.snapshot(driver.now).lanes_awake == 0

    flow.held, flow.heard = False, []
    command(driver, {"review": True})
    driver.run(2.0)
    assert {lane for lane, cause in flow.heard if cause == "Woken"} == {f"room-{n}" for n in range(10)}
    assert {event for event, _ in driver.results} == {"e0", *(f"w{n}" for n in range(10))}


def test_a_review_takes_bounded_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "REVIEWED_PER_STEP", 3)
    flow = HeldThermostats()
    driver = commanded(flow)
    at = driver.opened()
    flow.held = True
    driver.arrive(*(driver.record(at, f"room-{n}") for n in range(10)))
    flow.heard = []
    command(driver, {"review": True})
    assert len(flow.heard) == 3

    driver.run(1.0)
    assert len(flow.heard) == 10


def test_a_partition_that_does_not_send_yet_is_reviewed_when_it_does() -> None:
    flow = HeldThermostats()
    flow.held = True
    driver = commanded(flow)
    at = driver.assign()
    driver.event(at)
    command(driver, {"review": True}, {"tell": ["kitchen", "hello"]})
    assert ("kitchen", "Told") not in flow.heard

    flow.held = False
    driver.run(3.0)
    assert sorted(driver.results) == [("e0", "APPLIED"), ("hello", "HEARD")]


@pytest.mark.parametrize("commands", [({"halt": []},), ()], ids=["a command", "no command ever"])
def test_a_new_owner_of_a_held_lane_gives_it_a_turn_because_the_command_may_be_over(commands: tuple[Any, ...]) -> None:
    flow = HeldThermostats()
    flow.held = True
    former = commanded(flow)
    at = former.opened()
    former.event(at)
    former.run(5.0)
    [stored] = former.state.values()
    assert stored.due_us is not None
    assert not stored.waits

    flow.held = False
    driver = commanded(flow)
    command(driver, *commands)
    driver.assign(state={"kitchen": stored}, mark=former.marks[at])
    driver.run(30.0)

    assert driver.results == ([("e0", "APPLIED")] if commands else [])


def test_a_message_reaches_the_lane_that_exists_and_creates_none() -> None:
    driver = commanded()
    at = driver.opened()
    driver.event(at)
    driver.run(0.5)
    command(driver, {"tell": ["kitchen", "hello"]}, {"tell": ["unknown", "hello"]})
    driver.run(0.5)

    assert driver.results == [("e0", "APPLIED"), ("hello", "HEARD")]
    assert driver.engine.snapshot(driver.now).partitions[0].lanes == 1


def test_a_partition_that_is_assigned_later_gets_the_messages_of_the_commands_in_force() -> None:
    former = commanded()
    at = former.opened()
    former.event(at)
    former.run(2.0)

    driver = commanded()
    command(driver, {"tell": ["kitchen", "hello"]})
    driver.assign(state=former.state, mark=former.marks[at])
    driver.run(30.0)

    assert driver.results == [("hello", "HEARD")]


@pytest.mark.parametrize("end", ["lose", "revoke"])
def test_a_review_of_a_partition_that_is_given_up_ends_with_it(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "REVIEWED_PER_STEP", 1)
    flow = HeldThermostats()
    flow.held = True
    driver = commanded(flow)
    at = driver.opened()
    driver.arrive(*(driver.record(at, f"room-{n}") for n in range(5)))
    command(driver, {"review": True})
    getattr(driver, end)(at)
    flow.heard = []
    driver.run(10.0)

    assert flow.heard == []
    assert driver.engine.wake_at_s() > driver.now.mono_s


def test_records_without_a_control_are_a_bug() -> None:
    with pytest.raises(ValueError, match="no control"):
        EngineDriver().feed(ALL)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("event"), st.integers(0, 3)),
        st.tuples(st.just("command"), st.sampled_from([{"halt": ["set"]}, {"halt": []}, {"review": True}])),
        st.tuples(st.just("run"), st.sampled_from([0.01, 0.3, 15.0])),
        st.tuples(st.just("tell"), st.integers(0, 3)),
    ),
    max_size=25,
)


@settings(max_examples=examples(60), deadline=None)
@given(STEPS)
def test_whatever_is_commanded_each_event_ends_once_and_nothing_leaves_while_halted(
    steps: Sequence[tuple[str, Any]],
) -> None:
    driver = commanded()
    at, halted, events = driver.opened(), False, 0
    for step, what in steps:
        before = len(driver.calls)
        match step:
            case "event":
                driver.event(at, f"room-{what}", id=f"event-{events}")
                events += 1
            case "command":
                halted = bool(what.get("halt", halted))
                command(driver, what)
            case "tell":
                command(driver, {"tell": [f"room-{what}", "hello"]})
            case _:
                driver.run(what, answer=None)
        assert not halted or len(driver.calls) <= before, "something left while all sets were halted"
        driver.answer_all()
    command(driver, {"halt": []})
    driver.run(60.0)

    ended = [event for event, status in driver.results if status != "HEARD"]
    assert sorted(ended) == sorted(f"event-{n}" for n in range(events))


@pytest.mark.parametrize("is_changed", [True, False])
def test_rules_that_change_otherwise_have_what_waits_take_a_turn_also_after_a_new_assignment(
    is_changed: bool,
) -> None:
    flow = HeldThermostats()
    flow.held = True
    former = EngineDriver(flow=flow)
    at = former.opened()
    former.event(at)
    former.run(5.0)
    assert former.results == []
    [stored] = former.state.values()
    mark = former.marks[at]

    flow.held = False
    driver = EngineDriver(flow=flow)
    for one in (driver, former):
        if is_changed:
            one.feed(RulesChanged())
    driver.assign(state={"kitchen": stored}, mark=mark)
    for one in (driver, former):
        one.run(30.0)
        assert one.results == ([("e0", "APPLIED")] if is_changed else [])
