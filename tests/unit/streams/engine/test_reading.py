"""Reading: read-ahead, bounds on memory, records that wait for a schema, dead letters."""

from hashlib import sha256

import pytest

from streams.dead_letter import DeadLetters
from streams.flow import Assignment, BadRecord, Output, Record
from streams.messages import Fetched
from streams.policy import Pace, Policy
from tests.harness.engine_driver import EngineDriver
from tests.harness.toy_flow import Thermostats

ONE = {"main": Pace()}
TIGHT = Policy(max_awake=5, near=1)


def position(driver: EngineDriver) -> int:
    return driver.engine.snapshot(driver.now).partitions[0].position


def dead(driver: EngineDriver) -> list[Output]:
    outputs = [o for c in driver.written for each in c.outputs.values() for o in each]
    return [output for output in outputs if output.topic.endswith(".dlq")]


def test_intake_never_passes_durable_position_and_read_ahead() -> None:
    driver = EngineDriver(policy=Policy(read_ahead=3))
    at = driver.opened()
    driver.auto = False

    driver.arrive(*[driver.record(at, f"room{n}") for n in range(5)])
    assert position(driver) == 3
    assert at in driver.paused

    driver.run(0.2, answer=None)
    driver.write()
    assert position(driver) == 5
    driver.run(0.2, answer=None)
    driver.write()
    assert at not in driver.paused


def test_intake_pauses_right_at_the_limit() -> None:
    driver = EngineDriver(policy=Policy(read_ahead=3))
    at = driver.opened()
    driver.auto = False

    driver.arrive(*[driver.record(at, f"room{n}") for n in range(2)])
    assert at not in driver.paused
    driver.event(at, "room2")
    assert at in driver.paused


def test_a_record_that_needs_a_schema_keeps_its_partition_waiting_and_nothing_else() -> None:
    flow = Thermostats()
    driver = EngineDriver(flow=flow)
    at = driver.opened()

    driver.event(at, "a", schema=7)
    driver.event(at, "b")
    driver.run(0.5)
    assert driver.results == []
    assert driver.fetches == [7]
    assert at in driver.paused

    flow.schemas.add(7)
    driver.feed(Fetched(need=7))
    driver.run(0.5)
    assert sorted(driver.results) == [("e0", "APPLIED"), ("e1", "APPLIED")]
    assert at not in driver.paused


def test_a_failed_schema_fetch_is_repeated_after_a_second() -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, schema=7)

    driver.feed(Fetched(need=7, problem="registry down"))
    driver.run(0.9)
    assert driver.fetches == [7]

    driver.run(0.2)
    assert driver.fetches == [7, 7]


def test_intake_pauses_at_the_bound_of_outputs_kept_back_and_goes_on_when_they_are_durable() -> None:
    driver = EngineDriver(policy=Policy(max_outputs=4))
    at = driver.opened()
    driver.auto = False

    driver.arrive(*[driver.record(at, f"room{n}") for n in range(8)])
    assert driver.engine.snapshot(driver.now).outputs_kept == 4
    assert at in driver.paused

    for _ in range(3):
        driver.run(0.5, answer=None)
        driver.write()
    assert position(driver) == 8
    assert at not in driver.paused


def test_intake_pauses_at_the_bound_of_awake_lanes() -> None:
    driver = EngineDriver(policy=TIGHT, paces=ONE)
    at = driver.opened()

    driver.arrive(*[driver.record(at, f"room{n}") for n in range(8)])
    assert driver.engine.snapshot(driver.now).lanes_awake == 5
    assert at in driver.paused

    driver.run(2)
    assert len(driver.results) == 8
    assert at not in driver.paused


def test_intake_pauses_right_at_a_bound() -> None:
    driver = EngineDriver(policy=TIGHT, paces=ONE)
    at = driver.opened()
    driver.arrive(*[driver.record(at, f"room{n}") for n in range(4)])
    assert at not in driver.paused

    driver.event(at, "room4")
    assert at in driver.paused


@pytest.mark.parametrize("policy", [{"max_awake": 128}, {"max_awake": 40, "near": 10}, {"near": 0}])
def test_a_bound_of_awake_lanes_under_which_no_partition_catches_up_is_refused(policy: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"max_awake must be above 4 x near|near must be at least 1"):
        Policy(**policy)


def test_the_bound_holds_for_all_accounts_together() -> None:
    with pytest.raises(ValueError, match="5 <= 4 x 1 x 2"):
        EngineDriver(policy=TIGHT)


def test_a_partition_catches_up_under_the_tightest_bound() -> None:
    driver = EngineDriver(policy=TIGHT, paces=ONE, flow=Thermostats(limits={"set": 100}))
    at = driver.assign(end=300)
    for n in range(300):
        driver.event(at, f"room{n}")
        driver.run(0.1 if at in driver.paused else 0.0, answer=None)

    driver.run(5, answer=None)
    assert driver.engine.snapshot(driver.now).partitions[0].phase == "open"


def test_an_unreadable_record_becomes_a_dead_letter_and_others_are_processed() -> None:
    driver = EngineDriver()
    at = driver.opened()

    driver.arrive(driver.record(at, raw=b"{broken"), driver.record(at, "bath"))
    driver.run(0.5)

    assert [(letter.topic, letter.key, letter.value) for letter in dead(driver)] == [
        ("setpoints.dlq", b"kitchen", b"{broken")
    ]
    assert driver.results == [("e1", "APPLIED")]


def letter(record: Record, *, max_bytes: int = 900_000) -> Output:
    to = DeadLetters(topics={"in": "in.dlq"}, instance="one", connector="c", max_bytes=max_bytes)
    return to.letter(record, BadRecord(code="UNREADABLE", text="no such field", error="KeyError"))


def record(value: bytes | None = b"v") -> Record:
    at = Assignment(topic="in", partition=3, epoch=1)
    return Record(at=at, offset=42, key=b"k", value=value, time_us=0, headers=(("trace", b"t"),))


def test_a_dead_letter_has_the_original_bytes_their_position_and_the_reason() -> None:
    said = letter(record())

    assert (said.topic, said.key, said.value, said.partition) == ("in.dlq", b"k", b"v", None)
    assert dict(said.headers) == {
        "trace": b"t",
        "__connect.errors.topic": b"in",
        "__connect.errors.partition": b"3",
        "__connect.errors.offset": b"42",
        "__connect.errors.connector.name": b"c",
        "__connect.errors.task.id": b"one",
        "__connect.errors.stage": b"VALUE_CONVERTER",
        "__connect.errors.class.name": b"streams.flow.Flow.read",
        "__connect.errors.exception.class.name": b"KeyError",
        "__connect.errors.exception.message": b"no such field",
        "code": b"UNREADABLE",
        "attempts": b"1",
        "instance": b"one",
        "record.timestamp": b"0",
    }


def test_a_record_too_large_for_the_dead_letter_topic_is_replaced_by_length_and_digest() -> None:
    said = letter(record(b"x" * 2_000), max_bytes=1_000)

    headers = dict(said.headers)
    assert (said.key, said.value) == (b"k", None)
    assert headers["value.length"] == b"2000"
    assert headers["value.sha256"] == sha256(b"x" * 2_000).hexdigest().encode()
    assert headers["__connect.errors.offset"] == b"42"


def test_a_tombstone_that_cannot_be_read_is_a_dead_letter_too() -> None:
    assert letter(record(None)).value is None
