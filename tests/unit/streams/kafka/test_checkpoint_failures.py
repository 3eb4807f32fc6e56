"""A checkpoint that fails repeatedly: what is logged, how often, and how long the next attempt waits."""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

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
from streams.errors import BrokerDown
from streams.flow import Assignment, Output
from streams.kafka.checkpoint_failures import DENIED_MOST_S, LOG_EVERY_S, CheckpointFailures
from streams.kafka.settings import KafkaConnection, SinkSettings
from streams.kafka.sinks import PlainSink, TransactionalSink
from streams.messages import Checkpoint
from streams.ports import Again, Done, Sink
from streams.topics import TopicDescription
from tests.harness.secured_broker import ScramUser, SecuredBroker

SETTINGS = SinkSettings(
    connection=KafkaConnection(bootstrap_servers="nobody.invalid:1", client_id="me"), instance_id="me", group="offers"
)
TOPIC_DENIED = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "Failed to add partition(s) to transaction")
AFTERMATH = KafkaError(KafkaError._STATE, "Failed to commit offsets: Local: Erroneous state")
UNDELIVERED = KafkaError(KafkaError._INCONSISTENT, "1 message(s) failed delivery (see individual delivery reports)")
TIMED_OUT = KafkaError(KafkaError._TIMED_OUT, "Timed out")


class FakeTopicAdmin:
    """Returns the allowed operations of each topic, and counts the requests."""

    def __init__(self, **allowed: frozenset[str]) -> None:
        self.allowed = allowed
        self.asked = 0

    def describe(self, names: Collection[str]) -> dict[str, TopicDescription]:
        self.asked += 1
        return {
            name: TopicDescription(partitions=1, allowed=self.allowed[name]) for name in names if name in self.allowed
        }


@pytest.fixture
def now_s() -> list[float]:
    return [100.0]


def failures(now_s: list[float], broker: FakeTopicAdmin) -> CheckpointFailures:
    return CheckpointFailures(SETTINGS, lambda: now_s[0], broker.describe)


def heard(failures: CheckpointFailures, problem: KafkaError) -> tuple[str, str, float]:
    said = failures.failed(problem, ("results", "state"), ("changes",), "warning")
    return said.reason, said.level, said.after_s


@pytest.mark.parametrize("problem", [TOPIC_DENIED, AFTERMATH, UNDELIVERED])
def test_the_topic_and_the_operation_that_are_denied_are_named(now_s: list[float], problem: KafkaError) -> None:
    broker = FakeTopicAdmin(results=frozenset({"Describe"}), state=frozenset({"Write"}), changes=frozenset({"Read"}))

    reason, level, _ = heard(failures(now_s, broker), problem)

    assert reason == (
        "the broker denies this principal Write on topic results (TOPIC_AUTHORIZATION_FAILED). Remedy: add ACLs that "
        "allow Write on topic results"
    )
    assert level == "warning"


def test_a_topic_that_may_not_even_be_described_and_a_position_that_may_not_be_committed_are_named(
    now_s: list[float],
) -> None:
    broker = FakeTopicAdmin(results=frozenset(), state=frozenset({"Write"}), changes=frozenset({"Describe"}))

    reason, _, _ = heard(failures(now_s, broker), TOPIC_DENIED)

    assert "Write on topic results, Read on topic changes" in reason


def test_a_group_that_is_denied_is_named_without_asking(now_s: list[float]) -> None:
    broker = FakeTopicAdmin()

    reason, _, _ = heard(failures(now_s, broker), KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))

    assert "Read on group offers" in reason
    assert broker.asked == 0


def test_a_denial_is_logged_once_and_then_rarely_and_retried_with_growing_waits(now_s: list[float]) -> None:
    broker = FakeTopicAdmin(results=frozenset())
    denied = failures(now_s, broker)
    levels, waits = [], []
    while now_s[0] < 100.0 + 2.5 * LOG_EVERY_S:
        _, level, wait_s = heard(denied, TOPIC_DENIED)
        levels.append(level)
        waits.append(wait_s)
        now_s[0] += wait_s

    assert levels.count("warning") == 3
    assert set(levels) == {"warning", "debug"}
    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert max(waits) == waits[-1] == DENIED_MOST_S
    assert broker.asked <= len(waits)


def test_a_different_failure_is_logged_and_so_is_the_same_one_after_a_durable_checkpoint(now_s: list[float]) -> None:
    ill = failures(now_s, FakeTopicAdmin(results=frozenset()))

    said = [heard(ill, TIMED_OUT), heard(ill, TIMED_OUT), heard(ill, TOPIC_DENIED), heard(ill, TIMED_OUT)]
    ill.succeeded()
    again = heard(ill, TIMED_OUT)

    assert [level for _, level, _ in said] == ["warning", "debug", "warning", "debug"]
    assert again == ("_TIMED_OUT: Timed out", "warning", 0.05)


def test_without_a_description_the_brokers_error_is_passed_on(now_s: list[float]) -> None:
    def away(names: Collection[str]) -> dict[str, TopicDescription]:
        raise BrokerDown(f"no broker answers about {len(names)} topics")

    ill = CheckpointFailures(SETTINGS, lambda: now_s[0], away)

    assert "TOPIC_AUTHORIZATION_FAILED" in heard(ill, TOPIC_DENIED)[0]
    assert heard(ill, AFTERMATH)[0].startswith("_STATE")


# ---- on a broker that denies ----------------------------------------------------------------------------------------


def right(user: ScramUser, resource: ResourceType, name: str, operation: AclOperation) -> AclBinding:
    where = (resource, name, ResourcePatternType.LITERAL)
    return AclBinding(*where, user.principal, "*", operation, AclPermissionType.ALLOW)


@contextmanager
def opened(sink: Sink) -> Iterator[Sink]:
    try:
        sink.open()
        yield sink
    finally:
        sink.close()


def write(sink: Sink, serial: int, topic: str) -> Iterator[Done | Again]:
    """Repeats a checkpoint of one record until it is durable, with the waits that the sink asks for."""
    at = Assignment(topic="in", partition=0, epoch=1)
    checkpoint = Checkpoint(serial=serial, outputs={at: (Output(topic=topic, key=b"k", value=b"v"),)}, marks={})
    while True:
        said = sink.write(checkpoint, None)
        yield said
        if isinstance(said, Done):
            return
        time.sleep(said.after_s)


@pytest.mark.kafka
@pytest.mark.parametrize("kind", [TransactionalSink, PlainSink])
def test_a_revoked_write_permission_is_logged_once_and_the_checkpoint_waits_for_it(
    secured: SecuredBroker, kind: type[TransactionalSink] | type[PlainSink]
) -> None:
    user = secured.add_user()
    topic, instance = f"results-{user.name}", f"instance-{user.name}"
    create_topics(secured.admin, NewTopic(topic, 1, 1))
    writes = right(user, ResourceType.TOPIC, topic, AclOperation.WRITE)
    secured.allow([writes, right(user, ResourceType.TRANSACTIONAL_ID, instance, AclOperation.WRITE)])
    settings = SinkSettings(connection=secured.connection(user), instance_id=instance, group="offers")

    with opened(kind(settings)) as sink:
        assert isinstance(list(write(sink, 1, topic))[-1], Done)
        secured.withdraw(writes)
        attempts: list[Done | Again] = []
        for said in write(sink, 2, topic):
            attempts.append(said)
            if len(attempts) == 4:
                secured.allow([writes])

    denied = attempts[:4]
    assert all(isinstance(said, Again) for said in denied)
    notices = [notice for said in denied for notice in said.notices if notice.level != "debug"]
    assert [notice.event for notice in notices] == ["checkpoint_failed"]
    assert f"Write on topic {topic}" in str(notices[0].fields["reason"])
    assert isinstance(attempts[-1], Done)
