"""``once`` wants: announced in a durable record before they leave, and only when they are next to leave."""

from typing import Any

import pytest

from streams.flow import Lost, NotSent, Reply, Retry, Stored
from streams.policy import Pace, Policy
from tests.harness.engine_driver import OK, EngineDriver, RecordingThermostats
from tests.harness.toy_flow import Room, Thermostats

REFUSED = Retry(reason="429", counts=False, refused=True)
CLOSED: dict[str, Any] = {"close_account_s": 60.0, "closed_because": "401"}


def chiming(**kwargs: Any) -> tuple[EngineDriver, Any]:
    """Returns a driver with a chime in flight."""
    driver = EngineDriver(**kwargs)
    at = driver.opened()
    driver.event(at, "hall", chime="dinner")
    driver.run(0.5, answer=None)
    assert [call.kind for call in driver.calls] == ["chime"]
    return driver, at


def closed() -> tuple[EngineDriver, Any]:
    """Returns a driver whose account was closed by a 401, with a chime that waits."""
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, "kitchen")
    driver.run(0.2, answer=None)
    driver.answer(driver.calls[0], Retry(reason="401", counts=False), **CLOSED)
    driver.event(at, "hall", chime="dinner")
    driver.run(5, answer=None)
    return driver, at


def successor(driver: EngineDriver, at: Any) -> EngineDriver:
    """Returns a driver for the next owner after a kill."""
    second = EngineDriver(boot_us=1_000)
    second.next_offset = driver.next_offset
    second.assign(mark=driver.marks[at], state=driver.state)
    return second


def test_nothing_is_announced_while_its_account_is_closed() -> None:
    driver, _ = closed()

    assert driver.state["hall"].undone
    assert announced(driver) == []


def test_after_a_crash_while_the_account_was_closed_the_call_is_made() -> None:
    driver, at = closed()

    second = successor(driver, at)
    second.run(15)

    assert ("e1", "RUNG") in second.results


def waiting_announced() -> EngineDriver:
    """Returns a driver with a call in flight and an announced chime that waits for its token."""
    driver = EngineDriver(paces={"main": Pace(per_second=2, reserve=0)})
    at = driver.opened()
    driver.event(at, "kitchen")
    driver.run(0.6, answer=None)
    driver.event(at, "hall", chime="dinner")
    driver.run(0.2, answer=None)
    assert announced(driver) == ["chime"]
    assert [call.kind for call in driver.calls] == ["set"]
    return driver


def announced(driver: EngineDriver) -> list[str]:
    """Returns the slots that the durable record of the hall announces."""
    return list(driver.state["hall"].announced)


def test_an_announcement_is_withdrawn_when_the_account_closes_before_the_call() -> None:
    driver = waiting_announced()

    driver.answer(driver.calls[0], Retry(reason="401", counts=False), **CLOSED)
    driver.run(0.2, answer=None)
    assert announced(driver) == []

    driver.run(100)
    assert driver.results == [("e0", "APPLIED"), ("e1", "RUNG")]


def test_a_quota_reserve_withdraws_announcements() -> None:
    driver = waiting_announced()

    driver.answer(driver.calls[0], OK, reserve_until_s=driver.now.mono_s + 100)
    driver.run(2)
    assert announced(driver) == []

    driver.run(100)
    assert driver.results == [("e0", "APPLIED"), ("e1", "RUNG")]


def test_a_want_is_announced_only_when_no_more_urgent_want_precedes_it() -> None:
    driver = EngineDriver(
        paces={"main": Pace(per_second=2, reserve=0)}, flow=Thermostats(limits={"set": 1, "chime": 1})
    )
    at = driver.opened()
    for room in ("a", "b", "c"):
        driver.event(at, room, rank=0)
    driver.event(at, "hall", chime="dinner")
    driver.run(1.1)
    assert announced(driver) == []

    driver.run(2)
    assert driver.results[-1] == ("e3", "RUNG")


def test_announcements_are_limited_to_calls_that_are_sent_soon() -> None:
    driver = EngineDriver(paces={"main": Pace(per_second=10, reserve=0)})
    at = driver.opened()
    driver.arrive(*[driver.record(at, f"room {n}", chime="ding") for n in range(60)])
    driver.run(0.3, answer=None)

    left = {call.items[0].body.room for call in driver.calls}
    waiting = {room for room, stored in driver.state.items() if stored.announced} - left
    assert 1 <= len(waiting) <= 5

    driver.run(10)
    assert [status for _, status in driver.results] == ["RUNG"] * 60
    assert driver.now.mono_s < 120, "and that costs no pace"


def test_many_once_wants_are_sent_at_the_pace_of_the_account() -> None:
    driver = EngineDriver(paces={"main": Pace(per_second=50, reserve=0)})
    at = driver.opened()
    driver.arrive(*[driver.record(at, f"room {n}", chime="ding") for n in range(200)])

    driver.run(2)

    assert len(driver.results) > 80


def test_the_probe_of_a_closed_account_may_be_a_once_want() -> None:
    driver, _ = chiming()
    driver.answer(driver.calls[0], REFUSED, **CLOSED)
    driver.run(1, answer=None)
    assert announced(driver) == []
    assert driver.engine.wake_at_s() > driver.now.mono_s + 0.1, "and it does not spin until then"

    driver.run(61, answer=None)
    assert announced(driver) == ["chime"]
    driver.run(1)
    assert driver.results == [("e0", "RUNG")]


@pytest.mark.parametrize(("reply", "status"), [(OK, "RUNG"), (Lost(reason="reset"), "UNKNOWN")])
def test_the_turn_with_the_reply_ends_the_announcement(reply: Reply, status: str) -> None:
    driver, _ = chiming()
    driver.answer(driver.calls[0], reply)
    driver.run(0.2, answer=None)

    assert driver.results == [("e0", status)]
    assert announced(driver) == []


def test_a_once_want_is_retried_only_with_proof_that_nothing_was_executed() -> None:
    driver, _ = chiming()
    driver.answer(driver.calls[0], REFUSED)
    driver.run(0.01, answer=None)
    assert announced(driver) == []

    driver.run(1, answer=None)
    assert [item.attempt for call in driver.calls for item in call.items] == [2]
    assert announced(driver) == ["chime"]
    driver.answer(driver.calls[0], Retry(reason="500"), failed=True)
    driver.run(100)

    assert driver.results == [("e0", "UNKNOWN")]


def test_a_budget_can_be_used_up_by_refusals() -> None:
    driver = EngineDriver(policy=Policy(retry_budget=2))
    at = driver.opened()
    driver.event(at, "hall", chime="dinner")
    driver.run(10, answer=Retry(reason="busy", after_s=0.1, refused=True))

    assert driver.results == [("e0", "FAILED")]
    assert announced(driver) == []


def test_a_once_want_that_was_never_sent_is_tried_again() -> None:
    driver, _ = chiming()
    driver.answer(driver.calls[0], NotSent(), sent=False)
    driver.run(1)

    assert driver.results == [("e0", "RUNG")]


def test_a_new_owner_handles_announced_calls_immediately() -> None:
    driver, at = chiming()
    flow = RecordingThermostats()
    second = EngineDriver(flow=flow, boot_us=1_000, paces={"main": Pace(), "other": Pace()})
    second.next_offset = driver.next_offset
    other = Stored(value=driver.state["hall"].value, undone=True, waits=driver.state["hall"].waits)
    state = {"hall": driver.state["hall"]} | {f"room {n}": other for n in range(500)}
    second.assign(mark=driver.marks[at], state=state)
    gate_s = second.policy.lease_s + second.policy.call_deadline_s + second.policy.grace_s
    second.run(gate_s + 0.2, answer=None)

    assert second.results == [("e0", "UNKNOWN")]
    assert announced(second) == []


def test_a_lane_whose_call_is_not_announced_may_sleep() -> None:
    driver = EngineDriver(paces={"main": Pace(per_second=1, reserve=0)})
    at = driver.opened()
    driver.arrive(*[driver.record(at, f"room {n}", chime="ding") for n in range(1_000)])
    driver.run(1, answer=None)

    assert driver.engine.snapshot(driver.now).lanes_awake < 400
    assert driver.engine.wake_at_s() > driver.now.mono_s


def test_a_lane_with_a_call_in_flight_that_stores_nothing_is_a_bug() -> None:
    class Forgetting(Thermostats):
        def store(self, lane: Room) -> Stored:
            return Stored(value=None)

    driver = EngineDriver(flow=Forgetting())
    at = driver.opened()

    with pytest.raises(ValueError, match="pending work"):
        driver.event(at, "hall", chime="dinner")
