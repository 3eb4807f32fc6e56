"""A checkpoint is a consistent snapshot of outputs, changed lanes and marks; the lease depends on it."""

import pytest

from streams.flow import Output, Retry
from streams.messages import Checkpoint, Written
from streams.policy import Policy, Share
from tests.harness.engine_driver import OK, EngineDriver, rooms


def by_hand(**kwargs: object) -> EngineDriver:
    """Returns a driver with an open partition, whose checkpoints become durable only when the test says so."""
    driver = EngineDriver(**kwargs)  # type: ignore[arg-type]
    driver.opened()
    driver.auto = False
    return driver


def keys(checkpoint: Checkpoint, topic: str) -> list[bytes | None]:
    return [o.key for outputs in checkpoint.outputs.values() for o in outputs if o.topic == topic]


def test_outputs_changed_lanes_and_position_go_together() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, value=1)
    driver.event(at, value=2)
    driver.run(0.3, answer=None)

    checkpoint = driver.checkpoints[-1]
    assert keys(checkpoint, "settings") == [b"kitchen"]
    assert keys(checkpoint, "rooms") == [b"kitchen"]
    assert checkpoint.marks[at].position == 2


def test_one_checkpoint_is_in_progress_at_a_time() -> None:
    driver = by_hand()
    at = next(iter(driver.marks))
    driver.event(at, "a")
    driver.run(0.2, answer=None)
    made = len(driver.checkpoints)
    driver.event(at, "b")
    driver.run(5, answer=None)
    assert len(driver.checkpoints) == made

    driver.write()
    driver.run(0.1, answer=None)
    assert keys(driver.checkpoints[-1], "rooms") == [b"b"]


def test_a_lane_changed_during_a_checkpoint_is_written_again() -> None:
    driver = by_hand()
    at = next(iter(driver.marks))
    driver.event(at, "a", value=1)
    driver.run(0.2, answer=None)
    driver.event(at, "a", value=2)
    driver.write()
    driver.run(2, answer=None)
    driver.write()

    assert [key for key, _ in driver.topics["rooms"]] == [b"a", b"a"]
    assert b'"e1"' in (driver.state["a"].value or b"")


@pytest.mark.parametrize(("took_s", "wait_s"), [(0.0, 0.05), (0.1, 0.4), (1.0, 4 / 3)])
def test_checkpoints_are_spaced_by_four_times_their_duration_within_a_third_of_the_lease(
    took_s: float, wait_s: float
) -> None:
    driver = EngineDriver(policy=Policy(checkpoint_min_s=0.05))
    at = driver.opened()
    driver.run(1.4)
    driver.auto = False
    driver.step(0.2)
    driver.event(at, "a")
    started_s = driver.now.mono_s
    assert driver.engine.snapshot(driver.now).checkpoint_on_way

    driver.step(took_s)
    driver.write()
    driver.event(at, "b")
    made = len(driver.checkpoints)
    driver.step(started_s + wait_s - 0.01 - driver.now.mono_s)
    assert len(driver.checkpoints) == made

    driver.step(0.02)
    assert len(driver.checkpoints) == made + 1


def test_an_idle_process_commits_its_marks_every_third_of_the_lease() -> None:
    driver = EngineDriver(policy=Policy(lease_s=3.0))
    driver.opened()
    before = len(driver.checkpoints)

    driver.run(10)

    assert len(driver.checkpoints) - before == 10
    assert all(not any(c.outputs.values()) for c in driver.checkpoints[before:])


def test_a_checkpoint_names_the_marks_of_all_partitions_whose_lanes_it_writes() -> None:
    driver = EngineDriver(shares={"setpoints": Share(weight=1, partitions=2)})
    first = driver.opened(partitions=2)
    second = driver.opened(partitions=2, partition=1)
    driver.auto = True
    driver.run(0.2)
    driver.event(first, "a")
    driver.event(second, "b")
    driver.run(0.2)

    for checkpoint in driver.written:
        written = {at for at, outputs in checkpoint.outputs.items() if outputs}
        assert written <= checkpoint.marks.keys()


def test_serials_rise_and_no_start_repeats_those_of_another() -> None:
    one, two = EngineDriver(boot_us=1_000_000), EngineDriver(boot_us=2_000_000)
    for driver in (one, two):
        driver.opened()
        driver.run(5)
    serials = [[c.serial for c in driver.checkpoints] for driver in (one, two)]

    assert serials[0] == sorted(set(serials[0]))
    assert not set(serials[0]) & set(serials[1])


# ---- the lease ------------------------------------------------------------------------------------------------------


def test_no_call_is_made_when_the_lease_is_over() -> None:
    driver = by_hand(policy=Policy(lease_s=4.0))
    at = next(iter(driver.marks))
    driver.run(4.0, answer=None)
    driver.event(at)
    driver.run(30, answer=None)
    assert driver.calls == []

    driver.auto = True
    driver.write()
    driver.run(0.1, answer=None)
    assert len(driver.calls) == 1


def test_the_lease_runs_from_the_send_time_of_the_commit() -> None:
    driver = by_hand(policy=Policy(lease_s=4.0))
    at = next(iter(driver.marks))
    driver.run(2.0, answer=None)
    checkpoint = driver.checkpoints[-1]
    sent_at_s = driver.now.mono_s
    driver.step(1.5)

    driver.feed(Written(serial=checkpoint.serial, marks=checkpoint.marks, sent_at_s=sent_at_s))
    driver.event(at)
    driver.run(0.1, answer=None)

    assert driver.calls[0].send_by_s == sent_at_s + 4.0
    assert driver.calls[0].give_up_at_s <= driver.now.mono_s + driver.policy.call_deadline_s


def test_a_checkpoint_of_which_nothing_was_committed_prolongs_no_lease() -> None:
    driver = by_hand(policy=Policy(lease_s=4.0))
    at = next(iter(driver.marks))
    driver.run(2, answer=None)
    driver.lose(at)
    left_s = driver.engine.snapshot(driver.now).lease_left_s
    driver.write(without=(at,))

    assert driver.engine.snapshot(driver.now).lease_left_s == left_s


# ---- partitions that are refused or lost ----------------------------------------------------------------------------


def test_a_partition_whose_part_was_refused_commits_and_sends_nothing_more_and_others_go_on() -> None:
    driver = EngineDriver(shares={"setpoints": Share(weight=1, partitions=2)})
    bad = driver.opened(partitions=2)
    good = driver.opened(partitions=2, partition=1)
    driver.auto = False
    driver.run(2, answer=None)
    driver.write()
    driver.event(bad, "a")
    driver.event(good, "b")
    driver.run(2, answer=None)
    driver.event(bad, "kept back")
    driver.auto = True
    made = len(driver.checkpoints)
    driver.write(without=(bad,))
    driver.calls.clear()
    driver.event(bad, "c")
    driver.event(good, "d")
    driver.run(5, answer=None)

    assert {room for call in driver.calls for room in rooms(call)} == {"d"}
    assert all(bad not in checkpoint.marks for checkpoint in driver.checkpoints[made:])
    assert driver.engine.snapshot(driver.now).outputs_kept == 0
    assert "refused" in driver.engine.snapshot(driver.now).partitions[0].phase

    driver.revoke(bad)
    assert bad in driver.released


def test_data_of_an_assignment_is_dropped_with_it() -> None:
    driver = by_hand()
    at = next(iter(driver.marks))
    driver.event(at, "a")
    driver.run(0.2, answer=None)
    driver.event(at, "b")

    driver.lose(at)

    assert at in driver.died
    assert driver.engine.snapshot(driver.now).outputs_kept == 0
    assert driver.engine.snapshot(driver.now).accounts["main"].wants_by_rank == {}
    driver.write(without=(at,))
    driver.run(10, answer=None)
    assert all(at not in checkpoint.marks for checkpoint in driver.checkpoints[len(driver.written) + 1 :])


def test_a_late_answer_of_a_lost_assignment_is_dropped_and_the_limiter_is_updated() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, "a")
    driver.run(0.1, answer=None)
    call = driver.calls[0]
    driver.lose(at)

    log = (Output(topic="calls", key=b"main", value=b"{}"),)
    driver.answer(call, Retry(reason="401", counts=False), log=log, close_account_s=60.0, closed_because="401")
    driver.run(5)

    assert driver.results == []
    assert "calls" not in driver.topics
    assert not driver.engine.snapshot(driver.now).accounts["main"].is_open


def test_a_slot_stays_busy_when_its_partition_is_assigned_again_during_the_old_call() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, "a", value=1)
    driver.run(0.1, answer=None)
    old = driver.calls.pop()
    driver.lose(at)

    again = driver.opened()
    driver.event(again, "a", value=2)
    driver.run(2, answer=None)
    assert driver.calls == []

    driver.answer(old, OK)
    driver.run(0.1, answer=None)
    assert len(driver.calls) == 1


def test_the_log_row_of_a_call_is_written_with_the_first_current_assignment_of_its_items() -> None:
    driver = EngineDriver(shares={"setpoints": Share(weight=1, partitions=2)})
    first = driver.opened(partitions=2)
    second = driver.opened(partitions=2, partition=1)
    driver.auto = False
    driver.run(6, answer=None)
    driver.event(first, "a")
    driver.event(second, "b")
    driver.auto = True
    driver.write()
    driver.run(0.2, answer=None)
    call = driver.calls[0]
    assert rooms(call) == ["a", "b"]
    driver.lose(first)
    driver.answer(call, OK, log=(Output(topic="calls", key=b"main", value=b"{}"),))
    driver.run(1)

    holders = [at for c in driver.written for at, outputs in c.outputs.items() if "calls" in {o.topic for o in outputs}]
    assert holders == [second]


def test_the_result_of_an_old_checkpoint_is_not_applied_to_the_current_one() -> None:
    driver = by_hand()
    at = next(iter(driver.marks))
    driver.event(at)
    driver.run(0.3, answer=None)
    driver.feed(Written(serial=driver.checkpoints[-1].serial - 1, marks={}, sent_at_s=driver.now.mono_s))

    assert driver.engine.snapshot(driver.now).checkpoint_on_way


def test_an_answer_that_stops_the_process_stops_it() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at)
    driver.run(0.1, answer=None)
    driver.answer(driver.calls[0], OK, stop="the API refuses our signature")

    assert driver.stops[0].failed
    assert driver.stops[0].reason == "the API refuses our signature"
