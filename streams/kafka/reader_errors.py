"""What readers of a topic outside any group have in common: which topic is missing, and why reading failed."""

from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException

from streams.errors import StreamError
from streams.kafka.authorization import not_permitted, reader_access
from streams.kafka.client_messages import ClientErrors

MISSING_TOPIC: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - the client's spelling
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    }
)
"""Codes of errors that say that a topic or partition does not exist."""


def partition_numbers(consumer: Consumer, errors: ClientErrors, topic: str, timeout_s: float) -> list[int]:
    """Returns the partitions of a topic, ascending.

    Raises KafkaException if it does not exist, may not be described, or no broker answers.
    """
    described = errors.retry(consumer, lambda for_s: consumer.list_topics(topic, for_s).topics[topic], timeout_s)
    if described.error is not None:
        raise KafkaException(described.error)
    return sorted(described.partitions)


def read_failure(
    consumer: Consumer, errors: ClientErrors, error: KafkaException, topic: str, reader: str
) -> StreamError:
    """Returns why reading failed: NotPermitted with what is missing, or else BrokerDown or SourceFailed.

    ``reader``: the group id that the broker sees.
    """
    consumer.poll(0)  # delivers the errors that the client has reported meanwhile
    return not_permitted(error.args[0], *reader_access(topic, reader)) or errors.failure(error, topic)
