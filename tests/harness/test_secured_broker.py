"""The broker with TLS, SCRAM and ACLs denies what it should; otherwise tests of permissions would prove nothing."""

import pytest
from confluent_kafka import KafkaError
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented there
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from devstack.stack import create_topics
from tests.harness.secured_broker import ScramUser, SecuredBroker

pytestmark = pytest.mark.kafka


def answer_about(topic: str, broker: SecuredBroker, user: ScramUser) -> int | None:
    """Returns the error code of describing the topic, or None if the broker describes it."""
    asked = AdminClient({**broker.connection(user).admin(), "log_level": 0})
    refused: KafkaError | None = asked.list_topics(topic, timeout=30).topics[topic].error
    return None if refused is None else refused.code()


def test_an_acl_counts_from_the_moment_it_is_added_until_it_is_withdrawn(secured: SecuredBroker) -> None:
    user = secured.add_user()
    topic = f"of-{user.name}"
    create_topics(secured.admin, NewTopic(topic, 1, 1))
    right = AclBinding(
        ResourceType.TOPIC,
        topic,
        ResourcePatternType.LITERAL,
        user.principal,
        "*",
        AclOperation.DESCRIBE,
        AclPermissionType.ALLOW,
    )

    before = answer_about(topic, secured, user)
    secured.allow([right])
    with_it = answer_about(topic, secured, user)
    secured.withdraw(right)
    after = answer_about(topic, secured, user)

    refused = KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert (before, with_it, after) == (refused, None, refused)
