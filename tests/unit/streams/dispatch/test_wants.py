"""``Wants`` used directly, for cases that the flows of the tests do not produce."""

from dataclasses import replace

import pytest

from streams.dispatch.wants import Wants
from streams.flow import Assignment, Retry, Waits, Want
from streams.lanes.heap import SWEEP_AT_LEAST
from streams.lanes.lane import Lane, PendingWant, SleepingLane
from streams.policy import Pace, Policy

ONE = Assignment(topic="in", partition=0, epoch=1)
TWO = Assignment(topic="in", partition=1, epoch=2)


def want(*, since_us: int = 1, kind: str = "k", priority: int = 3) -> Want:
    return Want(slot="s", account="x", kind=kind, priority=priority, since_us=since_us, body=since_us)


def wants_of(budget: int = 2) -> Wants:
    wants = Wants(Policy(retry_budget=budget), {"x": Pace()})
    wants.admit(ONE, 0.0)
    wants.admit(TWO, 0.0)
    return wants


def update(wants: Wants, lane: Lane, *wanted: Want, at: Assignment = ONE) -> None:
    lane.wants = wanted
    wants.update(at, lane, wanted, lambda kind: 5, 0.0)


def tried(wants: Wants, lane: Lane, attempt: int) -> bool:
    [pending] = wants.take("x", 100.0)
    assert wants.retries.attempt(pending) == attempt
    wants.release([("in", lane.key, "s")], 0.0)
    return wants.retry(pending, Retry(reason="busy", after_s=0.0), attempt, 0.0, counts=True)


def test_the_budget_belongs_to_the_oldest_undone_event_and_not_to_the_slot() -> None:
    wants, lane = wants_of(budget=2), Lane("a", None)
    update(wants, lane, want(since_us=1))
    assert tried(wants, lane, 1)

    update(wants, lane, want(since_us=2))

    assert tried(wants, lane, 1)
    assert not tried(wants, lane, 2)


def test_attempts_are_of_one_kind_and_the_budget_is_of_all() -> None:
    wants, lane = wants_of(budget=2), Lane("a", None)
    update(wants, lane, want(kind="look-up"))
    assert tried(wants, lane, 1)

    update(wants, lane, want(kind="update"))

    assert not tried(wants, lane, 1)


def test_two_wants_of_one_slot_are_a_bug() -> None:
    with pytest.raises(ValueError, match="two things of slot s"):
        update(wants_of(), Lane("a", None), want(since_us=1), want(since_us=2))


def test_a_want_that_was_dropped_and_wanted_again_starts_over() -> None:
    wants, lane = wants_of(budget=2), Lane("a", None)
    update(wants, lane, want())
    assert tried(wants, lane, 1)

    update(wants, lane)
    update(wants, lane, want())

    assert tried(wants, lane, 1)


def sleeper(at: Assignment, priority: int, *, since_us: int = 1) -> SleepingLane:
    waits = (Waits(account="x", priority=priority, since_us=since_us),)
    return SleepingLane(at, f"{at.partition}", True, None, waits, restored=False)


def admit(wants: Wants, *rests: SleepingLane) -> None:
    """Adds lanes that were restored asleep, and opens their partitions."""
    for rest in rests:
        wants.add_sleeping(rest, 0.0)
        wants.admit(rest.at, 0.0)


def test_a_draining_partition_does_not_keep_sleeping_lanes_of_others_from_waking() -> None:
    wants = Wants(Policy(), {"x": Pace()})
    harmful, other = sleeper(ONE, 0), sleeper(TWO, 5)
    admit(wants, harmful, other)
    assert wants.to_wake("x", 1.0) is harmful

    wants.block(ONE)

    assert wants.to_wake("x", 1.0) is other
    assert wants.waiting("x") == ({5: 1}, 0)


def test_a_lane_with_wants_of_two_accounts_is_woken_once() -> None:
    wants = Wants(Policy(), {"x": Pace(), "y": Pace()})
    waits = (Waits(account="x", priority=1, since_us=1), Waits(account="y", priority=1, since_us=1))
    rest = SleepingLane(ONE, "a", True, None, waits, restored=False)
    admit(wants, rest)
    wants.wake(rest)

    assert wants.to_wake("x", 1.0) is None
    assert wants.to_wake("y", 1.0) is None


def test_a_heap_of_dead_entries_is_swept() -> None:
    wants, lane = wants_of(), Lane("a", None)
    for since_us in range(1_000):
        update(wants, lane, want(since_us=since_us))

    [queue] = wants.accounts["x"].queues.values()
    assert len(queue.heap) < 100
    assert len(wants.take("x", 0.0)) == 1


def test_a_lane_that_wakes_and_sleeps_repeatedly_keeps_one_entry() -> None:
    wants = Wants(Policy(), {"x": Pace()})
    admit(wants, sleeper(ONE, 0))
    for since_us in range(10_000):
        again = sleeper(TWO, 5, since_us=since_us)
        admit(wants, again)
        wants.wake(again)

    assert len(wants.accounts["x"].sleeping[TWO, False, 0]) <= 1.25 * SWEEP_AT_LEAST + 1


def test_a_sleeping_lane_of_an_unknown_account_waits_for_no_account() -> None:
    wants = Wants(Policy(), {"x": Pace()})
    rest = SleepingLane(ONE, "a", True, 0, (Waits(account="gone", priority=1, since_us=1),), restored=True)
    admit(wants, rest)
    wants.wake(rest)

    assert wants.to_wake("x", 1.0) is None


def test_a_want_that_becomes_once_waits_for_its_own_announcement() -> None:
    wants, lane = wants_of(), Lane("a", None)
    update(wants, lane, want())
    lane.durable_version = lane.version
    lane.version += 1

    update(wants, lane, replace(want(), once=True))
    assert wants.take("x", 0.0) == []

    [pending] = announced(wants)
    assert wants.take("x", 0.0) == []
    lane.durable_version = lane.version
    wants.durable(ONE, lane, 0.0)
    assert wants.take("x", 0.0) == [pending]


def announced(wants: Wants, calls: int = 1) -> list[PendingWant]:
    return wants.announce("x", 0.0, ahead=lambda _: calls)


def test_announcements_are_limited_and_made_in_order_of_priority() -> None:
    wants = Wants(Policy(), {"x": Pace()})
    wants.admit(ONE, 0.0)
    lanes = [Lane(f"lane {priority}", None) for priority in range(4)]
    for priority, lane in enumerate(lanes):
        wants.update(ONE, lane, [replace(want(priority=priority), once=True)], lambda kind: 1, 0.0)

    assert [pending.lane for pending in announced(wants, 2)] == lanes[:2]
    assert announced(wants, 2) == []

    wants.take_back([pending for lane in lanes for pending in lane.pending.values()], 0.0)
    assert [lane.announced for lane in lanes] == [frozenset()] * 4
    assert [pending.lane for pending in announced(wants, 3)] == lanes[:3]


def test_an_announcement_is_valid_for_its_own_call_only() -> None:
    wants, lane = wants_of(), Lane("a", None)
    update(wants, lane, replace(want(), once=True))
    [pending] = announced(wants)
    lane.durable_version = lane.version

    update(wants, lane, replace(want(), once=True, priority=1))
    assert wants.take("x", 0.0) == [pending], "another priority is the same call"
    assert lane.announced == {"s"}

    wants.release([("in", lane.key, "s")], 0.0)
    wants.again(pending, 0.0)
    assert announced(wants) == [pending]
    lane.durable_version = lane.version
    update(wants, lane, replace(want(), once=True, body="another"))
    assert (wants.take("x", 0.0), lane.announced) == ([], frozenset())


def test_a_dropped_want_is_no_longer_announced_unless_it_is_in_flight() -> None:
    wants, lane = wants_of(), Lane("a", None)
    update(wants, lane, replace(want(), once=True))
    announced(wants)
    update(wants, lane)
    assert lane.announced == frozenset()

    update(wants, lane, replace(want(), once=True))
    announced(wants)
    lane.durable_version = lane.version
    wants.durable(ONE, lane, 0.0)
    [pending] = wants.take("x", 0.0)
    update(wants, lane)
    assert lane.announced == {"s"}

    wants.answered(pending, 1, lost=False)
    assert lane.announced == frozenset()
