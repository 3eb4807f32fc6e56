"""A broker's password that changes: clients that run are given the new one, and connect again with it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented there
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from devstack.stack import create_topics
from devstack.waiting import until
from streams.kafka import live_clients
from streams.kafka.live_clients import LiveClients, TrackedConsumer, TrackedProducer
from tests.harness.secured_broker import ScramUser, SecuredBroker

pytestmark = pytest.mark.kafka

SOON_CLOSED = {"connections.max.idle.ms": 1_000, "statistics.interval.ms": 100, "log_level": 0}
"""A client with these closes its connections when they are idle, and has to connect again."""


class ObservedClient:
    """Counts a client's connections, and keeps its errors."""

    def __init__(self) -> None:
        self.connects = 0
        self.errors: set[int] = set()

    @property
    def configuration(self) -> dict[str, Any]:
        return {"stats_cb": self._on_statistics, "error_cb": lambda error: self.errors.add(error.code())}

    def _on_statistics(self, text: str) -> None:
        self.connects = sum(broker["connects"] for broker in json.loads(text)["brokers"].values())


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> LiveClients:
    made = LiveClients()
    monkeypatch.setattr(live_clients, "LIVE_CLIENTS", made)
    return made


def topic_of(secured: SecuredBroker, user: ScramUser) -> str:
    topic = f"of-{user.name}"
    create_topics(secured.admin, NewTopic(topic, 1, 1))
    for operation in (AclOperation.READ, AclOperation.WRITE):
        right = (ResourcePatternType.LITERAL, user.principal, "*", operation, AclPermissionType.ALLOW)
        secured.allow([AclBinding(ResourceType.TOPIC, topic, *right)])
    secured.allow([AclBinding(ResourceType.GROUP, topic, *right[:3], AclOperation.READ, AclPermissionType.ALLOW)])
    return topic


def producing(producer: TrackedProducer, topic: str) -> Callable[[], bool]:
    delivered: list[KafkaError | None] = []
    producer.produce(topic, b"value", b"key", 0, on_delivery=lambda error, _: delivered.append(error))

    def acknowledged() -> bool:
        producer.poll(0.1)
        return delivered == [None]

    return acknowledged


def test_running_clients_connect_again_with_a_replaced_password_and_others_cannot(
    secured: SecuredBroker, clients: LiveClients
) -> None:
    user = secured.add_user()
    topic = topic_of(secured, user)
    seen, left_alone = ObservedClient(), ObservedClient()
    connection = secured.connection(user)
    producer = TrackedProducer({**connection.producer(), **SOON_CLOSED, **seen.configuration})
    forgotten = TrackedProducer({**connection.producer(), **SOON_CLOSED, **left_alone.configuration})
    consumer = TrackedConsumer({**connection.consumer(group_id=topic, auto_offset_reset="earliest"), "log_level": 0})
    for each in (producer, forgotten):
        until("the first record to be acknowledged", producing(each, topic))
    connects = seen.connects

    rotated = secured.rotate(user)
    clients._clients.discard(forgotten)
    assert clients.replace_credentials(rotated.name, rotated.password) == 2

    def is_refused() -> bool:
        forgotten.poll(0.1)
        return KafkaError._AUTHENTICATION in left_alone.errors

    def has_connected_again() -> bool:
        producer.poll(0.1)
        return seen.connects > connects

    until("a connection with the old password to be refused", is_refused, progress=lambda: left_alone.connects)
    until("a connection with the new password", has_connected_again)
    until("another record to be acknowledged", producing(producer, topic))
    consumer.subscribe([topic])
    until("a record to be read", lambda: consumer.poll(1.0) is not None)
    consumer.close()
    assert KafkaError._AUTHENTICATION not in seen.errors
