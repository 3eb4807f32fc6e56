"""A topic has started when a leader of each of its partitions answers about its offsets."""

from collections.abc import Mapping
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, TopicPartition

from streams.kafka.topic_start import have_started


class FakeCluster:
    """Describes one topic with two partitions, or refuses to; answers about offsets with a value or an error code."""

    def __init__(self, described: int | None = None, offsets: tuple[int | KafkaError, ...] = (0, 0)) -> None:
        self._described = None if described is None else KafkaError(described)
        self._offsets = offsets

    def list_topics(self, name: str, _timeout_s: float) -> Any:
        partitions = {} if self._described else dict.fromkeys(range(len(self._offsets)))
        return SimpleNamespace(topics={name: SimpleNamespace(error=self._described, partitions=partitions)})

    def list_offsets(self, asked: Mapping[TopicPartition, Any], **_: Any) -> dict[TopicPartition, Future[Any]]:
        return {part: _answered(self._offsets[part.partition]) for part in asked}


def _answered(offset: int | KafkaError) -> Future[Any]:
    future = Future[Any]()
    if isinstance(offset, int):
        future.set_result(SimpleNamespace(offset=offset))
    else:
        future.set_exception(KafkaException(offset))
    return future


@pytest.mark.parametrize(
    ("cluster", "started"),
    [
        (FakeCluster(), True),
        (FakeCluster(described=KafkaError.TOPIC_AUTHORIZATION_FAILED), True),
        (FakeCluster(offsets=(0, KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))), True),
        (FakeCluster(described=KafkaError.UNKNOWN_TOPIC_OR_PART), False),
        (FakeCluster(described=KafkaError.LEADER_NOT_AVAILABLE), False),
        (FakeCluster(offsets=(0, KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))), False),
        (FakeCluster(offsets=(0, KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION))), False),
        (FakeCluster(offsets=(0, OFFSET_INVALID)), False),
    ],
)
def test_a_topic_has_started_when_every_partition_answers_or_may_not_be_seen(
    cluster: FakeCluster, started: bool
) -> None:
    assert have_started(cast(Any, cluster), ["topic"], 1) is started
