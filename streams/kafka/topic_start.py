"""Whether the brokers serve a topic that was just created.

A cluster acknowledges a topic's creation before every broker knows it and before the leaders of its partitions have
opened their logs: for a moment, requests about the topic fail as if it did not exist.
"""

from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.kafka.admin_client import LATEST, error_of

_NOT_STARTED: Final = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._TIMED_OUT,  # noqa: SLF001 - the client's spelling
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    }
)


def have_started(client: AdminClient, names: Sequence[str], timeout_s: float) -> bool:
    """Returns whether each partition of the topics has a leader that answers about its offsets.

    A topic that this principal may not describe counts as started. ``timeout_s`` is for each request.
    """
    try:
        parts = [part for name in names for part in _partitions(client, name, timeout_s)]
        asked = client.list_offsets(dict.fromkeys(parts, LATEST), request_timeout=timeout_s) if parts else {}
    except KafkaException:
        return False
    return all(_is_answer(error_of(request)) for request in asked.values())


def _partitions(client: AdminClient, name: str, timeout_s: float) -> list[TopicPartition]:
    """Returns the partitions of a topic; none if it may not be described. Raises KafkaException if it is not known."""
    found = client.list_topics(name, timeout_s).topics[name]
    if not _is_answer(None if found.error is None else KafkaException(found.error)):
        raise KafkaException(found.error)
    return [TopicPartition(name, number) for number in found.partitions]


def _is_answer(error: BaseException | None) -> bool:
    return not (isinstance(error, KafkaException) and error.args[0].code() in _NOT_STARTED)
