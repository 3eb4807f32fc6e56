"""An admin client whose requests are not answered for a while is replaced by a new one."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException

from streams.kafka.admin_client import REPLACE_AFTER_S, RenewingClient, error_of

TIMED_OUT = KafkaException(KafkaError(KafkaError._TIMED_OUT))
FENCED = KafkaException(KafkaError(KafkaError.FENCED_LEADER_EPOCH))


class FakeClients:
    """A ``RenewingClient`` whose clients are numbered in the order of construction."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.count = 0
        self.admin = RenewingClient(lambda: self.now_s, self._next)

    @property
    def number(self) -> int:
        """The number of the current client."""
        return cast("int", self.admin.client)

    def _next(self) -> Any:
        self.count += 1
        return self.count


@pytest.fixture
def built() -> FakeClients:
    return FakeClients()


def test_a_client_that_gets_no_answers_for_ten_seconds_is_replaced(built: FakeClients) -> None:
    for built.now_s in (0.0, 5.0, REPLACE_AFTER_S):
        assert built.number == 1
        built.admin.report([TIMED_OUT])

    assert built.number == 2


def test_a_client_that_answers_in_between_is_kept(built: FakeClients) -> None:
    for built.now_s in (0.0, 5.0, 10.0, 15.0, 20.0):
        built.admin.report([TIMED_OUT])
        built.admin.report([None, None])

    assert built.number == 1


def test_a_client_is_kept_while_some_partitions_are_answered(built: FakeClients) -> None:
    for built.now_s in (0.0, 2 * REPLACE_AFTER_S, 4 * REPLACE_AFTER_S):
        built.admin.report([None, TIMED_OUT])

    assert built.count == 1


def test_an_offset_that_the_client_does_not_know_is_no_answer() -> None:
    unknown, known = Future[Any](), Future[Any]()
    unknown.set_result(SimpleNamespace(offset=OFFSET_INVALID))
    known.set_result(SimpleNamespace(offset=0))

    assert isinstance(error_of(unknown), KafkaException)
    assert error_of(known) is None


def test_a_client_with_an_outdated_leader_is_replaced_at_once(built: FakeClients) -> None:
    built.admin.report([FENCED])

    assert built.number == 2


def test_a_client_is_replaced_every_ten_seconds_while_the_cluster_is_down(built: FakeClients) -> None:
    for second in range(60):
        built.now_s = float(second)
        built.admin.report([TIMED_OUT])

    assert 4 <= built.count <= 7
