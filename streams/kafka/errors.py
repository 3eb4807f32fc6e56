"""What each of librdkafka's errors means to us: one table for the producer's, one for the consumer's.

The client says of an error whether it is fatal, wants the transaction aborted, or may be tried again; these words win.
The tables name what comes without such a word (delivery reports, commits, messages that are errors).
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from confluent_kafka import KafkaError


class Kind(Enum):
    """What the sink does about a producer's error."""

    RETRIABLE = "the same call again, on the same producer"
    ABORTABLE = "abort, and write the checkpoint anew"
    TOO_LARGE = "find the record that does not fit; replace it or leave its partition out"
    FENCED = "another producer took our id: a new producer, once"
    FATAL = "this producer is dead: a new one, once"


class Heard(Enum):
    """What the source does about a consumer's error."""

    PASSING = "say so and go on: the client recovers by itself"
    OUT_OF_RANGE = "the partition's position is not in the log: that partition stops"
    FATAL = "only a restart, or a person, can mend it"


PRODUCER: Final[Mapping[int, Kind]] = MappingProxyType(
    {
        KafkaError._FENCED: Kind.FENCED,  # noqa: SLF001 - the client's names for its own errors start so
        KafkaError.PRODUCER_FENCED: Kind.FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH: Kind.FENCED,
        KafkaError.INVALID_PRODUCER_ID_MAPPING: Kind.FATAL,
        KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER: Kind.FATAL,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: Kind.FATAL,
        KafkaError.UNSUPPORTED_VERSION: Kind.FATAL,
        KafkaError._STATE: Kind.FATAL,  # noqa: SLF001
        KafkaError._FATAL: Kind.FATAL,  # noqa: SLF001
        KafkaError.MSG_SIZE_TOO_LARGE: Kind.TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE: Kind.TOO_LARGE,
        KafkaError.OFFSET_METADATA_TOO_LARGE: Kind.ABORTABLE,
        # the group has moved on: fresh group metadata tells whether we are still in it
        KafkaError.ILLEGAL_GENERATION: Kind.ABORTABLE,
        KafkaError.UNKNOWN_MEMBER_ID: Kind.ABORTABLE,
        KafkaError.REBALANCE_IN_PROGRESS: Kind.ABORTABLE,
        KafkaError.FENCED_INSTANCE_ID: Kind.ABORTABLE,
        # a record that could not be delivered spoils its transaction, whatever the reason
        KafkaError._MSG_TIMED_OUT: Kind.ABORTABLE,  # noqa: SLF001
        KafkaError._PURGE_QUEUE: Kind.ABORTABLE,  # noqa: SLF001
        KafkaError._PURGE_INFLIGHT: Kind.ABORTABLE,  # noqa: SLF001
        KafkaError._UNKNOWN_TOPIC: Kind.ABORTABLE,  # noqa: SLF001
        KafkaError._UNKNOWN_PARTITION: Kind.ABORTABLE,  # noqa: SLF001
        KafkaError.UNKNOWN_TOPIC_OR_PART: Kind.ABORTABLE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED: Kind.ABORTABLE,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED: Kind.ABORTABLE,
        KafkaError.GROUP_AUTHORIZATION_FAILED: Kind.ABORTABLE,
        KafkaError.INVALID_MSG: Kind.ABORTABLE,
        KafkaError.TRANSACTION_ABORTABLE: Kind.ABORTABLE,
        KafkaError._TIMED_OUT: Kind.RETRIABLE,  # noqa: SLF001
        KafkaError._TRANSPORT: Kind.RETRIABLE,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN: Kind.RETRIABLE,  # noqa: SLF001
        KafkaError._WAIT_COORD: Kind.RETRIABLE,  # noqa: SLF001
        KafkaError._CONFLICT: Kind.RETRIABLE,  # noqa: SLF001 - a call before this one is still being finished
        KafkaError._PREV_IN_PROGRESS: Kind.RETRIABLE,  # noqa: SLF001
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS: Kind.RETRIABLE,
        KafkaError.COORDINATOR_NOT_AVAILABLE: Kind.RETRIABLE,
        KafkaError.NOT_COORDINATOR: Kind.RETRIABLE,
        KafkaError.CONCURRENT_TRANSACTIONS: Kind.RETRIABLE,
        KafkaError.REQUEST_TIMED_OUT: Kind.RETRIABLE,
        KafkaError.NOT_ENOUGH_REPLICAS: Kind.RETRIABLE,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND: Kind.RETRIABLE,
    }
)

CONSUMER: Final[Mapping[int, Heard]] = MappingProxyType(
    {
        KafkaError._AUTO_OFFSET_RESET: Heard.OUT_OF_RANGE,  # noqa: SLF001
        KafkaError.OFFSET_OUT_OF_RANGE: Heard.OUT_OF_RANGE,
        KafkaError._MAX_POLL_EXCEEDED: Heard.PASSING,  # noqa: SLF001
        KafkaError._TRANSPORT: Heard.PASSING,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN: Heard.PASSING,  # noqa: SLF001
        KafkaError._TIMED_OUT: Heard.PASSING,  # noqa: SLF001
        KafkaError._RESOLVE: Heard.PASSING,  # noqa: SLF001
        KafkaError.COORDINATOR_NOT_AVAILABLE: Heard.PASSING,
        KafkaError.NOT_COORDINATOR: Heard.PASSING,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS: Heard.PASSING,
        KafkaError.LEADER_NOT_AVAILABLE: Heard.PASSING,
        KafkaError.NOT_LEADER_FOR_PARTITION: Heard.PASSING,
        KafkaError.REBALANCE_IN_PROGRESS: Heard.PASSING,
        KafkaError.ILLEGAL_GENERATION: Heard.PASSING,
        KafkaError.UNKNOWN_MEMBER_ID: Heard.PASSING,
        KafkaError.UNKNOWN_TOPIC_OR_PART: Heard.FATAL,
        KafkaError.TOPIC_AUTHORIZATION_FAILED: Heard.FATAL,
        KafkaError.GROUP_AUTHORIZATION_FAILED: Heard.FATAL,
        KafkaError._AUTHENTICATION: Heard.FATAL,  # noqa: SLF001
        KafkaError.SASL_AUTHENTICATION_FAILED: Heard.FATAL,
        KafkaError.FENCED_INSTANCE_ID: Heard.FATAL,
        KafkaError._FATAL: Heard.FATAL,  # noqa: SLF001
    }
)


def kind_of(error: KafkaError) -> Kind:
    """Of a producer's error. One that neither the client nor the table knows costs the producer: never the data."""
    named = PRODUCER.get(error.code())
    if named in (Kind.FENCED, Kind.TOO_LARGE):
        return named
    if error.fatal():
        return Kind.FATAL
    if error.txn_requires_abort():
        return Kind.ABORTABLE
    if error.retriable():
        return Kind.RETRIABLE
    return named or Kind.FATAL


def heard_as(error: KafkaError) -> Heard:
    """Of a consumer's error. An unknown one passes unless the client calls it fatal: it is the client that retries."""
    if error.fatal():
        return Heard.FATAL
    return CONSUMER.get(error.code(), Heard.PASSING)
