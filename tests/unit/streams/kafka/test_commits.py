"""An asynchronous commit: what its answers mean, and how it is looked up when no callback can run."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams.flow import Assignment
from streams.kafka.commits import OffsetCommit
from streams.messages import Mark

AT = Assignment(topic="in", partition=0, epoch=1)
MARK = Mark(position=10, read_ahead=5, drained=False, serial=7, state_topic_id="s")
REFUSED = KafkaError(KafkaError.ILLEGAL_GENERATION)


class FakeCommitConsumer:
    """A consumer that stores commits and answers only when asked."""

    def __init__(self) -> None:
        self.sent: list[list[TopicPartition]] = []
        self.kept: list[TopicPartition] | None = []  # None: there is no answer
        self.refuses: KafkaError | None = None

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> None:
        assert asynchronous, "nobody may wait here"
        if self.refuses is not None:
            raise KafkaException(self.refuses)
        self.sent.append(offsets)

    def committed(self, asked: Sequence[TopicPartition], timeout: float) -> list[TopicPartition]:
        if self.kept is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return self.kept or [TopicPartition(one.topic, one.partition) for one in asked]


@pytest.fixture
def group() -> Any:
    return FakeCommitConsumer()


@pytest.fixture
def commit(group: Any) -> OffsetCommit:
    made = OffsetCommit(serial=7, marks={AT: MARK}, sent_at_s=1.0)
    made.send(group)
    return made


def test_it_is_durable_when_its_answer_says_so_and_not_before(group: Any, commit: OffsetCommit) -> None:
    assert not commit.is_durable

    commit.answered(None, group.sent[0])

    assert commit.is_durable
    assert commit.problem is None


def test_the_answer_to_another_one_is_not_its_own(commit: OffsetCommit, group: Any) -> None:
    other = OffsetCommit(serial=6, marks={AT: replace(MARK, serial=6)}, sent_at_s=0.0)
    other.send(group)

    commit.answered(None, group.sent[1])

    assert not commit.is_durable
    assert commit.problem is None


def test_one_that_is_refused_as_a_whole_is_known_to_be(commit: OffsetCommit, group: Any) -> None:
    commit.answered(REFUSED, group.sent[0])

    assert commit.problem is REFUSED
    assert not commit.is_durable


def test_one_that_cannot_even_be_sent_is_known_to_be_refused(group: Any) -> None:
    group.refuses = REFUSED
    commit = OffsetCommit(serial=7, marks={AT: MARK}, sent_at_s=1.0)

    commit.send(group)

    assert commit.problem is REFUSED


@pytest.mark.parametrize(
    ("kept", "durable", "refused"),
    [("its marks", True, False), ("nothing", False, True), ("no answer", False, False)],
)
def test_without_a_callback_the_committed_offsets_show_that_a_commit_succeeded(
    group: Any, commit: OffsetCommit, *, kept: str, durable: bool, refused: bool
) -> None:
    group.kept = {"its marks": group.sent[0], "nothing": [], "no answer": None}[kept]

    commit.look(group)

    assert (commit.is_durable, commit.problem is not None) == (durable, refused)
