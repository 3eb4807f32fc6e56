"""Requests a partition's watermark offsets, also of a topic that was just created."""

import time
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.clock import uptime_s

_AGAIN_S: Final = 0.2
_NO_LEADER_YET: Final = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})


def watermark_offsets(consumer: Consumer, place: TopicPartition, timeout_s: float) -> tuple[int, int]:
    """Returns the first offset, and the end offset for the consumer's isolation level.

    A new topic has no leader for a moment, so the request is repeated for ``timeout_s``. Raises KafkaException.
    """
    patient_until_s = uptime_s() + timeout_s
    while True:
        try:
            first, end = consumer.get_watermark_offsets(place, timeout_s)
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER_YET or uptime_s() > patient_until_s:
                raise
            time.sleep(_AGAIN_S)
        else:
            return first, end
