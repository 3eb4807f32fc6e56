"""What a side input asks for leaves once the turn is durable, so no later owner can send an older value over it."""

from typing import Any

import pytest

from streams.flow import BACKGROUND, Assignment, Retry
from streams.policy import Pace
from streams.side_input import SideInput
from tests.harness.engine_driver import EngineDriver, values
from tests.harness.toy_side_inputs import ToySideInputs

FOLLOWED = SideInput(name="followed", topic="side", partition=0)


def beside(*rows: dict[str, Any]) -> tuple[EngineDriver, Assignment]:
    """Returns a driver whose checkpoints become durable by ``write`` alone, with an open partition that has read the
    rows, which are not durable."""
    paces = {"main": Pace(), "other": Pace(per_second=0.01, floor_per_second=0.001)}
    driver = EngineDriver(side_inputs=ToySideInputs({0: [FOLLOWED]}), paces=paces)
    at = driver.opened()
    driver.auto = False
    add(driver, *rows)
    return driver, at


def add(driver: EngineDriver, *rows: dict[str, Any]) -> None:
    driver.side_log().add(*rows)
    driver.serve_side_inputs()


def row(at: int, value: int, *, rank: int = 0, room: str = "kitchen", **event: Any) -> dict[str, Any]:
    return {"room": room, "event": {"id": f"s{at}", "at": at, "value": value, "rank": rank, **event}}


def sent(driver: EngineDriver) -> list[list[int]]:
    return [values(call) for call in driver.calls]


def durable(driver: EngineDriver) -> None:
    """Makes what has been read durable: the checkpoint in progress may have begun before."""
    for _ in range(2):
        driver.write()
        driver.run(0.1, answer=None)


def test_what_a_side_input_asks_for_leaves_when_its_turn_is_durable() -> None:
    driver, _ = beside(row(1, 0))
    driver.run(1.0, answer=None)
    assert sent(driver) == []

    durable(driver)
    assert sent(driver) == [[0]]


def test_no_owner_sends_an_older_value_of_a_side_input_after_a_newer_one_was_accepted() -> None:
    accepted: list[int] = []

    def run(driver: EngineDriver, seconds: float) -> None:
        driver.run(seconds, answer=None)
        items = (item.body for call in driver.calls for item in call.items)
        accepted.extend(body.value for body in items if body.room == "kitchen")
        driver.answer_all()

    first, at = beside()
    first.event(at, "hall", account="other")  # takes the only call of this account
    add(first, row(5, 5, rank=BACKGROUND, account="other"))
    durable(first)
    assert first.state["kitchen"].undone
    add(first, row(6, 0))
    run(first, 1.0)

    second = EngineDriver(side_inputs=ToySideInputs({0: [FOLLOWED]}), boot_us=1_000)
    second.side_logs = first.side_logs
    second.assign(mark=first.marks[at], state=first.state)
    run(second, 12.1)
    run(second, 5.0)

    assert 0 in accepted
    assert accepted[accepted.index(0) :] == [0], "after the newest value nothing"


def test_a_live_event_that_changes_what_a_side_input_asks_for_waits_for_it_too() -> None:
    driver, at = beside(row(1, 5))
    driver.event(at, at=2, value=7, rank=0)
    driver.run(0.5, answer=None)
    assert sent(driver) == []

    durable(driver)
    assert sent(driver) == [[7]]


def test_other_lanes_do_not_wait() -> None:
    driver, at = beside(row(1, 5))
    driver.event(at, "hall", at=2, value=7)
    driver.run(0.5, answer=None)

    assert sent(driver) == [[7]]


def test_a_live_event_does_not_wait_for_a_side_input_that_changed_nothing() -> None:
    driver, at = beside()
    driver.event(at, at=5, value=7)
    driver.run(0.1, answer=None)
    driver.answer_all()
    durable(driver)
    add(driver, row(0, 3))  # older, and offset 0 was read before: the lane stays as it is
    driver.event(at, at=6, value=8)
    driver.run(0.5, answer=None)

    assert sent(driver) == [[8]]


def test_what_an_earlier_side_input_changed_holds_up_calls_until_it_is_durable_whatever_comes_after_it() -> None:
    driver, at = beside()
    driver.event(at, at=1, value=1)
    driver.event(at, at=2, value=2)
    driver.run(0.1, answer=None)
    driver.answer_all()
    durable(driver)
    add(driver, row(5, 2))  # newer with the accepted value: the lane changes, and nothing is to be sent
    add(driver, row(3, 3))  # older: the lane stays as the record before it left it
    driver.event(at, at=6, value=8)
    driver.run(0.5, answer=None)
    assert sent(driver) == []

    durable(driver)
    assert sent(driver) == [[8]]


def test_a_lane_that_is_told_by_one_that_did_not_change_waits_until_the_record_is_durable() -> None:
    driver, at = beside()
    driver.event(at, at=5, value=7)
    driver.run(0.1, answer=None)
    driver.answer_all()
    durable(driver)
    add(driver, row(0, 3, zone="cellar"))
    driver.event(at, "zone:cellar", at=6, value=8)
    driver.run(0.5, answer=None)
    assert sent(driver) == []

    durable(driver)
    assert sent(driver) == [[8]]


def test_a_want_that_side_inputs_leave_as_it_is_does_not_wait_again() -> None:
    driver, _ = beside(row(9, 7))
    durable(driver)
    driver.answer(driver.calls[0], Retry(reason="again", after_s=0.2))
    add(driver, row(1, 5))
    driver.run(0.5, answer=None)

    assert sent(driver) == [[7]]


def test_a_call_that_is_to_be_made_again_waits_for_a_side_input_that_changed_it_meanwhile() -> None:
    driver, at = beside()
    driver.event(at, at=1, value=7)
    driver.run(0.1, answer=None)
    [call] = driver.calls
    add(driver, row(2, 8))
    driver.answer(call, Retry(reason="again"))
    driver.run(5.0, answer=None)
    assert sent(driver) == []

    durable(driver)
    assert sent(driver) == [[8]]


@pytest.mark.parametrize("ends", ["lose", "revoke"])
def test_what_waits_is_dropped_with_its_assignment(ends: str) -> None:
    driver, at = beside(row(1, 5))
    getattr(driver, ends)(at)
    driver.auto = True
    driver.write()
    driver.run(10.0, answer=None)

    assert sent(driver) == []
    assert driver.engine._wants._parked == {}
