"""Several parts of an application read side inputs beside one main topic."""

from collections.abc import Sequence

import pytest

from streams.flow import Assignment, Now, Output, Record, Told
from streams.joined_side_inputs import JoinedSideInputs
from streams.side_input import Message, Opening, SideInput, SidePosition

NOW = Now(mono_s=0.0, wall_us=0)
RECORD = Record(at=Assignment(topic="main", partition=1, epoch=1), offset=0, key=None, value=b"v", time_us=0)


class Part:
    """Names these inputs, and returns its own name with everything."""

    def __init__(self, own: str, *names: str) -> None:
        self.own = own
        self.names = names
        self.openings: list[Opening] = []

    def inputs(self, partition: int) -> Sequence[SideInput]:
        return [SideInput(name=name, topic=self.own, partition=partition) for name in self.names]

    def opened(self, opening: Opening, now: Now) -> None:
        self.openings.append(opening)

    def is_over(self, name: str) -> bool:
        return name == "replay/a"

    def read(self, name: str, record: Record, now: Now) -> Message:
        return Told(lane=self.own, message=(name, record.value))

    def progress(self, partition: int, side_input: SideInput, reached: SidePosition, now: Now) -> Sequence[Output]:
        return (Output(topic=self.own, key=side_input.name.encode(), value=b"%d" % reached.position),)


JOINED = JoinedSideInputs({"replay": Part("replays", "replay/a", "replay/b"), "units": Part("shelf", "units")})


def test_the_inputs_of_all_parts_are_named() -> None:
    assert [(one.name, one.topic, one.partition) for one in JOINED.inputs(3)] == [
        ("replay/a", "replays", 3),
        ("replay/b", "replays", 3),
        ("units", "shelf", 3),
    ]


def test_each_record_and_each_progress_goes_to_the_part_that_named_the_input() -> None:
    assert JOINED.read("replay/b", RECORD, NOW) == Told(lane="replays", message=("replay/b", b"v"))
    assert JOINED.read("units", RECORD, NOW) == Told(lane="shelf", message=("units", b"v"))
    followed = SideInput(name="units", topic="shelf", partition=1)
    assert JOINED.progress(1, followed, SidePosition(position=7), NOW) == (
        Output(topic="shelf", key=b"units", value=b"7"),
    )


def test_all_parts_are_told_that_a_partition_has_opened() -> None:
    parts = [Part("replays", "replay/a"), Part("shelf", "units")]
    JoinedSideInputs({"replay": parts[0], "units": parts[1]}).opened(Opening(partition=3, is_clean=True), NOW)

    assert [part.openings for part in parts] == [[Opening(partition=3, is_clean=True)]] * 2


def test_its_part_says_whether_an_input_is_over() -> None:
    assert (JOINED.is_over("replay/a"), JOINED.is_over("replay/b")) == (True, False)


def test_an_input_of_a_part_that_is_gone_is_skipped() -> None:
    gone = SideInput(name="gone/x", topic="t", partition=1)

    assert JOINED.read("gone/x", RECORD, NOW) is None
    assert not JOINED.is_over("gone/x"), "its part may come back"
    assert JOINED.progress(1, gone, SidePosition(position=7), NOW) == ()


def test_an_input_that_is_not_named_after_its_part_is_refused() -> None:
    with pytest.raises(ValueError, match="not named after its part"):
        JoinedSideInputs({"units": Part("shelf", "replay/a")}).inputs(0)
