"""Classifies librdkafka's errors: one table for producers, one for consumers.

The flags that the client sets on an error (fatal, requires an abort, retriable) win. The tables classify errors that
come without a flag: those of delivery reports, commits and consumed messages.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from confluent_kafka import KafkaError


class ProducerErrorKind(Enum):
    """How the sink handles a producer's error."""

    RETRIABLE = "repeat the same call on the same producer"
    ABORTABLE = "abort the transaction and write the checkpoint again"
    TOO_LARGE = "find the record that is too large; replace it or leave its partition out"
    FENCED = "another producer uses our transactional id; replace the producer, once"
    FATAL = "this producer is unusable; replace it, once"


class ConsumerErrorKind(Enum):
    """How the source handles a consumer's error."""

    TRANSIENT = "log it and continue; the client recovers by itself"
    OUT_OF_RANGE = "the partition's position is not in the log; that partition stops"
    FATAL = "only a restart or an operator can resolve it"


PRODUCER_ERRORS: Final[Mapping[int, ProducerErrorKind]] = MappingProxyType(
    {
        KafkaError._FENCED: ProducerErrorKind.FENCED,  # noqa: SLF001 - the client spells its own error codes with an underscore
        KafkaError.PRODUCER_FENCED: ProducerErrorKind.FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH: ProducerErrorKind.FENCED,
        KafkaError.INVALID_PRODUCER_ID_MAPPING: ProducerErrorKind.FATAL,
        KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER: ProducerErrorKind.FATAL,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: ProducerErrorKind.FATAL,
        KafkaError.UNSUPPORTED_VERSION: ProducerErrorKind.FATAL,
        KafkaError._STATE: ProducerErrorKind.FATAL,  # noqa: SLF001
        KafkaError._FATAL: ProducerErrorKind.FATAL,  # noqa: SLF001
        KafkaError.MSG_SIZE_TOO_LARGE: ProducerErrorKind.TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE: ProducerErrorKind.TOO_LARGE,
        KafkaError.OFFSET_METADATA_TOO_LARGE: ProducerErrorKind.ABORTABLE,
        # the group has rebalanced: fresh group metadata shows whether we are still a member
        KafkaError.ILLEGAL_GENERATION: ProducerErrorKind.ABORTABLE,
        KafkaError.UNKNOWN_MEMBER_ID: ProducerErrorKind.ABORTABLE,
        KafkaError.REBALANCE_IN_PROGRESS: ProducerErrorKind.ABORTABLE,
        KafkaError.FENCED_INSTANCE_ID: ProducerErrorKind.ABORTABLE,
        # a record that was not delivered fails its transaction, whatever the reason
        KafkaError._MSG_TIMED_OUT: ProducerErrorKind.ABORTABLE,  # noqa: SLF001
        KafkaError._PURGE_QUEUE: ProducerErrorKind.ABORTABLE,  # noqa: SLF001
        KafkaError._PURGE_INFLIGHT: ProducerErrorKind.ABORTABLE,  # noqa: SLF001
        KafkaError._UNKNOWN_TOPIC: ProducerErrorKind.ABORTABLE,  # noqa: SLF001
        KafkaError._UNKNOWN_PARTITION: ProducerErrorKind.ABORTABLE,  # noqa: SLF001
        KafkaError.UNKNOWN_TOPIC_OR_PART: ProducerErrorKind.ABORTABLE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED: ProducerErrorKind.ABORTABLE,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED: ProducerErrorKind.ABORTABLE,
        KafkaError.GROUP_AUTHORIZATION_FAILED: ProducerErrorKind.ABORTABLE,
        KafkaError.INVALID_MSG: ProducerErrorKind.ABORTABLE,
        KafkaError.TRANSACTION_ABORTABLE: ProducerErrorKind.ABORTABLE,
        KafkaError._TIMED_OUT: ProducerErrorKind.RETRIABLE,  # noqa: SLF001
        KafkaError._TRANSPORT: ProducerErrorKind.RETRIABLE,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN: ProducerErrorKind.RETRIABLE,  # noqa: SLF001
        KafkaError._WAIT_COORD: ProducerErrorKind.RETRIABLE,  # noqa: SLF001
        KafkaError._CONFLICT: ProducerErrorKind.RETRIABLE,  # noqa: SLF001 - an earlier call is still being completed
        KafkaError._PREV_IN_PROGRESS: ProducerErrorKind.RETRIABLE,  # noqa: SLF001
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS: ProducerErrorKind.RETRIABLE,
        KafkaError.COORDINATOR_NOT_AVAILABLE: ProducerErrorKind.RETRIABLE,
        KafkaError.NOT_COORDINATOR: ProducerErrorKind.RETRIABLE,
        KafkaError.CONCURRENT_TRANSACTIONS: ProducerErrorKind.RETRIABLE,
        KafkaError.REQUEST_TIMED_OUT: ProducerErrorKind.RETRIABLE,
        KafkaError.NOT_ENOUGH_REPLICAS: ProducerErrorKind.RETRIABLE,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND: ProducerErrorKind.RETRIABLE,
    }
)

CONSUMER_ERRORS: Final[Mapping[int, ConsumerErrorKind]] = MappingProxyType(
    {
        KafkaError._AUTO_OFFSET_RESET: ConsumerErrorKind.OUT_OF_RANGE,  # noqa: SLF001
        KafkaError.OFFSET_OUT_OF_RANGE: ConsumerErrorKind.OUT_OF_RANGE,
        KafkaError._MAX_POLL_EXCEEDED: ConsumerErrorKind.TRANSIENT,  # noqa: SLF001
        KafkaError._TRANSPORT: ConsumerErrorKind.TRANSIENT,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN: ConsumerErrorKind.TRANSIENT,  # noqa: SLF001
        KafkaError._TIMED_OUT: ConsumerErrorKind.TRANSIENT,  # noqa: SLF001
        KafkaError._RESOLVE: ConsumerErrorKind.TRANSIENT,  # noqa: SLF001
        KafkaError.COORDINATOR_NOT_AVAILABLE: ConsumerErrorKind.TRANSIENT,
        KafkaError.NOT_COORDINATOR: ConsumerErrorKind.TRANSIENT,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS: ConsumerErrorKind.TRANSIENT,
        KafkaError.LEADER_NOT_AVAILABLE: ConsumerErrorKind.TRANSIENT,
        KafkaError.NOT_LEADER_FOR_PARTITION: ConsumerErrorKind.TRANSIENT,
        KafkaError.REBALANCE_IN_PROGRESS: ConsumerErrorKind.TRANSIENT,
        KafkaError.ILLEGAL_GENERATION: ConsumerErrorKind.TRANSIENT,
        KafkaError.UNKNOWN_MEMBER_ID: ConsumerErrorKind.TRANSIENT,
        KafkaError.UNKNOWN_TOPIC_OR_PART: ConsumerErrorKind.FATAL,
        KafkaError.TOPIC_AUTHORIZATION_FAILED: ConsumerErrorKind.FATAL,
        KafkaError.GROUP_AUTHORIZATION_FAILED: ConsumerErrorKind.FATAL,
        KafkaError._AUTHENTICATION: ConsumerErrorKind.FATAL,  # noqa: SLF001
        KafkaError.SASL_AUTHENTICATION_FAILED: ConsumerErrorKind.FATAL,
        KafkaError.FENCED_INSTANCE_ID: ConsumerErrorKind.FATAL,
        KafkaError._FATAL: ConsumerErrorKind.FATAL,  # noqa: SLF001
    }
)


def producer_error_kind(error: KafkaError) -> ProducerErrorKind:
    """Classifies a producer's error. An unknown one is FATAL: that costs the producer, never data."""
    named = PRODUCER_ERRORS.get(error.code())
    if named in (ProducerErrorKind.FENCED, ProducerErrorKind.TOO_LARGE):
        return named
    if error.fatal():
        return ProducerErrorKind.FATAL
    if error.txn_requires_abort():
        return ProducerErrorKind.ABORTABLE
    if error.retriable():
        return ProducerErrorKind.RETRIABLE
    return named or ProducerErrorKind.FATAL


def consumer_error_kind(error: KafkaError) -> ConsumerErrorKind:
    """Classifies a consumer's error. An unknown one is TRANSIENT unless it is flagged fatal: the client retries."""
    if error.fatal():
        return ConsumerErrorKind.FATAL
    return CONSUMER_ERRORS.get(error.code(), ConsumerErrorKind.TRANSIENT)
