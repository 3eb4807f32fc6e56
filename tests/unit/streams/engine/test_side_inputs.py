"""Side inputs: what is read beside a partition, when, how far it is durable, and what becomes of broken ones."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.control import ControlEffect, ControlRead, ControlRecord
from streams.engine import engine, side_reading
from streams.engine.side_pace import LOT
from streams.engine.side_reading import TURNS_PER_STEP
from streams.engine.snapshot import SideInputSnapshot
from streams.flow import BACKGROUND, Assignment, Now, Retry, Told
from streams.messages import Fetched, Mark, Notice, SideRecords
from streams.policy import Policy
from streams.side_input import INPUTS_LIMIT, Opening, SideInput, SidePosition
from tests.harness.effort import examples
from tests.harness.engine_driver import EngineDriver, RecordingThermostats
from tests.harness.toy_side_inputs import ToySideInputs

PAST = SideInput(name="past", topic="side", partition=0, end=10)
FOLLOWED = SideInput(name="followed", topic="side", partition=0)


class NoCommands:
    """A control topic whose records have no effect, but a side input may appear with them."""

    def apply(self, read: ControlRead, now: Now) -> ControlEffect:
        return ControlEffect()

    def tells(self, now: Now) -> tuple[Told, ...]:
        return ()


def beside(*ranges: SideInput, rows: int = 10, **kwargs: Any) -> EngineDriver:
    """Returns a driver with these side inputs, and with rows in the topic ``side``."""
    driver = EngineDriver(side_inputs=ToySideInputs({0: ranges}), **kwargs)
    driver.side_log().add(*({"room": f"room-{n % 3}", "id": f"s{n}"} for n in range(rows)))
    return driver


def toy(driver: EngineDriver) -> ToySideInputs:
    sides = driver.engine._side_inputs["setpoints"]
    assert isinstance(sides, ToySideInputs)
    return sides


def heard(driver: EngineDriver) -> list[str]:
    return [name for name, status in driver.results if status == "HEARD"]


def status(driver: EngineDriver, n: int = 0) -> SideInputSnapshot:
    return driver.engine.snapshot(driver.now).partitions[-1].side_inputs[n]


def notices(driver: EngineDriver, event: str) -> list[Notice]:
    return [notice for notice in driver.of(Notice) if notice.event == event]


def command(driver: EngineDriver, *, anew: bool = False) -> None:
    """Feeds a record of the control topic, so that the application is asked again."""
    record = ControlRecord(key="k", value=b"", offset=0, time_us=0)
    driver.feed(ControlRead(records=[record], anew=anew, complete=True))


# ---- reading and applying -------------------------------------------------------------------------------------------


def test_each_record_of_a_range_is_told_once_and_the_position_is_committed_with_the_lanes() -> None:
    driver = beside(replace(PAST, start=2, end=8))
    at = driver.opened()
    driver.run(2.0)

    assert heard(driver) == [f"s{n}" for n in range(2, 8)]
    assert driver.marks[at].side == {"past": SidePosition(position=8, delivered=6, topic_id="side-1")}
    assert driver.side_fetches == [], "nothing is read beyond the end"
    assert status(driver).lag == 0


def test_outputs_lanes_and_position_are_in_one_checkpoint() -> None:
    driver = beside(PAST, auto=False)
    at = driver.assign()
    driver.write()
    driver.run(1.5, answer=None)
    checkpoint = driver.checkpoints[-1]
    told = [output for output in checkpoint.outputs[at] if output.topic == "settings"]

    assert len(told) == TURNS_PER_STEP
    assert checkpoint.marks[at].side["past"] == SidePosition(position=len(told), delivered=len(told), topic_id="side-1")
    assert {output.key for output in checkpoint.outputs[at] if output.topic == "rooms"} == {
        b"room-0",
        b"room-1",
        b"room-2",
    }


def test_nothing_is_read_before_the_partition_is_open_and_nothing_while_it_drains() -> None:
    driver = beside(FOLLOWED)
    at = driver.assign()
    assert driver.side_fetches == []
    assert toy(driver).asked == 0

    driver.run(1.5)
    driver.auto = False
    driver.side_log().add({"room": "kitchen", "id": "late"})
    driver.revoke(at)
    driver.run(0.5)
    assert "late" not in heard(driver)


def test_a_followed_topic_is_read_as_it_grows() -> None:
    driver = beside(FOLLOWED, rows=3)
    driver.opened()
    driver.run(1.0)
    driver.side_log().add({"room": "kitchen", "id": "more"})
    driver.run(1.0)

    assert heard(driver) == ["s0", "s1", "s2", "more"]


def test_a_record_may_have_every_lane_with_pending_work_take_a_turn() -> None:
    flow = RecordingThermostats()
    driver = EngineDriver(flow=flow, side_inputs=ToySideInputs({0: [FOLLOWED]}))
    at = driver.opened()
    driver.event(at, "kitchen")
    driver.run(1.0, answer=None)  # its call is not answered: it has pending work
    flow.heard.clear()
    log = driver.side_log()
    log.add({"review": True}, {"room": "hall", "id": "s1"})
    driver.run(1.0, answer=None)

    heard = [lane for lane in flow.heard if lane in (("kitchen", "Woken"), ("hall", "Told"), ("hall", "Woken"))]
    assert heard == [("kitchen", "Woken"), ("hall", "Told")], "before the next record, and not what has nothing pending"
    (mark,) = driver.marks.values()
    assert (mark.side["followed"].position, mark.side["followed"].delivered) == (2, 1)


def test_a_record_that_concerns_all_lanes_is_passed_when_they_have_taken_their_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "REVIEWED_PER_STEP", 1)
    flow = RecordingThermostats()
    driver = EngineDriver(flow=flow, side_inputs=ToySideInputs({0: [FOLLOWED]}))
    at = driver.opened()
    for n in range(5):
        driver.event(at, f"room-{n}")
    driver.run(1.0, answer=None)
    flow.heard.clear()
    driver.side_log().add({"review": True})
    for _ in range(100):
        driver.serve_side_inputs()
        driver.step(0.05)
        turns = sum(cause == "Woken" for _, cause in flow.heard)
        assert status(driver).position == 0 or turns == 5, "a new owner would not read it again"

    assert (status(driver).position, turns) == (1, 5)


def test_the_application_is_told_once_that_a_partition_has_opened_and_what_was_left() -> None:
    driver = beside(PAST)
    driver.opened()
    assert toy(driver).openings == [Opening(partition=0, is_clean=True)]

    killed = beside(PAST)
    mark = replace(next(iter(driver.marks.values())), drained=False)
    killed.assign(mark=mark)
    killed.run(60.0)
    assert toy(killed).openings == [Opening(partition=0, is_clean=False)]


def test_live_input_that_waits_for_its_turn_goes_first() -> None:
    driver = beside(PAST, rows=0)
    at = driver.opened()
    driver.run(0.1)
    driver.side_log().add(*({"room": "kitchen", "id": f"s{n}"} for n in range(10)))
    driver.event(at, "hall", schema=7)
    driver.run(3.0)
    assert heard(driver) == []
    assert driver.engine.snapshot(driver.now).partitions[0].waiting_for

    driver.flows["setpoints"].schemas.add(7)  # type: ignore[attr-defined]
    driver.feed(Fetched(need=7))
    driver.run(1.0)
    assert len(heard(driver)) == 10


def test_a_step_applies_a_bounded_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_reading, "TURNS_PER_STEP", 3)
    flow = RecordingThermostats()
    driver = beside(PAST, flow=flow, rows=0)
    driver.opened()
    driver.side_log().add(*({"room": "kitchen", "id": f"s{n}"} for n in range(10)))
    [fetch] = driver.side_fetches
    answer = driver.side_log().answer(fetch)
    assert answer is not None
    driver.auto = False
    driver.feed(answer)

    assert len(flow.heard) == 3
    assert driver.engine.wake_at_s() == driver.now.mono_s


def test_two_side_inputs_share_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_reading, "TURNS_PER_STEP", 4)
    driver = beside(PAST, replace(PAST, name="other", topic="side-2"), auto=False)
    driver.side_log("side-2").add(*({"room": "hall", "id": f"t{n}"} for n in range(10)))
    driver.assign()
    driver.write()
    driver.step(1.1)
    driver.serve_side_inputs()
    before = status(driver).delivered, status(driver, 1).delivered
    driver.step(0.1)

    assert (status(driver).delivered, status(driver, 1).delivered) == (before[0] + 2, before[1] + 2)


def test_more_side_inputs_than_turns_in_a_step_get_them_in_rotation() -> None:
    names = [f"n{n}" for n in range(INPUTS_LIMIT)]
    driver = beside(
        *(replace(PAST, name=name, end=100) for name in names), rows=100, policy=Policy(side_per_second=20.0)
    )
    driver.opened()
    driver.run(1.0)
    before = [status(driver, n).delivered for n in range(INPUTS_LIMIT)]
    driver.run(9.0)

    given = [status(driver, n).delivered - before[n] for n in range(INPUTS_LIMIT)]
    assert sum(given) >= 9 * 20 - 2 * LOT
    assert max(given) <= min(given) + 1


def test_side_inputs_leave_room_for_live_input() -> None:
    driver = beside(FOLLOWED, rows=200, policy=Policy(max_outputs=40, max_awake=1_000))
    at = driver.opened()
    driver.auto = False
    driver.run(1.0)
    kept = driver.engine.snapshot(driver.now).outputs_kept
    assert 0 < kept <= 40 / 4 + 4, "a quarter of the room, and what one turn adds"

    driver.event(at, "hall")
    assert driver.engine.snapshot(driver.now).partitions[0].position == 1
    assert at not in driver.paused


def test_background_wants_that_pile_up_hold_side_inputs_back_and_live_input_goes_on() -> None:
    driver = beside(FOLLOWED, rows=0, policy=Policy(side_background=5))
    at = driver.opened()
    event = {"id": "x", "at": 1, "value": 3, "rank": BACKGROUND}
    driver.side_log().add(*({"room": f"r{n}", "event": {**event, "id": f"b{n}"}} for n in range(30)))
    driver.run(5.0, answer=Retry(reason="closed", counts=False, after_s=60.0))
    assert status(driver).position == 5
    assert status(driver).held_up == "5 background calls wait, at most 5 may"
    assert 4.0 < status(driver).held_up_age_s <= 5.0

    driver.event(at, "hall", id="live")
    driver.run(1.0)
    assert ("live", "APPLIED") in driver.results
    driver.run(200.0)
    assert (status(driver).position, status(driver).held_up) == (30, "")
    assert {f"b{n}" for n in range(30)} <= {name for name, _ in driver.results}


def test_background_wants_of_a_closed_account_do_not_hold_side_inputs_of_others_back() -> None:
    driver = beside(FOLLOWED, rows=0, policy=Policy(side_background=5))
    at = driver.opened()
    driver.event(at, "hall", account="other")
    driver.answer(driver.calls[0], Retry(reason="401", counts=False), close_account_s=600.0)
    event = {"at": 1, "value": 3, "rank": BACKGROUND}
    driver.side_log().add(*({"room": f"r{n}", "event": {**event, "id": f"b{n}", "account": "other"}} for n in range(9)))
    driver.run(1.0)
    driver.side_log().add({"room": "hall", "event": {**event, "id": "main"}}, {"room": "hall", "id": "last"})
    driver.run(5.0)

    assert heard(driver) == ["last"]


def test_a_paused_side_input_keeps_its_position_and_continues() -> None:
    driver = beside(replace(PAST, is_paused=True, end=5), control=NoCommands())
    command(driver, anew=True)
    at = driver.opened()
    driver.run(5.0)
    assert heard(driver) == []

    toy(driver).ranges[0] = [replace(PAST, end=5)]
    command(driver)
    driver.run(2.0)
    assert heard(driver) == [f"s{n}" for n in range(5)]

    toy(driver).ranges[0] = [replace(PAST, end=10, is_paused=True)]
    command(driver)
    driver.run(5.0)
    assert driver.marks[at].side["past"].position == 5


# ---- progress -------------------------------------------------------------------------------------------------------


def test_progress_is_part_of_the_checkpoint_and_the_end_is_reported_once() -> None:
    driver = beside(PAST)
    driver.opened()
    driver.run(30.0)

    assert driver.progress[-1] == {"name": "past", "position": 10, "delivered": 10, "finished": True}
    assert [row["finished"] for row in driver.progress].count(True) == 1
    for checkpoint in driver.written:
        for at, outputs in checkpoint.outputs.items():
            if any(output.topic == "progress" for output in outputs):
                assert checkpoint.marks[at].side["past"].position > 0


def test_an_empty_range_is_reported_as_finished() -> None:
    driver = beside(replace(PAST, start=4, end=4))
    driver.opened()
    driver.run(5.0)

    assert [row["finished"] for row in driver.progress] == [True]
    assert driver.side_fetches == []


# ---- owners ---------------------------------------------------------------------------------------------------------


def test_a_new_owner_continues_where_the_last_one_was_durable() -> None:
    first = beside(FOLLOWED, rows=200, auto=False)
    at = first.assign()
    first.write()
    first.step(1.1)
    first.serve_side_inputs()
    first.write()
    durable = first.marks[at].side["followed"].position
    assert 0 < durable < 200

    second = beside(FOLLOWED, rows=200)
    second.assign(mark=first.marks[at], state=first.state)
    second.run(15.0)
    assert heard(first) + heard(second) == [f"s{n}" for n in range(200)]


def test_the_positions_survive_an_owner_that_never_opened_the_partition() -> None:
    side = {"past": SidePosition(position=7, delivered=7, topic_id="side-1")}
    mark = Mark(position=0, read_ahead=20_000, drained=True, serial=1, state_topic_id="state-1", side=side)
    driver = beside(PAST)
    at = driver.assign(mark=mark)
    driver.revoke(at)
    driver.run(3.0)

    assert driver.marks[at].drained
    assert driver.marks[at].side == side


def test_a_name_that_is_missing_for_a_while_goes_on_where_it_was() -> None:
    driver = beside(PAST, control=NoCommands())
    command(driver, anew=True)
    at = driver.opened()
    driver.run(2.0)
    toy(driver).ranges[0] = []
    command(driver, anew=True)
    driver.run(3.0)
    assert driver.marks[at].side["past"].delivered == 10

    toy(driver).ranges[0] = [PAST]
    command(driver)
    driver.run(3.0)
    assert len(heard(driver)) == 10


def opened_without_mark(driver: EngineDriver) -> Assignment:
    """Opens a partition whose offset was set by a tool, which takes as long as an unknown owner's calls may."""
    at = driver.assign(committed=0)
    while driver.engine.snapshot(driver.now).partitions[-1].phase != "open":
        driver.run(5.0, answer=None)
    return at


@pytest.mark.parametrize("lost", ["set by a tool", "by a version without side inputs"])
def test_a_range_is_not_read_if_the_positions_are_lost(lost: str) -> None:
    driver = beside(PAST, FOLLOWED, control=NoCommands())
    command(driver, anew=True)
    mark = Mark(position=0, read_ahead=20_000, drained=True, serial=1, state_topic_id="state-1", side_known=False)
    at = opened_without_mark(driver) if lost == "set by a tool" else driver.opened(mark=mark)
    driver.run(3.0)
    assert driver.marks[at].side["past"] == SidePosition(position=10, gone=10)
    assert sorted(heard(driver)) == sorted(f"s{n}" for n in range(10)), "a topic that is followed is read all the same"
    assert len(notices(driver, "side_input_passed")) == 1

    toy(driver).ranges[0] = [PAST, FOLLOWED, replace(PAST, name="new", end=3)]
    command(driver)
    driver.run(3.0)
    assert driver.marks[at].side["new"].delivered == 3, "it cannot have been read before"


def test_an_owner_that_never_opened_the_partition_says_that_the_positions_are_lost() -> None:
    driver = beside(PAST)
    at = driver.assign(committed=0)
    driver.revoke(at)
    driver.run(3.0)

    assert not driver.marks[at].side_known


def test_a_command_that_appears_while_the_control_topic_is_read_is_not_taken_for_a_new_one() -> None:
    driver = beside(control=NoCommands())
    driver.feed(ControlRead(complete=True))  # given up on, for now
    at = opened_without_mark(driver)
    toy(driver).ranges[0] = [PAST]
    driver.feed(ControlRead(anew=True))
    driver.run(2.0)
    command(driver)
    driver.run(2.0)

    assert heard(driver) == []
    assert driver.marks[at].side["past"].gone == 10


def test_a_name_that_is_over_is_dropped_from_the_mark_and_starts_again_when_it_returns() -> None:
    driver = beside(PAST, control=NoCommands())
    command(driver, anew=True)
    at = driver.opened()
    driver.run(2.0)
    toy(driver).ranges[0] = []
    toy(driver).over = {"past"}
    command(driver)
    driver.run(3.0)
    assert driver.marks[at].side == {}

    toy(driver).ranges[0] = [replace(PAST, end=2)]
    command(driver)
    driver.run(3.0)
    assert driver.marks[at].side["past"].delivered == 2


def test_a_position_is_kept_while_the_control_topic_that_names_it_cannot_be_read() -> None:
    side = {"past": SidePosition(position=7, delivered=7)}
    mark = Mark(position=0, read_ahead=20_000, drained=True, serial=1, state_topic_id="state-1", side=side)
    driver = beside(control=NoCommands())
    driver.feed(ControlRead(complete=True))  # given up on, for now
    at = driver.opened(mark=mark)
    driver.run(5.0)
    assert driver.marks[at].side == side

    toy(driver).ranges[0] = [PAST]
    command(driver, anew=True)
    driver.run(2.0)
    assert heard(driver) == ["s7", "s8", "s9"]


@pytest.mark.parametrize("end", ["lose", "revoke"])
def test_an_answer_for_an_assignment_that_has_ended_is_ignored(end: str) -> None:
    driver = beside(FOLLOWED, rows=0)
    at = driver.opened()
    [fetch] = driver.side_fetches
    getattr(driver, end)(at)
    driver.run(1.0)
    driver.feed(SideRecords(fetch=fetch, position=5))

    assert driver.engine.snapshot(driver.now).partitions == ()


def test_an_answer_that_was_not_asked_for_is_ignored() -> None:
    driver = beside(FOLLOWED, rows=0)
    driver.opened()
    [fetch] = driver.side_fetches
    driver.feed(SideRecords(fetch=replace(fetch, position=3), position=5))
    assert status(driver).position == 0

    driver.feed(SideRecords(fetch=fetch, position=5))
    driver.feed(SideRecords(fetch=fetch, position=9))
    assert status(driver).position == 5


# ---- what goes wrong ------------------------------------------------------------------------------------------------


def test_a_record_that_needs_a_schema_waits_without_holding_the_main_partition_up() -> None:
    driver = beside(FOLLOWED, rows=1)
    driver.side_log().add({"room": "hall", "id": "waits", "schema": 9}, {"room": "hall", "id": "after"})
    at = driver.opened()
    driver.run(2.0)
    driver.event(at, "kitchen", id="live")
    driver.run(2.0)
    assert driver.fetches == [9]
    assert status(driver).waiting_for == "schema not known yet"
    assert driver.results == [("s0", "HEARD"), ("live", "APPLIED")]

    driver.feed(Fetched(need=9, problem="registry away"))
    driver.run(2.0)
    toy(driver).schemas.add(9)
    driver.feed(Fetched(need=9))
    driver.run(1.0)
    assert heard(driver) == ["s0", "waits", "after"]


def test_records_that_cannot_be_read_are_skipped_and_logged_ever_less_often() -> None:
    driver = beside(FOLLOWED, rows=0)
    driver.side_log().add(*[b"{"] * 120, {"room": "hall", "id": "last"}, {"no": "room"})
    driver.opened()
    driver.run(2.0)

    assert heard(driver) == ["last"]
    assert [notice.fields["count"] for notice in notices(driver, "side_record_skipped")] == [1, 10, 100]
    assert (status(driver).skipped, status(driver).position) == (120, 122)


def test_a_topic_that_cannot_be_read_is_logged_once_asked_again_ever_later_and_the_partition_goes_on() -> None:
    driver = beside(FOLLOWED, rows=3)
    driver.side_log().problem = "the broker denies it"
    at = driver.opened()
    asked = 0
    for _ in range(100):
        asked += len(driver.side_fetches)
        driver.run(1.0)
    driver.event(at, id="live")
    driver.run(1.0)
    assert [notice.fields["reason"] for notice in notices(driver, "side_input_unreadable")] == ["the broker denies it"]
    assert status(driver).problem == "the broker denies it"
    assert ("live", "APPLIED") in driver.results
    assert driver.stops == []

    driver.side_log().problem = ""
    driver.run(31.0)
    assert heard(driver) == ["s0", "s1", "s2"]
    assert len(notices(driver, "side_input_readable")) == 1
    assert status(driver).problem == ""


def test_a_request_without_an_answer_is_logged_once_and_made_again_and_the_earlier_answer_is_ignored() -> None:
    driver = beside(FOLLOWED, rows=0)
    driver.opened()
    [fetch] = driver.side_fetches
    driver.run(59.0)
    assert notices(driver, "side_input_unreadable") == []
    driver.run(63.0)
    [notice] = notices(driver, "side_input_unreadable")
    assert notice.fields["reason"] == "the side reader has not answered for 60 s"
    assert driver.side_fetches == [fetch, replace(fetch, number=fetch.number + 1)]
    assert driver.stops == []

    driver.feed(SideRecords(fetch=fetch, position=7))
    assert status(driver).position == 0
    driver.side_log().add({"room": "hall", "id": "late"})
    driver.run(1.0)
    assert heard(driver) == ["late"]
    assert status(driver).problem == ""


def test_a_position_that_the_broker_refuses_although_it_is_in_the_log_is_a_problem_asked_again_ever_later() -> None:
    driver = beside(FOLLOWED, rows=0)
    driver.opened()
    asked = 0
    for _ in range(60):
        for fetch in driver.side_fetches:
            driver.feed(SideRecords(fetch=fetch, position=0, end=10, topic_id="side-1", log=(0, 10)))
            asked += 1
        driver.side_fetches.clear()
        driver.step(1.0)

    assert asked <= 7
    [notice] = notices(driver, "side_input_unreadable")
    assert notice.fields["reason"] == "the broker refuses offset 0 as out of range, although the log contains it"
    driver.side_log().add(*({"room": "hall", "id": f"s{n}"} for n in range(10)))
    driver.run(31.0)
    assert len(heard(driver)) == 10


def test_requests_after_failures_come_ever_less_often() -> None:
    driver = beside(FOLLOWED)
    driver.opened()
    times = []
    for _ in range(8):
        [fetch] = driver.side_fetches
        driver.side_fetches.clear()
        driver.feed(SideRecords(fetch=fetch, position=0, problem="away"))
        began_s = driver.now.mono_s
        while not driver.side_fetches:
            driver.step(max(driver.engine.wake_at_s() - driver.now.mono_s, 0.001))
        times.append(round(driver.now.mono_s - began_s))

    assert times == [1, 2, 4, 8, 16, 30, 30, 30]


@pytest.mark.parametrize(("first", "gone"), [(4, 2), (10, 6)])
def test_records_of_a_range_that_were_deleted_are_counted(first: int, gone: int) -> None:
    driver = beside(replace(PAST, start=2, end=8), rows=10)
    driver.side_log().delete_before(first)
    at = driver.opened()
    driver.run(2.0)

    reached = SidePosition(position=8, delivered=6 - gone, topic_id="side-1", gone=gone)
    assert driver.marks[at].side["past"] == reached


def test_records_deleted_before_they_were_read_are_logged_and_reading_goes_on_behind_them() -> None:
    driver = beside(FOLLOWED, rows=10)
    driver.side_log().delete_before(4)
    driver.opened()
    driver.run(2.0)

    assert heard(driver) == [f"s{n}" for n in range(4, 10)]
    [moved] = notices(driver, "side_input_moved")
    assert moved.fields["position"] == 4


@pytest.mark.parametrize("rows", [2, 10, 30], ids=["fewer", "as many", "more"])
def test_a_topic_that_was_created_again_is_read_from_its_start_however_many_records_it_has(rows: int) -> None:
    driver = beside(FOLLOWED, rows=10)
    at = driver.opened()
    driver.run(2.0)
    driver.side_log().recreate()
    driver.side_log().add(*({"room": "hall", "id": f"n{n}"} for n in range(rows)))
    [fetch] = driver.side_fetches
    driver.side_fetches.clear()
    driver.feed(SideRecords(fetch=fetch, position=10, topic_id="side-2"))  # as at the end of its log
    driver.run(3.0)

    assert heard(driver) == [*(f"s{n}" for n in range(10)), *(f"n{n}" for n in range(rows))]
    assert driver.marks[at].side["followed"] == SidePosition(position=rows, delivered=rows, topic_id="side-2")
    assert len(notices(driver, "side_input_moved")) == 1


def test_a_start_that_is_not_in_the_log_begins_where_the_log_begins() -> None:
    driver = beside(replace(FOLLOWED, start=50), rows=5)
    driver.opened()
    driver.run(2.0)

    assert heard(driver) == [f"s{n}" for n in range(5)]


def test_more_side_inputs_than_fit_and_names_that_are_not_valid_are_refused_once() -> None:
    many = [replace(PAST, name=f"n{n}", end=1) for n in range(INPUTS_LIMIT + 2)]
    bad = [replace(PAST, name=name) for name in ("", "x" * 41, "ü", 'a"b', "a\\b", "n0")]
    driver = beside(*bad[:-1], many[0], bad[-1], *many[1:], control=NoCommands())
    command(driver, anew=True)
    at = driver.opened()
    command(driver)
    driver.run(5.0)

    assert set(driver.marks[at].side) == {f"n{n}" for n in range(INPUTS_LIMIT)}
    assert len(notices(driver, "side_input_refused")) == len(bad) + 2


# ---- whatever happens -----------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("row"), st.integers(0, 3)),
        st.tuples(st.just("event"), st.integers(0, 3)),
        st.tuples(st.just("run"), st.sampled_from([0.001, 0.05, 2.0])),
        st.tuples(st.just("write"), st.just(0)),
        st.tuples(st.just("pause"), st.booleans()),
        st.tuples(st.just("problem"), st.booleans()),
        st.tuples(st.just("owner"), st.sampled_from(["killed", "handed over", "lost"])),
    ),
    max_size=30,
)


class OwnersInTurn:
    """A partition with a side input, and its owners one after another."""

    def __init__(self) -> None:
        self.wanted = FOLLOWED
        self.events = 0
        self.driver = EngineDriver(auto=False)
        self.mark: Mark | None = None  # as committed by the owners so far
        self.start()

    def start(self) -> None:
        before = self.driver
        sides = ToySideInputs({0: [self.wanted]})
        self.driver = EngineDriver(side_inputs=sides, control=NoCommands(), auto=False)
        self.driver.side_logs, self.driver.topics, self.driver.state = before.side_logs, before.topics, before.state
        command(self.driver, anew=True)
        self.at = self.driver.assign(mark=self.mark, state=before.state)

    def row(self, room: int) -> None:
        log = self.driver.side_log()
        log.add({"room": f"room-{room}", "id": f"s{len(log.values)}"})

    def event(self, room: int) -> None:
        self.driver.event(self.at, f"room-{room}", id=f"e{self.events}")
        self.events += 1

    def run(self, seconds: float) -> None:
        self.driver.run(seconds)

    def write(self, _: int) -> None:
        if self.driver.engine._checkpoints.in_progress:
            self.driver.write()

    def pause(self, is_paused: bool) -> None:
        self.wanted = replace(self.wanted, is_paused=is_paused)
        toy(self.driver).ranges[0] = [self.wanted]
        command(self.driver)

    def problem(self, is_there: bool) -> None:
        self.driver.side_log().problem = "away" if is_there else ""

    def owner(self, ends: str) -> None:
        if ends == "handed over":
            self.driver.revoke(self.at)
            self.settle(6.0)
        elif ends == "lost":
            self.driver.lose(self.at)
        self.mark = self.driver.marks.get(self.at, self.mark)
        self.start()

    def settle(self, seconds: float) -> None:
        """Runs with a sink that makes every checkpoint durable at once."""
        self.driver.auto = True
        self.write(0)
        self.driver.run(seconds)
        self.driver.auto = False


@settings(max_examples=examples(150), deadline=None)
@given(STEPS)
def test_whatever_happens_each_row_is_told_once_in_what_is_durable(steps: list[tuple[str, Any]]) -> None:
    owners = OwnersInTurn()
    for step, what in steps:
        getattr(owners, step)(what)
    owners.problem(False)
    owners.pause(False)
    owners.settle(90.0)

    driver, rows = owners.driver, owners.driver.side_log().end
    assert heard(driver) == [f"s{n}" for n in range(rows)]
    reached = driver.marks[owners.at].side["followed"]
    assert (reached.position, reached.delivered) == (rows, rows)
    assert driver.stops == []
