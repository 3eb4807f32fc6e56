"""The classification of the client's errors."""

import pytest
from confluent_kafka import KafkaError

from streams.kafka.errors import (
    CONSUMER_ERRORS,
    PRODUCER_ERRORS,
    ConsumerErrorKind,
    ProducerErrorKind,
    consumer_error_kind,
    producer_error_kind,
)


def error(code: int, *, fatal: bool = False, retriable: bool = False, abort: bool = False) -> KafkaError:
    return KafkaError(code, "said so", fatal, retriable, abort)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError._FENCED, ProducerErrorKind.FENCED),
        (KafkaError.INVALID_PRODUCER_EPOCH, ProducerErrorKind.FENCED),
        (KafkaError.PRODUCER_FENCED, ProducerErrorKind.FENCED),
        (KafkaError.MSG_SIZE_TOO_LARGE, ProducerErrorKind.TOO_LARGE),
        (KafkaError.RECORD_LIST_TOO_LARGE, ProducerErrorKind.TOO_LARGE),
        (KafkaError.ILLEGAL_GENERATION, ProducerErrorKind.ABORTABLE),
        (KafkaError.UNKNOWN_MEMBER_ID, ProducerErrorKind.ABORTABLE),
        (KafkaError.REBALANCE_IN_PROGRESS, ProducerErrorKind.ABORTABLE),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, ProducerErrorKind.ABORTABLE),
        (KafkaError._MSG_TIMED_OUT, ProducerErrorKind.ABORTABLE),
        (KafkaError._TIMED_OUT, ProducerErrorKind.RETRIABLE),
        (KafkaError._TRANSPORT, ProducerErrorKind.RETRIABLE),
        (KafkaError.CONCURRENT_TRANSACTIONS, ProducerErrorKind.RETRIABLE),
        (KafkaError.COORDINATOR_LOAD_IN_PROGRESS, ProducerErrorKind.RETRIABLE),
        (KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, ProducerErrorKind.FATAL),
        (KafkaError._STATE, ProducerErrorKind.FATAL),
    ],
)
def test_a_producers_error_by_its_code(code: int, kind: ProducerErrorKind) -> None:
    assert producer_error_kind(error(code)) is kind


def test_the_clients_classification_overrides_the_table() -> None:
    assert producer_error_kind(error(KafkaError._TIMED_OUT, fatal=True)) is ProducerErrorKind.FATAL
    assert producer_error_kind(error(KafkaError._TIMED_OUT, abort=True)) is ProducerErrorKind.ABORTABLE
    assert producer_error_kind(error(KafkaError.UNKNOWN, retriable=True)) is ProducerErrorKind.RETRIABLE


def test_fenced_and_too_large_are_never_reclassified() -> None:
    assert producer_error_kind(error(KafkaError._FENCED, fatal=True)) is ProducerErrorKind.FENCED
    assert producer_error_kind(error(KafkaError.MSG_SIZE_TOO_LARGE, abort=True)) is ProducerErrorKind.TOO_LARGE


def test_an_unknown_error_replaces_the_producer_and_loses_no_data() -> None:
    assert producer_error_kind(error(KafkaError.UNKNOWN)) is ProducerErrorKind.FATAL


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (KafkaError._AUTO_OFFSET_RESET, ConsumerErrorKind.OUT_OF_RANGE),
        (KafkaError.OFFSET_OUT_OF_RANGE, ConsumerErrorKind.OUT_OF_RANGE),
        (KafkaError._MAX_POLL_EXCEEDED, ConsumerErrorKind.TRANSIENT),
        (KafkaError._ALL_BROKERS_DOWN, ConsumerErrorKind.TRANSIENT),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, ConsumerErrorKind.FATAL),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, ConsumerErrorKind.FATAL),
        (KafkaError.UNKNOWN, ConsumerErrorKind.TRANSIENT),
    ],
)
def test_a_consumers_error_by_its_code(code: int, meaning: ConsumerErrorKind) -> None:
    assert consumer_error_kind(error(code)) is meaning


def test_a_fatal_error_of_the_consumer_is_fatal_whatever_its_code() -> None:
    assert consumer_error_kind(error(KafkaError._TRANSPORT, fatal=True)) is ConsumerErrorKind.FATAL


def test_no_code_stands_in_a_table_that_the_client_does_not_know() -> None:
    for code in (*PRODUCER_ERRORS, *CONSUMER_ERRORS):
        assert error(code).name() != "", code
