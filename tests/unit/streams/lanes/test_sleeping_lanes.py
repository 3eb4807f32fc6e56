"""Lanes sleep as bytes when nothing is lost by it, and are woken by priority; stalls and background work."""

import sys
from dataclasses import replace
from itertools import pairwise

import pytest

from streams.flow import BACKGROUND, Arrived, Call, Cause, Now, Output, Retry, Stored, Turn, Waits, Want
from streams.lanes.heap import SWEEP_AT_LEAST
from streams.lanes.record_headers import headers_of, stored_of, waits_of
from streams.lanes.sleeping_lanes import queue_key, set_aside_key
from streams.messages import Arrivals, Delayed, Notice, Reread
from streams.policy import Pace, Policy, Share
from tests.harness.engine_driver import WALL_US, EngineDriver, RecordingThermostats, rooms
from tests.harness.toy_flow import Room, Thermostats


def awake(driver: EngineDriver) -> int:
    return driver.engine.snapshot(driver.now).lanes_awake


def test_a_lane_sleeps_once_its_turns_are_durable_and_no_call_is_in_flight() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.auto = False
    driver.event(at)
    driver.run(0.05, answer=None)
    driver.answer_all()
    driver.run(0.5)
    driver.write()
    assert awake(driver) == 1, "the turn of the answer is not durable yet"

    driver.run(1.5)
    driver.write()
    assert awake(driver) == 0


def test_a_lane_with_a_call_in_flight_stays_awake() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at)
    driver.run(5, answer=None)

    assert awake(driver) == 1


def test_a_lane_with_a_call_in_flight_stays_awake_however_many_others_wait() -> None:
    driver = EngineDriver(flow=Thermostats(limits={"set": 1}), paces={"main": Pace(per_second=1, reserve=0)})
    at = driver.opened()
    driver.run(1)
    driver.auto = False
    driver.arrive(driver.record(at, "a", rank=0), *[driver.record(at, f"r{n}") for n in range(500)])
    assert rooms(driver.calls[0]) == ["a"]
    driver.auto = True
    if driver.engine.snapshot(driver.now).checkpoint_on_way:
        driver.write()
    driver.run(0.5, answer=None)

    lanes = next(iter(driver.engine._partitions.values())).lanes
    assert "a" in lanes.awake
    assert len(lanes.awake) < 200


def test_a_paused_account_s_lanes_sleep_but_for_those_that_are_near() -> None:
    driver = EngineDriver(paces={"main": Pace(), "other": Pace()})
    at = driver.opened()
    driver.event(at, "first")
    driver.run(0.1, answer=None)
    driver.answer(driver.calls[0], Retry(reason="401", counts=False), close_account_s=300.0, closed_because="401")

    driver.arrive(*[driver.record(at, f"r{n}") for n in range(1_000)])
    driver.run(5)

    snapshot = driver.engine.snapshot(driver.now)
    assert snapshot.lanes_undone == 1_001
    assert snapshot.lanes_awake <= 4 * 32 + 1
    assert snapshot.accounts["main"].wants_by_rank == {3: 1_001}

    driver.run(900)
    assert driver.engine.snapshot(driver.now).lanes_undone == 0
    assert len(driver.results) == 1_001


def test_lanes_sleep_while_their_partition_catches_up() -> None:
    driver = EngineDriver()
    at = driver.assign(end=1_000)

    driver.arrive(*[driver.record(at, f"r{n}") for n in range(999)])
    driver.run(3)

    snapshot = driver.engine.snapshot(driver.now)
    assert snapshot.lanes_undone == 999
    assert snapshot.lanes_awake <= 4 * 32


def test_sleeping_lanes_are_woken_by_priority() -> None:
    driver = EngineDriver(flow=Thermostats(limits={"set": 1}))
    at = driver.opened()
    driver.event(at, "first")
    driver.run(0.1, answer=None)
    driver.answer(driver.calls[0], Retry(reason="401", counts=False), close_account_s=30.0, closed_because="401")
    driver.arrive(*[driver.record(at, f"r{n}", rank=5) for n in range(300)])
    driver.arrive(driver.record(at, "worst", rank=0), driver.record(at, "bad", rank=1))
    driver.run(2)
    assert awake(driver) < 200

    driver.effects.clear()
    driver.run(60)

    assert [rooms(call)[0] for call in driver.of(Call)][:3] == ["worst", "bad", "first"]


def test_a_more_urgent_sleeping_lane_is_woken_before_those_awake_are_sent() -> None:
    """The sleeping lane's call leaves first, although enough others are awake."""
    first = EngineDriver()
    at = first.opened()
    first.event(at, "worst", rank=0)
    first.run(0.3, answer=None)

    second = EngineDriver(flow=Thermostats(limits={"set": 1}), boot_us=1_000)
    second.next_offset = 1
    taken = second.assign(mark=replace(first.marks[at], drained=True), state=first.state, end=200)
    second.arrive(*[second.record(taken, f"r{n}", rank=5) for n in range(199)])
    second.run(1.1, answer=None)

    assert rooms(second.calls[0]) == ["worst"]


def test_lanes_do_not_wake_and_sleep_in_turn() -> None:
    flow = RecordingThermostats(limits={"set": 1})
    driver = EngineDriver(flow=flow, paces={"main": Pace(per_second=5)})
    at = driver.opened()
    driver.arrive(*[driver.record(at, f"r{n}") for n in range(400)])

    driver.run(120)

    assert len(driver.results) == 400
    assert len([cause for _, cause in flow.heard if cause == "Woken"]) <= 400


def test_a_restored_lane_gets_the_cause_restored_first_and_once() -> None:
    first = EngineDriver()
    at = first.opened()
    first.event(at, value=1)
    first.run(0.3, answer=None)

    flow = RecordingThermostats()
    second = EngineDriver(flow=flow, boot_us=1_000)
    second.next_offset = 1
    taken = second.assign(mark=first.marks[at], state=first.state)
    second.event(taken, value=2)
    second.event(taken, value=3)

    assert [cause for _, cause in flow.heard] == ["Restored", "Arrived", "Arrived"]


def test_a_done_lane_of_a_predecessor_gets_no_restored_cause() -> None:
    flow = RecordingThermostats()
    driver = EngineDriver(flow=flow)
    at = driver.opened(state={"kitchen": Stored(value=flow.store(Room(key="kitchen", heard=1)).value)})
    driver.event(at)

    assert [cause for _, cause in flow.heard] == ["Arrived"]


def test_a_done_lane_with_a_timer_is_woken_without_a_restored_cause() -> None:
    flow = RecordingThermostats()
    value = flow.store(Room(key="kitchen", heard=1)).value
    driver = EngineDriver(flow=flow)
    driver.opened(state={"kitchen": Stored(value=value, due_us=driver.now.wall_us + 2_000_000)})
    assert flow.heard == []

    driver.run(3)
    assert flow.heard == [("kitchen", "Woken")]


class Postponing(RecordingThermostats):
    """A flow whose lanes are woken once, at the second that their last event names."""

    def turn(self, lane: Room, cause: Cause, now: Now) -> Turn[Room]:
        at_us = WALL_US + cause.event.value * 1_000_000 if isinstance(cause, Arrived) else None
        return replace(super().turn(lane, cause, now), wants=(), wake_at_us=at_us)


def test_a_timer_that_was_moved_fires_at_its_last_moment_only() -> None:
    flow = Postponing()
    driver = EngineDriver(flow=flow)
    at = driver.opened()
    driver.event(at, value=10)
    driver.event(at, value=20)

    driver.run(15)
    assert "Woken" not in [cause for _, cause in flow.heard]

    driver.run(10)
    assert [cause for _, cause in flow.heard].count("Woken") == 1


def test_a_timer_that_is_moved_again_and_again_costs_one_entry_and_fires_once() -> None:
    flow = Postponing()
    driver = EngineDriver(flow=flow)
    at = driver.opened()
    for n in range(5_000):
        driver.event(at, value=100 + n % 50)

    [assigned] = driver.engine._partitions.values()
    assert len(assigned.lanes._timers) <= 1.25 * SWEEP_AT_LEAST + 1
    driver.run(160)
    assert len(assigned.lanes._timers) == 0
    assert [cause for _, cause in flow.heard].count("Woken") == 1


def test_a_sleeping_lane_is_never_decoded() -> None:
    loaded: list[str] = []

    class Loading(Thermostats):
        def load(self, key: str, stored: bytes | None) -> Room:
            loaded.append(key)
            return super().load(key, stored)

    flow = Loading()
    value = flow.store(Room(key="r", heard=1)).value
    driver = EngineDriver(flow=flow)
    at = driver.opened(state={f"r{n}": Stored(value=value) for n in range(100)})
    driver.event(at, "r5")
    driver.run(5)

    assert loaded == ["r5"]


class CountingLoads(Thermostats):
    """Notes the stored lanes that it is asked to decode."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def load(self, key: str, stored: bytes | None) -> Room:
        if stored is not None:
            self.loaded.append(key)
        return super().load(key, stored)


def test_the_lanes_that_fell_asleep_last_are_woken_without_being_decoded() -> None:
    driver = EngineDriver(flow=(flow := CountingLoads()), policy=Policy(kept_decoded=2))
    at = driver.opened()
    for room in ("a", "b", "a", "c", "b"):  # a is the first to leave
        driver.event(at, room)
        driver.run(5)
    assert (awake(driver), flow.loaded) == (0, ["b"])

    lanes = next(iter(driver.engine._partitions.values())).lanes
    assert list(lanes._decoded) == ["c", "b"]
    stored = {key: Thermostats.load(flow, key, lanes._values.pop(key)[6:]) for key in lanes._decoded}  # type: ignore[index]
    assert stored == lanes._decoded, "what is kept is what the bytes say"


def test_a_sleeping_lane_that_is_done_costs_its_bytes_and_its_part_of_a_page() -> None:
    driver = EngineDriver(policy=Policy(max_awake=9, near=1))
    at = driver.opened()
    for start in range(0, 2_000, 100):
        driver.arrive(*[driver.record(at, f"r{start + n}") for n in range(100)])
        driver.run(2)

    lanes = next(iter(driver.engine._partitions.values())).lanes
    assert lanes.asleep == 2_000
    assert (len(lanes.sleeping), len(lanes.awake)) == (0, 0)
    pages = lanes._values._pages
    beside_bytes = (sys.getsizeof(pages) + sum(map(sys.getsizeof, pages)) - sum(map(len, pages))) / lanes.asleep
    assert beside_bytes < 30


def test_messages_to_other_lanes_are_in_the_same_checkpoint() -> None:
    driver = EngineDriver(auto=False)
    at = driver.assign()
    driver.write()
    driver.run(1.2, answer=None)
    driver.event(at, "kitchen", zone="north")
    driver.run(0.2, answer=None)

    outputs = driver.checkpoints[-1].outputs[at]
    assert {b"kitchen", b"zone:north"} <= {output.key for output in outputs if output.topic == "rooms"}


def test_a_lane_that_tells_others_is_written_after_them_whatever_changed_first() -> None:
    driver = EngineDriver(auto=False)
    at = driver.assign()
    driver.write()
    driver.run(1.2, answer=None)
    driver.arrive(driver.record(at, "kitchen", zone="north"), driver.record(at, "hall"), driver.record(at, "kitchen"))
    driver.run(0.2, answer=None)

    lanes = [output.key for output in driver.checkpoints[-1].outputs[at] if output.topic == "rooms"]
    assert lanes[-1] == b"kitchen"
    assert set(lanes) == {b"kitchen", b"zone:north", b"hall"}


class Forgetful(Thermostats):
    """A flow that stores nothing for a lane that got two messages."""

    def store(self, lane: Room) -> Stored:
        return Stored(value=None) if lane.heard >= 2 else super().store(lane)


def test_a_blank_lane_leaves_a_tombstone_only_if_it_was_stored() -> None:
    driver = EngineDriver(flow=Forgetful())
    at = driver.opened()
    for _ in range(2):
        driver.event(at, "kitchen", zone="north")
        driver.run(0.5)

    of_zone = [value is None for key, value in driver.topics["rooms"] if key == b"zone:north"]
    assert of_zone == [False, True]

    fresh = EngineDriver(flow=Forgetful())
    at = fresh.opened()
    fresh.arrive(*[fresh.record(at, "kitchen", zone="north") for _ in range(2)])
    fresh.run(0.5)
    assert b"zone:north" not in [key for key, _ in fresh.topics["rooms"]]


def test_a_lane_with_an_unchanged_record_is_not_written_again() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, "kitchen", id="same", at=1, device="heat")
    driver.run(0.5, answer=None)
    before = len(driver.topics["rooms"])

    driver.event(at, "kitchen", id="same", at=1, device="heat")
    driver.run(0.5, answer=None)

    assert len(driver.topics["rooms"]) == before


def test_a_lane_that_is_undone_and_stores_nothing_is_a_bug() -> None:
    class Losing(Thermostats):
        def store(self, lane: Room) -> Stored:
            return Stored(value=None, undone=True)

    driver = EngineDriver(flow=Losing())
    at = driver.opened()
    with pytest.raises(ValueError, match="would be lost"):
        driver.event(at)


def test_headers_show_what_a_sleeping_lane_waits_for() -> None:
    stored = Stored(
        value=b"v",
        undone=True,
        open_since_us=4,
        due_us=17,
        waits=(Waits(account="main", priority=3, since_us=5), Waits(account="o p", priority=0, since_us=9)),
        announced=("a;b", "č d"),
    )

    headers = headers_of(stored)
    assert headers == (
        ("undone", b"1"),
        ("open", b"4"),
        ("due", b"17"),
        ("waits", b"main 3 5;o p 0 9"),
        ("announced", b"a;b"),
        ("announced", "č d".encode()),
    )
    assert stored_of(b"v", headers) == stored
    assert stored_of(b"v", ()) == Stored(value=b"v")


def test_waits_have_the_most_urgent_priority_and_the_oldest_age_of_each_account() -> None:
    def want(slot: str, account: str, priority: int, since_us: int) -> Want:
        return Want(slot=slot, account=account, kind="k", priority=priority, since_us=since_us, body=None)

    wants = (want("a", "y", 4, 10), want("b", "x", 2, 30), want("c", "y", 5, 3))

    assert waits_of(wants) == (Waits(account="x", priority=2, since_us=30), Waits(account="y", priority=4, since_us=3))


def test_state_goes_to_the_partition_number_of_the_input() -> None:
    driver = EngineDriver()
    at = driver.opened(partition=0)
    driver.event(at)
    driver.run(0.5)
    outputs: list[Output] = [o for c in driver.written for each in c.outputs.values() for o in each]

    assert {output.partition for output in outputs if output.topic == "rooms"} == {0}
    assert {output.partition for output in outputs if output.topic == "settings"} == {None}


class Stuck(Thermostats):
    """A flow whose lanes are undone, without wants or timers."""

    def turn(self, lane: Room, cause: Cause, now: Now) -> Turn[Room]:
        return replace(super().turn(lane, cause, now), wants=())


def test_an_undone_lane_that_nothing_explains_gets_one_more_turn_and_then_the_process_fails() -> None:
    driver = EngineDriver(flow=Stuck(), policy=Policy(stall_s=60))
    at = driver.opened()
    driver.event(at)

    driver.run(55)
    assert driver.notices == []

    driver.run(20)
    assert "giving it one more turn" in str(driver.notices[0].fields["reason"])
    assert driver.stops == []

    driver.run(80)
    assert "lane kitchen is undone" in driver.stops[0].reason


def test_lag_without_progress_is_logged_and_then_stops_the_process() -> None:
    driver = EngineDriver(policy=Policy(stall_s=60))
    at = driver.opened()
    driver.arrive(driver.record(at), end=1_000)

    driver.run(80)
    assert [(notice.event, notice.level) for notice in driver.notices][-1] == ("partition_stalled", "error")
    assert driver.stops == []

    driver.run(80)
    assert driver.stops[0].failed
    assert "makes no progress" in driver.stops[0].reason


def test_a_partition_without_progress_is_fetched_again_with_growing_waits() -> None:
    driver = EngineDriver(policy=Policy(stall_s=60))
    at = driver.opened()
    driver.arrive(driver.record(at), end=1_000)

    driver.run(9)
    assert driver.of(Reread) == []

    driver.run(7)
    assert [effect.parts for effect in driver.of(Reread)] == [{at}]
    [said] = [notice for notice in driver.of(Notice) if notice.event == "partition_stalled"]
    assert said.level == "warning"
    assert "fetching it again" in str(said.fields["reason"])

    driver.run(30)
    assert len(driver.of(Reread)) == 3
    driver.arrive(driver.record(at), end=1_000)
    driver.run(9)
    assert len(driver.of(Reread)) == 3, "it has moved"

    driver.run(7)
    assert len(driver.of(Reread)) == 4


def test_a_partition_that_is_not_read_is_not_fetched_again() -> None:
    driver = EngineDriver(policy=Policy(stall_s=60))
    at = driver.opened()
    driver.event(at, schema=7)

    driver.run(50)

    assert driver.of(Reread) == []


def test_a_partition_queued_behind_others_is_no_stall_until_they_are_read() -> None:
    driver = EngineDriver(
        policy=Policy(stall_s=60, max_outputs=4), shares={"setpoints": Share(weight=1.0, partitions=2)}
    )
    first, second = (driver.opened(partition=number, partitions=2) for number in (0, 1))
    driver.feed(Arrivals(ends={second: 1_000_000}))

    for _ in range(200):
        driver.arrive(*(driver.record(first, f"room {number}") for number in range(6)), end=1_000_000)
        driver.run(1)
    assert driver.notices == []
    assert driver.stops == []

    driver.run(200)
    assert "makes no progress" in driver.stops[0].reason


def test_a_partition_behind_a_backlog_in_the_clients_queue_is_no_stall_and_is_not_fetched_again() -> None:
    driver = EngineDriver(policy=Policy(stall_s=60), shares={"setpoints": Share(weight=1.0, partitions=2)})
    first, second = (driver.opened(partition=number, partitions=2) for number in (0, 1))
    driver.feed(Arrivals(ends={first: 400, second: 1_000}))

    for second_of in range(400):
        driver.arrive(driver.record(first), end=400 + second_of)
        driver.run(1)
    assert driver.of(Reread) == []
    assert driver.notices == []
    assert driver.stops == []

    for second_of in range(30):  # records that arrive later are not before it in the queue
        driver.arrive(driver.record(first), end=800 + second_of)
        driver.run(1)
    assert {at for effect in driver.of(Reread) for at in effect.parts} == {second}
    driver.run(60)
    assert "partition 1" in driver.stops[0].reason
    assert "makes no progress" in driver.stops[0].reason


def test_lag_explained_by_a_missing_schema_is_logged_again_and_never_fatal() -> None:
    driver = EngineDriver(policy=Policy(stall_s=60))
    at = driver.opened()
    driver.event(at, schema=7)

    driver.run(400)

    assert driver.stops == []
    assert len(driver.notices) >= 2
    assert "records wait for 7" in str(driver.notices[0].fields["reason"])


def test_lag_of_a_partition_without_a_leader_is_logged_and_never_fatal() -> None:
    driver = EngineDriver(policy=Policy(stall_s=60))
    at = driver.opened()
    driver.feed(Arrivals(ends={at: 5}))
    driver.feed(Arrivals(leaderless={at: "Broker: Leader not available"}))

    driver.run(600)
    assert driver.stops == []
    assert "it has no leader" in str([notice.fields["reason"] for notice in driver.notices])

    driver.feed(Arrivals(ends={at: 5}))
    driver.run(200)
    assert len(driver.stops) == 1, "a partition that has a leader and does not move is a stall"


def held_back(driver: EngineDriver) -> list[Notice]:
    return [notice for notice in driver.of(Notice) if notice.event == "records_held_back"]


def test_offsets_behind_an_open_transaction_are_reported_after_ten_seconds() -> None:
    driver = EngineDriver(policy=Policy(stall_s=60))
    at = driver.opened()
    driver.feed(Arrivals(ends={at: 0}, log_ends={at: 30}))

    driver.run(9)
    assert held_back(driver) == []

    driver.run(7)
    [said] = held_back(driver)
    assert (said.level, said.fields["topic"], said.fields["offsets"]) == ("warning", at.topic, 30)
    seen = driver.engine.snapshot(driver.now).partitions[0]
    assert (seen.lag, seen.held_back, seen.held_back_age_s >= 10) == (0, 30, True)

    driver.run(70)
    assert len(held_back(driver)) == 2, "it is said again"
    assert driver.stops == []


def test_offsets_that_become_readable_soon_are_not_reported() -> None:
    driver = EngineDriver(policy=Policy(stall_s=60))
    at = driver.opened()
    for second in range(60):  # a producer whose transactions are short: the stable offset moves
        driver.arrive(driver.record(at), end=second + 1)
        driver.feed(Arrivals(ends={at: second + 1}, log_ends={at: second + 3}))
        driver.run(1)

    assert held_back(driver) == []


def test_a_transaction_that_has_ended_holds_nothing_back_any_more() -> None:
    driver = EngineDriver(policy=Policy(stall_s=60))
    at = driver.opened()
    driver.feed(Arrivals(ends={at: 0}, log_ends={at: 30}))
    driver.run(20)
    driver.arrive(driver.record(at), end=1)
    driver.feed(Arrivals(ends={at: 1}, log_ends={at: 1}))

    seen = driver.engine.snapshot(driver.now).partitions[0]
    assert (seen.held_back, seen.held_back_age_s) == (0, 0.0)
    driver.run(100)
    assert len(held_back(driver)) == 1


def waiting_for_a_checkpoint() -> EngineDriver:
    """Returns a driver with lag and a checkpoint that does not become durable."""
    driver = EngineDriver(policy=Policy(stall_s=60))
    at = driver.opened()
    driver.auto = False
    driver.event(at)
    driver.run(1)
    driver.arrive(driver.record(at), end=1_000)
    return driver


def test_a_checkpoint_that_its_sink_reports_on_explains_lag_and_is_never_fatal() -> None:
    driver = waiting_for_a_checkpoint()

    for _ in range(40):
        driver.feed(Delayed(serial=driver.checkpoints[-1].serial, reason="no coordinator"))
        driver.run(10)

    assert driver.stops == []
    assert "last refused with no coordinator" in str(driver.notices[-1].fields["reason"])


def test_a_checkpoint_without_reports_explains_no_lag() -> None:
    driver = waiting_for_a_checkpoint()

    driver.run(200)

    assert "unexplained" in str(driver.notices[0].fields["reason"])
    assert "makes no progress" in driver.stops[0].reason


def test_a_quiet_partition_is_no_stall_when_records_come_at_last() -> None:
    driver = EngineDriver(policy=Policy(stall_s=60))
    at = driver.opened()
    driver.run(500)
    driver.feed(Arrivals(ends={at: 3}))
    driver.run(50)

    assert driver.notices == []


def test_a_worker_that_never_answers_is_logged_and_then_stops_the_process() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at)
    [call] = driver.calls

    driver.run(11, answer=None)
    assert driver.notices == []

    driver.run(6, answer=None)
    assert [(notice.event, notice.fields["call"]) for notice in driver.notices] == [("call_overdue", call.id)]
    assert driver.stops == []

    driver.run(6, answer=None)
    assert driver.stops[0].failed
    assert "its worker hangs" in driver.stops[0].reason


def test_answers_right_after_a_freeze_are_not_taken_for_a_hanging_worker() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at)

    driver.step(60)
    driver.run(30)

    assert driver.stops == []
    assert driver.results == [("e0", "APPLIED")]


# ---- the background -------------------------------------------------------------------------------------------------


def test_a_background_backlog_delays_other_wants_by_at_most_one_call() -> None:
    """Although all of the backlog is older than the other events."""
    driver = EngineDriver(flow=Thermostats(limits={"set": 1}), paces={"main": Pace(per_second=10, reserve=0)})
    at = driver.opened()
    driver.arrive(*[driver.record(at, f"back-{n}", rank=BACKGROUND + n % 2) for n in range(5_000)])
    driver.run(60)
    driver.answer_all()
    driver.effects.clear()

    for number in range(50):
        driver.event(at, f"front-{number}", rank=5)
        driver.run(0.25)

    asked = [rooms(call)[0] for call in driver.of(Call)]
    places = [asked.index(f"front-{number}") for number in range(50)]
    assert max(later - earlier for earlier, later in pairwise(places)) <= 4, "each is among the next calls"
    assert awake(driver) < 100, "the rest of the backlog sleeps as bytes"
    account = driver.engine.snapshot(driver.now).accounts["main"]
    assert account.oldest_age_s < 2, "what can wait is not late"


def test_background_work_gets_its_share_of_calls_while_others_are_ready() -> None:
    driver = EngineDriver(
        flow=Thermostats(limits={"set": 1}),
        paces={"main": Pace(per_second=10, reserve=0)},
        policy=Policy(background_share=0.2),
    )
    at = driver.opened()
    driver.arrive(*[driver.record(at, f"back-{n}", rank=BACKGROUND) for n in range(500)])
    driver.arrive(*[driver.record(at, f"front-{n}", rank=3) for n in range(1_000)])
    driver.run(3)
    driver.answer_all()
    driver.effects.clear()

    driver.run(50)

    asked = [rooms(call)[0].partition("-")[0] for call in driver.of(Call)]
    assert len(asked) >= 490
    assert 0.18 * len(asked) <= asked.count("back") <= 0.22 * len(asked)


def test_priority_zero_never_waits_for_background_work() -> None:
    driver = EngineDriver(flow=Thermostats(limits={"set": 1}), paces={"main": Pace(per_second=10, reserve=0)})
    at = driver.opened()
    driver.arrive(*[driver.record(at, f"back-{n}", rank=BACKGROUND) for n in range(100)])
    driver.arrive(*[driver.record(at, f"worst-{n}", rank=0) for n in range(100)])
    driver.answer_all()
    driver.effects.clear()

    driver.run(5)

    assert {rooms(call)[0].partition("-")[0] for call in driver.of(Call)} == {"worst"}


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_background_share_of_none_or_all_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="background_share"):
        Policy(background_share=share)


def test_the_background_is_behind_all_else_at_any_age_and_its_first_rank_passes_ten_minutes_of_the_next() -> None:
    step_us = 10_000_000
    year_us, ten_minutes_us = 365 * 24 * 3_600_000_000, 600_000_000

    assert queue_key(BACKGROUND, 0, step_us) > queue_key(BACKGROUND - 1, year_us, step_us)
    assert queue_key(BACKGROUND, ten_minutes_us - 1, step_us) < queue_key(BACKGROUND + 1, 0, step_us)
    assert queue_key(BACKGROUND, ten_minutes_us + 1, step_us) > queue_key(BACKGROUND + 1, 0, step_us)
    assert set_aside_key(0) > queue_key(BACKGROUND, year_us, step_us), (
        "what failed while the account is closed comes last of all"
    )
