"""The order in which calls leave, most urgent first; how answers affect slots, order, age and retry budget."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from streams.flow import Call, Lost, NotSent, Retry, Settled
from streams.messages import Notice
from streams.policy import Pace, Policy, Share
from tests.harness.engine_driver import OK, EngineDriver, RecordingThermostats, rooms, values
from tests.harness.toy_flow import Shown, Thermostats


def loaded(*events: Mapping[str, object], flow: Thermostats | None = None, **kwargs: object) -> EngineDriver:
    """Returns a driver with these events waiting, because the lease has expired. See ``leave``."""
    driver = EngineDriver(flow=flow, **kwargs)  # type: ignore[arg-type]
    at = driver.opened()
    driver.auto = False
    driver.run(5, answer=None)
    driver.arrive(*[driver.record(at, **event) for event in events])  # type: ignore[arg-type]
    assert driver.calls == []
    return driver


def leave(driver: EngineDriver, seconds: float = 1.0) -> list[list[str]]:
    """Renews the lease and returns the rooms of each call that leaves then."""
    driver.auto = True
    driver.write()
    driver.run(seconds, answer=None)
    return [rooms(call) for call in driver.calls]


def test_the_most_urgent_want_is_sent_first_with_others_of_its_kind() -> None:
    driver = loaded(
        {"room": "a", "rank": 5},
        {"room": "b", "rank": 0},
        {"room": "c", "rank": 2},
        flow=Thermostats(limits={"set": 2}),
    )

    assert leave(driver) == [["b", "c"], ["a"]]


def test_within_a_priority_the_oldest_want_is_sent_first() -> None:
    flow = Thermostats(limits={"set": 1})
    driver = loaded({"room": "a"}, flow=flow)
    at = driver.record(next(iter(driver.marks)), "b").at
    driver.step(1)
    driver.event(at, "b")

    assert leave(driver) == [["a"], ["b"]]


def test_age_raises_priority_but_never_above_priority_zero() -> None:
    flow = Thermostats(limits={"set": 1})
    driver = loaded({"room": "old", "rank": 9}, flow=flow, policy=Policy(age_step_s=10))
    at = next(iter(driver.marks))
    driver.step(85)
    driver.event(at, "young", rank=1)
    driver.event(at, "worst", rank=0)

    assert leave(driver) == [["worst"], ["old"], ["young"]]


def test_a_want_is_not_older_than_its_age_allows() -> None:
    flow = Thermostats(limits={"set": 1})
    driver = loaded({"room": "old", "rank": 9}, flow=flow, policy=Policy(age_step_s=10))
    at = next(iter(driver.marks))
    driver.step(75)
    driver.event(at, "young", rank=1)

    assert leave(driver) == [["young"], ["old"]]


def test_a_call_carries_no_more_than_the_limit_of_its_kind() -> None:
    driver = loaded(*[{"room": f"r{n}"} for n in range(11)], flow=Thermostats(limits={"set": 5}))

    assert [len(call) for call in leave(driver)] == [5, 5, 1]


def test_a_call_carries_one_account_and_one_kind() -> None:
    driver = loaded({"room": "a"}, {"room": "b", "account": "other"}, {"room": "c"})

    assert sorted(leave(driver)) == [["a", "c"], ["b"]]


def test_calls_are_spaced_at_the_account_s_pace() -> None:
    paces = {"main": Pace(per_second=10, reserve=0)}
    driver = loaded(*[{"room": f"r{n}"} for n in range(60)], flow=Thermostats(limits={"set": 1}), paces=paces)

    assert 10 <= len(leave(driver, 1.0)) <= 12


def test_no_two_calls_of_one_slot_overlap_and_the_newest_value_follows() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, value=20)
    driver.run(0.2, answer=None)
    first = driver.calls[0]

    driver.event(at, value=21)
    driver.event(at, value=22)
    driver.run(0.2, answer=None)
    assert driver.calls == [first]
    assert values(first) == [20]

    driver.answer(first, OK)
    driver.run(0.2, answer=None)
    assert [values(call) for call in driver.calls] == [[22]]


def test_slots_of_one_lane_are_written_side_by_side() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, device="heat")
    driver.run(0.2, answer=None)
    driver.event(at, device="fan")
    driver.run(0.2, answer=None)

    assert len(driver.calls) == 2


def test_an_exclusive_key_is_held_once_over_all_lanes_and_within_a_call() -> None:
    driver = loaded({"room": "a", "boiler": "x"}, {"room": "b", "boiler": "x"}, {"room": "c", "boiler": "y"})

    assert leave(driver) == [["a", "c"]]
    driver.answer(driver.calls[0], OK)
    driver.run(0.2, answer=None)
    assert [rooms(call) for call in driver.calls] == [["b"]]


def test_only_the_items_that_failed_are_sent_again() -> None:
    driver = loaded({"room": "a"}, {"room": "b"}, {"room": "c"})
    leave(driver)

    driver.answer(driver.calls[0], OK, Retry(reason="busy"), OK)
    driver.run(1.0, answer=None)

    assert [rooms(call) for call in driver.calls] == [["b"]]
    assert driver.calls[0].items[0].attempt == 2
    assert sorted(driver.results) == [("e0", "APPLIED"), ("e2", "APPLIED")]


def test_a_retry_waits_as_long_as_it_was_told() -> None:
    driver = loaded({"room": "a"})
    leave(driver)

    driver.answer(driver.calls[0], Retry(reason="busy", after_s=3.0))
    driver.run(2.9, answer=None)
    assert driver.calls == []

    driver.run(0.2, answer=None)
    assert len(driver.calls) == 1


def test_a_retry_keeps_its_place_before_younger_ones() -> None:
    driver = loaded({"room": "a"}, flow=Thermostats(limits={"set": 1}))
    leave(driver)
    at = next(iter(driver.marks))
    driver.auto = False
    driver.run(5, answer=None)
    driver.answer(driver.calls[0], Retry(reason="busy", after_s=0.0))
    driver.event(at, "b")
    assert driver.calls == []

    assert leave(driver) == [["a"], ["b"]]


def test_after_a_retry_the_newest_body_goes() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, value=20)
    driver.run(0.2, answer=None)
    call = driver.calls[0]
    driver.event(at, value=21)

    driver.answer(call, Retry(reason="busy"))
    driver.run(1.0, answer=None)

    assert [values(call) for call in driver.calls] == [[21]]
    assert driver.results == [("e0", "SUPERSEDED")]


def test_a_want_marked_alone_is_sent_alone_until_it_is_answered_otherwise() -> None:
    driver = loaded({"room": "a"}, {"room": "b"})
    leave(driver)
    driver.answer(driver.calls[0], Retry(reason="one of them", alone=True, after_s=0.1))

    driver.run(1.0, answer=None)
    assert sorted(rooms(call) for call in driver.calls) == [["a"], ["b"]]

    driver.answer(driver.calls[0], Retry(reason="busy", after_s=0.1))
    driver.answer(driver.calls[0], Retry(reason="busy", after_s=0.1))
    driver.run(1.0, answer=None)
    assert [sorted(rooms(call)) for call in driver.calls] == [["a", "b"]]


def test_a_want_settled_alone_may_share_calls_again() -> None:
    driver = EngineDriver(paces={"main": Pace(per_second=2, reserve=0)})
    at = driver.opened()
    driver.event(at, "a", value=1)
    driver.run(0.6, answer=None)
    driver.answer(driver.calls[0], Retry(reason="one of them", alone=True, after_s=0.1))
    driver.run(0.6, answer=None)
    driver.event(at, "a", value=2)
    driver.answer(driver.calls[0], OK)
    driver.event(at, "b")

    driver.run(0.6, answer=None)
    assert [rooms(call) for call in driver.calls] == [["a", "b"]]


def test_the_retry_budget_counts_answered_attempts_and_the_flow_learns_of_its_end() -> None:
    driver = EngineDriver(policy=Policy(retry_budget=3))
    at = driver.opened()
    driver.event(at)

    driver.run(20, answer=Retry(reason="busy", after_s=0.1))

    assert driver.results == [("e0", "FAILED")]
    attempts = [item.attempt for effect in driver.of(Call) for item in effect.items]
    assert attempts == [1, 2, 3]


def test_retries_that_do_not_count_never_use_up_the_budget() -> None:
    driver = EngineDriver(policy=Policy(retry_budget=3))
    at = driver.opened()
    driver.event(at)

    driver.run(5, answer=Retry(reason="429", after_s=0.1, counts=False))

    assert driver.results == []
    assert len(driver.of(Call)) > 10


def test_attempts_answered_while_the_account_is_closed_do_not_count() -> None:
    driver = EngineDriver(policy=Policy(retry_budget=2))
    at = driver.opened()
    driver.event(at)
    driver.run(0.2, answer=None)

    for _ in range(4):
        driver.answer(driver.calls[0], Retry(reason="401", after_s=0.0), close_account_s=1.0, closed_because="401")
        driver.run(10, answer=None)

    assert driver.results == []
    assert len(driver.calls) == 1


def test_merging_resets_neither_budget_nor_age() -> None:
    driver = EngineDriver(policy=Policy(retry_budget=3))
    at = driver.opened()
    for value in range(3):
        driver.event(at, value=value)
        driver.run(0.5, answer=None)
        driver.answer(driver.calls[0], Retry(reason="busy", after_s=0.1))
    driver.run(0.5, answer=None)

    assert driver.results[-1] == ("e2", "FAILED")


def test_a_new_event_after_the_old_ones_ended_has_a_budget_of_its_own() -> None:
    driver = EngineDriver(policy=Policy(retry_budget=2))
    at = driver.opened()
    driver.event(at)
    driver.run(3, answer=Retry(reason="busy", after_s=0.1))
    assert driver.results == [("e0", "FAILED")]

    driver.event(at)
    driver.run(0.3, answer=None)
    driver.answer(driver.calls[0], Retry(reason="busy", after_s=0.1))
    driver.run(0.3, answer=None)
    driver.answer(driver.calls[0], OK)
    driver.run(0.3)

    assert driver.results[-1] == ("e1", "APPLIED")


def test_the_budget_survives_sleep() -> None:
    """A lane that waits for long sleeps as bytes; its attempts are kept."""
    driver = EngineDriver(policy=Policy(retry_budget=2))
    at = driver.opened()
    driver.event(at)
    driver.run(0.2, answer=None)
    driver.answer(driver.calls[0], Retry(reason="busy", after_s=30.0))
    driver.run(1)
    assert driver.engine.snapshot(driver.now).lanes_awake == 0

    driver.run(31, answer=None)
    assert driver.calls[0].items[0].attempt == 2
    driver.answer(driver.calls[0], Retry(reason="busy"))
    driver.run(1)

    assert driver.results == [("e0", "FAILED")]


def test_a_want_that_was_not_sent_is_queued_again_without_an_attempt() -> None:
    driver = EngineDriver(policy=Policy(retry_budget=1))
    at = driver.opened()
    driver.event(at)
    driver.run(0.2, answer=None)

    driver.answer(driver.calls[0], NotSent(), sent=False)
    driver.run(0.2, answer=None)

    assert driver.calls[0].items[0].attempt == 1


def test_a_lost_answer_keeps_slot_and_keys_until_deadline_and_grace_are_over() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, "a", boiler="x", value=1)
    driver.run(0.2, answer=None)
    left_at_s = driver.now.mono_s
    call = driver.calls[0]
    driver.answer(call, Lost(reason="time-out"))
    driver.event(at, "a", boiler="x", value=2)
    driver.event(at, "b", boiler="x", value=3)

    driver.run(call.give_up_at_s + driver.policy.grace_s - left_at_s - 0.01, answer=None)
    assert driver.calls == []

    driver.run(0.1, answer=None)
    assert [values(call) for call in driver.calls] == [[2]]


def test_a_lost_answer_reaches_the_flow_immediately() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, chime="dinner")
    driver.run(0.5, answer=None)
    driver.answer(driver.calls[0], Lost(reason="reset"))
    driver.run(0.1)

    assert driver.results == [("e0", "UNKNOWN")]


def test_a_refusal_reaches_the_flow() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at)
    driver.run(1, answer=Settled(answer=Shown(ok=False)))

    assert driver.results == [("e0", "REFUSED")]


def test_a_call_that_is_not_full_lingers_for_more_wants() -> None:
    driver = EngineDriver(paces={"main": Pace(linger_s=0.3)})
    at = driver.opened()
    driver.event(at, "a")
    driver.run(0.2, answer=None)
    assert driver.calls == []
    driver.event(at, "b")

    driver.run(0.2, answer=None)
    assert [rooms(call) for call in driver.calls] == [["a", "b"]]


@pytest.mark.parametrize("urgent", [True, False])
def test_full_and_urgent_calls_do_not_linger(urgent: bool) -> None:
    driver = EngineDriver(paces={"main": Pace(linger_s=60)}, flow=Thermostats(limits={"set": 3}))
    at = driver.opened()
    events: list[dict[str, Any]] = [{"room": "a", "rank": 0}] if urgent else [{"room": room} for room in "abc"]
    driver.arrive(*[driver.record(at, **event) for event in events])

    driver.run(0.1, answer=None)
    assert len(driver.calls) == 1


def test_a_closed_account_sends_nothing_while_others_continue() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, "a")
    driver.run(0.1, answer=None)
    driver.answer(driver.calls[0], Retry(reason="401", counts=False), close_account_s=60.0, closed_because="401")
    driver.event(at, "b", account="other")
    driver.event(at, "c")

    driver.run(30)
    assert driver.results == [("e1", "APPLIED")]
    assert "account_closed" in [notice.event for notice in driver.of(Notice)]

    driver.run(60)
    assert "account_opened" in [notice.event for notice in driver.of(Notice)]
    assert sorted(driver.results) == [("e0", "APPLIED"), ("e1", "APPLIED"), ("e2", "APPLIED")]


def test_the_flow_gets_gave_up_instead_of_the_last_retry() -> None:
    flow = RecordingThermostats()
    driver = EngineDriver(flow=flow, policy=Policy(retry_budget=2))
    at = driver.opened()
    driver.event(at)
    driver.run(5, answer=Retry(reason="busy", after_s=0.1))

    assert flow.heard == [("kitchen", "Arrived"), ("kitchen", "Answered")]


def test_an_answer_that_arrives_twice_counts_once() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at)
    driver.run(0.1, answer=None)
    call = driver.calls[0]
    driver.answer(call, OK)
    driver.answer(call, OK)
    driver.run(1)

    assert driver.results == [("e0", "APPLIED")]


def test_a_want_of_an_unconfigured_account_is_a_bug_that_names_it() -> None:
    driver = EngineDriver()
    at = driver.opened()
    with pytest.raises(ValueError, match="nobody"):
        driver.event(at, account="nobody")


def many(driver: EngineDriver, n: int, **event: object) -> None:
    at = next(iter(driver.marks))
    driver.arrive(*[driver.record(at, f"room-{i}", **event) for i in range(n)])  # type: ignore[arg-type]


def test_calls_in_flight_are_bounded_by_workers_and_missed_slots_are_not_caught_up() -> None:
    flow, policy = Thermostats(limits={"set": 1}), Policy(max_calls=5, urgent_calls=0)
    driver = EngineDriver(flow=flow, policy=policy)
    driver.opened()
    many(driver, 20)
    driver.run(2, answer=None)
    assert len(driver.calls) == 5
    assert driver.engine.wake_at_s() > driver.now.mono_s + 0.1, "it does not spin while it waits for a worker"

    for call in tuple(driver.calls):
        driver.answer(call, OK)
    assert len(driver.calls) <= 2, "slots that were missed are not caught up"
    driver.run(0.1, answer=None)
    assert len(driver.calls) == 5


def test_the_last_workers_are_kept_for_priority_zero() -> None:
    flow, policy = Thermostats(limits={"set": 1}), Policy(max_calls=5, urgent_calls=2)
    driver = EngineDriver(flow=flow, policy=policy)
    at = driver.opened()
    many(driver, 20)
    driver.run(1, answer=None)
    assert len(driver.calls) == 3
    assert driver.engine.wake_at_s() > driver.now.mono_s + 0.1

    for room in ("x", "y", "z"):
        driver.event(at, room, rank=0)
    driver.run(1, answer=None)

    assert [rooms(call) for call in driver.calls[3:]] == [["x"], ["y"]]


def test_the_rest_of_a_quota_is_kept_for_priority_zero_until_it_is_renewed() -> None:
    driver = EngineDriver(flow=Thermostats(limits={"set": 1}))
    at = driver.opened()
    driver.event(at, "first")
    driver.answer(driver.calls[0], OK, reserve_until_s=driver.now.mono_s + 3.0)
    driver.event(at, "later", rank=3)
    driver.event(at, "worst", rank=0)
    driver.run(2.9, answer=None)
    assert [rooms(call) for call in driver.calls] == [["worst"]]
    assert "priority 0" in driver.engine.snapshot(driver.now).accounts["main"].valve

    driver.run(0.2, answer=None)
    assert [rooms(call) for call in driver.calls] == [["worst"], ["later"]]


def test_an_absurdly_long_quota_reserve_is_bounded() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, "first")
    driver.answer(driver.calls[0], OK, reserve_until_s=1e12)
    driver.event(at, "later", rank=3)

    driver.run(301)

    assert [status for _, status in driver.results] == ["APPLIED", "APPLIED"]


@pytest.mark.parametrize("urgent", [-1, 4])
def test_workers_kept_for_priority_zero_are_fewer_than_all(urgent: int) -> None:
    with pytest.raises(ValueError, match="urgent_calls"):
        Policy(max_calls=4, urgent_calls=urgent)


def test_a_call_says_since_when_each_of_its_items_waits() -> None:
    driver = EngineDriver()
    at = driver.opened()
    arrived_us = driver.now.wall_us

    driver.event(at)
    driver.step(1.0)

    [call] = driver.calls
    assert [item.since_us for item in call.items] == [arrived_us]


def answering(driver: EngineDriver, seconds: float, fails: Callable[[Call], bool]) -> None:
    """Lets time pass; calls are answered after at most a tenth of a second, and fail if ``fails`` returns True."""
    until_s = driver.now.mono_s + seconds
    while driver.now.mono_s < until_s:
        for call in tuple(driver.calls):
            bad = fails(call)
            driver.answer(call, Retry(reason="HTTP 500", alone=bad) if bad else OK, failed=bad)
        driver.run(0.1, answer=None)


def in_outage(driver: EngineDriver, seconds: float, poison: str = "") -> None:
    """Lets all calls fail for this long, then only those with ``poison``, while other events arrive now and then."""
    answering(driver, seconds, lambda _: True)
    for _ in range(60):
        driver.event(next(iter(driver.marks)), "other", value=driver.next_offset)
        answering(driver, 4.0, lambda call: poison in rooms(call))


def test_an_item_that_always_fails_is_not_always_the_probe() -> None:
    driver = EngineDriver(flow=Thermostats(limits={"set": 1}))
    at = driver.opened()
    driver.event(at, "poison", rank=0)
    many(driver, 12)

    in_outage(driver, 20, "poison")

    ended = dict(driver.results)
    assert {ended[f"e{n}"] for n in range(1, 13)} == {"APPLIED"}
    assert ("e0", "FAILED") in driver.results, "and once the account is open its own failures count"


@pytest.mark.slow
@pytest.mark.parametrize("events", [1, 2, 5])
def test_an_outage_of_an_hour_uses_up_no_budget(events: int) -> None:
    driver = EngineDriver(flow=Thermostats(limits={"set": 1}))
    driver.opened()
    many(driver, events)

    in_outage(driver, 3_600)

    ended = dict(driver.results)
    assert {ended[f"e{n}"] for n in range(events)} == {"APPLIED"}
    assert len(driver.of(Call)) < 1_000 + len(driver.results)


def test_one_item_that_always_fails_does_not_hold_up_the_others_for_long() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, "poison")
    waited_s: list[float] = []
    for n in range(1, 40):
        answering(driver, 10, lambda call: "poison" in rooms(call))
        driver.event(at, f"room-{n}")
        asked_s = driver.now.mono_s
        while (f"e{n}", "APPLIED") not in driver.results:
            answering(driver, 0.1, lambda call: "poison" in rooms(call))
        waited_s.append(driver.now.mono_s - asked_s)

    assert max(waited_s) < 6


GROUPED = {"main": Pace(per_second=50, groups={"writes": 10.0})}


def grouped() -> EngineDriver:
    driver = EngineDriver(flow=Thermostats(limits={"set": 1, "chime": 1}, groups={"set": "writes"}), paces=GROUPED)
    driver.opened()
    return driver


def test_a_group_of_endpoints_has_a_pace_of_its_own_and_the_others_use_what_is_left() -> None:
    driver = grouped()
    at = next(iter(driver.marks))
    driver.arrive(*[driver.record(at, f"room-{n}", rank=1) for n in range(60)])
    driver.arrive(*[driver.record(at, f"hall-{n}", rank=5, chime="ding") for n in range(60)])

    driver.run(1, answer=None)

    kinds = [call.kind for call in driver.calls]
    assert 9 <= kinds.count("set") <= 12, "the more harmful wait for their group"
    assert 35 <= kinds.count("chime") <= 42, "and keep nobody else from going"


def test_calls_of_a_group_count_in_the_account_too() -> None:
    driver = EngineDriver(
        flow=Thermostats(limits={"set": 1}, groups={"set": "writes"}),
        paces={"main": Pace(per_second=10, groups={"writes": 100.0})},
    )
    driver.opened()
    many(driver, 40)

    driver.run(1, answer=None)

    assert 9 <= len(driver.calls) <= 12


def test_a_group_s_pace_has_the_same_share_as_the_account_s() -> None:
    flow = Thermostats(limits={"set": 1}, groups={"set": "writes"})
    shares = {"setpoints": Share(weight=1.0, partitions=2)}
    driver = EngineDriver(flow=flow, paces=GROUPED, shares=shares)
    driver.opened(partitions=2)
    many(driver, 40)

    driver.run(2, answer=None)

    assert 9 <= len(driver.calls) <= 12


def test_an_engine_whose_wants_wait_for_their_group_does_not_spin() -> None:
    driver = grouped()
    many(driver, 2_000)
    driver.run(2, answer=None)

    assert driver.engine.snapshot(driver.now).lanes_asleep > 500
    assert driver.engine.wake_at_s() > driver.now.mono_s


def test_a_429_slows_down_the_group_of_endpoints_too() -> None:
    driver = grouped()
    many(driver, 60)
    driver.run(0.2, answer=None)
    driver.answer(driver.calls[0], Retry(reason="429", counts=False), slow_down=True)
    driver.calls.clear()

    driver.run(1, answer=None)

    assert len(driver.calls) <= 7


def test_a_group_without_a_pace_is_nonsense() -> None:
    with pytest.raises(ValueError, match="pace of writes"):
        Pace(groups={"writes": 0.0})
