"""A topic that was just created has no leader for a moment."""

from collections.abc import Iterator
from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.kafka.watermarks import watermark_offsets

PLACE = TopicPartition("topic", 0)


class FakeWatermarkConsumer:
    """Returns the given answers in order."""

    def __init__(self, *answers: int | tuple[int, int]) -> None:
        self._answers: Iterator[int | tuple[int, int]] = iter(answers)

    def get_watermark_offsets(self, place: TopicPartition, timeout: float) -> tuple[int, int]:
        answer = next(self._answers)
        if isinstance(answer, int):
            raise KafkaException(KafkaError(answer))
        return answer

    def as_consumer(self) -> Consumer:
        return cast(Consumer, self)


def test_a_partition_without_a_leader_is_asked_again() -> None:
    broker = FakeWatermarkConsumer(KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, (3, 9))

    assert watermark_offsets(broker.as_consumer(), PLACE, 10) == (3, 9)


def test_waiting_for_offsets_ends_after_a_while() -> None:
    broker = FakeWatermarkConsumer(KafkaError.NOT_LEADER_FOR_PARTITION, (3, 9))

    with pytest.raises(KafkaException):
        watermark_offsets(broker.as_consumer(), PLACE, -1)


def test_a_partition_that_its_leader_does_not_know_yet_is_asked_again_for_a_moment() -> None:
    unknown = KafkaError.UNKNOWN_TOPIC_OR_PART

    assert watermark_offsets(FakeWatermarkConsumer(unknown, unknown, (3, 9)).as_consumer(), PLACE, 10) == (3, 9)
    with pytest.raises(KafkaException, match="Unknown topic"):
        watermark_offsets(FakeWatermarkConsumer(unknown, (3, 9)).as_consumer(), PLACE, 0)


def test_any_other_error_is_raised_at_once() -> None:
    broker = FakeWatermarkConsumer(KafkaError.TOPIC_AUTHORIZATION_FAILED, (3, 9))

    with pytest.raises(KafkaException):
        watermark_offsets(broker.as_consumer(), PLACE, 10)
