"""A lane that cannot be read, or not without loss, stops only its own partition, is named, and loses nothing."""

import pytest

from streams.flow import Assignment, Stored
from streams.messages import Fetched
from streams.policy import Share
from tests.harness.engine_driver import WALL_US, EngineDriver
from tests.harness.toy_flow import Room, SetPoint, Thermostats, encode

TWO = {"setpoints": Share(weight=1, partitions=2)}


def broken(driver: EngineDriver, partition: int = 0) -> str:
    return next(one.broken for one in driver.engine.snapshot(driver.now).partitions if one.partition == partition)


def marks(driver: EngineDriver, at: Assignment, since: int = 0) -> list[int]:
    return [one.marks[at].position for one in driver.checkpoints[since:] if at in one.marks]


def reminder(room: str) -> bytes:
    return encode(Room(key=room, last_offset=0, reminders=((WALL_US, "e0"),)))


NO_STATE = Stored(value=b"{", offset=17)
HEADERS = Stored(value=reminder("cellar"), offset=17, fault="its headers were not written by this connector")


def test_a_record_whose_headers_cannot_be_read_breaks_its_partition_alone_with_key_and_offset() -> None:
    driver = EngineDriver(shares=TWO)
    at = driver.assign(partitions=2, state={"cellar": HEADERS})
    other = driver.assign(partition=1, partitions=2)
    driver.event(at, "hall")
    driver.event(other, "bath")
    driver.run(20)

    assert "the state of 'cellar' at offset 17 of rooms/0" in broken(driver)
    assert "headers" in broken(driver)
    assert [(notice.event, notice.fields["partition"]) for notice in driver.notices] == [("partition_broken", 0)]
    assert driver.stops == []
    assert marks(driver, at) == [0] * len(marks(driver, at)), "what was read is read again"
    assert driver.results == [("e1", "APPLIED")]


@pytest.mark.parametrize("cause", ["event", "timer", "restored", "told"])
def test_a_sleeping_lane_that_cannot_be_read_stops_its_partition_when_it_is_woken(
    cause: str,
) -> None:
    driver = EngineDriver()
    waits = {"timer": {"due_us": WALL_US + 5_000_000}, "restored": {"undone": True}}.get(cause, {})
    key = "zone:north" if cause == "told" else "cellar"
    at = driver.assign(state={key: Stored(value=b"{", offset=17, **waits)})  # type: ignore[arg-type]
    driver.run(0.5)
    driver.event(at, "hall", value=1)
    driver.run(0.5)
    before = driver.marks[at].position

    if cause == "event":
        driver.event(at, "cellar")
    elif cause == "told":
        driver.event(at, "bath", zone="north")
    driver.run(10)

    assert f"the state of '{key}' at offset 17 of rooms/0" in broken(driver)
    assert driver.marks[at].position == before
    assert key not in driver.state
    assert "bath" not in driver.state, "a teller's turn is nothing without the turn of whom it tells"
    assert driver.calls == []
    assert driver.stops == []


def test_uncommitted_work_of_a_stopped_partition_is_repeated_by_the_next_owner() -> None:
    driver = EngineDriver(auto=False)
    at = driver.assign(state={"cellar": NO_STATE})
    driver.write()
    driver.run(2)
    driver.event(at, "hall", value=1)
    driver.answer_all()
    made = len(driver.checkpoints)
    driver.event(at, "cellar")

    driver.write(driver.checkpoints[made - 1])
    driver.run(10)
    assert marks(driver, at, made) == []

    after = EngineDriver(boot_us=1_000)
    after.next_offset = driver.marks[at].position
    mended = after.assign(mark=driver.marks[at], state=driver.state)
    for room in ("hall", "cellar")[driver.marks[at].position :]:
        after.event(mended, room, value=1)
    after.run(30)

    assert {name for name, _ in [*driver.results, *after.results]} == {"e0", "e1"}


def test_a_partition_that_broke_is_released_at_once_without_a_mark() -> None:
    driver = EngineDriver()
    at = driver.opened(state={"cellar": NO_STATE})
    driver.event(at, "cellar")
    made = len(driver.checkpoints)

    driver.revoke(at)

    assert driver.released == {at}
    assert marks(driver, at, made) == []


def test_a_key_that_is_no_text_is_a_lane_as_any_other() -> None:
    key = b"\xff\xfe".decode(errors="surrogateescape")
    driver = EngineDriver()
    at = driver.opened(state={key: Stored(value=encode(Room(key=key, last_offset=0)), undone=False, offset=3)})
    driver.event(at, "hall")
    driver.run(1)

    assert broken(driver) == ""
    assert driver.results == [("e0", "APPLIED")]


# ---- written by another version -------------------------------------------------------------------------------------


def test_state_of_a_schema_that_is_not_here_yet_is_fetched_like_an_inputs_before_anything_is_read() -> None:
    driver = EngineDriver()
    value = b"#6" + reminder("cellar")
    at = driver.assign(state={"cellar": Stored(value=value, undone=True, due_us=WALL_US)})
    driver.event(at, "hall")
    driver.run(5)

    assert driver.fetches == [6]
    assert driver.engine.snapshot(driver.now).partitions[0].waiting_for == "schema not known yet"
    assert driver.results == []

    flow = driver.flows["setpoints"]
    assert isinstance(flow, Thermostats)
    flow.schemas.add(6)
    driver.feed(Fetched(need=6))
    driver.run(5)
    assert sorted(driver.results) == [("e0", "APPLIED"), ("e0", "REMINDED")]


def test_a_registry_that_is_down_is_retried_while_the_partition_waits() -> None:
    driver = EngineDriver()
    driver.assign(state={"cellar": Stored(value=b"#6" + reminder("cellar"))})
    driver.feed(Fetched(need=6, problem="no answer"))
    driver.run(3)

    assert len(driver.fetches) >= 2
    assert broken(driver) == ""


def test_a_partition_that_waits_for_a_schema_of_its_state_is_handed_over_as_it_was_found() -> None:
    driver = EngineDriver()
    at = driver.assign(state={"cellar": Stored(value=b"#6" + reminder("cellar"))})

    driver.revoke(at)

    assert driver.released == {at}
    assert driver.marks[at].drained, "nobody ever sent"


def test_state_that_this_version_would_lose_refuses_its_partition_before_anything_is_sent() -> None:
    driver = EngineDriver(shares=TWO)
    newer = Stored(value=reminder("cellar"), undone=True, offset=4, reader=2)
    at = driver.assign(partitions=2, state={"cellar": newer, "hall": Stored(value=reminder("hall"), reader=1)})
    other = driver.assign(partition=1, partitions=2)
    driver.event(at, "hall")
    driver.event(other, "bath")
    driver.run(20)

    assert "it needs version 2 of the state, known is 1" in broken(driver)
    assert "docs/operations.md" in broken(driver)
    assert driver.results == [("e1", "APPLIED")]
    assert "cellar" not in driver.state


def test_a_version_that_knows_all_of_a_record_goes_on_with_it() -> None:
    driver = EngineDriver(flow=Thermostats(state_version=2))
    driver.opened(state={"cellar": Stored(value=reminder("cellar"), undone=True, due_us=WALL_US, reader=2)})
    driver.run(1)

    assert driver.results == [("e0", "REMINDED")]


def test_a_record_says_which_version_it_needs() -> None:
    class Versioned(Thermostats):
        def store(self, lane: Room) -> Stored:
            stored = super().store(lane)
            return Stored(value=stored.value, undone=stored.undone, reader=2 if lane.heard else 0)

    driver = EngineDriver(flow=Versioned(state_version=2))
    at = driver.opened()
    driver.event(at, "hall", zone="north")
    driver.run(1)

    assert driver.state["zone:north"].reader == 2
    assert driver.state["hall"].reader == 0


def test_the_timer_of_an_unreadable_lane_never_fires() -> None:
    chime = SetPoint(id="e0", order=(1, 0), device="", value=0, chime="ding")
    readable = encode(Room(key="cellar", last_offset=0, chimes=(chime,)))
    driver = EngineDriver()
    driver.assign(state={"cellar": Stored(value=readable[:-1], undone=True, announced=("chime",), offset=9)})
    driver.run(10)

    assert "at offset 9" in broken(driver)
    assert driver.calls == []


def test_state_of_a_newer_version_is_refused_with_the_remedy_that_moves_the_partition() -> None:
    driver = EngineDriver()
    driver.assign(state={"cellar": Stored(value=reminder("cellar"), offset=17, reader=99)})
    driver.run(1)

    assert "stop this process while one of the newer version runs" in broken(driver)
