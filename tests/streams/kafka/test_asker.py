"""Whose questions are not answered for a while gets a client that remembers nothing."""

from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.kafka.asker import PATIENCE_S, Asker

TIMED_OUT = KafkaException(KafkaError(KafkaError._TIMED_OUT))
FENCED = KafkaException(KafkaError(KafkaError.FENCED_LEADER_EPOCH))


class Built:
    """An asker whose clients are numbers, in the order in which they were built."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.count = 0
        self.asker = Asker({}, lambda: self.now_s, build=self._next)

    @property
    def number(self) -> int:
        """Of the client that is asked now."""
        return cast("int", self.asker.client)

    def _next(self, _configuration: dict[str, Any]) -> Any:
        self.count += 1
        return self.count


@pytest.fixture
def built() -> Built:
    return Built()


def test_a_client_that_gets_no_answers_for_ten_seconds_is_replaced(built: Built) -> None:
    for built.now_s in (0.0, 5.0, PATIENCE_S):
        assert built.number == 1
        built.asker.heard([TIMED_OUT])

    assert built.number == 2


def test_a_client_that_answers_in_between_is_kept(built: Built) -> None:
    for built.now_s in (0.0, 5.0, 10.0, 15.0, 20.0):
        built.asker.heard([TIMED_OUT])
        built.asker.heard([None, None])

    assert built.number == 1


def test_one_answer_beside_failures_is_none(built: Built) -> None:
    for built.now_s in (0.0, PATIENCE_S):
        built.asker.heard([None, TIMED_OUT])

    assert built.number == 2


def test_a_client_that_asks_a_leader_of_before_is_replaced_at_once(built: Built) -> None:
    built.asker.heard([FENCED])

    assert built.number == 2


def test_a_cluster_that_is_away_for_long_costs_a_client_every_ten_seconds(built: Built) -> None:
    for second in range(60):
        built.now_s = float(second)
        built.asker.heard([TIMED_OUT])

    assert 4 <= built.count <= 7
