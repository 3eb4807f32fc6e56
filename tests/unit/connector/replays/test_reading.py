"""Replays as side inputs: their ranges, what becomes of a record, and the rows of their progress."""

import pickle
from dataclasses import replace
from typing import Any

import pytest

from connector.controls.commands import (
    CommandScope,
    ControlCommand,
    ControlKind,
    ControlState,
    ReplayRange,
    ReplayRequest,
)
from connector.controls.in_force import CommandsInForce, Controls
from connector.offers.events import OfferChanged, Replayed
from connector.replays.progress import ReplayProgress, ReplayState
from connector.replays.reading import ReplayInputs
from streams.control import ControlRead, ControlRecord
from streams.flow import BadRecord, NotYet, Now, Record, Told
from streams.side_input import SideInput, SidePosition
from tests.harness.offer_harness import EAN, OTHER_EAN, TOPICS, OfferHarness, PlainCodecs, flow_of, here

NOW = Now(mono_s=1.0, wall_us=1_000_000)
TOPIC = TOPICS.offer_changes


def command(command_id: str = "replay-1", scope: CommandScope | None = None, **request: Any) -> ControlCommand:
    given: dict[str, Any] = {
        "input_topic": TOPIC,
        "input_topic_id": "t1",
        "ranges": (ReplayRange(partition=0, start=10, end=20), ReplayRange(partition=3, start=0, end=5)),
    }
    return ControlCommand(
        command_id=command_id,
        kind=ControlKind.REPLAY,
        state=ControlState.IN_FORCE,
        scope=scope or CommandScope(),
        issued_by="anna",
        issued_at_us=1,
        replay=ReplayRequest(**{**given, **request}),
    )


class Serdes(PlainCodecs):
    def encode_progress(self, value: ReplayProgress, /) -> bytes:
        return pickle.dumps(value)

    def progress_key(self, key: str, /) -> bytes:
        return key.encode()


class Reading:
    """A ``ReplayInputs`` with commands that a test sets, and what it has reported."""

    def __init__(self, *commands: ControlCommand, topic_id: str = "t1") -> None:
        self.in_force = CommandsInForce(
            by_id={one.command_id: one for one in commands},
            replays=tuple(one for one in commands if one.state is ControlState.IN_FORCE),
        )
        self.ignored: list[tuple[str, str]] = []
        self.inputs = ReplayInputs(
            commands=self,
            serdes=Serdes(),
            input_topic=TOPIC,
            input_topic_id=topic_id,
            replays_topic=TOPICS.replays,
            default_target=None,
            report_ignored=lambda command, reason: self.ignored.append((command.command_id, reason)),
        )

    def read(self, value: object, name: str = "replay/replay-1") -> Any:
        record = Record(at=here(), offset=12, key=EAN.encode(), value=pickle.dumps(value), time_us=0)
        return self.inputs.read(name, record, NOW)


def event(**said: Any) -> OfferChanged:
    return OfferHarness(flow_of()).make(stock=1, **said)


def test_a_replay_is_a_side_input_of_each_partition_that_it_names() -> None:
    reading = Reading(command(), command("replay-2", is_paused=True))
    wanted = SideInput(name="replay/replay-1", topic=TOPIC, partition=0, start=10, end=20)

    assert reading.inputs.inputs(0) == [wanted, replace(wanted, name="replay/replay-2", is_paused=True)]
    assert [(one.start, one.end) for one in reading.inputs.inputs(3)] == [(0, 5), (0, 5)]
    assert reading.inputs.inputs(1) == []


def test_a_record_becomes_an_event_of_its_lane_that_names_the_replay() -> None:
    reading = Reading(command())
    reading.inputs.inputs(0)

    assert reading.read(event()) == Told(lane=EAN, message=Replayed(event=event(), replay_id="replay-1"))


def test_a_record_that_the_filters_leave_out_becomes_nothing() -> None:
    reading = Reading(command(scope=CommandScope(eans=(OTHER_EAN,))))
    reading.inputs.inputs(0)

    assert reading.read(event()) is None


def test_each_replay_has_filters_of_its_own() -> None:
    reading = Reading(command(scope=CommandScope(eans=(OTHER_EAN,))), command("replay-2"))
    reading.inputs.inputs(0)

    assert reading.read(event()) is None
    assert reading.read(event(), "replay/replay-2") is not None


@pytest.mark.parametrize("problem", [BadRecord(code="C", text="t"), NotYet(need=4, text="t")])
def test_a_record_that_cannot_be_read_is_reported_as_it_is(problem: BadRecord | NotYet) -> None:
    reading = Reading(command(scope=CommandScope(eans=(OTHER_EAN,))))
    reading.inputs.inputs(0)

    assert reading.read(problem) == problem


def test_a_record_of_a_replay_that_is_over_becomes_nothing() -> None:
    reading = Reading(command())
    reading.inputs.inputs(0)
    reading.in_force = CommandsInForce()
    reading.inputs.inputs(0)

    assert reading.read(event()) is None


@pytest.mark.parametrize(
    ("given", "topic_id", "reason"),
    [
        (command(input_topic="another"), "t1", "it is of the topic another; the input topic is shop.offer-changes.v1"),
        (command(input_topic_id="t0"), "t1", "was created again since it was planned"),
        (command("replay-" + "x" * 27), "t1", "its id has more than 33 characters"),
    ],
)
def test_a_replay_that_cannot_be_read_is_reported_once_and_not_read(
    given: ControlCommand, topic_id: str, reason: str
) -> None:
    reading = Reading(given, topic_id=topic_id)

    assert reading.inputs.inputs(0) == []
    assert reading.inputs.inputs(3) == []
    assert [(replay_id, reason in said) for replay_id, said in reading.ignored] == [(given.command_id, True)]


@pytest.mark.parametrize(("planned", "present"), [("", "t1"), ("t1", ""), ("", "")])
def test_a_topic_without_an_id_is_taken_by_its_name(planned: str, present: str) -> None:
    reading = Reading(command(input_topic_id=planned), topic_id=present)

    assert len(reading.inputs.inputs(0)) == 1


@pytest.mark.parametrize(
    ("position", "is_paused", "state"),
    [(15, False, "RUNNING"), (15, True, "PAUSED"), (20, False, "DONE"), (20, True, "DONE")],
)
def test_progress_says_how_far_a_partition_has_come(position: int, is_paused: bool, state: str) -> None:
    reading = Reading(command(is_paused=is_paused))
    (side_input,) = reading.inputs.inputs(0)

    (output,) = reading.inputs.progress(0, side_input, SidePosition(position=position, delivered=4), NOW)

    assert (output.topic, output.key, output.partition) == (TOPICS.replays, b"replay-1/0", None)
    assert pickle.loads(output.value or b"") == ReplayProgress(
        replay_id="replay-1",
        input_topic=TOPIC,
        partition=0,
        start=10,
        end=20,
        position=position,
        delivered=4,
        state=ReplayState(state),
        reported_at_us=NOW.wall_us,
    )


@pytest.mark.parametrize(
    ("name", "over"),
    [
        ("replay/replay-1", False),
        ("replay/ended", True),
        ("replay/not-known", False),
        ("units", False),
        ("ended", False),
    ],
)
def test_a_replay_is_over_if_its_command_says_so(name: str, over: bool) -> None:
    reading = Reading(command(), replace(command("ended"), state=ControlState.RELEASED))

    assert reading.inputs.is_over(name) is over


def test_a_command_that_cannot_be_read_does_not_end_its_replay() -> None:
    known = Controls(lambda value: BadRecord(code="X", text="of a newer version", error=""), lambda record, why: None)
    record = ControlRecord(key="replay-1", value=b"?", offset=0, time_us=0)
    known.apply(ControlRead(records=[record], anew=True, complete=True), NOW)
    reading = Reading()
    reading.in_force = known.in_force

    assert not reading.inputs.is_over("replay/replay-1")
    assert reading.inputs.inputs(0) == []


def test_a_replay_whose_command_was_deleted_is_over_until_it_is_given_again() -> None:
    known = Controls(pickle.loads, lambda record, why: None)
    reading = Reading()

    def read(key: str, value: bytes | None) -> bool:
        record = ControlRecord(key=key, value=value, offset=0, time_us=0)
        known.apply(ControlRead(records=[record], anew=key == "other", complete=True), NOW)
        reading.in_force = known.in_force
        return reading.inputs.is_over("replay/replay-1")

    given = pickle.dumps(command())
    assert not read("framed replay-1", given)
    assert read("framed replay-1", None)
    assert read("other", None), "it is not in the topic either when that is read again"
    assert not read("framed replay-1", given)
    assert not read("other", None), "given again, it is only missing"
    assert not read("framed replay-1", given)
    assert read("replay-1", None) is False, "another key"
    assert not Reading().inputs.is_over("replay/replay-1"), "a process that has not seen the tombstone does not know"


def test_a_tombstone_is_enough_where_its_command_was_never_read() -> None:
    known = Controls(pickle.loads, lambda record, why: None)
    record = ControlRecord(key="replay-1", value=None, offset=0, time_us=0)
    known.apply(ControlRead(records=[record], anew=True, complete=True), NOW)
    reading = Reading()
    reading.in_force = known.in_force

    assert reading.inputs.is_over("replay/replay-1")


def test_offsets_that_are_gone_are_reported() -> None:
    reading = Reading(command())
    side_input = reading.inputs.inputs(0)[0]

    (output,) = reading.inputs.progress(0, side_input, SidePosition(position=20, delivered=4, gone=6), NOW)

    row = pickle.loads(output.value or b"")
    assert (row.state, row.delivered, row.gone) == (ReplayState.DONE, 4, 6)
