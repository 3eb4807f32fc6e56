"""The work of a single step of the engine is bounded, whatever the number of lanes, so that the loop keeps running and
marks are committed in time.

Work is measured as the number of function calls within one step, not by a clock.
"""

import sys
from collections.abc import Callable
from itertools import pairwise
from types import FrameType
from typing import Any

import pytest

from streams.engine.engine import RESTORED_PER_STEP, WOKEN_PER_STEP
from streams.engine.stall_detector import TURNED_PER_CHECK
from streams.flow import Now, Stored, Waits
from streams.messages import Effect, Input
from streams.policy import Policy
from tests.harness.engine_driver import WALL_US, EngineDriver
from tests.harness.toy_flow import Device as Shown
from tests.harness.toy_flow import Room, SetPoint, Thermostats, encode, with_device

FEW, MANY = 1_500, 6_000
SOME = 1.5
"""A step may take this many times the calls with four times the lanes: a push into a heap that is being swept."""

Scenario = Callable[[EngineDriver, dict[str, Stored]], Any]


class Metered:
    """Wraps an engine and counts the function calls of each step; ``most`` is the largest number."""

    def __init__(self, driver: EngineDriver) -> None:
        self._engine = driver.engine
        self.most = 0
        driver.engine = self  # type: ignore[assignment]

    def feed(self, said: Input, now: Now) -> list[Effect]:
        counted = 0

        def count(_frame: FrameType, event: str, _about: object) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(count)
        try:
            return self._engine.feed(said, now)
        finally:
            sys.setprofile(before)
            self.most = max(self.most, counted)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


def undone(number: int, **waiting: Any) -> Stored:
    """Returns a stored room with an event that waits for its call."""
    point = SetPoint(id=f"e{number}", order=(number, number), device="heat", value=1)
    room = with_device(Room(key=f"room{number}", last_offset=number), "heat", Shown(wanted=point, certain=False))
    return Stored(value=encode(room), undone=True, offset=number, **waiting)


def cold(number: int) -> Stored:
    return Stored(value=encode(Room(key=f"room{number}", last_offset=number)), offset=number)


def waiting(number: int) -> Stored:
    return undone(number, waits=(Waits(account="main", priority=3, since_us=WALL_US + number),))


def at_once(number: int) -> Stored:
    return undone(number, due_us=WALL_US)


def later(number: int) -> Stored:
    return undone(number, due_us=WALL_US + 10**12)


def opens(driver: EngineDriver, state: dict[str, Stored]) -> None:
    driver.assign(state=state)
    driver.run(2, answer=None)
    assert driver.engine.snapshot(driver.now).partitions[0].phase == "open"


def hands_over(driver: EngineDriver, state: dict[str, Stored]) -> None:
    at = driver.assign(state=state)
    driver.run(2, answer=None)
    driver.revoke(at, budget_s=1)
    driver.run(10)
    assert at in driver.released


def loses(driver: EngineDriver, state: dict[str, Stored]) -> None:
    at = driver.assign(state=state)
    driver.run(2, answer=None)
    driver.lose(at)


def most_work(scenario: Scenario, made: Callable[[int], Stored], lanes: int) -> int:
    driver = EngineDriver(policy=Policy(max_outputs=200, max_awake=300))
    engine = Metered(driver)
    scenario(driver, {f"room{number}": made(number) for number in range(lanes)})
    return engine.most


@pytest.fixture
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lowers the bounds of a step, so that few lanes take many steps."""
    monkeypatch.setattr("streams.engine.engine.RESTORED_PER_STEP", 100)
    monkeypatch.setattr("streams.engine.engine.WOKEN_PER_STEP", 50)


@pytest.mark.usefixtures("short_steps")
@pytest.mark.parametrize("made", [cold, waiting, at_once, later], ids=lambda made: made.__name__)
@pytest.mark.parametrize("scenario", [opens, hands_over, loses], ids=lambda scenario: scenario.__name__)
def test_the_work_of_a_step_is_bounded_whatever_the_number_of_lanes(
    scenario: Scenario, made: Callable[[int], Stored]
) -> None:
    assert most_work(scenario, made, MANY) <= SOME * most_work(scenario, made, FEW)


def test_marks_are_committed_and_others_are_processed_while_a_partition_is_restored() -> None:
    class Glanced(Thermostats):
        glances = 0

        def glance(self, key: str, stored: bytes) -> None:
            self.glances += 1

    flow = Glanced()
    driver = EngineDriver(flow=flow, auto=False)
    at = driver.assign(state={f"room{number}": cold(number) for number in range(3 * RESTORED_PER_STEP)})

    assert flow.glances == RESTORED_PER_STEP
    assert driver.checkpoints[0].marks[at].position == 0
    assert driver.engine.wake_at_s() == driver.now.mono_s, "it goes on at once"
    assert "4000 lanes are still to be restored" in driver.engine.snapshot(driver.now).partitions[0].gate[0]
    driver.run(0.01)
    assert flow.glances == 3 * RESTORED_PER_STEP


def test_a_record_that_arrives_while_lanes_are_restored_waits_for_them() -> None:
    driver = EngineDriver(auto=False)
    at = driver.assign(state={f"room{number}": cold(number) for number in range(3 * RESTORED_PER_STEP)})
    driver.next_offset = 3 * RESTORED_PER_STEP

    driver.event(at, "room7", value=2)
    partition = driver.engine.snapshot(driver.now).partitions[0]
    assert (partition.gate[0].split()[0], partition.awake) == (str(RESTORED_PER_STEP), 0)

    driver.event(at, "room8", value=2)
    assert driver.engine.snapshot(driver.now).partitions[0].awake == 2


def test_lanes_that_are_all_due_at_once_take_their_turns_some_at_a_time() -> None:
    driver = EngineDriver(auto=False)
    driver.assign(state={f"room{number}": at_once(number) for number in range(3 * WOKEN_PER_STEP)})
    driver.write()
    while driver.engine.snapshot(driver.now).partitions[0].phase != "open":
        driver.step(0.01)
    awake = [driver.engine.snapshot(driver.now).lanes_awake]
    while awake[-1] < 3 * WOKEN_PER_STEP:
        driver.step(0.0)
        awake.append(driver.engine.snapshot(driver.now).lanes_awake)

    assert max(after - before for before, after in pairwise(awake)) <= WOKEN_PER_STEP


def test_due_lanes_wait_for_capacity_without_a_busy_loop() -> None:
    driver = EngineDriver(auto=False, policy=Policy(max_outputs=100))
    driver.assign(state={f"room{number}": at_once(number) for number in range(300)})
    driver.write()
    driver.run(2, answer=None)

    snapshot = driver.engine.snapshot(driver.now)
    assert (snapshot.lanes_awake, snapshot.outputs_kept) == (100, 100)
    assert driver.engine.wake_at_s() > driver.now.mono_s


def test_a_stall_check_gives_a_bounded_number_of_lanes_a_turn() -> None:
    driver = EngineDriver(policy=Policy(stall_s=4.0))
    driver.opened()
    [assigned] = driver.engine._partitions.values()
    assigned.lanes.unexplained.update({f"room{number}": 0.0 for number in range(2 * TURNED_PER_CHECK)})

    driver.step(5.0)

    assert len(assigned.lanes.unexplained) == TURNED_PER_CHECK
