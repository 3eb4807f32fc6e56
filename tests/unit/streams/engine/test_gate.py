"""A newly assigned partition sends nothing until it is certain that no older value can follow a newer one."""

from dataclasses import replace
from typing import Any

import pytest

from streams.engine.partition import TRANSITIONS, Partition, Phase, Trigger
from streams.flow import Flow, Now, Stored
from streams.messages import Arrivals, Mark, OwnedPartition
from streams.policy import Pace, Policy, Share
from tests.harness.engine_driver import EngineDriver, RecordingThermostats, values
from tests.harness.toy_flow import Room, Thermostats, encode


def mark(position: int = 0, *, drained: bool = True, read_ahead: int = 20_000, topic_id: str = "state-1") -> Mark:
    return Mark(position=position, read_ahead=read_ahead, drained=drained, serial=1, state_topic_id=topic_id)


def phase(driver: EngineDriver) -> str:
    return driver.engine.snapshot(driver.now).partitions[0].phase


def test_nothing_is_sent_before_the_end_at_assignment_was_read() -> None:
    driver = EngineDriver()
    at = driver.assign(end=3)

    driver.event(at, value=20)
    driver.run(60, answer=None)
    assert driver.calls == []

    driver.event(at, value=21)
    driver.event(at, value=22)
    driver.run(0.5, answer=None)
    assert [values(call) for call in driver.calls] == [[22]]


def test_a_mark_bounds_how_far_a_new_owner_must_read() -> None:
    driver = EngineDriver()
    at = driver.assign(mark=mark(0, read_ahead=1), end=1_000)

    driver.event(at)
    driver.run(2, answer=None)

    assert len(driver.calls) == 1


def test_control_records_count_as_read_for_the_gate() -> None:
    driver = EngineDriver()
    at = driver.assign(end=3)
    driver.event(at)

    driver.feed(Arrivals(positions={at: 3}))
    driver.run(2, answer=None)

    assert len(driver.calls) == 1


@pytest.mark.parametrize(("found", "wait_s"), [(None, 1.0), (mark(drained=True), 1.0), (mark(drained=False), 11.0)])
def test_the_wait_is_short_after_a_drained_owner_and_covers_its_calls_after_a_crash(
    found: Mark | None, wait_s: float
) -> None:
    driver = EngineDriver()
    at = driver.assign(mark=found)
    driver.event(at)

    driver.run(wait_s - 0.01, answer=None)
    assert driver.calls == []

    driver.run(0.05, answer=None)
    assert len(driver.calls) == 1


@pytest.mark.parametrize(("drained", "left_s"), [(True, 0.6), (False, 10.6)])
def test_the_time_for_which_the_state_was_restored_counts_as_waiting(drained: bool, left_s: float) -> None:
    driver = EngineDriver()
    at = driver.assign(mark=mark(drained=drained), restored_in_s=0.4)
    driver.event(at)

    driver.run(left_s - 0.01, answer=None)
    assert driver.calls == []

    driver.run(0.05, answer=None)
    assert len(driver.calls) == 1


def test_after_a_long_restore_only_the_own_mark_is_waited_for() -> None:
    driver = EngineDriver()
    at = driver.assign(mark=mark(drained=False), restored_in_s=60.0)
    driver.event(at)

    driver.run(0.1, answer=None)

    assert len(driver.calls) == 1


def test_a_position_that_a_tool_has_set_waits_as_after_a_crash() -> None:
    driver = EngineDriver()
    at = driver.assign(committed=0)
    driver.event(at)

    driver.run(10.99, answer=None)
    assert driver.calls == []

    driver.run(0.05, answer=None)
    assert len(driver.calls) == 1


def test_without_a_mark_the_next_owner_too_must_read_to_the_end_that_the_first_one_found() -> None:
    first = EngineDriver(policy=Policy(read_ahead=10))
    at = first.assign(committed=0, end=1_000)
    for _ in range(8):
        first.event(at)
    first.revoke(at)
    first.run(0.1)

    handed = first.marks[at]
    assert handed.drained is False
    assert handed.position + handed.read_ahead == 1_000


def test_the_gate_opens_only_after_a_mark_that_is_not_drained_is_durable() -> None:
    driver = EngineDriver(auto=False)
    at = driver.assign()
    own = driver.checkpoints[0].marks[at]
    assert (own.position, own.drained) == (0, False)

    driver.event(at)
    driver.run(5, answer=None)
    assert driver.calls == []

    driver.write()
    driver.run(0.1, answer=None)
    assert len(driver.calls) == 1


def test_the_own_mark_must_be_durable_even_while_the_lease_holds() -> None:
    driver = EngineDriver(shares={"setpoints": Share(weight=1, partitions=2)})
    driver.opened(partitions=2)
    driver.auto = False
    second = driver.assign(partitions=2, partition=1)
    driver.event(second)
    driver.run(2, answer=None)
    assert driver.engine.snapshot(driver.now).lease_left_s > 0

    assert driver.calls == []


def test_a_partition_revoked_before_its_gate_opened_leaves_drained_as_it_was_found() -> None:
    for drained in (True, False):
        driver = EngineDriver()
        at = driver.assign(mark=mark(drained=drained), end=10)
        driver.revoke(at)
        driver.run(0.1)

        assert driver.marks[at].drained is drained
        assert at in driver.released


def test_a_mark_written_before_the_gate_opened_still_names_how_far_the_owner_before_may_have_read() -> None:
    driver = EngineDriver(policy=Policy(read_ahead=10))
    at = driver.assign(mark=mark(5, drained=False, read_ahead=1_000), end=5_000)
    for _ in range(8):
        driver.event(at)
    driver.revoke(at)
    driver.run(0.1)

    handed = driver.marks[at]
    assert handed.position == 13
    assert handed.position + handed.read_ahead == 1_005


def test_a_state_topic_that_is_not_the_one_of_the_mark_stops_with_the_remedy() -> None:
    driver = EngineDriver()
    driver.assign(mark=mark(topic_id="another"))

    assert driver.stops[0].failed
    assert "reset both" in driver.stops[0].reason
    assert "recreate rooms" in driver.stops[0].reason


def test_a_changed_number_of_partitions_stops_with_the_remedy() -> None:
    driver = EngineDriver()
    driver.assign(partitions=2)

    assert "needs a migration" in driver.stops[0].reason


def test_a_topic_without_a_flow_stops_with_the_reason() -> None:
    driver = EngineDriver()
    driver.assign(topic="unheard")

    assert "no flow reads it" in driver.stops[0].reason


def test_after_a_stop_the_engine_has_no_effects() -> None:
    driver = EngineDriver()
    driver.assign(partitions=2)
    driver.effects.clear()

    driver.step(100)

    assert driver.effects == []


def test_standing_lanes_are_woken_once_when_their_partition_opens() -> None:
    flow = RecordingThermostats(lives=("pilot",))
    driver = EngineDriver(flow=flow)
    driver.assign()
    assert flow.heard == []

    driver.run(10)

    assert flow.heard == [("pilot", "Woken")]


def test_lanes_without_a_position_stop_their_partition_where_events_could_be_skipped() -> None:
    driver = EngineDriver(shares={"setpoints": Share(weight=1, partitions=2)})
    state = {"hall": Stored(value=encode(Room(key="hall", last_offset=0)))}
    at = driver.assign(state=state, skips=True, end=0, partitions=2)
    other = driver.assign(partition=1, state=state, partitions=2)
    driver.event(at, "kitchen")
    driver.run(15, answer=None)

    snapshot = driver.engine.snapshot(driver.now).partitions[0]
    assert snapshot.phase.startswith("refused")
    assert "Remedy: set the group's offset" in snapshot.broken
    assert [(notice.event, notice.fields["partition"]) for notice in driver.notices] == [("partition_broken", 0)]
    assert driver.calls == []
    assert all(at not in checkpoint.marks for checkpoint in driver.checkpoints), "or the next start would not notice"
    assert driver.engine.snapshot(driver.now).partitions[1].phase == "open"

    driver.revoke(at)
    driver.revoke(other)
    driver.run(1)
    assert driver.released == {at, other}


def test_a_start_that_skips_is_allowed_where_nothing_was_ever_read() -> None:
    driver = EngineDriver()
    driver.opened(skips=True)

    assert driver.notices == []


def test_a_share_counts_from_the_moment_the_gate_opens() -> None:
    shares = {"setpoints": Share(weight=0.8, partitions=4), "boilers": Share(weight=0.1, partitions=1)}
    flows: dict[str, Flow[Any]] = {"setpoints": Thermostats(), "boilers": Thermostats(topic="boilers")}
    driver = EngineDriver(flows=flows, shares=shares, paces={"main": Pace(per_second=100, reserve=0.1)})

    def rate() -> float:
        return driver.engine.snapshot(driver.now).accounts["main"].rate

    at = driver.assign(partitions=4)
    driver.run(0.5)
    assert rate() == 0

    driver.run(1)
    assert rate() == pytest.approx(100 * 0.9 * (0.8 / 0.9) / 4)

    driver.assign(topic="boilers")
    driver.run(1.5)
    assert rate() == pytest.approx(100 * 0.9 * (0.2 + 0.1) / 0.9)

    driver.lose(at)
    assert rate() == pytest.approx(100 * 0.9 * 0.1 / 0.9)


def test_undone_lanes_of_a_predecessor_continue_when_the_gate_opens_and_not_before() -> None:
    first = EngineDriver()
    at = first.opened()
    first.event(at, value=7)
    first.run(0.5, answer=None)
    assert first.state["kitchen"].undone

    second = EngineDriver(boot_us=1_000)
    second.next_offset = 1
    taken = second.assign(mark=first.marks[at], state=first.state)
    second.run(10.9, answer=None)
    assert second.calls == []

    second.run(1)
    assert second.results == [("e0", "APPLIED")]
    assert second.marks[taken].position == 1


def test_the_transition_table_covers_every_step_that_can_occur() -> None:
    ever = {Trigger.REVOKED, Trigger.WAS_REFUSED, Trigger.ENDED}
    for phase_ in set(Phase) - {Phase.GONE}:
        assert {step for (at, step) in TRANSITIONS if at is phase_} >= ever
    assert {step for (at, step) in TRANSITIONS if at is Phase.GONE} == {Trigger.ENDED}


def test_records_that_arrive_twice_have_one_turn() -> None:
    driver = EngineDriver()
    at = driver.opened()
    record = driver.record(at)
    partition = Partition(
        at, OwnedPartition(mark=None, start=0, end=0, state_topic_id="", partitions=1), driver.policy, 0.0
    )

    partition.arrived(record)
    partition.arrived(replace(record))

    assert len(partition.backlog) == 1


def test_a_restored_timer_fires_by_wall_time_even_when_the_wall_clock_was_set() -> None:
    driver = EngineDriver()
    due_us = driver.now.wall_us + 3_600_000_000
    at = driver.opened()
    driver.event(at, remind_us=due_us)
    driver.run(1)
    assert driver.results == []

    driver.now = Now(mono_s=driver.now.mono_s, wall_us=due_us + 1)
    driver.run(2)

    assert driver.results == [("e0", "REMINDED")]


def test_a_timer_fires_although_the_wall_clock_was_set_back() -> None:
    driver = EngineDriver()
    at = driver.opened()
    due_us = driver.now.wall_us + 10_000_000
    driver.event(at, remind_us=due_us)
    driver.now = Now(mono_s=driver.now.mono_s, wall_us=driver.now.wall_us - 60_000_000)

    driver.run(65)
    assert driver.results == []

    driver.run(6)
    assert driver.results == [("e0", "REMINDED")]


def test_undone_lanes_without_timer_or_wants_are_woken_when_the_gate_opens() -> None:
    first = EngineDriver()
    at = first.opened()
    first.event(at, value=7)
    first.run(0.3, answer=None)
    bare = {key: Stored(value=stored.value, undone=True) for key, stored in first.state.items()}

    second = EngineDriver(boot_us=1_000)
    second.assign(mark=mark(1), state=bare)
    second.run(2)

    assert second.results == [("e0", "APPLIED")]
