"""A denied operation is reported with operation and resource, and never as a missing topic."""

from collections.abc import Callable

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented there
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from devstack.stack import create_topics
from streams.errors import NotPermitted
from streams.kafka.admin import ClusterAdmin
from streams.kafka.produce_once import produce_record
from streams.kafka.settings import KafkaConnection, SinkSettings, SourceSettings
from streams.kafka.sinks import TransactionalSink
from streams.kafka.source import KafkaSource
from streams.kafka.table import CompactedTable
from streams.kafka.topic_reader import read_key_values
from streams.topics import TopicToCreate
from tests.contracts.brokers import RecordingMember, closing, until
from tests.harness.secured_broker import ScramUser, SecuredBroker

pytestmark = pytest.mark.kafka

ABSENT = "a-topic-that-nobody-made"


@pytest.fixture
def user(secured: SecuredBroker) -> ScramUser:
    return secured.add_user()


@pytest.fixture
def topic(secured: SecuredBroker, user: ScramUser) -> str:
    """A topic with one record."""
    return with_a_record(secured, f"of-{user.name}")


def with_a_record(secured: SecuredBroker, topic: str) -> str:
    create_topics(secured.admin, NewTopic(topic, 1, 1))
    writer = Producer({"bootstrap.servers": secured.stack.bootstrap_servers, "log_level": 0})
    writer.produce(topic, b"value", b"key", 0)
    assert writer.flush(30) == 0
    return topic


def on(restype: ResourceType, name: str, user: ScramUser, *operations: AclOperation) -> list[AclBinding]:
    kind, allow = ResourcePatternType.LITERAL, AclPermissionType.ALLOW
    return [AclBinding(restype, name, kind, user.principal, "*", operation, allow) for operation in operations]


def connection(secured: SecuredBroker, user: ScramUser) -> KafkaConnection:
    of_user = secured.connection(user)
    return KafkaConnection(
        bootstrap_servers=of_user.bootstrap_servers,
        client_id=of_user.client_id,
        properties={**of_user.properties, "log_level": 0},
    )


def asked(secured: SecuredBroker, user: ScramUser) -> ClusterAdmin:
    return ClusterAdmin(connection(secured, user).admin(), timeout_s=30)


def test_a_topic_that_may_not_be_described_is_hidden_and_one_that_is_not_there_is_absent(
    secured: SecuredBroker, user: ScramUser, topic: str
) -> None:
    secured.allow(on(ResourceType.TOPIC, ABSENT, user, AclOperation.DESCRIBE))

    there = asked(secured, user).describe([topic, ABSENT])

    assert there.keys() == {topic}
    assert there[topic].hidden


def test_a_topic_is_described_with_the_allowed_operations(secured: SecuredBroker, user: ScramUser, topic: str) -> None:
    secured.allow(on(ResourceType.TOPIC, topic, user, AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS))

    described = asked(secured, user).describe([topic])[topic]

    assert (described.partitions, described.hidden) == (1, False)
    assert described.allowed == frozenset({"Write", "Describe", "DescribeConfigs"})
    assert described.config["cleanup.policy"] == "delete"


def test_allowed_operations_on_a_group_are_known_before_it_has_members(secured: SecuredBroker, user: ScramUser) -> None:
    group = f"of-{user.name}"

    before = asked(secured, user).allowed_on_group(group)
    secured.allow(on(ResourceType.GROUP, group, user, AclOperation.READ))

    assert before == frozenset()
    assert asked(secured, user).allowed_on_group(group) == frozenset({"Read", "Describe"})


def test_creating_a_topic_without_permission_names_the_permission(
    secured: SecuredBroker, user: ScramUser, topic: str
) -> None:
    refused = asked(secured, user).create([TopicToCreate(name=f"{topic}-new", partitions=1, config={})])

    assert f"denies this principal Create on topic {topic}-new" in refused[f"{topic}-new"]


def _reads_all(where: KafkaConnection, topic: str, group: str) -> None:
    list(read_key_values(where, topic, reader=group))


def _reads_table(where: KafkaConnection, topic: str, group: str) -> None:
    CompactedTable(where, topic, reader=group).read()


def _joins(where: KafkaConnection, topic: str, group: str) -> None:
    settings = SourceSettings(connection=where, group=group, topics={topic: topic}, start="earliest")
    member = RecordingMember(source=KafkaSource(settings))
    with closing(member.source):
        until(lambda: bool(member.records), member)


@pytest.mark.parametrize("reads", [_reads_all, _reads_table, _joins])
def test_reading_a_topic_without_permission_names_it(
    secured: SecuredBroker, user: ScramUser, topic: str, reads: Callable[[KafkaConnection, str, str], None]
) -> None:
    secured.allow(on(ResourceType.GROUP, topic, user, AclOperation.READ))
    secured.allow(on(ResourceType.TOPIC, topic, user, AclOperation.DESCRIBE))

    with pytest.raises(NotPermitted, match=f"Read on topic {topic} "):
        reads(connection(secured, user), topic, topic)

    secured.allow(on(ResourceType.TOPIC, topic, user, AclOperation.READ))
    reads(connection(secured, user), topic, topic)


@pytest.mark.parametrize("reads", [_reads_all, _reads_table, _joins])
def test_reading_as_a_group_without_permission_names_the_group(
    secured: SecuredBroker, user: ScramUser, topic: str, reads: Callable[[KafkaConnection, str, str], None]
) -> None:
    secured.allow(on(ResourceType.TOPIC, topic, user, AclOperation.READ))

    with pytest.raises(NotPermitted, match=f"on group {topic} "):
        reads(connection(secured, user), topic, topic)


@pytest.mark.parametrize(
    ("may", "lacks"), [((), "Describe"), ((AclOperation.DESCRIBE,), "Read")], ids=["not even seen", "seen"]
)
def test_restoring_a_state_topic_without_permission_names_it(
    secured: SecuredBroker, user: ScramUser, topic: str, may: tuple[AclOperation, ...], lacks: str
) -> None:
    state = with_a_record(secured, f"{topic}-state")
    secured.allow(on(ResourceType.GROUP, topic, user, AclOperation.READ))
    secured.allow(on(ResourceType.TOPIC, topic, user, AclOperation.READ))
    secured.allow(on(ResourceType.TOPIC, state, user, *may))
    settings = SourceSettings(
        connection=connection(secured, user), group=topic, topics={topic: state}, start="earliest"
    )

    member = RecordingMember(source=KafkaSource(settings))

    with closing(member.source), pytest.raises(NotPermitted, match=f"{lacks} on topic {state}"):
        until(lambda: bool(member.records), member)


@pytest.mark.parametrize("elsewhere", [True, False], ids=["may write elsewhere", "may write nowhere"])
def test_writing_a_topic_without_permission_names_it(
    secured: SecuredBroker, user: ScramUser, topic: str, elsewhere: bool
) -> None:
    if elsewhere:
        secured.allow(on(ResourceType.TOPIC, ABSENT, user, AclOperation.WRITE))

    with pytest.raises(NotPermitted, match=f"Write on topic {topic} "):
        produce_record(connection(secured, user), topic, b"key", b"value")

    secured.allow(on(ResourceType.TOPIC, topic, user, AclOperation.WRITE))
    produce_record(connection(secured, user), topic, b"key", b"value")


def test_a_transactional_id_without_permission_is_named(secured: SecuredBroker, user: ScramUser) -> None:
    sink = TransactionalSink(
        SinkSettings(connection=connection(secured, user), group="group", instance_id=f"{user.name}-0")
    )

    with closing(sink), pytest.raises(NotPermitted, match=f"Write on transactional id {user.name}-0 "):
        sink.open()
