"""Replays are run, paused and stopped by commands."""

from itertools import count

import pytest

from connector.controls.commands import CommandScope, ControlCommand, ControlState
from connector.operations.controls.giving import CommandAuthor
from connector.operations.replay.plan import ReplayPlan
from connector.operations.replay.running import MOST_AT_ONCE, ReplayControl
from connector.replays.progress import ReplayProgress
from streams.errors import Stopped
from tests.unit.connector.operations.replay.test_watching import row
from tests.unit.connector.replays.test_reading import command


class MemoryTopic:
    def __init__(self) -> None:
        self.written: dict[str, ControlCommand] = {}

    def commands(self) -> list[ControlCommand]:
        return list(self.written.values())

    def write(self, given: ControlCommand) -> None:
        self.written[given.command_id] = given


class Operator:
    """Somebody who controls replays; ``rows`` is what the topic of replays has."""

    def __init__(self) -> None:
        self.topic = MemoryTopic()
        self.rows: dict[str, ReplayProgress] = {}
        ids = count()
        author = CommandAuthor(self.topic, by="anna", now_us=9_000_000, new_id=lambda: str(next(ids)))
        self.control = ReplayControl(author, self.rows)

    def run(self, replay_id: str = "replay-1") -> ControlCommand:
        return self.control.run(plan(replay_id), "a test")

    def read_to_the_end(self, replay_id: str = "replay-1") -> None:
        for partition, end in ((0, 20), (3, 5)):
            self.rows[f"{replay_id}/{partition}"] = row(partition, end)


def plan(replay_id: str) -> ReplayPlan:
    request = command().replay
    assert request is not None
    return ReplayPlan(
        replay_id=replay_id, request=request, scope=CommandScope(attributes={"brand": "y"}), planned_at_us=1
    )


def test_a_replay_is_the_command_of_its_plan() -> None:
    operator = Operator()

    given = operator.run()

    assert given == operator.topic.written["replay-1"]
    assert (given.kind, given.state, given.reason, given.issued_by) == ("REPLAY", "IN_FORCE", "a test", "anna")
    assert (given.replay, given.scope.attributes) == (plan("replay-1").request, {"brand": "y"})


def test_a_plan_runs_once() -> None:
    operator = Operator()
    operator.run()

    with pytest.raises(Stopped, match="was run before"):
        operator.run()


def test_running_closes_those_that_are_done() -> None:
    operator = Operator()
    operator.run()
    operator.read_to_the_end()

    operator.run("replay-2")

    assert operator.topic.written["replay-1"].state is ControlState.RELEASED
    assert operator.control.find("replay-1").state == "DONE"


def test_only_so_many_run_at_once() -> None:
    operator = Operator()
    for number in range(MOST_AT_ONCE):
        operator.run(f"replay-{number}")

    with pytest.raises(Stopped, match="8 replays"):
        operator.run("replay-x")
    operator.control.stop(operator.control.find("replay-0"))
    operator.run("replay-x")


def test_a_replay_is_paused_and_resumed_where_it_stood() -> None:
    operator = Operator()
    operator.run()
    operator.rows["replay-1/0"] = row(0, 15)

    paused = operator.control.pause(operator.control.find("replay-1"), is_paused=True)
    assert (paused.state, operator.control.find("replay-1").state) == ("PAUSED", "PAUSED")
    assert operator.topic.written["replay-1"].changed_by == "anna"

    resumed = operator.control.pause(operator.control.find("replay-1"), is_paused=False)
    assert (resumed.state, resumed.partitions[0].position) == ("RUNNING", 15)


def test_pausing_twice_changes_nothing() -> None:
    operator = Operator()
    operator.run()
    operator.control.pause(operator.control.find("replay-1"), is_paused=True)
    before = operator.topic.written["replay-1"]

    operator.control.pause(operator.control.find("replay-1"), is_paused=True)

    assert operator.topic.written["replay-1"] is before


def test_what_is_over_can_be_stopped_again_but_not_paused() -> None:
    operator = Operator()
    operator.run()
    stopped = operator.control.stop(operator.control.find("replay-1"))

    assert stopped.state == "STOPPED"
    assert operator.control.stop(operator.control.find("replay-1")) == stopped
    with pytest.raises(Stopped, match="is over: STOPPED"):
        operator.control.pause(operator.control.find("replay-1"), is_paused=True)


def test_a_replay_that_is_done_cannot_be_paused() -> None:
    operator = Operator()
    operator.run()
    operator.read_to_the_end()

    with pytest.raises(Stopped, match="is over: DONE"):
        operator.control.pause(operator.control.find("replay-1"), is_paused=True)


def test_an_unknown_replay_is_named() -> None:
    with pytest.raises(Stopped, match="there is no replay replay-9"):
        Operator().control.find("replay-9")
