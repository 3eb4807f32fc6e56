"""The lookup of group members uses a new client each time."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupState, KafkaError, KafkaException

from streams.errors import BrokerDown
from streams.kafka.members import GroupMembers
from streams.kafka.settings import KafkaConnection


class FakeGroupAdmin:
    """Reaches no broker if it was opened while they were down: such a client never recovers."""

    away = True

    def __init__(self, _: dict[str, Any]) -> None:
        self._reaches_nobody = FakeGroupAdmin.away

    def describe_consumer_groups(self, groups: list[str], **_: Any) -> dict[str, Future[Any]]:
        answer: Future[Any] = Future()
        if self._reaches_nobody:
            answer.set_exception(KafkaException(KafkaError(KafkaError._TRANSPORT)))
        else:
            member = SimpleNamespace(
                client_id="me", member_id="me-1", host="/10.0.0.7", assignment=None, group_instance_id="me"
            )
            answer.set_result(SimpleNamespace(members=[member], state=ConsumerGroupState.STABLE))
        return {groups[0]: answer}

    def poll(self, _: float) -> int:
        return 0


def test_members_are_found_once_a_broker_is_back_although_all_known_ones_were_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.kafka.members.AdminClient", FakeGroupAdmin)
    members = GroupMembers(KafkaConnection(bootstrap_servers="nowhere:1", client_id="c"), "group")
    with pytest.raises(BrokerDown):
        members.under("me")

    monkeypatch.setattr(FakeGroupAdmin, "away", False)

    assert [(one.member_id, one.static) for one in members.under("me").members] == [("me-1", True)]
