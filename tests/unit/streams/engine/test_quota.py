"""Wants that wait for a quota: what gives way first, and what becomes of it."""

from typing import Any

from streams.flow import BACKGROUND, Call, NotSent, Want
from streams.messages import Mark, Notice
from streams.policy import Pace, Policy, Share
from streams.quota import CallQuota, QuotaWindow, SpentCalls
from streams.side_input import SideInput
from tests.harness.engine_driver import WALL_US, EngineDriver, RecordingThermostats, rooms
from tests.harness.toy_flow import Thermostats
from tests.harness.toy_side_inputs import ToySideInputs

DAY_US = 86_400_000_000
LATE = DAY_US - WALL_US % DAY_US  # until the next window


def window_of(wall_us: int) -> QuotaWindow:
    number = wall_us // DAY_US
    return QuotaWindow(number=number, start_us=number * DAY_US, end_us=(number + 1) * DAY_US)


def tier_of(want: Want) -> int:
    return 2 if want.kind == "chime" or want.priority >= 5 else 1


def driver(
    calls: int, *, items: int = 1, per_second: float = 50.0, flow: Thermostats | None = None, **kwargs: Any
) -> EngineDriver:
    """Tier 0 is priority 0, tier 2 are chimes and set-points from priority 5 on. Tier 1 leaves half of the quota to
    tier 0, and tier 2 three quarters to both, whatever the time."""
    quota = CallQuota(
        calls=calls,
        window_of=lambda wall_us: _all_left(window_of(wall_us), wall_us),
        tier_of=tier_of,
        counts=lambda _kind: True,
        reserves=(0.0, 0.5, 0.75),
        names=("urgent", "set-points", "comfort"),
    )
    return EngineDriver(
        flow=flow or Thermostats(limits={"set": items, "chime": 1}),
        paces={"main": Pace(per_second=per_second, reserve=0.0, quota=quota)},
        **kwargs,
    )


def _all_left(window: QuotaWindow, wall_us: int) -> QuotaWindow:
    """Returns a window that has just begun, so that tests need not compute reserves."""
    return QuotaWindow(number=window.number, start_us=wall_us, end_us=window.end_us)


def made(one: EngineDriver) -> list[str]:
    """Runs for some seconds and returns the rooms of all calls since the last time, in order."""
    one.run(10.0)
    calls = [effect for effect in one.effects if isinstance(effect, Call)]
    one.effects.clear()
    return [room for call in calls for room in rooms(call)]


def test_what_is_less_urgent_gives_way_first_and_what_is_most_urgent_last() -> None:
    one = driver(20)
    at = one.opened()
    for number in range(20):
        one.event(at, f"comfort{number}", rank=5)
    assert len(made(one)) == 5

    for number in range(20):
        one.event(at, f"usual{number}", rank=3)
    assert [room[:5] for room in made(one)] == ["usual"] * 5

    for number in range(20):
        one.event(at, f"urgent{number}", rank=0)
    assert [room[:6] for room in made(one)] == ["urgent"] * 10

    assert made(one) == []
    assert one.stops == []


def test_nothing_that_waits_is_lost_and_it_leaves_in_the_next_window() -> None:
    one = driver(20)
    at = one.opened()
    for number in range(15):
        one.event(at, f"usual{number}", rank=3)
    assert len(made(one)) == 10
    assert len(one.results) == 10

    one.step(LATE / 1e6)
    assert len(made(one)) == 5
    assert len(one.results) == 15
    assert {status for _, status in one.results} == {"APPLIED"}


def test_a_newer_value_takes_the_place_of_one_that_waits() -> None:
    one = driver(4)
    at = one.opened()
    for number in range(3):
        one.event(at, f"usual{number}", rank=3)
    one.event(at, "kitchen", value=1, rank=3)
    made(one)
    one.event(at, "kitchen", value=2, rank=3)
    one.run(1.0)
    assert one.results[-1][1] == "SUPERSEDED"

    one.step(LATE / 1e6)
    assert one.of(Call)[-1].items[0].body.value == 2


def test_lanes_that_wait_for_the_quota_go_to_sleep_so_that_reading_goes_on() -> None:
    one = driver(4, policy=Policy(near=1, max_awake=20))
    at = one.opened()
    for number in range(200):
        one.event(at, f"usual{number}", rank=3)
        one.run(0.05)
    one.event(at, "kitchen", rank=0)

    assert made(one) == ["usual0", "usual1", "kitchen"]
    snapshot = one.engine.snapshot(one.now)
    assert snapshot.lanes_awake <= 10
    assert snapshot.accounts["main"].withheld == 198
    assert at not in one.paused


def test_restored_lanes_that_wait_are_woken_at_most_once() -> None:
    before = driver(4, policy=Policy(near=1))
    at = before.opened()
    for number in range(60):
        before.event(at, f"comfort{number}", rank=5)
        before.run(0.05)
    before.revoke(at)
    before.run(1.0)

    flow = RecordingThermostats(limits={"set": 1, "chime": 1})
    after = driver(4, policy=Policy(near=1), flow=flow)
    after.now = before.now
    after.opened(mark=before.marks[at], state=before.state)
    turns = [cause for lane, cause in flow.heard if lane.startswith("comfort")]
    assert made(after) == []
    assert turns.count("Woken") <= 59
    assert [cause for lane, cause in flow.heard if lane.startswith("comfort")] == turns
    assert after.engine.snapshot(after.now).accounts["main"].withheld == 59


def test_a_call_that_is_made_anyway_takes_along_what_waits() -> None:
    one = driver(4, items=10)
    at = one.opened()
    for number in range(4):
        one.event(at, f"usual{number}", rank=3)
        one.run(1.0)
    assert [rooms(call) for call in one.of(Call)] == [["usual0"], ["usual1"]]

    one.event(at, "kitchen", rank=0)
    one.run(1.0)

    assert rooms(one.of(Call)[-1]) == ["kitchen", "usual2", "usual3"]


def test_what_may_happen_only_once_is_not_announced_while_it_waits() -> None:
    one = driver(4)
    at = one.opened()
    one.event(at, "kitchen", rank=3)
    one.run(1.0)
    one.event(at, "hall", chime="ding")
    one.run(1.0)

    assert len(one.of(Call)) == 1
    assert one.state["hall"].announced == ()
    one.step(LATE / 1e6)
    one.run(1.0)
    assert one.of(Call)[-1].kind == "chime"


def test_the_count_goes_with_the_partition() -> None:
    before = driver(20)
    at = before.opened()
    for number in range(6):
        before.event(at, f"usual{number}", rank=3)
    before.run(1.0)
    before.revoke(at)
    before.run(1.0)
    number = before.now.wall_us // DAY_US
    assert before.marks[at].drained
    assert before.marks[at].spent == {"main": SpentCalls(window=number, calls=6.0)}

    after = driver(20)
    after.now = before.now
    at = after.opened(mark=before.marks[at], state=before.state)
    for number in range(20):
        after.event(at, f"urgent{number}", rank=0)
    assert len(made(after)) == 14


def test_after_a_crash_the_calls_that_may_have_been_made_are_counted() -> None:
    before = driver(100, per_second=2.0, auto=True)
    at = before.opened()
    for number in range(6):
        before.event(at, f"usual{number}", rank=3)
    before.run(4.0)
    mark = before.marks[at]
    assert not mark.drained

    after = driver(100, per_second=2.0)
    after.now = before.now
    after.assign(mark=mark, state=before.state)
    after.run(30.0)

    policy = Policy()
    counted = after.engine.snapshot(after.now).accounts["main"].quota
    assert counted is not None
    assert counted.used == mark.spent["main"].calls + 2 * policy.lease_s * 2.0


def test_the_processes_share_a_quota_by_their_partitions() -> None:
    one = driver(20, shares={"setpoints": Share(weight=1.0, partitions=4)})
    at = one.opened(partitions=4)
    for number in range(20):
        one.event(at, f"urgent{number}", rank=0)

    assert len(made(one)) == 5


def test_each_mark_has_the_calls_of_its_partition() -> None:
    one = driver(40, shares={"setpoints": Share(weight=1.0, partitions=2)})
    both = [one.opened(partition=number, partitions=2) for number in (0, 1)]
    for number in range(10):
        one.event(both[0], f"urgent{number}", rank=0)
    made(one)

    assert [one.marks[at].spent["main"].calls for at in both] == [5.0, 5.0]


def test_a_call_that_was_never_sent_is_not_counted() -> None:
    one = driver(4)
    at = one.opened()
    one.event(at, "kitchen", rank=0)
    one.run(0.1, answer=None)
    one.answer(one.calls[0], NotSent(), sent=False)
    one.run(1.0)

    quota = one.engine.snapshot(one.now).accounts["main"].quota
    assert quota is not None
    assert quota.used == 1


def test_a_call_of_yesterday_that_was_never_sent_is_not_taken_back_today() -> None:
    one = driver(4)
    at = one.opened()
    one.step((DAY_US - one.now.wall_us % DAY_US) / 1e6 - 0.3)
    one.run(0.1)
    one.event(at, "kitchen", rank=0)
    one.run(0.1, answer=None)
    (call,) = one.calls
    one.step(0.5)
    one.answer(call, NotSent(), sent=False)
    one.run(1.0)

    quota = one.engine.snapshot(one.now).accounts["main"].quota
    assert quota is not None
    assert quota.used == 1


def test_background_work_that_waits_for_the_quota_does_not_hold_side_inputs_back() -> None:
    beside = ToySideInputs({0: (SideInput(name="side", topic="side", partition=0),)})
    one = driver(4, policy=Policy(side_background=5), side_inputs=beside)
    one.opened()
    event = {"at": 1, "value": 3, "rank": BACKGROUND}
    one.side_log().add(*({"room": f"r{n}", "event": {**event, "id": f"b{n}"}} for n in range(9)))
    one.side_log().add({"room": "hall", "id": "last"})
    one.run(10.0)

    assert ("last", "HEARD") in one.results
    assert one.engine.snapshot(one.now).accounts["main"].withheld == 8


def test_without_a_quota_marks_say_nothing_of_calls() -> None:
    one = EngineDriver()
    at = one.opened()
    one.event(at, "kitchen")
    one.run(1.0)

    mark: Mark = one.marks[at]
    assert mark.spent == {}
    assert one.engine.snapshot(one.now).accounts["main"].quota is None


def test_what_begins_to_wait_is_logged_once() -> None:
    one = driver(8)
    at = one.opened()
    for number in range(8):
        one.event(at, f"room{number}", rank=0)
    one.run(2.0)

    logged = [effect.fields["waiting"] for effect in one.of(Notice) if effect.event == "quota_scarce"]
    assert logged == ["comfort", "set-points, comfort", "urgent, set-points, comfort"]
