"""Three brokers are restarted, killed and frozen, and leaders and coordinators moved, while two connectors work.

After each test, a run's audit: nothing lost, one result per event, no older value over a newer one, the limit kept, the
final state as computed. All tests of this file share one cluster and one deployment: each test leaves the cluster
intact, and its audit includes what was produced before.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, ElectionType, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from httpx import get

from devstack import stack
from devstack.expectation import Produced
from devstack.jvm_cluster import Cluster, Node
from devstack.stack import Stack, create_topics
from devstack.traffic import Traffic
from tests.faults.deployment import WatchedDeployment
from tests.faults.workload import all_hold, mixed, wall_us

ASK_S = 5.0
PIECE = 150
"""The number of events between two steps."""


@dataclass(kw_only=True)
class Site:
    """The cluster, two connectors, and everything produced so far."""

    cluster: Cluster
    deployment: WatchedDeployment
    traffic: Traffic
    health_urls: Sequence[str]
    times: Iterator[int] = field(default_factory=wall_us)
    produced: list[Produced] = field(default_factory=list)

    def produce(self) -> list[Produced]:
        """Produces ``PIECE`` further events."""
        piece = self.deployment.produce(self.traffic.messages(PIECE, self.times))
        self.produced += piece
        return piece

    def flows(self) -> None:
        """Produces events and waits for their results."""
        self.deployment.wait_for_results(self.produce())

    def audit(self) -> None:
        self.deployment.settle(self.produced)
        all_hold(self.deployment, self.produced)

    def is_ready(self) -> bool:
        """Whether both connectors are ready."""
        return all(get(f"{url}/readyz", timeout=30, trust_env=False).status_code == 200 for url in self.health_urls)

    @property
    def admin(self) -> AdminClient:
        """A new client for every request: an old one may keep asking a broker that is gone."""
        return AdminClient({"bootstrap.servers": self.cluster.bootstrap_servers})

    # ---- cluster ----------------------------------------------------------------------------------------------------

    def partitions(self, *topics: str) -> dict[TopicPartition, Any]:
        """Returns the metadata of the partitions of these topics, or of all."""
        admin = self.admin
        found = admin.list_topics(timeout=30).topics
        return {
            TopicPartition(name, number): partition
            for name, topic in found.items()
            if not topics or name in topics
            for number, partition in topic.partitions.items()
        }

    def wait_until_whole(self) -> None:
        """Waits until every partition has a leader and all its replicas are in sync."""

        def whole() -> bool:
            with suppress(KafkaException):
                return all(len(one.isrs) == len(one.replicas) and one.leader >= 0 for one in self.partitions().values())
            return False

        self.deployment.wait_for("all replicas to be in sync", whole)

    def leader_of_input(self) -> Node:
        topic = self.deployment.topic("offer-changes")
        return self.cluster.node(self.partitions(topic)[TopicPartition(topic, 0)].leader)

    def coordinator(self) -> Node:
        """Returns the node that coordinates the connectors' group."""
        group = f"{self.deployment.prefix}.connector"
        admin = self.admin  # keep a reference until the response is there
        described = admin.describe_consumer_groups([group], request_timeout=ASK_S)[group].result(2 * ASK_S)
        return self.cluster.node(described.coordinator.id)

    def leaders(self, *topics: str) -> dict[TopicPartition, int]:
        return {part: one.leader for part, one in self.partitions(*topics).items()}

    def move_leaders_off(self, node: Node) -> None:
        """Restarts a node, so that others lead its partitions, and waits until the cluster is whole."""
        node.stop()
        node.restart()
        self.wait_until_whole()

    def move_leaders_back(self, topics: Sequence[str]) -> int:
        """Moves leaders back to the preferred replicas; returns how many moved."""
        before = self.leaders(*topics)
        admin = self.admin
        with suppress(KafkaException):  # partitions already led by it are reported as errors
            admin.elect_leaders(ElectionType.PREFERRED, list(before)).result(30)
        self.deployment.wait_for("leaders to be others", lambda: self.leaders(*topics) != before)
        after = self.leaders(*topics)
        return sum(before[part] != after[part] for part in before)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]) -> Iterator[Site]:
    with (
        Cluster(stack.CACHE, say=say) as cluster,
        WatchedDeployment(
            kafka=Stack(
                origin="three brokers", bootstrap_servers=cluster.bootstrap_servers, registry_url=cluster.registry_url
            ),
            folder=Path(tmp_path_factory.mktemp("three")),
            partitions=4,
            catalogue="eans = 200",
            settings='[offers]\nnot_found_grace = "1s"\n',
        ) as deployment,
    ):
        connectors = [deployment.connector(instance) for instance in ("one", "two")]
        made = Site(
            cluster=cluster,
            deployment=deployment,
            traffic=mixed(deployment, seed=8),
            health_urls=[connector.health_url for connector in connectors],
        )
        made.flows()
        yield made


def test_a_rolling_restart_of_all_brokers_loses_nothing_and_stops_no_process(site: Site) -> None:
    for node in site.cluster.nodes:
        site.produce()
        node.stop()
        site.flows()
        node.restart()
        site.wait_until_whole()

    site.audit()


def test_the_kill_of_the_broker_that_leads_an_input_partition_loses_nothing(site: Site) -> None:
    killed = site.leader_of_input()
    site.produce()
    killed.kill()
    site.flows()
    killed.restart()
    site.wait_until_whole()

    site.audit()


def test_leaders_that_move_under_load_lose_nothing(site: Site) -> None:
    site.move_leaders_off(site.leader_of_input())
    ours = [topic for topic in site.admin.list_topics(timeout=30).topics if topic.startswith(site.deployment.prefix)]
    site.produce()

    moved = site.move_leaders_back(ours)
    site.flows()

    assert moved > 0
    site.audit()


def test_coordinators_that_move_while_the_old_one_is_frozen_lose_nothing(site: Site) -> None:
    frozen = site.coordinator()
    site.produce()
    frozen.freeze()
    site.deployment.wait_for("another coordinator", lambda: _moved(site, frozen))
    site.produce()
    site.deployment.wait_for("both connectors to be ready while it is frozen", site.is_ready)
    frozen.thaw()
    site.wait_until_whole()
    site.flows()

    site.audit()


def test_a_transaction_that_is_committed_while_a_partition_has_no_leader_is_not_lost(site: Site) -> None:
    """What exactly once relies on. Kafka 4.3.0 and 4.3.1 fail here: docs/decisions/kafka-4-3-loses-transactions.md."""
    alone, node = "only-on-the-third", site.cluster.node(3)
    create_topics(site.admin, NewTopic(alone, num_partitions=1, replica_assignment=[[3]]))
    producer = Producer({"bootstrap.servers": site.cluster.bootstrap_servers, "transactional.id": "markers"})
    site.deployment.wait_for("a producer", lambda: _succeeds(lambda: producer.init_transactions(ASK_S)))
    producer.begin_transaction()
    producer.produce(alone, b"committed", partition=0)
    assert producer.flush(60) == 0

    node.kill()
    site.deployment.wait_for("the loss of the leader", lambda: site.leaders(alone)[TopicPartition(alone, 0)] == -1)
    site.deployment.wait_for("the commit", lambda: _succeeds(lambda: producer.commit_transaction(ASK_S)))
    node.restart()
    site.wait_until_whole()

    site.deployment.wait_for("the committed record", lambda: _first_value(site, alone) == b"committed")
    admin = site.admin
    admin.delete_topics([alone])[alone].result()
    site.flows()
    site.audit()


def _succeeds(step: Callable[[], object]) -> bool:
    """Whether a step of the producer succeeds; False if it may be repeated."""
    try:
        step()
    except KafkaException as error:
        if not error.args[0].retriable():
            raise
        return False
    return True


def _first_value(site: Site, topic: str) -> bytes | None:
    """Returns the first value that a read-committed consumer sees now; None if there is none."""
    consumer = Consumer(
        {
            "bootstrap.servers": site.cluster.bootstrap_servers,
            "group.id": "markers",
            "isolation.level": "read_committed",
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        message = consumer.poll(ASK_S)
        return message.value() if message is not None and message.error() is None else None
    finally:
        consumer.close()


def _moved(site: Site, before: Node) -> bool:
    with suppress(KafkaException, TimeoutError):
        return site.coordinator() is not before
    return False
