"""Finds a real Apache Kafka and a schema registry for the tests.

Tried in this order: addresses from the environment; the JVM broker (Java 17 and Maven); containers. If none is
available, the tests fail with a message about what to install; they are never skipped.
"""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from devstack import jvm_stack
from devstack.backbone import Backbone
from devstack.waiting import until
from streams.kafka.topic_start import have_started

CACHE = Path(__file__).parent.parent / ".stack"
BOOTSTRAP_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
REGISTRY_VARIABLE = "SCHEMA_REGISTRY_URL"
REGISTRY_IMAGE = "apicurio/apicurio-registry-mem:2.6.13.Final"


class NoKafka(Exception):
    """No real Kafka is available on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack(Backbone):
    """A running broker and registry. ``origin`` describes how they were found."""

    origin: str

    def unique(self, name: str) -> str:
        """Returns a name that no other test uses, not even of a concurrent run."""
        return f"{name}-{uuid.uuid4().hex[:10]}"

    def create_topic(
        self, name: str = "topic", partitions: int = 1, config: Mapping[str, str] | None = None, *, exact: bool = False
    ) -> str:
        """Creates a topic and returns its name, which is made unique unless ``exact``."""
        topic = name if exact else self.unique(name)
        new = NewTopic(topic, num_partitions=partitions, replication_factor=1, config=dict(config or {}))
        create_topics(self.admin(), new)
        return topic

    def delete_topic(self, name: str) -> None:
        admin = self.admin()
        admin.delete_topics([name], operation_timeout=10)[name].result()

    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap_servers})


@contextmanager
def find(say: Callable[[str], None]) -> Iterator[Stack]:
    """Provides the stack within the context. Raises NoKafka with a message about what to install."""
    if os.environ.get(BOOTSTRAP_VARIABLE):
        yield _from_environment(say)
        return
    if jvm_stack.missing() is None:
        with jvm_stack.JvmStack(CACHE, say=say) as started:
            stack = Stack(
                origin="JVM broker", bootstrap_servers=started.bootstrap_servers, registry_url=started.registry_url
            )
            say(f"Kafka: {stack.origin}, {stack.bootstrap_servers}")
            yield stack
        return
    with _containers(say) as stack:
        yield stack


def _from_environment(say: Callable[[str], None]) -> Stack:
    registry_url = os.environ.get(REGISTRY_VARIABLE)
    if not registry_url:
        raise NoKafka(f"{BOOTSTRAP_VARIABLE} is set, {REGISTRY_VARIABLE} is not: set both or none")
    stack = Stack(
        origin="addresses from the environment",
        bootstrap_servers=os.environ[BOOTSTRAP_VARIABLE],
        registry_url=registry_url,
    )
    say(f"Kafka: {stack.origin}, {stack.bootstrap_servers}")
    return stack


@contextmanager
def _containers(say: Callable[[str], None]) -> Iterator[Stack]:
    with _engine(), _kafka_container() as kafka, _registry_container() as registry:
        stack = Stack(
            origin="containers",
            bootstrap_servers=kafka.get_bootstrap_server(),
            registry_url=(
                f"http://{registry.get_container_host_ip()}:{registry.get_exposed_port(8080)}/apis/ccompat/v7"
            ),
        )
        say(f"Kafka: {stack.origin}, {stack.bootstrap_servers}")
        yield stack


@contextmanager
def _engine() -> Iterator[None]:
    """Raises NoKafka before any container is started if no container engine is reachable."""
    import docker
    from docker.errors import DockerException

    try:
        docker.from_env().ping()
    except DockerException as error:
        raise NoKafka(
            "no real Kafka for the tests. Either install a Java 17 runtime and Maven, or start a container engine, or "
            f"set {BOOTSTRAP_VARIABLE} and {REGISTRY_VARIABLE}"
        ) from error
    yield


def _kafka_container() -> Any:
    from testcontainers.community.kafka import KafkaContainer

    container = KafkaContainer().with_kraft()
    for setting, setting_value in {
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS": "500",
    }.items():
        container.with_env(setting, setting_value)
    return container


def _registry_container() -> Any:
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.waiting_utils import wait_for_logs

    class RegistryContainer(DockerContainer):
        def start(self) -> Any:
            started = super().start()
            wait_for_logs(self, "Listening on")
            return started

    return RegistryContainer(REGISTRY_IMAGE).with_exposed_ports(8080)


def create_topics(admin: AdminClient, *new: NewTopic) -> None:
    """Creates topics and waits until the brokers serve them. Raises KafkaException if one is refused."""
    for created in admin.create_topics(list(new), operation_timeout=10).values():
        created.result()
    names = [topic.topic for topic in new]
    until(f"{', '.join(names)} to be served", lambda: have_started(admin, names, timeout_s=10))


QUICK_TO_RESTART = "broker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\n"
"""Properties of a broker that a test kills: it can register again only after its session has expired."""


@contextmanager
def own_broker() -> Iterator[jvm_stack.JvmStack]:
    """Provides a broker for one test, which may kill, freeze and restart it; without a registry."""
    if (problem := jvm_stack.missing()) is not None:
        raise NoKafka(f"a broker that can be killed needs Java and Maven: {problem}")
    with jvm_stack.JvmStack(CACHE, with_registry=False, more=lambda _port, _controller: QUICK_TO_RESTART) as started:
        yield started


def drop_topics(stack: Stack, *topics: str) -> None:
    """Deletes topics, ignoring errors, so that a broker from the environment does not accumulate them."""
    admin = stack.admin()
    with suppress(KafkaException):
        for future in admin.delete_topics(list(topics)).values():
            future.result()
