"""``connector topics``: creates topics on request only, with the input's number of partitions where required."""

import io
from collections.abc import Mapping, Sequence

import pytest
from rich.console import Console

from connector.contracts.permissions import Identity, Principal, of_create, of_run
from connector.contracts.topic_checks import Limits, Needs
from connector.contracts.topics import Topics, manifest, named
from connector.operations import topics as operation
from devstack.stack import Stack, drop_topics
from streams.kafka.admin import ClusterAdmin
from streams.topics import TopicDescription, TopicToCreate

TOPICS = named("kaufland")
LIMITS = Limits(batch_bytes=1_000_000)
WHO = Principal(name="User:connector", bootstrap_servers="broker:9092")
IDENTITY = Identity(group="g", instances="i-", transactional=True)


class StubTopicAdmin:
    """A broker with these topics; records the created ones."""

    def __init__(self, there: Mapping[str, TopicDescription]) -> None:
        self.there = dict(there)
        self.created: list[TopicToCreate] = []

    def describe(self, names: Sequence[str]) -> Mapping[str, TopicDescription]:
        return {name: self.there[name] for name in names if name in self.there}

    def allowed_on_group(self, group: str) -> frozenset[str] | None:
        return None

    def create(self, wanted: Sequence[TopicToCreate]) -> Mapping[str, str]:
        self.created += wanted
        return {}


def console() -> Console:
    return Console(file=io.StringIO(), width=250)


def printed(on: Console) -> str:
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


def checked(broker: operation.TopicAdmin, topics: Topics) -> bool:
    """Whether the check of the broker's topics passes."""
    needs = Needs(grant=of_run(topics, IDENTITY), principal=WHO)
    return operation.check(console(), operation.found_on(broker, topics, LIMITS, needs, "g"))


def test_showing_names_every_topic_and_permission() -> None:
    out = console()

    operation.show(out, TOPICS, [of_run(TOPICS, IDENTITY), of_create(TOPICS)], WHO)

    for topic in manifest(TOPICS):
        assert topic.name in printed(out)
    assert "kafka-acls --bootstrap-server broker:9092 --add --allow-principal User:connector" in printed(out)
    assert "# connector topics --create" in printed(out)


def test_checking_creates_nothing() -> None:
    broker = StubTopicAdmin({})

    assert not checked(broker, TOPICS)
    assert broker.created == []


def test_no_topic_is_created_if_existing_ones_cannot_be_described() -> None:
    broker = StubTopicAdmin({TOPICS.offer_state: TopicDescription(partitions=0, allowed=frozenset())})
    out = console()

    assert not operation.create(out, broker, TOPICS, partitions=4, replication=None)

    assert broker.created == []
    assert f"may not Describe {TOPICS.offer_state}" in printed(out)


def test_what_is_created_has_as_many_partitions_as_an_input_that_is_there() -> None:
    broker = StubTopicAdmin({TOPICS.offer_changes: TopicDescription(partitions=12)})

    assert operation.create(console(), broker, TOPICS, partitions=4, replication=None)

    created = {wanted.name: wanted.partitions for wanted in broker.created}
    assert created[TOPICS.offer_state] == created[TOPICS.offers_not_found] == 12
    assert created[TOPICS.offer_results] == 4
    assert TOPICS.offer_changes not in created


@pytest.mark.kafka
def test_topics_created_on_a_real_broker_have_no_findings(kafka: Stack) -> None:
    topics = named(kafka.unique("manifest"))
    broker = ClusterAdmin({"bootstrap.servers": kafka.bootstrap_servers})

    try:
        assert not checked(broker, topics)
        assert operation.create(console(), broker, topics, partitions=3, replication=1)
        assert checked(broker, topics)
        assert operation.create(console(), broker, topics, partitions=5, replication=1)
    finally:
        drop_topics(kafka, *(topic.name for topic in manifest(topics)))


@pytest.mark.kafka
def test_a_refusal_of_a_real_broker_is_reported_with_its_reason(kafka: Stack) -> None:
    broker = ClusterAdmin({"bootstrap.servers": kafka.bootstrap_servers})

    refused = broker.create([TopicToCreate(name="not a name", partitions=1, config={}, replication=1)])

    assert "not a name" in refused
    assert broker.cluster_id()
