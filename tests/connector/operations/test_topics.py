"""Topics are created only when asked, and match the input where they must."""

import io
from collections.abc import Mapping, Sequence

import pytest
from rich.console import Console

from connector.demo.stack import Stack, drop_topics
from connector.operations import topics as operation
from connector.topics import manifest, named
from connector.topology import Limits, permissions
from streams.kafka.administration import Administration
from streams.topics import Described, Wanted

TOPICS = named("kaufland")
LIMITS = Limits(batch_bytes=1_000_000)


class Broker:
    def __init__(self, there: Mapping[str, Described]) -> None:
        self.there = dict(there)
        self.created: list[Wanted] = []

    def describe(self, names: Sequence[str]) -> Mapping[str, Described]:
        return {name: self.there[name] for name in names if name in self.there}

    def create(self, wanted: Sequence[Wanted]) -> Mapping[str, str]:
        self.created += wanted
        return {}


def console() -> Console:
    return Console(file=io.StringIO(), width=250)


def printed(on: Console) -> str:
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


def test_showing_names_every_topic_and_permission() -> None:
    out = console()

    operation.show(
        out,
        TOPICS,
        list(permissions(TOPICS, group="g", instance_id="i", transactional=True)),
        "User:connector",
    )

    for topic in manifest(TOPICS):
        assert topic.name in printed(out)
    assert "kafka-acls --add --allow-principal User:connector" in printed(out)


def test_checking_creates_nothing() -> None:
    broker = Broker({})

    assert not operation.check(console(), broker, TOPICS, LIMITS)
    assert broker.created == []


def test_what_is_created_has_as_many_partitions_as_an_input_that_is_there() -> None:
    broker = Broker({TOPICS.offer_changes: Described(partitions=12)})

    assert operation.create(console(), broker, TOPICS, partitions=4, replication=None)

    created = {wanted.name: wanted.partitions for wanted in broker.created}
    assert created[TOPICS.offer_state] == created[TOPICS.offers_not_found] == 12
    assert created[TOPICS.offer_results] == 4
    assert TOPICS.offer_changes not in created


@pytest.mark.kafka
def test_a_real_broker_gets_the_manifest_and_then_has_nothing_to_complain_about(kafka: Stack) -> None:
    topics = named(kafka.unique("manifest"))
    broker = Administration({"bootstrap.servers": kafka.bootstrap_servers})

    try:
        assert not operation.check(console(), broker, topics, LIMITS)
        assert operation.create(console(), broker, topics, partitions=3, replication=1)
        assert operation.check(console(), broker, topics, LIMITS)
        assert operation.create(console(), broker, topics, partitions=5, replication=1)
    finally:
        drop_topics(kafka, *(topic.name for topic in manifest(topics)))


@pytest.mark.kafka
def test_a_real_broker_that_refuses_says_why(kafka: Stack) -> None:
    broker = Administration({"bootstrap.servers": kafka.bootstrap_servers})

    refused = broker.create([Wanted(name="not a name", partitions=1, config={}, replication=1)])

    assert "not a name" in refused
    assert broker.cluster_id()
