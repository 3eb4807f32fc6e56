"""Fetches the committed offsets of a group, without joining it and without blocking the caller.

An admin client has such a request, too, but the process may abort in it when the connection to the group's coordinator
drops (``rd_kafka_enq_once_del_source_return``, issue 4605 of librdkafka; seen with 2.16.0). A consumer's request takes
another way through the client, and one that reads committed records waits for open transactions as well.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from threading import Thread
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.kafka.live_clients import TrackedConsumer
from streams.kafka.settings import KafkaConnection


class CommittedOffsets:
    """Thread-safe. The consumer is closed when nobody refers to it, so that a late request never meets a closed one."""

    def __init__(self, connection: KafkaConnection, group: str) -> None:
        self._consumer: Final[Consumer] = TrackedConsumer(
            connection.consumer(
                group_id=group,  # never subscribed: it does not join the group
                enable_auto_commit=False,
                isolation_level="read_committed",
                allow_auto_create_topics=False,
            )
        )

    def fetch(self, parts: Sequence[TopicPartition], timeout_s: float) -> Sequence[TopicPartition]:
        """Returns position and metadata of each partition; a negative offset if none is committed.

        Raises KafkaException if an offset is not answered in time: the coordinator does not answer, or a transaction
        that commits an offset is still open.
        """
        found = self._consumer.committed(list(parts), timeout_s)
        if (problem := next((one.error for one in found if one.error is not None), None)) is not None:
            raise KafkaException(problem)
        return found

    def request(self, parts: Sequence[TopicPartition], timeout_s: float) -> Future[Sequence[TopicPartition]]:
        """Makes ``fetch`` in a thread of its own."""
        answer: Future[Sequence[TopicPartition]] = Future()
        Thread(target=self._answer, args=(answer, parts, timeout_s), name="committed-offsets", daemon=True).start()
        return answer

    def _answer(
        self, answer: Future[Sequence[TopicPartition]], parts: Sequence[TopicPartition], timeout_s: float
    ) -> None:
        try:
            answer.set_result(self.fetch(parts, timeout_s))
        except BaseException as error:  # noqa: BLE001 - whoever waits for the answer gets it
            answer.set_exception(error)
