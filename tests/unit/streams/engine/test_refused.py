"""A partition whose topic was replaced, or whose offsets are not in its log, commits nothing and names the remedy."""

from collections.abc import Callable

import pytest

from streams.engine.partition import TRANSITIONS, Partition, Phase, Trigger, out_of_range
from streams.flow import Assignment
from streams.messages import Broken, Input, Mark, OwnedPartition, Topic, TopicsSeen
from streams.policy import Share
from tests.harness.engine_driver import EngineDriver

TWO = {"setpoints": Share(weight=1, partitions=2)}


def mark(position: int = 0, *, input_topic_id: str = "input-1", drained: bool = True) -> Mark:
    return Mark(
        position=position,
        read_ahead=20_000,
        drained=drained,
        serial=1,
        state_topic_id="state-1",
        input_topic_id=input_topic_id,
    )


def committed(driver: EngineDriver, at: Assignment, since: int) -> list[int]:
    """Returns the positions of this assignment in all checkpoints but the first ``since``."""
    return [one.marks[at].position for one in driver.checkpoints[since:] if at in one.marks]


def replaced(*, inputs: str = "input-1", state: str = "state-1", partitions: int = 1) -> TopicsSeen:
    return TopicsSeen(
        topics={
            "setpoints": Topic(id=inputs, partitions=partitions),
            "rooms": Topic(id=state, partitions=partitions),
        }
    )


def test_a_mark_of_another_input_topic_refuses_its_partition_with_the_remedy_and_the_others_go_on() -> None:
    driver = EngineDriver(shares=TWO)
    at = driver.assign(mark=mark(300, input_topic_id="input-0"), end=300, partitions=2)
    other = driver.assign(mark=mark(0), partition=1, partitions=2)

    driver.event(at)
    driver.event(other, "bath")
    driver.run(20)

    refused = driver.engine.snapshot(driver.now).partitions[0]
    assert refused.phase.startswith("refused")
    assert "another setpoints (input-0) than is there now (input-1)" in refused.broken
    assert "recreate rooms and reset the group's offsets of setpoints" in refused.broken
    assert "Result ids repeat" in refused.broken
    assert driver.stops == []
    assert committed(driver, at, 0) == []
    assert driver.results == [("e301", "APPLIED")], "the other partition's event alone"


def test_our_marks_name_the_input_topic() -> None:
    driver = EngineDriver()
    at = driver.opened()

    assert driver.marks[at].input_topic_id == "input-1"


def test_a_mark_of_a_version_that_did_not_name_the_input_topic_is_accepted() -> None:
    driver = EngineDriver()
    at = driver.opened(mark=mark(3, input_topic_id=""))
    driver.event(at)
    driver.run(1)

    assert driver.results == [("e3", "APPLIED")]
    assert driver.marks[at].input_topic_id == "input-1"


def out_of_the_log(at: Assignment) -> Input:
    return Broken(at=at, reason=out_of_range(at, 0, "rooms"))


def created_again(_at: Assignment) -> Input:
    return replaced(inputs="input-2")


@pytest.mark.parametrize("happens", [out_of_the_log, created_again])
def test_a_partition_of_a_deleted_topic_sends_and_commits_nothing(
    happens: Callable[[Assignment], Input],
) -> None:
    driver = EngineDriver()
    at = driver.opened()
    driver.event(at, value=1)
    driver.feed(happens(at))
    made = len(driver.checkpoints)

    driver.answer_all()
    driver.event(at, "hall", value=3)
    driver.feed(happens(at))
    driver.run(30)

    snapshot = driver.engine.snapshot(driver.now).partitions[0]
    assert snapshot.phase.startswith("refused")
    assert "Remedy: with all processes stopped" in snapshot.broken
    assert committed(driver, at, made) == [], "its mark would say that all below it is done"
    assert driver.calls == []
    assert driver.results == []
    assert driver.notices[0].event == "partition_broken"

    driver.revoke(at)
    assert driver.released == {at}


def test_a_topic_that_is_created_again_is_reported_once() -> None:
    driver = EngineDriver()
    driver.opened()

    for _ in range(5):
        driver.feed(replaced(inputs="input-2"))
        driver.run(2)

    assert [notice.event for notice in driver.notices] == ["partition_broken"]


def test_a_partition_out_of_range_reports_a_replaced_topic_once_that_is_known() -> None:
    driver = EngineDriver()
    at = driver.opened()

    driver.feed(out_of_the_log(at))
    driver.feed(replaced(inputs="input-2"))

    assert "belongs to another setpoints" in driver.engine.snapshot(driver.now).partitions[0].broken


def test_a_topic_replaced_before_the_gate_opened_is_never_sent_from() -> None:
    driver = EngineDriver()
    at = driver.assign(end=1)
    driver.event(at)

    driver.feed(replaced(inputs="input-2"))
    driver.run(30, answer=None)

    assert driver.calls == []


def test_a_draining_partition_whose_topic_is_replaced_is_released_without_a_mark() -> None:
    driver = EngineDriver(auto=False)
    at = driver.assign()
    driver.write()
    driver.run(2)
    driver.event(at)
    driver.revoke(at)
    made = len(driver.checkpoints)

    driver.feed(replaced(inputs="input-2"))

    assert driver.released == {at}
    assert committed(driver, at, made) == []


def test_a_topic_that_grew_while_it_was_read_stops_the_process_with_the_remedy() -> None:
    driver = EngineDriver()
    driver.opened()

    driver.feed(replaced(partitions=2))

    assert "setpoints has 2 partitions, expected 1" in driver.stops[0].reason
    assert "needs a migration" in driver.stops[0].reason


def test_a_state_topic_that_was_replaced_while_its_input_was_read_stops_the_process_with_the_remedy() -> None:
    driver = EngineDriver()
    driver.opened()

    driver.feed(replaced(state="state-2"))

    assert "belongs to another rooms (state-1) than is there now (state-2)" in driver.stops[0].reason
    assert "reset both" in driver.stops[0].reason


def test_unchanged_topics_and_missing_answers_change_nothing() -> None:
    driver = EngineDriver()
    at = driver.opened()

    driver.feed(replaced())
    driver.feed(TopicsSeen(topics={}))
    driver.event(at)
    driver.run(1)

    assert driver.results == [("e0", "APPLIED")]


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.GONE])
def test_a_partition_can_be_refused_in_every_phase(phase: Phase) -> None:
    after = TRANSITIONS[phase, Trigger.WAS_REFUSED]

    assert after in (Phase.REFUSED, Phase.GONE)


def test_a_refused_partition_writes_no_mark_and_is_handed_over_at_once() -> None:
    at = Assignment(topic="setpoints", partition=0, epoch=1)
    owned = OwnedPartition(mark=None, start=0, end=0, state_topic_id="", partitions=1)
    partition = Partition(at, owned, EngineDriver().policy, 0.0)
    partition.step(Trigger.WAS_REFUSED)

    assert not partition.writes
    partition.step(Trigger.REVOKED)
    assert partition.is_handed_over(0.0)
