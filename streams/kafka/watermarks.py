"""Where a partition begins and ends, asked of a broker that may just have made it."""

import time
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.clock import uptime_s

_AGAIN_S: Final = 0.2
_FOR_A_MOMENT: Final = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})


def watermark_offsets(consumer: Consumer, place: TopicPartition, timeout_s: float) -> tuple[int, int]:
    """First offset, and the end as the consumer's isolation level sees it.

    A topic that was just made has no leader for a moment: it is asked again for ``timeout_s``. Raises KafkaException.
    """
    patient_until_s = uptime_s() + timeout_s
    while True:
        try:
            first, end = consumer.get_watermark_offsets(place, timeout_s)
        except KafkaException as error:
            if error.args[0].code() not in _FOR_A_MOMENT or uptime_s() > patient_until_s:
                raise
            time.sleep(_AGAIN_S)
        else:
            return first, end
