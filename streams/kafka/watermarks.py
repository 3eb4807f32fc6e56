"""Requests a partition's watermark offsets, also of a topic that was just created."""

import time
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.clock import uptime_s

_AGAIN_S: Final = 0.2
_NO_LEADER_YET: Final = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})
_CREATED_S: Final = 3.0
"""How long a broker may not know a partition that it leads: the log of a new one is opened a moment later."""


def watermark_offsets(consumer: Consumer, place: TopicPartition, timeout_s: float) -> tuple[int, int]:
    """Returns the first offset, and the end offset for the consumer's isolation level.

    A new topic has no leader for a moment, so the request is repeated for ``timeout_s``, or for three seconds where the
    broker does not know the topic. Raises KafkaException.
    """
    start_s = uptime_s()
    while True:
        try:
            first, end = consumer.get_watermark_offsets(place, timeout_s)
        except KafkaException as error:
            if uptime_s() - start_s >= _patience_s(error.args[0].code(), timeout_s):
                raise
            time.sleep(_AGAIN_S)
        else:
            return first, end


def _patience_s(code: int, timeout_s: float) -> float:
    if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return min(timeout_s, _CREATED_S)
    return timeout_s if code in _NO_LEADER_YET else 0.0
