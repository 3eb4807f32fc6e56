"""Draining and handing over partitions, on revoke and at the end of the process; ``once`` wants at the hand-over."""

from streams.flow import Lost, NotSent, Retry
from streams.messages import Notice
from tests.harness.engine_driver import OK, EngineDriver, RecordingThermostats


def test_a_drained_partition_is_released_with_a_durable_drained_mark() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, "a")
    driver.run(1)
    driver.revoke(at)
    driver.run(0.1)

    assert driver.marks[at].drained
    assert driver.marks[at].position == 1
    assert at in driver.released
    assert at in driver.died


def test_it_is_not_released_before_the_drained_mark_is_durable() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.auto = False
    driver.revoke(at)
    while not driver.checkpoints[-1].marks[at].drained:
        driver.write()
    driver.run(2)
    assert driver.released == set()

    driver.write()
    assert at in driver.released


def test_draining_makes_no_new_call_and_waits_for_those_in_flight() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, "a", value=1)
    driver.run(0.1, answer=None)
    call = driver.calls.pop()
    driver.event(at, "a", value=2)
    driver.revoke(at, budget_s=5)
    driver.event(at, "b")
    driver.run(2, answer=None)
    assert driver.released == set()
    assert not driver.marks[at].drained

    driver.answer(call, OK)
    driver.run(0.1, answer=None)
    assert driver.calls == []
    assert driver.marks[at].drained
    assert driver.marks[at].position == 2
    assert at in driver.released
    assert driver.state["a"].undone


def test_a_call_that_outlives_the_budget_leaves_the_mark_undrained() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, "a")
    driver.run(0.1, answer=None)
    driver.revoke(at, budget_s=2)

    driver.run(1.9, answer=None)
    assert driver.released == set()
    driver.run(0.2, answer=None)
    assert at in driver.released
    assert not driver.marks[at].drained


def test_a_lost_answer_is_waited_out_before_a_mark_says_drained() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, "a")
    driver.run(0.1, answer=None)
    call = driver.calls[0]
    driver.revoke(at, budget_s=60)
    driver.answer(call, Lost(reason="time-out"))
    driver.run(3, answer=None)
    assert not driver.marks[at].drained

    driver.run(5, answer=None)
    assert driver.marks[at].drained
    assert driver.now.mono_s >= call.give_up_at_s + driver.policy.grace_s


def test_opening_and_release_are_reported() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.revoke(at)
    driver.run(0.1)

    assert [notice.event for notice in driver.of(Notice)] == ["partition_opened", "partition_released"]


def test_a_partition_never_reported_is_released_at_once() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.lose(at)
    driver.revoke(at)

    assert at in driver.released


def test_draining_a_process_ends_with_a_stop_that_is_no_failure() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, "a")
    driver.run(0.1, answer=None)
    driver.drain()
    driver.run(1)

    assert [stop.failed for stop in driver.stops] == [False]
    assert driver.marks[at].drained
    assert driver.results == [("e0", "APPLIED")]


def test_draining_a_process_ends_when_its_budget_is_over() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, "a")
    driver.run(0.1, answer=None)
    driver.drain(budget_s=2)
    driver.run(3, answer=None)

    assert [stop.failed for stop in driver.stops] == [False]
    assert not driver.marks[at].drained


def test_a_process_without_partitions_stops_at_once() -> None:
    driver = EngineDriver()
    driver.drain()

    assert [stop.failed for stop in driver.stops] == [False]


def test_timers_do_not_fire_while_draining() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, "a")
    driver.event(at, "b", remind_us=driver.now.wall_us + 1_000_000)
    driver.run(0.1, answer=None)
    driver.revoke(at, budget_s=4)
    driver.run(3, answer=None)

    assert driver.results == []


# ---- once -----------------------------------------------------------------------------------------------------------


def test_a_once_want_leaves_only_after_its_announcement_is_durable() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.auto = False
    driver.event(at, "hall", chime="dinner")
    driver.run(0.5, answer=None)
    assert driver.calls == []

    driver.write()
    driver.run(0.1, answer=None)
    assert [call.kind for call in driver.calls] == ["chime"]
    assert driver.state["hall"].announced == ("chime",)


def test_a_later_turn_that_says_the_same_does_not_hold_it_back_again() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.auto = False
    driver.event(at, "hall", chime="dinner")
    driver.run(0.2, answer=None)
    driver.event(at, "hall", device="heat", value=3)
    driver.write()
    driver.run(0.05, answer=None)

    assert "chime" in [call.kind for call in driver.calls]


def test_draining_withdraws_what_was_announced_and_not_sent() -> None:
    flow = RecordingThermostats()
    driver = EngineDriver(flow=flow)
    at = driver.opened()
    driver.auto = False
    driver.event(at, "hall", chime="dinner")
    driver.run(0.2, answer=None)
    driver.auto = True
    driver.revoke(at)
    driver.write()
    driver.run(1, answer=None)

    assert flow.heard[-1] == ("hall", "Draining")
    assert driver.calls == []
    assert driver.marks[at].drained

    second = EngineDriver(boot_us=1_000)
    second.assign(mark=driver.marks[at], state=driver.state)
    second.run(2)
    assert second.results == [("e0", "RUNG")]


def test_a_once_want_that_was_not_sent_while_draining_is_withdrawn_too() -> None:
    for reply, sent in ((NotSent(), False), (Retry(reason="busy", refused=True), True)):
        flow = RecordingThermostats()
        driver = EngineDriver(flow=flow)
        at = driver.opened()
        driver.event(at, "hall", chime="dinner")
        driver.run(0.5, answer=None)
        call = driver.calls.pop()
        driver.revoke(at)
        assert flow.heard[-1] == ("hall", "Arrived")

        driver.answer(call, reply, sent=sent)
        driver.run(0.5, answer=None)
        assert flow.heard[-1] == ("hall", "Draining")
        assert driver.marks[at].drained
        assert driver.state["hall"].announced == ()


def test_an_announced_call_is_not_repeated_after_a_crash() -> None:
    first = EngineDriver()
    at = first.opened()
    first.event(at, "hall", chime="dinner")
    first.run(0.5, answer=None)
    assert len(first.calls) == 1

    second = EngineDriver(boot_us=1_000)
    second.next_offset = 1
    second.assign(mark=first.marks[at], state=first.state)
    second.run(15)

    assert second.results == [("e0", "UNKNOWN")]
    assert second.of(type(first.calls[0])) == []


def test_pending_work_of_a_predecessor_is_sent_with_the_newest_value() -> None:
    first = EngineDriver()
    at = first.opened()
    first.event(at, "a", value=1)
    first.run(0.5, answer=None)

    second = EngineDriver(boot_us=1_000)
    second.next_offset = 1
    taken = second.assign(mark=first.marks[at], state=first.state, end=2)
    second.event(taken, "a", value=2)
    second.run(15)

    assert second.results == [("e0", "SUPERSEDED"), ("e1", "APPLIED")]
    assert [[item.body.value for item in call.items] for call in second.of(type(first.calls[0]))] == [[2]]
