"""The table from a client's error to what we do about it."""

import pytest
from confluent_kafka import KafkaError

from streams.kafka.errors import CONSUMER, PRODUCER, Heard, Kind, heard_as, kind_of


def error(code: int, *, fatal: bool = False, retriable: bool = False, abort: bool = False) -> KafkaError:
    return KafkaError(code, "said so", fatal, retriable, abort)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError._FENCED, Kind.FENCED),
        (KafkaError.INVALID_PRODUCER_EPOCH, Kind.FENCED),
        (KafkaError.PRODUCER_FENCED, Kind.FENCED),
        (KafkaError.MSG_SIZE_TOO_LARGE, Kind.TOO_LARGE),
        (KafkaError.RECORD_LIST_TOO_LARGE, Kind.TOO_LARGE),
        (KafkaError.ILLEGAL_GENERATION, Kind.ABORTABLE),
        (KafkaError.UNKNOWN_MEMBER_ID, Kind.ABORTABLE),
        (KafkaError.REBALANCE_IN_PROGRESS, Kind.ABORTABLE),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Kind.ABORTABLE),
        (KafkaError._MSG_TIMED_OUT, Kind.ABORTABLE),
        (KafkaError._TIMED_OUT, Kind.RETRIABLE),
        (KafkaError._TRANSPORT, Kind.RETRIABLE),
        (KafkaError.CONCURRENT_TRANSACTIONS, Kind.RETRIABLE),
        (KafkaError.COORDINATOR_LOAD_IN_PROGRESS, Kind.RETRIABLE),
        (KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, Kind.FATAL),
        (KafkaError._STATE, Kind.FATAL),
    ],
)
def test_a_producers_error_by_its_code(code: int, kind: Kind) -> None:
    assert kind_of(error(code)) is kind


def test_the_clients_own_word_wins_over_the_table() -> None:
    assert kind_of(error(KafkaError._TIMED_OUT, fatal=True)) is Kind.FATAL
    assert kind_of(error(KafkaError._TIMED_OUT, abort=True)) is Kind.ABORTABLE
    assert kind_of(error(KafkaError.UNKNOWN, retriable=True)) is Kind.RETRIABLE


def test_fenced_and_too_large_stay_what_they_are_whatever_else_is_said() -> None:
    assert kind_of(error(KafkaError._FENCED, fatal=True)) is Kind.FENCED
    assert kind_of(error(KafkaError.MSG_SIZE_TOO_LARGE, abort=True)) is Kind.TOO_LARGE


def test_an_unknown_error_costs_the_producer_and_never_the_data() -> None:
    assert kind_of(error(KafkaError.UNKNOWN)) is Kind.FATAL


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (KafkaError._AUTO_OFFSET_RESET, Heard.OUT_OF_RANGE),
        (KafkaError.OFFSET_OUT_OF_RANGE, Heard.OUT_OF_RANGE),
        (KafkaError._MAX_POLL_EXCEEDED, Heard.PASSING),
        (KafkaError._ALL_BROKERS_DOWN, Heard.PASSING),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, Heard.FATAL),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Heard.FATAL),
        (KafkaError.UNKNOWN, Heard.PASSING),
    ],
)
def test_a_consumers_error_by_its_code(code: int, meaning: Heard) -> None:
    assert heard_as(error(code)) is meaning


def test_a_fatal_error_of_the_consumer_is_fatal_whatever_its_code() -> None:
    assert heard_as(error(KafkaError._TRANSPORT, fatal=True)) is Heard.FATAL


def test_no_code_stands_in_a_table_that_the_client_does_not_know() -> None:
    for code in (*PRODUCER, *CONSUMER):
        assert error(code).name() != "", code
